"""What one KPI of the weekly export is: how its figure is computed from facts, and in words what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

PERCENTILES = (50, 90, 95)
PERCENTILE_METHOD = (
    "nearest rank: of n values in ascending order, the p-th percentile is the value at rank "
    "ceil(p × n / 100), counted from 1; always a value that was measured"
)
MEASURED = "sum of the whole seconds measured"

Kind = Literal["count", "duration", "share", "ratio", "breakdown"]
"""How facts become a figure.

count: the sum of the facts' values. duration: mean, percentiles and maximum of the values. share: percent of
the facts whose value is 1. ratio: the sum over ``metrics`` divided by the sum over ``per``, as percent where
the unit says so. breakdown: the sum for each code.
"""
TargetKind = Literal["at most", "at least"]


@dataclass(frozen=True)
class Definition:
    """One KPI. ``metrics`` and ``per`` name metrics of ``audit.csv``; ``code`` narrows them."""

    name: str
    kind: Kind
    unit: str
    words: str
    metrics: tuple[str, ...]
    numerator: str = "the count"
    denominator: str = "none"
    exclusions: str = "none"
    per: tuple[str, ...] = ()
    code: str | None = None
    target: TargetKind | None = None
    """Which side of a plan's target is good."""

    @property
    def target_name(self) -> str:
        """What a plan calls the target: the KPI's name, with ``_mean`` behind it for durations."""
        return f"{self.name}_mean" if self.kind == "duration" else self.name


def shown(definition: Definition) -> dict[str, Any]:
    """The definition as ``kpi.json`` carries it."""
    return {
        "words": definition.words,
        "kind": definition.kind,
        "unit": definition.unit,
        "numerator": definition.numerator,
        "denominator": definition.denominator,
        "exclusions": definition.exclusions,
        "percentiles": PERCENTILE_METHOD if definition.kind == "duration" else None,
        "target_kind": definition.target,
        "target_name": definition.target_name if definition.target else None,
        "metrics": list(definition.metrics),
        "per": list(definition.per),
        "code": definition.code,
    }
