"""Hands out everything that is held about a person, piece by piece; that it was is on record first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.domain.delivery import Delivery
from shared.domain.errors import Fault, InvalidInput, NotFound
from shared.domain.incident import Incident
from shared.domain.journal import own_journal
from shared.domain.personal import DAMAGED, Person
from shared.domain.plan import Plan
from shared.domain.principal import Principal, as_principal
from shared.domain.timeline import Event, record, stamp
from shared.export_ports import KeptTexts
from shared.ports import IncidentStore, Plans, Selection
from shared.workflows.actors import PERSON
from shared.workflows.erase_person import PAGE, Records, Whom, look_up, rowless
from shared.workflows.record_access import Read, RecordAccess

AT_A_TIME = 200
"""Incidents, or days of a plan's journal, that one piece looks at."""
REACHES_BACK = timedelta(days=400)
"""How far back journals are read where nobody says since when."""
_INCIDENTS, _JOURNALS = "incidents", "journals"
_NOBODY = "nobody is known by that, or not any more"


@dataclass
class Held:
    """One piece of what is held about somebody; ``cursor`` is None on the last."""

    person: Person | None
    """None where nothing but contacts of plans is known by that identity."""
    contacts: list[dict[str, Any]]
    incidents: list[dict[str, Any]] = field(default_factory=list)
    journals: list[dict[str, Any]] = field(default_factory=list)
    cursor: str | None = None
    looked_at: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing about them was found."""
        return not (self.contacts or self.incidents or self.journals)


@dataclass(frozen=True)
class Span:
    """What of the past is looked at: opened, or recorded, in [since, until)."""

    since: datetime | None = None
    until: datetime | None = None


class Store(IncidentStore, KeptTexts, Protocol):
    """Incidents with their texts, which may not be readable just now."""


@dataclass
class ExportPerson:
    """The workflow behind ``POST /api/v1/people/export`` and ``python -m local.people export``."""

    store: Store
    plans: Plans
    records: Records
    access: RecordAccess

    def export(
        self,
        whom: Whom,
        plan: str,
        who: Principal,
        now: datetime,
        *,
        cursor: str | None = None,
        span: Span = Span(),
        most: int = AT_A_TIME,
    ) -> Held:
        """One piece, of the plans that the caller sees; the next from its ``cursor``.

        A pseudonym is looked for on timelines also where its rows are gone. Raises NotFound, Forbidden,
        InvalidInput, StoreUnavailable, SecretUnavailable: also where a name or text that is kept cannot be
        read just now, for a piece is whole or there is none.
        """
        who.require("Admin")
        seen = {one.name: one for one in self.plans.all() if who.sees(one)}
        if plan not in seen:
            raise NotFound(f"there is no plan {plan}")
        digest, person = look_up(whom, self.records)
        contacts = self._contacts(digest or (person.digest if person else ""), seen)
        gone = rowless(whom) if person is None else None
        if person is None and gone is None and not contacts:
            raise NotFound(_NOBODY)
        if person is not None:
            person = replace(person, name=self.records.whole_name(person))
        held = Held(person or gone, [shown for _, _, shown in contacts])
        names: dict[str, set[str]] = {}
        for of, contact, _ in contacts:
            names.setdefault(of, set()).add(contact)
        self._look(held, names, seen, _Place.of(cursor), span, most, now)
        elsewhere = len(seen) < len(self.plans.all())
        if (gone or elsewhere) and held.is_empty:
            if not (cursor or held.cursor):
                raise NotFound(_NOBODY)
            held.person = gone  # who it is stands with what they did, and that this caller may not see
        concerned = {plan, *(each["plan"] for each in (*held.contacts, *held.incidents, *held.journals))}
        for name in sorted(concerned):
            self.access.by(who, seen[name], Read("person"), now)
        return held

    def _contacts(self, digest: str, plans: Mapping[str, Plan]) -> list[tuple[str, str, dict[str, Any]]]:
        """The contacts who are that person: by their identity at Entra, or acting under their own name."""
        return [
            (plan.name, contact.name, _contact(plan, contact.name))
            for plan in plans.values()
            for contact in plan.directory.contacts.values()
            if digest and self.records.digest(as_principal(contact, plan).id) == digest
        ]

    def _look(
        self,
        held: Held,
        names: Mapping[str, set[str]],
        plans: Mapping[str, Plan],
        place: _Place,
        span: Span,
        most: int,
        now: datetime,
    ) -> None:
        while place.phase == _INCIDENTS and held.looked_at < most:
            page = self.store.page(
                Selection(
                    lambda _: True,
                    frozenset(plans),
                    span.since,
                    span.until,
                    place.at or None,
                    min(PAGE, most - held.looked_at),
                )
            )
            for incident in page.incidents:
                found = self._of_incident(incident, held.person, names.get(incident.plan, set()))
                if found:
                    held.incidents.append(found)
            held.looked_at += max(1, len(page.incidents))
            place = _Place(_INCIDENTS, page.cursor) if page.cursor else _Place(_JOURNALS, "")
        if place.phase == _JOURNALS:
            self._look_into_journals(held, plans, place, span, most, now)
        else:
            held.cursor = place.text

    def _of_incident(
        self, incident: Incident, person: Person | None, contacts: set[str]
    ) -> dict[str, Any] | None:
        """What of an incident is about them; None where nothing is."""
        actor = f"{PERSON}{person.pseudonym}" if person else ""
        events = [event for event in self.store.events(incident.id) if event.actor == actor]
        sent = (
            [each for each in self.store.deliveries(incident) if each.contact in contacts] if contacts else []
        )
        if not events and not sent:
            return None
        texts = self._texts(incident.id) if any(e.data.get("text_sha256") for e in events) else {}
        return {
            "plan": incident.plan,
            "id": incident.id,
            "events": [_event(event) for event in events],
            "texts": [{"seq": e.seq, "text": texts[e.seq]} for e in events if e.seq in texts],
            "deliveries": [_delivery(each) for each in sent],
        }

    def _texts(self, incident: str) -> Mapping[int, str]:
        """With a word for those that do not open. Raises SecretUnavailable, StoreUnavailable."""
        whole = self.store.whole_texts(incident)
        return {seq: whole[seq].body if seq in whole else DAMAGED for seq in self.store.texts(incident)}

    def _look_into_journals(
        self,
        held: Held,
        plans: Mapping[str, Plan],
        place: _Place,
        span: Span,
        most: int,
        now: datetime,
    ) -> None:
        """Day by day into the past; what plans do by themselves and people with records is in one shard."""
        actor = f"{PERSON}{held.person.pseudonym}" if held.person else None
        since = span.since or now - REACHES_BACK
        for day in _days(place.at, min(span.until or now, now), since):
            if actor is None:
                return
            if held.looked_at >= most:
                held.cursor = _Place(_JOURNALS, f"{day:%Y%m%d}").text
                return
            for plan in plans.values():
                journal = own_journal(plan.name, day).id
                events = [_event(event) for event in self.store.events(journal) if event.actor == actor]
                if events:
                    held.journals.append({"plan": plan.name, "id": journal, "events": events})
                held.looked_at += 1


@dataclass(frozen=True)
class _Place:
    """Where to go on: in the list of incidents, then in the journals."""

    phase: str
    at: str

    @property
    def text(self) -> str:
        return f"{self.phase}:{self.at}"

    @classmethod
    def of(cls, cursor: str | None) -> _Place:
        """Raises InvalidInput."""
        if cursor is None:
            return cls(_INCIDENTS, "")
        phase, _, at = cursor.partition(":")
        if phase == _JOURNALS:
            try:
                datetime.strptime(at, "%Y%m%d").replace(tzinfo=UTC)
            except ValueError:
                phase = ""
        if phase not in (_INCIDENTS, _JOURNALS):
            raise InvalidInput(
                "the cursor is not one of ours", [Fault("cursor", "comes from the piece before")]
            )
        return cls(phase, at)


def _days(first: str, until: datetime, since: datetime) -> Iterator[datetime]:
    """From that day, or the last, back to the first that is wanted."""
    day = datetime.strptime(first, "%Y%m%d").replace(tzinfo=UTC) if first else until.astimezone(UTC)
    while f"{day:%Y%m%d}" >= f"{since.astimezone(UTC):%Y%m%d}":
        yield day
        day -= timedelta(days=1)


def _contact(plan: Plan, name: str) -> dict[str, Any]:
    contact = plan.directory.contacts[name]
    return {
        "plan": plan.name,
        "contact": name,
        "title": contact.title,
        "role": contact.role,
        "identities": dict(contact.identities),
        "reach": [{"channel": reach.channel, "to": reach.to} for reach in contact.reach],
    }


def _event(event: Event) -> dict[str, Any]:
    shown = record(event)
    return {name: shown[name] for name in ("seq", "type", "occurred_at", "recorded_at", "data")}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "contact": delivery.contact,
        "channel": delivery.channel,
        "kind": delivery.message.kind,
        "state": delivery.state,
        "owed_at": stamp(delivery.owed_at),
        "attempts": [
            {"at": stamp(each.at), "accepted": each.accepted, "provider_id": each.provider_id}
            for each in delivery.attempts
        ],
    }
