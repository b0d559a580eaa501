"""The hours in which Tocsin was awake: one row an hour in table `Index`, counted by whoever is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.entity_groups import create, new_commit, point, replace, span, submit_once, tag_of
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.timeline import parse_or_none, parse_stamp, stamp
from shared.domain.watch import Hour

MOST_TRIES = 12
_BEATS = "heartbeat"
_EMPTY = {"runs": 0, "acted_on": 0, "longest_gap_seconds": 0, "probes": 0, "probes_failed": 0}
Row = dict[str, Any]


class Heartbeats:
    """Runs of the sweeper and calls of the public door, hour by hour."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table

    def beat(self, started: datetime, acted_on: int) -> None:
        """Count a run in its hour's row, and the longest gap before a run."""

        def counted(before: Mapping[str, Any]) -> Row:
            last = parse_stamp(before["last"]) if "last" in before else self._last_of_hour_before(started)
            gap = max(0, int((started - last).total_seconds())) if last else 0
            return {
                "first": min(str(before.get("first", "~")), stamp(started)),
                "last": max(str(before.get("last", "")), stamp(started)),
                "runs": int(before["runs"]) + 1,
                "acted_on": int(before["acted_on"]) + acted_on,
                "longest_gap_seconds": max(int(before["longest_gap_seconds"]), gap),
            }

        self._change(started, counted)

    def claim_probe(self, now: datetime) -> bool:
        """Whether the caller is the first who wants to probe in this minute of the clock."""
        minute = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M}"
        return self._change(now, lambda _: {"probed": minute}, unless=("probed", minute))

    def probed(self, at: datetime, *, answered: bool) -> None:
        """Count a call of the public door in the hour in which it began."""

        def counted(before: Mapping[str, Any]) -> Row:
            return {
                "probes": int(before.get("probes", 0)) + 1,
                "probes_failed": int(before.get("probes_failed", 0)) + (not answered),
            }

        self._change(at, counted)

    def last_beat(self, now: datetime) -> datetime | None:
        """The sweeper's last run in this hour or the one before."""
        for hour in (now, now - timedelta(hours=1)):
            row = point(self.table, _BEATS, _key(hour))
            if row is not None and "last" in row:
                return parse_stamp(row["last"])
        return None

    def hours(self, since: datetime, until: datetime) -> Iterator[Hour]:
        """The hours that begin in [since, until) and have a row, in order."""
        for row in span(self.table, _BEATS, _key(since), _key(until)):
            yield Hour(
                datetime.strptime(row["RowKey"].removeprefix("h|"), "%Y-%m-%dT%H").replace(tzinfo=UTC),
                int(row["runs"]),
                parse_or_none(row.get("first")),
                parse_or_none(row.get("last")),
                int(row["longest_gap_seconds"]),
                int(row.get("probes", 0)),
                int(row.get("probes_failed", 0)),
            )

    def _last_of_hour_before(self, started: datetime) -> datetime | None:
        row = point(self.table, _BEATS, _key(started - timedelta(hours=1)))
        return None if row is None else parse_or_none(row.get("last"))

    def _change(
        self,
        at: datetime,
        changed: Callable[[Mapping[str, Any]], Row],
        unless: tuple[str, str] | None = None,
    ) -> bool:
        """Change an hour's row on condition of its tag; False where it has ``unless`` already.

        Raises StoreUnavailable, also where others are always faster.
        """
        key = _key(at)
        for _ in range(MOST_TRIES):
            found = point(self.table, _BEATS, key)
            before: Mapping[str, Any] = found or _EMPTY
            if unless is not None and before.get(unless[0]) == unless[1]:
                return False
            commit = new_commit()
            row: Row = {
                **before,
                **changed(before),
                "PartitionKey": _BEATS,
                "RowKey": key,
                "commits": " ".join([*str(before.get("commits", "")).split(), commit][-16:]),
            }
            operation = create(row) if found is None else replace(row, tag_of(found))
            try:
                submit_once(self.table, [operation], commit, lambda: point(self.table, _BEATS, key))
            except Conflict:
                continue
            return True
        raise StoreUnavailable("too many others are counting in this hour")


def _key(instant: datetime) -> str:
    return f"h|{instant.astimezone(UTC):%Y-%m-%dT%H}"
