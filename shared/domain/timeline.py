"""The timeline: append-only events, each sealed with the hash of the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
"""What the first event of a timeline names as the hash before it."""


@dataclass(frozen=True)
class Text:
    """Free text that stands beside its event; only its salted hash enters the chain."""

    body: str
    salt: str
    """Random hex, made at the door."""

    @property
    def sha256(self) -> str:
        """Hash that the event carries: SHA-256 over salt, newline, body, in UTF-8."""
        return hashlib.sha256(f"{self.salt}\n{self.body}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Event:
    """One fact. ``data`` holds only JSON strings, integers, booleans, nulls, lists and objects."""

    subject: str
    seq: int
    """From 1, without gaps."""
    type: str
    occurred_at: datetime
    """What the source or the person claims, or when it was due."""
    recorded_at: datetime
    """When Tocsin stored it; never runs backwards within a timeline."""
    actor: str
    """``source:<name>``, ``person:<pseudonym>`` or ``tocsin``."""
    data: Mapping[str, Any]
    previous: str
    hash: str


def stamp(instant: datetime) -> str:
    """An instant as the store, the chain and the exports write it: UTC, six decimals, ``Z``."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_stamp(text: str) -> datetime:
    """The inverse of `stamp`."""
    return datetime.fromisoformat(text)


def stamp_or_none(instant: datetime | None) -> str | None:
    """`stamp` of an instant that there may not be."""
    return None if instant is None else stamp(instant)


def parse_or_none(text: str | None) -> datetime | None:
    """Its inverse; an empty text is none, too."""
    return parse_stamp(text) if text else None


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one JSON form that is hashed and exported: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def record(event: Event) -> dict[str, Any]:
    """The event as a JSON object, in the form that the timeline route and ``timeline.jsonl`` show."""
    return body(event) | {"hash": event.hash}


def body(event: Event) -> dict[str, Any]:
    """What is hashed: everything in `record` but ``hash`` itself."""
    return {
        "subject": event.subject,
        "seq": event.seq,
        "type": event.type,
        "occurred_at": stamp(event.occurred_at),
        "recorded_at": stamp(event.recorded_at),
        "actor": event.actor,
        "data": dict(event.data),
        "previous": event.previous,
    }


def seal(
    subject: str,
    seq: int,
    previous: str,
    type: str,
    actor: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    recorded_at: datetime,
) -> Event:
    """Make the event that follows ``previous``: ``hash`` is the SHA-256 of its canonical body."""
    open_event = Event(subject, seq, type, occurred_at, recorded_at, actor, data, previous, "")
    digest = hashlib.sha256(canonical(body(open_event))).hexdigest()
    return Event(subject, seq, type, occurred_at, recorded_at, actor, data, previous, digest)


def first_break(events: Iterable[Event]) -> int | None:
    """The sequence number at which a timeline stops being intact, or None: gaps, reorderings, edits."""
    previous, recorded = GENESIS, None
    for seq, event in enumerate(events, start=1):
        sealed = hashlib.sha256(canonical(body(event))).hexdigest()
        backwards = recorded is not None and event.recorded_at < recorded
        if (event.seq, event.previous, event.hash) != (seq, previous, sealed) or backwards:
            return seq
        previous, recorded = event.hash, event.recorded_at
    return None
