"""The scalars of the plan language: durations, spans, dates, names, and what each must look like."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from shared.domain.hours import BusinessTime, nominal
from shared.domain.hours import Span as DomainSpan

LONGEST = timedelta(days=366)
NAME = "^[a-z0-9][a-z0-9-]{0,62}$"
SEVERITY = "^[A-Za-z0-9][A-Za-z0-9 _-]{0,31}$"
SECRET = "^[A-Za-z][A-Za-z0-9-]{0,126}$"  # noqa: S105 - what the name of a secret looks like
HEADER = "^[A-Za-z0-9][A-Za-z0-9-]{0,63}$"
OPTION = "^[a-z][a-z0-9_-]{0,62}$"
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
DURATION = r"^(?=[0-9])(?:([0-9]{1,3})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?$"
SPAN = f"^(?:next business day|{DURATION[1:-1]}(?: business)?)$"
BUSINESS, NEXT_BUSINESS_DAY = " business", "next business day"
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NTHS = ("every", "first", "second", "third", "fourth", "fifth")
COMPARISON = r"^(>=|<=|==|>|<) ?(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)$"
CLOCK = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
CLOSING = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
LOCAL = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$"
DAY = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"
GUID = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
SLACK_USER = "^[UW][A-Z0-9]{2,20}$"
SLACK_WORKSPACE = "^T[A-Z0-9]{2,20}$"
ADDRESS = "^https://[!-~]{1,500}$"
BODY = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
SCHEDULE = f"^({'|'.join(NTHS)}) ({'|'.join(WEEKDAYS)})$"
PATTERNS = {
    NAME: "must be lower-case letters, digits and '-', at most 63, beginning with a letter or digit",
    SEVERITY: "must be letters, digits, spaces, '_' and '-', at most 32, beginning with a letter or digit",
    SECRET: "must be the name of a secret (a letter, then letters, digits and '-'): name it, never write it",
    HEADER: "must be the name of an HTTP header",
    OPTION: "must be lower-case letters, digits, '_' and '-', at most 63, beginning with a letter",
    ONE_LINE: "must be one line without control characters",
    COMPARISON: 'must be a comparison such as "> 10", ">= 25", "< 5", "<= 50" or "== 0"',
    CLOCK: 'must be a time of day such as "09:00"',
    CLOSING: 'must be a time of day such as "17:00", at most "24:00"',
    GUID: "must be an object id: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12",
    SLACK_USER: "must be the id of a person in Slack, such as U0123ABCD",
    SLACK_WORKSPACE: "must be the id of a workspace in Slack, such as T0123ABCD",
    ADDRESS: "must be an address that begins with https://",
    BODY: "must be text without control characters",
    SCHEDULE: "must be such as 'first friday' or 'every monday'",
}
"""Each pattern in words."""


def parse_duration(text: str) -> timedelta:
    """``90s``, ``15m``, ``1h30m``, ``7d``, at most 366 days. Raises ValueError with the reason."""
    match = re.match(DURATION.replace("$", r"\Z"), text)
    if not match:
        raise ValueError("must be a duration such as 90s, 15m, 4h, 7d or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if duration > LONGEST:
        raise ValueError(f"must be at most {LONGEST.days}d")
    return duration


def parse_span(text: str) -> DomainSpan:
    """A duration, ``4h business`` or ``next business day``. Raises ValueError with the reason."""
    if text == NEXT_BUSINESS_DAY:
        return BusinessTime()
    if text.endswith(BUSINESS):
        return BusinessTime(parse_duration(text.removesuffix(BUSINESS)))
    if "bus" in text:
        raise ValueError("must be business time such as 4h business, or next business day")
    return parse_duration(text)


def minutes_of(clock: str) -> int:
    """Minutes since midnight of ``09:00``; ``24:00`` is 1440."""
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to add to "there is no such name": the nearest known name, all of them if few, or nothing."""
    names = list(known)
    folded = {name.lower(): name for name in reversed(names)}
    near = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def quoted(text: str) -> str:
    """The text in quotes, cut to a length that fits on a line."""
    return repr(text if len(text) <= 64 else text[:63] + "…")


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("must be longer than nothing")
    return value


def _span(value: object) -> DomainSpan:
    if isinstance(value, BusinessTime | timedelta):
        return value
    return parse_span(value if isinstance(value, str) else "")


def _longer(value: object) -> DomainSpan:
    span = _span(value)
    if span in {timedelta(0), BusinessTime(timedelta(0))}:
        raise ValueError("must be longer than nothing")
    return span


def _between(least: timedelta, most: timedelta, words: str) -> Callable[[timedelta], timedelta]:
    def checked(value: timedelta) -> timedelta:
        if not least <= value <= most:
            raise ValueError(f"must be {words}")
        return value

    return checked


def _reminder(value: object) -> DomainSpan:
    """Longer than nothing by itself; ``next business day`` is long enough."""
    span = _longer(value)
    if nominal(span) < timedelta(minutes=5):
        raise ValueError("must be at least 5m")
    return span


def _turn(value: timedelta) -> timedelta:
    if value < timedelta(hours=1):
        raise ValueError("must be at least 1h")
    return value


def _comparison(value: str) -> str:
    """With exactly one space, as the rules have it."""
    return " ".join(re.findall("[<>=]+|[0-9.-]+", value))


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _day(value: str) -> str:
    try:
        if re.fullmatch(DAY[1:-1], value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise ValueError("must be a date of the calendar such as 2026-12-25")


def _local(value: str) -> str:
    try:
        if re.fullmatch(LOCAL[1:-1], value):
            datetime.combine(date.fromisoformat(value[:10]), time.fromisoformat(value[11:]))
            return value
    except ValueError:
        pass
    raise ValueError("must be a local date and time such as 2026-01-05T09:00")


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,11}", value) else value


def _change(value: object) -> object:
    whole = isinstance(value, str) and re.fullmatch("-?[1-9][0-9]{0,3}|0", value)
    return int(str(value)) if whole else value


def _ascending(values: list[int]) -> list[int]:
    if values != sorted(set(values)):
        raise ValueError("must grow from stage to stage")
    return values


def _timezone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        raise ValueError(f"is no IANA time zone{did_you_mean(value, known)}") from error
    if value.startswith(_OF_THE_MACHINE):
        raise ValueError("is not the same time zone on every machine")
    return value


_OF_THE_MACHINE = ("localtime", "posix", "right/")
_DURATION_SCHEMA = {"type": "string", "pattern": DURATION, "examples": ["90s", "15m", "4h", "7d", "1h30m"]}
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=ONE_LINE)]
Title = Annotated[str, StringConstraints(max_length=200, pattern=ONE_LINE)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
SeverityName = Annotated[str, StringConstraints(pattern=SEVERITY)]
SecretName = Annotated[str, StringConstraints(pattern=SECRET)]
Header = Annotated[str, StringConstraints(pattern=HEADER)]
Option = Annotated[str, StringConstraints(pattern=OPTION)]
Pause = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Window = Annotated[
    timedelta, BeforeValidator(_duration), AfterValidator(_positive), WithJsonSchema(_DURATION_SCHEMA)
]
_SPAN_SCHEMA = {
    "type": "string",
    "pattern": SPAN,
    "examples": ["30m", "4h", "4h business", "0s business", "next business day"],
}
Span = Annotated[DomainSpan, PlainValidator(_span), WithJsonSchema(_SPAN_SCHEMA)]
LongerSpan = Annotated[DomainSpan, PlainValidator(_longer), WithJsonSchema(_SPAN_SCHEMA)]
Turn = Annotated[
    timedelta, BeforeValidator(_duration), AfterValidator(_turn), WithJsonSchema(_DURATION_SCHEMA)
]
ReminderSpan = Annotated[DomainSpan, PlainValidator(_reminder), WithJsonSchema(_SPAN_SCHEMA)]
Throttle = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_between(timedelta(0), timedelta(hours=1), "at most 1h")),
    WithJsonSchema(_DURATION_SCHEMA),
]
StormWindow = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_between(timedelta(minutes=1), timedelta(hours=1), "at least 1m and at most 1h")),
    WithJsonSchema(_DURATION_SCHEMA),
]
LinkSpan = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_between(timedelta(hours=1), timedelta(days=90), "at least 1h and at most 90d")),
    WithJsonSchema(_DURATION_SCHEMA),
]
Comparison = Annotated[str, StringConstraints(pattern=COMPARISON), AfterValidator(_comparison)]
Clock = Annotated[str, StringConstraints(pattern=CLOCK)]
Closing = Annotated[str, StringConstraints(pattern=CLOSING)]
Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"type": "string", "pattern": DAY})]
LocalTime = Annotated[str, AfterValidator(_local), WithJsonSchema({"type": "string", "pattern": LOCAL})]
Schedule = Annotated[str, StringConstraints(pattern=SCHEDULE)]
ObjectId = Annotated[str, StringConstraints(pattern=GUID, to_lower=True)]
SlackUser = Annotated[str, StringConstraints(pattern=SLACK_USER)]
SlackWorkspace = Annotated[str, StringConstraints(pattern=SLACK_WORKSPACE)]
Address = Annotated[str, StringConstraints(pattern=ADDRESS)]
Body = Annotated[str, StringConstraints(min_length=1, max_length=8000, pattern=BODY)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Whole = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
Times = Annotated[int, Field(ge=0, le=10), BeforeValidator(_whole)]
Percent = Annotated[int, Field(ge=0, le=100), BeforeValidator(_whole)]
Change = Annotated[int, Field(ge=-100, le=1000), BeforeValidator(_change)]
Stage = Annotated[int, Field(ge=1, le=99), BeforeValidator(_whole)]
Timezone = Annotated[str, AfterValidator(_timezone)]
Item = TypeVar("Item")
Few = Annotated[list[Item], Field(min_length=1, max_length=20)]
Many = Annotated[list[Item], Field(max_length=500)]
Stages = Annotated[list[Stage], Field(min_length=1, max_length=20), AfterValidator(_ascending)]
Comparisons = Annotated[
    list[Comparison],
    BeforeValidator(_listed),
    Field(min_length=1, max_length=10),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": COMPARISON},
                {
                    "type": "array",
                    "items": {"type": "string", "pattern": COMPARISON},
                    "minItems": 1,
                    "maxItems": 10,
                },
            ]
        }
    ),
]
"""One, or a list of them."""
