"""What channels make of providers that refuse, hang, lie or are not there: no send hangs, no secret leaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.channels.email import EmailChannel
from shared.adapters.channels.http_post import HttpPost, address, retry_after
from shared.adapters.channels.slack import SlackChannel
from shared.adapters.channels.smtp_post import mail_server
from shared.adapters.channels.teams import TeamsChannel
from shared.adapters.channels.time_limit import USUAL, OutOfTime, Patience, time_limit, within
from shared.adapters.channels.webhook import WebhookChannel
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Channel
from tests.certificates import LoopbackAuthority
from tests.mail_receivers import LineReceiver
from tests.notifications import (
    HURRIED,
    MAIL,
    NOON,
    SHORT_READS,
    RotatedSecrets,
    a_channel,
    assert_no_sender_is_left,
    failure_of,
    secrets_of,
    sent,
)
from tests.receivers import HttpReceiver, Reply


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def webhook_failure(receiver: HttpReceiver, reply: Reply | int, patience: Patience = USUAL) -> DeliveryFailed:
    http = HttpPost(patience=patience)
    receiver.script([reply])
    spec = a_channel("webhook", url_secret="hook-url")
    failure = failure_of(
        lambda: sent(WebhookChannel(http), spec, secrets_of(hook_url=receiver.url + "/tell-tale"))
    )
    http.close()
    assert 'secret "hook-url"' in str(failure)
    assert "tell-tale" not in f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"
    return failure


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_a_provider_that_is_busy_or_broken_is_tried_again(receiver: HttpReceiver, status: int) -> None:
    failure = webhook_failure(receiver, status)
    assert (failure.permanent, failure.status, failure.retry_after) == (False, status, None)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 409, 410, 413, 422, 451])
def test_a_provider_that_refuses_is_not_tried_again(receiver: HttpReceiver, status: int) -> None:
    failure = webhook_failure(receiver, Reply(status, {"Retry-After": "60"}, b""))
    assert (failure.permanent, failure.status, failure.retry_after) == (True, status, None)


def test_a_redirect_is_not_followed(receiver: HttpReceiver) -> None:
    for status in (301, 302, 307, 308):
        assert webhook_failure(receiver, Reply(status, {"Location": receiver.url + "/elsewhere"})).permanent
    assert {request.path for request in receiver.requests} == {"/tell-tale"}


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("86401", 86_400.0),
        ("999999999", 86_400.0),
        (format_datetime(NOON.replace(minute=2), usegmt=True), 120.0),
        ("Sat, 21 Nov 2026 11:59:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
        ("Sat, 21 Nov 2026 13:01:00 +0100", 60.0),
        ("-5", None),
        ("1.5", None),
        ("9" * 400, None),
        ("soon", None),
        ("Sat, 99 Nov 2026 11:59:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_a_provider_s_wish_when_to_be_asked_again_is_understood(
    wish: str | None, seconds: float | None
) -> None:
    assert retry_after(wish, NOON) == seconds


def test_a_provider_s_wish_is_handed_on(receiver: HttpReceiver) -> None:
    failure = webhook_failure(receiver, Reply(429, {"Retry-After": "Sat, 21 Nov 2026 12:00:45 GMT"}))
    assert failure.retry_after == 45.0


def test_a_reset_connection_is_tried_again(receiver: HttpReceiver) -> None:
    failure = webhook_failure(receiver, Reply(reset=True))
    assert (failure.permanent, failure.status) == (False, None)


def test_a_provider_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    spec = a_channel("webhook", url=f"http://127.0.0.1:{port}")
    failure = failure_of(lambda: sent(WebhookChannel(HttpPost()), spec, secrets_of()))
    assert not failure.permanent
    assert str(failure) == 'the url of channel "ops": the connection failed'


def test_a_provider_that_does_not_answer_is_left_after_the_read_timeout(receiver: HttpReceiver) -> None:
    failure = webhook_failure(receiver, Reply(after=60), SHORT_READS)
    assert not failure.permanent
    assert "in time" in str(failure)


@pytest.mark.parametrize(
    "piece",
    [b"x", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["a status line without end", "100 Continue for ever"],
)
def test_a_provider_that_never_gets_to_its_status_is_cut_off(piece: bytes) -> None:
    with LineReceiver(piece) as endless:
        spec = a_channel("webhook", url=f"http://127.0.0.1:{endless.port}")
        failure = failure_of(lambda: sent(WebhookChannel(HttpPost(patience=HURRIED)), spec, secrets_of()))
        assert_no_sender_is_left()
    assert str(failure) == 'the url of channel "ops": no answer in time'
    assert not failure.permanent


def test_headers_that_drip_are_cut_off(receiver: HttpReceiver) -> None:
    assert not webhook_failure(receiver, Reply(drip_head=True), HURRIED).permanent
    assert_no_sender_is_left()


def test_tls_that_never_shakes_hands_is_left() -> None:
    with LineReceiver(b"") as silent:
        spec = a_channel("webhook", url=f"https://127.0.0.1:{silent.port}")
        failure = failure_of(lambda: sent(WebhookChannel(HttpPost(patience=HURRIED)), spec, secrets_of()))
        assert_no_sender_is_left()
    assert not failure.permanent


def test_once_the_status_came_a_body_that_drips_changes_nothing(receiver: HttpReceiver) -> None:
    http = HttpPost(patience=HURRIED)
    receiver.script([Reply(202, {"X-Request-Id": "r-1"}, b"{", drip=True), Reply(503, drip=True)])
    spec = a_channel("webhook", url=receiver.url)
    assert sent(WebhookChannel(http), spec, secrets_of()) == Accepted(202, "r-1")
    assert failure_of(lambda: sent(WebhookChannel(http), spec, secrets_of())).status == 503
    assert_no_sender_is_left()


def test_an_answer_without_end_is_read_no_further_than_needed(receiver: HttpReceiver) -> None:
    http = HttpPost()
    receiver.script(
        [Reply(200, {}, b" " * 10_000_000), Reply(200, {"Content-Encoding": "gzip"}, b"not gzip")]
    )
    spec = a_channel("webhook", url=receiver.url)
    for _ in range(2):
        assert sent(WebhookChannel(http), spec, secrets_of()) == Accepted(200)
    http.close()


def test_after_a_cut_the_next_post_is_made_on_a_connection_of_its_own(receiver: HttpReceiver) -> None:
    http = HttpPost(patience=HURRIED)
    receiver.script([Reply(after=60)])
    spec = a_channel("webhook", url=receiver.url)
    assert failure_of(lambda: sent(WebhookChannel(http), spec, secrets_of())).status is None
    assert sent(WebhookChannel(http), spec, secrets_of()) == Accepted(200)
    http.close()


def test_an_untrusted_certificate_ends_the_send(tmp_path: Path) -> None:
    with HttpReceiver(tls=LoopbackAuthority(tmp_path).server) as receiver:
        failure = webhook_failure(receiver, 200)
        assert receiver.requests == []
    assert "TLS" in str(failure)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com/x",
        "ftp://example.com/tell-tale",
        "file:///etc/passwd",
        "https://",
        "https:///tell-tale",
        "https://[::1/tell-tale",
        "https://example.com:99999/tell-tale",
        "https://example.com:port/tell-tale",
        "http://example.com/tell-tale",
        "http://127.0.0.1.example.com/tell-tale",
        "http://10.0.0.1/tell-tale",
        "https://*.example.com/tell-tale",
        f"https://{'a' * 64}.example.com/tell-tale",
        "https://a..example.com/tell-tale",
        "\x00",
    ],
)
@pytest.mark.parametrize("channel", [SlackChannel, TeamsChannel])
def test_a_secret_that_is_no_usable_url_fails_for_good_and_is_not_repeated(
    channel: Callable[[HttpPost], Channel], url: str
) -> None:
    spec = a_channel("slack", secret="slack-ops")
    secrets = RotatedSecrets(url, url)
    failure = failure_of(lambda: sent(channel(HttpPost()), spec, secrets))
    assert failure.permanent
    assert 'secret "slack-ops"' in str(failure)
    assert "example.com" not in str(failure)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60).map(lambda text: f"http://localhost{text}") | st.text(max_size=60))
def test_no_text_at_all_makes_a_url_that_raises_something_else(url: str) -> None:
    with suppress(DeliveryFailed):
        address(url, "it")
    with suppress(DeliveryFailed):
        mail_server(url, "it")


@pytest.mark.parametrize(
    ("channel", "spec", "to"),
    [
        (WebhookChannel(HttpPost()), a_channel("webhook"), None),
        (SlackChannel(HttpPost()), a_channel("slack"), None),
        (TeamsChannel(HttpPost()), a_channel("teams"), None),
        (EmailChannel(), a_channel("email", **MAIL), "ada@example.org"),
        (EmailChannel(), a_channel("email", secret="smtp"), "ada@example.org"),
        (EmailChannel(), a_channel("email", secret="smtp", **MAIL), None),
    ],
)
def test_what_a_channel_lacks_in_the_plan_fails_for_good(
    channel: Channel, spec: ChannelSpec, to: str | None
) -> None:
    failure = failure_of(lambda: sent(channel, spec, secrets_of(smtp="smtp://localhost"), to=to))
    assert failure.permanent
    assert "channel" in str(failure)


@pytest.mark.parametrize("channel", [WebhookChannel(HttpPost()), SlackChannel(HttpPost()), EmailChannel()])
def test_a_secret_that_is_not_there_is_told_as_such(channel: Channel) -> None:
    spec = a_channel(channel.kind, url="https://example.com", secret="slack-ops", **MAIL)
    with pytest.raises(SecretUnavailable, match=r"slack-ops.*SECRET_SLACK_OPS"):
        sent(channel, spec, secrets_of(), to="ada@example.org")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_of_a_secret_that_was_rotated_is_not_final(receiver: HttpReceiver, status: int) -> None:
    receiver.script([status])
    http = HttpPost()
    secrets = RotatedSecrets(receiver.url + "/old", receiver.url + "/new")
    spec = a_channel("slack", secret="slack-ops")
    failure = failure_of(lambda: sent(SlackChannel(http), spec, secrets))
    assert (failure.permanent, failure.status) == (False, status)
    assert sent(SlackChannel(http), spec, secrets) == Accepted(200)
    assert [request.path for request in receiver.requests] == ["/old", "/new"]
    http.close()


@pytest.mark.parametrize(("new", "final"), [("unchanged", True), (None, False)], ids=["the same", "silence"])
def test_a_refusal_is_final_only_where_the_vault_says_that_the_value_is_current(
    new: str | None, final: bool
) -> None:
    def refused(_value: str) -> Accepted:
        raise DeliveryFailed("answered 403", permanent=True, status=403)

    failure = failure_of(lambda: with_current_secret(RotatedSecrets("unchanged", new), "slack-ops", refused))
    assert (failure.permanent, failure.status) == (final, 403)


def test_the_limits_leave_time_for_fetching_secrets_within_the_port_s_30_seconds() -> None:
    from shared.adapters.key_vault import WAIT_SECONDS

    assert USUAL.connect + USUAL.read <= USUAL.whole
    assert USUAL.whole + 4 * WAIT_SECONDS < 30


def test_work_that_is_over_time_is_left_and_finds_its_sockets_dead() -> None:
    go_on, found = threading.Event(), list[bytes]()
    near, far = socket.socketpair()

    def slow() -> None:
        assert go_on.wait(5)
        time_limit().watch(near)
        found.append(near.recv(1))

    with near, far:
        with pytest.raises(OutOfTime):
            within(0.05, slow)
        go_on.set()
        assert_no_sender_is_left()
    assert found == [b""]
