"""The Slack channel: an incoming webhook, Block Kit with a text fallback."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.secret_url import post_to_secret_url
from shared.adapters.channels.wording import body, facts, headline, links, one_line, reason, shortened
from shared.domain.delivery import Message
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

HEADER_LIMIT, SECTION_LIMIT, FIELD_LIMIT = 150, 3_000, 2_000
_MENTION = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class SlackChannel:
    """Posts to the webhook URL that ``spec.secret`` names."""

    kind = "slack"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,  # noqa: ARG002  (the URL says which room)
        idempotency_key: str,
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Post once. Raises DeliveryFailed or SecretUnavailable."""
        return post_to_secret_url(
            self._http, spec, blocks(message), "x-slack-req-id", idempotency_key, secrets, now
        )


def blocks(message: Message) -> dict[str, Any]:
    """The webhook's payload. What comes from alerts stands in plain text, where Slack parses no markup."""
    return laid_out(headline(message), message, [link_button(label, url) for label, url in links(message)])


def laid_out(head: str, message: Message, buttons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Blocks under that head, and one line of text for notifications and for where blocks are not shown."""
    fields = [plain_text(f"{label}: {value}", FIELD_LIMIT) for label, value in facts(message)]
    parts: list[dict[str, Any]] = [{"type": "header", "text": plain_text(head, HEADER_LIMIT)}]
    texts = [
        {"type": "section", "text": plain_text(text, SECTION_LIMIT)}
        for text in (reason(message), body(message))
        if text
    ]
    parts += [*texts[:1], {"type": "section", "fields": fields}, *texts[1:]]
    if buttons:
        parts.append({"type": "actions", "elements": list(buttons)})
    incident = one_line(message.incident)
    told = reason(message) or one_line(body(message))
    fallback = f"{head}{f' ({incident})' if incident else ''}{f': {told}' if told else ''}"
    return {"text": escaped(fallback, SECTION_LIMIT), "blocks": parts}


def link_button(label: str, url: str) -> dict[str, Any]:
    """A button that opens a page."""
    name = label.lower().replace(" ", "-")
    return {"type": "button", "action_id": name, "text": plain_text(label, 75), "url": url}


def escaped(text: str, limit: int) -> str:
    """``text`` without markup or mentions, in at most ``limit`` characters as sent."""
    unmentioned = _MENTION.sub("@\u200b", text)
    return shortened(unmentioned, limit, lambda character: _ENTITIES.get(character, character))


def plain_text(text: str, limit: int) -> dict[str, Any]:
    """Text in which Slack finds neither markup nor emoji names."""
    return {"type": "plain_text", "text": escaped(text, limit), "emoji": False}
