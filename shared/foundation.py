"""What every workflow stands on: settings, secrets, stores and plans; `shared.app` builds on it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.keys import KeyClient

    from shared.adapters.advance_queue import StorageAdvanceQueue
    from shared.adapters.agenda_table import AgendaTable
    from shared.adapters.channels.http_post import HttpPost
    from shared.adapters.current_plans import CurrentPlans
    from shared.adapters.export_blobs import ExportBlobs
    from shared.adapters.incident_tables import IncidentTables
    from shared.adapters.journal_table import JournalTable
    from shared.adapters.ledger_table import LedgerTable
    from shared.adapters.made_once import MadeOnce
    from shared.adapters.people_table import PeopleTable
    from shared.adapters.plan_files import PlanFiles
    from shared.adapters.redacting import Redactor
    from shared.adapters.rollouts_table import RolloutsTable
    from shared.adapters.rules_table import RulesTable
    from shared.adapters.ruling_plans import RulingPlans
    from shared.adapters.sealing_keys import Wrapping
    from shared.adapters.storm_table import StormTable
    from shared.export_ports import Signing
    from shared.ports import AnswerTokens, Channel, Secrets, SignedLinks, Source, Wording
    from shared.settings import Settings
    from shared.workflows.record_access import RecordAccess


@dataclass(frozen=True)
class Foundation:
    """What most workflows stand on."""

    settings: Settings
    secrets: Secrets
    stores: Stores
    sources: Mapping[str, Source]
    files: PlanFiles
    ruling: RulingPlans
    plans: CurrentPlans
    wording: Wording
    channels: Mapping[str, Channel]
    http: HttpPost
    tokens: AnswerTokens
    links: SignedLinks
    access: RecordAccess
    signing: Signing


def lay(environment: Mapping[str, str], root: Path) -> Foundation:
    """The foundation on the settings of ``environment``."""
    from shared.adapters.answer_tokens import KeyedAnswerTokens
    from shared.adapters.channels.catalogue import known_channels
    from shared.adapters.channels.http_post import HttpPost
    from shared.adapters.current_plans import CurrentPlans
    from shared.adapters.plan_files import PlanFiles
    from shared.adapters.ruling_plans import RulingPlans
    from shared.adapters.signed_links import KeyedLinks
    from shared.adapters.sources.catalogue import known_sources
    from shared.adapters.templates import Templates
    from shared.settings import read_settings
    from shared.workflows.record_access import RecordAccess

    settings = read_settings(environment, root)
    vault = _vault(settings)
    secrets = _secrets(settings, vault)
    sources = known_sources()
    stores = _stores(settings, secrets, vault)
    files = PlanFiles(settings.plans_dir, {name: source.signs for name, source in sources.items()})
    ruling = RulingPlans(files, stores.versions, stores.rules)
    return Foundation(
        settings,
        secrets,
        stores,
        sources,
        files,
        ruling,
        CurrentPlans(ruling, stores.agenda),
        Templates(),
        known_channels(),
        HttpPost(),
        KeyedAnswerTokens(secrets, settings.people_key_secret),
        KeyedLinks(secrets, settings.people_key_secret),
        RecordAccess(stores.journals, stores.people),
        _signing(settings, secrets, vault),
    )


@dataclass(frozen=True)
class Stores:
    """Every table, queue and container, each behind its adapter."""

    incidents: IncidentTables
    journals: JournalTable
    rules: RulesTable
    people: PeopleTable
    agenda: AgendaTable
    ledger: LedgerTable
    versions: RolloutsTable
    storms: StormTable
    queue: StorageAdvanceQueue
    exports: ExportBlobs


def _stores(settings: Settings, secrets: Secrets, vault: _Vault | None) -> Stores:
    from shared.adapters.advance_queue import StorageAdvanceQueue
    from shared.adapters.agenda_table import AgendaTable
    from shared.adapters.deadline_index import DeadlineIndex
    from shared.adapters.export_blobs import ExportBlobs
    from shared.adapters.incident_tables import IncidentTables
    from shared.adapters.journal_table import JournalTable
    from shared.adapters.ledger_table import LedgerTable
    from shared.adapters.names import CONTAINER, QUEUE
    from shared.adapters.people_table import PeopleTable
    from shared.adapters.rollouts_table import RolloutsTable
    from shared.adapters.rules_table import RulesTable
    from shared.adapters.sealing import Sealing
    from shared.adapters.sealing_keys import DataKeys
    from shared.adapters.storage_clients import StorageClients
    from shared.adapters.storm_table import StormTable

    clients = StorageClients(settings.storage)
    if settings.storage.connection_string:
        clients.make_containers()
    tables = clients.tables()
    index = DeadlineIndex(tables.get_table_client("Index"))
    journals = JournalTable(tables.get_table_client("Journal"), index)
    sealing = Sealing(DataKeys(tables.get_table_client("People"), _wrapping(settings, secrets, vault)))
    return Stores(
        IncidentTables(tables.get_table_client("Incidents"), index, journals, sealing),
        journals,
        RulesTable(tables.get_table_client("Rules")),
        PeopleTable(tables.get_table_client("People"), secrets, settings.people_key_secret, sealing),
        AgendaTable(tables.get_table_client("Agenda")),
        LedgerTable(tables.get_table_client("Agenda")),
        RolloutsTable(tables.get_table_client("Agenda")),
        StormTable(tables.get_table_client("Agenda")),
        StorageAdvanceQueue(clients.queue(QUEUE)),
        ExportBlobs(clients.blobs(), CONTAINER),
    )


@dataclass(frozen=True)
class _Vault:
    """Who we are to the vault, and its keys: one of each for all who need them, made when first needed."""

    address: str
    credential: MadeOnce[TokenCredential]
    keys: MadeOnce[KeyClient]


def _vault(settings: Settings) -> _Vault | None:
    """None where there is none."""
    address, client_id = settings.key_vault_uri, settings.client_id
    if not address:
        return None
    from shared.adapters.made_once import MadeOnce
    from shared.adapters.signing.vault_key import open_keys
    from shared.adapters.vault_access import own_credential

    credential = MadeOnce(lambda: own_credential(client_id))
    return _Vault(address, credential, MadeOnce(lambda: open_keys(address, credential=credential.get())))


def _secrets(settings: Settings, vault: _Vault | None) -> Secrets:
    """From the vault where there is one, else from app settings; blacked out in every log line."""
    from shared.adapters.redacting import RememberingSecrets

    return RememberingSecrets(_kept_secrets(settings, vault), _redactor())


def _kept_secrets(settings: Settings, vault: _Vault | None) -> Secrets:
    if vault is not None:
        from shared.adapters.key_vault import KeyVaultSecrets, open_vault

        return KeyVaultSecrets(lambda: open_vault(vault.address, credential=vault.credential.get()))
    from shared.adapters.app_setting_secrets import AppSettingSecrets

    return AppSettingSecrets(settings.secrets)


def _signing(settings: Settings, secrets: Secrets, vault: _Vault | None) -> Signing:
    """By the vault's own key, which it never gives away; without a vault by a key among the secrets."""
    if vault is not None:
        from shared.adapters.signing.vault_key import VaultSigning

        return VaultSigning(vault.keys.get, settings.signing_key_name)
    from shared.adapters.signing.local_key import LocalSigning

    return LocalSigning(secrets)


def _wrapping(settings: Settings, secrets: Secrets, vault: _Vault | None) -> Wrapping:
    """What wraps the keys of names and texts: a key of the vault, or a secret where there is none."""
    if vault is not None:
        from shared.adapters.sealing_wraps import VaultWrapping

        return VaultWrapping(vault.keys.get, settings.wrapping_key_name)
    from shared.adapters.sealing_wraps import LocalWrapping

    return LocalWrapping(secrets)


def _redactor() -> Redactor:
    """On every handler; and the SDKs keep quiet, whose lines name every request."""
    from shared.adapters.redacting import Redactor

    redactor = Redactor()
    for handler in logging.getLogger().handlers:
        handler.addFilter(redactor)
    for chatty in ("azure", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return redactor
