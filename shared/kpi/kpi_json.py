"""`kpi.json`: each KPI and its definition, for the plan, each severity and each service; and the controls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.kpi.definition import Definition, shown
from shared.kpi.definitions import DEFINITIONS, VERSION, digest
from shared.kpi.figures import Slice, Tally, against, controls, figure

NAME = "kpi.json"


def render(period: Mapping[str, Any], tally: Tally, targets: Mapping[str, int]) -> bytes:
    """The file; ``period`` names plan and week, as the manifest does."""
    return pretty(
        {
            **period,
            "definitions_version": VERSION,
            "kpis": {one.name: _kpi(one, tally, targets.get(one.target_name)) for one in DEFINITIONS},
            "controls": controls(tally.plan),
        }
    )


def pretty(value: Mapping[str, Any]) -> bytes:
    """JSON for people and line numbers: keys sorted, one value a line."""
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8")


def _kpi(definition: Definition, tally: Tally, target: int | None) -> dict[str, Any]:
    whole, definition_shown = figure(definition, tally.plan), shown(definition)
    return {
        "definition": definition_shown,
        "definition_sha256": digest(definition_shown),
        "plan": whole | (against(target, definition, whole["value"]) if definition.target else {}),
        "by_severity": _each(definition, tally.severities),
        "by_service": _each(definition, tally.services),
    }


def _each(definition: Definition, slices: Mapping[str, Slice]) -> dict[str, Any]:
    return {name: figure(definition, part) for name, part in slices.items()}
