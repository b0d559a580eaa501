"""A change: what one transition makes of an incident, all of which is stored or none. `Draft` collects it
while the transition runs; nothing outside a transition sees it half done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain import throttle
from shared.domain.alert import Alert
from shared.domain.deadlines import deadline, ruling
from shared.domain.delivery import Delivery, Kind, Message, idempotency_key
from shared.domain.incident import ACTIONS_KEPT, AlertState, Head, Incident
from shared.domain.matrix import Severity
from shared.domain.oncall import OnCall, on_call
from shared.domain.plan import LIVE, Contact, Directory, Rules
from shared.domain.telling import HEAR_THE_END, JOINED_TO_THE_END, Lane, Telling
from shared.domain.timeline import Event, Text, seal, stamp
from shared.domain.ways import next_way, ways
from shared.domain.week import week_of

TOCSIN = "tocsin"
MOST_ROWS = 100
"""Rows that one change may write: what one transaction of the store takes."""
RESERVE = 44
"""Rows that one more lapse, outcome or command may take: its events, 20 contacts, 20 alarm contacts."""
MOST_TOLD = 20
"""Contacts that are remembered as told, and hear of the resolution."""
MOST_OUTSIDE = 6
"""Names outside that are remembered as informed; a plan names no more."""


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
        self.telling: dict[tuple[Lane, str], Telling] = {}
        self.waiting: list[datetime] = []
        self.caught_up: list[tuple[str, Telling]] = []
        self.head: Head | None = None
        self.complete = True

    @property
    def severity(self) -> Severity:
        """The incident's severity as it rules its service."""
        return ruling(self.incident, self.rules)

    def late(self, due: datetime) -> int:
        """Whole seconds by which what was due is recorded late."""
        return max(0, int((self.recorded_at - due) / timedelta(seconds=1)))

    @property
    def room(self) -> int:
        """Rows that the change may still write, beside the incident and the head."""
        known = self.directory.contacts
        owed = [contact for _, contact in self.telling] + [contact for contact, _ in self.caught_up]
        vanished = any(contact not in known for contact in owed)
        alarm = len(self.rules.alarm) if vanished else 0
        written = len(self.events) + len(self.texts) + len(self.alerts) + len(self.owed)
        return MOST_ROWS - 2 - written - 2 * len(self.settled) - len(owed) - alarm

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

    def whom(self, name: str) -> OnCall:
        """Who stands behind the name of a contact, rotation or role now; itself where nobody knows it."""
        directory = self.directory
        if name in directory.contacts:
            return OnCall(name, "contact")
        if name in directory.rotations:
            return on_call(directory.rotations[name], directory.absences, self.recorded_at)
        if any(role.name == name for role in self.rules.roles):
            holder = self.incident.roles.get(name)
            return OnCall(holder, "role" if holder else "nobody")
        return OnCall(name, "contact")

    def on_call(self, names: tuple[str, ...]) -> dict[str, str | None]:
        """For an event's data: whom the rotations and roles among ``names`` stand for now."""
        return {name: self.whom(name).contact for name in names if name not in self.directory.contacts}

    def tell(
        self, names: tuple[str, ...], kind: Kind, reason: str, cause: Event, template: str | None = None
    ) -> None:
        """Owe each contact, and whoever has a rotation or role, one notification; see `Telling.over`."""
        self.tell_of(names, Telling(kind, reason, cause, template))

    def tell_of(self, names: tuple[str, ...], telling: Telling) -> None:
        """`tell`, with everything that a notification may carry."""
        cause = telling.cause
        found = {name: self.whom(name) for name in names}
        for each in found.values():
            if each.contact is not None:
                self._owe_later(each.contact, telling)
        empty = [name for name, each in found.items() if not each.covered]
        if empty:
            event = self.event("oncall-empty", TOCSIN, {"rotations": empty, "caused_by": cause.seq})
            self.alarm(f"nobody is on call for {', '.join(empty)}", event)

    def alarm(self, reason: str, cause: Event) -> None:
        """Tell the plan's alarm contacts, unless this very change pages them already."""
        found = {name: self.whom(name).contact for name in self.rules.alarm}
        for contact in found.values():
            if contact is not None:
                self._owe_later(contact, Telling("alarm", reason, cause))
        known = cause.data["rotations"] if cause.type == "oncall-empty" else ()
        nobody = [name for name, contact in found.items() if contact is None and name not in known]
        if nobody:
            self.event("oncall-empty", TOCSIN, {"rotations": nobody, "caused_by": cause.seq})

    def say(self, kind: str, seq: int) -> None:
        """Remember where the latest words of a kind stand, for messages that repeat them."""
        several = kind.startswith("action-taken")
        kept = [each for each in self.incident.said if several or each[0] != kind]
        same = [each for each in kept if each[0] == kind]
        if len(same) == ACTIONS_KEPT:
            kept.remove(same[0])
        self.set(said=(*kept, (kind, seq)))

    def owe(self, contact: str, telling: Telling) -> bool:
        """Owe the contact's first way that is open and was not tried; False where there is none (left)."""
        known, severity = self.directory.contacts.get(contact), self.incident.severity
        if known is None:
            return False
        way = next_way(self.directory, known, severity, telling.kind, self.recorded_at, telling.tried)
        if way is None:
            return False
        self._owe_by(known, way[0], telling, last=way[1])
        return True

    def refresh(self, contact: str, nth: int, cause: Event) -> None:
        """Owe what shows how the incident stands its look of now, where it still is such a thing."""
        known = self.directory.contacts.get(contact)
        way = ways(self.directory, known)[nth : nth + 1] if known else ()
        channel = self.directory.channels.get(way[0].channel) if way else None
        if known is not None and channel is not None and channel.kind in LIVE and self.room > 0:
            self._owe_by(known, nth, Telling("refresh", "it has changed", cause), last=True)

    def _owe_by(self, contact: Contact, nth: int, telling: Telling, *, last: bool) -> None:
        cause, way = telling.cause, ways(self.directory, contact)[nth]
        self.owed.append(
            Delivery(
                id=f"{cause.seq:06d}-{contact.name}-{nth}",
                incident=self.incident.id,
                contact=contact.name,
                nth=nth,
                channel=way.channel,
                message=replace(self._message(telling), tried=(*telling.tried, way.name)),
                idempotency_key=idempotency_key(cause.hash, contact.name),
                caused_by=cause.seq,
                owed_at=self.recorded_at,
                due_at=self.now,
                last=last,
            )
        )

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
        for (_, contact), call in [each for each in self.telling.items() if each[0][0] == "call"]:
            word = self.telling.get(("word", contact))
            if word is not None and word.says_nothing_beside(call):
                del self.telling["word", contact]
        for owed in [owed for owed in self.telling if owed[1] not in known]:
            self._miss(owed[1], self.telling.pop(owed), alarm=True)
        for contact, telling in [each for each in self.caught_up if each[0] not in known]:
            self._miss(contact, telling, alarm=True)
        for owed in [owed for owed in self.telling if owed[1] not in known]:
            self._miss(owed[1], self.telling.pop(owed), alarm=False)
        spoken = [
            (telling.kind, contact) for contact, telling in self.caught_up if self._catch_up(contact, telling)
        ]
        spoken += [
            (telling.kind, contact)
            for (_, contact), telling in self.telling.items()
            if self._tell_or_hold(contact, telling)
        ]
        if spoken or self.incident.spoken:
            self.set(spoken=throttle.spoken(self.incident, self.rules, spoken, self.recorded_at))
        self._refresh()

    def _catch_up(self, contact: str, caught_up: Telling) -> bool:
        """What has waited its window goes out now, with what is owed of its kind in this very change."""
        lanes: tuple[Lane, ...] = ("call", "word")
        for lane in lanes:
            fresh = self.telling.get((lane, contact))
            if fresh is not None and (fresh.kind, fresh.audience) == (caught_up.kind, caught_up.audience):
                del self.telling[lane, contact]
                caught_up = caught_up.followed_by(fresh)
        return self.owe(contact, caught_up)

    def _tell_or_hold(self, contact: str, telling: Telling) -> bool:
        """Whether it is owed now; held back it is where the contact had such a message a moment ago."""
        until = throttle.held_until(self.incident, self.rules, contact, telling, self.recorded_at)
        if until is not None:
            until = min(until, self.now + self.rules.throttle)  # another instance's clock may be ahead
            kind, cause = telling.kind, telling.cause.seq
            data = {"contact": contact, "kind": kind, "caused_by": cause, "until": stamp(until)}
            self.event("held-back", TOCSIN, data)
            self.set(held_back=throttle.hold(self.incident, contact, telling, until))
        elif not self.owe(contact, telling):
            return False
        if telling.audience == "internal" and telling.kind in HEAR_THE_END:
            self.set(told=tuple(dict.fromkeys((*self.incident.told, contact)))[:MOST_TOLD])
        return until is None

    def _refresh(self) -> None:
        """What shows how the incident stands is brought up to date, wherever it was shown before."""
        if self.before is None or not self.events or looks(self.before) == looks(self.incident):
            return
        told = {(delivery.contact, delivery.nth) for delivery in self.owed}
        for shown in self.incident.shown:
            place, _, contact = shown.partition(" ")
            if (contact, int(place)) not in told:
                self.refresh(contact, int(place), self.events[-1])

    def _owe_later(self, contact: str, telling: Telling) -> None:
        call = self.telling.get(("call", contact))
        joined = call is not None and (call.kind, telling.kind) in JOINED_TO_THE_END
        lane: Lane = "call" if joined else telling.lane
        self.telling[lane, contact] = telling.over(self.telling.get((lane, contact)))

    def _miss(self, contact: str, telling: Telling, *, alarm: bool) -> None:
        event = self.event("contact-missing", TOCSIN, {"contact": contact, "caused_by": telling.cause.seq})
        if alarm and telling.kind != "alarm":
            self.alarm(f"the plan has no contact {contact} any more", event)

    def _message(self, telling: Telling) -> Message:
        return replace(
            message_about(self.incident, telling.kind, telling.reason),
            template=telling.template,
            audience=telling.audience,
            words_of=telling.words_of,
            earlier_words=telling.earlier_words,
            rung=telling.rung,
        )


def message_about(incident: Incident, kind: Kind, reason: str) -> Message:
    """A notification about an incident as it stands."""
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
        drill=incident.drill,
    )


def looks(incident: Incident) -> str:
    """What changes where the incident is shown, in one word."""
    return f"{incident.status}|{incident.severity}|{incident.acknowledged_by or ''}"
