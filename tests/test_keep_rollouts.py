"""Rollouts on real storage: what is put on record, once, and which rules new incidents get meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.adapters.ruling_plans import FRESH_SECONDS, SERVED_SECONDS, RulingPlans
from shared.domain import rollout
from shared.domain.errors import Conflict, Forbidden, NotFound, Refused, StoreUnavailable
from shared.domain.journal import Entry, Journal
from shared.domain.plan import Plan
from shared.domain.response import Acknowledge, Resolve
from shared.domain.rollout import Deployment, PlanRecord
from shared.domain.schedule import Drill
from shared.domain.timeline import Text
from shared.domain.trial import Rollout
from shared.workflows.note_in_journal import note_once
from shared.workflows.respond_to_incident import Declaration
from tests.builders import NOON, an_alert, hours, minutes
from tests.keeper import Keeper
from tests.rolling import ADA, NEW, NEWER, RITA, Rolling, begun, rolling
from tests.stage import OnePlan

__all__ = ["begun", "rolling"]


def test_until_the_rollout_is_on_record_new_incidents_keep_the_stable_rules(rolling: Rolling) -> None:
    old = rolling.files.plan.rules.hash
    rolling.keep(NOON - hours(1))
    new = rolling.deploys(NEW).rules.hash
    assert rolling.ruling.get(rolling.name).trial is None
    assert rolling.ruled("early") == old
    rolling.keep()
    taken, left = rolling.on_either_side(2)
    assert [rolling.ruled(name) for name in (*taken, *left)] == [new, new, old, old]


def test_an_incident_keeps_its_rules_and_hears_its_alerts_on_whichever_side_its_group_is(
    begun: Rolling,
) -> None:
    [taken], [left] = begun.on_either_side(1)
    outcomes = {name: begun.hear(an_alert(name))[0].id for name in (taken, left)}
    begun.keeping.act(begun.name, "on", ADA, NOON + minutes(1))
    for name, incident in outcomes.items():
        before = begun.incident(incident).rules
        [again] = begun.hear(an_alert(name), at=NOON + minutes(2))
        assert (again.id, again.action) == (incident, "updated")
        assert begun.incident(incident).rules == before


def test_a_target_that_is_missed_takes_the_rules_back_and_says_why(begun: Rolling) -> None:
    new, old = begun.files.plan.rules.hash, begun.record().stable
    taken, left = begun.on_either_side(2)
    for name in taken:
        begun.hear(an_alert(name))  # nobody answers in five minutes
    for name in left:
        [outcome] = begun.hear(an_alert(name))
        assert outcome.id is not None
        begun.respond(outcome.id, Acknowledge(), NOON + minutes(1))
    begun.keep(NOON + hours(1))
    figures = begun.keeping.show(begun.name, RITA).record
    assert figures is not None
    assert figures.stand is not None
    assert (figures.stand.figures.old_incidents, figures.stand.figures.new_incidents) == (2, 2)
    begun.keep(NOON + hours(48))
    [ended] = begun.noted("rollout-ended")
    assert dict(ended.data) == {
        "from": old,
        "to": new,
        "stable": old,
        "why": "targets-missed",
        "figures": [
            {"kpi": "first_response_within_5m", "target": 90, "old": "100", "new": "0", "holds": False}
        ],
    }
    assert begun.record().refused == new
    assert {begun.ruled(f"later-{nth}", NOON + hours(49)) for nth in range(40)} == {old}


def test_targets_that_hold_bring_the_new_rules_to_all_in_the_end(begun: Rolling) -> None:
    new = begun.files.plan.rules.hash
    for stage in range(2):
        start = NOON + stage * hours(48)
        taken, _ = begun.on_either_side(1, start=stage * 4000)
        [outcome] = begun.hear(an_alert(taken[0]), at=start)
        assert outcome.id is not None
        begun.respond(outcome.id, Acknowledge(), start + minutes(1))
        begun.respond(outcome.id, Resolve(), start + minutes(2))
        begun.keep(start + hours(48))
    advanced = [(event.data["percent"], event.data["why"]) for event in begun.noted("rollout-advanced")]
    assert advanced == [(50, "targets-hold"), (100, "targets-hold")]
    assert [event.data["stable"] for event in begun.noted("rollout-ended")] == [new]
    assert begun.ruling.get(begun.name).rules.hash == new
    assert begun.keep(NOON + hours(97)) == 0


def test_what_people_declare_stays_under_the_stable_rules_and_counts_on_neither_side(begun: Rolling) -> None:
    said = Declaration(begun.name, Text("odd", "salt"), "api", "P1", "", "nonce")
    assert begun.responding.declare(said, ADA, NOON).rules == begun.record().stable
    begun.keep(NOON + minutes(15))
    stand = begun.record().stand
    assert stand is not None
    assert (stand.figures.old_incidents, stand.figures.new_incidents) == (0, 0)


def test_a_change_is_on_record_once_however_many_look_at_once(rolling: Rolling) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: rolling.keeper().keep(lambda: NOON), range(6)))
    rolling.deploys(NEW)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: rolling.keeper("dora").keep(lambda: NOON + minutes(1)), range(6)))
    rolling.keep(NOON + minutes(2))
    first, second = rolling.noted("plan-changed")
    assert (first.data["from"], first.actor) == (None, "tocsin")
    assert second.data["from"] == first.data["to"]
    assert (second.data["commit"], second.actor) == (
        "rev-7",
        f"person:{rolling.people.pseudonym('dora', '')}",
    )
    assert len(rolling.noted("rollout-started")) == 1


def test_a_crash_between_record_and_journal_loses_and_repeats_nothing(rolling: Rolling) -> None:
    plan = rolling.files.plan
    by = Deployment("rev-7", "tocsin", NOON)
    record = rollout.first_seen(plan, by, "salt", NOON)
    rolling.archive.keep(plan.rules)
    rolling.records.save(rolling.name, record, None)
    [owed] = record.owed
    later = NOON + minutes(5)
    for _ in range(2):  # the journal has it, the record does not know it yet
        note_once(
            rolling.journals, rolling.store.events, plan, owed.type, owed.data, owed.at, later, owed.actor
        )
    rolling.keep(later)
    rolling.keep(later + minutes(1))
    assert len(rolling.noted("plan-changed")) == 1
    assert rolling.record().owed == ()


def test_a_process_of_the_version_before_does_not_put_it_back(begun: Rolling) -> None:
    older = begun.keeper(files=OnePlan(replace(begun.files.plan, document='{"document": {}, "order": {}}')))
    older.since = NOON - hours(2)
    assert older.keep(lambda: NOON + minutes(1)) == 0
    assert len(begun.noted("plan-changed")) == 2


def test_the_record_comes_back_as_it_was_kept_and_conflicts_where_it_moved_on(begun: Rolling) -> None:
    found = begun.records.record(begun.name)
    assert found is not None
    record, tag = found
    changed = replace(record, refused="f" * 64, owed=(rollout.Note("x", {"a": [1, None]}, NOON, "person:p"),))
    begun.records.save(begun.name, changed, tag)
    assert begun.record() == changed
    with pytest.raises(Conflict):
        begun.records.save(begun.name, record, tag)
    with pytest.raises(Conflict):
        begun.records.save(begun.name, record, None)


def test_who_may_see_and_who_may_steer(begun: Rolling) -> None:
    with pytest.raises(Forbidden):
        begun.keeping.act(begun.name, "back", RITA, NOON)
    with pytest.raises(NotFound):
        begun.keeping.show("other", RITA)
    begun.files.plan = replace(begun.files.plan, visible_to=("ada",))
    with pytest.raises(NotFound):
        begun.keeping.show(begun.name, RITA)
    begun.keeping.act(begun.name, "back", ADA, NOON + minutes(1))
    [ended] = begun.noted("rollout-ended")
    assert (ended.data["why"], ended.actor) == ("by-hand", f"person:{begun.people.pseudonym('id-ada', '')}")
    with pytest.raises(Refused):
        begun.keeping.act(begun.name, "on", ADA, NOON + minutes(2))


def test_the_hot_path_reads_the_record_once_a_minute_and_not_for_each_alert(begun: Rolling) -> None:
    [first], _ = begun.on_either_side(1)
    begun.hear(an_alert("warm-up"))
    begun.hear(an_alert(first))
    taken, left = begun.on_either_side(2, start=5000)
    for name in (*taken, *left):
        with begun.clients.round_trips.counted() as count:
            begun.hear(an_alert(name))
        assert count[0] <= 4
        with begun.clients.round_trips.counted() as count:
            begun.hear(an_alert(name))
        assert count[0] <= 2
    [quiet], _ = begun.on_either_side(1, start=9000)
    begun.now += SERVED_SECONDS - 1  # some quiet: the first alert is served what is known
    for most in (4, 2):
        with begun.clients.round_trips.counted() as count:
            begun.hear(an_alert(quiet))
        assert count[0] <= most
    assert len(begun.aside) == 1
    with begun.clients.round_trips.counted() as count:
        begun.aside.pop()()
        begun.ruling.get(begun.name)
    assert count[0] == 1


@pytest.mark.parametrize(("quiet", "percent"), [(-1, 10), (0, 50), (1, 50)])
def test_what_another_process_did_is_served_after_three_minutes_at_the_latest(
    begun: Rolling, quiet: int, percent: int
) -> None:
    def served() -> int:
        trial = begun.ruling.get(begun.name).trial
        assert trial is not None
        return trial.percent

    assert served() == 10
    other = begun.keeper()
    other.news = lambda _plan: None
    other.act(begun.name, "on", ADA, NOON + minutes(1))
    begun.now += SERVED_SECONDS + quiet
    assert served() == percent
    for job in begun.aside:
        job()
    assert served() == 50


def test_what_was_asked_for_before_the_news_is_not_kept(begun: Rolling) -> None:
    begun.ruling.get(begun.name)
    begun.now += FRESH_SECONDS
    begun.ruling.get(begun.name)
    [job] = begun.aside
    before, records = begun.record(), begun.records

    class Late:
        """Read before the news, answered after."""

        def record(self, plan: str) -> tuple[PlanRecord, str] | None:
            begun.keeping.act(plan, "on", ADA, NOON + minutes(1))
            return before, "tag"

        def save(self, plan: str, record: PlanRecord, tag: str | None) -> str:
            return records.save(plan, record, tag)

    begun.ruling._records = Late()  # noqa: SLF001
    job()
    begun.ruling._records = records  # noqa: SLF001
    trial = begun.ruling.get(begun.name).trial
    assert trial is not None
    assert trial.percent == 50


class Silent:
    """Records that cannot be read."""

    def record(self, plan: str) -> tuple[PlanRecord, str] | None:
        raise StoreUnavailable(plan)

    def save(self, plan: str, record: PlanRecord, tag: str | None) -> str:  # noqa: ARG002
        raise StoreUnavailable(plan)


def test_where_the_record_cannot_be_read_the_last_known_rules_and_else_nothing(begun: Rolling) -> None:
    blind = RulingPlans(begun.files, Silent(), begun.archive)
    with pytest.raises(StoreUnavailable):
        blind.get(begun.name)
    assert [plan.name for plan in blind.all()] == [begun.name]
    old = begun.record().stable
    assert begun.ruling.get(begun.name).rules.hash == old
    begun.ruling._records = Silent()  # noqa: SLF001
    begun.now += FRESH_SECONDS
    assert begun.ruling.get(begun.name).rules.hash == old
    begun.aside.pop()()
    begun.now += SERVED_SECONDS
    assert begun.ruling.get(begun.name).rules.hash == old


def test_a_plan_without_a_rollout_is_not_read_for(rolling: Rolling) -> None:
    rolling.files.plan = replace(rolling.files.plan, rollout=None)
    assert RulingPlans(rolling.files, Silent(), rolling.archive).get(rolling.name) is rolling.files.plan


def test_signals_of_either_version_never_share_a_commit(begun: Rolling) -> None:
    begun.deploys(NEWER)
    begun.keep(NOON + minutes(1))
    [name], _ = begun.on_either_side(1)
    stable = begun.ruling.get(begun.name)

    def hear(_: int) -> str | None:
        return begun.receive.receive(begun.name, "generic", {}, b"{}", NOON)[0].id

    begun.source.alerts = [an_alert(name)]
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(hear, range(16)))
    [incident] = ids
    assert stable.trial is not None
    assert begun.incident(incident).severity == "S1"
    assert begun.incident(incident).alert_count == 16


def test_a_drill_of_a_severity_that_only_the_new_rules_have_is_missed(storage: str) -> None:
    with Keeper(storage) as keeper:
        odd = Drill("odd", "", 0, 2, 12 * 60 + 30, "api", "P9")
        keeper.has(drills=(odd, replace(odd, name="even", severity="P1")), rollout=Rollout())
        keeper.keep(NOON)
        keeper.keep(NOON + minutes(30))
        assert [each["drill"] for each in keeper.noted("drill-missed")] == ["odd"]
        assert [each["drill"] for each in keeper.noted("drill-opened")] == ["even"]


def test_one_plan_that_fails_stops_no_other(rolling: Rolling) -> None:
    good = rolling.files.plan
    bad = replace(good, name=f"{rolling.name}-bad", document="no document")

    class Two(OnePlan):
        def all(self) -> list[Plan]:
            return [bad, good]

    with pytest.raises(ExceptionGroup, match="1 of 2 plans"):
        rolling.keeper(files=Two(good)).keep(lambda: NOON)
    assert rolling.record().stable == good.rules.hash


def test_who_steers_is_not_told_off_because_the_timer_tidied_up_meanwhile(begun: Rolling) -> None:
    journals, timer = begun.journals, begun.keeper()

    class Slow:
        """The journal, into which the timer runs as soon as something is written."""

        def journal(self, empty: Journal) -> tuple[Journal, str | None]:
            return journals.journal(empty)

        def append(self, before: Journal, tag: str | None, entry: Entry) -> None:
            journals.append(before, tag, entry)
            timer.keep(lambda: NOON + minutes(2))

    begun.keeping.journals = Slow()
    shown = begun.keeping.act(begun.name, "back", ADA, NOON + minutes(1))
    assert shown.record is not None
    assert shown.record.stand is None
    assert begun.record().owed == ()
    assert len(begun.noted("rollout-ended")) == 1
