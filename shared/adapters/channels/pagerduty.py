"""The PagerDuty channel: Events API v2, one alert an incident. What does what: docs/channels.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.adapters.channels.current_secret import doubt_about, with_current_secret
from shared.adapters.channels.downstream import (
    act,
    as_json,
    by_loudness,
    details,
    name,
    place,
    secret_of,
)
from shared.adapters.channels.http_post import Answer, HttpPost, provider_id
from shared.adapters.channels.wording import headline, links, safe_link, shortened
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

VENDOR = "https://events.pagerduty.com"
EVENTS, CHANGES = "/v2/enqueue", "/v2/change/enqueue"
SEVERITIES = "critical,error,warning,info"
SUMMARY_LIMIT = 1_024
_WRONG_KEY = 400
"""What PagerDuty answers to a routing key that is none; to a body that is none, too."""


class PagerDutyChannel:
    """Sends events to the service whose integration key ``spec.secret`` names."""

    kind = "pagerduty"

    def __init__(self, http: HttpPost) -> None:
        self._http = http

    def send(
        self,
        message: Message,
        spec: ChannelSpec,
        to: str | None,  # noqa: ARG002  (the integration key says which service)
        idempotency_key: str,
        secrets: Secrets,
        now: datetime,
    ) -> Accepted:
        """Send one event. Raises DeliveryFailed or SecretUnavailable."""
        secret = secret_of(spec, "its integration key")
        action = act(message)
        where = place(spec, VENDOR, CHANGES if action == "tell" else EVENTS)
        stated = change(message) if action == "tell" else event(message)
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}

        def post(key: str) -> Accepted:
            try:
                answer = self._http.post(where, as_json({"routing_key": key.strip()} | stated), headers, now)
            except DeliveryFailed as failure:
                _refuse_an_old_key(failure, secrets, secret, key)
                raise
            return Accepted(answer.status, _taken_as(answer, None if action == "tell" else message.incident))

        return with_current_secret(secrets, secret, post)


def event(message: Message) -> dict[str, Any]:
    """An event about the incident's alert, without its key."""
    actions = {"ring": "trigger", "acknowledge": "acknowledge", "resolve": "resolve"}
    action = actions[act(message)]
    addressed: dict[str, Any] = {"event_action": action, "dedup_key": message.incident}
    if action != "trigger":
        return addressed
    client_url = safe_link(message.incident_url)
    loudness = len(SEVERITIES.split(",")) if message.kind == "inform" else message.loudness
    return addressed | {
        "payload": {
            "summary": shortened(headline(message), SUMMARY_LIMIT),
            "source": name(message.plan),
            "severity": by_loudness(None, SEVERITIES, loudness),
            "timestamp": message.opened_at.astimezone(UTC).isoformat(),
            "component": name(message.service),
            "group": name(message.plan),
            "class": message.kind,
            "custom_details": details(message),
        },
        "links": _links(message),
        "client": "Tocsin",
        **({"client_url": client_url} if client_url else {}),
    }


def change(message: Message) -> dict[str, Any]:
    """A change event, which PagerDuty shows beside the service's incidents and rings nobody with."""
    return {
        "payload": {
            "summary": shortened(headline(message), SUMMARY_LIMIT),
            "source": name(message.plan),
            "custom_details": details(message),
        },
        "links": _links(message),
    }


def _links(message: Message) -> list[dict[str, str]]:
    return [{"href": url, "text": label} for label, url in links(message)]


def _taken_as(answer: Answer, dedup_key: str | None) -> str | None:
    return provider_id(dedup_key or answer.headers.get("x-request-id"))


def _refuse_an_old_key(failure: DeliveryFailed, secrets: Secrets, secret: str, used: str) -> None:
    """A key that was refused may have been changed: then the next try has the new one."""
    if failure.status != _WRONG_KEY:
        return
    doubt = doubt_about(secrets, secret, used)
    if doubt is not None:
        why = f"answered {_WRONG_KEY} to {doubt}"
        raise DeliveryFailed(why, permanent=False, status=_WRONG_KEY) from None
