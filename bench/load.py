"""Posts alerts from many clients and tells how it went; a process of its own, so that its CPU is its own.

``python -m bench.load URL CLIENTS POSTS distinct|same PREFIX``
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
PATH = "/api/v1/plans/acme/alerts/generic"
HEADERS = {"x-functions-key": "local", "Content-Type": "application/json"}
STARTED_AT = "2026-11-18T12:00:00Z"


@dataclass(frozen=True)
class Heard:
    """What the clients heard: answers by status, seconds in all, and the slow ends of an answer's time."""

    statuses: dict[str, int]
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def accepted(self) -> int:
        """How many heard 202."""
        return self.statuses.get("202", 0)


def post(url: str, clients: int, posts: int, kind: str, prefix: str) -> Heard:
    """Run the load in a process of its own and wait for it."""
    command = [sys.executable, "-m", "bench.load", url, str(clients), str(posts), kind, prefix]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return Heard(**json.loads(done.stdout))


def alert(kind: str, prefix: str, number: int) -> bytes:
    """An alert as monitoring systems send them, with a dozen labels and a runbook."""
    name = f"{prefix}-{number}" if kind == "distinct" else prefix
    body = {
        "name": "HighErrorRate",
        "fingerprint": name,
        "group": name,
        "service": "api",
        "severity": "P1",
        "started_at": STARTED_AT,
        "summary": f"{name}: more than 5 % of the requests fail",
        "labels": {f"label_{nth}": f"a value of ordinary length {nth}" for nth in range(12)},
        "annotations": {"runbook": "https://runbooks.example/high-error-rate", "dashboard": "d" * 60},
        "url": "https://monitoring.example/graph?g0.expr=rate",
    }
    return json.dumps(body).encode()


def run(url: str, clients: int, posts: int, kind: str, prefix: str) -> Heard:
    """Post with so many clients at once, each on a connection of its own."""
    numbers, lock = count(), threading.Lock()
    statuses: Counter[str] = Counter()
    times: list[float] = []

    def client() -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        while (number := next(numbers)) < posts:
            body = alert(kind, prefix, number)
            began = time.perf_counter()
            connection.request("POST", PATH, body, HEADERS)
            answer = connection.getresponse()
            answer.read()
            took = time.perf_counter() - began
            with lock:
                statuses[str(answer.status)] += 1
                times.append(took)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    times.sort()
    return Heard(dict(statuses), seconds, _at(times, 0.5), _at(times, 0.99))


def _at(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 1)


if __name__ == "__main__":
    print(json.dumps(asdict(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]))))
