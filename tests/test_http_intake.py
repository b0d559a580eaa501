"""How monitoring systems meet Tocsin: the intake route from outside, friendly and hostile."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from functions.answers import Intake
from tests.host_process import KEY, Tocsin, fields, problem, running

PAYLOADS = Path(__file__).parent / "payloads"
SOURCES = ("alertmanager", "azure-monitor", "generic", "grafana")
MEBIBYTE = 1024 * 1024
OPEN = """
plan: acme
timezone: UTC
services: {api: {}, rest: {}}
default_service: rest
severities: {high: {}, low: {}}
default_severity: low
classify: [{name: loud, when: {severity: critical}, severity: high}]
contacts: {anna: {reach: [{channel: log}]}}
channels: {log: {kind: log}}
"""
GUARDED = (
    OPEN.replace("plan: acme", "plan: guarded")
    + """
sources:
  alertmanager: {bearer_secret: am-token}
  generic: {hmac_secret: generic-key}
  grafana: {hmac_secret: grafana-key, timestamp_header: X-Signed-At}
  azure-monitor: {bearer_secret: nobody-has-set-it}
"""
)
SECRETS = {"SECRET_AM_TOKEN": "wolpertinger", "SECRET_GENERIC_KEY": "k1", "SECRET_GRAFANA_KEY": "k2"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    with running(tmp_path_factory.mktemp("intake"), {"acme": OPEN, "guarded": GUARDED}, **SECRETS) as host:
        yield host


def payload(source: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAYLOADS / source / f"{name}.json").read_text(encoding="utf-8"))
    return found


def test_a_firing_alert_opens_an_incident_and_its_sender_hears_which(host: Tocsin) -> None:
    answer = host.alert({"name": "HighErrorRate", "service": "api", "severity": "CRITICAL"})

    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    [entry] = answer.json()["incidents"]
    assert set(entry) == {"id", "action", "status", "severity"}
    assert (entry["action"], entry["status"], entry["severity"]) == ("opened", "open", "high")
    assert host.incident(entry["id"])["service"] == "api"


def test_there_is_one_entry_per_group_of_the_call_and_the_first_action_that_applies(host: Tocsin) -> None:
    def actions(*alerts: dict[str, Any]) -> list[str]:
        answer = host.alert(list(alerts))
        TypeAdapter(Intake).validate_json(answer.body)
        return [entry["action"] for entry in answer.json()["incidents"]]

    one = {"name": "a", "fingerprint": "1", "group": "db", "started_at": "2026-03-02T10:00:00Z"}
    two = {"name": "b", "fingerprint": "2", "group": "db", "started_at": "2026-03-02T10:00:00Z"}
    disk = {"name": "disk", "group": "disk", "started_at": "2026-03-02T10:00:00Z"}
    over = {"status": "resolved"}

    assert actions(one, disk, two) == ["opened", "opened"]
    assert actions(one) == ["updated"]
    assert actions(disk | over, one | over) == ["resolved", "updated"]
    assert actions(two | over) == ["resolved"]
    assert actions(two) == ["ignored"]


def test_a_storm_of_one_alert_is_counted_to_the_last(host: Tocsin) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: host.alert({"name": "storm", "fingerprint": "one"}), range(48)))

    assert {answer.status for answer in answers} == {202}
    entries = [answer.json()["incidents"][0] for answer in answers]
    assert len({entry["id"] for entry in entries}) == 1
    assert host.incident(entries[0]["id"])["alert_count"] == 48


def test_an_alert_that_touches_no_incident_has_none_in_its_answer(host: Tocsin) -> None:
    answer = host.alert({"name": "never-fired", "status": "resolved"})

    assert answer.status == 202
    assert answer.json() == {
        "incidents": [{"action": "ignored", "id": None, "status": None, "severity": None}]
    }


@pytest.mark.parametrize(
    ("source", "name"),
    [(source, path.stem) for source in SOURCES for path in (PAYLOADS / source).glob("*.json")],
)
def test_every_recorded_form_of_a_source_is_taken_or_refused_with_advice(
    host: Tocsin, source: str, name: str
) -> None:
    body = (PAYLOADS / source / f"{name}.json").read_bytes()
    answer = host.alert(body, source=source, content_type="application/json")

    if name.startswith("refused"):
        assert "useCommonAlertSchema" in problem(answer, 400)["errors"][0]["detail"]
    else:
        assert answer.status == 202, answer
        assert answer.json()["incidents"]


@pytest.mark.parametrize(
    ("source", "body", "wrong"),
    [
        (
            "alertmanager",
            {"alerts": [{"labels": {}, "startsAt": "noon"}, {"status": "odd", "labels": 1}, 7]},
            {
                "alerts[0].labels", "alerts[0].startsAt", "alerts[0].status", "alerts[1].labels",
                "alerts[1].status", "alerts[2]",
            },
        ),
        ("alertmanager", {"alerts": []}, {"alerts"}),
        (
            "azure-monitor",
            {
                "schemaId": "azureMonitorCommonAlertSchema",
                "data": {"essentials": {"monitorCondition": "Odd", "firedDateTime": "noon"}},
            },
            {
                "data.essentials.alertRule", "data.essentials.alertId", "data.essentials.monitorCondition",
                "data.essentials.firedDateTime",
            },
        ),
        ("azure-monitor", {"schemaId": "AzureMonitorMetricAlert"}, {"schemaId"}),
        (
            "grafana", {"alerts": [{"labels": {"a": "b"}, "startsAt": [1]}]},
            {"alerts[0].startsAt", "alerts[0].status"},
        ),
        ("grafana", {"evalMatches": []}, {"ruleName", "state"}),
        (
            "generic",
            [{"name": " ", "statsu": "firing"}, {"name": "x", "status": 1, "url": "ftp://x", "labels": []}],
            {"[0].name", "[0].statsu", "[1].status", "[1].url", "[1].labels"},
        ),
        ("generic", {"alerts": [{}], "extra": 1}, {"alerts[0].name", "extra"}),
    ],
)  # fmt: skip
def test_a_body_that_does_not_say_enough_is_refused_with_every_reason(
    host: Tocsin, source: str, body: object, wrong: set[str]
) -> None:
    assert fields(host.alert(body, source=source)) == wrong


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"[" * 50_000, b"{}", b"1" * 5_000],
    ids=["empty", "cut", "null", "list", "text", "no-utf-8", "deep", "object", "long-number"],
)
def test_what_is_no_alert_at_all_is_refused(host: Tocsin, source: str, body: bytes) -> None:
    assert problem(host.alert(body, source=source), 400)["errors"]


def test_without_the_function_key_nobody_gets_in(host: Tocsin) -> None:
    path = "/api/v1/plans/acme/alerts/generic"

    for headers in ({}, {"x-functions-key": "guess"}, {"Authorization": "Bearer local:ana:Admin"}):
        problem(host.call("POST", path, {"name": "x"}, headers=headers), 401)
    assert host.call("POST", f"{path}?code=local", {"name": "x"}).status == 202


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer other", "wolpertinger", "Basic wolpertinger"])
def test_a_wrong_bearer_token_is_refused_and_told_nothing(host: Tocsin, given: str | None) -> None:
    headers = {"Authorization": given} if given else {}
    answer = host.alert(payload("alertmanager", "minimal"), "guarded", "alertmanager", **headers)

    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert b"wolpertinger" not in answer.body


def test_the_right_bearer_token_lets_the_alert_in(host: Tocsin) -> None:
    answer = host.alert(
        payload("alertmanager", "minimal"), "guarded", "alertmanager", Authorization="Bearer wolpertinger"
    )
    assert answer.status == 202


def signature(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def test_a_signed_generic_body_is_taken_and_a_changed_or_stale_one_is_not(host: Tocsin) -> None:
    body, now = b'{"name": "signed"}', int(time.time())

    def status(sent: bytes, at: int, key: str = "k1", claimed: int | None = None) -> int:
        mark = "sha256=" + signature(key, f"{at}.".encode() + body)
        stamp = str(at if claimed is None else claimed)
        return host.alert(sent, "guarded", x_tocsin_signature=mark, x_tocsin_timestamp=stamp).status

    assert status(body, now) == 202
    assert status(body + b" ", now) == 401
    assert status(body, now, key="k2") == 401
    assert status(body, now - 400) == 401
    assert status(body, now - 400, claimed=now) == 401
    problem(host.alert(body, "guarded"), 401)


def test_grafana_signs_in_its_own_way(host: Tocsin) -> None:
    body, now = json.dumps(payload("grafana", "single_alert")).encode(), str(int(time.time()))
    good = signature("k2", f"{now}:".encode() + body)

    def status(mark: str) -> int:
        headers = {"x_grafana_alerting_signature": mark, "x_signed_at": now}
        return host.alert(body, "guarded", "grafana", **headers).status

    assert status(good) == 202
    assert status(good[:-1] + ("0" if good[-1] != "0" else "1")) == 401
    assert status("") == 401


def test_a_secret_that_is_missing_keeps_the_sender_coming(host: Tocsin) -> None:
    answer = host.alert(payload("azure-monitor", "metric_fired"), "guarded", "azure-monitor")

    assert "nobody-has-set-it" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("plan", "source"),
    [
        ("nobody", "generic"),
        ("acme", "nagios"),
        ("ACME", "generic"),
        ("acme%2f..", "generic"),
        ("%00", "generic"),
    ],
)
def test_an_unknown_plan_or_source_is_not_found(host: Tocsin, plan: str, source: str) -> None:
    problem(host.alert({"name": "x"}, plan, source), 404)


def test_a_mebibyte_is_taken_and_one_byte_more_is_not(host: Tocsin) -> None:
    def body(size: int) -> bytes:
        start, end = b'{"name": "large", "summary": "', b'"}'
        return start + b"x" * (size - len(start) - len(end)) + end

    assert host.alert(body(MEBIBYTE)).status == 202
    assert str(MEBIBYTE) in problem(host.alert(body(MEBIBYTE + 1)), 413)["detail"]


def test_a_packed_body_is_refused_and_not_unpacked(host: Tocsin) -> None:
    bomb = gzip.compress(b"0" * 20 * MEBIBYTE)
    problem(host.alert(bomb, content_encoding="gzip"), 400)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_taken(host: Tocsin, method: str) -> None:
    answer = host.call(method, "/api/v1/plans/acme/alerts/generic", headers=KEY)

    problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_hostile_text_goes_in_and_comes_out_as_text(host: Tocsin) -> None:
    name = "<script>alert(1)</script> \u202e\u0000 🔔 ' OR 1=1 --"
    body = json.dumps({"name": name, "labels": {"<b>": "\ud800", "k" * 3000: "v" * 20_000}}).encode()
    answer = host.alert(body)

    assert answer.status == 202
    found = host.incident(answer.json()["incidents"][0]["id"])
    assert found["title"] == name.replace("\u0000", "\ufffd")
    assert found["alerts"][0]["labels"]["<b>"] == "\ufffd"


TEXTS = st.text(max_size=40) | st.sampled_from(
    ["", "firing", "resolved", "\x00", "2026-01-01T00:00:00Z", "Fired"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ORIGINALS = [
    (source, json.loads(path.read_text(encoding="utf-8")))
    for source in SOURCES
    for path in sorted((PAYLOADS / source).glob("*.json"))
]


def places(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value."""
    yield at
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        yield from places(inner, (*at, key))


def changed(value: Any, at: tuple[Any, ...], new: object) -> Any:  # noqa: ANN401  (any JSON)
    """A copy with another value at that place."""
    if not at:
        return new
    copy = value.copy()
    copy[at[0]] = changed(value[at[0]], at[1:], new)
    return copy


@st.composite
def twisted(draw: st.DrawFn) -> tuple[str, bytes]:
    """A real body with one or two values replaced, sent to its source or to another."""
    source, body = draw(st.sampled_from(ORIGINALS))
    for _ in range(draw(st.integers(1, 2))):
        body = changed(body, draw(st.sampled_from(list(places(body)))), draw(VALUES))
    return draw(st.just(source) | st.sampled_from(SOURCES)), json.dumps(body).encode()


RAW = st.tuples(st.sampled_from(SOURCES), st.binary(max_size=60) | VALUES.map(json.dumps).map(str.encode))


@settings(
    max_examples=200,
    deadline=None,
    database=None,
)
@given(call=twisted() | RAW)
def test_whatever_comes_is_taken_or_refused_and_never_fails(host: Tocsin, call: tuple[str, bytes]) -> None:
    source, body = call
    answer = host.alert(body, source=source)

    assert answer.status in {202, 400, 413}, (answer, call)
    if answer.status == 202:
        TypeAdapter(Intake).validate_json(answer.body)
    else:
        assert problem(answer, answer.status)["detail"]


def test_nothing_of_all_this_has_failed_inside(host: Tocsin) -> None:
    assert "Traceback" not in host.log()
    assert "wolpertinger" not in host.log()
