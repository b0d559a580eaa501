"""A change: what one transition makes of an incident, all of which is stored or none. `Draft` collects it
while the transition runs; nothing outside a transition sees it half done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.domain.alert import Alert
from shared.domain.delivery import Delivery, Kind, Message, idempotency_key
from shared.domain.incident import AlertState, Head, Incident, deadline
from shared.domain.plan import Directory, Rules
from shared.domain.timeline import Event, Text, seal, stamp
from shared.domain.week import week_of

TOCSIN = "tocsin"
MOST_ROWS = 100
"""Rows that one change may write: what one transaction of the store takes."""
RESERVE = 42
"""Rows that one more lapse, outcome or command may take: an event, 20 contacts, 20 alarm contacts."""
MOST_TOLD = 20
"""Contacts that are remembered as paged, and hear of the resolution."""


@dataclass(frozen=True)
class AlertSeen:
    """An alert as it goes to its row: its latest state, and the latest text of it."""

    alert: Alert
    state: AlertState
    new: bool


@dataclass(frozen=True)
class Change:
    """``before`` is None where the incident is new; otherwise the change holds only on top of it."""

    before: Incident | None
    after: Incident
    head: Head | None = None
    """The partition's head where it changes as well."""
    events: tuple[Event, ...] = ()
    texts: tuple[tuple[int, Text], ...] = ()
    alerts: tuple[AlertSeen, ...] = ()
    owed: tuple[Delivery, ...] = ()
    """New rows of the outbox."""
    settled: tuple[Delivery, ...] = ()
    """Rows whose outcome is on the timeline now: no longer owed."""
    complete: bool = True
    """False where what had lapsed filled the change: what was asked for is still to be done, on top of it."""


@dataclass
class Draft:
    """A transition under way."""

    before: Incident | None
    incident: Incident
    rules: Rules
    directory: Directory
    now: datetime

    def __post_init__(self) -> None:
        """Start with nothing; the time of record never runs backwards."""
        last = self.incident.recorded_at
        self.recorded_at = max(self.now, last) if last else self.now
        self.events: list[Event] = []
        self.texts: list[tuple[int, Text]] = []
        self.alerts: dict[str, AlertSeen] = {}
        self.owed: list[Delivery] = []
        self.settled: list[Delivery] = []
        self.telling: dict[str, tuple[Kind, str, Event]] = {}
        self.waiting: list[datetime] = []
        self.head: Head | None = None
        self.complete = True

    @property
    def room(self) -> int:
        """Rows that the change may still write, beside the incident and the head."""
        known = self.directory.contacts
        vanished = any(contact not in known for contact in self.telling)
        alarm = len(set(self.rules.alarm) - set(self.telling)) if vanished else 0
        written = len(self.events) + len(self.texts) + len(self.alerts) + len(self.owed)
        return MOST_ROWS - 2 - written - 2 * len(self.settled) - len(self.telling) - alarm

    def set(self, **changes: Any) -> None:  # noqa: ANN401  (fields of many types, checked by `replace`)
        """Change fields of the incident."""
        self.incident = replace(self.incident, **changes)

    def event(
        self,
        type: str,
        actor: str,
        data: Mapping[str, Any],
        occurred_at: datetime | None = None,
        text: Text | None = None,
    ) -> Event:
        """Append to the timeline; ``text`` enters the event as its hash and is kept beside it."""
        incident = self.incident
        if text is not None:
            data = {**data, "text_sha256": text.sha256}
            self.texts.append((incident.length + 1, text))
        sealed = seal(
            incident.id,
            incident.length + 1,
            incident.head,
            type,
            actor,
            data,
            occurred_at or self.now,
            self.recorded_at,
        )
        self.events.append(sealed)
        self.set(length=sealed.seq, head=sealed.hash, recorded_at=self.recorded_at)
        return sealed

    def tell(self, contacts: tuple[str, ...], kind: Kind, reason: str, cause: Event) -> None:
        """Owe each contact one notification; told once in a change, for the latest cause."""
        for contact in contacts:
            self.telling[contact] = (kind, reason, cause)

    def alarm(self, reason: str, cause: Event) -> None:
        """Tell the plan's alarm contacts, unless this very change pages them already."""
        for contact in self.rules.alarm:
            self.telling.setdefault(contact, ("alarm", reason, cause))

    def owe(self, contact: str, nth: int, kind: Kind, reason: str, cause: Event) -> bool:
        """Owe the contact's ``nth`` channel; False where it has none (any more)."""
        known = self.directory.contacts.get(contact)
        if known is None or nth >= len(known.reach):
            return False
        self.owed.append(
            Delivery(
                id=f"{cause.seq:06d}-{contact}-{nth}",
                incident=self.incident.id,
                contact=contact,
                nth=nth,
                channel=known.reach[nth].channel,
                message=self._message(kind, reason),
                idempotency_key=idempotency_key(cause.hash, contact),
                caused_by=cause.seq,
                owed_at=self.recorded_at,
                due_at=self.now,
                last=nth + 1 == len(known.reach),
            )
        )
        return True

    def finish(self) -> Change:
        """Settle whom to tell, set the deadline, and close the draft."""
        self._tell_everybody()
        instants = [delivery.due_at for delivery in self.owed] + self.waiting
        self.set(deliver_at=min(instants, default=None), version=self.incident.version + 1)
        if self.events:
            self.set(week=week_of(self.recorded_at, self.rules.timezone))
        self.set(deadline=deadline(self.incident, self.rules))
        return Change(
            self.before,
            self.incident,
            self.head,
            tuple(self.events),
            tuple(self.texts),
            tuple(self.alerts.values()),
            tuple(self.owed),
            tuple(self.settled),
            self.complete,
        )

    def keep_waiting(self) -> None:
        """Carry over what is owed from before, where the transition did not look at the outbox."""
        if self.before is not None and self.before.deliver_at is not None:
            self.waiting.append(self.before.deliver_at)

    def _tell_everybody(self) -> None:
        known = self.directory.contacts
        for contact in [contact for contact in self.telling if contact not in known]:
            self._miss(contact, alarm=True)
        for contact in [contact for contact in self.telling if contact not in known]:
            self._miss(contact, alarm=False)
        for contact, (kind, reason, cause) in self.telling.items():
            if self.owe(contact, 0, kind, reason, cause) and kind in ("escalation", "manual"):
                self.set(told=tuple(dict.fromkeys((*self.incident.told, contact)))[:MOST_TOLD])

    def _miss(self, contact: str, *, alarm: bool) -> None:
        kind, _, cause = self.telling.pop(contact)
        event = self.event("contact-missing", TOCSIN, {"contact": contact, "caused_by": cause.seq})
        if alarm and kind != "alarm":
            self.alarm(f"the plan has no contact {contact} any more", event)

    def _message(self, kind: Kind, reason: str) -> Message:
        incident = self.incident
        return Message(
            kind,
            incident.plan,
            incident.id,
            incident.title,
            incident.severity,
            incident.service,
            incident.status,
            incident.opened_at,
            reason,
            incident.summary,
            incident.source_url,
        )


def stamp_or_none(instant: datetime | None) -> str | None:
    """`stamp`, with None for None, as event data carries it."""
    return stamp(instant) if instant else None
