"""What Tocsin says of itself, and how it behaves while its storage is away and after it has come back."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import TypeAdapter

from functions.answers import ApiDescription
from functions.health_answers import Readiness, TocsinStatus
from local import azurite
from tests.host_process import Tocsin, eventually, problem, running
from tests.toy_host import Answer

ANA = "ana:Responder"
PATIENCE_OF_SENDERS = 3
"""Seconds within which an answer must come, whatever has happened."""
PLAN = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities: {low: {steps: [{after: 0s, notify: [anna]}]}}
default_severity: low
contacts: {anna: {reach: [{channel: log}]}}
channels: {log: {kind: log}}
"""
SECRETS = {"SECRET_PEOPLE_KEY": "a-very-secret-key", "SECRET_SIGNING": "another-secret"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    with running(tmp_path_factory.mktemp("health"), {"acme": PLAN}, **SECRETS) as host:
        yield host


@pytest.fixture(scope="module")
def misconfigured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    """A host whose plan makes no sense and whose address is none."""
    broken = PLAN.replace("default_service: api", "default_service: cellar")
    folder = tmp_path_factory.mktemp("misconfigured")
    with running(folder, {"acme": broken}, PUBLIC_URL="tocsin.example/secret-path") as host:
        yield host


@pytest.fixture(scope="module")
def wanting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    """A host whose plans name two secrets, of which it has one."""
    rooms = "one: {kind: slack, secret: room-one}, two: {kind: slack, secret: room-two}"
    plan = PLAN.replace("log: {kind: log}", f"log: {{kind: log}}, {rooms}")
    secrets = {**SECRETS, "SECRET_ROOM_ONE": "https://rooms.example/one-is-a-secret"}
    with running(tmp_path_factory.mktemp("wanting"), {"acme": plan}, **secrets) as host:
        yield host


@pytest.fixture(scope="module")
def comeback() -> Iterator[ExitStack]:
    """What was started again while the host ran, and ends before it."""
    with ExitStack() as stack:
        yield stack


def public(host: Tocsin) -> list[Answer]:
    paths = ("/api/v1/health/live", "/api/v1/health/ready", "/api/v1/status", "/api/v1/openapi.json")
    return [host.get(path) for path in paths]


def readiness(answer: Answer) -> dict[str, bool]:
    found = TypeAdapter(Readiness).validate_json(answer.body, strict=True)
    assert all(each["milliseconds"] >= 0 for each in found["tried"])
    assert (found["status"] != "not ready") is all(each["ok"] for each in found["tried"])
    assert (found["status"] == "ready") <= (not found["secrets"]["missing"])
    return {each["name"]: each["ok"] for each in found["tried"]}


def test_a_host_that_is_well_says_so_to_everybody(host: Tocsin) -> None:
    live, ready, _, api = public(host)

    assert (live.status, live.json()) == (200, {"status": "alive"})
    assert ready.status == 200
    assert readiness(ready) == {"tables": True, "queue": True, "blobs": True, "secret people-key": True}
    assert ready.json()["status"] == "ready"
    assert ready.json()["secrets"] == {"named": 0, "missing": []}
    assert api.status == 200
    TypeAdapter(ApiDescription).validate_json(api.body)
    eventually(lambda: host.get("/api/v1/status").status == 200)
    found = TypeAdapter(TocsinStatus).validate_json(host.get("/api/v1/status").body, strict=True)
    assert found["status"] == "up"
    assert found["sweeper"]["alive"]


def test_a_secret_that_a_plan_names_in_vain_is_named_and_alerts_are_taken_anyway(
    wanting: Tocsin,
) -> None:
    ready = wanting.get("/api/v1/health/ready")

    assert ready.status == 200, "no instance is better off, so none may be taken out of rotation"
    assert all(readiness(ready).values())
    assert ready.json()["status"] == "degraded"
    assert ready.json()["secrets"] == {
        "named": 2,
        "missing": [
            {
                "name": "room-two",
                "plans": ["acme"],
                "error": 'secret "room-two": the app setting SECRET_ROOM_TWO is missing or empty',
            }
        ],
    }
    assert wanting.opened("although a room has no address")
    assert "missing: room-two" in wanting.log()
    for place in (ready.body.decode(), wanting.log()):
        assert "one-is-a-secret" not in place


def test_these_routes_take_get_only(host: Tocsin) -> None:
    for path in ("/api/v1/health/live", "/api/v1/health/ready", "/api/v1/status", "/api/v1/openapi.json"):
        problem(host.call("POST", path), 405)


def test_what_is_nowhere_is_a_problem_too(host: Tocsin) -> None:
    for path in ("/api", "/api/v1", "/api/v2/incidents", "/api/v1/incidents/INC-00000000-1/timeline/x"):
        problem(host.get(path, ANA), 404)


@pytest.fixture
def outage(host: Tocsin, comeback: ExitStack) -> Iterator[azurite.Ports]:
    """Storage is away during a test, and back at its old ports afterwards."""
    host.opened(f"before-{uuid.uuid4()}")
    note = json.loads((host.data / "azurite.json").read_text(encoding="utf-8"))
    ports = azurite.Ports(**note["ports"])
    azurite.stop_left(host.data)
    yield ports
    comeback.enter_context(azurite.start(host.data, ports=ports))


def test_while_storage_is_away_nothing_is_promised(host: Tocsin, outage: azurite.Ports) -> None:
    declaration = {"plan": "acme", "title": "t", "service": "api", "severity": "low"}
    calls: list[Callable[[], Answer]] = [
        lambda: host.alert({"name": "during"}),
        lambda: host.get("/api/v1/incidents", ANA),
        lambda: host.get("/api/v1/incidents/INC-00000000-1", ANA),
        lambda: host.get("/api/v1/incidents/INC-00000000-1/timeline", ANA),
        lambda: host.command("INC-00000000-1", "acknowledge", who=ANA),
        lambda: host.call("POST", "/api/v1/incidents", declaration, ANA),
        lambda: host.get("/api/v1/plans/acme/exports", "aud:Auditor"),
        lambda: host.call("POST", "/api/v1/plans/acme/exports/2026-W01", who="ada:Admin"),
    ]
    for call in calls:
        started = time.monotonic()
        answer = call()
        assert time.monotonic() - started < PATIENCE_OF_SENDERS, answer
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        for secret in (*SECRETS.values(), azurite.ACCOUNT_KEY, str(outage.table)):
            assert secret.encode() not in answer.body


def test_ready_names_what_is_away_and_live_lives_on(host: Tocsin, outage: azurite.Ports) -> None:
    ready, status = host.get("/api/v1/health/ready"), host.get("/api/v1/status")

    assert ready.status == 503
    assert readiness(ready) == {"tables": False, "queue": False, "blobs": False, "secret people-key": True}
    assert (status.status, status.json()["status"]) == (503, "down")
    assert host.get("/api/v1/health/live").status == 200
    for secret in (*SECRETS.values(), azurite.ACCOUNT_KEY, str(outage.table)):
        assert secret.encode() not in ready.body + status.body


def test_when_storage_is_back_all_goes_on_where_it_was(host: Tocsin) -> None:
    assert host.get("/api/v1/health/ready").status == 200
    assert host.get("/api/v1/incidents", ANA).json()["incidents"], "what was stored before is still there"
    assert host.opened("after")
    eventually(lambda: host.get("/api/v1/status").status == 200)


def test_bad_settings_and_plans_are_our_fault_and_not_the_callers(misconfigured: Tocsin) -> None:
    calls = [
        misconfigured.alert({"name": "x"}),
        misconfigured.get("/api/v1/incidents", ANA),
        misconfigured.command("INC-00000000-1", "acknowledge", {"odd": 1}, ANA),
        misconfigured.get("/api/v1/plans/acme/exports", "aud:Auditor"),
        misconfigured.get("/api/v1/health/ready"),
        misconfigured.get("/api/v1/status"),
    ]
    for answer in calls:
        assert "log" in problem(answer, 503)["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert b"cellar" not in answer.body
        assert b"PUBLIC_URL" not in answer.body
    assert misconfigured.get("/api/v1/health/live").status == 200
    log = misconfigured.log()
    assert "PUBLIC_URL" in log
    assert "secret-path" not in log


def test_nothing_that_people_may_read_shows_a_secret(host: Tocsin) -> None:
    host.opened("plain")
    answers = [*public(host), host.get("/api/v1/incidents", ANA), host.get("/api/v1/incidents?x=1", ANA)]
    told = b"".join(answer.body + json.dumps(answer.headers).encode() for answer in answers)

    for secret in [*SECRETS.values(), azurite.ACCOUNT_KEY, str(host.data), "AccountKey", "Traceback"]:
        assert secret.encode() not in told
        assert secret not in host.log() or secret in (str(host.data), "Traceback")
