"""A made-up day of a plan's journal: the watch, who was on call, and what is done with plan and records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bench.made import TOCSIN, Made, hash_of
from shared.domain.timeline import stamp

_HOUR = timedelta(hours=1)


def journal_of(rng: Random, day: datetime, turn: int) -> list[Made]:
    """Every event of a day of UTC, as they were recorded; ``turn`` says whose week on call it is."""
    made = [_on_call(rng, day, turn), *_watch(rng, day)]
    made += [_dispositions(rng, day + hour * _HOUR) for hour in range(24) if rng.random() < 0.4]
    for often, make in _HAPPENINGS:
        if rng.random() < often:
            made += make(rng, day)
    return sorted(made, key=lambda one: one.recorded_at)


def _watch(rng: Random, day: datetime) -> Iterator[Made]:
    """The hours that ended on the day, from the last of the day before on; an outage is told in one event."""
    hour = -1
    while hour < 23:
        hours = rng.randint(2, 4) if rng.random() < 0.004 else 1
        hours = min(hours, 23 - hour)
        yield _watched(rng, day + hour * _HOUR, hours)
        hour += hours


def _watched(rng: Random, since: datetime, hours: int) -> Made:
    until = since + hours * _HOUR
    lost = hours > 1 or rng.random() < 0.005
    gap = rng.randint(3_600, 3_600 * (hours - 1)) if hours > 1 else rng.choice((600, 601, 1_740))
    data = {
        "from": stamp(since),
        "until": stamp(until),
        "sweeps": 31 if lost else 60,
        "longest_gap_seconds": gap if lost else rng.randint(60, 63),
        "probes": 60,
        "probes_failed": int(lost),
    }
    # Tocsin tells of an hour when it is over: of the last one of a day in the next day's journal.
    return Made(until + timedelta(seconds=rng.randint(0, 3)), until, "watched", TOCSIN, data)


def _on_call(rng: Random, day: datetime, turn: int) -> Made:
    since, half, until = (stamp(day + hours * _HOUR) for hours in (0, 12, 24))
    contact = None if rng.random() < 0.04 else "dba-2"
    shifts = [
        {"rotation": "primary", "from": since, "until": until, "contact": f"engineer-{turn % 3}"},
        {"rotation": "database", "from": since, "until": half, "contact": f"dba-{turn % 2}"},
        {"rotation": "database", "from": half, "until": until, "contact": contact},
    ]
    at = day + timedelta(seconds=4)
    return Made(at, day, "on-call", TOCSIN, {"from": since, "until": until, "shifts": shifts})


def _dispositions(rng: Random, hour: datetime) -> Made:
    at = hour + timedelta(seconds=rng.randrange(5, 3_500))
    entry = {
        "fingerprint": f"{rng.getrandbits(64):016x}",
        "started_at": stamp(at - timedelta(seconds=rng.randrange(120))),
        "ended_at": None,
        "state": rng.choice(("firing", "resolved")),
        "disposition": rng.choice(("suppressed", "ignored")),
        "rule": rng.choice(("maintenance", "already resolved", "unknown occurrence")),
        "count": rng.randint(1, 9),
        "source": "alertmanager",
        "incident": None,
    }
    return Made(at, at, "dispositions", "source:alertmanager", {"alerts": [entry]})


def _person(rng: Random) -> str:
    return f"person:{rng.getrandbits(64):016x}"


def _at(rng: Random, day: datetime) -> datetime:
    """Some moment of the day's work."""
    return day + timedelta(hours=9, seconds=rng.randrange(9_000))


def _gap(rng: Random, day: datetime) -> list[Made]:
    at, since = day + timedelta(seconds=5), day + rng.randrange(24, 90) * _HOUR
    data = {"rotation": "database", "from": stamp(since), "until": stamp(since + 12 * _HOUR)}
    return [Made(at, at, "coverage-gap", TOCSIN, data)]


def _changed(rng: Random, day: datetime) -> list[Made]:
    at, before, after = _at(rng, day), hash_of(rng), hash_of(rng)
    data = {
        "from": before,
        "to": after,
        "rules_from": before,
        "rules_to": after,
        "commit": f"{rng.getrandbits(160):040x}",
        "changed": sorted(rng.sample(("severities.high.respond", "contacts.lead", "channels.chat"), 2)),
        "more": 0,
    }
    return [Made(at, at, "plan-changed", _person(rng), data)]


def _rollout(rng: Random, day: datetime) -> list[Made]:
    at, old, new = _at(rng, day), hash_of(rng), hash_of(rng)
    later, last = at + 3 * _HOUR, at + 6 * _HOUR
    why = rng.choice(("targets-hold", "targets-missed", "by-hand", "superseded"))
    holds = why == "targets-hold"
    figures = [
        {
            "kpi": "respond_sla_attainment",
            "target": 95,
            "old": "96.5",
            "new": "97.1" if holds else None,
            "holds": holds,
        }
    ]
    versions: dict[str, Any] = {"from": old, "to": new}
    advanced = {"percent": 50, "until": stamp(last), "why": "targets-hold", "figures": figures}
    ended = {"stable": new if holds else old, "why": why, "figures": figures}
    return [
        Made(at, at, "rollout-started", TOCSIN, versions | {"percent": 10, "until": stamp(later)}),
        Made(later, later, "rollout-advanced", TOCSIN, versions | advanced),
        Made(last, last, "rollout-ended", TOCSIN, versions | ended),
    ]


def _accessed(rng: Random, day: datetime) -> list[Made]:
    at, what = _at(rng, day), rng.choice(("export-file", "kpi", "timeline"))
    data = {
        "what": what,
        "week": "2025-W40",
        "revision": "r1",
        "file": rng.choice(("bundle.zip", "report.html")) if what == "export-file" else None,
        "incident": "INC-00000000-1" if what == "timeline" else None,
        "link": None,
        "range": rng.choice((None, "0-1048575")),
    }
    return [Made(at, at, "accessed", _person(rng), data)]


def _exported(rng: Random, day: datetime) -> list[Made]:
    at = _at(rng, day)
    of = {"week": "2025-W39", "revision": "r1"}
    compiled = of | {"manifest_sha256": hash_of(rng), "restates": None}
    announced = of | {"contact": "auditor", "channel": rng.choice(("mail", None))}
    return [
        Made(at, at, "export-compiled", TOCSIN, compiled),
        Made(at, at, "export-announced", TOCSIN, announced),
    ]


def _erased(rng: Random, day: datetime) -> list[Made]:
    at, text = _at(rng, day), rng.random() < 0.5
    data = {
        "what": "text" if text else "person",
        "person": None if text else f"{rng.getrandbits(64):016x}",
        "incident": "INC-00000000-1" if text else None,
        "event": 3 if text else None,
        "texts": 1 if text else rng.randint(0, 40),
    }
    return [Made(at, at, "erased", _person(rng), data)]


def _purged(rng: Random, day: datetime) -> list[Made]:
    at, what = day + timedelta(hours=3, seconds=rng.randrange(60)), rng.choice(("texts", "incident"))
    data = {
        "what": what,
        "incident": "INC-00000000-1",
        "resolved_at": stamp(day - timedelta(days=400)),
        "keep_days": 400,
        "events": 0 if what == "texts" else 31,
        "texts": rng.randint(0, 9),
        "deliveries": rng.randint(0, 9),
        "alerts": rng.randint(0, 9),
        "length": 31,
        "head": hash_of(rng),
    }
    return [Made(at, at, "purged", TOCSIN, data)]


def _held(rng: Random, day: datetime) -> list[Made]:
    at, person = _at(rng, day), _person(rng)
    data = {"hold": "H1", "incident": None, "reference": "case-7"}
    return [Made(at, at, "held", person, data), Made(at + _HOUR, at + _HOUR, "hold-released", person, data)]


def _drift(rng: Random, day: datetime) -> list[Made]:
    at, found = _at(rng, day), {"measure": "alerts_per_day", "service": "search", "direction": "higher"}
    numbers = {"statistic_ppm": 812_345, "p_ppm": rng.randrange(100)}
    tests = [{**found, **numbers, "now": 7, "before": 28, "drifted": True}]
    week = {"week": "2025-W39"}
    return [
        Made(at, at, "drift-found", TOCSIN, {**week, **found, **numbers, "incident": "INC-00000000-1"}),
        Made(at, at, "drift-checked", TOCSIN, {**week, "tests": tests}),
    ]


def _drill_missed(rng: Random, day: datetime) -> list[Made]:
    at, due = _at(rng, day), day - timedelta(days=2)
    return [Made(at, due, "drill-missed", TOCSIN, {"drill": "monthly", "due": stamp(due)})]


def _digest(rng: Random, day: datetime) -> list[Made]:
    due = day + timedelta(hours=7)
    at, failed = due + timedelta(seconds=rng.randrange(50)), rng.random() < 0.1
    data = {
        "digest": "daily",
        "due": stamp(due),
        "late_seconds": (at - due) // timedelta(seconds=1),
        "contact": None if failed else "lead",
        "channel": None if failed else "mail",
        "incidents": None if failed else rng.randint(0, 40),
    }
    return [Made(at, at, "digest-failed" if failed else "digest-sent", TOCSIN, data)]


_HAPPENINGS: tuple[tuple[float, Callable[[Random, datetime], list[Made]]], ...] = (
    (0.15, _gap),
    (0.05, _changed),
    (0.06, _rollout),
    (0.2, _accessed),
    (0.15, _exported),
    (0.1, _erased),
    (0.2, _purged),
    (0.02, _held),
    (0.04, _drift),
    (0.06, _drill_missed),
    (0.6, _digest),
)
"""How often a day, and what."""
