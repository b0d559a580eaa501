"""Statuspage: one entry an incident on the public page, in the plan's own words and nothing of the inside."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from shared.adapters.channels import statuspage
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.statuspage import StatuspageChannel
from shared.adapters.channels.time_limit import USUAL, Patience
from shared.adapters.channels.wording import units
from shared.domain.delivery import Kind, Message, Words
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted
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
    secrets_of,
    sent,
)
from tests.receivers import HttpReceiver, Reply, Request

ENTRY = "p31zjtct2jer"
MADE = Reply(201, {}, b'{"id": "p31zjtct2jer", "status": "investigating"}')
CHANGED = Reply(200, {}, b'{"id": "p31zjtct2jer"}')
TELL_TALE = "tell-tale-key"
NOTHING = Reply(200, {}, b"[]")
MARK = {"incident": "INC-8Q2XK4ZR-1", "components": "", "as_of": NOON.isoformat()}


def a_page_without_entries(request: Request) -> Reply:
    """Makes an entry whenever it is asked to, and lists none."""
    return NOTHING if request.method == "GET" else MADE


@pytest.fixture
def http() -> Iterator[HttpPost]:
    post = HttpPost()
    yield post
    post.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver(a_page_without_entries) as running:
        yield running


def a_page(receiver: HttpReceiver, **options: str) -> ChannelSpec:
    return a_channel("statuspage", url=receiver.url, secret="page-key", **{"page": "kctbh9vrtdwd"} | options)


def news(body: str = "You cannot pay.", subject: str = "Checkout", **different: Any) -> Message:  # noqa: ANN401
    """An update for outside, in the plan's own words."""
    stated = {"kind": "update", "audience": "external", "in_own_words": True, "phase": "investigating"}
    return a_message(**{**stated, "words": Words(body, subject), **different})


def asked(receiver: HttpReceiver) -> list[Request]:
    """What changed something, or was to."""
    return [request for request in receiver.requests if request.method != "GET"]


def put(
    receiver: HttpReceiver,
    message: Message,
    to: str | None = None,
    patience: Patience = USUAL,
    options: dict[str, str] | None = None,
) -> Accepted:
    http = HttpPost(patience=patience)
    channel, secrets = StatuspageChannel(http), secrets_of(page_key=TELL_TALE)
    try:
        return sent(channel, a_page(receiver, **options or {}), secrets, message, to)
    finally:
        http.close()


def entry_of(receiver: HttpReceiver, nth: int = -1) -> dict[str, Any]:
    found: dict[str, Any] = asked(receiver)[nth].json()["incident"]
    del found["metadata"]
    return found


def test_the_first_news_makes_an_entry(http: HttpPost, receiver: HttpReceiver) -> None:
    spec, secrets = a_page(receiver), secrets_of(page_key="0auth\n")
    accepted = sent(StatuspageChannel(http), spec, secrets, news(), "8kbf7d35c070, vtnh60py4yd7")
    (request,) = asked(receiver)
    assert accepted == Accepted(201, ENTRY)
    assert (request.method, request.path) == ("POST", "/v1/pages/kctbh9vrtdwd/incidents")
    assert request.headers["authorization"] == "OAuth 0auth"
    assert request.headers["idempotency-key"] == KEY
    assert request.json() == {
        "incident": {
            "name": "Checkout",
            "status": "investigating",
            "body": "You cannot pay.",
            "impact_override": "critical",
            "component_ids": ["8kbf7d35c070", "vtnh60py4yd7"],
            "components": {"8kbf7d35c070": "major_outage", "vtnh60py4yd7": "major_outage"},
            "metadata": {"tocsin": MARK | {"components": "8kbf7d35c070,vtnh60py4yd7"}},
        }
    }


def test_later_news_go_on_with_that_entry_and_keep_its_name(receiver: HttpReceiver) -> None:
    receiver.script([CHANGED])
    message = news("A disk is full.", "Another subject", first_id=ENTRY, phase="identified", loudness=1)
    assert put(receiver, message, "8kbf7d35c070") == Accepted(200, ENTRY)
    (request,) = receiver.requests
    assert (request.method, request.path) == ("PATCH", f"/v1/pages/kctbh9vrtdwd/incidents/{ENTRY}")
    assert request.json() == {
        "incident": {
            "status": "identified",
            "body": "A disk is full.",
            "impact_override": "major",
            "component_ids": ["8kbf7d35c070"],
            "components": {"8kbf7d35c070": "partial_outage"},
            "metadata": {"tocsin": MARK | {"components": "8kbf7d35c070"}},
        }
    }


def test_the_end_makes_components_operational(receiver: HttpReceiver) -> None:
    message = news("It is over.", kind="resolved", status="resolved", phase="", first_id=ENTRY)
    put(receiver, message, "8kbf7d35c070")
    assert entry_of(receiver) == {
        "status": "resolved",
        "body": "It is over.",
        "component_ids": ["8kbf7d35c070"],
        "components": {"8kbf7d35c070": "operational"},
    }


@pytest.mark.parametrize(
    ("kind", "status", "phase", "shown"),
    [
        ("inform", "open", "", "investigating"),
        ("update", "open", "investigating", "investigating"),
        ("update", "open", "identified", "identified"),
        ("update", "acknowledged", "monitoring", "monitoring"),
        ("update", "acknowledged", "resolved", "resolved"),
        ("update", "open", "no phase at all", "investigating"),
        ("resolved", "resolved", "monitoring", "resolved"),
        ("resolved", "open", "identified", "identified"),
    ],
)
def test_the_page_shows_where_the_response_stands(
    receiver: HttpReceiver, kind: str, status: str, phase: str, shown: str
) -> None:
    put(receiver, news(kind=kind, status=status, phase=phase))
    assert entry_of(receiver)["status"] == shown


@pytest.mark.parametrize(
    ("options", "loudness", "impact", "state"),
    [
        ({}, 0, "critical", "major_outage"),
        ({}, 1, "major", "partial_outage"),
        ({}, 2, "minor", "degraded_performance"),
        ({}, 7, "minor", "degraded_performance"),
        ({"impact": "major,none"}, 0, "major", "partial_outage"),
        ({"impact": "major,none"}, 1, "none", None),
    ],
)
def test_the_plan_may_say_which_severity_has_which_impact(
    receiver: HttpReceiver, options: dict[str, str], loudness: int, impact: str, state: str | None
) -> None:
    put(receiver, news(loudness=loudness), "c1", options=options)
    assert entry_of(receiver)["impact_override"] == impact
    assert entry_of(receiver).get("components", {}).get("c1") == state


@pytest.mark.parametrize("gone", [404, 410])
def test_an_entry_that_somebody_deleted_is_made_anew(receiver: HttpReceiver, gone: int) -> None:
    receiver.script([gone, NOTHING, Reply(201, {}, b'{"id": "fresh"}')])
    assert put(receiver, news(first_id=ENTRY)) == Accepted(201, "fresh")
    assert [request.method for request in asked(receiver)] == ["PATCH", "POST"]
    assert entry_of(receiver)["name"] == "Checkout"


def test_an_entry_that_was_slow_to_be_missed_is_made_anew_at_the_next_try(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statuspage, "FOR_MAKING", 99.0)
    receiver.script([404])
    failure = failure_of(lambda: put(receiver, news(first_id=ENTRY)))
    assert (failure.permanent, len(asked(receiver))) == (False, 1)


def test_no_other_refusal_makes_a_second_entry(receiver: HttpReceiver) -> None:
    for status in (400, 401, 403, 422, 500):
        receiver.script([status])
        assert failure_of(lambda: put(receiver, news(first_id=ENTRY))).status == status
    assert {request.method for request in receiver.requests} == {"PATCH"}


def test_an_id_that_is_none_leads_nowhere_else(receiver: HttpReceiver) -> None:
    put(receiver, news(first_id="../../components/x?"))
    assert asked(receiver)[0].path == "/v1/pages/kctbh9vrtdwd/incidents"
    for page in ("", "../x", "a/b", "a?b"):
        assert failure_of(lambda page=page: put(receiver, news(), options={"page": page})).permanent  # type: ignore[misc]
    for to in ("a/b", "a b", "c1,../x"):
        assert failure_of(lambda to=to: put(receiver, news(), to)).permanent  # type: ignore[misc]
    assert len(asked(receiver)) == 1


def test_nothing_but_the_plan_s_own_words_goes_public(receiver: HttpReceiver) -> None:
    for message in (
        news(in_own_words=False),
        news(words=None),
        news(" \n", ""),
        news(drill="first-friday"),
        a_message(),
    ):
        assert failure_of(lambda message=message: put(receiver, message)).permanent  # type: ignore[misc]
    assert not receiver.requests


def test_what_is_for_those_who_work_on_it_is_no_news(receiver: HttpReceiver) -> None:
    taken = []
    for kind in get_args(Kind):
        try:
            put(receiver, news(kind=kind))
        except DeliveryFailed:
            continue
        taken.append(kind)
    assert sorted(taken) == ["cleared", "escalation", "inform", "manual", "resolved", "update"]


def test_an_entry_says_nothing_that_the_plan_did_not_say(receiver: HttpReceiver) -> None:
    inside = {
        name: f"inside-{name}" for name in ("title", "summary", "reason", "service", "severity", "runbook")
    }
    put(receiver, news(**inside, audience="internal", subject=""))
    put(receiver, news(**inside, audience="internal", subject="", first_id=ENTRY))
    for nth in range(2):
        stated = json.dumps(entry_of(receiver, nth))
        assert not [inside for inside in ("inside", "grafana", "INC-") if inside in stated]
    assert [each.json()["incident"]["metadata"] for each in asked(receiver)] == [{"tocsin": MARK}] * 2
    assert entry_of(receiver, 0)["name"] == "You cannot pay."


def test_hostile_words_arrive_as_text(receiver: HttpReceiver) -> None:
    hostile = a_hostile_message()
    put(receiver, news(HOSTILE * 2, HOSTILE, title=hostile.title, summary=hostile.summary))
    stated = entry_of(receiver)
    assert units(stated["name"]) == 200
    assert units(stated["body"]) <= 16_000
    for text in (stated["name"], stated["body"]):
        assert not CONTROLS.search(text)
        assert "<script" not in text
        assert "<https" not in text
    assert "\n" not in stated["name"]
    assert stated["name"].replace("\u200b", "").startswith("<script>alert(1)</script>")


@pytest.mark.parametrize("status", [408, 420, 429, 500, 503])
def test_a_page_that_is_busy_or_broken_is_tried_again(receiver: HttpReceiver, status: int) -> None:
    receiver.script([Reply(status, {} if status == 420 else {"Retry-After": "9"}, TELL_TALE.encode())])
    failure = failure_of(lambda: put(receiver, news()))
    assert (failure.permanent, failure.status) == (False, status)
    assert failure.retry_after == (None if status == 420 else 9.0)
    assert TELL_TALE not in f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"


def test_a_redirect_is_not_followed_with_the_key(receiver: HttpReceiver) -> None:
    receiver.script([Reply(308, {"Location": receiver.url + "/elsewhere"})])
    assert failure_of(lambda: put(receiver, news())).permanent
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("reply", "patience"),
    [(Reply(reset=True), SHORT_READS), (Reply(after=60), SHORT_READS), (Reply(drip_head=True), HURRIED)],
    ids=["a reset", "silence", "headers that drip"],
)
@pytest.mark.parametrize("first_id", [None, ENTRY])
def test_a_page_that_hangs_is_left(
    receiver: HttpReceiver, reply: Reply, patience: Patience, first_id: str | None
) -> None:
    receiver.script([reply])
    failure = failure_of(lambda: put(receiver, news(first_id=first_id), patience=patience))
    assert_no_sender_is_left()
    assert (failure.permanent, failure.status) == (False, None)
    assert len(receiver.requests) == 1


def test_an_answer_that_drips_or_lies_is_still_an_answer(receiver: HttpReceiver) -> None:
    for body, known in ((b'{"id', None), (b"[" * 60_000, None), (b'{"id": ["x"]}', ENTRY), (b"", ENTRY)):
        script = [Reply(201, {}, body, drip=body == b'{"id')]
        receiver.script(script if known else [NOTHING, *script])
        patience = HURRIED if body == b'{"id' else USUAL
        assert put(receiver, news(first_id=known), patience=patience) == Accepted(201, known)
    assert_no_sender_is_left()


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    authority = LoopbackAuthority(tmp_path)
    with HttpReceiver(a_page_without_entries, tls=authority.server) as secure:
        assert "TLS" in str(failure_of(lambda: put(secure, news())))
        assert not secure.requests
        trusting = HttpPost(authority.bundle)
        channel = StatuspageChannel(trusting)
        assert sent(channel, a_page(secure), secrets_of(page_key="k"), news()) == Accepted(201, ENTRY)
        trusting.close()


@pytest.mark.parametrize("first_id", [None, ENTRY])
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_was_rotated_is_read_again(
    http: HttpPost, receiver: HttpReceiver, status: int, first_id: str | None
) -> None:
    receiver.script([status])
    channel, secrets = StatuspageChannel(http), RotatedSecrets("old-key", "new-key")
    message, spec = news(first_id=first_id), a_page(receiver)
    failure = failure_of(lambda: channel.send(message, spec, None, KEY, secrets, NOON))
    assert (failure.permanent, failure.status) == (False, status)
    assert channel.send(message, spec, None, KEY, secrets, NOON).provider_id == ENTRY
    shown = [request.headers["authorization"] for request in receiver.requests]
    assert [*dict.fromkeys(shown)] == ["OAuth old-key", "OAuth new-key"]
    assert shown.count("OAuth old-key") == 1


def test_a_page_without_key_fails_for_good_and_a_missing_secret_is_named(http: HttpPost) -> None:
    bare = a_channel("statuspage", page="kctbh9vrtdwd")
    assert failure_of(lambda: sent(StatuspageChannel(http), bare, secrets_of(), news())).permanent
    spec = a_channel("statuspage", secret="page-key", page="kctbh9vrtdwd")
    with pytest.raises(SecretUnavailable, match=r"page-key.*SECRET_PAGE_KEY"):
        sent(StatuspageChannel(http), spec, secrets_of(), news())


def test_no_log_line_has_the_key(receiver: HttpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.script([NOTHING, MADE, NOTHING, 500])
    put(receiver, news())
    failure_of(lambda: put(receiver, news(first_id=ENTRY)))
    assert TELL_TALE not in caplog.text
