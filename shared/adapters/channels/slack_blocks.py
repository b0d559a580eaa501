"""What the Slack app shows: a message with buttons, and the card that says how the incident stands now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.adapters.channels.slack import laid_out, link_button, plain_text
from shared.adapters.channels.wording import further_links, headline, marked, one_line, title
from shared.domain.delivery import Message

VALUE_LIMIT = 2_000
_STANDS = {"acknowledged": "Acknowledged: ", "resolved": "Resolved: "}


def told(message: Message) -> dict[str, Any]:
    """The message as it is news, with what it can be answered by."""
    return laid_out(headline(message), message, _buttons(message))


def standing(message: Message) -> dict[str, Any]:
    """The card: how the incident stands as of this message, and why that one was sent.

    Outside nobody reads but the plan's own words.
    """
    if message.audience == "external":
        return told(message)
    severity = one_line(message.severity)
    level = f"[{severity}] " if severity else ""
    head = marked(message, f"{level}{_STANDS.get(message.status, '')}{title(message)}")
    shown = replace(message, reason="") if message.kind == "refresh" else message
    return laid_out(head, shown, _buttons(message))


def _buttons(message: Message) -> list[dict[str, Any]]:
    """One tap for what makes sense now, each carrying the signed token; then the links."""
    answers: list[dict[str, Any]] = []
    if message.answering is not None and message.audience == "internal":
        token = message.answering.token
        if message.status == "open" and len(token) <= VALUE_LIMIT:
            answers.append(_answer("Acknowledge", "acknowledge", token) | {"style": "primary"})
        if message.status != "resolved" and len(token) <= VALUE_LIMIT:
            answers.append(_answer("Resolve", "resolve", token))
    return [*answers, *(link_button(label, url) for label, url in further_links(message))]


def _answer(label: str, action: str, token: str) -> dict[str, Any]:
    return {"type": "button", "action_id": action, "text": plain_text(label, 75), "value": token}
