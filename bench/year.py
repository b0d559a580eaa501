"""A made-up year exported twice, as if on different days: are all bytes the same, does every bundle verify?

``python -m bench.year [INCIDENTS] [WEEKS] [FOLDER]``; exit code 1 where a byte differs or a bundle does not
hold.
"""

from __future__ import annotations

import contextlib
import filecmp
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

from bench.export_week import FolderExports
from bench.history import History
from shared.domain.plan import Directory, Plan, Rules
from shared.domain.week import week_after, week_bounds
from shared.kpi import verify
from shared.workflows.export_kpis import compile_week

DAYS_LATER = timedelta(days=400)


def weeks_of(history: History) -> list[str]:
    """The weeks that it covers, in order."""
    weeks = [history.first_week]
    while len(weeks) < history.weeks:
        weeks.append(week_after(weeks[-1]))
    return weeks


def plan_of(history: History) -> Plan:
    """A plan of that name and time zone, with targets to be held against."""
    rules = Rules("0" * 64, "{}", history.plan, history.timezone, (), "medium", "checkout")
    targets = {
        "time_to_acknowledge_mean": 600,
        "time_to_resolve_mean": 7_200,
        "first_response_within_5m": 80,
        "respond_sla_attainment": 95,
        "resolve_sla_attainment": 90,
        "review_completion": 100,
    }
    return Plan(history.plan, "A made-up year", rules, Directory({}, {}), targets=targets)


def export(incidents: int, weeks: int, folder: Path, later: timedelta) -> list[Path]:
    """Compile every week so long after its end; the folders of the bundles."""
    history = History(incidents, weeks=weeks)
    exports, plan, made = FolderExports(folder), plan_of(history), []
    for week in weeks_of(history):
        began = time.perf_counter()
        now = week_bounds(week, history.timezone)[1] + later
        bundle = compile_week(plan, week, history, exports, "bench", now).bundle
        made.append(folder / bundle.blob("x").removesuffix("x"))
        print(f"{folder.name} {week} {bundle.label}: {time.perf_counter() - began:.1f} s", flush=True)
    return made


def different(one: Path, other: Path) -> Iterator[str]:
    """Files of the bundles that are not the same in every byte; signatures may differ."""
    names = {path.name for folder in (one, other) for path in folder.iterdir()} - {"manifest.sig"}
    for name in sorted(names):
        if not filecmp.cmp(one / name, other / name, shallow=False):
            yield f"{one.name} and {other.name}: {name}"


def holds(bundle: Path, before: Path | None) -> bool:
    """Whether a bundle verifies, held against the one before it; what the verifier says only where not."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = verify.main([str(one / "bundle.zip") for one in (bundle, before) if one])
    if code:
        print(said.getvalue(), flush=True)
    return code == 0


def main(arguments: list[str]) -> int:
    """Export twice, compare, verify each with the one before it."""
    incidents, weeks = (int(one) for one in (*arguments, *("100000", "52")[len(arguments) :])[:2])
    with tempfile.TemporaryDirectory() as made_here, ProcessPoolExecutor(2) as pool:
        folder = Path(arguments[2]) if len(arguments) > 2 else Path(made_here)
        runs = [
            pool.submit(export, incidents, weeks, folder / name, later)
            for name, later in (("first", timedelta(hours=1)), ("again", DAYS_LATER))
        ]
        first, again = (run.result() for run in runs)
        faults = [fault for pair in zip(first, again, strict=True) for fault in different(*pair)]
        for fault in faults:
            print("differs:", fault)
        held = list(pool.map(holds, first, [None, *first[:-1]]))
        print(f"{len(first)} weeks, {len(faults)} files differ, {held.count(False)} bundles do not verify")
        return 1 if faults or not all(held) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
