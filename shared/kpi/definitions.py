"""What every figure of the weekly export means: KPIs as data, for `figures` to compute and docs to show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shared.kpi.definition import MEASURED, Definition, shown
from shared.kpi.definitions_of_plans import OF_PLANS
from shared.kpi.definitions_of_telling import OF_TELLING

VERSION = 3
"""Counts up whenever a definition, a metric or a column changes its meaning."""

FIRST_RESPONSE_SECONDS = 300

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
        exclusions="resolutions by people",
        code="source",
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
        "incidents declared by hand; a start after the recording counts as 0, and under control clock_ahead",
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
        "incidents resolved before anyone acknowledged them; acknowledgements after a reopening",
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
        "reopenings resolved before anyone acknowledged them",
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
        "what followed a reopening",
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
        "what followed a reopening; resolutions by the source",
        code="person",
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
        "what followed a reopening; resolutions by people",
        code="source",
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
        "incidents that the source resolved within 300 seconds and before any response; reopenings",
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
        "clocks ended by the source's resolution before respond_due and before any response",
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
    Definition(
        "alerts_per_incident",
        "ratio",
        "alerts per incident",
        "how many alerts the week brought to an incident that had any",
        ("incident_alerts",),
        "alerts, firing or resolved, on incidents' timelines, recorded in the week, each with its count",
        "incidents with at least one such alert",
        "alerts that changed no incident, which stand in the plan's journal; those of drills and the pending",
        per=("incident_alerted",),
        target="at most",
    ),
    Definition(
        "alerts_by_disposition",
        "breakdown",
        "alerts",
        "what became of the alerts recorded in the week, each with its count",
        ("incident_alerts", "other_alerts", "journal_alerts"),
        exclusions="by severity and service: alerts of the plan's journal, of drills and of what is pending",
    ),
    Definition(
        "escalations_by_step",
        "breakdown",
        "escalations",
        "escalations that Tocsin recorded in the week, by step of the ladder, all rounds together",
        ("escalated",),
        exclusions="escalations by hand",
    ),
    Definition(
        "escalations_by_hand",
        "count",
        "escalations",
        "escalations by people, recorded in the week",
        ("escalated_manually",),
    ),
    Definition(
        "escalations_exhausted",
        "count",
        "escalations",
        "ladders that came to their end in the week with nobody having answered",
        ("escalation_exhausted",),
        target="at most",
    ),
    Definition(
        "escalation_lateness",
        "duration",
        "seconds",
        "how long after the instant at which an escalation was due Tocsin escalated",
        ("escalation_late_seconds",),
        MEASURED,
        "escalations recorded in the week",
        "escalations by hand",
        target="at most",
    ),
    Definition(
        "delivery_success",
        "share",
        "percent",
        "notifications that their provider accepted",
        ("delivery_succeeded",),
        "deliveries accepted, recorded in the week",
        "deliveries accepted or given up, recorded in the week",
        "deliveries still being tried at the week's end, or withdrawn as the incident had been resolved",
        target="at least",
    ),
    Definition(
        "contacts_unreachable",
        "count",
        "contacts",
        "times in the week that no channel of a contact was left to try",
        ("contact_unreachable",),
        target="at most",
    ),
    Definition(
        "contacts_missing",
        "count",
        "contacts",
        "times in the week that a step named a contact whom the plan no longer has",
        ("contact_missing",),
        target="at most",
    ),
    *OF_PLANS,
    *OF_TELLING,
)

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
