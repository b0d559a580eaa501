"""`timeline.jsonl`: every event as stored, one canonical JSON object a line, so that its hashes verify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from shared.domain.timeline import Event, canonical, record

NAME = "timeline.jsonl"


class TimelineLines:
    """Writes the lines of one timeline; holds back those from before the week until it is known to belong."""

    def __init__(self, start: datetime, end: datetime, write: Callable[[bytes], None]) -> None:
        self.start, self.end = start, end
        self._write = write
        self._held: list[bytes] = []

    def passing(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass on the events recorded before ``end``; from the first of the week on they are written."""
        for event in events:
            if event.recorded_at >= self.end:
                return
            self._held.append(canonical(record(event)) + b"\n")
            if event.recorded_at >= self.start:
                self.keep()
            yield event

    def keep(self) -> None:
        """Write what was held back: the timeline belongs to the week."""
        self._write(b"".join(self._held))
        self._held.clear()
