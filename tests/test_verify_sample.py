"""A sample that neither side can choose, with everything that the bundle holds of each incident."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from shared.kpi import merkle, verify
from tests.signed_bundles import DRILL, INCIDENTS, received, run, signed


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return received(tmp_path)


def order() -> list[str]:
    """The incidents as anybody can order them by hand."""
    exports, where, _ = signed()
    seed = hashlib.sha256(exports.read(where.blob("manifest.json"))).hexdigest()
    return sorted(INCIDENTS, key=lambda one: hashlib.sha256(f"{seed}\n{one}".encode()).hexdigest())


def sampled(said: str) -> list[str]:
    return re.findall(r"=== \d+\. (\S+) \(drawn by [0-9a-f]{64}\)", said)


@pytest.mark.parametrize("count", [1, 2, 6, 7, 8, 1000])
def test_the_sample_follows_from_the_manifest_alone_and_has_no_drills(bundle: Path, count: int) -> None:
    outcome = run(bundle, "--sample", count)

    assert outcome.code == 0, outcome.said
    assert sampled(outcome.said) == order()[:count]
    assert DRILL not in sampled(outcome.said)
    assert f"sample: {min(count, 7)} of 7 incidents" in outcome.said


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_a_sample_of_nothing_is_refused(bundle: Path, count: str) -> None:
    with pytest.raises(SystemExit) as refused:
        run(bundle, f"--sample={count}")
    assert refused.value.code == 2


def test_every_row_and_every_event_of_a_sampled_incident_is_printed(bundle: Path) -> None:
    exports, where, _ = signed()
    said = run(bundle, "--sample", 7).said
    parts = re.split(r"(?==== \d+\. )", said)[1:]

    for part in parts:
        [subject] = sampled(part)
        for name in (one for one in verify.MEMBERS if one.endswith(".csv")):
            lines = exports.read(where.blob(name)).decode().splitlines()
            rows = [number for number, line in enumerate(lines) if subject in verify.cells_of(line.encode())]
            assert re.findall(rf"  {name} row (\d+): ", part) == [str(row) for row in rows]
        events = [
            line
            for line in exports.read(where.blob("timeline.jsonl")).decode().splitlines()
            if f'"subject":"{subject}"' in line
        ]
        assert len(re.findall(r"^ +event \d+ ", part, re.MULTILINE)) == len(events)
        assert part.count(" incidents.csv row ") == 1
        assert "hash " + re.findall(r'"hash":"(\w+)"', events[-1])[0] in part


def test_each_way_to_the_merkle_root_is_printed_and_leads_there(bundle: Path) -> None:
    exports, where, _ = signed()
    root = re.findall(rb'"merkle_root": "(\w+)"', exports.read(where.blob("manifest.json")))[0].decode()
    outcome = run(bundle, "--sample", 7)

    ends = re.findall(
        r"(?:leaf|with) [^\n]*?: (\w{64})\n(?=ok    INC-\w+-1: its timeline is under)", outcome.said
    )
    assert ends == [root] * 7


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 33])
def test_every_leaf_of_a_tree_of_any_size_has_a_way_to_its_root(size: int) -> None:
    lines = [f"INC-{n} 1 {n:064x}" for n in range(size)]
    leaves = [hashlib.sha256(b"\0" + line.encode()).digest() for line in lines]
    for at, digest in enumerate(leaves):
        for side, other in verify.way_up(leaves, at):
            both = other + digest if side == "left" else digest + other
            digest = hashlib.sha256(b"\1" + both).digest()  # noqa: PLW2901  (going up)
        assert digest.hex() == merkle.root(lines)
    assert verify.top_of(leaves).hex() == merkle.root(lines)


def test_an_incident_without_a_timeline_is_no_evidence(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    exports, where, _ = signed()
    for name in verify.MEMBERS:
        (folder / name).write_bytes(exports.read(where.blob(name)))
    lines = (folder / "timeline.jsonl").read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if f'"subject":"{order()[0]}"'.encode() not in line]
    (folder / "timeline.jsonl").write_bytes(b"".join(kept))
    outcome = run(folder, "--sample", 1)

    assert outcome.code == 1
    assert f"timeline.jsonl: {order()[0]}: no timeline, though incidents.csv has it" in outcome.failures
