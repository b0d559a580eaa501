"""What people do about a made-up incident: what they write and tick, its reviews and action items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bench.made import TOCSIN, Made, spread, stamp_of
from shared.domain.timeline import stamp

Doing = tuple[str, str, dict[str, Any]]
"""Type, actor and data of an event that may happen at any moment of the work."""


def doings(rng: Random, person: str, salted: str) -> list[Doing]:
    """What happens while somebody works on an incident."""
    return [make(rng, person, salted) for often, make in _DOINGS if rng.random() < often]


def _mitigation(_: Random, person: str, salted: str) -> Doing:
    return "noted", person, {"kind": "mitigation", "audience": "internal", "text_sha256": salted}


def _update(rng: Random, person: str, salted: str) -> Doing:
    data: dict[str, Any] = {
        "status": rng.choice(("investigating", "identified", "monitoring")),
        "audiences": rng.choice((["internal"], ["internal", "external"])),
        "next_due": {},
        "text_sha256": salted,
    }
    return "status-updated", person, data


def _lapsed(rng: Random, _: str, __: str) -> Doing:
    data = {"audience": "internal", "due": stamp_of(rng), "late_seconds": 3, "missed": rng.choice((1, 1, 4))}
    return "update-lapsed", TOCSIN, data


def _checked(rng: Random, person: str, salted: str) -> Doing:
    state = rng.choice(("ticked", "ticked", "unticked", "overridden"))
    reason = salted if state == "overridden" else None
    data = {"item": "logs", "phase": "investigation", "state": state, "text_sha256": reason}
    return "checked", person, data


def _held_back(rng: Random, _: str, __: str) -> Doing:
    data = {"contact": "engineer-1", "kind": "update", "caused_by": 1, "until": stamp_of(rng)}
    return "held-back", TOCSIN, data


def _escalated(_: Random, person: str, __: str) -> Doing:
    data: dict[str, Any] = {"to": ["lead"], "on_call": {}, "round": None, "step": None, "text_sha256": None}
    return "escalated-manually", person, data


def _oncall_empty(_: Random, __: str, ___: str) -> Doing:
    return "oncall-empty", TOCSIN, {"rotations": ["database"], "caused_by": 1}


def _contact_missing(_: Random, __: str, ___: str) -> Doing:
    return "contact-missing", TOCSIN, {"contact": "engineer-9", "caused_by": 1}


_DOINGS: tuple[tuple[float, Callable[[Random, str, str], Doing]], ...] = (
    (0.35, _mitigation),
    (0.3, _update),
    (0.05, _lapsed),
    (0.06, _checked),
    (0.06, _checked),
    (0.03, _held_back),
    (0.02, _escalated),
    (0.02, _oncall_empty),
    (0.02, _contact_missing),
)
"""How often, and what."""


def review_required(rng: Random, person: str, ended: datetime) -> Iterator[Made]:
    """The review that a resolution asks for; now and then a person asks for another one in its place."""
    yield _required(TOCSIN, ended, ended + timedelta(days=5))
    if rng.random() < 0.03:
        again = ended + timedelta(hours=rng.randint(1, 200))
        yield _required(person, again, again + timedelta(days=2))


def _required(actor: str, at: datetime, due: datetime) -> Made:
    return Made(at, at, "review-required", actor, {"due": stamp(due)})


def review(rng: Random, person: str, salted: str, ended: datetime) -> Iterator[Made]:
    """How a review that was asked for at ``ended`` went, and what became of its action items."""
    due = ended + timedelta(days=5)
    done = due if rng.random() < 0.02 else ended + timedelta(seconds=spread(rng, 250_000, 0.6))
    for nth in range(rng.choices((0, 1, 3), (50, 35, 15))[0]):
        item = {
            "item": f"A{nth + 1}",
            "owner": "lead",
            "due": stamp(done + timedelta(days=rng.choice((1, 14)))),
            "priority": "medium",
            "status": "open",
            "text_sha256": salted,
        }
        yield from _item(rng, person, item, done)
    if rng.random() < 0.95:
        data = {"due": stamp(due), "in_time": done <= due}
        yield Made(done, done, "review-completed", person, data)


def _item(rng: Random, person: str, item: dict[str, Any], since: datetime) -> Iterator[Made]:
    """From its first event on: an item is done, dropped or left; a few are taken up again, or told twice."""
    yield Made(since, since, "action-item", person, item)
    at, turns = since, rng.choices(_TURNS, (60, 15, 10, 5, 3, 7))[0]
    for status in turns:
        at += timedelta(seconds=spread(rng, 900_000 / len(turns), 0.7))
        yield Made(at, at, "action-item", person, item | {"status": status, "text_sha256": None})


_TURNS: tuple[tuple[str, ...], ...] = (
    ("done",),
    ("in-progress", "done"),
    ("dropped",),
    ("done", "open", "done"),
    ("done", "done"),
    (),
)
