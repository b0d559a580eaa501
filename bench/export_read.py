"""How fast a week is compiled from real tables, against the bare SDK that does nothing but read them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from azure.data.tables import TableServiceClient

from bench.copies import copy_many, name_of
from bench.export_week import FolderExports
from local import azurite
from shared.adapters import table_rows as rows
from shared.domain.response import Acknowledge, Resolve
from shared.domain.timeline import Text
from shared.domain.week import week_bounds, week_of
from shared.workflows.export_kpis import compile_week
from tests.builders import NOON, a_directory, a_severity, an_alert, minutes, some_rules
from tests.stage import Stage

STEPS = tuple((minutes(5 * nth), ("oncall",)) for nth in range(1, 4))


@dataclass(frozen=True)
class Read:
    """Events per second, by the export and by the bare SDK."""

    events: int
    export_rate: float
    raw_rate: float


def measure(folder: Path, incidents: int) -> Read:
    """Read the timelines of so many incidents twice, each by one query, one after the other."""
    week = week_of(NOON, "UTC")
    with (
        azurite.start(folder / "storage", in_memory=True) as storage,
        Stage(storage.connection_string) as stage,
    ):
        template = _an_incident(stage)
        copy_many(stage, template, incidents, lambda _, name: {f"w|{week}|{stage.name}|{name}": {}})
        raw_events, raw_seconds = _bare(storage.connection_string, incidents)
        exports, later = FolderExports(folder / "exports"), week_bounds(week, "UTC")[1] + timedelta(days=1)
        began = time.perf_counter()
        compiled = compile_week(stage.plans.plan, week, stage.store, exports, "bench", later)
        seconds = time.perf_counter() - began
        timelines = b"".join(exports.stream(compiled.bundle.blob("timeline.jsonl"))).count(b"\n")
    return Read(raw_events, timelines / seconds, raw_events / raw_seconds)


def _an_incident(stage: Stage) -> str:
    """Opened, escalated twice, told, acknowledged and resolved."""
    stage.rules(some_rules(a_severity(steps=STEPS)))
    stage.directory(a_directory(oncall=("log",), manager=("log",)))
    [outcome] = stage.hear(an_alert())
    incident = str(outcome.id)
    for at in (5, 10):
        stage.advance(incident, NOON + minutes(at))
    stage.respond(incident, Acknowledge(), NOON + minutes(12))
    stage.respond(incident, Resolve(Text("the disk was full", "ab" * 16)), NOON + minutes(40))
    stage.advance(incident, NOON + minutes(41))
    return incident


def _bare(connection_string: str, incidents: int) -> tuple[int, float]:
    """How many events there are, and the seconds that reading them took."""
    with TableServiceClient.from_connection_string(connection_string) as service:
        table, events = service.get_table_client("Incidents"), 0
        began = time.perf_counter()
        for nth in range(incidents):
            _, partition, n = name_of(nth).split("-")
            low, high = rows.event_key(int(n), 0), rows.event_key(int(n), 99_999_999)
            query = f"PartitionKey eq '{partition}' and RowKey ge '{low}' and RowKey le '{high}'"
            events += sum(1 for _ in table.query_entities(query))
        return events, time.perf_counter() - began
