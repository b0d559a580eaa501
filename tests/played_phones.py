"""A plan whose people are reached by telephone, and the two providers of the play: Twilio and Event Grid."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.channels.acs_sms import AcsSmsChannel
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.twilio_sms import TwilioSmsChannel
from shared.adapters.channels.twilio_voice import TwilioVoiceChannel
from shared.adapters.providers.acs_events import AcsEvents
from shared.adapters.providers.acs_operation import operation_id
from shared.adapters.providers.replies_table import RepliesTable
from shared.adapters.providers.twilio_calls import TwilioCalls
from shared.adapters.templates import Templates
from shared.domain.answering import GRANT_LASTS, Grant
from shared.domain.delivery import Delivery, Message
from shared.domain.heard import Answer, Call
from shared.domain.plan import Channel, Contact, Directory, Reach
from shared.domain.timeline import Event
from shared.ports import Accepted, Secrets
from shared.workflows.advance_incidents import AdvanceIncidents
from shared.workflows.answer_notification import AnswerNotification
from shared.workflows.deliver import Deliver
from shared.workflows.hear_provider import HearProvider
from shared.workflows.hear_receipt import HearReceipt
from shared.workflows.prepare_message import PrepareMessage
from tests.builders import NOON, a_severity, an_alert, minutes, some_rules
from tests.receivers import HttpReceiver, Reply, Request
from tests.stage import Megaphone, Stage

PUBLIC_URL = "https://tocsin.example.com"
AUTH, OLD_AUTH, EVENT_GRID = "auth-token-of-tests", "auth-token-before", "event-grid-secret"
ADA, LEE, EVE, STRANGER = "+4915100000001", "+4915100000002", "+4915100000003", "+4915199999999"
MAIL = "mia@example.org"
FROM = "+4930123456"
ACCOUNT = {"account": "AC" + "0a" * 16, "from": FROM}


class MailTaken:
    """A mail channel whose provider takes everything, under the id that says whose it is."""

    kind = "acs-email"

    def send(
        self,
        message: Message,
        spec: Channel,  # noqa: ARG002
        to: str | None,  # noqa: ARG002
        idempotency_key: str,
        secrets: Secrets,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Accepted:
        return Accepted(202, operation_id(message.incident, idempotency_key))


@dataclass
class Phones:
    """A stage with the real channels; ``providers`` is what they reach, ``hear`` is how they call back."""

    storage: str
    providers: HttpReceiver
    secrets: dict[str, str] = field(
        default_factory=lambda: {
            "SECRET_PEOPLE_KEY": "only for tests",
            "SECRET_TEXTS_KEY": "only for tests",
            "SECRET_TWILIO": AUTH,
            "SECRET_TWILIO__PREVIOUS": OLD_AUTH,
            "SECRET_EVENT_GRID": EVENT_GRID,
        }
    )

    messages: int = 0
    """How many people have sent."""

    def __enter__(self) -> Self:
        self.http = HttpPost()
        self.providers.otherwise = _provider
        key = base64.b64encode(b"only for tests").decode()
        self.secrets["SECRET_ACS"] = f"endpoint={self.providers.url};accesskey={key}"
        secrets = AppSettingSecrets(self.secrets)
        self.stage = stage = Stage(self.storage)
        stage.rules(
            some_rules(
                a_severity(
                    steps=(
                        (minutes(0), ("oncall",)),
                        (minutes(10), ("lead", "eve", "mia")),
                        (minutes(20), ("twin",)),
                    )
                )
            )
        )
        stage.plans.plan = replace(stage.plans.plan, directory=_directory(self.providers.url))
        self.tokens = KeyedAnswerTokens(secrets, "people-key")
        sms = AcsSmsChannel(self.http)
        channels: Mapping[str, Any] = {
            each.kind: each
            for each in (
                TwilioSmsChannel(self.http), TwilioVoiceChannel(self.http), sms, MailTaken(),
                Megaphone(stage.sent),
            )
        }  # fmt: skip
        prepare = PrepareMessage(stage.store, PUBLIC_URL, Templates(), self.tokens, stage.people)
        stage.advancing = AdvanceIncidents(
            stage.store, stage.plans, stage.archive, stage.queue,
            Deliver(stage.store, channels, secrets, prepare),
        )  # fmt: skip
        twilio, acs = TwilioCalls(PUBLIC_URL), AcsEvents(sms)
        self.hearing = HearProvider(
            stage.store,
            stage.plans,
            stage.archive,
            secrets,
            self.tokens,
            HearReceipt(stage.store, stage.plans, stage.archive, stage.queue),
            AnswerNotification(
                stage.store, stage.plans, stage.archive, stage.people, stage.responding, self.tokens
            ),
            {kind: provider for provider in (twilio, acs) for kind in provider.hears},
            RepliesTable(stage.storms.table),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stage.__exit__(kind, error, trace)
        self.http.close()

    def paged(self, name: str = "HighErrorRate", at: datetime = NOON, minutes_later: int = 0) -> str:
        """An incident whose steps until then have been told."""
        [outcome] = self.stage.hear(an_alert(name), at=at)
        assert outcome.id is not None
        self.stage.advance(outcome.id, at)
        if minutes_later:
            self.stage.advance(outcome.id, at + minutes(minutes_later))
        return outcome.id

    def delivery(self, incident: str, contact: str) -> Delivery:
        stored = self.stage.store.deliveries(self.stage.incident(incident))
        return next(each for each in stored if each.contact == contact)

    def token(self, incident: str, contact: str, now: datetime = NOON) -> str:
        grant = Grant(incident, contact, self.delivery(incident, contact).id, now + GRANT_LASTS)
        return self.tokens.sign(grant)

    def sent(self, kind: str) -> list[dict[str, str]]:
        """The forms that Twilio got: ``Messages`` or ``Calls``."""
        return [form(each) for each in self.providers.requests if each.path.endswith(f"/{kind}.json")]

    def twilio(
        self,
        what: str,
        fields: Mapping[str, str],
        token: str | None = None,
        *,
        channel: str = "sms",
        auth: str = AUTH,
        now: datetime = NOON,
        signed: str | None = None,
    ) -> Answer:
        """Twilio calls, as it signs; ``signed`` is the address that it signs instead."""
        path = f"/api/v1/plans/{self.stage.name}/channels/{channel}/{what}"
        path += f"?token={token}" if token is not None else ""
        signature = twilio_signature(auth, signed or PUBLIC_URL + path, fields)
        headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
        call = Call(what, path, headers, urlencode(fields).encode())
        return self.hearing.hear(self.stage.name, channel, call, now)

    def text(
        self,
        body: str,
        number: str = ADA,
        now: datetime = NOON,
        channel: str = "sms",
        sid: str | None = None,
    ) -> str:
        """Somebody texts; what Twilio is answered. Without ``sid`` it is a message of its own."""
        self.messages += 1
        fields = {"From": number, "To": FROM, "Body": body, "MessageSid": sid or f"SM{self.messages}"}
        return self.twilio("reply", fields, channel=channel, now=now).body

    def received(
        self, body: str, at: datetime, id: str | None = None, number: str = EVE
    ) -> dict[str, object]:
        """The event that somebody has texted to Azure's number."""
        self.messages += 1
        sent = {"from": number, "to": FROM, "message": body, "messageId": id or f"m{self.messages}"}
        return event("Microsoft.Communication.SMSReceived", **sent, receivedTimestamp=at.isoformat())

    def texts(self) -> list[str]:
        """What was texted by Azure so far, in answer to somebody or not."""
        sent = [each for each in self.providers.requests if each.path.startswith("/sms")]
        return [each.json()["message"] for each in sent]

    def event_grid(
        self,
        events: object,
        what: str = "receipt",
        *,
        channel: str = "acs",
        headers: Mapping[str, str] | None = None,
        query: str = "",
        now: datetime = NOON,
    ) -> Answer:
        path = f"/api/v1/plans/{self.stage.name}/channels/{channel}/{what}{query}"
        stated = {"aeg-event-type": "Notification", "x-tocsin-secret": EVENT_GRID}
        call = Call(what, path, stated if headers is None else headers, json.dumps(events).encode())
        return self.hearing.hear(self.stage.name, channel, call, now)

    def events(self, incident: str, type_: str) -> list[Event]:
        return [each for each in self.stage.events(incident) if each.type == type_]


def twilio_signature(auth: str, url: str, fields: Mapping[str, str]) -> str:
    """As Twilio describes it: the address, then each field's name and value in the order of the names."""
    text = url
    for name in sorted(fields):
        text += name
        text += fields[name]
    return base64.encodebytes(hmac.new(auth.encode(), text.encode(), "sha1").digest()).decode().strip()


def form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def event(type_: str, /, **data: object) -> dict[str, object]:
    """One event of Event Grid."""
    return {
        "id": "1", "topic": "/x", "subject": "/y", "eventType": type_, "data": data,
        "eventTime": "2026-11-18T11:59:00.1234567Z",
        "dataVersion": "1.0", "metadataVersion": "1",
    }  # fmt: skip


def _provider(request: Request) -> Reply:
    """Whatever is asked of it, it takes; the id tells one request from the others."""
    digest = hashlib.sha256(request.body).hexdigest()[:32]
    if request.path.startswith("/2010-04-01/"):
        return Reply(201, {}, json.dumps({"sid": f"SM{digest}", "status": "queued"}).encode())
    result = {"to": "x", "messageId": digest, "httpStatusCode": 202, "successful": True}
    return Reply(202, {"Content-Type": "application/json"}, json.dumps({"value": [result]}).encode())


def _directory(url: str) -> Directory:
    keyed = ACCOUNT | {"key": "SK" + "0b" * 16, "auth_token_secret": "twilio"}
    channels = [
        Channel("sms", "twilio-sms", url, "twilio", ACCOUNT),
        Channel("keyed", "twilio-sms", url, "acs", keyed),
        Channel("unkeyed", "twilio-sms", url, "acs", ACCOUNT | {"key": keyed["key"]}),
        Channel("call", "twilio-voice", url, "twilio", ACCOUNT | {"language": "en-GB"}),
        Channel("acs", "acs-sms", None, "acs", {"from": FROM, "callback_secret": "event-grid"}),
        Channel("bare", "acs-sms", None, "acs", {"from": FROM}),
        Channel("mail", "acs-email", None, "acs", {"from": MAIL, "callback_secret": "event-grid"}),
        Channel("log", "log"),
        Channel("stands-in", "log", fallback="sms"),
    ]  # fmt: skip
    contacts = [
        Contact("oncall", "Ada", (Reach("sms", ADA),)),
        Contact("lead", "Lee", (Reach("call", LEE),)),
        Contact("eve", "Eve", (Reach("acs", EVE),)),
        Contact("mia", "Mia", (Reach("mail", MAIL),)),
        Contact("twin", "Twin", (Reach("stands-in", ADA),)),
        Contact("watcher", "Watcher", (Reach("sms", "+49 (151) 0000-0004"),), role="Reader"),
        Contact("manager", "Manager", (Reach("log"),)),
    ]
    return Directory({each.name: each for each in contacts}, {each.name: each for each in channels})
