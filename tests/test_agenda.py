"""What a plan does by itself: which local times are due, what an outage leaves, and which gaps are news."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.agenda import (
    AgendaState,
    Duty,
    Gap,
    Reading,
    begun,
    coverage,
    digest_message,
    duty_key,
    gaps_text,
    has_agenda,
    loudest_first,
    occurrences,
    same_absences,
    scheduled,
    told,
    too_late,
    unreported,
    worth_trying,
)
from shared.domain.hours import BusinessHours
from shared.domain.incident import Incident
from shared.domain.journal import Journal, journal_of, note, own_journal
from shared.domain.oncall import Absence, Layer, Restriction, Rotation
from shared.domain.plan import Calendar, Contact, Plan
from shared.domain.schedule import Digest, Drill
from shared.domain.timeline import first_break
from tests.builders import NOON, a_plan, a_severity, hours, minutes, seconds, some_rules

DAY = timedelta(days=1)
NEW_YORK = "America/New_York"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_drill(name: str = "failover", *, nth: int = 1, weekday: int = 4, at: int = 600) -> Drill:
    return Drill(name, "Failover", nth, weekday, at, "api", "P1", "the database is gone")


def a_digest(
    name: str = "open", *, at: int = 540, weekday: int | None = None, business: bool = False
) -> Digest:
    return Digest(name, ("P1",), ("lead",), at, weekday, business)


def planned(
    *, drills: tuple[Drill, ...] = (), digests: tuple[Digest, ...] = (), timezone: str = "UTC"
) -> Plan:
    return replace(a_plan(some_rules(timezone=timezone)), drills=drills, digests=digests)


def dues(plan: Plan, after: str, until: str) -> list[str]:
    return [f"{one.due:%Y-%m-%dT%H:%M}" for one in occurrences(plan, utc(after), utc(until))]


def rotating(*members: str, only: Restriction | None = None) -> Plan:
    plan = a_plan()
    layers = (Layer(members, "2026-01-05T09:00", timedelta(days=7), only),) if members else ()
    rotation = Rotation("sre", layers=layers)
    return replace(plan, directory=replace(plan.directory, rotations={"sre": rotation}))


@pytest.mark.parametrize(
    ("nth", "due"),
    [(1, "2026-11-06"), (2, "2026-11-13"), (3, "2026-11-20"), (4, "2026-11-27")],
)
def test_the_nth_friday_is_counted_from_the_first_of_the_month(nth: int, due: str) -> None:
    plan = planned(drills=(a_drill(nth=nth),))
    assert dues(plan, "2026-11-01T00:00", "2026-11-30T23:59") == [f"{due}T10:00"]


def test_a_fifth_friday_that_a_month_lacks_does_not_happen() -> None:
    plan = planned(drills=(a_drill(nth=5),))
    assert dues(plan, "2026-10-01T00:00", "2026-12-31T00:00") == ["2026-10-30T10:00"]


def test_a_weekly_drill_comes_every_week() -> None:
    plan = planned(drills=(a_drill(nth=0),))
    assert dues(plan, "2026-11-01T00:00", "2026-11-21T00:00") == [
        "2026-11-06T10:00",
        "2026-11-13T10:00",
        "2026-11-20T10:00",
    ]


@pytest.mark.parametrize(
    ("after", "until", "count"),
    [
        ("2026-11-06T09:58", "2026-11-06T09:59", 0),
        ("2026-11-06T09:59", "2026-11-06T10:00", 1),
        ("2026-11-06T10:00", "2026-11-06T10:01", 0),
        ("2026-11-06T09:59", "2026-11-06T10:01", 1),
    ],
)
def test_what_is_due_at_the_end_is_in_and_at_the_start_is_not(after: str, until: str, count: int) -> None:
    assert len(dues(planned(drills=(a_drill(),)), after, until)) == count


def test_local_clocks_decide_summer_and_winter() -> None:
    plan = planned(digests=(a_digest(at=540),), timezone=NEW_YORK)
    assert dues(plan, "2026-10-31T00:00", "2026-11-02T23:00") == [
        "2026-10-31T13:00",
        "2026-11-01T14:00",
        "2026-11-02T14:00",
    ]


def test_a_time_that_clocks_skip_comes_as_much_later() -> None:
    plan = planned(digests=(a_digest(at=150),), timezone=NEW_YORK)
    assert dues(plan, "2026-03-08T00:00", "2026-03-08T23:00") == ["2026-03-08T07:30"]  # 03:30 by new clocks


def test_a_time_that_clocks_show_twice_comes_once() -> None:
    plan = planned(digests=(a_digest(at=90),), timezone=NEW_YORK)
    assert dues(plan, "2026-11-01T00:00", "2026-11-01T23:00") == ["2026-11-01T05:30"]


def test_the_local_date_decides_which_weekday_it_is() -> None:
    barbados = planned(drills=(a_drill(nth=1, at=22 * 60),), timezone="America/Barbados")
    assert dues(barbados, "2026-11-06T00:00", "2026-11-08T00:00") == ["2026-11-07T02:00"]


def test_a_weekly_digest_keeps_its_day_and_one_for_business_days_its_holidays() -> None:
    weekly = planned(digests=(a_digest(weekday=0),))
    assert dues(weekly, "2026-11-14T00:00", "2026-11-24T00:00") == ["2026-11-16T09:00", "2026-11-23T09:00"]
    daily = planned(digests=(a_digest(business=True),))
    working = replace(daily, rules=replace(daily.rules, hours=BusinessHours(holidays=("2026-11-20",))))
    assert dues(working, "2026-11-18T12:00", "2026-11-23T12:00") == ["2026-11-19T09:00", "2026-11-23T09:00"]


def test_what_falls_together_is_in_order_of_time() -> None:
    plan = planned(drills=(a_drill(at=600),), digests=(a_digest(at=540), a_digest("late", at=660)))
    found = occurrences(plan, utc("2026-11-06T00:00"), utc("2026-11-06T23:00"))
    assert [one.name for one in found] == ["open", "failover", "late"]


def test_nothing_is_made_up_for_at_first_sight() -> None:
    plan = planned(digests=(a_digest(),))
    assert scheduled(begun(plan, NOON), plan, NOON + minutes(1)).duties == ()


def test_of_several_that_lapsed_only_the_latest_is_done() -> None:
    plan = planned(digests=(a_digest(),))
    state = scheduled(AgendaState(NOON - 3 * DAY, "2026-11-18"), plan, NOON)
    assert [(duty.work, f"{duty.due:%d}") for duty in state.duties] == [
        ("digest-missed", "16"),
        ("digest-missed", "17"),
        ("digest", "18"),
    ]
    assert state.until == NOON
    assert scheduled(state, plan, NOON + minutes(1)).duties == state.duties


@pytest.mark.parametrize(
    ("late", "work"),
    [(hours(24) - seconds(1), "drill"), (hours(24), "drill"), (hours(24) + seconds(1), "drill-missed")],
)
def test_a_drill_more_than_a_day_late_is_missed(late: timedelta, work: str) -> None:
    plan = planned(drills=(a_drill(),))
    due = utc("2026-11-06T10:00")
    [duty] = scheduled(AgendaState(due - minutes(1), "2026-12-31"), plan, due + late).duties
    assert (duty.work, duty.due) == (work, due)
    assert too_late(due, due + late) is (work == "drill-missed")


def test_what_lapsed_long_ago_is_forgotten() -> None:
    plan = planned(digests=(a_digest(),))
    assert len(scheduled(AgendaState(NOON - 400 * DAY, "2026-11-18"), plan, NOON).duties) == 40


@pytest.mark.parametrize(
    ("now", "looked"),
    [("2026-11-19T04:59:59", False), ("2026-11-19T05:00:00", True), ("2026-11-19T05:00:01", True)],
)
def test_coverage_is_looked_at_once_a_local_day(now: str, looked: bool) -> None:
    plan = rotating("lead")
    plan = replace(plan, rules=replace(plan.rules, timezone=NEW_YORK))
    state = scheduled(begun(plan, NOON), plan, utc(now))
    assert [duty.work for duty in state.duties] == (["coverage"] if looked else [])
    assert scheduled(state, plan, utc(now)).duties == state.duties


def test_a_day_and_night_rotation_has_no_gap_but_where_everybody_is_away() -> None:
    plan = rotating("lead")
    assert coverage(plan, NOON) == []
    away = {"lead": (Absence(NOON + DAY, NOON + 2 * DAY),)}
    away_plan = replace(plan, directory=replace(plan.directory, absences=away))
    assert coverage(away_plan, NOON) == [Gap("sre", NOON + DAY, NOON + 2 * DAY)]
    assert "sre: 2026-11-19 12:00 UTC to 2026-11-20 12:00 UTC" in gaps_text(plan, coverage(away_plan, NOON))


def test_a_gap_as_far_as_one_looks_does_not_end_there() -> None:
    [gap] = coverage(rotating(), NOON)
    assert (gap.since, gap.until, gap.ends) == (NOON, NOON + 14 * DAY, False)
    [tomorrow] = coverage(rotating(), NOON + DAY)
    assert unreported([tomorrow], [gap]) == []


@pytest.mark.parametrize(
    ("gap", "news"),
    [
        (Gap("sre", NOON, NOON + DAY), False),
        (Gap("sre", NOON + hours(1), NOON + DAY), False),
        (Gap("sre", NOON, NOON + DAY + seconds(1)), True),
        (Gap("sre", NOON - seconds(1), NOON + DAY), True),
        (Gap("dba", NOON, NOON + DAY), True),
        (Gap("sre", NOON, NOON + DAY, ends=False), True),
    ],
)
def test_a_gap_is_news_unless_one_on_record_holds_it(gap: Gap, news: bool) -> None:
    assert unreported([gap], [Gap("sre", NOON, NOON + DAY)]) == ([gap] if news else [])


def test_names_lead_to_contacts_each_once_and_some_to_nobody() -> None:
    plan = rotating("lead")
    assert told(plan, ("lead", "sre", "manager", "gone"), NOON) == (["lead", "manager"], ["gone"])
    assert told(rotating(), ("sre",), NOON) == ([], ["sre"])


def test_a_digest_lists_the_loudest_and_oldest_first() -> None:
    plan = a_plan(some_rules(a_severity("P0"), a_severity("P1")))

    def one(n: int, severity: str, title: str) -> Incident:
        opened = NOON - n * DAY
        return Incident("A" * 8, n, "acme", None, "g", "n", "api", severity, "r", opened, title=title)

    digest = Digest("open", ("P0", "P1"), ("lead",), 540)
    found = loudest_first(plan, [one(1, "P1", "slow"), one(2, "P1", "a\nb"), one(3, "P0", "x")])
    message = digest_message(plan, digest, found, NOON)
    assert message.title == "Open incidents: 3 of P0, P1"
    assert (message.kind, message.severity, message.incident) == ("digest", "P0", "-")
    assert message.summary.splitlines() == [
        "INC-AAAAAAAA-3 [P0] x, open, since 2026-11-15 12:00 UTC",
        "INC-AAAAAAAA-2 [P1] a b, open, since 2026-11-16 12:00 UTC",
        "INC-AAAAAAAA-1 [P1] slow, open, since 2026-11-17 12:00 UTC",
    ]
    many = digest_message(
        plan, digest, [one(n, "P1", "slow") for n in range(1, 53)], NOON
    ).summary.splitlines()
    assert (len(many), many[-1]) == (51, "… and 2 more")


def test_a_contact_is_tried_again_for_six_hours() -> None:
    duty = Duty("digest", "open", NOON - DAY, NOON, "lead")
    late = [hours(6) - seconds(1), hours(6), hours(6) + seconds(1)]
    assert [worth_trying(duty, NOON + each) for each in late] == [True, False, False]


def test_the_key_of_what_is_told_is_the_same_for_the_same_and_no_other() -> None:
    duty = Duty("digest", "open", NOON, NOON, "lead")
    same = duty_key("acme", replace(duty, taken_at=NOON + hours(1)))
    others = {duty_key("acme", replace(duty, contact="manager")), duty_key("other", duty)}
    assert duty_key("acme", duty) == same
    assert same not in others


def test_a_calendar_says_the_same_though_time_has_passed() -> None:
    away = Absence(NOON + DAY, NOON + 2 * DAY)
    far = Absence(NOON + 90 * DAY, NOON + 91 * DAY)
    before = Reading((away,), NOON, NOON)
    assert same_absences(before, (away, far), NOON + hours(2))  # the far one had not come into view
    assert not same_absences(before, (), NOON + hours(2))
    assert not same_absences(before, (away, Absence(NOON + 3 * DAY, NOON + 4 * DAY)), NOON + hours(2))
    assert not same_absences(None, (away,), NOON)
    assert same_absences(before, (), NOON + 4 * DAY)  # it is over


@pytest.mark.parametrize(
    ("failing", "after", "stands"),
    [
        (False, hours(1), True),
        (False, hours(1) + seconds(1), False),
        (True, minutes(10), True),
        (True, minutes(10) + seconds(1), False),
    ],
)
def test_a_calendar_is_asked_every_hour_and_sooner_where_it_failed(
    failing: bool, after: timedelta, stands: bool
) -> None:
    assert Reading((), NOON, NOON, failing).stands(NOON + after) is stands


def test_a_plan_without_drills_digests_rotations_and_calendars_has_no_agenda() -> None:
    plan = a_plan()
    assert not has_agenda(plan)
    assert has_agenda(planned(drills=(a_drill(),)))
    assert has_agenda(planned(digests=(a_digest(),)))
    assert has_agenda(rotating())
    away = {"lead": Contact("lead", calendar=Calendar(url="https://cal.example/lead.ics"))}
    assert has_agenda(replace(plan, directory=replace(plan.directory, contacts=away)))


def test_a_plans_own_events_are_chained_in_shard_nought() -> None:
    empty = own_journal("acme", NOON)
    assert empty == Journal("acme", "20261118", 0)
    assert journal_of("acme", "g", NOON).day == empty.day
    first = note(empty, "drill-missed", "tocsin", {"drill": "x"}, NOON - DAY, "UTC", NOON)
    second = note(first.after, "digest-sent", "tocsin", {"digest": "y"}, NOON, "UTC", NOON - hours(1))
    assert first_break(first.events + second.events) is None
    assert (second.after.length, second.after.version, second.after.week) == (2, 2, "2026-W47")
    assert second.events[0].recorded_at == NOON  # never runs backwards
