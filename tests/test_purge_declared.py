"""What was declared by hand: its words go with the texts, from wherever they are repeated, or not at all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.adapters import erasing_texts
from shared.adapters.entity_groups import Operation, submit
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import NotFound, Refused, StoreUnavailable
from shared.domain.personal import ERASED_TITLE
from shared.domain.response import Note, Reopen
from shared.domain.timeline import Text, first_break
from shared.workflows import purge
from tests.builders import NOON, hours, minutes
from tests.keeping import ADA, DAY, END, INCIDENTS, TEXTS_END, Keeping, keeping

__all__ = ["keeping"]
MOMENT = timedelta(microseconds=1)
WORDS = "Ana Ruiz cannot log in"


def spoken(keeping: Keeping, incident: str) -> list[str]:
    """The rows in which the words stand; the kind of each."""
    partition = keeping.incident(incident).partition
    found = keeping.store.table.rows(partition, "", "~")
    return sorted({str(row["RowKey"])[0] for row in found if "Ruiz" in str(row)})


def texts_noted(keeping: Keeping) -> list[int]:
    return [each.data["texts"] for each in keeping.noted("purged", TEXTS_END)]


def test_what_was_declared_by_hand_goes_from_wherever_it_stands_at_the_end_of_the_texts(
    keeping: Keeping,
) -> None:
    incident = keeping.declared(WORDS)
    events, version = keeping.events(incident), keeping.incident(incident).version
    assert keeping.purge(TEXTS_END - MOMENT) == 0
    assert spoken(keeping, incident) == ["i", "o", "t"]
    assert keeping.purge(TEXTS_END) == 1

    assert spoken(keeping, incident) == []
    found = keeping.incident(incident)
    assert (found.title, found.summary, found.version) == (ERASED_TITLE, "", version)
    assert keeping.store.deliveries(found)
    assert keeping.store.texts(incident) == {}
    assert keeping.events(incident) == events
    assert texts_noted(keeping) == [2]
    assert keeping.purge(TEXTS_END + DAY) == 0


def test_the_title_of_what_an_alert_opened_stays_until_the_incident_goes(keeping: Keeping) -> None:
    incident = keeping.over()
    title = keeping.incident(incident).title
    assert keeping.purge(TEXTS_END) == 1
    assert keeping.incident(incident).title == title != ERASED_TITLE


@pytest.mark.parametrize("calls", range(4))
def test_wherever_it_is_cut_off_the_next_run_erases_the_rest_and_it_is_on_record_once(
    keeping: Keeping, calls: int
) -> None:
    incident = keeping.declared(WORDS)
    keeping.tables.left = calls
    if calls < 3:
        with pytest.raises(ExceptionGroup):
            keeping.purge(TEXTS_END)
    keeping.tables.left = 10**9
    keeping.purge(TEXTS_END + purge.HOLD)
    assert spoken(keeping, incident) == []
    assert keeping.store.texts(incident) == {}
    assert texts_noted(keeping) == [2]
    assert keeping.purge(TEXTS_END + DAY) == 0


def cut_off_in_the_messages(keeping: Keeping) -> None:
    written: list[list[str]] = []

    def title_alone(table: WiredTable, operations: list[Operation]) -> list[str]:
        if written:
            raise StoreUnavailable("storage did not answer")
        written.append(submit(table, operations))
        return written[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing_texts, "submit", title_alone)
        with pytest.raises(ExceptionGroup):
            keeping.purge(TEXTS_END)


def test_a_purge_that_stopped_before_the_messages_goes_on_there(keeping: Keeping) -> None:
    incident = keeping.declared(WORDS)
    cut_off_in_the_messages(keeping)
    assert spoken(keeping, incident) == ["o", "t"]
    keeping.purge(TEXTS_END + purge.HOLD)
    assert spoken(keeping, incident) == []
    assert texts_noted(keeping) == [2]


def test_what_was_held_in_between_keeps_its_texts_and_goes_once_it_is_released(keeping: Keeping) -> None:
    incident = keeping.declared(WORDS)
    cut_off_in_the_messages(keeping)
    hold = keeping.holding.place(keeping.name, incident, "CASE-1", ADA, TEXTS_END + purge.HOLD)
    keeping.purge(TEXTS_END + purge.HOLD)
    assert sorted(keeping.store.texts(incident).values()) == [WORDS, "fixed"]
    assert texts_noted(keeping) == []
    keeping.holding.release(keeping.name, hold.id, ADA, TEXTS_END + hours(1))
    assert keeping.purge(TEXTS_END + hours(1)) == 1
    assert spoken(keeping, incident) == []
    assert texts_noted(keeping) == [2]


def test_what_is_opened_again_just_before_keeps_its_words(keeping: Keeping) -> None:
    incident = keeping.declared(WORDS)
    drop = keeping.tables.drop_words

    def reopen_first(stored: object) -> None:
        keeping.respond(incident, Reopen(Text("it is back", "cd" * 16)), TEXTS_END)
        drop(stored)  # type: ignore[arg-type]

    keeping.tables.drop_words = reopen_first  # type: ignore[method-assign]
    assert keeping.purge(TEXTS_END) == 0
    assert keeping.incident(incident).title == WORDS
    assert sorted(keeping.store.texts(incident).values()) == [WORDS, "fixed", "it is back"]
    assert texts_noted(keeping) == []
    keeping.holding.place(keeping.name, incident, "CASE-1", ADA, TEXTS_END)  # the turn is free


def test_what_goes_whole_leaves_no_words_either(keeping: Keeping) -> None:
    incident = keeping.declared(WORDS)
    keeping.keeps(None, INCIDENTS)
    keeping.purge(END)
    assert keeping.rows(incident) == []
    with pytest.raises(NotFound):
        keeping.store.load(incident)


def test_what_was_recorded_of_late_keeps_the_incident_and_not_its_texts(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.respond(incident, Note("note", Text("by the way", "ef" * 16)), END - DAY)
    keeping.exported_all(END)
    keeping.purge(END)
    assert keeping.incident(incident).status == "resolved"
    assert keeping.store.texts(incident) == {}


def test_a_journal_that_is_being_purged_lets_nothing_of_its_plan_be_held(keeping: Keeping) -> None:
    first = keeping.holding.place(keeping.name, None, "CASE-1", ADA, NOON)
    keeping.holding.release(keeping.name, first.id, ADA, NOON)
    later = keeping.over()
    keeping.keeps(None, INCIDENTS)
    ends = NOON.replace(hour=0) + DAY + INCIDENTS * DAY
    keeping.respond(later, Note("note", Text("by the way", "ef" * 16)), ends - DAY)
    keeping.exported_all(ends)
    keeping.tables.left = 0
    with pytest.raises(ExceptionGroup):
        keeping.purge(ends)
    for wanted in (later, None):
        with pytest.raises(Refused, match=r"JRN-.* is being purged at this very moment"):
            keeping.holding.place(keeping.name, wanted, "CASE-2", ADA, ends + minutes(1))
    keeping.tables.left = 10**9

    hold = keeping.holding.place(keeping.name, later, "CASE-2", ADA, ends + purge.HOLD)
    keeping.purge(ends + purge.HOLD)
    journal = f"JRN-{keeping.name}-20261118-0"
    assert hold.incident == later
    assert len(list(keeping.store.events(journal))) == 2
    assert first_break(list(keeping.store.events(journal))) is None
