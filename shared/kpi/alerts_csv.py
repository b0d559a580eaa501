"""`alerts.csv`: one row for each alert that was accepted, with what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.timeline import Event
from shared.kpi.csv_cells import PLACE, Cells, place, text

NAME = "alerts.csv"
COLUMNS = {
    **PLACE,
    "drill": "the drill that the incident rehearses; empty where it is meant",
    "source": "the monitoring system",
    "fingerprint": "of the alert",
    "started_at": "start of this occurrence, as the source claims",
    "ended_at": "its end, as the source claims; empty while it fires",
    "state": "`firing` or `resolved`",
    "disposition": "`opened`, `updated`, `pending`, `resolved`, `suppressed` or `ignored`",
    "rule": "that decided",
    "count": "how many times it came in this event",
    "incident": "the incident that it belongs to; empty: none",
}
TYPES = ("alerts", "dispositions")


def rows(event: Event, drill: str) -> Iterator[Cells]:
    """One for each entry of the event."""
    for entry in event.data["alerts"]:
        yield (
            *place(event),
            drill,
            source_of(event, entry.get("source")),
            text(entry.get("fingerprint")),
            text(entry.get("started_at")),
            text(entry.get("ended_at")),
            text(entry.get("state")),
            entry["disposition"],
            text(entry.get("rule")),
            entry["count"],
            event.subject if event.type == "alerts" else text(entry.get("incident")),
        )


def source_of(event: Event, named: str | None) -> str | None:
    """The source that an entry names, or else the one that acted."""
    kind, _, actor = event.actor.partition(":")
    return named or (actor if kind == "source" else None)
