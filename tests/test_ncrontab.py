"""Timer schedules: every tick of an expression comes, and no other, whatever the expression."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import ncrontab

BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
START = datetime(2020, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=4000)).map(lambda ahead: START + ahead)


def parts(least: int, greatest: int) -> st.SearchStrategy[str]:
    numbers = st.integers(least, greatest)
    steps = st.integers(1, 20)
    ranges = st.tuples(numbers, numbers).map(sorted)
    return st.one_of(
        st.just("*"),
        numbers.map(str),
        steps.map(lambda step: f"*/{step}"),
        ranges.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(ranges, steps).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
        st.tuples(numbers, steps).map(lambda both: f"{both[0]}/{both[1]}"),
    )


def fields(least: int, greatest: int) -> st.SearchStrategy[str]:
    return st.lists(parts(least, greatest), min_size=1, max_size=3).map(",".join)


EXPRESSIONS = st.tuples(*(fields(*bounds) for bounds in BOUNDS)).map(" ".join)


def means(text: str, value: int, least: int, greatest: int) -> bool:
    """Whether a field takes a value, by trying each of its parts."""
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low = least if first == "*" else int(first)
        high = int(last) if last else greatest if first == "*" or step else low
        if low <= value <= high and (value - low) % int(step or 1) == 0:
            return True
    return False


def next_by_trying(expression: str, after: datetime) -> datetime | None:
    """The next tick, found by trying every day of nine years and every moment of the days that fit."""
    taken = [
        [value for value in range(least, greatest + 1) if means(text, value, least, greatest)]
        for text, (least, greatest) in zip(expression.split(), BOUNDS, strict=True)
    ]
    seconds, minutes, hours, days, months, weekdays = taken
    for ahead in range(9 * 366):
        day: date = after.date() + timedelta(days=ahead)
        if day.day not in days or day.month not in months or day.isoweekday() % 7 not in weekdays:
            continue
        for hour in hours:
            for minute in minutes:
                for second in seconds:
                    tick = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
                    if tick > after:
                        return tick
    return None


@given(EXPRESSIONS, INSTANTS)
def test_the_next_tick_is_the_one_found_by_trying_every_moment(expression: str, after: datetime) -> None:
    try:
        schedule = ncrontab.parse(expression)
    except ValueError:
        assert next_by_trying(expression, after) is None
        return
    expected = next_by_trying(expression, after)
    if expected is not None:
        assert schedule.next_after(after) == expected


@pytest.mark.parametrize(
    ("expression", "tick"),
    [
        ("0 * * * * *", "2026-11-21T12:01:00+00:00"),
        ("*/15 * * * * *", "2026-11-21T12:00:15+00:00"),
        ("0 0 3 * * MON", "2026-11-23T03:00:00+00:00"),
        ("0 0 3 * * monday-friday", "2026-11-23T03:00:00+00:00"),
        ("0 0 0 * * 0", "2026-11-22T00:00:00+00:00"),
        ("0 30 9 1 Jan,jul *", "2027-01-01T09:30:00+00:00"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
        ("5/20 * * * * *", "2026-11-21T12:00:05+00:00"),
    ],
)
def test_an_expression_ticks_as_the_platform_reads_it(expression: str, tick: str) -> None:
    noon = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    assert ncrontab.parse(expression).next_after(noon).isoformat() == tick


def test_a_tick_is_later_than_the_instant_asked_about() -> None:
    noon = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
    schedule = ncrontab.parse("0 0 12 * * *")
    assert schedule.next_after(noon - timedelta(microseconds=1)) == noon
    assert schedule.next_after(noon) == noon + timedelta(days=1)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("* * * * *", "5 fields"),
        ("00:05:00", "1 fields"),
        ("60 * * * * *", "second"),
        ("0 0 24 * * *", "hour"),
        ("0 0 0 * * 7", "day of week"),
        ("0 0 0 * 0 *", "month"),
        ("0 0 0 * foo *", "month"),
        ("0 5-1 * * * *", "empty"),
        ("0 */0 * * * *", "empty"),
        ("0 0 0 30 2 *", "never comes"),
        ("0 0 0 ? * *", "day"),
        ("0 0, 0 * * *", "minute"),
    ],
)
def test_an_expression_that_the_platform_would_misread_is_refused(expression: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        ncrontab.parse(expression)


@pytest.mark.parametrize(
    ("expression", "kept"), [("0 * * * * *", True), ("30 */5 * * * *", True), ("*/30 * * * * *", False)]
)
def test_only_schedules_of_a_minute_or_more_are_made_up_for(expression: str, kept: bool) -> None:
    assert ncrontab.parse(expression).at_most_once_a_minute is kept
