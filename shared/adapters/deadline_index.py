"""Table `Index`: hints by which sweeps, lists and exports find subjects without scanning them."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core import MatchConditions

from shared.adapters.entity_groups import merge, span, submit, tag_of, translated
from shared.adapters.heartbeats import Heartbeats
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import Conflict
from shared.domain.incident import Incident
from shared.domain.journal import Journal
from shared.domain.retention import ended_at
from shared.domain.timeline import parse_stamp, stamp
from shared.ports import Due

SHARDS = 8
ORPHAN_KEPT = timedelta(hours=1)
"""How long a deadline is kept whose transaction may still be under way; no call lasts nearly as long."""
_SLOTS = 64
_FAR = 253402300799
_VERSION = "version"
_LENGTH = "length"
PURGED_AT = "texts_purged"
"""Column of a week's row: how long the timeline was whose texts were purged."""
_SETTLED = timedelta(days=1)
"""So long after its end nothing of an incident has been purged yet; the least window is a week."""


class DeadlineIndex:
    """The index rows of incidents and journals."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table
        self.beats = Heartbeats(table)

    def point_at(self, before: Incident | None, after: Incident) -> None:
        """Write the rows that a change needs, in one transaction, before the change itself."""
        shard = shard_of(after.id)
        rows = []
        if after.deadline is not None and (before is None or before.deadline != after.deadline):
            version = before.version if before else 0
            rows.append(_row(shard, deadline_key(after.deadline, after.id), **_against(version)))
        if not after.hidden and (before is None or before.hidden):
            rows.append(_row(shard, f"l|{order_key(after)}", plan=after.plan))
        if before is None or before.week != after.week or _is_late(before, after):
            lengths = _length(after.length) if before is not None and _is_late(before, after) else {}
            rows.append(_row(shard, week_key(after.week, after.plan, after.id), **lengths))
        if rows:
            submit(self.table, [merge(row) for row in rows])

    def point_at_journal(self, before: Journal, after: Journal) -> None:
        """The journal has events in a week that it had none in before."""
        if before.week != after.week:
            submit(self.table, [merge(_row(shard_of(after.id), week_key(after.week, after.plan, after.id)))])

    def due(self, now: datetime) -> Iterator[Due]:
        """Deadlines up to and including ``now``, oldest first in each shard.

        Each minute another shard is the first, so that one that does not answer cannot hide the same others.
        """
        until = f"d|{stamp(now + timedelta(microseconds=1))}"
        first = int(now.timestamp()) // 60
        for shard in ((first + nth) % SHARDS for nth in range(SHARDS)):
            for row in span(self.table, _shard(shard), "d|", until):
                _, due_at, subject = row["RowKey"].split("|")
                yield Due(
                    subject,
                    parse_stamp(due_at),
                    max(int(value) for name, value in row.items() if name.startswith(_VERSION)),
                    row.metadata["timestamp"],
                    row["PartitionKey"],
                    row["RowKey"],
                    tag_of(row),
                )

    def drop(self, due: Due, incident: Incident | None, now: datetime) -> bool:
        """Delete a deadline row, on condition of its own tag, where its subject no longer names it."""
        under_way = now - due.written_at < ORPHAN_KEPT and (
            incident is None or incident.version <= due.version
        )
        if under_way or (incident is not None and incident.deadline == due.due_at):
            return False
        entity = {"PartitionKey": due.shard, "RowKey": due.key}
        try:
            with translated(missing=Conflict):
                self.table.delete_entity(entity, etag=due.tag, match_condition=MatchConditions.IfNotModified)
        except Conflict:
            return False
        return True

    def newest(
        self, since: datetime | None, until: datetime | None, after_key: str | None
    ) -> Iterator[tuple[str, str, str]]:
        """(order key, incident id, plan) of incidents opened in [since, until), newest first."""
        low = f"l|{_inverted(until - timedelta(microseconds=1))}" if until else "l|"
        high = f"l|{_inverted(since)}|~" if since else "l~"
        if after_key is not None:
            low = max(low, f"l|{after_key} ")
        shards = (span(self.table, _shard(shard), low, high) for shard in range(SHARDS))
        for row in heapq.merge(*shards, key=lambda row: str(row["RowKey"])):
            _, order, incident_id = row["RowKey"].split("|")
            yield f"{order}|{incident_id}", incident_id, row["plan"]

    def live(self) -> Iterator[str]:
        """Every incident that has a deadline, each once; some have none any more."""
        seen: set[str] = set()
        for shard in range(SHARDS):
            for row in span(self.table, _shard(shard), "d|", "d~"):
                subject = str(row["RowKey"]).rsplit("|", 1)[1]
                if subject not in seen:
                    seen.add(subject)
                    yield subject

    def subjects(self, plan: str, week: str) -> list[str]:
        """Every subject of the plan with events in the week, sorted."""
        low, high = week_key(week, plan, ""), week_key(week, plan, "~")
        found = {
            str(row["RowKey"]).rsplit("|", 1)[1]
            for shard in range(SHARDS)
            for row in span(self.table, _shard(shard), low, high)
        }
        return sorted(found)

    def beat(self, started: datetime, acted_on: int) -> None:
        """See `Heartbeats.beat`."""
        self.beats.beat(started, acted_on)

    def last_beat(self, now: datetime) -> datetime | None:
        """See `Heartbeats.last_beat`."""
        return self.beats.last_beat(now)


def shard_of(subject: str) -> str:
    """The partition of `Index` in which a subject's rows stand."""
    return _shard(zlib.crc32(subject.encode()) % SHARDS)


def order_key(incident: Incident) -> str:
    """The incident's place in the list; losers of a race to open it leave rows at other places."""
    return f"{_inverted(incident.opened_at)}|{incident.id}"


def deadline_key(due_at: datetime, subject: str) -> str:
    """Sorted by the instant."""
    return f"d|{stamp(due_at)}|{subject}"


def week_key(week: str, plan: str, subject: str) -> str:
    """One range read a plan, week and shard."""
    return f"w|{week}|{plan}|{subject}"


def texts_gone(row: Mapping[str, Any]) -> bool:
    """Whether a week's row says that the texts were purged, and that nothing has come since."""
    lengths = [int(value) for name, value in row.items() if name.startswith(_LENGTH)]
    return bool(row.get(PURGED_AT)) and int(row[PURGED_AT]) >= max(lengths, default=0)


def _is_late(before: Incident, after: Incident) -> bool:
    """Whether something is added to what may have been purged."""
    recorded_at = after.recorded_at or after.opened_at
    return before.over and after.length > before.length and recorded_at >= ended_at(before) + _SETTLED


def _length(length: int) -> dict[str, int]:
    """As with versions: a writer that comes late must not take away that the timeline is longer by now."""
    return {f"{_LENGTH}{length % _SLOTS}": length}


def _against(version: int) -> dict[str, int]:
    """The version that a deadline was written against, beside those of other writers of the same row.

    A writer that comes late, with a version long gone, must not take away what a newer one has written: its
    transaction may still be under way.
    """
    return {f"{_VERSION}{version % _SLOTS}": version}


def _row(shard: str, key: str, **values: str | int) -> dict[str, Any]:
    return {"PartitionKey": shard, "RowKey": key, **values}


def _shard(number: int) -> str:
    return f"s{number}"


def _inverted(instant: datetime) -> str:
    micros = int((instant - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
    return f"{_FAR * 1_000_000 - micros:018d}"
