"""What a what-if is asked about: files that are damaged, doubled, torn or out of order."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.plans.whatif import main
from tests.test_whatif import OLD

ONE, TWO = "INC-17S9WHA7-1", "INC-17S9WHA8-1"
OPENED = {
    "plan": "acme",
    "source": "generic",
    "group": "g" * 64,
    "name": "n",
    "service": "api",
    "severity": "high",
    "rule": "r",
    "rules": "x" * 64,
    "drill": None,
}


def event(seq: object, type: str, data: object, minute: int = 0, subject: str = ONE) -> dict[str, object]:
    at = f"2026-11-18T12:{minute:02}:00.000000Z"
    return {
        "subject": subject,
        "seq": seq,
        "type": type,
        "occurred_at": at,
        "recorded_at": at,
        "actor": "source:generic",
        "data": data,
        "previous": "0" * 64,
        "hash": "0" * 64,
    }


BEGUN = event(1, "opened", OPENED)
OVER = event(2, "resolved", {"by": "person", "code": None}, 10)
OTHER = event(1, "opened", OPENED, subject=TWO)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(OLD)
    return path


def asked(plan: Path, *events: Mapping[str, object], name: str = "t.jsonl") -> int:
    path = plan.parent / name
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return main([str(plan), str(plan), str(path), "--json"])


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([event(1, "opened", [])], "t.jsonl:1: is no event (data"),
        ([event(1, "opened", None)], "t.jsonl:1: is no event (data"),
        ([event("1", "opened", OPENED)], "t.jsonl:1: is no event (seq"),
        ([BEGUN | {"recorded_at": "2026-11-18T12:00:00"}], "t.jsonl:1: is no event (recorded_at"),
        ([OTHER, event(1, "opened", {"plan": "acme"})], f"t.jsonl:2: {ONE}: has an event that cannot be"),
        ([BEGUN, event(2, "resolved", {}, 10)], f"t.jsonl:1: {ONE}: has an event that cannot be"),
        ([BEGUN, event(3, "alerts-cleared", {}, 1)], f"t.jsonl:2: {ONE}: event 3 comes after event 1"),
        ([event(1, "opened", OPENED, 30), OVER], f"t.jsonl:2: {ONE}: event 2 was recorded before event 1"),
    ],
)
def test_what_cannot_be_a_timeline_is_named_and_exits_2(
    events: list[dict[str, object]], said: str, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(plan, *events) == 2
    assert said in capsys.readouterr().err


def test_damaged_bundles_and_bottomless_lines_are_named_and_exit_2(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep, bundle = plan.parent / "deep.jsonl", plan.parent / "bundle.zip"
    deep.write_text("[" * 100_000 + "\n")
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("timeline.jsonl", "".join(json.dumps(event(n, "opened", OPENED)) for n in range(99)))
    octets = bytearray(bundle.read_bytes())
    octets[80:90] = b"\xff" * 10
    bundle.write_bytes(octets)
    for path in (deep, bundle):
        assert main([str(plan), str(plan), str(path)]) == 2
        assert str(path) in capsys.readouterr().err


def replayed(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    captured = capsys.readouterr()
    return json.loads(captured.out), captured.err


@pytest.mark.parametrize("again", [[BEGUN, OTHER, BEGUN, OVER], [BEGUN, BEGUN, OVER, OTHER]])
def test_an_incident_that_is_there_twice_counts_once_and_at_its_longest(
    again: list[dict[str, object]], plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(plan, *again) == 0
    found, said = replayed(capsys)
    assert sorted(each["id"] for each in found["incidents"]) == [ONE, TWO]
    assert found["totals"]["old"]["resolve SLA met"]["met"] == 1
    assert f"is read, 1 events are not: {ONE}" in said


@pytest.mark.parametrize("torn", [[BEGUN, OTHER, OVER], [OTHER, OVER]])
def test_an_incident_in_pieces_or_without_its_beginning_is_not_replayed_and_that_is_said(
    torn: list[dict[str, object]], plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(plan, *torn) == 1
    found, _ = replayed(capsys)
    assert [each["id"] for each in found["incidents"]] == [TWO]
    assert found["not_replayed"] == {"in pieces here, or without its first events": [ONE]}


def test_a_journal_may_lack_what_was_before_the_week(plan: Path) -> None:
    journal = [event(n, "swept", {}, subject="JRN-acme-2026-11-18-0") for n in (7, 9)]
    assert asked(plan, BEGUN, OVER, *journal) == 0
