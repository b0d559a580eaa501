"""Erasing and handing out, as Admins and operators meet it: over HTTP and on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from functions.people_bodies import PersonErased, PersonHeld, TextErased
from local import azurite
from tests.host_process import NEVER, Tocsin, problem, running
from tests.toy_host import ROOT

ADMIN = "ada:Admin"
PLAN = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities: {low: {}}
default_severity: low
contacts: {anna: {reach: [{channel: log}]}}
channels: {log: {kind: log}}
personal_labels: [user]
"""
ERASE, EXPORT = "/api/v1/people/erase", "/api/v1/people/export"


@pytest.fixture(scope="module")
def own_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azurite.start(tmp_path_factory.mktemp("storage"), in_memory=True) as running_storage:
        yield running_storage.connection_string


@pytest.fixture(scope="module")
def host(own_storage: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    """On storage that the command line reaches too."""
    settings = dict.fromkeys(("TOCSIN_STORAGE", "AzureWebJobsStorage"), own_storage)
    settings["ESCALATION_SCHEDULE"] = NEVER
    with running(tmp_path_factory.mktemp("people"), {"acme": PLAN}, **settings) as host:
        yield host


def noted(host: Tocsin, name: str, who: str, words: str = "the disk is full") -> tuple[str, str, int]:
    """The incident, the pseudonym of whoever wrote beside which event."""
    incident = host.opened(name)
    assert host.command(incident, "note", {"text": words}, who).status == 200
    event = next(each for each in host.events(incident) if each["type"] == "noted")
    return incident, event["actor"].removeprefix("person:"), event["seq"]


def test_a_person_is_handed_out_and_erased(host: Tocsin) -> None:
    incident, person, seq = noted(host, "Disk", "rita:Responder")
    body = {"plan": "acme", "person": person}
    answer = host.call("POST", EXPORT, body, ADMIN)
    held = TypeAdapter(PersonHeld).validate_json(answer.body, strict=True)
    assert held["person"] is not None
    assert held["person"]["name"] == "rita"
    assert [each["texts"] for each in held["incidents"]] == [[{"seq": seq, "text": "the disk is full"}]]

    answer = host.call("POST", ERASE, body | {"texts": True}, ADMIN)
    told = TypeAdapter(PersonErased).validate_json(answer.body, strict=True)
    assert (answer.status, told["done"], told["plans"]) == (200, True, {"acme": 1})
    shown = host.get(f"/api/v1/incidents/{incident}/timeline", ADMIN).body.decode()
    assert "the disk is full" not in shown
    assert "rita" not in shown
    problem(host.call("POST", ERASE, body, ADMIN), 404)


def test_one_text_is_erased(host: Tocsin) -> None:
    incident, _, seq = noted(host, "Text", "tom:Responder", "my number is 12")
    path = f"/api/v1/incidents/{incident}/texts/{seq}/erase"
    for expected in ("now", "before"):
        answer = host.call("POST", path, who=ADMIN)
        told = TypeAdapter(TextErased).validate_json(answer.body, strict=True)
        assert (answer.status, told["erased"]) == (200, expected)
    for bad in ("0", "1", "99999999", "999999999", "-1", "x", "%00", "%C2%B2"):
        problem(host.call("POST", f"/api/v1/incidents/{incident}/texts/{bad}/erase", who=ADMIN), 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"plan": "acme"},
        {"plan": "acme", "identity": ""},
        {"plan": "acme", "identity": "x" * 2_001},
        {"plan": "acme", "identity": "x", "person": "0" * 16},
        {"plan": "acme", "person": "key"},
        {"plan": "acme", "person": "0" * 17},
        {"plan": "acme", "person": "0" * 16 + "\n"},
        {"identity": "x"},
        {"plan": "acme", "identity": "x", "more": 1},
        [],
        b"\xff",
    ],
)
def test_what_names_nobody_is_refused(host: Tocsin, body: object) -> None:
    for path in (ERASE, EXPORT):
        problem(host.call("POST", path, body, ADMIN), 400)


@pytest.mark.parametrize("who", ["aud:Auditor", "com:Commander", "res:Responder", "rea:Reader"])
def test_only_admins_may(host: Tocsin, who: str) -> None:
    for path in (ERASE, EXPORT, "/api/v1/incidents/INC-00000000-1/texts/1/erase"):
        problem(host.call("POST", path, {"plan": "acme", "identity": "x"}, who), 403)
        problem(host.call("POST", path, {"plan": "acme", "identity": "x"}), 401)


def test_a_personal_label_is_nowhere_to_be_read(host: Tocsin) -> None:
    incident = host.opened("Login", labels={"user": "ana@example.org"}, summary="ana@example.org is out")
    assert "ana@example.org" not in json.dumps(host.incident(incident))


def test_the_command_line_does_the_same_and_says_how_it_went(
    host: Tocsin, own_storage: str, tmp_path: Path
) -> None:
    incident, person, seq = noted(host, "Line", "lea:Responder", "call me")

    def people(*arguments: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "TOCSIN_STORAGE": own_storage,
            "PLANS_DIR": str(host.data / "plans"),
            "SECRET_PEOPLE_KEY": example("SECRET_PEOPLE_KEY"),
            "SECRET_TEXTS_KEY": example("SECRET_TEXTS_KEY"),
            "PATH": os.environ["PATH"],
        }
        command = [sys.executable, "-m", "local.people", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False, timeout=120
        )

    named = ("--plan", "acme", "--by", "id-op")
    out = tmp_path / "lea.jsonl"
    done = people("export", "--person", person, *named, "--out", str(out))
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0]["person"]["name"] == "lea"
    assert lines[1]["incident"]["texts"] == [{"seq": seq, "text": "call me"}]
    assert people("export", "--person", person, *named, "--out", str(out)).returncode == 1

    assert people("erase", "--person", person, *named).returncode == 4
    assert people("erase-text", incident, str(seq), "--by", "id-op").returncode == 4
    done = people("erase-text", incident, str(seq), "--by", "id-op", "--yes")
    assert (done.returncode, "erased the text" in done.stdout) == (0, True)
    done = people("erase", "--person", person, *named, "--texts", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"erased {person}" in done.stdout
    assert people("erase", "--person", person, *named, "--yes").returncode == 3
    assert people("unfinished").returncode == 0
    assert people("erase", "--plan", "acme").returncode == 2


def example(name: str) -> str:
    written = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    return str(written["Values"][name])


def test_nothing_of_all_this_has_failed_inside(host: Tocsin) -> None:
    assert "Traceback" not in host.log()
