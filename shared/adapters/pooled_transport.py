"""A transport for azure-core that sends straight through urllib3: `requests` doubles what a request costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import certifi
import urllib3
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest

MOST_CONNECTIONS = 64
_NEVER_SENT = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end; headers are found whatever their case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


class PooledTransport(HttpTransport[HttpRequest, Answer]):
    """``counted`` is called for every request that goes on the wire."""

    def __init__(
        self,
        connection_timeout: float,
        read_timeout: float,
        counted: Callable[[], None],
        authorities: str | None = None,
    ) -> None:
        """``authorities``: a file of certificates to believe, other than the usual."""
        self._counted = counted
        self._timeouts = (connection_timeout, read_timeout)
        self._pool = urllib3.PoolManager(
            maxsize=MOST_CONNECTIONS, retries=False, ca_certs=authorities or certifi.where()
        )

    def send(self, request: HttpRequest, **options: Any) -> Answer:  # noqa: ANN401  (as inherited)
        """Once. Raises ServiceRequestError where nothing was sent, else ServiceResponseError."""
        self._counted()
        connect, read = self._timeouts
        timeout = urllib3.Timeout(min(connect, options.get("connection_timeout", connect)), read)
        try:
            answer = self._pool.urlopen(
                request.method,
                request.url,
                body=request.content,
                headers=request.headers,
                timeout=timeout,
                redirect=False,
            )
        except _NEVER_SENT as error:
            raise ServiceRequestError(error, error=error) from error
        except urllib3.exceptions.HTTPError as error:
            raise ServiceResponseError(error, error=error) from error
        return Answer(answer.status, answer.headers, answer.data)

    def open(self) -> None:
        """Connections are opened as they are needed."""

    def close(self) -> None:
        """Close those that are idle."""
        self._pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()
