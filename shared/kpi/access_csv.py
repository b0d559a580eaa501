"""`access.csv`: who read, was given, kept or erased what."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.timeline import Event, stamp
from shared.kpi.csv_cells import PLACE, Cells, place, text

NAME = "access.csv"
COLUMNS = {
    **PLACE,
    "occurred_at": "when it was asked for",
    "what": "type of the event",
    "who": "who did it",
    "object": "`kpi`, `timeline`, `export-file`, `texts` and so on",
    "week": "of the export",
    "revision": "of the export",
    "file": "of the export",
    "range": "bytes that were asked for",
    "incident": "that it concerns",
    "event": "number of the event whose text was erased",
    "person": "pseudonym that was erased",
    "link": "id of the auditor's link",
    "expires": "when the link ends",
    "manifest_sha256": "of the export that was compiled",
    "restates": "revision that it restates",
    "contact": "who was told of the export",
    "channel": "by which",
    "hold": "id of the legal hold",
    "reference": "of the hold's case",
    "resolved_at": "of the incident that was purged",
    "keep_days": "for which the plan keeps it",
    "events": "rows of events that went",
    "texts": "rows of texts that went",
    "deliveries": "rows of deliveries that went",
    "alerts": "rows of alerts that went",
    "length": "of the timeline that was purged",
    "head": "hash of its last event",
}
TYPES = (
    "accessed",
    "link-made",
    "export-compiled",
    "export-announced",
    "erased",
    "held",
    "hold-released",
    "purged",
)


def rows(event: Event, drill: str) -> Iterator[Cells]:
    """One for each event."""
    del drill
    data = event.data
    yield (
        *place(event),
        stamp(event.occurred_at),
        event.type,
        event.actor,
        text(data.get("what")),
        text(data.get("week")),
        text(data.get("revision")),
        text(data.get("file")),
        text(data.get("range")),
        text(data.get("incident")),
        text(data.get("event")),
        text(data.get("person")),
        text(data.get("link")),
        text(data.get("expires")),
        text(data.get("manifest_sha256")),
        text(data.get("restates")),
        text(data.get("contact")),
        text(data.get("channel")),
        text(data.get("hold")),
        text(data.get("reference")),
        text(data.get("resolved_at")),
        text(data.get("keep_days")),
        text(data.get("events")),
        text(data.get("texts")),
        text(data.get("deliveries")),
        text(data.get("alerts")),
        text(data.get("length")),
        text(data.get("head")),
    )
