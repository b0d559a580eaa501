"""Tocsin as its users meet it: the real app under the real local host, in a process, over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from local import azurite
from tests.toy_host import ROOT, UP, Answer

KEY = {"x-functions-key": "local"}
EACH_SECOND = "*/1 * * * * *"
NEVER = "0 0 0 1 1 *"
PROBLEM = "application/problem+json"
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
_MOMENT = 0.05
Found = TypeVar("Found")


def http_call(
    port: int, method: str, path: str, body: object, who: str | None, headers: Mapping[str, str] | None
) -> Answer:
    """One request to a host on loopback; a ``body`` that is not bytes goes out as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    stated = {**({"Authorization": f"Bearer local:{who}"} if who else {}), **(headers or {})}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, sent, stated)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, told, answer.read())
    finally:
        connection.close()


@dataclass
class Tocsin:
    """A running host, with its own storage; people are ``ana:Responder`` or ``cy:Reader+Auditor``."""

    process: subprocess.Popen[str]
    port: int
    data: Path

    def call(
        self,
        method: str,
        path: str,
        body: object = b"",
        who: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own; a ``body`` that is not bytes goes out as JSON."""
        return http_call(self.port, method, path, body, who, headers)

    def get(self, path: str, who: str | None = None) -> Answer:
        """A GET."""
        return self.call("GET", path, who=who)

    def alert(self, body: object, plan: str = "acme", source: str = "generic", **headers: str) -> Answer:
        """A monitoring system calls; header names have ``_`` for ``-``."""
        stated = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", f"/api/v1/plans/{plan}/alerts/{source}", body, headers={**KEY, **stated})

    def opened(self, name: str, plan: str = "acme", **more: object) -> str:
        """The id of the incident that a new alert of that name opens."""
        answer = self.alert({"name": name, **more}, plan)
        assert answer.status == 202, answer
        [entry] = answer.json()["incidents"]
        assert entry["action"] == "opened"
        return str(entry["id"])

    def command(
        self, incident: str, command: str, body: object = b"", who: str | None = None, key: str | None = None
    ) -> Answer:
        """A person does something to an incident."""
        headers = {"Idempotency-Key": key} if key else {}
        return self.call("POST", f"/api/v1/incidents/{quote(incident)}/{command}", body, who, headers)

    def incident(self, incident: str, who: str = "rita:Reader") -> dict[str, Any]:
        """One incident, whole."""
        answer = self.get(f"/api/v1/incidents/{incident}", who)
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json()
        return found

    def events(self, incident: str, who: str = "rita:Reader") -> list[dict[str, Any]]:
        """Its timeline."""
        answer = self.get(f"/api/v1/incidents/{incident}/timeline", who)
        assert answer.status == 200, answer
        found: list[dict[str, Any]] = answer.json()["events"]
        return found

    def types(self, incident: str) -> list[str]:
        """What happened to it, in order."""
        return [event["type"] for event in self.events(incident)]

    def log(self) -> str:
        """What the host has logged so far."""
        return (self.data / "host.log").read_text(errors="replace")

    def stop(self) -> None:
        """End the host, and with it its storage."""
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextmanager
def running(data: Path, plans: Mapping[str, str], **settings: str) -> Iterator[Tocsin]:
    """The app on these plans (name: YAML), swept each second; whatever it started is stopped at the end."""
    folder = data / "plans"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in plans.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    own = {"PLANS_DIR": str(folder), "ESCALATION_SCHEDULE": EACH_SECOND, "EXPORT_SCHEDULE": NEVER}
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | own | settings
    command = [sys.executable, "-m", "local.host", "--data", str(data), "--port", "0"]
    with (data / "host.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    with process:
        assert process.stdout is not None
        try:
            up = UP.fullmatch(process.stdout.readline())
            assert up, (data / "host.log").read_text()
            host = Tocsin(process, int(up[1]), data)
            yield host
            host.stop()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            azurite.stop_left(data)


def eventually(look: Callable[[], Found | None], seconds: float = 20) -> Found:
    """What ``look`` finds, as soon as that is something true; AssertionError where it never is."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < deadline:
        if found := look():
            return found
        pause.wait(_MOMENT)
    raise AssertionError(f"not within {seconds:g} s")


def problem(answer: Answer, status: int) -> dict[str, Any]:
    """The problem document that an answer must be, in the shape of RFC 9457."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == PROBLEM
    document: dict[str, Any] = answer.json()
    assert set(document) >= {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


def fields(answer: Answer) -> set[str]:
    """The fields that a 400 names."""
    return {error["field"] for error in problem(answer, 400)["errors"]}
