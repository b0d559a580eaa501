"""The rig of the scenarios: the clock is the test's, the entrance and the receivers are real."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.builders import hours, minutes
from tests.receivers import Reply
from tests.theatre import PROVIDERS, Theatre

PLAN = """
plan: acme
title: Acme
timezone: Europe/Berlin
services: {api: {}}
default_service: api
severities:
  high:
    respond_within: 30m
    steps:
      - {after: 0s, notify: [anna]}
      - {after: 15m, notify: [boss]}
      - {after: 60h, notify: [chief]}
    repeat: {times: 0, every: 1h}
  low: {steps: [{after: 0s, notify: [guard]}]}
default_severity: low
classify: [{name: loud, when: {severity: critical}, severity: high}]
alarm: {notify: [guard]}
contacts:
  anna: {reach: [{channel: room}, {channel: email, to: anna@acme.example}]}
  boss: {reach: [{channel: email, to: boss@acme.example}]}
  chief: {reach: [{channel: hall}]}
  guard: {reach: [{channel: hook}]}
channels:
  room: {kind: slack, secret: acme-room}
  hall: {kind: teams, secret: acme-hall}
  hook: {kind: webhook, secret: acme-signing, options: {url_secret: acme-hook}}
  email: {kind: email, secret: acme-smtp, options: {from: tocsin@acme.example}}
sources: {generic: {bearer_secret: acme-generic}}
"""
LITERAL = PLAN.replace("options: {url_secret: acme-hook}", 'url: "https://hook.acme.example"')
PLAYED = PLAN.replace(
    "{kind: slack, secret: acme-room}", f'{{kind: slack-app, secret: acme-bot, url: "{PROVIDERS}/room"}}'
)
PLAYED = PLAYED.replace("{channel: room}", "{channel: room, to: C0ROOM}")
WEDNESDAY, FRIDAY = "2026-11-18 14:00", "2026-11-20 17:30"


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, {"acme": PLAN}, zone="Europe/Berlin") as theatre:
        yield theatre


def calls(theatre: Theatre) -> list[tuple[str, str, str | None]]:
    return [(told.when, told.channel, told.to) for told in theatre.told]


def test_an_alert_pages_at_once_and_the_next_step_comes_a_quarter_of_an_hour_later(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    incident = theatre.alert("acme", name="Checkout <down>", severity="critical", summary="5xx & no_pay")

    [page] = theatre.told
    assert (page.when, page.channel, page.to) == ("2026-11-18 14:00", "acme-room", None)
    assert page.at == datetime(2026, 11, 18, 13, 0, tzinfo=UTC)
    assert (page.kind, page.contact, page.incident, page.drill) == ("escalation", "anna", incident, None)
    assert page.subject == "[high] Checkout <down>"
    assert {"5xx & no_pay", f"Incident: {incident}", "Severity: high"} <= set(page.text.splitlines())

    theatre.forward(minutes(15) - minutes(1 / 60))
    assert theatre.told_since(1) == []
    theatre.at("2026-11-18 14:15")
    [mail] = theatre.told_since(1)
    assert (mail.when, mail.channel, mail.to) == ("2026-11-18 14:15", "email", "boss@acme.example")
    assert (mail.kind, mail.contact) == ("escalation", "boss")
    assert mail.subject == f"[high] Checkout <down> ({incident})"
    assert "5xx & no_pay" in mail.text


def test_what_comes_due_on_the_way_comes_in_its_own_time(theatre: Theatre) -> None:
    theatre.at(FRIDAY)
    incident = theatre.alert("acme", name="NightJob", severity="critical")
    theatre.at("2026-11-23 09:00")

    assert calls(theatre) == [
        ("2026-11-20 17:30", "acme-room", None),
        ("2026-11-20 17:45", "email", "boss@acme.example"),
        ("2026-11-23 05:30", "acme-hall", None),
        ("2026-11-23 06:30", "acme-hook", None),
    ]
    assert [told.kind for told in theatre.told] == ["escalation"] * 3 + ["alarm"]
    assert theatre.told[2].subject == "[high] NightJob"
    assert "alarm" in theatre.told[3].text.splitlines()
    breached = next(event for event in theatre.events(incident) if "breach" in event["type"])
    assert breached["recorded_at"].startswith("2026-11-20T17:00")


def test_who_acknowledges_over_http_stops_the_ladder(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    incident = theatre.alert("acme", name="Checkout", severity="critical")
    theatre.forward(minutes(14))
    assert theatre.command(incident, "acknowledge", who="ana:Responder")["status"] == "acknowledged"
    theatre.forward(hours(100))

    assert len(theatre.told) == 1
    assert theatre.incident(incident)["acknowledged_at"].startswith("2026-11-18T13:14:00")


def test_a_provider_that_refuses_for_good_is_followed_by_the_next_channel(theatre: Theatre) -> None:
    theatre.refusing["acme-room"] = 410
    theatre.at(WEDNESDAY)
    theatre.alert("acme", name="Checkout", severity="critical")

    assert calls(theatre) == [("2026-11-18 14:00", "email", "anna@acme.example")]


def test_a_provider_that_is_busy_is_tried_again_on_the_theatres_clock(theatre: Theatre) -> None:
    theatre.refusing["acme-hook"] = 503
    theatre.at(WEDNESDAY)
    theatre.alert("acme", name="Lamp")
    theatre.refusing.clear()
    theatre.forward(minutes(1))

    [told] = theatre.told
    assert "2026-11-18 14:00:05" <= told.when <= "2026-11-18 14:00:06"
    assert (told.kind, told.contact) == ("escalation", "guard")


def test_each_play_begins_on_an_empty_stage(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    assert theatre.incidents("acme") == []
    incident = theatre.alert("acme", name="Checkout", severity="critical")
    assert [each["id"] for each in theatre.incidents("acme")] == [incident]
    assert incident.endswith("-1")


def test_timers_can_also_be_run_so_often(theatre: Theatre) -> None:
    theatre.at("2026-11-18 14:10")
    theatre.forward(hours(3), every=hours(1))

    row = theatre.call("GET", "/api/v1/status").json()["sweeper"]
    assert row == {"last_run": "2026-11-18T16:10:00.000000Z", "alive": True}
    assert theatre.told == []


def test_an_address_that_nobody_here_can_answer_at_is_refused(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(AssertionError, match="nobody in a theatre answers"),
        Theatre(storage, tmp_path, monkeypatch, {"acme": LITERAL}),
    ):
        pass


def test_time_does_not_run_backwards(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    with pytest.raises(AssertionError, match="backwards"):
        theatre.at("2026-11-18 13:59")


def test_a_provider_whose_address_the_plan_names_is_played_by_the_test(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Reply(200, body=b'{"ok": true, "channel": "C0ROOM", "ts": "1763726400.000001"}')
    with Theatre(storage, tmp_path, monkeypatch, {"acme": PLAYED}) as theatre:
        theatre.playing["room"] = lambda _: taken
        theatre.at(WEDNESDAY)
        incident = theatre.alert("acme", name="Checkout", severity="critical")
        [page] = theatre.told
        assert (page.channel, page.to, page.contact, page.incident) == ("room", "C0ROOM", "anna", incident)
        theatre.playing["room"] = lambda _: Reply(200, body=b'{"ok": false, "error": "not_in_channel"}')
        theatre.alert("acme", name="Another", severity="critical")
        assert [each.channel for each in theatre.told_since(1)] == ["email"], "what was refused was not told"
