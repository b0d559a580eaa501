"""Entity-group transactions: all rows of one change or none, recognised again when the answer got lost."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableClient, UpdateMode

from shared.adapters.table_wire import WiredRow, WiredTable
from shared.domain.errors import Conflict, NotFound, StoreUnavailable, TocsinError

Operation = tuple[str, Mapping[str, Any]] | tuple[str, Mapping[str, Any], Mapping[str, Any]]
MOST_OPERATIONS = 100
_MOVED_ON = (409, 412)


def create(row: Mapping[str, Any]) -> Operation:
    """The row must not exist."""
    return "create", row


def replace(row: Mapping[str, Any], tag: str) -> Operation:
    """The row must still carry ``tag``."""
    condition = {"etag": tag, "match_condition": MatchConditions.IfNotModified}
    return "update", row, {"mode": UpdateMode.REPLACE, **condition}


def merge(row: Mapping[str, Any]) -> Operation:
    """Properties that are not named stay; the row is made where there is none."""
    return "upsert", row, {"mode": UpdateMode.MERGE}


def put(row: Mapping[str, Any]) -> Operation:
    """The row as given, whatever was there."""
    return "upsert", row, {"mode": UpdateMode.REPLACE}


def delete(row: Mapping[str, Any]) -> Operation:
    """The row must exist."""
    return "delete", {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}


def new_commit() -> str:
    """An id by which a change is recognised on the row that it wrote."""
    return secrets.token_hex(6)


def tag_of(row: Any) -> str:  # noqa: ANN401  (the SDK's TableEntity carries it beside its items)
    """The ETag of a row as read."""
    return str(row.metadata["etag"])


def submit(table: TableClient, operations: list[Operation]) -> list[str]:
    """Run one transaction; the rows' new tags, in order. Raises Conflict or StoreUnavailable."""
    if len(operations) > MOST_OPERATIONS:
        raise AssertionError(f"{len(operations)} operations; a transaction takes {MOST_OPERATIONS}")
    with translated(missing=Conflict):
        answers = table.submit_transaction(operations)
    if len(answers) != len(operations):
        raise StoreUnavailable("storage's answer is not whole")
    return [str(answer.get("etag", "")) for answer in answers]


def submit_once(
    table: TableClient,
    operations: list[Operation],
    commit: str,
    written: Callable[[], Mapping[str, Any] | None],
) -> list[str] | None:
    """As `submit`, but None where an earlier try of this very commit turns out to have been stored.

    ``written`` reads the row that names the latest commits, or None where it does not exist.
    """
    try:
        return submit(table, operations)
    except (Conflict, StoreUnavailable):
        row = written()
        if row is not None and commit in str(row["commits"]).split():
            return None
        raise


def save_on_tag(table: TableClient, *saved: tuple[Mapping[str, Any], str | None]) -> str:
    """Store rows of one partition together, each on condition of its tag (without one it must not be there).

    The first row's new tag, also where the answer to its own write got lost. Raises Conflict,
    StoreUnavailable.
    """
    commit = new_commit()
    marked = [({**row, "commits": commit}, tag) for row, tag in saved]
    first = marked[0][0]

    def kept() -> Any | None:  # noqa: ANN401  (TableEntity)
        return point(table, first["PartitionKey"], first["RowKey"])

    operations = [create(row) if tag is None else replace(row, tag) for row, tag in marked]
    tags = submit_once(table, operations, commit, kept)
    if tags is not None:
        return tags[0]
    row = kept()
    if row is None or row["commits"] != commit:
        raise Conflict("it is stored, and somebody else has built on it since")
    return tag_of(row)


def point(table: TableClient, partition: str, key: str) -> Any | None:  # noqa: ANN401  (TableEntity)
    """One row, or None."""
    try:
        with translated(missing=NotFound):
            return table.get_entity(partition, key)
    except NotFound:
        return None


def span(
    table: WiredTable, partition: str, low: str, high: str, top: int | None = None
) -> Iterator[WiredRow]:
    """Rows of a partition with ``low`` <= RowKey < ``high``, in order; pages may be empty and go on."""
    with translated():
        yield from table.rows(partition, low, high, top)


@contextmanager
def translated(missing: type[TocsinError] = StoreUnavailable) -> Iterator[None]:
    """Storage's errors in our words; ``missing`` is what a row or table that is not there becomes."""
    try:
        yield
    except ResourceNotFoundError as error:
        raise missing("there is no such row") from error
    except (ResourceExistsError, ResourceModifiedError) as error:
        raise Conflict("the row has moved on") from error
    except HttpResponseError as error:
        if error.status_code in _MOVED_ON:
            raise Conflict("the row has moved on") from error
        raise StoreUnavailable(f"storage answered {error.status_code}") from error
    except (AzureError, OSError) as error:
        # OSError: the SDK lets an answer that breaks off in the middle through as the transport raised it.
        raise StoreUnavailable(f"storage did not answer ({type(error).__name__})") from error
