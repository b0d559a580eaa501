"""`escalations.csv`: one row for each step of a ladder that came due, and for each escalation by hand."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.timeline import Event
from shared.kpi.csv_cells import PLACE, Cells, place, text

NAME = "escalations.csv"
COLUMNS = {
    **PLACE,
    "drill": "the drill that the incident rehearses; empty where it is meant",
    "what": "type of the event",
    "due": "when the step was due; empty by hand",
    "fired": "when Tocsin acted",
    "late_seconds": "how long after it was due",
    "round": "of the ladder, from 1",
    "step": "of the round, from 1",
    "order": "why it had its turn: its place in the ladder or in the list; why it was passed; rounds",
    "by": "who escalated",
    "notify": "whom the step names",
    "on_call": "who that was then: name=contact",
}
TYPES = ("escalated", "step-passed", "escalated-manually", "informed", "exhausted")


def rows(event: Event, drill: str) -> Iterator[Cells]:
    """One for each event."""
    subject, seq, recorded_at = place(event)
    data = event.data
    yield (
        subject,
        seq,
        recorded_at,
        drill,
        event.type,
        text(data.get("due")),
        recorded_at,
        text(data.get("late_seconds")),
        text(data.get("round")),
        text(data.get("step")),
        _order(event),
        event.actor,
        text(data.get("to") if event.type == "escalated-manually" else data.get("notify")),
        text(data.get("on_call")),
    )


def _order(event: Event) -> str | None:
    data = event.data
    orders = {
        "escalated": ("step {step} of {of}", ("step", "of")),
        "step-passed": ("{why}", ("why",)),
        "informed": ("inform {nth}", ("nth",)),
        "exhausted": ("rounds {rounds}", ("rounds",)),
    }
    form, keys = orders.get(event.type, ("", ()))
    words = {key: data.get(key) for key in keys}
    return None if not words or None in words.values() else form.format(**words)
