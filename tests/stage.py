"""Everything between the doors on real storage, with the clock in the test's hand."""

from __future__ import annotations

import secrets as random_names
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Self

from shared.adapters.advance_queue import StorageAdvanceQueue
from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.deadline_index import DeadlineIndex
from shared.adapters.incident_tables import IncidentTables
from shared.adapters.journal_table import JournalTable
from shared.adapters.names import QUEUE
from shared.adapters.people_table import PeopleTable
from shared.adapters.rules_table import RulesTable
from shared.adapters.storage_clients import StorageClients
from shared.adapters.storm_table import StormTable
from shared.adapters.templates import Templates
from shared.domain.alert import Alert
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed, NotFound
from shared.domain.incident import Incident
from shared.domain.plan import Channel, Directory, Plan, Rules, SourceTrust
from shared.domain.principal import Principal
from shared.domain.response import Command
from shared.domain.timeline import Event
from shared.domain.week import week_of
from shared.ports import Accepted, Secrets
from shared.settings import StorageAccess
from shared.workflows.advance_incidents import AdvanceIncidents
from shared.workflows.deliver import Deliver
from shared.workflows.prepare_message import PrepareMessage
from shared.workflows.receive_alert import Outcome, ReceiveAlert
from shared.workflows.respond_to_incident import RespondToIncident
from shared.workflows.tell_storm import TellStorm
from tests.builders import NOON, a_plan, an_alert, some_rules

ANA = Principal("id-ana", "ana", frozenset({"Responder"}))


class HandedOver:
    """A source whose alerts the test hands over as they are."""

    name = "generic"
    signs = False

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def parse(self, body: bytes, received_at: datetime) -> list[Alert]:  # noqa: ARG002
        return self.alerts

    def verify(
        self, headers: Mapping[str, str], body: bytes, trust: SourceTrust, secrets: Secrets, now: datetime
    ) -> None:
        """Trusts the test."""


class Megaphone:
    """A channel that says aloud what it was given; the channel named ``broken`` fails, ``busy`` once."""

    kind = "log"

    def __init__(self, sent: list[tuple[str, str, str]]) -> None:
        self.sent = sent
        self.busy = True
        self.heard: Callable[[str, Message], object] = lambda _to, _message: None

    def send(
        self,
        message: Message,
        spec: Channel,
        to: str | None,
        idempotency_key: str,  # noqa: ARG002
        secrets: Secrets,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Accepted:
        if spec.name == "broken":
            raise DeliveryFailed("nobody there", permanent=True, status=410)
        if spec.name == "busy" and self.busy:
            self.busy = False
            raise DeliveryFailed("come again", permanent=False, status=503)
        self.sent.append((str(to), message.kind, message.reason))
        self.heard(str(to), message)
        return Accepted(200)


class OnePlan:
    """`ports.Plans` with one plan that the test may change."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def get(self, name: str) -> Plan:
        if name != self.plan.name:
            raise NotFound(f"there is no plan {name}")
        return self.plan

    def all(self) -> list[Plan]:
        return [self.plan]


_known: set[str] = set()
"""Storages that have their containers: making them takes longer than many a test."""


def _furnished(storage: str) -> StorageClients:
    clients = StorageClients(StorageAccess(storage))
    if storage not in _known:
        clients.make_containers()
        _known.add(storage)
    return clients


class Stage:
    """A plan of its own on shared storage, so that tests do not meet."""

    def __init__(self, storage: str) -> None:
        self.clients = _furnished(storage)
        tables = self.clients.tables()
        self.index = DeadlineIndex(tables.get_table_client("Index"))
        self.journals = JournalTable(tables.get_table_client("Journal"), self.index)
        self.store = IncidentTables(tables.get_table_client("Incidents"), self.index, self.journals)
        self.archive = RulesTable(tables.get_table_client("Rules"))
        self.queue = StorageAdvanceQueue(self.clients.queue(QUEUE))
        secrets = AppSettingSecrets({"SECRET_PEOPLE_KEY": "only for tests"})
        self.people = PeopleTable(tables.get_table_client("People"), secrets, "people-key")
        self.name = f"acme-{random_names.token_hex(4)}"
        self.plans = OnePlan(a_plan())
        self.sent: list[tuple[str, str, str]] = []
        self.source = HandedOver()
        self.rules(some_rules())
        self.directory(self.plans.plan.directory)
        self.megaphone = Megaphone(self.sent)
        prepare = PrepareMessage(
            self.store, "", Templates(), KeyedAnswerTokens(secrets, "people-key"), self.people
        )
        channels = {"log": self.megaphone}
        self.storms = StormTable(tables.get_table_client("Agenda"))
        storm = TellStorm(self.store, self.storms, channels, secrets, Templates(), self.queue)
        deliver = Deliver(self.store, channels, secrets, prepare, storm)
        self.receive = ReceiveAlert(
            self.plans, {"generic": self.source}, secrets, self.store, self.journals, self.archive, self.queue
        )
        self.advancing = AdvanceIncidents(self.store, self.plans, self.archive, self.queue, deliver)
        self.responding = RespondToIncident(self.store, self.plans, self.archive, self.people, self.queue)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no deadline behind for the next test's sweep."""
        for due in self.index.due(NOON.replace(year=2100)):
            self.index.table.delete_entity(due.shard, due.key)

    def rules(self, rules: Rules) -> None:
        """The plan's rules from now on, under a hash of their own."""
        hash = random_names.token_hex(32)
        ruling = replace(rules, plan=self.name, hash=hash)
        self.plans.plan = replace(self.plans.plan, name=self.name, rules=ruling)

    def directory(self, directory: Directory) -> None:
        """Whom the plan knows from now on; every reach carries the contact's name as its address."""
        contacts = {
            name: replace(contact, reach=tuple(replace(reach, to=name) for reach in contact.reach))
            for name, contact in directory.contacts.items()
        }
        self.plans.plan = replace(self.plans.plan, directory=replace(directory, contacts=contacts))

    def hear(self, *alerts: Alert, at: datetime = NOON) -> list[Outcome]:
        self.source.alerts = list(alerts)
        return self.receive.receive(self.name, "generic", {}, b"{}", at)

    def opened(self, *, deliver: bool = False) -> str:
        [outcome] = self.hear(an_alert())
        assert outcome.id is not None
        if deliver:
            self.advance(outcome.id)
        return outcome.id

    def pending(self) -> list[str]:
        """What is not declared yet; the rest is found by the answers."""
        found = {due.subject for due in self.index.due(NOON.replace(year=2100))}
        return sorted(each for each in found if self.incident(each).status == "pending")

    def advance(self, incident: str | None, at: datetime = NOON) -> None:
        assert incident is not None
        self.advancing.advance(incident, lambda: at)

    def sweep(self, at: datetime) -> int:
        return self.advancing.sweep(lambda: at)

    def respond(
        self,
        incident: str,
        command: Command,
        at: datetime = NOON,
        key: str | None = None,
        who: Principal = ANA,
    ) -> Incident:
        return self.responding.respond(incident, command, who, key, at)

    def incident(self, incident: str | None) -> Incident:
        assert incident is not None
        return self.store.load(incident).incident

    def events(self, incident: str) -> list[Event]:
        return list(self.store.events(incident))

    def types(self, incident: str) -> list[str]:
        return [event.type for event in self.events(incident)]

    def journal_events(self) -> list[Event]:
        week = week_of(NOON, "UTC")
        subjects = [each for each in self.store.subjects(self.name, week) if each.startswith("JRN-")]
        return [event for subject in subjects for event in self.store.events(subject)]

    def told(self) -> list[str]:
        return [contact for contact, _, _ in self.sent]
