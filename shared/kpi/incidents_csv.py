"""`incidents.csv`: one row for each incident that existed in the week."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime

from shared.domain.timeline import stamp
from shared.kpi.account import Account
from shared.kpi.clocks import Clock
from shared.kpi.csv_cells import line

NAME = "incidents.csv"
COLUMNS = {
    "id": "the incident",
    "name": "name of the alert that opened it; `declared` by hand",
    "service": "decided at its opening",
    "severity": "at the week's end",
    "source": "what opened it; empty by hand",
    "state": "`open`, `acknowledged` or `resolved` at the week's end",
    "opened_at": "recording of the opening",
    "acknowledged_at": "first acknowledgement by a person, before any reopening",
    "resolved_at": "first resolution",
    "reopened": "reopenings so far",
    "alerts": "alerts so far",
    "escalations": "escalations so far, by Tocsin and by hand",
    "respond_due": "target of the opening's respond clock",
    "resolve_due": "target of the opening's resolve clock",
    "respond_met": "1 met, 0 missed, empty: no target, or not decided",
    "resolve_met": "1 met, 0 missed, empty: no target, or not decided",
    "rules": "hash of the rules frozen at its opening",
    "timeline_length": "events up to the week's end",
    "head_hash": "hash of the last of them",
}


def header() -> bytes:
    """The first line."""
    return line(COLUMNS)


def row(account: Account) -> bytes:
    """The row of one incident; nothing for a journal."""
    incident = account.incident
    if incident is None:
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
            _instant(incident.acknowledged_at),
            _instant(incident.resolved_at),
            incident.reopened,
            incident.alerts,
            incident.escalations,
            _instant(incident.respond.due),
            _instant(incident.resolve.due),
            _verdict(incident.respond),
            _verdict(incident.resolve),
            incident.rules,
            account.length,
            account.head,
        )
    )


def open_in(pieces: Iterable[bytes]) -> set[str]:
    """The incidents that a file shows as not resolved."""
    rows = csv.DictReader(text.decode("utf-8") for text in _lines(pieces))
    return {cells["id"] for cells in rows if cells["state"] != "resolved"}


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def _instant(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _verdict(clock: Clock) -> int | None:
    return {"met": 1, "missed": 0}.get(clock.outcome)
