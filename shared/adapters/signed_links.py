"""Links that open without signing in: the path is signed, and the signature says nothing else."""

from __future__ import annotations

import hashlib
import hmac

from shared.ports import Secrets

_PURPOSE = b"tocsin signed links"


class KeyedLinks:
    """`ports.SignedLinks` under a key of its own, derived from a named secret."""

    def __init__(self, secrets: Secrets, key_name: str) -> None:
        self.secrets = secrets
        self.key_name = key_name

    def sign(self, path: str) -> str:
        """64 hex digits: HMAC-SHA256 of the path."""
        root = self.secrets.get(self.key_name).encode("utf-8")
        key = hmac.new(root, _PURPOSE, hashlib.sha256).digest()
        return hmac.new(key, path.encode("utf-8"), hashlib.sha256).hexdigest()

    def holds(self, path: str, signature: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self.sign(path).encode(), signature.encode("utf-8", "replace"))
