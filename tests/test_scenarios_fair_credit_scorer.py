"""Fair Credit Scorer's plan played through: who is told, by which channel, when, and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.played_slack import PlayedSlack
from tests.theatre import PUBLIC_URL, RESPONDER, Theatre, Told, organisation

NAME = "fair-credit-scorer"
BOT = f"{NAME}-slack-bot"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEDNESDAY, FRIDAY_NIGHT = "2026-11-18 14:00", "2026-11-20 23:00"
CHAIN = ["technical-lead", "engineering-manager", "security-team", "infrastructure-team", "executive-on-call"]
FIRST = ["engineer-b", "on-call-team", "technical-lead"]
RECOVERY = ["health-answers", "readiness-answers", "liveness-answers", "evaluation-works", "api-works"]
RECOVERY += ["load-borne", "memory-steady", "metrics-current", "alerting-works"]


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, organisation(NAME)) as theatre:
        theatre.playing[BOT] = PlayedSlack(theatre.secrets[BOT])
        yield theatre


@pytest.fixture
def outage(theatre: Theatre) -> str:
    """A SEV1 on a Wednesday afternoon; engineer-b is on call."""
    theatre.at(WEDNESDAY)
    return theatre.alert(NAME, name="ApplicationDown", summary="no answer on port 8000")


def pages(told: list[Told]) -> list[str]:
    """Who was asked to act, as ``14:15 security-team``."""
    return [each[3:] for each in of(told, "escalation", "manual")]


def of(told: list[Told], *kinds: str) -> list[str]:
    """Who was told so, as ``18 14:15 security-team``: the day first."""
    return [f"{each.when[8:]} {each.contact}" for each in told if each.kind in kinds]


def ways(told: list[Told]) -> dict[str | None, str]:
    """Contact -> the way by which it was told last."""
    return {each.contact: each.channel.removeprefix(f"{NAME}-") for each in told}


def people(told: list[Told], *kinds: str) -> set[str | None]:
    return {each.contact for each in told if not kinds or each.kind in kinds}


def types(theatre: Theatre, incident: str) -> list[str]:
    return [event["type"] for event in theatre.events(incident)]


def the(told: list[Told], contact: str, kind: str) -> Told:
    [found] = [each for each in told if (each.contact, each.kind) == (contact, kind)]
    return found


def tick(theatre: Theatre, incident: str, *items: str) -> None:
    for item in items:
        theatre.command(incident, "checklist", {"item": item})


def test_an_unanswered_sev1_climbs_the_whole_chain_within_the_hour(theatre: Theatre, outage: str) -> None:
    assert pages(theatre.told) == [f"14:00 {contact}" for contact in FIRST]
    assert of(theatre.told, "inform") == ["18 14:00 management", "18 14:00 incident-channel"]
    assert ways(theatre.told) == {
        "engineer-b": "phone-engineer-b",
        "on-call-team": "slack-on-call",
        "incident-channel": "slack-bot",
        "technical-lead": "phone-technical-lead",
        "management": "email",
    }
    seen = len(theatre.told)
    theatre.forward(59 * MINUTE + timedelta(seconds=59))
    assert pages(theatre.told_since(seen)) == [
        "14:15 engineering-manager",
        "14:30 security-team",
        "14:45 infrastructure-team",
    ]
    assert of(theatre.told_since(seen), "reminder") == ["18 14:10 engineer-b", "18 14:15 engineer-b"]
    seen = len(theatre.told)
    theatre.at("2026-11-18 15:00")
    last = [*CHAIN[:4], "executive-b"]
    assert set(pages(theatre.told_since(seen))) == {f"15:00 {contact}" for contact in last}
    [breached] = [event for event in theatre.events(outage) if event["type"] == "breached"]
    assert (breached["data"]["clock"], breached["data"]["due"][:16]) == ("respond", "2026-11-18T14:15")

    seen = len(theatre.told)
    theatre.at("2026-11-18 18:00")
    assert pages(theatre.told_since(seen))[:3] == [
        "16:00 engineer-b",
        "16:00 on-call-team",
        "16:00 technical-lead",
    ]
    assert people(theatre.told_since(seen), "alarm") == {"engineering-manager", "on-call-team"}
    assert "exhausted" in types(theatre, outage)


@pytest.mark.usefixtures("outage")
def test_a_sev1_says_what_the_room_and_management_need_to_know(theatre: Theatre) -> None:
    room = the(theatre.told, "on-call-team", "escalation")
    assert room.subject == "SEV1 Critical: ApplicationDown"
    assert "An answer is due by 2026-11-18 14:15 UTC. Engineer B is in command." in room.text
    assert "Channel: #incident-2026-11-18-1400" in room.text
    runbook = f"{PUBLIC_URL}/api/v1/plans/{NAME}/runbooks/application-down"
    assert f"Runbook: {runbook}" in room.text
    notice = the(theatre.told, "management", "inform")
    assert notice.to == "management@fair-credit-scorer.example"
    assert "Scoring application has had a SEV1 (Critical) incident for 0 min." in notice.text
    assert "Impact: not known yet" in notice.text


def test_an_incident_has_a_channel_of_its_own_named_by_the_minute(theatre: Theatre, outage: str) -> None:
    slack = theatre.playing[BOT]
    assert isinstance(slack, PlayedSlack)
    [room] = slack.rooms.values()
    assert room.name == "incident-2026-11-18-1400" == theatre.incident(outage)["channel_name"]
    assert room.topic == f"{outage} · [SEV1] ApplicationDown · open"
    theatre.alert(NAME, name="CosmeticGlitch", severity="low")
    assert len(slack.rooms) == 1, "what is cosmetic has none"


@pytest.fixture
def answered(theatre: Theatre, outage: str) -> str:
    """A SEV1 that somebody took after four minutes and has said something about."""
    theatre.forward(4 * MINUTE)
    assert theatre.command(outage, "acknowledge")["status"] == "acknowledged"
    theatre.command(outage, "note", {"kind": "action-taken", "text": "restarted the container"})
    theatre.command(outage, "note", {"kind": "action-taken", "text": "freed the disk"})
    theatre.command(outage, "note", {"kind": "impact", "text": "no decision can be scored"})
    return outage


def test_a_status_update_reaches_stakeholders_and_the_status_page(theatre: Theatre, answered: str) -> None:
    seen = len(theatre.told)
    said = {"status": "identified", "message": "The disk is full."}
    theatre.command(answered, "status", said)
    mail = the(theatre.told_since(seen), "stakeholders", "update")
    assert (mail.when, mail.to) == ("2026-11-18 14:04", "stakeholders@fair-credit-scorer.example")
    assert mail.subject.startswith("SEV1 identified: ApplicationDown")
    assert "The disk is full." in mail.text
    assert "Impact: no decision can be scored" in mail.text
    assert "Next update: 2026-11-18 15:04 UTC" in mail.text
    page = the(theatre.told_since(seen), "status-page", "update")
    assert page.channel == "fair-credit-scorer-status-page-url"
    assert {"Scoring application: identified", "The disk is full."} <= set(page.text.splitlines())
    [ours] = theatre.get("/status/fair-credit-scorer")["incidents"]
    assert (ours["title"], ours["phase"]) == ("Scoring application", "identified")
    assert [update["words"] for update in ours["updates"]] == ["The disk is full."]


def test_an_answered_sev1_that_is_not_restored_in_an_hour_still_goes_to_the_chain(
    theatre: Theatre, answered: str
) -> None:
    theatre.command(answered, "status", {"status": "identified", "message": "The disk is full."})
    seen = len(theatre.told)
    theatre.forward(6 * MINUTE)
    theatre.command(answered, "escalate", {"to": "security-team", "reason": "somebody who reads audit logs"})
    asked = the(theatre.told_since(seen), "security-team", "manual")
    parts = ["1. In short: no answer on port 8000", "2. Done so far:"]
    parts += ["- restarted the container", "- freed the disk"]
    parts += ["3. How it stands: The disk is full.", "4. Help needed: somebody who reads audit logs"]
    assert [part in asked.text for part in parts] == [True] * 6

    seen = len(theatre.told)
    theatre.at("2026-11-18 15:00")
    assert people(theatre.told_since(seen), "escalation") == {*CHAIN[:4], "executive-b"}
    assert {each[:5] for each in pages(theatre.told_since(seen))} == {"15:00"}
    last = the(theatre.told_since(seen), "executive-b", "escalation")
    assert [part in last.text for part in parts] == [True] * 6
    assert types(theatre, answered).count("step-passed") == 3
    assert "breached" not in types(theatre, answered)


def test_a_breach_reaches_the_security_team_at_once_and_never_the_status_page(theatre: Theatre) -> None:
    theatre.at("2026-11-21 03:12")
    incident = theatre.alert(NAME, name="DataBreach", severity="info")
    assert people(theatre.told, "escalation") == {*FIRST, "security-team"}
    shown = theatre.incident(incident)
    assert (shown["severity"], shown["service"], shown["runbook"]) == ("SEV1", "security", "security-breach")
    theatre.command(incident, "status", {"status": "investigating", "message": "A key was used."})
    assert not [each for each in theatre.told if each.contact == "status-page"]


def test_the_commanders_seat_is_filled_and_handed_over(theatre: Theatre, outage: str) -> None:
    assert theatre.incident(outage)["roles"] == {"incident-commander": "engineer-b"}
    seen = len(theatre.told)
    theatre.command(outage, "role", {"role": "incident-commander", "to": "technical-lead"})
    assert of(theatre.told_since(seen), "role") == ["18 14:00 technical-lead"]
    seen = len(theatre.told)
    theatre.forward(15 * MINUTE)
    assert people(theatre.told_since(seen), "reminder") == {"technical-lead"}


def test_alerts_that_end_do_not_resolve_but_tell_the_commander(theatre: Theatre, outage: str) -> None:
    theatre.command(outage, "acknowledge")
    seen = len(theatre.told)
    theatre.alerts(NAME, "generic", {"name": "ApplicationDown", "status": "resolved"})
    assert theatre.incident(outage)["status"] == "acknowledged"
    assert of(theatre.told_since(seen), "cleared") == ["18 14:00 engineer-b"]


def test_people_resolve_and_only_once_the_recovery_is_verified(theatre: Theatre, outage: str) -> None:
    path = f"/api/v1/incidents/{outage}/resolve"
    done = {"resolution": "restarted after freeing the disk", "code": "restarted"}
    unknown = theatre.call("POST", path, {**done, "code": "magic"}, RESPONDER)
    assert unknown.status == 400
    assert "cleaned-up" in unknown.body.decode()
    refused = theatre.call("POST", path, done, RESPONDER)
    assert refused.status == 409
    assert [item in refused.body.decode() for item in ("fix-effective", *RECOVERY)] == [True] * 10
    tick(theatre, outage, "fix-effective", *RECOVERY[:-1])
    assert theatre.call("POST", path, done, RESPONDER).status == 409
    override = {"item": "alerting-works", "state": "overridden"}
    assert theatre.call("POST", path.replace("resolve", "checklist"), override, RESPONDER).status == 400
    theatre.command(outage, "checklist", {**override, "reason": "no test alert tonight"})

    assert theatre.command(outage, "resolve", done)["status"] == "resolved"


def test_whoever_heard_of_it_hears_of_its_end_and_the_public_learns_no_cause(
    theatre: Theatre, outage: str
) -> None:
    theatre.command(outage, "acknowledge")
    tick(theatre, outage, "fix-effective", *RECOVERY)
    seen = len(theatre.told)
    theatre.forward(14 * MINUTE)
    theatre.command(outage, "resolve", {"resolution": "freed the disk", "code": "cleaned-up"})
    over = {each.contact: each for each in theatre.told_since(seen) if each.kind == "resolved"}
    assert set(over) == {*FIRST, "management", "stakeholders", "status-page", "incident-channel"}
    public = over.pop("status-page").text
    words = "Scoring application is back to normal as of 2026-11-18 14:14 UTC, after 14 min."
    assert all(words in each.text for each in over.values())
    assert "It is over since 2026-11-18 14:14 UTC, after 14 min." in public
    assert "disk" not in public
    shown = theatre.incident(outage)
    assert shown["channel_name"] == "incident-2026-11-18-1400"
    assert shown["ticket_title"] == "[SEV1 Critical] ApplicationDown"


def test_a_review_that_is_forgotten_is_chased_until_it_is_complete(theatre: Theatre, outage: str) -> None:
    tick(theatre, outage, "fix-effective", *RECOVERY)
    theatre.command(outage, "resolve", {"resolution": "restarted", "code": "restarted"})
    seen = len(theatre.told)
    theatre.at("2026-11-27 14:00")
    assert of(theatre.told_since(seen), "review") == [
        "22 14:00 engineer-b",
        "24 14:00 engineer-b",
        "25 14:00 engineer-b",
        "25 14:00 engineering-manager",
        "27 14:00 engineer-b",
        "27 14:00 engineering-manager",
    ]
    written = {"root_cause": "logs were never rotated", "lessons": "watch the disk", "complete": True}
    path = f"/api/v1/incidents/{outage}/review"
    refused = theatre.call("POST", path, written, RESPONDER)
    assert refused.status == 409
    missing = ("final-summary-sent", "runbooks-updated", "ticket-closed", "log-complete", "pages-updated")
    assert [item in refused.body.decode() for item in missing] == [True] * 5
    tick(theatre, outage, *missing)
    due = {"due": "2026-12-01T12:00:00Z", "priority": "high"}
    item = {"title": "alert on a full disk", "owner": "infrastructure-team", **due}
    theatre.command(outage, "action-item", item)
    theatre.command(outage, "review", written)
    [completed] = [each for each in theatre.events(outage) if each["type"] == "review-completed"]
    assert completed["data"]["in_time"] is False

    seen = len(theatre.told)
    theatre.at("2026-12-08 12:00")
    assert of(theatre.told_since(seen), "action-item") == [
        "01 12:00 engineering-manager",
        "01 12:00 infrastructure-team",
        "08 12:00 engineering-manager",
        "08 12:00 infrastructure-team",
    ]
    assert of(theatre.told_since(seen), "review") == []


def test_a_sev2_runs_through_the_weekend_and_management_hears_within_two_hours(theatre: Theatre) -> None:
    theatre.at(FRIDAY_NIGHT)
    incident = theatre.alert(NAME, name="ErrorRateHigh", values={"error_rate_percent": 12})
    assert pages(theatre.told) == ["23:00 engineer-b", "23:00 on-call-team"]
    assert of(theatre.told, "inform") == ["20 23:00 incident-channel"]
    theatre.at("2026-11-21 05:00")
    climbed = [f"{hour:02}:00 {contact}" for hour, contact in enumerate([*CHAIN[:4], "executive-b"])]
    assert pages(theatre.told)[2:] == climbed
    [_, notice] = [each for each in theatre.told if each.kind == "inform"]
    assert (notice.when, notice.contact, notice.channel) == ("2026-11-21 00:45", "management", "email")
    assert notice.at < theatre.instant(FRIDAY_NIGHT) + 2 * HOUR
    assert "high-error-rate" in theatre.told[1].text
    assert people(theatre.told, "alarm") == {"engineering-manager", "on-call-team"}
    [breached] = [event for event in theatre.events(incident) if event["type"] == "breached"]
    assert breached["data"]["due"][:16] == "2026-11-21T00:00"


def test_an_answered_sev2_that_is_not_resolved_in_time_goes_to_the_technical_lead_alone(
    theatre: Theatre,
) -> None:
    theatre.at(FRIDAY_NIGHT)
    incident = theatre.alert(NAME, name="Checkout", values={"slower_percent": 51})
    theatre.forward(20 * MINUTE)
    theatre.command(incident, "acknowledge")
    theatre.at("2026-11-21 04:30")
    assert pages(theatre.told)[2:] == ["00:00 technical-lead"]
    assert of(theatre.told, "inform")[1:] == ["21 00:45 management"]
    assert of(theatre.told, "reminder") == [
        f"{when} engineer-b" for when in ("20 23:45", "21 00:00", "21 03:45", "21 04:00")
    ]
    assert types(theatre, incident).count("update-lapsed") == 2


def test_management_is_not_told_of_a_sev2_that_is_over_before_its_time(theatre: Theatre) -> None:
    theatre.at(FRIDAY_NIGHT)
    incident = theatre.alert(NAME, name="FeatureFailed")
    tick(theatre, incident, "fix-effective", *RECOVERY)
    theatre.at("2026-11-21 00:44")
    theatre.command(incident, "resolve", {"resolution": "restarted", "code": "restarted"})
    theatre.at("2026-11-21 02:00")
    assert "management" not in people(theatre.told)


def test_an_incident_that_a_person_raises_to_sev1_reaches_management_at_once(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    incident = theatre.alert(NAME, name="FeatureFailed")
    theatre.command(incident, "acknowledge")
    seen = len(theatre.told)
    theatre.forward(5 * MINUTE)
    theatre.command(incident, "severity", {"severity": "SEV1", "reason": "nothing works"})
    assert of(theatre.told_since(seen), "inform") == ["18 14:05 management", "18 14:05 incident-channel"]
    assert "14:05 technical-lead" in pages(theatre.told_since(seen))


def test_a_sev3_is_told_to_management_each_day_even_on_sunday(theatre: Theatre) -> None:
    theatre.at("2026-11-20 16:00")
    incident = theatre.alert(NAME, name="SomeErrors", values={"error_rate_percent": 3})
    theatre.forward(3 * HOUR)
    theatre.command(incident, "acknowledge")
    theatre.at("2026-11-22 10:00", every=HOUR)
    assert pages(theatre.told) == ["16:00 engineer-b", "16:00 on-call-team", "20:00 technical-lead"]
    digests = [each for each in theatre.told if each.kind == "digest"]
    assert [(each.when, each.to) for each in digests] == [
        ("2026-11-21 09:00", "management@fair-credit-scorer.example"),
        ("2026-11-22 09:00", "management@fair-credit-scorer.example"),
    ]
    assert digests[0].subject.startswith("Still open: 1")
    assert f"{incident} SEV3 SomeErrors (application): acknowledged for 17 h" in digests[0].text
    assert of(theatre.told, "reminder") == ["21 15:00 engineer-b", "21 16:00 engineer-b"]
    seen = len(theatre.told)
    said = {"status": "monitoring", "message": "Two errors today.", "audience": "internal"}
    theatre.command(incident, "status", said)
    assert people(theatre.told_since(seen)) == {"on-call-team", "stakeholders", "management"}
    assert "Two errors today." in the(theatre.told_since(seen), "management", "update").text


def test_a_sev4_calls_nobody_and_is_told_to_management_each_monday(theatre: Theatre) -> None:
    theatre.at("2026-11-18 22:00")
    incident = theatre.alert(NAME, name="CosmeticGlitch", severity="critical")
    assert of(theatre.told, "escalation") == ["18 22:00 on-call-team"]
    theatre.at("2026-11-19 22:00")
    assert pages(theatre.told)[1:] == ["22:00 technical-lead"]
    theatre.command(incident, "acknowledge")
    theatre.at("2026-11-25 23:00", every=3 * HOUR)
    digests = [each for each in theatre.told if each.kind == "digest"]
    assert [each.when for each in digests] == ["2026-11-23 09:00"]
    assert "CosmeticGlitch" in digests[0].text
    assert of(theatre.told, "reminder") == ["24 22:00 engineer-b", "25 22:00 engineer-b"]
    assert of(theatre.told, "inform", "alarm") == []
    tick(theatre, incident, "fix-effective")
    theatre.command(incident, "resolve", {"resolution": "nothing to do", "code": "accepted"})
    assert theatre.incident(incident)["review"] is None


def test_with_nobody_on_call_the_technical_lead_is_called_and_the_gap_is_an_alarm(theatre: Theatre) -> None:
    theatre.at("2026-01-03 11:00")  # a Saturday before the first turn begins
    incident = theatre.alert(NAME, name="ApplicationDown")
    assert pages(theatre.told) == ["11:00 on-call-team", "11:00 technical-lead"]
    assert [each.reason for each in theatre.told if each.kind == "alarm"] == ["nobody is on call for on-call"]
    assert theatre.incident(incident)["roles"] == {"incident-commander": "technical-lead"}
    [empty] = [event for event in theatre.events(incident) if event["type"] == "oncall-empty"]
    assert empty["data"]["rotations"] == ["on-call"]


def test_the_drill_comes_on_the_first_wednesday_and_says_so(theatre: Theatre) -> None:
    theatre.at("2026-12-01 12:00")
    theatre.at("2026-12-02 09:59")
    assert theatre.told == []
    theatre.at("2026-12-02 10:00")
    theatre.forward(MINUTE)  # what a drill owes goes out with the next sweep
    [drill] = theatre.incidents(NAME)
    assert (drill["drill"], drill["severity"]) == ("application-down", "SEV1")
    assert drill["opened_at"].startswith("2026-12-02T10:00:00")
    assert people(theatre.told) == {*FIRST, "management", "incident-channel"}
    assert all(each.subject.startswith("[DRILL] ") for each in theatre.told if each.channel == "email")
    assert all("[DRILL]" in each.text for each in theatre.told)
    assert theatre.incident(drill["id"])["runbook"] == "application-down"
