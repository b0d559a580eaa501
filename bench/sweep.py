"""A sweep with 100 due among few and among many open incidents: it costs what is due, not what is open."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.copies import Row, copy_many
from local import azurite
from shared.adapters.deadline_index import deadline_key
from shared.domain.doors import Storm
from tests.builders import NOON, a_directory, a_severity, an_alert, minutes, some_rules
from tests.stage import Stage

DUE = 100
MUCH_LATER = NOON + timedelta(days=29)
SWEEPS = 6
STEPS = tuple((minutes(15 * nth), ("oncall",)) for nth in range(1, SWEEPS + 1))


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
    """Copies of one incident that is due much later."""
    if count:
        [outcome] = stage.hear(an_alert(identity="template", group="template"), at=MUCH_LATER)
        copy_many(stage, str(outcome.id), count, partial(_pointers, stage))


def _pointers(stage: Stage, nth: int, incident: str) -> Mapping[str, Row]:
    return {
        deadline_key(MUCH_LATER, incident): {"version0": 0},
        f"l|{nth:018d}|{incident}": {"plan": stage.name},
        f"w|2026-W47|{stage.name}|{incident}": {},
    }
