"""Instants as monitoring systems write them: RFC 3339, the American form, seconds or milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

EARLIEST_YEAR = 1970
LATEST_YEAR = 2999
"""So far from what datetime can hold that adding durations and changing zones never overflows."""

_MILLISECONDS_FROM = 100_000_000_000
_LATEST_SECONDS = 32_503_680_000
_AMERICAN = re.compile(
    r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}),? ([0-9]{1,2}):([0-9]{2}):([0-9]{2})"
    r"(?: ([AP])M)?(?: ?(Z|[+-][0-9:]{5}))?"
)


def instant_of(value: object) -> datetime | None:
    """An instant in UTC; None where none is given (null, nothing, or the year 1 that stands for nothing).

    Text without a zone is taken for UTC; digits beyond microseconds are cut off; a number is seconds since
    1970, or milliseconds from 100,000,000,000 on. Raises ValueError, with the reason, for anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("must be an instant in RFC 3339")  # noqa: TRY004  # a fault of the body, not of types
    return _from_text(value) if isinstance(value, str) else _from_number(value)


def end_of(value: object) -> datetime | None:
    """An instant that an alert can do without: None where it is none."""
    try:
        return instant_of(value)
    except ValueError:
        return None


def _from_text(text: str) -> datetime | None:
    plain = text.strip().upper()
    try:
        instant = datetime.fromisoformat(plain)
    except ValueError:
        instant = _american(plain)
    if instant.year == 1:
        return None
    if not EARLIEST_YEAR <= instant.year <= LATEST_YEAR:
        raise ValueError(f"must be an instant between {EARLIEST_YEAR} and {LATEST_YEAR}")
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def _american(text: str) -> datetime:
    found = _AMERICAN.fullmatch(text)
    if found is None:
        raise ValueError("must be an instant in RFC 3339")
    month, day, year, hour, minute, second, half, zone = found.groups()
    if half is not None:
        if not 1 <= int(hour) <= 12:
            raise ValueError("must be an instant in RFC 3339")
        hour = str(int(hour) % 12 + (12 if half == "P" else 0))
    try:
        iso = f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute}:{second}{zone or ''}"
        return datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError("must be an instant in RFC 3339") from None


def _from_number(number: float) -> datetime:
    seconds = number / 1000 if _MILLISECONDS_FROM <= number < _LATEST_SECONDS * 1000 else number
    if not 0 <= seconds < _LATEST_SECONDS:
        raise ValueError("must be seconds or milliseconds since 1970, before the year 3000")
    return datetime.fromtimestamp(seconds, UTC)
