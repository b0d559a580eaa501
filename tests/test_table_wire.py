"""Our own transactions do what the SDK's do, on real storage; only what they cost differs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableClient

from shared.adapters.entity_groups import Operation, create, delete, merge, put, replace, span, submit, tag_of
from shared.adapters.pooled_transport import PooledTransport
from shared.adapters.storage_clients import StorageClients
from shared.adapters.table_wire import Wire, WiredTable
from shared.domain.errors import StoreUnavailable
from shared.settings import StorageAccess
from tests.certificates import LoopbackAuthority
from tests.receivers import HttpReceiver, Reply

Tables = tuple[WiredTable, TableClient]
TEXT = 'ünï¢ode 😀 "quoted" back\\slash \u0001 line\r\n\r\nHTTP/1.1 500 no\r\n--batch_0--'


@pytest.fixture
def tables(storage: str) -> Iterator[Tables]:
    """The same table by our wire and by the SDK's."""
    name = f"Wire{secrets.token_hex(6)}"
    clients = StorageClients(StorageAccess(storage))
    clients.tables().create_table_if_not_exists(name)
    with TableClient.from_connection_string(storage, name) as theirs:
        yield clients.tables().get_table_client(name), theirs


def row(key: str, **values: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever a property takes)
    return {"PartitionKey": "it's |here|", "RowKey": key, **values}


def state(table: TableClient) -> dict[str, dict[str, Any]]:
    return {entity["RowKey"]: dict(entity) for entity in table.list_entities()}


OPERATIONS: list[Callable[[str], list[Operation]]] = [
    lambda tag: [replace(row("a", new=1), tag), create(row("b", text=TEXT, number=7, truth=True))],
    lambda tag: [replace(row("a", only="this"), tag), delete(row("old")), create(row("c d'e", empty=""))],
    lambda _: [merge(row("a", added="x")), merge(row("f", made="y")), put(row("old", put=-5))],
]


@pytest.mark.parametrize("nth", range(len(OPERATIONS)))
def test_a_transaction_leaves_the_same_rows_as_the_sdk_s(tables: Tables, nth: int) -> None:
    found = []
    for table in tables:
        for entity in tables[1].list_entities():
            tables[1].delete_entity(entity["PartitionKey"], entity["RowKey"])
        table.submit_transaction([create(row("a", kept=TEXT)), create(row("old", was="here"))])
        tag = tag_of(table.get_entity("it's |here|", "a"))
        table.submit_transaction(OPERATIONS[nth](tag))
        found.append(state(tables[1]))

    assert found[0] == found[1]
    assert len(found[0]) >= 2


def test_the_tags_that_come_back_are_the_rows_tags(tables: Tables) -> None:
    ours, _ = tables
    tags = submit(ours, [create(row("a", text=TEXT)), create(row("b"))])
    assert tags == [tag_of(ours.get_entity("it's |here|", key)) for key in ("a", "b")]
    [again] = submit(ours, [replace(row("a", text="x"), tags[0])])
    assert again == tag_of(ours.get_entity("it's |here|", "a")) != tags[0]


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (create(row("a")), ResourceExistsError),
        (replace(row("a"), "W/\"datetime'2020-01-01T00%3A00%3A00.0000000Z'\""), ResourceModifiedError),
        (delete(row("missing")), ResourceNotFoundError),
    ],
    ids=["exists", "moved on", "missing"],
)
def test_one_operation_that_fails_fails_all_and_says_why(
    tables: Tables, operation: Operation, error: type[HttpResponseError]
) -> None:
    submit(tables[0], [create(row("a", first=1))])
    for table in tables:
        with pytest.raises(HttpResponseError) as failed:
            table.submit_transaction([create(row("b")), operation])
        assert failed.value.status_code in (404, 409, 412)
    with pytest.raises(error):
        tables[0].submit_transaction([create(row("b")), operation])

    assert set(state(tables[1])) == {"a"}


def test_a_range_is_read_as_the_sdk_reads_it_page_after_page(tables: Tables) -> None:
    ours, theirs = tables
    keys = [f"k'{nth:05d}|" for nth in range(2_150)]
    for at in range(0, len(keys), 100):
        submit(ours, [create(row(key, text=TEXT, number=at, truth=False)) for key in keys[at : at + 100]])
    found = list(span(ours, "it's |here|", "k'00010|", "k'02100|"))
    named = {"partition": "it's |here|", "low": "k'00010|", "high": "k'02100|"}
    expected = list(
        theirs.query_entities(
            "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high", parameters=named
        )
    )

    assert [dict(each) for each in found] == [dict(each) for each in expected]
    assert [each["RowKey"] for each in found] == keys[10:2_100]
    assert [tag_of(each) for each in found] == [tag_of(each) for each in expected]
    gap = max(
        abs(a.metadata["timestamp"] - b.metadata["timestamp"]) for a, b in zip(found, expected, strict=True)
    )
    assert gap < timedelta(milliseconds=1)
    assert [each["RowKey"] for each in islice(span(ours, "it's |here|", "k", "l", top=2), 5)] == keys[:5]


@pytest.mark.parametrize("body", [b"", b"{", b'{"value": 7', b"[]", b"null"])
def test_a_page_that_is_no_page_is_no_answer(storage: str, body: bytes) -> None:
    with HttpReceiver(Reply(200, {"Content-Type": "application/json"}, body)) as receiver:
        connection = storage.replace(table_endpoint(storage), f"{receiver.url}/devstoreaccount1")
        table = StorageClients(StorageAccess(connection)).tables().get_table_client("Any")
        with pytest.raises(StoreUnavailable):
            list(span(table, "p", "a", "b"))


def test_an_answer_that_lacks_parts_is_no_success(storage: str) -> None:
    with HttpReceiver(Reply(202, {"Content-Type": "multipart/mixed; boundary=b"}, b"--b--\r\n")) as receiver:
        connection = storage.replace(table_endpoint(storage), f"{receiver.url}/devstoreaccount1")
        table = StorageClients(StorageAccess(connection)).tables().get_table_client("Any")
        with pytest.raises(StoreUnavailable, match="not whole"):
            submit(table, [create(row("a"))])


def test_with_an_identity_the_wire_carries_its_token(tmp_path: Path) -> None:
    class Identity:
        def get_token(self, *scopes: str, **_: Any) -> AccessToken:  # noqa: ANN401
            assert scopes == ("https://storage.azure.com/.default",)
            return AccessToken("a-token", 2**40)

    authority = LoopbackAuthority(tmp_path)
    with (
        HttpReceiver(Reply(403), tls=authority.server) as receiver,
        PooledTransport(2, 5, lambda: None, str(authority.bundle)) as transport,
    ):
        wire = Wire(receiver.url, Identity(), transport, retry_total=0)
        with pytest.raises(HttpResponseError, match="403"):
            wire.transact("Incidents", [create(row("a"))])

        assert receiver.requests[0].headers["authorization"] == "Bearer a-token"
        assert receiver.requests[0].path == "/$batch"


def table_endpoint(connection: str) -> str:
    parts = dict(part.split("=", 1) for part in connection.split(";") if part)
    return parts["TableEndpoint"]
