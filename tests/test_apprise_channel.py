"""Apprise URLs: what goes out, to whom it never goes, and that nothing of the URL is told."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args
from urllib.parse import unquote_plus

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.channels.apprise_url import AppriseChannel
from shared.adapters.channels.time_limit import USUAL, Patience
from shared.adapters.channels.wording import ANSWER
from shared.domain.delivery import Answering, Kind, Message
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.ports import Accepted
from tests.certificates import LoopbackAuthority
from tests.mail_receivers import LineReceiver
from tests.notifications import (
    CONTROLS,
    HURRIED,
    SHORT_READS,
    RotatedSecrets,
    a_channel,
    a_hostile_message,
    a_message,
    assert_no_sender_is_left,
    failure_of,
    in_words,
    secrets_of,
    sent,
)
from tests.receivers import HttpReceiver, Reply

SPEC = a_channel("apprise", secret="elsewhere")
ANSWERING = Answering("t.s", "https://tocsin.example.com/a/t.s", "https://tocsin.example.com/p")


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def channel() -> Iterator[AppriseChannel]:
    opened = AppriseChannel()
    yield opened
    opened.close()


def to_json(receiver: HttpReceiver, rest: str = "/tell-tale") -> str:
    """An apprise URL by which the receiver gets JSON."""
    return receiver.url.replace("http", "json", 1) + rest


def notified(channel: AppriseChannel, url: str, message: Message | None = None) -> Accepted:
    return sent(channel, SPEC, secrets_of(elsewhere=url), message)


def failed(url: str, patience: Patience = USUAL, certificates: str | None = None) -> DeliveryFailed:
    """How a notification fails; its error tells nothing of the URL."""
    channel = AppriseChannel(certificates, patience)
    failure = failure_of(lambda: notified(channel, url))
    channel.close()
    assert 'secret "elsewhere"' in str(failure)
    assert "tell-tale" not in f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"
    return failure


def test_a_service_gets_headline_links_facts_and_words(
    receiver: HttpReceiver, channel: AppriseChannel
) -> None:
    accepted = notified(channel, to_json(receiver), a_message(answering=ANSWERING))
    (request,) = receiver.requests
    stated = request.json()
    assert accepted == Accepted(200, None)
    assert (request.method, request.path) == ("POST", "/tell-tale")
    assert (stated["title"], stated["type"]) == ("[SEV1] Checkout is slow", "failure")
    lines = stated["message"].splitlines()
    assert lines[:3] == ["escalation step 2 of 3", "", f"{ANSWER}: {ANSWERING.page}"]
    assert "Open incident: https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1" in lines
    assert "Status: open" in lines
    assert lines[-1] == "p95 above 2 s"


@pytest.mark.parametrize(
    "url",
    [
        "xml://{host}/x",
        "form://{host}/x",
        "ntfy://{host}/topic",
        "gotify://{host}/abcdefghijklmno",
        "mmost://{host}/abcdefghijklmnopqrstuvwx",
        "rocket://me:secret@{host}/room",
        "apprise://{host}/token",
        "signal://{host}/+4930901820/+4930901821",
        "hassio://{host}/abcdefghijkl",
    ],
)
def test_services_that_people_run_themselves_take_it(
    receiver: HttpReceiver, channel: AppriseChannel, url: str
) -> None:
    login = {"status": "success", "data": {"authToken": "t", "userId": "u"}, "success": True}
    receiver.otherwise = Reply(200, {"Content-Type": "application/json"}, json.dumps(login).encode())
    assert notified(channel, url.format(host=receiver.url.removeprefix("http://"))) == Accepted(200)
    said = unquote_plus("\n".join(request.body.decode() for request in receiver.requests))
    assert "Checkout is slow" in said
    assert "escalation step 2 of 3" in said
    assert "//tocsin.example.com/incidents/INC-8Q2XK4ZR-1" in said


def test_a_service_that_reads_markdown_gets_links_that_lead_somewhere_and_nothing_else(
    receiver: HttpReceiver, channel: AppriseChannel
) -> None:
    login = {"status": "success", "data": {"authToken": "t", "userId": "u"}, "success": True}
    receiver.otherwise = Reply(200, {"Content-Type": "application/json"}, json.dumps(login).encode())
    message = replace(a_hostile_message(), answering=ANSWERING)
    notified(channel, receiver.url.replace("http://", "rocket://me:secret@") + "/room", message)
    text = receiver.requests[1].json()["text"]
    assert text.startswith("# \\[")
    assert re.findall(r"(?<!\\)\]\(([^)]*)\)", text) == [ANSWERING.page, message.incident_url]
    assert not re.findall(r"(?<!\\)<|(?<!\\)\*", text)


def test_the_kind_of_news_is_told_where_the_service_can_show_it(
    receiver: HttpReceiver, channel: AppriseChannel
) -> None:
    kinds: tuple[Kind, ...] = get_args(Kind)
    for kind in kinds:
        notified(channel, to_json(receiver), a_message(kind=kind))
    shown = {kind: request.json()["type"] for kind, request in zip(kinds, receiver.requests, strict=True)}
    assert {kind for kind in kinds if shown[kind] == "failure"} == {"escalation", "manual", "alarm"}
    assert {kind for kind in kinds if shown[kind] == "success"} == {"resolved", "cleared"}
    assert {kind for kind in kinds if shown[kind] == "warning"} == {"reminder", "role", "still-open"}


def test_the_plan_s_words_and_the_mark_of_a_drill_come_through(
    receiver: HttpReceiver, channel: AppriseChannel
) -> None:
    notified(channel, to_json(receiver), in_words("We look into it.", "Trouble", drill="first-friday"))
    stated = receiver.requests[0].json()
    assert stated["title"] == "[DRILL] Trouble"
    assert stated["message"].endswith("We look into it.")


def test_hostile_text_is_neither_mention_nor_link_nor_element_to_any_service(
    receiver: HttpReceiver, channel: AppriseChannel
) -> None:
    notified(channel, to_json(receiver), a_hostile_message())
    stated = receiver.requests[0].json()
    text = stated["title"] + stated["message"]
    assert not CONTROLS.search(text.replace("\r\n", "\n"))
    assert not [mark for mark in ("<script", "<!channel", "@here", "<https", "](") if mark in text]
    assert "evil.example|bank" in text
    assert len(stated["title"]) <= 230
    assert len(stated["message"]) <= 5_000
    assert "javascript" not in stated["message"].partition("Incident:")[0].partition("\n\n")[2]


@pytest.mark.parametrize(
    ("reply", "permanent", "status", "wish"),
    [
        (Reply(429, {"Retry-After": "42"}), False, 429, 42.0),
        (Reply(503), False, 503, None),
        (Reply(500), False, 500, None),
        (Reply(400), True, 400, None),
        (Reply(401), True, 401, None),
        (Reply(404, {}, b"tell-tale"), True, 404, None),
        (Reply(reset=True), False, None, None),
    ],
)
def test_what_the_service_answered_decides_whether_to_try_again(
    receiver: HttpReceiver, reply: Reply, permanent: bool, status: int | None, wish: float | None
) -> None:
    receiver.script([reply])
    failure = failed(to_json(receiver, "/tell-tale?retry=5&wait=0.1"))
    assert (failure.permanent, failure.status, failure.retry_after) == (permanent, status, wish)
    assert len(receiver.requests) == 1


def test_what_apprise_takes_for_a_failure_is_one_and_tried_again(receiver: HttpReceiver) -> None:
    receiver.script([204])
    failure = failed(receiver.url.replace("http", "gotify", 1) + "/tell-tale-token")
    assert (failure.permanent, failure.status) == (False, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("asked", ["", "?redirect=yes"])
def test_a_redirect_is_not_followed_even_where_the_url_asks_for_it(
    receiver: HttpReceiver, status: int, asked: str
) -> None:
    with HttpReceiver() as elsewhere:
        receiver.script([Reply(status, {"Location": f"{elsewhere.url}/private"})])
        failure = failed(to_json(receiver, f"/tell-tale{asked}"))
        assert elsewhere.connections == 0
    assert (failure.permanent, failure.status) == (True, status)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "json://tell-tale.example/x",
        "json://10.0.0.1/tell-tale",
        "xml://10.0.0.1/tell-tale",
        "form://169.254.169.254/tell-tale",
        "form://127.tell-tale.example/x",
        "ntfy://tell-tale.example/topic",
        "gotify://tell-tale.example/tokentokentoken",
        "mmost://tell-tale.example/abcdefghijklmnopqrstuvwx",
        "apprise://tell-tale.example/token",
        "rocket://user:tell-tale@host.example/room",
    ],
)
def test_plain_http_goes_to_this_machine_alone(url: str) -> None:
    failure = failed(url)
    assert failure.permanent
    assert "plain http" in str(failure)


@pytest.mark.parametrize(
    "url",
    [
        "file:///tmp/tell-tale",
        "dbus://",
        "qt://",
        "kde://",
        "glib://",
        "gnome://",
        "macosx://",
        "windows://",
        "syslog://",
        "rsyslog://tell-tale.example",
        "mailto://user:tell-tale@localhost",
        "mailtos://user:tell-tale@mail.example.com",
        "blink1://",
        "growl://tell-tale.example",
        "irc://tell-tale.example/x",
        "ircs://tell-tale.example/x",
        "mqtts://tell-tale.example/topic",
        "amqps://tell-tale.example/topic",
        "xmpps://user:tell-tale@host.example",
        "smpps://user:tell-tale@host.example/+4930901820/+4930901821",
        "deltachats://user:tell-tale@host.example/ada@example.org",
        "nostr://tell-tale",
        "fcm://project@apikey/+4930901820?keyfile=/etc/tell-tale",
        "vapid://ada@example.org/ada@example.org?keyfile=/etc/tell-tale",
        "tgram://123456789:abcdefg_hijklmnop/12315544?template=/etc/tell-tale",
        "ntfys://ntfy.example.com/topic?attach=file:///etc/tell-tale",
        "config://tell-tale.example",
        "https://tell-tale.example/x",
        "http://127.0.0.1/tell-tale",
        "tell-tale",
        "tell-tale://",
        "json://",
        "json://[::1/tell-tale",
        "jsons://tell-tale.example:99999",
        "tgram://tell-tale",
        "jsons://a..tell-tale.example/x",
        "json://user:pass@:tell-tale",
        "json:///tell-tale,json://127.0.0.1/x",
    ],
)
def test_what_acts_here_reads_files_or_is_no_url_is_refused_for_good_and_not_repeated(url: str) -> None:
    assert failed(url).permanent


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40) | st.text(max_size=40).map(lambda text: f"tgram://{text}"))
def test_no_text_at_all_makes_something_else_of_a_send(text: str) -> None:
    from shared.adapters.channels.apprise_http import guard_apprise
    from shared.adapters.channels.apprise_url import _plugin

    guard_apprise()
    with suppress(DeliveryFailed):
        _plugin(text, "it")


def test_a_service_that_hangs_or_drips_is_left_in_time(receiver: HttpReceiver) -> None:
    receiver.script([Reply(after=60), Reply(200, drip_head=True), Reply(200, {}, b"{", drip=True)])
    failures = [failed(to_json(receiver), patience) for patience in (SHORT_READS, HURRIED, HURRIED)]
    with LineReceiver(b"HTTP/1.1 100 Continue\r\n\r\n") as endless:
        failures.append(failed(f"json://127.0.0.1:{endless.port}/tell-tale?rto=99&cto=99", HURRIED))
        assert_no_sender_is_left()
    assert [(each.permanent, each.status) for each in failures] == [(False, None)] * 4


def test_an_answer_without_end_is_read_no_further_than_needed(
    receiver: HttpReceiver, channel: AppriseChannel
) -> None:
    receiver.script([Reply(200, {}, b" " * 10_000_000)])
    assert [notified(channel, to_json(receiver)) for _ in range(2)] == [Accepted(200)] * 2


def test_a_service_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    assert not failed(f"json://127.0.0.1:{port}/tell-tale").permanent


def test_it_goes_out_encrypted_to_the_right_certificate_alone(tmp_path: Path) -> None:
    authority = LoopbackAuthority(tmp_path)
    trusting = AppriseChannel(authority.bundle)
    with HttpReceiver(tls=authority.server) as receiver:
        assert "TLS" in str(failed(to_json(receiver)))
        assert "TLS" in str(failed(to_json(receiver, "/tell-tale?verify=no")))
        assert receiver.requests == []
        assert notified(trusting, to_json(receiver)) == Accepted(200)
    trusting.close()


def test_proxies_of_the_environment_get_nothing(
    receiver: HttpReceiver, channel: AppriseChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert notified(channel, to_json(receiver)) == Accepted(200)
        assert proxy.connections == 0


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_url_that_was_rotated_is_fetched_anew(
    receiver: HttpReceiver, channel: AppriseChannel, status: int
) -> None:
    receiver.script([status])
    secrets = RotatedSecrets(to_json(receiver, "/old"), to_json(receiver, "/new"))
    failure = failure_of(lambda: sent(channel, SPEC, secrets))
    assert (failure.permanent, failure.status) == (False, status)
    assert sent(channel, SPEC, secrets) == Accepted(200)
    assert [request.path for request in receiver.requests] == ["/old", "/new"]


def test_what_the_plan_or_the_vault_lacks_is_told(channel: AppriseChannel) -> None:
    assert failure_of(lambda: sent(channel, a_channel("apprise"), secrets_of())).permanent
    with pytest.raises(SecretUnavailable, match="SECRET_ELSEWHERE"):
        sent(channel, SPEC, secrets_of())


def test_sends_at_the_same_time_do_not_meet() -> None:
    channel = AppriseChannel()
    with HttpReceiver() as good, HttpReceiver(503) as bad, ThreadPoolExecutor(8) as threads:
        urls = [to_json(each) for each in (good, bad) for _ in range(8)]

        def outcome(url: str) -> int | None:
            try:
                return notified(channel, url).status
            except DeliveryFailed as failure:
                return failure.status

        assert list(threads.map(outcome, urls)) == [200] * 8 + [503] * 8
        assert (len(good.requests), len(bad.requests)) == (8, 8)
    channel.close()


def test_outside_of_apprise_nothing_is_guarded_or_silenced(
    receiver: HttpReceiver, channel: AppriseChannel, caplog: pytest.LogCaptureFixture
) -> None:
    notified(channel, to_json(receiver))
    with caplog.at_level(logging.DEBUG):
        assert requests.get(receiver.url, timeout=5).text == "ok"
    assert "GET / HTTP/1.1" in caplog.text


def test_no_line_of_any_log_tells_of_the_url_or_the_words(
    receiver: HttpReceiver, channel: AppriseChannel, caplog: pytest.LogCaptureFixture
) -> None:
    url = to_json(receiver, "/tell-tale-path?+X-Token=tell-tale-header&:more=tell-tale-more")
    message = a_message(title="the tell-tale title", answering=ANSWERING)
    with caplog.at_level(logging.DEBUG):
        notified(channel, url, message)
        receiver.script([401, Reply(reset=True), 302])
        for _ in range(3):
            failed(url)
        failed("tgram://tell-tale")
        failed("syslog://tell-tale")
    assert receiver.requests[0].headers["x-token"] == "tell-tale-header"
    lines = [caplog.text, *(str(vars(record)) for record in caplog.records)]
    port = receiver.url.rpartition(":")[2]
    assert not [word for word in ("tell-tale", ANSWERING.token, port) for line in lines if word in line]


def test_neither_apprise_nor_an_sdk_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, shared.adapters.channels.apprise_url, shared.adapters.channels.acs_sms, "
        "shared.adapters.channels.acs_email\n"
        "print([name for name in ('apprise', 'requests', 'azure.communication', 'azure.core', 'msrest', "
        "'email.message') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
