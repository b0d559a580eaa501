"""What was erased before a purge is on record as erased, and not once more as purged."""

from __future__ import annotations

import pytest

from shared.adapters import erasing_texts
from shared.adapters.entity_groups import Operation, submit
from shared.adapters.erasing_texts import ErasingTexts
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import StoreUnavailable
from shared.domain.response import Note
from shared.domain.timeline import Text
from tests.builders import minutes
from tests.keeping import END, INCIDENTS, RESOLVED, TEXTS_END, Keeping, keeping

__all__ = ["keeping"]
ERASURE = "0123456789abcdef 2026-11-18T12:20:00+00:00"


def texts_of(keeping: Keeping, incident: str) -> list[str]:
    return [key for key in keeping.rows(incident) if key.startswith("t|")]


def erase_first_note(keeping: Keeping, incident: str) -> None:
    """As the erasure of whoever wrote it does: its row stays, and is empty."""
    seq = next(event.seq for event in keeping.events(incident) if event.type == "noted")
    assert ErasingTexts(keeping.store).erase(incident, seq, ERASURE, RESOLVED) == RESOLVED
    assert len(texts_of(keeping, incident)) >= 1


def test_a_text_that_was_erased_is_not_counted_as_purged_and_its_empty_row_stays_for_its_record(
    keeping: Keeping,
) -> None:
    incident = keeping.over()
    keeping.respond(incident, Note("note", Text("one more thing", "cd" * 16)), RESOLVED + minutes(50))
    erase_first_note(keeping, incident)
    assert len(texts_of(keeping, incident)) == 2
    assert keeping.purge(TEXTS_END) == 1
    assert [each.data["texts"] for each in keeping.noted("purged", TEXTS_END)] == [1]
    assert len(texts_of(keeping, incident)) == 1
    seq = next(event.seq for event in keeping.events(incident) if event.type == "noted")
    assert ErasingTexts(keeping.store).erase(incident, seq, ERASURE, TEXTS_END) == RESOLVED


def test_where_every_text_was_erased_nothing_is_purged_and_nobody_looks_again(keeping: Keeping) -> None:
    incident = keeping.over()
    erase_first_note(keeping, incident)
    assert keeping.purge(TEXTS_END) == 0
    assert keeping.noted("purged", TEXTS_END) == []
    [kept] = [each for each in keeping.tables.kept("2026-W47") if each.subject == incident]
    assert kept.texts_gone


def test_an_erasure_that_stopped_before_the_messages_leaves_nothing_that_a_purge_passes_by(
    keeping: Keeping,
) -> None:
    incident = keeping.declared("Ana Ruiz cannot log in")
    texts, [opened, resolved] = ErasingTexts(keeping.store), sorted(keeping.store.texts(incident))
    assert texts.erase(incident, resolved, ERASURE, RESOLVED) == RESOLVED
    written: list[list[str]] = []

    def first_alone(table: WiredTable, operations: list[Operation]) -> list[str]:
        if written:
            raise StoreUnavailable("storage did not answer")
        written.append(submit(table, operations))
        return written[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing_texts, "submit", first_alone)
        with pytest.raises(StoreUnavailable):
            texts.erase(incident, opened, ERASURE, RESOLVED, opening=True)
    keeping.purge(TEXTS_END)
    found = keeping.store.table.rows(keeping.incident(incident).partition, "", "~")
    assert [row["RowKey"] for row in found if "Ruiz" in str(row)] == []


def test_an_incident_goes_with_the_empty_rows_of_erased_texts_which_are_not_counted(keeping: Keeping) -> None:
    incident = keeping.over()
    erase_first_note(keeping, incident)
    keeping.keeps(None, INCIDENTS)
    assert keeping.purge(END) >= 1
    [noted] = [each for each in keeping.noted("purged", END) if each.data["what"] == "incident"]
    assert noted.data["texts"] == 0
    assert keeping.rows(incident) == []
