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
EXCLUDED = "excluded"
"""The metric of what a KPI leaves out; its codes are ``<kpi>/<reason>``."""

Kind = Literal["count", "maximum", "duration", "share", "ratio", "breakdown", "change"]
"""How facts become a figure.

count: the sum of the facts' values. maximum: the largest of them. duration: mean, percentiles and maximum of
the values. share: percent of the facts whose value is 1. ratio: the sum over ``metrics`` divided by the sum
over ``per``, as percent where the unit says so. breakdown: the sum for each code. change: by how many percent
the value of another KPI differs from that of the baseline.
"""
TargetKind = Literal["at most", "at least"]


@dataclass(frozen=True)
class Exclusion:
    """What a KPI leaves out for one reason, and which facts count it: without a code, all of the metric."""

    reason: str
    words: str
    metric: str = EXCLUDED
    code: str | None = None
    summed: bool = False
    """Whether the facts' values are added up; otherwise each fact counts one."""


@dataclass(frozen=True)
class Definition:
    """One KPI. ``metrics`` and ``per`` name metrics of ``audit.csv``; ``codes`` narrows ``metrics``."""

    name: str
    kind: Kind
    unit: str
    words: str
    metrics: tuple[str, ...]
    numerator: str = "the count"
    denominator: str = "none"
    remark: str = "none"
    """What else it leaves out, of which events do not tell how many there were."""
    exclusions: tuple[Exclusion, ...] = ()
    per: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    target: TargetKind | None = None
    """Which side of a plan's target is good."""
    of: str | None = None
    """The KPI whose change it is."""

    @property
    def target_name(self) -> str:
        """What a plan calls the target: the KPI's name, with ``_mean`` behind it for durations."""
        return f"{self.name}_mean" if self.kind == "duration" else self.name

    def counted_as(self, exclusion: Exclusion) -> tuple[str, str | None]:
        """Metric and code of the facts that count what is left out for that reason."""
        if exclusion.metric == EXCLUDED:
            return EXCLUDED, f"{self.name}/{exclusion.reason}"
        return exclusion.metric, exclusion.code


def shown(definition: Definition) -> dict[str, Any]:
    """The definition as ``kpi.json`` carries it."""
    return {
        "words": definition.words,
        "kind": definition.kind,
        "unit": definition.unit,
        "numerator": definition.numerator,
        "denominator": definition.denominator,
        "exclusions": {one.reason: one.words for one in definition.exclusions},
        "excluded_from": {one.reason: _counted(definition, one) for one in definition.exclusions},
        "remark": definition.remark,
        "percentiles": PERCENTILE_METHOD if definition.kind == "duration" else None,
        "target_kind": definition.target,
        "target_name": definition.target_name if definition.target else None,
        "metrics": list(definition.metrics),
        "per": list(definition.per),
        "codes": list(definition.codes),
        "of": definition.of,
    }


def _counted(definition: Definition, exclusion: Exclusion) -> dict[str, Any]:
    metric, code = definition.counted_as(exclusion)
    return {"metric": metric, "code": code, "summed": exclusion.summed}
