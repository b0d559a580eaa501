"""Bundles in blob storage: written once, in blocks, never overwritten; read in pieces."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.domain.errors import Conflict, NotFound, StoreUnavailable

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobServiceClient

BLOCK = 4 << 20
"""Bytes that are in memory at a time, and in one request."""
PATIENCE: dict[str, Any] = {"connection_timeout": 3, "read_timeout": 20}
"""Seconds; the service may take longer over a block than over a row."""
_TAKEN = ("BlobAlreadyExists", "BlobImmutableDueToPolicy", "ConditionNotMet", "InvalidBlockList")
"""How the service says that somebody was faster; a commit by another upload throws our staged blocks away."""


class ExportBlobs:
    """`ports.Exports` on a container, which must exist."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._container = service.get_container_client(container)

    def names(self, prefix: str) -> list[str]:
        """See `ports.Exports`. Raises StoreUnavailable."""
        with _translated(prefix):
            return sorted(self._container.list_blob_names(name_starts_with=prefix, **PATIENCE))

    def read(self, name: str) -> bytes:
        """See `ports.Exports`. Raises StoreUnavailable as well."""
        return b"".join(self.stream(name))

    def size(self, name: str) -> int:
        """See `ports.Exports`. Raises StoreUnavailable as well."""
        with _translated(name):
            return int(self._container.get_blob_client(name).get_blob_properties(**PATIENCE).size)

    def stream(self, name: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """See `ports.Exports`; the first piece is fetched at once, so that NotFound comes at once."""
        blob = self._container.get_blob_client(name)
        return _from(blob, first, last, _piece(blob, first, last))

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """See `ports.Exports`. What is not finished is not there. Raises StoreUnavailable as well."""
        blob = self._container.get_blob_client(name)
        blocks = _blocks(pieces)
        first, second = next(blocks, b""), next(blocks, None)
        with _translated(name):
            if second is None:
                blob.upload_blob(first, length=len(first), overwrite=False, **PATIENCE)
            else:
                _upload(blob, first, second, blocks)


def _upload(blob: BlobClient, first: bytes, second: bytes, blocks: Iterator[bytes]) -> None:
    """Stage blocks and commit them if there is no blob of that name.

    The ids are this upload's own: under shared ones, two uploads at once could commit each other's blocks.
    """
    from azure.core import MatchConditions
    from azure.storage.blob import BlobBlock

    upload, staged = uuid.uuid4().hex, list[BlobBlock]()
    for content in _chained(first, second, blocks):
        staged.append(BlobBlock(f"{upload}-{len(staged):06d}"))
        blob.stage_block(staged[-1].id, content, length=len(content), **PATIENCE)
    blob.commit_block_list(staged, match_condition=MatchConditions.IfMissing, **PATIENCE)


def _chained(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of equal size; the last may be shorter."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= BLOCK:
            yield bytes(held[:BLOCK])
            del held[:BLOCK]
    if held:
        yield bytes(held)


def _piece(blob: BlobClient, at: int, last: int | None) -> bytes:
    """The block that begins at ``at``; shorter, or empty, where the blob or the part wanted ends."""
    from azure.core.exceptions import HttpResponseError

    with _translated(str(blob.blob_name)):
        try:
            length = BLOCK if last is None else min(BLOCK, last + 1 - at)
            return bytes(blob.download_blob(offset=at, length=length, **PATIENCE).readall())
        except HttpResponseError as error:
            if error.status_code == 416:
                return b""
            raise


def _from(blob: BlobClient, at: int, last: int | None, piece: bytes) -> Iterator[bytes]:
    """The first piece, and those behind it."""
    while piece:
        yield piece
        at += len(piece)
        more = len(piece) == BLOCK and (last is None or at <= last)
        piece = _piece(blob, at, last) if more else b""


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """The service's errors in our words."""
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        code = str(getattr(error, "error_code", "") or "")
        if error.status_code == 412 or code in _TAKEN:
            raise Conflict(f"{name} exists already") from error
        if code == "BlobNotFound":
            raise NotFound(f"there is no {name}") from error
        raise StoreUnavailable(f"blob storage answered {error.status_code} {code}".rstrip()) from error
    except AzureError as error:
        raise StoreUnavailable(f"blob storage did not answer ({type(error).__name__})") from error
