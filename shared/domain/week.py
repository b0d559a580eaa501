"""ISO weeks in a plan's time zone: the periods that events, indexes and exports belong to."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_SEVEN_DAYS = timedelta(days=7)


def week_of(instant: datetime, timezone: str) -> str:
    """The ISO week (``2026-W47``) that an aware instant lies in, by the clocks of an IANA time zone.

    Raises ValueError for an unknown time zone.
    """
    local = instant.astimezone(_zone(timezone)).date()
    monday = local - timedelta(days=local.weekday())
    # A clock set back across midnight shows the old date twice; the week's bounds decide, not the date.
    if instant < _midnight(monday, timezone):
        return _name(monday - _SEVEN_DAYS)
    if instant >= _midnight(monday + _SEVEN_DAYS, timezone):
        return _name(monday + _SEVEN_DAYS)
    return _name(monday)


def week_bounds(week: str, timezone: str) -> tuple[datetime, datetime]:
    """First instant of the week and first instant after it, in UTC: half-open, 167 to 169 hours as a rule.

    Raises ValueError for what is no ISO week and for an unknown time zone.
    """
    monday = _monday(week)
    try:
        return _midnight(monday, timezone), _midnight(monday + _SEVEN_DAYS, timezone)
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


@lru_cache(maxsize=1024)
def _midnight(day: date, timezone: str) -> datetime:
    """Start of a local day in UTC: the first midnight where it comes twice, the jump where it is skipped."""
    return datetime(day.year, day.month, day.day, tzinfo=_zone(timezone)).astimezone(UTC)


@lru_cache(maxsize=64)
def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{timezone!r} is no IANA time zone") from None
