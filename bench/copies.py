"""Many incidents like one: copies of its rows, written past the app."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shared.adapters import table_rows as rows
from shared.adapters.deadline_index import shard_of
from shared.adapters.entity_groups import Operation, create, submit
from tests.stage import Stage

WRITERS = 8
OCCURRENCES = 50
Row = dict[str, Any]
Pointers = Callable[[int, str], Mapping[str, Row]]
"""Given the number and id of a copy: its rows in the index, by key."""


def name_of(nth: int) -> str:
    """Groups recur: n varies, as in life. Azurite looks for a row among all that have its RowKey."""
    return f"INC-ZZ{nth:06d}-{nth % OCCURRENCES + 1}"


def copy_many(stage: Stage, template: str, count: int, pointers: Pointers) -> None:
    """So many copies of an incident, each with its rows in the index."""
    partition = template.split("-")[1]
    with ThreadPoolExecutor(WRITERS) as pool:
        theirs: list[Row] = list(stage.store.table.query_entities(f"PartitionKey eq '{partition}'"))
        for _ in pool.map(lambda nth: _copy(stage, theirs, template, nth), range(count)):
            pass
        for _ in pool.map(lambda batch: submit(stage.index.table, batch), _batches(count, pointers)):
            pass


def _copy(stage: Stage, theirs: list[Row], template: str, nth: int) -> None:
    """One copy, under a name of its own."""
    other = name_of(nth)
    _, partition, n = other.split("-")
    keys = {rows.incident_key(1): rows.incident_key(int(n))}
    copied = [dict(row) | {"PartitionKey": partition} for row in theirs]
    for row in copied:
        row.update({key: text.replace(template, other) for key, text in row.items() if isinstance(text, str)})
        row["RowKey"] = keys.get(row["RowKey"], row["RowKey"].replace("|0000001|", f"|{int(n):07d}|"))
    submit(stage.store.table, [create(row) for row in copied])


def _batches(count: int, pointers: Pointers) -> Iterator[list[Operation]]:
    """The copies' index rows, shard by shard, a hundred at a time."""
    shards: dict[str, list[Operation]] = {}
    for nth in range(count):
        incident = name_of(nth)
        shard = shard_of(incident)
        batch = shards.setdefault(shard, [])
        for key, row in pointers(nth, incident).items():
            batch.append(create({"PartitionKey": shard, "RowKey": key, **row}))
        if len(batch) > 96:
            yield shards.pop(shard)
    yield from shards.values()
