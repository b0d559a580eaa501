"""`kpi.json`: each KPI and its definition, for the plan and each part of it; controls and attestation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from shared.domain.timeline import parse_stamp
from shared.kpi.attestation import attested
from shared.kpi.definition import Definition, shown
from shared.kpi.definitions import DEFINITIONS, VERSION, digest
from shared.kpi.figures import Figure, Slice, Tally, against, controls, figure, happened

NAME = "kpi.json"

_BY_NAME = {one.name: one for one in DEFINITIONS}


class Comparison(Protocol):
    """The weeks before, as far as figures are compared with them."""

    def compared(self, definition: Definition, figure: Figure) -> dict[str, Any]:
        """What a figure of the plan is held against, as further keys of it."""

    def change(self, base: Definition, figure: Figure) -> Figure:
        """The figure of a KPI of kind ``change``, from the KPI that it is about."""


def render(
    period: Mapping[str, Any],
    tally: Tally,
    targets: Mapping[str, int],
    baseline: Comparison | None = None,
    more: Mapping[str, Any] | None = None,
) -> bytes:
    """The file; ``period`` names plan and week, as the manifest does; ``more`` are further keys of it."""
    start, as_of = parse_stamp(period["from"]), parse_stamp(period["as_of"])
    return pretty(
        {
            **period,
            "definitions_version": VERSION,
            "kpis": {
                one.name: _kpi(one, tally, targets.get(one.target_name), baseline) for one in DEFINITIONS
            },
            "controls": controls(tally),
            "attestation": attested(start, as_of, happened(tally.plan), tally.watches),
            **(more or {}),
        }
    )


def pretty(value: Mapping[str, Any]) -> bytes:
    """JSON for people and line numbers: keys sorted, one value a line."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


def _kpi(
    definition: Definition, tally: Tally, target: int | None, baseline: Comparison | None
) -> dict[str, Any]:
    whole, definition_shown = figure(definition, tally.plan), shown(definition)
    if baseline is not None:
        if definition.of is not None:
            base = _BY_NAME[definition.of]
            whole |= baseline.change(base, figure(base, tally.plan))
        whole |= baseline.compared(definition, whole)
    return {
        "definition": definition_shown,
        "definition_sha256": digest(definition_shown),
        "plan": whole | (against(target, definition, whole["value"]) if definition.target else {}),
        "by_severity": _each(definition, tally.severities),
        "by_service": _each(definition, tally.services),
        "by_version": _each(definition, tally.versions),
    }


def _each(definition: Definition, slices: Mapping[str, Slice]) -> dict[str, Any]:
    return {name: figure(definition, part) for name, part in slices.items()}
