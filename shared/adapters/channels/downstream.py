"""What a notification means to a pager downstream of Tocsin: to ring, to follow how the incident stands, or
to be told without ringing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Literal

from shared.adapters.channels.http_post import Address, address
from shared.adapters.channels.wording import (
    answer_link,
    body,
    cleaned,
    one_line,
    reason,
    safe_link,
    shortened,
)
from shared.domain.delivery import PAGES, Kind, Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec

Act = Literal["ring", "acknowledge", "resolve", "tell"]
RINGS: frozenset[Kind] = PAGES | {"alarm", "inform", "role", "reminder", "still-open"}
"""Kinds that want somebody's attention now; whoever has them sent to a pager means that. The rest is talk."""
TEXT_LIMIT, REASON_LIMIT, NAME_LIMIT = 8_000, 1_000, 200


def act(message: Message) -> Act:
    """What the pager is to do; by how the incident stands at the moment of sending.

    The end of an incident that has been reopened since closes nothing, and what merely informs rings nobody
    about an incident that is over.
    """
    if message.kind == "resolved":
        return "resolve" if message.status == "resolved" else "tell"
    if message.kind == "refresh":
        follows: dict[str, Act] = {"acknowledged": "acknowledge", "resolved": "resolve"}
        return follows.get(message.status, "tell")
    if message.kind == "inform" and message.status == "resolved":
        return "tell"
    return "ring" if message.kind in RINGS else "tell"


def details(message: Message) -> dict[str, str]:
    """What stands beside the headline, as text by name; what there is none of is left out."""
    stated = {
        "incident": one_line(message.incident),
        "kind": message.kind,
        "severity": one_line(message.severity),
        "service": one_line(message.service),
        "status": message.status,
        "opened_at": message.opened_at.astimezone(UTC).isoformat(),
        "reason": one_line(message.reason),
        "drill": None if message.drill is None else one_line(message.drill) or "yes",
        "runbook": one_line(message.runbook or ""),
        "runbook_url": safe_link(message.runbook_url),
        "incident_url": safe_link(message.incident_url),
        "answer_url": answer_link(message),
        "source_url": safe_link(message.source_url),
        "text": body(message),
    }
    limits = {"reason": REASON_LIMIT, "text": TEXT_LIMIT}
    return {
        key: text if key.endswith("_url") else shortened(text, limits.get(key, NAME_LIMIT))
        for key, text in stated.items()
        if text
    }


def told(message: Message) -> str:
    """The reason and the text, as lines for people."""
    return "\n\n".join(text for text in (reason(message), body(message)) if text)


def name(text: str, limit: int = NAME_LIMIT) -> str:
    """A name on one line, of at most ``limit`` UTF-16 units, never empty."""
    return shortened(one_line(cleaned(text)), limit) or "-"


def by_loudness(stated: str | None, otherwise: str, loudness: int) -> str:
    """The one of a comma-separated list that is for a loudness, the last where the list is shorter."""
    listed = [each.strip() for each in (stated or otherwise).split(",")]
    return listed[min(loudness, len(listed) - 1)]


def place(spec: ChannelSpec, vendor: str, path: str) -> Address:
    """``path`` at the channel's own address or, where it has none, at the vendor's. Raises DeliveryFailed."""
    return address((spec.url or vendor).strip().rstrip("/") + path, f'the url of channel "{spec.name}"')


def secret_of(spec: ChannelSpec, what: str) -> str:
    """The name of the channel's secret. Raises DeliveryFailed where it names none."""
    if spec.secret is None:
        raise DeliveryFailed(f'channel "{spec.name}" names no secret with {what}', permanent=True)
    return spec.secret


def as_json(value: Mapping[str, Any]) -> bytes:
    """The JSON of a request, in UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8")


def field_of(answer: bytes, key: str) -> object:
    """One member of a JSON object that a provider answered; None where there is no such thing."""
    try:
        stated = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return stated.get(key) if isinstance(stated, dict) else None
