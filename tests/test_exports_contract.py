"""What every `ports.Exports` promises, held against the working fake and against real blob storage."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from shared.adapters.export_blobs import BLOCK, PATIENCE, ExportBlobs
from shared.domain.errors import Conflict, NotFound, StoreUnavailable
from shared.export_ports import Exports
from shared.kpi import verify
from shared.workflows.export_kpis import compile_week
from tests.builders import a_plan
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.working_fakes import MemoryExports, MemoryTimelines

IMPATIENT: dict[str, Any] = {
    "retry_total": 1,
    "initial_backoff": 0,
    "increment_base": 0,
    "random_jitter_range": 0,
}
LARGE = bytes(range(256)) * (BLOCK // 100)
"""Two and a half blocks."""


@pytest.fixture(params=["fake", "azurite"])
def exports(request: pytest.FixtureRequest) -> Iterator[Exports]:
    if request.param == "fake":
        yield MemoryExports()
        return
    connection = request.getfixturevalue("storage")
    with BlobServiceClient.from_connection_string(connection, **IMPATIENT) as service:
        container = f"exports-{secrets.token_hex(4)}"
        service.create_container(container)
        yield ExportBlobs(service, container)


def test_what_was_written_is_read_back(exports: Exports) -> None:
    exports.write("acme/2026-W47/r1/kpi.json", [b"one ", b"two"])
    assert exports.read("acme/2026-W47/r1/kpi.json") == b"one two"


def test_an_empty_file_is_a_file(exports: Exports) -> None:
    exports.write("acme/2026-W47/r1/timeline.jsonl", [])
    assert exports.read("acme/2026-W47/r1/timeline.jsonl") == b""
    assert b"".join(exports.stream("acme/2026-W47/r1/timeline.jsonl")) == b""


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, len(LARGE)])
def test_a_file_of_many_pieces_comes_back_whole(exports: Exports, size: int) -> None:
    pieces = (LARGE[at : min(at + 700_001, size)] for at in range(0, size, 700_001))
    exports.write("acme/large", pieces)
    assert b"".join(exports.stream("acme/large")) == LARGE[:size]
    assert exports.read("acme/large") == LARGE[:size]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0, 0),
        (0, BLOCK - 1),
        (0, BLOCK),
        (BLOCK - 1, BLOCK + 1),
        (5, len(LARGE) - 1),
        (len(LARGE) - 1, len(LARGE) - 1),
        (len(LARGE) - 3, None),
        (0, None),
    ],
)
def test_a_part_of_a_file_is_read_from_its_first_byte_to_its_last(
    exports: Exports, first: int, last: int | None
) -> None:
    exports.write("acme/large", [LARGE])
    assert exports.size("acme/large") == len(LARGE)
    part = LARGE[first:] if last is None else LARGE[first : last + 1]
    assert b"".join(exports.stream("acme/large", first, last)) == part


@pytest.mark.parametrize("second", [b"other", b"first", LARGE])
def test_nothing_is_overwritten_not_even_with_the_same_bytes(exports: Exports, second: bytes) -> None:
    exports.write("acme/once", [b"first"])
    with pytest.raises(Conflict):
        exports.write("acme/once", [second])
    assert exports.read("acme/once") == b"first"


def test_of_two_writers_at_once_one_wins_and_nothing_is_mixed(exports: Exports) -> None:
    def while_another_writes() -> Iterator[bytes]:
        yield LARGE[: BLOCK + 5]
        exports.write("acme/race", [LARGE[::-1]])
        yield LARGE[BLOCK + 5 :]

    with pytest.raises(Conflict):
        exports.write("acme/race", while_another_writes())
    assert exports.read("acme/race") == LARGE[::-1]


def test_what_fails_on_the_way_is_not_there_and_can_be_written_again(exports: Exports) -> None:
    def broken() -> Iterator[bytes]:
        yield LARGE
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk"):
        exports.write("acme/broken", broken())
    assert exports.names("acme/") == []
    with pytest.raises(NotFound):
        exports.read("acme/broken")
    exports.write("acme/broken", [LARGE])
    assert exports.read("acme/broken") == LARGE


def test_names_are_sorted_and_begin_with_the_prefix(exports: Exports) -> None:
    for name in ("acme/2026-W47/r2/a", "acme/2026-W47/r10/a", "acme/2026-W46/r1/a", "acmeplus/2026-W47/r1/a"):
        exports.write(name, [b"x"])
    assert exports.names("acme/") == ["acme/2026-W46/r1/a", "acme/2026-W47/r10/a", "acme/2026-W47/r2/a"]
    assert exports.names("none/") == []


def test_what_is_not_there_is_not_found_before_the_first_piece(exports: Exports) -> None:
    with pytest.raises(NotFound):
        exports.read("acme/none")
    with pytest.raises(NotFound):
        exports.stream("acme/none")
    with pytest.raises(NotFound):
        exports.size("acme/none")


def test_a_week_compiled_anywhere_is_the_same_bundle_and_verified(exports: Exports, tmp_path: Path) -> None:
    opened_at = MONDAY + timedelta(hours=9)
    story = Story().opened(opened_at).acknowledged(opened_at + timedelta(minutes=3))
    timelines, memory = MemoryTimelines().keep("acme", story.events), MemoryExports()
    compile_week(a_plan(), WEEK, timelines, memory, "1.0", SUNDAY)
    bundle = compile_week(a_plan(), WEEK, timelines, exports, "1.0", SUNDAY).bundle
    assert {name: exports.read(name) for name in exports.names("acme/")} == memory.blobs
    assert not compile_week(a_plan(), WEEK, timelines, exports, "1.0", SUNDAY).made
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"".join(exports.stream(bundle.blob("bundle.zip"))))
    assert verify.main([str(path)]) == 0


def assert_unavailable(exports: Exports) -> None:
    for call in (lambda: exports.names(""), lambda: exports.read("a"), lambda: exports.write("a", [b""])):
        with pytest.raises(StoreUnavailable):
            call()


def test_a_missing_container_is_no_missing_file(storage: str) -> None:
    with BlobServiceClient.from_connection_string(storage, **IMPATIENT) as service:
        exports = ExportBlobs(service, "nowhere")
        assert_unavailable(exports)


def test_storage_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch, storage: str) -> None:
    monkeypatch.setitem(PATIENCE, "connection_timeout", 0.2)
    account = dict(part.split("=", 1) for part in storage.rstrip(";").split(";"))
    account["BlobEndpoint"] = "http://127.0.0.1:1/devstoreaccount1"
    nowhere = ";".join(f"{key}={value}" for key, value in account.items())
    with BlobServiceClient.from_connection_string(nowhere, **IMPATIENT) as service:
        exports = ExportBlobs(service, "exports")
        assert_unavailable(exports)
