"""SMS and calls by Twilio: what is sent to a server that plays it, and what is made of what it answers."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import pytest

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.short_text import (
    GSM_ROOM,
    UNICODE_ROOM,
    code_of,
    short_answer,
    short_text,
    spoken_text,
)
from shared.adapters.channels.time_limit import USUAL, Patience
from shared.adapters.channels.twilio_sms import TwilioSmsChannel
from shared.adapters.channels.twilio_voice import TwilioVoiceChannel
from shared.adapters.channels.wording import units
from shared.domain.delivery import Answering, Message
from shared.domain.errors import SecretUnavailable
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Channel
from tests.certificates import LoopbackAuthority
from tests.notifications import (
    CONTROLS,
    HOSTILE,
    HURRIED,
    KEY,
    NOON,
    SHORT_READS,
    RotatedSecrets,
    a_channel,
    a_hostile_message,
    a_message,
    assert_no_sender_is_left,
    failure_of,
    in_hostile_words,
    in_words,
    secrets_of,
    sent,
)
from tests.receivers import HttpReceiver, Reply, Request

ACCOUNT, API_KEY = "AC" + "0a" * 16, "SK" + "1b" * 16
SERVICE, SID = "MG" + "2c" * 16, "SM" + "3d" * 16
FROM, TO = "+4930123456", "+491701234567"
TOKEN = "only-for-tests-auth-token"
PROVIDER = "https://tocsin.example.com/api/v1/plans/acme/channels/ops"
ANSWERING = Answering("t0ken_-x", "https://tocsin.example.com/a/t0ken_-x", PROVIDER)
BUSY = b'{"code": 20429, "message": "Too Many Requests", "status": 429}'


@pytest.fixture
def http() -> Iterator[HttpPost]:
    post = HttpPost()
    yield post
    post.close()


@pytest.fixture
def twilio() -> Iterator[HttpReceiver]:
    with HttpReceiver(Reply(201, {}, f'{{"sid": "{SID}", "status": "queued"}}'.encode())) as running:
        yield running


@pytest.fixture(params=[TwilioSmsChannel, TwilioVoiceChannel])
def kind(request: pytest.FixtureRequest) -> Callable[[HttpPost], Channel]:
    chosen: Callable[[HttpPost], Channel] = request.param
    return chosen


def spec(url: str | None, kind: str = "twilio-sms", **options: str) -> ChannelSpec:
    return a_channel(kind, url=url, secret="twilio", **({"account": ACCOUNT, "from": FROM} | options))


def form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True))


def say(
    channel: Channel, at: ChannelSpec, message: Message | None = None, to: str | None = TO, **secret: str
) -> Accepted:
    return sent(channel, at, secrets_of(**({"twilio": TOKEN} | secret)), message, to)


def test_a_text_message_is_asked_for_by_a_form_and_known_by_its_sid(
    http: HttpPost, twilio: HttpReceiver
) -> None:
    assert say(TwilioSmsChannel(http), spec(twilio.url), a_message(answering=ANSWERING)) == Accepted(201, SID)
    (request,) = twilio.requests
    assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["idempotency-key"] == KEY
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode() == (
        f"{ACCOUNT}:{TOKEN}"
    )
    assert form(request) == {
        "To": TO,
        "From": FROM,
        "Body": "[SEV1] Checkout is slow\nescalation step 2 of 3\nINC-8Q2XK4ZR-1\n"
        "Reply ACK 8Q2X or RESOLVE 8Q2X\nhttps://tocsin.example.com/a/t0ken_-x",
        "StatusCallback": f"{PROVIDER}/receipt?token=t0ken_-x",
    }


@pytest.mark.parametrize(
    ("options", "hears"),
    [
        ({}, True),
        ({"from": SERVICE}, True),
        ({"from": "72345"}, True),
        ({"from": "ACME"}, False),
        ({"from": "MGMT"}, False),
        ({"key": API_KEY}, False),
        ({"key": API_KEY, "auth_token_secret": "twilio-auth"}, True),
        ({"key": API_KEY, "auth_token_secret": "twilio-auth", "from": "ACME"}, False),
    ],
)
def test_a_reply_is_offered_only_where_it_would_be_heard(
    http: HttpPost, twilio: HttpReceiver, options: dict[str, str], *, hears: bool
) -> None:
    say(TwilioSmsChannel(http), spec(twilio.url, **options), a_message(answering=ANSWERING))
    text = form(twilio.requests[0])["Body"]
    assert ("Reply" in text) is hears
    assert text.endswith(f"\n{ANSWERING.page}")


def test_a_call_offers_no_key_that_would_be_refused(http: HttpPost, twilio: HttpReceiver) -> None:
    asking = replace(ANSWERING, resolvable=False)
    say(TwilioVoiceChannel(http), spec(twilio.url, "twilio-voice"), a_message(answering=asking))
    script = form(twilio.requests[0])["Twiml"]
    assert script.count("Press 1 to acknowledge.") == 2
    assert "Press 2" not in script


def test_an_api_key_signs_in_for_the_account_and_a_messaging_service_can_send(
    http: HttpPost, twilio: HttpReceiver
) -> None:
    say(TwilioSmsChannel(http), spec(twilio.url, key=API_KEY, **{"from": SERVICE}))
    (request,) = twilio.requests
    assert request.path.startswith(f"/2010-04-01/Accounts/{ACCOUNT}/")
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode() == (
        f"{API_KEY}:{TOKEN}"
    )
    assert form(request)["MessagingServiceSid"] == SERVICE
    assert "From" not in form(request)


@pytest.mark.parametrize(
    "answering",
    [None, Answering("t", "http://127.0.0.1:7071/a/t", "http://127.0.0.1:7071/api/v1/plans/acme/channels/x")],
    ids=["not answerable", "not reachable by https"],
)
def test_where_twilio_could_not_reach_us_safely_it_is_given_no_address(
    http: HttpPost, twilio: HttpReceiver, answering: Answering | None
) -> None:
    for channel in (TwilioSmsChannel(http), TwilioVoiceChannel(http)):
        say(channel, spec(twilio.url), a_message(answering=answering))
    for request in twilio.requests:
        assert "StatusCallback" not in form(request)
        assert "Gather" not in form(request).get("Twiml", "")


def test_a_call_reads_the_notification_and_takes_a_key_twice(http: HttpPost, twilio: HttpReceiver) -> None:
    at = spec(twilio.url, "twilio-voice", voice="Polly.Amy", language="en-GB")
    assert say(TwilioVoiceChannel(http), at, a_message(answering=ANSWERING)) == Accepted(201, SID)
    (request,) = twilio.requests
    assert request.path == f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
    stated = parse_qsl(request.body.decode())
    assert [value for name, value in stated if name == "StatusCallbackEvent"] == ["answered", "completed"]
    assert dict(stated)["StatusCallback"] == f"{PROVIDER}/receipt?token=t0ken_-x"
    assert (dict(stated)["To"], dict(stated)["From"]) == (TO, FROM)
    script = ET.fromstring(dict(stated)["Twiml"])  # noqa: S314  (our own)
    assert [each.tag for each in script] == ["Gather", "Gather", "Say"]
    for asked in script.findall("Gather"):
        assert (asked.get("input"), asked.get("numDigits"), asked.get("method")) == ("dtmf", "1", "POST")
        assert asked.get("action") == f"{PROVIDER}/voice?token=t0ken_-x"
    first = script.find("Gather/Say")
    assert first is not None
    assert (first.get("voice"), first.get("language")) == ("Polly.Amy", "en-GB")
    assert first.text == (
        "This is Tocsin. SEV1 Checkout is slow. Service checkout. escalation step 2 of 3. "
        "Press 1 to acknowledge. Press 2 to resolve."
    )


def test_a_drill_says_so_first_on_both() -> None:
    drill = a_message(drill="fire drill", title="[DRILL] x")
    assert short_text(drill).startswith("[DRILL] [SEV1]")
    assert "Drill: SEV1" in spoken_text(drill)
    assert not short_text(a_message(title="[DRILL] all quiet", severity="")).startswith("[DRILL]")


@pytest.mark.parametrize(
    "message",
    [
        a_hostile_message(),
        in_hostile_words(),
        a_message(title="Überlast — „Kasse“ … 🔥" * 30, answering=ANSWERING),
        a_message(title="服务器宕机了" * 60, answering=ANSWERING),
        a_message(title="^{}[]~|€" * 60, answering=ANSWERING),
        a_message(title="A" * 5000, reason="B" * 5000, answering=ANSWERING, drill="d"),
        a_message(incident="", severity="", title="digest of the day", kind="digest"),
        in_words("B" * 3000, "S" * 3000, answering=ANSWERING),
    ],
)
def test_an_sms_stays_within_its_segments_and_keeps_how_to_answer(message: Message) -> None:
    text = short_text(message)
    unicode = any(each > "\u2fff" for each in text)
    extended = sum(each in "^{}\\[~]|€" for each in text)
    assert units(text) + (0 if unicode else extended) <= (UNICODE_ROOM if unicode else GSM_ROOM)
    assert not CONTROLS.search(text)
    assert not message.incident or message.incident in text.split("\n")
    if message.answering:
        assert "Reply ACK 8Q2X or RESOLVE 8Q2X" in text.split("\n")
        assert text.split("\n")[-1] == ANSWERING.page


def test_a_link_too_long_for_an_sms_gives_way_to_the_words() -> None:
    far = Answering("t", "https://tocsin.example.com/a/" + "t" * 300, PROVIDER)
    text = short_text(a_message(answering=far))
    assert "https" not in text
    assert text.startswith("[SEV1] Checkout is slow\n")
    assert "Reply ACK 8Q2X" in text


def test_decoration_does_not_make_a_text_dearer() -> None:
    assert short_text(a_message(title="“Pod” – down… 🔥 naïve Čapek", incident_url=None)).startswith(
        '[SEV1] "Pod" - down...  naive Capek\n'
    )
    assert short_answer("Ok …\x00\n“two”") == 'Ok ...\n"two"'


def test_what_nobody_can_read_aloud_is_not_read() -> None:
    told = spoken_text(a_message(title="<b>x</b> & y https://evil.example/z {{a}} 🔥 100% [DRILL]"))
    assert told.startswith("This is Tocsin. SEV1 b x /b and y a 100% (drill). Service checkout.")
    assert not set(spoken_text(in_hostile_words())) & set("<>&{}[]|\\@*")


def test_hostile_text_in_a_call_is_text_and_fits(http: HttpPost, twilio: HttpReceiver) -> None:
    for message in (
        a_hostile_message(),
        in_hostile_words(),
        a_message(service="A&<>\"'" * 900, title=HOSTILE),
    ):
        twilio.requests.clear()
        say(
            TwilioVoiceChannel(http),
            spec(twilio.url, "twilio-voice"),
            Message(**{**vars(message), "answering": ANSWERING}),
        )
        script = form(twilio.requests[0])["Twiml"]
        assert len(script) <= 4000
        tags = {each.tag for each in ET.fromstring(script).iter()}  # noqa: S314  (our own)
        assert tags == {"Response", "Gather", "Say"}


def test_what_belongs_to_no_incident_has_no_code() -> None:
    assert code_of("INC-8Q2XK4ZR-12") == "8Q2X"
    assert code_of("") is None
    assert code_of("digest") is None


@pytest.mark.parametrize("status", [400, 404, 422, 301, 302, 307])
def test_what_twilio_refuses_is_not_tried_again(
    kind: Callable[[HttpPost], Channel], http: HttpPost, twilio: HttpReceiver, status: int
) -> None:
    body = b'{"code": 21211, "message": "The number +491701234567 is not valid", "status": 400}'
    twilio.script([Reply(status, {"Location": twilio.url + "/elsewhere"}, body)])
    failure = failure_of(lambda: say(kind(http), spec(twilio.url)))
    assert (failure.permanent, failure.status) == (True, status)
    assert len(twilio.requests) == 1
    assert TO not in str(failure)


def test_a_busy_twilio_says_when_to_come_again(
    kind: Callable[[HttpPost], Channel], http: HttpPost, twilio: HttpReceiver
) -> None:
    at = format_datetime(NOON.replace(second=20), usegmt=True)
    twilio.script(
        [Reply(429, {"Retry-After": "7"}, BUSY), Reply(429, {}, BUSY), Reply(503, {"Retry-After": at})]
    )
    wishes = [failure_of(lambda: say(kind(http), spec(twilio.url))) for _ in range(3)]
    assert [(each.permanent, each.status, each.retry_after) for each in wishes] == [
        (False, 429, 7.0),
        (False, 429, None),
        (False, 503, 20.0),
    ]
    assert say(kind(http), spec(twilio.url)) == Accepted(201, SID)


@pytest.mark.parametrize(
    ("reply", "patience"),
    [
        (Reply(reset=True), USUAL),
        (Reply(after=60), SHORT_READS),
        (Reply(drip_head=True), HURRIED),
        (Reply(500), USUAL),
    ],
    ids=["reset", "silent", "dripping", "broken"],
)
def test_a_twilio_that_is_ill_is_tried_again(
    kind: Callable[[HttpPost], Channel], twilio: HttpReceiver, reply: Reply, patience: Patience
) -> None:
    http = HttpPost(patience=patience)
    twilio.script([reply])
    failure = failure_of(lambda: say(kind(http), spec(twilio.url)))
    assert not failure.permanent
    for shy in (TOKEN, TO, twilio.url, ACCOUNT):
        assert shy not in f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"
    assert_no_sender_is_left()
    http.close()


def test_an_answer_that_says_nothing_usable_is_accepted_without_an_id(
    http: HttpPost, twilio: HttpReceiver
) -> None:
    replies = [b"", b"[]", b"\xff", b'{"sid": 5.5}', b'{"sid": "a b"}', b"[" * 60_000, b'{"sid": ["x"]}']
    twilio.script([Reply(201, {}, body) for body in replies])
    for _ in replies:
        assert say(TwilioSmsChannel(http), spec(twilio.url)) == Accepted(201)


def test_a_certificate_that_nobody_vouches_for_ends_the_send(
    kind: Callable[[HttpPost], Channel], tmp_path: Path
) -> None:
    authority = LoopbackAuthority(tmp_path)
    with HttpReceiver(Reply(201), tls=authority.server) as receiver:
        wary, knowing = HttpPost(), HttpPost(authority.bundle)
        failure = failure_of(lambda: say(kind(wary), spec(receiver.url)))
        assert (failure.permanent, "TLS" in str(failure), receiver.requests) == (False, True, [])
        assert say(kind(knowing), spec(receiver.url)) == Accepted(201)
        wary.close()
        knowing.close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_rotated_token_is_read_again(
    kind: Callable[[HttpPost], Channel], http: HttpPost, twilio: HttpReceiver, status: int
) -> None:
    twilio.script([Reply(status, {}, b'{"code": 20003}')])
    secrets = RotatedSecrets("old-auth-token", "new-auth-token")
    failure = failure_of(lambda: sent(kind(http), spec(twilio.url), secrets, to=TO))
    assert (failure.permanent, failure.status) == (False, status)
    assert sent(kind(http), spec(twilio.url), secrets, to=TO) == Accepted(201, SID)
    used = [
        base64.b64decode(each.headers["authorization"].removeprefix("Basic ")).decode().partition(":")[2]
        for each in twilio.requests
    ]
    assert used == ["old-auth-token", "new-auth-token"]


def test_a_token_that_was_not_rotated_is_refused_for_good(http: HttpPost, twilio: HttpReceiver) -> None:
    twilio.script([401])
    assert failure_of(lambda: say(TwilioSmsChannel(http), spec(twilio.url))).permanent


@pytest.mark.parametrize(
    ("at", "to"),
    [
        (spec("https://api.example.com"), None),
        (spec("https://api.example.com"), "0170 1234567"),
        (spec("https://api.example.com"), "+49\r\nX: y"),
        (spec("https://api.example.com", account="AC/../../evil"), TO),
        (spec("https://api.example.com", account=""), TO),
        (spec("https://api.example.com", key="SK"), TO),
        (spec("https://api.example.com", **{"from": ""}), TO),
        (spec("http://api.example.com"), TO),
        (spec("ftp://127.0.0.1"), TO),
        (a_channel("twilio-sms", account=ACCOUNT, **{"from": FROM}), TO),
    ],
)
def test_what_the_plan_lacks_fails_for_good_without_a_call(
    kind: Callable[[HttpPost], Channel], http: HttpPost, at: ChannelSpec, to: str | None
) -> None:
    failure = failure_of(lambda: say(kind(http), at, to=to))
    assert failure.permanent
    assert "channel" in str(failure)
    assert to is None or to not in str(failure)


def test_a_messaging_service_cannot_call(http: HttpPost) -> None:
    assert failure_of(lambda: say(TwilioVoiceChannel(http), spec(None, **{"from": SERVICE}))).permanent


def test_a_missing_secret_is_named(kind: Callable[[HttpPost], Channel], http: HttpPost) -> None:
    with pytest.raises(SecretUnavailable, match="SECRET_TWILIO"):
        sent(kind(http), spec(None), secrets_of(), to=TO)


def test_neither_number_nor_token_nor_text_stands_in_a_log_line(
    kind: Callable[[HttpPost], Channel],
    http: HttpPost,
    twilio: HttpReceiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    twilio.script([201, 400, Reply(reset=True), 429])
    say(kind(http), spec(twilio.url), a_message(answering=ANSWERING))
    for _ in range(3):
        failure_of(lambda: say(kind(http), spec(twilio.url), a_message(answering=ANSWERING)))
    for shy in (TO, FROM, TO[1:], TOKEN, ANSWERING.token, "Checkout is slow"):
        assert shy not in caplog.text


def test_the_vendor_s_address_is_used_where_the_plan_names_none() -> None:
    from shared.adapters.channels.twilio_api import API

    assert re.fullmatch(r"https://[a-z.]+", urlsplit(API).geturl())
