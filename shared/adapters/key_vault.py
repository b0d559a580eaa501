"""Secrets from Azure Key Vault, cached so that a page goes out although the vault is slow or gone."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from shared.domain.errors import SecretUnavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.secrets import SecretClient

FRESH_SECONDS = 600.0
JITTER = 0.2
"""Share by which `FRESH_SECONDS` varies, so that instances and secrets do not ask all at once."""
STALE_SECONDS = 86_400.0
"""How long a value still serves while the vault does not answer."""
ABSENT_SECONDS = 30.0
"""How long "there is no such secret" is believed, and an old value served without asking again."""
SILENT_SECONDS = 5.0
"""Pause before a vault that did not answer is asked again where there is no old value."""
WAIT_SECONDS = 3.0
"""How long a caller waits for the vault; what comes later still enters the cache."""
CURRENT_SECONDS = 10.0
"""A value this young is not forgotten, lest forged calls make us ask the vault for each of them."""
_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")


def open_vault(
    vault_url: str,
    client_id: str | None = None,
    credential: TokenCredential | None = None,
    **options: Any,  # noqa: ANN401  (the SDK's own)
) -> SecretClient:
    """A client with our timeouts; as the managed identity ``client_id``, or whoever is signed in.

    ``credential`` and ``options`` replace what would be chosen.
    """
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
    from azure.keyvault.secrets import SecretClient

    if credential is None:
        credential = ManagedIdentityCredential(client_id=client_id) if client_id else DefaultAzureCredential()
    timing = {"connection_timeout": 2, "read_timeout": 3, "retry_total": 1, "retry_backoff_factor": 0.1}
    return SecretClient(vault_url, credential, **(timing | options))


@dataclass(frozen=True)
class _Known:
    """What was last learnt about one secret; instants are of the cache's clock."""

    ask_again_at: float
    value: str | None = None
    read_at: float = 0.0
    why: str = ""
    """Why there is no value, or why it is old."""


class KeyVaultSecrets:
    """Safe across threads, with one fetch at a time per name."""

    def __init__(
        self, open_client: Callable[[], SecretClient], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``open_client`` is called once, when a secret is first asked for; ``clock`` counts seconds."""
        self._open_client = open_client
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._fetches: dict[str, tuple[object, Future[None]]] = {}
        self._client: SecretClient | None = None
        self._client_lock = threading.Lock()

    def get(self, name: str) -> str:
        """The value: from the cache while fresh, from the vault, or stale while the vault does not answer.

        Raises SecretUnavailable. Waits for the vault at most `WAIT_SECONDS`.
        """
        if not _NAME.fullmatch(name):
            raise SecretUnavailable(f"{name[:127]!r} cannot be the name of a secret")
        with self._lock:
            known = self._known.get(name)
            if known is not None and self._clock() < known.ask_again_at:
                return self._served(name, known)
            fetch = self._fetches[name][1] if name in self._fetches else self._start(name)
        if wait([fetch], timeout=WAIT_SECONDS).done:
            fetch.result()
        with self._lock:
            return self._served(name, self._known.get(name, known))

    def forget(self, name: str) -> None:
        """Ask the vault at the next `get`, and never serve the old value again."""
        with self._lock:
            known = self._known.get(name)
            if known is not None and self._clock() - known.read_at >= CURRENT_SECONDS:
                del self._known[name]
                self._fetches.pop(name, None)  # it may have read the old value: nobody waits for it now

    def _served(self, name: str, known: _Known | None) -> str:
        if known is None:
            raise SecretUnavailable(f'secret "{name}": the vault did not answer in time')
        if known.value is None or self._clock() - known.read_at > STALE_SECONDS:
            raise SecretUnavailable(f'secret "{name}": {known.why or "the vault did not answer in time"}')
        return known.value

    def _start(self, name: str) -> Future[None]:
        threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tocsin-vault")
        ticket = object()
        fetch = threads.submit(self._fetch, name, ticket, self._known.get(name))
        threads.shutdown(wait=False)
        self._fetches[name] = (ticket, fetch)
        return fetch

    def _fetch(self, name: str, ticket: object, known: _Known | None) -> None:
        learnt = None
        try:
            learnt = self._ask(self._opened(), name, known)
        finally:
            with self._lock:
                if name in self._fetches and self._fetches[name][0] is ticket:
                    del self._fetches[name]
                    if learnt is not None:
                        self._known[name] = learnt

    def _ask(self, client: SecretClient, name: str, known: _Known | None) -> _Known:
        from azure.core.exceptions import AzureError

        try:
            value = client.get_secret(name).value
        except (AzureError, ValueError) as fault:  # ValueError: a challenge that the SDK does not trust
            return self._without(known, *_explained(fault))
        now = self._clock()
        if not value:
            return _Known(now + ABSENT_SECONDS, why="it is empty")
        fresh = FRESH_SECONDS * (1 + JITTER * SystemRandom().uniform(-1, 1))
        return _Known(now + fresh, value, now)

    def _without(self, known: _Known | None, gone: bool, why: str) -> _Known:
        now = self._clock()
        if gone:
            return _Known(now + ABSENT_SECONDS, why=why)
        if known is None or known.value is None:
            return _Known(now + SILENT_SECONDS, why=why)
        return replace(known, ask_again_at=now + ABSENT_SECONDS, why=why)

    def _opened(self) -> SecretClient:
        with self._client_lock:
            if self._client is None:
                self._client = self._open_client()
            return self._client


def _explained(fault: Exception) -> tuple[bool, str]:
    """Whether the vault says that there is no value to be had, and why, without the SDK's URLs."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

    if isinstance(fault, ResourceNotFoundError):
        return True, "the vault has no such secret"
    if isinstance(fault, HttpResponseError) and "SecretDisabled" in str(fault.error):
        return True, "it is disabled"
    if isinstance(fault, ClientAuthenticationError):
        return False, "the vault, or the identity to ask it with, refused"
    status = getattr(fault, "status_code", None)
    return False, f"the vault answered {status}" if status else "the vault did not answer"
