"""The evidence of a week, gathered while its timelines are read once: a file for each kind of fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.domain.timeline import Event, stamp_or_none
from shared.kpi import (
    access_csv,
    action_items_csv,
    alerts_csv,
    deliveries_csv,
    escalations_csv,
    oncall_coverage_csv,
    plan_changes_csv,
    reviews_csv,
    suppressions_csv,
)
from shared.kpi.bundle import Spool
from shared.kpi.csv_cells import Cells, line

_AT_ONCE = (
    alerts_csv,
    escalations_csv,
    suppressions_csv,
    plan_changes_csv,
    oncall_coverage_csv,
    access_csv,
)
"""Files whose rows follow from one event alone."""
_COLUMNS: Mapping[str, Iterable[str]] = {
    module.NAME: module.COLUMNS for module in (*_AT_ONCE, deliveries_csv, action_items_csv, reviews_csv)
}


class Subject:
    """What was read of one timeline, as far as rows wait for its end."""

    def __init__(self, start: datetime) -> None:
        self.length = 0
        self.first = 0
        """Number of its first event in the week; 0: none."""
        self.drill = ""
        self.deliveries = deliveries_csv.Deliveries()
        self.items = action_items_csv.Items(start)
        self.reviews = reviews_csv.Reviews(start)

    def take(self, event: Event, *, in_week: bool) -> None:
        """The next event."""
        self.length = event.seq
        if in_week and not self.first:
            self.first = event.seq
        if event.type == "opened":
            self.drill = event.data.get("drill") or ""
        self.deliveries.take(event, self.drill, in_week=in_week)
        self.items.take(event)
        self.reviews.take(event)


class Evidence:
    """The files in the making, and what the manifest says of the events behind them."""

    def __init__(self, folder: Path, start: datetime, end: datetime) -> None:
        self.start, self.end = start, end
        self.spools = {name: Spool(folder, name) for name in _COLUMNS}
        self.of_type: Counter[str] = Counter()
        """Events of the week."""
        self.subject = Subject(start)
        self._total = 0
        self._span: tuple[datetime, datetime] | None = None
        self._plans: set[str] = set()
        self._writers: dict[str, list[tuple[Spool, Callable[[Event, str], Iterator[Cells]]]]] = {}
        for name, columns in _COLUMNS.items():
            self.spools[name].write(line(columns))
        for module in _AT_ONCE:
            for type in module.TYPES:
                self._writers.setdefault(type, []).append((self.spools[module.NAME], module.rows))

    def passing(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass on one subject's events, all recorded before the week's end; rows are written on the way."""
        self.subject = Subject(self.start)
        for event in events:
            in_week = event.recorded_at >= self.start
            self.subject.take(event, in_week=in_week)
            if in_week:
                self._note(event)
            yield event

    def settle(self, subject: str) -> Subject:
        """Write the rows that waited for the end of a timeline that belongs to the week."""
        self._total += self.subject.length
        one, drill = self.subject, self.subject.drill
        self._write(deliveries_csv.NAME, one.deliveries.rows())
        self._write(action_items_csv.NAME, one.items.rows(subject, drill, self.end))
        self._write(reviews_csv.NAME, one.reviews.rows(subject, drill, self.end))
        return one

    def shown(self) -> dict[str, Any]:
        """What the manifest says of the events, and of the plan's documents that they tell of."""
        first, last = self._span or (None, None)
        return {
            "events": {
                "total": self._total,
                "in_week": self.of_type.total(),
                "first_recorded_at": stamp_or_none(first),
                "last_recorded_at": stamp_or_none(last),
            },
            "plans": sorted(self._plans),
        }

    def _note(self, event: Event) -> None:
        self.of_type[event.type] += 1
        at = event.recorded_at
        first, last = self._span or (at, at)
        self._span = min(first, at), max(last, at)
        if event.type == "plan-changed":
            self._plans.update(one for one in (event.data.get("from"), event.data.get("to")) if one)
        for spool, rows in self._writers.get(event.type, ()):
            for cells in rows(event, self.subject.drill):
                spool.write(line(cells))

    def _write(self, name: str, rows: Iterable[Cells]) -> None:
        for cells in rows:
            self.spools[name].write(line(cells))
