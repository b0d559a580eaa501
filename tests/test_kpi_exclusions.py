"""What each figure leaves out is counted by its reason, and what is new in version 4 of the definitions."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from shared.domain.timeline import stamp
from shared.domain.week import week_before
from shared.kpi import kpi_json
from shared.kpi.baseline import Baseline
from shared.kpi.definition import EXCLUDED
from shared.kpi.definitions import BY_NAME, DEFINITIONS
from shared.kpi.derivations import DERIVED, LEFT_OUT
from shared.kpi.figures import Slice, Tally, controls, figure
from shared.kpi.manifest import Period
from shared.kpi.metrics import EXCLUDED_OF_DRILLS, METRICS, OF_DRILLS
from tests.builders import hours, minutes, seconds
from tests.stories import ANNA, MONDAY, SUNDAY, WEEK, Story
from tests.test_kpi_figures import NOON, TICK, excluded, kpi, share, story, tally

DUE = NOON + minutes(10)
JOURNAL = "JRN-acme-20261118-0"
NONE_BEFORE = Baseline(WEEK, {})


def noted(told: Story, at: datetime, kind: str = "mitigation") -> Story:
    return told.tell("noted", at, {"kind": kind, "audience": "internal", "text_sha256": "c" * 64}, ANNA)


def moved_to(told: Story, at: datetime, status: str) -> Story:
    data = {"status": status, "audiences": ["internal"], "next_due": {}, "text_sha256": "c" * 64}
    return told.tell("status-updated", at, data, ANNA)


def watched(told: Story, since: datetime, count: int, **data: int) -> Story:
    """The hours from ``since`` on, each told of when it was over."""
    for start in (since + hours(n) for n in range(count)):
        stated = {"sweeps": 60, "longest_gap_seconds": 61, "probes": 12, "probes_failed": 0} | data
        until = start + hours(1)
        told.tell("watched", until, {"from": stamp(start), "until": stamp(until)} | stated)
    return told


def rendered(*stories: Story, end: datetime = SUNDAY, baseline: Baseline = NONE_BEFORE) -> dict[str, Any]:
    period = Period("acme", WEEK, "UTC", MONDAY, SUNDAY, end)
    raw = kpi_json.render(period.shown(), tally(*stories, end=end), {}, baseline, {})
    found: dict[str, Any] = json.loads(raw)
    return found


def test_every_metric_and_reason_is_derived_in_words_and_belongs_to_a_kpi() -> None:
    assert set(DERIVED) == set(METRICS)
    counted = {one.counted_as(reason) for one in DEFINITIONS for reason in one.exclusions}
    assert {code for metric, code in counted if metric == EXCLUDED} == set(LEFT_OUT)
    assert {metric for metric, _ in counted} <= set(METRICS)
    assert set(EXCLUDED_OF_DRILLS) | set(EXCLUDED_OF_DRILLS.values()) <= set(BY_NAME)
    assert set(OF_DRILLS) <= set(METRICS)


def test_each_incident_is_measured_or_left_out_for_a_reason() -> None:
    week = [
        story(1).opened(NOON).acknowledged(NOON + minutes(1)).resolved(NOON + hours(1)),
        story(2).opened(NOON).resolved(NOON + hours(1), "source"),
        story(3).opened(NOON, source=None),
        story(4).opened(NOON, drill="x"),
    ]
    assert kpi("incidents_opened", *week)["value"] == 3
    assert excluded("incidents_opened", *week) == {"drill": 1}
    assert excluded("time_to_detect", *week) == {"declared-by-hand": 1}
    assert excluded("time_to_acknowledge", *week) == {"resolved-unacknowledged": 1, "still-open": 1}
    assert excluded("time_to_resolve", *week) == {"still-open": 1}
    assert excluded("time_to_mitigate", *week) == {"resolved-unmitigated": 2, "still-open": 1}
    assert excluded("time_to_resolve_by_person", *week) == {"by-source": 1}
    assert excluded("time_to_resolve_by_source", *week) == {"by-person": 1}
    assert excluded("incidents_resolved_by_source", *week) == {"by-person": 1}
    assert excluded("drill_time_to_acknowledge", *week) == {"still-open": 1}
    assert excluded("drill_time_to_resolve", *week) == {"still-open": 1}


def test_a_reopening_has_reasons_of_its_own() -> None:
    told = story(1).opened(NOON).acknowledged(NOON).resolved(NOON).reopened(NOON + hours(1))
    assert excluded("time_to_acknowledge", told) == {}
    assert excluded("time_to_resolve", told) == {}
    assert excluded("time_to_acknowledge_again", told) == {"still-open": 1}
    assert excluded("time_to_resolve_again", told) == {"still-open": 1}
    told.resolved(NOON + hours(2), "source")
    assert excluded("time_to_acknowledge_again", told) == {"resolved-unacknowledged": 1}
    assert excluded("time_to_resolve", told) == {"after-reopening": 1}
    assert excluded("first_response_within_5m", told) == {"reopening": 1}


@pytest.mark.parametrize(
    ("told", "left_out"),
    [
        (story().opened(NOON, respond_due=DUE).resolved(DUE - TICK, "source"), {"voided": 1}),
        (story().opened(NOON, respond_due=DUE).resolved(DUE, "source"), {"voided": 1}),
        (story().opened(NOON, respond_due=DUE).resolved(DUE + TICK, "source"), {}),
        (story().opened(NOON).acknowledged(NOON), {"no-target": 1}),
        (story().opened(NOON), {}),
        (story().opened(NOON, respond_due=SUNDAY - TICK), {}),
        (story().opened(NOON, respond_due=SUNDAY), {"running": 1}),
        (story().opened(NOON, respond_due=DUE, drill="x").resolved(DUE, "source"), {}),
    ],
    ids=["before it was due", "then", "after", "no target", "open", "due", "due at the end", "a drill"],
)
def test_a_clock_without_a_verdict_tells_why(told: Story, left_out: dict[str, int]) -> None:
    assert excluded("respond_sla_attainment", told) == left_out


def test_a_drills_clock_is_left_out_of_the_drills_figure() -> None:
    told = story().opened(NOON, respond_due=DUE, drill="x").resolved(DUE, "source")
    assert excluded("drill_respond_sla_attainment", told) == {"voided": 1}
    assert excluded("drill_time_to_acknowledge", told) == {"resolved-unacknowledged": 1}


def test_what_is_left_out_counts_in_the_week_in_which_that_was_known() -> None:
    told = story().opened(MONDAY - hours(2), respond_due=MONDAY).resolved(MONDAY - TICK, "source")
    told.reopened(NOON).resolved(NOON + minutes(1))
    assert excluded("respond_sla_attainment", told) == {"no-target": 1}
    assert excluded("time_to_acknowledge", told) == {}


def test_reviews_items_and_checks_tell_what_they_leave_out() -> None:
    told = story().opened(NOON).resolved(NOON).review_required(NOON, SUNDAY).checked(NOON).checked(NOON)
    told.checked(NOON, "unticked").item(NOON, "dropped", DUE).item(NOON, "dropped", DUE)
    assert excluded("review_completion", told) == {"running": 1}
    assert excluded("checklist_overridden", told) == {"ticked": 2, "unticked": 1}
    assert excluded("action_items_done", told) == {"dropped": 1}
    assert excluded("review_completion", told.reopened(NOON + hours(1))) == {"withdrawn": 1}


def test_messages_and_escalations_tell_what_they_leave_out() -> None:
    told = story().opened(NOON).escalated(NOON, 1).tell("step-passed", NOON).tell("escalated-manually", NOON)
    told.tell("delivery-withdrawn", NOON).receipt(NOON).receipt(NOON, "read").resolved(NOON)
    assert excluded("escalations_by_step", told) == {"by-hand": 1, "passed": 1}
    assert excluded("escalation_lateness", told) == {"by-hand": 1}
    assert excluded("delivery_success", told) == {"withdrawn": 1}
    assert excluded("receipt_success", told) == {"later-receipt": 1}
    assert excluded("time_to_first_told", told) == {"untold": 1}
    assert excluded("digests_failed", Story(JOURNAL).tell("digest-sent", NOON)) == {"sent": 1}


def test_alerts_that_an_average_leaves_out_are_added_up() -> None:
    week = [
        story(1).opened(NOON).alerts(NOON, opened=2),
        story(2).pending(NOON).alerts(NOON, pending=5),
        Story(JOURNAL).alerts(NOON, ignored=7),
    ]
    assert excluded("alerts_per_incident", *week) == {"changed-no-incident": 7, "of-no-incident": 5}


@pytest.mark.parametrize("kind", ["noted", "status-updated"])
def test_a_mitigation_is_measured_from_the_opening(kind: str) -> None:
    told = story().opened(NOON)
    told = noted(told, NOON + minutes(9), "cause") if kind == "noted" else moved_to(told, NOON, "identified")
    told = noted(told, DUE) if kind == "noted" else moved_to(told, DUE, "monitoring")
    told = noted(moved_to(told, DUE + minutes(1), "monitoring"), DUE + minutes(2)).resolved(NOON + hours(1))
    assert kpi("time_to_mitigate", told)["numerator"] == 600
    assert kpi("time_to_mitigate", told)["denominator"] == 1
    assert excluded("time_to_mitigate", told) == {}


def test_what_is_mitigated_after_the_resolution_does_not_count() -> None:
    told = noted(story().opened(NOON).resolved(NOON + hours(1)), NOON + hours(2))
    told = noted(told.reopened(NOON + hours(3)), NOON + hours(4))
    assert kpi("time_to_mitigate", told)["denominator"] == 0
    assert excluded("time_to_mitigate", told) == {"resolved-unmitigated": 1}


def test_noise_is_what_was_suppressed_or_ignored_of_all_alerts() -> None:
    week = [
        story(1).opened(NOON).alerts(NOON, opened=1, updated=4, suppressed=2),
        Story(JOURNAL).alerts(NOON, ignored=1, suppressed=2),
    ]
    assert share("alerts_noise", *week) == (5, 10, 50.0)
    counted = tally(*week)
    assert figure(BY_NAME["alerts_noise"], counted.severities["P1"])["value"] == 28.5714


def test_coverage_is_the_time_with_somebody_on_call_of_all_that_was_recorded() -> None:
    def shift(rotation: str, since: int, until: int, contact: str | None) -> dict[str, str | None]:
        times = {"from": stamp(NOON + hours(since)), "until": stamp(NOON + hours(until))}
        return {"rotation": rotation, "contact": contact, **times}

    shifts = [shift("a", 0, 2, "anna"), shift("a", 2, 3, None), shift("b", 0, 1, "ben")]
    told = Story(JOURNAL).tell("on-call", NOON, {"shifts": shifts}).tell("on-call", NOON, {"shifts": []})
    assert share("oncall_coverage", told) == (10800, 14400, 75.0)
    assert share("oncall_coverage", Story(JOURNAL).alerts(NOON, ignored=1)) == (0, 0, None)


def test_the_sweepers_longest_gap_and_the_doors_answers_are_figures() -> None:
    told = watched(Story(JOURNAL), NOON, 2)
    watched(told, NOON + hours(2), 1, longest_gap_seconds=900, probes_failed=3)
    watched(told, NOON + hours(3), 1, probes=0)
    assert kpi("sweeps", told) == {"value": 240}
    assert kpi("sweeper_longest_gap", told) == {"value": 900}
    assert share("probe_success", told) == (33, 36, 91.6667)
    assert figure(BY_NAME["sweeper_longest_gap"], Slice()) == {"value": None}


def test_what_is_done_with_the_records_is_counted() -> None:
    told = Story(JOURNAL).tell("plan-changed", NOON).tell("export-compiled", NOON).tell("drift-found", NOON)
    told.tell("rollout-ended", NOON, {"why": "targets-missed"}).tell("erased", NOON, {"what": "person"})
    told.tell("purged", NOON, {"what": "texts"}).tell("accessed", NOON, {"what": "kpi"})
    told.tell("accessed", NOON, {"what": "export-file"}).tell("accessed", NOON, {"what": "kpi"})
    names = ("plan_changes", "exports_compiled", "drifts_found")
    assert [kpi(name, told)["value"] for name in names] == [1, 1, 1]
    assert kpi("records_accessed", told)["by"] == {"kpi": 2, "export-file": 1}
    assert kpi("rollouts_ended", told)["by"] == {"targets-missed": 1}
    assert kpi("erasures", told)["by"] == {"person": 1}
    assert kpi("purges", told)["by"] == {"texts": 1}


def test_each_version_of_the_rules_has_figures_and_drills_enter_none() -> None:
    week = [story(1).opened(NOON).acknowledged(NOON + minutes(1)), story(2).opened(NOON, drill="x")]
    found = rendered(*week)["kpis"]["time_to_acknowledge"]["by_version"]
    assert {rules: one["numerator"] for rules, one in found.items()} == {"a" * 64: 60}


def test_alerts_balance_only_while_each_stands_under_one_disposition() -> None:
    counted = tally(story().opened(NOON).alerts(NOON, opened=2), Story(JOURNAL).alerts(NOON, ignored=3))
    dispositions = {"opened": 2, "ignored": 3}
    assert controls(counted)["alerts"] == {"accepted": 5, "by_disposition": dispositions, "holds": True}
    counted.alerts += 1
    assert controls(counted)["alerts"]["holds"] is False


def test_a_quiet_week_is_attested_only_while_tocsin_was_awake_in_every_hour() -> None:
    before = MONDAY - hours(1)
    found = rendered(watched(Story(JOURNAL), before, 168))["attestation"]
    assert (found["quiet"], found["attested"], found["not_watched"]) == (True, True, [])
    assert (found["hours"], found["hours_watched"], found["sweeps"]) == (168, 168, 168 * 60)
    asleep = watched(watched(watched(Story(JOURNAL), before, 2), before + hours(4), 100), NOON + hours(99), 1)
    found = rendered(asleep)["attestation"]
    assert (found["sweeper_alive"], found["attested"]) == (False, False)
    assert found["hours_not_watched"] == 168 - 103
    assert [tuple(one.values()) for one in found["not_watched"]] == [
        (stamp(before + hours(2)), stamp(before + hours(4))),
        (stamp(before + hours(104)), stamp(NOON + hours(99))),
        (stamp(NOON + hours(100)), stamp(SUNDAY - hours(1))),
    ]


@pytest.mark.parametrize(
    "told",
    [
        story().opened(NOON).resolved(NOON),
        story().opened(MONDAY - hours(1)).tell("open", MONDAY),
        story().pending(NOON).alerts(NOON, pending=1),
        Story(JOURNAL).alerts(NOON, ignored=1),
        story().opened(MONDAY - hours(2)).resolved(MONDAY - hours(1)).reopened(NOON).resolved(NOON),
    ],
    ids=["an incident", "one left open", "a pending alert", "an ignored alert", "a reopening"],
)
def test_a_week_in_which_anything_happened_is_not_quiet(told: Story) -> None:
    awake = watched(Story("JRN-acme-20261116-0"), MONDAY - hours(1), 168)
    found = rendered(awake, told)["attestation"]
    assert (found["quiet"], found["attested"], found["sweeper_alive"]) == (False, False, True)


@pytest.mark.parametrize(
    ("data", "intake"),
    [({"probes": 0}, None), ({"probes_failed": 1}, False), ({}, True)],
    ids=["no public address", "a probe failed", "all answered"],
)
def test_nothing_is_attested_of_a_door_that_was_not_seen_open(
    data: dict[str, int], intake: bool | None
) -> None:
    found = rendered(watched(Story(JOURNAL), MONDAY - hours(1), 168, **data))["attestation"]
    assert (found["quiet"], found["intake_alive"], found["attested"]) == (True, intake, intake is True)


@pytest.mark.parametrize(
    ("end", "judged"),
    [(MONDAY + seconds(1), 1), (MONDAY + hours(1), 1), (MONDAY + hours(1) + TICK, 2)],
    ids=["in the first hour", "at its end", "after it"],
)
def test_a_week_under_way_is_judged_by_the_hours_that_are_over(end: datetime, judged: int) -> None:
    found = rendered(watched(Story(JOURNAL), MONDAY - hours(1), 1), end=end)["attestation"]
    assert (found["hours"], found["hours_watched"]) == (judged, 1)


@pytest.mark.parametrize(
    ("data", "awake"),
    [
        ({"sweeps": 0}, False),
        ({"sweeps": 6, "longest_gap_seconds": 599}, True),
        ({"sweeps": 6, "longest_gap_seconds": 600}, True),
        ({"sweeps": 6, "longest_gap_seconds": 601}, False),
        ({"sweeps": 1, "longest_gap_seconds": 3599}, False),
    ],
    ids=["no run", "a gap below ten minutes", "of ten minutes", "of more", "one run in an hour"],
)
def test_an_hour_was_watched_only_if_the_sweeper_ran_all_along_it(data: dict[str, int], awake: bool) -> None:
    found = rendered(watched(Story(JOURNAL), MONDAY - hours(1), 168, **data))["attestation"]
    assert (found["hours_watched"], found["attested"]) == (168 * awake, awake)


def test_figures_are_held_against_the_weeks_before_and_a_change_gets_its_value_there() -> None:
    slower = {"time_to_resolve": {"value": 100.0, "numerator": 200, "denominator": 2}}
    before = Baseline(WEEK, {week_before(WEEK): {"kpis": slower}})

    found = rendered(story().opened(NOON).resolved(NOON + minutes(1)), baseline=before)["kpis"]
    assert found["time_to_resolve"]["plan"]["baseline_weeks"] == 1
    assert found["time_to_resolve_vs_baseline"]["plan"]["value"] == -40.0
    assert found["time_to_resolve_vs_baseline"]["by_severity"]["P1"] == {"value": None}


def test_an_empty_week_leaves_nothing_out() -> None:
    for definition in DEFINITIONS:
        assert not any(figure(definition, Slice()).get("excluded", {}).values()), definition.name
    assert controls(Tally())["alerts"]["holds"] is True
