"""New rules come in by stages or go back: what the record makes of changes, figures, time and hands."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain import rollout
from shared.domain.classification import classify_by
from shared.domain.errors import Refused
from shared.domain.plan import Plan, Trial, document_hash
from shared.domain.rollout import Comparison, Deployment, Figures, Leaves, PlanRecord, Stand
from shared.domain.trial import Rollout, place
from tests.builders import NOON, a_plan, a_severity, an_alert, hours, minutes, seconds, some_rules

OLD, NEW, NEWER = "a" * 64, "b" * 64, "c" * 64
HOLD = hours(48)
BY = Deployment("rev-1", "person:dora", NOON - hours(1))
GOOD = Figures(9, 1, (Comparison("resolve_sla_attainment", 99, "90", "100", holds=True),))
BAD = Figures(9, 1, (Comparison("resolve_sla_attainment", 99, "100", "90", holds=False),))
NONE = Figures(9, 0)


def plan_of(rules: str, *, rolls: bool = True, **document: object) -> Plan:
    ruling = replace(some_rules(), hash=rules)
    text = json.dumps({"document": {"rules": rules, "rollout": rolls, **document}, "order": {}})
    plan = replace(a_plan(ruling), document=text)
    return replace(plan, rollout=Rollout((10, 50), HOLD)) if rolls else plan


def known(plan: Plan | None = None) -> PlanRecord:
    """The record of a plan that was seen, its event in the journal."""
    return rollout.settled(rollout.first_seen(plan or plan_of(OLD), BY, "s", NOON - hours(1)), 1)


def seen(record: PlanRecord, plan: Plan, now: datetime = NOON, by: Deployment = BY) -> PlanRecord:
    return rollout.seen(record, plan, by, "s", now)


def begun() -> PlanRecord:
    """A rollout that has begun at noon, its events in the journal."""
    record = seen(known(), plan_of(NEW))
    return rollout.settled(record, len(record.owed))


def types(record: PlanRecord) -> list[str]:
    return [note.type for note in record.owed]


def data(record: PlanRecord, type: str) -> dict[str, Any]:
    [found] = [dict(note.data) for note in record.owed if note.type == type]
    return found


def stand_of(record: PlanRecord) -> Stand:
    assert record.stand is not None
    return record.stand


def test_a_plan_that_is_seen_first_rules_and_comes_from_nothing() -> None:
    record = rollout.first_seen(plan_of(OLD), BY, "s", NOON)
    assert (record.stable, record.stand) == (OLD, None)
    assert data(record, "plan-changed") == {
        "from": None,
        "to": document_hash(plan_of(OLD).document),
        "rules_from": None,
        "rules_to": OLD,
        "commit": "rev-1",
        "changed": [],
        "more": 0,
    }
    assert record.owed[0].actor == "person:dora"


def test_the_same_plan_again_is_no_news() -> None:
    record = known()
    assert not rollout.is_news(record, plan_of(OLD))
    assert seen(record, plan_of(OLD)) == record


def test_new_rules_without_a_rollout_rule_at_once() -> None:
    record = seen(known(), plan_of(NEW, rolls=False))
    assert (record.stable, record.stand, types(record)) == (NEW, None, ["plan-changed"])


def test_new_rules_with_a_rollout_take_the_first_stage_and_the_old_stay_stable() -> None:
    record = seen(known(), plan_of(NEW))
    stand = stand_of(record)
    assert (record.stable, stand.rules, stand.percent, stand.until) == (OLD, NEW, 10, NOON + HOLD)
    assert types(record) == ["plan-changed", "rollout-started"]
    assert data(record, "rollout-started") == {
        "from": OLD,
        "to": NEW,
        "percent": 10,
        "until": "2026-11-20T12:00:00.000000Z",
    }


def test_a_change_of_people_alone_rolls_nothing_out_and_ends_no_rollout() -> None:
    calm = seen(known(), plan_of(OLD, contacts={"bo": {}}))
    assert (types(calm), calm.stand) == (["plan-changed"], None)
    assert data(calm, "plan-changed")["changed"] == ["contacts.bo"]
    busy = seen(begun(), plan_of(NEW, contacts={"bo": {}}), NOON + hours(1))
    assert (types(busy), busy.stand) == (["plan-changed"], begun().stand)


def test_a_further_change_supersedes_the_rollout_and_begins_its_own_from_the_stable_rules() -> None:
    record = seen(begun(), plan_of(NEWER), NOON + hours(1))
    assert types(record) == ["plan-changed", "rollout-ended", "rollout-started"]
    ended = data(record, "rollout-ended")
    assert (ended["to"], ended["stable"], ended["why"]) == (NEW, OLD, "superseded")
    assert (record.stable, stand_of(record).rules, stand_of(record).percent) == (OLD, NEWER, 10)


def test_going_back_to_the_old_file_supersedes_the_rollout_and_begins_none() -> None:
    record = seen(begun(), plan_of(OLD), NOON + hours(1))
    assert types(record) == ["plan-changed", "rollout-ended"]
    assert (record.stable, record.stand, record.refused) == (OLD, None, None)


def test_rules_that_tocsin_alone_freezes_otherwise_stand_as_they_stood() -> None:
    def otherwise(plan: Plan, rules: str) -> Plan:
        return replace(plan, rules=replace(plan.rules, hash=rules))

    stable = seen(known(), otherwise(plan_of(OLD), NEWER))
    assert (stable.stable, stable.stand, types(stable)) == (NEWER, None, ["plan-changed"])
    refused = replace(rollout.looked(begun(), BAD, NOON + HOLD), owed=())
    still = seen(refused, otherwise(plan_of(NEW), NEWER), NOON + HOLD)
    assert (still.stable, still.refused, still.stand) == (OLD, NEWER, None)
    anew = seen(begun(), otherwise(plan_of(NEW), NEWER), NOON + hours(1))
    assert (anew.stable, stand_of(anew).rules, stand_of(anew).percent) == (OLD, NEWER, 10)


def test_stable_rules_that_can_rule_nothing_leave_it_all_to_the_file() -> None:
    record = rollout.unservable(rollout.looked(begun(), GOOD, NOON + hours(1)), NOON + hours(2))
    assert (record.stable, record.stand, record.refused) == (NEW, None, None)
    ended = data(record, "rollout-ended")
    assert (ended["from"], ended["to"], ended["stable"], ended["why"]) == (OLD, NEW, NEW, "unservable")
    assert ended["figures"] != []
    refused = replace(rollout.looked(begun(), BAD, NOON + HOLD), owed=())
    after = rollout.unservable(refused, NOON + HOLD)
    assert (after.stable, after.refused, data(after, "rollout-ended")["figures"]) == (NEW, None, [])


@pytest.mark.parametrize("rules", [NEW, NEWER])
def test_a_plan_that_drops_its_rollout_rules_at_once(rules: str) -> None:
    record = seen(begun(), plan_of(rules, rolls=False), NOON + hours(1))
    assert types(record) == ["plan-changed", "rollout-ended"]
    assert data(record, "rollout-ended")["stable"] == rules
    assert (record.stable, record.stand) == (rules, None)


@pytest.mark.parametrize(("since", "news"), [(-1, False), (0, True), (1, True)])
def test_a_process_older_than_the_one_on_record_says_nothing_new(since: int, news: bool) -> None:
    late = replace(BY, since=BY.since + seconds(since))
    assert (seen(known(), plan_of(NEW), by=late).rules == NEW) is news


@pytest.mark.parametrize(("after", "percent"), [(HOLD - seconds(1), 10), (HOLD, 50), (HOLD + seconds(1), 50)])
def test_a_stage_lasts_until_its_end_and_then_the_next_begins(after: timedelta, percent: int) -> None:
    record = rollout.looked(begun(), GOOD, NOON + after)
    assert stand_of(record).percent == percent
    assert types(record) == (["rollout-advanced"] if percent == 50 else [])


def test_the_next_stage_says_why_and_by_which_figures_and_holds_as_long() -> None:
    record = rollout.looked(begun(), GOOD, NOON + HOLD)
    assert data(record, "rollout-advanced") == {
        "from": OLD,
        "to": NEW,
        "percent": 50,
        "until": "2026-11-22T12:00:00.000000Z",
        "why": "targets-hold",
        "figures": [
            {"kpi": "resolve_sla_attainment", "target": 99, "old": "90", "new": "100", "holds": True}
        ],
    }
    assert record.stable == OLD


def test_after_the_last_stage_the_new_rules_rule_everything() -> None:
    second = rollout.looked(begun(), GOOD, NOON + HOLD)
    record = rollout.looked(replace(second, owed=()), GOOD, NOON + 2 * HOLD)
    assert (record.stable, record.stand, record.refused) == (NEW, None, None)
    assert types(record) == ["rollout-advanced", "rollout-ended"]
    advanced, ended = data(record, "rollout-advanced"), data(record, "rollout-ended")
    assert (advanced["percent"], advanced["until"]) == (100, None)
    assert (ended["stable"], ended["why"]) == (NEW, "targets-hold")


def test_a_target_that_fails_takes_the_new_rules_back_and_they_stay_refused() -> None:
    record = rollout.looked(begun(), BAD, NOON + HOLD)
    assert (record.stable, record.stand, record.refused) == (OLD, None, NEW)
    ended = data(record, "rollout-ended")
    assert (ended["stable"], ended["why"], ended["figures"][0]["holds"]) == (OLD, "targets-missed", False)
    again = seen(replace(record, owed=()), plan_of(NEW, title="other"), NOON + HOLD + hours(1))
    assert (again.stand, again.refused) == (None, NEW)
    other = seen(replace(record, owed=()), plan_of(NEWER), NOON + HOLD + hours(1))
    assert (stand_of(other).rules, other.refused) == (NEWER, None)


def test_a_target_that_fails_before_the_stage_is_over_decides_nothing_yet() -> None:
    record = rollout.looked(begun(), BAD, NOON + minutes(15))
    assert (stand_of(record).percent, stand_of(record).figures, types(record)) == (10, BAD, [])


@pytest.mark.parametrize(
    ("after", "goes_on"),
    [
        (timedelta(days=7) - seconds(1), False),
        (timedelta(days=7), True),
        (timedelta(days=7) + seconds(1), True),
    ],
)
def test_without_incidents_a_stage_waits_seven_days_in_all(after: timedelta, goes_on: bool) -> None:
    record = rollout.looked(begun(), NONE, NOON + after)
    assert (stand_of(record).percent == 50) is goes_on
    if goes_on:
        assert data(record, "rollout-advanced")["why"] == "no-incidents"
    else:
        assert NOON + after < stand_of(record).look_at <= NOON + timedelta(days=7)


def test_figures_are_looked_at_each_quarter_of_an_hour_and_when_the_stage_ends() -> None:
    record, looks, now = begun(), 0, NOON
    while stand_of(record).percent == 10:
        now = stand_of(record).look_at
        assert not rollout.due(record, now - seconds(1))
        assert rollout.due(record, now)
        record, looks = rollout.looked(record, GOOD, now), looks + 1
    assert (now, looks) == (NOON + HOLD, 4 * 48)


def test_by_hand_it_goes_back_or_on_at_once() -> None:
    back = rollout.by_hand(begun(), "back", BAD, "person:ada", NOON + hours(1))
    assert (back.stable, back.stand, back.refused) == (OLD, None, NEW)
    assert (data(back, "rollout-ended")["why"], back.owed[-1].actor) == ("by-hand", "person:ada")
    on = rollout.by_hand(begun(), "on", BAD, "person:ada", NOON + hours(1))
    assert (stand_of(on).percent, stand_of(on).since) == (50, NOON + hours(1))
    done = rollout.by_hand(replace(on, owed=()), "on", GOOD, "person:ada", NOON + hours(2))
    assert (done.stable, types(done)) == (NEW, ["rollout-advanced", "rollout-ended"])
    with pytest.raises(Refused):
        rollout.by_hand(done, "on", GOOD, "person:ada", NOON)


def test_paths_are_three_keys_deep_and_items_go_by_their_names() -> None:
    def text(**more: object) -> str:
        plan: dict[str, object] = {
            "severities": {"high": {"respond_within": "15m", "steps": [{"after": "0s"}]}, "low": {}},
            "classify": [{"name": "one", "severity": "high"}, {"name": "two", "severity": "low"}],
            "contacts": {"anna": {"reach": [{"channel": "mail", "to": "anna@example.org"}]}},
            **more,
        }
        order = {key: list(value) for key, value in plan.items() if isinstance(value, dict)}
        return json.dumps({"document": plan, "order": order})

    before = rollout.leaves_of(text(), "salt")
    assert "anna@example.org" not in json.dumps(dict(before.digests))
    assert rollout.changed_paths(before, text()) == []
    cases: list[tuple[str, object, list[str]]] = [
        ("title", "x", ["title"]),
        ("contacts", {"anna": {"reach": [{"channel": "sms"}]}}, ["contacts.anna.reach"]),
        ("contacts", {}, ["contacts", "contacts.anna.reach"]),
        (
            "severities",
            {"low": {}, "high": {"respond_within": "15m", "steps": [{"after": "0s"}]}},
            ["severities.(order)"],
        ),
        (
            "classify",
            [{"name": "two", "severity": "low"}, {"name": "one", "severity": "high"}],
            ["classify.(order)"],
        ),
        (
            "classify",
            [{"name": "one", "severity": "low"}, {"name": "two", "severity": "low"}],
            ["classify.one.severity"],
        ),
    ]
    for key, value, paths in cases:
        assert rollout.changed_paths(before, text(**{key: value})) == paths


def test_more_than_a_hundred_paths_are_counted() -> None:
    many: dict[str, object] = {f"c{nth:03}": {} for nth in range(130)}
    noted = data(seen(known(), plan_of(OLD, contacts=many)), "plan-changed")
    assert (len(noted["changed"]), noted["more"]) == (100, 30)
    assert noted["changed"] == sorted(noted["changed"])


def test_a_document_too_large_to_keep_whole_is_kept_less_deep() -> None:
    def text(count: int) -> str:
        contacts = {f"c{nth}": {"a": "1", "b": "2"} for nth in range(count)}
        return json.dumps({"document": {"contacts": contacts}, "order": {}})

    assert rollout.leaves_of(text(1000), "s").depth == 3
    large = rollout.leaves_of(text(1001), "s")
    assert (large.depth, len(large.digests)) == (2, 1001)
    assert rollout.leaves_of(text(2001), "s").depth == 1
    assert rollout.changed_paths(large, text(1000)) == ["contacts.c1000"]
    assert rollout.changed_paths(rollout.leaves_of(text(1000), "s"), text(1001)) == ["contacts"]
    assert isinstance(large, Leaves)


def test_a_group_is_always_on_the_same_side_and_stays_in_as_the_share_grows() -> None:
    rules = replace(some_rules(), hash=NEW)
    groups = [f"{nth:064x}" for nth in range(4000)]
    tenth = {group for group in groups if Trial(rules, 10).takes(group)}
    half = {group for group in groups if Trial(rules, 50).takes(group)}
    assert tenth < half
    assert 320 < len(tenth) < 480
    assert 1850 < len(half) < 2150
    assert not any(Trial(rules, 0).takes(group) for group in groups)
    assert tenth != {group for group in groups if place(NEWER, group) < 10}


def test_an_alert_on_trial_keeps_its_group_and_takes_the_new_severity() -> None:
    old = replace(some_rules(a_severity("P1")), hash=OLD)
    new = replace(some_rules(a_severity("S1")), hash=NEW, default_service="other", services=())
    plan = replace(a_plan(old), trial=Trial(new, 100))
    signal, rules = classify_by(an_alert(), plan)
    assert (signal.severity, signal.service, rules) == ("S1", "other", new)
    assert signal.group == classify_by(an_alert(), replace(plan, trial=None))[0].group
    signal, rules = classify_by(an_alert(), replace(plan, trial=Trial(new, 0)))
    assert (signal.severity, rules) == ("P1", old)
