"""An alert: one signal from a source, normalised, so that nothing behind the door knows vendors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Alert:
    """One firing or resolved signal. ``fingerprint`` + ``started_at`` is one occurrence of it."""

    source: str
    fingerprint: str
    """32 lower-case hex digits, from `fingerprint_of`."""
    firing: bool
    name: str
    """The source's name of the rule or check (``alertname``, ``alertRule`` …); never empty."""
    started_at: datetime
    """Aware, UTC. Where the source gives no time, the instant at which the call was received."""
    start_known: bool = True
    """False where the source did not say when it started."""
    ended_at: datetime | None = None
    """When the source says that it ended; only on a resolved alert."""
    group: str | None = None
    """The source's own grouping (Alertmanager ``groupKey``, a dedup key), or None."""
    service: str | None = None
    """What the source calls the service, a hint for the plan's rules."""
    severity: str | None = None
    """What the source calls the severity, as it wrote it, a hint for the plan's rules."""
    summary: str = ""
    """Free text, hostile."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    """What the source measured, by the name it gives the figure; finite."""
    url: str | None = None
    """Where the source shows the alert; hostile as well."""
    met: Sequence[tuple[str, str]] = field(default=(), repr=False, compare=False)
    """Labels that the source met and the alert does not show: of other series, too many, too long. Whoever
    takes people out of the texts needs them; they are never stored."""


def fingerprint_of(source: str, identity: str | Mapping[str, str]) -> str:
    """The fixed-length identity of an alert: 32 hex digits of a SHA-256.

    ``identity`` is the source's own fingerprint, whatever its length, or the labels where it has none.
    """
    text = identity if isinstance(identity, str) else json.dumps(sorted(identity.items()), ensure_ascii=False)
    return hashlib.sha256(f"{source}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
