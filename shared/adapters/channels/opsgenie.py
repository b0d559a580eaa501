"""The Opsgenie channel: Alert API, one alert an incident and responder. What does what: docs/channels.md."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.downstream import (
    act,
    as_json,
    by_loudness,
    details,
    field_of,
    name,
    place,
    secret_of,
    told,
)
from shared.adapters.channels.http_post import HttpPost, provider_id
from shared.adapters.channels.wording import headline, links, one_line, shortened
from shared.domain.delivery import Message
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

VENDOR = "https://api.opsgenie.com"
PRIORITIES = "P1,P2,P3,P4,P5"
MESSAGE_LIMIT, TEXT_LIMIT, NOTE_LIMIT, TAG_LIMIT, DETAIL_LIMIT = 130, 6_000, 10_000, 50, 1_000
ALIAS_LIMIT = 500
"""Opsgenie takes 512 of an alias, 15,000 of a description with its links, and 8,000 of all details."""
_BY_NAME = ("team", "schedule", "escalation")


@dataclass(frozen=True)
class Call:
    """One call of the API."""

    method: str
    path: str
    body: dict[str, Any]


class OpsgenieChannel:
    """Calls the API with the key that ``spec.secret`` names."""

    kind = "opsgenie"

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
        """Make one call. Raises DeliveryFailed or SecretUnavailable."""
        secret = secret_of(spec, "its API key")
        doing = call(message, spec, to, idempotency_key)
        where = place(spec, VENDOR, doing.path)

        def post(key: str) -> Accepted:
            headers = {
                "Content-Type": "application/json",
                "Authorization": f"GenieKey {key.strip()}",
                "Idempotency-Key": idempotency_key,
            }
            answer = self._http.send(doing.method, where, as_json(doing.body), headers, now)
            return Accepted(answer.status, provider_id(field_of(answer.body, "requestId")))

        return with_current_secret(secrets, secret, post)


def call(message: Message, spec: ChannelSpec, to: str | None, idempotency_key: str) -> Call:
    """What is asked of the API: each responder has an alert of its own, found by its alias."""
    priorities = spec.options.get("priorities")
    action, known = act(message), _alias(message, to)
    if action == "ring" or known is None:
        alert = _alert(message, priorities, to)
        return Call("POST", "/v2/alerts", {"alias": known or idempotency_key, **alert})
    alias = quote(known, safe="")
    own = {"source": "Tocsin", "user": "Tocsin"}
    if message.kind == "refresh" and action == "tell":
        loud = by_loudness(priorities, PRIORITIES, message.loudness)
        return Call("PUT", _of(alias, "priority"), {"priority": loud})
    note = {"note": shortened("\n\n".join((headline(message), told(message))), NOTE_LIMIT)}
    paths = {"acknowledge": "acknowledge", "resolve": "close"}
    return Call("POST", _of(alias, paths.get(action, "notes")), own | note)


def _alias(message: Message, to: str | None) -> str | None:
    """The incident and whom it is for: a second responder of one alert would not be told."""
    whom = one_line(to or "")
    return shortened(f"{message.incident} {whom}".strip(), ALIAS_LIMIT) if message.incident else None


def _alert(message: Message, priorities: str | None, to: str | None) -> dict[str, Any]:
    quiet = act(message) == "tell" or message.kind == "inform"
    loudness = len(PRIORITIES) if quiet else message.loudness
    where = [f"{label}: {url}" for label, url in links(message)]
    tags = [message.plan, message.severity, *(["drill"] if message.drill is not None else [])]
    return {
        "message": shortened(headline(message), MESSAGE_LIMIT),
        "description": "\n\n".join(
            text for text in (shortened(told(message), TEXT_LIMIT), "\n".join(where)) if text
        ),
        "responders": _responders(to),
        "tags": [name(tag, TAG_LIMIT) for tag in tags if one_line(tag)],
        "details": {
            key: text for key, text in details(message).items() if key != "text" and len(text) <= DETAIL_LIMIT
        },
        "entity": name(message.service),
        "source": "Tocsin",
        "priority": by_loudness(priorities, PRIORITIES, loudness),
    }


def _responders(to: str | None) -> list[dict[str, str]]:
    """``team:ops``, ``user:ana@example.com``, ``schedule:…``, ``escalation:…`` or a team alone; by commas."""
    named = [each.strip() for each in (to or "").split(",") if each.strip()]
    return [_responder(each) for each in named]


def _responder(text: str) -> dict[str, str]:
    kind, colon, who = text.partition(":")
    if colon and kind == "user":
        return {"type": "user", "username": who.strip()}
    if colon and kind in _BY_NAME:
        return {"type": kind, "name": who.strip()}
    return {"type": "team", "name": text}


def _of(alias: str, what: str) -> str:
    return f"/v2/alerts/{alias}/{what}?identifierType=alias"
