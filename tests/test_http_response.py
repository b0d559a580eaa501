"""What people do beside acknowledging and resolving, and who is on call: over HTTP, as the contract says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host_process import NEVER, Tocsin, fields, problem, running

ANA, RITA = "ana:Responder", "rita:Reader"
PLAN = """
plan: acme
timezone: UTC
services: {api: {}, database: {}}
default_service: api
severities:
  P1:
    respond_within: 15m
    steps: [{after: 0s, notify: [sre]}]
    updates: {internal: {every: 30m, remind: [commander], remind_before: 5m}}
  P2: {respond_within: 2h, steps: [{after: 0s, notify: [lead]}]}
default_severity: P1
roles:
  commander: {title: Commander, primary: sre, secondary: lead}
  expert: {title: Expert, primary: lead, services: [database]}
checklists:
  verification:
    phase: verification
    items: [{id: healthy, text: Everything is healthy, required: true}]
  afterwards:
    phase: post-incident
    items: [{id: noted, text: The runbook says so now, required: true}]
closing: {codes: {fixed: Cause removed}}
review: {severities: [P1], due_within: 48h, notify: [lead]}
rotations:
  sre:
    title: First line
    layers: [{members: [ana, ben], starts: "2026-01-05T09:00", handoff: 7d}]
contacts:
  ana: {title: Ana, reach: [{channel: log}]}
  ben: {title: Ben, reach: [{channel: log}]}
  lead: {title: The lead, reach: [{channel: log}]}
channels: {log: {kind: log}}
templates: {ticket-title: {body: "({{ severity }}) {{ title }}"}}
"""
HIDDEN = PLAN.replace("plan: acme", "plan: hidden\nvisible_to: [somebody-else]")


@pytest.fixture(scope="module")
def tocsin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    data: Path = tmp_path_factory.mktemp("response")
    plans = {"acme": PLAN, "hidden": HIDDEN}
    settings = {"ESCALATION_SCHEDULE": NEVER, "SECRET_PEOPLE_KEY": "only for tests"}
    with running(data, plans, **settings) as host:
        yield host


def test_an_incident_is_worked_on_from_its_opening_to_its_completed_review(tocsin: Tocsin) -> None:
    incident = tocsin.opened("DiskFull")
    seen = tocsin.incident(incident)
    assert seen["roles"]["commander"] in ("ana", "ben")
    assert seen["ticket_title"] == "(P1) DiskFull"
    assert seen["channel_name"].startswith("incident-20")
    assert seen["closing_codes"] == {"fixed": "Cause removed"}
    assert [each["audience"] for each in seen["updates"]] == ["internal"]

    for command, body in (
        ("acknowledge", {}),
        ("status", {"status": "identified", "message": "a disk is full"}),
        ("role", {"role": "commander", "to": "lead"}),
        ("severity", {"severity": "P2", "reason": "one disk of many"}),
        ("severity", {"severity": "P1"}),
        ("note", {"kind": "impact", "text": "uploads fail"}),
        ("checklist", {"item": "healthy", "state": "overridden", "reason": "no probe there"}),
        ("resolve", {"resolution": "bought a disk", "code": "fixed"}),
        ("checklist", {"item": "noted"}),
        ("review", {"root_cause": "logs", "lessons": "rotate <b>them</b>"}),
        (
            "action-item",
            {"title": "rotate", "owner": "sre", "due": "2031-01-01T00:00:00Z", "priority": "high"},
        ),
        ("action-item", {"item": "A1", "status": "done"}),
        ("review", {"complete": True}),
    ):
        answer = tocsin.command(incident, command, body, ANA)
        assert answer.status == 200, (command, answer)

    done = tocsin.incident(incident)
    assert done["roles"]["commander"] == "lead"
    assert done["progress"] == "identified"
    assert done["review"]["completed_at"]
    assert [(item["id"], item["title"], item["status"]) for item in done["action_items"]] == [
        ("A1", "rotate", "done")
    ]
    [verification, _] = done["checklists"]
    assert [item["state"] for item in verification["items"]] == ["overridden"]


def test_the_report_is_made_from_the_timeline_as_json_and_as_markdown(tocsin: Tocsin) -> None:
    incident = tocsin.opened("Slow", service="database")
    tocsin.command(incident, "note", {"kind": "cause", "text": "<script>an index</script>"}, ANA)

    told = tocsin.get(f"/api/v1/incidents/{incident}/review", RITA).json()
    assert set(told["seconds"]) == {"detect", "acknowledge", "mitigate", "resolve", "total"}
    assert told["review"] is None
    path = f"/api/v1/incidents/{incident}/review"
    page = tocsin.call("GET", path, who=RITA, headers={"Accept": "text/markdown"})
    assert page.headers["content-type"].startswith("text/markdown")
    text = page.body.decode()
    assert "# " in text
    assert "<script>" not in text
    assert tocsin.get(path).status == 401


@pytest.mark.parametrize(
    ("command", "body", "named"),
    [
        ("status", {"status": "bored", "message": "x"}, {"status"}),
        ("status", {"status": "identified", "message": " "}, {"message"}),
        ("role", {"role": "king", "to": "ana"}, {"role"}),
        ("role", {"role": "commander", "to": "nobody"}, {"to"}),
        ("role", {"role": "expert", "to": "ana"}, {"role"}),
        ("severity", {"severity": "P9"}, {"severity"}),
        ("checklist", {"item": "healthy", "state": "overridden"}, {"reason"}),
        ("checklist", {"item": "dusted"}, {"item"}),
        ("resolve", {}, {"code", "resolution", ""}),
        ("resolve", {"code": "unheard-of", "resolution": "x"}, {"code", ""}),
        ("action-item", {"title": "x"}, {"owner", "due", "priority"}),
        ("action-item", {"item": "A7", "status": "done"}, {"item"}),
        ("escalate", {"to": "nobody"}, {"to"}),
    ],
)
def test_what_is_wrong_with_a_command_is_named(
    tocsin: Tocsin, command: str, body: dict[str, str], named: set[str]
) -> None:
    incident = tocsin.opened(f"Wrong-{command}-{len(named)}-{sorted(body.items())}")

    assert fields(tocsin.command(incident, command, body, ANA)) == named


def test_the_state_forbids_what_comes_too_early_and_says_why(tocsin: Tocsin) -> None:
    incident = tocsin.opened("TooEarly")

    early = problem(tocsin.command(incident, "review", {"lessons": "x"}, ANA), 409)
    assert "resolved" in early["detail"]
    unverified = tocsin.command(incident, "resolve", {"resolution": "x", "code": "fixed"}, ANA)
    assert "healthy" in problem(unverified, 409)["detail"]
    assert tocsin.command(incident, "status", {"status": "identified", "message": "x"}, RITA).status == 403


def test_who_is_on_call_is_told_to_readers_of_the_plan(tocsin: Tocsin) -> None:
    [turn] = tocsin.get("/api/v1/plans/acme/oncall", RITA).json()["rotations"]

    assert {turn["contact"], turn["next"]} == {"ana", "ben"}
    assert (turn["rotation"], turn["title"], turn["why"]) == ("sre", "First line", "layer 1")
    assert tocsin.get("/api/v1/plans/acme/oncall").status == 401
    assert tocsin.get("/api/v1/plans/hidden/oncall", RITA).status == 404
    assert tocsin.get("/api/v1/plans/nowhere/oncall", RITA).status == 404


def test_a_calendar_feed_opens_with_its_signed_link_alone(tocsin: Tocsin) -> None:
    [turn] = tocsin.get("/api/v1/plans/acme/oncall", RITA).json()["rotations"]

    feed = tocsin.get(turn["feed"])
    assert feed.status == 200
    assert feed.headers["content-type"].startswith("text/calendar")
    assert feed.body.startswith(b"BEGIN:VCALENDAR")
    assert b"First line: " in feed.body
    path, _, signature = turn["feed"].partition("?signature=")
    forged = ("0" if signature[0] != "0" else "1") + signature[1:]
    assert tocsin.get(f"{path}?signature={forged}").status == 401
    assert tocsin.get(path).status == 401
    assert tocsin.get(f"{path.replace('sre', 'other')}?signature={signature}").status == 401
    assert tocsin.get(f"{path.replace('acme', 'hidden')}?signature={signature}").status == 401
    assert tocsin.get(f"{path.removesuffix('.ics')}?signature={signature}").status == 404


def test_what_is_pending_is_nowhere_to_be_seen(tmp_path: Path) -> None:
    waiting = PLAN + "declare: [{name: wait, when: {alert: Slow*}, after: 1h}]\n"
    with running(tmp_path, {"acme": waiting}, SECRET_PEOPLE_KEY="only for tests") as tocsin:
        [entry] = tocsin.alert({"name": "Slowness"}).json()["incidents"]

        assert entry == {"action": "pending", "id": None, "status": None, "severity": None}
        assert tocsin.get("/api/v1/incidents", RITA).json()["incidents"] == []


def test_a_key_that_was_used_for_something_else_is_refused_and_nothing_is_lost_in_silence(
    tocsin: Tocsin,
) -> None:
    incident = tocsin.opened("KeyedTwice")
    one, two = {"text": "one"}, {"text": "two"}

    assert tocsin.command(incident, "note", one, ANA, key="k").status == 200
    assert tocsin.command(incident, "note", one, ANA, key="k").status == 200
    problem(tocsin.command(incident, "note", two, ANA, key="k"), 409)
    assert tocsin.types(incident).count("noted") == 1

    def declared(title: str) -> int:
        body = {"plan": "acme", "title": title, "service": "api", "severity": "P2"}
        headers = {"Idempotency-Key": "declared-once"}
        return tocsin.call("POST", "/api/v1/incidents", body, ANA, headers).status

    assert [declared(title) for title in ("Slow", "Slow", "Fast")] == [201, 201, 409]
