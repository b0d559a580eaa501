"""What every figure of the weekly export means: KPIs as data, for `figures` to compute and docs to show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shared.kpi.definition import MEASURED, Definition, Exclusion, shown
from shared.kpi.definitions_of_alerts import OF_ALERTS
from shared.kpi.definitions_of_change import OF_CHANGE
from shared.kpi.definitions_of_plans import OF_PLANS
from shared.kpi.definitions_of_telling import OF_TELLING
from shared.kpi.definitions_of_watch import OF_WATCH

VERSION = 4
"""Counts up whenever a definition, a metric or a column changes its meaning."""

FIRST_RESPONSE_SECONDS = 300

_DRILLS = Exclusion("drill", "drills opened in the week", "drill_opened")
_AFTER_REOPENING = Exclusion(
    "after-reopening", "resolutions that ended a reopening", "time_to_resolve_again_seconds"
)
_STILL_OPEN = Exclusion("still-open", "incidents never reopened and open at the week's end")
_NO_TARGET = Exclusion(
    "no-target", "clocks that ended in the week when the severity had no target, so there was no due instant"
)
_RUNNING = Exclusion("running", "clocks neither stopped nor past their due instant at the week's end")

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "backlog_opening",
        "count",
        "incidents",
        "incidents open or acknowledged at the first instant of the week",
        ("incident_open_at_start",),
    ),
    Definition(
        "incidents_opened",
        "count",
        "incidents",
        "incidents whose opening was recorded in the week",
        ("incident_opened",),
        exclusions=(_DRILLS,),
        target="at most",
    ),
    Definition(
        "incidents_reopened",
        "count",
        "incidents",
        "reopenings recorded in the week",
        ("incident_reopened",),
        target="at most",
    ),
    Definition(
        "incidents_resolved",
        "count",
        "incidents",
        "resolutions recorded in the week, whoever resolved",
        ("incident_resolved",),
    ),
    Definition(
        "incidents_resolved_by_source",
        "count",
        "incidents",
        "resolutions recorded in the week that came from the source, because its alerts had ended",
        ("incident_resolved",),
        exclusions=(Exclusion("by-person", "resolutions by people", "incident_resolved", "person"),),
        codes=("source",),
    ),
    Definition(
        "backlog_closing",
        "count",
        "incidents",
        "incidents open or acknowledged at the week's end",
        ("incident_open_at_end",),
        target="at most",
    ),
    Definition(
        "time_to_detect",
        "duration",
        "seconds",
        "from the start of the earliest alert, as the source tells it, to the recording of the opening",
        ("time_to_detect_seconds",),
        MEASURED,
        "incidents opened in the week",
        "nothing, but a start after the recording counts as 0, and under control clock_ahead",
        (Exclusion("declared-by-hand", "incidents that a person declared"),),
        target="at most",
    ),
    Definition(
        "time_to_acknowledge",
        "duration",
        "seconds",
        "from the recording of the opening to the recording of the first acknowledgement by a person",
        ("time_to_acknowledge_seconds",),
        MEASURED,
        "incidents first acknowledged in the week, before they were first resolved",
        "acknowledgements after a reopening, and all but the first",
        (
            Exclusion(
                "resolved-unacknowledged",
                "incidents first resolved in the week before anyone acknowledged them",
            ),
            Exclusion(
                "still-open", "incidents never reopened, open at the week's end and not acknowledged so far"
            ),
        ),
        target="at most",
    ),
    Definition(
        "time_to_acknowledge_again",
        "duration",
        "seconds",
        "from the recording of a reopening to the recording of the next acknowledgement by a person",
        ("time_to_acknowledge_again_seconds",),
        MEASURED,
        "reopenings first acknowledged in the week",
        "none",
        (
            Exclusion(
                "resolved-unacknowledged",
                "reopenings first resolved in the week before anyone acknowledged them",
            ),
            Exclusion(
                "still-open",
                "incidents whose last reopening is open at the week's end and not acknowledged so far",
            ),
        ),
        target="at most",
    ),
    Definition(
        "time_to_mitigate",
        "duration",
        "seconds",
        "from the recording of the opening to that of the first sign that the harm was stopped: a note of "
        "kind mitigation, or a status update to monitoring",
        ("time_to_mitigate_seconds",),
        MEASURED,
        "incidents first mitigated in the week, before they were first resolved",
        "mitigations after the first resolution",
        (
            Exclusion(
                "resolved-unmitigated", "incidents first resolved in the week with no mitigation noted"
            ),
            Exclusion(
                "still-open", "incidents never reopened, open at the week's end and not mitigated so far"
            ),
        ),
        target="at most",
    ),
    Definition(
        "time_to_resolve",
        "duration",
        "seconds",
        "from the recording of the opening to the recording of the first resolution, whoever resolved",
        ("time_to_resolve_seconds",),
        MEASURED,
        "incidents first resolved in the week",
        "none",
        (_AFTER_REOPENING, _STILL_OPEN),
        target="at most",
    ),
    Definition(
        "time_to_resolve_by_person",
        "duration",
        "seconds",
        "time_to_resolve of the incidents that a person resolved",
        ("time_to_resolve_seconds",),
        MEASURED,
        "incidents first resolved in the week, by a person",
        "what followed a reopening",
        (
            Exclusion(
                "by-source",
                "incidents first resolved in the week, by the source",
                "time_to_resolve_seconds",
                "source",
            ),
        ),
        codes=("person",),
        target="at most",
    ),
    Definition(
        "time_to_resolve_by_source",
        "duration",
        "seconds",
        "time_to_resolve of the incidents that the source resolved",
        ("time_to_resolve_seconds",),
        MEASURED,
        "incidents first resolved in the week, by the source",
        "what followed a reopening",
        (
            Exclusion(
                "by-person",
                "incidents first resolved in the week, by a person",
                "time_to_resolve_seconds",
                "person",
            ),
        ),
        codes=("source",),
        target="at most",
    ),
    Definition(
        "time_to_resolve_again",
        "duration",
        "seconds",
        "from the recording of a reopening to the recording of the next resolution",
        ("time_to_resolve_again_seconds",),
        MEASURED,
        "reopenings resolved in the week",
        "the time before the reopening",
        (Exclusion("still-open", "incidents whose last reopening is open at the week's end"),),
        target="at most",
    ),
    Definition(
        "first_response_within_5m",
        "share",
        "percent",
        "incidents to which a person responded within 300 seconds of the recording of the opening",
        ("first_response_met",),
        "incidents acknowledged or resolved by a person at 300 seconds or before",
        "incidents for which that was decided in the week: by the response, or by 300 seconds having passed",
        "none",
        (
            Exclusion("voided", "incidents that the source resolved within 300 seconds, before any response"),
            Exclusion("running", "incidents open at the week's end, not responded to, 300 seconds not past"),
            Exclusion("reopening", "reopenings recorded in the week", "incident_reopened"),
        ),
        target="at least",
    ),
    Definition(
        "respond_sla_attainment",
        "share",
        "percent",
        "respond clocks met; an opening and each reopening start one where the severity has a target",
        ("respond_sla_met",),
        "clocks stopped at respond_due or before, by a person who acknowledged or resolved",
        "clocks decided in the week: met, or missed because respond_due passed, answered since or not",
        "none",
        (
            Exclusion(
                "voided", "clocks ended by the source's resolution, at respond_due or before, unanswered"
            ),
            _NO_TARGET,
            _RUNNING,
        ),
        target="at least",
    ),
    Definition(
        "resolve_sla_attainment",
        "share",
        "percent",
        "resolve clocks met; an opening and each reopening start one where the severity has a target",
        ("resolve_sla_met",),
        "clocks stopped at resolve_due or before, by a resolution, whoever resolved",
        "clocks decided in the week: met, or missed because resolve_due passed, resolved since or not",
        "none",
        (
            Exclusion("voided", "clocks that a reopening ended before any resolution"),
            _NO_TARGET,
            _RUNNING,
        ),
        target="at least",
    ),
    Definition(
        "reopen_rate",
        "ratio",
        "percent",
        "how many reopenings the week saw for each hundred resolutions",
        ("incident_reopened",),
        "reopenings recorded in the week, also of incidents resolved in an earlier one",
        "resolutions recorded in the week",
        per=("incident_resolved",),
        target="at most",
    ),
    *OF_ALERTS,
    *OF_PLANS,
    *OF_TELLING,
    *OF_WATCH,
    *OF_CHANGE,
)
BY_NAME = {definition.name: definition for definition in DEFINITIONS}

TARGETS: frozenset[str] = frozenset(one.target_name for one in DEFINITIONS if one.target)
"""Every name under which a plan may state a target."""


def digest(value: Mapping[str, Any]) -> str:
    """SHA-256 of a definition, or of other content, as JSON with sorted keys and no spaces in UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def digest_of_all() -> str:
    """What the manifest names as the definitions in force."""
    return digest({definition.name: shown(definition) for definition in DEFINITIONS})


if __name__ == "__main__":
    from shared.kpi.reference import markdown

    print(markdown(), end="")
