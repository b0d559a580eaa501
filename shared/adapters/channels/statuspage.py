"""The Statuspage channel: one entry an incident on a public page, in the plan's own words alone."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.downstream import as_json, by_loudness, field_of, place, secret_of
from shared.adapters.channels.http_post import HttpPost, provider_id
from shared.adapters.channels.wording import one_line, own_words, shortened
from shared.domain.delivery import Kind, Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

VENDOR = "https://api.statuspage.io"
NEWS: frozenset[Kind] = frozenset({"escalation", "manual", "inform", "update", "cleared", "resolved"})
"""Kinds that say something of the incident; the others are for people who work on it."""
PHASES = ("investigating", "identified", "monitoring", "resolved")
IMPACTS = "critical,major,minor"
COMPONENT = {"critical": "major_outage", "major": "partial_outage", "minor": "degraded_performance"}
NAME_LIMIT, BODY_LIMIT = 200, 16_000
GONE = frozenset({404, 410})
TOO_MANY = 420
"""Statuspage's own word for 429: one call a second."""
LEAVES_TIME = 10.0
"""Seconds that an update may have taken for a second call to fit into the port's 30."""
_ID = re.compile("[A-Za-z0-9_-]{1,64}")
_TAG = re.compile("<(?=[A-Za-z/!?])")


class StatuspageChannel:
    """Keeps the entries of the page ``options["page"]`` with the API key that ``spec.secret`` names."""

    kind = "statuspage"

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
        """Make the incident's entry, or go on with the one that is there; anew where it has been deleted.

        Raises DeliveryFailed or SecretUnavailable.
        """
        _refuse_what_is_not_for_the_public(message)
        secret = secret_of(spec, "its API key")
        entries = f"/v1/pages/{_page(spec)}/incidents"
        stated = entry(message, spec.options.get("impact"), _components(spec, to))
        known = message.first_id if message.first_id and _ID.fullmatch(message.first_id) else None

        def call(method: str, path: str, incident: dict[str, Any], key: str) -> Accepted:
            headers = {
                "Content-Type": "application/json",
                "Authorization": f"OAuth {key.strip()}",
                "Idempotency-Key": idempotency_key,
            }
            where, sent = place(spec, VENDOR, path), as_json({"incident": incident})
            try:
                answer = self._http.send(method, where, sent, headers, now)
            except DeliveryFailed as failure:
                raise _as_temporary(failure) from None
            return Accepted(answer.status, provider_id(field_of(answer.body, "id")) or known)

        def post(key: str) -> Accepted:
            if known is not None:
                started = time.monotonic()
                try:
                    return call("PATCH", f"{entries}/{known}", stated, key)
                except DeliveryFailed as failure:
                    if failure.status not in GONE:
                        raise
                if time.monotonic() - started > LEAVES_TIME:
                    raise DeliveryFailed("its entry is gone, which took long to find out", permanent=False)
            return call("POST", entries, {"name": _name(message)} | stated, key)

        return with_current_secret(secrets, secret, post)


def entry(message: Message, impacts: str | None, components: tuple[str, ...]) -> dict[str, Any]:
    """An entry's news: where the response stands, in the plan's words, and what components do meanwhile."""
    phase, impact = _phase(message), by_loudness(impacts, IMPACTS, message.loudness)
    over = phase == "resolved"
    state = "operational" if over else COMPONENT.get(impact)
    stated: dict[str, Any] = {"status": phase, "body": shortened(_untagged(own_words(message)), BODY_LIMIT)}
    if not over:
        stated["impact_override"] = impact
    if components and state:
        stated |= {"component_ids": list(components), "components": dict.fromkeys(components, state)}
    return stated


def _refuse_what_is_not_for_the_public(message: Message) -> None:
    if message.drill is not None:
        raise DeliveryFailed("a drill is not for the public", permanent=True)
    if not message.in_own_words or not own_words(message):
        raise DeliveryFailed("a public channel takes the words of a template alone", permanent=True)
    if message.kind not in NEWS:
        raise DeliveryFailed(
            f"a notification of kind {message.kind} is no news for the public", permanent=True
        )


def _phase(message: Message) -> str:
    if message.kind == "resolved" and message.status == "resolved":
        return "resolved"
    return message.phase if message.phase in PHASES else PHASES[0]


def _name(message: Message) -> str:
    """The plan's subject, else the first line of its words."""
    own = one_line(message.words.subject) if message.words else ""
    return shortened(_untagged(own or own_words(message).split("\n", 1)[0]), NAME_LIMIT)


def _untagged(text: str) -> str:
    """Statuspage renders HTML: what looks like a tag is broken, and reads the same."""
    return _TAG.sub("<\u200b", text)


def _page(spec: ChannelSpec) -> str:
    page = spec.options.get("page", "")
    if not _ID.fullmatch(page):
        raise DeliveryFailed(f'channel "{spec.name}" names no page', permanent=True)
    return page


def _components(spec: ChannelSpec, to: str | None) -> tuple[str, ...]:
    named = tuple(each.strip() for each in (to or "").split(",") if each.strip())
    if not all(_ID.fullmatch(each) for each in named):
        raise DeliveryFailed(f'an address on channel "{spec.name}" is no list of components', permanent=True)
    return named


def _as_temporary(failure: DeliveryFailed) -> DeliveryFailed:
    if failure.status != TOO_MANY:
        return failure
    return DeliveryFailed(str(failure), permanent=False, status=TOO_MANY, retry_after=failure.retry_after)
