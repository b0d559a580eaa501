"""`kpi.json`: each KPI and its definition, for the plan and each part of it; controls and attestation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.domain.timeline import parse_stamp
from shared.kpi.attestation import attested
from shared.kpi.baseline import Baseline
from shared.kpi.definition import Definition, shown
from shared.kpi.definitions import BY_NAME, DEFINITIONS, VERSION, digest
from shared.kpi.figures import Slice, Tally, against, controls, figure, happened

NAME = "kpi.json"


def render(
    period: Mapping[str, Any],
    tally: Tally,
    targets: Mapping[str, int],
    baseline: Baseline,
    more: Mapping[str, Any],
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
            **more,
        }
    )


def pretty(value: Mapping[str, Any]) -> bytes:
    """JSON for people and line numbers: keys sorted, one value a line."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


def _kpi(definition: Definition, tally: Tally, target: int | None, baseline: Baseline) -> dict[str, Any]:
    whole, definition_shown = figure(definition, tally.plan), shown(definition)
    if definition.of is not None:
        base = BY_NAME[definition.of]
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
