"""Using a secret that may have been rotated: a refusal is taken for final only if the value is current."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.ports import Accepted, Secrets

REFUSALS = frozenset({401, 403, 404, 410, 535})
"""Answers that a revoked URL, key or password gets (HTTP, and SMTP's 535)."""


def with_current_secret(secrets: Secrets, name: str, attempt: Callable[[str], Accepted]) -> Accepted:
    """Do ``attempt`` with the secret's value, once.

    Where it is refused for good although the secret has changed meanwhile, the failure is made temporary: the
    next try has the new value. Raises DeliveryFailed or SecretUnavailable.
    """
    used = secrets.get(name)
    if not used.strip():
        raise DeliveryFailed(f'secret "{name}" is empty', permanent=True)
    try:
        return attempt(used)
    except DeliveryFailed as failure:
        if not failure.permanent or failure.status not in REFUSALS or not _has_changed(secrets, name, used):
            raise
        status = failure.status
    raise DeliveryFailed(
        f'answered {status} to an old value of secret "{name}"; the next try uses the new one',
        permanent=False,
        status=status,
    )


def _has_changed(secrets: Secrets, name: str, used: str) -> bool:
    secrets.forget(name)
    try:
        return secrets.get(name) != used
    except SecretUnavailable:
        return False
