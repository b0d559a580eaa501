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
    from shared.adapters.answer_page import AnswerPage
    from shared.adapters.channels.http_post import HttpPost
    from shared.adapters.current_plans import CurrentPlans
    from shared.adapters.export_blobs import ExportBlobs
    from shared.adapters.incident_tables import IncidentTables
    from shared.adapters.journal_table import JournalTable
    from shared.adapters.people_table import PeopleTable
    from shared.adapters.plan_files import PlanFiles
    from shared.adapters.redacting import Redactor
    from shared.adapters.rules_table import RulesTable
    from shared.adapters.storm_table import StormTable
    from shared.domain.oncall import Rotation, Shift
    from shared.ports import AnswerTokens, Channel, Secrets, Source, Wording
    from shared.settings import Settings
    from shared.workflows.advance_incidents import AdvanceIncidents
    from shared.workflows.answer_notification import AnswerNotification
    from shared.workflows.chat import SlackChat, TeamsChat
    from shared.workflows.check_health import CheckHealth
    from shared.workflows.hear_provider import HearProvider, Provider
    from shared.workflows.keep_agenda import KeepAgenda
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.respond_to_incident import RespondToIncident
    from shared.workflows.serve_exports import ServeExports
    from shared.workflows.show_incidents import ShowIncidents
    from shared.workflows.show_oncall import ShowOnCall
    from shared.workflows.show_runbooks import ShowRunbooks
    from shared.workflows.show_status import ShowStatus

ROOT = Path(__file__).resolve().parent.parent
SLACK_WAITS, TEAMS_WAITS = 2.0, 4.0
"""Seconds after which a chat is told that its answer takes longer; they give up after 3 and 5."""


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
    show_status: ShowStatus
    answer_notification: AnswerNotification
    answer_page: AnswerPage
    hear_provider: HearProvider
    chat_slack: SlackChat
    chat_teams: TeamsChat
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
    from shared.adapters.answer_page import AnswerPage
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.serve_exports import ServeExports

    base = _base(environment, root)
    stores, plans = base.stores, base.plans
    advance, agenda = _on_time(base)
    respond, shown = _respond(base), _shown(base)
    answering = _answering(base, respond)
    slack, teams = _chat(base, respond, shown, answering)
    return App(
        settings=base.settings,
        receive_alert=ReceiveAlert(
            plans, base.sources, base.secrets, stores.incidents, stores.journals, stores.rules, stores.queue
        ),
        advance_incidents=advance,
        keep_agenda=agenda,
        respond_to_incident=respond,
        show_incidents=shown[0],
        show_oncall=shown[1],
        show_runbooks=shown[2],
        show_status=_status_page(base),
        answer_notification=answering,
        answer_page=AnswerPage(),
        hear_provider=_hear(base, answering),
        chat_slack=slack,
        chat_teams=teams,
        serve_exports=ServeExports(plans, stores.incidents, stores.exports, base.settings.code_version),
        check_health=_health(base),
    )


@dataclass(frozen=True)
class _Base:
    """What most workflows stand on."""

    settings: Settings
    secrets: Secrets
    stores: _Stores
    sources: Mapping[str, Source]
    files: PlanFiles
    plans: CurrentPlans
    wording: Wording
    channels: Mapping[str, Channel]
    http: HttpPost
    tokens: AnswerTokens


def _base(environment: Mapping[str, str], root: Path) -> _Base:
    from shared.adapters.answer_tokens import KeyedAnswerTokens
    from shared.adapters.channels.catalogue import known_channels
    from shared.adapters.channels.http_post import HttpPost
    from shared.adapters.current_plans import CurrentPlans
    from shared.adapters.plan_files import PlanFiles
    from shared.adapters.sources.catalogue import known_sources
    from shared.adapters.templates import Templates
    from shared.settings import read_settings

    settings = read_settings(environment, root)
    secrets = _secrets(settings)
    sources = known_sources()
    stores = _stores(settings, secrets)
    files = PlanFiles(settings.plans_dir, {name: source.signs for name, source in sources.items()})
    return _Base(
        settings,
        secrets,
        stores,
        sources,
        files,
        CurrentPlans(files, stores.agenda),
        Templates(),
        known_channels(),
        HttpPost(),
        KeyedAnswerTokens(secrets, settings.people_key_secret),
    )


def _on_time(base: _Base) -> tuple[AdvanceIncidents, KeepAgenda]:
    """What the timers run."""
    from shared.adapters.calendars.fetch import CalendarFeeds
    from shared.workflows.advance_incidents import AdvanceIncidents
    from shared.workflows.deliver import Deliver
    from shared.workflows.keep_agenda import KeepAgenda
    from shared.workflows.prepare_message import PrepareMessage
    from shared.workflows.read_calendars import ReadCalendars
    from shared.workflows.tell_storm import TellStorm

    stores, plans, secrets, channels = base.stores, base.plans, base.secrets, base.channels
    store, rules, queue, journals = stores.incidents, stores.rules, stores.queue, stores.journals
    prepare = PrepareMessage(store, base.settings.public_url, base.wording, base.tokens, stores.people)
    storm = TellStorm(store, stores.storms, channels, secrets, base.wording, queue)
    deliver = Deliver(store, channels, secrets, prepare, storm, queue)
    calendars = ReadCalendars(stores.agenda, CalendarFeeds(secrets), journals, plans.forget)
    agenda = KeepAgenda(
        plans, store, rules, queue, journals, stores.agenda, calendars, channels, secrets, base.wording
    )
    return AdvanceIncidents(store, plans, rules, queue, deliver), agenda


def _respond(base: _Base) -> RespondToIncident:
    from shared.workflows.respond_to_incident import RespondToIncident

    stores = base.stores
    return RespondToIncident(stores.incidents, base.plans, stores.rules, stores.people, stores.queue)


def _shown(base: _Base) -> tuple[ShowIncidents, ShowOnCall, ShowRunbooks]:
    """What people and chats read."""
    from shared.adapters.runbook_files import RunbookFiles
    from shared.adapters.signed_links import KeyedLinks
    from shared.workflows.show_incidents import ShowIncidents
    from shared.workflows.show_oncall import ShowOnCall
    from shared.workflows.show_runbooks import ShowRunbooks

    settings, stores, plans = base.settings, base.stores, base.plans
    return (
        ShowIncidents(stores.incidents, plans, stores.people, stores.rules, base.wording),
        ShowOnCall(plans, KeyedLinks(base.secrets, settings.people_key_secret), _feed),
        ShowRunbooks(plans, RunbookFiles(settings.runbooks_dir)),
    )


def _status_page(base: _Base) -> ShowStatus:
    from shared.adapters.status_html import status_html
    from shared.workflows.show_status import ShowStatus

    return ShowStatus(base.plans, base.stores.incidents, status_html)


def _answering(base: _Base, respond: RespondToIncident) -> AnswerNotification:
    from shared.workflows.answer_notification import AnswerNotification

    stores = base.stores
    return AnswerNotification(stores.incidents, base.plans, stores.rules, stores.people, respond, base.tokens)


def _hear(base: _Base, answering: AnswerNotification) -> HearProvider:
    """Whoever calls back, by kind of channel."""
    from shared.adapters.providers.acs_events import AcsEvents
    from shared.adapters.providers.replies_table import RepliesTable
    from shared.adapters.providers.twilio_calls import TwilioCalls
    from shared.workflows.hear_provider import HearProvider
    from shared.workflows.hear_receipt import HearReceipt

    stores, plans, tokens = base.stores, base.plans, base.tokens
    twilio, acs = TwilioCalls(base.settings.public_url), AcsEvents(base.channels["acs-sms"])
    receipts = HearReceipt(stores.incidents, plans, stores.rules, stores.queue)
    providers: dict[str, Provider] = {**dict.fromkeys(twilio.hears, twilio), **dict.fromkeys(acs.hears, acs)}
    return HearProvider(
        stores.incidents,
        plans,
        stores.rules,
        base.secrets,
        tokens,
        receipts,
        answering,
        providers,
        RepliesTable(stores.agenda.table),
    )


def _chat(
    base: _Base,
    respond: RespondToIncident,
    shown: tuple[ShowIncidents, ShowOnCall, ShowRunbooks],
    answering: AnswerNotification,
) -> tuple[SlackChat, TeamsChat]:
    """Slack and Teams, which share their commands."""
    from shared.adapters.chat.response_url import ResponseUrl
    from shared.adapters.chat.slack_requests import SlackRequests
    from shared.adapters.chat.slack_views import SlackViews
    from shared.adapters.chat.teams_requests import TeamsRequests, TeamsViews
    from shared.workflows.answer_from_chat import AnswerFromChat
    from shared.workflows.answer_in_time import AnswerInTime
    from shared.workflows.chat import SlackChat, TeamsChat
    from shared.workflows.run_chat_command import RunChatCommand

    stores, plans, secrets = base.stores, base.plans, base.secrets
    commands = RunChatCommand(
        stores.incidents, stores.rules, stores.people, respond, *shown, base.settings.public_url
    )
    views = SlackViews(base.http, secrets)
    slack = SlackChat(
        SlackRequests(plans, secrets),
        views,
        ResponseUrl(base.http),
        commands,
        AnswerFromChat(answering, views, base.settings.public_url),
        AnswerInTime(SLACK_WAITS),
    )
    return slack, TeamsChat(TeamsRequests(plans, secrets), TeamsViews(), commands, AnswerInTime(TEAMS_WAITS))


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
    storms: StormTable
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
    from shared.adapters.storm_table import StormTable

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
        StormTable(tables.get_table_client("Agenda")),
        StorageAdvanceQueue(clients.queue(QUEUE)),
        ExportBlobs(clients.blobs(), CONTAINER),
    )


def _health(base: _Base) -> CheckHealth:
    from shared.adapters.plan_secrets import plans_naming
    from shared.workflows.check_health import CheckHealth, PlanSecrets

    stores, secrets, people_key = base.stores, base.secrets, base.settings.people_key_secret
    return CheckHealth(
        {
            "tables": lambda: stores.incidents.place("0" * 64),
            "queue": stores.queue.look,
            "blobs": lambda: stores.exports.names("-"),
            f"secret {people_key}": lambda: secrets.get(people_key),
        },
        stores.incidents,
        PlanSecrets(lambda: plans_naming(base.files.all()), secrets.get),
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
