"""Recorded timelines from files: a `timeline.jsonl`, a `bundle.zip`, or a folder of either."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.domain.timeline import Event, parse_stamp
from shared.kpi.timeline_jsonl import NAME

INCIDENT = "INC-"


_BROKEN = (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, UnicodeDecodeError, RuntimeError)
"""What opening and reading raise, RuntimeError for a bundle that is encrypted or packed some other way."""


class Unreadable(Exception):
    """A file that holds no timelines, or a line that is no event; the text says where."""


@dataclass(frozen=True)
class Recorded:
    """What the files hold. Of a timeline that is there several times, the longest counts."""

    runs: Mapping[str, Run]
    """For each incident, where its timeline is read."""
    horizon: datetime
    """When the latest event of all was recorded: what is known goes so far."""
    skipped: Mapping[str, int]
    """Incidents whose timeline is there again, with how many events of it are not read."""
    torn: frozenset[str]
    """Incidents of which there are events that are in no timeline from the first on: in pieces, or cut."""

    def timelines(self) -> Iterator[tuple[Run, list[Event]]]:
        """Each incident's timeline, file by file. Raises Unreadable."""
        for path in sorted({run.path for run in self.runs.values()}):
            for run, events in _runs(path):
                if self.runs.get(run.subject) == run:
                    yield run, events


@dataclass(frozen=True)
class Run:
    """Events of one subject that follow each other in a file."""

    path: Path
    line: int
    subject: str
    whole: bool
    """Whether it begins with the subject's first event."""
    length: int

    @property
    def worth(self) -> tuple[bool, int]:
        """The more, the better it is than another of the same subject."""
        return self.whole, self.length

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.subject}"


def recorded(path: Path, progress: Callable[[int], None]) -> Recorded:
    """Look through everything once; ``progress`` is told how many incidents were met. Raises Unreadable."""
    kept: dict[str, Run] = {}
    skipped: Counter[str] = Counter()
    reach: dict[str, int] = {}
    horizon: datetime | None = None
    for source in _sources(path):
        for run, events in _runs(source):
            horizon = max(filter(None, (horizon, events[-1].recorded_at)))
            if not run.subject.startswith(INCIDENT):
                continue
            reach[run.subject] = max(reach.get(run.subject, 0), events[-1].seq)
            before = kept.get(run.subject)
            if before is not None:
                skipped[run.subject] += min(before, run, key=lambda each: each.worth).length
            if before is None or run.worth > before.worth:
                kept[run.subject] = run
                progress(len(kept))
    if horizon is None:
        raise Unreadable(f"{path}: there are no events in it")
    torn = (subject for subject, run in kept.items() if not run.whole or reach[subject] > run.length)
    return Recorded(kept, horizon, skipped, frozenset(torn))


def _runs(path: Path) -> Iterator[tuple[Run, list[Event]]]:
    """Each run with its events; an incident's are in their order, without gaps."""
    line = 1
    for events in _pieces(path):
        first = events[0]
        yield Run(path, line, first.subject, first.seq == 1, len(events)), events
        line += len(events)


def _pieces(path: Path) -> Iterator[list[Event]]:
    """What belongs together: the same subject, and no beginning again."""
    piece: list[Event] = []
    for number, event in enumerate(_events(path), start=1):
        if piece and (event.subject != piece[-1].subject or event.seq == piece[0].seq):
            yield piece
            piece = []
        if piece and event.subject.startswith(INCIDENT):
            _check_order(piece[-1], event, f"{path}:{number}: {event.subject}")
        piece.append(event)
    if piece:
        yield piece


def _check_order(before: Event, event: Event, where: str) -> None:
    if event.seq != before.seq + 1:
        raise Unreadable(f"{where}: event {event.seq} comes after event {before.seq}")
    if event.recorded_at < before.recorded_at:
        raise Unreadable(f"{where}: event {event.seq} was recorded before event {before.seq}")


def _sources(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(each for ending in ("*.jsonl", "*.zip") for each in path.rglob(ending) if each.is_file())
    if not found:
        raise Unreadable(f"{path}: there is no {NAME} and no bundle in it")
    return found


def _events(path: Path) -> Iterator[Event]:
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, start=1):
                yield _event(line, f"{path}:{number}")
    except _BROKEN as error:
        raise Unreadable(f"{path}: cannot be read ({error})") from error


def _opened(path: Path) -> io.TextIOWrapper:
    if path.suffix != ".zip":
        return path.open(encoding="utf-8")
    return io.TextIOWrapper(zipfile.ZipFile(path).open(NAME), encoding="utf-8")


def _event(line: str, where: str) -> Event:
    try:
        found: dict[str, Any] = json.loads(line)
        event = Event(
            found["subject"],
            found["seq"],
            found["type"],
            parse_stamp(found["occurred_at"]),
            parse_stamp(found["recorded_at"]),
            found["actor"],
            found["data"],
            found["previous"],
            found["hash"],
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable(f"{where}: is no event ({error})") from error
    if wrong := _wrong(event):
        raise Unreadable(f"{where}: is no event ({wrong} is not what it should be)")
    return event


def _wrong(event: Event) -> str | None:
    right = {
        "subject": isinstance(event.subject, str),
        "seq": type(event.seq) is int and event.seq > 0,
        "type": isinstance(event.type, str),
        "occurred_at": event.occurred_at.tzinfo is not None,
        "recorded_at": event.recorded_at.tzinfo is not None,
        "actor": isinstance(event.actor, str),
        "data": isinstance(event.data, dict),
    }
    return next((name for name, holds in right.items() if not holds), None)
