"""What was kept long enough goes, whole and on record; what is held, unfinished or not exported stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.deadline_index import shard_of
from shared.domain import retention
from shared.domain.errors import NotFound, Refused, StoreUnavailable
from shared.domain.plan import Declaration
from shared.domain.response import Note
from shared.domain.timeline import Text, first_break
from shared.workflows import purge
from tests.builders import NOON, an_alert, hours, minutes
from tests.keeping import ADA, DAY, END, INCIDENTS, TEXTS, TEXTS_END, Keeping, keeping

__all__ = ["keeping"]
MOMENT = timedelta(microseconds=1)


def test_texts_go_at_the_end_of_their_window_and_nothing_else_does(keeping: Keeping) -> None:
    incident = keeping.over()
    before = keeping.rows(incident)
    events = keeping.events(incident)
    assert keeping.purge(TEXTS_END - MOMENT) == 0
    assert keeping.rows(incident) == before
    assert keeping.purge(TEXTS_END) == 1

    [noted_at] = [event.seq for event in events if event.type == "noted"]
    gone = [key for key in before if key not in keeping.rows(incident)]
    assert gone == [f"t|0000001|{noted_at:08d}"]
    assert keeping.events(incident) == events
    [noted] = keeping.noted("purged", TEXTS_END)
    assert noted.actor == "tocsin"
    assert noted.data == {
        "what": "texts",
        "incident": incident,
        "resolved_at": "2026-11-18T12:30:00.000000Z",
        "keep_days": 90,
        "events": 0,
        "texts": 1,
        "deliveries": 0,
        "alerts": 0,
        "length": len(events),
        "head": events[-1].hash,
    }
    assert keeping.purge(TEXTS_END + MOMENT) == 0
    assert keeping.purge(TEXTS_END + DAY) == 0


def test_an_incident_goes_whole_at_the_end_of_its_window(keeping: Keeping) -> None:
    incident = keeping.over()
    length = len(keeping.events(incident))
    keeping.keeps(None, INCIDENTS)
    assert keeping.purge(END - MOMENT) == 0
    assert keeping.rows(incident) != []
    assert keeping.purge(END) >= 1

    assert keeping.rows(incident) == []
    assert keeping.hints(incident) == []
    with pytest.raises(NotFound):
        keeping.store.load(incident)
    [noted] = [each for each in keeping.noted("purged", END) if each.data["what"] == "incident"]
    assert noted.data["incident"] == incident
    assert (noted.data["events"], noted.data["length"]) == (length, length)
    assert (noted.data["texts"], noted.data["alerts"], noted.data["keep_days"]) == (1, 1, 400)
    assert noted.data["deliveries"] >= 1
    assert keeping.purge(END + DAY) == 0
    assert purge.purged_weeks(keeping.ledger, keeping.name) == {"2026-W47"}


def test_an_id_is_never_used_again(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.purge(END)
    [again] = keeping.hear(an_alert(at=END + hours(1)), at=END + hours(1))
    assert again.action == "opened"
    assert again.id == incident.removesuffix("1") + "2"


def test_what_is_not_in_a_complete_bundle_stays(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.exports.blobs = {name.replace("r1", "provisional-1"): b"" for name in keeping.exports.blobs}
    keeping.keeps(None, INCIDENTS)
    assert keeping.purge(END) == 0
    assert keeping.rows(incident) != []
    keeping.exported()
    assert keeping.purge(END) >= 1
    assert keeping.rows(incident) == []


def test_an_incident_of_two_weeks_waits_for_both_bundles(keeping: Keeping) -> None:
    [opened] = keeping.hear(an_alert())
    assert opened.id is not None
    for at in (timedelta(0), 5 * DAY, 5 * DAY + minutes(1)):
        keeping.advance(opened.id, NOON + at)
    done = NOON + 6 * DAY
    keeping.hear(an_alert(firing=False, ended_at=done), at=done)
    for at in (minutes(1), minutes(40)):
        keeping.advance(opened.id, done + at)
    keeping.purge(done + INCIDENTS * DAY)
    assert keeping.rows(opened.id) != []
    keeping.exported("2026-W48")
    keeping.purge(done + INCIDENTS * DAY)
    assert keeping.rows(opened.id) == []
    assert keeping.hints(opened.id) == []


def test_what_is_open_or_still_owes_something_stays(keeping: Keeping) -> None:
    opened = keeping.opened()
    assert keeping.purge(END) == 0
    assert keeping.incident(opened).status == "open"


def test_a_journal_goes_with_its_day_and_is_on_record(keeping: Keeping) -> None:
    keeping.over()
    keeping.holding.place(keeping.name, None, "CASE-1", ADA, NOON)
    [hold] = keeping.holding.all(keeping.name, ADA)[1]
    keeping.holding.release(keeping.name, hold.id, ADA, NOON)
    journal = f"JRN-{keeping.name}-20261118-0"
    keeping.keeps(None, INCIDENTS)
    ends = NOON.replace(hour=0) + DAY + INCIDENTS * DAY
    keeping.purge(ends - MOMENT)
    assert len(list(keeping.store.events(journal))) == 2
    keeping.purge(ends)
    assert list(keeping.store.events(journal)) == []
    assert keeping.hints(journal) == []
    [noted] = [each for each in keeping.noted("purged", ends) if each.data["what"] == "journal"]
    assert (noted.data["incident"], noted.data["events"]) == (journal, 2)


def test_what_is_held_stays_until_it_is_released(keeping: Keeping) -> None:
    held, free = keeping.over("Held"), keeping.over("Free")
    hold = keeping.holding.place(keeping.name, held.lower(), "CASE-7", ADA, NOON)
    keeping.purge(END)
    assert (keeping.rows(held) != [], keeping.rows(free)) == (True, [])
    assert keeping.holding.held(keeping.plan, held) == "CASE-7"
    assert keeping.holding.held(keeping.plan, None) is None
    keeping.holding.release(keeping.name, hold.id, ADA, END)
    assert keeping.holding.held(keeping.plan, held) is None
    keeping.purge(END)
    assert keeping.rows(held) == []


def test_a_plan_that_is_held_keeps_everything(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.keeps(TEXTS, INCIDENTS, "CASE-9")
    assert keeping.purge(END) == 0
    assert len(keeping.store.texts(incident)) == 1
    keeping.keeps(TEXTS, INCIDENTS)
    keeping.holding.place(keeping.name, None, "CASE-10", ADA, NOON)
    assert keeping.purge(END) == 0
    assert keeping.holding.held_anywhere() == f"{keeping.name}: CASE-10"


def test_a_hold_placed_during_the_purge_is_seen_before_the_next_incident(keeping: Keeping) -> None:
    incidents = {keeping.over(name): name for name in ("One", "Two")}
    counts = keeping.tables.counts
    placed: list[str] = []

    def place_first(incident: object) -> object:
        if not placed:
            first = getattr(incident, "id", "")
            placed.append(first)
            keeping.holding.place(keeping.name, first, "CASE-2", ADA, END)
        return counts(incident)  # type: ignore[arg-type]

    keeping.tables.counts = place_first  # type: ignore[method-assign,assignment]
    keeping.purge(END)
    assert {incident for incident in incidents if keeping.rows(incident)} == set(placed)


def test_what_is_being_purged_can_not_be_held_and_is_gone_after_that(keeping: Keeping) -> None:
    held = keeping.over()
    drop = keeping.tables.drop_rows
    refused: list[str] = []

    def hold_meanwhile(incident: str) -> None:
        for wanted in (held, None):
            with pytest.raises(Refused) as error:
                keeping.holding.place(keeping.name, wanted, "CASE-3", ADA, END)
            refused.append(str(error.value))
        drop(incident)

    keeping.tables.drop_rows = hold_meanwhile  # type: ignore[method-assign]
    keeping.purge(END)
    assert len(refused) == 2
    assert "is being purged" in refused[0]
    assert keeping.rows(held) == []


@pytest.mark.parametrize("calls", range(6))
def test_wherever_it_is_cut_off_the_next_run_finishes_it_and_it_is_on_record_once(
    keeping: Keeping, calls: int
) -> None:
    incident = keeping.over()
    keeping.keeps(None, INCIDENTS)
    keeping.tables.left = calls
    if calls < 5:
        with pytest.raises(ExceptionGroup):
            keeping.purge(END)
        with pytest.raises(NotFound):
            keeping.store.load(incident)
        keeping.tables.left = 10**9
        assert keeping.purge(END + purge.HOLD - MOMENT) == 0  # another run may still be at it
    keeping.tables.left = 10**9
    keeping.purge(END + purge.HOLD)
    assert keeping.rows(incident) == []
    assert keeping.hints(incident) == []
    records = [each.data for each in keeping.noted("purged", END) if each.data["what"] == "incident"]
    assert [record["incident"] for record in records] == [incident]
    assert (records[0]["events"], records[0]["texts"]) == (records[0]["length"], 1)
    journal = list(keeping.store.events(f"JRN-{keeping.name}-{END:%Y%m%d}-0"))
    assert first_break(journal) is None


def test_texts_of_a_purge_that_was_cut_off_and_then_held_are_counted_as_far_as_they_went(
    keeping: Keeping,
) -> None:
    incident = keeping.over()
    keeping.tables.left = 1  # the texts are gone, the mark is not made
    with pytest.raises(ExceptionGroup):
        keeping.purge(TEXTS_END)
    keeping.keeps(TEXTS, INCIDENTS, "CASE-4")
    keeping.tables.left = 10**9
    keeping.purge(TEXTS_END + purge.HOLD)
    [noted] = keeping.noted("purged", TEXTS_END)
    assert (noted.data["what"], noted.data["texts"]) == ("texts", 1)
    assert keeping.incident(incident).status == "resolved"


def test_an_incident_that_moved_on_since_it_was_looked_at_stays(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.keeps(None, INCIDENTS)
    counts = keeping.tables.counts

    def reopen_first(found: object) -> object:
        counted = counts(found)  # type: ignore[arg-type]

        keeping.respond(incident, Note("note", Text("wait", "cd" * 16)), END)
        return counted

    keeping.tables.counts = reopen_first  # type: ignore[method-assign,assignment]
    keeping.purge(END)
    assert keeping.incident(incident).status == "resolved"
    assert [each for each in keeping.noted("purged", END) if each.data["what"] == "incident"] == []


def test_a_note_that_comes_later_is_kept_for_its_own_time(keeping: Keeping) -> None:

    incident = keeping.over()
    keeping.purge(TEXTS_END)
    keeping.respond(incident, Note("note", Text("one more thing", "ef" * 16)), TEXTS_END + DAY)
    assert keeping.purge(TEXTS_END + 2 * DAY) == 0
    assert len(keeping.store.texts(incident)) == 1
    later = TEXTS_END + (TEXTS + 8) * DAY
    assert keeping.purge(later) == 1
    assert len(keeping.store.texts(incident)) == 0


def test_a_run_ends_when_its_time_is_over_and_the_next_goes_on(keeping: Keeping) -> None:
    incidents = [keeping.over(name) for name in ("One", "Two", "Three")]

    def long_purges() -> datetime:
        """Each incident takes longer than a run may."""
        return END + hours(1) * sum(keeping.rows(incident) == [] for incident in incidents)

    assert keeping.purging.run(long_purges) == 1
    for n in range(1, 8):
        keeping.purge(END + n * DAY)
    assert [keeping.rows(incident) for incident in incidents] == [[], [], []]


def test_a_plan_that_keeps_for_ever_purges_nothing(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.keeps()
    assert keeping.purge(END + 4000 * DAY) == 0
    assert keeping.rows(incident) != []


def test_what_never_was_declared_goes_too(keeping: Keeping) -> None:
    keeping.plans.plan = replace(
        keeping.plan, rules=replace(keeping.plan.rules, declare=(Declaration("wait", minutes(10)),))
    )
    keeping.hear(an_alert())
    [pending] = keeping.pending()
    keeping.hear(an_alert(firing=False, ended_at=NOON + minutes(2)), at=NOON + minutes(2))
    keeping.advance(pending, NOON + minutes(20))
    assert keeping.incident(pending).status == "dropped"
    keeping.purge(NOON + minutes(2) + INCIDENTS * DAY - MOMENT)
    assert keeping.rows(pending) != []
    keeping.purge(NOON + minutes(2) + INCIDENTS * DAY)
    assert (keeping.rows(pending), keeping.hints(pending)) == ([], [])


def test_a_hint_without_an_incident_goes_as_well(keeping: Keeping) -> None:
    nobody = "INC-00000000-9"
    key = f"w|2026-W47|{keeping.name}|{nobody}"
    keeping.index.table.upsert_entity({"PartitionKey": shard_of(nobody), "RowKey": key})
    keeping.purge(END)
    assert keeping.hints(nobody) == []


def test_more_rows_than_one_transaction_takes_go_all_the_same(keeping: Keeping) -> None:
    incident = keeping.over()
    partition = incident.split("-")[1]
    for seq in range(500, 730):
        row = {"PartitionKey": partition, "RowKey": f"t|0000001|{seq:08d}", "body": "x", "salt": "y"}
        keeping.store.table.upsert_entity(row)
    other = {"PartitionKey": partition, "RowKey": "t|0000002|00000001", "body": "x", "salt": "y"}
    keeping.store.table.upsert_entity(other)
    keeping.keeps(None, INCIDENTS)
    keeping.purge(END)
    [noted] = [each for each in keeping.noted("purged", END) if each.data["what"] == "incident"]
    assert noted.data["texts"] == 231
    assert keeping.rows(incident) == ["t|0000002|00000001"]  # of another occurrence of the group


def test_what_happened_to_it_of_late_keeps_an_incident_for_thirty_days(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.keeps(None, INCIDENTS)
    late = END - DAY
    keeping.respond(incident, Note("note", Text("by the way", "ef" * 16)), late)
    keeping.exported_all(END + 60 * DAY)
    for at in (END, late + retention.QUIET - MOMENT):
        keeping.purge(at)
        assert keeping.rows(incident) != []
    keeping.purge(late + retention.QUIET)
    assert keeping.rows(incident) == []


def test_two_runs_at_once_purge_everything_once(keeping: Keeping) -> None:
    incidents = [keeping.over(name) for name in ("One", "Two", "Three")]
    keeping.keeps(None, INCIDENTS)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: keeping.purge(END), range(2)))
    keeping.purge(END)  # what one of them left to the other
    assert [keeping.rows(incident) for incident in incidents] == [[], [], []]
    records = [each.data for each in keeping.noted("purged", END) if each.data["what"] == "incident"]
    assert sorted(record["incident"] for record in records) == sorted(incidents)


def test_a_hold_whose_record_was_cut_off_is_in_force_and_recorded_by_whoever_comes_next(
    keeping: Keeping,
) -> None:
    incident = keeping.over()
    append = keeping.journals.append

    def cut_off(*_: object) -> None:
        raise StoreUnavailable("storage did not answer")

    keeping.journals.append = cut_off  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreUnavailable):
        keeping.holding.place(keeping.name, incident, "CASE-5", ADA, END - hours(1))
    keeping.journals.append = append  # type: ignore[method-assign]
    assert keeping.holding.held(keeping.plan, incident) == "CASE-5"
    for at in (END, END + DAY):
        keeping.purge(at)
    assert keeping.rows(incident) != []
    [noted] = keeping.noted("held", END)
    assert (noted.data["incident"], noted.data["reference"]) == (incident, "CASE-5")
    assert noted.actor.startswith("person:")


def test_holds_are_on_record_once_and_in_order(keeping: Keeping) -> None:
    incident = keeping.over()
    hold = keeping.holding.place(keeping.name, incident, "CASE-6", ADA, NOON)
    for _ in range(2):
        keeping.holding.release(keeping.name, hold.id, ADA, NOON + hours(1))
    found = [*keeping.noted("held", NOON), *keeping.noted("hold-released", NOON)]
    data = {"hold": hold.id, "incident": incident, "reference": "CASE-6"}
    assert [(event.type, dict(event.data)) for event in found] == [("held", data), ("hold-released", data)]
