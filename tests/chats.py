"""A stage whose plan can be commanded from Slack and Teams, and calls signed as those sign them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.time_limit import Patience
from shared.adapters.chat.response_url import ResponseUrl
from shared.adapters.chat.slack_requests import SlackRequests
from shared.adapters.chat.slack_views import SlackViews
from shared.adapters.signed_links import KeyedLinks
from shared.adapters.templates import Templates
from shared.domain.answering import GRANT_LASTS, Grant
from shared.domain.chat_call import Answer, Call, Caller, key_of
from shared.domain.doors import Chat
from shared.domain.errors import NotFound
from shared.domain.incident import Incident
from shared.domain.oncall import Layer, Rotation
from shared.domain.plan import ClosingCode, Plan, Role, Service
from shared.domain.runbook import Part, Runbook
from shared.ports import IncidentStore
from shared.workflows.answer_from_chat import AnswerFromChat
from shared.workflows.answer_in_time import AnswerInTime
from shared.workflows.answer_notification import AnswerNotification
from shared.workflows.chat import SlackChat
from shared.workflows.record_access import RecordAccess
from shared.workflows.run_chat_command import RunChatCommand
from shared.workflows.show_incidents import ShowIncidents
from shared.workflows.show_oncall import ShowOnCall
from shared.workflows.show_runbooks import ShowRunbooks
from tests.builders import NOON, a_directory, a_severity, an_alert, some_rules
from tests.stage import Stage

ANA, RITA, NOBODY = "U0ANA", "U0RITA", "U0NOBODY"
SIGNING, TEAMS_TOKEN = "slack signing secret", base64.b64encode(b"thirty-two bytes of a teams key!").decode()
PUBLIC = "https://tocsin.example.com"
SALT = "5a17"
SECRETS = {
    "SECRET_PEOPLE_KEY": "only for tests",
    "SECRET_TEXTS_KEY": "only for tests",
    "SECRET_SLACK_SIGNING": SIGNING,
    "SECRET_SLACK_BOT": "xoxb-1",
    "SECRET_TEAMS_KEY": TEAMS_TOKEN,
}


class Books:
    """`ports.Runbooks` with the same two for every plan."""

    def all(self, plan: str) -> Sequence[Runbook]:  # noqa: ARG002
        parts = (Part("Quick assessment", "Look at the *graphs*."), Part("Resolution", "Roll back."))
        return [
            Runbook("high-latency", "High latency", "", parts),
            Runbook("disk-full", "Disk full", "Delete something.", skeleton=True),
        ]

    def get(self, plan: str, name: str) -> Runbook:
        for each in self.all(plan):
            if each.name == name:
                return each
        raise NotFound(f"there is no runbook {name}")


class Plans:
    """`ports.Plans` with those that the test names."""

    def __init__(self, *plans: Plan) -> None:
        self.plans = plans

    def get(self, name: str) -> Plan:
        for plan in self.plans:
            if plan.name == name:
                return plan
        raise NotFound(f"there is no plan {name}")

    def all(self) -> Sequence[Plan]:
        return self.plans


class ChatStage(Stage):
    """A plan in which ana responds and rita reads, with everything that a chat needs."""

    def __init__(self, storage: str, *, codes: bool = False) -> None:
        super().__init__(storage)
        rules = some_rules(a_severity("P1"), a_severity("P2"))
        self.rules(
            replace(
                rules,
                default_severity="P1",
                services=(Service("api"), Service("database")),
                closing_codes=(ClosingCode("fixed", "Cause removed"),) if codes else (),
                roles=(Role("commander", "Commander", "lead"),),
            )
        )
        directory = a_directory(ana=("log",), rita=("log",), lead=("log",), oncall=("log",), manager=("log",))
        contacts = dict(directory.contacts)
        contacts["ana"] = replace(
            contacts["ana"], title="Ana", identities={"slack": ANA, "teams": "0b1e-ana"}
        )
        contacts["rita"] = replace(
            contacts["rita"], title="Rita", identities={"slack": RITA, "teams": "0b1e-rita"}, role="Reader"
        )
        layers = (Layer(("ana", "lead"), "2026-01-05T09:00", timedelta(days=7)),)
        rotations = {"sre": Rotation("sre", "First line", layers=layers), "dba": Rotation("dba")}
        self.directory(replace(directory, contacts=contacts, rotations=rotations))
        chat = Chat("slack-signing", "slack-bot", None, "teams-key")
        self.plans.plan = replace(self.plans.plan, chat=chat)
        self.settings = dict(SECRETS)
        self.secrets = AppSettingSecrets(self.settings)
        self.tokens = KeyedAnswerTokens(self.secrets, "people-key")
        self.commands = RunChatCommand(
            self.store,
            self.archive,
            self.people,
            self.responding,
            ShowIncidents(
                self.store,
                self.plans,
                self.people,
                self.archive,
                Templates(),
                RecordAccess(self.journals, self.people),
            ),
            ShowOnCall(self.plans, KeyedLinks(self.secrets, "people-key"), lambda *_: b""),
            ShowRunbooks(self.plans, Books()),
            PUBLIC,
        )
        self.answering = AnswerNotification(
            self.store, self.plans, self.archive, self.people, self.responding, self.tokens
        )
        self.turns = 0

    def has(self, **changes: Any) -> None:  # noqa: ANN401  (fields of the plan)
        self.plans.plan = replace(self.plans.plan, **changes)

    def chats(self, **changes: str | None) -> None:
        self.has(chat=replace(self.plans.plan.chat, **changes))

    def call(self, line: str, user: str = ANA, key: str | None = None) -> Call:
        """``/incident list`` as typed in Slack, or without a slash as in Teams; each with its own key."""
        self.turns += 1
        command, _, text = line.partition(" ") if line.startswith("/") else ("", "", line)
        medium = "slack" if user.startswith("U") else "teams"
        caller = Caller("slack" if medium == "slack" else "teams", user, (self.plans.plan,))
        return Call(caller, command, text, key or key_of("slack", self.name, str(self.turns)), SALT)

    def say(self, line: str, user: str = ANA, key: str | None = None, at: datetime = NOON) -> Answer:
        """What is said back to a command."""
        return self.commands.run(self.call(line, user, key), at)

    def fired(self, name: str = "HighErrorRate", service: str = "api") -> Incident:
        """An incident that an alert opened."""
        [outcome] = self.hear(an_alert(name, service=service))
        return self.incident(outcome.id)

    def start(self, incident: Incident) -> str:
        """The first four characters that tell it apart."""
        return incident.partition[:4]

    def token(self, incident: Incident, contact: str = "ana") -> str:
        """What stands in a button of the notification that the contact got."""
        for delivery in self.store.deliveries(incident):
            if delivery.contact == contact:
                expires = (NOON + GRANT_LASTS).replace(microsecond=0)
                return self.tokens.sign(Grant(incident.id, contact, delivery.id, expires))
        raise AssertionError(f"{contact} was sent nothing")

    def slack(self, hooks: str = "http://127.0.0.1:1/", seconds: float = 60.0) -> SlackChat:
        """Slack's doorway; ``hooks`` plays Slack, and pauses are left out."""
        http = HttpPost(patience=Patience(1, 2, 3))
        views = SlackViews(http, self.secrets, f"{hooks}api")
        return SlackChat(
            SlackRequests(self.plans, self.secrets),
            views,
            ResponseUrl(http, hooks, lambda _: None),
            self.commands,
            AnswerFromChat(self.answering, views, PUBLIC),
            AnswerInTime(seconds),
        )


def slack_signed(
    body: bytes, at: datetime = NOON, secret: str = SIGNING, **headers: str
) -> Mapping[str, str]:
    """The headers with which Slack sends a body."""
    stamp = str(int(at.timestamp()))
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    given = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={mac}"}
    return given | {name.replace("_", "-"): value for name, value in headers.items()}


def slash(line: str, user: str = ANA, trigger: str = "13345224609.738474920", **more: str) -> bytes:
    """The body of a slash command."""
    command, _, text = line.partition(" ")
    form = {
        "team_id": "T0001",
        "user_id": user,
        "command": command,
        "text": text,
        "trigger_id": trigger,
        **more,
    }
    return urlencode(form).encode()


def action(payload: Mapping[str, Any]) -> bytes:
    """The body of a button or a form."""
    return urlencode({"payload": json.dumps(payload)}).encode()


def pressed(what: str, token: str, reply_to: str = "", user: str = ANA) -> bytes:
    """Somebody pressed a button of a notification."""
    return action(
        {
            "type": "block_actions",
            "user": {"id": user, "team_id": "T0001"},
            "team": {"id": "T0001"},
            "trigger_id": "t.1",
            "response_url": reply_to,
            "actions": [{"action_id": what, "block_id": "b", "value": token}],
        }
    )


def sent_form(token: str, words: str | None, code: str | None = None, user: str = ANA) -> bytes:
    """Somebody sent the form of a resolution."""
    values: dict[str, Any] = {"words": {"words": {"type": "plain_text_input", "value": words}}}
    if code is not None:
        values["code"] = {"code": {"type": "static_select", "selected_option": {"value": code}}}
    view = {
        "id": "V1",
        "callback_id": "tocsin-resolve",
        "private_metadata": token,
        "state": {"values": values},
    }
    who = {"id": user, "team_id": "T0001"}
    return action({"type": "view_submission", "user": who, "team": {"id": "T0001"}, "view": view})


def teams_signed(body: bytes, token: str = TEAMS_TOKEN) -> Mapping[str, str]:
    """The headers with which Teams sends a body."""
    mac = hmac.new(base64.b64decode(token), body, hashlib.sha256).digest()
    return {"authorization": f"HMAC {base64.b64encode(mac).decode()}"}


def activity(html: str, user: str = "0b1e-ana", identity: str = "1763467200000", **more: object) -> bytes:
    """The body of a Teams message."""
    said = {
        "type": "message",
        "id": identity,
        "timestamp": NOON.isoformat().replace("+00:00", ".1234567Z"),
        "text": f"<p><at>Tocsin</at>&nbsp;{html}</p>",
        "textFormat": "plain",
        "from": {"id": "29:x", "name": "Ana", "aadObjectId": user},
        **more,
    }
    return json.dumps(said).encode()


def texts(shown: Mapping[str, Any]) -> str:
    """Every text of what Slack shows."""
    return "\n".join(block["text"]["text"] for block in shown.get("blocks", []) if "text" in block)


@contextmanager
def held(stage: ChatStage) -> Iterator[threading.Event]:
    """Storage that answers once the test lets it."""
    going_on = threading.Event()

    class Slow:
        def __init__(self, store: IncidentStore) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the store has)
            assert going_on.wait(30)
            return getattr(self._store, name)

    before = stage.store
    for each in (stage.commands, stage.responding, stage.answering):
        each.store = Slow(before)
    try:
        yield going_on
    finally:
        going_on.set()
        for each in (stage.commands, stage.responding, stage.answering):
            each.store = before
