"""The versions of one secret in Key Vault: which went before the current one, and whether it still counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.core.rest import HttpRequest, HttpResponse
    from azure.keyvault.secrets import SecretClient, SecretProperties

GRACE = timedelta(hours=24)
"""How long after a version was made the one before it still counts; so a key that leaked ends with the day on
which it was replaced, and at once where it is disabled."""
MOST_VERSIONS = 500
"""Versions of one secret that are looked through; the vault lists them in no order."""


@dataclass(frozen=True)
class Version:
    """One version of a secret: its id, and when it was made."""

    id: str
    created: datetime | None


def earlier_version(client: SecretClient, name: str, current: Version) -> tuple[str, float] | None:
    """The value of the version beside the current one, and for how many seconds it still counts; None: none.

    Of several the one made last. Time is the vault's own. Raises what the SDK raises.
    """
    dates: list[datetime] = []

    def note(response: PipelineResponse[HttpRequest, HttpResponse]) -> None:
        dates.append(_date(response.http_response.headers.get("Date", "")))

    versions = client.list_properties_of_secret_versions(name, raw_response_hook=note)
    listed = list(islice(versions, MOST_VERSIONS))
    if not dates:
        return None
    now = max(dates)
    usable = [one for one in listed if one.version != current.id and _is_usable(one, now)]
    last = max(usable, key=_made, default=None)
    if last is None or last.version is None or current.created is None:
        return None
    left = max(current.created, _made(last)) + GRACE - now
    if left <= timedelta(0):
        return None
    value = client.get_secret(name, last.version).value
    return (value, left / timedelta(seconds=1)) if value else None


def _date(stated: str) -> datetime:
    date = parsedate_to_datetime(stated)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _made(version: SecretProperties) -> datetime:
    if version.created_on is None:
        raise ValueError("the vault lists a version without saying when it was made")
    return version.created_on


def _is_usable(version: SecretProperties, now: datetime) -> bool:
    begun = version.not_before is None or version.not_before <= now
    return bool(version.enabled) and begun and (version.expires_on is None or now < version.expires_on)


def explained(fault: Exception) -> tuple[bool, str]:
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
