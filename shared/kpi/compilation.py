"""One week's bundle in the making: its timelines are read once, its files grow on disk, memory stays flat."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from shared.domain.timeline import Event
from shared.kpi import (
    audit_csv,
    baseline,
    controls_csv,
    drills_csv,
    incidents_csv,
    kpi_json,
    manifest,
    report_html,
    timeline_jsonl,
    workbook_xlsx,
)
from shared.kpi.baseline import Baseline
from shared.kpi.bundle import Spool, spooled
from shared.kpi.csv_cells import line
from shared.kpi.evidence import Evidence
from shared.kpi.facts import account_of
from shared.kpi.figures import Tally
from shared.kpi.manifest import Heads, Period
from shared.kpi.samples import Members, samples_in, whole_days
from shared.kpi.shelf import DATA

Progress = Callable[[int, int], None]
"""Told after each subject: how many are done, of how many."""
Compiled = tuple[list[Spool], dict[str, Any]]
"""The files that a manifest lists, in their order, and its content."""


class Compilation:
    """The files of one bundle, in a folder."""

    def __init__(self, folder: Path, period: Period, targets: Mapping[str, int]) -> None:
        self.folder, self.period, self.targets = folder, period, targets
        self.tally, self.heads, self.ids = Tally(), Heads(), audit_csv.AuditRows()
        self.evidence = Evidence(folder, period.start, period.as_of)
        self.timeline, self.incidents, self.drills, self.audit = (
            Spool(folder, module.NAME) for module in (timeline_jsonl, incidents_csv, drills_csv, audit_csv)
        )
        for module, spool in (
            (incidents_csv, self.incidents),
            (drills_csv, self.drills),
            (audit_csv, self.audit),
        ):
            spool.write(line(module.COLUMNS))
        self.done: dict[str, Spool] = {}
        """The finished files, by name."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for spool in self._open():
            spool.close()

    def read(self, timelines: Iterable[tuple[str, Iterable[Event]]], of: int, progress: Progress) -> None:
        """Read every timeline, so many, by subject; those not of the week leave no trace."""
        for number, (subject, events) in enumerate(timelines, start=1):
            self._take(subject, events)
            progress(number, of)
        for spool in self._open():
            spool.close()
            self.done[spool.name] = spool

    def finish(self, previous: Members | None) -> Compiled:
        """Compute what follows from everything read, and from the bundle before."""
        before = Baseline.of(self.period.week, previous)
        shown = before.shown(self.period.plan)
        self._add(baseline.NAME, kpi_json.pretty(shown))
        self._add(kpi_json.NAME, self._figures(before))
        self._add(controls_csv.NAME, b"".join(self._controls()))
        kpi = json.loads(b"".join(self.member(kpi_json.NAME)))
        self._add(report_html.NAME, report_html.render(kpi, shown, self.member))
        self._add_workbook(kpi)
        files = [self.done[name] for name in DATA]
        content = manifest.content_of(
            self.period, self.heads, self.targets, self.evidence.shown(), files, self.rows()
        )
        return files, content

    def member(self, name: str) -> Iterator[bytes]:
        """A finished file, in pieces."""
        return self.done[name].pieces()

    def rows(self) -> dict[str, int]:
        """How many the finished files have, of those that have rows."""
        counted = {name: spool.lines - 1 for name, spool in self.done.items() if name.endswith(".csv")}
        return counted | {self.timeline.name: self.timeline.lines}

    def _open(self) -> list[Spool]:
        own = (self.timeline, self.incidents, self.drills, self.audit)
        return [*own, *self.evidence.spools.values()]

    def _take(self, subject: str, events: Iterable[Event]) -> None:
        start, end = self.period.start, self.period.as_of
        lines = timeline_jsonl.TimelineLines(start, end, self.timeline.write)
        account = account_of(subject, self.evidence.passing(lines.passing(events)), start, end)
        if account is None:
            return
        lines.keep()
        read = self.evidence.settle(subject)
        self.incidents.write(incidents_csv.row(account))
        self.drills.write(drills_csv.row(account))
        self.audit.write(b"".join(self.ids.of(account)))
        self.tally.add(account)
        self.heads.add(account, read.first)

    def _figures(self, before: Baseline) -> bytes:
        period = self.period
        days = len(whole_days(period.timezone, period.start, period.as_of)) - 1
        samples = samples_in(self.member, period.timezone, period.start, period.as_of)
        drift = before.drift(samples, days)
        return kpi_json.render(period.shown(), self.tally, self.targets, before, {"drift": drift})

    def _controls(self) -> Iterator[bytes]:
        yield line(controls_csv.COLUMNS)
        for cells in controls_csv.rows(self.evidence.of_type, self.rows()):
            yield line(cells)

    def _add(self, name: str, content: bytes) -> None:
        self.done[name] = spooled(self.folder, name, content)

    def _add_workbook(self, kpi: Mapping[str, Any]) -> None:
        made = self.folder / f"made-{workbook_xlsx.NAME}"
        workbook_xlsx.write(made, kpi, self.member)
        spool = Spool(self.folder, workbook_xlsx.NAME)
        with made.open("rb") as file:
            while piece := file.read(1 << 20):
                spool.write(piece)
        spool.close()
        self.done[spool.name] = spool
