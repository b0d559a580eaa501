"""Proof that a call comes from the source that the plan trusts: a bearer token, a signed body, or both."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.domain.errors import SecretUnavailable, Unauthenticated
from shared.domain.plan import SourceTrust
from shared.ports import Secrets

WINDOW_SECONDS = 300
"""How far a signed timestamp may be from now, in either direction."""
_SECONDS = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class BodySignature:
    """How a source signs: HMAC-SHA256, in hex, over the body, or over timestamp, separator and body."""

    signature_header: str
    timestamp_header: str | None
    """None where the source signs no timestamp unless told to."""
    separator: bytes
    prefix: str = ""
    """What stands before the hex digits."""


GRAFANA_SIGNATURE = BodySignature("X-Grafana-Alerting-Signature", None, b":")
TOCSIN_SIGNATURE = BodySignature("X-Tocsin-Signature", "X-Tocsin-Timestamp", b".", "sha256=")


def signature_of(scheme: BodySignature, secret: str, body: bytes, timestamp: str | None) -> str:
    """The value of the signature header."""
    message = body if timestamp is None else _bytes(timestamp) + scheme.separator + body
    return scheme.prefix + hmac.new(_bytes(secret), message, hashlib.sha256).hexdigest()


def check_call(
    headers: Mapping[str, str],
    body: bytes,
    trust: SourceTrust,
    secrets: Secrets,
    now: datetime,
    scheme: BodySignature | None,
) -> None:
    """Raises Unauthenticated where a proof that ``trust`` asks for is missing or wrong.

    Header names are lower-case. ``scheme`` is None where the source signs nothing: asking it for a signature
    refuses every call, rather than none. Raises SecretUnavailable as ``secrets`` does, and for an empty one.
    """
    if trust.bearer_secret is not None:
        _check_bearer(headers, _secret(secrets, trust.bearer_secret))
    if trust.hmac_secret is not None:
        if scheme is None:
            raise Unauthenticated("the plan asks for a signature, and this source signs nothing")
        _check_signature(headers, body, trust, _secret(secrets, trust.hmac_secret), now, scheme)


def _check_bearer(headers: Mapping[str, str], token: str) -> None:
    kind, _, given = headers.get("authorization", "").strip().partition(" ")
    if kind.lower() != "bearer":
        raise Unauthenticated("the header Authorization: Bearer is missing")
    if not hmac.compare_digest(_bytes(given.strip()), _bytes(token)):
        raise Unauthenticated("the bearer token is wrong")


def _check_signature(
    headers: Mapping[str, str],
    body: bytes,
    trust: SourceTrust,
    secret: str,
    now: datetime,
    scheme: BodySignature,
) -> None:
    name = trust.signature_header or scheme.signature_header
    given = headers.get(name.lower(), "").strip()
    if not given:
        raise Unauthenticated(f"the header {name} is missing")
    timestamp_name = trust.timestamp_header or scheme.timestamp_header
    timestamp = _timestamp(headers, timestamp_name, now) if timestamp_name else None
    if not hmac.compare_digest(_bytes(given.lower()), _bytes(signature_of(scheme, secret, body, timestamp))):
        raise Unauthenticated(f"the signature in {name} is wrong")


def _timestamp(headers: Mapping[str, str], name: str, now: datetime) -> str:
    timestamp = headers.get(name.lower(), "").strip()
    if _SECONDS.fullmatch(timestamp) is None:
        raise Unauthenticated(f"the header {name} is missing, or does not give seconds since 1970")
    if abs(now.timestamp() - int(timestamp)) > WINDOW_SECONDS:
        raise Unauthenticated(f"the time in {name} is more than {WINDOW_SECONDS} seconds from ours")
    return timestamp


def _secret(secrets: Secrets, name: str) -> str:
    value = secrets.get(name)
    if not value:
        raise SecretUnavailable(f"the secret {name} is empty")
    return value


def _bytes(text: str) -> bytes:
    # A server may hand over a header with surrogates in it; comparing must not raise.
    return text.encode("utf-8", "surrogatepass")
