"""Table `Agenda`, one partition a plan: which messages of people were taken, and what about.

Never purged, for a signature never ages; a message stands here only as a hash.
"""

from __future__ import annotations

from shared.adapters.entity_groups import create, new_commit, point, put, submit, submit_once
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import StoreUnavailable
from shared.domain.heard import OUTCOMES, Taken
from shared.domain.timeline import parse_stamp, stamp


class RepliesTable:
    """`workflows.act_once.Replies` on Azure Table Storage."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table

    def taken(self, plan: str, key: str) -> Taken | None:
        """What was made of a message; None where it never came. Raises StoreUnavailable."""
        row = point(self.table, _partition(plan), key)
        if row is None:
            return None
        try:
            return Taken(row["incident"] or None, parse_stamp(row["at"]), OUTCOMES[row["outcome"]])
        except (KeyError, TypeError, ValueError) as error:
            raise StoreUnavailable("the row cannot be read") from error

    def take(self, plan: str, key: str, taken: Taken) -> None:
        """Bind a message. Raises Conflict where it was bound before, StoreUnavailable."""
        commit = new_commit()
        row = create(_row(plan, key, taken, commit))
        submit_once(self.table, [row], commit, lambda: point(self.table, _partition(plan), key))

    def settle(self, plan: str, key: str, taken: Taken) -> None:
        """Note what came of it. Raises StoreUnavailable."""
        submit(self.table, [put(_row(plan, key, taken, new_commit()))])


def _partition(plan: str) -> str:
    return f"reply|{plan}"


def _row(plan: str, key: str, taken: Taken, commit: str) -> dict[str, str]:
    return {
        "PartitionKey": _partition(plan),
        "RowKey": key,
        "commits": commit,
        "incident": taken.incident or "",
        "at": stamp(taken.at),
        "outcome": taken.outcome,
    }
