"""The Teams channel: an Adaptive Card posted to a Workflows webhook."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.secret_url import post_to_secret_url
from shared.adapters.channels.wording import body, facts, headline, links, own_words, reason, shortened
from shared.domain.delivery import Kind, Message
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

HEAD_LIMIT, REASON_LIMIT, FACT_LIMIT, SUMMARY_LIMIT = 300, 1_000, 250, 3_000
"""UTF-16 units as sent. At three bytes each they stay well below Teams' 28 KB for a whole message."""
_MARKUP = frozenset("\\`*_{}[]()<>&#~|!")
_LIST = re.compile(r"^([ \t]*)([-+=]|\d+(?=[.)]))", re.MULTILINE)
_COLOURS: dict[Kind, str] = {
    "escalation": "Attention",
    "manual": "Attention",
    "resolved": "Good",
    "inform": "Accent",
    "update": "Accent",
    "digest": "Accent",
    "refresh": "Accent",
}


class TeamsChannel:
    """Posts to the workflow URL that ``spec.secret`` names; 202 says that the workflow has started."""

    kind = "teams"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,  # noqa: ARG002  (the workflow says which room)
        idempotency_key: str,
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Post once. Raises DeliveryFailed or SecretUnavailable."""
        return post_to_secret_url(
            self._http, spec, card(message), "x-ms-workflow-run-id", idempotency_key, secrets, now
        )


def card(message: Message) -> dict[str, Any]:
    """The message with its one attachment, an Adaptive Card 1.4."""
    colour = _COLOURS.get(message.kind, "Warning")
    head = _block(headline(message), HEAD_LIMIT, size="Large", weight="Bolder", color=colour)
    why, told = reason(message), body(message)
    parts = [head, *([_block(why, REASON_LIMIT)] if why else [])]
    parts += [_block(f"{label}: {value}", FACT_LIMIT, spacing="None") for label, value in facts(message)]
    if told:
        limit = REASON_LIMIT + SUMMARY_LIMIT if own_words(message) else SUMMARY_LIMIT
        parts.append(_block(told, limit, separator=True))
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": parts,
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in links(message)],
        "msteams": {"width": "Full"},
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return {"type": "message", "attachments": [attachment]}


def escaped(text: str, limit: int) -> str:
    """``text`` with its Markdown escaped, lines kept, in at most ``limit`` UTF-16 units as sent."""
    unlisted = _LIST.sub("\\1\u200b\\2", text)
    return shortened(unlisted, limit, _escape)


def _escape(character: str) -> str:
    if character == "\n":
        return "\n\n"  # a single line end is a space to Markdown
    return "\\" + character if character in _MARKUP else character


def _block(text: str, limit: int, **look: str | bool) -> dict[str, Any]:
    return {"type": "TextBlock", "text": escaped(text, limit), "wrap": True, **look}
