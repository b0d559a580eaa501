"""`baseline.json`: the weeks before this one, as far as figures and samples are compared with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from shared.domain.timeline import parse_stamp
from shared.domain.week import week_before
from shared.kpi import drift
from shared.kpi.definition import Definition
from shared.kpi.drift import ALERTS, MEASURES, Samples
from shared.kpi.figures import Figure, rounded
from shared.kpi.samples import Members, samples_in

NAME = "baseline.json"
LENGTH = 12
"""Calendar weeks that a baseline reaches back."""
SINCE_FORMAT = 3
"""Bundles of an older format have no samples; they begin no baseline."""
DAYS = 7
KEPT = ("value", "numerator", "denominator", "p50", "p90", "p95", "max", "target", "met")
"""What is kept of a figure."""
_PLAIN = ("count", "maximum", "breakdown")
"""Kinds of which a baseline is the mean of the weeks' values."""


@dataclass(frozen=True)
class Baseline:
    """The weeks with which ``week`` is compared, by name, each as ``baseline.json`` holds it."""

    week: str
    weeks: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, week: str, previous: Members | None) -> Baseline:
        """From the members of the bundle before it, of whatever week that is; None: there is none."""
        if previous is None:
            return cls(week, {})
        raw = _whole(previous("manifest.json"))
        manifest = json.loads(raw)
        if manifest["format"] < SINCE_FORMAT:
            return cls(week, {})
        weeks = dict(json.loads(_whole(previous(NAME)))["weeks"])
        weeks[manifest["week"]] = _entry(manifest, hashlib.sha256(raw).hexdigest(), previous)
        reach = weeks_before(week)
        return cls(week, {name: weeks[name] for name in sorted(weeks) if name in reach})

    def shown(self, plan: str) -> dict[str, Any]:
        """The content of the file."""
        return {"plan": plan, "week": self.week, "length": LENGTH, "weeks": dict(self.weeks)}

    def compared(self, definition: Definition, figure: Figure) -> dict[str, Any]:
        """What a figure of the plan is held against: the week before it, and all weeks taken together."""
        before, pooled = self.weeks.get(week_before(self.week), {}), self._pooled(definition)
        change = _change(_exact(definition, figure), pooled)
        return {
            "previous": before.get("kpis", {}).get(definition.name, {}).get("value"),
            "baseline": None if pooled is None else rounded(float(pooled)),
            "baseline_weeks": len(self._figures(definition)),
            "change_percent": None if change is None else rounded(float(change)),
        }

    def change(self, base: Definition, figure: Figure) -> Figure:
        """The figure of a KPI of kind ``change``, from the KPI that it is about."""
        return {"value": self.compared(base, figure)["change_percent"]}

    def samples(self) -> Samples:
        """All weeks' samples by measure and service.

        A day counts for a service from the first week on in which that had an alert, with 0 if need be.
        """
        pooled: Samples = {measure: {} for measure in MEASURES}
        for name in sorted(self.weeks):
            stated = self.weeks[name]["samples"]
            for measure in MEASURES:
                for service, values in stated.get(measure, {}).items():
                    pooled[measure].setdefault(service, []).extend(values)
            for service in pooled[ALERTS].keys() - stated.get(ALERTS, {}).keys():
                pooled[ALERTS][service].extend([0] * DAYS)
        return {
            measure: {service: sorted(values) for service, values in by.items()}
            for measure, by in pooled.items()
        }

    def drift(self, now: Samples, days: int) -> list[dict[str, Any]]:
        """Every test of this week's samples; ``days`` of it are over.

        A service that had alerts before and none now has had 0 a day.
        """
        before = self.samples()
        silent = {service: [0] * days for service in before[ALERTS].keys() - now.get(ALERTS, {}).keys()}
        return drift.drift_tests({**now, ALERTS: {**now.get(ALERTS, {}), **silent}}, before)

    def _figures(self, definition: Definition) -> list[Mapping[str, Any]]:
        """What the weeks say of a KPI that can be pooled, where they say anything."""
        if definition.kind == "change":
            return []
        found = (week["kpis"].get(definition.name, {}) for week in self.weeks.values())
        return [figure for figure in found if figure.get("value") is not None]

    def _pooled(self, definition: Definition) -> Fraction | None:
        figures = self._figures(definition)
        if not figures:
            return None
        if definition.kind in _PLAIN:
            return Fraction(sum(figure["value"] for figure in figures), len(figures))
        above, below = (sum(figure[part] for figure in figures) for part in ("numerator", "denominator"))
        return Fraction(_times(definition) * above, below) if below else None


def weeks_before(week: str) -> set[str]:
    """The calendar weeks that a baseline of that week reaches."""
    found = set[str]()
    for _ in range(LENGTH):
        week = week_before(week)
        found.add(week)
    return found


def _entry(manifest: Mapping[str, Any], sha256: str, members: Members) -> dict[str, Any]:
    kpis = json.loads(_whole(members("kpi.json")))["kpis"]
    start, as_of = parse_stamp(manifest["from"]), parse_stamp(manifest["as_of"])
    return {
        "revision": manifest["revision"],
        "manifest_sha256": sha256,
        "kpis": {
            name: {key: kpi["plan"][key] for key in KEPT if key in kpi["plan"]} for name, kpi in kpis.items()
        },
        "samples": samples_in(members, manifest["timezone"], start, as_of),
    }


def _exact(definition: Definition, figure: Figure) -> Fraction | None:
    """The value of a figure before it was rounded."""
    if figure["value"] is None or definition.kind == "change":
        return None
    if definition.kind in _PLAIN:
        return Fraction(figure["value"])
    return Fraction(_times(definition) * figure["numerator"], figure["denominator"])


def _change(value: Fraction | None, base: Fraction | None) -> Fraction | None:
    """In percent of the base."""
    return None if value is None or not base else 100 * (value - base) / base


def _times(definition: Definition) -> int:
    percent = definition.kind == "share" or (definition.kind == "ratio" and definition.unit == "percent")
    return 100 if percent else 1


def _whole(pieces: Iterable[bytes]) -> bytes:
    return b"".join(pieces)
