"""A delivery: one notification owed to one contact by one channel, with every attempt on record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

MAX_ATTEMPTS = 5
"""Tries by a contact's last channel before it counts as unreachable."""
ATTEMPTS_BEFORE_NEXT = 3
"""Tries by one channel where the contact has another: half a minute, not five."""
PAGES_BEFORE_NEXT = 2
"""The same for a page whose provider answers; one that does not answer at all is left at once."""
REFUSED = frozenset({401, 403, 535})
"""Answers to an old key or password: a contact's last channel is tried again, for keys are being rotated."""
BACKOFF = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=60), timedelta(seconds=180))
LEASE = timedelta(seconds=60)
"""How long a claim keeps others from sending; longer than any channel's timeouts together."""
LONGEST_WAIT_BEFORE_NEXT = timedelta(seconds=30)
"""A provider that asks for more is left for the contact's next channel at once."""
LONGEST_WISH = timedelta(minutes=5)
"""The most that a provider's ``Retry-After`` may postpone the next try."""

Kind = Literal[
    "escalation",
    "manual",
    "resolved",
    "alarm",
    "inform",
    "update",
    "reminder",
    "role",
    "cleared",
    "review",
    "action-item",
    "digest",
    "still-open",
    "refresh",
]
State = Literal["queued", "leased", "accepted", "failed", "withdrawn"]
PAGES: frozenset[Kind] = frozenset({"escalation", "manual"})
"""Kinds that ask somebody to act; the others only tell."""
MOOT: frozenset[Kind] = PAGES | {"reminder", "role", "cleared", "still-open"}
"""Kinds that say nothing any more once the incident is over."""
ANSWERABLE: frozenset[Kind] = PAGES | {"inform", "reminder", "role", "cleared", "still-open", "refresh"}
"""Kinds that can be answered from where they land: acknowledged or resolved."""


@dataclass(frozen=True)
class Words:
    """A notification in the plan's own words: plain text, hostile, for the channel to escape."""

    body: str
    subject: str = ""


@dataclass(frozen=True)
class Answering:
    """Where one notification can be answered by whoever it was sent to; made anew for each try."""

    token: str
    """Signed, expiring, bound to the incident, the contact and the delivery."""
    page: str
    """Address of the page with the buttons, ``…/a/<token>``."""
    provider: str
    """Address that the channel's provider calls: ``…/api/v1/plans/<plan>/channels/<channel>``; see
    ``docs/channels.md`` for what follows it."""
    resolvable: bool = True
    """Whether one key resolves it; not where the plan asks for words, a code or a checklist first."""


@dataclass(frozen=True)
class Room:
    """A chat channel of the incident's own."""

    name: str
    topic: str
    invite: tuple[str, ...] = ()
    """Who belongs in it, by their identity on that chat."""


@dataclass(frozen=True)
class Message:
    """What is to be said, channel-neutral; a channel renders it. All text is hostile."""

    kind: Kind
    plan: str
    incident: str
    """Public id, ``INC-…``."""
    title: str
    severity: str
    service: str
    status: str
    """``open``, ``acknowledged`` or ``resolved``."""
    opened_at: datetime
    reason: str
    """Why this contact is told now, in one sentence (``escalation step 2 of 3``)."""
    summary: str = ""
    source_url: str | None = None
    incident_url: str | None = None
    drill: str | None = None
    """Name of the drill that this is; every channel marks it."""
    template: str | None = None
    """Which of the plan's templates to use; None: the one named like the kind, where there is one."""
    audience: Literal["internal", "external"] = "internal"
    """Whose words it may repeat: what was said inside, or for outside."""
    words_of: int | None = None
    """Sequence number of the event whose words it is about, where it is about one."""
    earlier_words: tuple[int, ...] = ()
    """The same of what was held back before it, oldest first."""
    rung: tuple[int, int] | None = None
    """Round and step (from 1) of the escalation that asks."""
    tried: tuple[str, ...] = ()
    """Names of the contact's ways that were tried for it, this one included."""
    runbook: str | None = None
    """Name of the runbook for it; set when it is sent."""
    runbook_url: str | None = None
    words: Words | None = None
    """The plan's words, or those of whoever caused it; set when it is sent."""
    in_own_words: bool = False
    """Whether they are the plan's own; set when it is sent."""
    loudness: int = 0
    """Place of its severity in the plan, 0 for the loudest; set when it is sent."""
    answering: Answering | None = None
    """Where it can be answered, where it can; set when it is sent."""
    first_id: str | None = None
    """Provider's id of what shows this incident to this contact by this channel already, where that kind of
    channel goes on from it (`plan.FOLLOWS`); set when it is sent."""
    room: Room | None = None
    """The chat channel to make or use (`plan.ROOMS`); set when it is sent."""
    holder: str = ""
    """Who has acknowledged it, in words; set when it is sent."""
    timezone: str = "UTC"
    """The plan's, for the times it names; set when it is sent."""
    phase: str = ""
    """Of the latest status update for its audience; set when it is sent."""


@dataclass(frozen=True)
class Attempt:
    """One try: when, what the provider answered, and the error if there was one (never a secret)."""

    at: datetime
    """When its outcome was known."""
    accepted: bool
    status: int | None = None
    provider_id: str | None = None
    error: str | None = None
    sent_at: datetime | None = None
    """When it was handed to the provider."""


@dataclass(frozen=True)
class Delivery:
    """One row of the outbox."""

    id: str
    """Unique within the incident and stable: ``<seq of the causing event>-<contact>-<nth channel>``."""
    incident: str
    contact: str
    nth: int
    """Which of the contact's channels, from 0."""
    channel: str
    """Name of the channel at the time when it was owed."""
    message: Message
    idempotency_key: str
    caused_by: int
    """Sequence number of the event that this delivery is owed for."""
    owed_at: datetime
    due_at: datetime
    """When to try next, or when the lease of the try under way ends."""
    last: bool = True
    """Whether the contact has no further channel."""
    state: State = "queued"
    attempts: tuple[Attempt, ...] = field(default=())
    claims: int = 0
    """Claims taken; one more than `attempts` while a try is under way or was cut off."""
    body_sha256: str | None = None
    """Of what the latest try said; see `body_hash`."""
    template: str | None = None
    """Name of the plan's template that the latest try was worded by; None: by none."""
    template_version: str | None = None
    """First 12 digits of the SHA-256 of that template."""
    looked: str | None = None
    """How the incident stood when the latest try was made (`change.looks`)."""
    gathered: str | None = None
    """Key of the contact's gathering that it waits in, or, once accepted, whose digest told it (`storm`)."""

    def claimed(self, now: datetime) -> Delivery:
        """Leased to the caller until ``now`` + `LEASE`."""
        return replace(self, state="leased", due_at=now + LEASE, claims=self.claims + 1)

    def postponed(self, until: datetime, gathering: str) -> Delivery:
        """Owed as before, but with others as one digest, which is told at ``until``; costs no claim."""
        return replace(self, state="queued", due_at=until, gathered=gathering)

    def moot(self, status: str) -> bool:
        """Whether it says nothing any more, the incident being over: that is not sent, but withdrawn."""
        return status == "resolved" and self.message.kind in MOOT

    def given_up(self, now: datetime) -> Delivery:
        """Failed without another try: too many were cut off before their outcome was known."""
        cut_off = Attempt(now, accepted=False, error="every try was cut off before its outcome was known")
        return replace(self, state="failed", attempts=(*self.attempts, cut_off))

    def withdrawn(self) -> Delivery:
        """Not to be sent any more."""
        return replace(self, state="withdrawn")

    def after(self, attempt: Attempt, *, permanent: bool, retry_after: float | None) -> Delivery:
        """The row once the outcome of a try is known: accepted, failed for good, or queued again."""
        tried = replace(self, attempts=(*self.attempts, attempt))
        if attempt.accepted:
            return replace(tried, state="accepted")
        final = permanent and not (self.last and attempt.status in REFUSED)
        too_long = not self.last and (retry_after or 0) > LONGEST_WAIT_BEFORE_NEXT.total_seconds()
        if final or too_long or self.claims >= self._most_tries(attempt):
            return replace(tried, state="failed")
        return replace(tried, state="queued", due_at=attempt.at + _pause(self, retry_after))

    def _most_tries(self, attempt: Attempt) -> int:
        if self.last:
            return MAX_ATTEMPTS
        if self.message.kind not in PAGES:
            return ATTEMPTS_BEFORE_NEXT
        return PAGES_BEFORE_NEXT if attempt.status is not None else 1


def body_hash(message: Message, idempotency_key: str) -> str:
    """What a message said, as proof: SHA-256 over the key, a newline, and its words as canonical JSON.

    The key salts it, so that nobody can find the words by guessing. Links are left out: each try signs anew.
    """
    said = {
        "kind": message.kind,
        "incident": message.incident,
        "title": message.title,
        "severity": message.severity,
        "service": message.service,
        "status": message.status,
        "reason": message.reason,
        "summary": message.summary,
        "drill": message.drill,
        "subject": message.words.subject if message.words else None,
        "body": str(message.words.body) if message.words else None,
    }
    text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{idempotency_key}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def idempotency_key(event_hash: str, contact: str) -> str:
    """The key that receivers may use to drop repeats: made from the event and the contact."""
    return hashlib.sha256(f"{event_hash}\n{contact}".encode()).hexdigest()[:40]


def _pause(delivery: Delivery, retry_after: float | None) -> timedelta:
    """Backoff with jitter of up to a fifth, drawn from the delivery's own key so that it can be replayed."""
    base = BACKOFF[min(delivery.claims, len(BACKOFF)) - 1]
    seed = hashlib.sha256(f"{delivery.idempotency_key}{delivery.id}{delivery.claims}".encode()).digest()[0]
    pause = base * (1 + seed / 255 / 5)
    wish = min(timedelta(seconds=retry_after or 0), LONGEST_WISH)
    return max(pause, wish)
