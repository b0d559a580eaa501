"""Slack calls: whose signature counts, what is answered within seconds, and what after them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.time_limit import Patience
from shared.adapters.chat.response_url import SLACK, ResponseUrl
from shared.adapters.chat.slack_requests import SlackRequests
from shared.adapters.chat.slack_views import SlackViews
from shared.domain.chat_call import Answer, Call
from shared.domain.errors import DeliveryFailed, InvalidInput, SecretUnavailable, TooLarge, Unauthenticated
from shared.workflows.chat import SlackChat
from tests.builders import NOON, seconds
from tests.chats import (
    NOBODY,
    SALT,
    SIGNING,
    ChatStage,
    Plans,
    action,
    held,
    pressed,
    slack_signed,
    slash,
    texts,
)
from tests.receivers import HttpReceiver, Reply

OK = Reply(200, {"Content-Type": "application/json"}, b'{"ok": true}')
INSTANTLY = 0.0


@pytest.fixture
def stage(storage: str) -> Iterator[ChatStage]:
    with ChatStage(storage) as made:
        yield made


@pytest.fixture
def web() -> Iterator[HttpReceiver]:
    """Slack: its hooks and its Web API."""
    with HttpReceiver(OK) as receiver:
        yield receiver


def command(slack: SlackChat, line: str, **more: str) -> dict[str, Any]:
    body = slash(line, **more)
    return slack.command(slack_signed(body), body, SALT, NOON)


def act(slack: SlackChat, body: bytes) -> dict[str, Any]:
    return slack.action(slack_signed(body), body, NOON)


def hook(web: HttpReceiver) -> str:
    return f"{web.url}/"


def test_a_signed_command_is_answered_at_once(stage: ChatStage) -> None:
    incident = stage.fired()
    shown = command(stage.slack(), f"/incident ack {stage.start(incident)}")
    assert shown["response_type"] == "in_channel"
    assert "Ana has it." in texts(shown)
    assert stage.incident(incident.id).status == "acknowledged"
    listed = command(stage.slack(), "/incident list", trigger="2")
    assert listed["response_type"] == "ephemeral"
    assert incident.id in texts(listed)


@pytest.mark.parametrize(
    ("late", "taken"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)]
)
def test_a_signature_counts_for_five_minutes(stage: ChatStage, late: float, taken: bool) -> None:
    body = slash("/incident list")
    headers = slack_signed(body, NOON - seconds(late))
    if taken:
        assert stage.slack().command(headers, body, SALT, NOON)["response_type"] == "ephemeral"
        return
    with pytest.raises(Unauthenticated):
        stage.slack().command(headers, body, SALT, NOON)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": "v1=é"},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "now"},
        {"x-slack-request-timestamp": "1" * 40},
        {"x-slack-request-timestamp": "-1"},
        {"x-slack-request-timestamp": "١٧"},
    ],
)
def test_what_is_not_signed_is_nobodys(stage: ChatStage, headers: dict[str, str]) -> None:
    body = slash("/incident list")
    given = {**slack_signed(body), **headers} if headers else {}
    with pytest.raises(Unauthenticated):
        stage.slack().command(given, body, SALT, NOON)
    with pytest.raises(Unauthenticated):
        stage.slack().action(given, body, NOON)


def test_one_changed_byte_breaks_the_signature(stage: ChatStage) -> None:
    body = slash("/incident list")
    with pytest.raises(Unauthenticated):
        stage.slack().command(slack_signed(body), body + b"x", SALT, NOON)
    with pytest.raises(Unauthenticated):
        stage.slack().command(slack_signed(body, secret="another"), body, SALT, NOON)


def test_the_old_signing_secret_counts_while_it_is_rotated(stage: ChatStage) -> None:
    body = slash("/incident list")
    stage.settings["SECRET_SLACK_SIGNING"] = "the new one"
    old, new = slack_signed(body), slack_signed(body, secret="the new one")
    assert stage.slack().command(new, body, SALT, NOON)
    with pytest.raises(Unauthenticated):
        stage.slack().command(old, body, SALT, NOON)
    stage.settings["SECRET_SLACK_SIGNING__PREVIOUS"] = SIGNING
    assert stage.slack().command(old, body, SALT, NOON)


def test_a_plan_without_chat_is_commanded_by_nobody(stage: ChatStage) -> None:
    stage.chats(slack_signing_secret=None)
    with pytest.raises(Unauthenticated):
        command(stage.slack(), "/incident list")


def test_only_plans_whose_secret_signed_can_be_meant(stage: ChatStage) -> None:
    mine = stage.plans.plan
    theirs = replace(mine, name="theirs", chat=replace(mine.chat, slack_signing_secret="their-signing"))
    lost = replace(mine, name="lost", chat=replace(mine.chat, slack_signing_secret="not-there"))
    requests = SlackRequests(Plans(lost, mine, theirs), stage.secrets)
    body = slash("/incident list")
    stage.settings["SECRET_THEIR_SIGNING"] = "theirs"
    for secret, name in ((SIGNING, mine.name), ("theirs", "theirs")):
        call = requests.command(slack_signed(body, secret=secret), body, SALT, NOON)
        assert isinstance(call, Call)
        assert [plan.name for plan in call.caller.plans] == [name]
    with pytest.raises(SecretUnavailable):
        requests.command(slack_signed(body, secret="wrong"), body, SALT, NOON)


def test_an_empty_signing_secret_signs_nothing(stage: ChatStage) -> None:
    stage.settings["SECRET_SLACK_SIGNING"] = "   "
    body = slash("/incident list")
    with pytest.raises((Unauthenticated, SecretUnavailable)):
        stage.slack().command(slack_signed(body, secret=""), body, SALT, NOON)


def test_another_workspace_is_refused_where_the_plan_names_one(stage: ChatStage) -> None:
    stage.chats(slack_workspace="T0001")
    assert command(stage.slack(), "/incident list")
    assert act(stage.slack(), pressed("elsewhere", "x")) == {}
    stage.chats(slack_workspace="T0002")
    with pytest.raises(Unauthenticated):
        command(stage.slack(), "/incident list")
    with pytest.raises(Unauthenticated):
        act(stage.slack(), pressed("acknowledge", "x"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"text=list",
        b"user_id=U1",
        b"user_id=U1&command=",
        b"&" * 300 + b"a=1&" * 200,
        b"{}",
    ],
)
def test_a_signed_body_that_is_no_command_is_refused(stage: ChatStage, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        stage.slack().command(slack_signed(body), body, SALT, NOON)


@pytest.mark.parametrize(
    "body", [b"", b"payload=", b"payload=%7B", b"payload=[]", b"payload=" + b"[" * 50_000, b"\xff"]
)
def test_a_signed_body_that_is_no_action_is_refused(stage: ChatStage, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        stage.slack().action(slack_signed(body), body, NOON)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "block_actions"},
        {"type": "block_actions", "actions": 5},
        {"type": "block_actions", "actions": [5, {"action_id": ["acknowledge"]}, {"action_id": "open-x"}]},
        {"type": "view_submission", "view": 5},
        {"type": "view_submission", "view": {"callback_id": "another"}},
        {"type": "view_closed"},
        {"user": None, "team": "T", "type": "shortcut"},
    ],
)
def test_what_means_nothing_to_us_changes_nothing(stage: ChatStage, payload: dict[str, Any]) -> None:
    assert act(stage.slack(), action(payload)) == {}


def test_a_body_is_taken_up_to_its_limit(stage: ChatStage) -> None:
    filler = 64 * 1024 - len(slash("/incident help", pad=""))
    assert command(stage.slack(), "/incident help", pad="x" * filler)
    with pytest.raises(TooLarge):
        command(stage.slack(), "/incident help", pad="x" * (filler + 1))


def test_slack_may_try_whether_we_are_there(stage: ChatStage) -> None:
    body = b"ssl_check=1&token=x"
    assert stage.slack().command(slack_signed(body), body, SALT, NOON) == {}
    assert stage.slack().action(slack_signed(body), body, NOON) == {}


def test_a_retry_of_the_same_command_acts_once_and_is_answered_the_same(stage: ChatStage) -> None:
    body = slash('/incident create P1 "Checkout is slow"')
    slack = stage.slack()
    first = slack.command(slack_signed(body), body, SALT, NOON)
    again = slack.command(slack_signed(body, x_slack_retry_num="1"), body, "another salt", NOON)
    assert again == first
    assert texts(command(slack, "/incident list", trigger="2")).startswith("1 open")
    command(slack, '/incident create P1 "Checkout is slow"', trigger="3")
    assert texts(command(slack, "/incident list", trigger="4")).startswith("2 open")


def test_retries_at_the_same_moment_act_once(stage: ChatStage) -> None:
    incident = stage.fired()
    body = slash(f"/incident ack {incident.id}")
    slack = stage.slack()
    answers: list[str] = []

    def send() -> None:
        answers.append(json.dumps(slack.command(slack_signed(body), body, SALT, NOON)))

    with held(stage) as going_on:
        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        going_on.set()
        for thread in threads:
            thread.join()
    assert len(set(answers)) == 1
    assert stage.types(incident.id).count("acknowledged") == 1


def test_a_stranger_is_told_their_id_alone(stage: ChatStage) -> None:
    shown = command(stage.slack(), "/incident list", user=NOBODY)
    assert shown["response_type"] == "ephemeral"
    assert NOBODY in texts(shown)


def test_what_takes_longer_is_answered_later(stage: ChatStage, web: HttpReceiver) -> None:
    incident = stage.fired()
    slack = stage.slack(hook(web), INSTANTLY)
    with held(stage) as going_on:
        at_once = command(slack, f"/incident ack {incident.id}", response_url=f"{web.url}/commands/1")
        assert texts(at_once) == "Working on it…"
        assert at_once["response_type"] == "ephemeral"
        assert web.requests == []
        going_on.set()
        [late] = web.received(1)
    assert late.path == "/commands/1"
    assert late.json()["response_type"] == "in_channel"
    assert "Ana has it." in texts(late.json())
    assert late.json()["replace_original"] is False


def test_a_late_answer_is_tried_three_times_with_growing_pauses(web: HttpReceiver) -> None:
    pauses: list[float] = []
    url = ResponseUrl(HttpPost(patience=Patience(1, 2, 3)), hook(web), pauses.append)
    web.script([500, Reply(reset=True), 200])
    url.send(f"{web.url}/x", {"text": "a"}, NOON)
    assert pauses == [0.5, 1.0]
    web.script([Reply(429, {"Retry-After": "3"}), Reply(429, {"Retry-After": "900"}), 503])
    with pytest.raises(DeliveryFailed, match="answered 503"):
        url.send(f"{web.url}/x", {"text": "a"}, NOON)
    assert pauses[2:] == [3.0, 10.0]
    assert len(web.requests) == 6


def test_a_late_answer_that_slack_refuses_for_good_is_given_up(web: HttpReceiver) -> None:
    url = ResponseUrl(HttpPost(patience=Patience(1, 2, 3)), hook(web), lambda _: None)
    web.script([404])
    with pytest.raises(DeliveryFailed) as failure:
        url.send(f"{web.url}/commands/secret-part", {"text": "a"}, NOON)
    assert "secret-part" not in str(failure.value)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "reply_to",
    [
        "",
        "http://hooks.slack.com/x",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/x",
        "https://evil.example/https://hooks.slack.com/",
        "http://169.254.169.254/metadata",
    ],
)
def test_late_answers_go_to_slack_alone(reply_to: str) -> None:
    url = ResponseUrl(HttpPost(patience=Patience(1, 1, 1)), SLACK, lambda _: None)
    with pytest.raises(DeliveryFailed, match="does not lead to Slack"):
        url.send(reply_to, {}, NOON)


def test_a_fault_of_ours_after_the_answer_is_said_as_well(
    stage: ChatStage, web: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    going_on = threading.Event()

    def broken(call: Call, now: datetime) -> Answer:
        assert going_on.wait(30)
        raise KeyError(call.text, now)

    stage.commands.run = broken  # type: ignore[method-assign]
    shown = command(stage.slack(hook(web), INSTANTLY), "/incident list", response_url=f"{web.url}/1")
    assert texts(shown) == "Working on it…"
    going_on.set()
    [late] = web.received(1)
    assert "failed on our side" in texts(late.json())
    assert "a chat command failed" in caplog.text


def test_a_late_answer_that_goes_nowhere_stops_nothing(stage: ChatStage) -> None:
    with held(stage) as going_on:
        slack = stage.slack(seconds=INSTANTLY)
        assert command(slack, "/incident list", response_url="https://evil.example/")
        going_on.set()
    assert command(stage.slack(), "/incident list", trigger="2")


@pytest.mark.parametrize(
    "hostile",
    [
        "<!channel> <@U1> *b* _i_ `c`",
        "@channel @here",
        "&lt;!here&gt;",
        "\u202etxt.exe",
        "😀" * 200,
        "[DRILL] x",
    ],
)
def test_hostile_text_rings_nobody_and_is_no_markup(hostile: str) -> None:
    views = SlackViews(HttpPost(), ChatStageSecrets())
    shown = views.shown(Answer(hostile, (hostile * 50,), (("Incident", f"javascript:{hostile}"),)))
    sent = json.dumps(shown, ensure_ascii=False)
    assert "<!" not in sent
    assert "<@" not in sent
    assert "@channel" not in sent
    assert "@here" not in sent
    assert "\u202e" not in sent
    assert "javascript" not in sent
    assert all(block["text"]["type"] == "plain_text" for block in shown["blocks"])
    assert all(len(block["text"]["text"].encode("utf-16-le")) // 2 <= 3000 for block in shown["blocks"])


def test_a_long_text_is_cut_into_sections() -> None:
    shown = SlackViews(HttpPost(), ChatStageSecrets()).shown(
        Answer("t", ("\n".join(f"{nth} {'x' * 90}" for nth in range(100)), "y" * 9000), ())
    )
    assert 5 <= len(shown["blocks"]) <= 50
    assert "99 xxx" in texts(shown)


def test_what_was_typed_comes_through_slacks_escapes(stage: ChatStage) -> None:
    link = "<https://x.example/a|x.example/a>"
    command(stage.slack(), f"/incident create P1 5 &lt; 6 &amp;&amp; {link} <@U0RITA|rita>")
    assert "5 < 6 && x.example/a @U0RITA" in stage.say("/incident list").texts[0]


class ChatStageSecrets:
    """`ports.Secrets` that has none."""

    def get(self, name: str) -> str:
        raise SecretUnavailable(name)

    def recheck(self, name: str) -> None:
        """Nothing to check."""

    def forget(self, name: str) -> bool:  # noqa: ARG002
        """Nothing to forget."""
        return True

    def accepted(self, name: str) -> list[str]:
        raise SecretUnavailable(name)
