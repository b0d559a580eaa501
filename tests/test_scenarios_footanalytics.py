"""FootAnalytics in scenarios: what its people hear, by which way, when and in which words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.domain.agenda import occurrences
from tests.builders import hours, minutes
from tests.theatre import PUBLIC_URL, RESPONDER, Theatre, organisation

PLAN = "footanalytics"
WEDNESDAY = "2026-11-18 14:00"
IMMEDIATE = ("alert-taken", "impact-assessed", "health-checked", "changes-reviewed", "metrics-checked")
AFTERWARDS = ("cleaned-up", "monitoring-verified", "follow-ups-noted", "runbook-improved")


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, organisation(PLAN)) as theatre:
        yield theatre


def heard(theatre: Theatre, since: int = 0) -> list[tuple[str, str, str]]:
    """When, who, and by which way: the address of a mail, or the secret without the plan's name."""
    return [
        (each.when, each.contact or "-", each.to or each.channel.removeprefix(f"{PLAN}-"))
        for each in theatre.told_since(since)
    ]


def refused(theatre: Theatre, incident: str, command: str, body: object, status: int) -> str:
    answer = theatre.call("POST", f"/api/v1/incidents/{incident}/{command}", body, RESPONDER)
    assert answer.status == status, answer
    return json.dumps(answer.json())


def tick(theatre: Theatre, incident: str, *items: str) -> None:
    for item in items:
        theatre.command(incident, "checklist", {"item": item})


def close(theatre: Theatre, incident: str, code: str = "remedied", words: str = "The pods run.") -> None:
    tick(theatre, incident, *IMMEDIATE, "recovery-verified")
    theatre.command(incident, "resolve", {"code": code, "resolution": words})


def types(theatre: Theatre, incident: str) -> list[str]:
    return [event["type"] for event in theatre.events(incident)]


def test_a_critical_outage_calls_the_first_line_and_after_a_quarter_of_an_hour_the_tech_lead(
    theatre: Theatre,
) -> None:
    theatre.at(WEDNESDAY)
    incident = theatre.alert(PLAN, name="PlatformAvailabilityCritical", summary="Nothing answers")
    theatre.at("2026-11-18 14:14:59")
    assert sorted(heard(theatre)) == [
        (WEDNESDAY, "customer-success", "success@footanalytics.com"),
        (WEDNESDAY, "platform-engineer", "phone-platform-engineer"),
        (WEDNESDAY, "product-manager", "product@footanalytics.com"),
    ]
    page = next(each for each in theatre.told if each.kind == "escalation")
    assert "[Critical] PlatformAvailabilityCritical" in page.text
    assert "FootAnalytics as a whole: Nothing answers" in page.text
    assert "Answer by 2026-11-18 14:05 UTC." in page.text
    assert "Runbook: platform-outage" in page.text
    assert f"{PUBLIC_URL}/api/v1/plans/footanalytics/runbooks/platform-outage" in page.text
    assert "https://grafana.footanalytics.com/d/platform-overview" in page.text
    assert "https://grafana.footanalytics.com/d/business-metrics" in page.text
    notice = next(each for each in theatre.told if each.contact == "product-manager")
    assert (notice.kind, notice.subject) == ("inform", "FootAnalytics as a whole: a critical incident")
    assert "Platform engineer leads the response." in notice.text

    theatre.at("2026-11-18 14:15")
    assert sorted(heard(theatre, 3)) == [
        ("2026-11-18 14:15", "executive-team", "exec@footanalytics.com"),
        ("2026-11-18 14:15", "tech-lead", "phone-tech-lead"),
    ]
    breach = next(event for event in theatre.events(incident) if event["type"] == "breached")
    assert breach["occurred_at"].startswith("2026-11-18T14:05:00")
    theatre.forward(minutes(1))
    theatre.command(incident, "acknowledge")
    theatre.forward(hours(12))
    assert len(theatre.told) == 5, "an answer ends the escalation, and no update is owed by the clock"


def test_a_critical_that_nobody_answers_is_called_three_times_and_then_an_alarm(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    theatre.alert(PLAN, name="SecurityTokenLeaked")
    theatre.forward(hours(3))

    first, lead = "phone-platform-engineer", "phone-tech-lead"
    paged = [(each.when[11:], each.channel.removeprefix(f"{PLAN}-"), each.kind) for each in theatre.told]
    assert [each for each in paged if each[1] in (first, lead)] == [
        ("14:00", first, "escalation"),
        ("14:15", lead, "escalation"),
        ("14:30", first, "escalation"),
        ("14:45", lead, "escalation"),
        ("15:00", first, "escalation"),
        ("15:15", lead, "escalation"),
        ("15:30", lead, "alarm"),
    ]
    assert [each[0] for each in paged if each[1] == "slack-security"] == ["14:00", "14:30", "15:00"]
    assert {each.contact for each in theatre.told if each.kind == "inform"} == {
        "product-manager",
        "executive-team",
    }, "customers do not see it, so customer success is left to people"


def test_a_high_on_a_weekend_runs_by_the_clock_and_calls_who_knows_the_gpus(theatre: Theatre) -> None:
    theatre.at("2026-11-21 23:40")
    incident = theatre.alert(PLAN, name="GPUMemoryExhausted", summary="Nothing is left")
    assert theatre.incident(incident)["roles"] == {
        "incident-commander": "platform-engineer",
        "ml-expert": "ml-engineer",
    }
    theatre.command(incident, "role", {"role": "ml-expert", "to": "ml-team"})
    theatre.at("2026-11-23 09:00")

    assert sorted(heard(theatre)) == [
        ("2026-11-21 23:40", "ml-engineer", "phone-ml-engineer"),
        ("2026-11-21 23:40", "ml-team", "slack-ml-engineering"),
        ("2026-11-21 23:40", "platform-engineer", "phone-platform-engineer"),
        ("2026-11-22 00:10", "senior-engineer", "slack-platform-team"),
        ("2026-11-22 00:40", "ml-team", "slack-ml-engineering"),
        ("2026-11-22 00:40", "platform-engineer", "phone-platform-engineer"),
        ("2026-11-22 01:10", "senior-engineer", "slack-platform-team"),
        ("2026-11-22 01:40", "tech-lead", "phone-tech-lead"),
        ("2026-11-23 09:00", "-", "slack-platform-team"),
    ]
    page = next(each for each in theatre.told if each.kind == "escalation")
    assert "https://grafana.footanalytics.com/d/ml-pipeline" in page.text
    assert next(each.kind for each in theatre.told if each.contact == "ml-team") == "role"
    digest = theatre.told[-1]
    assert digest.subject == "Runbooks this week: what is still open"
    assert f"{incident} high, open for 1 d 9 h: GPUMemoryExhausted" in digest.text


def test_stakeholders_hear_of_a_high_only_where_customers_see_it_and_it_lasts(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    seen = theatre.alert(PLAN, name="HighErrorRate")
    unseen = theatre.alert(PLAN, name="Odd", severity="high", labels={"namespace": "argocd"})
    for each in (seen, unseen):
        theatre.command(each, "acknowledge")
    theatre.command(seen, "note", {"kind": "impact", "text": "One upload in five fails."})
    before = len(theatre.told)
    theatre.forward(minutes(30) - timedelta(seconds=1))
    assert theatre.told_since(before) == []
    theatre.forward(timedelta(seconds=1))

    assert heard(theatre, before) == [
        ("2026-11-18 14:30", "customer-success", "success@footanalytics.com"),
        ("2026-11-18 14:30", "product-manager", "product@footanalytics.com"),
    ]
    assert "What it means: One upload in five fails." in theatre.told[-1].text
    assert theatre.incident(unseen)["roles"]["devops-expert"] == "devops-engineer"


def test_a_medium_at_night_stands_in_the_teams_room_and_four_hours_later_in_the_team_leads(
    theatre: Theatre,
) -> None:
    theatre.at("2026-11-19 01:00")
    incident = theatre.alert(PLAN, name="KubernetesPodCrashLooping", summary="worker-7")
    theatre.at("2026-11-19 05:00")

    assert heard(theatre) == [
        ("2026-11-19 01:00", "devops-team", "slack-devops"),
        ("2026-11-19 05:00", "team-lead", "slack-platform-team"),
    ]
    assert theatre.told[0].text.count("Runbook: pod-crashloop") == 1
    assert "https://grafana.footanalytics.com/d/infrastructure" in theatre.told[0].text
    breach = next(event for event in theatre.events(incident) if event["type"] == "breached")
    assert breach["occurred_at"].startswith("2026-11-19T02:00:00")


@pytest.mark.parametrize(
    ("opened", "again"),
    [
        ("2026-11-18 03:00", "2026-11-19 09:00"),  # a Wednesday, before work begins
        ("2026-11-20 18:00", "2026-11-23 09:00"),  # a Friday evening
        ("2026-12-24 12:00", "2026-12-28 09:00"),  # Christmas Eve, before a holiday and a weekend
    ],
)
def test_a_low_waits_for_the_next_business_day(theatre: Theatre, opened: str, again: str) -> None:
    theatre.at(opened)
    incident = theatre.alert(PLAN, name="GrafanaPanelSlow", severity="low")
    theatre.at(theatre.instant(again) - timedelta(seconds=1))
    assert heard(theatre) == [(opened, "devops-team", "slack-devops")]
    theatre.at(again)
    assert (again, "devops-team", "slack-devops") in heard(theatre, 1)
    respond = theatre.incident(incident)["sla"]["respond"]
    assert respond["due"] == (theatre.instant(opened) + hours(4)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")

    theatre.alert(PLAN, name="GrafanaPanelSlow", severity="low", status="resolved")
    assert theatre.incident(incident)["status"] == "resolved", "at low nothing has to be verified"
    assert "The alerts have ended by themselves." in theatre.told[-1].text


def test_where_the_first_line_is_away_the_tech_lead_stands_in(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = organisation(PLAN)[PLAN]
    away = text.replace(
        "    title: Platform engineer\n",
        "    title: Platform engineer\n    calendar: {secret: footanalytics-holidays}\n",
    )
    assert away != text
    with Theatre(storage, tmp_path, monkeypatch, {PLAN: away}) as theatre:
        theatre.calendars["footanalytics-holidays"] = (
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//FootAnalytics//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n"
            "DTSTAMP:20261101T000000Z\r\nDTSTART:20261118T000000Z\r\nDTEND:20261119T000000Z\r\n"
            "SUMMARY:Away\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        theatre.at("2026-11-18 13:00")
        theatre.forward(hours(1))
        before = len(theatre.told)
        incident = theatre.alert(PLAN, name="HighErrorRate")

        assert heard(theatre, before) == [(WEDNESDAY, "tech-lead", "phone-tech-lead")]
        assert theatre.incident(incident)["roles"]["incident-commander"] == "tech-lead"
        assert "oncall-empty" in types(theatre, incident)


def test_who_cannot_be_rung_is_reached_by_slack_and_then_by_mail(theatre: Theatre) -> None:
    theatre.refusing |= {"footanalytics-phone-platform-engineer": 410}
    theatre.at(WEDNESDAY)
    theatre.alert(PLAN, name="APIResponseTimeHigh")
    assert heard(theatre) == [(WEDNESDAY, "platform-engineer", "slack-platform-engineer")]
    theatre.refusing |= {"footanalytics-slack-platform-engineer": 410}
    theatre.alert(PLAN, name="VideoProcessingFailed")
    assert (WEDNESDAY, "platform-engineer", "platform@footanalytics.com") in heard(theatre, 1)


def test_what_chat_commands_do_people_can_do_over_http(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    declared = {
        "plan": PLAN,
        "title": "API gateway down",
        "service": "api-gateway",
        "severity": "critical",
    }
    incident = theatre.post("/api/v1/incidents", declared)["id"]
    before = len(theatre.told)
    theatre.command(incident, "note", {"kind": "action-taken", "text": "Restarted the gateway."})
    theatre.command(
        incident, "note", {"kind": "impact", "text": "Nobody can sign in.", "audience": "external"}
    )
    theatre.command(incident, "status", {"status": "investigating", "message": "Asking the database."})

    assert sorted(heard(theatre, before)) == [
        (WEDNESDAY, "customer-success", "success@footanalytics.com"),
        (WEDNESDAY, "platform-team", "slack-platform-team"),
        (WEDNESDAY, "product-manager", "product@footanalytics.com"),
    ]
    said = {each.contact: each for each in theatre.told_since(before)}
    assert said["platform-team"].subject == "API gateway down: investigating"
    assert "Platform engineer leads." in said["platform-team"].text
    assert said["product-manager"].subject == "API gateway: investigating"
    assert "Asking the database." in said["product-manager"].text
    assert "Nobody can sign in." in said["product-manager"].text

    before = len(theatre.told)
    asked = {"to": "tech-lead", "reason": "Who may fail over?"}
    theatre.command(incident, "escalate", asked)
    [call] = theatre.told_since(before)
    assert (call.kind, call.contact, call.channel) == ("manual", "tech-lead", "footanalytics-phone-tech-lead")
    for words in (
        "[Critical] Your help is wanted: API gateway down",
        "Impact: Nobody can sign in.",
        "Done: Restarted the gateway.",
        "Where it stands: Asking the database.",
        "Help wanted: Who may fail over?",
        "https://console.aws.amazon.com/support/home",
    ):
        assert words in call.text
    theatre.command(incident, "escalate", {"to": "pagerduty-support"})
    assert theatre.told[-1].to == "support@pagerduty.com"
    runbook = theatre.get(f"/api/v1/plans/{PLAN}/runbooks/{theatre.incident(incident)['runbook']}")
    assert [part["name"] for part in runbook["parts"]][1] == "Quick assessment"


def test_a_critical_is_resolved_by_people_who_have_gone_through_the_lists(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    incident = theatre.alert(PLAN, name="DatabaseConnectionFailure")
    theatre.command(incident, "acknowledge")
    before = len(theatre.told)
    theatre.alert(PLAN, name="DatabaseConnectionFailure", status="resolved")
    assert theatre.incident(incident)["status"] == "acknowledged"
    [cleared] = theatre.told_since(before)
    assert (cleared.kind, cleared.contact) == ("cleared", "platform-engineer")

    done = {"code": "rolled-back", "resolution": "The old pool size is back."}
    assert "closing code" in refused(theatre, incident, "resolve", {}, 400)
    assert "metrics-checked" in refused(theatre, incident, "resolve", done, 409)
    tick(theatre, incident, *IMMEDIATE)
    assert "recovery-verified" in refused(theatre, incident, "resolve", done, 409)
    skip = {"item": "recovery-verified", "state": "overridden"}
    assert "takes a reason" in refused(theatre, incident, "checklist", skip, 400)
    theatre.command(incident, "checklist", {**skip, "reason": "The replica is verified tomorrow."})
    before = len(theatre.told)
    theatre.command(incident, "resolve", done)
    over = {each.contact: each for each in theatre.told_since(before)}
    assert set(over) == {"platform-engineer", "platform-team", "product-manager"}
    assert over["product-manager"].subject == "Over: DatabaseConnectionFailure"
    assert "The old pool size is back." in over["product-manager"].text
    assert "Closed as rolled-back." in over["product-manager"].text
    lists = {each["name"]: each["phase"] for each in theatre.incident(incident)["checklists"]}
    assert lists == {
        "immediate-response": "initial",
        "investigation": "investigation",
        "resolution": "resolution",
        "verification": "verification",
        "post-resolution": "post-incident",
    }


def test_a_review_is_chased_until_the_runbook_has_learnt_and_so_are_its_action_items(
    theatre: Theatre,
) -> None:
    theatre.at(WEDNESDAY)
    incident = theatre.alert(PLAN, name="HighErrorRate")
    theatre.command(incident, "acknowledge")
    close(theatre, incident)
    item = {
        "title": "Alert sooner",
        "owner": "platform-team",
        "due": "2026-11-30T12:00:00Z",
        "priority": "high",
    }
    theatre.command(incident, "action-item", item)
    before = len(theatre.told)
    theatre.at("2026-11-26 14:00")
    assert heard(theatre, before) == [
        ("2026-11-23 14:00", "platform-team", "slack-platform-team"),
        ("2026-11-25 14:00", "platform-team", "slack-platform-team"),
        ("2026-11-25 14:00", "tech-lead", "phone-tech-lead"),
        ("2026-11-26 14:00", "platform-team", "slack-platform-team"),
        ("2026-11-26 14:00", "tech-lead", "phone-tech-lead"),
    ]
    assert {each.kind for each in theatre.told_since(before)} == {"review"}

    written = {"root_cause": "A pool too small.", "lessons": "Watch the pool.", "complete": True}
    assert "runbook-improved" in refused(theatre, incident, "review", written, 409)
    tick(theatre, incident, *AFTERWARDS)
    theatre.command(incident, "review", written)
    before = len(theatre.told)
    theatre.at("2026-12-07 12:00")
    chased = [each for each in theatre.told_since(before) if each.incident == incident]
    assert [(each.when, each.kind, each.contact) for each in chased] == [
        ("2026-11-30 12:00", "action-item", "platform-team"),
        ("2026-11-30 12:00", "action-item", "tech-lead"),
        ("2026-12-07 12:00", "action-item", "platform-team"),
        ("2026-12-07 12:00", "action-item", "tech-lead"),
    ]
    theatre.command(incident, "action-item", {"item": "A1", "status": "done"})
    before = len(theatre.told)
    theatre.at("2026-12-20 12:00")
    assert [each for each in theatre.told_since(before) if each.incident == incident] == []


def test_the_weeks_drill_opens_by_itself_and_is_marked_as_one(theatre: Theatre) -> None:
    theatre.at("2026-11-09 12:00")
    theatre.at("2026-11-10 09:59")
    assert theatre.incidents(PLAN) == []
    theatre.at("2026-11-10 10:00")
    theatre.forward(timedelta(0))  # the queue, which a theatre has not, would sweep it at once

    [drill] = theatre.incidents(PLAN)
    assert (drill["drill"], drill["service"], drill["severity"]) == (
        "database-failure",
        "database",
        "critical",
    )
    page = next(each for each in theatre.told if each.kind == "escalation")
    assert (page.when, page.contact, page.drill) == (
        "2026-11-10 10:00",
        "platform-engineer",
        "database-failure",
    )
    assert "[DRILL] [Critical] Drill: The database does not answer" in page.text
    assert "No service can connect to PostgreSQL." in page.text
    assert f"{PUBLIC_URL}/api/v1/plans/footanalytics/runbooks/database-failure" in page.text
    assert all("[DRILL]" in each.text for each in theatre.told)
    assert {each.contact for each in theatre.told} == {"platform-engineer", "product-manager"}
    theatre.command(drill["id"], "acknowledge")
    close(theatre, drill["id"], "rehearsed", "The team found the full disk.")
    assert theatre.incident(drill["id"])["status"] == "resolved"


def test_each_week_of_a_month_has_its_drill_and_the_first_thursday_the_runbooks(theatre: Theatre) -> None:
    plan = theatre.plans[PLAN]
    month = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    found = [(each.due.strftime("%d %H:%M"), each.name) for each in occurrences(plan, *month)]
    assert [each for each in found if each[1] != "week"] == [
        ("01 10:00", "platform-outage"),
        ("03 14:00", "runbook-review"),
        ("08 10:00", "database-failure"),
        ("15 10:00", "ml-pipeline-degradation"),
        ("22 10:00", "security-incident"),
    ]
    assert [each[0] for each in found if each[1] == "week"] == [f"{day:02} 09:00" for day in (7, 14, 21, 28)]
    theatre.at("2026-12-03 13:59")
    theatre.at("2026-12-03 14:00")
    theatre.forward(timedelta(0))
    [review] = theatre.told
    assert (review.contact, review.drill) == ("platform-team", "runbook-review")
    assert "Read every runbook against what has happened since" in review.text
    assert "see newcomers through one of them." in review.text
    assert "In January, April, July and October also validate and reorganise them" in review.text
    assert "ask what could be automated" in review.text
    assert "In January go through all of them from scratch." in review.text
    theatre.at("2026-12-04 14:00")
    assert [each.when for each in theatre.told if each.kind == "escalation"] == [
        "2026-12-03 14:00",
        "2026-12-04 09:00",
    ]
    assert theatre.incident(review.incident or "")["resolved_by"] == "tocsin"


def test_a_person_who_judges_it_worse_calls_the_louder_ladder(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    incident = theatre.alert(PLAN, name="PersistentVolumeUsageHigh")
    before = len(theatre.told)
    theatre.command(incident, "severity", {"severity": "critical", "reason": "Writes fail."})
    assert {each.contact for each in theatre.told_since(before)} >= {"platform-engineer", "devops-engineer"}
