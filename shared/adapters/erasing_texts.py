"""Erases one free text for good, and with the words of a declaration what repeats them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.adapters import table_rows as rows
from shared.adapters.entity_groups import point, span, submit, tag_of, translated
from shared.adapters.entity_groups import replace as put_back
from shared.adapters.incident_tables import IncidentTables
from shared.adapters.sealing_texts import erased_at, erased_by, erased_row, is_erased
from shared.adapters.table_wire import WiredRow
from shared.domain.delivery import Delivery
from shared.domain.errors import Conflict, NotFound, StoreUnavailable
from shared.domain.personal import ERASED_TITLE

MOST_TRIES = 12


class ErasingTexts:
    """`workflows.erase_person.Texts` on the rows beside an incident's events."""

    def __init__(self, store: IncidentTables) -> None:
        self.store = store
        self.table = store.table

    def erase(
        self, incident_id: str, seq: int, by: str, now: datetime, *, opening: bool = False
    ) -> datetime | None:
        """When the text went with the erasure ``by``: now, or at an earlier try; None where it is not there.

        Its row stays, with nothing in it but that. ``opening`` says that it is what an incident was declared
        with, which stands on the incident's own row too, and in its messages. Raises StoreUnavailable.
        """
        partition, n = rows.place_of(incident_id)
        key = rows.text_key(n, seq)
        for _ in range(MOST_TRIES):
            row = point(self.table, partition, key)
            if row is None or (is_erased(row) and erased_by(row) != by):
                return None
            if opening:  # before the text: as long as that is there, a purge finds what is left
                self.erase_words(incident_id)
            if is_erased(row):
                return erased_at(row)
            try:
                submit(self.table, [put_back(erased_row(row, by, now), tag_of(row))])
            except Conflict:
                continue
            return now
        raise StoreUnavailable("too many others are changing this text")

    def drop(self, incident_id: str, seq: int) -> None:
        """Drop the empty row: what became of the text is on record."""
        partition, n = rows.place_of(incident_id)
        try:
            with translated(missing=NotFound):
                self.table.delete_entity(partition, rows.text_key(n, seq))
        except NotFound:
            pass

    def erase_words(self, incident_id: str, tag: str | None = None) -> None:
        """What repeats the words of a declaration: the incident row and its messages, not the text itself.

        Until none is found after the row has moved on: who read them before may store them again. With a
        ``tag``, only if the row still carries it: raises Conflict, and nothing is erased. Raises
        StoreUnavailable.
        """
        is_written = tag is not None
        if tag is not None:
            self._erase_title(incident_id, tag)
        for _ in range(MOST_TRIES):
            try:
                if not is_written:
                    self._erase_title(incident_id)
                is_written = False
                if not self._with_words(incident_id):
                    return
                self._erase_in_messages(incident_id)
            except Conflict:
                continue
        raise StoreUnavailable("too many others are changing this incident")

    def _erase_title(self, incident_id: str, tag: str | None = None) -> None:
        """Written also where nothing of it changes: whoever read it before has to read again.

        On condition of ``tag``, or of the row as it is read here. Raises Conflict.
        """
        partition, n = rows.place_of(incident_id)
        row = point(self.table, partition, rows.incident_key(n))
        if row is None:
            if tag is not None:
                raise Conflict(f"there is no {incident_id} any more")
            return
        erased = replace(rows.incident_of(row), title=ERASED_TITLE, summary="")
        submit(self.table, [put_back(rows.incident_row(erased, row["commits"]), tag or tag_of(row))])

    def _with_words(self, incident_id: str) -> list[tuple[WiredRow, Delivery]]:
        partition, n = rows.place_of(incident_id)
        found = span(self.table, partition, f"o|{n:07d}|", f"o|{n:07d}|~")
        messages = ((row, rows.delivery_of(row)) for row in found)
        return [
            (row, delivery)
            for row, delivery in messages
            if (delivery.message.title, delivery.message.summary) != (ERASED_TITLE, "")
        ]

    def _erase_in_messages(self, incident_id: str) -> None:
        for row, delivery in self._with_words(incident_id):
            message = replace(delivery.message, title=ERASED_TITLE, summary="")
            erased = rows.delivery_row(row["PartitionKey"], row["RowKey"], replace(delivery, message=message))
            kept = {"commits": row["commits"]} if "commits" in row else {}
            submit(self.table, [put_back(erased | kept, tag_of(row))])
