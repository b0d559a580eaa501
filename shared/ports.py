"""What the workflows need from the world; `shared.app` decides which adapter stands behind each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.agenda import AgendaState, Reading
from shared.domain.alert import Alert
from shared.domain.answering import Grant
from shared.domain.briefing import Briefing
from shared.domain.change import Change
from shared.domain.delivery import Delivery, Message, Words
from shared.domain.incident import Head, Incident
from shared.domain.intake import Slot
from shared.domain.journal import Entry, Journal
from shared.domain.oncall import Absence
from shared.domain.plan import Calendar, Plan, Rules, SourceTrust
from shared.domain.plan import Channel as ChannelSpec
from shared.domain.rollout import PlanRecord
from shared.domain.runbook import Runbook
from shared.domain.storm import Gathering, Kept, StormState
from shared.domain.timeline import Event


class Secrets(Protocol):
    """Named secrets."""

    def get(self, name: str) -> str:
        """The secret's current value, perhaps cached for minutes. Raises SecretUnavailable."""

    def recheck(self, name: str) -> None:
        """Ask again at the next `get` or `accepted`; while there is no answer, the known value serves on.

        For whoever doubts a value because of what a caller sent, which proves nothing.
        """

    def forget(self, name: str) -> bool:
        """Never serve the cached value again unless it is confirmed: a provider refused it as ours.

        False: it was asked anew a moment ago and is not asked again yet, so what `get` returns may be older
        than the refusal.
        """

    def accepted(self, name: str) -> Sequence[str]:
        """The values with which something may have been signed: the current one first, then the one before.

        Raises SecretUnavailable.
        """


class Source(Protocol):
    """A monitoring system: how its webhook body becomes alerts."""

    name: str

    def parse(self, body: bytes, received_at: datetime) -> list[Alert]:
        """Every alert of the body, at least one. Raises InvalidPayload with every fault found."""

    def verify(
        self, headers: Mapping[str, str], body: bytes, trust: SourceTrust, secrets: Secrets, now: datetime
    ) -> None:
        """Raises Unauthenticated where the call does not prove what ``trust`` asks.

        Header names are lower-case.
        """


@dataclass(frozen=True)
class Accepted:
    """A provider took the notification: its status code, and its own id for it where it gave one."""

    status: int | None = None
    provider_id: str | None = None


class Channel(Protocol):
    """One kind of channel."""

    kind: str

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,
        idempotency_key: str,
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Hand one notification to the provider, once, without retrying.

        Raises DeliveryFailed or SecretUnavailable. Finishes within 30 s whatever the provider does.
        """


class Wording(Protocol):
    """The words of plans: templates, filled in."""

    def words(self, plan: Plan, name: str, briefing: Briefing) -> Words:
        """The template of that name. Raises BadTemplate where it cannot be filled in."""

    def named(self, plan: Plan, briefing: Briefing) -> Briefing:
        """The briefing with ``channel_name`` and ``ticket_title`` as the plan's templates have them."""


class Runbooks(Protocol):
    """The runbooks of this deployment."""

    def all(self, plan: str) -> Sequence[Runbook]:
        """Every runbook of a plan, by name."""

    def get(self, plan: str, name: str) -> Runbook:
        """One runbook. Raises NotFound."""


class SignedLinks(Protocol):
    """Paths that open without signing in, to whoever holds the signature."""

    def sign(self, path: str) -> str:
        """The path's signature. Raises SecretUnavailable."""

    def holds(self, path: str, signature: str) -> bool:
        """Whether the signature is the path's. Raises SecretUnavailable."""


class AnswerTokens(Protocol):
    """Tokens that stand in the links of notifications."""

    def sign(self, grant: Grant) -> str:
        """A token of URL-safe characters. Raises SecretUnavailable."""

    def read(self, token: str, now: datetime) -> Grant:
        """What a token grants. Raises SecretUnavailable, Unauthenticated where it is not ours or old."""


class Plans(Protocol):
    """The plans of this deployment."""

    def get(self, name: str) -> Plan:
        """The current plan. Raises NotFound."""

    def all(self) -> Sequence[Plan]:
        """Every plan, by name."""


class RulesArchive(Protocol):
    """Frozen rules by hash."""

    def keep(self, rules: Rules) -> None:
        """Store the text under its hash, if it is not there already."""

    def get(self, hash: str) -> Rules:
        """The rules of that hash.

        Raises StoreUnavailable (RulesLost where they are not there), and ValueError where another version
        has frozen them in words that this one cannot read.
        """


@dataclass(frozen=True)
class Stored:
    """An incident as read or just written; ``tag`` changes with every write of its row."""

    incident: Incident
    tag: str
    commits: str = ""
    """The ids of the latest commits, by which the store knows its own again."""


@dataclass(frozen=True)
class Owed:
    """A delivery still owed, as read or just written, with the tag of its own row."""

    delivery: Delivery
    tag: str


@dataclass(frozen=True)
class Place:
    """Where a group's alerts go, with what a conditional write needs."""

    slot: Slot
    newest: Stored | None
    head_tag: str | None


@dataclass(frozen=True)
class Due:
    """A deadline that has come: a hint, to be believed only by the subject's own row."""

    subject: str
    due_at: datetime
    version: int
    """The subject's version that it was written against."""
    written_at: datetime
    shard: str
    key: str
    tag: str


@dataclass(frozen=True)
class AlertRow:
    """One alert of an incident, as stored."""

    fingerprint: str
    name: str
    state: str
    count: int
    started_at: datetime
    first_seen: datetime
    last_seen: datetime
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    url: str | None


@dataclass(frozen=True)
class Selection:
    """Which incidents are wanted, newest first: of these plans, opened in [since, until), after ``cursor``.

    ``live`` says that none is wanted which is resolved; those are found however old they are.
    """

    wanted: Callable[[Incident], bool]
    plans: frozenset[str]
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    limit: int = 50
    live: bool = False


@dataclass(frozen=True)
class Page:
    """One page of incidents, newest first; ``cursor`` is None on the last."""

    incidents: tuple[Incident, ...]
    cursor: str | None


class IncidentStore(Protocol):
    """Incidents, their timelines and their outbox. Every method may raise StoreUnavailable."""

    def place(self, group: str) -> Place:
        """The head and newest incident of a group's digest, in one round trip."""

    def load(self, incident_id: str) -> Stored:
        """One incident, in one round trip. Raises NotFound."""

    def owed(self, incident: Incident) -> list[Owed]:
        """The deliveries still owed, by id."""

    def save(
        self, change: Change, basis: Stored | None, head_tag: str | None = None
    ) -> tuple[Stored, list[Owed]]:
        """Store all of a change or none of it; returns the incident and the deliveries new with it.

        ``basis`` is what the change was decided on (None: the incident is new), ``head_tag`` the tag of the
        partition's head where the change carries one (None: the head is new). Raises Conflict where either
        has moved on. A change whose answer got lost is recognised and not applied twice.
        """

    def save_head(self, partition: str, head: Head, head_tag: str | None) -> None:
        """Store a partition's head alone. Raises Conflict."""

    def save_delivery(self, owed: Owed, delivery: Delivery) -> Owed:
        """Store a claim or an outcome on the delivery's own row. Raises Conflict."""

    def events(self, subject: str) -> Iterator[Event]:
        """The timeline of an incident or journal, in order."""

    def texts(self, incident_id: str) -> Mapping[int, str]:
        """The free texts that stand beside events, by sequence number."""

    def alerts(self, incident: Incident) -> list[AlertRow]:
        """The alerts of an incident, by fingerprint."""

    def deliveries(self, incident: Incident) -> list[Delivery]:
        """Every delivery of an incident, owed or done, by id."""

    def page(self, selection: Selection) -> Page:
        """One page of the incidents selected; it may be short and still have a cursor."""

    def due(self, now: datetime) -> Iterator[Due]:
        """Deadlines that have come, shard by shard, oldest first in each."""

    def drop(self, due: Due, incident: Incident | None, now: datetime) -> bool:
        """Drop a deadline that its subject no longer names; False where it must stay."""

    def beat(self, started: datetime, acted_on: int) -> None:
        """Note that the sweeper ran."""

    def last_beat(self, now: datetime) -> datetime | None:
        """When the sweeper last ran, in this hour or the one before."""


class Journals(Protocol):
    """The plans' own journals."""

    def journal(self, empty: Journal) -> tuple[Journal, str | None]:
        """The journal as it stands with its tag, or ``empty`` and None where nothing is in it yet."""

    def append(self, before: Journal, tag: str | None, entry: Entry) -> None:
        """Store an entry. Raises Conflict where the journal has moved on."""


class Agenda(Protocol):
    """How far each plan's agenda is, and what its calendars said. May raise StoreUnavailable."""

    def state(self, plan: str) -> tuple[AgendaState, str] | None:
        """The state with its tag, or None where the agenda never began."""

    def save(self, plan: str, state: AgendaState, tag: str | None) -> str:
        """Store it and return the new tag. Raises Conflict where it has moved on; no tag: it must be new."""

    def readings(self, plan: str) -> Mapping[str, Reading]:
        """What each contact's calendar said, by contact."""

    def keep_reading(self, plan: str, contact: str, reading: Reading) -> None:
        """Store what a calendar said, whatever was there."""


class PlanRecords(Protocol):
    """What is on record of each plan's versions. May raise StoreUnavailable."""

    def record(self, plan: str) -> tuple[PlanRecord, str] | None:
        """The record with its tag, or None where the plan was never seen."""

    def save(self, plan: str, record: PlanRecord, tag: str | None) -> str:
        """Store it and return the new tag. Raises Conflict where it has moved on; no tag: it must be new."""


class Calendars(Protocol):
    """Where absences are read."""

    def absences(
        self, calendar: Calendar, since: datetime, until: datetime, timezone: str
    ) -> tuple[Absence, ...]:
        """The absences that touch [since, until), in order. Raises CalendarUnreadable.

        ``timezone`` is that of entries which name none.
        """


class AdvanceQueue(Protocol):
    """Messages that make Tocsin punctual; losing one costs time, never an action."""

    def send(self, incident_id: str, delay: timedelta = timedelta(0)) -> bool:
        """Ask for the incident to be advanced after ``delay``; False where the queue did not take it."""


class People(Protocol):
    """Who stands behind the pseudonyms on the timelines."""

    def pseudonym(self, identity: str, name: str) -> str:
        """The pseudonym of an identity, made on first use under that name. Raises StoreUnavailable."""

    def digest(self, text: str) -> str:
        """A hash that nobody without the key can compare with a guess. Raises SecretUnavailable."""

    def name(self, pseudonym: str) -> str | None:
        """Who that is, or None where nobody (any more) is known by it."""


class Storms(Protocol):
    """What each contact was sent of late, and what is gathered for it. May raise StoreUnavailable."""

    def state(self, plan: str, contact: str) -> Kept[StormState]:
        """What the contact was sent of late; without a tag where it never was."""

    def gathering(self, plan: str, contact: str, key: str) -> Kept[Gathering] | None:
        """One gathering, in whatever state; None where there is none (any more)."""

    def save(self, plan: str, contact: str, *rows: Kept[StormState] | Kept[Gathering]) -> list[str]:
        """Store all of the rows or none; their new tags, in order. Raises Conflict where one has moved on."""

    def forget(self, plan: str, contact: str, before: datetime) -> None:
        """Drop gatherings that were opened before that."""
