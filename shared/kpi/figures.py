"""From facts to figures: sums them for the plan and each part of it, and computes every KPI."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.kpi.account import Account
from shared.kpi.attestation import Happened, Watch
from shared.kpi.definition import PERCENTILES, Definition, Exclusion
from shared.kpi.metrics import Fact

ALERTS = ("incident_alerts", "other_alerts", "journal_alerts")
"""The metrics among which every alert of a week stands once."""
Figure = dict[str, Any]
"""One computed KPI; ``value`` is None where there is nothing to compute it from."""


def rounded(number: float) -> float:
    """A float as the export writes it: 6 significant digits."""
    return float(f"{number:.6g}")


def percentile(ascending: list[int], percent: int) -> int:
    """Nearest rank: the value at rank ceil(percent × n / 100), from 1. ``ascending`` is not empty."""
    return ascending[(percent * len(ascending) + 99) // 100 - 1]


@dataclass
class Slice:
    """The facts of one part of the week (the plan, a severity, …): values by metric and code."""

    values: dict[tuple[str, str], array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))

    def add(self, fact: Fact) -> None:
        """Count one fact in."""
        self.values[fact.metric, fact.code].append(fact.value)

    def of(self, metrics: Iterable[str], codes: Collection[str] = ()) -> list[int]:
        """Every value of these metrics, ascending; with ``codes``, only those that carry one of them."""
        wanted = set(metrics)
        return sorted(
            value
            for (metric, code), values in self.values.items()
            if metric in wanted and (not codes or code in codes)
            for value in values
        )

    def by_code(self, metrics: Iterable[str]) -> dict[str, int]:
        """The sum of these metrics for each code."""
        wanted, sums = set(metrics), dict[str, int]()
        for (metric, code), values in self.values.items():
            if metric in wanted:
                sums[code] = sums.get(code, 0) + sum(values)
        return sums


@dataclass
class Tally:
    """All facts of a week.

    A journal knows neither severity nor service nor version, so it counts for the plan only; and so does a
    drill, which enters no other part's figures.
    """

    plan: Slice = field(default_factory=Slice)
    severities: dict[str, Slice] = field(default_factory=dict)
    services: dict[str, Slice] = field(default_factory=dict)
    versions: dict[str, Slice] = field(default_factory=dict)
    """By hash of the rules under which an incident was opened."""
    alerts: int = 0
    """How many alerts the events of the week tell of."""
    watches: list[Watch] = field(default_factory=list)

    def add(self, account: Account) -> None:
        """Count one subject in."""
        self.alerts += account.alerts
        self.watches += account.watches
        slices = [self.plan]
        incident = account.incident
        if incident is not None and incident.drill is None:
            slices.append(self.severities.setdefault(incident.severity, Slice()))
            slices.append(self.services.setdefault(incident.service, Slice()))
            slices.append(self.versions.setdefault(incident.rules, Slice()))
        for part in slices:
            for fact in account.facts:
                part.add(fact)


def figure(definition: Definition, part: Slice) -> Figure:
    """The KPI of that definition for one part of the week; that of a change has no value by itself."""
    if not definition.exclusions:
        return _measured(definition, part)
    excluded = {one.reason: _excluded(definition, one, part) for one in definition.exclusions}
    return _measured(definition, part) | {"excluded": excluded}


def _measured(definition: Definition, part: Slice) -> Figure:
    if definition.kind == "change":
        return {"value": None}
    if definition.kind == "breakdown":
        by_code = part.by_code(definition.metrics)
        return {"value": sum(by_code.values()), "by": by_code}
    values = part.of(definition.metrics, definition.codes)
    if definition.kind == "maximum":
        return {"value": values[-1] if values else None}
    if definition.kind == "duration":
        return _duration(values)
    if definition.kind == "share":
        return _quotient(sum(values), len(values), 100)
    if definition.kind == "ratio":
        times = 100 if definition.unit == "percent" else 1
        return _quotient(sum(values), sum(part.of(definition.per)), times)
    return {"value": sum(values)}


def against(target: int | None, definition: Definition, value: float | None) -> dict[str, Any]:
    """``target`` and ``met`` of a KPI; None where there is no target, or no value to hold against it."""
    met = None
    if target is not None and value is not None:
        met = value <= target if definition.target == "at most" else value >= target
    return {"target": target, "met": met}


def controls(tally: Tally) -> dict[str, Mapping[str, Any]]:
    """Sums that must agree if the timelines are complete and Tocsin acted as its rules say."""
    whole = tally.plan
    opening, opened, reopened, resolved, closing = (
        sum(whole.of([f"incident_{what}"]))
        for what in ("open_at_start", "opened", "reopened", "resolved", "open_at_end")
    )
    dispositions = whole.by_code(ALERTS)
    unrecorded, underived = whole.by_code(["breach_unrecorded"]), whole.by_code(["breach_underived"])
    return {
        "backlog": {
            "opening": opening,
            "opened": opened,
            "reopened": reopened,
            "resolved": resolved,
            "closing": closing,
            "holds": opening + opened + reopened - resolved == closing,
        },
        "alerts": {
            "accepted": tally.alerts,
            "by_disposition": dispositions,
            "holds": sum(dispositions.values()) == tally.alerts,
        },
        "breaches": {
            "unrecorded": {clock: unrecorded.get(clock, 0) for clock in ("respond", "resolve")},
            "underived": {clock: underived.get(clock, 0) for clock in ("respond", "resolve")},
            "holds": not unrecorded and not underived,
        },
        "clock_ahead": {"incidents": sum(whole.of(["clock_ahead"])), "holds": not whole.of(["clock_ahead"])},
    }


def happened(whole: Slice) -> Happened:
    """What a quiet week has none of."""
    opened, reopened, open_at_start, open_at_end = (
        sum(whole.of([f"incident_{what}"])) for what in ("opened", "reopened", "open_at_start", "open_at_end")
    )
    return Happened(opened, reopened, open_at_start, open_at_end, sum(whole.of(ALERTS)))


def _excluded(definition: Definition, exclusion: Exclusion, part: Slice) -> int:
    metric, code = definition.counted_as(exclusion)
    values = part.of([metric], () if code is None else (code,))
    return sum(values) if exclusion.summed else len(values)


def _duration(ascending: list[int]) -> Figure:
    count = len(ascending)
    total = sum(ascending)
    return {
        "numerator": total,
        "denominator": count,
        "value": rounded(total / count) if count else None,
        **{f"p{percent}": percentile(ascending, percent) if count else None for percent in PERCENTILES},
        "max": ascending[-1] if count else None,
    }


def _quotient(numerator: int, denominator: int, times: int) -> Figure:
    value = rounded(times * numerator / denominator) if denominator else None
    return {"numerator": numerator, "denominator": denominator, "value": value}
