"""An incident: one occurrence of a group key that people must handle. Everything that a decision needs
stands here; the timeline is only ever appended to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from shared.domain.delivery import Kind
from shared.domain.matrix import Audience
from shared.domain.sla import UNSET, Clock
from shared.domain.timeline import GENESIS

Status = Literal["pending", "open", "acknowledged", "resolved", "dropped"]
"""A pending incident is not declared yet, a dropped one cleared before it was: hidden and uncounted, both."""
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ACTIONS_KEPT = 5
RECEIPTS_KEPT = 120
SHOWN_KEPT = 20
OUTSIDE = "-outside"
"""After a kind of what was said: the same for outside."""
MOST_WAITS = 50
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
class Held:
    """Why an incident is not declared yet, and until when, should it go on."""

    until: datetime
    rule: str
    """The rule that gave the severity."""
    declaration: str
    """The rule that asks to wait."""
    waits: Mapping[str, datetime] = field(default_factory=dict)
    """Fingerprint -> when it alone would declare the incident; the earliest `MOST_WAITS`."""


@dataclass(frozen=True)
class UpdateDue:
    """The next status update owed to an audience."""

    audience: Audience
    due: datetime
    reminded: bool = False
    """Whether the reminder before it lapses has gone out."""


@dataclass(frozen=True)
class Review:
    """Where the post-incident review stands."""

    due: datetime
    reminded: int = 0
    """How many of the rule's reminders have fired or came too late to be one."""
    overdue: int = 0
    """How often it was chased past its due date."""
    sections: tuple[str, ...] = ()
    """What has been written, each once."""
    completed_at: datetime | None = None


@dataclass(frozen=True)
class ActionItem:
    """Something to be done so that it does not happen again; its words stand beside the event ``said``."""

    id: str
    """``A1``, ``A2`` …"""
    owner: str
    """A contact or rotation of the plan."""
    due: datetime
    priority: str
    status: str
    said: int
    """Sequence number of the event with its latest words."""
    overdue: int = 0
    """How often it was chased past its due date."""

    @property
    def live(self) -> bool:
        """Whether it is still to be done."""
        return self.status in ("open", "in-progress")


@dataclass(frozen=True)
class HeldBack:
    """Messages of one kind that a contact gets as one, once the plan's window has passed."""

    contact: str
    kind: Kind
    until: datetime
    count: int
    reason: str
    """Why the latest was owed, or why each of them was."""
    caused_by: int
    """Sequence number of the event that owed the latest."""
    template: str | None = None
    audience: Audience = "internal"
    words: tuple[int, ...] = ()
    """Sequence numbers of the events whose words they are about, oldest first."""
    rung: tuple[int, int] | None = None


@dataclass(frozen=True)
class Ladder:
    """Where the escalation stands: ``step`` (from 0) is the next to fire, at ``base`` + its ``after``."""

    base: datetime
    round: int = 1
    step: int = 0
    rounds_left: int = 0
    running: bool = True
    exhausted: bool = False
    at: datetime | None = None
    """When the next step fires, where that is not its ``after`` from ``base``: resumed, or raised."""
    fresh: bool = False
    """Raised while somebody had the quieter incident: what is due first fires all the same."""
    outgrown: bool = False
    """Raised while somebody had the quieter incident, and not answered since."""
    because: str = ""
    """Why the next step fires before its time, in words."""
    passed: int | None = None
    """The first step of this round that was passed over, from 0."""


@dataclass(frozen=True)
class Head:
    """What a partition remembers beside its incidents; never purged, so ids are never used again."""

    digest: str
    next_n: int = 1
    resolved_early: Mapping[str, datetime] = field(default_factory=dict)
    """Resolutions that came before their firing, and occurrences that ended in the incidents before.

    Fingerprint -> ``started_at``; the latest 256.
    """


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
    code: str | None = None
    """Closing code under which a person resolved it."""
    alerts: Mapping[str, AlertState] = field(default_factory=dict)
    alert_count: int = 0
    """Firings heard, repeats included."""
    told: tuple[str, ...] = ()
    """Contacts inside that were paged or informed, in the order in which they first were."""
    heard: tuple[str, ...] = ()
    """Who was informed since it began, at which severity and in which template: told once of each."""
    outsiders: tuple[tuple[str, str | None], ...] = ()
    """Names outside that were informed, each with the template that speaks to it."""
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
    drill: str | None = None
    """The plan's drill that it rehearses; None where it is meant."""
    held: Held | None = None
    """While it is pending: until when, and by which rules."""
    began: datetime | None = None
    """When it was opened or, later, reopened."""
    since: datetime | None = None
    """When the response to its present severity began."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role -> contact."""
    informed: tuple[int, ...] = ()
    """Which of the severity's ``inform`` have fired or need not any more, by place."""
    updates: tuple[UpdateDue, ...] = ()
    progress: str | None = None
    """What the latest status update says: ``investigating``, ``identified``, ``monitoring``, ``resolved``."""
    progress_outside: str | None = None
    """The same, of the latest update for outside."""
    checked: Mapping[str, str] = field(default_factory=dict)
    """Item of a checklist -> ``ticked`` or ``overridden``."""
    review: Review | None = None
    items: tuple[ActionItem, ...] = ()
    said: tuple[tuple[str, int], ...] = ()
    """What people said that later messages repeat: kind and sequence number of the event with the words.

    Of ``action-taken`` the latest `ACTIONS_KEPT`, of every other kind the latest.
    """
    spoken: Mapping[str, datetime] = field(default_factory=dict)
    """``<kind> <contact>`` -> when that contact was last owed such a message, within the plan's window."""
    held_back: tuple[HeldBack, ...] = ()
    first_told_at: datetime | None = None
    """When a provider first took a message about it for somebody inside."""
    still_open_at: datetime | None = None
    """When it was last said that it is still open; None: not since it began."""
    still_open_nth: int = 0
    """How often that was said since it began."""
    shown: tuple[str, ...] = ()
    """``<nth way> <contact>`` of whatever shows how the incident stands (`plan.LIVE`), the first
    `SHOWN_KEPT`."""
    receipts: tuple[str, ...] = ()
    """``<delivery> <state>`` of the latest `RECEIPTS_KEPT` receipts, so that a repeat is known."""

    @property
    def id(self) -> str:
        """The public id."""
        return incident_id(self.partition, self.n)

    @property
    def over(self) -> bool:
        """Whether nobody has to respond any more."""
        return self.status in ("resolved", "dropped")

    @property
    def hidden(self) -> bool:
        """Whether it never was declared."""
        return self.status in ("pending", "dropped")

    @property
    def firing(self) -> int:
        """How many fingerprints are firing now."""
        return sum(state.firing for state in self.alerts.values())
