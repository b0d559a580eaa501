"""The local host as a process, with the toy app, as a test sees it."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOY = ROOT / "tests" / "toy_app"
UP = re.compile(r"Tocsin is up: http://127\.0\.0\.1:(\d+)\n")
NEVER = "0 0 0 1 1 *"

Facts = queue.Queue[dict[str, Any]]


@dataclass
class Answer:
    """An HTTP answer; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401  # as json.loads
        """The body, parsed."""
        return json.loads(self.body)


@dataclass
class Host:
    """A running host."""

    process: subprocess.Popen[str]
    port: int
    data: Path

    def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=30)


@dataclass
class Receiver:
    """Where the toy app posts what reached it."""

    url: str
    facts: Facts = field(default_factory=queue.Queue)

    def next(self) -> dict[str, Any]:
        """The next fact, waited for."""
        return self.facts.get(timeout=20)


def settings(receiver: str = "", storage: str = "", **more: str) -> dict[str, str]:
    """The environment of a host; without a storage it has to start one."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AzureWebJobs", "TOCSIN_", "PORT"))
    }
    own = {"TOY_RECEIVER": receiver, "TOY_SCHEDULE": NEVER, "TOY_QUEUE": f"toy-{uuid.uuid4().hex}"}
    return {**kept, **own, "TOCSIN_STORAGE": storage, **more}


@contextmanager
def running(data: Path, environment: dict[str, str], *arguments: str) -> Iterator[Host]:
    """A host that is up; at the end it is killed if it still runs, without its storage."""
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "local.host", "--app", str(TOY), "--data", str(data), "--port", "0"]
    with (data / "host.log").open("a") as log:
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    with process:
        assert process.stdout is not None
        up = UP.fullmatch(process.stdout.readline())
        try:
            assert up, (data / "host.log").read_text()
            yield Host(process, int(up[1]), data)
        finally:
            if process.poll() is None:
                process.kill()


def until_refused(host: Host) -> None:
    """Call until the host takes no more requests."""
    for _ in range(10_000):
        try:
            if host.call("GET", "/toy/words/all").status == 503:
                return
        except OSError:
            return
    raise AssertionError("the host goes on taking requests")


def cannot_start(data: Path, environment: dict[str, str], *arguments: str) -> str:
    """What a host says that cannot start; always one line."""
    command = [sys.executable, "-m", "local.host", "--app", str(TOY), "--data", str(data), *arguments]
    failed = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert failed.returncode == 1
    assert failed.stdout == ""
    [line] = failed.stderr.splitlines()
    return line
