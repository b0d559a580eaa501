"""Which plans may be meant by a call: those one of whose secrets has signed it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from shared.adapters.made_once import OnceInAWhile
from shared.domain.errors import SecretUnavailable, TooLarge, Unauthenticated
from shared.domain.plan import Plan
from shared.ports import Plans, Secrets

LARGEST_BODY = 64 * 1024
ASK_AGAIN_AFTER = timedelta(minutes=1)
"""Forged calls must not become calls of the vault."""
AT_ONCE = 16
"""Secrets that are asked for at the same time."""
SECONDS = 1.5
"""What one call may spend on secrets: Slack waits for three seconds, and something has to be done yet."""
Signature = Callable[[str], str | None]
"""What a secret's value makes of the call; None where it can be no key."""


class SignedPlans:
    """The plans by the secrets that they name for one chat. Safe across threads."""

    def __init__(self, plans: Plans, secrets: Secrets, named: Callable[[Plan], str | None]) -> None:
        """``named`` gives the name of a plan's secret."""
        self._plans = plans
        self._secrets = secrets
        self._named = named
        self._asking_again = OnceInAWhile(ASK_AGAIN_AFTER)

    def of(self, signature: Signature, given: str, now: datetime) -> tuple[Plan, ...]:
        """The plans whose secret makes the ``given`` signature; at least one.

        Where none does, the secrets are read once more: one may have been rotated since. A secret that is not
        available in time keeps nobody out who proves another. Raises Unauthenticated, SecretUnavailable.
        """
        candidates = [(plan, name) for plan in self._plans.all() if (name := self._named(plan))]
        names = list(dict.fromkeys(name for _, name in candidates))
        until = time.monotonic() + SECONDS
        signs, missing = self._signing(names, signature, given, until)
        if not signs and names and self._asking_again.is_due(now):
            for name in names:
                self._secrets.recheck(name)
            if time.monotonic() < until:  # else the next call finds what was rotated
                signs, missing = self._signing(names, signature, given, until)
        if not signs and missing is not None:
            raise missing
        if not signs:
            raise Unauthenticated("the call is not signed with a secret that a plan names for this chat")
        return tuple(plan for plan, name in candidates if name in signs)

    def _signing(
        self, names: Sequence[str], signature: Signature, given: str, until: float
    ) -> tuple[set[str], SecretUnavailable | None]:
        """The names of the secrets that sign it; and why one is missing, where one is."""
        if not names:
            return set(), None
        threads = ThreadPoolExecutor(min(len(names), AT_ONCE), thread_name_prefix="tocsin-signed")
        asked = {name: threads.submit(self._secrets.accepted, name) for name in names}
        wait(asked.values(), timeout=max(until - time.monotonic(), 0.0))
        threads.shutdown(wait=False, cancel_futures=True)
        signs: set[str] = set()
        missing: SecretUnavailable | None = None
        for name, answer in asked.items():
            if not answer.done() or answer.cancelled():
                missing = SecretUnavailable(f'secret "{name}": the vault did not answer in time')
                continue
            try:
                if _is_among(given, [signature(value) for value in answer.result()]):
                    signs.add(name)
            except SecretUnavailable as error:
                missing = error
        return signs, missing


def refuse_if_large(body: bytes) -> None:
    """Raises TooLarge."""
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"the body has {len(body)} bytes; at most {LARGEST_BODY} are taken")


def _is_among(given: str, made: Sequence[str | None]) -> bool:
    """Compared in constant time, each of them."""
    said = given.encode("utf-8", "replace")
    return sum(hmac.compare_digest(said, each.encode()) for each in made if each) > 0
