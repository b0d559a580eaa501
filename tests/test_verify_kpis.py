"""The verifier derives every fact and figure by its own way; here both ways meet on timelines at random."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.domain.timeline import record, stamp
from shared.kpi import kpi_json, verify
from shared.kpi.baseline import Baseline
from shared.kpi.definitions import DEFINITIONS, TARGETS
from shared.kpi.facts import account_of
from shared.kpi.figures import Tally
from shared.kpi.manifest import Period
from tests.builders import hours
from tests.stories import ANNA, MONDAY, SUNDAY, WEEK, Story

BEFORE = Baseline(WEEK, {})
INCIDENT, DRILL = "incident", "drill"
PERSON, TOCSIN = ANNA, "tocsin"

Step = tuple[str, str, dict[str, Any]]
"""Type, actor and data of an event."""


def dues(rng: Random, at: datetime) -> dict[str, str | None]:
    steps = (None, -30, 0, 5, 30, 120, 2000)
    return {
        f"{clock}_due": None if minutes is None else stamp(at + timedelta(minutes=minutes))
        for clock, minutes in (("respond", rng.choice(steps)), ("resolve", rng.choice(steps)))
    }


def beginning(rng: Random, at: datetime, drill: bool) -> Step:
    data = {
        "plan": "acme",
        "source": None if drill else rng.choice(["generic", None]),
        "name": "n",
        "service": rng.choice(["api", "web"]),
        "severity": rng.choice(["P1", "P2"]),
        "rules": rng.choice(["a" * 64, "b" * 64]),
        "drill": "x" if drill else None,
    }
    return "opened", "tocsin", data | dues(rng, at)


def entry(rng: Random) -> dict[str, Any]:
    dispositions = ["opened", "updated", "suppressed", "ignored", "pending"]
    return {"disposition": rng.choice(dispositions), "count": rng.randint(1, 9)}


def of_an_incident(rng: Random, at: datetime, last: dict[str, Any]) -> Step:
    """Any event that may follow; ``last`` holds the clocks set last."""
    due = stamp(at + rng.choice([timedelta(0), -hours(1), hours(1), hours(60)]))
    delivery, person = rng.choice(["d1", "d2"]), rng.choice([PERSON, TOCSIN])
    by = rng.choice(["person", "source"])
    clock = rng.choice(["respond", "resolve"])
    steps: list[Step] = [
        ("acknowledged", person, {}),
        ("acknowledged", PERSON, {}),
        ("acknowledgement-expired", TOCSIN, {}),
        ("resolved", PERSON, {"by": by}),
        ("resolved", PERSON, {"by": by}),
        ("reopened", TOCSIN, {"by": by} | dues(rng, at)),
        ("reopened", TOCSIN, {"by": by} | dues(rng, at)),
        ("severity-raised", TOCSIN, {"to": "P0"} | dues(rng, at)),
        ("severity-changed", PERSON, {"to": "P3"} | dues(rng, at)),
        ("breached", TOCSIN, {"clock": clock, "due": last.get(f"{clock}_due") or stamp(at)}),
        ("breached", TOCSIN, {"clock": clock, "due": stamp(at)}),
        ("noted", PERSON, {"kind": rng.choice(["note", "mitigation"])}),
        (
            "status-updated",
            PERSON,
            {"status": rng.choice(["monitoring", "identified"]), "audiences": ["internal"]},
        ),
        ("escalated", TOCSIN, {"step": rng.randint(1, 3), "late_seconds": rng.randint(0, 99)}),
        ("checked", PERSON, {"state": rng.choice(["ticked", "unticked", "overridden"]), "phase": "initial"}),
        ("review-required", TOCSIN, {"due": due}),
        ("review-required", TOCSIN, {"due": due}),
        ("review-completed", PERSON, {}),
        (
            "action-item",
            PERSON,
            {
                "item": delivery,
                "status": rng.choice(["open", "in-progress", "done", "dropped"]),
                "due": due,
            },
        ),
        ("first-told", TOCSIN, {}),
        (
            "receipt",
            TOCSIN,
            {"delivery": delivery, "state": rng.choice(["delivered", "read", "undelivered"])},
        ),
        ("update-lapsed", TOCSIN, {"audience": "internal", "missed": 2}),
        ("acted-on", PERSON, {"by": "slack"}),
        ("alerts", "source:generic", {"alerts": [entry(rng), entry(rng)]}),
        *((type, TOCSIN, {}) for type in ("delivered", "delivery-failed", "delivery-withdrawn", "held-back")),
        *((type, TOCSIN, {}) for type in ("step-passed", "escalated-manually", "exhausted", "informed")),
        *(
            (type, TOCSIN, {})
            for type in ("open", "still-open", "oncall-empty", "contact-missing", "contact-unreachable")
        ),
    ]
    return rng.choice(steps)


def an_incident(rng: Random, kind: str = INCIDENT, number: int = 1) -> Story:
    """Any events in any order, many of them at one instant or at the very bounds of the week."""
    told = Story(f"INC-{number:08d}-1")
    at = rng.choice([MONDAY - hours(30), MONDAY, MONDAY + hours(3), SUNDAY - hours(60), SUNDAY - hours(2)])
    last: dict[str, Any] = {}
    begins = rng.randint(0, 2)
    for n in range(begins + rng.randint(1, 40)):
        at = at + timedelta(minutes=rng.choice([0, 0, 0, 1, 1, 5, 40, 500]), seconds=rng.choice([0, 0, 0, 1]))
        if rng.random() < 0.1 and last.get("respond_due", "") and str(last["respond_due"]) > stamp(at):
            at = datetime.fromisoformat(str(last["respond_due"]))
        if at >= SUNDAY:
            break
        step = beginning(rng, at, kind == DRILL) if n == begins else of_an_incident(rng, at, last)
        last = step[2] if "respond_due" in step[2] else last
        claimed = at + timedelta(seconds=rng.choice([0, -90, 30]), microseconds=1)
        told.tell(step[0], at, step[2], step[1], claimed)
    return told


def a_journal(rng: Random) -> Story:
    told, at = Story("JRN-acme-20261116-0"), MONDAY - hours(2)
    for _ in range(rng.randint(1, 40)):
        at += hours(rng.choice([0, 1, 1, 20]))
        since = at - hours(rng.randint(1, 3))
        if at >= SUNDAY:
            break
        shift = {"rotation": "a", "from": stamp(since), "until": stamp(at)}
        failed = rng.randint(0, 2)
        steps: list[tuple[str, dict[str, Any]]] = [
            (
                "watched",
                {
                    "from": stamp(since),
                    "until": stamp(at),
                    "sweeps": rng.randint(0, 60),
                    "longest_gap_seconds": rng.choice([0, 599, 600, 601, 4000]),
                    "probes": failed and 12,
                    "probes_failed": failed,
                },
            ),
            ("on-call", {"shifts": [shift | {"contact": rng.choice([None, "anna"])}]}),
            ("dispositions", {"alerts": [entry(rng)]}),
            ("accessed", {"what": rng.choice(["kpi", "person"])}),
            ("erased", {"what": "text"}),
            ("purged", {"what": "incident"}),
            ("rollout-ended", {"why": "by-hand"}),
            *((type, {}) for type in ("digest-sent", "digest-failed", "drill-missed", "coverage-gap")),
            *((type, {}) for type in ("plan-changed", "export-compiled", "drift-found")),
        ]
        type, data = rng.choice(steps)
        told.tell(type, at, data)
    return told


class NoFiles:
    """A bundle without any member to hold rows against."""

    def __init__(self) -> None:
        self.incidents = self.drills = 0
        self.rules: set[str] = set()
        self.altered: set[str] = set()
        self.unread: set[str] = set()
        self.kpi: dict[str, Any] = {}
        self.baseline = BEFORE.shown("acme")
        self.previous: Any = None
        self.manifest: dict[str, Any] = {"previous": None}

    def pieces(self, name: str) -> list[bytes]:
        return [self.whole(name)]

    def whole(self, name: str) -> bytes:
        return kpi_json.pretty(self.baseline) if name == "baseline.json" else b""


def both_ways(*stories: Story, end: datetime = SUNDAY) -> tuple[dict[str, Any], dict[str, Any]]:
    """``kpi.json`` as the export makes it, and as the verifier derives it; facts are compared on the way."""
    period = Period("acme", WEEK, "UTC", MONDAY, SUNDAY, end).shown()
    tally, derivation = Tally(), verify.Derivation(cast("verify.Bundle", NoFiles()), period)
    for told in sorted(stories, key=lambda one: one.subject):
        events = [event for event in told.events if event.recorded_at < end]
        account = account_of(told.subject, events, MONDAY, end)
        if account is None:
            continue
        tally.add(account)
        derived = verify.Account([record(event) for event in events], stamp(MONDAY), stamp(end))
        facts = [(stamp(one.happened_at), one.metric, one.code, one.value) for one in account.facts]
        assert derived.facts == facts
        derivation._add(told.subject, derived)  # noqa: SLF001  (what is under test)
    targets = dict.fromkeys(TARGETS, 60)
    made = json.loads(kpi_json.render(period, tally, targets, BEFORE, {"drift": []}))
    stated = {name: made["kpis"][name] for name in made["kpis"]}
    return made, derivation.kpi(period, stated, targets)


@pytest.mark.parametrize("seed", range(8))
def test_every_fact_and_figure_is_derived_alike_from_any_timelines(seed: int) -> None:
    rng = Random(seed)  # noqa: S311  (no secret)
    for _ in range(20):
        stories = [
            *(an_incident(rng, number=number) for number in range(1, 4)),
            an_incident(rng, DRILL, 4),
            a_journal(rng),
        ]
        some = rng.choice([event for each in stories for event in each.events])
        after = some.recorded_at + timedelta(minutes=rng.choice([0, 1, 3]))
        end = rng.choice([SUNDAY, max(after, MONDAY + timedelta(minutes=1)), MONDAY + hours(50)])
        made, derived = both_ways(*stories, end=end)
        assert {**derived, "kpis": None} == {**made, "kpis": None}
        for name, kpi in made["kpis"].items():
            assert derived["kpis"][name] == kpi, name


def test_the_verifier_knows_what_each_kpi_leaves_out() -> None:
    assert {
        one.name: {reason.reason: (*one.counted_as(reason), reason.summed) for reason in one.exclusions}
        for one in DEFINITIONS
        if one.exclusions
    } == verify.LEFT_OUT


def test_a_definition_that_leaves_out_something_else_is_another() -> None:
    made, _ = both_ways(Story().opened(MONDAY))
    told = made["kpis"]["time_to_detect"]
    told["definition"]["excluded_from"]["declared-by-hand"]["metric"] = "clock_ahead"
    told["definition_sha256"] = verify.digest(told["definition"])
    bundle = cast("verify.Bundle", SimpleNamespace(kpi=made))
    assert list(verify.definition_problems(bundle)) == [
        "kpi.json: kpis.time_to_detect.definition: not what this verifier knows by that name"
    ]
