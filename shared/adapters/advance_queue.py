"""Queue `advance`: asks for one incident to be looked at, now or at its deadline."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

log = logging.getLogger(__name__)


class StorageAdvanceQueue:
    """`ports.AdvanceQueue` on Azure Queue Storage."""

    def __init__(self, queue: QueueClient) -> None:
        self.queue = queue

    def look(self) -> int:
        """About how many messages wait. Raises StoreUnavailable."""
        from shared.adapters.entity_groups import translated

        with translated():
            return self.queue.get_queue_properties().approximate_message_count or 0

    def send(self, incident_id: str, delay: timedelta = timedelta(0)) -> bool:
        """One message, hidden for ``delay`` (rounded up to seconds)."""
        from azure.core.exceptions import AzureError

        hidden = -(-delay // timedelta(seconds=1))
        try:
            self.queue.send_message(incident_id, visibility_timeout=max(0, hidden))
        except AzureError as error:
            log.warning("queue advance took no message for %s (%s)", incident_id, type(error).__name__)
            return False
        return True
