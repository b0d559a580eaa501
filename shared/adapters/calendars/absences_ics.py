"""Reads when somebody is away from an ICS calendar, which anybody may have written: whatever it holds is
bounded in size, in number and in what its recurrence rules cost."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.domain.errors import Fault, InvalidInput
from shared.domain.hours import at_local, zone_of
from shared.domain.oncall import Absence

MAX_BYTES = 1024 * 1024
MAX_ABSENCES = 2000
MAX_DAYS = 800
MAX_REPEATS = 100_000
"""Repetitions of all rules from their first to the end of the stretch that is asked for."""

_WANTED = frozenset(["UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"]) | {
    "SEQUENCE",
    "STATUS",
    "TRANSP",
}
_NAME = re.compile(r"[A-Za-z0-9-]+")
_DAYS_BETWEEN = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 28, "YEARLY": 365}
_PARTS = frozenset(
    ["FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS", "WKST"]
)
_TIMES = frozenset(["BYHOUR", "BYMINUTE", "BYSECOND"])
_LIMITS = frozenset(["BYMONTH", "BYMONTHDAY", "BYSETPOS"])
_FIRST_WITHIN = timedelta(days=8 * 366)
_DAY = timedelta(days=1)
_Loose = Any
"""A component or a rule of the library, whose values have a dozen types."""
# What the two libraries are known to raise on calendars that break the rules.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    StopIteration,
)


def read_absences(content: bytes, since: datetime, until: datetime, timezone: str) -> tuple[Absence, ...]:
    """The absences that overlap the stretch from ``since`` to ``until``, earliest first.

    Whole days and times without a zone are taken as those of ``timezone``. Transparent and cancelled events
    do not count. Raises InvalidInput for a calendar that cannot be read, names a time zone that nobody else
    knows, or goes beyond a limit; ValueError where more than 800 days are asked for.
    """
    if until - since > timedelta(days=MAX_DAYS):
        raise ValueError(f"absences are read for at most {MAX_DAYS} days")
    if len(content) > MAX_BYTES:
        raise _invalid("", f"is larger than {MAX_BYTES} bytes")
    zone_of(timezone)
    try:
        return _absences(content, since.astimezone(UTC), until.astimezone(UTC), timezone)
    except _UNREADABLE as error:
        raise _invalid("", f"cannot be read ({type(error).__name__})") from None


def _absences(content: bytes, since: datetime, until: datetime, timezone: str) -> tuple[Absence, ...]:
    found: set[Absence] = set()
    for occurrence in _occurrences(content, since, until):
        away = Absence(
            _instant(occurrence["DTSTART"].dt, timezone), _instant(occurrence["DTEND"].dt, timezone)
        )
        if _counts(occurrence) and away.since < away.until and away.since < until and since < away.until:
            found.add(away)
            if len(found) > MAX_ABSENCES:
                raise _invalid("", f"holds more than {MAX_ABSENCES} absences")
    return tuple(sorted(found, key=lambda each: (each.since, each.until)))


def _occurrences(content: bytes, since: datetime, until: datetime) -> Iterator[_Loose]:
    """Every event, once for each of its repetitions around that stretch, one series after the other."""
    import recurring_ical_events  # type: ignore[import-untyped]  # it brings no types
    from icalendar import Calendar

    calendar = Calendar.from_ical(_only_events(content))
    series: dict[str, _Loose] = defaultdict(Calendar)
    for number, event in enumerate(calendar.walk("VEVENT")):
        _check_event(event)
        if _ends_before_it_starts(event):
            continue
        series[str(event.get("UID", f"without {number}"))].add_component(event)
    _check_zones(calendar)
    _check_rules(calendar.walk("VEVENT"), until)
    # Times without a zone are compared as if they were UTC; the widest zones are not a day away from it.
    for events in series.values():
        yield from recurring_ical_events.of(events).between(since - _DAY, until + _DAY)


def _only_events(content: bytes) -> str:
    """The calendar without everything that says nothing about absences.

    Time zones that a calendar defines are left out on purpose: the library keeps them for the whole process,
    where one person's calendar would change how the next one's is read.
    """
    text = re.sub(r"\r?\n[ \t]", "", content.decode("utf-8-sig"))
    if "BEGIN:VCALENDAR" not in text.upper():
        raise _invalid("", "is no calendar")
    kept, inside = ["BEGIN:VCALENDAR"], [""]
    for line in text.splitlines():
        name = _NAME.match(line)
        word = name[0].upper() if name else ""
        if word == "BEGIN":
            inside.append(line[6:].strip().upper())
        if inside[-1] == "VEVENT" and word in _WANTED | {"BEGIN", "END"}:
            kept.append(line)
        if word == "END" and len(inside) > 1:
            inside.pop()
    return "\r\n".join([*kept, "END:VCALENDAR", ""])


def _check_event(event: _Loose) -> None:
    where = str(event.get("UID", ""))
    if event.errors:
        raise _invalid(where, f"{event.errors[0][0]} cannot be read")
    if "DTSTART" not in event:
        raise _invalid(where, "has no start")
    if "RECURRENCE-ID" in event:
        # One that stands in for another does not repeat by itself.
        for name in ("RRULE", "RDATE", "EXDATE"):
            event.pop(name, None)


def _ends_before_it_starts(event: _Loose) -> bool:
    """Somebody mixed the two up: that says nothing about an absence."""
    try:
        if "DTEND" in event:
            return bool(event["DTEND"].dt < event["DTSTART"].dt)
        return "DURATION" in event and bool(event["DURATION"].dt < timedelta(0))
    except TypeError:  # a date beside a time, or a time without a zone beside one with: not compared
        return False


def _check_zones(calendar: _Loose) -> None:
    from icalendar.timezone import tzp

    for name in sorted(calendar.get_used_tzids()):
        if tzp.timezone(name) is None:
            raise _invalid("", f"names the time zone {name[:60]!r}, which nobody else knows")


def _check_rules(events: Iterable[_Loose], until: datetime) -> None:
    repeats = 0
    for event in events:
        if "RRULE" in event:
            repeats += _check_rule(event, until)
        if repeats > MAX_REPEATS:
            raise _invalid("", f"its rules repeat more than {MAX_REPEATS} times")


def _check_rule(event: _Loose, until: datetime) -> int:
    """How often at most the event repeats until then. Refuses rules that cost more than they are worth."""
    where, rule, start = str(event.get("UID", "")), event["RRULE"], event["DTSTART"].dt
    if isinstance(rule, list):
        raise _invalid(where, "has more than one recurrence rule")
    frequency, interval = str(rule["FREQ"][0]).upper(), int(rule.get("INTERVAL", [1])[0])
    parts = {name.upper() for name in rule}
    if frequency not in _DAYS_BETWEEN:
        raise _invalid(where, f"repeats {frequency}: absences repeat daily, weekly, monthly or yearly")
    if parts - _PARTS - _TIMES or any(len(rule[name]) > 1 for name in parts & _TIMES):
        raise _invalid(where, "repeats by a rule that absences do not need")
    odd = frequency in {"DAILY", "WEEKLY"} and parts & _LIMITS
    if not 1 <= interval <= (1 if odd else 366):
        raise _invalid(where, "repeats at an interval that absences do not need")
    if not 1900 <= start.year <= 2200:
        raise _invalid(where, "repeats from a year that is not now")
    if not _comes(rule, start):
        raise _invalid(where, "repeats by a rule that never comes true")
    first = start.date() if isinstance(start, datetime) else start
    return max((until.date() - first).days, 0) // (_DAYS_BETWEEN[frequency] * interval) + 1


def _comes(rule: _Loose, start: date) -> bool:
    """Whether a rule comes true soon. One that never does is searched for to the end of the calendar.

    The calendar repeats itself every 400 years, so the search begins as late in it as it can.
    """
    from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # it brings no types
    from icalendar.prop import vRecur

    endless: _Loose = vRecur(
        {name: value for name, value in rule.items() if name.upper() not in {"COUNT", "UNTIL"}}
    )
    text = endless.to_ical().decode()
    late = start.year + (9990 - start.year) // 400 * 400
    begins = datetime(late, start.month, start.day)  # noqa: DTZ001 - a wall clock, compared with its own
    first = next(iter(rrulestr(text, dtstart=begins)), None)
    return first is not None and first - begins <= _FIRST_WITHIN


def _counts(occurrence: _Loose) -> bool:
    transparent = str(occurrence.get("TRANSP", "")).upper() == "TRANSPARENT"
    return not transparent and str(occurrence.get("STATUS", "")).upper() != "CANCELLED"


def _instant(value: date, timezone: str) -> datetime:
    if not isinstance(value, datetime):
        return at_local(value, 0, timezone)
    return (value.replace(tzinfo=zone_of(timezone)) if value.tzinfo is None else value).astimezone(UTC)


def _invalid(where: str, why: str) -> InvalidInput:
    return InvalidInput("calendar", [Fault(where[:60], why)])
