"""Bimride's plan in play: what is sent, to whom and when, by the clocks of Barbados."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import hours, minutes
from tests.theatre import Theatre, Told, organisation

BARBADOS = "America/Barbados"
NIGHT, THURSDAY, FRIDAY = "2026-11-18 02:00", "2026-11-19 10:00", "2026-11-20 15:30"
LONG_WEEKEND = "2026-11-28 10:00"
"""A Saturday; the Monday after is Independence Day."""
INDEPENDENCE_DAY = "2026-11-30 07:00"
NEEDED = ("danger-ruled-out", "extent-known", "rider-ids-kept-out", "signal-back-to-normal")
PAGER, EMAIL, ROOM, RIDERS = "bimride-pager", "email", "bimride-teams-operations", "bimride-status-page"
Stage = Callable[..., Theatre]
Row = tuple[str, str, str | None, str]


@pytest.fixture
def stage(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with ExitStack() as plays:
        yield lambda: plays.enter_context(
            Theatre(storage, tmp_path, monkeypatch, organisation("bimride"), zone=BARBADOS)
        )


def rows(told: list[Told]) -> list[Row]:
    return [(each.when[5:], each.channel, each.contact, each.kind) for each in told]


def the(told: list[Told], contact: str) -> Told:
    [found] = [each for each in told if each.contact == contact]
    return found


def events(theatre: Theatre, incident: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in theatre.events(incident) if event["type"] == kind]


def tick(theatre: Theatre, incident: str, *items: str) -> None:
    for item in items:
        theatre.command(incident, "checklist", {"item": item})


def finish(theatre: Theatre, incident: str) -> None:
    tick(theatre, incident, *NEEDED)
    theatre.command(incident, "resolve", {"resolution": "the cause is gone", "code": "fixed"})


def refusal(theatre: Theatre, incident: str, command: str, body: object) -> tuple[int, str]:
    answer = theatre.call("POST", f"/api/v1/incidents/{incident}/{command}", body, "ana:Responder")
    return answer.status, answer.body.decode()


def away(since: str, until: str) -> str:
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Tocsin tests//EN\r\nBEGIN:VEVENT\r\nUID:leave\r\n"
        f"DTSTAMP:20261101T000000Z\r\nDTSTART:{since}\r\nDTEND:{until}\r\nSUMMARY:Leave\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


def test_critical_calls_two_people_within_five_minutes_of_any_night_and_then_the_manager(
    stage: Stage,
) -> None:
    theatre = stage()
    theatre.at(NIGHT)
    incident = theatre.alert(
        "bimride", name="RiderIdInLog", severity="warning", summary="ids stand in the app's log"
    )

    first = theatre.told
    assert sorted(rows(first)) == [
        ("11-18 02:00", PAGER, "compliance-officer", "escalation"),
        ("11-18 02:00", PAGER, "sre-b", "escalation"),
        ("11-18 02:00", ROOM, "ops-room", "inform"),
    ]
    page = the(first, "sre-b")
    for words in (
        "CRITICAL Compliance and privacy: RiderIdInLog",
        "What is known: ids stand in the app's log",
        "Leads: SRE B. First answer by 2026-11-18 02:05 AST, solved by 2026-11-18 04:00 AST.",
        "Room: bimride-2026-11-18-compliance-rideridinlog.",
        "Ticket: Bimride CRITICAL: RiderIdInLog (Compliance and privacy)",
        "What to do: https://tocsin.example.com/api/v1/plans/bimride/runbooks/compliance-privacy",
        "https://grafana.bimride.example/",
    ):
        assert words in page.text, words

    theatre.at("2026-11-18 02:04:59")
    assert rows(theatre.told_since(3)) == [("11-18 02:03", PAGER, "sre-a", "escalation")]
    assert "CRITICAL still unanswered: RiderIdInLog" in theatre.told[3].text
    assert theatre.incident(incident)["sla"]["respond"]["state"] == "running"
    theatre.at("2026-11-18 02:07")
    assert rows(theatre.told_since(4)) == [("11-18 02:05", PAGER, "engineering-manager", "escalation")]
    assert events(theatre, incident, "breached")[0]["occurred_at"] == "2026-11-18T06:05:00.000000Z"

    theatre.command(incident, "acknowledge")
    theatre.command(incident, "note", {"kind": "impact", "text": "about forty riders"})
    theatre.at("2026-11-18 02:59")
    assert rows(theatre.told_since(5)) == [
        ("11-18 02:25", PAGER, "sre-b", "reminder"),
        ("11-18 02:30", PAGER, "sre-b", "reminder"),
        ("11-18 02:55", PAGER, "sre-b", "reminder"),
    ], "the internal update each half hour; riders are told of what they can see only"
    theatre.at("2026-11-18 03:06")
    mail = the(theatre.told_since(8), "operations-manager")
    assert (mail.when, mail.kind) == ("2026-11-18 03:00", "inform")
    assert mail.subject.startswith("Compliance and privacy not solved after 1 h")
    assert "Riders: about forty riders" in mail.text
    theatre.at("2026-11-18 03:07")
    assert ("11-18 03:07", PAGER, "sre-b", "escalation") in rows(theatre.told), "who took it is asked again"


def test_high_is_answered_told_to_riders_and_reviewed(stage: Stage) -> None:
    theatre = stage()
    theatre.at(THURSDAY)
    incident = theatre.alert("bimride", name="PricingErrors", severity="error", summary="no fares in Oistins")
    theatre.at("2026-11-19 10:04:30")
    theatre.command(incident, "acknowledge")
    theatre.command(incident, "note", {"kind": "impact", "text": "one ride in five has no fare"})
    assert sorted(rows(theatre.told)) == [
        ("11-19 10:00", PAGER, "sre-b", "escalation"),
        ("11-19 10:00", ROOM, "ops-room", "inform"),
        ("11-19 10:04", PAGER, "sre-a", "escalation"),
    ]
    assert theatre.incident(incident)["sla"]["respond"]["state"] == "stopped"

    theatre.at("2026-11-19 10:35")
    assert rows(theatre.told_since(3)) == [
        ("11-19 10:15", EMAIL, "support-lead", "inform"),
        ("11-19 10:20", EMAIL, "support-lead", "reminder"),
        ("11-19 10:30", EMAIL, "support-lead", "reminder"),
    ], "acknowledged, so the manager is not called"
    notice = theatre.told[3]
    assert notice.subject.startswith("Riders will ask about Pricing")
    assert "one ride in five has no fare" in notice.text
    assert "The page for riders: https://status.bimride.example/" in notice.text
    assert events(theatre, incident, "update-lapsed")[0]["data"]["audience"] == "external"

    update_pricing(theatre, incident)
    hand_over_pricing(theatre, incident)
    close_pricing(theatre, incident)
    review_pricing(theatre, incident)


def update_pricing(theatre: Theatre, incident: str) -> None:
    said = {"status": "identified", "message": "Fares are back in most places."}
    count = len(theatre.told)
    theatre.command(incident, "status", {**said, "audience": "external"})
    told = theatre.told_since(count)
    assert sorted(rows(told)) == [
        ("11-19 10:35", RIDERS, "status-page", "update"),
        ("11-19 10:35", EMAIL, "support-lead", "update"),
    ]
    for words in ("Pricing: identified", "Fares are back in most places.", "Next news by 2026-11-19"):
        assert words in the(told, "status-page").text, words
    count = len(theatre.told)
    theatre.command(incident, "status", {**said, "audience": "internal"})
    [room] = theatre.told_since(count)
    assert room.contact == "ops-room"
    for words in ("Riders: one ride in five has no fare", "Next word by 2026-11-19 11:35 AST."):
        assert words in room.text, words


def hand_over_pricing(theatre: Theatre, incident: str) -> None:
    count = len(theatre.told)
    theatre.command(incident, "role", {"role": "incident-commander", "to": "sre-a"})
    assert rows(theatre.told_since(count)) == [("11-19 10:35", PAGER, "sre-a", "role")]
    theatre.command(
        incident, "note", {"kind": "action-taken", "text": "gave the tenth back to the old model"}
    )
    count = len(theatre.told)
    theatre.command(incident, "escalate", {"to": "data-engineer", "reason": "features look old"})
    [asked] = theatre.told_since(count)
    assert (asked.contact, asked.kind) == ("data-engineer", "manual")
    for words in ("Wanted: features look old", "Done: gave the tenth back", "runbooks/pricing"):
        assert words in asked.text, words

    count = len(theatre.told)
    theatre.alerts("bimride", "generic", {"name": "PricingErrors", "severity": "error", "status": "resolved"})
    assert theatre.incident(incident)["status"] == "acknowledged", "people verify and resolve"
    assert rows(theatre.told_since(count)) == [("11-19 10:35", PAGER, "sre-a", "cleared")]


def close_pricing(theatre: Theatre, incident: str) -> None:
    assert refusal(theatre, incident, "resolve", {"resolution": "old model"})[0] == 400, "takes a code"
    assert refusal(theatre, incident, "resolve", {"resolution": "x", "code": "magic"})[0] == 400
    done = {"resolution": "the old model serves everybody", "code": "rolled-back"}
    status, why = refusal(theatre, incident, "resolve", done)
    assert status == 409
    assert all(item in why for item in NEEDED)
    tick(theatre, incident, *NEEDED[:3])
    unfounded = {"item": NEEDED[3], "state": "overridden"}
    assert refusal(theatre, incident, "checklist", unfounded)[0] == 400, "overriding takes a reason"
    theatre.command(incident, "checklist", {**unfounded, "reason": "the meter itself is gone"})
    theatre.at("2026-11-19 10:40")
    count = len(theatre.told)
    theatre.command(incident, "resolve", done)
    told = theatre.told_since(count)
    assert {each.contact for each in told} == {
        "sre-a", "sre-b", "ops-room", "support-lead", "data-engineer", "status-page"
    }  # fmt: skip
    assert {each.kind for each in told} == {"resolved"}
    assert "Pricing works again" in the(told, "status-page").text
    assert "Over since 2026-11-19 10:40 AST, after 40 min" in the(told, "status-page").text
    assert theatre.incident(incident)["review"]["due"] == "2026-11-26T14:40:00.000000Z", "40 h of work"


def review_pricing(theatre: Theatre, incident: str) -> None:
    item = {
        "title": "Compare fares of both versions by themselves",
        "owner": "data-engineer",
        "due": "2026-11-28T16:00:00-04:00",
        "priority": "high",
    }
    count = len(theatre.told)
    theatre.command(incident, "action-item", item)
    assert rows(theatre.told_since(count)) == [("11-19 10:40", PAGER, "data-engineer", "action-item")]
    count = len(theatre.told)
    theatre.at("2026-11-26 10:39:59")
    reminders = [each for each in theatre.told_since(count) if each.incident == incident]
    assert rows(reminders) == [("11-25 10:40", PAGER, "sre-a", "review")]
    assert "Post-mortem of PricingErrors" in reminders[0].text
    theatre.at("2026-11-27 10:40")
    chased = [each for each in theatre.told_since(count) if each.incident == incident][1:]
    assert rows(chased) == [
        ("11-26 10:40", PAGER, "engineering-manager", "review"),
        ("11-26 10:40", PAGER, "sre-a", "review"),
        ("11-27 10:40", PAGER, "engineering-manager", "review"),
        ("11-27 10:40", PAGER, "sre-a", "review"),
    ]
    assert "is overdue" in chased[0].text
    status, why = refusal(theatre, incident, "review", {"complete": True})
    assert status == 409
    assert all(each in why for each in ("root-cause", "lessons", "times-checked", "evidence-and-retention"))
    tick(theatre, incident, "times-checked", "evidence-and-retention")
    words = {"root_cause": "a column changed its unit", "lessons": "compare before the tenth"}
    theatre.command(incident, "review", {**words, "complete": True})
    assert events(theatre, incident, "review-completed")[0]["data"]["in_time"] is False
    chase_pricing(theatre, incident)
    markdown = theatre.get(f"/api/v1/incidents/{incident}/review")["markdown"]
    assert "a column changed its unit" in markdown
    assert "| Time to resolve | 40 min 00 s |" in markdown


def chase_pricing(theatre: Theatre, incident: str) -> None:
    count = len(theatre.told)
    theatre.at("2026-12-05 16:00")
    late = [each for each in theatre.told_since(count) if each.incident == incident]
    assert rows(late) == [
        ("11-28 16:00", PAGER, "data-engineer", "action-item"),
        ("11-28 16:00", PAGER, "engineering-manager", "action-item"),
        ("12-05 16:00", PAGER, "data-engineer", "action-item"),
        ("12-05 16:00", PAGER, "engineering-manager", "action-item"),
    ], "and the review is chased no more"


def test_medium_keeps_the_hours_of_barbados_over_a_weekend(stage: Stage) -> None:
    theatre = stage()
    theatre.at(FRIDAY)
    incident = theatre.alert("bimride", name="FlinkCheckpointOld", severity="warning")
    assert sorted(rows(theatre.told)) == [
        ("11-20 15:30", PAGER, "data-engineer", "escalation"),
        ("11-20 15:30", PAGER, "sre-b", "escalation"),
        ("11-20 15:30", ROOM, "ops-room", "inform"),
    ]
    sla = theatre.incident(incident)["sla"]
    assert sla["respond"]["due"] == "2026-11-23T15:30:00.000000Z", (
        "half an hour on Friday, the rest on Monday"
    )
    saturday = theatre.instant("2026-11-21 12:00")
    theatre.at(saturday)
    late = theatre.alert("bimride", name="SparkJobFailed", severity="critical")
    theatre.at("2026-11-23 07:59:59")
    assert theatre.told_since(3) == [], "nobody is called at the weekend"
    theatre.at("2026-11-23 09:30")
    monday = theatre.told_since(3)
    assert sorted(rows([each for each in monday if each.incident == late])) == [
        ("11-23 08:00", PAGER, "data-engineer", "escalation"),
        ("11-23 08:00", PAGER, "sre-a", "escalation"),
        ("11-23 08:00", ROOM, "ops-room", "inform"),
    ], "SRE A has the new week"
    assert rows([each for each in monday if each.incident == incident]) == [
        ("11-23 09:30", PAGER, "engineering-manager", "escalation")
    ]


def test_medium_waits_for_the_day_after_independence_day(stage: Stage) -> None:
    theatre = stage()
    theatre.at(LONG_WEEKEND)
    incident = theatre.alert("bimride", name="RoutingSlow", severity="warning")
    theatre.at(INDEPENDENCE_DAY)
    quick = theatre.alert("bimride", name="RoutingDown", severity="critical")
    assert sorted({each.contact or "" for each in theatre.told}) == ["ops-room", "sre-a", "support-lead"]
    assert {each.incident for each in theatre.told} == {quick}, "critical knows no holiday"
    theatre.command(quick, "acknowledge")
    finish(theatre, quick)
    theatre.at("2026-12-01 08:00")
    called = [each for each in theatre.told if each.incident == incident]
    assert sorted(rows(called)) == [
        ("12-01 08:00", PAGER, "sre-b", "escalation"),
        ("12-01 08:00", ROOM, "ops-room", "inform"),
    ]
    theatre.at("2026-12-01 12:00")
    assert events(theatre, incident, "breached")[0]["occurred_at"] == "2026-12-01T16:00:00.000000Z"
    count = len(theatre.told)
    theatre.command(incident, "severity", {"severity": "critical", "reason": "nobody gets a ride"})
    assert {"sre-b", "support-lead", "ops-room"} <= {each.contact for each in theatre.told_since(count)}


def test_low_calls_nobody_waits_an_hour_to_be_declared_and_stands_in_the_digest(stage: Stage) -> None:
    theatre = stage()
    theatre.at("2026-11-17 20:00")
    spike: Mapping[str, object] = {"name": "StorageCostSpike", "labels": {"container": "events"}}
    blip: Mapping[str, object] = {"name": "ComputeCostSpike", "labels": {"pool": "batch"}}
    theatre.alerts("bimride", "generic", [spike, blip])
    assert theatre.incidents("bimride") == []
    theatre.at("2026-11-17 20:59:59")
    theatre.alerts("bimride", "generic", {**blip, "status": "resolved"})
    theatre.at("2026-11-17 21:00")
    [line] = theatre.incidents("bimride")
    incident = str(line["id"])
    assert (line["name"], line["severity"]) == ("StorageCostSpike", "low"), "the other one was dropped"
    assert events(theatre, incident, "opened")[0]["data"]["declaration"] == "cost-for-an-hour"

    theatre.at("2026-11-18 07:59:59")
    assert theatre.told == []
    theatre.at("2026-11-18 09:00", every=minutes(30))
    assert rows(theatre.told) == [
        ("11-18 08:00", ROOM, "ops-room", "inform"),
        ("11-18 08:30", ROOM, None, "digest"),
    ]
    assert "runbooks/cost-spike" in theatre.told[0].text
    assert "Bimride, open: 1" in theatre.told[1].text
    assert "LOW StorageCostSpike (platform), open for 11 h 30 min" in theatre.told[1].text

    theatre.command(incident, "resolve", {"resolution": "lifecycle rule mended", "code": "cost-capped"})
    whole = theatre.incident(incident)
    assert (whole["status"], whole["review"]) == ("resolved", None), "it called nobody, so none is owed"


def test_who_is_open_is_told_each_monday_and_not_on_a_holiday_morning(stage: Stage) -> None:
    theatre = stage()
    theatre.at(LONG_WEEKEND)
    theatre.alert("bimride", name="RoutingSlow", severity="warning")
    theatre.at("2026-12-01 08:30", every=minutes(30))

    digests = [(each.when, each.channel, each.to) for each in theatre.told if each.kind == "digest"]
    assert digests == [
        ("2026-11-30 09:00", EMAIL, "compliance@bimride.example"),
        ("2026-11-30 09:00", EMAIL, "operations-manager@bimride.example"),
        ("2026-12-01 08:30", ROOM, None),
    ]


def test_with_nobody_on_call_the_manager_is_called_and_operations_hear_of_the_gap(stage: Stage) -> None:
    theatre = stage()
    theatre.calendars["bimride-calendar-sre-b"] = away("20261117T000000Z", "20261122T000000Z")
    theatre.calendars["bimride-calendar-sre-a"] = away("20261119T020000Z", "20261120T000000Z")
    theatre.at("2026-11-18 20:00")
    alone = theatre.alert("bimride", name="RoutingDown", severity="critical")
    page = [each for each in theatre.told if each.incident == alone and each.kind == "escalation"]
    assert [each.contact for each in page] == ["sre-a"], "the week is SRE B's, who is away"
    finish(theatre, alone)

    theatre.at("2026-11-18 23:00", every=hours(1))
    incident = theatre.alert("bimride", name="PricingDown", severity="critical")
    told = [each for each in theatre.told if each.incident == incident]
    assert {each.when for each in told} == {"2026-11-18 23:00"}
    assert {(each.contact, each.kind) for each in told} == {
        ("engineering-manager", "escalation"),
        ("operations-manager", "alarm"),
        ("ops-room", "inform"),
        ("support-lead", "inform"),
    }
    assert events(theatre, incident, "oncall-empty")[0]["data"]["rotations"] == ["on-call"]
    assert theatre.incident(incident)["roles"]["incident-commander"] == "engineering-manager"

    theatre.at("2026-11-18 23:40")
    [exhausted] = events(theatre, incident, "exhausted")
    assert exhausted["occurred_at"] == "2026-11-19T03:40:00.000000Z"
    last = [each for each in theatre.told if each.caused_by == exhausted["seq"] and each.incident == incident]
    assert {(each.contact, each.kind) for each in last} == {
        ("engineering-manager", "alarm"),
        ("operations-manager", "alarm"),
    }


def test_the_drill_of_the_first_wednesday_rehearses_the_five_minutes(stage: Stage) -> None:
    theatre = stage()
    theatre.at("2026-12-01 12:00")
    theatre.at("2026-12-02 09:59:59")
    assert theatre.incidents("bimride") == []
    theatre.at("2026-12-02 10:00")
    theatre.forward(timedelta(0))  # what a drill owes goes out with the next sweep
    [drill] = theatre.incidents("bimride")

    assert (drill["drill"], drill["severity"], drill["service"]) == ("safety-silent", "critical", "safety")
    assert drill["opened_at"] == "2026-12-02T14:00:00.000000Z"
    told = theatre.told
    assert {(each.when, each.contact) for each in told} == {
        ("2026-12-02 10:00", contact) for contact in ("sre-b", "safety-lead", "ops-room")
    }, "riders' support and riders hear of no drill"
    assert all("[DRILL]" in each.text and each.drill == "safety-silent" for each in told)
    assert "runbooks/safety" in the(told, "safety-lead").text
    theatre.forward(timedelta(minutes=4))
    assert rows(theatre.told_since(len(told))) == [("12-02 10:03", PAGER, "sre-a", "escalation")]
    theatre.command(str(drill["id"]), "acknowledge")
    assert theatre.incident(str(drill["id"]))["sla"]["respond"]["state"] == "stopped"
    finish(theatre, str(drill["id"]))
    assert theatre.incident(str(drill["id"]))["review"] is not None


def test_at_most_one_notification_of_a_kind_a_minute_reaches_anybody_and_none_is_lost(stage: Stage) -> None:
    theatre = stage()
    assert theatre.plans["bimride"].rules.throttle == timedelta(seconds=60)
    theatre.at(THURSDAY)
    incident = theatre.alert("bimride", name="PricingErrors", severity="error")
    theatre.command(incident, "acknowledge")

    def say(at: str, words: str, audience: str = "internal") -> list[Row]:
        theatre.at(f"2026-11-19 {at}")
        count = len(theatre.told)
        theatre.command(incident, "status", {"status": "identified", "message": words, "audience": audience})
        return rows(theatre.told_since(count))

    assert say("10:02:00", "A column has changed.") == [("11-19 10:02", ROOM, "ops-room", "update")]
    assert say("10:02:20", "The old model is back.") == []
    assert say("10:02:30", "Fares are back.", "external") == [
        ("11-19 10:02:30", RIDERS, "status-page", "update"),
        ("11-19 10:02:30", EMAIL, "support-lead", "update"),
    ], "others have a minute of their own"
    assert say("10:02:59", "Fares are right.") == []
    count = len(theatre.told)
    theatre.at("2026-11-19 10:03")
    [both] = theatre.told_since(count)
    assert (both.when, both.contact, both.kind) == ("2026-11-19 10:03", "ops-room", "update")
    for words in ("The old model is back.", "Fares are right."):
        assert words in both.text, words
    assert len(events(theatre, incident, "held-back")) == 2
    assert say("10:03:59", "It holds.") == [], "the minute counts from the last message"
    assert say("10:05:00", "It is over.") == [("11-19 10:05", ROOM, "ops-room", "update")]
    assert [told.when[11:] for told in theatre.told if "It holds." in told.text] == ["10:04"]
