"""Chat over HTTP: the real app behind its real entrance takes commands from Slack and Teams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.app_setting_secrets import setting_of
from tests.chats import SIGNING, TEAMS_TOKEN, activity, pressed, slack_signed, slash, teams_signed, texts
from tests.theatre import Theatre
from tests.toy_host import Answer

PLAN = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities: {P1: {respond_within: 15m, steps: [{after: 0s, notify: [ana]}]}}
default_severity: P1
chat:
  slack: {signing_secret: acme-slack-signing, workspace: T0001}
  teams: {secret: acme-teams-hook}
contacts:
  ana:
    title: Ana
    identities: {slack: U0ANA, teams: 11111111-2222-4333-8444-aaaaaaaaaaaa}
    reach: [{channel: log}]
channels: {log: {kind: log}}
"""
SLACK, ACTIONS, TEAMS = "/api/v1/chat/slack", "/api/v1/chat/slack/actions", "/api/v1/chat/teams"
OBJECT_ID = "11111111-2222-4333-8444-AAAAAAAAAAAA"


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, {"acme": PLAN}) as made:
        monkeypatch.setenv(setting_of("acme-slack-signing"), SIGNING)
        monkeypatch.setenv(setting_of("acme-teams-hook"), TEAMS_TOKEN)
        made.at("2026-11-18 12:00")
        yield made


def post(theatre: Theatre, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    return theatre.call("POST", path, body, headers=headers)


def slack(theatre: Theatre, line: str, trigger: str = "1") -> dict[str, Any]:
    body = slash(line, trigger=trigger)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = post(theatre, SLACK, body, {**form, **slack_signed(body, theatre.now)})
    assert answer.status == 200, answer
    shown: dict[str, Any] = answer.json()
    return shown


def test_an_incident_is_worked_on_from_slack(theatre: Theatre) -> None:
    assert "Opened INC-" in texts(slack(theatre, "/incident create P1 “Checkout is slow”"))
    again = slack(theatre, "/incident create P1 “Checkout is slow”")
    [incident] = theatre.incidents("acme")
    assert incident["id"] in texts(again)
    slack(theatre, f"/incident ack {incident['id'][4:8]}", "2")
    slack(theatre, f"/status update {incident['id'][4:8]} monitoring it holds", "3")
    slack(theatre, f"/incident resolve {incident['id']} “Rolled back”", "4")
    types = [event["type"] for event in theatre.events(incident["id"])]
    assert types.count("acted-on") == 3
    assert types[-1] == "resolved"
    assert theatre.events(incident["id"])[-1]["actor_name"] == "Ana"


def test_a_command_that_comes_four_times_at_once_acts_once(theatre: Theatre) -> None:
    with ThreadPoolExecutor(4) as pool:
        shown = list(pool.map(lambda _: slack(theatre, "/incident create P1 slow"), range(4)))
    [incident] = theatre.incidents("acme")
    assert all(each == shown[0] for each in shown)
    assert incident["id"] in texts(shown[0])


def test_an_incident_is_worked_on_from_teams(theatre: Theatre) -> None:
    theatre.alert("acme", name="HighErrorRate", status="firing", summary="it burns")
    [incident] = theatre.incidents("acme")
    body = activity(f"incident ack {incident['id'][4:9]}", OBJECT_ID, timestamp=theatre.now.isoformat())
    answer = post(theatre, TEAMS, body, teams_signed(body))
    assert answer.status == 200
    assert "Ana has it" in answer.json()["text"]
    assert theatre.incident(incident["id"])["status"] == "acknowledged"


@pytest.mark.parametrize("path", [SLACK, ACTIONS, TEAMS])
def test_a_call_that_is_not_signed_is_401(theatre: Theatre, path: str) -> None:
    for headers in ({}, {"Authorization": "HMAC AAAA"}, slack_signed(b"another body", theatre.now)):
        assert post(theatre, path, slash("/incident list"), headers).status == 401


@pytest.mark.parametrize("path", [SLACK, ACTIONS])
def test_a_signed_call_that_is_malformed_is_400_and_a_large_one_413(theatre: Theatre, path: str) -> None:
    for body, status in ((b"\xff", 400), (b"{}", 400), (b"x" * (64 * 1024 + 1), 413)):
        assert post(theatre, path, body, slack_signed(body, theatre.now)).status == status


def test_a_malformed_message_of_teams_is_400_and_a_large_one_413(theatre: Theatre) -> None:
    for body, status in ((b"\xff", 400), (b"{}", 400), (b"x" * (64 * 1024 + 1), 413)):
        assert post(theatre, TEAMS, body, teams_signed(body)).status == status


def test_a_button_is_taken_with_200(theatre: Theatre) -> None:
    body = pressed("acknowledge", "no token of ours", "https://evil.example/")
    answer = post(theatre, ACTIONS, body, slack_signed(body, theatre.now))
    assert (answer.status, answer.json()) == (200, {})


def test_slack_may_look_at_our_certificate(theatre: Theatre) -> None:
    assert theatre.call("GET", f"{SLACK}?ssl_check=1").status == 200
    assert theatre.call("GET", SLACK).status == 404
