"""Wiring: the only file that knows which adapter stands behind each port; built on first use."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.adapters.advance_queue import StorageAdvanceQueue
    from shared.adapters.export_blobs import ExportBlobs
    from shared.adapters.incident_tables import IncidentTables
    from shared.adapters.journal_table import JournalTable
    from shared.adapters.people_table import PeopleTable
    from shared.adapters.redacting import Redactor
    from shared.adapters.rules_table import RulesTable
    from shared.ports import Secrets
    from shared.settings import Settings
    from shared.workflows.advance_incidents import AdvanceIncidents
    from shared.workflows.check_health import CheckHealth
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.respond_to_incident import RespondToIncident
    from shared.workflows.serve_exports import ServeExports
    from shared.workflows.show_incidents import ShowIncidents

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class App:
    """Every workflow, ready to be called."""

    settings: Settings
    receive_alert: ReceiveAlert
    advance_incidents: AdvanceIncidents
    respond_to_incident: RespondToIncident
    show_incidents: ShowIncidents
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
    from shared.adapters.channels.catalogue import known_channels
    from shared.adapters.plan_files import PlanFiles
    from shared.adapters.sources.catalogue import known_sources
    from shared.settings import read_settings
    from shared.workflows.advance_incidents import AdvanceIncidents
    from shared.workflows.deliver import Deliver
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.respond_to_incident import RespondToIncident
    from shared.workflows.serve_exports import ServeExports
    from shared.workflows.show_incidents import ShowIncidents

    settings = read_settings(environment, root)
    secrets = _secrets(settings)
    sources = known_sources()
    plans = PlanFiles(settings.plans_dir, {name: source.signs for name, source in sources.items()})
    stores = _stores(settings, secrets)
    store, rules, people, queue = stores.incidents, stores.rules, stores.people, stores.queue
    deliver = Deliver(store, known_channels(), secrets, settings.public_url)
    return App(
        settings,
        ReceiveAlert(plans, sources, secrets, store, stores.journals, rules, queue),
        AdvanceIncidents(store, plans, rules, queue, deliver),
        RespondToIncident(store, plans, rules, people, queue),
        ShowIncidents(store, plans, people),
        ServeExports(plans, store, stores.exports, settings.code_version),
        _health(settings, stores, secrets),
    )


@dataclass(frozen=True)
class _Stores:
    incidents: IncidentTables
    journals: JournalTable
    rules: RulesTable
    people: PeopleTable
    queue: StorageAdvanceQueue
    exports: ExportBlobs


def _stores(settings: Settings, secrets: Secrets) -> _Stores:
    from shared.adapters.advance_queue import StorageAdvanceQueue
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
