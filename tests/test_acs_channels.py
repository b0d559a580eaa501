"""SMS and mails by Azure Communication Services, to a server that checks signatures as the service does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from shared.adapters.channels.acs_email import AcsEmailChannel
from shared.adapters.channels.acs_sms import AcsSmsChannel
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.time_limit import USUAL, Patience
from shared.domain.delivery import Answering, Message
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Channel, Secrets
from tests.certificates import LoopbackAuthority
from tests.mail_receivers import LineReceiver
from tests.notifications import (
    CONTROLS,
    HURRIED,
    NOON,
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
from tests.receivers import HttpReceiver, Reply, Request

ACCESS_KEY = base64.b64encode(b"the tell-tale access key of acme").decode()
OLD_KEY = base64.b64encode(b"the tell-tale key before that one").decode()
NUMBER, SENDER = "+4930901820", "+18005550100"
ANSWERING = Answering(
    "token.signed", "https://tocsin.example.com/a/token.signed", "https://tocsin.example.com/p"
)
SMS = a_channel("acs-sms", secret="acs", **{"from": SENDER})
MAIL = a_channel("acs-email", secret="acs", **{"from": "alarm@example.com"})


def is_signed(request: Request, key: str) -> bool:
    """Whether the request proves that its sender knows the key, as the service finds out."""
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    stated = request.headers
    text = f"POST\n{request.path}\n{stated['x-ms-date']};{stated['host']};{digest}"
    signature = base64.b64encode(
        hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    ).decode()
    wanted = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
    return stated["x-ms-content-sha256"] == digest and hmac.compare_digest(stated["authorization"], wanted)


def taken(request: Request) -> Reply:
    """What the service answers where all is well."""
    if urlsplit(request.path).path == "/sms":
        return sms_result(successful=True, httpStatusCode=202, messageId="Outgoing_2026_1")
    told = {"id": request.headers["operation-id"], "status": "Running"}
    headers = {
        "Content-Type": "application/json",
        "Operation-Location": "http://10.0.0.1/elsewhere",
        "Retry-After": "30",
    }
    return Reply(202, headers, json.dumps(told).encode())


def sms_result(**result: object) -> Reply:
    """202, and what became of the one recipient."""
    return json_reply({"value": [{"to": NUMBER, **result}]})


def json_reply(stated: object) -> Reply:
    return Reply(202, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(stated).encode())


def service(request: Request) -> Reply:
    """The service: 401 without a good signature."""
    return (
        taken(request) if is_signed(request, ACCESS_KEY) else Reply(401, {}, b'{"error":{"code":"Denied"}}')
    )


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver(otherwise=service) as running:
        yield running


@pytest.fixture
def http() -> Iterator[HttpPost]:
    pool = HttpPost()
    yield pool
    pool.close()


def held(url: str, key: str = ACCESS_KEY) -> str:
    return f"endpoint={url}/;accesskey={key}"


def secrets_for(receiver: HttpReceiver) -> Secrets:
    return secrets_of(acs=held(receiver.url))


Kind = tuple[Callable[[HttpPost], Channel], ChannelSpec, str]
BOTH = pytest.mark.parametrize(
    "kind",
    [(AcsSmsChannel, SMS, NUMBER), (AcsEmailChannel, MAIL, "ada@example.org")],
    ids=["acs-sms", "acs-email"],
)


def failed(
    kind: Kind, secrets: Secrets, patience: Patience = USUAL, certificates: str | None = None
) -> DeliveryFailed:
    """How a send by either channel fails; it never tells a secret."""
    make, spec, to = kind
    http = HttpPost(certificates, patience)
    failure = failure_of(lambda: sent(make(http), spec, secrets, to=to))
    http.close()
    told = f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"
    assert not [word for word in ("tell-tale", ACCESS_KEY, OLD_KEY, to) if word in told]
    return failure


def test_an_sms_is_signed_and_asks_for_a_report_under_the_answer_s_token(
    receiver: HttpReceiver, http: HttpPost
) -> None:
    message = a_message(answering=ANSWERING)
    accepted = sent(AcsSmsChannel(http), SMS, secrets_for(receiver), message, to=NUMBER)
    (request,) = receiver.requests
    stated = request.json()
    assert accepted == Accepted(202, "Outgoing_2026_1")
    assert request.path.startswith("/sms?api-version=")
    assert is_signed(request, ACCESS_KEY)
    assert not is_signed(request, OLD_KEY)
    assert stated["from"] == SENDER
    assert [each["to"] for each in stated["smsRecipients"]] == [NUMBER]
    assert stated["smsSendOptions"] == {"enableDeliveryReport": True, "tag": "token.signed"}
    assert "Checkout is slow" in stated["message"]
    assert ANSWERING.page in stated["message"]


def test_a_reply_is_offered_only_where_it_would_be_heard(receiver: HttpReceiver, http: HttpPost) -> None:
    heard = {"callback_secret": "grid"}
    for options in ({"from": SENDER}, {"from": SENDER} | heard, {"from": "ACME"} | heard):
        spec = a_channel("acs-sms", secret="acs", **options)
        sent(AcsSmsChannel(http), spec, secrets_for(receiver), a_message(answering=ANSWERING), to=NUMBER)
    texts = [each.json()["message"] for each in receiver.requests]
    assert ["Reply ACK" in text for text in texts] == [False, True, False]
    assert all(text.endswith(ANSWERING.page) for text in texts)


def test_an_sms_that_cannot_be_answered_asks_for_no_report(receiver: HttpReceiver, http: HttpPost) -> None:
    sent(AcsSmsChannel(http), SMS, secrets_for(receiver), to=NUMBER)
    options = receiver.requests[0].json()["smsSendOptions"]
    assert options == {"enableDeliveryReport": False}


def test_a_mail_is_signed_and_queued_under_an_id_of_ours_without_waiting(
    receiver: HttpReceiver, http: HttpPost
) -> None:
    secrets = secrets_for(receiver)
    first, second = (sent(AcsEmailChannel(http), MAIL, secrets, to="ada@example.org") for _ in range(2))
    other = sent(AcsEmailChannel(http), MAIL, secrets, to="bob@example.org")
    one, two, three = receiver.requests
    stated = one.json()
    assert first == second == Accepted(202, one.headers["operation-id"])
    assert one.headers["operation-id"] == two.headers["operation-id"]
    assert UUID(one.headers["operation-id"]).version == 5
    assert other.provider_id == three.headers["operation-id"] != first.provider_id
    assert one.path.startswith("/emails:send?api-version=")
    assert is_signed(one, ACCESS_KEY)
    assert stated["senderAddress"] == "alarm@example.com"
    assert stated["recipients"] == {"to": [{"address": "ada@example.org"}]}
    assert stated["userEngagementTrackingDisabled"] is True
    assert stated["content"]["subject"] == "[SEV1] Checkout is slow (INC-8Q2XK4ZR-1)"
    assert "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1" in stated["content"]["plainText"]
    assert '<a href="https://grafana.example.com/d/1?from=now-1h">' in stated["content"]["html"]


def test_a_mail_that_can_be_answered_has_the_link(receiver: HttpReceiver, http: HttpPost) -> None:
    message = a_message(answering=ANSWERING)
    sent(AcsEmailChannel(http), MAIL, secrets_for(receiver), message, to="ada@example.org")
    content = receiver.requests[0].json()["content"]
    assert ANSWERING.page in content["plainText"]
    assert f'href="{ANSWERING.page}"' in content["html"]


def test_a_mail_that_was_taken_before_its_answer_was_lost_is_not_queued_again(
    receiver: HttpReceiver, http: HttpPost
) -> None:
    receiver.script([Reply(reset=True), 409])
    secrets = secrets_for(receiver)
    assert not failure_of(lambda: sent(AcsEmailChannel(http), MAIL, secrets, to="ada@example.org")).permanent
    again = sent(AcsEmailChannel(http), MAIL, secrets, to="ada@example.org")
    lost, repeated = receiver.requests
    assert lost.headers["operation-id"] == repeated.headers["operation-id"]
    assert again == Accepted(409, repeated.headers["operation-id"])


def test_a_mail_has_the_plan_s_words_and_a_drill_says_so(receiver: HttpReceiver, http: HttpPost) -> None:
    message = in_words("We <look> into it.", "Trouble", drill="first-friday")
    sent(AcsEmailChannel(http), MAIL, secrets_for(receiver), message, to="ada@example.org")
    sent(AcsSmsChannel(http), SMS, secrets_for(receiver), message, to=NUMBER)
    mail, sms = (request.json() for request in receiver.requests)
    assert mail["content"]["subject"] == "[DRILL] Trouble"
    assert "We &lt;look&gt; into it." in mail["content"]["html"]
    assert sms["message"].startswith("[DRILL]")


def test_hostile_text_stays_text(receiver: HttpReceiver, http: HttpPost) -> None:
    secrets, message = secrets_for(receiver), a_hostile_message()
    sent(AcsEmailChannel(http), MAIL, secrets, message, to="ada@example.org")
    sent(AcsSmsChannel(http), SMS, secrets, message, to=NUMBER)
    mail, sms = (request.json() for request in receiver.requests)
    content = mail["content"]
    assert "<script" not in content["html"]
    assert "<script>alert(1)</script>" in unescape(content["html"])
    assert not CONTROLS.search(content["subject"] + content["plainText"] + content["html"] + sms["message"])
    assert "\n" not in content["subject"]
    assert len(sms["message"]) <= 2048
    assert set(mail) == {"senderAddress", "recipients", "content", "userEngagementTrackingDisabled"}
    assert re.findall(r'href="([^"]*)"', content["html"]) == [message.incident_url]


@pytest.mark.parametrize(
    ("result", "permanent", "status"),
    [
        ({"successful": False, "httpStatusCode": 400, "errorMessage": "tell-tale"}, True, 400),
        ({"successful": False, "httpStatusCode": 403, "errorMessage": "tell-tale"}, True, 403),
        ({"successful": False, "httpStatusCode": 429}, False, 429),
        ({"successful": False, "httpStatusCode": 500}, False, 500),
        ({"successful": False, "httpStatusCode": 202}, False, None),
        ({"successful": False}, False, None),
    ],
)
def test_of_an_sms_the_recipient_s_own_result_decides(
    receiver: HttpReceiver, result: dict[str, object], permanent: bool, status: int | None
) -> None:
    receiver.script([sms_result(**result)])
    failure = failed((AcsSmsChannel, SMS, NUMBER), secrets_for(receiver))
    assert (failure.permanent, failure.status) == (permanent, status)


@BOTH
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"value":null}', b'{"value":7}', b'{"id":{}}', b"[" * 100_000],
)
def test_once_it_was_taken_an_answer_that_nobody_can_read_changes_nothing(
    receiver: HttpReceiver, http: HttpPost, kind: Kind, body: bytes
) -> None:
    make, spec, to = kind
    receiver.script([Reply(202, {"Content-Type": "application/json", "Retry-After": "soon"}, body)])
    assert sent(make(http), spec, secrets_for(receiver), to=to).status == 202


@BOTH
def test_a_busy_service_says_when_to_ask_again(receiver: HttpReceiver, kind: Kind) -> None:
    receiver.script([Reply(429, {"Retry-After": "42"}), 500, 503])
    busy, broken, away = (failed(kind, secrets_for(receiver)) for _ in range(3))
    assert (busy.permanent, busy.status, busy.retry_after) == (False, 429, 42.0)
    assert [(each.permanent, each.status) for each in (broken, away)] == [(False, 500), (False, 503)]
    assert len(receiver.requests) == 3


@BOTH
@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_a_refusal_is_final(receiver: HttpReceiver, kind: Kind, status: int) -> None:
    receiver.script([Reply(status, {}, b'{"error":{"message":"tell-tale"}}')])
    failure = failed(kind, secrets_for(receiver))
    assert (failure.permanent, failure.status) == (True, status)
    assert len(receiver.requests) == 1


@BOTH
def test_a_redirect_is_not_followed(receiver: HttpReceiver, kind: Kind) -> None:
    with HttpReceiver() as elsewhere:
        for status in (301, 302, 307, 308):
            receiver.script([Reply(status, {"Location": f"{elsewhere.url}/sms"})])
            assert failed(kind, secrets_for(receiver)).permanent
        assert elsewhere.connections == 0
    assert len(receiver.requests) == 4


@BOTH
def test_a_service_that_hangs_drips_or_hangs_up_is_left_in_time(receiver: HttpReceiver, kind: Kind) -> None:
    receiver.script([Reply(after=60), Reply(drip_head=True), Reply(reset=True)])
    secrets = secrets_for(receiver)
    failures = [failed(kind, secrets, patience) for patience in (SHORT_READS, HURRIED, USUAL)]
    with LineReceiver(b"HTTP/1.1 100 Continue\r\n\r\n") as endless:
        failures.append(failed(kind, secrets_of(acs=held(f"http://127.0.0.1:{endless.port}")), HURRIED))
        assert_no_sender_is_left()
    assert [(each.permanent, each.status) for each in failures] == [(False, None)] * 4


@BOTH
def test_a_service_that_is_not_there_is_tried_again(kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    assert not failed(kind, secrets_of(acs=held(f"http://127.0.0.1:{port}"))).permanent


@BOTH
def test_it_goes_out_encrypted_to_the_right_certificate_alone(tmp_path: Path, kind: Kind) -> None:
    authority, (make, spec, to) = LoopbackAuthority(tmp_path), kind
    http = HttpPost(authority.bundle)
    with HttpReceiver(otherwise=service, tls=authority.server) as receiver:
        assert "TLS" in str(failed(kind, secrets_for(receiver)))
        assert receiver.requests == []
        assert sent(make(http), spec, secrets_for(receiver), to=to).status == 202
        by_name = receiver.url.replace("127.0.0.1", "LocalHost").removeprefix("https://")
        assert sent(make(http), spec, secrets_of(acs=held(by_name)), to=to).status == 202
    http.close()


@BOTH
def test_proxies_of_the_environment_get_nothing(
    receiver: HttpReceiver, http: HttpPost, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, spec, to = kind
    with HttpReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert sent(make(http), spec, secrets_for(receiver), to=to).status == 202
        assert proxy.connections == 0


@BOTH
def test_a_key_that_was_rotated_is_fetched_anew(receiver: HttpReceiver, http: HttpPost, kind: Kind) -> None:
    make, spec, to = kind
    secrets = RotatedSecrets(held(receiver.url, OLD_KEY), held(receiver.url))
    failure = failed(kind, secrets)
    assert (failure.permanent, failure.status) == (False, 401)
    assert sent(make(http), spec, secrets, to=to).status == 202
    assert failed(kind, secrets_of(acs=held(receiver.url, OLD_KEY))).permanent


@BOTH
@pytest.mark.parametrize(
    "value",
    [
        "tell-tale",
        "endpoint=https://tell-tale.example",
        f"accesskey={ACCESS_KEY}",
        "endpoint=https://tell-tale.example;accesskey=not base 64 at all",
        f"endpoint=http://tell-tale.example;accesskey={ACCESS_KEY}",
        f"endpoint=http://10.0.0.1;accesskey={ACCESS_KEY}",
        f"endpoint=ftp://tell-tale.example;accesskey={ACCESS_KEY}",
        f"endpoint=https://me:tell-tale@host.example;accesskey={ACCESS_KEY}",
        f"endpoint=https://host.example/tell-tale;accesskey={ACCESS_KEY}",
        f"endpoint=https://host.example?tell-tale;accesskey={ACCESS_KEY}",
        f"endpoint=https://[::1;accesskey={ACCESS_KEY}",
        f"endpoint=https://a..tell-tale.example;accesskey={ACCESS_KEY}",
    ],
)
def test_a_secret_that_is_no_connection_string_fails_for_good_and_is_not_repeated(
    kind: Kind, value: str
) -> None:
    failure = failed(kind, secrets_of(acs=value))
    assert failure.permanent
    assert 'secret "acs"' in str(failure)


@pytest.mark.parametrize(
    "to", [None, "", "0301234567", "+49", "+49 30 1234567", "+4930901820\n1", "ada@x.org"]
)
def test_a_number_that_is_none_fails_for_good_and_is_not_repeated(to: str | None) -> None:
    failure = failure_of(lambda: sent(AcsSmsChannel(HttpPost()), SMS, secrets_of(acs="x"), to=to))
    assert failure.permanent
    assert not to or to not in str(failure)


@pytest.mark.parametrize("to", [None, "ada", "ada@example.org, eve@example.org", "a@b\r\nBcc: c@d"])
def test_an_address_that_is_none_fails_for_good(to: str | None) -> None:
    assert failure_of(lambda: sent(AcsEmailChannel(HttpPost()), MAIL, secrets_of(acs="x"), to=to)).permanent


@BOTH
def test_what_the_plan_lacks_is_told(kind: Kind) -> None:
    make, spec, to = kind
    channel = make(HttpPost())
    for lacking in (a_channel(spec.kind, secret="acs"), a_channel(spec.kind)):
        with pytest.raises(DeliveryFailed, match="channel") as caught:
            sent(channel, lacking, secrets_of(acs="x"), to=to)
        assert caught.value.permanent
    with pytest.raises(SecretUnavailable, match="SECRET_ACS"):
        sent(channel, spec, secrets_of(), to=to)


@BOTH
def test_no_line_of_any_log_tells_the_key_or_the_words(
    receiver: HttpReceiver, http: HttpPost, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    make, spec, to = kind
    message: Message = a_message(title="the tell-tale title", answering=ANSWERING)
    with caplog.at_level(logging.DEBUG):
        make(http).send(message, spec, to, "key", secrets_for(receiver), NOON)
        receiver.script([401])
        failed(kind, secrets_for(receiver))
    lines: list[Any] = [caplog.text, *(str(vars(record)) for record in caplog.records)]
    signature = receiver.requests[0].headers["authorization"].rpartition("=")[0].rpartition("&Signature=")[2]
    secret = (ACCESS_KEY, "tell-tale", to, signature, ANSWERING.token)
    assert not [word for word in secret for line in lines if word in line]
