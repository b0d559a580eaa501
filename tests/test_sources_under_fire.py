"""Sources against hostile bodies: whatever comes, either sound alerts or a told refusal, never a crash."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.sources.bounds import LONGEST_NAME, LONGEST_TEXT, MARK, MOST_LABELS, NOTE
from shared.adapters.sources.catalogue import known_sources
from shared.adapters.sources.instants import instant_of
from shared.adapters.sources.reading import MOST_FAULTS
from shared.domain.alert import Alert
from shared.domain.errors import Fault, InvalidPayload
from shared.domain.timeline import canonical, parse_stamp, stamp

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
PAYLOADS = Path(__file__).parent / "payloads"
VALID = [
    (folder.name, json.loads(file.read_bytes()))
    for folder in sorted(PAYLOADS.iterdir())
    if folder.name in known_sources()
    for file in sorted(folder.glob("*.json"))
    if not file.name.startswith("refused")
]
ODD_TEXTS = [
    "",
    " ",
    "\x00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:00:00+14:00",
]
ODD_NUMBERS = [2**63, -(10**400), 1e308, -0.0, 0, 1e11, float("inf"), float("nan")]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*ODD_TEXTS, *ODD_NUMBERS, "resolved", "firing", "Fired", "ok", "\ud800x", "é" * 9000])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
FIRE = settings(max_examples=200, deadline=None, database=None, derandomize=True)


def parse(source: str, body: bytes) -> list[Alert]:
    return known_sources()[source].parse(body, NOON)


def survives(source: str, body: bytes) -> None:
    """Parse; only InvalidPayload may come out of it, and what passes is sound."""
    faults: tuple[Fault, ...] = ()
    alerts: list[Alert] = []
    try:
        alerts = parse(source, body)
    except InvalidPayload as refusal:
        faults = refusal.faults
    assert bool(alerts) != bool(faults)
    assert len(faults) <= MOST_FAULTS + 1
    "".join(map(str, faults)).encode("utf-8")
    for alert in alerts:
        assert_sound(alert, source)


def assert_sound(alert: Alert, source: str) -> None:
    assert alert.source == source
    assert re.fullmatch("[0-9a-f]{32}", alert.fingerprint)
    assert alert.name
    names = (alert.name, alert.group, alert.service, alert.severity, *alert.labels, *alert.annotations)
    texts = (alert.summary, alert.url, *alert.labels.values(), *alert.annotations.values())
    assert all(len(name or "") <= LONGEST_NAME for name in names)
    assert all(len(text or "") <= LONGEST_TEXT for text in texts)
    assert max(len(alert.labels), len(alert.annotations)) <= MOST_LABELS
    assert b"\x00" not in canonical({"names": names, "texts": texts})
    for instant in (alert.started_at, alert.ended_at or alert.started_at):
        assert instant.tzinfo is UTC
        assert parse_stamp(stamp(instant)) == instant
    assert alert.ended_at is None or (not alert.firing and alert.ended_at >= alert.started_at)


@pytest.mark.parametrize("source", sorted(known_sources()))
@FIRE
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_alerts_or_a_refusal(source: str, body: bytes) -> None:
    survives(source, body)


@settings(FIRE, max_examples=800)
@given(data=st.data())
def test_any_change_to_a_valid_body_gives_alerts_or_a_refusal(data: st.DataObject) -> None:
    source, document = data.draw(st.sampled_from(VALID))
    for _ in range(data.draw(st.integers(1, 3))):
        document = changed(data, document)
    survives(source, json.dumps(document).encode())


@settings(FIRE, max_examples=400)
@given(data=st.data())
def test_any_change_to_the_bytes_of_a_valid_body_gives_alerts_or_a_refusal(data: st.DataObject) -> None:
    source, document = data.draw(st.sampled_from(VALID))
    body = json.dumps(document, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 8)))
    survives(source, body[:start] + data.draw(st.binary(max_size=8)) + body[end:])


def changed(data: st.DataObject, value: object) -> object:
    """A copy in which one place, somewhere, holds something else, is gone, or has a new neighbour."""
    if not isinstance(value, (dict, list)) or not value or data.draw(st.integers(0, 9)) == 0:
        return data.draw(JSON)
    copy = dict(enumerate(value)) if isinstance(value, list) else dict(value)
    key = data.draw(st.sampled_from(list(copy)))
    what = data.draw(st.sampled_from(["deeper", "deeper", "deeper", "gone", "new"]))
    if what == "deeper":
        copy[key] = changed(data, copy[key])
    elif what == "gone":
        del copy[key]
    else:
        copy[data.draw(st.text(max_size=5))] = data.draw(JSON)
    return list(copy.values()) if isinstance(value, list) else copy


@pytest.mark.parametrize("source", sorted(known_sources()))
@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "is not JSON: Expecting value at line 1, column 1"),
        (b"{}x", "is not JSON: Extra data at line 1, column 3"),
        (b'{"a": "\xff"}', "is not UTF-8 at byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "is not UTF-8 at byte 7"),
        (b"7", "must be an object, not a number"),
        (b"null", "must be an object, not null"),
        (b"NaN", "must be an object, not a text"),
        (b'{"a": ' + b"9" * 5000 + b"}", "has a number of too many digits"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_no_body_at_all_is_refused_with_its_reason(source: str, body: bytes, why: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse(source, body)
    assert [str(fault) for fault in caught.value.faults] == [why]


@pytest.mark.parametrize("depth", [100, 400, 900, 1100, 3000, 30_000])
def test_a_deeply_nested_label_is_text_or_a_refusal(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for half in (b"", b"\\ud800"):
        body = b'{"name": "x", "labels": {"a": ' + nested + b', "b": "' + half + b'"}}'
        survives("generic", body)


def test_half_a_surrogate_pair_and_nul_become_the_replacement_character() -> None:
    body = rb'{"name": "a\ud800b\u0000c\ud83d\ude00", "labels": {"\udfff": "\\ud800"}}'
    (alert,) = parse("generic", body)
    assert alert.name == "a\ufffdb\ufffdc\U0001f600"
    assert alert.labels == {"\ufffd": "\\ud800"}


def test_a_byte_order_mark_and_repeated_keys_are_tolerated() -> None:
    (alert,) = parse("generic", b'\xef\xbb\xbf{"name": "a", "name": "b"}')
    assert alert.name == "b"


def test_values_that_json_does_not_know_are_kept_as_words() -> None:
    (alert,) = parse("generic", b'{"name": "a", "labels": {"x": NaN, "y": -Infinity, "z": 1e999, "n": null}}')
    assert alert.labels == {"x": "NaN", "y": "-Infinity", "z": "Infinity", "n": "null"}


def test_a_long_text_is_cut_with_a_mark() -> None:
    body = {"name": "x", "summary": "s" * 8001, "labels": {"a": "l" * 8000, "b": "l" * 100_000}}
    (alert,) = parse("generic", json.dumps(body).encode())
    assert alert.summary == "s" * (8000 - len(MARK)) + MARK
    assert alert.labels["a"] == "l" * 8000
    assert alert.labels["b"].endswith(MARK)
    assert len(alert.labels["b"]) == 8000


def test_long_names_and_groups_stay_distinct() -> None:
    bodies = [{"name": "n" * 1000 + end, "group": "g" * 1000 + end} for end in ("1", "2")]
    first, second = parse("generic", json.dumps(bodies).encode())
    assert first.name[:900] == second.name[:900] == "n" * 900
    assert first.name != second.name
    assert first.group != second.group
    (just,) = parse("generic", json.dumps({"name": "n" * 1000}).encode())
    assert just.name == "n" * 1000


def test_what_is_cut_still_tells_two_alerts_apart() -> None:
    labels = [{f"k{n}": "v" for n in range(120)} | {"last": last} for last in ("1", "2")]
    first, second = parse("generic", json.dumps([{"name": "x", "labels": each} for each in labels]).encode())
    assert first.labels == second.labels
    assert first.fingerprint != second.fingerprint


@pytest.mark.parametrize(
    ("labels", "annotations", "note"),
    [
        (100, 100, None),
        (101, 2, "dropped 1 of 101 labels and 0 of 2 annotations"),
        (3, 101, "dropped 0 of 3 labels and 2 of 101 annotations"),
        (5000, 5000, "dropped 4900 of 5000 labels and 4901 of 5000 annotations"),
    ],
)
def test_too_many_labels_are_dropped_and_counted(labels: int, annotations: int, note: str | None) -> None:
    body = {
        "name": "x",
        "labels": {f"l{n}": "" for n in range(labels)},
        "annotations": {f"a{n}": "" for n in range(annotations)},
    }
    (alert,) = parse("generic", json.dumps(body).encode())
    assert alert.annotations.get(NOTE) == note
    assert_sound(alert, "generic")


def test_of_very_many_faults_the_first_hundred_are_told() -> None:
    with pytest.raises(InvalidPayload) as caught:
        parse("generic", json.dumps([1] * 1000).encode())
    assert len(caught.value.faults) == 101
    assert str(caught.value.faults[-1]) == "and 900 more faults"


def test_a_megabyte_of_brackets_in_a_title_costs_no_time() -> None:
    body = {"alerts": [{"status": "firing", "labels": {}}], "title": "[" * 1_000_000}
    (alert,) = parse("grafana", json.dumps(body).encode())
    assert_sound(alert, "grafana")


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        (None, None),
        ("", None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-03-02T10:00:00Z", (10, 0, 0, 0)),
        ("2026-03-02t10:00:00.123456789z", (10, 0, 0, 123456)),
        ("2026-03-02T10:00:00.1+05:30", (4, 30, 0, 100_000)),
        ("2026-03-02T10:00:00", (10, 0, 0, 0)),
        ("2026-03-02 10:00:00", (10, 0, 0, 0)),
        ("3/2/2026 1:36:31 PM", (13, 36, 31, 0)),
        ("3/2/2026 12:36:31 AM", (0, 36, 31, 0)),
        ("03/02/2026 12:36:31 pm", (12, 36, 31, 0)),
        ("3/2/2026 13:36:31", (13, 36, 31, 0)),
        ("3/2/2026 1:36:31 PM -08:00", (21, 36, 31, 0)),
        (1772445600, (10, 0, 0, 0)),
        (1772445600.25, (10, 0, 0, 250_000)),
        (1772445600123, (10, 0, 0, 123_000)),
    ],
)
def test_instants(given: object, instant: tuple[int, int, int, int] | None) -> None:
    hour, minute, second, microsecond = instant or (0, 0, 0, 0)
    expected = datetime(2026, 3, 2, hour, minute, second, microsecond, UTC)
    assert instant_of(given) == (expected if instant else None)


@pytest.mark.parametrize(
    "given",
    [
        "now",
        "9999-12-31T23:59:59-05:00",
        "1969-12-31T23:59:59Z",
        "3000-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "13/13/2026 1:00:00 PM",
        "3/2/2026 13:36:31 PM",
        "3/2/2026 0:36:31 AM",
        True,
        -1,
        10**30,
        1e308,
        float("inf"),
        float("nan"),
        [],
        {},
    ],
)
def test_what_is_no_instant(given: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        instant_of(given)
