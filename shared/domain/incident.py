"""An incident: one occurrence of a group key that people must handle. Everything that a decision needs
stands here; the timeline is only ever appended to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from shared.domain.plan import Rules, Severity
from shared.domain.sla import UNSET, Clock
from shared.domain.timeline import GENESIS

Status = Literal["open", "acknowledged", "resolved"]
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MOST_ALERTS = 4000
"""Fingerprints that one incident tells apart; what comes beyond is suppressed, and counted."""


@dataclass(frozen=True)
class GroupKey:
    """What makes alerts belong to one incident; ``digest`` is the SHA-256 of plan, source and key."""

    plan: str
    source: str
    key: str

    @property
    def digest(self) -> str:
        """64 hex digits."""
        return hashlib.sha256("\n".join((self.plan, self.source, self.key)).encode("utf-8")).hexdigest()


def partition_of(digest: str, probe: int = 0) -> str:
    """The ``probe``-th partition for a group's digest: 8 characters of Crockford's base 32."""
    source = digest if probe == 0 else hashlib.sha256(f"{digest}{probe}".encode()).hexdigest()
    number = int(source[:10], 16)
    return "".join(CROCKFORD[(number >> shift) & 31] for shift in range(35, -1, -5))


def incident_id(partition: str, n: int) -> str:
    """The public id, ``INC-<partition>-<n>``."""
    return f"INC-{partition}-{n}"


def parse_incident_id(text: str) -> tuple[str, int] | None:
    """Partition and n of a public id, in either case, or None where it is not one."""
    parts = text.upper().split("-")
    if len(parts) != 3 or parts[0] != "INC" or not (parts[2].isascii() and parts[2].isdigit()):
        return None
    if len(parts[1]) != 8 or set(parts[1]) - set(CROCKFORD) or len(parts[2]) > 7 or parts[2][0] == "0":
        return None
    return parts[1], int(parts[2])


@dataclass(frozen=True)
class AlertState:
    """What the incident remembers of one fingerprint: its latest occurrence."""

    firing: bool
    started_at: datetime
    count: int
    """How often it was heard firing."""


@dataclass(frozen=True)
class Ladder:
    """Where the escalation stands: ``step`` (from 0) is the next to fire, at ``base`` + its ``after``."""

    base: datetime
    round: int = 1
    step: int = 0
    rounds_left: int = 0
    running: bool = True
    exhausted: bool = False

    def due(self, severity: Severity) -> datetime | None:
        """When the next step fires, the next round begins, or the ladder turns out to be exhausted."""
        if not self.running or self.exhausted or not severity.steps:
            return None
        if self.step < len(severity.steps):
            return self.base + severity.steps[self.step].after
        return self.base + severity.steps[-1].after + severity.repeat.every


@dataclass(frozen=True)
class Head:
    """What a partition remembers beside its incidents; never purged, so ids are never used again."""

    digest: str
    next_n: int = 1
    resolved_early: Mapping[str, datetime] = field(default_factory=dict)
    """Resolutions that came before their firing: fingerprint -> ``started_at``; the latest 64."""


@dataclass(frozen=True)
class Incident:
    """One incident as of its latest event."""

    partition: str
    n: int
    plan: str
    source: str | None
    """None where a person declared it."""
    group: str
    """The group key's digest."""
    name: str
    service: str
    severity: str
    rules: str
    """Hash of the rules in force."""
    opened_at: datetime
    title: str = ""
    """For people; hostile."""
    summary: str = ""
    source_url: str | None = None
    status: Status = "open"
    respond: Clock = UNSET
    resolve: Clock = UNSET
    ladder: Ladder | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledgement_expires: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    alerts: Mapping[str, AlertState] = field(default_factory=dict)
    alert_count: int = 0
    """Firings heard, repeats included."""
    told: tuple[str, ...] = ()
    """Contacts that were paged, in the order in which they first were."""
    week_due: datetime | None = None
    """The next week's start, at which an open incident records that it is still open."""
    deliver_at: datetime | None = None
    """The earliest delivery owed or lease ending, as of the latest transaction."""
    deadline: datetime | None = None
    """The next moment at which the incident needs looking at."""
    length: int = 0
    head: str = GENESIS
    recorded_at: datetime | None = None
    """Of the latest event."""
    version: int = 0
    week: str = ""
    """The latest ISO week in which it has events."""
    commands: tuple[str, ...] = ()
    """Idempotency keys of the latest commands."""

    @property
    def id(self) -> str:
        """The public id."""
        return incident_id(self.partition, self.n)

    @property
    def firing(self) -> int:
        """How many fingerprints are firing now."""
        return sum(state.firing for state in self.alerts.values())


def deadline(incident: Incident, rules: Rules) -> datetime | None:
    """When the incident next needs looking at; None where nothing is left to come."""
    instants = [incident.deliver_at]
    if incident.status != "resolved":
        instants += [
            incident.respond.pending,
            incident.resolve.pending,
            incident.acknowledgement_expires,
            incident.week_due,
            incident.ladder.due(rules.severity(incident.severity)) if incident.ladder else None,
        ]
    return min((instant for instant in instants if instant), default=None)
