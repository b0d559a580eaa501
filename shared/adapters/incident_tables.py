"""Table `Incidents`: one partition a group key, one transaction a change, on condition of the row's tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from shared.adapters import table_rows as rows
from shared.adapters.deadline_index import DeadlineIndex
from shared.adapters.entity_groups import (
    Operation,
    create,
    delete,
    merge,
    new_commit,
    point,
    replace,
    span,
    submit,
    submit_once,
    tag_of,
)
from shared.adapters.incident_list import IncidentList
from shared.adapters.journal_table import JournalTable
from shared.adapters.sealing import Sealing
from shared.adapters.sealing_texts import is_erased, shown_text, whole_text
from shared.adapters.table_wire import WiredTable
from shared.domain.change import Change
from shared.domain.delivery import Delivery
from shared.domain.errors import NotFound
from shared.domain.incident import Head, Incident, parse_incident_id, partition_of
from shared.domain.intake import Slot
from shared.domain.timeline import Event, Text
from shared.ports import AlertRow, Due, Owed, Page, Place, Selection, Stored

MOST_PROBES = 8


class IncidentTables:
    """`ports.IncidentStore` and `ports.Timelines` on Azure Table Storage."""

    def __init__(
        self,
        incidents: WiredTable,
        index: DeadlineIndex,
        journals: JournalTable,
        sealing: Sealing | None = None,
    ) -> None:
        """Without ``sealing`` texts are stored as they are."""
        self.table = incidents
        self.index = index
        self.journals = journals
        self.sealing = sealing

    def place(self, group: str) -> Place:
        """Head and newest incident; on a digest collision the next partition of the probe sequence."""
        for probe in range(MOST_PROBES):
            partition = partition_of(group, probe)
            found = self._head_and_newest(partition)
            head = rows.head_of(found[0]) if found else None
            if head is None:
                return Place(Slot(partition, group), None, None)
            if head.digest == group:
                newest = _stored(found[1]) if len(found) > 1 else None
                slot = Slot(partition, group, head, newest.incident if newest else None)
                return Place(slot, newest, tag_of(found[0]))
        raise AssertionError(f"{MOST_PROBES} groups collide on one digest")

    def load(self, incident_id: str) -> Stored:
        """The incident's row."""
        parsed = parse_incident_id(incident_id)
        row = point(self.table, parsed[0], rows.incident_key(parsed[1])) if parsed else None
        if row is None:
            raise NotFound(f"there is no incident {incident_id}")
        return _stored(row)

    def owed(self, incident: Incident) -> list[Owed]:
        """Rows under the prefix of what is still owed."""
        found = self._span(incident, rows.owed_key(incident.n, ""))
        return [Owed(rows.delivery_of(row), tag_of(row)) for row in found]

    def save(
        self, change: Change, basis: Stored | None, head_tag: str | None = None
    ) -> tuple[Stored, list[Owed]]:
        """Index rows first, then one transaction."""
        after, commit = change.after, new_commit()
        operations, owed_at = self._operations(change, basis, head_tag, commit)
        self.index.point_at(change.before, after)
        key = rows.incident_key(after.n)
        tags = submit_once(self.table, operations, commit, lambda: point(self.table, after.partition, key))
        if tags is None:
            stored = self.load(after.id)
            new = {delivery.id for delivery in change.owed}
            return stored, [owed for owed in self.owed(after) if owed.delivery.id in new]
        fresh = tags[owed_at : owed_at + len(change.owed)]
        commits = rows.joined_commits(basis.commits if basis else "", commit)
        return Stored(after, tags[0], commits), [
            Owed(delivery, tag) for delivery, tag in zip(change.owed, fresh, strict=True)
        ]

    def save_head(self, partition: str, head: Head, head_tag: str | None) -> None:
        """The head alone."""
        submit(self.table, [_head_operation(partition, head, head_tag)])

    def save_delivery(self, owed: Owed, delivery: Delivery) -> Owed:
        """Conditional on the delivery's own tag; a storm on the incident does not hold it up."""
        partition, n = rows.place_of(delivery.incident)
        row = rows.delivery_row(partition, rows.owed_key(n, delivery.id), delivery)
        commit = new_commit()
        row["commits"] = commit
        tags = submit_once(
            self.table, [replace(row, owed.tag)], commit, lambda: point(self.table, partition, row["RowKey"])
        )
        if tags is None:
            written = point(self.table, partition, row["RowKey"])
            return Owed(delivery, tag_of(written))
        return Owed(delivery, tags[0])

    def events(self, subject: str) -> Iterator[Event]:
        """The timeline in order; empty where there is no such subject."""
        if subject.startswith("JRN-"):
            yield from self.journals.events(subject)
            return
        parsed = parse_incident_id(subject)
        if parsed is not None:
            low, high = rows.event_key(parsed[1], 0), rows.event_key(parsed[1], 99_999_999)
            for row in span(self.table, parsed[0], low, high):
                yield rows.event_of(row)

    def texts(self, incident_id: str) -> Mapping[int, str]:
        """Texts by the number of their event; a word for it where one cannot be read, nothing for erased."""
        return {seq: shown_text(row, self.sealing) for seq, row in self._text_rows(incident_id)}

    def whole_texts(self, incident_id: str) -> Mapping[int, Text]:
        """Texts with salts, but for those that do not open. Raises SecretUnavailable, StoreUnavailable."""
        found = ((seq, whole_text(row, self.sealing)) for seq, row in self._text_rows(incident_id))
        return {seq: text for seq, text in found if text is not None}

    def alerts(self, incident: Incident) -> list[AlertRow]:
        """The incident's alert rows."""
        return [rows.alert_of(row) for row in self._span(incident, f"a|{incident.n:07d}|")]

    def deliveries(self, incident: Incident) -> list[Delivery]:
        """Owed and done."""
        found = [rows.delivery_of(row) for row in self._span(incident, f"o|{incident.n:07d}|")]
        return sorted(found, key=lambda delivery: delivery.id)

    def page(self, selection: Selection) -> Page:
        """See `IncidentList`."""
        return IncidentList(self.index, self.load).page(selection)

    def due(self, now: datetime) -> Iterator[Due]:
        """See `DeadlineIndex.due`."""
        return self.index.due(now)

    def drop(self, due: Due, incident: Incident | None, now: datetime) -> bool:
        """See `DeadlineIndex.drop`."""
        return self.index.drop(due, incident, now)

    def beat(self, started: datetime, acted_on: int) -> None:
        """See `DeadlineIndex.beat`."""
        self.index.beat(started, acted_on)

    def last_beat(self, now: datetime) -> datetime | None:
        """See `DeadlineIndex.last_beat`."""
        return self.index.last_beat(now)

    def subjects(self, plan: str, week: str) -> list[str]:
        """See `DeadlineIndex.subjects`."""
        return self.index.subjects(plan, week)

    def _head_and_newest(self, partition: str) -> list[Any]:
        found = []
        for row in span(self.table, partition, "i|", "i}", top=2):
            found.append(row)
            if len(found) == 2:
                break
        return found

    def _operations(
        self, change: Change, basis: Stored | None, head_tag: str | None, commit: str
    ) -> tuple[list[Operation], int]:
        after, partition = change.after, change.after.partition
        row = rows.incident_row(after, rows.joined_commits(basis.commits if basis else "", commit))
        operations = [create(row) if basis is None else replace(row, basis.tag)]
        if change.head is not None:
            operations.append(_head_operation(partition, change.head, head_tag))
        owed_at = len(operations)
        operations += [
            create(rows.delivery_row(partition, rows.owed_key(after.n, delivery.id), delivery))
            for delivery in change.owed
        ]
        for delivery in change.settled:
            done = rows.delivery_row(partition, rows.done_key(after.n, delivery.id), delivery)
            owed = done | {"RowKey": rows.owed_key(after.n, delivery.id)}
            operations += [delete(owed), create(done)]
        operations += [
            create(rows.event_row(partition, rows.event_key(after.n, event.seq), event))
            for event in change.events
        ]
        recorded_at = after.recorded_at or after.opened_at
        operations += [
            create(rows.text_row(after, seq, text, self.sealing, recorded_at)) for seq, text in change.texts
        ]
        operations += [merge(rows.alert_row(after, seen, recorded_at)) for seen in change.alerts]
        return operations, owed_at

    def _text_rows(self, incident_id: str) -> Iterator[tuple[int, Any]]:
        """What is there of an incident's texts, by the number of their event."""
        partition, n = rows.place_of(incident_id)
        low, high = rows.text_key(n, 0), rows.text_key(n, 99_999_999)
        for row in span(self.table, partition, low, high):
            if not is_erased(row):
                yield int(row["RowKey"].rsplit("|", 1)[1]), row

    def _span(self, incident: Incident, prefix: str) -> Iterator[Any]:
        return span(self.table, incident.partition, prefix, prefix + "~")


def _stored(row: Any) -> Stored:  # noqa: ANN401  (TableEntity)
    return Stored(rows.incident_of(row), tag_of(row), row["commits"])


def _head_operation(partition: str, head: Head, tag: str | None) -> Operation:
    row = rows.head_row(partition, head)
    return create(row) if tag is None else replace(row, tag)
