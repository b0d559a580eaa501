"""Business time: windows that only run while people work, in the plan's time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY = timedelta(days=1)
_LONGEST_CLOSED = 2 * 366
"""Days; hours that stay closed for longer never open."""


@dataclass(frozen=True)
class BusinessHours:
    """When people work: the same hours on each working day, but not on holidays."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Working days, 0 is Monday."""
    opens: int = 9 * 60
    """Minutes since midnight, by local clocks."""
    closes: int = 17 * 60
    """The same; at most 1440, later than ``opens``."""
    holidays: tuple[str, ...] = ()
    """ISO dates."""


@dataclass(frozen=True)
class BusinessTime:
    """A window in business time: so much of it, or until the next business day begins (``length`` None)."""

    length: timedelta | None = None


Span = timedelta | BusinessTime
"""A window: plain time, which always runs, or business time."""


def after(start: datetime, span: Span, hours: BusinessHours | None, timezone: str) -> datetime:
    """The instant, in UTC, at which ``span`` from ``start`` is over.

    Business time is counted in real elapsed time from opening to closing; it is over at closing, not at the
    next opening, where it ends exactly then. Without hours it always runs and every day is a business day.
    Raises ValueError where no business day comes within two years, and for an unknown time zone.
    """
    start = start.astimezone(UTC)
    if isinstance(span, timedelta):
        return start + span
    try:
        if span.length is None:
            return _next_business_day(start, hours, timezone)
        return start + span.length if hours is None else _worked(start, span.length, hours, timezone)
    except OverflowError:
        raise ValueError("the end of that window is outside the calendar") from None


def is_business_day(day: date, hours: BusinessHours | None) -> bool:
    """Whether people work on a local date at all."""
    return hours is None or (day.weekday() in hours.days and day.isoformat() not in hours.holidays)


def nominal(span: Span) -> timedelta:
    """The length of a span as if it always ran; a business day counts as one day."""
    if isinstance(span, timedelta):
        return span
    return timedelta(days=1) if span.length is None else span.length


def local_day(instant: datetime, timezone: str) -> date:
    """The local date of an instant. Where clocks go back across midnight, the day begins at the first one."""
    day = instant.astimezone(zone_of(timezone)).date()
    if instant < at_local(day, 0, timezone):
        return day - _DAY
    return day + _DAY if instant >= at_local(day + _DAY, 0, timezone) else day


@lru_cache(maxsize=4096)
def at_local(day: date, minutes: int, timezone: str) -> datetime:
    """When clocks show so many minutes since midnight (at most 1440), in UTC.

    The first time where they show it twice; as much later as the jump is long where they skip it.
    """
    local = datetime.combine(day, time(), zone_of(timezone)) + timedelta(minutes=minutes)
    return local.astimezone(UTC)


@lru_cache(maxsize=64)
def zone_of(timezone: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises ValueError where there is none."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{timezone!r} is no IANA time zone") from None


def _next_business_day(start: datetime, hours: BusinessHours | None, timezone: str) -> datetime:
    tomorrow = local_day(start, timezone) + _DAY
    if hours is None:
        return at_local(tomorrow, 0, timezone)
    return next(_openings(tomorrow, hours, timezone))[0]


def _worked(start: datetime, length: timedelta, hours: BusinessHours, timezone: str) -> datetime:
    left = length
    for opens, closes in _openings(local_day(start, timezone), hours, timezone):
        if closes <= start:
            continue
        begins = max(opens, start)
        if left <= closes - begins:
            return begins + left
        left -= closes - begins
    raise AssertionError("the openings have no end")


def _openings(day: date, hours: BusinessHours, timezone: str) -> Iterator[tuple[datetime, datetime]]:
    """Opening and closing of each business day from ``day`` on, without end."""
    closed = 0
    while closed <= _LONGEST_CLOSED:
        opens, closes = _opening(day, hours, timezone)
        closed = closed + 1 if opens >= closes else 0
        if opens < closes:
            yield opens, closes
        day += _DAY
    raise ValueError("no business day within two years")


def _opening(day: date, hours: BusinessHours, timezone: str) -> tuple[datetime, datetime]:
    """Opening and closing within the bounds of a day; where people do not work, the first is not earlier."""
    begins, ends = at_local(day, 0, timezone), at_local(day + _DAY, 0, timezone)
    if not is_business_day(day, hours):
        return ends, begins
    return (
        max(at_local(day, hours.opens, timezone), begins),
        min(at_local(day, hours.closes, timezone), ends),
    )


def in_local_words(instant: datetime, timezone: str) -> str:
    """``2026-11-21 14:05 AST``: an instant as people of a time zone read it."""
    return f"{instant.astimezone(zone_of(timezone)):%Y-%m-%d %H:%M %Z}"
