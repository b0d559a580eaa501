"""The tokens in the links of notifications: who may answer what until when, and a MAC over it.

Made short, because a text message has 160 characters: what follows from the rest is left out, numbers are
bytes. Each grant has one token only: whatever is read is written again and must come out the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.adapters.made_once import OnceInAWhile
from shared.domain.answering import Grant
from shared.domain.errors import Unauthenticated
from shared.domain.incident import CROCKFORD, incident_id, parse_incident_id
from shared.ports import Secrets

LONGEST = 600
MAC_BYTES = 16
FORM = b"\x01"
"""Stands last: so no token ends in ``-`` or ``_``, which programs leave out of what they show as a link."""
ASK_AGAIN_AFTER = timedelta(minutes=1)
"""Forged tokens must not become calls of the vault."""
_PURPOSE = b"tocsin answer tokens"
_MOST = 2**32 - 1
_NOT_OURS = "this link is not one of ours or was cut off on its way; open it from the message once more"
_EXPIRED = "this link has expired; sign in to Tocsin, or answer the latest message about the incident"


class KeyedAnswerTokens:
    """`ports.AnswerTokens` under a key of its own, derived from a named secret. Safe across threads."""

    def __init__(self, secrets: Secrets, key_name: str) -> None:
        self._secrets = secrets
        self._key_name = key_name
        self._asking_again = OnceInAWhile(ASK_AGAIN_AFTER)

    def sign(self, grant: Grant) -> str:
        """A token of letters, digits, ``-`` and ``_``. Raises SecretUnavailable.

        ValueError where the grant is of no delivery of that contact about an incident.
        """
        return _token(grant, _key(self._secrets.get(self._key_name)))

    def read(self, token: str, now: datetime) -> Grant:
        """What the token grants, compared in constant time. Raises Unauthenticated, SecretUnavailable."""
        grant = _parsed(token)
        if grant is None or not self._is_ours(grant, token, now):
            raise Unauthenticated(_NOT_OURS)
        if now >= grant.expires:
            raise Unauthenticated(_EXPIRED)
        return grant

    def _is_ours(self, grant: Grant, token: str, now: datetime) -> bool:
        """Under any accepted key; another instance may have a newer one than the one that is cached here."""
        if self._holds(grant, token):
            return True
        if not self._asking_again.is_due(now):
            return False
        self._secrets.recheck(self._key_name)
        return self._holds(grant, token)

    def _holds(self, grant: Grant, token: str) -> bool:
        keys = [_key(value) for value in self._secrets.accepted(self._key_name)]
        given = token.encode("ascii")
        return any(hmac.compare_digest(_token(grant, key).encode("ascii"), given) for key in keys)


def _key(secret: str) -> bytes:
    return hmac.new(secret.encode("utf-8"), _PURPOSE, hashlib.sha256).digest()


def _token(grant: Grant, key: bytes) -> str:
    payload = _payload(grant)
    mac = hmac.new(key, FORM + payload, hashlib.sha256).digest()[:MAC_BYTES]
    return base64.urlsafe_b64encode(payload + mac + FORM).rstrip(b"=").decode("ascii")


def _payload(grant: Grant) -> bytes:
    place = parse_incident_id(grant.incident)
    seq, _, rest = grant.delivery.partition("-")
    contact, _, nth = rest.rpartition("-")
    if place is None or incident_id(*place) != grant.incident or contact != grant.contact:
        raise ValueError("a grant is of a delivery to its contact about its incident")
    if not (seq.isascii() and seq.isdigit() and nth.isascii() and nth.isdigit()):
        raise ValueError("a delivery is named by two numbers and a contact")
    if _delivery(int(seq), contact, int(nth)) != grant.delivery:
        raise ValueError("a delivery is named by two numbers and a contact")
    partition, n = place
    number = 0
    for letter in partition:
        number = number << 5 | CROCKFORD.index(letter)
    expires = int(grant.expires.timestamp())
    numbers = b"".join(_varint(each) for each in (n, int(seq), int(nth)))
    return number.to_bytes(5, "big") + expires.to_bytes(4, "big") + numbers + contact.encode("utf-8")


def _parsed(token: str) -> Grant | None:
    """What a token says, proven by nothing; None where it says nothing."""
    if not token.isascii() or len(token) > LONGEST:
        return None
    try:
        whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        payload = whole[: -MAC_BYTES - len(FORM)]
        rest = iter(payload[9:])
        n, seq, nth = _number(rest), _number(rest), _number(rest)
        contact = bytes(rest).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    number = int.from_bytes(payload[:5], "big")
    partition = "".join(CROCKFORD[number >> shift & 31] for shift in range(35, -1, -5))
    expires = datetime.fromtimestamp(int.from_bytes(payload[5:9], "big"), UTC)
    grant = Grant(incident_id(partition, n), contact, _delivery(seq, contact, nth), expires)
    return grant if parse_incident_id(grant.incident) == (partition, n) and contact else None


def _delivery(seq: int, contact: str, nth: int) -> str:
    return f"{seq:06d}-{contact}-{nth}"


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    pieces = bytearray()
    while number > 127:
        pieces.append(number & 127 | 128)
        number >>= 7
    return bytes([*pieces, number])


def _number(source: Iterator[int]) -> int:
    """Raises ValueError where it breaks off or is larger than any of ours."""
    number, shift = 0, 0
    for piece in source:
        number |= (piece & 127) << shift
        if number > _MOST:
            break
        if piece < 128:
            return number
        shift += 7
    raise ValueError("not a number")
