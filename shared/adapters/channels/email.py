"""The email channel: one mail through the mail server that a secret names."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.time_limit import USUAL, Patience
from shared.adapters.channels.wording import one_line
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

if TYPE_CHECKING:
    from email.headerregistry import Address as MailAddress

_MAILBOX = re.compile(
    r"""(?P<name>[^<>\r\n]*<)?
        (?P<local>[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})
        @(?P<domain>[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*)
        (?(name)>)""",
    re.VERBOSE,
)


class EmailChannel:
    """Mails the contact's address; ``spec.secret`` names the SMTP URL, ``options["from"]`` the sender."""

    kind = "email"

    def __init__(self, certificates: str | None = None, patience: Patience = USUAL) -> None:
        self._certificates = certificates
        self._patience = patience

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,
        idempotency_key: str,
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Hand over one mail. Raises DeliveryFailed or SecretUnavailable."""
        if spec.secret is None:
            raise DeliveryFailed(f'channel "{spec.name}" names no secret with its SMTP URL', permanent=True)
        public = spec.options.get("public") == "true"
        if public and message.words is None:
            raise DeliveryFailed("a public channel takes the words of a template alone", permanent=True)
        from shared.adapters.channels.letter import letter
        from shared.adapters.channels.smtp_post import Envelope, mail_server, post_mail

        recipient = mailbox(to or "", "the contact's address on this channel")
        sender = mailbox(spec.options.get("from", ""), f'the option "from" of channel "{spec.name}"')
        mail = letter(message, sender, recipient, idempotency_key, now, public=public)
        envelope = Envelope(sender.addr_spec, recipient.addr_spec, mail.as_bytes())
        named = f'secret "{spec.secret}"'

        def post(url: str) -> Accepted:
            server = mail_server(url, named)
            return Accepted(post_mail(server, envelope, self._certificates, self._patience))

        return with_current_secret(secrets, spec.secret, post)


def mailbox(text: str, what: str) -> MailAddress:
    """``me@example.com`` or ``Me <me@example.com>``, ASCII but for the name. Errors do not repeat it."""
    from email.headerregistry import Address as MailAddress

    found = _MAILBOX.fullmatch(text.strip())
    if (
        found is None
        or ".." in found["local"]
        or found["local"].startswith(".")
        or found["local"].endswith(".")
    ):
        raise DeliveryFailed(f"{what} is not an email address", permanent=True)
    name = one_line((found["name"] or "").rstrip("<")).strip('"')
    return MailAddress(name, found["local"], found["domain"])
