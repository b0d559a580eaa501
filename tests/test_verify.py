"""The verifier finds whatever was changed in a bundle and names the place; and believes what was not."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.week import week_after, week_bounds
from shared.kpi import kpi_json, manifest, verify
from shared.kpi.bundle import spooled, zipped
from shared.kpi.definitions import DEFINITIONS, digest
from shared.kpi.shelf import Bundle
from shared.workflows.export_kpis import compile_week
from tests.builders import a_plan, hours, minutes, seconds, some_rules
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.working_fakes import MemoryExports, MemoryTimelines

NOON = MONDAY + timedelta(days=2, hours=12)
PLAN = replace(a_plan(), targets={"time_to_acknowledge_mean": 300, "delivery_success": 99})
MEMBERS = verify.MEMBERS
FLIPS = 60
NEXT = week_after(WEEK)
MONDAY_AFTER = week_bounds(NEXT, "UTC")[0]
LINK = {"week": "2026-W46", "revision": 1, "manifest_sha256": "a" * 64}
ODD_LINKS: tuple[object, ...] = (
    "x",
    5,
    [],
    {},
    True,
    {"week": "2026-W01"},
    LINK | {"revision": "zz"},
    LINK | {"revision": 0},
    LINK | {"revision": True},
    LINK | {"manifest_sha256": None},
    LINK | {"manifest_sha256": "A" * 64},
    LINK | {"week": 46},
    LINK | {"plan": "acme"},
)


@dataclass(frozen=True)
class Outcome:
    """What the verifier answered."""

    code: int
    said: str

    @property
    def failures(self) -> list[str]:
        return [line.removeprefix("FAILS ") for line in self.said.splitlines() if line.startswith("FAILS ")]


def run(*paths: Path) -> Outcome:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = verify.main([str(path) for path in paths])
    return Outcome(code, out.getvalue())


def a_rich_week() -> MemoryTimelines:
    before = MONDAY - hours(6)
    due = NOON + minutes(10)
    stories = [
        Story("INC-00000001-1")
        .opened(NOON, began=NOON - seconds(75), respond_due=due, resolve_due=NOON + hours(4))
        .alerts(NOON, opened=1, updated=4)
        .escalated(NOON, 1)
        .delivered(NOON + seconds(2))
        .first_told(NOON + seconds(3), NOON + seconds(2))
        .receipt(NOON + seconds(5))
        .receipt(NOON + seconds(9), "read")
        .receipt(NOON + seconds(9), "undelivered", "000002-oncall-1")
        .tell("held-back", NOON + seconds(30), {"contact": "oncall"})
        .tell("caught-up", NOON + minutes(1), {"contact": "oncall", "count": 1, "withdrawn": False})
        .tell("still-open", NOON + minutes(2), {"nth": 1})
        .acted_on(NOON + minutes(4), "slack")
        .acknowledged(NOON + minutes(4))
        .resolved(NOON + hours(1)),
        Story("INC-00000002-1")
        .opened(NOON, severity="P2", service="web", respond_due=due, name='=HYPERLINK("http://x";"y")\n,é')
        .escalated(NOON + minutes(1), 1, late=3)
        .undelivered(NOON + minutes(2))
        .tell("contact-unreachable", NOON + minutes(2), {"contact": "oncall"})
        .raised(NOON + minutes(3), "P1", respond_due=NOON + minutes(5), resolve_due=NOON + hours(1))
        .breached("respond", NOON + minutes(5), 1)
        .acknowledged(NOON + minutes(20))
        .breached("resolve", NOON + hours(1), 2),
        Story("INC-00000003-2")
        .opened(before, source=None, service="web")
        .tell("open", MONDAY, {"week": WEEK})
        .resolved(NOON, "source")
        .reopened(NOON + minutes(30), respond_due=NOON + minutes(40))
        .breached("respond", NOON + minutes(40))
        .tell("exhausted", NOON + hours(1), {"due": "", "late_seconds": 0, "rounds": 1}),
        Story("INC-00000004-1")
        .pending(before)
        .alerts(before, pending=1)
        .tell("dropped", before + hours(1))
        .alerts(NOON, pending=2)
        .opened(NOON, respond_due=due)
        .severity_changed(NOON + minutes(1), "P2", respond_due=NOON + minutes(20))
        .tell("oncall-empty", NOON + minutes(1), {"rotations": ["primary"], "caused_by": 1})
        .tell("informed", NOON + minutes(2), {"nth": 1})
        .status_updated(NOON + minutes(3), "internal", "external")
        .update_lapsed(NOON + minutes(33), "external", 2)
        .checked(NOON + minutes(34))
        .checked(NOON + minutes(35), "overridden")
        .resolved(NOON + minutes(36))
        .review_required(NOON + minutes(36), NOON + hours(24))
        .item(NOON + minutes(37), "open", NOON + hours(2))
        .item(NOON + minutes(38), "done", NOON + hours(2), "A2")
        .item(NOON + minutes(39), "in-progress", SUNDAY, "A3")
        .tell("review-overdue", NOON + hours(24), {"late_seconds": 0, "nth": 1}),
        Story("INC-00000005-1")
        .opened(NOON, drill="=db-down", severity="P3", respond_due=due)
        .escalated(NOON, 1)
        .first_told(NOON + seconds(1))
        .acknowledged(NOON + minutes(2))
        .resolved(NOON + minutes(8)),
        Story("INC-00000006-1").pending(NOON).alerts(NOON, pending=4).tell("dropped", NOON + minutes(2)),
        Story("JRN-acme-20261118-0")
        .alerts(NOON, ignored=3)
        .tell("drill-missed", NOON + hours(1), {"drill": "db-down"})
        .tell("digest-failed", NOON + hours(2), {"digest": "daily"})
        .tell("coverage-gap", NOON + hours(3), {"rotation": "primary"})
        .tell("digest-sent", NOON + hours(4), {"digest": "daily"}),
    ]
    return MemoryTimelines().keep("acme", *(story.events for story in stories))


def members_of(exports: MemoryExports, bundle: Bundle) -> dict[str, bytes]:
    return {name: exports.blobs[bundle.blob(name)] for name in MEMBERS}


def compiled(
    timelines: MemoryTimelines, exports: MemoryExports | None = None, week: str = WEEK, zone: str = "UTC"
) -> tuple[MemoryExports, Bundle]:
    exports = MemoryExports() if exports is None else exports
    plan = replace(PLAN, rules=some_rules(timezone=zone))
    return exports, compile_week(plan, week, timelines, exports, "1.0", week_bounds(week, zone)[1]).bundle


def zip_in(folder: Path, exports: MemoryExports, bundle: Bundle, name: str = "bundle.zip") -> Path:
    path = folder / name
    path.write_bytes(exports.blobs[bundle.blob("bundle.zip")])
    return path


def zip_of(members: Mapping[str, bytes], path: Path) -> Path:
    """The members, zipped as a bundle is."""
    with tempfile.TemporaryDirectory() as folder:
        spools = [spooled(Path(folder), name, members[name]) for name in MEMBERS]
        path.write_bytes(b"".join(zipped(spools)))
    return path


def forged(members: Mapping[str, bytes], **changes: bytes) -> dict[str, bytes]:
    """The members with some changed, and every hash in manifest and sums made anew so that they fit."""
    new = dict(members) | {name.replace("_", "."): content for name, content in changes.items()}
    stated = json.loads(new["manifest.json"])
    for entry in stated["files"]:
        content = new[entry["name"]]
        entry["sha256"], entry["bytes"] = hashlib.sha256(content).hexdigest(), len(content)
    content_keys = set(stated) - {*verify.PLACE, "content_sha256"}
    stated["content_sha256"] = digest({key: stated[key] for key in content_keys})
    new["manifest.json"] = kpi_json.pretty(stated)
    return new | {"manifest.sha256": sums(new)}


def sums(members: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(members[name]).hexdigest()}  {name}\n" for name in MEMBERS[:-1])
    return "".join(lines).encode()


@pytest.fixture(scope="module")
def rich() -> tuple[MemoryExports, Bundle]:
    return compiled(a_rich_week())


@pytest.fixture
def members(rich: tuple[MemoryExports, Bundle]) -> dict[str, bytes]:
    return members_of(*rich)


def test_an_untouched_bundle_is_verified(tmp_path: Path, rich: tuple[MemoryExports, Bundle]) -> None:
    outcome = run(zip_in(tmp_path, *rich))
    assert outcome.code == 0, outcome.said
    assert outcome.said.splitlines()[-1] == "verified: acme 2026-W47 r1"


def test_a_folder_of_the_members_is_verified_and_so_is_the_zip_beside_them(
    tmp_path: Path, rich: tuple[MemoryExports, Bundle], members: dict[str, bytes]
) -> None:
    for name, content in members.items():
        (tmp_path / name).write_bytes(content)
    assert run(tmp_path).code == 0
    path = zip_in(tmp_path, *rich)
    assert run(tmp_path).code == 0
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert re.search(r"bundle.zip byte \d+: end of the directory", run(tmp_path).said)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_byte_altered_in_a_folder_is_found_in_its_file(
    tmp_path: Path, members: dict[str, bytes], name: str
) -> None:
    for each, content in members.items():
        (tmp_path / each).write_bytes(content)
    content = members[name]
    for at in range(7, len(content), len(content) // 9):
        (tmp_path / name).write_bytes(content[:at] + bytes([content[at] ^ 3]) + content[at + 1 :])
        outcome = run(tmp_path)
        assert outcome.code == 1
        assert any(re.match(rf"{re.escape(name)}\b.*", failure) for failure in outcome.failures), outcome.said


def test_a_provisional_bundle_is_verified(tmp_path: Path) -> None:
    exports = MemoryExports()
    bundle = compile_week(PLAN, WEEK, a_rich_week(), exports, "1.0", NOON + minutes(7)).bundle
    outcome = run(zip_in(tmp_path, exports, bundle))
    assert outcome.code == 0, outcome.said
    assert outcome.said.endswith("verified: acme 2026-W47 provisional\n")


@pytest.mark.parametrize(
    ("week", "zone"),
    [("2026-W13", "Europe/Berlin"), ("2026-W44", "America/New_York"), ("2026-W53", "Pacific/Kiritimati")],
)
def test_bundles_of_weeks_with_odd_bounds_are_verified(tmp_path: Path, week: str, zone: str) -> None:
    start, end = week_bounds(week, zone)
    one = Story("INC-00000001-1").opened(start).acknowledged(start + minutes(2)).resolved(end - minutes(1))
    two = Story("INC-00000002-1").opened(start - minutes(1)).tell("open", start)
    timelines = MemoryTimelines(zone).keep("acme", one.events, two.events)
    outcome = run(zip_in(tmp_path, *compiled(timelines, week=week, zone=zone)))
    assert outcome.code == 0, outcome.said


def test_an_empty_week_is_verified(tmp_path: Path) -> None:
    assert run(zip_in(tmp_path, *compiled(MemoryTimelines()))).code == 0


@dataclass(frozen=True)
class Region:
    """A stretch of the zip: the content of a member, or what the zip says about it (no member)."""

    start: int
    end: int
    member: str | None


def regions(raw: bytes) -> list[Region]:
    found, at = [], 0
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for info in archive.infolist():
            data_at = info.header_offset + 30 + len(info.filename)
            found += [
                Region(at, data_at, None),
                Region(data_at, data_at + info.file_size, info.filename),
            ]
            at = data_at + info.file_size
    return [*found, Region(at, len(raw), None)]


def names_the_place(outcome: Outcome, raw: bytes, at: int, region: Region) -> bool:
    """Whether a message names the altered byte: its line, or the byte of the zip."""
    if region.member is None:
        return any(failure.startswith(f"bundle.zip byte {at}: ") for failure in outcome.failures)
    line = raw.count(b"\n", region.start, at) + 1
    place = re.compile(rf"{re.escape(region.member)} (\w+ )*(\d+ )?\(?line {line}\b")
    return any(place.match(failure) for failure in outcome.failures)


def flips(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Positions all over the zip, every region visited, each with the zip in which that byte is another."""
    chance = random.Random(20261121)  # noqa: S311  (a seed, so that a failure can be repeated)
    positions = [chance.randrange(len(raw)) for _ in range(FLIPS)]
    for one in regions(raw):
        within = range(one.start, one.end)
        positions += chance.sample(within, min(len(within), 3))
    for at in positions:
        altered = bytearray(raw)
        altered[at] ^= chance.randrange(1, 256)
        yield at, bytes(altered)


def test_one_altered_byte_anywhere_is_found_and_its_place_named(
    tmp_path: Path, rich: tuple[MemoryExports, Bundle]
) -> None:
    path = zip_in(tmp_path, *rich)
    raw = path.read_bytes()
    for at, altered in flips(raw):
        path.write_bytes(altered)
        outcome = run(path)
        region = next(one for one in regions(raw) if one.start <= at < one.end)
        assert outcome.code == 1, (at, region, outcome.said)
        assert names_the_place(outcome, raw, at, region), (at, region, outcome.said)


@pytest.mark.parametrize("cut", [1, 22, 23, 1000])
def test_a_zip_that_was_cut_short_is_never_verified(
    tmp_path: Path, rich: tuple[MemoryExports, Bundle], cut: int
) -> None:
    path = zip_in(tmp_path, *rich)
    path.write_bytes(path.read_bytes()[:-cut])
    assert run(path).code in (1, 2)


def test_a_zip_with_something_added_is_not_verified(
    tmp_path: Path, rich: tuple[MemoryExports, Bundle]
) -> None:
    path = zip_in(tmp_path, *rich)
    path.write_bytes(path.read_bytes() + b"\n")
    assert "there is more after the end" in run(path).said


def test_a_figure_that_was_changed_with_all_its_hashes_is_found_and_named(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    kpi = json.loads(members["kpi.json"])
    kpi["kpis"]["time_to_acknowledge"]["by_service"]["web"]["p90"] = 60
    outcome = run(zip_of(forged(members, kpi_json=kpi_json.pretty(kpi)), tmp_path / "b.zip"))
    assert outcome.code == 1
    figure, *shown = outcome.failures
    assert 'kpis.time_to_acknowledge.by_service.web.p90: \'"p90": 60,' in figure
    assert all(one.startswith(("report.html: ", "workbook.xlsx: ")) for one in shown)


@pytest.mark.parametrize(
    "path",
    [(one.name, "plan", key) for one in DEFINITIONS for key in ("value", "p95", "by", "met")],
    ids="-".join,
)
def test_no_figure_can_be_changed(tmp_path: Path, members: dict[str, bytes], path: tuple[str, ...]) -> None:
    kpi = json.loads(members["kpi.json"])
    figure = kpi["kpis"][path[0]]["plan"]
    if path[-1] not in figure:
        return
    figure[path[-1]] = 12345
    outcome = run(zip_of(forged(members, kpi_json=kpi_json.pretty(kpi)), tmp_path / "b.zip"))
    assert f"kpis.{'.'.join(path)}" in outcome.failures[0]


@pytest.mark.parametrize(
    ("stands", "forged_to"),
    [
        (b"time_to_first_told_seconds,2,", b"time_to_first_told_seconds,1,"),
        (b"drill_time_to_first_told_seconds,1,", b"drill_time_to_first_told_seconds,0,"),
        (b"incident_untold,1,", b"incident_untold,0,"),
        (b"receipt_succeeded,0,", b"receipt_succeeded,1,"),
        (b"receipt,1,P1/api/undelivered", b"receipt,1,P1/api/delivered"),
        (b"acted_on,1,P1/api/slack", b"acted_on,1,P1/api/link"),
        (b"held_back,1,", b"held_back,2,"),
        (b"still_open_reminded,1,", b"still_open_reminded,3,"),
    ],
)
def test_no_fact_of_who_was_told_can_be_changed(
    tmp_path: Path, members: dict[str, bytes], stands: bytes, forged_to: bytes
) -> None:
    assert stands in members["audit.csv"]
    audit = members["audit.csv"].replace(stands, forged_to, 1)
    outcome = run(zip_of(forged(members, audit_csv=audit), tmp_path / "b.zip"))
    assert outcome.code == 1
    assert outcome.failures[0].startswith("audit.csv row "), outcome.said


def test_a_row_that_was_changed_with_all_its_hashes_is_found_and_named(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    audit = members["audit.csv"].replace(
        b"time_to_acknowledge_seconds,240", b"time_to_acknowledge_seconds,24"
    )
    outcome = run(zip_of(forged(members, audit_csv=audit), tmp_path / "b.zip"))
    assert outcome.code == 1
    row = members["audit.csv"][: members["audit.csv"].index(b"to_acknowledge_seconds,240")].count(b"\n")
    place = f"audit.csv row {row} (line {row + 1}): value of {row}: '24' stands there, derived is '240'"
    assert outcome.failures[0] == place
    incidents = members["incidents.csv"].replace(b",P1,", b",P2,", 1)
    outcome = run(zip_of(forged(members, incidents_csv=incidents), tmp_path / "b.zip"))
    assert "incidents.csv row 1 (line 2): severity of INC-00000001-1" in outcome.failures[0]


@pytest.mark.parametrize(
    ("stands", "forged_to", "place"),
    [
        (b"'=db-down", b"another", "drill of INC-00000005-1: 'another' stands there"),
        (b",P3,", b",P4,", "severity of INC-00000005-1: 'P4' stands there"),
        (b"T12:02:00", b"T12:01:00", "acknowledged_at of INC-00000005-1"),
        (b",1\n", b",0\n", "respond_met of INC-00000005-1: '0' stands there, derived is '1'"),
    ],
)
def test_a_drill_that_was_changed_with_all_its_hashes_is_found_and_named(
    tmp_path: Path, members: dict[str, bytes], stands: bytes, forged_to: bytes, place: str
) -> None:
    assert members["drills.csv"].count(stands) == 1
    drills = members["drills.csv"].replace(stands, forged_to)
    outcome = run(zip_of(forged(members, drills_csv=drills), tmp_path / "b.zip"))
    assert outcome.code == 1
    assert outcome.failures[0].startswith(f"drills.csv row 1 (line 2): {place}")


def test_a_drill_left_out_or_put_among_the_incidents_is_found(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    header = members["drills.csv"].splitlines(keepends=True)[0]
    outcome = run(zip_of(forged(members, drills_csv=header), tmp_path / "b.zip"))
    assert outcome.failures[0].startswith("drills.csv row 1 (line 2): '' stands there")
    incidents = members["incidents.csv"] + members["incidents.csv"].splitlines(keepends=True)[-1]
    outcome = run(zip_of(forged(members, incidents_csv=incidents), tmp_path / "b.zip"))
    assert any("1 rows that do not follow from the timelines" in one for one in outcome.failures)


@pytest.mark.parametrize(
    ("stands", "forged_to"),
    [
        (b"review_in_time,0", b"review_in_time,1"),
        (b"update_missed,2", b"update_missed,1"),
        (b"action_item_overdue_at_end,1", b"action_item_overdue_at_end,0"),
        (b"drill_time_to_acknowledge_seconds,120", b"drill_time_to_acknowledge_seconds,12"),
        (b"drill_missed,1", b"drill_missed,0"),
        (b"other_alerts,4", b"other_alerts,3"),
    ],
)
def test_no_fact_of_reviews_updates_action_items_or_drills_can_be_changed(
    tmp_path: Path, members: dict[str, bytes], stands: bytes, forged_to: bytes
) -> None:
    assert members["audit.csv"].count(stands) == 1
    audit = members["audit.csv"].replace(stands, forged_to)
    outcome = run(zip_of(forged(members, audit_csv=audit), tmp_path / "b.zip"))
    assert outcome.code == 1
    assert re.match(r"audit.csv row \d+ \(line \d+\): value of ", outcome.failures[0])


def test_action_items_reviews_and_drills_left_to_come_cannot_be_left_out_of_the_next_week(
    tmp_path: Path,
) -> None:
    items = Story("INC-00000001-1").opened(NOON).resolved(NOON).item(NOON, "open", SUNDAY)
    review = Story("INC-00000002-1").opened(NOON).resolved(NOON).review_required(NOON, SUNDAY)
    drill = Story("INC-00000003-1").opened(NOON, drill="db-down")
    told = MemoryTimelines().keep("acme", *(one.events for one in (items, review, drill)))
    exports, first = compiled(told)
    before = zip_in(tmp_path, exports, first, "first.zip")
    honest = zip_in(tmp_path, *compiled(told, exports, NEXT), name="next.zip")
    assert run(honest, before).code == 0, run(honest, before).said
    other = MemoryExports()
    other.blobs.update({name: blob for name, blob in exports.blobs.items() if WEEK in name})
    outcome = run(zip_in(tmp_path, *compiled(MemoryTimelines(), other, NEXT), name="less.zip"), before)
    assert outcome.failures == [
        f"chain: INC-0000000{n}-1, of which 2026-W47 r1 left something to come, is left out here"
        for n in (1, 2, 3)
    ]


def test_a_pending_incident_of_another_plan_is_found(tmp_path: Path) -> None:
    exports, bundle = compiled(MemoryTimelines().keep("acme", Story().pending(NOON).events))
    members = members_of(exports, bundle)
    timeline = members["timeline.jsonl"]
    stated = json.loads(members["manifest.json"]) | {"plan": "other"}
    changed = forged(members, manifest_json=kpi_json.pretty(stated), timeline_jsonl=timeline)
    outcome = run(zip_of(changed, tmp_path / "b.zip"))
    assert any("an incident of another plan" in failure for failure in outcome.failures)


def test_rows_left_out_or_added_are_found(tmp_path: Path, members: dict[str, bytes]) -> None:
    lines = members["audit.csv"].splitlines(keepends=True)
    shorter, longer = b"".join(lines[:-1]), b"".join([*lines, lines[-1]])
    last = len(lines) - 1
    for audit, place in ((shorter, f"audit.csv row {last} "), (longer, f"audit.csv row {last + 1}:")):
        outcome = run(zip_of(forged(members, audit_csv=audit), tmp_path / "b.zip"))
        assert any(failure.startswith(place) for failure in outcome.failures), outcome.said


def test_an_event_that_was_changed_breaks_its_chain(tmp_path: Path, members: dict[str, bytes]) -> None:
    timeline = members["timeline.jsonl"].replace(b'"by":"person"', b'"by":"source"', 1)
    outcome = run(zip_of(forged(members, timeline_jsonl=timeline), tmp_path / "b.zip"))
    assert any(
        failure == "timeline.jsonl line 14: INC-00000001-1 event 14: its content does not have its hash"
        for failure in outcome.failures
    ), outcome.said


def test_an_event_left_out_breaks_the_chain(tmp_path: Path, members: dict[str, bytes]) -> None:
    lines = members["timeline.jsonl"].splitlines(keepends=True)
    timeline = b"".join(lines[:2] + lines[3:])
    outcome = run(zip_of(forged(members, timeline_jsonl=timeline), tmp_path / "b.zip"))
    assert any(
        failure.startswith("timeline.jsonl line 3: INC-00000001-1 event 4: it does not name")
        for failure in outcome.failures
    )


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"week": "2026-W46"}, "2026-W46 in UTC is 2026-11-09"),
        ({"timezone": "Europe/Berlin"}, "2026-W47 in Europe/Berlin is 2026-11-15T23:00"),
        ({"timezone": "Mars/X"}, "cannot be read"),
        ({"revision": 0}, "revision is no number"),
        ({"revision": True}, "revision is no number"),
        ({"code_version": 1}, "code_version is no text"),
        ({"revision": 2, "restates": LINK | {"week": WEEK, "revision": 2}}, "restates names no earlier"),
        ({"revision": 2, "restates": LINK}, "restates names no earlier"),
        ({"restates": LINK | {"week": WEEK}}, "restates names no earlier"),
        ({"previous": LINK | {"week": WEEK}}, "previous names no earlier week"),
        ({"from": "2026-11-16T00:00:00Z"}, "not in UTC with six decimals"),
        *(({"previous": odd}, "previous is not week, revision and manifest_sha256") for odd in ODD_LINKS),
        *(({"restates": odd}, "restates is not week, revision and manifest_sha256") for odd in ODD_LINKS),
        ({"provisional": True}, "provisional"),
        ({"timelines": {}}, "timelines"),
        ({"rules": []}, "rules"),
        ({"plan": "other"}, "another plan"),
    ],
)
def test_a_manifest_that_was_changed_with_its_hashes_contradicts_the_rest(
    tmp_path: Path, members: dict[str, bytes], change: dict[str, Any], place: str
) -> None:
    stated = json.loads(members["manifest.json"]) | change
    outcome = run(zip_of(forged(members, manifest_json=kpi_json.pretty(stated)), tmp_path / "b.zip"))
    assert outcome.code == 1
    assert any(place in failure for failure in outcome.failures), outcome.said


def chain(weeks: list[str]) -> tuple[MemoryExports, list[Bundle]]:
    exports, bundles = MemoryExports(), []
    for n, week in enumerate(weeks, start=1):
        start = week_bounds(week, "UTC")[0]
        story = Story(f"INC-{n:08d}-1").opened(start + hours(n)).resolved(start + hours(n + 1))
        bundles.append(compiled(MemoryTimelines().keep("acme", story.events), exports, week)[1])
    return exports, bundles


def test_the_chain_is_followed_as_far_as_earlier_bundles_are_given(tmp_path: Path) -> None:
    exports, bundles = chain(["2026-W44", "2026-W45", "2026-W47"])
    paths = [zip_in(tmp_path, exports, bundle, f"{bundle.week}.zip") for bundle in bundles]
    outcome = run(paths[2], paths[0], paths[1])
    assert outcome.code == 0, outcome.said
    assert "note  chain: back to 2026-W45 r1\n" in outcome.said
    assert "note  chain: back to 2026-W44 r1\n" in outcome.said
    assert "note  chain: back to 2026-W45 r1, not given\n" in run(paths[2]).said
    bare = tmp_path / "manifest.json"
    bare.write_bytes(exports.blobs[bundles[1].blob("manifest.json")])
    assert run(paths[2], bare).code == 0


def test_an_earlier_bundle_that_was_exchanged_breaks_the_chain(tmp_path: Path) -> None:
    exports, bundles = chain(["2026-W44", "2026-W47"])
    genuine = zip_in(tmp_path, exports, bundles[1], "47.zip")
    other = zip_in(tmp_path, *compiled(MemoryTimelines(), week="2026-W44"), name="44.zip")
    assert run(other).code == 0
    outcome = run(genuine, other)
    assert outcome.code == 1
    assert "44.zip is not the 2026-W44 r1 that previous names by its hash" in outcome.failures[0]


def test_a_bundle_that_no_link_leads_to_is_no_predecessor(tmp_path: Path) -> None:
    exports, bundles = chain(["2026-W44", "2026-W45", "2026-W47"])
    paths = [zip_in(tmp_path, exports, bundle, f"{bundle.week}.zip") for bundle in bundles]
    outcome = run(paths[2], paths[0])
    assert outcome.code == 1
    assert "no link of this bundle leads to" in outcome.failures[0]


def first_of_two_weeks(name: str = "HighErrorRate") -> Story:
    """An incident left open at the week's end; a forger tells it with another name."""
    return Story("INC-00000001-1").opened(NOON, respond_due=NOON + minutes(10), name=name).escalated(NOON, 1)


def on(story: Story) -> Story:
    return story.tell("open", MONDAY_AFTER, {"week": NEXT}).resolved(MONDAY_AFTER + hours(3))


def left_open() -> Story:
    return Story("INC-00000002-1").opened(NOON, name="left-open")


@dataclass(frozen=True)
class Weeks:
    """A genuine week on the shelf, and whatever is told to have come after it."""

    exports: MemoryExports
    folder: Path
    first: Path

    def then(self, *stories: Story, week: str = NEXT) -> Path:
        """The bundle of the following week, compiled with a correct link from what these stories tell."""
        exports = MemoryExports()
        exports.blobs.update(self.exports.blobs)
        told = MemoryTimelines().keep("acme", *(story.events for story in stories))
        return zip_in(self.folder, *compiled(told, exports, week), name=f"{week}.zip")

    def bare(self) -> Path:
        """Only the manifest of the genuine week."""
        path = self.folder / "manifest.json"
        with zipfile.ZipFile(self.first) as archive:
            path.write_bytes(archive.read("manifest.json"))
        return path


@pytest.fixture
def weeks(tmp_path: Path) -> Weeks:
    story = first_of_two_weeks().breached("respond", NOON + minutes(10))
    closed = Story("INC-00000003-1").opened(NOON).resolved(NOON + hours(1))
    told = MemoryTimelines().keep("acme", story.events, left_open().events, closed.events)
    exports, bundle = compiled(told)
    return Weeks(exports, tmp_path, zip_in(tmp_path, exports, bundle, f"{WEEK}.zip"))


def genuine() -> Story:
    return on(first_of_two_weeks().breached("respond", NOON + minutes(10)))


def test_a_week_that_goes_on_from_the_one_before_is_verified_and_what_was_compared_is_said(
    weeks: Weeks,
) -> None:
    outcome = run(weeks.then(genuine(), left_open().tell("open", MONDAY_AFTER)), weeks.first)
    assert outcome.code == 0, outcome.said
    assert "chain: 2 of the 3 timelines of 2026-W47 r1 are here; compared event by event" in outcome.said
    assert "chain: 2 incidents were open when 2026-W47 r1 ended; compared with those here" in outcome.said


@pytest.mark.parametrize(
    "rewritten",
    [
        on(first_of_two_weeks().acknowledged(NOON + minutes(1))),
        on(first_of_two_weeks(name="Other").breached("respond", NOON + minutes(10))),
    ],
    ids=["an event replaced", "renamed"],
)
def test_a_history_that_was_rewritten_is_found(weeks: Weeks, rewritten: Story) -> None:
    forged = weeks.then(rewritten, left_open().tell("open", MONDAY_AFTER))
    assert run(forged).code == 0
    for earlier in (weeks.first, weeks.bare()):
        outcome = run(forged, earlier)
        assert outcome.code == 1
        assert outcome.failures == [
            "chain: INC-00000001-1 event 3 is not the one of 2026-W47 r1: its history was rewritten"
        ]


def test_a_timeline_that_lost_events_is_found(weeks: Weeks) -> None:
    shorter = Story("INC-00000001-1").opened(NOON, respond_due=NOON + minutes(10))
    outcome = run(weeks.then(shorter, left_open()), weeks.bare())
    assert outcome.failures == ["chain: INC-00000001-1 had 3 events in 2026-W47 r1, and has only 1 here"]


def test_an_incident_left_open_that_is_left_out_is_found(weeks: Weeks) -> None:
    outcome = run(weeks.then(genuine()), weeks.first)
    assert outcome.failures == [
        "chain: 2026-W47 r1 closes with a backlog of 2, and this goes on with 1",
        "chain: INC-00000002-1, which 2026-W47 r1 left open, is left out here",
    ]
    outcome = run(weeks.then(), weeks.first)
    assert len(outcome.failures) == 3
    assert "closes with a backlog of 2, and this goes on with 0" in outcome.failures[0]


def test_an_incident_that_appears_from_before_the_week_is_found(weeks: Weeks) -> None:
    invented = Story("INC-00000009-1").opened(NOON).tell("open", MONDAY_AFTER)
    forged = weeks.then(genuine(), left_open().tell("open", MONDAY_AFTER), invented)
    assert run(forged, weeks.first).failures == [
        "chain: 2026-W47 r1 closes with a backlog of 2, and this goes on with 3",
        "chain: INC-00000009-1 was open when 2026-W47 r1 ended, which does not say so",
    ]


def test_where_only_a_manifest_was_given_it_is_said_that_the_backlog_was_not_compared(weeks: Weeks) -> None:
    outcome = run(weeks.then(genuine()), weeks.bare())
    assert outcome.code == 0
    assert "only the manifest was given: what it left open was not compared" in outcome.said


def test_a_week_in_between_without_a_bundle_is_said_and_what_is_no_longer_there_is_named(
    weeks: Weeks,
) -> None:
    outcome = run(weeks.then(genuine(), week=week_after(NEXT)), weeks.first)
    assert outcome.code == 0, outcome.said
    assert "what it left open was not compared; not here: INC-00000001-1, INC-00000002-1" in outcome.said


def test_an_earlier_bundle_whose_members_are_not_those_of_its_manifest_is_not_believed(weeks: Weeks) -> None:
    folder = weeks.folder / "first"
    with zipfile.ZipFile(weeks.first) as archive:
        archive.extractall(folder)
    incidents = (folder / "incidents.csv").read_bytes().splitlines(keepends=True)
    (folder / "incidents.csv").write_bytes(b"".join(incidents[:1]))
    outcome = run(weeks.then(genuine()), folder)
    assert outcome.code == 1
    assert "incidents.csv does not have the hash that its manifest names" in outcome.failures[0]


def test_an_older_bundle_further_back_in_the_chain_is_compared_too(weeks: Weeks) -> None:
    week = week_after(NEXT)
    second = weeks.then(genuine(), left_open().tell("open", MONDAY_AFTER))
    exports = MemoryExports()
    exports.blobs.update(weeks.exports.blobs)
    honest = MemoryTimelines().keep("acme", genuine().events, left_open().tell("open", MONDAY_AFTER).events)
    compiled(honest, exports, NEXT)
    other = Story("INC-00000002-1").opened(NOON, name="other").tell("open", MONDAY_AFTER)
    forged = MemoryTimelines().keep("acme", other.tell("open", MONDAY_AFTER + timedelta(days=7)).events)
    third = zip_in(weeks.folder, *compiled(forged, exports, week), name="third.zip")
    outcome = run(third, weeks.bare(), second)
    assert "chain: INC-00000002-1 event 2 is not the one of 2026-W48 r1: its history was rewritten" in (
        outcome.failures
    )
    assert "chain: INC-00000002-1 event 1 is not the one of 2026-W47 r1: its history was rewritten" in (
        outcome.failures
    )


def test_a_restatement_that_leaves_out_what_it_restates_is_found(weeks: Weeks) -> None:
    told = MemoryTimelines().keep("acme", left_open().events, Story().opened(NOON, name="Other").events)
    second = zip_in(weeks.folder, *compiled(told, weeks.exports), name="r2.zip")
    assert run(second, weeks.first).failures == [
        "chain: INC-00000003-1 stands in 2026-W47 r1, and is left out here, in its restatement",
        "chain: INC-00000001-1 had 3 events in 2026-W47 r1, and has only 1 here",
    ]


@pytest.mark.parametrize("odd", ["x", 5, [], None, {"INC-00000001-1": 5}, {"INC-00000001-1": "x y"}])
def test_an_earlier_manifest_that_tells_no_timelines_is_no_proof(weeks: Weeks, odd: object) -> None:
    bare = weeks.bare()
    bare.write_bytes(kpi_json.pretty(json.loads(bare.read_bytes()) | {"timelines": odd}))
    with zipfile.ZipFile(weeks.then(genuine())) as archive:
        members = {name: archive.read(name) for name in MEMBERS}
    stated = json.loads(members["manifest.json"])
    stated["previous"]["manifest_sha256"] = hashlib.sha256(bare.read_bytes()).hexdigest()
    path = zip_of(forged(members, manifest_json=kpi_json.pretty(stated)), weeks.folder / "b.zip")
    outcome = run(path, bare)
    assert outcome.code == 1
    assert any("tells no timelines" in one or "cannot be read" in one for one in outcome.failures)


def test_a_later_revision_that_restates_nothing_is_remarked(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    stated = json.loads(members["manifest.json"]) | {"revision": 7}
    outcome = run(zip_of(forged(members, manifest_json=kpi_json.pretty(stated)), tmp_path / "b.zip"))
    assert outcome.code == 0, outcome.said
    assert "note  chain: r7 restates nothing, as if no revision before it was completed\n" in outcome.said


@pytest.mark.parametrize("odd", ["x", 5.5, [], {}, True])
def test_targets_of_another_type_are_failures(tmp_path: Path, members: dict[str, bytes], odd: object) -> None:
    stated, kpi = json.loads(members["manifest.json"]), json.loads(members["kpi.json"])
    stated["targets"]["delivery_success"] = kpi["kpis"]["delivery_success"]["plan"]["target"] = odd
    changed = forged(members, manifest_json=kpi_json.pretty(stated), kpi_json=kpi_json.pretty(kpi))
    assert run(zip_of(changed, tmp_path / "b.zip")).code == 1


def test_a_file_in_the_folder_that_is_no_part_of_the_bundle_is_named(
    tmp_path: Path, rich: tuple[MemoryExports, Bundle], members: dict[str, bytes]
) -> None:
    for name, content in members.items():
        (tmp_path / name).write_bytes(content)
    zip_in(tmp_path, *rich)
    assert "in the folder" not in run(tmp_path).said
    (tmp_path / "incidents.xlsx").write_bytes(b"x")
    outcome = run(tmp_path)
    assert outcome.code == 0
    assert "note  incidents.xlsx stands in the folder, is no part of the bundle and was not checked" in (
        outcome.said
    )


def test_withdrawn_deliveries_are_left_out_and_events_of_other_types_count_for_nothing(
    tmp_path: Path,
) -> None:
    def told(*, more: bool) -> Story:
        story = Story().opened(NOON).escalated(NOON, 1).delivered(NOON + seconds(1))
        story.undelivered(NOON + seconds(2)).resolved(NOON + minutes(3))
        if more:
            story.tell("delivery-withdrawn", NOON + minutes(4), {"kind": "page", "attempts": 0})
            story.tell("invented", NOON + minutes(5), {"alerts": [{"count": 3}], "by": "x", "step": []})
        return story

    kpis = []
    for more in (False, True):
        exports, bundle = compiled(MemoryTimelines().keep("acme", told(more=more).events))
        outcome = run(zip_in(tmp_path, exports, bundle))
        assert outcome.code == 0, outcome.said
        kpis.append(json.loads(exports.blobs[bundle.blob("kpi.json")]))
    figures = [each["kpis"].pop("delivery_success")["plan"] for each in kpis]
    assert kpis[0] == kpis[1]
    assert [(one["numerator"], one["denominator"]) for one in figures] == [(1, 2), (1, 2)]
    assert [sum(one["excluded"].values()) for one in figures] == [0, 1]


def test_an_acknowledged_incident_whose_severity_is_raised_may_be_escalated(tmp_path: Path) -> None:
    story = (
        Story().opened(NOON, severity="P2", respond_due=NOON + minutes(10)).acknowledged(NOON + minutes(1))
    )
    story.raised(NOON + minutes(2), "P1", respond_due=NOON + minutes(7)).escalated(NOON + minutes(2), 1)
    exports, bundle = compiled(MemoryTimelines().keep("acme", story.events))
    outcome = run(zip_in(tmp_path, exports, bundle))
    assert outcome.code == 0, outcome.said
    kpis = json.loads(exports.blobs[bundle.blob("kpi.json")])["kpis"]
    assert kpis["escalations_by_step"]["plan"]["by"] == {"step-1": 1}
    assert b",acknowledged," in exports.blobs[bundle.blob("incidents.csv")]


def test_a_restatement_leads_to_what_it_restates(tmp_path: Path) -> None:
    exports, first = compiled(MemoryTimelines())
    second = compiled(a_rich_week(), exports)[1]
    paths = [zip_in(tmp_path, exports, bundle, f"{bundle.label}.zip") for bundle in (first, second)]
    outcome = run(paths[1], paths[0])
    assert outcome.code == 0, outcome.said
    assert outcome.said.endswith("verified: acme 2026-W47 r2\n")


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip, but as long as one " * 99])
def test_what_is_no_bundle_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(content)
    assert run(path).code == 2
    assert run(tmp_path / "none.zip").code == 2
    assert run(tmp_path).code == 2


def test_a_bundle_packed_again_by_another_tool_is_not_the_bundle(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert run(path).code == 1
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert run(path).code in (1, 2)


def test_a_bundle_of_a_later_format_is_refused_rather_than_judged(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    stated = json.loads(members["manifest.json"]) | {"format": manifest.FORMAT + 1}
    outcome = run(zip_of(forged(members, manifest_json=kpi_json.pretty(stated)), tmp_path / "b.zip"))
    assert outcome.code == 2
    assert "this verifier knows" in outcome.said


@pytest.mark.parametrize(
    "event",
    [b"", b"null", b"[]", b"{}", b'{"subject":1}', b"[" * 100_000, b"\xff", b'{"a":NaN}'],
    ids=["empty", "null", "a list", "an object", "a number", "deep", "no text", "no number"],
)
def test_a_hostile_bundle_is_judged_and_does_not_stop_the_verifier(
    tmp_path: Path, members: dict[str, bytes], event: bytes
) -> None:
    lines = members["timeline.jsonl"].splitlines(keepends=True)
    lines[2] = event + b"\n"
    outcome = run(zip_of(forged(members, timeline_jsonl=b"".join(lines)), tmp_path / "b.zip"))
    assert outcome.code == 1
    assert any(failure.startswith("timeline.jsonl line 3: ") for failure in outcome.failures)


@pytest.mark.parametrize(
    "data", [{}, {"plan": []}, {"severity": {}}, {"respond_due": 7}, {"respond_due": "x"}]
)
def test_sealed_events_that_tell_nonsense_are_named_by_their_subject(
    tmp_path: Path, members: dict[str, bytes], data: dict[str, Any]
) -> None:
    told = Story("INC-00000001-1").opened(NOON)
    whole = {**told.events[0].data, **data} if data else {}
    nonsense = Story("INC-00000001-1").tell("opened", NOON, whole)
    line = verify.compact(
        {
            "subject": nonsense.subject,
            "seq": 1,
            "type": "opened",
            "occurred_at": verify.stamp(NOON),
            "recorded_at": verify.stamp(NOON),
            "actor": "tocsin",
            "data": whole,
            "previous": "0" * 64,
            "hash": nonsense.events[0].hash,
        }
    )
    outcome = run(zip_of(forged(members, timeline_jsonl=line + b"\n"), tmp_path / "b.zip"))
    assert outcome.code == 1
    assert any("INC-00000001-1" in failure for failure in outcome.failures)


def test_the_terminal_is_safe_from_what_a_bundle_says(tmp_path: Path, members: dict[str, bytes]) -> None:
    kpi = members["kpi.json"].replace(b'"value": 2', b'"\x1b[2J": 2', 1)
    assert "\x1b" not in run(zip_of(forged(members, kpi_json=kpi), tmp_path / "b.zip")).said


STEPS = """
acknowledged acknowledged-by-tocsin expired resolved resolved-by-source reopened raised escalated by-hand
exhausted breached delivered failed withdrawn unreachable missing alerts noted open invented
changed empty informed lapsed updated checked review completed item item pending dropped
drill-missed digest-failed coverage-gap told told-before received acted held-back caught-up still-open
"""
NAMES = st.text(max_size=12)


def tell(story: Story, step: str, at: datetime, number: int) -> None:
    """One more event of a random timeline; dues lie around the events that may decide them."""
    due = at + minutes(number % 40 - 5)
    simple = {
        "expired": "acknowledgement-expired",
        "by-hand": "escalated-manually",
        "exhausted": "exhausted",
        "unreachable": "contact-unreachable",
        "missing": "contact-missing",
        "noted": "noted",
        "open": "open",
        "withdrawn": "delivery-withdrawn",
        "invented": "invented",
        "empty": "oncall-empty",
        "informed": "informed",
        "dropped": "dropped",
        "drill-missed": "drill-missed",
        "digest-failed": "digest-failed",
        "coverage-gap": "coverage-gap",
        "held-back": "held-back",
        "caught-up": "caught-up",
        "still-open": "still-open",
    }
    if step in simple:
        story.tell(simple[step], at)
    elif step == "breached":
        story.tell("breached", at, {"clock": ("respond", "resolve")[number % 2], "due": verify.stamp(due)})
    elif step == "raised":
        story.raised(at, f"P{number % 3}", respond_due=due, resolve_due=None if number % 2 else due)
    elif step == "reopened":
        story.reopened(at, respond_due=due)
    elif step == "escalated":
        story.tell("escalated", at, {"step": number % 4, "late_seconds": number})
    else:
        tell_more(story, step, at, number)


def tell_more(story: Story, step: str, at: datetime, number: int) -> None:
    plain = {
        "acknowledged": story.acknowledged,
        "resolved": story.resolved,
        "delivered": story.delivered,
        "failed": story.undelivered,
    }
    if step in plain:
        plain[step](at)
    elif step == "acknowledged-by-tocsin":
        story.acknowledged(at, "tocsin")
    elif step == "resolved-by-source":
        story.resolved(at, "source")
    elif step in ("review", "completed", "item", "changed", "lapsed", "updated", "checked", "pending"):
        tell_of_plans(story, step, at, number)
    elif step in ("told", "told-before", "received", "acted"):
        tell_of_telling(story, step, at, number)
    else:
        story.alerts(at, opened=number % 2, updated=number)


def tell_of_plans(story: Story, step: str, at: datetime, number: int) -> None:
    due = at + minutes(number % 40 - 5)
    status = ("open", "in-progress", "done", "dropped")[number % 4]
    tells: dict[str, Callable[[], object]] = {
        "review": lambda: story.review_required(at, due),
        "completed": lambda: story.review_completed(at),
        "item": lambda: story.item(at, status, due, f"A{number % 3}"),
        "changed": lambda: story.severity_changed(at, f"P{number % 3}", respond_due=due, resolve_due=due),
        "lapsed": lambda: story.update_lapsed(at, missed=number),
        "updated": lambda: story.status_updated(at, *("internal", "external")[: number % 3]),
        "checked": lambda: story.checked(at, ("ticked", "unticked", "overridden")[number % 3]),
        "pending": lambda: story.pending(at),
    }
    tells[step]()


def tell_of_telling(story: Story, step: str, at: datetime, number: int) -> None:
    if step.startswith("told"):
        story.first_told(at, at - minutes(number) if step == "told-before" else at)
    elif step == "received":
        story.receipt(at, ("delivered", "read", "undelivered")[number % 3], f"000002-oncall-{number % 2}")
    else:
        story.acted_on(at, ("link", "slack", "sms")[number % 3])


@st.composite
def timelines(draw: st.DrawFn) -> MemoryTimelines:
    """Incidents that begin before or in the week and go on past it, through events in any order at all."""
    found = MemoryTimelines()
    for n in range(draw(st.integers(0, 4))):
        at = MONDAY + minutes(draw(st.integers(-3000, 10_000)))
        story = Story(f"INC-{n:08d}-1")
        for step in draw(st.lists(st.sampled_from(STEPS.split()), max_size=4)):
            tell(story, step, at, draw(st.integers(0, 99)))
        if story.events and draw(st.integers(0, 9)) == 0:
            found.keep("acme", story.events)
            continue
        story.opened(
            at,
            began=at - seconds(draw(st.integers(-9, 99))),
            respond_due=draw(st.sampled_from([None, at + minutes(10), at + minutes(9000)])),
            resolve_due=draw(st.sampled_from([None, at, at + hours(4)])),
            severity=draw(st.sampled_from(["P0", "P1", "=P2"])),
            service=draw(NAMES),
            source=draw(st.sampled_from([None, "generic"])),
            name=draw(NAMES),
            drill=draw(st.one_of(st.none(), NAMES)),
        )
        for step in draw(st.lists(st.sampled_from(STEPS.split()), max_size=12)):
            number = draw(st.integers(0, 99))
            at += seconds(draw(st.sampled_from([0, 1, 299, 300, 301, 600, 3600, 86_400, 300_000])))
            tell(story, step, at, number)
        found.keep("acme", story.events)
    return found


@settings(max_examples=60, deadline=None)
@given(timelines())
def test_whatever_the_timelines_tell_the_verifier_derives_the_same(told: MemoryTimelines) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(zip_in(Path(folder), *compiled(told)))
    assert outcome.code == 0, outcome.said


def test_the_verifier_needs_the_standard_library_alone_and_old_pythons_can_read_it(
    tmp_path: Path, rich: tuple[MemoryExports, Bundle]
) -> None:
    source = Path(verify.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - {"cryptography"} <= sys.stdlib_module_names
    [optional] = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "holds_for"]
    assert "from cryptography" not in source.replace(ast.get_source_segment(source, optional) or "", "")
    alone = tmp_path / "verify.py"
    alone.write_text(source, encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(alone), str(zip_in(tmp_path, *rich))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("verified: acme 2026-W47 r1\n")


def test_it_runs_as_a_module(tmp_path: Path, rich: tuple[MemoryExports, Bundle]) -> None:
    command = [sys.executable, "-m", "shared.kpi.verify", str(zip_in(tmp_path, *rich))]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_knows_every_kpi_by_the_same_definition() -> None:
    assert {
        one.name: (one.kind, one.metrics, one.per, one.codes, one.target) for one in DEFINITIONS
    } == verify.KPIS


def test_the_week_ends_where_the_exporter_says(members: dict[str, bytes]) -> None:
    stated = json.loads(members["manifest.json"])
    assert stated["to"] == verify.stamp(SUNDAY)
