"""The store: all of a change or none, once, whoever else writes and whatever becomes of the answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.domain.alert import Alert
from shared.domain.classification import classify
from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.incident import Head, partition_of
from shared.domain.intake import Received, receive
from shared.domain.response import Acknowledge
from shared.domain.timeline import first_break
from shared.ports import Place, Stored
from tests.builders import NOON, an_alert, minutes, seconds
from tests.faulty_storage import AFTERWARDS, Call, FaultyStorage, Kind, When
from tests.stage import Stage

LATE_FAULTS: list[Kind] = sorted(AFTERWARDS - {"late stall"})


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


@pytest.fixture
def faulty(storage: str) -> Iterator[FaultyStorage]:
    with FaultyStorage(storage) as faulty:
        yield faulty


@pytest.fixture
def shaky(faulty: FaultyStorage) -> Iterator[Stage]:
    """A stage on storage that fails when it is told to."""
    with Stage(faulty.connection_string) as stage:
        yield stage
        faulty.heal()


def test_of_two_who_open_the_same_incident_one_wins_and_the_other_is_told(stage: Stage) -> None:
    first, second = received(stage, an_alert()), received(stage, an_alert())
    save(stage, *first)

    with pytest.raises(Conflict):
        save(stage, *second)
    place = stage.store.place(first[0].slot.group)
    assert place.newest is not None
    assert stage.types(place.newest.incident.id).count("opened") == 1


def test_of_two_who_change_the_same_incident_one_wins_and_nothing_of_the_other_is_kept(stage: Stage) -> None:
    incident = stage.opened()
    alice, bob = received(stage, an_alert(identity="a")), received(stage, an_alert(identity="b"))
    save(stage, *alice)

    with pytest.raises(Conflict):
        save(stage, *bob)
    assert stage.incident(incident).alert_count == 2
    assert len(stage.store.alerts(stage.incident(incident))) == 2
    assert first_break(stage.events(incident)) is None


def test_processes_that_hear_the_same_alert_at_once_count_all_of_it(storage: str) -> None:
    with Stage(storage) as one, Stage(storage) as other:
        other.plans.plan = one.plans.plan
        other.name = one.name
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda each: [each.hear(an_alert()) for _ in range(12)], (one, other)))

        [place] = [one.store.place(received(one, an_alert())[0].slot.group)]
        assert place.newest is not None
        assert place.newest.incident.alert_count == 24
        assert first_break(one.events(place.newest.incident.id)) is None


@pytest.mark.parametrize("kind", LATE_FAULTS)
@pytest.mark.parametrize("exhausted", [False, True], ids=["tried again", "given up"])
def test_an_opening_whose_answer_got_lost_is_applied_once(
    faulty: FaultyStorage, shaky: Stage, kind: Kind, exhausted: bool
) -> None:
    lose_the_answer(faulty, kind, exhausted)
    [outcome] = shaky.hear(an_alert())

    assert outcome.action == "opened"
    assert shaky.incident(outcome.id).alert_count == 1
    assert shaky.types(str(outcome.id)).count("opened") == 1


@pytest.mark.parametrize("kind", LATE_FAULTS)
@pytest.mark.parametrize("exhausted", [False, True], ids=["tried again", "given up"])
def test_an_update_whose_answer_got_lost_is_applied_once(
    faulty: FaultyStorage, shaky: Stage, kind: Kind, exhausted: bool
) -> None:
    incident = shaky.opened()
    lose_the_answer(faulty, kind, exhausted)
    shaky.hear(an_alert())

    assert shaky.incident(incident).alert_count == 2
    assert first_break(shaky.events(incident)) is None


@pytest.mark.parametrize("kind", LATE_FAULTS)
def test_a_command_whose_answer_got_lost_is_applied_once(
    faulty: FaultyStorage, shaky: Stage, kind: Kind
) -> None:
    incident = shaky.opened()
    lose_the_answer(faulty, kind, exhausted=True)
    shaky.respond(incident, Acknowledge(), at=NOON + minutes(1))

    assert shaky.types(incident).count("acknowledged") == 1


@pytest.mark.parametrize("kind", LATE_FAULTS)
def test_every_claim_and_outcome_whose_answer_got_lost_is_known_again(
    faulty: FaultyStorage, shaky: Stage, kind: Kind
) -> None:
    incident = shaky.opened()
    for _ in range(3):
        lose_the_answer(faulty, kind, exhausted=True)
    shaky.advance(incident)

    assert shaky.told() == ["oncall"]
    [delivery] = shaky.store.deliveries(shaky.incident(incident))
    assert (delivery.state, delivery.claims) == ("accepted", 1)
    assert shaky.types(incident).count("delivered") == 1


@pytest.mark.parametrize("kind", LATE_FAULTS)
def test_a_journal_entry_whose_answer_got_lost_is_written_once(
    faulty: FaultyStorage, shaky: Stage, kind: Kind
) -> None:
    for nth in range(2):
        lose_the_answer(faulty, kind, exhausted=True, table="Journal")
        shaky.hear(an_alert(firing=False, at=NOON + seconds(nth)))

    assert len(shaky.journal_events()) == 2


def test_a_head_whose_answer_got_lost_is_remembered_once(faulty: FaultyStorage, shaky: Stage) -> None:
    lose_the_answer(faulty, "lost", exhausted=False)
    shaky.hear(an_alert(firing=False))

    assert shaky.hear(an_alert())[0].action == "ignored"


def test_what_storage_did_not_keep_is_said_to_be_lost_and_leaves_nothing(
    faulty: FaultyStorage, shaky: Stage
) -> None:
    incident = shaky.opened()
    faulty.order("503", transaction_in("Incidents"), for_good=True)
    with pytest.raises(StoreUnavailable):
        shaky.hear(an_alert())

    assert shaky.incident(incident).alert_count == 1


def test_groups_that_collide_in_one_partition_are_told_apart(stage: Stage) -> None:
    group = received(stage, an_alert())[0].slot.group
    stage.store.save_head(partition_of(group), Head("f" * 64), None)
    [first], [second] = stage.hear(an_alert()), stage.hear(an_alert())

    assert (first.action, second.action) == ("opened", "updated")
    assert str(first.id).split("-")[1] == partition_of(group, 1)


def test_a_group_that_loses_its_partition_while_it_opens_takes_the_next(stage: Stage) -> None:
    place, opening = received(stage, an_alert())
    stage.store.save_head(place.slot.partition, Head("f" * 64), None)

    with pytest.raises(Conflict):
        save(stage, place, opening)
    [outcome] = stage.hear(an_alert())
    assert str(outcome.id).split("-")[1] == partition_of(place.slot.group, 1)


def test_a_large_group_is_split_into_transactions_that_the_service_takes(
    faulty: FaultyStorage, shaky: Stage
) -> None:
    outcomes = shaky.hear(*group_of(230))

    assert [outcome.action for outcome in outcomes] == ["opened"]
    incident = shaky.incident(outcomes[0].id)
    assert (incident.alert_count, incident.firing) == (230, 230)
    assert len(shaky.store.alerts(incident)) == 230
    assert_taken_by_the_service(faulty.calls)


def test_a_group_that_was_half_stored_is_made_whole_by_the_sender_s_next_try(
    faulty: FaultyStorage, shaky: Stage
) -> None:
    second_half = transaction_in("Incidents", replacing=True)
    faulty.order("503", second_half, for_good=True)
    with pytest.raises(StoreUnavailable):
        shaky.hear(*group_of(80))
    place = shaky.store.place(received(shaky, *group_of(1))[0].slot.group)
    assert place.newest is not None
    assert 0 < place.newest.incident.firing < 80
    [outcome] = shaky.hear(*group_of(80))

    assert outcome.id == place.newest.incident.id
    assert len(shaky.store.alerts(shaky.incident(outcome.id))) == 80
    counts = Counter(state.count for state in shaky.incident(outcome.id).alerts.values())
    assert set(counts) <= {1, 2}
    assert first_break(shaky.events(str(outcome.id))) is None


def test_alerts_as_large_as_they_come_are_cut_and_kept(faulty: FaultyStorage, shaky: Stage) -> None:
    hostile = {f"{nth}{'é' * 300}": '"' * 8_000 for nth in range(20)}
    alerts = [replace(alert, labels=hostile, annotations=hostile) for alert in group_of(40)]
    [outcome] = shaky.hear(*alerts)

    assert len(shaky.store.alerts(shaky.incident(outcome.id))) == 40
    assert_taken_by_the_service(faulty.calls)


@pytest.mark.parametrize("character", ["\u0001", "語", '"'])
def test_texts_as_hostile_as_they_come_open_an_incident(
    faulty: FaultyStorage, shaky: Stage, character: str
) -> None:
    long = character * 8_000
    alert = replace(an_alert(summary=long), name=character * 1_000, url=f"https://a.example/{long[:7_000]}")
    [outcome] = shaky.hear(alert)
    shaky.advance(outcome.id)

    assert shaky.told() == ["oncall"]
    assert_taken_by_the_service(faulty.calls)


def test_thousands_of_occurrences_of_one_alert_in_one_call_are_all_counted(
    faulty: FaultyStorage, shaky: Stage
) -> None:
    occurrences = [an_alert(at=NOON + seconds(nth)) for nth in range(2_500)]
    [outcome] = shaky.hear(*occurrences)

    assert shaky.incident(outcome.id).alert_count == 2_500
    assert_taken_by_the_service(faulty.calls)


def test_thousands_of_early_resolutions_in_one_call_are_all_noted(
    faulty: FaultyStorage, shaky: Stage
) -> None:
    shaky.hear(*(replace(alert, firing=False) for alert in group_of(1_500)))

    noted = [entry for event in shaky.journal_events() for entry in event.data["alerts"]]
    assert len(noted) == 1_500
    assert_taken_by_the_service(faulty.calls)


def test_many_groups_that_note_at_once_all_reach_the_journal(stage: Stage) -> None:
    early = [an_alert(f"Alert{nth}", firing=False) for nth in range(48)]

    def hear(alert: Alert) -> None:
        signals = [classify(alert, stage.plans.plan.rules)]
        stage.receive._submit(stage.plans.plan, signals[0].group, signals, NOON)  # noqa: SLF001  (no parsing)

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(hear, early))

    noted = [entry["fingerprint"] for event in stage.journal_events() for entry in event.data["alerts"]]
    assert sorted(noted) == sorted(alert.fingerprint for alert in early)


def test_a_timeline_longer_than_a_page_comes_whole_and_in_order(stage: Stage) -> None:
    incident = stage.opened()
    rows = [
        {"PartitionKey": incident.split("-")[1], "RowKey": f"e|0000001|{seq:08d}", **EMPTY_EVENT, "seq": seq}
        for seq in range(10, 1_310)
    ]
    for at in range(0, len(rows), 100):
        stage.store.table.submit_transaction([("create", row) for row in rows[at : at + 100]])

    numbers = [event.seq for event in stage.events(incident)]
    assert numbers == sorted(numbers)
    assert numbers[-1_300:] == list(range(10, 1_310))


def test_a_page_that_is_empty_is_not_the_end(faulty: FaultyStorage, shaky: Stage) -> None:
    incident = shaky.opened()
    faulty.order("empty page", lambda call: call.method == "GET" and "Incidents" in call.path)
    [outcome] = shaky.hear(an_alert())

    assert (outcome.action, outcome.id) == ("updated", incident)


EMPTY_EVENT = {
    "subject": "INC-0-1",
    "type": "noted",
    "occurred_at": "2026-11-18T12:00:00.000000Z",
    "recorded_at": "2026-11-18T12:00:00.000000Z",
    "actor": "tocsin",
    "data": "{}",
    "previous": "",
    "hash": "",
}


def group_of(count: int) -> list[Alert]:
    return [an_alert(identity=f"host-{nth}", group="hosts") for nth in range(count)]


def received(stage: Stage, *alerts: Alert) -> tuple[Place, Received]:
    """What intake makes of the alerts as things stand; nothing is stored."""
    plan = stage.plans.plan
    stage.archive.keep(plan.rules)
    signals = [classify(alert, plan.rules) for alert in alerts]
    place = stage.store.place(signals[0].group.digest)
    return place, receive(place.slot, signals, plan.rules, plan.rules, plan.directory, NOON)


def save(stage: Stage, place: Place, what: Received) -> Stored:
    assert what.change is not None
    return stage.store.save(what.change, place.newest, place.head_tag)[0]


def transaction_in(table: str, *, replacing: bool = False) -> When:
    marks = (f"/{table}", "If-Match") if replacing else (f"/{table}",)
    return lambda call: call.path.endswith("$batch") and all(call.names(mark) for mark in marks)


def lose_the_answer(faulty: FaultyStorage, kind: Kind, exhausted: bool, table: str = "Incidents") -> None:
    """The next transaction is done and its answer lost; exhausted: so is that of every further try."""
    faulty.order(kind, transaction_in(table), for_good=exhausted)


def assert_taken_by_the_service(calls: list[Call]) -> None:
    """No transaction over 100 operations or 4 MiB."""
    for call in calls:
        assert len(call.body) <= 4 * 1024 * 1024
        assert len(re.findall(rb"^(?:POST|PUT|PATCH|MERGE|DELETE) ", call.body, re.MULTILINE)) <= 100
