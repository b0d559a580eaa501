"""Stores that work as the real ones do, in memory; the contract tests hold fake and real to the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.domain.errors import Conflict, NotFound
from shared.domain.timeline import Event
from shared.domain.week import week_of

PIECE = 1 << 16


@dataclass
class MemoryExports:
    """`ports.Exports`."""

    blobs: dict[str, bytes] = field(default_factory=dict)

    def names(self, prefix: str) -> list[str]:
        return sorted(name for name in self.blobs if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        if name not in self.blobs:
            raise NotFound(f"there is no {name}")
        return self.blobs[name]

    def size(self, name: str) -> int:
        return len(self.read(name))

    def stream(self, name: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        content = self.read(name)[first : None if last is None else last + 1]
        return (content[at : at + PIECE] for at in range(0, len(content), PIECE))

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        content = b"".join(pieces)
        if name in self.blobs:
            raise Conflict(f"{name} exists already")
        self.blobs[name] = content


@dataclass
class MemoryTimelines:
    """`ports.Timelines`: timelines by subject, each of a plan and in its time zone."""

    timezone: str = "UTC"
    timelines: dict[str, tuple[str, Sequence[Event]]] = field(default_factory=dict)

    def keep(self, plan: str, *timelines: Sequence[Event]) -> MemoryTimelines:
        """Add or replace timelines; returns itself."""
        for events in timelines:
            self.timelines[events[0].subject] = (plan, events)
        return self

    def subjects(self, plan: str, week: str) -> list[str]:
        return sorted(
            subject
            for subject, (its, events) in self.timelines.items()
            if its == plan and any(week_of(event.recorded_at, self.timezone) == week for event in events)
        )

    def events(self, subject: str) -> Iterator[Event]:
        return iter(self.timelines.get(subject, ("", ()))[1])
