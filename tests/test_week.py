"""ISO weeks in a time zone: every instant lies in exactly one, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.week import next_week_start, week_after, week_before, week_bounds, week_of

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "America/Asuncion",
    "Asia/Kolkata",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "Asia/Jerusalem",
    "Africa/Cairo",
)
INSTANTS = st.integers(30_000_000, 2_800_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
"""From 1970 to 2058."""
TICK = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("instant", "zone", "week"),
    [
        ("2026-11-21T04:25:00Z", "UTC", "2026-W47"),
        ("2026-11-15T22:59:59.999999Z", "Europe/Berlin", "2026-W46"),
        ("2026-11-15T23:00:00Z", "Europe/Berlin", "2026-W47"),
        ("2026-11-16T04:59:59.999999Z", "America/New_York", "2026-W46"),
        ("2026-11-16T05:00:00Z", "America/New_York", "2026-W47"),
        ("2026-12-31T12:00:00Z", "UTC", "2026-W53"),
        ("2027-01-03T23:59:59Z", "UTC", "2026-W53"),
        ("2027-01-04T00:00:00Z", "UTC", "2027-W01"),
        ("2024-12-30T00:00:00Z", "UTC", "2025-W01"),
        ("2024-12-29T23:59:59Z", "UTC", "2024-W52"),
        ("2026-01-01T00:00:00+14:00", "Pacific/Kiritimati", "2026-W01"),
    ],
)
def test_an_instant_lies_in_the_week_that_local_calendars_show(instant: str, zone: str, week: str) -> None:
    assert week_of(at(instant), zone) == week


@pytest.mark.parametrize(
    ("week", "zone", "hours"),
    [
        ("2026-W47", "Europe/Berlin", 168),
        ("2026-W13", "Europe/Berlin", 167),
        ("2026-W43", "Europe/Berlin", 169),
        ("2026-W10", "America/New_York", 167),
        ("2026-W44", "America/New_York", 169),
        ("2026-W14", "Australia/Lord_Howe", 168.5),
        ("2011-W52", "Pacific/Apia", 144),
    ],
)
def test_a_week_is_as_long_as_its_clocks_make_it(week: str, zone: str, hours: float) -> None:
    start, end = week_bounds(week, zone)
    assert end - start == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("week", "zone", "start"),
    [
        ("2009-W23", "Africa/Casablanca", "2009-06-01T00:00:00Z"),
        ("2001-W39", "Asia/Jerusalem", "2001-09-23T21:00:00Z"),
    ],
    ids=["midnight is skipped", "midnight comes twice"],
)
def test_a_week_starts_where_its_first_local_day_does(week: str, zone: str, start: str) -> None:
    assert week_bounds(week, zone)[0] == at(start)
    assert week_of(at(start), zone) == week
    assert week_of(at(start) - TICK, zone) == week_before(week)
    assert week_of(at(start) + timedelta(hours=1), zone) == week


@given(INSTANTS, st.sampled_from(ZONES))
def test_every_instant_lies_within_its_week_and_weeks_meet_without_gap(instant: datetime, zone: str) -> None:
    week = week_of(instant, zone)
    start, end = week_bounds(week, zone)
    assert start <= instant < end
    assert week_of(start, zone) == week == week_of(end - TICK, zone)
    assert week_bounds(week_after(week), zone)[0] == end
    assert week_bounds(week_before(week), zone)[1] == start


@given(INSTANTS, st.sampled_from(ZONES))
def test_the_next_week_starts_later_and_is_the_next_week(instant: datetime, zone: str) -> None:
    following = next_week_start(instant, zone)
    assert following > instant
    assert week_of(following, zone) == week_after(week_of(instant, zone))
    assert following.utcoffset() == timedelta(0)


@given(INSTANTS, st.integers(0, 3_000_000), st.sampled_from(ZONES))
def test_later_instants_never_lie_in_earlier_weeks(instant: datetime, seconds: int, zone: str) -> None:
    assert week_of(instant, zone) <= week_of(instant + timedelta(seconds=seconds), zone)


@given(INSTANTS)
def test_names_sort_as_the_weeks_follow(instant: datetime) -> None:
    week = week_of(instant, "UTC")
    assert week_before(week) < week < week_after(week)
    assert week_after(week_before(week)) == week


NO_WEEKS = """
2026 2026-47 2026-w47 2026W47 26-W47 2026-W7 2026-W00 2026-W54 2025-W53 0000-W01 9999-W52 ２０２６-W47
2026-W4٧
"""


@pytest.mark.parametrize("week", ["", "2026-W47 ", "2026-W47\n", *NO_WEEKS.split()])
def test_what_is_no_iso_week_is_refused(week: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        week_bounds(week, "UTC")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "/etc/localtime", "../UTC", "Europe", "utc\0"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        week_of(at("2026-11-21T00:00:00Z"), zone)


def test_the_edges_of_the_calendar_are_refused_not_crossed() -> None:
    with pytest.raises(ValueError, match="calendar"):
        week_before("0001-W01")
    with pytest.raises(ValueError, match="calendar"):
        week_after("9999-W52")
