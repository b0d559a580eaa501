"""A bundle as it leaves the running app: signed, with the key published to anybody, and verified with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from functions.export_answers import ExportCompiled, KeySet
from tests.host_process import Tocsin, running
from tests.signed_bundles import run
from tests.test_http_exports import ADMIN, AUDITOR, EXPORTS, PLAN, week


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    with running(tmp_path_factory.mktemp("keys"), {"acme": PLAN}) as host:
        yield host


def test_the_public_key_is_anybodys_and_the_private_one_nobodys(host: Tocsin) -> None:
    answer = host.get("/api/v1/keys")

    assert answer.status == 200, answer
    [key] = TypeAdapter(KeySet).validate_json(answer.body, strict=True)["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert b'"d"' not in answer.body
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert "PRIVATE" not in host.log()


def test_a_bundle_is_signed_and_holds_under_the_published_key(host: Tocsin, tmp_path: Path) -> None:
    compiled = host.call("POST", f"{EXPORTS}/{week(1)}", who=ADMIN)
    assert compiled.status == 201, compiled
    label = TypeAdapter(ExportCompiled).validate_json(compiled.body, strict=True)["revision"]
    for name in ("bundle.zip", "manifest.sig"):
        answer = host.get(f"{EXPORTS}/{week(1)}/{name}?revision={label}", AUDITOR)
        assert answer.status == 200, (name, answer)
        (tmp_path / name).write_bytes(answer.body)
    (tmp_path / "keys.json").write_bytes(host.get("/api/v1/keys").body)

    outcome = run(tmp_path / "bundle.zip", "--key", tmp_path / "keys.json")
    assert outcome.code == 0, outcome.said
    assert any("by a key that you pinned" in note for note in outcome.notes)
    assert host.get(f"{EXPORTS}/{week(1)}/manifest.sig").status == 401
