"""The nightly check on real storage: what has got worse opens one quiet incident a week; all is on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.incident_tables import IncidentTables
from shared.domain.drift import Drift, summary, title
from shared.domain.timeline import Event, first_break, stamp
from shared.domain.week import week_bounds
from shared.kpi.drift import MEASURES
from shared.kpi.samples import samples_in
from shared.workflows.check_drift import CheckDrift
from shared.workflows.export_kpis import compile_week
from tests.builders import NOON, a_plan, a_severity, an_alert, hours, minutes, seconds, some_rules
from tests.stage import Stage
from tests.stories import MONDAY, WEEK, Story
from tests.working_fakes import MemoryExports, MemoryTimelines

DAY = timedelta(days=1)
THURSDAY = MONDAY + 3 * DAY + hours(3)
LAST_WEEK = "2026-W46"
QUICK = {"time_to_resolve_seconds": {"api": [600 + each for each in range(40)]}}


@dataclass
class Both:
    """`ports.Timelines`: those told in memory, and those of the store."""

    told: MemoryTimelines
    stored: IncidentTables

    def subjects(self, plan: str, week: str) -> list[str]:
        return sorted({*self.told.subjects("acme", week), *self.stored.subjects(plan, week)})

    def events(self, subject: str) -> Iterator[Event]:
        if subject in self.told.timelines:
            return self.told.events(subject)
        return self.stored.events(subject)


class Night(Stage):
    """A stage whose plan has a bundle of the week before, and a night that checks it."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        self.rules(some_rules(a_severity("P1"), a_severity("P4")))
        self.exports = MemoryExports()
        self.timelines = MemoryTimelines()
        self.both = Both(self.timelines, self.store)
        self.checking = CheckDrift(
            self.plans, self.store, self.both, self.archive, self.queue, self.journals, self.exports
        )

    def had(self, **samples: dict[str, list[int]]) -> None:
        """The bundle of the week before, whose baseline holds these samples for the week before that."""
        start, end = week_bounds(LAST_WEEK, "UTC")
        older = {"2026-W45": {"revision": 1, "manifest_sha256": "0" * 64, "kpis": {}, "samples": samples}}
        members = {
            "manifest.json": {
                "week": LAST_WEEK,
                "format": 3,
                "revision": 1,
                "timezone": "UTC",
                "from": stamp(start),
                "as_of": stamp(end),
            },
            "kpi.json": {"kpis": {}},
            "baseline.json": {"weeks": older},
        }
        files = {name: json.dumps(content).encode() for name, content in members.items()}
        files |= {"incidents.csv": b"id\n", "audit.csv": b"id\n", "alerts.csv": b"subject\n"}
        for name, content in {**files, "manifest.sha256": b""}.items():
            self.exports.blobs[f"{self.name}/{LAST_WEEK}/r1/{name}"] = content

    def has(self, count: int, took: timedelta, **opened: Any) -> None:  # noqa: ANN401  (of the story)
        """Incidents of this week that took so long to resolve."""
        for number in range(count):
            at = MONDAY + hours(number)
            story = Story(f"INC-{number:08}-1").opened(at, **opened).resolved(at + took + seconds(number))
            self.timelines.keep("acme", story.events)

    def noted(self, type: str) -> list[dict[str, Any]]:
        return [dict(event.data) for event in self.journal_events() if event.type == type]


@pytest.fixture
def night(storage: str) -> Iterator[Night]:
    with Night(storage) as stage:
        yield stage


def test_what_takes_longer_than_before_opens_a_quiet_incident_that_escalates(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, hours(3))
    assert night.checking.check(THURSDAY) == 1
    [found] = night.noted("drift-found")
    assert {key: found[key] for key in ("week", "measure", "service", "direction")} == {
        "week": WEEK,
        "measure": "time_to_resolve_seconds",
        "service": "api",
        "direction": "higher",
    }
    assert (found["statistic_ppm"], found["p_ppm"]) == (1_000_000, 0)
    incident = night.incident(found["incident"])
    assert (incident.name, incident.service, incident.severity) == (
        "drift-time_to_resolve_seconds",
        "api",
        "P4",
    )
    assert (incident.source, incident.drill) == (None, None)
    assert incident.title == (
        "Incidents of api take longer to resolve than before: median 3 h 0 min against 10 min 19 s"
    )
    opened = night.events(incident.id)[0]
    assert (opened.type, opened.actor, opened.data["rule"]) == (
        "opened",
        "tocsin",
        "drift time_to_resolve_seconds",
    )
    night.sweep(THURSDAY + minutes(61))
    assert night.told()
    assert first_break(night.journal_events()) is None


def test_every_test_is_on_record_whatever_it_found(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, minutes(10) + seconds(15))
    assert night.checking.check(THURSDAY) == 0
    [checked] = night.noted("drift-checked")
    [test] = checked["tests"]
    assert (checked["week"], test["now"], test["before"], test["drifted"]) == (WEEK, 8, 40, False)
    assert 0 < test["p_ppm"] <= 1_000_000
    assert night.noted("drift-found") == []


def test_a_night_without_enough_to_compare_is_on_record_too(night: Night) -> None:
    night.has(8, hours(3))
    assert night.checking.check(THURSDAY) == 0
    assert night.noted("drift-checked") == [{"week": WEEK, "tests": []}]


def test_the_same_drift_opens_one_incident_a_week_and_is_found_once(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, hours(3))
    assert [night.checking.check(THURSDAY + nights * DAY) for nights in range(4)] == [1, 0, 0, 0]
    assert len(night.noted("drift-checked")) == 4
    assert len(night.noted("drift-found")) == 1


def test_a_night_is_checked_once_however_often_it_is_called(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, hours(3))
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: night.checking.check(THURSDAY), range(4)))
    assert sum(opened) == 1
    assert night.checking.check(THURSDAY + hours(1)) == 0
    assert len(night.noted("drift-checked")) == 1
    assert len(night.noted("drift-found")) == 1


def test_what_has_become_faster_is_on_record_and_opens_nothing(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, seconds(5))
    assert night.checking.check(THURSDAY) == 0
    assert night.checking.check(THURSDAY + DAY) == 0
    [found] = night.noted("drift-found")
    assert (found["direction"], found["incident"]) == ("lower", None)


def test_the_night_after_the_week_checks_the_whole_of_it(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, hours(3))
    last = MONDAY + 7 * DAY + hours(3)
    assert night.checking.check(last) == 1
    assert night.checking.check(last + DAY) == 0  # a new week, with nothing in it but that incident
    later = [event for event in night.events(f"JRN-{night.name}-20261124-0") if event.type == "drift-checked"]
    assert [event.data["week"] for event in later] == ["2026-W48"]


def test_a_rise_in_alerts_by_day_is_found_and_drills_and_drifts_feed_no_sample(night: Night) -> None:
    night.had(alerts_per_day={"api": [1, 2] * 14}, **QUICK)
    night.has(8, hours(3), drill="failover")
    own = Story("INC-0000DR1F-1").opened(MONDAY, name="drift-alerts_per_day", source=None)
    night.timelines.keep("acme", own.resolved(MONDAY + 2 * DAY).events)
    for day in range(6):
        story = Story(f"INC-0000000{day}-2").opened(MONDAY + day * DAY).alerts(MONDAY + day * DAY, updated=40)
        night.timelines.keep("acme", story.events)
    assert night.checking.check(MONDAY + 5 * DAY - seconds(1)) == 0  # four whole days
    assert night.checking.check(MONDAY + 5 * DAY + DAY - seconds(1)) == 1  # five
    [found] = night.noted("drift-found")
    assert (found["measure"], found["direction"]) == ("alerts_per_day", "higher")
    told = night.incident(found["incident"]).title
    assert told == "api has more alerts than before: median 40 a day against 1 a day"
    assert {test["measure"] for checked in night.noted("drift-checked") for test in checked["tests"]} == {
        "alerts_per_day"
    }


def test_a_plan_that_cannot_be_checked_stops_no_other(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, hours(3))
    broken = replace(a_plan(), name="broken")
    night.exports.blobs[f"broken/{LAST_WEEK}/r1/manifest.json"] = b"no JSON"
    night.exports.blobs[f"broken/{LAST_WEEK}/r1/manifest.sha256"] = b""
    both = [broken, night.plans.plan]
    night.plans.all = lambda: both  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup, match="1 plans"):
        night.checking.check(THURSDAY)
    assert len(night.noted("drift-found")) == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_the_words_name_service_and_medians(measure: str) -> None:
    at = Drift(WEEK, measure, "api", 8, 40, 0.5, 0.0001, 65, 3600)
    assert title(at).startswith(("api has", "Incidents of api"))
    assert " against " in title(at)
    assert "D = 0.5, p = 0.0001" in summary(at)


def test_live_samples_are_those_of_the_bundle(night: Night) -> None:
    night.hear(an_alert("one"), at=NOON)
    night.hear(an_alert("two"), an_alert("three"), at=NOON + DAY)
    night.has(3, hours(2))
    end = datetime.fromisoformat("2026-11-23T00:20:00+00:00")
    live, days = night.checking._samples(night.plans.plan, WEEK, end)  # noqa: SLF001
    assert (live["alerts_per_day"], days) == ({"api": [0, 0, 0, 0, 0, 1, 2]}, 7)
    assert live["time_to_resolve_seconds"] == {"api": [7200, 7201, 7202]}
    bundle = compile_week(night.plans.plan, WEEK, night.both, night.exports, "1.0", end).bundle
    start, until = week_bounds(WEEK, "UTC")
    assert samples_in(lambda name: night.exports.stream(bundle.blob(name)), "UTC", start, until) == live
