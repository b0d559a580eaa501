"""The webhook channel: the message as JSON, signed, for whatever receives it. Shape: docs/channels.md."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.http_post import Address, Answer, HttpPost, address, provider_id
from shared.adapters.channels.wording import (
    answer_link,
    cleaned,
    marked,
    one_line,
    own_words,
    safe_link,
    shortened,
    title,
)
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

TITLE_LIMIT, REASON_LIMIT, SUMMARY_LIMIT, NAME_LIMIT, TEXT_LIMIT = 500, 1_000, 8_000, 200, 16_000


class WebhookChannel:
    """Posts to ``spec.url``, or to the secret that ``options["url_secret"]`` names."""

    kind = "webhook"

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
        """Post once, signed where ``spec.secret`` names a key. Raises DeliveryFailed or SecretUnavailable."""
        body = public_payload(message) if spec.options.get("public") == "true" else payload(message, to)
        stated = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}

        def post(where: Address) -> Accepted:
            if spec.secret is None:
                return _accepted(self._http.post(where, body, stated | _timestamp(now), now))
            return with_current_secret(
                secrets,
                spec.secret,
                lambda key: _accepted(self._http.post(where, body, stated | signed(key, body, now), now)),
            )

        url_secret = spec.options.get("url_secret")
        if url_secret is not None:
            named = f'secret "{url_secret}"'
            return with_current_secret(secrets, url_secret, lambda url: post(address(url, named)))
        if spec.url is None:
            raise DeliveryFailed(f'channel "{spec.name}" has neither url nor url_secret', permanent=True)
        return post(address(spec.url, f'the url of channel "{spec.name}"'))


def public_payload(message: Message) -> bytes:
    """For a status page: the plan's own words and nothing of ours. Raises DeliveryFailed without any."""
    if message.words is None:
        raise DeliveryFailed("a public channel takes the words of a template alone", permanent=True)
    stated = {
        "kind": message.kind,
        "plan": message.plan,
        "incident": message.incident,
        "status": message.status,
        "opened_at": message.opened_at.astimezone(UTC).isoformat(),
        "drill": _name(message.drill),
        "subject": _subject(message),
        "text": shortened(own_words(message), TEXT_LIMIT),
    }
    return json.dumps(stated, ensure_ascii=False).encode("utf-8")


def payload(message: Message, to: str | None = None) -> bytes:
    """The documented JSON object, in UTF-8; ``to`` is the contact's address on this channel."""
    stated = {
        "to": to,
        "kind": message.kind,
        "plan": message.plan,
        "incident": message.incident,
        "title": shortened(marked(message, title(message)), TITLE_LIMIT),
        "severity": one_line(message.severity),
        "service": one_line(message.service),
        "status": message.status,
        "opened_at": message.opened_at.astimezone(UTC).isoformat(),
        "reason": shortened(one_line(message.reason), REASON_LIMIT),
        "summary": shortened(cleaned(message.summary), SUMMARY_LIMIT),
        "incident_url": safe_link(message.incident_url),
        "source_url": safe_link(message.source_url),
        "answer_url": answer_link(message),
        "drill": _name(message.drill),
        "runbook": _name(message.runbook),
        "runbook_url": safe_link(message.runbook_url),
        "subject": _subject(message),
        "text": shortened(own_words(message), TEXT_LIMIT) or None,
    }
    return json.dumps(stated, ensure_ascii=False).encode("utf-8")


def signed(key: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers that prove who sent ``body`` and when: hex HMAC-SHA256 over ``<seconds>.<body>``."""
    headers = _timestamp(now)
    text = headers["X-Tocsin-Timestamp"].encode() + b"." + body
    digest = hmac.new(key.encode("utf-8", "surrogatepass"), text, hashlib.sha256).hexdigest()
    return headers | {"X-Tocsin-Signature": f"sha256={digest}"}


def _name(text: str | None) -> str | None:
    return None if text is None else shortened(one_line(text), NAME_LIMIT)


def _subject(message: Message) -> str | None:
    own = one_line(message.words.subject) if message.words else ""
    return shortened(marked(message, own), TITLE_LIMIT) if own else None


def _timestamp(now: datetime) -> dict[str, str]:
    return {"X-Tocsin-Timestamp": str(int(now.timestamp()))}


def _accepted(answer: Answer) -> Accepted:
    own = provider_id(answer.headers.get("x-request-id"))
    return Accepted(answer.status, own or _id_in(answer.body))


def _id_in(body: bytes) -> str | None:
    try:
        stated = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return provider_id(stated.get("id")) if isinstance(stated, dict) else None
