"""A made-up year of incidents, the same for the same seed: what the export is measured and checked on.

Timelines are made when they are read and hold every type of event that a figure reads, in the proportions of
a busy organisation; nothing of them is kept in memory but which subjects have events in which week.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random

from bench.course import Course
from bench.journal_days import journal_of
from bench.made import Made
from shared.domain.journal import Journal
from shared.domain.timeline import GENESIS, Event, seal
from shared.domain.week import week_after, week_bounds, week_of

PLAN, TIMEZONE = "year", "Europe/Madrid"
FIRST_WEEK = "2025-W40"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DAY = timedelta(days=1)


@dataclass
class History:
    """`ports.Timelines` of ``incidents`` incidents over so many weeks from `FIRST_WEEK` on."""

    incidents: int = 100_000
    seed: int = 7
    weeks: int = 52
    plan: str = PLAN
    timezone: str = TIMEZONE
    first_week: str = FIRST_WEEK
    faults: float = 0.0
    """How often a timeline tells what Tocsin would not."""

    def subjects(self, plan: str, week: str) -> list[str]:
        """Those with events in the week, sorted."""
        return sorted(self._by_week.get(week, ())) if plan == self.plan else []

    def events(self, subject: str) -> Iterator[Event]:
        """One timeline, sealed as it is read."""
        previous = GENESIS
        made = self._journal(subject) if subject.startswith("JRN-") else self._course(self._number[subject])
        for seq, one in enumerate(made, start=1):
            event = seal(
                subject, seq, previous, one.type, one.actor, one.data, one.occurred_at, one.recorded_at
            )
            previous = event.hash
            yield event

    @cached_property
    def start(self) -> datetime:
        """The first instant of the history."""
        return week_bounds(self.first_week, self.timezone)[0]

    @cached_property
    def end(self) -> datetime:
        """The first instant after it."""
        week = self.first_week
        for _ in range(self.weeks - 1):
            week = week_after(week)
        return week_bounds(week, self.timezone)[1]

    @cached_property
    def _number(self) -> dict[str, int]:
        return {_incident_id(self.seed, n): n for n in range(self.incidents)}

    @cached_property
    def _by_week(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for subject, number in self._number.items():
            for week in {week_of(one.recorded_at, self.timezone) for one in self._course(number)}:
                found[week].add(subject)
        day = self.start.replace(hour=0)  # the weeks are the plan's, the days of journals those of UTC
        while day < self.end:
            journal = Journal(self.plan, day.strftime("%Y%m%d"), 0)
            for one in self._journal(journal.id):
                found[week_of(one.recorded_at, self.timezone)].add(journal.id)
            day += _DAY
        return found

    def _course(self, number: int) -> list[Made]:
        rng = Random(f"{self.seed}/{number}")  # noqa: S311  (made up, and the same each time)
        share = (number + rng.random()) / self.incidents
        opened_at = self.start + share * (self.end - self.start - _DAY)
        drills = min(0.05, max(0.005, 4 * self.weeks / self.incidents))
        subject = _incident_id(self.seed, number)
        course = Course(rng, self.plan, self.timezone, subject, share, drills, self.faults)
        return course.run(_in_office_hours(rng, opened_at))

    def _journal(self, subject: str) -> list[Made]:
        """One day of the plan's own journal: alerts that changed nothing, the watch, who was on call."""
        day = datetime.strptime(subject.rsplit("-", 2)[1], "%Y%m%d").replace(tzinfo=UTC)
        rng = Random(f"{self.seed}/{subject}")  # noqa: S311  (as above)
        return journal_of(rng, day, (day - self.start) // (7 * _DAY))


def _incident_id(seed: int, number: int) -> str:
    digest = int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:5])
    return "INC-" + "".join(_ALPHABET[digest >> shift & 31] for shift in range(35, -1, -5)) + "-1"


def _in_office_hours(rng: Random, at: datetime) -> datetime:
    """Most of what breaks, breaks by day."""
    hour = rng.choices(range(24), [1] * 7 + [4] * 12 + [2] * 5)[0]
    return at.replace(hour=hour, minute=rng.randrange(60), second=rng.randrange(60), microsecond=0)
