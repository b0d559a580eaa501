"""How the vault is reached: as whom, and how long an answer may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

TIMING: dict[str, Any] = {
    "connection_timeout": 2,
    "read_timeout": 3,
    "retry_total": 1,
    "retry_backoff_factor": 0.1,
}
"""Options of every client: somebody waits for what it asks."""


def own_credential(client_id: str | None) -> TokenCredential:
    """The managed identity ``client_id``, or whoever is signed in.

    Clients that share it share its tokens.
    """
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id) if client_id else DefaultAzureCredential()
