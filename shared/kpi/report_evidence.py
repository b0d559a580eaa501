"""What the report shows of the rows behind its figures: bounded lists, read as streams."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.kpi.csv_rows import cells_of
from shared.kpi.report_words import cut, shown

MOST_ENTRIES = 100
"""Subjects listed under a figure; the rest is counted, and stands in ``audit.csv``."""
MOST_INCIDENTS = 200


@dataclass(frozen=True)
class Entry:
    """One row behind a figure: whose it is, and what was measured, in words."""

    subject: str
    words: str
    missed: bool = False


@dataclass
class Evidence:
    """The rows behind one KPI: the largest durations first, what was missed first, else in order."""

    kind: str
    codes: frozenset[str]
    total: int = 0
    _first: list[tuple[int, int, str]] = field(default_factory=list)
    """A heap of weight, inverted number and subject: its least is what is given up."""

    def take(self, subject: str, value: int, code: str) -> None:
        """One row of ``audit.csv``."""
        if self.codes and code not in self.codes:
            return
        self.total += 1
        weight = {"duration": value, "share": -value}.get(self.kind, 0)
        item = (weight, -self.total, subject)
        if len(self._first) < MOST_ENTRIES:
            heapq.heappush(self._first, item)
        else:
            heapq.heappushpop(self._first, item)

    @property
    def entries(self) -> list[Entry]:
        """What is listed, first things first."""
        return [self._entry(weight, subject) for weight, _, subject in sorted(self._first, reverse=True)]

    @property
    def more(self) -> int:
        """How many rows are not listed."""
        return self.total - len(self._first)

    def _entry(self, weight: int, subject: str) -> Entry:
        if self.kind == "duration":
            return Entry(subject, shown(weight, "seconds"))
        missed = self.kind == "share" and weight == 0
        return Entry(subject, "missed" if missed else "", missed)


def evidence_in(audit: Iterable[bytes], kpis: Mapping[str, Mapping[str, Any]]) -> dict[str, Evidence]:
    """The rows of ``audit.csv`` behind each KPI."""
    found: dict[str, Evidence] = {}
    takers: dict[str, list[Evidence]] = defaultdict(list)
    for name, kpi in kpis.items():
        definition = kpi["definition"]
        found[name] = Evidence(definition["kind"], frozenset(definition.get("codes", ())))
        for metric in definition.get("metrics", ()):
            takers[metric].append(found[name])
    for row in cells_of(audit):
        for one in takers.get(row["metric"], ()):
            one.take(row["entity_id"], int(row["value"]), row["notes"].rpartition("/")[2])
    return found


@dataclass
class Incidents:
    """The incidents that the report shows, those with a missed target or still open first."""

    total: int = 0
    first: list[Mapping[str, str]] = field(default_factory=list)
    others: list[Mapping[str, str]] = field(default_factory=list)

    @property
    def rows(self) -> list[Mapping[str, str]]:
        """What is shown."""
        return [*self.first, *self.others][:MOST_INCIDENTS]


def incidents_in(member: Iterable[bytes]) -> Incidents:
    """The rows of ``incidents.csv`` as the report shows them."""
    found = Incidents()
    for cells in cells_of(member):
        found.total += 1
        urgent = cells["state"] != "resolved" or "0" in (cells["respond_met"], cells["resolve_met"])
        into = found.first if urgent else found.others
        if len(into) < MOST_INCIDENTS:
            into.append(dict(_row(cells)))
    return found


_VERDICTS = {"1": "met", "0": "missed"}


def _row(cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from ((key, cut(cells[key])) for key in ("id", "name", "service", "severity", "state"))
    yield "opened_at", moment(cells["opened_at"])
    for key in ("acknowledged_at", "resolved_at"):
        yield key, _after(cells["opened_at"], cells[key])
    for key in ("respond_met", "resolve_met"):
        yield key, _VERDICTS.get(cells[key], "")


def moment(text: str) -> str:
    """An instant to the second."""
    return f"{text[:10]} {text[11:19]}Z" if text else ""


def _after(start: str, end: str) -> str:
    if not end:
        return ""
    passed = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return shown(passed.days * 86_400 + passed.seconds, "seconds")
