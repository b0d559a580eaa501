"""Pending incidents, drills, reviews, action items, status updates: what counts where, at every boundary."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.timeline import stamp
from shared.kpi import drills_csv, incidents_csv, manifest
from shared.kpi.account import Account
from shared.kpi.csv_cells import line
from shared.kpi.definition import Definition
from shared.kpi.definitions import BY_NAME, TARGETS, VERSION
from shared.kpi.facts import account_of
from shared.kpi.figures import Slice, controls, figure
from shared.kpi.metrics import METRICS, OF_DRILLS
from shared.kpi.shelf import FILES
from shared.workflows.export_kpis import compile_week
from tests.builders import a_plan, hours, minutes, seconds
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.test_kpi_figures import NOON, TICK, account, kpi, metrics, share, story, tally
from tests.working_fakes import MemoryExports, MemoryTimelines

DUE = NOON + hours(24)
JOURNAL = "JRN-acme-20261118-0"


def counts(found: Account, metric: str) -> int:
    return sum(fact.value for fact in found.facts if fact.metric == metric)


def measured(definition: Definition, part: Slice) -> dict[str, Any]:
    return {key: value for key, value in figure(definition, part).items() if key != "excluded"}


def reviewed(due: datetime = DUE) -> Story:
    return story().opened(NOON).resolved(NOON).review_required(NOON, due)


def test_what_is_pending_is_no_incident_but_its_alerts_count_by_disposition() -> None:
    waiting = story(1).pending(NOON).alerts(NOON, pending=2)
    dropped = story(2).pending(NOON).alerts(NOON, pending=3).tell("dropped", NOON + minutes(2))
    week = (waiting, dropped, story(3).opened(NOON).alerts(NOON, opened=1))
    assert kpi("alerts_by_disposition", *week) == {"value": 6, "by": {"pending": 5, "opened": 1}}
    assert share("alerts_per_incident", *week) == (1, 1, 1.0)
    assert kpi("incidents_opened", *week)["value"] == 1
    for each in (waiting, dropped):
        found = account(each)
        assert found.incident is None
        assert incidents_csv.row(found) + drills_csv.row(found) == b""
        assert {fact.metric for fact in found.facts} == {"other_alerts"}
    assert controls(tally(waiting, dropped))["backlog"]["closing"] == 0
    assert set(tally(waiting, dropped).severities) == set()


def test_from_its_opening_on_what_was_pending_is_an_incident_like_any_other() -> None:
    told = story().pending(NOON).alerts(NOON, pending=2).opened(NOON + minutes(5), began=NOON)
    told.alerts(NOON + minutes(5), updated=1).resolved(NOON + hours(1))
    assert kpi("time_to_detect", told)["numerator"] == 300
    assert share("alerts_per_incident", told) == (3, 1, 3.0)
    assert controls(tally(told))["backlog"]["holds"] is True


def test_an_alert_that_was_dropped_may_come_back_and_be_opened() -> None:
    told = story().pending(NOON).tell("dropped", NOON + minutes(1)).alerts(NOON + hours(1), pending=1)
    told.pending(NOON + hours(1)).opened(NOON + hours(2))
    found = account(told)
    assert found.incident is not None
    assert (found.incident.state, found.incident.opened_at) == ("open", NOON + hours(2))


@pytest.mark.parametrize(
    ("opened", "metric"),
    [
        (SUNDAY - TICK, "incident_alerts"),
        (SUNDAY, "other_alerts"),
        (SUNDAY + TICK, "other_alerts"),
    ],
    ids=["in the week", "at its end", "after it"],
)
def test_alerts_are_an_incidents_if_it_was_opened_before_the_weeks_end(opened: datetime, metric: str) -> None:
    told = story().pending(NOON).alerts(NOON, pending=2).opened(opened)
    assert counts(account(told), metric) == 2


def test_nothing_that_is_told_before_the_opening_is_of_an_incident_and_nothing_crashes() -> None:
    told = story().pending(NOON).raised(NOON, "P0").acknowledged(NOON).resolved(NOON).reopened(NOON)
    told.breached("respond", NOON).severity_changed(NOON, "P2").escalated(NOON, 1).delivered(NOON)
    told.review_required(NOON, DUE).review_completed(NOON).item(NOON, "open", DUE).tell("dropped", NOON)
    assert metrics(account(told)) == []
    assert account_of(told.subject, told.events, SUNDAY, SUNDAY + hours(1)) is None


def test_a_drill_enters_the_figures_of_drills_and_no_other() -> None:
    meant = story(1).opened(NOON, respond_due=NOON + minutes(10)).acknowledged(NOON + minutes(1))
    drill = (
        story(2)
        .opened(NOON, respond_due=NOON + minutes(10), resolve_due=NOON, drill="db-down", severity="P0")
        .alerts(NOON, updated=2)
        .escalated(NOON, 1)
        .tell("escalated-manually", NOON)
        .tell("exhausted", NOON)
        .delivered(NOON)
        .undelivered(NOON)
        .first_told(NOON, NOON + seconds(9))
        .receipt(NOON)
        .acted_on(NOON)
        .tell("held-back", NOON)
        .tell("still-open", NOON)
        .tell("oncall-empty", NOON)
        .tell("informed", NOON)
        .breached("resolve", NOON)
        .status_updated(NOON, "internal")
        .acknowledged(NOON + minutes(4))
        .checked(NOON + minutes(4), "overridden")
        .resolved(NOON + minutes(30))
        .review_required(NOON + minutes(30), NOON + hours(1))
        .item(NOON + minutes(30), "open", NOON + hours(1))
    )
    alone, both = tally(meant), tally(meant, drill)
    for name, definition in BY_NAME.items():
        if not name.startswith("drill") and name not in ("alerts_by_disposition", "alerts_noise"):
            assert measured(definition, both.plan) == measured(definition, alone.plan), name
    assert {**controls(both), "alerts": 0} == {**controls(alone), "alerts": 0}
    assert set(both.severities) == set(alone.severities)
    assert kpi("alerts_by_disposition", meant, drill)["by"] == {"updated": 2}
    assert kpi("drills_opened", meant, drill)["value"] == 1
    assert kpi("drills_resolved", meant, drill)["value"] == 1
    assert kpi("drill_time_to_acknowledge", meant, drill)["value"] == 240.0
    assert kpi("drill_time_to_resolve", meant, drill)["value"] == 1800.0
    assert kpi("drill_time_to_first_told", meant, drill)["value"] == 9.0
    assert share("drill_respond_sla_attainment", meant, drill) == (1, 1, 100.0)
    assert {fact.metric for fact in account(drill).facts} == set(OF_DRILLS.values())


@pytest.mark.parametrize(
    ("answer", "met"),
    [(minutes(10) - TICK, 1), (minutes(10), 1), (minutes(10) + TICK, 0)],
    ids=["before", "at", "after"],
)
def test_a_drills_respond_clock_is_judged_as_an_incidents(answer: timedelta, met: int) -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10), drill="x").acknowledged(NOON + answer)
    assert share("drill_respond_sla_attainment", told)[:2] == (met, 1)


def test_drills_have_a_file_of_their_own() -> None:
    told = story().opened(NOON, respond_due=NOON + minutes(10), drill="=db-down", severity="P2")
    told.acknowledged(NOON + minutes(3)).severity_changed(NOON + minutes(4), "P3").resolved(NOON + hours(1))
    assert incidents_csv.row(account(told)) == b""
    cells = next(
        csv.DictReader([one.decode() for one in (line(drills_csv.COLUMNS), drills_csv.row(account(told)))])
    )
    assert cells == {
        "id": told.subject,
        "drill": "'=db-down",
        "service": "api",
        "severity": "P3",
        "state": "resolved",
        "opened_at": stamp(NOON),
        "acknowledged_at": stamp(NOON + minutes(3)),
        "resolved_at": stamp(NOON + hours(1)),
        "respond_met": "1",
    }
    assert drills_csv.row(account(story(2).opened(NOON))) == b""


def test_the_bundle_has_drills_in_their_file_and_only_there() -> None:
    drill, meant = story(1).opened(NOON, drill="db-down"), story(2).opened(NOON)
    timelines, exports = MemoryTimelines().keep("acme", drill.events, meant.events), MemoryExports()
    bundle = compile_week(a_plan(), WEEK, timelines, exports, "1.0", SUNDAY).bundle
    drills, incidents = (exports.read(bundle.blob(name)) for name in ("drills.csv", "incidents.csv"))
    assert (drills.count(b"INC-"), drills.count(b"INC-00000001-1,db-down,")) == (1, 1)
    assert (incidents.count(b"INC-"), incidents.count(b"INC-00000002-1,")) == (1, 1)
    stated = json.loads(exports.read(bundle.blob(manifest.NAME)))
    rows = {file["name"]: file["rows"] for file in stated["files"]}
    assert (rows["kpi.json"], rows["incidents.csv"], rows["drills.csv"]) == (None, 1, 1)
    assert set(stated["timelines"]) == {drill.subject, meant.subject}
    assert "drills.csv" in FILES


@pytest.mark.parametrize(
    ("completed", "met"),
    [(DUE - TICK, 1), (DUE, 1), (DUE + TICK, 0), (None, 0)],
    ids=["before", "at", "after", "never"],
)
def test_a_review_is_complete_in_time_up_to_its_due_instant(completed: datetime | None, met: int) -> None:
    told = reviewed()
    if completed:
        told.review_completed(completed)
    assert share("review_completion", told)[:2] == (met, 1)
    assert kpi("reviews_overdue", told)["value"] == int(completed is None)


@pytest.mark.parametrize(
    ("due", "verdict"),
    [(SUNDAY - TICK, (0, 1, 0.0)), (SUNDAY, (0, 0, None)), (SUNDAY + TICK, (0, 0, None))],
    ids=["within the week", "at its end", "after it"],
)
def test_a_review_is_missed_in_the_week_in_which_it_was_due(
    due: datetime, verdict: tuple[int, int, float | None]
) -> None:
    assert share("review_completion", reviewed(due)) == verdict
    assert kpi("reviews_overdue", reviewed(due))["value"] == verdict[1]


def test_a_review_counts_once_and_in_the_week_that_decided_it() -> None:
    told = reviewed(SUNDAY + hours(1)).review_completed(SUNDAY - hours(1)).review_completed(SUNDAY + hours(2))
    assert share("review_completion", told) == (1, 1, 100.0)
    after = account_of(told.subject, told.events, SUNDAY, SUNDAY + timedelta(days=7))
    assert after is not None
    assert counts(after, "review_in_time") == counts(after, "incident_open_at_end") == 0
    missed = reviewed(SUNDAY - hours(1)).review_completed(SUNDAY + hours(2))
    after = account_of(missed.subject, missed.events, SUNDAY, SUNDAY + timedelta(days=7))
    assert after is not None
    assert [fact.metric for fact in after.facts] == []


@pytest.mark.parametrize(
    ("reopened", "verdict"),
    [(DUE - TICK, (0, 0, None)), (DUE, (0, 0, None)), (DUE + TICK, (0, 1, 0.0))],
    ids=["before it was due", "at that instant", "after it"],
)
def test_a_reopening_withdraws_the_review_that_was_asked_for(
    reopened: datetime, verdict: tuple[int, int, float | None]
) -> None:
    told = reviewed().reopened(reopened).review_completed(reopened + minutes(1))
    assert share("review_completion", told) == verdict
    assert kpi("reviews_overdue", told)["value"] == 0
    found = account(told).incident
    assert found is not None
    assert (found.review_due, found.review_completed_at) == (None, None)


def test_the_review_after_a_reopening_is_another() -> None:
    told = reviewed().reopened(NOON + hours(1)).resolved(NOON + hours(2))
    told.review_required(NOON + hours(2), DUE + hours(2)).review_completed(DUE + hours(1))
    assert share("review_completion", told) == (1, 1, 100.0)


def test_action_items_count_as_they_stand_at_the_weeks_end() -> None:
    later = SUNDAY + hours(1)
    told = story().opened(NOON).resolved(NOON)
    told.item(NOON, "open", DUE).item(NOON, "open", later, "A2").item(NOON, "open", DUE, "A3")
    told.item(NOON + hours(1), "in-progress", DUE).item(NOON + hours(1), "dropped", DUE, "A3")
    told.item(NOON + hours(2), "done", DUE, "A4").item(NOON + hours(3), "done", DUE, "A4")
    told.item(SUNDAY, "done", DUE)
    assert kpi("action_items_open", told)["value"] == 2
    assert kpi("action_items_overdue", told)["value"] == 1
    assert kpi("action_items_done", told)["value"] == 1


@pytest.mark.parametrize(
    ("due", "overdue"),
    [(SUNDAY - TICK, 1), (SUNDAY, 0), (SUNDAY + TICK, 0)],
    ids=["before the end", "at the end", "after it"],
)
def test_an_action_item_is_overdue_once_its_due_instant_has_passed(due: datetime, overdue: int) -> None:
    assert kpi("action_items_overdue", story().opened(NOON).item(NOON, "open", due))["value"] == overdue


def test_an_incident_resolved_long_ago_contributes_what_follows_and_no_backlog() -> None:
    before = MONDAY - timedelta(days=20)
    told = story().opened(before).resolved(before + hours(1)).review_required(before + hours(1), NOON)
    told.item(NOON - hours(1), "open", NOON).review_completed(NOON)
    assert metrics(account(told)) == [
        ("review_in_time", 1),
        ("action_item_open_at_end", 1),
        ("action_item_overdue_at_end", 1),
    ]
    backlog = controls(tally(told))["backlog"]
    assert (backlog["opening"], backlog["closing"], backlog["holds"]) == (0, 0, True)


def test_a_quiet_week_is_of_an_incident_only_while_something_is_to_come() -> None:
    end = SUNDAY + timedelta(days=7)
    nothing = story().opened(NOON).resolved(NOON).item(NOON, "done", DUE)
    assert account_of(nothing.subject, nothing.events, SUNDAY, end) is None
    items = story().opened(NOON).resolved(NOON).item(NOON, "in-progress", SUNDAY)
    found = account_of(items.subject, items.events, SUNDAY, end)
    assert found is not None
    assert metrics(found) == [("action_item_open_at_end", 1), ("action_item_overdue_at_end", 1)]
    drill = story().opened(NOON, drill="x").resolved(NOON).item(NOON, "open", DUE).review_required(NOON, DUE)
    assert account_of(drill.subject, drill.events, SUNDAY, end) is None


def test_the_incidents_with_something_to_come_are_found_in_the_file() -> None:
    due = SUNDAY + hours(1)
    stories = [
        story(1).opened(NOON),
        story(2).opened(NOON).resolved(NOON),
        story(3).opened(NOON).resolved(NOON).item(NOON, "open", due),
        story(4).opened(NOON).resolved(NOON).item(NOON, "done", due),
        story(5).opened(NOON).resolved(NOON).review_required(NOON, due),
        story(6).opened(NOON).resolved(NOON).review_required(NOON, due).review_completed(NOON),
        story(7).opened(NOON).resolved(NOON).review_required(NOON, due).reopened(NOON).resolved(NOON),
    ]
    rows = [line(incidents_csv.COLUMNS), *(incidents_csv.row(account(each)) for each in stories)]
    assert incidents_csv.open_in(rows) == {f"INC-{n:08d}-1" for n in (1, 3, 5)}
    assert incidents_csv.open_in([b"id,state\nINC-1,open\nINC-2,resolved\n"]) == {"INC-1"}


def test_a_severity_that_a_person_changed_moves_the_clocks_that_still_run() -> None:
    told = story().opened(NOON, severity="P1", respond_due=NOON + minutes(5), resolve_due=NOON + hours(1))
    told.severity_changed(NOON + minutes(4), "P3", respond_due=NOON + hours(1)).acknowledged(
        NOON + minutes(30)
    )
    assert share("respond_sla_attainment", told) == (1, 1, 100.0)
    assert share("resolve_sla_attainment", told) == (0, 0, None)
    found = account(told).incident
    assert found is not None
    assert found.severity == "P3"
    late = story().opened(NOON, respond_due=NOON + minutes(5))
    late.severity_changed(NOON + minutes(6), "P3", respond_due=NOON + hours(1)).acknowledged(
        NOON + minutes(7)
    )
    assert share("respond_sla_attainment", late) == (0, 1, 0.0)


def test_updates_are_counted_by_audience_sent_and_missed() -> None:
    told = story().opened(NOON).status_updated(NOON, "internal", "external").status_updated(NOON, "internal")
    told.update_lapsed(NOON + minutes(30), "external", 3).update_lapsed(NOON + minutes(60), "internal")
    told.tell("update-reminded", NOON + minutes(60), {"audience": "internal"})
    assert kpi("updates_sent", told) == {"value": 3, "by": {"internal": 2, "external": 1}}
    assert kpi("updates_missed", told) == {"value": 4, "by": {"external": 3, "internal": 1}}


def test_overrides_empty_rotations_and_informed_people_are_counted() -> None:
    told = story().opened(NOON).checked(NOON).checked(NOON, "overridden").checked(NOON, "unticked")
    told.tell("oncall-empty", NOON).tell("informed", NOON).tell("informed", NOON).tell("step-passed", NOON)
    assert kpi("checklist_overridden", told)["value"] == 1
    assert kpi("oncall_empty", told)["value"] == 1
    assert kpi("stakeholders_informed", told)["value"] == 2


def test_a_journal_tells_of_missed_drills_failed_digests_and_gaps_and_of_nothing_else() -> None:
    told = Story(JOURNAL).alerts(NOON, ignored=1)
    kinds = "drill-missed drill-opened digest-failed digest-sent calendar-read calendar-unreadable"
    for kind in (*kinds.split(), "coverage-gap", "coverage-gap", "invented"):
        told.tell(kind, NOON)
    names = ("drills_missed", "digests_failed", "coverage_gaps", "drills_opened")
    assert [kpi(name, told)["value"] for name in names] == [1, 1, 2, 0]
    assert len([fact for fact in account(told).facts if fact.metric != "excluded"]) == 5


@pytest.mark.parametrize(
    ("at", "counted"), [(MONDAY - TICK, 0), (MONDAY, 1), (SUNDAY - TICK, 1)], ids=["before", "first", "last"]
)
def test_what_a_journal_tells_is_of_the_week_in_which_it_was_recorded(at: datetime, counted: int) -> None:
    told = Story(JOURNAL).tell("drill-missed", at).alerts(max(at, NOON), ignored=1)
    told = told if at <= NOON else Story(JOURNAL).alerts(NOON, ignored=1).tell("drill-missed", at)
    assert kpi("drills_missed", told)["value"] == counted


def test_the_targets_of_plans_and_the_metrics_of_drills_are_known() -> None:
    assert {"review_completion", "updates_missed", "drill_time_to_acknowledge_mean"} <= TARGETS
    assert set(OF_DRILLS) | set(OF_DRILLS.values()) <= set(METRICS)
    assert VERSION == 4
