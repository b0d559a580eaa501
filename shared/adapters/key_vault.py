"""Secrets from Azure Key Vault, cached so that a page goes out although the vault is slow or gone."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from shared.adapters.made_once import MadeOnce
from shared.adapters.vault_access import TIMING, own_credential
from shared.adapters.vault_versions import Version, earlier_version, explained
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
HELD_SECONDS = 0.7
"""How long a caller waits where an older value may be served instead."""
CURRENT_SECONDS = 10.0
"""For so long after a secret was forgotten, or checked again, the same is not done once more: else each of
many refusals, or forged calls, would ask the vault."""
REFUSED = frozenset({401, 403})
"""What an identity gets that may not list versions; it is not asked again each time."""
SHOWN_OF_VERSION = 8
"""Digits of a version that are logged."""
_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")
_log = logging.getLogger(__name__)


def open_vault(
    vault_url: str,
    client_id: str | None = None,
    credential: TokenCredential | None = None,
    **options: Any,  # noqa: ANN401  (the SDK's own)
) -> SecretClient:
    """A client with our timeouts; as the managed identity ``client_id``, or whoever is signed in.

    ``credential`` and ``options`` replace what would be chosen.
    """
    from azure.keyvault.secrets import SecretClient

    return SecretClient(vault_url, credential or own_credential(client_id), **(TIMING | options))


@dataclass(frozen=True)
class _Known:
    """What was last learnt about one secret; instants are of the cache's clock."""

    ask_again_at: float
    value: str | None = None
    why: str = ""
    """Why there is no value, or why it is old."""
    version: Version | None = None
    serves_until: float = 0.0
    """When even an old value is served no more."""


_Ask = Callable[["SecretClient", _Known | None], _Known]


class KeyVaultSecrets:
    """Safe across threads, with one fetch at a time per name."""

    def __init__(
        self, open_client: Callable[[], SecretClient], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``open_client`` is called once, when a secret is first asked for; ``clock`` counts seconds."""
        self._client = MadeOnce(open_client)
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        """By the name of a secret; by name, slash and version what went before that version."""
        self._fetches: dict[str, tuple[object, Future[None]]] = {}
        self._forgotten: dict[str, float] = {}
        self._rechecked: dict[str, float] = {}
        self._in_use: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The value: from the cache while fresh, from the vault, or stale while the vault does not answer.

        Raises SecretUnavailable. Waits for the vault at most `WAIT_SECONDS`.
        """
        return self._current(name)[0]

    def accepted(self, name: str) -> Sequence[str]:
        """The current value; then, within a day of its making, that of the version before it.

        The version before is asked for here only, and left out where it is disabled, has expired or cannot
        be read. Raises SecretUnavailable; waits for the vault at most twice `WAIT_SECONDS`.
        """
        value, current = self._current(name)
        if current.version is None:
            return [value]

        def ask(client: SecretClient, known: _Known | None) -> _Known:
            return self._ask_for_earlier(client, name, current, known)

        earlier = self._learnt(f"{name}/{current.version.id}", ask)
        if earlier is None or earlier.value in (None, value) or self._clock() >= earlier.serves_until:
            return [value]
        return [value, str(earlier.value)]

    def recheck(self, name: str) -> None:
        """Ask the vault at the next `get` or `accepted`, once in `CURRENT_SECONDS`; forgets nothing."""
        with self._lock:
            if not self._is_due(self._rechecked, name):
                return
            self._ask_again(name, self._clock())

    def forget(self, name: str) -> bool:
        """Ask the vault at the next `get`, and never serve the old values again unless it gives them.

        False within `CURRENT_SECONDS` of the last time: then what is cached stays until they are over.
        """
        with self._lock:
            if not self._is_due(self._forgotten, name):
                self._ask_again(name, self._forgotten.get(name, 0.0) + CURRENT_SECONDS)
                return False
            self._drop(name, all_of_it=True)
            return True

    def version(self, name: str) -> str | None:
        """Id of the version whose value was last read; None where none was."""
        return self._in_use.get(name)

    def _current(self, name: str) -> tuple[str, _Known]:
        if not _NAME.fullmatch(name):
            raise SecretUnavailable(f"{name[:127]!r} cannot be the name of a secret")
        known = self._learnt(name, lambda client, known: self._ask(client, name, known))
        if known is None:
            raise SecretUnavailable(f'secret "{name}": the vault did not answer in time')
        if known.value is None or not self._serves(known):
            raise SecretUnavailable(f'secret "{name}": {known.why or "the vault did not answer in time"}')
        return known.value, known

    def _learnt(self, key: str, ask: _Ask) -> _Known | None:
        """What is known, asked anew where it is time to; None where the vault takes too long."""
        began = time.monotonic()
        while True:
            with self._lock:
                known = self._known.get(key)
                if known is not None and self._clock() < known.ask_again_at:
                    return known
                fetch = self._fetches[key][1] if key in self._fetches else self._start(key, ask)
            is_held = self._serves(known) or (known is not None and "/" in key)  # it may be left out
            seconds = min(HELD_SECONDS, WAIT_SECONDS) if is_held else WAIT_SECONDS
            done = wait([fetch], timeout=max(0.0, began + seconds - time.monotonic())).done
            if done:
                fetch.result()
            known = self._known.get(key)
            if known is not None or not done:  # else it was forgotten while it was fetched
                return known

    def _serves(self, known: _Known | None) -> bool:
        return known is not None and known.value is not None and self._clock() <= known.serves_until

    def _start(self, key: str, ask: _Ask) -> Future[None]:
        threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tocsin-vault")
        ticket = object()
        fetch = threads.submit(self._fetch, key, ask, ticket, self._known.get(key))
        threads.shutdown(wait=False)
        self._fetches[key] = (ticket, fetch)
        return fetch

    def _fetch(self, key: str, ask: _Ask, ticket: object, known: _Known | None) -> None:
        learnt = None
        try:
            learnt = ask(self._client.get(), known)
        finally:
            with self._lock:
                if key in self._fetches and self._fetches[key][0] is ticket:
                    del self._fetches[key]
                    if learnt is not None:
                        self._keep(key, learnt)

    def _keep(self, key: str, learnt: _Known) -> None:
        self._known[key] = learnt
        if "/" in key or learnt.version is None or self._in_use.get(key) == learnt.version.id:
            return
        self._drop(key, all_of_it=False)
        self._in_use[key] = learnt.version.id
        _log.info('secret "%s": version %s is in use', key, learnt.version.id[:SHOWN_OF_VERSION])

    def _is_due(self, done: dict[str, float], name: str) -> bool:
        """Whether to do what ``done`` says when it was done last; notes that it is."""
        now = self._clock()
        if name not in self._known or now - done.get(name, -CURRENT_SECONDS) < CURRENT_SECONDS:
            return False
        done[name] = now
        return True

    def _ask_again(self, name: str, at: float) -> None:
        """Ask the vault at ``at``, if not sooner; until it answers, what is known serves on."""
        for key in self._keys(self._known, name):
            known = self._known[key]
            self._known[key] = replace(known, ask_again_at=min(known.ask_again_at, at))

    def _drop(self, name: str, *, all_of_it: bool) -> None:
        """Drop what is known of earlier versions, and of the current one too; nobody waits for it now."""
        for table in (self._known, self._fetches):
            for key in self._keys(table, name):
                if all_of_it or key != name:
                    del table[key]

    @staticmethod
    def _keys(table: Mapping[str, object], name: str) -> list[str]:
        """Of the secret itself and of what went before its versions."""
        return [key for key in table if key == name or key.startswith(f"{name}/")]

    def _ask(self, client: SecretClient, name: str, known: _Known | None) -> _Known:
        from azure.core.exceptions import AzureError

        try:
            secret = client.get_secret(name)
        except (AzureError, ValueError) as fault:  # ValueError: a challenge that the SDK does not trust
            return self._without(known, *explained(fault))
        now = self._clock()
        if not secret.value:
            return _Known(now + ABSENT_SECONDS, why="it is empty")
        properties = secret.properties
        version = Version(properties.version, properties.created_on) if properties.version else None
        return _Known(self._fresh_until(), secret.value, version=version, serves_until=now + STALE_SECONDS)

    def _ask_for_earlier(
        self, client: SecretClient, name: str, current: _Known, known: _Known | None
    ) -> _Known:
        from azure.core.exceptions import AzureError

        if current.version is None:
            raise AssertionError("asked for what went before a version that has no id")
        try:
            found = earlier_version(client, name, current.version)
        except (AzureError, ValueError) as fault:
            gone, why = explained(fault)
            _log.info('secret "%s": no earlier version is accepted: %s', name, why)
            learnt = self._without(known, gone, why)
            if gone or learnt.value is not None or getattr(fault, "status_code", None) not in REFUSED:
                return learnt
            return replace(learnt, ask_again_at=self._fresh_until())
        if found is None:
            return _Known(self._fresh_until())
        value, seconds = found
        return _Known(self._fresh_until(), value, serves_until=self._clock() + seconds)

    def _fresh_until(self) -> float:
        return self._clock() + FRESH_SECONDS * (1 + JITTER * SystemRandom().uniform(-1, 1))

    def _without(self, known: _Known | None, gone: bool, why: str) -> _Known:
        now = self._clock()
        if gone:
            return _Known(now + ABSENT_SECONDS, why=why)
        if known is None or known.value is None:
            return _Known(now + SILENT_SECONDS, why=why)
        return replace(known, ask_again_at=now + ABSENT_SECONDS, why=why)
