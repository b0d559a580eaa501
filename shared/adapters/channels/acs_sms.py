"""The Azure Communication Services SMS channel: one text message through the vendor's SDK."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.http_post import TEMPORARY, Answer, HttpPost, provider_id
from shared.adapters.channels.short_text import short_text, takes_replies
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

if TYPE_CHECKING:
    from azure.communication.sms import SmsSendResult

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER = re.compile(r"\+[1-9][0-9]{6,14}|[A-Za-z0-9]{3,11}")
"""A number, a short code or an alphanumeric name."""


class AcsSmsChannel:
    """Texts the contact's number; the secret is the connection string, ``options["from"]`` the sender."""

    kind = "acs-sms"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,
        idempotency_key: str,  # noqa: ARG002  (the provider has no use for it)
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Send once. Raises DeliveryFailed or SecretUnavailable."""
        if spec.secret is None:
            raise DeliveryFailed(
                f'channel "{spec.name}" names no secret with its connection string', permanent=True
            )
        number = _checked(_NUMBER, to, "the contact's address on this channel", "a telephone number")
        option = f'the option "from" of channel "{spec.name}"'
        sender = _checked(_SENDER, spec.options.get("from"), option, "a sender")
        hears = "callback_secret" in spec.options and takes_replies(sender)
        text = short_text(message, can_reply=hears)
        token = message.answering.token if message.answering else None
        named = f'secret "{spec.secret}"'

        def post(connection_string: str) -> Accepted:
            from shared.adapters.channels.acs_clients import PostTransport, resource, sms_client, understood

            transport = PostTransport(self._http, named, now)
            client = sms_client(resource(connection_string, named), transport)
            answer, results = understood(
                transport,
                named,
                lambda: client.send(
                    sender, number, text, enable_delivery_report=token is not None, tag=token
                ),
            )
            return _verdict(answer, results, named)

        return with_current_secret(secrets, spec.secret, post)


def _verdict(answer: Answer, results: Sequence[SmsSendResult] | None, named: str) -> Accepted:
    """202 says only that the request was read; what became of the one recipient stands in its body."""
    if not results:
        return Accepted(answer.status)
    (result, *_) = results
    if result.successful is not False:
        return Accepted(answer.status, provider_id(result.message_id))
    status = result.http_status_code if isinstance(result.http_status_code, int) else None
    if status is None or 200 <= status < 300:
        raise DeliveryFailed(f"{named}: the recipient was refused", permanent=False)
    temporary = status in TEMPORARY or 500 <= status < 600
    raise DeliveryFailed(
        f"{named}: the recipient was refused with {status}", permanent=not temporary, status=status
    )


def _checked(shape: re.Pattern[str], text: str | None, what: str, kind: str) -> str:
    if text is None or not shape.fullmatch(text.strip()):
        raise DeliveryFailed(f"{what} is not {kind}", permanent=True)
    return text.strip()
