"""What PagerDuty and Statuspage take from a play, and how what they keep then stands."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.receivers import Reply, Request

_CHANNEL = re.compile(r"(kind: (?:pagerduty|statuspage|slack-room)(,|\n)(\s+)secret: ([\w-]+))")
_STATES = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}


def played(text: str, where: str) -> str:
    """A plan's text with its vendors at ``where``: each channel's address ends in the name of its secret."""
    return _CHANNEL.sub(rf"\1\2\3url: {where}/\4", text)


@dataclass
class Entry:
    """One incident on a public page, as anybody reads it."""

    name: str
    statuses: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


class PlayedVendors:
    """Both of them, each behind addresses that begin with the name of the channel's secret."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[str, str], list[str]] = {}
        """Secret and incident -> the states that the alert has been in."""
        self.entries: dict[str, Entry] = {}
        """By id; the oldest first."""
        self._lock = threading.Lock()

    def take(self, secret: str, request: Request) -> tuple[Reply, list[str]] | None:
        """The answer, and what there is to read for people; None where the call is for somebody else."""
        path = request.path.removeprefix(f"/{secret}")
        with self._lock:
            if path in ("/v2/enqueue", "/v2/change/enqueue"):
                return self._event(secret, path, request.json())
            if path.startswith("/v1/pages/"):
                return self._news(path, request)
        return None

    def _event(self, secret: str, path: str, event: dict[str, Any]) -> tuple[Reply, list[str]]:
        if event["routing_key"] != f"signing-{secret}":  # each service has a key of its own
            return _answer(400, {"status": "invalid event"}), []
        if path == "/v2/enqueue":
            states = self.alerts.setdefault((secret, event["dedup_key"]), [])
            state = _STATES[event["event_action"]]
            if states[-1:] != [state]:
                states.append(state)
        said = event.get("payload")
        if said is None or said["custom_details"]["kind"] == "refresh":
            return _answer(202, {}), []
        details = dict(said["custom_details"])
        text, links = details.pop("text", "").splitlines(), [each["href"] for each in event["links"]]
        return _answer(202, {}), [said["summary"], *text, *details.values(), *links]

    def _news(self, path: str, request: Request) -> tuple[Reply, list[str]]:
        known = path.partition("?")[0].rpartition("/")[2]
        if request.method == "GET":
            return _answer(200, [_listed(each, entry) for each, entry in self.entries.items()]), []
        if request.method == "DELETE":
            del self.entries[known]
            return _answer(200, {"id": known}), []
        said = request.json()["incident"]
        if request.method == "POST":
            known = f"entry{len(self.entries) + 1}"
            self.entries[known] = Entry(said["name"])
        entry = self.entries[known]
        entry.statuses.append(said["status"])
        entry.words.append(said["body"])
        entry.metadata |= said.get("metadata", {})
        return _answer(201, {"id": known}), [entry.name, *said["body"].splitlines()]


def _listed(known: str, entry: Entry) -> dict[str, Any]:
    made = f"2026-01-01T00:00:{int(known.removeprefix('entry')):02}Z"
    return {"id": known, "status": entry.statuses[-1], "metadata": entry.metadata, "created_at": made}


def _answer(status: int, stated: object) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(stated).encode())
