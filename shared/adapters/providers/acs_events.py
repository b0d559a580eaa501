"""What Azure Communication Services tells us, by way of Event Grid (its own schema, not CloudEvents)."""

from __future__ import annotations

import hmac
import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from shared.adapters.channels.http_post import provider_id
from shared.adapters.providers.acs_operation import incident_of
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed, Fault, InvalidInput, SecretUnavailable, Unauthenticated
from shared.domain.heard import Answer, Call, Handshake, Heard, Reply, Told
from shared.domain.plan import Channel as ChannelSpec
from shared.domain.receipt import ReceiptState
from shared.ports import Channel, Secrets

log = logging.getLogger(__name__)

SECRET_HEADER = "x-tocsin-secret"  # noqa: S105  (the header's name)
MOST_EVENTS = 100
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
SMS_REPORT = "Microsoft.Communication.SMSDeliveryReportReceived"
SMS_RECEIVED = "Microsoft.Communication.SMSReceived"
MAIL_REPORT = "Microsoft.Communication.EmailDeliveryReportReceived"
MAIL_READ = "Microsoft.Communication.EmailEngagementTrackingReportReceived"
SMS_STATES: Mapping[str, ReceiptState] = {"delivered": "delivered", "failed": "undelivered"}
MAIL_STATES: Mapping[str, ReceiptState] = {
    "delivered": "delivered",
    "bounced": "undelivered",
    "suppressed": "undelivered",
    "failed": "undelivered",
    "quarantined": "undelivered",
    "filteredspam": "undelivered",
}
"""``Expanded`` says only that a list was resolved."""
_CODE = re.compile(r"[A-Za-z0-9-]{1,100}")
Event = Mapping[str, Any]


class AcsEvents:
    """`workflows.hear_provider.Provider` for the kinds ``acs-sms`` and ``acs-email``."""

    in_batches = True
    hears: Mapping[str, tuple[str, ...]] = {"acs-sms": ("receipt", "reply"), "acs-email": ("receipt",)}

    def __init__(self, sms: Channel) -> None:
        """``sms`` is the channel of the kind ``acs-sms``, by which replies are answered."""
        self._sms = sms

    def heard(self, call: Call, spec: ChannelSpec, secrets: Secrets, now: datetime) -> Sequence[Heard]:  # noqa: ARG002
        """What a batch of events says; events of other kinds, and of other senders, say nothing.

        The handshake needs no secret, for Event Grid sends its headers with events alone; it grants nothing.
        Raises Unauthenticated, InvalidInput, SecretUnavailable.
        """
        name = spec.options.get("callback_secret")
        if name is None:
            raise Unauthenticated(f'channel "{spec.name}" is not set up to be called')
        events = _events(call.body)
        if call.headers.get("aeg-event-type", "").lower() == "subscriptionvalidation":
            return [_handshake(events)]
        _verify(call, secrets.accepted(name))
        return [said for event in events if (said := _said(event, spec.kind)) is not None]

    def answer(
        self,
        what: str,
        sentence: str | None,
        spec: ChannelSpec,  # noqa: ARG002
        *,
        again: bool = False,  # noqa: ARG002
        resolvable: bool = True,  # noqa: ARG002
    ) -> Answer:
        """Event Grid reads only the status; the echo of a handshake is all that it is ever told."""
        if sentence is None or what != "handshake":
            return Answer()
        return Answer(json.dumps({"validationResponse": sentence}), "application/json")

    def text_back(
        self, reply: Reply, sentence: str, spec: ChannelSpec, secrets: Secrets, now: datetime
    ) -> Answer:
        """By a text message of its own: Event Grid carries nothing back."""
        number = re.sub(r"[^+0-9]", "", reply.number)
        try:
            self._sms.send(_alone(sentence, now), spec, number, "", secrets, now)
        except (DeliveryFailed, SecretUnavailable) as failure:
            log.warning("channel %s: a reply was not answered (%s)", spec.name, failure)
        return Answer()


def _alone(sentence: str, now: datetime) -> Message:
    """A notification that says only this."""
    return Message("manual", "", "", sentence, "", "", "", now, "")


def _verify(call: Call, secrets: Sequence[str]) -> None:
    """The secret stands in a header of the subscription or, second best, in the address that it calls."""
    query = dict(parse_qsl(call.path.partition("?")[2]))
    given = (call.headers.get(SECRET_HEADER) or query.get("secret", "")).encode("utf-8", "replace")
    known = [secret.strip().encode("utf-8", "replace") for secret in secrets]
    if not any([hmac.compare_digest(one, given) for one in known if one]):  # noqa: C419  (all of them)
        raise Unauthenticated("the call does not carry the secret of this channel")


def _events(body: bytes) -> list[Event]:
    try:
        stated = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _unreadable("it is not JSON") from error
    if not isinstance(stated, list) or len(stated) > MOST_EVENTS:
        raise _unreadable(f"it is no list of at most {MOST_EVENTS} events")
    if not all(isinstance(each, dict) and isinstance(each.get("data"), dict) for each in stated):
        raise _unreadable("an event has no data")
    return stated


def _handshake(events: Sequence[Event]) -> Handshake:
    code = events[0]["data"].get("validationCode") if len(events) == 1 else None
    if events[:1] and events[0].get("eventType") != VALIDATION:
        raise _unreadable("it is no validation of a subscription")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise _unreadable("it has no validation code")
    return Handshake(code)


def _said(event: Event, kind: str) -> Heard | None:
    data, type_ = event["data"], event.get("eventType")
    at = _instant(data.get("receivedTimestamp")) or _instant(event.get("eventTime"))
    if kind == "acs-sms" and type_ == SMS_RECEIVED:
        id_ = _text(data.get("messageId")) or _text(event.get("id"))
        return Reply(_text(data.get("from")), _text(data.get("message")), id_, at) if id_ else None
    if kind == "acs-sms" and type_ == SMS_REPORT:
        state, tag = SMS_STATES.get(_text(data.get("deliveryStatus")).lower()), _text(data.get("tag"))
        return Told(state, tag, provider_id(data.get("messageId")), at) if state and tag else None
    if kind == "acs-email" and type_ in (MAIL_REPORT, MAIL_READ):
        state = "read" if type_ == MAIL_READ else MAIL_STATES.get(_text(data.get("status")).lower())
        mail = provider_id(data.get("messageId"))
        about = incident_of(mail) if mail else None
        return Told(state, None, mail, at, about) if state and about else None
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def _unreadable(why: str) -> InvalidInput:
    return InvalidInput("the body is not what Event Grid sends", [Fault("", why)])
