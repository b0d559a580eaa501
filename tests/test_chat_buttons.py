"""Slack's buttons and form: whoever presses acts in their own name, and twice or too late is harmless."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answering import GRANT_LASTS
from shared.domain.incident import Incident
from shared.domain.plan import Checklist, ClosingCode, Item
from shared.workflows.chat import SlackChat
from tests.builders import NOON
from tests.chats import ANA, NOBODY, PUBLIC, RITA, ChatStage, held, pressed, sent_form, slack_signed, texts
from tests.receivers import HttpReceiver, Reply

OK = Reply(200, {"Content-Type": "application/json"}, b'{"ok": true}')
REVOKED = Reply(200, {"Content-Type": "application/json"}, b'{"ok": false, "error": "token_revoked"}')


@pytest.fixture
def web() -> Iterator[HttpReceiver]:
    with HttpReceiver(OK) as receiver:
        yield receiver


@pytest.fixture
def stage(storage: str) -> Iterator[ChatStage]:
    with ChatStage(storage) as made:
        yield made


@pytest.fixture
def coded(storage: str) -> Iterator[ChatStage]:
    """Its plan asks for words and a closing code."""
    with ChatStage(storage, codes=True) as made:
        yield made


def told(stage: ChatStage) -> tuple[Incident, str]:
    """An incident of which oncall was told, and the token in that message's buttons."""
    incident = stage.fired()
    return incident, stage.token(incident, "oncall")


def act(slack: SlackChat, body: bytes) -> dict[str, Any]:
    return slack.action(slack_signed(body), body, NOON)


def press(stage: ChatStage, web: HttpReceiver, what: str, token: str, user: str = ANA) -> dict[str, Any]:
    """What whoever pressed reads, once it is there."""
    before = len(web.requests)
    body = pressed(what, token, f"{web.url}/actions/1", user)
    assert act(stage.slack(f"{web.url}/"), body) == {}
    request = web.received(before + 1)[before]
    assert request.path == "/actions/1"
    shown: dict[str, Any] = request.json()
    assert shown["response_type"] == "ephemeral"
    assert shown["replace_original"] is False
    return shown


def test_whoever_presses_acknowledges_in_their_own_name(stage: ChatStage, web: HttpReceiver) -> None:
    incident, token = told(stage)
    shown = press(stage, web, "acknowledge", token)
    assert f"You have {incident.id}" in texts(shown)
    [acted] = [event for event in stage.events(incident.id) if event.type == "acted-on"]
    assert (acted.data["contact"], acted.data["by"]) == ("ana", "slack")
    assert acted.data["delivery"]
    assert "already" in texts(press(stage, web, "acknowledge", token))
    assert stage.types(incident.id).count("acknowledged") == 1


def test_a_reader_or_a_stranger_presses_in_vain(stage: ChatStage, web: HttpReceiver) -> None:
    incident, token = told(stage)
    for what in ("acknowledge", "resolve"):
        assert "takes the role Responder" in texts(press(stage, web, what, token, RITA))
        assert NOBODY in texts(press(stage, web, what, token, NOBODY))
    assert stage.incident(incident.id).status == "open"
    assert len(web.requests) == 4


def test_a_token_that_is_not_ours_or_has_expired_says_how_else(stage: ChatStage, web: HttpReceiver) -> None:
    incident, token = told(stage)
    assert "does not work any more" in texts(press(stage, web, "acknowledge", "x" + token))
    assert "does not work any more" in texts(press(stage, web, "acknowledge", ""))
    body = pressed("acknowledge", token, f"{web.url}/late")
    later = NOON + GRANT_LASTS
    stage.slack(f"{web.url}/").action(slack_signed(body, later), body, later)
    assert "does not work any more" in texts(web.received(3)[2].json())
    assert stage.incident(incident.id).status == "open"


def test_resolve_opens_a_form_with_what_the_plan_asks_for(coded: ChatStage, web: HttpReceiver) -> None:
    incident, token = told(coded)
    assert act(coded.slack(f"{web.url}/"), pressed("resolve", token, f"{web.url}/actions/1")) == {}
    [opened] = web.received(1)
    assert opened.path == "/api/views.open"
    assert opened.headers["authorization"] == "Bearer xoxb-1"
    view = opened.json()["view"]
    assert opened.json()["trigger_id"] == "t.1"
    assert view["private_metadata"] == token
    assert [block["block_id"] for block in view["blocks"] if "block_id" in block] == ["words", "code"]
    assert view["blocks"][1]["optional"] is False
    [option] = view["blocks"][2]["element"]["options"]
    assert (option["value"], option["text"]["text"]) == ("fixed", "Cause removed")
    assert coded.incident(incident.id).status == "open"


def test_a_form_that_is_sent_resolves_once(coded: ChatStage, web: HttpReceiver) -> None:
    incident, token = told(coded)
    slack = coded.slack(f"{web.url}/")
    assert act(slack, sent_form(token, "Rolled back", "fixed")) == {"response_action": "clear"}
    resolved = coded.incident(incident.id)
    assert (resolved.status, resolved.code) == ("resolved", "fixed")
    assert "Rolled back" in coded.store.texts(incident.id).values()
    again = act(slack, sent_form(token, "Rolled back", "fixed"))
    assert again["response_action"] == "update"
    assert "It was resolved at" in texts(again["view"])
    assert coded.types(incident.id).count("resolved") == 1


def test_what_is_wrong_with_a_form_stands_beside_its_fields(coded: ChatStage) -> None:
    incident, token = told(coded)
    refused = act(coded.slack(), sent_form(token, None))
    assert refused["response_action"] == "errors"
    assert set(refused["errors"]) == {"words", "code"}
    refused = act(coded.slack(), sent_form(token, " ", "fixed"))
    assert set(refused["errors"]) == {"words"}
    assert coded.incident(incident.id).status == "open"


def test_a_form_of_a_reader_a_stranger_or_with_no_token_of_ours_is_refused(coded: ChatStage) -> None:
    incident, token = told(coded)
    for body, why in (
        (sent_form(token, "x", "fixed", RITA), "takes the role Responder"),
        (sent_form(token, "x", "fixed", NOBODY), "does not know you"),
        (sent_form("nonsense", "x", "fixed"), "does not work any more"),
    ):
        shown = act(coded.slack(), body)
        assert shown["response_action"] == "update"
        assert why in texts(shown["view"])
    assert coded.incident(incident.id).status == "open"


def test_a_form_whose_outcome_comes_late_shows_it_then(coded: ChatStage, web: HttpReceiver) -> None:
    incident, token = told(coded)
    with held(coded) as going_on:
        shown = act(coded.slack(f"{web.url}/", seconds=0.0), sent_form(token, "Rolled back", "fixed"))
        assert "Working on it…" in texts(shown["view"])
        going_on.set()
        [later] = web.received(1)
    assert later.path == "/api/views.update"
    assert later.json()["view_id"] == "V1"
    assert f"You resolved {incident.id}" in texts(later.json()["view"])


def test_a_rotated_bot_token_is_read_again(coded: ChatStage, web: HttpReceiver) -> None:
    _, token = told(coded)

    def rotate(_: object) -> Reply:
        coded.settings["SECRET_SLACK_BOT"] = "xoxb-2"
        return REVOKED

    web.script([rotate, OK])
    act(coded.slack(f"{web.url}/"), pressed("resolve", token, f"{web.url}/actions/1"))
    first, second = web.received(2)
    assert first.headers["authorization"] == "Bearer xoxb-1"
    assert (second.path, second.headers["authorization"]) == ("/api/views.open", "Bearer xoxb-2")


@pytest.mark.parametrize(
    "reply",
    [Reply(200, {}, b'{"ok": false, "error": "expired_trigger_id"}'), Reply(500), Reply(reset=True), REVOKED],
)
def test_a_form_that_does_not_open_leaves_another_way(
    coded: ChatStage, web: HttpReceiver, reply: Reply
) -> None:
    incident, token = told(coded)
    web.script([reply])
    act(coded.slack(f"{web.url}/"), pressed("resolve", token, f"{web.url}/actions/1"))
    shown = web.received(2)[1].json()
    assert "takes more than a button" in texts(shown)
    assert f"incident resolve {incident.id}" in texts(shown)
    assert "xoxb" not in str(shown)


def test_the_page_of_a_notification_is_shown_only_to_whom_it_was_sent(
    coded: ChatStage, web: HttpReceiver
) -> None:
    """It acts in their name."""
    coded.chats(slack_bot_secret=None)
    incident = coded.fired()
    coded.say(f"/escalate {incident.id} ana")
    hers, anothers = coded.token(incident, "ana"), coded.token(incident, "oncall")
    shown = press(coded, web, "resolve", hers)
    assert f"{PUBLIC}/a/{hers}" in str(shown)
    assert anothers not in str(press(coded, web, "resolve", anothers))
    assert coded.incident(incident.id).status == "open"


def test_without_a_bot_a_plan_that_asks_for_nothing_is_resolved_at_once(
    stage: ChatStage, web: HttpReceiver
) -> None:
    stage.chats(slack_bot_secret=None)
    incident, token = told(stage)
    assert f"You resolved {incident.id}" in texts(press(stage, web, "resolve", token))
    assert stage.incident(incident.id).status == "resolved"
    assert "Nothing to do" in texts(press(stage, web, "resolve", token))
    assert "Nothing to do" in texts(press(stage, web, "acknowledge", token))


def test_open_items_of_a_checklist_are_named_instead_of_a_form(stage: ChatStage, web: HttpReceiver) -> None:
    rules = stage.plans.plan.rules
    item = Item("healthy", "Everything is healthy", required=True)
    stage.rules(replace(rules, checklists=(Checklist("checks", "verification", (item,)),)))
    incident, token = told(stage)
    assert "healthy (Everything is healthy)" in texts(press(stage, web, "resolve", token))
    assert stage.incident(incident.id).status == "open"


def test_a_button_of_another_organisations_incident_does_nothing(
    stage: ChatStage, web: HttpReceiver, storage: str
) -> None:
    with ChatStage(storage) as other:
        incident, token = told(other)
        assert "There is no incident" in texts(press(stage, web, "acknowledge", token))
        assert other.incident(incident.id).status == "open"


def test_closing_codes_without_titles_are_shown_by_name(stage: ChatStage, web: HttpReceiver) -> None:
    stage.rules(replace(stage.plans.plan.rules, closing_codes=(ClosingCode("fixed"),)))
    _, token = told(stage)
    act(stage.slack(f"{web.url}/"), pressed("resolve", token, f"{web.url}/actions/1"))
    assert web.received(1)[0].json()["view"]["blocks"][2]["element"]["options"][0]["text"]["text"] == "fixed"
