"""The main job, end to end and from outside: alerts in, people told, resolved, exported, verified."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.host_process import Tocsin, eventually, running
from tests.receivers import HttpReceiver, Reply, Request
from tests.toy_host import ROOT

ANA, AUDITOR, ADMIN = "Ottilie:Responder", "aud:Auditor", "ada:Admin"
KEY = "a-key-for-signing"


def plan(receiver: str) -> str:
    """Contacts named after what they do; each has a path of the receiver to itself."""
    return f"""
plan: acme
throttle: 0s
title: Acme
timezone: UTC
services: {{api: {{}}}}
default_service: api
severities:
  ladder:
    respond_within: 3s
    resolve_within: 1h
    steps:
      - {{after: 0s, notify: [anna]}}
      - {{after: 1s, notify: [boss]}}
      - {{after: 2s, notify: [chief]}}
    repeat: {{every: 1s}}
  patient:
    respond_within: 1h
    steps:
      - {{after: 0s, notify: [anna]}}
      - {{after: 2s, notify: [boss]}}
  flaky: {{respond_within: 1h, steps: [{{after: 0s, notify: [flaky]}}]}}
  dead: {{respond_within: 1h, steps: [{{after: 0s, notify: [dead]}}]}}
  lost: {{respond_within: 1h, steps: [{{after: 0s, notify: [lost]}}]}}
  quiet: {{}}
default_severity: quiet
alarm: {{notify: [alarm]}}
contacts:
  anna: {{reach: [{{channel: anna}}]}}
  boss: {{reach: [{{channel: boss}}]}}
  chief: {{reach: [{{channel: chief}}]}}
  alarm: {{reach: [{{channel: alarm}}]}}
  flaky: {{reach: [{{channel: flaky}}]}}
  dead: {{reach: [{{channel: gone}}, {{channel: second}}]}}
  lost: {{reach: [{{channel: gone}}]}}
channels:
{"".join(channel(name, receiver) for name in ("anna", "boss", "chief", "alarm", "flaky", "gone", "second"))}
"""


def channel(name: str, receiver: str) -> str:
    return f'  {name}: {{kind: webhook, url: "{receiver}/{name}", secret: signing}}\n'


class Phones:
    """Answers by the path: ``gone`` is no more, ``flaky`` refuses the first call of each incident."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    def __call__(self, request: Request) -> Reply:
        if request.path == "/gone":
            return Reply(410)
        incident = request.json()["incident"]
        if request.path == "/flaky" and incident not in self.refused:
            self.refused.add(incident)
            return Reply(503)
        return Reply(200, {"X-Request-Id": f"id-of-{incident}"})


@pytest.fixture(scope="module")
def phones() -> Iterator[HttpReceiver]:
    with HttpReceiver(Phones()) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def host(phones: HttpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    plans = {"acme": plan(phones.url)}
    with running(tmp_path_factory.mktemp("job"), plans, SECRET_SIGNING=KEY) as host:
        yield host


@pytest.fixture(scope="module")
def under_way(host: Tocsin) -> dict[str, str]:
    """Incidents by severity, opened together, so that what takes its seconds takes them side by side."""
    return {
        severity: host.opened(severity, severity=severity)
        for severity in ("flaky", "ladder", "patient", "dead", "lost")
    }


def calls(phones: HttpReceiver, incident: str) -> list[Request]:
    """What was sent about an incident, in order."""
    return [request for request in list(phones.requests) if request.json()["incident"] == incident]


def heard(phones: HttpReceiver, incident: str) -> list[tuple[str, str]]:
    """Who was called about an incident, and why."""
    return [(request.path.strip("/"), request.json()["kind"]) for request in calls(phones, incident)]


def until_heard(phones: HttpReceiver, incident: str, count: int) -> list[tuple[str, str]]:
    def enough() -> list[tuple[str, str]] | None:
        found = heard(phones, incident)
        return found if len(found) >= count else None

    return eventually(enough)


def until_type(host: Tocsin, incident: str, type: str) -> list[str]:
    def there() -> list[str] | None:
        types = host.types(incident)
        return types if type in types else None

    return eventually(there)


@pytest.mark.usefixtures("under_way")
def test_a_group_of_alerts_is_one_incident_counted_and_closed_by_its_last_resolution(host: Tocsin) -> None:
    def post(status: str, *hosts: str) -> list[dict[str, Any]]:
        alerts = [
            {
                "status": status,
                "labels": {"alertname": "DiskFull", "service": "api", "host": name},
                "startsAt": "2026-03-02T10:00:00Z",
                "endsAt": "2026-03-02T10:05:00Z",
            }
            for name in hosts
        ]
        body = {"version": "4", "groupKey": '{}:{alertname="DiskFull"}', "status": status, "alerts": alerts}
        answer = host.alert(body, source="alertmanager")
        assert answer.status == 202, answer
        found: list[dict[str, Any]] = answer.json()["incidents"]
        return found

    [opened] = post("firing", "a", "b")
    for _ in range(3):
        assert post("firing", "a", "b") == [opened | {"action": "updated"}]
    assert host.incident(opened["id"])["alert_count"] == 8
    assert post("resolved", "a")[0]["action"] == "updated"
    assert post("resolved", "b") == [opened | {"action": "resolved", "status": "resolved"}]
    whole = host.incident(opened["id"])
    assert (whole["status"], whole["firing"], whole["resolved_by"]) == ("resolved", 0, "source:alertmanager")
    assert post("firing", "a")[0]["action"] == "ignored", "that occurrence is over"


def test_steps_fire_in_order_until_nobody_is_left_and_the_alarm_goes_off(
    host: Tocsin, phones: HttpReceiver, under_way: dict[str, str]
) -> None:
    incident = under_way["ladder"]

    assert until_heard(phones, incident, 4) == [
        ("anna", "escalation"), ("boss", "escalation"), ("chief", "escalation"), ("alarm", "alarm"),
    ]  # fmt: skip
    types = until_type(host, incident, "breached")
    assert [type for type in types if type in ("escalated", "exhausted")] == ["escalated"] * 3 + ["exhausted"]
    fired = [event["data"] for event in host.events(incident) if event["type"] == "escalated"]
    assert [(data["round"], data["step"], data["of"]) for data in fired] == [(1, 1, 3), (1, 2, 3), (1, 3, 3)]
    assert max(data["late_seconds"] for data in fired) <= 3
    assert host.incident(incident)["sla"]["respond"]["state"] == "breached"
    assert host.incident(incident)["escalation"]["exhausted"]


def test_an_acknowledgement_stops_the_ladder(host: Tocsin, phones: HttpReceiver) -> None:
    incident = host.opened("somebody-answers", severity="patient")
    assert host.command(incident, "acknowledge", who=ANA).status == 200
    control = host.opened("control", severity="patient")

    until_heard(phones, incident, 1)
    assert until_heard(phones, control, 2) == [("anna", "escalation"), ("boss", "escalation")]
    assert heard(phones, incident) == [("anna", "escalation")], "the later ladder has fired its second step"
    assert host.types(incident).count("escalated") == 1


def test_whoever_was_paged_hears_that_it_is_over(host: Tocsin, phones: HttpReceiver) -> None:
    incident = host.opened("short", severity="patient")
    until_heard(phones, incident, 1)
    host.alert({"name": "short", "severity": "patient", "status": "resolved"})

    assert until_heard(phones, incident, 2) == [("anna", "escalation"), ("anna", "resolved")]
    assert calls(phones, incident)[1].json()["status"] == "resolved"


def test_a_responder_calls_somebody_in_and_what_is_reopened_pages_again(
    host: Tocsin, phones: HttpReceiver
) -> None:
    incident = host.opened("called-in", severity="patient")
    host.command(incident, "acknowledge", who=ANA)
    answer = host.command(incident, "escalate", {"to": "chief", "reason": "needs the key"}, ANA)
    assert answer.status == 200, answer
    assert sorted(until_heard(phones, incident, 2)) == [("anna", "escalation"), ("chief", "manual")]

    host.command(incident, "resolve", who=ANA)
    host.command(incident, "reopen", who=ANA)
    assert sorted(until_heard(phones, incident, 5)[2:5]) == [
        ("anna", "escalation"), ("anna", "resolved"), ("chief", "resolved"),
    ]  # fmt: skip


def test_a_page_carries_the_incident_a_link_and_a_signature_that_verifies(
    host: Tocsin, phones: HttpReceiver
) -> None:
    incident = host.opened("signed", severity="patient", summary="näh <b>", url="https://source.example/1")
    until_heard(phones, incident, 1)
    [call, *_] = calls(phones, incident)
    said = call.json()

    assert (said["plan"], said["severity"], said["service"]) == ("acme", "patient", "api")
    assert (said["title"], said["summary"]) == ("signed", "näh <b>")
    assert said["incident_url"].endswith(f"/incidents/{incident}")
    assert said["source_url"] == "https://source.example/1"
    message = call.headers["x-tocsin-timestamp"].encode() + b"." + call.body
    mark = hmac.new(KEY.encode(), message, hashlib.sha256).hexdigest()
    assert call.headers["x-tocsin-signature"] == f"sha256={mark}"
    assert abs(datetime.now(UTC).timestamp() - int(call.headers["x-tocsin-timestamp"])) < 60


def test_an_answer_of_200_is_delivered_once(
    host: Tocsin, phones: HttpReceiver, under_way: dict[str, str]
) -> None:
    incident = under_way["patient"]
    until_heard(phones, under_way["flaky"], 2)

    assert until_heard(phones, incident, 2) == [("anna", "escalation"), ("boss", "escalation")], (
        "even when another one is being sent again"
    )
    delivered = eventually(lambda: _settled(host, incident, 2))
    assert [delivery["state"] for delivery in delivered] == ["accepted", "accepted"]
    assert {attempt["provider_id"] for each in delivered for attempt in each["attempts"]} == {
        f"id-of-{incident}"
    }
    keys = [call.headers["idempotency-key"] for call in calls(phones, incident)]
    assert keys == [delivery["idempotency_key"] for delivery in delivered]
    assert len(set(keys)) == 2


def _settled(host: Tocsin, incident: str, count: int) -> list[dict[str, Any]] | None:
    """The deliveries, once so many have their outcome on the timeline."""
    types = host.types(incident)
    if types.count("delivered") + types.count("delivery-failed") < count:
        return None
    found: list[dict[str, Any]] = host.incident(incident)["deliveries"]
    return found


def test_a_503_is_tried_again_with_the_same_key(
    host: Tocsin, phones: HttpReceiver, under_way: dict[str, str]
) -> None:
    incident = under_way["flaky"]

    assert until_heard(phones, incident, 2) == [("flaky", "escalation")] * 2
    assert len({call.headers["idempotency-key"] for call in calls(phones, incident)}) == 1
    [delivery] = eventually(lambda: _settled(host, incident, 1))
    assert [attempt["status"] for attempt in delivery["attempts"]] == [503, 200]
    assert delivery["state"] == "accepted"


def test_a_channel_that_is_gone_is_followed_by_the_contacts_next(
    host: Tocsin, phones: HttpReceiver, under_way: dict[str, str]
) -> None:
    incident = under_way["dead"]

    assert until_heard(phones, incident, 2) == [("gone", "escalation"), ("second", "escalation")]
    failed, accepted = eventually(lambda: _settled(host, incident, 2))
    assert (failed["channel"], failed["state"]) == ("gone", "failed")
    assert (accepted["channel"], accepted["state"]) == ("second", "accepted")


def test_a_contact_whom_nothing_reaches_is_never_silence(
    host: Tocsin, phones: HttpReceiver, under_way: dict[str, str]
) -> None:
    incident = under_way["lost"]

    assert until_heard(phones, incident, 2) == [("gone", "escalation"), ("alarm", "alarm")]
    assert "contact-unreachable" in host.types(incident)


def verify(bundle: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.kpi.verify", str(bundle)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def test_the_week_is_exported_and_an_auditor_verifies_it(host: Tocsin, tmp_path: Path) -> None:
    incident = host.opened("for-the-record", severity="patient")
    host.command(incident, "acknowledge", who=ANA)
    host.command(incident, "resolve", {"resolution": "a text that stays here", "code": "fixed"}, ANA)
    year, number, _ = datetime.now(UTC).isocalendar()
    week = f"/api/v1/plans/acme/exports/{year}-W{number:02}"
    compiled = host.call("POST", week, who=ADMIN)
    assert compiled.status == 201, compiled
    assert compiled.json()["provisional"] is True

    whole = host.get(compiled.json()["files"]["bundle.zip"], AUDITOR)
    assert (whole.status, whole.headers["content-type"]) == (200, "application/zip")
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(whole.body)
    verified = verify(bundle)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with zipfile.ZipFile(bundle) as opened:
        texts = {name: opened.read(name) for name in opened.namelist()}
    assert incident.encode() in texts["timeline.jsonl"]
    for name, text in texts.items():
        assert b"a text that stays here" not in text, name
        assert b"Ottilie" not in text, name
    for at in (100, len(whole.body) // 2, len(whole.body) - 30):
        flipped = bytearray(whole.body)
        flipped[at] ^= 1
        bundle.write_bytes(flipped)
        assert verify(bundle).returncode != 0, f"byte {at}"


def test_nothing_of_all_this_has_failed_inside(host: Tocsin) -> None:
    assert "Traceback" not in host.log()
    assert KEY not in host.log()
