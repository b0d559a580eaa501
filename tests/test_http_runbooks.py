"""How people read runbooks: who may, what the index holds, and one runbook as JSON or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter

from functions.answers import RunbookList, RunbookWhole
from shared.domain.runbook import PARTS
from tests.host_process import Tocsin, problem, running
from tests.toy_host import Answer

RITA, ANA = "rita:Reader", "ana:Responder"
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
HIDDEN = PLAN.replace("plan: acme", "plan: hidden\nvisible_to: [ana]")
EMPTY = PLAN.replace("plan: acme", "plan: empty")
BODY = "".join(f"\n## {part}\n\nWhat to do: {part}, überall.\n" for part in PARTS)
FULL = "# Disk full\n" + BODY.replace("What to do", "- Alerts: `DiskFull`\n- Severity: high\n\nWhat to do", 1)
SLOW = "# Slow\n\nStatus: skeleton. Nobody has written it yet.\n" + BODY
RUNBOOKS = "/api/v1/plans/acme/runbooks"
DISK = f"{RUNBOOKS}/disk-full"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    data = tmp_path_factory.mktemp("runbooks")
    for path, text in {"acme/disk-full": FULL, "acme/slow": SLOW, "hidden/secret": SLOW}.items():
        file = data / f"runbooks/{path}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    plans = {"acme": PLAN, "hidden": HIDDEN, "empty": EMPTY}
    with running(data, plans, RUNBOOKS_DIR=str(data / "runbooks")) as host:
        yield host


def fetched(host: Tocsin, path: str = DISK, **headers: str) -> Answer:
    """A GET by a Reader; header names have ``_`` for ``-``."""
    stated = {name.replace("_", "-"): value for name, value in headers.items()}
    return host.call("GET", path, who=RITA, headers=stated)


def test_the_index_names_every_runbook_of_the_plan(host: Tocsin) -> None:
    answer = fetched(host, RUNBOOKS)
    assert answer.status == 200, answer
    found = TypeAdapter(RunbookList).validate_json(answer.body, strict=True)["runbooks"]

    assert [line["name"] for line in found] == ["disk-full", "slow"]
    assert found[0] == {
        "plan": "acme",
        "name": "disk-full",
        "title": "Disk full",
        "alerts": ["DiskFull"],
        "severity": "high",
        "skeleton": False,
        "url": DISK,
    }
    assert found[1]["skeleton"]
    assert fetched(host, "/api/v1/plans/empty/runbooks").json() == {"runbooks": []}


def test_one_runbook_has_its_five_parts_and_is_there_whole(host: Tocsin) -> None:
    answer = fetched(host)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    runbook = TypeAdapter(RunbookWhole).validate_json(answer.body, strict=True)

    assert [part["name"] for part in runbook["parts"]] == list(PARTS)
    assert runbook["parts"][1]["markdown"] == "What to do: Quick assessment, überall."
    assert runbook["markdown"] == FULL


@pytest.mark.parametrize(
    ("accept", "markdown"),
    [
        ("text/markdown", True),
        ("TEXT/MARKDOWN; charset=utf-8", True),
        ("text/*", True),
        ("text/markdown, */*;q=0.1", True),
        ("application/json;q=0.5, text/markdown;q=0.6", True),
        ("application/json;q=0.6, text/markdown;q=0.6", False),
        ("application/json, text/markdown;q=0.9", False),
        ("text/markdown;q=0, */*", False),
        ("text/markdown;q=much", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("*/*", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_it_comes_as_markdown_to_whoever_prefers_that(host: Tocsin, accept: str, markdown: bool) -> None:
    answer = fetched(host, Accept=accept)

    assert answer.status == 200, answer
    assert (answer.headers["content-type"] == "text/markdown; charset=utf-8") == markdown
    assert (answer.body == FULL.encode()) == markdown
    assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept", "private, no-cache")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_whoever_has_it_already_is_not_sent_it_again(host: Tocsin) -> None:
    tags = {accept: fetched(host, Accept=accept).headers["etag"] for accept in ("text/markdown", "*/*")}
    assert len(set(tags.values())) == 2, "each form has its own"
    assert fetched(host, f"{RUNBOOKS}/slow").headers["etag"] not in tags.values()

    for accept, tag in tags.items():
        for stated in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            answer = fetched(host, Accept=accept, If_None_Match=stated)
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
        for stated in ('"other"', tag.strip('"'), ""):
            assert fetched(host, Accept=accept, If_None_Match=stated).status == 200
    assert fetched(host, Accept="*/*", If_None_Match=tags["text/markdown"]).status == 200


def test_it_takes_a_reader(host: Tocsin) -> None:
    for path in (RUNBOOKS, DISK):
        problem(host.get(path), 401)
        problem(host.get(path, "nora:Nobody"), 403)
        for role in ("Reader", "Responder", "Commander", "Auditor", "Admin"):
            assert host.get(path, f"rob:{role}").status == 200


def test_a_plan_one_may_not_see_has_no_runbooks_that_exist(host: Tocsin) -> None:
    assert host.get("/api/v1/plans/hidden/runbooks/secret", ANA).json()["title"] == "Slow"
    for path in ("/runbooks", "/runbooks/secret", "/runbooks/nothing"):
        hidden, gone = (host.get(f"/api/v1/plans/{plan}{path}", RITA) for plan in ("hidden", "gone"))
        told = problem(hidden, 404)["detail"]
        assert told == problem(gone, 404)["detail"].replace("gone", "hidden")
        assert "nothing" not in told


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "disk-full.md",
        "DISK-FULL",
        "..%2facme%2fdisk-full",
        "..%5cdisk-full",
        "disk-full%00",
        "%C3%A4",
    ],
)
def test_only_the_names_of_runbooks_lead_anywhere(host: Tocsin, name: str) -> None:
    assert fetched(host, f"{RUNBOOKS}/{name}").status == 404
    assert "Traceback" not in host.log()
