"""Who is calling, as the platform's principal header says it for people and for scripts."""

from __future__ import annotations

import base64
import json
from typing import Any

import azure.functions as func
import pytest

from functions.caller import caller
from shared.domain.errors import Forbidden, Unauthenticated
from shared.domain.principal import Principal

ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"


def header(*claims: tuple[str, str], **more: object) -> str:
    principal = {"auth_typ": "aad", "claims": [{"typ": kind, "val": value} for kind, value in claims], **more}
    return base64.b64encode(json.dumps(principal).encode()).decode()


def called(value: str | None, *, on: bool = True) -> Principal:
    headers: dict[str, Any] = {} if value is None else {"X-MS-CLIENT-PRINCIPAL": value}
    return caller(func.HttpRequest("GET", "/", headers=headers, body=b""), on, "Reader")


def test_a_person_has_the_directorys_id_and_the_name_that_is_unique() -> None:
    claims = (
        ("roles", "Reader"),
        ("oid", "1-2-3"),
        ("name", "Ana"),
        ("preferred_username", "ana@acme.example"),
    )
    assert called(header(*claims)) == Principal("1-2-3", "ana@acme.example", frozenset({"Reader"}))


def test_the_older_names_of_claims_are_understood_too() -> None:
    who = called(header((ROLE, "Admin"), (ROLE, "Auditor"), (OBJECT_ID, "1-2-3"), (UPN, "ana")))
    assert who == Principal("1-2-3", "ana", frozenset({"Admin", "Auditor"}))


def test_the_header_itself_may_say_which_claims_are_roles() -> None:
    assert called(header(("groups", "Reader"), ("name", "ana"), role_typ="groups")).roles == {"Reader"}


def test_a_script_has_no_name_and_is_let_in_all_the_same() -> None:
    assert called(header(("roles", "Reader"), ("oid", "1-2"), ("azp", "a-b"))) == Principal(
        "1-2", "app a-b", frozenset({"Reader"})
    )
    assert called(header(("roles", "Reader"), ("oid", "1-2"))).name == "1-2"


def test_a_name_that_nobody_can_read_is_made_readable() -> None:
    assert called(header(("roles", "Reader"), ("name", "a\x00\ud800\u202eb"))).name == "a\ufffd\ufffd\ufffdb"
    assert len(called(header(("roles", "Reader"), ("name", "x" * 5_000))).name) == 200


def test_where_the_platform_does_not_authenticate_the_header_is_not_believed() -> None:
    with pytest.raises(Unauthenticated, match="off"):
        called(header(("roles", "Admin"), ("name", "eve")), on=False)


def test_a_role_that_is_missing_is_named() -> None:
    with pytest.raises(Forbidden, match="Reader"):
        called(header(("roles", "reader"), ("name", "ana")))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "%%%",
        "e30=",
        base64.b64encode(b"\xff").decode(),
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"null").decode(),
        base64.b64encode(b'{"claims": null}').decode(),
        base64.b64encode(b'{"claims": [{"typ": "name"}]}').decode(),
        base64.b64encode(b'{"claims": [7]}').decode(),
        header(("roles", "Admin")),
        header(("roles", "Admin"), ("name", "")),
    ],
)
def test_a_header_that_names_nobody_is_nobody(value: str | None) -> None:
    with pytest.raises(Unauthenticated):
        called(value)
