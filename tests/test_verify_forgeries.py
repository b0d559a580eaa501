"""What a forger may try who makes every hash anew: each is named, and nothing of it stops the verifier."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.week import week_bounds
from shared.kpi import definitions, kpi_json, verify
from shared.workflows.export_kpis import compile_week
from tests import signed_bundles
from tests.builders import a_plan, hours
from tests.eventful import NOON, exported, timelines
from tests.stories import MONDAY, Story
from tests.test_verify_evidence import resealed
from tests.working_fakes import MemoryExports, MemoryTimelines

OBJECTS = ("kpi.json", "baseline.json", "manifest.json")
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def members() -> Members:
    kept = timelines()
    spans = {"from": NOON - hours(1), "until": NOON}
    watched = {key: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for key, at in spans.items()}
    counted = dict.fromkeys(("sweeps", "longest_gap_seconds", "probes", "probes_failed"), 1)
    told = Story("JRN-acme-20261118-1").tell("watched", NOON, {**watched, **counted})
    exports, bundle = exported(kept.keep("acme", told.events))
    return {name: exports.read(bundle.blob(name)) for name in verify.MEMBERS}


@pytest.fixture
def without_time_zones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.split(".")[0] == "tzdata"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tzdata", None)  # as if it were not installed
    places = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=places)
    zoneinfo.ZoneInfo.clear_cache()


def put(folder: Path, members: Mapping[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    return folder


def run(*arguments: object) -> tuple[int, str]:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        code = verify.main([str(one) for one in arguments])
    return code, out.getvalue()


def failures(said: str) -> list[str]:
    return [line[6:] for line in said.splitlines() if line.startswith("FAILS ")]


def with_(members: Members, name: str, change: Callable[[bytes], bytes]) -> Members:
    """The member changed, and every hash made anew."""
    new = resealed({**members, name: change(members[name])} if name != "manifest.json" else members)
    if name == "manifest.json":
        new[name] = change(new[name])
        lines = (f"{hashlib.sha256(new[one]).hexdigest()}  {one}\n" for one in verify.LISTED)
        new["manifest.sha256"] = "".join(lines).encode()
    return new


def rechained(timeline: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Every event changed and sealed anew."""
    made, heads = b"", dict[str, str]()
    for line in timeline.splitlines():
        event = json.loads(line)
        change(event)
        del event["hash"]
        event["previous"] = heads.get(event["subject"], "0" * 64)
        event["hash"] = heads[event["subject"]] = hashlib.sha256(verify.compact(event)).hexdigest()
        made += verify.compact(event) + b"\n"
    return made


LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "a key twice": lambda raw: raw.replace(b'\n "week":', b'\n "week": "2020-W01",\n "week":', 1),
    "the values of a key twice": lambda raw: raw.replace(b'"week": ', b'"week": 5, "week": ', 1),
    "no line breaks": lambda raw: json.dumps(json.loads(raw)).encode(),
    "an empty line": lambda raw: raw.replace(b"\n", b"\n\n", 1),
    "CR LF": lambda raw: raw.replace(b"\n", b"\r\n"),
    "lines behind the end": lambda raw: raw + b"\n \n",
    "a letter escaped": lambda raw: raw.replace(b'"2026-W47"', b'"\\u0032026-W47"', 1),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_json_in_another_layout_is_named_by_its_line(
    tmp_path: Path, members: Members, name: str, layout: str
) -> None:
    code, said = run(put(tmp_path, with_(members, name, LAYOUTS[layout])))

    assert code == 1
    told = [one for one in failures(said) if one.startswith(name)]
    assert any(re.match(rf"{re.escape(name)} line \d+: not written as it must be", one) for one in told), said
    doubled = f"{name}: the key 'week' stands twice in one object"
    assert (doubled in told) == layout.endswith("twice")


def test_a_signature_with_a_key_twice_is_none(tmp_path: Path) -> None:
    bundle = signed_bundles.received(tmp_path, "manifest.sig")
    raw = (tmp_path / "manifest.sig").read_bytes()
    (tmp_path / "manifest.sig").write_bytes(raw.replace(b'"format": 1', b'"format": 2,\n "format": 1', 1))
    assert any("the key 'format' stands twice" in one for one in signed_bundles.run(bundle).failures)


NO_OBJECTS = {
    "empty": (b"", "not JSON"),
    "garbage": (b"xx\n", "not JSON"),
    "no UTF-8": (b"\xff\n", "not JSON: not UTF-8"),
    "a list": (b"[]\n", "not an object"),
    "a byte order mark": (b"\xef\xbb\xbf{}\n", "byte order mark"),
    "deep": (b'{"a": ' + b"[" * 400 + b"]" * 400 + b"}\n", "more than 100 deep"),
    "deeper": (b"[" * 90_000, "more than 100 deep"),
    "no keys": (b"{}\n", "stands there, derived is"),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("kind", NO_OBJECTS)
def test_what_is_no_object_fails_by_its_name_and_is_no_other_version(
    tmp_path: Path, members: Members, name: str, kind: str
) -> None:
    content, words = NO_OBJECTS[kind]
    code, said = run(put(tmp_path, with_(members, name, lambda _: content)))

    assert code == 1
    assert any(one.startswith(name) and words in one for one in failures(said)), said


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 19, "1" * 5000])
def test_what_is_no_number_of_a_bundle_is_named_by_its_line(
    tmp_path: Path, members: Members, name: str, number: str
) -> None:
    forged = with_(members, name, lambda raw: re.sub(rb": \d+,", f": {number},".encode(), raw, count=1))
    code, said = run(put(tmp_path, forged))

    assert code == 1
    assert any(re.match(rf"{re.escape(name)} line \d+: .*number", one) for one in failures(said)), said


NO_TEXTS: tuple[object, ...] = (None, 5, [])
ODD_DATA: list[tuple[str, str, object]] = [
    *(("opened", key, odd) for key in ("service", "severity", "rules", "name") for odd in NO_TEXTS),
    ("opened", "drill", 5),
    ("opened", "respond_due", "soon"),
    ("alerts", "alerts", [{"disposition": 5, "count": 1}]),
    ("alerts", "alerts", [{"disposition": "opened", "count": None}]),
    ("alerts", "alerts", [{"disposition": "opened", "count": True}]),
    ("alerts", "alerts", 5),
    ("dispositions", "alerts", [5]),
    ("escalated", "late_seconds", "1"),
    ("escalated", "step", None),
    ("resolved", "by", 5),
    ("receipt", "state", []),
    ("review-required", "due", "0001-01-01T00:00:00.000000Z"),
    ("action-item", "due", None),
    ("on-call", "shifts", [{"rotation": "ops", "from": "x", "until": "x", "contact": None}]),
    ("coverage-gap", "until", 5),
    ("plan-changed", "to", 5),
    ("rollout-ended", "figures", 5),
    ("accessed", "what", []),
    ("purged", "what", None),
    *(("watched", key, odd) for key in ("from", "until") for odd in (None, "x", 5)),
    *(("watched", key, odd) for key in ("sweeps", "probes", "probes_failed") for odd in (None, "9", -1)),
    ("watched", "longest_gap_seconds", None),
]


@pytest.mark.parametrize(("type", "key", "odd"), ODD_DATA)
def test_data_of_another_type_than_figures_are_made_of_is_named_by_subject_and_event(
    tmp_path: Path, members: Members, type: str, key: str, odd: object
) -> None:
    def change(event: dict[str, Any]) -> None:
        if event["type"] == type:
            event["data"][key] = odd

    code, said = run(
        put(tmp_path, with_(members, "timeline.jsonl", lambda raw: rechained(raw, change))), "--sample", 9
    )

    assert code == 1
    pattern = rf"timeline\.jsonl: \S+ event \d+: {type}: {key}: .* stands there, and it must be "
    assert any(re.match(pattern, one) for one in failures(said)), said


@pytest.mark.parametrize("value", ["NaN", "1e308", "1.5", "9" * 400, "[" * 300 + "]" * 300])
def test_an_event_with_what_events_never_hold_is_none_and_named_by_its_line(
    tmp_path: Path, members: Members, value: str
) -> None:
    forged = with_(
        members, "timeline.jsonl", lambda raw: raw.replace(b'"count":1,', f'"count":{value},'.encode(), 1)
    )
    code, said = run(put(tmp_path, forged))

    assert code == 1
    assert any(re.match(r"timeline\.jsonl line \d+: no event", one) for one in failures(said)), said


def test_a_csv_file_whose_lines_end_otherwise_says_so(tmp_path: Path, members: Members) -> None:
    _, said = run(put(tmp_path, with_(members, "audit.csv", lambda raw: raw.replace(b"\n", b"\r\n"))))
    assert "audit.csv row 1 (line 2): it ends with CR LF, and must end with LF" in failures(said)


@pytest.mark.parametrize("key", ["from", "to", "as_of", "week", "timezone", "plan"])
@pytest.mark.parametrize("odd", [None, 5, "\x1b[2K", "0001-01-01T00:00:00.000000Z", "9999-W52", "America"])
def test_a_period_that_cannot_be_read_is_named(
    tmp_path: Path, members: Members, key: str, odd: object
) -> None:
    new = dict(members)
    for name in ("kpi.json", "baseline.json", "manifest.json"):
        stated = json.loads(new[name])
        new[name] = kpi_json.pretty({**stated, **({key: odd} if key in stated else {})})
    code, said = run(put(tmp_path, resealed(new)))

    assert code == 1
    words = "another plan" if key == "plan" and isinstance(odd, str) else f"manifest.json: {key}"
    readable = ("manifest.json: week, timezone", "manifest.json: as_of or", "another plan")
    assert any(words in one or one.startswith(readable) for one in failures(said)), said
    assert "\x1b" not in said


def test_no_line_has_what_a_terminal_acts_on(tmp_path: Path, members: Members) -> None:
    stated = json.loads(members["manifest.json"]) | {"plan": "acme\x1b[1A\rverified: acme\u202e"}
    code, said = run(put(tmp_path, resealed(members, stated)))
    nothing, told = run(tmp_path / "\x1b[2K")

    assert (code, nothing) == (1, 2)
    assert "\ndoes not hold: acme�[1A�verified: acme� 2026-W47 r1\n" in said
    assert not re.search("[\x1b\r\u202e]", said + told)


@pytest.mark.usefixtures("without_time_zones")
def test_without_time_zones_json_stays_json_and_what_was_not_checked_is_said(
    tmp_path: Path, members: Members
) -> None:
    code, said = run(put(tmp_path, members), "--json")
    outcome = json.loads(said)
    checks = {one["text"]: one["word"] for one in outcome["checks"]}

    assert (code, outcome["problems"]) == (0, [])
    assert "manifest.json: the week's bounds" not in checks
    assert any("bounds were not checked" in text and word == "note" for text, word in checks.items())
    assert any("drift was not tested again" in text for text in checks)


def test_without_an_earlier_bundle_it_is_said_that_none_was_held_against_the_baseline(
    tmp_path: Path, members: Members
) -> None:
    _, said = run(put(tmp_path, members))
    assert (
        "note  chain: baseline.json, and every figure that is compared with it, was held against no" in said
    )


def test_the_words_of_the_definitions_that_the_verifier_pins_are_those_of_the_code() -> None:
    assert verify.DEFINITIONS == definitions.VERSION
    assert definitions.digest_of_all() == verify.DEFINITIONS_SHA256


def test_a_definition_whose_words_were_changed_with_all_their_hashes_is_another(
    tmp_path: Path, members: Members
) -> None:
    kpi, stated = json.loads(members["kpi.json"]), json.loads(members["manifest.json"])
    told = kpi["kpis"]["time_to_resolve"]
    told["definition"]["words"] += ", weekends left out"
    told["definition_sha256"] = verify.digest(told["definition"])
    shown = {name: one["definition"] for name, one in kpi["kpis"].items()}
    stated["definitions"]["sha256"] = verify.digest(shown)
    code, said = run(put(tmp_path, resealed({**members, "kpi.json": kpi_json.pretty(kpi)}, stated)))

    assert code == 1
    assert any(one.startswith("kpi.json: definitions: their words are other") for one in failures(said))


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5", "9" * 5000])
def test_a_sample_of_no_size_is_refused_in_words(
    tmp_path: Path, count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        verify.main([str(tmp_path), f"--sample={count}"])
    assert stopped.value.code == 2
    assert "is no count: a whole number from 1" in capsys.readouterr().err


@pytest.mark.parametrize("service", ["=cmd", "-1", "a\tb", "@x,y"])
def test_a_service_that_a_cell_makes_harmless_drifts_alike_in_every_bundle(
    tmp_path: Path, service: str
) -> None:
    exports, kept, weeks = MemoryExports(), MemoryTimelines(), [f"2026-W{number}" for number in range(47, 51)]
    for number in range(len(weeks)):
        for day in range(3):
            at = MONDAY + timedelta(days=7 * number + day)
            story = Story(f"INC-0000000{number}{day}-1").opened(at, service=service)
            kept.keep("acme", story.alerts(at, opened=1 + day).resolved(at + hours(1)).events)
    paths: list[Path] = []
    for week in weeks:
        made = compile_week(a_plan(), week, kept, exports, "1.0", week_bounds(week, "UTC")[1]).bundle
        members = {name: exports.read(made.blob(name)) for name in verify.MEMBERS}
        code, said = run(put(tmp_path / week, members), *paths)
        assert code == 0, failures(said)
        paths.append(tmp_path / week)
    assert json.loads((paths[-1] / "kpi.json").read_bytes())["drift"]
