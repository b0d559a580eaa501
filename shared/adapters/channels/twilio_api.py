"""One call of Twilio's REST API on behalf of a channel: who signs in, from where, and what it answers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode, urlsplit

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.http_post import HttpPost, address, provider_id
from shared.domain.delivery import Answering
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Secrets

API = "https://api.twilio.com"
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY = re.compile(r"SK[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
Form = list[tuple[str, str]]


def number_of(to: str | None, spec: ChannelSpec) -> str:
    """The contact's number. Raises DeliveryFailed (permanent), which does not repeat it."""
    if to is None or not _NUMBER.fullmatch(to.strip()):
        raise DeliveryFailed(
            f'channel "{spec.name}": the contact has no telephone number on it', permanent=True
        )
    return to.strip()


def callback(answering: Answering | None, what: str) -> str | None:
    """Where Twilio tells us ``what`` about this notification; None where it could not reach us safely."""
    if answering is None or urlsplit(answering.provider).scheme != "https":
        return None
    return f"{answering.provider}/{what}?{urlencode({'token': answering.token})}"


def create(
    http: HttpPost,
    spec: ChannelSpec,
    resource: str,
    form: Form,
    idempotency_key: str,
    secrets: Secrets,
    now: datetime,
) -> Accepted:
    """Create a resource (``Messages``, ``Calls``) of the channel's account; its SID is the provider's id.

    Raises DeliveryFailed or SecretUnavailable.
    """
    account = _stated(spec, "account", _ACCOUNT)
    user = _stated(spec, "key", _KEY) if "key" in spec.options else account
    if spec.secret is None:
        raise DeliveryFailed(f'channel "{spec.name}" names no secret with its auth token', permanent=True)
    named = f'the API of channel "{spec.name}"'
    base = address(spec.url or API, named).url.rstrip("/")
    where = address(f"{base}/2010-04-01/Accounts/{account}/{resource}.json", named)
    body = urlencode(form, errors="replace").encode("ascii")

    def post(password: str) -> Accepted:
        headers = _headers(user, password.strip(), idempotency_key)
        answer = http.post(where, body, headers, now)
        return Accepted(answer.status, _sid_in(answer.body))

    return with_current_secret(secrets, spec.secret, post)


def _headers(user: str, password: str, idempotency_key: str) -> Mapping[str, str]:
    signed_in = base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode("ascii")
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "Authorization": f"Basic {signed_in}",
        "Idempotency-Key": idempotency_key,
    }


def _stated(spec: ChannelSpec, option: str, looks: re.Pattern[str]) -> str:
    value = spec.options.get(option, "")
    if not looks.fullmatch(value):
        raise DeliveryFailed(f'channel "{spec.name}": option {option} is no SID of Twilio', permanent=True)
    return value


def _sid_in(body: bytes) -> str | None:
    try:
        stated = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return provider_id(stated.get("sid")) if isinstance(stated, dict) else None
