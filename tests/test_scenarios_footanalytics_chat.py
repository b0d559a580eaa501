"""FootAnalytics from Slack: each kind of command that its document has, signed as Slack signs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.chats import slack_signed, slash, texts
from tests.test_scenarios_footanalytics import IMMEDIATE, PLAN, WEDNESDAY, heard, tick
from tests.theatre import PUBLIC_URL, Theatre, organisation

SIGNING = "footanalytics-slack-signing"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ENGINEER, LEAD, STRANGER = "U0PLATFORM", "U0TECHLEAD", "U0SOMEBODY"


class Slack:
    """The organisation's workspace: people type, and Tocsin answers."""

    def __init__(self, theatre: Theatre) -> None:
        self.theatre, self.turns = theatre, 0

    def type(self, line: str, user: str = ENGINEER) -> str:
        """Every word of the answer. What the command causes has happened by then."""
        self.turns += 1
        body = slash(line, user=user, trigger=str(self.turns))
        signed = slack_signed(body, self.theatre.now, self.theatre.secrets[SIGNING])
        answer = self.theatre.call("POST", "/api/v1/chat/slack", body, headers={**FORM, **signed})
        assert answer.status == 200, answer
        self.theatre.forward(timedelta(0))
        return texts(answer.json())


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, organisation(PLAN)) as theatre:
        theatre.at(WEDNESDAY)
        yield theatre


@pytest.fixture
def slack(theatre: Theatre) -> Slack:
    return Slack(theatre)


def test_an_outage_is_worked_on_from_slack_from_its_declaration_to_its_end(
    theatre: Theatre, slack: Slack
) -> None:
    assert "Opened INC-" in slack.type('/incident create critical "Uploads fail at the gateway"')
    [line] = theatre.incidents(PLAN)
    incident = str(line["id"])
    assert (line["title"], line["severity"], line["service"]) == (
        "Uploads fail at the gateway",
        "critical",
        "platform",
    )
    assert (WEDNESDAY, "platform-engineer", "phone-platform-engineer") in heard(theatre)

    assert "Platform engineer has it." in slack.type(f"/incident ack {incident}")
    before = len(theatre.told)
    slack.type(f'/status update {incident} investigating "The database is being asked"')
    assert sorted(heard(theatre, before)) == [
        (WEDNESDAY, "customer-success", "success@footanalytics.com"),
        (WEDNESDAY, "platform-team", "slack-platform-team"),
        (WEDNESDAY, "product-manager", "product@footanalytics.com"),
    ]
    assert all("The database is being asked" in told.text for told in theatre.told_since(before))

    book = slack.type("/runbook platform-outage")
    assert "Quick assessment" in book
    assert "kubectl get pods --all-namespaces" in book

    before = len(theatre.told)
    slack.type(f'/escalate {incident} tech-lead "Who may fail over?"')
    assert heard(theatre, before) == [(WEDNESDAY, "tech-lead", "phone-tech-lead")]
    assert "Help wanted: Who may fail over?" in theatre.told[-1].text

    close(theatre, slack, incident)
    events = theatre.events(incident)
    assert [event["actor_name"] for event in events if event["type"] == "acted-on"] == [
        *["Platform engineer"] * 3,
        "Tech lead",
    ]
    assert events[[event["type"] for event in events].index("opened")]["actor_name"] == "Platform engineer"


def close(theatre: Theatre, slack: Slack, incident: str) -> None:
    """The tech lead resolves it, once what is required has been ticked off."""
    open_items = slack.type(f'/incident resolve {incident} "The pods run" code=remedied', LEAD)
    assert all(item in open_items for item in (*IMMEDIATE, "recovery-verified"))
    assert theatre.incident(incident)["status"] == "acknowledged"
    tick(theatre, incident, *IMMEDIATE, "recovery-verified")
    assert "remedied" in slack.type(f'/incident resolve {incident} "The pods run"', LEAD), "it takes a code"
    before = len(theatre.told)
    slack.type(f'/incident resolve {incident} "The pods run" code=remedied', LEAD)
    assert theatre.incident(incident)["status"] == "resolved"
    assert {"platform-engineer", "tech-lead", "platform-team", "product-manager"} <= {
        told.contact for told in theatre.told_since(before)
    }


def test_a_beginning_of_the_id_is_enough_and_what_is_open_and_on_call_can_be_asked_for(
    theatre: Theatre, slack: Slack
) -> None:
    incident = theatre.alert(PLAN, name="HighErrorRate")
    assert incident in slack.type("/incident list")
    assert "HighErrorRate" in slack.type(f"/incident show {incident[4:8].lower()}")
    assert "First line (first-line): Platform engineer (platform-engineer)" in slack.type("/oncall")
    assert "high-error-rate" in slack.type("/runbook")
    slack.type(f"/incident ack {incident[4:8]}", LEAD)
    assert theatre.incident(incident)["status"] == "acknowledged"


def test_whom_the_plan_does_not_know_and_what_is_not_signed_do_nothing(
    theatre: Theatre, slack: Slack
) -> None:
    incident = theatre.alert(PLAN, name="HighErrorRate")
    answer = slack.type(f"/incident ack {incident}", STRANGER)
    assert STRANGER in answer
    assert incident not in answer
    body = slash(f"/incident ack {incident}", user=ENGINEER)
    forged = slack_signed(body, theatre.now, "another secret")
    refused = theatre.call("POST", "/api/v1/chat/slack", body, headers={**FORM, **forged})
    assert refused.status == 401
    assert theatre.incident(incident)["status"] == "open"
    assert PUBLIC_URL not in refused.body.decode()
