"""ISO weeks in a plan's time zone: the periods that events, indexes and exports belong to."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from shared.domain.hours import at_local, local_day

_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_SEVEN_DAYS = timedelta(days=7)


def week_of(instant: datetime, timezone: str) -> str:
    """The ISO week (``2026-W47``) that an aware instant lies in, by the clocks of an IANA time zone.

    Raises ValueError for an unknown time zone.
    """
    day = local_day(instant, timezone)
    return _name(day - timedelta(days=day.weekday()))


def week_bounds(week: str, timezone: str) -> tuple[datetime, datetime]:
    """First instant of the week and first instant after it, in UTC: half-open, 167 to 169 hours as a rule.

    Raises ValueError for what is no ISO week and for an unknown time zone.
    """
    monday = _monday(week)
    try:
        return at_local(monday, 0, timezone), at_local(monday + _SEVEN_DAYS, 0, timezone)
    except OverflowError:
        raise ValueError(f"{week} is outside the calendar") from None


def next_week_start(instant: datetime, timezone: str) -> datetime:
    """The first instant, in UTC, of the week after the one that ``instant`` lies in; always later than it."""
    return week_bounds(week_of(instant, timezone), timezone)[1]


def week_before(week: str) -> str:
    """The ISO week before this one. Raises ValueError for what is no ISO week."""
    return _name(_moved(week, -_SEVEN_DAYS))


def week_after(week: str) -> str:
    """The ISO week after this one. Raises ValueError for what is no ISO week."""
    return _name(_moved(week, _SEVEN_DAYS))


def _moved(week: str, by: timedelta) -> date:
    try:
        return _monday(week) + by
    except OverflowError:
        raise ValueError(f"{week} is at the edge of the calendar") from None


def _monday(week: str) -> date:
    parts = _WEEK.fullmatch(week)
    if parts is None:
        raise ValueError(f"{week!r} is no ISO week; one is written 2026-W47")
    try:
        return date.fromisocalendar(int(parts[1]), int(parts[2]), 1)
    except ValueError:
        raise ValueError(f"{week} does not exist: that year has no such week") from None


def _name(monday: date) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year:04}-W{week:02}"
