"""PagerDuty and Opsgenie: what rings, what follows, what is only told, and what comes of their answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.channels import downstream, opsgenie, pagerduty
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.opsgenie import OpsgenieChannel
from shared.adapters.channels.pagerduty import PagerDutyChannel
from shared.adapters.channels.time_limit import Patience
from shared.adapters.channels.wording import ANSWER, units
from shared.domain.delivery import Answering, Kind, Message, Words
from shared.domain.errors import SecretUnavailable
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Channel
from tests.certificates import LoopbackAuthority
from tests.notifications import (
    CONTROLS,
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
from tests.receivers import HttpReceiver, Reply

INCIDENT = "INC-8Q2XK4ZR-1"
TELL_TALE = "tell-tale-key"
PAGE = "https://tocsin.example.com/a/t0ken"
ANSWERED = Answering("t0ken", PAGE, "https://tocsin.example.com/api/v1/plans/acme/channels/ops")
BOTH = pytest.mark.parametrize("make", [PagerDutyChannel, OpsgenieChannel])
Make = Callable[[HttpPost], Channel]


@pytest.fixture
def http() -> Iterator[HttpPost]:
    post = HttpPost()
    yield post
    post.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver(202) as running:
        yield running


def a_pager(kind: str, receiver: HttpReceiver, **options: str) -> ChannelSpec:
    return a_channel(kind, url=receiver.url + "/", secret="pager-key", **options)


def send(make: Make, receiver: HttpReceiver, message: Message, to: str | None = None, **options: str) -> Any:  # noqa: ANN401
    """What was asked of the provider: its JSON, as it came."""
    post = HttpPost()
    channel = make(post)
    sent(channel, a_pager(channel.kind, receiver, **options), secrets_of(pager_key=TELL_TALE), message, to)
    post.close()
    return receiver.requests[-1].json()


def texts_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in texts_in(part)]


# PagerDuty


def test_a_page_triggers_an_alert_at_pagerduty(http: HttpPost, receiver: HttpReceiver) -> None:
    receiver.script([Reply(202, {}, b'{"status": "success", "dedup_key": "INC-8Q2XK4ZR-1"}')])
    message = a_message(loudness=1, answering=ANSWERED)
    accepted = sent(
        PagerDutyChannel(http), a_pager("pagerduty", receiver), secrets_of(pager_key=" r0uting\n"), message
    )
    (request,) = receiver.requests
    assert accepted == Accepted(202, INCIDENT)
    assert (request.method, request.path) == ("POST", "/v2/enqueue")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == KEY
    assert request.json() == {
        "routing_key": "r0uting",
        "event_action": "trigger",
        "dedup_key": INCIDENT,
        "payload": {
            "summary": "[SEV1] Checkout is slow",
            "source": "acme",
            "severity": "error",
            "timestamp": "2026-11-21T12:00:00+00:00",
            "component": "checkout",
            "group": "acme",
            "class": "escalation",
            "custom_details": {
                "incident": INCIDENT,
                "kind": "escalation",
                "severity": "SEV1",
                "service": "checkout",
                "status": "open",
                "opened_at": "2026-11-21T12:00:00+00:00",
                "reason": "escalation step 2 of 3",
                "text": "p95 above 2 s",
                "runbook": "high-latency",
                "runbook_url": "https://tocsin.example.com/runbooks/high-latency",
                "incident_url": "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1",
                "answer_url": PAGE,
                "source_url": "https://grafana.example.com/d/1?from=now-1h",
            },
        },
        "links": [
            {"href": PAGE, "text": ANSWER},
            {"href": "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1", "text": "Open incident"},
            {"href": "https://tocsin.example.com/runbooks/high-latency", "text": "Open runbook"},
            {"href": "https://grafana.example.com/d/1?from=now-1h", "text": "Open alert"},
        ],
        "client": "Tocsin",
        "client_url": "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1",
    }


@pytest.mark.parametrize(
    ("loudness", "severity"), [(0, "critical"), (1, "error"), (2, "warning"), (3, "info"), (9, "info")]
)
def test_the_louder_the_severity_the_louder_at_pagerduty(
    receiver: HttpReceiver, loudness: int, severity: str
) -> None:
    stated = send(PagerDutyChannel, receiver, a_message(loudness=loudness))
    assert stated["payload"]["severity"] == severity


def test_who_is_only_informed_is_informed_quietly(receiver: HttpReceiver) -> None:
    message = a_message(kind="inform", loudness=0)
    assert send(PagerDutyChannel, receiver, message)["payload"]["severity"] == "info"
    assert send(OpsgenieChannel, receiver, message)["priority"] == "P5"


@pytest.mark.parametrize(
    ("kind", "status", "action"),
    [
        ("refresh", "acknowledged", "acknowledge"),
        ("refresh", "resolved", "resolve"),
        ("resolved", "resolved", "resolve"),
    ],
)
def test_pagerduty_s_alert_follows_the_incident(
    receiver: HttpReceiver, kind: str, status: str, action: str
) -> None:
    stated = send(PagerDutyChannel, receiver, a_message(kind=kind, status=status))
    assert receiver.requests[0].path == "/v2/enqueue"
    assert stated == {"routing_key": TELL_TALE, "event_action": action, "dedup_key": INCIDENT}


def test_talk_is_shown_beside_the_alert_and_triggers_nothing(http: HttpPost, receiver: HttpReceiver) -> None:
    receiver.script([Reply(202, {"X-Request-Id": "c-1"}, b"{}")])
    message = a_message(kind="update", words=Words("A disk is full.", ""))
    spec = a_pager("pagerduty", receiver)
    assert sent(PagerDutyChannel(http), spec, secrets_of(pager_key="k"), message) == Accepted(202, "c-1")
    (request,) = receiver.requests
    stated = request.json()
    assert request.path == "/v2/change/enqueue"
    assert sorted(stated) == ["links", "payload", "routing_key"]
    assert stated["payload"]["summary"] == "[SEV1] Update: Checkout is slow"
    assert stated["payload"]["custom_details"]["text"] == "A disk is full."


def test_a_severity_that_changes_rings_nobody_at_pagerduty_again(receiver: HttpReceiver) -> None:
    send(PagerDutyChannel, receiver, a_message(kind="refresh", status="open", reason="severity SEV2"))
    assert receiver.requests[0].path == "/v2/change/enqueue"


def test_without_an_address_of_its_own_a_channel_calls_the_vendor() -> None:
    europe = a_channel("pagerduty", url="https://events.eu.pagerduty.com/")
    for spec, url in (
        (a_channel("pagerduty"), "https://events.pagerduty.com/x"),
        (europe, "https://events.eu.pagerduty.com/x"),
    ):
        assert downstream.place(spec, pagerduty.VENDOR, "/x").url == url
    assert downstream.place(a_channel("opsgenie"), opsgenie.VENDOR, "/x").url == "https://api.opsgenie.com/x"


# Opsgenie


def test_a_page_makes_an_alert_at_opsgenie(http: HttpPost, receiver: HttpReceiver) -> None:
    receiver.script([Reply(202, {}, b'{"result": "so be it", "requestId": "43a29c5c"}')])
    message = a_message(loudness=1, answering=ANSWERED)
    spec = a_pager("opsgenie", receiver)
    to = "team:ops, user:ana@example.com,schedule:nights,escalation:all,platform"
    accepted = sent(OpsgenieChannel(http), spec, secrets_of(pager_key="g3nie\n"), message, to)
    (request,) = receiver.requests
    stated = request.json()
    assert accepted == Accepted(202, "43a29c5c")
    assert (request.method, request.path) == ("POST", "/v2/alerts")
    assert request.headers["authorization"] == "GenieKey g3nie"
    assert stated["details"].pop("opened_at") == "2026-11-21T12:00:00+00:00"
    assert stated["details"].pop("answer_url") == PAGE
    assert stated.pop("details")["runbook"] == "high-latency"
    assert stated == {
        "message": "[SEV1] Checkout is slow",
        "alias": f"{INCIDENT} {to}",
        "description": "escalation step 2 of 3\n\np95 above 2 s\n\n"
        f"{ANSWER}: {PAGE}\n"
        "Open incident: https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1\n"
        "Open runbook: https://tocsin.example.com/runbooks/high-latency\n"
        "Open alert: https://grafana.example.com/d/1?from=now-1h",
        "responders": [
            {"type": "team", "name": "ops"},
            {"type": "user", "username": "ana@example.com"},
            {"type": "schedule", "name": "nights"},
            {"type": "escalation", "name": "all"},
            {"type": "team", "name": "platform"},
        ],
        "tags": ["acme", "SEV1"],
        "entity": "checkout",
        "source": "Tocsin",
        "priority": "P2",
    }


@pytest.mark.parametrize(
    ("priorities", "loudness", "priority"),
    [
        ({}, 0, "P1"),
        ({}, 4, "P5"),
        ({}, 5, "P5"),
        ({"priorities": "P1,P3"}, 0, "P1"),
        ({"priorities": "P1, P3"}, 1, "P3"),
        ({"priorities": "P1,P3"}, 2, "P3"),
    ],
)
def test_the_plan_may_say_which_priority_is_how_loud(
    receiver: HttpReceiver, priorities: dict[str, str], loudness: int, priority: str
) -> None:
    assert send(OpsgenieChannel, receiver, a_message(loudness=loudness), **priorities)["priority"] == priority
    refreshed = a_message(kind="refresh", status="open", loudness=loudness)
    assert send(OpsgenieChannel, receiver, refreshed, **priorities) == {"priority": priority}
    changed = receiver.requests[-1]
    assert (changed.method, changed.path) == ("PUT", f"/v2/alerts/{INCIDENT}/priority?identifierType=alias")


@pytest.mark.parametrize(
    ("kind", "status", "path"),
    [
        ("refresh", "acknowledged", "acknowledge"),
        ("refresh", "resolved", "close"),
        ("resolved", "resolved", "close"),
        ("update", "open", "notes"),
        ("cleared", "open", "notes"),
        ("review", "resolved", "notes"),
    ],
)
def test_opsgenie_s_alert_follows_the_incident(
    receiver: HttpReceiver, kind: str, status: str, path: str
) -> None:
    stated = send(OpsgenieChannel, receiver, a_message(kind=kind, status=status, reason="so it is"))
    request = receiver.requests[0]
    assert (request.method, request.path) == ("POST", f"/v2/alerts/{INCIDENT}/{path}?identifierType=alias")
    assert sorted(stated) == ["note", "source", "user"]
    assert "so it is" in stated["note"]


def test_each_responder_has_an_alert_that_rings(receiver: HttpReceiver) -> None:
    for to, alias, path in ((None, INCIDENT, INCIDENT), ("user:b/c", f"{INCIDENT} user:b/c", None)):
        assert send(OpsgenieChannel, receiver, a_message(), to)["alias"] == alias
        send(OpsgenieChannel, receiver, a_message(kind="resolved", status="resolved"), to)
        closed = path or f"{INCIDENT}%20user%3Ab%2Fc"
        assert receiver.requests[-1].path == f"/v2/alerts/{closed}/close?identifierType=alias"


def test_what_belongs_to_no_incident_is_a_quiet_alert_of_its_own(receiver: HttpReceiver) -> None:
    stated = send(OpsgenieChannel, receiver, a_message(kind="digest", incident="", severity="", loudness=0))
    assert receiver.requests[0].path == "/v2/alerts"
    assert (stated["alias"], stated["priority"], stated["tags"]) == (KEY, "P5", ["acme"])


# Both


@BOTH
def test_a_drill_is_marked(make: Make, receiver: HttpReceiver) -> None:
    stated = send(make, receiver, a_message(drill="first-friday"))
    head = stated["payload"]["summary"] if "payload" in stated else stated["message"]
    assert head.startswith("[DRILL] ")
    assert "first-friday" in texts_in(stated)
    meant = send(make, receiver, a_message(title="[DRILL] not at all"))
    assert not [text for text in texts_in(meant) if "[DRILL]" in text]


@BOTH
@pytest.mark.parametrize("kind", ["escalation", "update", "resolved", "refresh"])
def test_hostile_text_arrives_as_text_within_the_provider_s_limits(
    make: Make, receiver: HttpReceiver, kind: Kind
) -> None:
    for message in (a_hostile_message(), in_hostile_words()):
        stated = send(make, receiver, replace(message, kind=kind, severity="\U0001f525" * 900))
        texts = texts_in(stated)
        assert not [text for text in texts if CONTROLS.search(text)]
        assert not [text for text in texts if text.startswith(("javascript:", "data:"))]
        assert len(receiver.requests[-1].body) < 100_000
        limits = {"message": 130, "summary": 1_024, "description": 15_000, "note": 25_000}
        for part in (stated, stated.get("payload", {})):
            assert all(units(part[name]) <= most for name, most in limits.items() if name in part)
        assert all(units(tag) <= 50 for tag in stated.get("tags", ()))
        assert sum(map(units, texts_in(stated.get("details", {})))) <= 8_000


@BOTH
@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_pager_that_is_busy_or_broken_is_tried_again(
    make: Make, receiver: HttpReceiver, status: int
) -> None:
    receiver.script([Reply(status, {"Retry-After": "7"}, TELL_TALE.encode())])
    failure = failure_of(lambda: send(make, receiver, a_message()))
    assert (failure.permanent, failure.status, failure.retry_after) == (False, status, 7.0)
    assert str(failure) == f'the url of channel "ops": answered {status}'


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_pager_that_refuses_is_not_tried_again(make: Make, receiver: HttpReceiver, status: int) -> None:
    receiver.script([Reply(status, {}, TELL_TALE.encode())])
    failure = failure_of(lambda: send(make, receiver, a_message()))
    assert (failure.permanent, failure.status) == (True, status)
    assert TELL_TALE not in f"{failure!r}{failure.__cause__!r}{failure.__context__!r}"


@BOTH
def test_a_redirect_is_not_followed_with_the_key(make: Make, receiver: HttpReceiver) -> None:
    receiver.script([Reply(307, {"Location": receiver.url + "/elsewhere"})])
    assert failure_of(lambda: send(make, receiver, a_message())).permanent
    assert len(receiver.requests) == 1


@BOTH
@pytest.mark.parametrize(
    ("reply", "patience"),
    [
        (Reply(reset=True), SHORT_READS),
        (Reply(after=60), SHORT_READS),
        (Reply(drip_head=True), HURRIED),
    ],
    ids=["a reset", "silence", "headers that drip"],
)
def test_a_pager_that_hangs_is_left(
    make: Make, receiver: HttpReceiver, reply: Reply, patience: Patience
) -> None:
    receiver.script([reply])
    http = HttpPost(patience=patience)
    channel = make(http)
    spec, secrets = a_pager(channel.kind, receiver), secrets_of(pager_key=TELL_TALE)
    failure = failure_of(lambda: sent(channel, spec, secrets))
    http.close()
    assert_no_sender_is_left()
    assert (failure.permanent, failure.status) == (False, None)


@BOTH
def test_once_it_was_taken_a_body_that_drips_or_lies_changes_nothing(
    make: Make, receiver: HttpReceiver
) -> None:
    http = HttpPost(patience=HURRIED)
    channel = make(http)
    for reply in (
        Reply(202, {}, b'{"requ', drip=True),
        Reply(202, {}, b"[" * 60_000),
        Reply(202, {}, b"[1]"),
    ):
        receiver.script([reply])
        accepted = sent(channel, a_pager(channel.kind, receiver), secrets_of(pager_key="k"))
        assert accepted == Accepted(202, INCIDENT if channel.kind == "pagerduty" else None)
    http.close()
    assert_no_sender_is_left()


@BOTH
def test_a_certificate_that_nobody_vouches_for_is_refused(make: Make, tmp_path: Path) -> None:
    authority = LoopbackAuthority(tmp_path)
    with HttpReceiver(202, tls=authority.server) as secure:
        failure = failure_of(lambda: send(make, secure, a_message()))
        assert not failure.permanent
        assert "TLS" in str(failure)
        assert not secure.requests
        trusting = HttpPost(authority.bundle)
        channel = make(trusting)
        spec = a_pager(channel.kind, secure)
        assert sent(channel, spec, secrets_of(pager_key="k")).status == 202
        trusting.close()


@pytest.mark.parametrize(
    ("make", "status"),
    [(PagerDutyChannel, 400), (PagerDutyChannel, 403), (OpsgenieChannel, 401), (OpsgenieChannel, 403)],
)
def test_a_key_that_was_rotated_is_read_again(
    make: Make, http: HttpPost, receiver: HttpReceiver, status: int
) -> None:
    receiver.script([status])
    channel, secrets = make(http), RotatedSecrets("old-key", "new-key")
    spec = a_pager(channel.kind, receiver)
    failure = failure_of(lambda: channel.send(a_message(), spec, None, KEY, secrets, NOON))
    assert (failure.permanent, failure.status) == (False, status)
    assert "old-key" not in f"{failure!r}{failure.__context__!r}"
    assert channel.send(a_message(), spec, None, KEY, secrets, NOON).status == 202
    shown = [f"{request.headers.get('authorization')}{request.body!r}" for request in receiver.requests]
    assert ["old-key" in each for each in shown] == [True, False]
    assert ["new-key" in each for each in shown] == [False, True]


def test_a_vault_that_does_not_answer_leaves_pagerduty_s_refusal_for_another_try(
    http: HttpPost, receiver: HttpReceiver
) -> None:
    receiver.script([400])
    secrets = RotatedSecrets("old-key", None)
    pager = a_pager("pagerduty", receiver)
    failure = failure_of(lambda: PagerDutyChannel(http).send(a_message(), pager, None, KEY, secrets, NOON))
    assert (failure.permanent, failure.status) == (False, 400)


@BOTH
def test_what_a_pager_lacks_in_the_plan_fails_for_good_and_a_missing_secret_is_named(
    make: Make, http: HttpPost
) -> None:
    channel = make(http)
    for spec in (
        a_channel(channel.kind),
        a_channel(channel.kind, url="http://pager.example.com", secret="pager-key"),
    ):
        failure = failure_of(lambda spec=spec: sent(channel, spec, secrets_of(pager_key="k")))  # type: ignore[misc]
        assert failure.permanent
        assert '"ops"' in str(failure)
    with pytest.raises(SecretUnavailable, match=r"pager-key.*SECRET_PAGER_KEY"):
        sent(channel, a_channel(channel.kind, secret="pager-key"), secrets_of())


@pytest.mark.parametrize("key", ["k\r\nX-Evil: 1", "k\u00e4y \u202e\U0001f525"])
def test_a_key_that_fits_into_no_header_fails_and_is_not_repeated(receiver: HttpReceiver, key: str) -> None:
    channel = OpsgenieChannel(HttpPost())
    spec, secrets = a_pager("opsgenie", receiver), secrets_of(pager_key=key)
    failure = failure_of(lambda: sent(channel, spec, secrets))
    assert not {"Evil", "k\u00e4y"} & set(str(failure).split())
    assert not receiver.requests


@BOTH
def test_no_log_line_has_the_key(
    make: Make, receiver: HttpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.script([202, 500])
    send(make, receiver, in_words("words", "subject"))
    failure_of(lambda: send(make, receiver, a_message()))
    assert TELL_TALE not in caplog.text
    assert json.dumps(texts_in(receiver.requests[0].json())).count(TELL_TALE) <= 1
