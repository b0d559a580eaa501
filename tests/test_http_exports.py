"""How auditors meet Tocsin: who compiles and who reads exports, and what there is to fetch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from functions.export_answers import ExportCompiled, ExportList, ExportWhole
from tests.host_process import Tocsin, problem, running

ADMIN, AUDITOR = "ada:Admin", "aud:Auditor"
PLAN = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities: {low: {}}
default_severity: low
contacts: {anna: {reach: [{channel: log}]}}
channels: {log: {kind: log}}
"""
EXPORTS = "/api/v1/plans/acme/exports"
TRICKS = (
    "..%2f..%2facme%2f2020-W01",
    "..%2fmanifest.json",
    "%2e%2e",
    "..%5c..%5cmanifest.json",
    "manifest.json%00",
    "manifest.json%2f",
    "MANIFEST.JSON",
    "r1%2fmanifest.json",
    "nothing.csv",
)


def week(weeks_ago: int = 0) -> str:
    year, number, _ = (datetime.now(UTC) - timedelta(weeks=weeks_ago)).isocalendar()
    return f"{year}-W{number:02}"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    plans = {"acme": PLAN, "other": PLAN.replace("plan: acme", "plan: other")}
    with running(tmp_path_factory.mktemp("exports"), plans) as host:
        yield host


@pytest.fixture(scope="module")
def compiled(host: Tocsin) -> ExportCompiled:
    """Last week's bundle, compiled on request."""
    answer = host.call("POST", f"{EXPORTS}/{week(1)}", who=ADMIN)
    assert answer.status == 201, answer
    return TypeAdapter(ExportCompiled).validate_json(answer.body, strict=True)


def test_equal_content_is_not_made_twice(host: Tocsin, compiled: ExportCompiled) -> None:
    assert (compiled["revision"], compiled["made"], compiled["provisional"]) == ("r1", True, False)

    again = host.call("POST", f"{EXPORTS}/{week(1)}", who=ADMIN)
    assert again.status == 200
    assert again.json() == {**compiled, "made": False}


def test_the_bundle_is_listed_and_shows_its_manifest(host: Tocsin, compiled: ExportCompiled) -> None:
    listed = TypeAdapter(ExportList).validate_json(host.get(EXPORTS, AUDITOR).body, strict=True)
    assert [(one["week"], one["revision"]) for one in listed["exports"]] == [(week(1), "r1")]
    whole = TypeAdapter(ExportWhole).validate_json(
        host.get(f"{EXPORTS}/{week(1)}", AUDITOR).body, strict=True
    )
    assert whole["files"] == compiled["files"]
    assert whole["manifest"]["plan"] == "acme"
    assert whole["manifest"]["week"] == week(1)
    assert host.get("/api/v1/plans/other/exports", AUDITOR).json() == {"exports": []}


def test_every_file_that_is_named_can_be_fetched_and_has_the_hash_that_is_stated(
    host: Tocsin, compiled: ExportCompiled
) -> None:
    fetched = {name: host.get(address, AUDITOR) for name, address in compiled["files"].items()}

    assert {answer.status for answer in fetched.values()} == {200}
    assert {"bundle.zip", "manifest.json", "manifest.sha256", "timeline.jsonl", "kpi.json"} <= set(fetched)
    for line in fetched["manifest.sha256"].body.decode().splitlines():
        digest, name = line.split(maxsplit=1)
        assert hashlib.sha256(fetched[name.lstrip("*")].body).hexdigest() == digest
    for name, answer in fetched.items():
        assert answer.headers["x-content-type-options"] == "nosniff"
        saved = f"acme-{week(1)}-r1-{name}"
        assert answer.headers["content-disposition"] == f'attachment; filename="{saved}"'
    assert json.loads(fetched["manifest.json"].body)["week"] == week(1)
    assert fetched["audit.csv"].headers["content-type"].startswith("text/csv")


def test_a_week_that_goes_on_is_provisional_and_not_listed(host: Tocsin, compiled: ExportCompiled) -> None:
    answer = host.call("POST", f"{EXPORTS}/{week()}", who=ADMIN)

    assert answer.status == 201
    assert answer.json()["provisional"] is True
    assert answer.json()["revision"].startswith("provisional-")
    assert host.get(answer.json()["files"]["manifest.json"], AUDITOR).status == 200
    problem(host.get(f"{EXPORTS}/{week()}", AUDITOR), 404)
    assert len(host.get(EXPORTS, AUDITOR).json()["exports"]) == 1
    assert compiled["week"] == week(1)


@pytest.mark.parametrize(
    ("who", "reads", "compiles"),
    [
        ("x:Admin", 200, 200),
        ("x:Auditor", 200, 403),
        ("x:Commander", 403, 403),
        ("x:Responder", 403, 403),
        ("x:Reader", 403, 403),
        ("x:", 403, 403),
        (None, 401, 401),
    ],
)
def test_auditors_read_and_admins_compile(
    host: Tocsin, compiled: ExportCompiled, who: str | None, reads: int, compiles: int
) -> None:
    for path in (EXPORTS, f"{EXPORTS}/{week(1)}", compiled["files"]["manifest.json"]):
        assert host.get(path, who).status == reads
    assert host.call("POST", f"{EXPORTS}/{week(1)}", who=who).status == compiles


@pytest.mark.parametrize(
    "bad",
    ["2026-47", "2026-W54", "2026-W00", "W47", "2026-W47x", "9999-W52", "0000-W01", "%F0%9F%94%94", "%00"],
)
def test_what_is_no_week_is_refused(host: Tocsin, bad: str) -> None:
    answer = host.call("POST", f"{EXPORTS}/{bad}", who=ADMIN)
    assert problem(answer, 400)["errors"][0]["field"] == "week"
    problem(host.get(f"{EXPORTS}/{bad}", AUDITOR), 404)


def test_a_week_that_has_not_begun_is_refused(host: Tocsin) -> None:
    problem(host.call("POST", f"{EXPORTS}/{week(-2)}", who=ADMIN), 400)


def test_what_is_not_there_is_not_found(host: Tocsin, compiled: ExportCompiled) -> None:
    here = f"{EXPORTS}/{compiled['week']}"
    for path in (
        "/api/v1/plans/nowhere/exports",
        f"/api/v1/plans/nowhere/exports/{week(1)}",
        f"/api/v1/plans/other/exports/{week(1)}",
        f"{EXPORTS}/2020-W01",
        f"{EXPORTS}/2020-W01/bundle.zip",
        f"{here}/KPI.JSON",
        f"{here}/report.htm",
        f"{here}/manifest.sigs",
        f"{here}?revision=r2",
        f"{here}?revision=r1%2f..%2fr1",
        f"{here}/manifest.json?revision=provisional-20200101T000000000000Z",
    ):
        problem(host.get(path, AUDITOR), 404)


@pytest.mark.parametrize("trick", TRICKS)
def test_no_name_leads_out_of_the_bundle(host: Tocsin, compiled: ExportCompiled, trick: str) -> None:
    for path in (
        f"{EXPORTS}/{compiled['week']}/{trick}",
        f"/api/v1/plans/other/exports/{trick}/manifest.json",
    ):
        problem(host.get(path, AUDITOR), 404)
    answer = host.call("POST", f"{EXPORTS}/{trick}", who=ADMIN)
    assert answer.status in {400, 404, 405}, answer


def test_nothing_of_all_this_has_failed_inside(host: Tocsin) -> None:
    assert "Traceback" not in host.log()
