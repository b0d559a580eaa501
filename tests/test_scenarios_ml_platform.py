"""ML Platform's plan does what its document says, through the real entrance, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import minutes
from tests.played_slack import PlayedSlack
from tests.theatre import Theatre, Told, organisation

WEDNESDAY_NIGHT = "2026-11-18 02:00"
BOT = "ml-platform-slack-bot"
RUNBOOKS = "https://tocsin.example.com/api/v1/plans/ml-platform/runbooks/"
FIRST_MINUTES = [
    "commander-named", "triage-done", "services-known", "start-known", "changes-asked", "pattern-sought",
]  # fmt: skip
VERIFIED = ["health-verified", "performance-verified", "data-verified"]
VALIDATED = [
    "services-respond", "connections-healthy", "sign-in-works", "workflows-work", "alerting-works",
    "logs-arrive", "backups-run",
]  # fmt: skip
FIRST_DAY = ["follow-up-filed", "meeting-scheduled", "facts-gathered", "evidence-kept"]
POST_MORTEM = [
    "timeline-rebuilt", "cause-analysed", "impact-assessed", "actions-identified", "process-improved",
]  # fmt: skip
OUTSIDE = {"product-manager", "support-team-lead", "customer-success", "customers", "partners", "status-page"}
OUTAGE = {"name": "PlatformUnavailable", "summary": "/health does not answer"}


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, organisation("ml-platform")) as theatre:
        theatre.playing[BOT] = PlayedSlack(theatre.secrets[BOT])
        yield theatre


def heard(told: list[Told]) -> list[tuple[str, str, str]]:
    """When, by which channel or address, what kind."""
    ways = [str(it.to) if it.channel == "email" else it.channel.removeprefix("ml-platform-") for it in told]
    return [(each.when[5:], way, each.kind) for each, way in zip(told, ways, strict=True)]


def to(told: list[Told], contact: str, kind: str | None = None) -> list[Told]:
    return [each for each in told if each.contact == contact and kind in (None, each.kind)]


def lines(told: Told) -> set[str]:
    return set(told.text.splitlines())


def opened(theatre: Theatre, **fields: object) -> tuple[str, list[Told]]:
    """A new incident by an alert, and who was told of it at once."""
    before = len(theatre.told)
    incident = theatre.alert("ml-platform", payload=fields)
    return incident, theatre.told_since(before)


def tick(theatre: Theatre, incident: str, items: list[str]) -> None:
    for item in items:
        theatre.command(incident, "checklist", {"item": item})


def resolve(theatre: Theatre, incident: str, items: list[str], code: str = "fixed") -> list[Told]:
    """Every required item ticked, and resolved by a person; who was told of the end."""
    tick(theatre, incident, items)
    before = len(theatre.told)
    theatre.command(incident, "resolve", {"code": code, "resolution": "The node was replaced"})
    return theatre.told_since(before)


def refused(theatre: Theatre, incident: str, command: str, body: object) -> tuple[int, dict[str, Any]]:
    answer = theatre.call("POST", f"/api/v1/incidents/{incident}/{command}", body, "ana:Responder")
    return answer.status, answer.json()


def types(theatre: Theatre, incident: str) -> list[str]:
    return [event["type"] for event in theatre.events(incident)]


def an_outage(theatre: Theatre) -> str:
    """A P0 that is declared at 02:05 on a Wednesday night."""
    theatre.at(WEDNESDAY_NIGHT)
    theatre.alerts("ml-platform", "generic", OUTAGE)
    theatre.at("2026-11-18 02:05")
    [line] = theatre.incidents("ml-platform")
    return str(line["id"])


def test_a_p0_at_night_waits_five_minutes_and_then_calls_and_tells_all_it_must(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY_NIGHT)
    [pending] = theatre.alerts("ml-platform", "generic", OUTAGE)
    theatre.at("2026-11-18 02:04:59")
    assert (pending["action"], theatre.told, theatre.incidents("ml-platform")) == ("pending", [], [])

    theatre.at("2026-11-18 02:05")
    told = theatre.told
    assert {each.when for each in told} == {"2026-11-18 02:05"}
    assert sorted((way, kind) for _, way, kind in heard(told)) == [
        ("pagerduty-sre-b", "escalation"),
        ("phone-customer-success", "inform"),
        ("phone-engineering-manager", "escalation"),
        ("phone-support-team-lead", "inform"),
        ("product@ml-platform.example", "inform"),
        ("slack-bot", "inform"),
        ("slack-engineering", "inform"),
        ("slack-incidents", "inform"),
        ("tickets", "inform"),
    ]
    assert {
        "P0 (Critical) is declared: PlatformUnavailable",
        "Commander: SRE B",
        "An answer is owed by 2026-11-18 02:20 UTC.",
        f"Runbook: {RUNBOOKS}service-outage",
        "Room: #incident-2026-11-18-0205, bridge: https://bridge.ml-platform.example/incidents",
        "Dashboards: https://grafana.ml-platform.com",
    } <= lines(to(told, "sre-b")[0])
    assert "This room is for [P0] PlatformUnavailable alone." in to(told, "incident-channel")[0].text
    ticket = {"[P0] PlatformUnavailable", "Priority: P0", "Components: ML Platform", "Impact: not known yet"}
    assert ticket <= lines(to(told, "ticket-desk")[0])
    mail = to(told, "product-manager")[0]
    assert mail.subject.startswith("[P0] ML Platform: customers may notice")
    assert "https://status.ml-platform.com" in mail.text

    seen = theatre.incident(theatre.incidents("ml-platform")[0]["id"])
    assert (seen["roles"], seen["runbook"]) == ({"incident-commander": "sre-b"}, "service-outage")
    names = seen["channel_name"], seen["ticket_title"]
    assert names == ("incident-2026-11-18-0205", "[P0] PlatformUnavailable")


def test_a_p0_that_nobody_answers_reaches_the_cto_and_customers_after_15_minutes(theatre: Theatre) -> None:
    incident = an_outage(theatre)
    before = len(theatre.told)
    theatre.at("2026-11-18 02:19:59")
    assert heard(theatre.told_since(before)) == [("11-18 02:15", "slack-incidents", "reminder")]
    theatre.at("2026-11-18 02:20")
    assert sorted(heard(theatre.told_since(before + 1))) == [
        ("11-18 02:20", "customer-notices", "inform"),
        ("11-18 02:20", "pagerduty-sre-b", "escalation"),
        ("11-18 02:20", "phone-cto", "escalation"),
        ("11-18 02:20", "phone-engineering-manager", "escalation"),
        ("11-18 02:20", "slack-incidents", "reminder"),
    ]
    [notice] = to(theatre.told, "customers")
    assert "You may notice trouble with ML Platform since 2026-11-18 02:05 UTC" in notice.text
    assert {
        "Summary: /health does not answer",
        "Impact: not known yet",
        "Done so far: nothing on record",
        "Where it stands: open",
        "Help needed: somebody to take it",
    } <= lines(to(theatre.told, "cto")[0])
    lapsed = [each["data"] for each in theatre.events(incident) if each["type"] == "update-lapsed"]
    assert sorted(each["audience"] for each in lapsed) == ["external", "internal"]
    assert "breached" in types(theatre, incident)


def test_updates_of_a_p0_reach_room_and_status_page_and_are_owed_every_15_minutes(theatre: Theatre) -> None:
    incident = an_outage(theatre)
    theatre.command(incident, "acknowledge")
    theatre.command(incident, "note", {"kind": "impact", "text": "No inference for anybody"})
    theatre.command(incident, "note", {"kind": "action-taken", "text": "Scaled to 10"})
    theatre.at("2026-11-18 02:12")
    before = len(theatre.told)
    theatre.command(incident, "status", {"status": "investigating", "message": "A node is being replaced."})
    room, page = theatre.told_since(before)
    assert (room.channel, page.channel) == ("ml-platform-slack-incidents", "ml-platform-status-page")
    assert {
        "Time: 2026-11-18 02:12 UTC",
        "Status: investigating",
        "Impact: No inference for anybody",
        "Next update: 2026-11-18 02:27 UTC",
        "Details: A node is being replaced.",
        "- Scaled to 10",
    } <= lines(room)
    assert "There are reports of trouble with ML Platform, and we are looking into them." in lines(page)
    assert "A node is being replaced." in lines(page)
    before = len(theatre.told)
    theatre.at("2026-11-18 02:43")
    owed = theatre.told_since(before)
    assert [(each.when[-5:], each.contact, each.reason) for each in owed if each.kind == "reminder"] == [
        ("02:22", "sre-b", "the internal status update is due at 2026-11-18 02:27 UTC"),
        ("02:27", "sre-b", "the internal status update is overdue"),
        ("02:37", "sre-b", "the internal status update is due at 2026-11-18 02:42 UTC"),
        ("02:42", "sre-b", "the internal status update is overdue"),
    ]
    for phase in ("identified", "monitoring", "resolved"):
        theatre.forward(minutes(1))
        theatre.command(incident, "status", {"status": phase, "message": "It goes on."})
        assert f"Status: {phase}" in lines(to(theatre.told, "incident-room", "update")[-1])
    assert refused(theatre, incident, "status", {"status": "over", "message": "It is."})[0] == 400


def test_a_p0_is_over_when_all_is_verified_and_everybody_hears_the_last_word(theatre: Theatre) -> None:
    incident = an_outage(theatre)
    theatre.command(incident, "acknowledge")
    for kind, text in {"impact": "No inference for anybody", "cause": "A full disk"}.items():
        theatre.command(incident, "note", {"kind": kind, "text": text, "audience": "external"})
    theatre.at("2026-11-18 02:53")
    theatre.alerts("ml-platform", "generic", {**OUTAGE, "status": "resolved"})
    [cleared] = [each for each in theatre.told if each.kind == "cleared"]
    assert (cleared.contact, cleared.when) == ("sre-b", "2026-11-18 02:53")
    body = {"code": "fixed", "resolution": "The node was replaced", "audience": "external"}
    status, problem = refused(theatre, incident, "resolve", body)
    named = [item for item in [*FIRST_MINUTES, *VERIFIED, *VALIDATED] if item in problem["detail"]]
    assert (status, named) == (409, [*FIRST_MINUTES, *VERIFIED, *VALIDATED])
    tick(theatre, incident, [*FIRST_MINUTES, *VERIFIED, *VALIDATED[:-1]])
    override = {"item": "backups-run", "state": "overridden"}
    assert refused(theatre, incident, "checklist", override)[0] == 400
    theatre.command(incident, "checklist", {**override, "reason": "They run at 04:00"})
    for faulty in ({"resolution": "The node was replaced"}, {"code": "magic", "resolution": "It was"}):
        assert refused(theatre, incident, "resolve", faulty)[0] == 400
    before = len(theatre.told)
    theatre.command(incident, "resolve", body)
    last = theatre.told_since(before)
    inside = {"sre-b", "engineering-manager", "incident-room", "engineering", "incident-channel"}
    assert {each.contact for each in last} == OUTSIDE - {"partners"} | inside | {"ticket-desk"}
    assert {
        "Status: RESOLVED",
        "Time: 2026-11-18 02:53 UTC",
        "- Began: 2026-11-18 02:05 UTC, lasted 48 min",
        "- Cause: A full disk",
        "- What ended it: The node was replaced",
        "- Effect on users: No inference for anybody",
        "A review follows, so that it does not happen again.",
    } <= lines(to(last, "status-page")[0]) & lines(to(last, "engineering")[0])
    overridden = [each for each in theatre.events(incident) if each["data"].get("state") == "overridden"]
    assert [each["text"] for each in overridden] == ["They run at 04:00"]


ERRORS = {"name": "ErrorRateHigh", "labels": {"app": "ml-inference-api"}, "values": {"error_rate": 8}}


def errors(theatre: Theatre) -> str:
    """A P1 that is declared at 20:25."""
    theatre.at("2026-11-18 20:20")
    theatre.alerts("ml-platform", "generic", ERRORS)
    theatre.at("2026-11-18 20:25")
    [line] = theatre.incidents("ml-platform")
    return str(line["id"])


def test_errors_that_are_gone_within_five_minutes_are_no_incident(theatre: Theatre) -> None:
    theatre.at("2026-11-18 20:00")
    theatre.alerts("ml-platform", "generic", ERRORS)
    theatre.at("2026-11-18 20:04:59")
    theatre.alerts("ml-platform", "generic", {**ERRORS, "status": "resolved"})
    theatre.at("2026-11-18 20:20")
    assert (theatre.told, theatre.incidents("ml-platform")) == ([], [])


def test_a_p1_calls_the_engineer_and_only_tells_the_manager_until_its_window_lapses(theatre: Theatre) -> None:
    incident = errors(theatre)
    seen = theatre.incident(incident)
    assert (seen["severity"], seen["service"]) == ("P1", "inference-api")
    [event] = [each["data"] for each in theatre.events(incident) if each["type"] == "opened"]
    assert (event["rule"], event["declaration"]) == ("customer-facing-errors", "errors-for-5m")
    assert [each.contact for each in theatre.told if each.kind == "escalation"] == ["sre-b"]
    assert [each.kind for each in to(theatre.told, "engineering-manager")] == ["inform"]
    assert f"Runbook: {RUNBOOKS}error-rate" in lines(to(theatre.told, "sre-b")[0])
    before = len(theatre.told)
    theatre.at("2026-11-18 22:30")
    pages = [each for each in theatre.told_since(before) if each.kind in ("escalation", "alarm")]
    assert heard(pages) == [
        ("11-18 20:55", "phone-engineering-manager", "escalation"),
        ("11-18 20:55", "pagerduty-sre-b", "escalation"),
        ("11-18 21:25", "pagerduty-sre-b", "escalation"),
        ("11-18 21:55", "phone-engineering-manager", "escalation"),
        ("11-18 21:55", "pagerduty-sre-b", "escalation"),
        ("11-18 22:25", "phone-engineering-manager", "alarm"),
    ]
    assert to(theatre.told, "cto") == []
    lapsed = [each["data"] for each in theatre.events(incident) if each["type"] == "update-lapsed"]
    assert [f"{each['audience']} {each['due'][11:16]}" for each in lapsed] == [
        "external 20:40",
        "internal 20:55",
        "internal 21:25",
        "internal 21:55",
        "internal 22:25",
    ]


def test_command_is_handed_over_and_outside_help_is_asked_for_by_name(theatre: Theatre) -> None:
    incident = errors(theatre)
    theatre.command(incident, "acknowledge")
    before = len(theatre.told)
    theatre.command(incident, "escalate", {"to": "aws-support", "reason": "The load balancer is yours"})
    theatre.command(incident, "role", {"role": "incident-commander", "to": "sre-a"})
    handed, asked = sorted(theatre.told_since(before), key=lambda each: each.kind, reverse=True)
    assert (asked.channel, asked.kind) == ("ml-platform-phone-aws-support", "manual")
    assert "Help needed: The load balancer is yours" in lines(asked)
    assert (handed.channel, handed.kind) == ("ml-platform-pagerduty-sre-a", "role")
    assert handed.reason == "you are now the Incident commander"
    before = len(theatre.told)
    theatre.at("2026-11-18 20:50")
    reminders = [each for each in theatre.told_since(before) if each.kind == "reminder"]
    assert {each.contact for each in reminders} == {"sre-a"}


def test_a_p2_of_a_saturday_stands_in_the_room_until_monday(theatre: Theatre) -> None:
    theatre.at("2026-11-21 03:00")
    incident, told = opened(
        theatre, name="FeatureFlaky", service="inference-api", labels={"feature": "minor"}
    )
    assert sorted(heard(told)) == [
        ("11-21 03:00", "slack-bot", "inform"),
        ("11-21 03:00", "slack-engineering", "inform"),
        ("11-21 03:00", "tickets", "inform"),
    ]
    assert "[P2] FeatureFlaky" in to(told, "ticket-desk")[0].text
    theatre.at("2026-11-23 08:59")
    assert len(theatre.told) == 3
    theatre.at("2026-11-23 09:00")
    monday = theatre.told_since(3)
    digest = [each for each in monday if each.kind == "digest"]
    assert sorted(heard([each for each in monday if each.kind != "digest"])) == [
        ("11-23 09:00", "pagerduty-sre-a", "escalation"),
        ("11-23 09:00", "phone-customer-success", "inform"),
        ("11-23 09:00", "phone-support-team-lead", "inform"),
        ("11-23 09:00", "product@ml-platform.example", "inform"),
    ]
    assert [(each.channel, each.subject) for each in digest] == [
        ("ml-platform-slack-engineering", "1 incidents of P2 and P3 are open")
    ]
    assert f"- {incident} [P2] FeatureFlaky, open for 2 d 6 h" in digest[0].text
    before = len(theatre.told)
    theatre.at("2026-11-23 11:00")
    assert heard(theatre.told_since(before)) == [
        ("11-23 09:10", "slack-incidents", "reminder"),
        ("11-23 09:15", "customer-notices", "inform"),
        ("11-23 09:15", "slack-incidents", "reminder"),
        ("11-23 09:55", "slack-incidents", "reminder"),
        ("11-23 10:00", "slack-incidents", "reminder"),
        ("11-23 10:55", "slack-incidents", "reminder"),
        ("11-23 11:00", "pagerduty-sre-a", "escalation"),
        ("11-23 11:00", "slack-incidents", "reminder"),
    ]
    [breach] = [each for each in theatre.events(incident) if each["type"] == "breached"]
    assert breach["data"]["due"] == "2026-11-23T11:00:00.000000Z"
    assert to(theatre.told, "engineering-manager") == []
    last = resolve(theatre, incident, [*FIRST_MINUTES, *VERIFIED], "passed")
    assert {"customers", "status-page", "ticket-desk"} <= {each.contact for each in last}
    assert "A review follows" not in last[0].text
    assert theatre.incident(incident)["review"] is None


def test_a_p3_of_christmas_eve_is_called_after_the_holidays_and_ends_with_its_alert(theatre: Theatre) -> None:
    theatre.at("2026-12-24 17:00")
    incident, told = opened(theatre, name="TypoInDocs", labels={"category": "documentation"})
    assert sorted(heard(told)) == [
        ("12-24 17:00", "slack-engineering", "inform"),
        ("12-24 17:00", "tickets", "inform"),
    ]
    assert theatre.incident(incident)["sla"]["respond"]["due"] == "2026-12-28T17:00:00.000000Z"
    theatre.at("2026-12-28 08:59")
    about = [each for each in theatre.told if each.incident == incident]
    assert len(about) == 2
    theatre.at("2026-12-28 09:30")
    calls = [each for each in theatre.told if each.incident == incident][2:]
    assert heard(calls) == [("12-28 09:00", "pagerduty-sre-b", "escalation")]
    assert "P3 (Low) is declared: TypoInDocs" in calls[0].text
    theatre.at("2026-12-28 17:00")
    assert {"breached", "update-lapsed"} & set(types(theatre, incident)) == {"breached"}
    gone = {"name": "TypoInDocs", "labels": {"category": "documentation"}, "status": "resolved"}
    [outcome] = theatre.alerts("ml-platform", "generic", gone)
    assert outcome["action"] == "resolved"
    assert theatre.incident(incident)["resolved_by"] == "source:generic"


def absent(since: str, until: str) -> str:
    stretch = f"DTSTART:{since}\r\nDTEND:{until}"
    event = f"BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:{since}\r\n{stretch}\r\nSUMMARY:Away\r\nEND:VEVENT\r\n"
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Tocsin tests//EN\r\n{event}END:VCALENDAR\r\n"


def test_with_nobody_on_call_the_manager_is_called_instead_and_that_is_on_record(theatre: Theatre) -> None:
    for name in ("a", "b"):
        theatre.calendars[f"ml-platform-calendar-sre-{name}"] = absent("20261118T000000Z", "20261119T000000Z")
    theatre.at(WEDNESDAY_NIGHT)
    theatre.forward(minutes(1))
    before = len(theatre.told)
    incident, _ = opened(theatre, name="GpuQueueStuck", severity="high")
    pages = [each for each in theatre.told_since(before) if each.kind == "escalation"]
    assert heard(pages) == [("11-18 02:01", "phone-engineering-manager", "escalation")]
    [empty] = [each for each in theatre.events(incident) if each["type"] == "oncall-empty"]
    assert empty["data"]["rotations"] == ["oncall"]
    assert theatre.incident(incident)["roles"] == {"incident-commander": "engineering-manager"}
    theatre.at("2026-11-19 00:30")
    theatre.command(incident, "escalate", {"to": "oncall"})
    assert theatre.told[-1].contact == "sre-b"


def test_a_drill_of_the_third_friday_calls_people_and_nobody_outside(theatre: Theatre) -> None:
    theatre.at("2026-11-20 09:59")
    assert theatre.told == []
    theatre.at("2026-11-20 10:00")
    theatre.at("2026-11-20 10:15")
    [line] = theatre.incidents("ml-platform")
    assert (line["drill"], line["severity"], line["opened_at"][11:16]) == ("regional-failover", "P0", "10:00")
    first = [each for each in theatre.told if each.when == "2026-11-20 10:00"]
    assert sorted(each.contact or "" for each in first) == [
        "engineering", "engineering-manager", "incident-channel", "incident-room", "sre-b", "ticket-desk",
    ]  # fmt: skip
    [page] = to(first, "sre-b")
    assert (page.channel, page.drill) == ("ml-platform-pagerduty-sre-b", "regional-failover")
    assert "[DRILL] [P0] Drill: Regional failover" in page.text
    assert f"Runbook: {RUNBOOKS}region-failure" in page.text
    assert {"cto", "sre-b"} <= {each.contact for each in theatre.told if each.when == "2026-11-20 10:15"}
    lapsed = [each["data"] for each in theatre.events(line["id"]) if each["type"] == "update-lapsed"]
    assert [each["audience"] for each in lapsed] == ["internal"], "no word to the outside is owed"
    theatre.command(line["id"], "acknowledge")
    resolve(theatre, line["id"], [*FIRST_MINUTES, *VERIFIED, *VALIDATED], "rehearsed")
    assert all(each.drill for each in theatre.told)
    assert {each.contact for each in theatre.told} & OUTSIDE == set()


def test_a_review_that_goes_overdue_is_chased_until_it_is_complete(theatre: Theatre) -> None:
    theatre.at("2027-01-26 10:00")
    incident, _ = opened(theatre, name="QueueStuck", severity="high", service="monitoring")
    theatre.command(incident, "acknowledge")
    last = resolve(theatre, incident, [*FIRST_MINUTES, *VERIFIED, *VALIDATED])
    assert "a review is due by 2027-01-27 10:00 UTC" in to(last, "sre-b")[0].reason
    before = len(theatre.told)
    theatre.at("2027-01-28 10:30")
    chased = theatre.told_since(before)
    assert heard(chased) == [
        ("01-27 06:00", "sre-b@ml-platform.example", "review"),
        ("01-27 10:00", "phone-engineering-manager", "review"),
        ("01-27 10:00", "sre-b@ml-platform.example", "review"),
        ("01-28 10:00", "phone-engineering-manager", "review"),
        ("01-28 10:00", "sre-b@ml-platform.example", "review"),
    ]
    assert chased[1].reason == "the review was due by 2027-01-27 10:00 UTC and is overdue"
    sections = {"root_cause": "A poison message", "lessons": "Queues need a limit", "complete": True}
    status, problem = refused(theatre, incident, "review", sections)
    named = [item for item in [*FIRST_DAY, *POST_MORTEM] if item in problem["detail"]]
    assert (status, named) == (409, [*FIRST_DAY, *POST_MORTEM])
    tick(theatre, incident, [*FIRST_DAY, *POST_MORTEM])
    theatre.command(incident, "review", sections)
    task = {"title": "Limit the queue", "owner": "sre-a", "due": "2027-01-28T12:00:00Z", "priority": "high"}
    theatre.command(incident, "action-item", task)
    before = len(theatre.told)
    theatre.at("2027-02-04 12:00")
    late = [each for each in theatre.told_since(before) if each.kind == "action-item"]
    assert heard(late) == [
        ("01-28 12:00", "phone-engineering-manager", "action-item"),
        ("01-28 12:00", "sre-a@ml-platform.example", "action-item"),
        ("02-04 12:00", "phone-engineering-manager", "action-item"),
        ("02-04 12:00", "sre-a@ml-platform.example", "action-item"),
    ]
    assert not [each for each in theatre.told_since(before) if each.kind == "review"]
    report = theatre.get(f"/api/v1/incidents/{incident}/review")["markdown"]
    assert [words in report for words in ("A poison message", "Limit the queue")] == [True, True]


def test_what_partners_report_is_declared_by_hand_and_partners_hear_of_it(theatre: Theatre) -> None:
    theatre.at("2026-11-18 14:00")
    report = {
        "plan": "ml-platform",
        "title": "Partner calls fail",
        "service": "integrations",
        "severity": "P1",
    }
    incident = theatre.post("/api/v1/incidents", report)["id"]
    assert theatre.incident(incident)["ticket_title"] == "[P1] Partner calls fail"
    assert [each.contact for each in theatre.told if each.kind == "escalation"] == ["sre-b"]
    theatre.command(
        incident, "note", {"kind": "impact", "text": "Uploads are refused", "audience": "external"}
    )
    theatre.at("2026-11-18 14:15")
    [notice] = to(theatre.told, "partners")
    assert (notice.when, notice.channel) == ("2026-11-18 14:15", "ml-platform-partner-notices")
    assert "What we know of the effect: Uploads are refused" in notice.text
    theatre.command(incident, "severity", {"severity": "P0", "reason": "Revenue is at stake"})
    assert "engineering-manager" in {each.contact for each in theatre.told if each.kind == "escalation"}


def test_security_and_data_are_declared_at_once_and_degradation_after_ten_minutes(theatre: Theatre) -> None:
    theatre.at("2026-11-18 14:00")
    breach, _ = opened(theatre, name="SecurityGatewayUnavailable", values={"error_rate": 90})
    data, _ = opened(theatre, name="DataIntegrityCheckFailed")
    slow = {"name": "InferenceSlow", "labels": {"app": "ml-inference-api"}, "values": {"degradation": 51}}
    [outcome] = theatre.alerts("ml-platform", "generic", slow)
    assert outcome["action"] == "pending"
    assert {theatre.incident(each)["severity"] for each in (breach, data)} == {"P0"}
    books = [
        to([told for told in theatre.told if told.incident == each], "sre-b")[0].text
        for each in (breach, data)
    ]
    assert f"{RUNBOOKS}security-breach" in books[0]
    assert f"{RUNBOOKS}database-corruption" in books[1]
    assert to([told for told in theatre.told if told.incident == breach], "support-team-lead") == []
    theatre.at("2026-11-18 14:09:59")
    assert len(theatre.incidents("ml-platform")) == 2
    theatre.at("2026-11-18 14:10")
    newest = theatre.incidents("ml-platform")[0]
    assert (newest["name"], newest["severity"], newest["service"]) == ("InferenceSlow", "P1", "inference-api")
