"""Signs exports with a key that never leaves Azure Key Vault; every enabled version of it is published."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.adapters.made_once import MadeOnce
from shared.adapters.signing.public_keys import ALGORITHM, SIZE, holds, jwk_of
from shared.adapters.vault_access import TIMING, own_credential
from shared.adapters.vault_versions import explained
from shared.domain.errors import SecretUnavailable
from shared.export_ports import Signature

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.keys import JsonWebKey, KeyClient, KeyProperties

FRESH_SECONDS = 600.0
"""How long the list of versions is believed."""
SILENT_SECONDS = 10.0
"""Pause before a vault that did not answer is asked for the list again."""
ASKED_AGAIN_SECONDS = 10.0
"""For so long after the list was read, a signature by an unknown key does not have it read anew."""
PATIENCE_SECONDS = 10.0
"""How long reading the list and its keys may take, give or take one request."""
MOST_VERSIONS = 100
"""Versions that are published, the newest of them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger(__name__)


def open_keys(
    vault_url: str,
    client_id: str | None = None,
    credential: TokenCredential | None = None,
    **options: Any,  # noqa: ANN401  (the SDK's own)
) -> KeyClient:
    """A client with our timeouts; as the managed identity ``client_id``, or whoever is signed in.

    ``credential`` and ``options`` replace what would be chosen.
    """
    from azure.keyvault.keys import KeyClient

    return KeyClient(vault_url, credential or own_credential(client_id), **(TIMING | options))


class VaultSigning:
    """`ports.Signing`; safe across threads, of which one at a time reads the list of versions."""

    def __init__(
        self,
        open_client: Callable[[], KeyClient],
        name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``open_client`` is called once, when first needed; ``clock`` counts seconds."""
        self._client = MadeOnce(open_client)
        self._name = name
        self._clock = clock
        self._reading = threading.Lock()
        self._published: list[dict[str, str]] = []
        self._read_at: float | None = None
        self._ask_again_at = 0.0
        self._why = ""
        self._of_version: dict[str, dict[str, str]] = {}

    def sign(self, content: bytes) -> Signature:
        """See `ports.Signing`. What the vault gives is checked before it is believed."""
        from azure.keyvault.keys.crypto import SignatureAlgorithm

        with self._translated():
            client = self._client.get()
            key = client.get_key(self._name)
            jwk = self._public(key.key)
            signer = client.get_cryptography_client(self._name, key_version=key.properties.version)
            value = signer.sign(SignatureAlgorithm.es256, hashlib.sha256(content).digest()).signature
        signature = Signature(jwk["kid"], ALGORITHM, value, jwk)
        if not holds(content, signature, [jwk]):
            raise SecretUnavailable(f'key "{self._name}": the vault gave a signature that does not hold')
        return signature

    def holds(self, content: bytes, signature: Signature) -> bool:
        """See `ports.Signing`; for a key not known yet the list is read once more."""
        if all(one["kid"] != signature.key_id for one in self.public_keys()):
            if self._clock() - (self._read_at or 0.0) < ASKED_AGAIN_SECONDS:
                return False
            self._ask_again_at = 0.0
        return holds(content, signature, self.public_keys())

    def public_keys(self) -> Sequence[dict[str, str]]:
        """See `ports.Signing`; from the cache while fresh, or while the vault does not answer."""
        if self._clock() >= self._ask_again_at:
            began = time.monotonic()
            if self._reading.acquire(timeout=0 if self._published else PATIENCE_SECONDS):
                try:
                    if self._clock() >= self._ask_again_at:
                        self._read(began)
                finally:
                    self._reading.release()
        if not self._published:
            raise SecretUnavailable(self._why or f'key "{self._name}": the vault did not answer in time')
        return list(self._published)

    def _read(self, began: float) -> None:
        try:
            self._published = self._versions(began + PATIENCE_SECONDS)
        except SecretUnavailable as fault:
            self._why = str(fault)
            self._ask_again_at = self._clock() + SILENT_SECONDS
            _log.warning("public keys were not read: %s", fault)
        else:
            self._read_at = self._clock()
            self._ask_again_at = self._read_at + FRESH_SECONDS

    def _versions(self, until: float) -> list[dict[str, str]]:
        """The enabled versions, newest first; a version's key never changes and is read once."""
        with self._translated():
            client = self._client.get()
            listed = list(islice(client.list_properties_of_key_versions(self._name), 5 * MOST_VERSIONS))
            enabled = sorted((one for one in listed if one.enabled), key=_made, reverse=True)
            found = []
            for one in enabled[:MOST_VERSIONS]:
                version = str(one.version)
                if version not in self._of_version:
                    if time.monotonic() > until:
                        raise SecretUnavailable(f'key "{self._name}": the vault did not answer in time')
                    self._of_version[version] = self._public(client.get_key(self._name, version).key)
                found.append(self._of_version[version])
        if not found:
            raise SecretUnavailable(f'key "{self._name}": the vault has no enabled version of it')
        return found

    def _public(self, key: JsonWebKey) -> dict[str, str]:
        # The SDK declares none of these attributes; its enumerations equal their texts.
        kind, curve, x, y = (getattr(key, part, None) for part in ("kty", "crv", "x", "y"))
        if kind not in ("EC", "EC-HSM") or curve != "P-256" or not x or not y or max(len(x), len(y)) > SIZE:
            raise SecretUnavailable(f'key "{self._name}": it is no key on P-256')
        return jwk_of(bytes(x), bytes(y))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The SDK's errors in our words, without its addresses."""
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        try:
            yield
        except ResourceNotFoundError as fault:
            raise SecretUnavailable(f'key "{self._name}": the vault has no such key') from fault
        except (AzureError, ValueError) as fault:  # ValueError: a challenge that the SDK does not trust
            raise SecretUnavailable(f'key "{self._name}": {explained(fault)[1]}') from fault


def _made(version: KeyProperties) -> datetime:
    return version.created_on or _EPOCH
