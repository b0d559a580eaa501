"""Legal holds as Admins and Auditors meet them, through the host's HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from functions.hold_bodies import HoldList, HoldShown
from tests.host_process import Tocsin, problem, running

ADMIN, AUDITOR = "ada:Admin", "aud:Auditor"
PLAN = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities: {low: {}}
default_severity: low
retention: {texts: 90d, incidents: 400d}
legal_hold: "CASE/2026 #1"
contacts: {anna: {reach: [{channel: log}]}}
channels: {log: {kind: log}}
"""
HOLDS = "/api/v1/plans/acme/holds"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    plans = {"acme": PLAN, "other": PLAN.replace("plan: acme", "plan: other")}
    with running(tmp_path_factory.mktemp("holds"), plans) as host:
        yield host


@pytest.fixture(scope="module")
def incident(host: Tocsin) -> str:
    body = {"plan": "acme", "title": "down", "service": "api", "severity": "low"}
    answer = host.call("POST", "/api/v1/incidents", body, who=ADMIN)
    assert answer.status == 201, answer
    return str(answer.json()["id"])


def place(host: Tocsin, who: str | None = ADMIN, **body: Any) -> Any:  # noqa: ANN401  (an answer)
    return host.call("POST", HOLDS, body, who=who)


def test_a_hold_is_placed_listed_and_released(host: Tocsin, incident: str) -> None:
    answer = place(host, incident=incident, reference="CASE-7")
    assert answer.status == 201, answer
    hold = TypeAdapter(HoldShown).validate_json(answer.body, strict=True)
    assert (hold["plan"], hold["incident"], hold["reference"]) == ("acme", incident, "CASE-7")
    assert hold["released_at"] is None
    assert hold["placed_by"].startswith("person:")

    listed = TypeAdapter(HoldList).validate_json(host.get(HOLDS, AUDITOR).body, strict=True)
    assert listed == {"legal_hold": "CASE/2026 #1", "holds": [hold]}
    assert host.get("/api/v1/plans/other/holds", AUDITOR).json()["holds"] == []

    released = host.call("POST", f"{HOLDS}/{hold['id']}/release", who=ADMIN)
    assert released.status == 200
    assert released.json()["released_by"] == hold["placed_by"]
    again = host.call("POST", f"{HOLDS}/{hold['id']}/release", who=ADMIN)
    assert again.json() == released.json()
    assert host.get(HOLDS, AUDITOR).json()["holds"] == [released.json()]


def test_the_whole_plan_can_be_held(host: Tocsin) -> None:
    assert place(host, reference="CASE-8").json()["incident"] is None
    assert place(host, incident=None, reference="CASE-9").status == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reference"),
        ({"reference": ""}, "reference"),
        ({"reference": "a" * 101}, "reference"),
        ({"reference": "because\nof this"}, "reference"),
        ({"reference": "=1+1"}, "reference"),
        ({"reference": "C", "incident": "INC-00000000-1"}, "incident"),
        ({"reference": "C", "incident": "nonsense"}, "incident"),
        ({"reference": "C", "reason": "x"}, "reason"),
    ],
)
def test_what_is_no_hold_is_refused(host: Tocsin, body: dict[str, Any], field: str) -> None:
    answer = host.call("POST", HOLDS, body, who=ADMIN)
    assert [fault["field"] for fault in problem(answer, 400)["errors"]] == [field]


def test_another_plans_incident_can_not_be_held(host: Tocsin, incident: str) -> None:
    body = {"incident": incident, "reference": "C"}
    problem(host.call("POST", "/api/v1/plans/other/holds", body, who=ADMIN), 400)


@pytest.mark.parametrize(
    ("who", "reads", "places"),
    [
        ("x:Admin", 200, 201),
        ("x:Auditor", 200, 403),
        ("x:Commander", 403, 403),
        ("x:Reader", 403, 403),
        (None, 401, 401),
    ],
)
def test_auditors_read_and_admins_hold(host: Tocsin, who: str | None, reads: int, places: int) -> None:
    assert host.get(HOLDS, who).status == reads
    answer = place(host, who, reference="CASE-A")
    assert answer.status == places
    released = host.call("POST", f"{HOLDS}/nothing/release", who=who)
    assert released.status == (404 if places == 201 else places)


def test_plans_that_are_not_there_have_no_holds(host: Tocsin) -> None:
    problem(host.get("/api/v1/plans/nowhere/holds", AUDITOR), 404)
    problem(host.call("POST", "/api/v1/plans/nowhere/holds", {"reference": "C"}, who=ADMIN), 404)


def test_nothing_of_all_this_has_failed_inside(host: Tocsin) -> None:
    assert "Traceback" not in host.log()
