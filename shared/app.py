"""Wiring: which adapters stand behind each workflow; built on first use. What they share: `foundation`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.adapters.answer_page import AnswerPage
    from shared.adapters.export_page import ExportPage
    from shared.domain.oncall import Rotation, Shift
    from shared.export_ports import Signing
    from shared.foundation import Foundation
    from shared.settings import Settings
    from shared.workflows.advance_incidents import AdvanceIncidents
    from shared.workflows.announce_exports import AnnounceExports
    from shared.workflows.answer_notification import AnswerNotification
    from shared.workflows.chat import SlackChat, TeamsChat
    from shared.workflows.check_drift import CheckDrift
    from shared.workflows.check_health import CheckHealth
    from shared.workflows.compile_exports import CompileExports
    from shared.workflows.erase_person import ErasePerson
    from shared.workflows.export_person import ExportPerson
    from shared.workflows.hear_provider import HearProvider, Provider
    from shared.workflows.keep_agenda import KeepAgenda
    from shared.workflows.keep_holds import KeepHolds
    from shared.workflows.keep_rollouts import KeepRollouts
    from shared.workflows.keep_watch import KeepWatch
    from shared.workflows.purge import Purge
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.respond_to_incident import RespondToIncident
    from shared.workflows.serve_exports import ServeExports
    from shared.workflows.show_incidents import ShowIncidents
    from shared.workflows.show_kpis import ShowKpis
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
    keep_holds: KeepHolds
    keep_watch: KeepWatch
    purge: Purge
    keep_rollouts: KeepRollouts
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
    compile_exports: CompileExports
    announce_exports: AnnounceExports
    serve_exports: ServeExports
    show_kpis: ShowKpis
    export_page: ExportPage
    check_drift: CheckDrift
    check_health: CheckHealth
    erase_person: ErasePerson
    export_person: ExportPerson
    signing: Signing


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
    from shared.adapters.export_page import ExportPage
    from shared.foundation import lay
    from shared.workflows.export_person import ExportPerson
    from shared.workflows.receive_alert import ReceiveAlert
    from shared.workflows.show_kpis import ShowKpis

    base = lay(environment, root)
    stores, plans = base.stores, base.plans
    advance, agenda = _on_time(base)
    respond, shown = _respond(base), _shown(base)
    answering = _answering(base, respond)
    slack, teams = _chat(base, respond, shown, answering)
    compiling, serving, announcing = _exports(base)
    holds, watch, purge = _keeping(base)
    erasing = _people(base, holds)
    return App(
        settings=base.settings,
        receive_alert=ReceiveAlert(
            plans,
            base.sources,
            base.secrets,
            stores.incidents,
            stores.journals,
            stores.rules,
            stores.queue,
            base.settings.people_key_secret,
        ),
        advance_incidents=advance,
        keep_agenda=agenda,
        keep_holds=holds,
        keep_watch=watch,
        purge=purge,
        keep_rollouts=_rollouts(base),
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
        compile_exports=compiling,
        announce_exports=announcing,
        serve_exports=serving,
        show_kpis=ShowKpis(plans, stores.incidents, stores.exports, base.access, compiling.purged_until),
        export_page=ExportPage(),
        check_drift=_drift(base),
        check_health=_health(base),
        erase_person=erasing,
        export_person=ExportPerson(stores.incidents, plans, erasing.records, base.access),
        signing=base.signing,
    )


def _on_time(base: Foundation) -> tuple[AdvanceIncidents, KeepAgenda]:
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


def _drift(base: Foundation) -> CheckDrift:
    from shared.workflows.check_drift import CheckDrift

    stores, incidents = base.stores, base.stores.incidents
    return CheckDrift(
        base.plans, incidents, incidents, stores.rules, stores.queue, stores.journals, stores.exports
    )


def _keeping(base: Foundation) -> tuple[KeepHolds, KeepWatch, Purge]:
    """What is kept on record, and for how long."""
    from shared.adapters.public_door import PublicDoor
    from shared.adapters.purge_tables import PurgeTables
    from shared.workflows.keep_holds import KeepHolds
    from shared.workflows.keep_watch import KeepWatch
    from shared.workflows.purge import Purge
    from shared.workflows.record_once import RecordOnce

    stores, plans, url = base.stores, base.plans, base.settings.public_url
    store, journals, ledger = stores.incidents, stores.journals, stores.ledger
    once = RecordOnce(ledger, journals, store)
    holds = KeepHolds(plans, store, ledger, once, stores.people)
    tables = PurgeTables(store, journals.table, store.index.table)
    watch = KeepWatch(plans, store.index.beats, once, PublicDoor(url, base.http) if url else None)
    return holds, watch, Purge(plans, store, tables, journals, stores.exports, holds, ledger, once)


def _rollouts(base: Foundation) -> KeepRollouts:
    from shared.workflows.keep_rollouts import KeepRollouts

    stores, settings, began = base.stores, base.settings, time.monotonic()
    return KeepRollouts(
        base.files,
        stores.versions,
        stores.rules,
        stores.incidents,
        stores.journals,
        stores.people,
        settings.code_version,
        settings.deployed_by,
        lambda: timedelta(seconds=time.monotonic() - began),
        base.ruling.forget,
    )


def _respond(base: Foundation) -> RespondToIncident:
    from shared.workflows.respond_to_incident import RespondToIncident

    stores = base.stores
    return RespondToIncident(stores.incidents, base.plans, stores.rules, stores.people, stores.queue)


def _shown(base: Foundation) -> tuple[ShowIncidents, ShowOnCall, ShowRunbooks]:
    """What people and chats read."""
    from shared.adapters.runbook_files import RunbookFiles
    from shared.workflows.show_incidents import ShowIncidents
    from shared.workflows.show_oncall import ShowOnCall
    from shared.workflows.show_runbooks import ShowRunbooks

    stores, plans = base.stores, base.plans
    return (
        ShowIncidents(stores.incidents, plans, stores.people, stores.rules, base.wording, base.access),
        ShowOnCall(plans, base.links, _feed),
        ShowRunbooks(plans, RunbookFiles(base.settings.runbooks_dir)),
    )


def _status_page(base: Foundation) -> ShowStatus:
    from shared.adapters.status_html import status_html
    from shared.workflows.show_status import ShowStatus

    return ShowStatus(base.plans, base.stores.incidents, status_html)


def _answering(base: Foundation, respond: RespondToIncident) -> AnswerNotification:
    from shared.workflows.answer_notification import AnswerNotification

    stores = base.stores
    return AnswerNotification(stores.incidents, base.plans, stores.rules, stores.people, respond, base.tokens)


def _hear(base: Foundation, answering: AnswerNotification) -> HearProvider:
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
    base: Foundation,
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


def _exports(base: Foundation) -> tuple[CompileExports, ServeExports, AnnounceExports]:
    """Who makes the bundles, who gives them out, and who says that they are ready."""
    from shared.adapters.export_link_tokens import ExportLinkTokens
    from shared.adapters.export_progress_table import ExportProgressTable
    from shared.workflows.announce_exports import AnnounceExports
    from shared.workflows.compile_exports import CompileExports
    from shared.workflows.purge import purged_weeks
    from shared.workflows.serve_exports import ServeExports
    from shared.workflows.sign_manifest import SignManifest

    settings, stores, plans = base.settings, base.stores, base.plans
    compiling = CompileExports(
        plans,
        stores.incidents,
        stores.exports,
        ExportProgressTable(stores.agenda.table),
        stores.journals,
        SignManifest(base.signing),
        settings.code_version,
        lambda plan: max(purged_weeks(stores.ledger, plan), default=""),
    )
    serving = ServeExports(
        plans,
        stores.exports,
        compiling,
        base.access,
        ExportLinkTokens(base.links),
        stores.incidents,
        settings.public_url,
    )
    announcing = AnnounceExports(plans, stores.exports, serving, stores.journals, base.channels, base.secrets)
    return compiling, serving, announcing


def _feed(plan: str, rotation: Rotation, shifts: Sequence[Shift], now: datetime) -> bytes:
    from shared.adapters.calendars.oncall_ics import feed

    return feed(plan, rotation, shifts, now)


def _people(base: Foundation, holds: KeepHolds) -> ErasePerson:
    """What is done with the records of people."""
    from shared.adapters.erasing_texts import ErasingTexts
    from shared.adapters.people_records import PeopleRecords
    from shared.workflows.erase_person import ErasePerson

    stores = base.stores
    records = PeopleRecords(stores.people.table, stores.people)
    texts = ErasingTexts(stores.incidents)
    return ErasePerson(stores.incidents, base.plans, stores.people, records, texts, stores.journals, holds)


def _health(base: Foundation) -> CheckHealth:
    from shared.adapters.plan_secrets import plans_naming
    from shared.workflows.check_health import CheckHealth, PlanSecrets

    stores, secrets, people_key = base.stores, base.secrets, base.settings.people_key_secret
    sealing = stores.people.sealing
    besides = {"the key of names and texts": sealing.look} if sealing else {}
    return CheckHealth(
        {
            "tables": lambda: stores.incidents.place("0" * 64),
            "queue": stores.queue.look,
            "blobs": lambda: stores.exports.names("-"),
            f"secret {people_key}": lambda: secrets.get(people_key),
        },
        stores.incidents,
        PlanSecrets(lambda: plans_naming(base.files.all()), secrets.get, besides),
    )
