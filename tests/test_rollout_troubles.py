"""Rollouts that meet old processes, rules that cannot rule, people who are gone, and two hands at once."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from shared.adapters.entity_groups import put, submit
from shared.domain.classification import classify
from shared.domain.errors import Refused, StoreUnavailable
from shared.domain.journal import Entry, Journal
from shared.domain.out_of_reach import out_of_reach
from shared.domain.plan import Contact, Declaration, Reach, Role, Rules, document_hash
from shared.domain.response import Resolve
from shared.domain.rollout import PlanRecord
from shared.domain.trial import place
from tests.builders import NOON, a_plan, a_severity, an_alert, hours, minutes, seconds, some_rules
from tests.rolling import ADA, NEW, Rolling, begun, rolling
from tests.stage import OnePlan

__all__ = ["begun", "rolling"]


def filed(rolling: Rolling) -> str:
    return rolling.files.plan.rules.hash


def whys(rolling: Rolling) -> list[str]:
    return [event.data["why"] for event in rolling.noted("rollout-ended")]


def test_a_process_is_as_old_as_its_files_however_late_it_first_has_the_timer(rolling: Rolling) -> None:
    idle = rolling.keeper(files=OnePlan(rolling.files.plan))
    idle.since, idle.age = None, lambda: hours(3)
    rolling.keep(NOON - hours(1))
    new = rolling.deploys(NEW).rules.hash
    rolling.keep()
    assert idle.keep(lambda: NOON + minutes(5)) == 0
    assert idle.since == NOON + minutes(5) - hours(3)
    stand = rolling.record().stand
    assert stand is not None
    assert (rolling.record().rules, stand.rules, whys(rolling)) == (new, new, [])


def frozen_by_a_newer_tocsin(rolling: Rolling) -> str:
    """The hash of rules in the archive that this version cannot read."""
    text = json.dumps({**json.loads(rolling.files.plan.rules.text), "telepathy": {}}, sort_keys=True)
    hash = document_hash(text)
    submit(rolling.archive.table, [put({"PartitionKey": hash, "RowKey": "rules", "text0": text})])
    return hash


def rewrites(rolling: Rolling, **changes: str) -> None:
    found = rolling.records.record(rolling.name)
    assert found is not None
    rolling.records.save(rolling.name, replace(found[0], **changes), found[1])  # type: ignore[arg-type]
    rolling.ruling.forget(rolling.name)


def test_rules_that_a_newer_tocsin_froze_stop_nothing_and_the_same_file_rules_on_without_a_rollout(
    rolling: Rolling, caplog: pytest.LogCaptureFixture
) -> None:
    rolling.keep(NOON - hours(1))
    hash = rolling.files.plan.rules.hash
    other = frozen_by_a_newer_tocsin(rolling)
    rewrites(rolling, stable=other, rules=other)
    with caplog.at_level(logging.ERROR):
        assert [plan.rules.hash for plan in rolling.ruling.all()] == [hash]
        assert rolling.ruled("meanwhile") == hash
    assert len([line for line in caplog.messages if "telepathy" in line]) == 1
    rolling.keep()
    record = rolling.record()
    assert (record.stable, record.rules, record.stand, whys(rolling)) == (hash, hash, None, [])
    assert rolling.ruled("later") == hash


def test_rules_of_a_rollout_that_this_version_cannot_read_end_it(begun: Rolling) -> None:
    new = begun.files.plan.rules.hash
    rewrites(begun, stable=frozen_by_a_newer_tocsin(begun))
    begun.keep(NOON + minutes(1))
    assert (begun.record().stable, begun.record().stand, whys(begun)) == (new, None, ["unservable"])


def test_stable_rules_whose_text_is_lost_stop_no_alert_and_the_new_rule_all(begun: Rolling) -> None:
    old, new = begun.record().stable, begun.files.plan.rules.hash
    begun.archive.table.delete_entity(old, "rules")
    begun.archive._seen.clear()  # noqa: SLF001
    begun.ruling.forget(begun.name)
    assert {begun.ruled(f"early-{nth}") for nth in range(9)} == {new}
    begun.keep(NOON + minutes(1))
    assert (begun.record().stable, begun.record().stand, whys(begun)) == (new, None, ["unservable"])
    with pytest.raises(Refused):
        begun.keeping.act(begun.name, "on", ADA, NOON + minutes(2))


def test_a_store_that_does_not_answer_for_the_rules_ends_no_rollout(begun: Rolling) -> None:
    class Away:
        def keep(self, rules: Rules) -> None:
            """Nothing to do."""

        def get(self, hash: str) -> Rules:
            raise StoreUnavailable(hash)

    begun.keeping.rules = Away()
    with pytest.raises(ExceptionGroup):
        begun.keeping.keep(lambda: NOON + minutes(1))
    begun.ruling._rules = Away()  # noqa: SLF001
    with pytest.raises(StoreUnavailable):
        begun.ruling.get(begun.name)
    assert begun.record().stand is not None


def paging(name: str) -> Rules:
    """Rules that page one contact."""
    rules = some_rules()
    return replace(
        rules,
        alarm=(),
        severities=tuple(
            replace(row, steps=tuple(replace(step, notify=(name,)) for step in row.steps))
            for row in rules.severities
        ),
    )


def test_people_whom_the_new_file_has_dropped_take_the_stable_rules_with_them(
    rolling: Rolling, caplog: pytest.LogCaptureFixture
) -> None:
    rolling.deploys(paging("oncall"))
    rolling.keep(NOON - hours(1))
    directory = rolling.files.plan.directory
    bo = replace(directory.contacts["oncall"], name="bo")
    new = rolling.deploys(paging("bo"), directory=replace(directory, contacts={"bo": bo})).rules.hash
    rolling.ruling.forget(rolling.name)
    assert {rolling.ruled(f"early-{nth}") for nth in range(9)} == {new}  # before it is on record
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        rolling.keep()
    assert (rolling.record().stable, rolling.record().stand, whys(rolling)) == (new, None, ["unservable"])
    assert any("no way any more to oncall" in line for line in caplog.messages)
    [outcome] = rolling.hear(an_alert("later"))
    assert outcome.id is not None
    rolling.advance(outcome.id)
    assert "contact-missing" not in [event.type for event in rolling.events(outcome.id)]


def test_people_who_go_in_the_middle_of_a_rollout_end_it_and_refused_rules_rule_then(begun: Rolling) -> None:
    begun.keeping.act(begun.name, "back", ADA, NOON + minutes(1))
    assert begun.record().refused == filed(begun)
    directory = begun.files.plan.directory
    begun.files.plan = replace(begun.files.plan, directory=replace(directory, contacts={}))
    begun.keep(NOON + minutes(2))
    assert (begun.record().stable, begun.record().refused) == (filed(begun), None)
    assert whys(begun) == ["by-hand", "unservable"]


def test_who_has_no_way_left_is_as_gone_as_who_is_not_named() -> None:
    rules = replace(paging("sre"), roles=(Role("sre", "", "oncall", "lead"),))
    directory = a_plan(rules).directory
    lead = Contact("lead", reach=(Reach("log", severities=("sev1",)),))
    assert out_of_reach(rules, directory) == []
    known = {**directory.contacts, "lead": lead}
    assert out_of_reach(rules, replace(directory, contacts=known)) == ["lead"]
    known["lead"] = replace(lead, reach=(*lead.reach, Reach("log", severities=("P1",))))
    assert out_of_reach(rules, replace(directory, contacts=known)) == []
    assert out_of_reach(rules, replace(directory, contacts={})) == ["lead", "oncall"]


@pytest.mark.parametrize("action", ["on", "back"])
def test_of_two_who_steer_at_once_one_is_told_that_it_has_moved_on(
    begun: Rolling, action: Literal["on", "back"]
) -> None:
    meet = threading.Barrier(2)

    class Together:
        """Records that both have read before either writes."""

        def __init__(self) -> None:
            self.first = True

        def record(self, plan: str) -> tuple[PlanRecord, str] | None:
            found = begun.records.record(plan)
            if self.first:
                self.first = False
                meet.wait(30)
            return found

        def save(self, plan: str, record: PlanRecord, tag: str | None) -> str:
            return begun.records.save(plan, record, tag)

    keepers = [begun.keeper(), begun.keeper()]

    def steers(nth: int) -> bool:
        keepers[nth].records = Together()
        try:
            keepers[nth].act(begun.name, action, ADA, NOON + minutes(1))
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(steers, range(2))) == [False, True]
    stand = begun.record().stand
    assert (stand.percent if stand else None) == (50 if action == "on" else None)


def test_who_names_the_stage_that_he_leaves_leaves_no_other(begun: Rolling) -> None:
    begun.keeping.act(begun.name, "on", ADA, NOON + minutes(1), percent=10)
    with pytest.raises(Refused, match="at 50 % and not at 10 %"):  # the answer was lost, and he tries again
        begun.keeping.act(begun.name, "on", ADA, NOON + minutes(2), percent=10)
    with pytest.raises(Refused):
        begun.keeping.act(begun.name, "back", ADA, NOON + minutes(2), percent=10)
    begun.keeping.act(begun.name, "on", ADA, NOON + minutes(3), percent=50)
    assert begun.record().stand is None


def test_who_steers_is_answered_although_the_journal_has_to_wait(begun: Rolling) -> None:
    class Away:
        def journal(self, empty: Journal) -> tuple[Journal, str | None]:
            raise StoreUnavailable(empty.id)

        def append(self, before: Journal, tag: str | None, entry: Entry) -> None:
            raise StoreUnavailable(str((before, tag, entry)))

    journals, begun.keeping.journals = begun.keeping.journals, Away()
    shown = begun.keeping.act(begun.name, "on", ADA, NOON + minutes(1)).record
    assert shown is not None
    assert shown.stand is not None
    assert (shown.stand.percent, begun.noted("rollout-advanced")) == (50, [])
    begun.keeping.journals = journals
    begun.keep(NOON + minutes(2))
    assert [event.actor for event in begun.noted("rollout-advanced")] == [
        f"person:{begun.people.pseudonym(ADA.id, '')}"
    ]


def test_an_open_incident_grows_louder_by_its_own_rules_on_either_side_and_after_going_back(
    rolling: Rolling,
) -> None:
    def rules(high: str, low: str) -> Rules:
        return some_rules(a_severity(high), a_severity(low))

    rolling.deploys(rules("high", "low"))
    rolling.keep(NOON - hours(1))
    new, stable = rolling.deploys(rules("sev1", "sev3")).rules.hash, rolling.ruling.get(rolling.name).rules
    places = {
        f"alert-{nth}": place(new, classify(an_alert(f"alert-{nth}"), stable).group.digest)
        for nth in range(500)
    }
    taken = next(name for name, its in places.items() if its < 10)
    left = next(name for name, its in places.items() if its >= 10)
    opened = {name: rolling.hear(an_alert(name, severity=None))[0].id for name in (taken, left)}
    rolling.keep()
    for name in (taken, left):
        assert opened[name]
        [louder] = rolling.hear(an_alert(name, severity="high", identity="b"), at=NOON + minutes(1))
        assert (louder.id, louder.severity) == (opened[name], "high")
    [taken], _ = rolling.on_either_side(1, start=600)
    [fresh] = rolling.hear(an_alert(taken, severity=None), at=NOON + minutes(2))
    assert fresh.severity == "sev3"
    assert fresh.id is not None
    rolling.keeping.act(rolling.name, "back", ADA, NOON + minutes(3))
    [louder] = rolling.hear(an_alert(taken, severity="sev1", identity="b"), at=NOON + minutes(4))
    assert (louder.id, louder.severity) == (fresh.id, "sev1")
    raised = [event.data for event in rolling.events(fresh.id) if event.type == "severity-raised"]
    assert [(each["to"], each["rule"]) for each in raised] == [
        ("sev1", "the source names a severity of the plan")
    ]


@pytest.mark.parametrize(
    ("after", "severity"), [(minutes(10) - seconds(1), "high"), (minutes(10), "sev1"), (hours(1), "sev1")]
)
def test_an_incident_that_begins_again_does_so_by_its_own_rules_and_the_next_opens_by_todays(
    rolling: Rolling, after: timedelta, severity: str
) -> None:
    def rules(high: str, low: str) -> Rules:
        return some_rules(a_severity(high), a_severity(low), reopen_within=minutes(10))

    rolling.deploys(rules("high", "low"), rollout=None)
    [opened] = rolling.hear(an_alert("x", severity=None))
    assert opened.id is not None
    rolling.respond(opened.id, Resolve(), NOON)
    rolling.deploys(rules("sev1", "sev3"))
    louder = "high" if severity == "high" else "sev1"
    [again] = rolling.hear(an_alert("x", severity=louder, identity="b", at=NOON + after), at=NOON + after)
    assert (again.severity, again.id == opened.id) == (severity, severity == "high")


@pytest.mark.parametrize(
    ("waits", "status", "severity"), [(True, "pending", "sev1"), (False, "open", "high")]
)
def test_whether_an_incident_begins_again_is_todays_rules_question_and_how_loud_its_own(
    rolling: Rolling, waits: bool, status: str, severity: str
) -> None:
    def rules(high: str, low: str, *, waiting: bool) -> Rules:
        declare = (Declaration("not at once", minutes(5)),) if waiting else ()
        return replace(some_rules(a_severity(high), a_severity(low)), declare=declare)

    rolling.deploys(rules("high", "low", waiting=not waits), rollout=None)
    [opened] = rolling.hear(an_alert("x", at=NOON - minutes(5)))
    assert opened.id is not None
    rolling.respond(opened.id, Resolve(), NOON)
    rolling.deploys(rules("sev1", "sev3", waiting=waits))
    late = NOON + minutes(1)
    rolling.hear(an_alert("x", at=late, severity="sev1" if waits else "high"), at=late)
    newest = rolling.store.place(rolling.incident(opened.id).group).newest
    assert newest is not None
    assert (newest.incident.status, newest.incident.severity) == (status, severity)
    assert (newest.incident.id == opened.id) is not waits
