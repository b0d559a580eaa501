"""The Azure Communication Services email channel: one mail queued through the vendor's SDK."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.email import mailbox
from shared.adapters.channels.http_post import HttpPost, provider_id
from shared.adapters.providers.acs_operation import operation_id
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

KNOWN_ALREADY = 409
"""Says that an operation of this id exists: an earlier try was taken, though its answer never came."""


class AcsEmailChannel:
    """Mails the contact's address; the secret is the connection string, ``options["from"]`` the sender."""

    kind = "acs-email"

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
        """Queue one mail and do not wait for more. Raises DeliveryFailed or SecretUnavailable."""
        if spec.secret is None:
            raise DeliveryFailed(
                f'channel "{spec.name}" names no secret with its connection string', permanent=True
            )
        recipient = mailbox(to or "", "the contact's address on this channel").addr_spec
        option = f'the option "from" of channel "{spec.name}"'
        sender = mailbox(spec.options.get("from", ""), option).addr_spec
        mail, named = _mail(message, sender, recipient), f'secret "{spec.secret}"'
        operation = operation_id(message.incident, f"{idempotency_key}\n{spec.name}\n{recipient}")

        def post(connection_string: str) -> Accepted:
            from shared.adapters.channels.acs_clients import (
                PostTransport,
                email_client,
                resource,
                understood,
            )

            transport = PostTransport(self._http, named, now)
            client = email_client(resource(connection_string, named), transport)
            try:
                answer, _ = understood(
                    transport,
                    named,
                    lambda: client.begin_send(mail, operation_id=operation, polling=False),
                )
            except DeliveryFailed as failure:
                if failure.status != KNOWN_ALREADY:
                    raise
                return Accepted(failure.status, operation)
            return Accepted(answer.status, _id_in(answer.body) or operation)

        return with_current_secret(secrets, spec.secret, post)


def _mail(message: Message, sender: str, recipient: str) -> dict[str, Any]:
    """The same words as by SMTP. No link is rewritten, nothing loaded to see who reads."""
    from shared.adapters.channels.letter import html_of, subject, text_of

    return {
        "senderAddress": sender,
        "recipients": {"to": [{"address": recipient}]},
        "content": {"subject": subject(message), "plainText": text_of(message), "html": html_of(message)},
        "userEngagementTrackingDisabled": True,
    }


def _id_in(body: bytes) -> str | None:
    try:
        stated = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return provider_id(stated.get("id")) if isinstance(stated, dict) else None
