"""Acme, whose people are reached in every way, and its providers behind a theatre's web server."""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

import shared.app
from tests.chats import pressed, slack_signed, slash
from tests.played_phones import twilio_signature
from tests.played_slack import PlayedSlack
from tests.receivers import Reply, Request
from tests.theatre import PROVIDERS, PUBLIC_URL, Theatre
from tests.toy_host import Answer

COMMANDS, ACTIONS = "/api/v1/chat/slack", "/api/v1/chat/slack/actions"
MONDAY = "2026-11-16 14:00"
ACCOUNT = "AC" + "0a" * 16
OPTIONS = f'{{account: {ACCOUNT}, from: "+4930100001"}}'
ANA, NOBODY = "U0ANA", "U0NOBODY"
ANAS_NUMBER, SAMS_NUMBER, STRANGERS_NUMBER = "+4915100000001", "+4915100000002", "+4915199999999"
CODED = re.compile(re.escape(PUBLIC_URL) + r"/a/([A-Za-z0-9_-]+)")
PLAN = f"""
plan: acme
timezone: Europe/Berlin
services:
  shop: {{title: The shop, customer_facing: true, match: [{{service: shop}}]}}
  talk: {{match: [{{service: talk}}]}}
  text: {{match: [{{service: text}}]}}
  call: {{match: [{{service: call}}]}}
  quiet: {{match: [{{service: quiet}}]}}
  down: {{match: [{{service: down}}]}}
  big: {{match: [{{service: big}}]}}
  two: {{match: [{{service: two}}]}}
  rest: {{}}
default_service: rest
severities:
  critical:
    respond_within: 1h
    steps:
      - {{after: 0s, notify: [tess], services: [shop, rest]}}
      - {{after: 0s, notify: [ana], services: [talk]}}
      - {{after: 0s, notify: [sam], services: [text]}}
      - {{after: 0s, notify: [cal], services: [call]}}
      - {{after: 0s, notify: [carla], services: [quiet]}}
      - {{after: 0s, notify: [duty, ana], services: [down]}}
      - {{after: 0s, notify: [ana, room], services: [big]}}
      - {{after: 0s, notify: [pat], services: [two]}}
      - {{after: 30m, notify: [boss]}}
    still_open: {{every: 2h, notify: [lead]}}
    updates:
      external: {{every: 8h, notify: [world], customer_facing: true, template: outside}}
      internal: {{every: 9h, notify: [lead]}}
  low:
    steps: [{{after: 0s, notify: [carla]}}]
default_severity: low
classify: [{{name: loud, when: {{severity: critical}}, severity: critical}}]
alarm: {{notify: [guard]}}
chat: {{slack: {{signing_secret: acme-slack-signing, bot_secret: acme-bot, workspace: T0001}}}}
status_page: {{title: Acme}}
templates:
  outside:
    subject: "{{{{ service }}}} has trouble"
    body: "{{{{ about or 'It is over.' }}}}"
contacts:
  tess: {{title: Tess, reach: [{{channel: app, to: C0OPS}}, {{channel: sms, to: "+4915100000003"}},
                 {{channel: mail, to: tess@acme.example}}]}}
  ana:
    title: Ana
    identities: {{slack: {ANA}}}
    reach: [{{channel: app, to: {ANA}}}, {{channel: sms, to: "{ANAS_NUMBER}"}}]
  sam: {{title: Sam, reach: [{{channel: sms, to: "{SAMS_NUMBER}"}}, {{channel: call, to: "{SAMS_NUMBER}"}},
                            {{channel: mail, to: sam@acme.example}}]}}
  cal: {{title: Cal, reach: [{{channel: call, to: "+4915100000005"}}]}}
  carla:
    reach:
      - {{channel: call, to: "+4915100000004", severities: [critical], kinds: [pages]}}
      - {{channel: app, to: U0CARLA01, only: {{from: "08:00", to: "20:00"}}}}
      - {{channel: mail, to: carla@acme.example}}
  pat: {{reach: [{{channel: first, to: "+4915100000006"}}, {{channel: mail, to: pat@acme.example}}]}}
  room: {{role: Reader, reach: [{{channel: war-room}}]}}
  duty: {{reach: [{{channel: pager}}]}}
  boss: {{reach: [{{channel: mail, to: boss@acme.example}}]}}
  lead: {{reach: [{{channel: mail, to: lead@acme.example}}]}}
  guard: {{reach: [{{channel: mail, to: guard@acme.example}}]}}
  world: {{role: Reader, reach: [{{channel: page, to: c1shop}}]}}
channels:
  app: {{kind: slack-app, secret: acme-bot, url: "{PROVIDERS}/slack"}}
  war-room: {{kind: slack-room, secret: acme-bot, url: "{PROVIDERS}/slack"}}
  sms: {{kind: twilio-sms, secret: acme-twilio, url: "{PROVIDERS}/text", options: {OPTIONS}}}
  call: {{kind: twilio-voice, secret: acme-twilio, url: "{PROVIDERS}/call", options: {OPTIONS}}}
  first:
    {{kind: twilio-sms, secret: acme-twilio, url: "{PROVIDERS}/text", options: {OPTIONS}, fallback: second}}
  second:
    {{kind: acs-sms, secret: acme-acs, options: {{from: "+4930100002", callback_secret: acme-event-grid}}}}
  mail: {{kind: email, secret: acme-smtp, options: {{from: tocsin@acme.example}}}}
  pager: {{kind: pagerduty, secret: acme-pager, url: "{PROVIDERS}/acme-pager"}}
  page: {{kind: statuspage, secret: acme-page, url: "{PROVIDERS}/acme-page", options: {{page: p4g3}}}}
"""


class Twilio:
    """Takes what is signed in with the account's token, unless ``replies`` has other answers first."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.replies: deque[Reply] = deque()
        self.taken: list[dict[str, str]] = []
        self.unauthorized = 0

    def __call__(self, request: Request) -> Reply:
        """One message or call."""
        signed_in = base64.b64encode(f"{ACCOUNT}:{self.token}".encode()).decode()
        if request.headers["authorization"] != f"Basic {signed_in}":
            self.unauthorized += 1
            return Reply(401, body=b'{"code": 20003}')
        if self.replies:
            return self.replies.popleft()
        self.taken.append(dict(parse_qsl(request.body.decode())))
        return Reply(201, body=json.dumps({"sid": f"SM{len(self.taken):032x}", "status": "queued"}).encode())


class Taking:
    """Takes whatever comes with the same answer, and keeps it as JSON."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        self.taken: list[tuple[str, str, Any]] = []
        self._reply = Reply(status, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    def __call__(self, request: Request) -> Reply:
        """One call."""
        self.taken.append((request.method, request.path.rpartition("/")[2], request.json()))
        return self._reply


class Workspace(PlayedSlack):
    """Slack with its forms and with what it is answered later."""

    def _views_open(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "view": said["view"]}


class Reachable(Theatre):
    """Acme with all its providers, who take everything until the test says otherwise."""

    slack: Workspace
    sms: Twilio
    calls: Twilio
    acs: Taking
    hooks: Taking

    def staged(self) -> None:
        """The providers take their places."""
        self.slack = Workspace(self.secrets["acme-bot"])
        self.sms, self.calls = (Twilio(self.secrets["acme-twilio"]) for _ in range(2))
        sent = {"to": "x", "messageId": "acs-1", "httpStatusCode": 202, "successful": True}
        self.acs, self.hooks = Taking(202, {"value": [sent]}), Taking(200, {})
        self.playing |= {
            "slack": self.slack, "text": self.sms, "call": self.calls, "sms": self.acs, "hooks": self.hooks,
        }  # fmt: skip

    def chats(self) -> None:
        """Slack's forms and late answers come here instead of to Slack."""
        chat: Any = shared.app.app().chat_slack
        chat.views._api, chat.later._base = f"{self.web.url}/slack", f"{self.web.url}/hooks/"  # noqa: SLF001

    def pressed(self, what: str, token: str, user: str = ANA) -> str:
        """Somebody presses a button in Slack, and what that causes now happens; what they are told."""
        count = len(self.hooks.taken)
        self.signed(ACTIONS, pressed(what, token, f"{self.web.url}/hooks/T/1", user))
        self.at(self.now)
        return "\n".join(str(shown["text"]) for _, _, shown in self.hooks.taken[count:])

    def card(self, where: str) -> dict[str, Any]:
        """The first message about an incident in a room or to a person, as it stands now."""
        return next(shown for place, shown in self.slack.messages.items() if place.startswith(where))

    def fire(self, service: str = "rest", severity: str = "critical", name: str = "Checkout") -> str:
        """An alert; the id of its incident."""
        return self.alert("acme", name=name, service=service, severity=severity, summary="it burns")

    def types(self, incident: str) -> list[str]:
        """What happened to it, in order."""
        return [event["type"] for event in self.events(incident)]

    def of(self, incident: str, type_: str) -> list[dict[str, Any]]:
        """The data of its events of a type."""
        return [event["data"] for event in self.events(incident) if event["type"] == type_]

    def rows(self, since: int = 0) -> list[tuple[str, str, str | None, str]]:
        """Of what was told: time of day, channel, contact and kind."""
        return [(each.when[11:], each.channel, each.contact, each.kind) for each in self.told[since:]]

    def heard_from_twilio(
        self, channel: str, what: str, fields: dict[str, str], query: str = "", secret: str | None = None
    ) -> Answer:
        """Twilio calls back, as it signs; and what that causes now happens."""
        path = f"/api/v1/plans/acme/channels/{channel}/{what}{query}"
        signature = twilio_signature(secret or self.secrets["acme-twilio"], PUBLIC_URL + path, fields)
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        answer = self.call("POST", path, urlencode(fields).encode(), headers=headers)
        self.at(self.now)
        return answer

    def called_back(self, fields: dict[str, str], url: str) -> Answer:
        """Twilio calls an address that Tocsin named."""
        path, _, query = url.removeprefix(PUBLIC_URL).partition("?")
        channel, what = path.split("/")[-2:]
        return self.heard_from_twilio(channel, what, fields, f"?{query}")

    def heard_from_azure(self, channel: str, events: object, secret: str | None = None) -> Answer:
        """Event Grid reports; and what that causes now happens."""
        stated = {
            "aeg-event-type": "Notification",
            "x-tocsin-secret": secret or self.secrets["acme-event-grid"],
        }
        path = f"/api/v1/plans/acme/channels/{channel}/receipt"
        answer = self.call("POST", path, events, headers=stated)
        self.at(self.now)
        return answer

    def slash(self, line: str, trigger: str, user: str = ANA) -> dict[str, Any]:
        """Somebody types a command in Slack; what is shown."""
        return self.signed(COMMANDS, slash(line, user, trigger))

    def signed(self, path: str, body: bytes) -> dict[str, Any]:
        """Slack posts there; what it shows."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        signature = slack_signed(body, self.now, self.secrets["acme-slack-signing"])
        answer = self.call("POST", path, body, headers={**headers, **signature})
        assert answer.status == 200, answer
        shown: dict[str, Any] = answer.json()
        return shown


def link_in(text: str) -> str:
    """The path of the page on which a message can be answered."""
    found = CODED.search(text)
    assert found, text
    return f"/a/{found[1]}"


@contextmanager
def acme(storage: str, folder: Path, hand: pytest.MonkeyPatch, plan: str = PLAN) -> Iterator[Reachable]:
    """Acme, before its first moment."""
    with Reachable(storage, folder, hand, {"acme": plan}, zone="Europe/Berlin") as theatre:
        theatre.staged()
        yield theatre
