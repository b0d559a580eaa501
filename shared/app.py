"""Wiring: the only file that knows which adapter stands behind each port; built on first use."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.adapters.advance_queue import StorageAdvanceQueue
    from shared.adapters.agenda_table import AgendaTable
    from shared.adapters.current_plans import CurrentPlans
    from shared.adapters.export_blobs import ExportBlobs
    from shared.adapters.incident_tables import IncidentTables
    from shared.adapters.journal_table import JournalTable
    from shared.adapters.people_table import PeopleTable
    from shared.adapters.redacting import Redactor
    from shared.adapters.rules_table import RulesTable
    from shared.domain.oncall import Rotation, Shift
    from shared.ports import Secrets, Wording
    from shared.settings import Settings
    from shared.workflows.advance_incidents import AdvanceIncidents
    from shared.workflows.check_health import CheckHealth
    from shared.workflows.keep_agenda import KeepAgenda
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.respond_to_incident import RespondToIncident
    from shared.workflows.serve_exports import ServeExports
    from shared.workflows.show_incidents import ShowIncidents
    from shared.workflows.show_oncall import ShowOnCall
    from shared.workflows.show_runbooks import ShowRunbooks

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class App:
    """Every workflow, ready to be called."""

    settings: Settings
    receive_alert: ReceiveAlert
    advance_incidents: AdvanceIncidents
    keep_agenda: KeepAgenda
    respond_to_incident: RespondToIncident
    show_incidents: ShowIncidents
    show_oncall: ShowOnCall
    show_runbooks: ShowRunbooks
    serve_exports: ServeExports
    check_health: CheckHealth


_lock = threading.Lock()
_app: App | None = None


def app() -> App:
    """The app of this process, built from the environment on first use.

    Raises InvalidInput or InvalidPlan, with every bad setting or plan line, until they are mended.
    """
    global _app  # noqa: PLW0603  (one app a process, as the platform has it)
    if _app is None:
        with _lock:
            if _app is None:
                _app = build(os.environ, ROOT)
    return _app


def build(environment: Mapping[str, str], root: Path) -> App:
    """An app on the settings of ``environment``."""
    from shared.adapters.current_plans import CurrentPlans
    from shared.adapters.plan_files import PlanFiles
    from shared.adapters.runbook_files import RunbookFiles
    from shared.adapters.signed_links import KeyedLinks
    from shared.adapters.sources.catalogue import known_sources
    from shared.adapters.templates import Templates
    from shared.settings import read_settings
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.respond_to_incident import RespondToIncident
    from shared.workflows.serve_exports import ServeExports
    from shared.workflows.show_incidents import ShowIncidents
    from shared.workflows.show_oncall import ShowOnCall
    from shared.workflows.show_runbooks import ShowRunbooks

    settings = read_settings(environment, root)
    secrets = _secrets(settings)
    sources = known_sources()
    stores = _stores(settings, secrets)
    files = PlanFiles(settings.plans_dir, {name: source.signs for name, source in sources.items()})
    plans, wording = CurrentPlans(files, stores.agenda), Templates()
    store, rules, people, queue = stores.incidents, stores.rules, stores.people, stores.queue
    return App(
        settings,
        ReceiveAlert(plans, sources, secrets, store, stores.journals, rules, queue),
        *_on_time(settings, stores, plans, secrets, wording),
        RespondToIncident(store, plans, rules, people, queue),
        ShowIncidents(store, plans, people, rules, wording),
        ShowOnCall(plans, KeyedLinks(secrets, settings.people_key_secret), _feed),
        ShowRunbooks(plans, RunbookFiles(settings.runbooks_dir)),
        ServeExports(plans, store, stores.exports, settings.code_version),
        _health(settings, stores, secrets),
    )


def _on_time(
    settings: Settings, stores: _Stores, plans: CurrentPlans, secrets: Secrets, wording: Wording
) -> tuple[AdvanceIncidents, KeepAgenda]:
    """What the timers run, which share the channels."""
    from shared.adapters.calendars.fetch import CalendarFeeds
    from shared.adapters.channels.catalogue import known_channels
    from shared.workflows.advance_incidents import AdvanceIncidents
    from shared.workflows.deliver import Deliver
    from shared.workflows.keep_agenda import KeepAgenda
    from shared.workflows.read_calendars import ReadCalendars

    store, rules, queue, journals = stores.incidents, stores.rules, stores.queue, stores.journals
    channels = known_channels()
    deliver = Deliver(store, channels, secrets, settings.public_url, wording)
    calendars = ReadCalendars(stores.agenda, CalendarFeeds(secrets), journals, plans.forget)
    return (
        AdvanceIncidents(store, plans, rules, queue, deliver),
        KeepAgenda(
            plans, store, rules, queue, journals, stores.agenda, calendars, channels, secrets, wording
        ),
    )


def _feed(plan: str, rotation: Rotation, shifts: Sequence[Shift], now: datetime) -> bytes:
    from shared.adapters.calendars.oncall_ics import feed

    return feed(plan, rotation, shifts, now)


@dataclass(frozen=True)
class _Stores:
    incidents: IncidentTables
    journals: JournalTable
    rules: RulesTable
    people: PeopleTable
    agenda: AgendaTable
    queue: StorageAdvanceQueue
    exports: ExportBlobs


def _stores(settings: Settings, secrets: Secrets) -> _Stores:
    from shared.adapters.advance_queue import StorageAdvanceQueue
    from shared.adapters.agenda_table import AgendaTable
    from shared.adapters.deadline_index import DeadlineIndex
    from shared.adapters.export_blobs import ExportBlobs
    from shared.adapters.incident_tables import IncidentTables
    from shared.adapters.journal_table import JournalTable
    from shared.adapters.names import CONTAINER, QUEUE
    from shared.adapters.people_table import PeopleTable
    from shared.adapters.rules_table import RulesTable
    from shared.adapters.storage_clients import StorageClients

    clients = StorageClients(settings.storage)
    if settings.storage.connection_string:
        clients.make_containers()
    tables = clients.tables()
    index = DeadlineIndex(tables.get_table_client("Index"))
    journals = JournalTable(tables.get_table_client("Journal"), index)
    return _Stores(
        IncidentTables(tables.get_table_client("Incidents"), index, journals),
        journals,
        RulesTable(tables.get_table_client("Rules")),
        PeopleTable(tables.get_table_client("People"), secrets, settings.people_key_secret),
        AgendaTable(tables.get_table_client("Agenda")),
        StorageAdvanceQueue(clients.queue(QUEUE)),
        ExportBlobs(clients.blobs(), CONTAINER),
    )


def _health(settings: Settings, stores: _Stores, secrets: Secrets) -> CheckHealth:
    from shared.workflows.check_health import CheckHealth

    return CheckHealth(
        {
            "tables": lambda: stores.incidents.place("0" * 64),
            "queue": stores.queue.look,
            "blobs": lambda: stores.exports.names("-"),
            f"secret {settings.people_key_secret}": lambda: secrets.get(settings.people_key_secret),
        },
        stores.incidents,
    )


def _secrets(settings: Settings) -> Secrets:
    """From the vault where there is one, else from app settings; blacked out in every log line."""
    from shared.adapters.redacting import RememberingSecrets

    return RememberingSecrets(_kept_secrets(settings), _redactor())


def _kept_secrets(settings: Settings) -> Secrets:
    if settings.key_vault_uri:
        from shared.adapters.key_vault import KeyVaultSecrets, open_vault

        address, client_id = settings.key_vault_uri, settings.client_id
        return KeyVaultSecrets(lambda: open_vault(address, client_id))
    from shared.adapters.app_setting_secrets import AppSettingSecrets

    return AppSettingSecrets(settings.secrets)


def _redactor() -> Redactor:
    """On every handler; and the SDKs keep quiet, whose lines name every request."""
    from shared.adapters.redacting import Redactor

    redactor = Redactor()
    for handler in logging.getLogger().handlers:
        handler.addFilter(redactor)
    for chatty in ("azure", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return redactor
