"""The Twilio voice channel: a call that reads the notification and, where it can be answered, takes a key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.short_text import spoken_text
from shared.adapters.channels.twilio_api import Form, callback, create, number_of
from shared.adapters.twiml import RESPONSE, gather, keys, say
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

RINGS = "30"
"""Seconds that it rings; shorter than most voicemail waits, so that somebody else is called instead."""


class TwilioVoiceChannel:
    """Calls from the number that ``options["from"]`` names."""

    kind = "twilio-voice"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,
        idempotency_key: str,
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Post once. Raises DeliveryFailed or SecretUnavailable."""
        sender = spec.options.get("from", "")
        if not sender.startswith("+"):
            raise DeliveryFailed(f'channel "{spec.name}" has no number to call from', permanent=True)
        form: Form = [
            ("To", number_of(to, spec)),
            ("From", sender),
            ("Timeout", RINGS),
            ("Twiml", script(message, spec.options)),
        ]
        if (receipts := callback(message.answering, "receipt")) is not None:
            form.append(("StatusCallback", receipts))
            form += [("StatusCallbackEvent", event) for event in ("answered", "completed")]
        return create(self._http, spec, "Calls", form, idempotency_key, secrets, now)


def script(message: Message, options: Mapping[str, str]) -> str:
    """The call as TwiML: everything twice, for whoever needed a moment to listen."""
    told = spoken_text(message)
    action = callback(message.answering, "voice")
    if message.answering is None or action is None:
        return RESPONSE.format(say(told, options) * 2)
    offered = keys(resolvable=message.answering.resolvable)
    asked = gather(say(f"{told} {offered}", options), action)
    return RESPONSE.format(asked * 2 + say("No key was pressed. Goodbye.", options))
