"""`action_items.csv`: every action item that was still to be done in the week, as it stood at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.timeline import Event, parse_stamp, stamp, stamp_or_none
from shared.kpi.aftermath import LIVE
from shared.kpi.csv_cells import Cells, text

NAME = "action_items.csv"
COLUMNS = {
    "incident": "whose review or response brought it",
    "drill": "the drill that the incident rehearses; empty where it is meant",
    "item": "number of the item within its incident",
    "owner": "who is to do it",
    "due": "until when",
    "priority": "`high`, `medium` or `low`",
    "status": "`open`, `in-progress`, `done` or `dropped` at the week's end",
    "created": "recording of its first event",
    "changed": "recording of its last event",
    "done_at": "when it was last done; empty where it is not done",
    "overdue": "1: still to be done and past its due instant at the week's end; otherwise 0",
}
TYPES = ("action-item",)


@dataclass
class _Item:
    created: datetime
    last: Event
    done_at: datetime | None = None
    live_at_start: bool = False


@dataclass
class Items:
    """Those of one incident."""

    start: datetime
    found: dict[str, _Item] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Any event."""
        if event.type not in TYPES:
            return
        name, status, at = str(event.data["item"]), event.data["status"], event.recorded_at
        item = self.found.setdefault(name, _Item(at, event))
        if status != "done":
            item.done_at = None
        elif item.last.data["status"] != "done" or item.done_at is None:
            item.done_at = at
        item.last = event
        if at < self.start:
            item.live_at_start = status in LIVE

    def rows(self, subject: str, drill: str, end: datetime) -> Iterator[Cells]:
        """One for each that was to be done when the week began, or of which the week tells."""
        for name, item in sorted(self.found.items()):
            if item.live_at_start or item.last.recorded_at >= self.start:
                yield self._row(subject, drill, name, item, end)

    @staticmethod
    def _row(subject: str, drill: str, name: str, item: _Item, end: datetime) -> Cells:
        data = item.last.data
        return (
            subject,
            drill,
            name,
            text(data.get("owner")),
            data["due"],
            text(data.get("priority")),
            data["status"],
            stamp(item.created),
            stamp(item.last.recorded_at),
            stamp_or_none(item.done_at),
            int(data["status"] in LIVE and parse_stamp(data["due"]) < end),
        )
