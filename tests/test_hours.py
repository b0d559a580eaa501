"""Business time: it runs while people work, by local clocks, and never while they do not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.hours import BusinessHours, BusinessTime, after, is_business_day

OFFICE = BusinessHours()
CHRISTMAS = BusinessHours(holidays=("2026-12-25",))
NIGHTS = BusinessHours(days=(0, 1, 2, 3, 4, 5, 6), opens=0, closes=24 * 60)
SUNDAYS = BusinessHours(days=(6,), opens=0, closes=6 * 60)
BERLIN, NEW_YORK, BARBADOS = "Europe/Berlin", "America/New_York", "America/Barbados"
TICK = timedelta(microseconds=1)
NOTHING = BusinessTime(timedelta(0))
NEXT_DAY = BusinessTime()


def at(text: str, zone: str = BERLIN) -> datetime:
    """An instant by local clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def hours(number: float) -> BusinessTime:
    return BusinessTime(timedelta(hours=number))


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        ("2026-11-17T10:00", hours(4), "2026-11-17T14:00"),
        ("2026-11-17T15:00", hours(4), "2026-11-18T11:00"),
        ("2026-11-17T06:00", hours(4), "2026-11-17T13:00"),
        ("2026-11-17T20:00", hours(4), "2026-11-18T13:00"),
        ("2026-11-20T16:00", hours(4), "2026-11-23T12:00"),
        ("2026-11-21T12:00", hours(4), "2026-11-23T13:00"),
        ("2026-11-17T13:00", hours(4), "2026-11-17T17:00"),
        ("2026-11-17T09:00", hours(40), "2026-11-23T17:00"),
        ("2026-12-24T15:00", hours(4), "2026-12-28T11:00"),
    ],
    ids=[
        "within a day",
        "into the next day",
        "before opening",
        "after closing",
        "over a weekend",
        "from a weekend",
        "until closing, not the next opening",
        "a whole week of work",
        "over a holiday and a weekend",
    ],
)
def test_business_time_elapses_only_while_people_work(start: str, span: BusinessTime, end: str) -> None:
    assert after(at(start), span, CHRISTMAS, BERLIN) == at(end)


def test_a_moment_more_than_the_rest_of_the_day_ends_just_after_the_next_opening() -> None:
    start = at("2026-11-20T13:00")
    for_the_rest = timedelta(hours=4)
    assert after(start, BusinessTime(for_the_rest - TICK), OFFICE, BERLIN) == at("2026-11-20T17:00") - TICK
    assert after(start, BusinessTime(for_the_rest), OFFICE, BERLIN) == at("2026-11-20T17:00")
    assert after(start, BusinessTime(for_the_rest + TICK), OFFICE, BERLIN) == at("2026-11-23T09:00") + TICK


def test_no_business_time_at_all_is_the_first_business_instant() -> None:
    opens, closes = at("2026-11-20T09:00"), at("2026-11-20T17:00")
    assert after(opens - TICK, NOTHING, OFFICE, BERLIN) == opens
    assert after(opens, NOTHING, OFFICE, BERLIN) == opens
    assert after(closes - TICK, NOTHING, OFFICE, BERLIN) == closes - TICK
    assert after(closes, NOTHING, OFFICE, BERLIN) == at("2026-11-23T09:00")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-17T00:00", "2026-11-18T09:00"),
        ("2026-11-17T23:59", "2026-11-18T09:00"),
        ("2026-11-18T00:00", "2026-11-19T09:00"),
        ("2026-11-20T10:00", "2026-11-23T09:00"),
        ("2026-11-22T10:00", "2026-11-23T09:00"),
        ("2026-12-24T10:00", "2026-12-28T09:00"),
    ],
)
def test_the_next_business_day_begins_at_its_opening(start: str, end: str) -> None:
    assert after(at(start), NEXT_DAY, CHRISTMAS, BERLIN) == at(end)


def test_without_hours_all_time_is_business_time_and_every_day_a_business_day() -> None:
    start = at("2026-11-21T22:30")
    assert after(start, hours(5), None, BERLIN) == start + timedelta(hours=5)
    assert after(start, NOTHING, None, BERLIN) == start
    assert after(start, NEXT_DAY, None, BERLIN) == at("2026-11-22T00:00")
    assert is_business_day(date(2026, 11, 22), None)


@pytest.mark.parametrize(
    ("zone", "sunday", "elapsed"),
    [
        (BERLIN, "2026-03-29", 5),
        (BERLIN, "2026-10-25", 7),
        (NEW_YORK, "2026-03-08", 5),
        (NEW_YORK, "2026-11-01", 7),
        (BARBADOS, "2026-03-29", 6),
        (BARBADOS, "2026-11-01", 6),
    ],
)
def test_a_night_is_as_long_as_its_clocks_make_it(zone: str, sunday: str, elapsed: int) -> None:
    opens, closes = at(f"{sunday}T00:00", zone), at(f"{sunday}T06:00", zone)
    assert after(opens, hours(elapsed), SUNDAYS, zone) == closes == opens + timedelta(hours=elapsed)
    next_sunday = opens.astimezone(ZoneInfo(zone)) + timedelta(days=7)
    assert after(opens, hours(elapsed + 1), SUNDAYS, zone) == next_sunday + timedelta(hours=1)


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, BARBADOS])
def test_where_closing_is_midnight_one_day_runs_into_the_next(zone: str) -> None:
    weekdays = BusinessHours(opens=12 * 60, closes=24 * 60)
    assert after(at("2026-11-20T23:00", zone), hours(1), weekdays, zone) == at("2026-11-21T00:00", zone)
    assert after(at("2026-11-20T23:00", zone), hours(2), weekdays, zone) == at("2026-11-23T13:00", zone)
    assert after(at("2026-03-07T12:00", zone), hours(48), NIGHTS, zone) == at(
        "2026-03-07T12:00", zone
    ) + timedelta(hours=48)


@pytest.mark.parametrize(
    ("opens", "closes", "expected"),
    [
        (2 * 60 + 30, 6 * 60, "2026-03-29T03:30"),
        (2 * 60 + 30, 3 * 60, "2026-04-05T02:30"),
    ],
    ids=["it opens as much later as the jump is long", "it has no business time left"],
)
def test_a_day_whose_opening_the_clocks_skip(opens: int, closes: int, expected: str) -> None:
    early = BusinessHours(days=(6,), opens=opens, closes=closes)
    assert after(at("2026-03-28T12:00"), NOTHING, early, BERLIN) == at(expected)


def test_an_opening_that_clocks_show_twice_is_the_first_one() -> None:
    early = BusinessHours(days=(6,), opens=2 * 60, closes=2 * 60 + 30)
    first = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert after(at("2026-10-24T12:00"), NOTHING, early, BERLIN) == first
    assert after(first + timedelta(hours=1), NOTHING, early, BERLIN) > first + timedelta(days=1)


def test_a_date_that_a_zone_skips_is_counted_once() -> None:
    daily = BusinessHours(days=(0, 1, 2, 3, 4, 5, 6))
    start = at("2011-12-29T16:00", "Pacific/Apia")
    assert after(start, hours(2), daily, "Pacific/Apia") == at("2011-12-31T10:00", "Pacific/Apia")
    assert after(start, hours(10), daily, "Pacific/Apia") == at("2012-01-01T10:00", "Pacific/Apia")


def test_hours_that_never_open_are_refused_instead_of_searched_for_ever() -> None:
    every_day = tuple((date(2026, 1, 1) + timedelta(days=n)).isoformat() for n in range(800))
    for never in (BusinessHours(days=()), BusinessHours(holidays=every_day)):
        for span in (NOTHING, hours(1), NEXT_DAY):
            with pytest.raises(ValueError, match="no business day within two years"):
                after(at("2026-01-05T10:00"), span, never, BERLIN)


def test_hours_that_open_after_a_long_closure_are_found() -> None:
    closed = tuple((date(2026, 1, 1) + timedelta(days=n)).isoformat() for n in range(700))
    first = datetime.fromisoformat("2026-01-01") + timedelta(days=700)
    expected = at(f"{first.date()}T09:00")
    assert after(at("2026-01-05T10:00"), NEXT_DAY, BusinessHours(holidays=closed), BERLIN) == expected


def test_what_ends_beyond_the_calendar_and_an_unknown_zone_are_value_errors() -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        after(datetime(9999, 12, 30, tzinfo=UTC), hours(100), OFFICE, BERLIN)
    with pytest.raises(ValueError, match="no IANA time zone"):
        after(at("2026-01-05T10:00"), hours(1), OFFICE, "Mars/Olympus")


def test_plain_time_always_runs_and_the_answer_is_in_utc() -> None:
    local = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo(BERLIN))
    ends = after(local, timedelta(days=1), OFFICE, BERLIN)
    assert ends - local.astimezone(UTC) == timedelta(days=1)
    for span in (timedelta(hours=1), hours(1), NOTHING, NEXT_DAY):
        assert after(local, span, OFFICE, BERLIN).utcoffset() == timedelta(0)
        assert after(local, span, None, BERLIN).utcoffset() == timedelta(0)


def test_the_opening_is_business_time_and_the_closing_is_not() -> None:
    opens, closes = at("2026-11-20T09:00"), at("2026-11-20T17:00")
    instants = (opens - TICK, opens, closes - TICK, closes)
    runs = [after(instant, NOTHING, OFFICE, BERLIN) == instant for instant in instants]
    assert runs == [False, True, True, False]
    assert after(at("2026-11-21T12:00"), NOTHING, OFFICE, BERLIN) > at("2026-11-21T12:00")


def test_weekends_and_holidays_are_no_business_days() -> None:
    days = [date(2026, 12, day) for day in (24, 25, 26, 27, 28)]
    assert [is_business_day(day, CHRISTMAS) for day in days] == [True, False, False, False, True]


# Edges between one and three o'clock are left out: the reference reads clocks, which skip and repeat them.
EDGES = st.sampled_from([0, 30, 180, 185, 9 * 60, 12 * 60 + 7, 17 * 60, 1439, 1440])
SHORT_HOURS = st.builds(
    lambda days, edges, holidays: BusinessHours(tuple(sorted(days)), min(edges), max(edges), tuple(holidays)),
    st.sets(st.integers(0, 6), min_size=3),
    st.tuples(EDGES, EDGES).filter(lambda edges: edges[0] != edges[1]),
    st.sets(st.sampled_from(["2026-03-08", "2026-03-30", "2026-10-25", "2026-11-02"])),
)
AROUND_CHANGES = st.builds(
    lambda day, minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day, minutes=minutes),
    st.sampled_from([64, 65, 66, 85, 86, 87, 295, 296, 297, 302, 303, 304]),
    st.integers(0, 1439),
)


def slow_after(start: datetime, minutes: int, hours: BusinessHours, zone: str) -> datetime:
    """Minute by minute, by what clocks show."""
    now = start
    while True:
        local = now.astimezone(ZoneInfo(zone))
        open_now = hours.opens <= local.hour * 60 + local.minute < hours.closes
        if open_now and is_business_day(local.date(), hours):
            if minutes == 0:
                return now
            minutes -= 1
            if minutes == 0:
                return now + timedelta(minutes=1)
        now += timedelta(minutes=1)


@given(AROUND_CHANGES, st.integers(0, 1500), SHORT_HOURS, st.sampled_from([BERLIN, NEW_YORK, BARBADOS]))
def test_it_agrees_with_counting_minute_by_minute(
    start: datetime, minutes: int, hours: BusinessHours, zone: str
) -> None:
    if hours.closes - hours.opens < 60:
        minutes %= 30
    expected = slow_after(start, minutes, hours, zone)
    assert after(start, BusinessTime(timedelta(minutes=minutes)), hours, zone) == expected
