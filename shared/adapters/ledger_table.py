"""Table `Agenda`: how far each plan's own doings are on record; one row a topic, on condition of its tag."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.adapters.entity_groups import (
    Operation,
    create,
    new_commit,
    point,
    replace,
    span,
    submit_once,
    tag_of,
)
from shared.adapters.row_texts import gathered, spread
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import Conflict

_KIND = "ledger|"


class LedgerTable:
    """`record_once.Ledger` on Azure Table Storage."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table

    def entry(self, plan: str, topic: str) -> tuple[dict[str, Any], str] | None:
        """What stands there with its tag; None where nothing does."""
        row = point(self.table, plan, _key(topic))
        return None if row is None else (json.loads(gathered(row, "json")), tag_of(row))

    def entries(self, plan: str, prefix: str) -> list[tuple[str, dict[str, Any], str]]:
        """Topic, entry and tag of every topic that begins so, in order."""
        low = _key(prefix)
        return [
            (str(row["RowKey"]).removeprefix(_KIND), json.loads(gathered(row, "json")), tag_of(row))
            for row in span(self.table, plan, low, f"{low}~")
        ]

    def save(
        self,
        plan: str,
        topic: str,
        entry: Mapping[str, Any],
        tag: str | None,
        beside: tuple[str, Mapping[str, Any], str | None] | None = None,
    ) -> str:
        """Store it and return the new tag; ``beside`` is another topic's entry and tag, stored with it.

        Raises Conflict where an entry has moved on (or, without a tag, exists).
        """
        commit, key = new_commit(), _key(topic)
        operations = [_operation(plan, topic, entry, tag, commit)]
        if beside is not None:
            operations.append(_operation(plan, *beside, commit))
        tags = submit_once(self.table, operations, commit, lambda: point(self.table, plan, key))
        if tags is not None:
            return tags[0]
        kept = point(self.table, plan, key)
        if kept is None or kept["commits"] != commit:
            raise Conflict("it is stored, and somebody else has built on it since")
        return tag_of(kept)


def _operation(plan: str, topic: str, entry: Mapping[str, Any], tag: str | None, commit: str) -> Operation:
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    row = {"PartitionKey": plan, "RowKey": _key(topic), "commits": commit, **spread("json", text)}
    return create(row) if tag is None else replace(row, tag)


def _key(topic: str) -> str:
    return f"{_KIND}{topic}"
