"""Calendars: absences are read from whatever somebody's calendar holds, and shifts are told as a feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from shared.adapters.calendars.absences_ics import MAX_ABSENCES, MAX_BYTES, read_absences
from shared.adapters.calendars.oncall_ics import feed
from shared.domain.errors import InvalidInput
from shared.domain.oncall import Absence, Layer, OnCall, Override, Restriction, Rotation, Shift, shifts

BERLIN = "Europe/Berlin"
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(seconds=1)
HOLIDAY = ("DTSTART;VALUE=DATE:20260328", "DTEND;VALUE=DATE:20260330")


def an_event(*lines: str, uid: str = "away-1") -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT", ""])


def a_calendar(*events: str) -> bytes:
    head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tests//EN\r\n"
    return (head + "".join(events) + "END:VCALENDAR\r\n").encode()


def read(*lines: str, since: datetime = SINCE, until: datetime = UNTIL) -> list[tuple[str, str]]:
    """The absences of a calendar with one event, by clocks in Berlin."""
    return told(a_calendar(an_event(*lines)), since, until)


def told(content: bytes, since: datetime = SINCE, until: datetime = UNTIL) -> list[tuple[str, str]]:
    return [
        (clock(absence.since), clock(absence.until))
        for absence in read_absences(content, since, until, BERLIN)
    ]


def refusal(content: bytes) -> str:
    """Why a calendar is refused; nothing where it is read."""
    try:
        told(content)
    except InvalidInput as error:
        return str(error)
    return ""


def clock(instant: datetime) -> str:
    assert instant.tzinfo is UTC
    return f"{instant.astimezone(ZoneInfo(BERLIN)):%Y-%m-%d %H:%M}"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)


@pytest.mark.parametrize(
    ("lines", "since", "until"),
    [
        (HOLIDAY, "2026-03-28 00:00", "2026-03-30 00:00"),
        (("DTSTART;VALUE=DATE:20260328",), "2026-03-28 00:00", "2026-03-29 00:00"),
        (("DTSTART:20260328T090000", "DTEND:20260328T120000"), "2026-03-28 09:00", "2026-03-28 12:00"),
        (("DTSTART:20260328T090000Z", "DURATION:PT3H"), "2026-03-28 10:00", "2026-03-28 13:00"),
        (
            ("DTSTART;TZID=America/New_York:20260328T090000", "DURATION:PT1H"),
            "2026-03-28 14:00",
            "2026-03-28 15:00",
        ),
        (
            ("DTSTART;TZID=Eastern Standard Time:20260328T090000", "DURATION:PT1H"),
            "2026-03-28 14:00",
            "2026-03-28 15:00",
        ),
    ],
    ids=["whole days", "one whole day", "no zone", "UTC", "a zone", "a zone by its name on Windows"],
)
def test_an_event_is_an_absence(lines: tuple[str, ...], since: str, until: str) -> None:
    assert read(*lines) == [(since, until)]


def test_whole_days_are_those_of_the_zone_on_the_day_the_clocks_change() -> None:
    content = a_calendar(an_event("DTSTART;VALUE=DATE:20260329"))
    [away] = read_absences(content, SINCE, UNTIL, BERLIN)
    assert away.until - away.since == timedelta(hours=23)
    [away] = read_absences(content, SINCE, UNTIL, "America/Barbados")
    assert (away.since, away.until - away.since) == (datetime(2026, 3, 29, 4, tzinfo=UTC), timedelta(days=1))


def test_only_what_overlaps_the_stretch_counts() -> None:
    begins, ends = at("2026-03-28T00:00"), at("2026-03-30T00:00")
    assert read(*HOLIDAY, since=ends - TICK)
    assert not read(*HOLIDAY, since=ends)
    assert read(*HOLIDAY, until=begins + TICK)
    assert not read(*HOLIDAY, until=begins)


@pytest.mark.parametrize("line", ["TRANSP:TRANSPARENT", "STATUS:CANCELLED", "transp:transparent"])
def test_what_blocks_no_time_or_is_cancelled_does_not_count(line: str) -> None:
    assert not read(*HOLIDAY, line)
    assert read(*HOLIDAY, "TRANSP:OPAQUE", "STATUS:CONFIRMED")


def test_an_event_without_length_is_no_absence_and_no_events_are_no_absences() -> None:
    assert not read("DTSTART:20260328T090000Z")
    assert not told(a_calendar())


def test_a_rule_repeats_by_local_clocks_but_for_its_exceptions() -> None:
    weekly = ("DTSTART;TZID=Europe/Berlin:20260320T130000", "DURATION:PT4H", "RRULE:FREQ=WEEKLY;COUNT=4")
    assert [since for since, _ in read(*weekly, "EXDATE;TZID=Europe/Berlin:20260327T130000")] == [
        "2026-03-20 13:00",
        "2026-04-03 13:00",
        "2026-04-10 13:00",
    ]


def test_a_repetition_can_be_moved_or_cancelled_by_itself() -> None:
    series = an_event("DTSTART:20260401T080000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20260403T080000Z")
    moved = an_event("RECURRENCE-ID:20260402T080000Z", "DTSTART:20260402T120000Z", "DURATION:PT1H")
    gone = an_event(
        "RECURRENCE-ID:20260403T080000Z", "DTSTART:20260403T080000Z", "DURATION:PT1H", "STATUS:CANCELLED"
    )
    assert [since for since, _ in told(a_calendar(series, moved, gone))] == [
        "2026-04-01 10:00",
        "2026-04-02 14:00",
    ]


def test_rules_as_people_use_them_are_read() -> None:
    for rule, days in (
        ("FREQ=DAILY;INTERVAL=2;COUNT=3", ["01", "03", "05"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=WE,FR;WKST=MO", ["01", "03", "15", "17", "29"]),
        ("FREQ=MONTHLY;BYDAY=1WE", ["01"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["01", "30"]),
        ("FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=1", ["01"]),
    ):
        found = read("DTSTART;VALUE=DATE:20260401", f"RRULE:{rule}", until=at("2026-05-01"))
        assert [since[8:10] for since, _ in found] == days, rule
    leap = ("DTSTART;VALUE=DATE:20240229", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29")
    assert read(*leap, since=at("2028-02-01"), until=at("2028-03-30"))


def test_a_zone_that_a_calendar_defines_itself_changes_nothing_for_the_next() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\n"
        "TZOFFSETFROM:+0900\r\nTZOFFSETTO:+0900\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    event = an_event("DTSTART;TZID=Europe/Berlin:20260328T090000", "DURATION:PT1H")
    assert told(a_calendar(zone, event)) == [("2026-03-28 09:00", "2026-03-28 10:00")]
    with pytest.raises(InvalidInput, match="'Our zone', which nobody else knows"):
        told(a_calendar(zone, event).replace(b"Europe/Berlin", b"Our zone"))


def test_alarms_and_all_other_parts_are_passed_over() -> None:
    alarm = "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:PT1H\r\nREPEAT:99999\r\nEND:VALARM"
    todo = "BEGIN:VTODO\r\nRRULE:FREQ=SECONDLY\r\nEND:VTODO\r\n"
    folded = an_event(*HOLIDAY, alarm, "TRANSP:TRANSP\r\n ARENT")
    assert not told(a_calendar(todo, folded))
    assert told(a_calendar(todo, an_event(*HOLIDAY, alarm, "ATTENDEE;:::"))) == [
        ("2026-03-28 00:00", "2026-03-30 00:00")
    ]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("FREQ=SECONDLY", "repeats SECONDLY"),
        ("FREQ=MINUTELY;INTERVAL=600", "repeats MINUTELY"),
        ("FREQ=HOURLY", "repeats HOURLY"),
        ("FREQ=DAILY;BYHOUR=1,2;BYMINUTE=1,2;BYSECOND=1,2", "do not need"),
        ("FREQ=YEARLY;BYYEARDAY=366", "do not need"),
        ("FREQ=DAILY;INTERVAL=0", "interval"),
        ("FREQ=DAILY;INTERVAL=2;BYMONTH=3", "interval"),
        ("FREQ=DAILY;INTERVAL=367", "interval"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never comes true"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "never comes true"),
        ("FREQ=MONTHLY;BYDAY=6MO", "never comes true"),
        ("FREQ=MONTHLY;BYSETPOS=40;BYDAY=MO", "never comes true"),
        ("COUNT=3", "cannot be read"),
        ("FREQ=SOMETIMES", "cannot be read"),
        ("nonsense", "cannot be read"),
    ],
)
def test_a_rule_that_costs_more_than_absences_are_worth_is_refused(rule: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read("DTSTART;VALUE=DATE:20260401", f"RRULE:{rule}")


def test_a_rule_is_refused_that_repeats_from_long_ago_and_many_that_repeat_too_often_together() -> None:
    with pytest.raises(InvalidInput, match="a year that is not now"):
        read("DTSTART;VALUE=DATE:00010101", "RRULE:FREQ=DAILY")
    daily = ("DTSTART;VALUE=DATE:19260301", "RRULE:FREQ=DAILY")
    assert len(read(*daily)) == 62  # March and April by UTC, and the first of May by clocks in Berlin
    with pytest.raises(InvalidInput, match="repeat more than"):
        told(a_calendar(*(an_event(*daily, uid=f"away-{n}") for n in range(10))))


def test_a_calendar_may_be_so_large_and_no_larger() -> None:
    content = a_calendar(an_event(*HOLIDAY))
    filler = b"X-FILLER:" + b"x" * (MAX_BYTES - len(content) - 11) + b"\r\n"
    full = content.replace(b"BEGIN:VEVENT", filler + b"BEGIN:VEVENT")
    assert len(full) == MAX_BYTES
    assert len(told(full)) == 1
    with pytest.raises(InvalidInput, match="larger than"):
        told(full + b"\n")


def test_a_calendar_may_hold_so_many_absences_and_no_more() -> None:
    def many(number: int) -> bytes:
        start = datetime(2026, 3, 2, tzinfo=UTC)
        stamps = (f"{start + timedelta(minutes=n):%Y%m%dT%H%M%SZ}" for n in range(number))
        return a_calendar(*(an_event(f"DTSTART:{one}", "DURATION:PT1M", uid=one) for one in stamps))

    assert len(told(many(MAX_ABSENCES))) == MAX_ABSENCES
    with pytest.raises(InvalidInput, match="more than 2000 absences"):
        told(many(MAX_ABSENCES + 1))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"<html>sign in</html>",
        b"\xff\xfe\x00",
        a_calendar("BEGIN:VEVENT\r\n" * 5000),
        a_calendar("END:VEVENT\r\n" * 50),
        a_calendar(an_event("DTEND:20260328T090000Z")),
        a_calendar(an_event("DTSTART:yesterday")),
        a_calendar(an_event("DTSTART:20260230T090000Z")),
        a_calendar(an_event(*HOLIDAY, *HOLIDAY)),
        a_calendar(an_event("DTSTART:20260328T090000Z", "DTEND;VALUE=DATE:20260329", "RDATE:nonsense")),
        a_calendar(an_event("DTSTART:99991231T235959Z", "DURATION:P99999999W")),
    ],
)
def test_what_is_no_calendar_of_absences_is_either_refused_or_holds_none(content: bytes) -> None:
    refused = refusal(content)
    assert refused.startswith("calendar: ") or (not refused and told(content) == [])


PIECES = st.sampled_from(
    [
        *("BEGIN:VEVENT", "END:VEVENT", "END:VCALENDAR", "UID:a", "SEQUENCE:x", "SEQUENCE:2", " folded"),
        *(*HOLIDAY, "DTSTART:20260328T090000Z", "DTSTART;TZID=UTC:1", "DURATION:P", "EXDATE:2026"),
        *("RRULE:FREQ=DAILY", "RRULE:FREQ=YEARLY;BYMONTH=13", "RRULE:FREQ=WEEKLY;BYDAY=XX"),
        *("RRULE:FREQ=DAILY;COUNT=-1", "RRULE:FREQ=DAILY;UNTIL=1"),
        "RDATE;VALUE=PERIOD:20260328T090000Z/PT1H",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260328T090000Z",
    ]
)


@given(st.lists(PIECES | st.text(max_size=20), max_size=12))
def test_nothing_that_a_calendar_says_raises_anything_else(lines: list[str]) -> None:
    refused = refusal(a_calendar("\r\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT", ""])))
    assert not refused or refused.startswith("calendar: ")


def test_a_stretch_is_bounded() -> None:
    assert read(*HOLIDAY, until=SINCE + timedelta(days=800))
    with pytest.raises(ValueError, match="at most 800 days"):
        read(*HOLIDAY, until=SINCE + timedelta(days=800) + TICK)


ON_CALL = Rotation(
    "sre",
    title="Site reliability; first, line",
    timezone=BERLIN,
    layers=(Layer(("anna", "ben"), "2026-03-02T09:00", timedelta(days=7), Restriction((0, 1, 2, 3, 4))),),
    overrides=(Override("cleo", at("2026-03-03T09:00"), at("2026-03-03T12:00")),),
    fallback="boss",
)


def test_a_feed_has_one_event_a_shift_with_its_title_and_contact() -> None:
    stretches = shifts(ON_CALL, {}, at("2026-03-02T09:00"), at("2026-03-10T09:00"))
    events = events_of(feed("acme", ON_CALL, stretches, NOW))
    assert [(event["DTSTART"].dt, event["DTEND"].dt) for event in events] == [
        (shift.since, shift.until) for shift in stretches
    ]
    title = ON_CALL.title
    assert [str(event["SUMMARY"]) for event in events] == [
        f"{title}: anna",
        f"{title}: cleo",
        f"{title}: anna",
        f"{title}: nobody on call",
        f"{title}: anna",
        f"{title}: ben",
    ]
    assert str(events[3]["DESCRIPTION"]) == "boss is told instead"
    assert {event["DTSTAMP"].dt for event in events} == {NOW}


def test_a_feed_escapes_what_it_tells() -> None:
    shift = Shift(SINCE, UNTIL, OnCall("anna;\nBEGIN:VEVENT", "layer 1"))
    [event] = events_of(feed("acme", ON_CALL, [shift], NOW))
    assert str(event["SUMMARY"]) == f"{ON_CALL.title}: anna;\nBEGIN:VEVENT"


def test_a_feed_is_the_same_bytes_again_and_uids_outlive_what_else_changes() -> None:
    first = shifts(ON_CALL, {}, at("2026-03-02T09:00"), at("2026-03-10T09:00"))
    assert feed("acme", ON_CALL, first, NOW) == feed("acme", ON_CALL, first, NOW)
    away = {"ben": [Absence(at("2026-03-09T10:00"), at("2026-03-09T11:00"))]}
    later = shifts(ON_CALL, away, at("2026-03-02T09:00"), at("2026-03-20T09:00"))
    before = uids(feed("acme", ON_CALL, first, NOW))
    after = uids(feed("acme", ON_CALL, later, NOW + timedelta(days=1)))
    assert after[: len(before)] == before
    assert len(set(after)) == len(later)
    assert set(after).isdisjoint(uids(feed("other", ON_CALL, later, NOW)))


def uids(content: bytes) -> list[str]:
    return [str(event["UID"]) for event in events_of(content)]


def events_of(content: bytes) -> list[Any]:
    return list(Calendar.from_ical(content).walk("VEVENT"))
