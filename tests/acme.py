"""The plan that tests of plan files load, change and break."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.adapters.plan_files import PlanFiles, load
from shared.domain.errors import InvalidPlan
from shared.domain.plan import Plan

ROOT = Path(__file__).parent.parent
PLANS = ROOT / "tests/plans"
ACME = (PLANS / "acme.yaml").read_text(encoding="utf-8")
SIGNING = {"alertmanager": False, "grafana": True, "generic": True}


def changed(old: str, new: str) -> str:
    """The plan with one passage, which it must have exactly once, replaced."""
    assert ACME.count(old) == 1, f"{old!r} stands {ACME.count(old)} times in the plan"
    return ACME.replace(old, new)


def loaded(folder: Path, text: str = ACME, known_sources: Mapping[str, bool] | None = SIGNING) -> Plan:
    """The plan in a folder of its own."""
    (folder / "acme.yaml").write_text(text, encoding="utf-8")
    return PlanFiles(folder, known_sources).get("acme")


def faults_of(folder: Path, text: str) -> list[str]:
    """Why the plan is refused; faults of acme.yaml without the path."""
    (folder / "acme.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPlan) as refused:
        load(folder, SIGNING)
    return [str(fault).removeprefix(f"{folder.as_posix()}/acme.yaml:") for fault in refused.value.faults]
