"""Entity-group transactions as bytes. The SDK makes e-mail messages of them and starts threads to read the
answer, which was most of the CPU that an alert cost; signing, retries and connections stay azure-core's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, urlsplit

from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.core.pipeline import Pipeline, PipelineRequest
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy, SansIOHTTPPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.data.tables import TableClient, UpdateMode

_SCOPE = "https://storage.azure.com/.default"
_HEADERS = {
    "Accept": "application/json",
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


class WiredTable(TableClient):
    """A table whose transactions go by a wire of ours; everything else is the SDK's."""

    wire: Wire

    def submit_transaction(self, operations: Iterable[Any], **options: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401, ARG002
        """As the SDK's, for operations on rows of texts, whole numbers and truths.

        Repeated after any failure, even where it may have been done: what is submitted here is conditional,
        or says the same twice. Raises AzureError.
        """
        return [{"etag": tag} for tag in self.wire.transact(self.table_name, operations)]


class Wire:
    """One account's table service."""

    def __init__(
        self,
        endpoint: str,
        credential: AzureNamedKeyCredential | TokenCredential,
        transport: Any,  # noqa: ANN401  (an azure-core transport)
        **retries: Any,  # noqa: ANN401  (as RetryPolicy takes them)
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        signing = (
            _SharedKeyLite(credential)
            if isinstance(credential, AzureNamedKeyCredential)
            else BearerTokenCredentialPolicy(credential, _SCOPE)
        )
        self._pipeline: Pipeline[HttpRequest, HttpResponse] = Pipeline(
            transport, [RetryPolicy(**retries), signing]
        )

    def transact(self, table: str, operations: Iterable[Any]) -> list[str]:
        """Run a transaction; the rows' new tags, in order. Raises AzureError."""
        mark = uuid.uuid4().hex
        body = self._body(table, operations, mark)
        request = HttpRequest(
            "POST",
            f"{self._endpoint}/$batch",
            headers={**_HEADERS, "Content-Type": f"multipart/mixed; boundary=batch_{mark}"},
            content=body,
        )
        response = self._pipeline.run(request, retry_on_methods=_SAFE_TO_REPEAT).http_response
        if response.status_code != 202:
            raise _error(response.status_code)
        tags = []
        for status, headers in _PART.findall(response.content):
            if int(status) >= 300:
                raise _error(int(status))
            tag = _TAG.search(headers)
            tags.append(tag[1].decode() if tag else "")
        return tags

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


class _SharedKeyLite(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """Signs with the account's key, each try anew: only storage on the developer's machine is reached so."""

    def __init__(self, credential: AzureNamedKeyCredential) -> None:
        self._credential = credential

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Date, account and path, under the key."""
        name, key = self._credential.named_key
        date = formatdate(usegmt=True)
        signed = f"{date}\n/{name}{urlsplit(request.http_request.url).path}"
        digest = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()
        request.http_request.headers["x-ms-date"] = date
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


def _key(text: str) -> str:
    return quote(text.replace("'", "''"), safe="")


def _error(status: int) -> HttpResponseError:
    error = _ERRORS.get(status, HttpResponseError)(f"storage answered {status}")
    error.status_code = status
    return error
