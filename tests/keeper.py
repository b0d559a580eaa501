"""A stage whose plan has an agenda, with a channel that keeps what it was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.agenda_table import AgendaTable
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.calendars.fetch import CalendarFeeds
from shared.adapters.channels.time_limit import Patience
from shared.adapters.templates import Templates
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.oncall import Layer, Rotation
from shared.domain.plan import Channel
from shared.ports import Accepted, Secrets
from shared.workflows.keep_agenda import KeepAgenda
from shared.workflows.read_calendars import ReadCalendars
from tests.builders import a_directory
from tests.stage import Stage


class Loudspeaker:
    """A channel that keeps what it was given; ``broken`` fails for good, ``busy`` while it is."""

    kind = "log"

    def __init__(self) -> None:
        self.sent: list[tuple[str, Message, str]] = []
        self.busy = True

    def send(
        self,
        message: Message,
        spec: Channel,
        to: str | None,
        idempotency_key: str,
        secrets: Secrets,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Accepted:
        if spec.name == "broken":
            raise DeliveryFailed("nobody there", permanent=True, status=410)
        if spec.name == "busy" and self.busy:
            raise DeliveryFailed("come again", permanent=False, status=503)
        self.sent.append((str(to), message, idempotency_key))
        return Accepted(200)


class Keeper(Stage):
    """A stage whose plan has an agenda."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        self.agenda = AgendaTable(self.clients.tables().get_table_client("Agenda"))
        self.speaker = Loudspeaker()
        self.secrets = AppSettingSecrets({})
        feeds = CalendarFeeds(self.secrets, patience=Patience(1, 1, 2))
        self.keeping = KeepAgenda(
            self.plans,
            self.store,
            self.archive,
            self.queue,
            self.journals,
            self.agenda,
            ReadCalendars(self.agenda, feeds, self.journals),
            {"log": self.speaker},
            self.secrets,
            Templates(),
        )

    def has(self, **changes: Any) -> None:  # noqa: ANN401  (fields of the plan)
        self.plans.plan = replace(self.plans.plan, **changes)

    def rotates(self, *members: str, **reach: tuple[str, ...]) -> None:
        layers = (Layer(members, "2026-01-05T09:00", timedelta(days=7)),) if members else ()
        self.directory(replace(a_directory(**reach), rotations={"sre": Rotation("sre", layers=layers)}))

    def keep(self, at: datetime) -> int:
        return self.keeping.keep(lambda: at)

    def noted(self, type: str) -> list[dict[str, Any]]:
        return [dict(event.data) for event in self.journal_events() if event.type == type]

    def heard(self) -> list[tuple[str, str]]:
        return [(to, message.title) for to, message, _ in self.speaker.sent]


def ics(*days: str) -> bytes:
    """A calendar in which somebody is away on these days, ``20261120``."""
    entries = [
        f"BEGIN:VEVENT\r\nUID:{day}\r\nDTSTAMP:20261101T000000Z\r\nDTSTART;VALUE=DATE:{day}\r\nEND:VEVENT\r\n"
        for day in days
    ]
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + "".join(entries) + "END:VCALENDAR\r\n"
    ).encode()
