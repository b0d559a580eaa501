"""How long the export of a large week takes, and how much memory: run in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.domain.errors import Conflict, NotFound
from shared.domain.plan import Plan
from shared.domain.timeline import GENESIS, Event, seal, stamp
from shared.workflows.export_kpis import compile_week

WEEK = "2026-W47"
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
AFTER = MONDAY + timedelta(days=8)
STEPS = ("opened", "alerts", "escalated", "delivered", "acknowledged", "resolved")


def measure(incidents: int = 10_000) -> dict[str, Any]:
    """Compile and verify one week of so many incidents with six events each, in a fresh process.

    Answers seconds, events per second and peak resident memory in MiB; reading the timelines costs nothing
    here but the making of the events, whose time is given apart.
    """
    command = [sys.executable, "-m", "bench.export_week", str(incidents)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class MadeUpTimelines:
    """`ports.Timelines`: makes each timeline when it is read."""

    def __init__(self, incidents: int) -> None:
        self.incidents = incidents

    def subjects(self, plan: str, week: str) -> list[str]:
        assert (plan, week) == ("bench", WEEK)  # noqa: S101  (a bench may assert)
        return [f"INC-{n:08d}-1" for n in range(self.incidents)]

    def events(self, subject: str) -> Iterator[Event]:
        n = int(subject[4:12])
        opened_at = MONDAY + timedelta(seconds=n * 50 % 600_000)
        previous = GENESIS
        for seq, type in enumerate(STEPS, start=1):
            at = opened_at + timedelta(seconds=(seq - 1) * (30 + n % 97))
            actor = "person:p" if type in ("acknowledged", "resolved") else "tocsin"
            event = seal(subject, seq, previous, type, actor, _data(type, n, opened_at), at, at)
            previous = event.hash
            yield event


class FolderExports:
    """`ports.Exports` on a folder: what goes there is out of memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self, prefix: str) -> list[str]:
        found = (
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()
        )
        return sorted(name for name in found if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        return b"".join(self.stream(name))

    def size(self, name: str) -> int:
        return (self.folder / name).stat().st_size

    def stream(self, name: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        path = self.folder / name
        if not path.is_file():
            raise NotFound(name)
        left = path.stat().st_size if last is None else last + 1 - first
        with path.open("rb") as file:
            file.seek(first)
            while piece := file.read(min(1 << 20, left)):
                left -= len(piece)
                yield piece

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise Conflict(name)
        with path.open("wb") as file:
            for piece in pieces:
                file.write(piece)


def run(incidents: int) -> dict[str, Any]:
    """Measure in this process, whose peak memory is part of the answer."""
    timelines = MadeUpTimelines(incidents)
    with tempfile.TemporaryDirectory() as folder:
        exports = FolderExports(Path(folder))
        began = time.perf_counter()
        for subject in timelines.subjects("bench", WEEK):
            for _ in timelines.events(subject):
                pass
        made = time.perf_counter() - began
        before = _peak()
        began = time.perf_counter()
        bundle = compile_week(_plan(), WEEK, timelines, exports, "bench", AFTER).bundle
        took = time.perf_counter() - began - made
        peak, path = _peak(), Path(folder) / bundle.blob("bundle.zip")
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "shared.kpi.verify", str(path)], stdout=subprocess.DEVNULL, check=True
        )
        events = incidents * len(STEPS)
        return {
            "incidents": incidents,
            "events": events,
            "seconds": round(took, 2),
            "seconds_making_events": round(made, 2),
            "events_per_second": round(events / took),
            "peak_rss_mib": round(peak, 1),
            "rss_before_mib": round(before, 1),
            "bundle_mib": round(path.stat().st_size / 2**20, 1),
            "seconds_to_verify": round(time.perf_counter() - began, 2),
        }


def _peak() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _plan() -> Plan:
    from shared.domain.matrix import Severity
    from shared.domain.plan import Directory, Rules

    rules = Rules("0" * 64, "{}", "bench", "UTC", (Severity("P1"),), "P1", "api")
    return Plan("bench", "Bench", rules, Directory({}, {}))


def _data(type: str, n: int, opened_at: datetime) -> dict[str, Any]:
    if type == "opened":
        due = stamp(opened_at + timedelta(minutes=10))
        return {
            "plan": "bench",
            "source": "generic",
            "name": f"Alert{n % 50}",
            "service": f"service-{n % 20}",
            "severity": f"P{n % 4}",
            "rules": "0" * 64,
            "group": f"{n:064x}",
            "rule": "default",
            "respond_due": due,
            "resolve_due": due,
        }
    if type == "alerts":
        return {"alerts": [_alert(n, opened_at)]}
    if type == "escalated":
        step = {"round": 1, "step": 1, "of": 3, "notify": ["oncall"]}
        return step | {"due": stamp(opened_at), "late_seconds": n % 7}
    return {"by": "person", "code": None} if type == "resolved" else {}


def _alert(n: int, opened_at: datetime) -> dict[str, Any]:
    return {
        "fingerprint": f"{n:032x}",
        "started_at": stamp(opened_at),
        "ended_at": None,
        "state": "firing",
        "disposition": "opened",
        "rule": "default",
        "count": 1,
    }


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
