"""Using a secret that may have been rotated: a refusal is taken for final only if the value is current."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.ports import Accepted, Secrets

REFUSALS = frozenset({401, 403, 404, 410, 535})
"""Answers that a revoked URL, key or password gets (HTTP, and SMTP's 535)."""


def with_current_secret(secrets: Secrets, name: str, attempt: Callable[[str], Accepted]) -> Accepted:
    """Do ``attempt`` with the secret's value, once.

    Where it is refused for good although the secret has changed meanwhile, or nobody can say just now whether
    it has, the failure is made temporary: the next try has the new value. Raises DeliveryFailed or
    SecretUnavailable.
    """
    used = secrets.get(name)
    if not used.strip():
        raise DeliveryFailed(f'secret "{name}" is empty', permanent=True)
    try:
        return attempt(used)
    except DeliveryFailed as failure:
        if not failure.permanent or failure.status not in REFUSALS:
            raise
        doubt = doubt_about(secrets, name, used)
        if doubt is None:
            raise
        status = failure.status
    raise DeliveryFailed(f"answered {status} to {doubt}", permanent=False, status=status)


def doubt_about(secrets: Secrets, name: str, used: str) -> str | None:
    """Why the refusal of ``used`` may not be final, in words; None: that it is current was just confirmed."""
    old = f'an old value of secret "{name}"; the next try uses the new one'
    try:
        if secrets.get(name) != used:
            return old
        confirmed = secrets.forget(name)
        if secrets.get(name) != used:
            return old
    except SecretUnavailable:
        return f'secret "{name}", whose current value is not to be had now'
    return None if confirmed else f'secret "{name}", which may have changed since it was read'
