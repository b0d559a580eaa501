"""What the Slack app makes of a Slack that refuses, is busy, hangs or lies, and of a token that changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.slack_api import FINAL, REFUSED, SlackCalls
from shared.adapters.channels.slack_app import SlackAppChannel
from shared.domain.delivery import ATTEMPTS_BEFORE_NEXT
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.ports import Accepted
from tests.certificates import LoopbackAuthority
from tests.notifications import (
    HURRIED,
    NOON,
    RotatedSecrets,
    a_channel,
    assert_no_sender_is_left,
    failure_of,
    secrets_of,
    sent,
)
from tests.played_slack import FIRST, GOOD, ROOM, PlayedSlack, a_page, spec_at, told
from tests.receivers import HttpReceiver, Reply

UNFIT = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}
"""Reasons for which the message goes again without its blocks."""


@pytest.fixture
def slack() -> PlayedSlack:
    return PlayedSlack()


@pytest.fixture
def receiver(slack: PlayedSlack) -> Iterator[HttpReceiver]:
    with HttpReceiver(slack) as running:
        yield running


@pytest.fixture
def app() -> Iterator[SlackAppChannel]:
    http = HttpPost()
    yield SlackAppChannel(http)
    http.close()


PASSING = [
    *("accesslimited", "fatal_error", "internal_error", "message_limit_exceeded", "org_login_required"),
    *("rate_limited", "ratelimited", "request_timeout", "service_timeout", "service_unavailable"),
    *("team_added_to_org", "update_failed", "said_by_nobody_yet"),
]


@pytest.mark.parametrize("code", PASSING)
def test_what_passes_by_itself_is_tried_again(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, code: str
) -> None:
    slack.no["chat.postMessage"] = [code]
    failure = failure_of(lambda: told(app, receiver))
    assert (failure.permanent, failure.status) == (False, 200)
    assert code in str(failure)


@pytest.mark.parametrize("code", sorted(FINAL - REFUSED - UNFIT))
def test_what_slack_refuses_is_final_and_named(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, code: str
) -> None:
    slack.no["chat.postMessage"] = [code]
    failure = failure_of(lambda: told(app, receiver))
    assert failure.permanent
    assert str(failure) == f'the Slack API of channel "ops" (chat.postMessage): {code}'


@pytest.mark.parametrize("code", ["xoxb-good", "Not_Found", "a" * 61, "<b>", ""])
def test_a_reason_that_is_none_is_not_repeated_and_not_final(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, code: str
) -> None:
    slack.no["chat.postMessage"] = [code]
    failure = failure_of(lambda: told(app, receiver))
    assert not failure.permanent
    assert str(failure).endswith("(chat.postMessage): refused")


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b"null", b'{"ok": true', b"[" * 60_000, b"\xff"])
def test_what_is_no_answer_of_slack_s_is_tried_again(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, body: bytes
) -> None:
    slack.no["chat.postMessage"] = [Reply(200, {}, body)]
    assert not failure_of(lambda: told(app, receiver)).permanent


def test_an_answer_longer_than_usual_is_read_to_its_end(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    long = json.dumps({"message": {"text": "é" * 100_000}, "ok": True, "channel": ROOM, "ts": "1.5"})
    slack.no["chat.postMessage"] = [Reply(200, {}, long.encode())]
    assert told(app, receiver) == Accepted(200, "C0OPS:1.5")


def test_an_id_that_is_not_fit_to_keep_is_not_kept(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.no["chat.postMessage"] = [Reply(200, {}, b'{"ok": true, "channel": "C 1", "ts": 7}')]
    assert told(app, receiver) == Accepted(200, None)


def test_a_busy_slack_says_when_to_come_again(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.no["chat.postMessage"] = [Reply(429, {"Retry-After": "30"}, b'{"ok":false,"error":"ratelimited"}')]
    failure = failure_of(lambda: told(app, receiver))
    assert (failure.permanent, failure.status, failure.retry_after) == (False, 429, 30.0)


@pytest.mark.parametrize(
    ("reply", "permanent"),
    [(Reply(500), False), (Reply(503), False), (Reply(reset=True), False), (Reply(400), True)],
)
def test_a_slack_that_is_broken_is_tried_again(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, reply: Reply, permanent: bool
) -> None:
    slack.no["chat.postMessage"] = [reply]
    assert failure_of(lambda: told(app, receiver)).permanent is permanent


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    with HttpReceiver() as elsewhere:
        for status in (301, 302, 307, 308):
            slack.no["chat.postMessage"] = [Reply(status, {"Location": elsewhere.url})]
            assert failure_of(lambda: told(app, receiver)).permanent
        assert elsewhere.requests == []


def test_a_slow_slack_is_left_in_time_and_the_calls_of_one_send_share_the_limit(slack: PlayedSlack) -> None:
    http = HttpPost(patience=HURRIED)
    with HttpReceiver(slack) as receiver:
        slack.no["chat.postMessage"] = [Reply(200, {}, b"{", drip=True)]
        slack.no["chat.update"] = [Reply(after=60)]
        assert not failure_of(lambda: told(SlackAppChannel(http), receiver, a_page())).permanent
        slack.messages[FIRST] = {}
        assert told(SlackAppChannel(http), receiver, a_page(first_id=FIRST)).provider_id is not None
        assert_no_sender_is_left()
    http.close()


def test_a_wrong_certificate_is_not_spoken_to(
    app: SlackAppChannel, tmp_path: Path, slack: PlayedSlack
) -> None:
    authority = LoopbackAuthority(tmp_path)
    trusting = HttpPost(authority.bundle)
    with HttpReceiver(slack, tls=authority.server) as receiver:
        failure = failure_of(lambda: told(app, receiver))
        assert not failure.permanent
        assert slack.calls == []
        assert told(SlackAppChannel(trusting), receiver).provider_id == FIRST
        trusting.close()


def test_plain_http_leaves_this_machine_to_nobody(app: SlackAppChannel) -> None:
    spec = a_channel("slack-app", url="http://slack.example.com/api", secret="slack-bot")
    assert failure_of(lambda: sent(app, spec, secrets_of(slack_bot="xoxb-good"), to=ROOM)).permanent


@pytest.mark.parametrize("token", ["two words", "line\r\nX-Evil: 1", "tök", "x" * 1_001])
def test_a_secret_that_is_no_token_is_not_sent_and_not_repeated(
    app: SlackAppChannel, receiver: HttpReceiver, token: str
) -> None:
    failure = failure_of(lambda: told(app, receiver, secrets=secrets_of(slack_bot=token)))
    assert failure.permanent
    assert str(failure) == 'secret "slack-bot" is not a token'
    assert receiver.requests == []


def test_what_the_plan_lacks_is_named(app: SlackAppChannel, receiver: HttpReceiver) -> None:
    unnamed = a_channel("slack-app", url=receiver.url)
    assert "names no secret" in str(failure_of(lambda: sent(app, unnamed, secrets_of(), to=ROOM)))
    with pytest.raises(SecretUnavailable, match="slack-bot"):
        told(app, receiver, secrets=secrets_of(other="x"))


@pytest.mark.parametrize("code", sorted(REFUSED))
def test_a_token_that_was_rotated_is_read_again(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, code: str
) -> None:
    slack.no["chat.postMessage"] = [code]
    same = failure_of(lambda: told(app, receiver, secrets=RotatedSecrets("xoxb-good", "xoxb-good")))
    assert (same.permanent, same.status) == (True, 401)
    slack.token = "xoxb-new"
    secrets = RotatedSecrets("xoxb-old", "xoxb-new")
    assert not failure_of(lambda: told(app, receiver, secrets=secrets)).permanent
    assert told(app, receiver, secrets=secrets) == Accepted(200, FIRST)


def test_a_token_that_changes_in_the_middle_of_a_storm_loses_no_message(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, caplog: pytest.LogCaptureFixture
) -> None:
    slack.token, slack.rotation = "xoxb-old", (7, "xoxb-new")
    secrets, failures = RotatedSecrets("xoxb-old", "xoxb-new"), list[DeliveryFailed]()

    def delivered(n: int) -> str | None:
        message = a_page(incident=f"INC-8Q2XK4ZR-{n}")
        for _ in range(ATTEMPTS_BEFORE_NEXT):
            try:
                return told(app, receiver, message, secrets=secrets).provider_id
            except DeliveryFailed as failure:
                failures.append(failure)
        return None

    with caplog.at_level(logging.DEBUG), ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(delivered, range(20)))
    assert len(slack.messages) == len(set(ids)) == 20
    assert None not in ids
    assert failures
    assert not [failure for failure in failures if failure.permanent or "xoxb" in repr(failure)]
    assert "xoxb" not in caplog.text


def test_no_call_is_begun_once_the_time_of_the_send_is_over(
    receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    calls = SlackCalls(HttpPost(), spec_at(receiver), GOOD, NOON, seconds=0.0)
    failure = failure_of(lambda: calls.write("chat.postMessage", {}))
    assert (failure.permanent, str(failure)) == (
        False,
        'the Slack API of channel "ops" (chat.postMessage): no time left',
    )
    assert slack.calls == []
    assert calls.left <= 0
