"""Clients for tables, queue and blobs, with our own timeouts, retries, pooling and count of round trips."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.settings import StorageAccess

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient
    from azure.storage.blob import BlobServiceClient
    from azure.storage.queue import QueueClient

    from shared.adapters.table_wire import Wire, WiredTable

TIMING = {
    "connection_timeout": 2,
    "read_timeout": 5,
    "retry_total": 3,
    "retry_connect": 2,
    "retry_read": 2,
    "retry_status": 3,
    "retry_backoff_factor": 0.1,
    "retry_backoff_max": 1,
}
"""The SDK would wait 300 s and retry for minutes; senders and people give up long before."""
BACKOFF = {"initial_backoff": 0.1, "increment_base": 0.5, "random_jitter_range": 0.1}
"""Queues and blobs have a retry policy of their own, which waits 15 s and more; this makes it under one."""
IMPATIENT = {"read_timeout": 1, "retry_total": 0}
"""For the queue: a message only saves time, and the sender's 202 waits for it."""
LONGEST_CALL = 10
"""Seconds that one call to a table may take, all of its tries together."""


@dataclass
class RoundTrips:
    """Counts HTTP requests to storage, retries included; safe across threads."""

    total: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self) -> None:
        """One more."""
        with self._lock:
            self.total += 1

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """Counts what is sent inside the block, by whatever thread; read element 0 afterwards."""
        before, answer = self.total, [0]
        try:
            yield answer
        finally:
            answer[0] = self.total - before


class StorageClients:
    """Builds each client once, when it is first asked for."""

    def __init__(self, access: StorageAccess) -> None:
        self.access = access
        self.round_trips = RoundTrips()
        self._credential: Any = None

    def tables(self) -> Tables:
        """The table service."""
        from azure.data.tables import TableServiceClient

        options = self._options(timeout=LONGEST_CALL)
        if self.access.connection_string:
            service = TableServiceClient.from_connection_string(self.access.connection_string, **options)
            return self._tables(service, service.credential, options)
        credential = self._identity()
        service = TableServiceClient(self.access.table_uri or "", credential=credential, **options)
        return self._tables(service, credential, options)

    def queue(self, name: str) -> QueueClient:
        """One queue."""
        from azure.storage.queue import QueueClient

        if self.access.connection_string:
            return QueueClient.from_connection_string(
                self.access.connection_string, name, **self._options(**IMPATIENT)
            )
        return QueueClient(
            self.access.queue_uri or "",
            name,
            credential=self._identity(),
            **self._options(**IMPATIENT),
        )

    def blobs(self) -> BlobServiceClient:
        """The blob service."""
        from azure.storage.blob import BlobServiceClient

        if self.access.connection_string:
            return BlobServiceClient.from_connection_string(
                self.access.connection_string, **self._options(**BACKOFF)
            )
        return BlobServiceClient(
            self.access.blob_uri or "", credential=self._identity(), **self._options(**BACKOFF)
        )

    def make_containers(self) -> None:
        """Make the tables, the queue and the container where they are missing: local storage starts empty."""
        from azure.core.exceptions import ResourceExistsError

        from shared.adapters.entity_groups import translated
        from shared.adapters.names import CONTAINER, QUEUE, TABLES

        tables, blobs = self.tables(), self.blobs()
        with translated():
            for name in TABLES:
                tables.create_table_if_not_exists(name)
            for make in (
                self.queue(QUEUE).create_queue,
                blobs.get_container_client(CONTAINER).create_container,
            ):
                with suppress(ResourceExistsError):
                    make()

    def _tables(self, service: TableServiceClient, credential: Any, options: dict[str, Any]) -> Tables:  # noqa: ANN401  (the SDKs' credentials have no common type)
        from shared.adapters.pooled_transport import PooledTransport
        from shared.adapters.table_wire import Wire

        patience = {name: TIMING[name] for name in TIMING if name.startswith("retry_")}
        transport = PooledTransport(
            TIMING["connection_timeout"], TIMING["read_timeout"], self.round_trips.add
        )
        wire = Wire(service.url, credential, transport, timeout=LONGEST_CALL, **patience)
        return Tables(service, wire, {"credential": credential, **options})

    def _identity(self) -> Any:  # noqa: ANN401  (the SDKs' credentials have no common type)
        if self._credential is None:
            from azure.identity import ManagedIdentityCredential

            self._credential = ManagedIdentityCredential(client_id=self.access.client_id)
        return self._credential

    def _options(self, **changes: object) -> dict[str, Any]:
        timing = {**TIMING, **changes}
        return {**timing, "transport": _transport(self.round_trips, timing["read_timeout"])}


class Tables:
    """The tables of an account, all on one pool of connections."""

    def __init__(self, service: TableServiceClient, wire: Wire, options: dict[str, Any]) -> None:
        self._service = service
        self._wire = wire
        self._options = options

    def get_table_client(self, name: str) -> WiredTable:
        """One table."""
        from shared.adapters.table_wire import WiredTable

        table = WiredTable(self._service.url, name, **self._options)
        table.wire = self._wire
        return table

    def create_table_if_not_exists(self, name: str) -> None:
        """Make a table, unless it is there."""
        self._service.create_table_if_not_exists(name)


def _transport(round_trips: RoundTrips, read_timeout: object) -> Any:  # noqa: ANN401  (made here, so that imports stay light)
    import requests
    from azure.core.pipeline.transport import HttpRequest, HttpResponse, RequestsTransport
    from requests.adapters import HTTPAdapter

    class CountingTransport(RequestsTransport):  # type: ignore[misc]  # the SDK types it as Any
        """Each request that goes on the wire, retries included, is one round trip."""

        def send(self, request: HttpRequest, **options: Any) -> HttpResponse:  # noqa: ANN401
            round_trips.add()
            answer: HttpResponse = super().send(request, **options)
            return answer

    session = requests.Session()
    session.trust_env = False
    pool = HTTPAdapter(pool_connections=4, pool_maxsize=64)
    session.mount("http://", pool)
    session.mount("https://", pool)
    return CountingTransport(
        session=session,
        session_owner=False,
        connection_timeout=TIMING["connection_timeout"],
        read_timeout=read_timeout,
    )
