"""Weeks small enough to compute by hand, and what the export makes of them."""

from __future__ import annotations

import csv
import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.timeline import stamp
from shared.kpi import audit_csv, incidents_csv
from shared.kpi.account import Account
from shared.kpi.csv_cells import line
from shared.kpi.definitions import BY_NAME, DEFINITIONS, TARGETS
from shared.kpi.facts import account_of
from shared.kpi.figures import Slice, Tally, against, controls, figure, percentile, rounded
from shared.kpi.metrics import METRICS
from shared.kpi.reference import markdown
from tests.builders import hours, minutes, seconds
from tests.stories import MONDAY, SUNDAY, Story

NOON = MONDAY + timedelta(days=2, hours=12)
TICK = timedelta(microseconds=1)


def account(story: Story, end: datetime = SUNDAY) -> Account:
    events = [event for event in story.events if event.recorded_at < end]
    found = account_of(story.subject, events, MONDAY, end)
    assert found is not None
    return found


def tally(*stories: Story, end: datetime = SUNDAY) -> Tally:
    counted = Tally()
    for story in stories:
        counted.add(account(story, end))
    return counted


def kpi(name: str, *stories: Story, end: datetime = SUNDAY) -> dict[str, Any]:
    found = figure(BY_NAME[name], tally(*stories, end=end).plan)
    found.pop("excluded", None)
    return found


def excluded(name: str, *stories: Story, end: datetime = SUNDAY) -> dict[str, int]:
    found: dict[str, int] = figure(BY_NAME[name], tally(*stories, end=end).plan)["excluded"]
    return {reason: count for reason, count in found.items() if count}


def share(name: str, *stories: Story, end: datetime = SUNDAY) -> tuple[int, int, float | None]:
    found = kpi(name, *stories, end=end)
    return found["numerator"], found["denominator"], found["value"]


def story(n: int = 1) -> Story:
    return Story(f"INC-{n:08d}-1")


def metrics(of: Account) -> list[tuple[str, int]]:
    return [(fact.metric, fact.value) for fact in of.facts]


def test_four_incidents_of_one_week_computed_by_hand() -> None:
    later = [NOON + hours(count) for count in range(10)]
    week = [
        story(1).opened(NOON, began=NOON - seconds(30)).acknowledged(NOON + minutes(1)).resolved(later[1]),
        story(2).opened(NOON, began=NOON - seconds(90)).acknowledged(NOON + minutes(2)).resolved(later[2]),
        story(3).opened(NOON, began=NOON).acknowledged(NOON + minutes(9)).resolved(later[9], "source"),
        story(4).opened(NOON, source=None).acknowledged(NOON + minutes(4)),
    ]
    assert kpi("time_to_detect", *week) == {
        "numerator": 120,
        "denominator": 3,
        "value": 40.0,
        "p50": 30,
        "p90": 90,
        "p95": 90,
        "max": 90,
    }
    assert kpi("time_to_acknowledge", *week) == {
        "numerator": 960,
        "denominator": 4,
        "value": 240.0,
        "p50": 120,
        "p90": 540,
        "p95": 540,
        "max": 540,
    }
    assert kpi("time_to_resolve", *week)["value"] == 14400.0
    assert kpi("time_to_resolve_by_person", *week)["value"] == 5400.0
    assert kpi("time_to_resolve_by_source", *week)["value"] == 32400.0
    assert share("first_response_within_5m", *week) == (3, 4, 75.0)
    assert kpi("incidents_resolved", *week) == {"value": 3}
    assert kpi("incidents_resolved_by_source", *week) == {"value": 1}
    assert kpi("backlog_closing", *week) == {"value": 1}


def test_an_empty_week_has_counts_of_zero_and_no_other_values() -> None:
    for definition in DEFINITIONS:
        found = figure(definition, Slice())
        expected = 0 if definition.kind in ("count", "breakdown") else None
        assert found["value"] == expected, definition.name


def test_the_backlog_adds_up_over_the_week() -> None:
    before = MONDAY - hours(5)
    week = [
        story(1).opened(before).tell("open", MONDAY),
        story(2).opened(before).tell("open", MONDAY).resolved(NOON),
        story(3).opened(before).resolved(before + hours(1)).reopened(NOON),
        story(4).opened(NOON).resolved(NOON + hours(1)),
        story(5).opened(NOON),
        story(6).opened(before).resolved(before + hours(1)).tell("noted", NOON, {"kind": "note"}),
    ]
    backlog = controls(tally(*week))["backlog"]
    assert backlog == {
        "opening": 2,
        "opened": 2,
        "reopened": 1,
        "resolved": 2,
        "closing": 3,
        "holds": True,
    }
    assert share("reopen_rate", *week) == (1, 2, 50.0)


def test_a_timeline_that_resolves_twice_breaks_the_control_total() -> None:
    twice = story().opened(NOON).resolved(NOON + minutes(1)).resolved(NOON + minutes(2))
    assert controls(tally(twice))["backlog"]["holds"] is False


@pytest.mark.parametrize(
    ("opened", "counts"),
    [(MONDAY - TICK, 0), (MONDAY, 1), (SUNDAY - TICK, 1)],
    ids=["just before the week", "its first instant", "its last instant"],
)
def test_the_week_is_half_open(opened: datetime, counts: int) -> None:
    told = story().opened(opened).tell("open", max(opened, MONDAY))
    assert kpi("incidents_opened", told)["value"] == counts


def test_what_is_recorded_at_the_weeks_end_is_not_of_the_week() -> None:
    told = story().opened(SUNDAY)
    assert account_of(told.subject, told.events, SUNDAY, SUNDAY + hours(1)) is not None
    assert account_of(told.subject, [], MONDAY, SUNDAY) is None


def test_a_subject_without_an_event_in_the_week_contributes_nothing() -> None:
    told = story().opened(MONDAY - hours(2)).resolved(MONDAY - TICK)
    assert account_of(told.subject, told.events, MONDAY, SUNDAY) is None


@pytest.mark.parametrize(
    ("answer", "met"),
    [(minutes(10) - TICK, 1), (minutes(10), 1), (minutes(10) + TICK, 0)],
    ids=["before", "at", "after"],
)
def test_an_answer_at_the_due_instant_is_in_time(answer: timedelta, met: int) -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10)).acknowledged(NOON + answer)
    assert share("respond_sla_attainment", told)[:2] == (met, 1)


@pytest.mark.parametrize(
    ("due", "verdict"),
    [(SUNDAY - TICK, (0, 1, 0.0)), (SUNDAY, (0, 0, None)), (SUNDAY + TICK, (0, 0, None))],
    ids=["within the week", "at its end", "after it"],
)
def test_an_open_incident_past_its_target_is_a_miss_of_the_week_in_which_it_was_due(
    due: datetime, verdict: tuple[int, int, float | None]
) -> None:
    told = story().opened(NOON, resolve_due=due)
    assert share("resolve_sla_attainment", told) == verdict


def test_a_miss_of_last_week_does_not_count_again() -> None:
    due = MONDAY - hours(1)
    told = story().opened(due - hours(1), respond_due=due).breached("respond", due).tell("open", MONDAY)
    told.acknowledged(NOON)
    assert share("respond_sla_attainment", told) == (0, 0, None)
    assert kpi("time_to_acknowledge", told)["denominator"] == 1


def test_only_people_acknowledge() -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10)).acknowledged(NOON + minutes(1), "tocsin")
    assert kpi("time_to_acknowledge", told)["denominator"] == 0
    assert share("respond_sla_attainment", told)[:2] == (0, 1)


def test_a_person_who_resolves_has_responded() -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10)).resolved(NOON + minutes(4))
    assert share("respond_sla_attainment", told)[:2] == (1, 1)
    assert share("first_response_within_5m", told)[:2] == (1, 1)
    assert kpi("time_to_acknowledge", told)["denominator"] == 0


def test_what_the_source_resolves_in_time_asks_nobody_for_a_response() -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10)).resolved(NOON + minutes(4), "source")
    assert share("respond_sla_attainment", told) == (0, 0, None)
    assert share("first_response_within_5m", told) == (0, 0, None)


def test_what_the_source_resolves_too_late_was_missed() -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10)).resolved(NOON + minutes(11), "source")
    assert share("respond_sla_attainment", told)[:2] == (0, 1)
    assert share("first_response_within_5m", told)[:2] == (0, 1)


def test_a_reopening_is_measured_apart_and_has_clocks_of_its_own() -> None:
    again = NOON + hours(2)
    told = (
        story()
        .opened(NOON, respond_due=NOON + minutes(10), resolve_due=NOON + hours(4))
        .acknowledged(NOON + minutes(5))
        .resolved(NOON + hours(1))
        .reopened(again, respond_due=again + minutes(10), resolve_due=again + minutes(20))
        .acknowledged(again + minutes(3))
        .resolved(again + minutes(30), "source")
    )
    assert kpi("time_to_acknowledge", told)["numerator"] == 300
    assert kpi("time_to_acknowledge_again", told)["numerator"] == 180
    assert kpi("time_to_resolve", told)["numerator"] == 3600
    assert kpi("time_to_resolve_again", told)["numerator"] == 1800
    assert share("respond_sla_attainment", told)[:2] == (2, 2)
    assert share("resolve_sla_attainment", told)[:2] == (1, 2)


def test_an_acknowledgement_after_a_reopening_is_not_the_openings() -> None:
    told = story().opened(NOON).resolved(NOON + minutes(1), "source").reopened(NOON + hours(1))
    told.acknowledged(NOON + hours(2))
    assert kpi("time_to_acknowledge", told)["denominator"] == 0
    assert kpi("time_to_acknowledge_again", told)["numerator"] == 3600


def test_a_louder_severity_moves_the_clocks_that_still_run() -> None:
    told = story().opened(NOON, severity="P2", respond_due=NOON + hours(1))
    told.raised(NOON + minutes(5), "P1", respond_due=NOON + minutes(15), resolve_due=NOON + hours(2))
    told.acknowledged(NOON + minutes(16))
    found = account(told)
    assert ("respond_sla_met", 0) in metrics(found)
    assert ("resolve_sla_met", 0) in metrics(found)
    assert found.incident is not None
    assert found.incident.severity == "P1"


def test_a_target_raised_into_the_past_is_missed_when_it_was_raised() -> None:
    raised_at = NOON + minutes(30)
    told = story().opened(NOON, severity="P2", respond_due=NOON + hours(1))
    told.raised(raised_at, "P1", respond_due=NOON + minutes(5)).acknowledged(raised_at + minutes(1))
    missed = [fact for fact in account(told).facts if fact.metric == "respond_sla_met"]
    assert [(fact.value, fact.happened_at) for fact in missed] == [(0, raised_at)]


def test_at_the_due_instant_itself_the_order_of_the_events_decides() -> None:
    due = NOON + minutes(10)
    answered = story(1).opened(NOON, respond_due=due).acknowledged(due)
    struck = story(2).opened(NOON, respond_due=due).breached("respond", due).acknowledged(due)
    assert share("respond_sla_attainment", answered)[:2] == (1, 1)
    assert share("respond_sla_attainment", struck)[:2] == (0, 1)
    assert controls(tally(answered, struck))["breaches"]["holds"] is True


def test_a_decided_clock_is_not_decided_again() -> None:
    told = story().opened(NOON, severity="P2", respond_due=NOON + minutes(10)).acknowledged(NOON + minutes(5))
    told.raised(NOON + minutes(20), "P1", respond_due=NOON + minutes(21))
    assert share("respond_sla_attainment", told)[:2] == (1, 1)


def test_misses_and_the_events_that_tell_of_them_are_held_against_each_other() -> None:
    due = NOON + minutes(10)
    told = story(1).opened(NOON, respond_due=due).breached("respond", due, 40)
    untold = story(2).opened(NOON, respond_due=due, resolve_due=due)
    unfounded = story(3).opened(NOON, respond_due=due).acknowledged(NOON).breached("respond", due)
    assert controls(tally(told))["breaches"]["holds"] is True
    assert controls(tally(told, untold, unfounded))["breaches"] == {
        "unrecorded": {"respond": 1, "resolve": 1},
        "underived": {"respond": 1, "resolve": 0},
        "holds": False,
    }


def test_alerts_are_counted_by_disposition_and_per_incident() -> None:
    journal = Story("JRN-acme-20261118-0").alerts(NOON, ignored=4, suppressed=1)
    week = [
        story(1).opened(NOON).alerts(NOON, opened=1, updated=2).alerts(NOON + hours(1), updated=7),
        story(2).opened(MONDAY - hours(1)).alerts(MONDAY - hours(1), opened=50).alerts(NOON, updated=2),
        story(3).opened(NOON),
        journal,
    ]
    assert share("alerts_per_incident", *week) == (12, 2, 6.0)
    assert kpi("alerts_by_disposition", *week) == {
        "value": 17,
        "by": {"opened": 1, "updated": 11, "ignored": 4, "suppressed": 1},
    }
    assert account(journal).incident is None
    assert set(tally(*week).services) == {"api"}


def test_escalations_are_counted_by_step_with_our_own_lateness() -> None:
    week = [
        story(1).opened(NOON).escalated(NOON, 1).escalated(NOON + minutes(15), 2, late=40),
        story(2).opened(NOON).escalated(NOON, 1, late=2).tell("escalated-manually", NOON + hours(1)),
        story(3).opened(NOON).tell("exhausted", NOON + hours(2), {"late_seconds": 0}),
    ]
    assert kpi("escalations_by_step", *week) == {"value": 3, "by": {"step-1": 2, "step-2": 1}}
    assert kpi("escalations_by_hand", *week)["value"] == 1
    assert kpi("escalations_exhausted", *week)["value"] == 1
    lateness = kpi("escalation_lateness", *week)
    assert (lateness["value"], lateness["max"]) == (14.0, 40)


def test_deliveries_succeed_or_fail_and_contacts_may_be_out_of_reach() -> None:
    told = story().opened(NOON).delivered(NOON).delivered(NOON).undelivered(NOON + minutes(3))
    told.tell("contact-unreachable", NOON + minutes(3)).tell("contact-missing", NOON + minutes(4))
    assert share("delivery_success", told) == (2, 3, 66.6667)
    assert kpi("contacts_unreachable", told)["value"] == 1
    assert kpi("contacts_missing", told)["value"] == 1


def test_a_source_whose_clock_is_ahead_detects_in_no_time_and_shows_in_the_controls() -> None:
    told = story().opened(NOON, began=NOON + seconds(9))
    assert kpi("time_to_detect", told)["value"] == 0.0
    assert controls(tally(told))["clock_ahead"] == {"incidents": 1, "holds": False}


def test_figures_of_severities_and_services_add_up_to_the_plans() -> None:
    week = [
        story(1).opened(NOON, severity="P1", service="api").acknowledged(NOON + minutes(1)),
        story(2).opened(NOON, severity="P2", service="api").acknowledged(NOON + minutes(2)),
        story(3).opened(NOON, severity="P2", service="web").acknowledged(NOON + minutes(3)),
    ]
    counted = tally(*week)
    of = BY_NAME["time_to_acknowledge"]
    assert {name: figure(of, part)["numerator"] for name, part in counted.severities.items()} == {
        "P1": 60,
        "P2": 300,
    }
    assert {name: figure(of, part)["numerator"] for name, part in counted.services.items()} == {
        "api": 180,
        "web": 180,
    }


def test_a_week_under_way_ends_at_the_instant_of_compiling() -> None:
    due = NOON + minutes(10)
    told = story().opened(NOON, respond_due=due)
    assert share("respond_sla_attainment", told, end=due)[:2] == (0, 0)
    assert share("respond_sla_attainment", told, end=due + TICK)[:2] == (0, 1)


@pytest.mark.parametrize(
    ("count", "percent", "rank"),
    [(1, 50, 1), (2, 50, 1), (3, 50, 2), (4, 50, 2), (10, 90, 9), (11, 90, 10), (20, 95, 19), (21, 95, 20)],
)
def test_percentiles_are_by_nearest_rank(count: int, percent: int, rank: int) -> None:
    assert percentile(list(range(1, count + 1)), percent) == rank


@given(st.lists(st.integers(0, 10**9), min_size=1), st.sampled_from([50, 90, 95]))
def test_a_percentile_is_the_smallest_value_that_covers_its_part(values: list[int], percent: int) -> None:
    ascending = sorted(values)
    found = percentile(ascending, percent)
    assert found == ascending[math.ceil(percent * len(values) / 100) - 1]
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


@pytest.mark.parametrize(
    ("number", "written"),
    [(1 / 3, 0.333333), (200 / 3, 66.6667), (1234567.8, 1234570.0), (50.0, 50.0), (0, 0.0)],
)
def test_numbers_have_six_significant_digits(number: float, written: float) -> None:
    assert rounded(number) == written
    assert json.dumps(rounded(number)) == str(written)


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [
        ("time_to_resolve", 3600.0, True),
        ("time_to_resolve", 3600.1, False),
        ("delivery_success", 3600.0, True),
        ("delivery_success", 3599.9, False),
        ("delivery_success", None, None),
    ],
)
def test_targets_are_met_on_the_good_side_and_at_the_target_itself(
    name: str, value: float | None, met: bool | None
) -> None:
    assert against(3600, BY_NAME[name], value) == {"target": 3600, "met": met}
    assert against(None, BY_NAME[name], value) == {"target": None, "met": None}


def test_incidents_are_shown_as_they_stood_at_the_weeks_end() -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10), resolve_due=NOON + hours(1), name='A, "B"')
    told.alerts(NOON, opened=3).escalated(NOON, 1).acknowledged(NOON + minutes(3))
    told.tell("escalated-manually", NOON + hours(2)).resolved(SUNDAY + hours(1))
    written = [line(incidents_csv.COLUMNS).decode(), incidents_csv.row(account(told)).decode()]
    cells = next(csv.DictReader(written))
    assert cells == {
        "id": told.subject,
        "name": 'A, "B"',
        "service": "api",
        "severity": "P1",
        "source": "generic",
        "state": "acknowledged",
        "opened_at": stamp(NOON),
        "acknowledged_at": stamp(NOON + minutes(3)),
        "resolved_at": "",
        "reopened": "0",
        "alerts": "3",
        "escalations": "2",
        "respond_due": stamp(NOON + minutes(10)),
        "resolve_due": stamp(NOON + hours(1)),
        "respond_met": "1",
        "resolve_met": "0",
        "first_told_at": "",
        "mitigated_at": "",
        "resolved_by": "",
        "code": "",
        "review_due": "",
        "review_completed_at": "",
        "action_items_open": "0",
        "rules": "a" * 64,
        "timeline_length": "5",
        "head_hash": told.events[4].hash,
    }


def test_audit_rows_are_numbered_dated_and_carry_codes_instead_of_words() -> None:
    rows = audit_csv.AuditRows()
    told = story().opened(NOON, began=NOON - seconds(5)).resolved(NOON + minutes(6), "source")
    lines = [one.decode().rstrip() for one in rows.of(account(told))]
    assert line(audit_csv.COLUMNS) == b"id,happened_at,entity_id,metric,value,notes\n"
    assert lines == [
        f"1,{stamp(NOON)},{told.subject},incident_opened,1,P1/api",
        f"2,{stamp(NOON)},{told.subject},time_to_detect_seconds,5,P1/api",
        f"3,{stamp(NOON + minutes(5))},{told.subject},first_response_met,0,P1/api",
        *(
            f"{number},{stamp(NOON + minutes(6))},{told.subject},excluded,1,P1/api/{reason}"
            for number, reason in enumerate(
                (
                    "resolve_sla_attainment/no-target",
                    "respond_sla_attainment/no-target",
                    "time_to_acknowledge/resolved-unacknowledged",
                    "time_to_mitigate/resolved-unmitigated",
                ),
                start=4,
            )
        ),
        f"8,{stamp(NOON + minutes(6))},{told.subject},incident_resolved,1,P1/api/source",
        f"9,{stamp(NOON + minutes(6))},{told.subject},incident_untold,1,P1/api",
        f"10,{stamp(NOON + minutes(6))},{told.subject},time_to_resolve_seconds,360,P1/api/source",
    ]
    assert next(iter(rows.of(account(story(2).opened(NOON))))).startswith(b"11,")


def test_every_metric_that_a_kpi_names_exists_and_each_kpi_has_one_name() -> None:
    named = {metric for one in DEFINITIONS for metric in (*one.metrics, *one.per)}
    assert named <= set(METRICS)
    assert len(BY_NAME) == len(DEFINITIONS)


def test_the_targets_that_a_plan_may_state_are_those_of_kpis() -> None:
    from shared.adapters.plan_documents import Targets

    assert set(Targets.model_fields) <= TARGETS


def test_the_page_about_kpis_is_written_from_the_definitions() -> None:
    page = Path(__file__).parent.parent / "docs/kpi.md"
    assert page.read_text(encoding="utf-8") == markdown(), "python -m shared.kpi.definitions > docs/kpi.md"
