"""Table `Rules`: the text of every plan's rules that ever ruled an incident, by its hash."""

from __future__ import annotations

import threading

from azure.data.tables import TableClient

from shared.adapters.entity_groups import point, put, submit
from shared.domain.errors import RulesLost
from shared.domain.plan import Rules

PIECE = 15_000


class RulesTable:
    """`ports.RulesArchive` on Azure Table Storage; remembers what this process has seen."""

    def __init__(self, table: TableClient) -> None:
        self.table = table
        self._seen: dict[str, Rules] = {}
        self._lock = threading.Lock()

    def keep(self, rules: Rules) -> None:
        """Written once per process and hash; the same text under the same key is harmless."""
        with self._lock:
            if rules.hash in self._seen:
                return
        pieces = [rules.text[at : at + PIECE] for at in range(0, len(rules.text), PIECE)]
        named = {f"text{number}": piece for number, piece in enumerate(pieces)}
        submit(self.table, [put({"PartitionKey": rules.hash, "RowKey": "rules", **named})])
        with self._lock:
            self._seen[rules.hash] = rules

    def get(self, hash: str) -> Rules:
        """From memory, or read and parsed."""
        with self._lock:
            if hash in self._seen:
                return self._seen[hash]
        from shared.adapters.rules_text import rules_from_text

        row = point(self.table, hash, "rules")
        if row is None:
            raise RulesLost(f"the text of rules {hash[:12]}… is not in storage")
        text, number = "", 0
        while piece := row.get(f"text{number}"):
            text, number = text + piece, number + 1
        rules = rules_from_text(text)
        with self._lock:
            self._seen[hash] = rules
        return rules
