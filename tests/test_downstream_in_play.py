"""Downstream tools as an incident goes on: they follow it from its first page to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, get_args

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.channels import downstream
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.opsgenie import OpsgenieChannel
from shared.adapters.channels.pagerduty import PagerDutyChannel
from shared.adapters.channels.statuspage import StatuspageChannel
from shared.domain.cadence import PostUpdate, Progress
from shared.domain.delivery import Kind
from shared.domain.matrix import Updates
from shared.domain.plan import Channel, Contact, Directory, Reach, Template
from shared.domain.response import Acknowledge, Note, Reopen, Resolve
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Text
from tests.builders import NOON, a_severity, an_alert, hours, minutes, some_rules
from tests.notifications import a_message
from tests.receivers import HttpReceiver, Reply
from tests.stage import Stage

ENTRY, FRESH = Reply(201, {}, b'{"id": "entry"}'), Reply(201, {}, b'{"id": "fresh"}')


class Play(Stage):
    """A stage whose on-call is paged by PagerDuty and Opsgenie, and whose customers read Statuspage."""

    def __init__(self, storage: str, receiver: HttpReceiver, http: HttpPost) -> None:
        super().__init__(storage)
        self.receiver = receiver
        outside = Updates("external", hours(9), notify=("public",), template="page")
        steps = ((minutes(0), ("pager", "genie")),)
        loud = replace(a_severity("P1", steps=steps), updates=(outside,))
        self.rules(some_rules(loud, replace(loud, name="P2"), alarm=()))
        channels = {
            kind: Channel(kind, kind, f"{receiver.url}/{kind}", "downstream-key", {"page": "ourpage"})
            for kind in ("pagerduty", "opsgenie", "statuspage")
        }
        contacts = {"pager": "pagerduty", "genie": "opsgenie", "public": "statuspage"}
        found = {name: Contact(name, reach=(Reach(kind),)) for name, kind in contacts.items()}
        page = Template("{{ about or 'It is over.' }}", "Trouble")
        self.plans.plan = replace(
            self.plans.plan, directory=Directory(found, channels), templates={"page": page}
        )
        known = (PagerDutyChannel(http), OpsgenieChannel(http), StatuspageChannel(http))
        deliver = replace(
            self.advancing.deliver,
            channels={each.kind: each for each in known},
            secrets=AppSettingSecrets({"SECRET_DOWNSTREAM_KEY": "k"}),
        )
        self.advancing = replace(self.advancing, deliver=deliver)

    def begin(self) -> str:
        [outcome] = self.hear(an_alert(severity="P2"))
        assert outcome.id is not None
        self.advance(outcome.id)
        return outcome.id

    def do(self, incident: str, command: Any, at: datetime) -> list[str]:  # noqa: ANN401
        """What each tool was asked because of a command, in its own words."""
        before = len(self.receiver.requests)
        self.respond(incident, command, at)
        self.advance(incident, at)
        self.advance(incident, at)
        return self.asked(before)

    def asked(self, since: int = 0) -> list[str]:
        return sorted(
            f"{request.method} {request.path} {request.json().get('event_action', '')}".strip()
            for request in self.receiver.requests[since:]
            if not request.path.startswith("/statuspage")
        )

    def news(self) -> list[tuple[str, str, str]]:
        """Of the page: method, the entry, and the phase shown."""
        return [
            (request.method, request.path.rpartition("/")[2], request.json()["incident"]["status"])
            for request in self.receiver.requests
            if request.path.startswith("/statuspage") and request.method != "GET"
        ]

    def say(self, incident: str, progress: Progress, at: datetime) -> None:
        self.do(incident, PostUpdate(progress, Text("You cannot pay.", "00"), "external"), at)


@pytest.fixture
def play(storage: str) -> Iterator[Play]:
    http = HttpPost()
    with HttpReceiver(202) as receiver, Play(storage, receiver, http) as play:
        yield play
    http.close()


@pytest.mark.parametrize(
    ("kind", "status", "act"),
    [
        ("escalation", "open", "ring"),
        ("escalation", "acknowledged", "ring"),
        ("manual", "acknowledged", "ring"),
        ("alarm", "open", "ring"),
        ("alarm", "resolved", "ring"),
        ("inform", "open", "ring"),
        ("inform", "resolved", "tell"),
        ("role", "open", "ring"),
        ("reminder", "open", "ring"),
        ("still-open", "acknowledged", "ring"),
        ("resolved", "resolved", "resolve"),
        ("resolved", "open", "tell"),
        ("refresh", "open", "tell"),
        ("refresh", "acknowledged", "acknowledge"),
        ("refresh", "resolved", "resolve"),
        ("update", "open", "tell"),
        ("cleared", "open", "tell"),
        ("review", "resolved", "tell"),
        ("action-item", "resolved", "tell"),
        ("digest", "open", "tell"),
    ],
)
def test_each_kind_of_news_does_what_is_written_down_for_it(kind: Kind, status: str, act: str) -> None:
    assert downstream.act(a_message(kind=kind, status=status)) == act


def test_no_kind_is_forgotten_and_talk_rings_nobody() -> None:
    ringing = {kind for kind in get_args(Kind) if downstream.act(a_message(kind=kind)) == "ring"}
    assert ringing == {"escalation", "manual", "alarm", "inform", "role", "reminder", "still-open"}


def test_pagers_follow_an_incident_from_its_page_to_its_end(play: Play) -> None:
    incident = play.begin()
    alert = f"/opsgenie/v2/alerts/{incident}"
    assert play.asked() == ["POST /opsgenie/v2/alerts", "POST /pagerduty/v2/enqueue trigger"]
    assert play.do(incident, Acknowledge(), NOON + minutes(2)) == [
        f"POST {alert}/acknowledge?identifierType=alias",
        "POST /pagerduty/v2/enqueue acknowledge",
    ]
    assert play.do(incident, Note("cause", Text("a disk", "00")), NOON + minutes(3)) == []
    assert play.do(incident, Resolve(), NOON + minutes(4)) == [
        f"POST {alert}/close?identifierType=alias",
        "POST /pagerduty/v2/enqueue resolve",
    ]
    assert play.do(incident, Reopen(), NOON + minutes(6)) == [
        "POST /opsgenie/v2/alerts",
        "POST /pagerduty/v2/enqueue trigger",
    ]
    keys = {
        request.json()["dedup_key"] for request in play.receiver.requests if "/v2/enqueue" in request.path
    }
    assert keys == {incident}


def test_a_severity_that_somebody_changes_reaches_both(play: Play) -> None:
    incident = play.begin()
    priority = f"PUT /opsgenie/v2/alerts/{incident}/priority?identifierType=alias"
    raised = play.do(incident, SetSeverity("P1"), NOON + minutes(2))
    assert raised == ["POST /opsgenie/v2/alerts", "POST /pagerduty/v2/enqueue trigger"]
    lowered = play.do(incident, SetSeverity("P2"), NOON + minutes(4))
    assert lowered == ["POST /pagerduty/v2/change/enqueue", priority]


def test_the_page_has_one_entry_an_incident(play: Play) -> None:
    play.receiver.otherwise = lambda request: ENTRY if request.path.startswith("/statuspage") else Reply(202)
    incident = play.begin()
    play.say(incident, "investigating", NOON + minutes(2))
    play.say(incident, "identified", NOON + minutes(4))
    play.do(incident, Resolve(), NOON + minutes(6))
    assert play.news() == [
        ("POST", "incidents", "investigating"),
        ("PATCH", "entry", "identified"),
        ("PATCH", "entry", "resolved"),
    ]


def test_an_entry_that_was_deleted_is_made_once_more_and_then_gone_on_with(play: Play) -> None:
    gone: list[str] = []

    def answer(request: Any) -> Reply:  # noqa: ANN401
        if not request.path.startswith("/statuspage"):
            return Reply(202)
        if request.path.endswith("/entry") and gone:
            return Reply(404)
        return FRESH if gone else ENTRY

    play.receiver.otherwise = answer
    incident = play.begin()
    play.say(incident, "investigating", NOON + minutes(2))
    gone.append("entry")
    play.say(incident, "identified", NOON + minutes(4))
    play.say(incident, "monitoring", NOON + minutes(6))
    assert play.news() == [
        ("POST", "incidents", "investigating"),
        ("PATCH", "entry", "identified"),
        ("POST", "incidents", "identified"),
        ("PATCH", "fresh", "monitoring"),
    ]
