"""`oncall_coverage.csv`: who was on call and when, rotation by rotation; and where nobody will be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from shared.domain.timeline import Event, parse_stamp
from shared.kpi.csv_cells import PLACE, Cells, place, text

NAME = "oncall_coverage.csv"
COLUMNS = {
    **PLACE,
    "what": "`shift` or `gap`",
    "rotation": "of the plan",
    "from": "first instant",
    "until": "first instant after it",
    "contact": "who was on call; empty: nobody",
    "seconds": "from one to the other",
    "covered_seconds": "of them with somebody on call",
}
TYPES = ("on-call", "coverage-gap")


def rows(event: Event, drill: str) -> Iterator[Cells]:
    """One for each shift, or gap."""
    del drill
    if event.type == "coverage-gap":
        yield _row(event, "gap", event.data)
        return
    for shift in event.data["shifts"]:
        yield _row(event, "shift", shift)


def _row(event: Event, what: str, span: Mapping[str, Any]) -> Cells:
    starts, ends, contact = span.get("from"), span.get("until"), span.get("contact")
    seconds = (parse_stamp(ends) - parse_stamp(starts)) // timedelta(seconds=1) if starts and ends else 0
    covered = seconds if contact is not None else 0
    return (*place(event), what, text(span.get("rotation")), starts, ends, text(contact), seconds, covered)
