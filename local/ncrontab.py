"""NCRONTAB, the schedules of timer triggers: six fields, seconds first, Sunday is 0, always UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.cron import CronTrigger

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
PART = re.compile(r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?")


@dataclass(frozen=True)
class Field:
    """One of the six fields: its name, its least and greatest value, and the names of its values, if any."""

    name: str
    least: int
    greatest: int
    names: tuple[str, ...] = ()


FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True)
class Schedule:
    """A parsed expression."""

    expression: str
    trigger: CronTrigger
    at_most_once_a_minute: bool

    def next_after(self, instant: datetime) -> datetime:
        """The first tick later than ``instant``."""
        tick: datetime = self.trigger.get_next_fire_time(
            None, instant.astimezone(UTC) + timedelta(microseconds=1)
        )
        return tick


def parse(expression: str) -> Schedule:
    """The schedule that the expression describes. Raises ValueError with the field at fault."""
    texts = expression.split()
    if len(texts) != len(FIELDS):
        wanted = "second minute hour day month day-of-week"
        raise ValueError(f"the schedule {expression!r} has {len(texts)} fields, not the six {wanted}")
    second, minute, hour, day, month, weekday = (
        _values(field, text, expression) for field, text in zip(FIELDS, texts, strict=True)
    )
    if not any(d <= LONGEST_MONTHS[m - 1] for d in day for m in month):
        raise ValueError(f"the schedule {expression!r} names a day that never comes")
    trigger = CronTrigger(
        second=_listed(second),
        minute=_listed(minute),
        hour=_listed(hour),
        day=_listed(day),
        month=_listed(month),
        day_of_week=",".join(WEEKDAYS[value] for value in weekday),
        timezone=UTC,
    )
    return Schedule(expression, trigger, at_most_once_a_minute=len(second) == 1)


def _listed(values: list[int]) -> str:
    return ",".join(map(str, values))


def _values(field: Field, text: str, expression: str) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part)
        if match is None:
            raise ValueError(f"the schedule {expression!r} has {part!r} as its {field.name}")
        first, last = _bounds(field, match, expression)
        step = int(match["step"] or 1)
        if step == 0 or first > last:
            raise ValueError(f"the schedule {expression!r} has {part!r} as its {field.name}, which is empty")
        found.update(range(first, last + 1, step))
    return sorted(found)


def _bounds(field: Field, match: re.Match[str], expression: str) -> tuple[int, int]:
    if match["all"]:
        return field.least, field.greatest
    first = _number(field, match["first"], expression)
    if match["last"]:
        return first, _number(field, match["last"], expression)
    return first, field.greatest if match["step"] else first


def _number(field: Field, text: str, expression: str) -> int:
    name = text.lower()[:3]
    if not text.isdigit() and name in field.names:
        return field.names.index(name) + field.least
    if not text.isascii() or not text.isdigit() or not field.least <= int(text) <= field.greatest:
        raise ValueError(
            f"the schedule {expression!r} has {text!r} as its {field.name}, which goes from "
            f"{field.least} to {field.greatest}"
        )
    return int(text)
