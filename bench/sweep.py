"""A sweep with 100 due among few and among many open incidents: it costs what is due, not what is open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from local import azurite
from shared.adapters import table_rows as rows
from shared.adapters.deadline_index import deadline_key, shard_of
from shared.adapters.entity_groups import Operation, create, submit
from shared.domain.doors import Storm
from tests.builders import NOON, a_directory, a_severity, an_alert, minutes, some_rules
from tests.stage import Stage

DUE = 100
WRITERS = 8
OCCURRENCES = 50
MUCH_LATER = NOON + timedelta(days=29)
SWEEPS = 6
STEPS = tuple((minutes(15 * nth), ("oncall",)) for nth in range(1, SWEEPS + 1))
Row = dict[str, Any]


def measure(folder: Path, few: int, many: int) -> tuple[float, float]:
    """Seconds of a sweep that fires a step of each of the 100 and delivers it, among few and among many.

    Each on a storage of its own, by turns, so that both meet the same moods of the machine; the best of each.
    """
    with _stage_with(folder / "few", few) as small, _stage_with(folder / "many", many) as large:
        taken = [(_swept(small, nth), _swept(large, nth)) for nth in range(1, SWEEPS + 1)]
    return min(one for one, _ in taken), min(other for _, other in taken)


@contextmanager
def _stage_with(folder: Path, open_incidents: int) -> Iterator[Stage]:
    with azurite.start(folder, in_memory=True) as storage, Stage(storage.connection_string) as stage:
        stage.rules(some_rules(a_severity(steps=STEPS, respond_within=None, resolve_within=None)))
        stage.directory(a_directory(oncall=("log",), manager=("log",)))
        stage.plans.plan = replace(stage.plans.plan, storm=Storm(more_than=SWEEPS * DUE))  # each by itself
        for nth in range(DUE):
            stage.hear(an_alert(identity=f"due-{nth}", group=f"due-{nth}"))
        _open_many(stage, open_incidents - DUE)
        yield stage


def _swept(stage: Stage, nth: int) -> float:
    began = time.perf_counter()
    swept = stage.sweep(NOON + minutes(15 * nth))
    taken = time.perf_counter() - began
    if swept != DUE or len(stage.sent) != nth * DUE:
        raise AssertionError(f"{swept} were due and {len(stage.sent)} were told in sweep {nth}")
    return taken


def _open_many(stage: Stage, count: int) -> None:
    """Copies of one incident that is due much later, written past the app."""
    if not count:
        return
    [outcome] = stage.hear(an_alert(identity="template", group="template"), at=MUCH_LATER)
    template = str(outcome.id)
    partition = template.split("-")[1]
    with ThreadPoolExecutor(WRITERS) as pool:
        theirs: list[Row] = list(stage.store.table.query_entities(f"PartitionKey eq '{partition}'"))
        for _ in pool.map(lambda nth: _copy(stage, theirs, template, nth), range(count)):
            pass
        for _ in pool.map(lambda batch: submit(stage.index.table, batch), _pointers(stage, count)):
            pass


def _copy(stage: Stage, theirs: list[Row], template: str, nth: int) -> None:
    """One copy, under a name of its own."""
    other = _name(nth)
    _, partition, n = other.split("-")
    keys = {rows.incident_key(1): rows.incident_key(int(n))}
    copied = [dict(row) | {"PartitionKey": partition} for row in theirs]
    for row in copied:
        row.update({key: text.replace(template, other) for key, text in row.items() if isinstance(text, str)})
        row["RowKey"] = keys.get(row["RowKey"], row["RowKey"].replace("|0000001|", f"|{int(n):07d}|"))
    submit(stage.store.table, [create(row) for row in copied])


def _pointers(stage: Stage, count: int) -> Iterator[list[Operation]]:
    """The copies' index rows, shard by shard, a hundred at a time."""
    shards: dict[str, list[Operation]] = {}
    for nth in range(count):
        incident = _name(nth)
        shard = shard_of(incident)
        keys = (
            deadline_key(MUCH_LATER, incident),
            f"l|{nth:018d}|{incident}",
            f"w|2026-W47|{stage.name}|{incident}",
        )
        values: tuple[Row, ...] = ({"version0": 0}, {"plan": stage.name}, {})
        batch = shards.setdefault(shard, [])
        for key, value in zip(keys, values, strict=True):
            batch.append(create({"PartitionKey": shard, "RowKey": key, **value}))
        if len(batch) > 96:
            yield shards.pop(shard)
    yield from shards.values()


def _name(nth: int) -> str:
    """Groups recur: n varies, as in life. Azurite looks for a row among all that have its RowKey."""
    return f"INC-ZZ{nth:06d}-{nth % OCCURRENCES + 1}"
