"""The verifier derives every row of the evidence files by its own way, and names the changed cell."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from shared.kpi import kpi_json, verify
from shared.kpi.csv_cells import line
from shared.kpi.definitions import digest
from tests.eventful import exported, rows_in

FILES = (*verify.EVIDENCE, "incidents.csv", "drills.csv", "controls.csv")


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    exports, bundle = exported()
    return {name: exports.read(bundle.blob(name)) for name in verify.MEMBERS}


def run(folder: Path, members: Mapping[str, bytes]) -> tuple[int, list[str]]:
    for name, content in members.items():
        (folder / name).write_bytes(content)
    out = io.StringIO()
    with redirect_stdout(out):
        code = verify.main([str(folder)])
    said = out.getvalue().splitlines()
    return code, [one.removeprefix("FAILS ") for one in said if one.startswith("FAILS ")]


def resealed(members: Mapping[str, bytes], manifest: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """The members with every hash made anew, as somebody would who wants the change not to show."""
    stated = dict(manifest or json.loads(members["manifest.json"]))
    for entry in stated["files"]:
        content = members[entry["name"]]
        entry["sha256"], entry["bytes"] = hashlib.sha256(content).hexdigest(), len(content)
    content_keys = set(stated) - {*verify.PLACE, "content_sha256"}
    stated["content_sha256"] = digest({key: stated[key] for key in content_keys})
    new = {**members, "manifest.json": kpi_json.pretty(stated)}
    lines = (f"{hashlib.sha256(new[name]).hexdigest()}  {name}\n" for name in verify.LISTED)
    return {**new, "manifest.sha256": "".join(lines).encode()}


def test_the_untouched_week_is_verified(tmp_path: Path, members: dict[str, bytes]) -> None:
    assert run(tmp_path, members) == (0, [])


def test_every_file_of_this_week_has_rows_to_change(members: dict[str, bytes]) -> None:
    assert [name for name in FILES if not rows_in(members[name])] == []


@pytest.mark.parametrize("name", FILES)
def test_a_changed_cell_is_named_by_file_row_and_column_though_every_hash_was_made_anew(
    tmp_path: Path, members: dict[str, bytes], name: str
) -> None:
    rows = rows_in(members[name])
    columns = list(rows[0])
    for number, column in enumerate(columns):
        at = number % len(rows)
        changed = [dict(row) for row in rows]
        changed[at][column] += "1"
        content = line(columns) + b"".join(raw_line(row.values()) for row in changed)
        code, failures = run(tmp_path, resealed({**members, name: content}))
        assert code == 1
        assert any(
            failure.startswith(f"{name} row {at + 1} (line {at + 2}): {column} of ") for failure in failures
        ), failures


def raw_line(cells: Any) -> bytes:  # noqa: ANN401  (any cells)
    """A row whose cells are neutral already."""
    quoted = ('"' + cell.replace('"', '""') + '"' if "," in cell or '"' in cell else cell for cell in cells)
    return (",".join(quoted) + "\n").encode()


@pytest.mark.parametrize("name", FILES)
def test_a_row_left_out_or_put_in_is_found(tmp_path: Path, members: dict[str, bytes], name: str) -> None:
    lines = members[name].splitlines(keepends=True)
    for content in (b"".join(lines[:-1]), members[name] + lines[-1]):
        code, failures = run(tmp_path, resealed({**members, name: content}))
        assert code == 1
        assert any(failure.startswith(f"{name} row ") for failure in failures), failures


def test_a_changed_header_is_found(tmp_path: Path, members: dict[str, bytes]) -> None:
    for name in FILES:
        content = b"x" + members[name]
        _, failures = run(tmp_path, resealed({**members, name: content}))
        assert any(failure.startswith(f"{name} header (line 1): ") for failure in failures), failures


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("merkle_root",), "0" * 64),
        (("events", "total"), 1),
        (("events", "in_week"), 1),
        (("events", "first_recorded_at"), None),
        (("events", "last_recorded_at"), "2026-11-18T12:00:00.000000Z"),
        (("plans",), []),
        (("rules",), []),
        (("timelines", "INC-00000002-1"), "1-13 " + "0" * 64),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_a_manifest_that_tells_other_sums_of_its_events_is_found(
    tmp_path: Path, members: dict[str, bytes], path: tuple[str, ...], value: object
) -> None:
    stated = json.loads(members["manifest.json"])
    inner = stated
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    code, failures = run(tmp_path, resealed(members, stated))
    assert code == 1
    assert any(failure.startswith("manifest.json") and ".".join(path) in failure for failure in failures), (
        failures
    )
