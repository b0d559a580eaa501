"""The Twilio SMS channel: one message to one number, with a receipt asked for where Twilio can reach us."""

from __future__ import annotations

from datetime import datetime

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.short_text import short_text, takes_replies
from shared.adapters.channels.twilio_api import Form, callback, create, number_of
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets


class TwilioSmsChannel:
    """Sends from the number or messaging service that ``options["from"]`` names."""

    kind = "twilio-sms"

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
        if not sender:
            raise DeliveryFailed(f'channel "{spec.name}" has no option from', permanent=True)
        form: Form = [
            ("To", number_of(to, spec)),
            ("MessagingServiceSid" if sender.startswith("MG") else "From", sender),
            ("Body", short_text(message, can_reply=_hears(spec) and takes_replies(sender))),
        ]
        if (receipts := callback(message.answering, "receipt")) is not None:
            form.append(("StatusCallback", receipts))
        return create(self._http, spec, "Messages", form, idempotency_key, secrets, now)


def _hears(spec: ChannelSpec) -> bool:
    """Whether a reply can be proven to be Twilio's: it signs with the auth token, never with an API key."""
    return "key" not in spec.options or "auth_token_secret" in spec.options
