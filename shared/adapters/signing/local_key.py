"""Signs exports with a key among the secrets: for development, and for places without a vault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.adapters.signing.public_keys import ALGORITHM, SIZE, holds, jwk_of_key
from shared.domain.errors import SecretUnavailable
from shared.export_ports import Signature
from shared.ports import Secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

SECRET = "signing-key"  # noqa: S105  (the name of the secret)


class LocalSigning:
    """`ports.Signing` by a private key in PEM; the secret's value before goes on being published."""

    def __init__(self, secrets: Secrets, name: str = SECRET) -> None:
        self._secrets = secrets
        self._name = name

    def sign(self, content: bytes) -> Signature:
        """See `ports.Signing`."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        key = self._key(self._secrets.get(self._name))
        r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
        jwk = jwk_of_key(key.public_key())
        return Signature(jwk["kid"], ALGORITHM, r.to_bytes(SIZE, "big") + s.to_bytes(SIZE, "big"), jwk)

    def holds(self, content: bytes, signature: Signature) -> bool:
        """See `ports.Signing`."""
        return holds(content, signature, self.public_keys())

    def public_keys(self) -> Sequence[dict[str, str]]:
        """See `ports.Signing`."""
        return [jwk_of_key(self._key(pem).public_key()) for pem in self._secrets.accepted(self._name)]

    def _key(self, pem: str) -> EllipticCurvePrivateKey:
        """The key; lines may be parted by a backslash and an n, as a setting has room for one line only."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem.replace("\\n", "\n").encode("utf-8"), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise SecretUnavailable(f'secret "{self._name}": no private key on P-256 in PEM')
        return key
