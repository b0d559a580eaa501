"""Who is on call, now and next, and the calendar feed of a rotation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.errors import NotFound, Unauthenticated
from shared.domain.oncall import OnCall, Rotation, Shift, on_call, shifts
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.ports import Plans, SignedLinks
from shared.workflows.visible import visible_plan

AHEAD = timedelta(days=60)
"""How far ahead a feed and the next turn are looked for."""
BACK = timedelta(days=14)


@dataclass(frozen=True)
class Turn:
    """A rotation as of now: who has it, until when, and who has it then."""

    rotation: Rotation
    now: OnCall
    until: datetime
    next: str | None
    feed: str
    """Path of the calendar feed, signed."""


@dataclass
class ShowOnCall:
    """The workflow behind ``GET /api/v1/plans/{plan}/oncall`` and its calendar feeds."""

    plans: Plans
    links: SignedLinks
    calendar: Callable[[str, Rotation, Sequence[Shift], datetime], bytes]
    """How shifts become an iCalendar."""

    def turns(self, plan_name: str, who: Principal, now: datetime) -> list[Turn]:
        """Every rotation of the plan. Raises NotFound, Forbidden, SecretUnavailable."""
        who.require("Reader")
        plan = visible_plan(self.plans, plan_name, who)
        return [self._turn(plan, rotation, now) for rotation in plan.directory.rotations.values()]

    def feed(self, plan_name: str, rotation_name: str, signature: str, now: datetime) -> bytes:
        """The rotation's shifts as an iCalendar, some of the past included, for whoever holds the link.

        Raises NotFound, Unauthenticated, SecretUnavailable.
        """
        if not self.links.holds(_path(plan_name, rotation_name), signature):
            raise Unauthenticated("this feed takes its signed link, which the on-call route shows")
        plan = self.plans.get(plan_name)
        rotation = plan.directory.rotations.get(rotation_name)
        if rotation is None:
            raise NotFound(f"the plan {plan_name!r} has no rotation {rotation_name!r}")
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        found = shifts(rotation, plan.directory.absences, today - BACK, today + AHEAD)
        return self.calendar(plan.name, rotation, found, now)

    def _turn(self, plan: Plan, rotation: Rotation, now: datetime) -> Turn:
        ahead = shifts(rotation, plan.directory.absences, now, now + AHEAD)
        path = _path(plan.name, rotation.name)
        return Turn(
            rotation,
            on_call(rotation, plan.directory.absences, now),
            ahead[0].until,
            ahead[1].on_call.contact if len(ahead) > 1 else None,
            f"{path}?signature={self.links.sign(path)}",
        )


def _path(plan: str, rotation: str) -> str:
    return f"/api/v1/plans/{plan}/oncall/{rotation}.ics"
