"""`incidents.csv`: one row for each incident that existed in the week, drills left out."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.domain.timeline import Event, stamp
from shared.kpi.account import Account
from shared.kpi.csv_cells import instant, line, text, verdict

NAME = "incidents.csv"
COLUMNS = {
    "id": "the incident",
    "name": "name of the alert that opened it; `declared` by hand",
    "service": "decided at its opening",
    "severity": "at the week's end",
    "source": "what opened it; empty by hand",
    "state": "`open`, `acknowledged` or `resolved` at the week's end",
    "opened_at": "recording of the opening",
    "first_told_at": "when a provider first took a message to somebody inside",
    "acknowledged_at": "first acknowledgement by a person, before any reopening",
    "mitigated_at": "first note of kind `mitigation` or status `monitoring`, before the first resolution",
    "resolved_at": "first resolution",
    "resolved_by": "by whom that was: `person` or `source`",
    "code": "closing code that the person gave",
    "reopened": "reopenings so far",
    "alerts": "alerts so far",
    "escalations": "escalations so far, by Tocsin and by hand",
    "respond_due": "target of the opening's respond clock",
    "resolve_due": "target of the opening's resolve clock",
    "respond_met": "1 met, 0 missed, empty: no target, or not decided",
    "resolve_met": "1 met, 0 missed, empty: no target, or not decided",
    "review_due": "of the latest review asked for; empty: none, or withdrawn by a reopening",
    "review_completed_at": "recording of that review's completion",
    "action_items_open": "action items still to be done at the week's end",
    "rules": "hash of the rules frozen at its opening",
    "timeline_length": "events up to the week's end",
    "head_hash": "hash of the last of them",
}


def header() -> bytes:
    """The first line."""
    return line(COLUMNS)


@dataclass
class Outcome:
    """How an incident went on from its opening to its first resolution or reopening, beside its clocks."""

    opened: bool = False
    over: bool = False
    first_told_at: datetime | None = None
    mitigated_at: datetime | None = None
    resolved: Event | None = None

    def take(self, event: Event) -> None:
        """Any event of its timeline."""
        if event.type == "opened":
            self.opened = True
        elif not self.opened:
            return
        elif event.type == "first-told" and self.first_told_at is None:
            self.first_told_at = event.occurred_at
        elif self.over:
            return
        elif event.type in ("resolved", "reopened"):
            self.over = True
            self.resolved = event if event.type == "resolved" else None
        elif self.mitigated_at is None and _mitigates(event):
            self.mitigated_at = event.recorded_at


def _mitigates(event: Event) -> bool:
    noted = event.type == "noted" and event.data.get("kind") == "mitigation"
    return noted or (event.type == "status-updated" and event.data.get("status") == "monitoring")


def row(account: Account, outcome: Outcome | None = None) -> bytes:
    """The row of one incident; nothing for a drill, a journal, and what is not an incident yet."""
    incident, outcome = account.incident, outcome or Outcome()
    if incident is None or incident.drill is not None:
        return b""
    return line(
        (
            account.subject,
            incident.name,
            incident.service,
            incident.severity,
            incident.source,
            incident.state,
            stamp(incident.opened_at),
            instant(outcome.first_told_at),
            instant(incident.acknowledged_at),
            instant(outcome.mitigated_at),
            instant(incident.resolved_at),
            text(outcome.resolved and outcome.resolved.data.get("by")),
            text(outcome.resolved and outcome.resolved.data.get("code")),
            incident.reopened,
            incident.alerts,
            incident.escalations,
            instant(incident.respond.due),
            instant(incident.resolve.due),
            verdict(incident.respond),
            verdict(incident.resolve),
            instant(incident.review_due),
            instant(incident.review_completed_at),
            incident.items_open,
            incident.rules,
            account.length,
            account.head,
        )
    )


def open_in(pieces: Iterable[bytes]) -> set[str]:
    """The subjects that a file, this one or ``drills.csv``, shows with something to come.

    Those not resolved, and those whose review is pending or that have action items to be done.
    """
    rows = csv.DictReader(text.decode("utf-8") for text in _lines(pieces))
    return {cells["id"] for cells in rows if cells["state"] != "resolved" or _unfinished(cells)}


def _unfinished(cells: Mapping[str, str]) -> bool:
    pending = bool(cells.get("review_due")) and not cells.get("review_completed_at")
    return pending or cells.get("action_items_open", "0") != "0"


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
