"""From facts to figures: sums them for the plan, each severity and each service, and computes every KPI."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.kpi.account import Account
from shared.kpi.definition import PERCENTILES, Definition
from shared.kpi.metrics import Fact

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
    """The facts of one part of the week (the plan, a severity, a service): values by metric and code."""

    values: dict[tuple[str, str], array[int]] = field(default_factory=lambda: defaultdict(lambda: array("q")))

    def add(self, fact: Fact) -> None:
        """Count one fact in."""
        self.values[fact.metric, fact.code].append(fact.value)

    def of(self, metrics: Iterable[str], code: str | None = None) -> list[int]:
        """Every value of these metrics, ascending; with ``code``, only those that carry it."""
        wanted = set(metrics)
        return sorted(
            value
            for (metric, its_code), values in self.values.items()
            if metric in wanted and code in (None, its_code)
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

    A journal knows neither severity nor service, so it counts for the plan only; and so does a drill, which
    enters no severity's or service's figures.
    """

    plan: Slice = field(default_factory=Slice)
    severities: dict[str, Slice] = field(default_factory=dict)
    services: dict[str, Slice] = field(default_factory=dict)

    def add(self, account: Account) -> None:
        """Count one subject in."""
        slices = [self.plan]
        if account.incident is not None and account.incident.drill is None:
            slices.append(self.severities.setdefault(account.incident.severity, Slice()))
            slices.append(self.services.setdefault(account.incident.service, Slice()))
        for part in slices:
            for fact in account.facts:
                part.add(fact)


def figure(definition: Definition, part: Slice) -> Figure:
    """The KPI of that definition for one part of the week."""
    if definition.kind == "breakdown":
        by_code = part.by_code(definition.metrics)
        return {"value": sum(by_code.values()), "by": by_code}
    values = part.of(definition.metrics, definition.code)
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


def controls(whole: Slice) -> dict[str, Mapping[str, Any]]:
    """Sums that must agree if the timelines are complete and Tocsin acted as its rules say."""
    opening, opened, reopened, resolved, closing = (
        sum(whole.of([f"incident_{what}"]))
        for what in ("open_at_start", "opened", "reopened", "resolved", "open_at_end")
    )
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
        "breaches": {
            "unrecorded": {clock: unrecorded.get(clock, 0) for clock in ("respond", "resolve")},
            "underived": {clock: underived.get(clock, 0) for clock in ("respond", "resolve")},
            "holds": not unrecorded and not underived,
        },
        "clock_ahead": {"incidents": sum(whole.of(["clock_ahead"])), "holds": not whole.of(["clock_ahead"])},
    }


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
