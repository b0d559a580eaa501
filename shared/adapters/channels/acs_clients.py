"""Azure Communication Services: the vendor's SDKs sign and word the request, our bounded HTTP sends it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import HttpTransport
from azure.core.utils import case_insensitive_dict

from shared.adapters.channels.http_post import Answer, HttpPost, address
from shared.domain.errors import DeliveryFailed

if TYPE_CHECKING:
    from azure.communication.email import EmailClient

T = TypeVar("T")
_ONCE = {"retry_total": 0, "permit_redirects": False}
"""Whether to try again is decided elsewhere."""
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What an SDK raises over an answer that is not as it was promised."""


@dataclass(frozen=True)
class Resource:
    """What a connection string says: ``endpoint=https://acme.communication.azure.com/;accesskey=…``."""

    named: str
    """What errors may call it: the secret's name, never its value."""
    endpoint: str
    """``https://host``, without a slash at its end."""
    key: str = field(repr=False)


def resource(connection_string: str, named: str) -> Resource:
    """The checked connection string. Raises DeliveryFailed (permanent)."""
    elements = (element.partition("=") for element in connection_string.split(";"))
    parts = {name.strip().lower(): value.strip() for name, _, value in elements}
    key, endpoint = parts.get("accesskey", ""), parts.get("endpoint", "")
    if not key or not endpoint or not _is_key(key):
        raise DeliveryFailed(f"{named} is not a connection string", permanent=True)
    url = address(endpoint if "://" in endpoint else f"https://{endpoint}", named).url
    split = urlsplit(url)
    if split.path not in {"", "/"} or split.query or split.fragment or "@" in split.netloc:
        raise DeliveryFailed(f"the endpoint in {named} is more than a host", permanent=True)
    host = split.netloc.lower()  # it is signed as it stands here, and sent in lower case
    return Resource(named, f"{split.scheme}://{host}", key)


class PostTransport(HttpTransport[Any, Any]):
    """Sends what an SDK has made once, by `HttpPost`; whatever is no 2xx leaves it as DeliveryFailed."""

    def __init__(self, http: HttpPost, named: str, now: datetime) -> None:
        self._http, self._named, self._now = http, named, now
        self.answer: Answer | None = None
        """What the service said, once it has taken the request."""

    def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401, ARG002  (as inherited)
        """Once. Raises DeliveryFailed."""
        body = request.body or b""
        data = body.encode("utf-8") if isinstance(body, str) else body
        to = address(request.url, self._named)
        self.answer = self._http.post(to, data, dict(request.headers), self._now)
        return _Taken(request, self.answer)

    def open(self) -> None:
        """Connections are opened as they are needed."""

    def close(self) -> None:
        """The pool is not ours."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()


class _Taken:
    """A 2xx as the SDKs read it. Of its headers they get the type of the body alone."""

    reason = ""

    def __init__(self, request: Any, answer: Answer) -> None:  # noqa: ANN401  (two generations of requests)
        self.request, self.content = request, answer.body
        self.status_code = answer.status
        self.content_type = answer.headers.get("content-type") or "application/json"
        self.headers = case_insensitive_dict({"Content-Type": self.content_type})

    def read(self) -> bytes:
        return self.content

    def body(self) -> bytes:
        return self.content

    def text(self, _encoding: str | None = None) -> str:
        return self.content.decode("utf-8-sig")

    def iter_bytes(self) -> Iterator[bytes]:
        yield self.content


def sms_client(of: Resource, transport: PostTransport) -> Any:  # noqa: ANN401  (its own types are wrong)
    """An ``SmsClient`` for one send."""
    from azure.communication.sms import SmsClient
    from azure.core.credentials import AzureKeyCredential

    return SmsClient(of.endpoint, AzureKeyCredential(of.key), transport=transport, **_ONCE)


def email_client(of: Resource, transport: PostTransport) -> EmailClient:
    """A client for one send."""
    from azure.communication.email import EmailClient
    from azure.core.credentials import AzureKeyCredential

    return EmailClient(of.endpoint, AzureKeyCredential(of.key), transport=transport, **_ONCE)


def understood(transport: PostTransport, named: str, call: Callable[[], T]) -> tuple[Answer, T | None]:
    """What the service answered, and what the SDK made of it; None where it could make nothing of a 2xx.

    Raises DeliveryFailed.
    """
    from msrest.exceptions import ClientException

    result = None
    with suppress(AzureError, ClientException, *_UNREADABLE):
        result = call()
    if transport.answer is None:
        raise DeliveryFailed(f"{named}: the SDK could not make the request", permanent=True)
    return transport.answer, result


def _is_key(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
