"""The hot path to Table Storage, in the service's own protocol: entity-group transactions and range reads.

The SDK makes e-mail messages of a transaction and starts threads to read the answer, which was most of the
CPU that an alert cost. Signing, retries and errors stay azure-core's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline import Pipeline, PipelineRequest
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy, SansIOHTTPPolicy
from azure.core.rest import HttpRequest
from azure.data.tables import TableClient, UpdateMode

from shared.adapters.pooled_transport import Answer, PooledTransport

_SCOPE = "https://storage.azure.com/.default"
_HEADERS = {
    "Accept": "application/json;odata=minimalmetadata",
    "DataServiceVersion": "3.0",
    "MaxDataServiceVersion": "3.0;NetFx",
    "User-Agent": "tocsin",
    "x-ms-version": "2019-02-02",
}
_PART_HEADERS = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
_SPEAKS = "Accept: application/json;odata=minimalmetadata\r\nDataServiceVersion: 3.0;\r\n"
_WRITES = f"Content-Type: application/json\r\nPrefer: return-no-content\r\n{_SPEAKS}"
_METHODS = {UpdateMode.REPLACE: "PUT", UpdateMode.MERGE: "PATCH"}
_PART = re.compile(rb"\r\n\r\nHTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)")
_TAG = re.compile(rb"^etag: *(.*?)\r$", re.IGNORECASE | re.MULTILINE)
_ERRORS = {404: ResourceNotFoundError, 409: ResourceExistsError, 412: ResourceModifiedError}
_SAFE_TO_REPEAT = frozenset({"POST"})
_CONTINUATION = ("NextPartitionKey", "NextRowKey")


class WiredRow(dict[str, Any]):
    """A row as read: its properties, and the service's word on it under the SDK's names."""

    metadata: Mapping[str, Any]


class WiredTable(TableClient):
    """A table whose transactions and range reads go by a wire of ours; everything else is the SDK's."""

    wire: Wire

    def submit_transaction(self, operations: Iterable[Any], **options: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401, ARG002
        """As the SDK's, for operations on rows of texts, whole numbers and truths.

        Repeated after any failure, even where it may have been done: what is submitted here is conditional,
        or says the same twice. Raises AzureError.
        """
        return [{"etag": tag} for tag in self.wire.transact(self.table_name, operations)]

    def rows(self, partition: str, low: str, high: str, top: int | None = None) -> Iterator[WiredRow]:
        """Rows with ``low`` <= RowKey < ``high``, in order, ``top`` a page. Raises AzureError."""
        return self.wire.rows(self.table_name, partition, low, high, top)


class Wire:
    """One account's table service."""

    def __init__(
        self,
        endpoint: str,
        credential: AzureNamedKeyCredential | TokenCredential,
        transport: PooledTransport,
        **retries: Any,  # noqa: ANN401  (as RetryPolicy takes them)
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        signing = (
            _SharedKeyLite(credential)
            if isinstance(credential, AzureNamedKeyCredential)
            else BearerTokenCredentialPolicy(credential, _SCOPE)
        )
        policies: list[Any] = [RetryPolicy(**retries), _Dated(), signing]
        self._pipeline: Pipeline[HttpRequest, Answer] = Pipeline(transport, policies)

    def transact(self, table: str, operations: Iterable[Any]) -> list[str]:
        """Run a transaction; the rows' new tags, in order. Raises AzureError."""
        mark = uuid.uuid4().hex
        body = self._body(table, operations, mark)
        headers = {**_HEADERS, "Content-Type": f"multipart/mixed; boundary=batch_{mark}"}
        request = HttpRequest("POST", f"{self._endpoint}/$batch", headers=headers, content=body)
        answer = self._pipeline.run(request, retry_on_methods=_SAFE_TO_REPEAT).http_response
        if answer.status_code != 202:
            raise _error(answer.status_code)
        tags = []
        for status, lines in _PART.findall(answer.content):
            if int(status) >= 300:
                raise _error(int(status))
            tag = _TAG.search(lines)
            tags.append(tag[1].decode() if tag else "")
        return tags

    def rows(
        self, table: str, partition: str, low: str, high: str, top: int | None = None
    ) -> Iterator[WiredRow]:
        """A range of a partition, page by page; a page may be empty and not the last."""
        wanted = (
            f"PartitionKey eq {_quoted(partition)} and RowKey ge {_quoted(low)} and RowKey lt {_quoted(high)}"
        )
        query = {"$filter": wanted} | ({"$top": str(top)} if top else {})
        marks: dict[str, str] = {}
        while True:
            address = f"{self._endpoint}/{table}()?{urlencode(query | marks, quote_via=quote)}"
            answer = self._pipeline.run(HttpRequest("GET", address, headers=_HEADERS)).http_response
            if answer.status_code != 200:
                raise _error(answer.status_code)
            yield from map(_row, _document(answer.content))
            following = {name: answer.headers.get(f"x-ms-continuation-{name}") for name in _CONTINUATION}
            if not following["NextPartitionKey"]:
                return
            marks = {name: mark for name, mark in following.items() if mark}

    def _body(self, table: str, operations: Iterable[Any], mark: str) -> bytes:
        address = f"{self._endpoint}/{table}"
        pieces = [
            f"--batch_{mark}\r\nContent-Type: multipart/mixed; boundary=changeset_{mark}\r\n\r\n",
        ]
        for number, operation in enumerate(operations):
            pieces += (
                f"--changeset_{mark}\r\n{_PART_HEADERS}Content-ID: {number}\r\n\r\n",
                _operation(address, *operation),
                "\r\n",
            )
        pieces.append(f"--changeset_{mark}--\r\n\r\n--batch_{mark}--\r\n")
        return "".join(pieces).encode("utf-8", "replace")


class _Dated(SansIOHTTPPolicy[HttpRequest, Answer]):
    """The service asks for the time of every request; each try has its own."""

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Now, as HTTP writes it."""
        request.http_request.headers["x-ms-date"] = formatdate(usegmt=True)


class _SharedKeyLite(SansIOHTTPPolicy[HttpRequest, Answer]):
    """Signs with the account's key, each try anew: only storage on the developer's machine is reached so."""

    def __init__(self, credential: AzureNamedKeyCredential) -> None:
        self._credential = credential

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Date, account and path, under the key."""
        name, key = self._credential.named_key
        date = request.http_request.headers["x-ms-date"]
        signed = f"{date}\n/{name}{urlsplit(request.http_request.url).path}"
        digest = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
        request.http_request.headers["Authorization"] = (
            f"SharedKeyLite {name}:{base64.b64encode(digest).decode()}"
        )


def _operation(
    address: str, kind: str, row: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> str:
    """One request of the changeset."""
    if kind == "create":
        return f"POST {address} HTTP/1.1\r\n{_WRITES}\r\n{_json(row)}"
    address = f"{address}(PartitionKey='{_key(row['PartitionKey'])}',RowKey='{_key(row['RowKey'])}')"
    chosen = options or {}
    tag = chosen.get("etag")
    if kind == "delete":
        return f"DELETE {address} HTTP/1.1\r\n{_SPEAKS}If-Match: {tag or '*'}\r\n\r\n"
    method = _METHODS[chosen["mode"]]
    condition = f"If-Match: {tag}\r\n" if kind == "update" else ""
    return f"{method} {address} HTTP/1.1\r\n{_WRITES}{condition}\r\n{_json(row)}"


def _json(row: Mapping[str, Any]) -> str:
    """Texts, whole numbers of 32 bits and truths need no word about their types."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _document(content: bytes) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads(content)["value"]
    except (ValueError, LookupError, TypeError):
        raise HttpResponseError("storage's answer is not whole") from None
    return rows


def _row(found: dict[str, Any]) -> WiredRow:
    row = WiredRow((name, value) for name, value in found.items() if "odata." not in name)
    written = row.pop("Timestamp")
    tag = found.get("odata.etag") or f"W/\"datetime'{quote(written, safe='')}'\""
    row.metadata = {"etag": tag, "timestamp": datetime.fromisoformat(written)}
    return row


def _quoted(text: str) -> str:
    """A text in a filter; nothing that it holds can end it."""
    return "'" + text.replace("'", "''") + "'"


def _key(text: str) -> str:
    """A text in the address of a row."""
    return quote(text.replace("'", "''"), safe="")


def _error(status: int) -> HttpResponseError:
    error = _ERRORS.get(status, HttpResponseError)(f"storage answered {status}")
    error.status_code = status
    return error
