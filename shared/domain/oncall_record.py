"""Who was on call, for the record: what was expected stands until it is over, or until it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.hours import at_local, local_day
from shared.domain.oncall import shifts
from shared.domain.plan import Plan
from shared.domain.timeline import parse_stamp, stamp

MOST_AT_ONCE = 31
"""Days that one run records; the next goes on."""
LOOK_BACK = timedelta(days=40)
"""After a longer outage the days between are not made up for."""
Stretch = Mapping[str, Any]
"""``rotation``, ``from``, ``until``, ``contact`` (or None), as the event `on-call` has them."""


@dataclass(frozen=True)
class Expected:
    """Who is on call in [since, until), as far as is known; ``until`` is the end of a local day."""

    since: datetime
    until: datetime
    stretches: Sequence[Stretch]

    def position(self) -> dict[str, Any]:
        """As JSON."""
        return {"since": stamp(self.since), "until": stamp(self.until), "shifts": list(self.stretches)}


@dataclass(frozen=True)
class Step:
    """What follows: an event's data where something is over, and what is expected from then on."""

    over: dict[str, Any] | None
    expected: Expected | None
    """None: nobody takes turns any more."""


def read_position(position: Mapping[str, Any]) -> Expected | None:
    """The inverse of `Expected.position`; None where nothing was expected."""
    if "since" not in position:
        return None
    return Expected(parse_stamp(position["since"]), parse_stamp(position["until"]), position["shifts"])


def next_step(plan: Plan, expected: Expected | None, now: datetime) -> Step | None:
    """What is to be recorded next, or None where all stands as it was expected.

    A day is recorded once it is over, and what has passed of it as soon as the rest comes otherwise than it
    was expected; so no instant is on record twice, and what is on record is what held at the time.
    """
    now = now.astimezone(UTC).replace(microsecond=0)
    if expected is None:
        return Step(None, _from(plan, now)) if plan.directory.rotations else None
    if now >= expected.until:
        since = expected.until if now - expected.until <= LOOK_BACK else now
        return Step(_event(expected, expected.until), _from(plan, since))
    left = _clipped(expected.stretches, now, expected.until)
    if now <= expected.since:  # a clock that runs behind another's
        return None
    coming = _stretches(plan, now, expected.until)
    if coming == left:
        return None
    return Step(_event(expected, now), Expected(now, expected.until, coming) if coming else None)


def _from(plan: Plan, since: datetime) -> Expected | None:
    if not plan.directory.rotations:
        return None
    timezone = plan.rules.timezone
    until = at_local(local_day(since, timezone) + timedelta(days=1), 0, timezone)
    return Expected(since, until, _stretches(plan, since, until))


def _event(expected: Expected, until: datetime) -> dict[str, Any]:
    over = _clipped(expected.stretches, expected.since, until)
    return {"from": stamp(expected.since), "until": stamp(until), "shifts": over}


def _stretches(plan: Plan, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Of every rotation, by name; neighbours differ. A fallback only stands in: nobody is on call."""
    known = plan.directory
    found: list[dict[str, Any]] = []
    for name, rotation in sorted(known.rotations.items()):
        for shift in shifts(rotation, known.absences, since, until):
            contact = shift.on_call.contact if shift.on_call.covered else None
            last = found[-1] if found else None
            if last and last["rotation"] == name and last["contact"] == contact:
                last["until"] = stamp(shift.until)
            else:
                found.append(_stretch(name, stamp(shift.since), stamp(shift.until), contact))
    return found


def _clipped(stretches: Sequence[Stretch], since: datetime, until: datetime) -> list[dict[str, Any]]:
    first, last = stamp(since), stamp(until)
    clipped = [
        _stretch(each["rotation"], max(each["from"], first), min(each["until"], last), each["contact"])
        for each in stretches
    ]
    return [each for each in clipped if each["from"] < each["until"]]


def _stretch(rotation: str, since: str, until: str, contact: str | None) -> dict[str, Any]:
    return {"rotation": rotation, "from": since, "until": until, "contact": contact}
