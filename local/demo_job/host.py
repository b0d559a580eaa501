"""The demo's own stack: the local host as a process, and a small client for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

UP = re.compile(r"Tocsin is up: (http://\S+)")
PATIENCE = 120
"""Seconds for the first start, in which Azurite may have to be installed."""


class DemoFailed(Exception):
    """A part of the main job did not happen."""


class Client:
    """Calls the host as a source, or as a person with roles."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.session.trust_env = False

    def alert(self, source: str, body: bytes) -> list[dict[str, Any]]:
        """Deliver a webhook; the outcome of each of its groups."""
        answer = self._call("POST", f"/api/v1/plans/harbour/alerts/{source}", 202, None, body)
        outcomes: list[dict[str, Any]] = answer.json()["incidents"]
        return outcomes

    def person(
        self, who: str, method: str, path: str, body: bytes = b"", expect: int = 200
    ) -> requests.Response:
        """Call as ``name:Role``."""
        return self._call(method, path, expect, who, body)

    def follow(self, link: str, press: str | None = None) -> None:
        """Look at the page behind a link, or press one of its buttons; nobody signs in."""
        answer = (
            self.session.get(link, timeout=30)
            if press is None
            else self.session.post(link, data={"action": press}, timeout=30)
        )
        if answer.status_code != 200:
            raise DemoFailed(f"the link answered {answer.status_code}: {answer.text[:500]}")

    def _call(self, method: str, path: str, expect: int, who: str | None, body: bytes) -> requests.Response:
        headers = {"Authorization": f"Bearer local:{who}"} if who else {"x-functions-key": "local"}
        answer = self.session.request(method, self.base + path, data=body, headers=headers, timeout=30)
        if answer.status_code != expect:
            raise DemoFailed(
                f"{method} {path} answered {answer.status_code}, not {expect}: {answer.text[:500]}"
            )
        return answer


@contextmanager
def running_host(root: Path, data: Path, settings: dict[str, str]) -> Iterator[Client]:
    """Start the host on a free port with ``settings``; its log goes to ``data/host.log``."""
    command = [sys.executable, "-m", "local.host", "--data", str(data), "--port", "0", "--memory"]
    log = (data / "host.log").open("w")
    process = subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    alarm = threading.Timer(PATIENCE, process.kill)
    alarm.start()
    try:
        yield Client(_address(process, data))
    finally:
        alarm.cancel()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


def _address(process: subprocess.Popen[str], data: Path) -> str:
    for line in process.stdout or ():
        if found := UP.search(line):
            threading.Thread(target=_drain, args=(process,), daemon=True).start()
            return found[1]
    raise DemoFailed(
        f"the host did not start; see {data / 'host.log'}:\n{(data / 'host.log').read_text()[-2000:]}"
    )


def _drain(process: subprocess.Popen[str]) -> None:
    for _ in process.stdout or ():
        pass
