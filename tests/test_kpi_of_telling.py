"""How soon somebody was told, what providers said later, and what was held back: counted, drills apart."""

from __future__ import annotations

from datetime import datetime

import pytest

from shared.kpi.account import Account
from shared.kpi.definitions import TARGETS
from shared.kpi.facts import account_of
from tests.builders import hours, minutes, seconds
from tests.stories import MONDAY, SUNDAY, Story
from tests.test_kpi_figures import NOON, TICK, account, kpi, metrics, share, story, tally


def counts(found: Account, metric: str) -> int:
    return sum(fact.value for fact in found.facts if fact.metric == metric)


def test_the_time_to_the_first_person_told_of_four_incidents_computed_by_hand() -> None:
    week = [story(n).opened(NOON).first_told(NOON + seconds(wait)) for n, wait in enumerate((2, 4, 6, 48))]
    assert kpi("time_to_first_told", *week) == {
        "numerator": 60,
        "denominator": 4,
        "value": 15.0,
        "p50": 4,
        "p90": 48,
        "p95": 48,
        "max": 48,
    }
    assert "time_to_first_told_mean" in TARGETS
    assert kpi("drill_time_to_first_told", *week)["value"] is None


def test_it_ends_when_the_provider_took_the_message_not_when_that_was_recorded() -> None:
    told = story().opened(NOON).first_told(NOON + seconds(30), NOON + seconds(3) - TICK)
    assert kpi("time_to_first_told", told)["numerator"] == 2


def test_a_provider_that_answered_by_a_clock_behind_ours_took_no_time() -> None:
    told = story().opened(NOON).first_told(NOON + seconds(1), NOON - seconds(5))
    assert kpi("time_to_first_told", told)["numerator"] == 0


def test_only_the_first_counts_also_after_a_reopening() -> None:
    told = story().opened(NOON).first_told(NOON + seconds(5)).resolved(NOON + minutes(1))
    told.reopened(NOON + hours(1)).first_told(NOON + hours(2)).resolved(NOON + hours(3))
    assert kpi("time_to_first_told", told)["denominator"] == 1
    assert kpi("incidents_untold", told)["value"] == 0


@pytest.mark.parametrize(
    ("at", "counted"),
    [(SUNDAY - TICK, 1), (SUNDAY, 0)],
    ids=["the last instant of the week", "the first of the next"],
)
def test_it_is_of_the_week_in_which_it_was_recorded(at: datetime, counted: int) -> None:
    told = story().opened(NOON).first_told(at)
    assert kpi("time_to_first_told", told)["denominator"] == counted


def test_who_was_told_last_week_was_not_left_untold_this_week() -> None:
    before = MONDAY - hours(1)
    told = story().opened(before).first_told(before + seconds(1)).resolved(NOON)
    assert kpi("incidents_untold", told)["value"] == 0
    assert kpi("time_to_first_told", told)["denominator"] == 0


def test_an_incident_that_was_resolved_before_anybody_was_told_is_counted_and_not_measured() -> None:
    untold = (
        story(1).opened(NOON).undelivered(NOON).tell("contact-unreachable", NOON).resolved(NOON + hours(1))
    )
    late = story(2).opened(NOON).resolved(NOON + minutes(1)).first_told(NOON + minutes(2))
    waiting = story(3).opened(NOON)
    again = story(4).opened(NOON).first_told(NOON).resolved(NOON).reopened(NOON).resolved(NOON)
    assert kpi("incidents_untold", untold, late, waiting, again)["value"] == 2
    assert kpi("time_to_first_told", untold, late, waiting, again)["denominator"] == 2
    assert counts(account(untold.reopened(NOON + hours(2)).resolved(NOON + hours(3))), "incident_untold") == 1


def test_drills_are_measured_apart_and_enter_nothing_else() -> None:
    drill = story(1).opened(NOON, drill="db-down").first_told(NOON + seconds(7)).receipt(NOON + minutes(1))
    drill.acted_on(NOON + minutes(1)).tell("held-back", NOON + minutes(1)).resolved(NOON + minutes(1))
    untold = story(2).opened(NOON, drill="db-down").resolved(NOON)
    meant = story(3).opened(NOON).first_told(NOON + seconds(1))
    assert kpi("drill_time_to_first_told", drill, untold, meant)["value"] == 7.0
    assert kpi("time_to_first_told", drill, untold, meant)["value"] == 1.0
    for name in ("incidents_untold", "receipts", "acted_from_notification", "messages_held_back"):
        assert kpi(name, drill, untold)["value"] == 0, name


def test_receipts_are_counted_by_state_and_the_first_of_a_delivery_decides() -> None:
    told = story().opened(NOON).receipt(NOON, "delivered", "a").receipt(NOON, "read", "a")
    told.receipt(NOON, "undelivered", "b").receipt(NOON, "read", "c").receipt(NOON, "undelivered", "c")
    assert kpi("receipts", told) == {"value": 5, "by": {"delivered": 1, "read": 2, "undelivered": 2}}
    assert share("receipt_success", told) == (2, 3, 66.6667)
    assert share("receipt_success", story(2).opened(NOON).delivered(NOON)) == (0, 0, None)


def test_a_receipt_of_last_weeks_delivery_that_was_heard_of_then_decides_nothing_now() -> None:
    before = MONDAY - hours(1)
    told = story().opened(before).receipt(before).receipt(NOON, "read")
    assert kpi("receipts", told)["by"] == {"read": 1}
    assert share("receipt_success", told) == (0, 0, None)


def test_what_came_from_notifications_was_held_back_or_said_again_is_counted() -> None:
    told = story().opened(NOON).acted_on(NOON).acted_on(NOON, "sms").acted_on(NOON, "sms")
    told.tell("held-back", NOON).tell("held-back", NOON).tell("caught-up", NOON).tell("still-open", NOON)
    assert kpi("acted_from_notification", told)["by"] == {"link": 1, "sms": 2}
    assert kpi("messages_held_back", told)["value"] == 2
    assert kpi("still_open_reminders", told)["value"] == 1
    assert kpi("delivery_success", told)["denominator"] == 0


def test_by_severity_and_service_it_is_the_same_figure() -> None:
    counted = tally(
        story(1).opened(NOON, severity="P1").first_told(NOON + seconds(1)),
        story(2).opened(NOON, severity="P2", service="web").first_told(NOON + seconds(9)),
    )
    values = {name: part.of(["time_to_first_told_seconds"]) for name, part in counted.severities.items()}
    assert values == {"P1": [1], "P2": [9]}
    assert counted.services["web"].of(["time_to_first_told_seconds"]) == [9]


def test_nothing_of_it_counts_before_there_is_an_incident() -> None:
    told = Story().pending(NOON).first_told(NOON).receipt(NOON).acted_on(NOON).tell("held-back", NOON)
    assert metrics(account(told)) == []
    assert account_of(told.subject, told.events, SUNDAY, SUNDAY + hours(1)) is None
