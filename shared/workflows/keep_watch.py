"""Time has passed, and it is to be shown who was there: Tocsin in every hour, people in every shift."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from shared.domain import oncall_record, watch
from shared.domain.errors import Conflict
from shared.domain.oncall_record import Expected
from shared.domain.plan import Plan
from shared.domain.timeline import parse_stamp, stamp
from shared.domain.watch import Hour
from shared.ports import Plans
from shared.workflows.read_calendars import attempt
from shared.workflows.record_once import Fact, RecordOnce

WATCHED, ON_CALL = "watched", "on-call"
Clock = Callable[[], datetime]


class Hours(Protocol):
    """What was counted in each hour. May raise StoreUnavailable."""

    def claim_probe(self, now: datetime) -> bool:
        """Whether the caller is the first who wants to probe in this minute of the clock."""

    def probed(self, at: datetime, *, answered: bool) -> None:
        """Count a call of the public door in the hour in which it began."""

    def hours(self, since: datetime, until: datetime) -> Iterable[Hour]:
        """The hours that begin in [since, until) and have a row, in order."""


class Door(Protocol):
    """The public address of this deployment."""

    def answers(self, now: datetime) -> bool:
        """Whether it answers within seconds."""


@dataclass
class KeepWatch:
    """The workflow behind the timer; ``door`` is None where there is no public address."""

    plans: Plans
    hours: Hours
    once: RecordOnce
    door: Door | None = None
    _watched: dict[str, datetime] = field(default_factory=dict)
    """Plan -> until when its watch was seen to be on record; saves asking every minute."""
    _expected: dict[str, Expected | None] = field(default_factory=dict)
    """Plan -> whom its record expected when it was last read."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, clock: Clock) -> int:
        """Probe, and put on record what is over, of every plan; how many events there were.

        One plan that fails stops no other: the failures are raised together at the end.
        """
        failures: list[Exception] = []
        noted: list[int] = []
        attempt(lambda: self._probe(clock), "probing the public door", failures)
        for plan in self.plans.all():
            attempt(lambda plan=plan: noted.append(self._watch(plan, clock())), WATCHED, failures)  # type: ignore[misc]
            attempt(lambda plan=plan: noted.append(self._on_call(plan, clock())), ON_CALL, failures)  # type: ignore[misc]
        if failures:
            raise ExceptionGroup(f"{len(failures)} failures in keeping watch", failures)
        return sum(noted)

    def _probe(self, clock: Clock) -> None:
        if self.door is None:
            return
        began = clock()
        if self.hours.claim_probe(began):
            self.hours.probed(began, answered=self.door.answers(began))

    def _watch(self, plan: Plan, now: datetime) -> int:
        """The whole hours since the last record."""
        known = self._watched.get(plan.name)
        if known is not None and watch.next_stretch(known, now) is None:
            return 0
        try:
            reached = self.once.reached(plan, WATCHED, now)
            if not reached.position:
                since = watch.hour_of(now)
                self.once.go_on(plan, WATCHED, reached, {"until": stamp(since)})
                return self._saw(plan, since, 0)
            since = parse_stamp(reached.position["until"])
            stretch = watch.next_stretch(since, now)
            if stretch is None:
                return self._saw(plan, since, 0)
            data = self._data(*stretch)
            fact = Fact(WATCHED, data, stretch[1])
            self.once.record(plan, WATCHED, reached, fact, {"until": data["until"]}, now)
            return self._saw(plan, stretch[1], 1)
        except Conflict:
            return 0  # somebody else is at it

    def _saw(self, plan: Plan, until: datetime, noted: int) -> int:
        self._watched[plan.name] = until
        return noted

    def _data(self, since: datetime, until: datetime) -> dict[str, Any]:
        inside = list(self.hours.hours(since, until))
        before = watch.last_run(self.hours.hours(since - watch.MOST, since))
        if before is None:
            before = watch.last_run(self.hours.hours(since - watch.LOOK_BACK, since - watch.MOST))
        return watch.watched(since, until, before, inside)

    def _on_call(self, plan: Plan, now: datetime) -> int:
        """What is over of the shifts that were expected; nothing is read while all is as it was."""
        with self._lock:
            read = plan.name in self._expected
            known = self._expected.get(plan.name)
        if read and oncall_record.next_step(plan, known, now) is None:
            return 0
        noted = 0
        try:
            reached = self.once.reached(plan, ON_CALL, now)
            for _ in range(oncall_record.MOST_AT_ONCE):
                expected = oncall_record.read_position(reached.position)
                self._remember(plan, expected)
                step = oncall_record.next_step(plan, expected, now)
                if step is None:
                    break
                after = step.expected.position() if step.expected else {}
                if step.over is None:
                    reached = self.once.go_on(plan, ON_CALL, reached, after)
                else:
                    fact = Fact(ON_CALL, step.over, parse_stamp(step.over["from"]))
                    reached = self.once.record(plan, ON_CALL, reached, fact, after, now)
                    noted += 1
        except Conflict:
            with self._lock:
                self._expected.pop(plan.name, None)  # somebody else is at it
        return noted

    def _remember(self, plan: Plan, expected: Expected | None) -> None:
        with self._lock:
            self._expected[plan.name] = expected
