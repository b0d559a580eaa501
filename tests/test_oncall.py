"""Who is on call: overrides, then layers, then the fallback; and the shifts that follow from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.oncall import (
    Absence,
    Layer,
    OnCall,
    Override,
    Restriction,
    Rotation,
    Shift,
    gaps,
    on_call,
    shifts,
)

BERLIN, NEW_YORK, BARBADOS = "Europe/Berlin", "America/New_York", "America/Barbados"
TICK = timedelta(microseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKLY = Layer(("anna", "ben", "cleo"), "2026-01-05T09:00", 7 * DAY)
OFFICE = Restriction((0, 1, 2, 3, 4), 9 * 60, 17 * 60)


def at(text: str, zone: str = BERLIN) -> datetime:
    """An instant by local clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def a_rotation(*layers: Layer, zone: str = BERLIN, fallback: str | None = None) -> Rotation:
    return Rotation("sre", timezone=zone, layers=layers, fallback=fallback)


def who(rotation: Rotation, instant: datetime, **absences: Absence) -> tuple[str | None, str]:
    answer = on_call(rotation, {name: (absence,) for name, absence in absences.items()}, instant)
    return answer.contact, answer.why


def test_members_take_turns_from_one_handoff_to_the_next() -> None:
    weekly = a_rotation(WEEKLY)
    assert who(weekly, at("2026-01-05T09:00")) == ("anna", "layer 1")
    assert who(weekly, at("2026-01-12T09:00") - TICK) == ("anna", "layer 1")
    assert who(weekly, at("2026-01-12T09:00")) == ("ben", "layer 1")
    assert who(weekly, at("2026-01-19T09:00")) == ("cleo", "layer 1")
    assert who(weekly, at("2026-01-26T09:00")) == ("anna", "layer 1")


def test_nobody_is_on_call_before_a_layer_starts() -> None:
    assert who(a_rotation(WEEKLY), at("2026-01-05T09:00") - TICK) == (None, "nobody")
    assert who(a_rotation(WEEKLY, fallback="boss"), at("2026-01-05T09:00") - TICK) == ("boss", "fallback")


@pytest.mark.parametrize(
    ("zone", "changes"),
    [
        (BERLIN, ("2026-03-29", "2026-10-25")),
        (NEW_YORK, ("2026-03-08", "2026-11-01")),
        (BARBADOS, ("2026-03-29", "2026-11-01")),
    ],
)
def test_whole_days_keep_the_handoff_at_its_time_of_day(zone: str, changes: tuple[str, str]) -> None:
    daily = a_rotation(Layer(("anna", "ben"), "2026-01-05T09:00", DAY), zone=zone)
    for day in changes:
        middle = at(f"{day}T12:00", zone)
        for shift in shifts(daily, {}, middle - 5 * DAY, middle + 5 * DAY)[1:]:
            assert shift.since.astimezone(ZoneInfo(zone)).hour == 9


def test_a_turn_of_hours_is_real_time_whatever_the_clocks_do() -> None:
    halves = a_rotation(Layer(("anna", "ben"), "2026-03-28T21:00", 12 * HOUR))
    assert who(halves, at("2026-03-29T10:00") - TICK)[0] == "anna"
    assert who(halves, at("2026-03-29T10:00"))[0] == "ben"
    told = shifts(halves, {}, at("2026-03-28T21:00"), at("2026-04-10T21:00"))
    assert {shift.until - shift.since for shift in told[:-1]} == {12 * HOUR}


def test_a_handoff_that_clocks_skip_comes_as_much_later_and_one_shown_twice_the_first_time() -> None:
    early = a_rotation(Layer(("anna", "ben"), "2026-03-28T02:30", DAY))
    assert [
        shift.since for shift in shifts(early, {}, at("2026-03-28T12:00"), at("2026-03-30T12:00"))[1:]
    ] == [
        at("2026-03-29T03:30"),
        at("2026-03-30T02:30"),
    ]
    [_, twice] = shifts(early, {}, at("2026-10-24T12:00"), at("2026-10-25T12:00"))
    assert twice.since == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_later_layer_has_it_while_it_is_on_duty() -> None:
    both = a_rotation(WEEKLY, Layer(("dora",), "2026-01-05T00:00", DAY, OFFICE))
    assert who(both, at("2026-01-06T09:00") - TICK) == ("anna", "layer 1")
    assert who(both, at("2026-01-06T09:00")) == ("dora", "layer 2")
    assert who(both, at("2026-01-06T17:00") - TICK) == ("dora", "layer 2")
    assert who(both, at("2026-01-06T17:00")) == ("anna", "layer 1")
    assert who(both, at("2026-01-10T12:00")) == ("anna", "layer 1")


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    nights = a_rotation(Layer(("anna",), "2026-01-01T00:00", DAY, Restriction((4,), 22 * 60, 6 * 60)))
    begins, ends = at("2026-01-09T22:00"), at("2026-01-10T06:00")
    assert [who(nights, one)[0] for one in (begins - TICK, begins, ends - TICK, ends)] == [
        None,
        "anna",
        "anna",
        None,
    ]
    assert who(nights, at("2026-01-09T05:00"))[0] is None


def test_a_restriction_may_end_at_midnight_or_last_round_the_clock() -> None:
    late = a_rotation(Layer(("anna",), "2026-01-01T00:00", DAY, Restriction((4,), 12 * 60, 24 * 60)))
    assert who(late, at("2026-01-10T00:00") - TICK)[0] == "anna"
    assert who(late, at("2026-01-10T00:00"))[0] is None
    round_the_clock = a_rotation(Layer(("anna",), "2026-01-01T00:00", DAY, Restriction((4,), 480, 480)))
    [_, duty, _] = shifts(round_the_clock, {}, at("2026-01-08T00:00"), at("2026-01-12T00:00"))
    assert (duty.since, duty.until) == (at("2026-01-09T08:00"), at("2026-01-10T08:00"))


def test_the_last_override_that_covers_the_instant_counts_even_for_someone_who_is_away() -> None:
    since, until = at("2026-01-06T12:00"), at("2026-01-07T12:00")
    rotation = Rotation(
        "sre",
        timezone=BERLIN,
        layers=(WEEKLY,),
        overrides=(Override("ben", since, until), Override("cleo", since, since + HOUR)),
    )
    away = Absence(since - DAY, until + DAY)
    assert who(rotation, since - TICK, ben=away) == ("anna", "layer 1")
    assert who(rotation, since, ben=away) == ("cleo", "override")
    assert who(rotation, since + HOUR, ben=away) == ("ben", "override")
    assert who(rotation, until, ben=away) == ("anna", "layer 1")


def test_whoever_is_away_is_passed_over_for_the_next_lower_layer() -> None:
    both = a_rotation(Layer(("dora",), "2026-01-01T00:00", DAY), WEEKLY, fallback="boss")
    away = Absence(at("2026-01-06T12:00"), at("2026-01-07T12:00"))
    assert who(both, away.since - TICK, anna=away) == ("anna", "layer 2")
    assert who(both, away.since, anna=away) == ("dora", "layer 1")
    assert who(both, away.until, anna=away) == ("anna", "layer 2")
    assert who(both, away.since, anna=away, dora=away) == ("boss", "fallback")


def test_a_fallback_only_stands_in() -> None:
    office = a_rotation(Layer(("anna",), "2026-01-05T00:00", DAY, OFFICE), fallback="boss")
    friday, monday = at("2026-01-09T17:00"), at("2026-01-12T09:00")
    assert gaps(office, {}, at("2026-01-09T12:00"), at("2026-01-12T12:00")) == [
        Shift(friday, monday, OnCall("boss", "fallback"))
    ]
    assert [OnCall(None, "nobody").covered, OnCall("anna", "layer 1").covered] == [False, True]


def test_a_span_without_length_has_no_shifts_and_too_long_a_one_is_refused() -> None:
    start = at("2026-01-05T09:00")
    assert shifts(a_rotation(WEEKLY), {}, start, start) == []
    assert shifts(a_rotation(WEEKLY), {}, start, start - HOUR) == []
    assert shifts(a_rotation(WEEKLY), {}, start, start + 400 * DAY)[-1].until == start + 400 * DAY
    with pytest.raises(ValueError, match="at most 400 days"):
        shifts(a_rotation(WEEKLY), {}, start, start + 400 * DAY + TICK)


def test_one_who_follows_themselves_has_one_shift() -> None:
    alone = a_rotation(Layer(("anna",), "2026-01-05T09:00", DAY))
    start = at("2026-02-01T00:00")
    assert shifts(alone, {}, start, start + 30 * DAY) == [
        Shift(start, start + 30 * DAY, OnCall("anna", "layer 1"))
    ]


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (Layer(("anna",), "2026-01-05T09:00", timedelta(0)), "longer than nothing"),
        (Layer(("anna",), "2026-01-05T09:00+01:00", DAY), "names an offset"),
        (Layer(("anna",), "soon", DAY), "soon"),
    ],
)
def test_a_layer_that_cannot_be_read_is_a_value_error(layer: Layer, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        on_call(a_rotation(layer), {}, at("2026-01-06T00:00"))


def test_a_year_of_hourly_turns_and_many_absences_is_exact_at_its_edges() -> None:
    start = at("2026-01-05T09:00")
    hourly = a_rotation(Layer(("anna", "ben"), "2026-01-05T09:00", HOUR), zone=BERLIN)
    away = [Absence(start + n * 4 * HOUR, start + n * 4 * HOUR + HOUR) for n in range(2000)]
    told = shifts(hourly, {"anna": away}, start, start + 2000 * 4 * HOUR)
    assert [shift.on_call.contact for shift in told[:4]] == [None, "ben", "anna", "ben"]
    assert len(told) == 8000


INSTANTS = st.integers(-200, 9_000).map(lambda hours: at("2026-01-05T09:00") + timedelta(minutes=61 * hours))
STRETCHES = st.tuples(INSTANTS, st.integers(1, 400)).map(lambda pair: (pair[0], pair[0] + pair[1] * HOUR))
NAMES = st.sampled_from(["anna", "ben", "cleo"])
MINUTES = st.sampled_from([0, 90, 150, 9 * 60, 17 * 60, 22 * 60 + 13])
LAYERS = st.builds(
    Layer,
    st.lists(NAMES, min_size=1, max_size=4).map(tuple),
    st.sampled_from(["2025-12-31T00:00", "2026-01-05T09:00", "2026-03-28T02:30", "2026-10-24T02:30"]),
    st.sampled_from([HOUR, 5 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 36 * HOUR]),
    st.none()
    | st.builds(
        Restriction,
        st.sets(st.integers(0, 6)).map(lambda days: tuple(sorted(days))),
        MINUTES,
        MINUTES | st.just(1440),
    ),
)
ROTATIONS = st.builds(
    Rotation,
    st.just("sre"),
    timezone=st.sampled_from([BERLIN, NEW_YORK, BARBADOS, "Australia/Lord_Howe"]),
    layers=st.lists(LAYERS, max_size=3).map(tuple),
    overrides=st.lists(st.builds(lambda who, span: Override(who, *span), NAMES, STRETCHES), max_size=2).map(
        tuple
    ),
    fallback=st.none() | st.just("boss"),
)
ABSENCES = st.dictionaries(
    NAMES, st.lists(STRETCHES.map(lambda span: Absence(*span)), max_size=3), max_size=3
)


@given(ROTATIONS, ABSENCES, INSTANTS, st.integers(1, 40), st.data())
def test_shifts_meet_without_gaps_and_agree_with_every_instant(
    rotation: Rotation, absences: dict[str, list[Absence]], since: datetime, days: int, data: st.DataObject
) -> None:
    until = since + days * DAY
    told = shifts(rotation, absences, since, until)
    assert (told[0].since, told[-1].until) == (since, until)
    for one, following in pairwise(told):
        assert one.until == following.since
        assert one.on_call != following.on_call
    minutes = data.draw(st.lists(st.integers(0, days * 1440 - 1), min_size=5, max_size=20))
    edges = [shift.since for shift in told] + [shift.until - TICK for shift in told]
    for instant in [since + timedelta(minutes=minute) for minute in minutes] + edges:
        [shift] = [shift for shift in told if shift.since <= instant < shift.until]
        assert shift.on_call == on_call(rotation, absences, instant)


@given(ROTATIONS, ABSENCES, INSTANTS, st.integers(1, 40))
def test_gaps_are_exactly_the_shifts_that_nobody_covers(
    rotation: Rotation, absences: dict[str, list[Absence]], since: datetime, days: int
) -> None:
    until = since + days * DAY
    told = shifts(rotation, absences, since, until)
    missing = gaps(rotation, absences, since, until)
    assert [shift for shift in told if shift.on_call.why in {"fallback", "nobody"}] == missing
    assert all(shift.on_call.covered for shift in told if shift not in missing)
