"""Names and texts at rest: AES-256-GCM under data keys, which are themselves kept only wrapped."""

from __future__ import annotations

import base64
import binascii
import os
import re
from datetime import datetime
from typing import Protocol

from shared.domain.errors import TocsinError

NONCE_BYTES = 12
_SEALED = re.compile(r"v1\.([0-9a-f]{16,40})\.([A-Za-z0-9_-]+)")


class Unopenable(TocsinError):
    """What is stored is no sealed text, or was sealed for another place, or was changed."""


class Keys(Protocol):
    """Data keys of 32 bytes. Both may raise SecretUnavailable and StoreUnavailable, within seconds."""

    def current(self, now: datetime | None) -> tuple[str, bytes]:
        """The key under which to seal, with its id; a new one where the last has served its time.

        Without ``now`` its age is not looked at.
        """

    def get(self, id: str) -> bytes:
        """The key of that id. Raises NotFound where there is none."""

    def look(self) -> None:
        """Whether what wraps them works at all."""


class Sealing:
    """Seals texts as ``v1.<key id>.<base64url of nonce and ciphertext>``, each for one place only."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def seal(self, text: str, place: str, now: datetime | None = None) -> str:
        """The text, which opens at ``place`` alone. Raises SecretUnavailable, StoreUnavailable."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        id, key = self._keys.current(now)
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, _bytes(text), _bytes(f"v1.{id}\n{place}"))
        return f"v1.{id}.{_written(sealed)}"

    def look(self) -> None:
        """Raises SecretUnavailable where the newest key could not be had, or no new one could be made."""
        self._keys.look()

    def open(self, sealed: str, place: str) -> str:
        """The text. Raises Unopenable, SecretUnavailable, StoreUnavailable; NotFound: its key is gone."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        parts = _SEALED.fullmatch(sealed)
        if parts is None:
            raise Unopenable("it is not in the form of a sealed text")
        key = self._keys.get(parts[1])
        try:
            content = base64.urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4))
            if _written(content) != parts[2]:
                raise Unopenable("it was changed")
            opened = AESGCM(key).decrypt(
                content[:NONCE_BYTES], content[NONCE_BYTES:], _bytes(f"v1.{parts[1]}\n{place}")
            )
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise Unopenable("it was sealed for another place, or changed") from error
        return opened.decode("utf-8", "surrogatepass")


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
