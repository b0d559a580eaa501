"""What wraps data keys: a key that never leaves Azure Key Vault, or a secret where there is no vault."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.adapters.sealing_keys import NotOurs
from shared.adapters.vault_versions import explained
from shared.domain.errors import SecretUnavailable
from shared.ports import Secrets

if TYPE_CHECKING:
    from azure.keyvault.keys import KeyClient
    from azure.keyvault.keys.crypto import CryptographyClient

SECRET = "texts-key"  # noqa: S105  (the name of the secret)
LOCAL = "secret"
"""By what a data key was wrapped that no vault has wrapped."""
_NONCE = 12
_NEVER = (400, 404)
"""What a vault answers where another key has wrapped it, or the version that did is no more."""


class LocalWrapping:
    """Wraps with AES-256-GCM under a secret: for development, and for places without a vault.

    What was wrapped under the secret's value before still opens, and is wrapped anew when it is come across.
    """

    def __init__(self, secrets: Secrets, name: str = SECRET) -> None:
        self._secrets = secrets
        self._name = name

    def wrap(self, key: bytes, id: str) -> tuple[bytes, str]:
        """See `sealing_keys.Wrapping`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(_derived(self._secrets.get(self._name))).encrypt(nonce, key, id.encode()), LOCAL

    def unwrap(self, wrapped: bytes, id: str, by: str) -> bytes:
        """See `sealing_keys.Wrapping`."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if by != LOCAL:
            raise NotOurs(f"data key {id} was wrapped by a vault, and none is set here")
        for value in self._secrets.accepted(self._name):
            try:
                return AESGCM(_derived(value)).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], id.encode())
            except (InvalidTag, ValueError):
                continue
        raise NotOurs(f'data key {id} was wrapped under another value of the secret "{self._name}"')

    def renewed(self, wrapped: bytes, id: str, by: str) -> tuple[bytes, str] | None:
        """See `sealing_keys.Wrapping`: under the value that is current, where it was the one before."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if by != LOCAL:
            return None
        try:
            current = AESGCM(_derived(self._secrets.get(self._name)))
            current.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], id.encode())
        except (InvalidTag, ValueError):
            return self.wrap(self.unwrap(wrapped, id, by), id)
        return None


class VaultWrapping:
    """Wraps with RSA-OAEP-256 under a key of Azure Key Vault; older versions of it go on unwrapping."""

    def __init__(self, open_client: Callable[[], KeyClient], name: str) -> None:
        """``open_client`` is called once, when a key is first wrapped or unwrapped."""
        self._open_client = open_client
        self._name = name
        self._lock = threading.Lock()
        self._client: KeyClient | None = None

    def wrap(self, key: bytes, id: str) -> tuple[bytes, str]:  # noqa: ARG002  (as the port has it)
        """See `sealing_keys.Wrapping`; by the version that is current."""
        from azure.core.exceptions import AzureError
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm

        try:
            done = self._cryptography(None).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, key)
        except (AzureError, ValueError, NotImplementedError) as fault:
            raise self._unavailable(fault) from fault
        version = _version(str(done.key_id or ""))
        if not version:
            raise SecretUnavailable(f'key "{self._name}": the vault may not be asked which version it is')
        return done.encrypted_key, version

    def unwrap(self, wrapped: bytes, id: str, by: str) -> bytes:
        """See `sealing_keys.Wrapping`; by the version that wrapped it."""
        from azure.core.exceptions import AzureError
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm

        if by == LOCAL:
            raise NotOurs(f"data key {id} was wrapped by a secret, and a vault is set here")
        try:
            done = self._cryptography(by).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped)
        except (AzureError, ValueError, NotImplementedError) as fault:
            if getattr(fault, "status_code", None) in _NEVER:
                raise NotOurs(f"data key {id}: {self._unavailable(fault)}") from fault
            raise self._unavailable(fault) from fault
        return bytes(done.key)

    def renewed(self, wrapped: bytes, id: str, by: str) -> None:
        """See `sealing_keys.Wrapping`: never, for older versions of the key stay in the vault."""

    def _cryptography(self, version: str | None) -> CryptographyClient:
        with self._lock:
            if self._client is None:
                self._client = self._open_client()
            return self._client.get_cryptography_client(self._name, key_version=version)

    def _unavailable(self, fault: Exception) -> SecretUnavailable:
        gone, why = explained(fault)
        return SecretUnavailable(f'key "{self._name}": {"the vault has no such key" if gone else why}')


def _derived(secret: str) -> bytes:
    return hashlib.sha256(b"tocsin texts\n" + secret.encode("utf-8")).digest()


def _version(key_id: str) -> str:
    """The last part of ``https://…/keys/<name>/<version>``."""
    parts = key_id.partition("/keys/")[2].split("/")
    return parts[1] if len(parts) > 1 else ""
