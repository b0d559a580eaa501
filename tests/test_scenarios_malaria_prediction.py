"""Malaria Prediction at work: each severity, a weekend's night, nobody on call, drills, a late review."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import minutes
from tests.played_slack import PlayedSlack
from tests.theatre import NO_APPOINTMENTS, Theatre, organisation
from tests.toy_host import Answer

PLAN = "malaria-prediction"
BOT = f"{PLAN}-slack-bot"
LEADS = "product-manager senior-backend-developer senior-devops-engineer"
TEAM = f"devops-a {LEADS}"
"""Who is on call in the week of these plays, and the primaries of the three roles."""
FIVE = "services-operational metrics-normal errors-at-baseline users-served no-alert-firing"
VERIFIED = f"{FIVE} dashboards-healthy"
CLOSED = (
    "status-page-resolved stakeholders-told channel-told review-scheduled timeline-documented items-tracked"
)
HOLIDAY = "UID:away\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20261118T000000Z\r\nDURATION:P9D"
AWAY = NO_APPOINTMENTS.replace("END:V", f"BEGIN:VEVENT\r\n{HOLIDAY}\r\nEND:VEVENT\r\nEND:V")


class Play(Theatre):
    """What these plays ask for again and again."""

    listened = 0

    def heard(self, *, but: tuple[str, ...] = ()) -> dict[str, str]:
        """Who was told since this was last asked, by instant and kind; kinds in ``but`` are left out."""
        found: dict[str, str] = {}
        for told in self.told_since(self.listened):
            if told.kind not in but:
                key = f"{told.when[5:]} {told.kind}"
                found[key] = f"{found.get(key, '')} {told.contact}".strip()
        self.listened = len(self.told)
        return found

    def said(self, contact: str) -> str:
        """What the contact was told last, its lines set apart by bars."""
        return " | ".join([told.text for told in self.told if told.contact == contact][-1].splitlines())

    def refused(self, incident: str, command: str, **body: str | bool) -> Answer:
        return self.call("POST", f"/api/v1/incidents/{incident}/{command}", body, "ana:Responder")

    def tick(self, incident: str, items: str) -> None:
        for item in items.split():
            self.command(incident, "checklist", {"item": item})

    def end(self, incident: str, code: str = "fixed") -> None:
        self.tick(incident, VERIFIED)
        self.command(incident, "resolve", {"code": code, "resolution": "The index is back."})


@pytest.fixture
def play(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    with Play(storage, tmp_path, monkeypatch, organisation(PLAN)) as play:
        play.playing[BOT] = PlayedSlack(play.secrets[BOT])
        yield play


def test_a_p0_on_a_saturday_night_goes_up_the_chain_and_out_to_everybody(play: Play) -> None:
    play.at("2026-11-21 03:00")
    incident = play.alert(PLAN, name="ApiDown", summary="Liveness does not answer")
    assert play.heard() == {
        "11-21 03:00 escalation": f"{TEAM} devops-lead engineering-manager",
        "11-21 03:00 inform": "devops-room incident-channel incidents-room leadership-room",
    }
    assert play.told[0].channel == "malaria-prediction-pagerduty-devops-a"
    assert play.said("incidents-room").startswith(
        "🚨 P0 declared: ApiDown | Severity: P0 (Critical) | What: Liveness does not answer | "
        "Incident commander: Senior DevOps engineer | Technical lead: Senior backend developer | "
        "Communications lead: Product manager | Bridge: https://meet.malaria.example/war-room | "
        "Channel: #incident-2026-11-21-apidown | "
        f"Runbook: https://tocsin.example.com/api/v1/plans/{PLAN}/runbooks/application-down | "
        "Answer by 2026-11-21 03:15 UTC, resolve by 2026-11-21 04:00 UTC."
    )
    play.at("2026-11-21 03:20")
    assert play.heard() == {
        "11-21 03:10 reminder": "product-manager",
        "11-21 03:15 escalation": "cto devops-a",
        "11-21 03:15 reminder": "product-manager",
    }
    play.command(incident, "acknowledge")
    said = {"impact": "Half the regions get no prediction", "action-taken": "The rollback has begun"}
    for kind, text in said.items():
        play.command(incident, "note", {"kind": kind, "text": text, "audience": "external"})
    play.at("2026-11-21 03:25")
    play.command(incident, "status", {"status": "identified", "message": "The last release did it."})
    assert play.heard() == {
        "11-21 03:25 update": "incidents-room leadership-room stakeholders status-page status-updates-room"
    }
    assert (
        "To all concerned, |  | API access is in trouble. | Impact: Half the regions get no prediction | "
        "Since: 2026-11-21 03:00 UTC | Stands at: Identified. The last release did it. | "
        "Next word by: 2026-11-21 03:55 UTC |  | We stay on it until it is solved. | Product manager, "
    ) in play.said("stakeholders")
    assert play.said("status-page").endswith(
        "API access: Half the regions get no prediction | Status: Identified | "
        "Affected: API access | The last release did it. | "
        "What you may notice: Half the regions get no prediction | "
        "There is news here every 30 minutes, next at 2026-11-21 03:55 UTC. | "
        "API access: affected | Web dashboard: no trouble of its own | Mobile app: no trouble of its own"
    )
    play.command(incident, "escalate", {"to": "platform-engineer", "reason": "Is the cluster healthy?"})
    play.at("2026-11-21 04:05")
    assert play.heard() == {
        "11-21 03:25 manual": "platform-engineer",
        "11-21 03:30 inform": "customers",
        "11-21 03:50 reminder": "product-manager",
        "11-21 03:55 reminder": "product-manager",
        "11-21 04:00 escalation": "cto devops-lead engineering-manager",
    }
    assert {told.channel for told in play.told if told.contact == "cto"} == {f"{PLAN}-phone-cto"}
    assert (
        "P0 needs you: ApiDown, acknowledged for 1 h | In short: Liveness does not answer | "
        "Impact: Half the regions get no prediction | Done: The rollback has begun | "
        "Stands at: The last release did it. | Help wanted: Is the cluster healthy? | "
    ) in play.said("cto")
    assert "we aim to have it solved by 2026-11-21 04:00 UTC" in play.said("customers")
    assert "- The rollback has begun | - identified at present |  | We are sorry" in play.said("customers")
    assert [clock["state"] for clock in play.incident(incident)["sla"].values()] == ["breached"] * 2


def test_the_end_of_the_alerts_resolves_nothing_before_six_things_are_verified(play: Play) -> None:
    play.at("2026-11-21 03:00")
    incident = play.alert(PLAN, name="ApiDown", labels={"pod": "api-1"})
    play.command(incident, "acknowledge")
    play.forward(minutes(9))
    play.heard()
    play.alert(PLAN, name="ApiDown", labels={"pod": "api-1"}, status="resolved")
    assert play.heard() == {"11-21 03:09 cleared": "senior-devops-engineer"}

    without_code = play.refused(incident, "resolve", resolution="It answers.")
    assert (without_code.status, play.incident(incident)["status"]) == (400, "acknowledged")
    assert "one of fixed, rolled-back, slot-switched" in without_code.json()["detail"]
    ending = {"code": "rolled-back", "resolution": "The release was taken back."}
    too_early = play.refused(incident, "resolve", **ending)
    assert too_early.status == 409
    assert all(item in too_early.json()["detail"] for item in VERIFIED.split())
    play.tick(incident, FIVE)
    assert "dashboards-healthy" in play.refused(incident, "resolve", **ending).json()["detail"]
    passed_over = {"item": "dashboards-healthy", "state": "overridden"}
    assert play.refused(incident, "checklist", **passed_over).status == 400
    play.command(incident, "checklist", passed_over | {"reason": "Grafana itself is being moved"})
    play.command(incident, "resolve", ending)

    rooms = "incidents-room incident-channel leadership-room devops-room status-updates-room"
    assert {name for names in play.heard().values() for name in names.split()} == {
        *f"{TEAM} {rooms} stakeholders status-page devops-lead engineering-manager".split()
    }
    assert (
        "API access works again. Status: Resolved. | It lasted 9 min, from 2026-11-21 03:00 UTC to "
        "2026-11-21 03:09 UTC. | What was done: The release was taken back. | "
    ) in play.said("stakeholders")
    play.forward(minutes(20))
    assert play.alert(PLAN, name="ApiDown", labels={"pod": "api-1"}) == incident


def test_stakeholders_customers_and_status_page_get_all_that_their_wordings_ask_for(play: Play) -> None:
    play.at("2026-11-18 10:00")
    incident = play.alert(PLAN, name="ApiDown")
    play.command(incident, "acknowledge")
    play.command(incident, "note", {"kind": "impact", "text": "No forecasts", "audience": "external"})
    play.command(incident, "status", {"status": "monitoring", "message": "It answers again."})
    [mail] = [told for told in play.told if told.contact == "stakeholders"]
    assert (mail.channel, mail.subject) == ("email", "[P0] ApiDown: monitoring")
    play.forward(minutes(30))
    customers = play.said("customers")
    assert "| News of our service, 2026-11-18 | Something is wrong with API access" in customers
    assert "- No forecasts | - it began at 2026-11-18 10:00 UTC | - we aim to have it solved by" in customers
    assert "What is being done: | - monitoring at present |  | We are sorry" in customers
    assert "stands at https://status.malaria-prediction.com | Thank you for" in customers
    play.end(incident)
    page = play.said("status-page")
    assert "API access: No forecasts | Status: Resolved | Affected: API access" in page
    assert "It is over since 2026-11-18 10:30 UTC." in page
    assert "works again since 2026-11-18 10:30 UTC. Thank you" in play.said("customers")


def test_a_pager_rings_for_what_asks_somebody_to_act_and_follows_the_incident_to_its_end(play: Play) -> None:
    play.at("2026-11-21 03:00")
    incident = play.alert(PLAN, name="ApiDown")

    def pagers() -> dict[str, str]:
        found = play.vendors.alerts.items()
        return {secret: " ".join(states) for (secret, about), states in found if about == incident}

    paged = {f"{PLAN}-pagerduty-{who}" for who in ("devops-a", "senior-devops", "senior-backend", "product")}
    assert pagers() == dict.fromkeys(paged, "triggered")
    play.at("2026-11-21 03:12")
    [reminder] = [told for told in play.told if told.kind == "reminder"]
    assert (reminder.contact, reminder.to) == ("product-manager", "product@malaria.example")
    play.command(incident, "acknowledge")
    assert pagers() == dict.fromkeys(paged, "triggered acknowledged")
    play.command(incident, "role", {"role": "technical-lead", "to": "ml-engineer"})
    assert pagers()[f"{PLAN}-pagerduty-ml"] == "triggered", "a part to play rings"
    play.end(incident)
    assert {states.split()[-1] for states in pagers().values()} == {"resolved"}
    over = {told.contact: told for told in play.told if told.kind == "resolved"}
    assert over["devops-a"].to == "devops-a@malaria.example"
    assert "API access works again." in over["devops-a"].text
    assert f"{PLAN}-phone-cto" not in {told.channel for told in play.told if told.kind != "escalation"}


def test_who_cannot_be_paged_is_telephoned_and_then_written_to(play: Play) -> None:
    play.refusing[f"{PLAN}-pagerduty-devops-a"] = 403
    play.at("2026-11-21 03:00")
    play.alert(PLAN, name="ApiDown")
    engineer = [told for told in play.told if told.contact == "devops-a"]
    assert [told.channel for told in engineer] == [f"{PLAN}-phone-on-call"]
    play.refusing[f"{PLAN}-phone-on-call"] = 410
    play.alert(PLAN, name="PipelineFailed")
    assert [told.to for told in play.told if told.contact == "devops-a"][1:] == ["devops-a@malaria.example"]


def test_an_incident_has_a_channel_of_its_own_named_by_its_day_and_title(play: Play) -> None:
    play.at("2026-11-18 10:00")
    incident = play.alert(PLAN, name="DatabaseSlow")
    play.alert(PLAN, name="CosmeticGlitch")
    slack = play.playing[BOT]
    assert isinstance(slack, PlayedSlack)
    [room] = slack.rooms.values()
    assert room.name == "incident-2026-11-18-databaseslow"
    assert f"Channel: #{room.name}" in play.said("incident-channel")
    play.command(incident, "acknowledge")
    play.end(incident, "database-relieved")
    assert room.topic == f"{incident} · [P1] DatabaseSlow · resolved"


def test_the_public_page_has_one_entry_from_the_first_news_to_the_end_and_so_has_our_own(play: Play) -> None:
    play.at("2026-11-18 10:00")
    incident = play.alert(PLAN, name="ApiDown", summary="pod-7 ran out of memory")
    play.command(incident, "acknowledge")
    assert play.get(f"/status/{PLAN}")["state"] == "operational", "customers have not been told"
    play.command(incident, "note", {"kind": "impact", "text": "No forecasts", "audience": "external"})
    play.command(
        incident, "status", {"status": "identified", "message": "pod-7 it is", "audience": "internal"}
    )
    for at, status in (("10:10", "investigating"), ("10:20", "monitoring")):
        play.at(f"2026-11-18 {at}")
        said = {"status": status, "message": f"We are {status}.", "audience": "external"}
        play.command(incident, "status", said)
    play.end(incident)
    [entry] = play.vendors.entries.values()
    assert (entry.name, entry.statuses) == (
        "API access: No forecasts",
        ["investigating", "monitoring", "resolved"],
    )
    play.forward(minutes(1))
    page = play.get(f"/status/{PLAN}")
    assert (page["title"], page["incidents"][0]["title"]) == ("Malaria Prediction", "API access")
    assert [update["words"] for update in page["incidents"][0]["updates"]][-2:] == [
        "We are monitoring.",
        "We are investigating.",
    ]
    assert "pod-7" not in str(page) + str(entry.words)


def test_a_p1_in_the_database_calls_its_expert_and_goes_up_after_two_hours(play: Play) -> None:
    play.at("2026-11-20 17:30")
    incident = play.alert(PLAN, name="DatabaseSlow", summary="Statements take a minute")
    play.at("2026-11-20 18:20")
    assert play.heard() == {
        "11-20 17:30 escalation": f"{TEAM} database-administrator",
        "11-20 17:30 inform": "devops-room incident-channel incidents-room",
        **{f"11-20 {at} reminder": "product-manager" for at in ("17:40", "17:45", "18:10", "18:15")},
        "11-20 18:00 escalation": "devops-a devops-lead",
    }
    play.command(incident, "acknowledge")
    play.at("2026-11-20 21:31")
    assert play.heard(but=("reminder",)) == {
        "11-20 18:30 inform": "customers",
        "11-20 19:30 escalation": "devops-lead",
        "11-20 19:30 inform": "leadership-room",
        "11-20 20:30 escalation": "engineering-manager",
        "11-20 21:30 escalation": "cto",
    }
    assert play.incident(incident)["runbook"] == "database-issues"
    play.end(incident, "database-relieved")
    assert "works again since 2026-11-20 21:31 UTC" in play.said("customers")


def test_a_p1_that_is_answered_and_resolved_in_time_escalates_to_nobody(play: Play) -> None:
    play.at("2026-11-18 10:00")
    incident = play.alert(PLAN, name="ERA5Unreachable")
    play.forward(minutes(29))
    play.command(incident, "acknowledge")
    play.forward(minutes(30))
    play.end(incident, "gone-outside")
    told = {told.contact for told in play.told}
    assert told >= {"stakeholders", "status-page"}
    assert not told & {"devops-lead", "customers"}
    assert [clock["state"] for clock in play.incident(incident)["sla"].values()] == ["stopped"] * 2


def test_a_p2_goes_up_after_eight_hours_and_tells_no_customer_what_they_cannot_see(play: Play) -> None:
    play.at("2026-11-21 22:00")
    incident = play.alert(PLAN, name="GrafanaPanelsEmpty")
    play.at("2026-11-22 06:00")
    play.command(incident, "acknowledge")
    play.command(incident, "status", {"status": "monitoring", "message": "Panels fill again."})
    assert play.heard() == {
        "11-21 22:00 escalation": "devops-a platform-engineer",
        "11-21 22:00 inform": "devops-room incident-channel incidents-room",
        "11-22 00:00 escalation": "devops-a devops-lead",
        **{f"11-22 0{at} reminder": "incidents-room" for at in ("1:45", "2:00", "5:45", "6:00")},
        "11-22 06:00 escalation": "devops-lead",
        "11-22 06:00 update": "incidents-room",
    }
    play.at("2026-11-22 22:00")
    assert play.heard(but=("reminder",)) == {"11-22 22:00 escalation": "engineering-manager"}
    assert play.incident(incident)["sla"]["resolve"]["state"] == "breached"


def test_a_p2_that_customers_see_owes_the_status_page_every_half_hour(play: Play) -> None:
    play.at("2026-11-18 10:00")
    incident = play.alert(PLAN, name="DocumentationUnavailable")
    play.at("2026-11-18 12:00")
    update = {"status": "investigating", "message": "We look.", "audience": "external"}
    play.command(incident, "status", update)
    play.at("2026-11-18 12:31")
    assert play.heard(but=("escalation", "inform")) == {
        **{f"11-18 {at} reminder": "status-updates-room" for at in ("11:55", "12:00", "12:25", "12:30")},
        "11-18 12:00 update": "status-page status-updates-room",
    }


def test_a_p3_waits_in_its_room_over_the_weekend_and_goes_up_as_needed(play: Play) -> None:
    play.at("2026-11-20 20:00")
    incident = play.alert(PLAN, name="CosmeticGlitch", summary="The legend covers the map")
    play.at("2026-11-23 08:59")
    assert play.heard() == {
        "11-20 20:00 escalation": "devops-room",
        "11-20 20:00 inform": "incidents-room",
        "11-21 04:00 escalation": "devops-a",
        "11-22 04:00 alarm": "devops-lead engineering-manager",
    }
    play.command(incident, "acknowledge")
    play.command(incident, "escalate", {"to": "frontend-developer", "reason": "Who knows this map?"})
    assert play.heard() == {"11-23 08:59 manual": "frontend-developer"}
    assert "a responder asks for you, CosmeticGlitch | Help wanted: Who knows this map?" in play.said(
        "frontend-developer"
    )
    due = [clock["due"][:16] for clock in play.incident(incident)["sla"].values()]
    assert due == ["2026-11-21T04:00", "2026-11-27T20:00"]


def test_where_nobody_is_on_call_the_chain_is_told_and_secondaries_take_over(play: Play) -> None:
    for who in ("devops-a", "senior-devops", "senior-backend", "product"):
        play.calendars[f"{PLAN}-calendar-{who}"] = AWAY
    play.at("2026-11-20 17:30")
    incident = play.alert(PLAN, name="AuthRefusesEverybody")
    leads = "ml-engineering-lead platform-engineering-lead"
    assert play.heard()["11-20 17:30 escalation"] == f"devops-lead engineering-manager {leads}"
    assert play.told[0].channel == f"{PLAN}-phone-devops-lead"
    assert play.incident(incident)["roles"] == {
        "incident-commander": "platform-engineering-lead",
        "technical-lead": "ml-engineering-lead",
        "communications-lead": "engineering-manager",
    }
    assert "oncall-empty" in {event["type"] for event in play.events(incident)}
    play.command(incident, "role", {"role": "incident-commander", "to": "devops-lead"})
    assert play.heard() == {"11-20 17:30 role": "devops-lead"}
    assert play.told[-1].reason == "you are now the Incident commander"


def test_the_rotation_hands_over_on_monday_at_nine(play: Play) -> None:
    play.at("2026-11-23 08:59")
    play.alert(PLAN, name="ERA5Unreachable")
    assert play.heard()["11-23 08:59 escalation"] == f"devops-a {LEADS}"
    play.at("2026-11-23 09:00")
    play.alert(PLAN, name="PipelineFailed")
    assert play.heard()["11-23 09:00 escalation"] == f"devops-b {LEADS}"


def test_drills_are_opened_on_their_wednesdays_and_marked(play: Play) -> None:
    play.at("2026-12-02 09:59")
    play.forward(minutes(1))
    play.run("sweep")
    assert play.heard()["12-02 10:00 escalation"] == f"backend-a {LEADS} devops-lead engineering-manager"
    room = next(told for told in play.told if told.contact == "incidents-room")
    assert (room.drill, room.subject) == ("rollback", "[DRILL] 🚨 P0 declared: Drill: The emergency rollback")
    [drill] = play.incidents(PLAN)
    assert play.incident(drill["id"])["runbook"] == "emergency-rollback"
    play.forward(minutes(40))
    play.end(drill["id"])
    assert not {"customers", "status-page", "status-updates-room"} & {told.contact for told in play.told}
    play.at("2026-12-16 10:00")
    newest = play.incidents(PLAN)[0]
    assert (newest["drill"], newest["severity"]) == ("degradation", "P1")
    assert play.incident(newest["id"])["runbook"] == "service-degradation"


def test_what_is_open_is_listed_on_business_days_at_nine(play: Play) -> None:
    play.at("2026-11-20 08:00")
    play.alert(PLAN, name="ToolingSlow")
    for day in (20, 21, 22, 23):
        play.at(f"2026-11-{day} 09:00")
    digests = [told for told in play.told if told.kind == "digest"]
    assert [told.when for told in digests] == ["2026-11-20 09:00", "2026-11-23 09:00"]
    assert digests[1].channel == f"{PLAN}-slack-devops-alerts"
    assert "P3 ToolingSlow, internal-tools, open for 3 d 1 h" in digests[1].text


def test_a_review_is_due_in_two_days_chased_and_complete_only_with_its_items(play: Play) -> None:
    play.at("2026-11-20 10:00")
    incident = play.alert(PLAN, name="PipelineFailed", summary="No rain data since six")
    play.command(incident, "note", {"kind": "impact", "text": "Forecasts are a day old"})
    play.end(incident)
    play.heard()
    play.at("2026-11-23 12:00")
    assert play.heard() == {
        "11-21 10:00 review": LEADS,
        "11-22 06:00 review": LEADS,
        "11-22 10:00 review": f"engineering-manager {LEADS}",
        "11-23 10:00 review": f"engineering-manager {LEADS}",
    }
    assert "the review was due by 2026-11-22 10:00 UTC and is overdue" in play.said("engineering-manager")
    assert "10 min, cause 15, response 10, action items 15, process 10." in play.said("engineering-manager")
    review: dict[str, str | bool] = {
        "root_cause": "The key had run out",
        "lessons": "Keys need an alert",
        "complete": True,
    }
    early = play.refused(incident, "review", **review)
    assert early.status == 409
    assert all(item in early.json()["detail"] for item in CLOSED.split())
    play.tick(incident, CLOSED)
    play.command(incident, "review", review)
    report = play.get(f"/api/v1/incidents/{incident}/review")["markdown"]
    parts = "Summary, Timeline, Root cause, Impact, Resolution, Lessons learned, Action items, Follow-up"
    assert ", ".join(re.findall(r"^## (.+)", report, re.MULTILINE)) == parts
    assert all(f"| {fact} |" in report for fact in ("Time to detect", "Time to resolve", "Total duration"))
    assert "Forecasts are a day old" in report


def test_action_items_are_chased_when_their_weeks_are_over(play: Play) -> None:
    play.at("2026-12-17 12:00")
    incident = play.alert(PLAN, name="ERA5Unreachable")
    for usual in (
        *("devops 2026-12-24T13:00:00Z high", "sre 2026-12-31T13:00:00Z medium"),
        *("senior-backend-developer 2026-12-24T13:00:00Z high", "developers 2027-01-17T13:00:00Z low"),
    ):
        owner, due, priority = usual.split()
        item = {"title": "As usual", "owner": owner, "due": due, "priority": priority}
        play.command(incident, "action-item", item)
    play.command(incident, "action-item", {"item": "A3", "status": "done"})
    play.end(incident)
    report = play.get(f"/api/v1/incidents/{incident}/review")["markdown"]
    assert "| Item | What | Owner | Due | Priority | Status |" in report
    play.heard()
    play.at("2026-12-31 13:00")
    assert play.heard(but=("review",)) == {
        "12-24 13:00 action-item": "devops engineering-manager",
        "12-31 13:00 action-item": "devops engineering-manager sre",
    }
