"""Public keys on the curve P-256 as JSON Web Keys, and whether one of them made a signature (ES256)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from shared.export_ports import Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

ALGORITHM = "ES256"
SIZE = 32
"""Bytes of a coordinate, and of each half of a signature."""


def jwk_of(x: bytes, y: bytes) -> dict[str, str]:
    """The key at that point, named by its thumbprint; coordinates may lack leading zeros."""
    needed = {"crv": "P-256", "kty": "EC", "x": _text(x.rjust(SIZE, b"\0")), "y": _text(y.rjust(SIZE, b"\0"))}
    written = json.dumps(needed, sort_keys=True, separators=(",", ":")).encode("ascii")
    kid = _text(hashlib.sha256(written).digest())
    return {**needed, "alg": ALGORITHM, "use": "sig", "kid": kid}


def jwk_of_key(key: EllipticCurvePublicKey) -> dict[str, str]:
    """The same of a key of `cryptography`."""
    numbers = key.public_numbers()
    return jwk_of(numbers.x.to_bytes(SIZE, "big"), numbers.y.to_bytes(SIZE, "big"))


def holds(content: bytes, signature: Signature, keys: Iterable[Mapping[str, str]]) -> bool:
    """Whether the one of these keys that the signature names made it of this content."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    key = next((one for one in keys if one["kid"] == signature.key_id), None)
    if key is None or signature.algorithm != ALGORITHM or len(signature.value) != 2 * SIZE:
        return False
    x, y = (int.from_bytes(_bytes(key[axis]), "big") for axis in ("x", "y"))
    r, s = (int.from_bytes(half, "big") for half in (signature.value[:SIZE], signature.value[SIZE:]))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    try:
        public.verify(encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
