"""Table `Agenda`: how far each plan's own doings are on record; one row a topic, on condition of its tag."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.adapters.entity_groups import point, save_on_tag, span, tag_of
from shared.adapters.row_texts import gathered, spread
from shared.adapters.table_wire import WiredTable

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
        saved = [(topic, entry, tag), *([beside] if beside else [])]
        return save_on_tag(self.table, *((_row(plan, topic, entry), tag) for topic, entry, tag in saved))


def _row(plan: str, topic: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    return {"PartitionKey": plan, "RowKey": _key(topic), **spread("json", text)}


def _key(topic: str) -> str:
    return f"{_KIND}{topic}"
