"""New rules against old: which incidents count, which figures are compared, and when a target fails."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared.domain.rollout import Comparison, Figures
from shared.kpi.account import Account
from shared.kpi.facts import account_of
from shared.kpi.versions import compare
from tests.builders import NOON, hours, minutes
from tests.stories import Story

OLD, NEW = "a" * 64, "b" * 64
START, END = NOON - hours(1), NOON + hours(47)


def an_account(
    rules: str,
    answered: timedelta | None,
    *,
    source: str | None = "generic",
    drill: str | None = None,
    nth: int = 1,
    at: datetime = NOON,
) -> Account:
    """An incident that is to be answered in 10 minutes, and was after so long."""
    story = Story(f"INC-0000000{nth}-1").opened(at, respond_due=at + minutes(10), source=source, drill=drill)
    opened = story.events[0]
    opened.data["rules"] = rules  # type: ignore[index]
    if answered is not None:
        story.acknowledged(at + answered)
    account = account_of(story.subject, story.events, START, END)
    assert account is not None
    return account


def compared(*accounts: Account, **targets: int) -> Figures:
    return compare(accounts, OLD, NEW, targets)


def one(figures: Figures) -> Comparison:
    [found] = figures.comparisons
    return found


GOOD, BAD, NEVER = minutes(10), minutes(10) + timedelta(microseconds=1), None


@pytest.mark.parametrize(
    ("old", "new", "shown", "holds"),
    [
        ((GOOD,), (GOOD,), ("100", "100"), True),
        ((BAD,), (GOOD,), ("0", "100"), True),
        ((GOOD,), (BAD,), ("100", "0"), False),
        ((BAD,), (BAD,), ("0", "0"), True),
        ((GOOD, BAD), (BAD, GOOD), ("50", "50"), True),
        ((GOOD, BAD), (GOOD, BAD, NEVER), ("50", "33.3333"), False),
        ((), (BAD,), (None, "0"), False),
        ((GOOD,), (), ("100", None), True),
        ((), (), (None, None), True),
    ],
)
def test_a_target_fails_where_the_new_rules_miss_it_and_the_old_are_better_or_none(
    old: tuple[timedelta | None, ...],
    new: tuple[timedelta | None, ...],
    shown: tuple[str | None, str | None],
    holds: bool,
) -> None:
    accounts = [an_account(OLD, each) for each in old] + [an_account(NEW, each) for each in new]
    figures = compared(*accounts, respond_sla_attainment=90)
    assert one(figures) == Comparison("respond_sla_attainment", 90, *shown, holds)
    assert (figures.old_incidents, figures.new_incidents) == (len(old), len(new))
    assert figures.missed is not holds


@pytest.mark.parametrize(
    ("before", "after", "holds"), [(300, 300, True), (200, 301, False), (302, 301, True), (301, 301, True)]
)
def test_of_durations_less_is_better(before: int, after: int, holds: bool) -> None:
    figures = compared(
        an_account(OLD, timedelta(seconds=before)),
        an_account(NEW, timedelta(seconds=after)),
        time_to_acknowledge_mean=300,
    )
    assert one(figures) == Comparison("time_to_acknowledge_mean", 300, str(before), str(after), holds)


def test_what_people_declare_drills_and_other_rules_count_on_neither_side() -> None:
    figures = compared(
        an_account(OLD, BAD, source=None),
        an_account(NEW, BAD, drill="failover"),
        an_account("c" * 64, BAD),
        respond_sla_attainment=90,
    )
    assert (figures.old_incidents, figures.new_incidents) == (0, 0)
    assert one(figures) == Comparison("respond_sla_attainment", 90, None, None, holds=True)


@pytest.mark.parametrize(
    ("before", "after", "target", "holds"),
    [
        (300, 329, 10, True),
        (300, 330, 10, True),
        (300, 331, 10, False),
        (300, 300, -20, True),
        (300, 301, -20, False),
        (300, None, 10, True),
        (None, 9000, 10, True),
        (0, 0, 10, True),
        (0, 1, 10, False),
    ],
)
def test_a_change_against_the_baseline_is_held_against_the_old_rules_incidents(
    before: int | None, after: int | None, target: int, holds: bool
) -> None:
    accounts = [
        an_account(rules, timedelta(seconds=each))
        for rules, each in ((OLD, before), (NEW, after))
        if each is not None
    ]
    old, new = (None if each is None else str(each) for each in (before, after))
    figures = compared(*accounts, time_to_acknowledge_vs_baseline=target)
    assert one(figures) == Comparison("time_to_acknowledge_vs_baseline", target, old, new, holds)


def test_only_the_targets_that_the_plan_states_are_held_against() -> None:
    assert compared(an_account(NEW, BAD)).comparisons == ()
    both = compared(an_account(NEW, GOOD), respond_sla_attainment=90, first_response_within_5m=90)
    assert {each.kpi: each.holds for each in both.comparisons} == {
        "respond_sla_attainment": True,
        "first_response_within_5m": False,
    }
