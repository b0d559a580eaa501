"""`make bench`: every bar that can be measured on one machine, as a table and in ``.local/bench.json``.

``python -m bench.run [KILLS]`` (or ``BENCH_KILLS``; the full bar is 200). Exits 1 where a bar does not hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import cold_start, export_read, export_week, intake, kill, round_trips, sweep

ROOT = Path(__file__).resolve().parent.parent
ANSWER = ROOT / ".local" / "bench.json"
ALERTS, POSTS, KILLS = 400, 5_000, 10
FEW, MANY = 2_500, 10_000
READ = 2_000
BARE_MS = 11
"""The bare SDK's CPU for a first alert on the machine that the bar was set on: other machines differ."""
Measuring = Callable[[Path], Iterator["Bar"]]


@dataclass(frozen=True)
class Bar:
    """One figure and what it is held to."""

    name: str
    value: float
    bar: str
    holds: bool


def at_most(name: str, value: float, most: float) -> Bar:
    """A bar from above."""
    return Bar(name, round(value, 3), f"<= {most:g}", value <= most)


def at_least(name: str, value: float, least: float) -> Bar:
    """A bar from below."""
    return Bar(name, round(value, 3), f">= {least:g}", value >= least)


def exactly(name: str, value: float, wanted: float) -> Bar:
    """A bar from both sides."""
    return Bar(name, value, f"= {wanted:g}", value == wanted)


def the_round_trips(folder: Path) -> Iterator[Bar]:
    """Requests to storage, queue message counted."""
    trips = round_trips.measure(folder)
    yield at_most("round trips, first alert", trips.first, 4)
    yield at_most("round trips, repeated alert", trips.repeated, 2)
    yield at_most("round trips, group of 50", trips.group_of_50, 4)


def the_ingest(folder: Path) -> Iterator[Bar]:
    """Distinct alerts through the local host, against the bare SDK."""
    ingest = intake.measure_ingest(folder, ALERTS)
    say(f"distinct alerts/s: app {ingest.app_rate:.0f}, bare SDK {ingest.raw_rate:.0f}")
    say(f"answer, ms: p50 {ingest.p50_ms:g}, p99 {ingest.p99_ms:g}")
    say(f"CPU ms/alert: app {ingest.app_cpu_ms:.2f}, bare SDK {ingest.raw_cpu_ms:.2f}")
    ratio = ingest.app_cpu_ms / ingest.raw_cpu_ms
    yield at_least("ingest rate / bare SDK's", ingest.app_rate / ingest.raw_rate, 0.6)
    yield at_most("CPU per alert / bare SDK's", ratio, 1.5)
    yield at_most("CPU per alert, ms where the SDK takes 11", ratio * BARE_MS, 5)


def the_storm(folder: Path) -> Iterator[Bar]:
    """One alert, posted by everybody."""
    storm = intake.measure_storm(folder, POSTS)
    say(f"{storm.posts} posts in {storm.seconds:.1f} s and {storm.transactions} transactions")
    yield at_least("storm, posts per transaction", storm.posts / storm.transactions, 10)
    yield exactly("storm, posts counted", storm.counted, POSTS)
    yield exactly("storm, posts answered 202", storm.accepted, POSTS)


def the_sweep(folder: Path) -> Iterator[Bar]:
    """100 due among as many and among many."""
    few, many = sweep.measure(folder, sweep.DUE, MANY)
    say(f"100 due: {few:.2f} s among 100 open, {many:.2f} s among {MANY}")
    yield at_most("sweep among 10,000 / among 100", many / few, 1.3)


def the_export(folder: Path) -> Iterator[Bar]:
    """A large week: memory, and time against a quarter of it."""
    few, many = export_week.measure(FEW), export_week.measure(MANY)
    say(f"export: {few['seconds']} s for {FEW} incidents, {many['seconds']} s for {MANY}")
    yield at_most("export of 10,000 incidents, MiB", many["peak_rss_mib"], 300)
    yield at_most("export, time of 10,000 / 4 x 2,500", many["seconds"] / few["seconds"] / (MANY / FEW), 1.3)
    read = export_read.measure(folder, READ)
    say(f"events/s from tables: export {read.export_rate:.0f}, bare SDK {read.raw_rate:.0f}")
    yield at_least("export rate / bare SDK's reading", read.export_rate / read.raw_rate, 0.5)


def the_cold_start(_: Path) -> Iterator[Bar]:
    """The import of the app against that of its libraries."""
    app, bare = cold_start.measure()
    say(f"import: app {app * 1000:.0f} ms, libraries {bare * 1000:.0f} ms")
    yield at_most("cold start / bare libraries", app / bare, 2.5)


def the_kills(folder: Path) -> Iterator[Bar]:
    """kill -9 under load."""
    verdict = kill.run(folder, _kills(), seed=int(time.time()))
    say(f"{verdict.kills} kills, {verdict.promised} firings promised, {verdict.delivered} deliveries")
    for fault in verdict.faults[:20]:
        say(fault)
    yield exactly(f"faults after {verdict.kills} kills", len(verdict.faults), 0)


def the_faults(_: Path) -> Iterator[Bar]:
    """Storage that fails a fifth of the time, as the test has it."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_under_faults.py"]
    failed = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode
    yield exactly("storage failing at 20 %, test failed", failed, 0)


EVERYTHING: tuple[Measuring, ...] = (
    the_round_trips,
    the_ingest,
    the_storm,
    the_sweep,
    the_export,
    the_cold_start,
    the_kills,
    the_faults,
)


def main() -> int:
    """Measure everything, one after the other."""
    bars: list[Bar] = []
    for measuring in EVERYTHING:
        with tempfile.TemporaryDirectory() as folder:
            bars += measuring(Path(folder))
    ANSWER.parent.mkdir(exist_ok=True)
    ANSWER.write_text(json.dumps({"bars": [asdict(bar) for bar in bars]}, indent=1) + "\n", encoding="utf-8")
    print(f"\n{'bar':42} {'value':>10} {'wanted':>10}  holds")
    for bar in bars:
        print(f"{bar.name:42} {bar.value:10g} {bar.bar:>10}  {'yes' if bar.holds else 'NO'}")
    return 0 if all(bar.holds for bar in bars) else 1


def say(what: str) -> None:
    """A figure as it comes."""
    print(f"  {what}", flush=True)


def _kills() -> int:
    return int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BENCH_KILLS") or KILLS)


if __name__ == "__main__":
    raise SystemExit(main())
