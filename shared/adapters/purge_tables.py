"""Finds what has been kept longest by the index of weeks, and deletes it row by row."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from azure.core import MatchConditions

from shared.adapters import table_rows as rows
from shared.adapters.deadline_index import PURGED_AT, SHARDS, order_key, shard_of, texts_gone, week_key
from shared.adapters.entity_groups import MOST_OPERATIONS, delete, merge, point, span, submit, translated
from shared.adapters.erasing_texts import ErasingTexts
from shared.adapters.incident_tables import IncidentTables
from shared.adapters.sealing_texts import is_erased
from shared.adapters.table_wire import WiredRow, WiredTable
from shared.domain.errors import Conflict
from shared.domain.incident import Incident
from shared.domain.journal import Journal
from shared.domain.retention import Counts, Kept
from shared.domain.week import week_after, week_before, week_of
from shared.ports import Stored

MOST_TRIES = 8
_KINDS = {"events": "e", "texts": "t", "deliveries": "o", "alerts": "a"}


class PurgeTables:
    """`purge.Storage` on Azure Table Storage."""

    def __init__(self, incidents: IncidentTables, journal: WiredTable, index: WiredTable) -> None:
        self.incidents = incidents.table
        self.words = ErasingTexts(incidents)
        self.journal = journal
        self.index = index

    def kept(self, until_week: str) -> Iterator[Kept]:
        """What has events in a week up to and including that one, by week, the longest ago first."""
        high = f"w|{week_after(until_week)}|"
        shards = (span(self.index, f"s{shard}", "w|", high) for shard in range(SHARDS))
        for row in heapq.merge(*shards, key=lambda row: str(row["RowKey"])):
            _, week, plan, subject = str(row["RowKey"]).split("|")
            yield Kept(plan, subject, week, texts_gone(row))

    def weeks(self, plan: str, subject: str, since: datetime, until: datetime) -> list[str]:
        """The weeks between these instants in which it may have events, in order.

        One week more on either side is looked at: the plan's time zone may have been another.
        """
        week, last = week_before(week_of(since, "UTC")), week_after(week_of(until, "UTC"))
        found = []
        while week <= last:
            if point(self.index, shard_of(subject), week_key(week, plan, subject)) is not None:
                found.append(week)
            week = week_after(week)
        return found

    def counts(self, incident: Incident) -> Counts:
        """How many rows of each kind it has; of a text that was erased before, its empty row is none."""
        found = {
            kind: self._counted(incident.partition, *_range(letter, incident.n))
            for kind, letter in _KINDS.items()
        }
        return Counts(**found)

    def count_texts(self, incident: str, length: int) -> int:
        """How many free texts its first so many events have, those left out that were erased before."""
        partition, n = rows.place_of(incident)
        return self._counted(partition, *_texts(n, length))

    def count_events(self, journal: Journal) -> int:
        """How many events of a day's journal are there."""
        return sum(1 for _ in span(self.journal, _of_day(journal), "e|", "e~"))

    def drop_incident(self, stored: Stored) -> None:
        """Delete the incident's own row: from then on it is not there. Raises Conflict where it moved on."""
        incident = stored.incident
        entity = {"PartitionKey": incident.partition, "RowKey": rows.incident_key(incident.n)}
        with translated(missing=Conflict):
            self.incidents.delete_entity(
                entity, etag=stored.tag, match_condition=MatchConditions.IfNotModified
            )

    def drop_rows(self, incident: str) -> None:
        """Delete everything else of it: words first, what happened last."""
        partition, n = rows.place_of(incident)
        for kind in ("texts", "alerts", "deliveries", "events"):
            self._drop(self.incidents, partition, *_range(_KINDS[kind], n))

    def drop_words(self, stored: Stored) -> None:
        """Erase from its row and messages what it was declared with. Raises Conflict where it moved on."""
        self.words.erase_words(stored.incident.id, stored.tag)

    def drop_texts(self, incident: str, length: int) -> None:
        """Delete the free texts of its first so many events alone: what comes meanwhile stays.

        So does the empty row of one that was erased: an erasure that was cut off counts it for its record.
        """
        partition, n = rows.place_of(incident)
        self._drop(self.incidents, partition, *_texts(n, length), spared=is_erased)

    def drop_journal(self, journal: Journal) -> None:
        """Delete a day's journal: its events, and its head last."""
        partition = _of_day(journal)
        self._drop(self.journal, partition, "e|", "e~")
        self._drop(self.journal, partition, "i|", "i~")

    def place_in_list(self, incident: Incident) -> str:
        """Its key in the list."""
        return f"l|{order_key(incident)}"

    def drop_hints(self, plan: str, subject: str, weeks: Sequence[str], listed: str | None) -> None:
        """Delete what the index has of it."""
        keys = [*([listed] if listed else []), *(week_key(week, plan, subject) for week in weeks)]
        for key in keys:
            with translated():
                self.index.delete_entity(shard_of(subject), key)  # no such row: nothing to do

    def mark(self, plan: str, subject: str, weeks: Sequence[str], length: int) -> None:
        """Note in the index that the texts of so many events are gone: nobody need look for them again."""
        shard = shard_of(subject)
        marks = [
            {"PartitionKey": shard, "RowKey": week_key(week, plan, subject), PURGED_AT: length}
            for week in weeks
        ]
        for at in range(0, len(marks), MOST_OPERATIONS):
            submit(self.index, [merge(mark) for mark in marks[at : at + MOST_OPERATIONS]])

    def _counted(self, partition: str, low: str, high: str) -> int:
        return sum(not is_erased(row) for row in span(self.incidents, partition, low, high))

    def _drop(
        self,
        table: WiredTable,
        partition: str,
        low: str,
        high: str,
        *,
        spared: Callable[[WiredRow], bool] = lambda _: False,
    ) -> None:
        """Delete a range, whoever else deletes of it; what was deleted twice is read again."""
        for tried in range(MOST_TRIES):
            found = [
                {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}
                for row in span(table, partition, low, high)
                if not spared(row)
            ]
            try:
                for at in range(0, len(found), MOST_OPERATIONS):
                    submit(table, [delete(row) for row in found[at : at + MOST_OPERATIONS]])
            except Conflict:
                if tried == MOST_TRIES - 1:
                    raise
            else:
                return


def _texts(n: int, length: int) -> tuple[str, str]:
    return rows.text_key(n, 0), rows.text_key(n, length + 1)


def _of_day(journal: Journal) -> str:
    return f"{journal.plan}-{journal.day}-{journal.shard}"


def _range(letter: str, n: int) -> tuple[str, str]:
    return f"{letter}|{n:07d}|", f"{letter}|{n:07d}|~"
