"""Every figure of a made-up history, computed once more with pandas from the documentation of the figures.

What computes here shares no code with what makes the export: what differs is a fault of the one, of the other
or of the words between them.
"""

from __future__ import annotations

import ast
import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bench.export_week import FolderExports
from bench.history import History
from bench.year import plan_of, weeks_of
from shared.domain.week import week_bounds
from shared.kpi import verify
from shared.kpi.derivations import LEFT_OUT
from shared.kpi.metrics import METRICS
from shared.workflows.export_kpis import compile_week

HISTORY = History(250, seed=57, weeks=3, faults=0.2)
MOMENT = timedelta(seconds=30)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of the bundles of all its weeks, and of the last one as it was at some of its instants."""
    pytest.importorskip("pandas")
    pytest.importorskip("scipy")
    folder = tmp_path_factory.mktemp("exports")
    exports, plan, made = FolderExports(folder), plan_of(HISTORY), []
    weeks = weeks_of(HISTORY)
    instants = [(week, week_bounds(week, HISTORY.timezone)[1] + MOMENT) for week in weeks[:-1]]
    instants += [(weeks[-1], instant) for instant in [*interesting(weeks[-1]), HISTORY.end + MOMENT]]
    for week, now in instants:
        bundle = compile_week(plan, week, HISTORY, exports, "test", now).bundle
        made.append(folder / bundle.blob("x").removesuffix("x"))
    return made


def interesting(week: str) -> list[datetime]:
    """In order: a moment after something began, and the very instants of a due clock and of an event."""
    start, end = week_bounds(week, HISTORY.timezone)
    found: dict[str, datetime] = {}
    for subject in HISTORY.subjects(HISTORY.plan, week):
        for event in HISTORY.events(subject):
            if not start + timedelta(days=2) < event.recorded_at < end - timedelta(days=1):
                continue
            if event.type == "opened" and event.data["respond_due"]:
                found.setdefault("drill" if event.data["drill"] else "opened", event.recorded_at + MOMENT)
            elif event.type == "reopened":
                found.setdefault("reopened", event.recorded_at + MOMENT)
            elif event.type == "breached":
                found.setdefault("due", event.occurred_at)
            elif event.type == "resolved":
                found.setdefault("resolved", event.recorded_at)
    return sorted(found.values())


def test_pandas_computes_the_same_figures_of_every_week_from_what_is_documented(bundles: list[Path]) -> None:
    from tests.recomputing_figures import compare

    found = [compare(bundle) for bundle in bundles]
    assert [apart for _, apart in found] == [[]] * len(bundles)
    assert all(agree > 3_000 for agree, _ in found)
    stated = [json.loads((bundle / "kpi.json").read_text(encoding="utf-8")) for bundle in bundles]
    assert any(one["attestation"]["not_watched"] for one in stated)
    assert any(test["drifted"] for one in stated for test in one["drift"])
    assert any(not control["holds"] for one in stated for control in one["controls"].values())


def test_the_verifier_finds_the_same_where_tocsin_erred_too(
    bundles: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [verify.main([str(bundle / "bundle.zip")]) for bundle in bundles] == [0] * len(bundles), (
        capsys.readouterr().out
    )


def test_a_figure_that_is_not_what_the_timelines_say_is_named(bundles: list[Path], tmp_path: Path) -> None:
    from tests.recomputing_figures import compare

    for name in ("baseline.json", "timeline.jsonl"):
        (tmp_path / name).write_bytes((bundles[1] / name).read_bytes())
    stated = json.loads((bundles[1] / "kpi.json").read_text(encoding="utf-8"))
    figure = stated["kpis"]["time_to_resolve"]["plan"]
    figure["p95"] += 1
    (tmp_path / "kpi.json").write_text(json.dumps(stated), encoding="utf-8")
    assert compare(tmp_path)[1] == [
        f"/kpis/time_to_resolve/plan/p95: stated {figure['p95']}, computed {figure['p95'] - 1}"
    ]


def test_every_kind_of_fact_occurs_in_that_history(bundles: list[Path]) -> None:
    kinds = set[str]()
    for bundle in bundles:
        with (bundle / "audit.csv").open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                code = row["notes"].split("/", 2)[2:]
                kinds.add(code[0] if row["metric"] == "excluded" else row["metric"])
    assert (set(METRICS) - {"excluded"} | set(LEFT_OUT)) - kinds == set()


def test_what_computes_once_more_imports_nothing_of_what_makes_the_export() -> None:
    imported = set[str]()
    for path in Path(__file__).parent.glob("recomputing_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
    ours = {name for name in imported if name.partition(".")[0] in ("shared", "functions", "bench", "tests")}
    assert all(name.startswith("tests.recomputing_") for name in ours)
