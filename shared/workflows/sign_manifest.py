"""`manifest.sig`: who vouches for a bundle. Not part of its bytes, as no two signatures are alike."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from shared.domain.errors import Conflict
from shared.export_ports import Exports, Signature, Signing
from shared.kpi.kpi_json import pretty
from shared.kpi.shelf import Bundle

NAME = "manifest.sig"
FORMAT = 1


@dataclass
class SignManifest:
    """Signs a bundle's manifest, or finds that it is signed."""

    signing: Signing

    def sign(self, bundle: Bundle, content: bytes, exports: Exports) -> bool:
        """Write the signature of this ``manifest.json``; one that stands there already is checked and kept.

        False where what stands there is no signature of ours of this manifest. Raises SecretUnavailable and
        StoreUnavailable: then the bundle must not be completed.
        """
        name = bundle.blob(NAME)
        if name in exports.names(name):
            return self.holds(content, exports.read(name))
        try:
            exports.write(name, [rendered(content, self.signing.sign(content))])
        except Conflict:
            return self.holds(content, exports.read(name))
        return True

    def holds(self, content: bytes, written: bytes) -> bool:
        """Whether these bytes are a ``manifest.sig`` by one of our keys, of that ``manifest.json``."""
        try:
            said: Any = json.loads(written)
            signature = Signature(
                said["key_id"],
                said["algorithm"],
                base64.urlsafe_b64decode(said["signature"] + "=="),
                said["jwk"],
            )
            return rendered(content, signature) == written and self.signing.holds(content, signature)
        except (ValueError, KeyError, TypeError):
            return False


def rendered(content: bytes, signature: Signature) -> bytes:
    """The file: one form for one signature, so that a changed byte shows."""
    value = base64.urlsafe_b64encode(signature.value).rstrip(b"=").decode("ascii")
    return pretty(
        {
            "format": FORMAT,
            "algorithm": signature.algorithm,
            "key_id": signature.key_id,
            "jwk": dict(signature.jwk),
            "manifest_sha256": hashlib.sha256(content).hexdigest(),
            "signature": value,
        }
    )
