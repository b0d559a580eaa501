"""What each channel sends, to real servers on loopback, and what it makes of hostile text."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from markupsafe import Markup

from shared.adapters.channel_forms import FORMS
from shared.adapters.channels import slack, teams, webhook
from shared.adapters.channels.catalogue import known_channels
from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.log import LogChannel
from shared.adapters.channels.slack import SlackChannel
from shared.adapters.channels.teams import TeamsChannel
from shared.adapters.channels.webhook import WebhookChannel
from shared.adapters.channels.wording import PREFIX, facts, headline, own_words, safe_link, shortened, units
from shared.domain.delivery import PAGES, Kind, Message, Words
from shared.ports import Accepted
from tests.certificates import LoopbackAuthority
from tests.notifications import (
    CONTROLS,
    HOSTILE,
    KEY,
    NOON,
    a_channel,
    a_hostile_message,
    a_message,
    failure_of,
    in_hostile_words,
    in_words,
    secrets_of,
    sent,
)
from tests.receivers import HttpReceiver, Reply


@pytest.fixture
def http() -> Iterator[HttpPost]:
    post = HttpPost()
    yield post
    post.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


def texts_in(value: object) -> list[str]:
    """Every string anywhere in a JSON value."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in texts_in(part)]


def test_every_kind_that_a_plan_may_name_has_its_channel() -> None:
    known = known_channels()
    assert set(known) == set(FORMS)
    assert all(channel.kind == kind for kind, channel in known.items())


def test_a_webhook_gets_the_documented_json(http: HttpPost, receiver: HttpReceiver) -> None:
    accepted = sent(WebhookChannel(http), a_channel("webhook", url=receiver.url + "/hook"), secrets_of())
    (request,) = receiver.requests
    assert accepted == Accepted(200)
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == KEY
    assert "x-tocsin-signature" not in request.headers
    assert request.json() == {
        "to": None,
        "kind": "escalation",
        "plan": "acme",
        "incident": "INC-8Q2XK4ZR-1",
        "title": "Checkout is slow",
        "severity": "SEV1",
        "service": "checkout",
        "status": "open",
        "opened_at": "2026-11-21T12:00:00+00:00",
        "reason": "escalation step 2 of 3",
        "summary": "p95 above 2 s",
        "incident_url": "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1",
        "source_url": "https://grafana.example.com/d/1?from=now-1h",
        "answer_url": None,
        "drill": None,
        "runbook": "high-latency",
        "runbook_url": "https://tocsin.example.com/runbooks/high-latency",
        "subject": None,
        "text": None,
    }


def test_a_webhook_gets_the_plan_s_words_beside_the_facts(http: HttpPost, receiver: HttpReceiver) -> None:
    message = in_words(
        "Line 1\nLine 2", "Down:\n{{ x }}", drill="first-friday", runbook=None, runbook_url=None
    )
    sent(WebhookChannel(http), a_channel("webhook", url=receiver.url), secrets_of(), message)
    stated = receiver.requests[0].json()
    assert (stated["subject"], stated["text"]) == ("[DRILL] Down: {{ x }}", "Line 1\nLine 2")
    assert (stated["title"], stated["drill"]) == ("[DRILL] Checkout is slow", "first-friday")
    assert (stated["reason"], stated["summary"]) == ("escalation step 2 of 3", "p95 above 2 s")
    assert (stated["runbook"], stated["runbook_url"]) == (None, None)


def test_a_public_webhook_gets_the_plan_s_words_and_nothing_of_the_inside(
    http: HttpPost, receiver: HttpReceiver
) -> None:
    spec = a_channel("webhook", url=receiver.url, public="true")
    sent(WebhookChannel(http), spec, secrets_of(), in_words("We are looking into it.", "Trouble"))
    assert receiver.requests[0].json() == {
        "kind": "escalation",
        "plan": "acme",
        "incident": "INC-8Q2XK4ZR-1",
        "status": "open",
        "opened_at": "2026-11-21T12:00:00+00:00",
        "drill": None,
        "subject": "Trouble",
        "text": "We are looking into it.",
    }

    refused = failure_of(lambda: sent(WebhookChannel(http), spec, secrets_of()))
    assert refused.permanent
    assert len(receiver.requests) == 1


def test_a_webhook_carries_hostile_words_without_controls(http: HttpPost, receiver: HttpReceiver) -> None:
    sent(WebhookChannel(http), a_channel("webhook", url=receiver.url), secrets_of(), in_hostile_words())
    stated = receiver.requests[0].json()
    assert (stated["source_url"], stated["runbook_url"]) == (None, None)
    assert "\n" not in stated["subject"] + stated["runbook"] + stated["drill"]
    assert [units(stated[name]) for name in ("subject", "drill", "runbook")] == [500, 200, 200]
    assert units(stated["text"]) <= 16_000
    assert not [text for text in texts_in(stated) if CONTROLS.search(text)]


def test_a_webhook_is_signed_over_its_time_and_body(http: HttpPost, receiver: HttpReceiver) -> None:
    spec = a_channel("webhook", url=receiver.url, secret="hook-key")
    sent(WebhookChannel(http), spec, secrets_of(hook_key="s3cret-käy"))
    (request,) = receiver.requests
    seconds = request.headers["x-tocsin-timestamp"]
    expected = hmac.new("s3cret-käy".encode(), f"{seconds}.".encode() + request.body, hashlib.sha256)
    assert seconds == str(int(NOON.timestamp()))
    assert request.headers["x-tocsin-signature"] == "sha256=" + expected.hexdigest()


def test_the_sample_in_the_documentation_verifies_a_webhook(http: HttpPost, receiver: HttpReceiver) -> None:
    page = (Path(__file__).parent.parent / "docs" / "channels.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    sample: dict[str, Any] = {}
    exec(found.group(1), sample)  # noqa: S102  (our own page)
    sent(
        WebhookChannel(http),
        a_channel("webhook", url=receiver.url, secret="hook-key"),
        secrets_of(hook_key="k" * 20),
    )
    (request,) = receiver.requests
    seconds, signature = request.headers["x-tocsin-timestamp"], request.headers["x-tocsin-signature"]
    now = NOON.timestamp()
    assert sample["verified"]("k" * 20, seconds, signature, request.body, now)
    assert not sample["verified"]("other", seconds, signature, request.body, now)
    assert not sample["verified"]("k" * 20, seconds, signature, request.body + b" ", now)
    assert not sample["verified"]("k" * 20, seconds, signature, request.body, now + 301)


def test_a_webhook_whose_url_is_secret_takes_it_from_the_secret(
    http: HttpPost, receiver: HttpReceiver
) -> None:
    spec = a_channel("webhook", url_secret="hook-url", secret="hook-key")
    secrets = secrets_of(hook_url=f" {receiver.url}/very/secret\n", hook_key="signing-key")
    sent(WebhookChannel(http), spec, secrets)
    (request,) = receiver.requests
    assert request.path == "/very/secret"
    assert "x-tocsin-signature" in request.headers


@pytest.mark.parametrize(
    ("reply", "provider_id"),
    [
        (Reply(202, {"X-Request-Id": "req-7"}, b'{"id": "body-7"}'), "req-7"),
        (Reply(200, {}, b'{"id": 4711}'), "4711"),
        (Reply(200, {}, b'{"id": true}'), None),
        (Reply(200, {}, b'["id"]'), None),
        (Reply(200, {}, b"[" * 60_000), None),
        (Reply(200, {"X-Request-Id": "x" * 129}, b""), None),
        (Reply(200, {"X-Request-Id": "two words"}, b"\xff\xfe"), None),
    ],
)
def test_the_provider_s_own_id_is_kept_where_it_is_fit_to_keep(
    http: HttpPost, receiver: HttpReceiver, reply: Reply, provider_id: str | None
) -> None:
    receiver.script([reply])
    accepted = sent(WebhookChannel(http), a_channel("webhook", url=receiver.url), secrets_of())
    assert accepted == Accepted(reply.status, provider_id)


def test_a_webhook_carries_hostile_text_without_controls(http: HttpPost, receiver: HttpReceiver) -> None:
    sent(WebhookChannel(http), a_channel("webhook", url=receiver.url), secrets_of(), a_hostile_message())
    stated = receiver.requests[0].json()
    assert stated["source_url"] is None
    assert "\n" not in stated["title"]
    assert "<script>alert(1)</script>" in stated["title"]
    assert (units(stated["title"]), units(stated["summary"])) == (500, 8_000)
    assert not [text for text in texts_in(stated) if CONTROLS.search(text)]


def test_many_posts_to_one_host_share_a_connection(http: HttpPost, receiver: HttpReceiver) -> None:
    for _ in range(5):
        sent(WebhookChannel(http), a_channel("webhook", url=receiver.url), secrets_of())
    assert (len(receiver.requests), receiver.connections) == (5, 1)


def test_cookies_are_not_kept(http: HttpPost, receiver: HttpReceiver) -> None:
    receiver.script([Reply(200, {"Set-Cookie": "session=1; Path=/"})])
    for _ in range(2):
        sent(WebhookChannel(http), a_channel("webhook", url=receiver.url), secrets_of())
    assert "cookie" not in receiver.requests[1].headers


def test_https_goes_to_a_server_whose_certificate_is_trusted(tmp_path: Path) -> None:
    authority = LoopbackAuthority(tmp_path)
    http = HttpPost(authority.bundle)
    with HttpReceiver(tls=authority.server) as receiver:
        sent(WebhookChannel(http), a_channel("webhook", url=receiver.url), secrets_of())
        http.close()
        assert len(receiver.requests) == 1


def test_slack_gets_blocks_with_a_text_to_fall_back_on(http: HttpPost, receiver: HttpReceiver) -> None:
    receiver.script([Reply(200, {"x-slack-req-id": "abc123"})])
    spec = a_channel("slack", secret="slack-ops")
    accepted = sent(SlackChannel(http), spec, secrets_of(slack_ops=receiver.url + "/services/T/B/x"))
    stated = receiver.requests[0].json()
    assert accepted == Accepted(200, "abc123")
    assert stated["text"] == "[SEV1] Checkout is slow (INC-8Q2XK4ZR-1): escalation step 2 of 3"
    assert [block["type"] for block in stated["blocks"]] == [
        "header",
        "section",
        "section",
        "section",
        "actions",
    ]
    assert stated["blocks"][0]["text"]["text"] == "[SEV1] Checkout is slow"
    assert {"type": "plain_text", "text": "Severity: SEV1", "emoji": False} in stated["blocks"][2]["fields"]
    incident, runbook, alert = stated["blocks"][4]["elements"]
    assert incident["url"] == "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1"
    assert runbook["url"] == "https://tocsin.example.com/runbooks/high-latency"
    assert runbook["text"]["text"] == "Open runbook"
    assert alert["url"] == "https://grafana.example.com/d/1?from=now-1h"


def test_slack_shows_the_plan_s_words_in_place_of_reason_and_summary() -> None:
    stated = slack.blocks(in_words("Users cannot pay.\n- rolled back", "Checkout down"))
    header, told, facts, _ = stated["blocks"]
    assert header["text"]["text"] == "Checkout down"
    assert told["text"]["text"] == "Users cannot pay.\n- rolled back"
    assert "Severity: SEV1" in [field["text"] for field in facts["fields"]]
    assert stated["text"] == "Checkout down (INC-8Q2XK4ZR-1): Users cannot pay. - rolled back"
    assert not {"escalation step 2 of 3", "p95 above 2 s"} & set(texts_in(stated))


@pytest.mark.parametrize("message", [a_hostile_message(), in_hostile_words()])
def test_slack_shows_hostile_text_without_markup_or_mentions(message: Message) -> None:
    stated = slack.blocks(message)
    texts = texts_in(stated)
    assert not [text for text in texts if CONTROLS.search(text) or re.search("[<>]|@(channel|here)", text)]
    assert not [text for text in texts if re.search("&(?!amp;|lt;|gt;)", text)]
    assert any("&lt;!channel&gt; @\u200bhere" in text for text in texts)
    assert "javascript:" not in json.dumps(
        [block for block in stated["blocks"] if block["type"] == "actions"]
    )


@pytest.mark.parametrize("filler", ["A", "&", "🔥", "é\n"])
def test_slack_s_limits_hold_however_the_text_is_escaped(filler: str) -> None:
    long = filler * 10_000
    for message in (
        a_message(title=long, summary=long, reason=long, service=long),
        in_words(long, long, service=long, drill=long),
    ):
        assert_within_slack_s_limits(slack.blocks(message))


def assert_within_slack_s_limits(stated: dict[str, Any]) -> None:
    header, *sections = stated["blocks"]
    assert units(header["text"]["text"]) <= 150
    assert all(units(part["text"]["text"]) <= 3_000 for part in sections if "text" in part)
    assert all(units(field["text"]) <= 2_000 for part in sections for field in part.get("fields", []))
    assert units(stated["text"]) <= 3_000
    assert header["text"]["text"].endswith("…")


def test_teams_gets_an_adaptive_card_and_says_202(http: HttpPost, receiver: HttpReceiver) -> None:
    receiver.script([Reply(202, {"x-ms-workflow-run-id": "0858"}, b"")])
    spec = a_channel("teams", secret="teams-ops")
    accepted = sent(TeamsChannel(http), spec, secrets_of(teams_ops=receiver.url + "/workflows/1?sig=abc"))
    stated = receiver.requests[0].json()
    (attachment,) = stated["attachments"]
    card = attachment["content"]
    assert accepted == Accepted(202, "0858")
    assert stated["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert card["body"][0]["text"] == "\\[SEV1\\] Checkout is slow"
    assert "Service: checkout" in [block["text"] for block in card["body"]]
    assert [action["url"] for action in card["actions"]] == [
        "https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1",
        "https://tocsin.example.com/runbooks/high-latency",
        "https://grafana.example.com/d/1?from=now-1h",
    ]


def test_teams_shows_the_plan_s_words_in_place_of_reason_and_summary() -> None:
    stated = teams.card(in_words("Users cannot pay\nRolled back", "Checkout down", drill="first-friday"))
    texts = [block["text"] for block in stated["attachments"][0]["content"]["body"]]
    assert (texts[0], texts[-1]) == ("\\[DRILL\\] Checkout down", "Users cannot pay\n\nRolled back")
    assert {"Severity: SEV1", "Drill: first-friday"} <= set(texts)
    assert not {"escalation step 2 of 3", "p95 above 2 s"} & set(texts)


@pytest.mark.parametrize("message", [a_hostile_message(), in_hostile_words()])
def test_teams_shows_hostile_text_without_markdown(message: Message) -> None:
    stated = teams.card(message)
    texts = [block["text"] for block in stated["attachments"][0]["content"]["body"]]
    assert not [text for text in texts if CONTROLS.search(text)]
    assert not [text for text in texts if re.search(r"(?<!\\)[\[\]()*_<>`{}&]", text)]
    assert any("\\[x\\]\\(javascript:alert\\(1\\)\\)" in text for text in texts)
    assert [action["title"] for action in stated["attachments"][0]["content"]["actions"]] == ["Open incident"]


def test_teams_makes_no_lists_of_hostile_lines() -> None:
    assert teams.escaped("1. a\n- b\n  + c\n# d", 100) == "\u200b1. a\n\n\u200b- b\n\n  \u200b+ c\n\n\\# d"


@pytest.mark.parametrize("filler", ["A", "&", "\\", '"', "語", "🔥"])
def test_a_card_stays_below_teams_28_kb_whatever_is_in_it(filler: str) -> None:
    long = filler * 10_000
    link = "https://example.com/" + "a" * 1_900
    message = a_message(
        title=long, summary=long, reason=long, service=long, severity=long, drill=long,
        incident_url=link, source_url=link, runbook_url=link,
    )  # fmt: skip
    for each in (message, replace(message, words=Words(long, long))):
        assert len(json.dumps(teams.card(each), ensure_ascii=False).encode()) < 28_000


def test_the_log_channel_writes_one_line_and_always_accepts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        accepted = sent(
            LogChannel(), a_channel("log"), secrets_of(), a_hostile_message(), to="ada@example.org"
        )
    (record,) = caplog.records
    line = json.loads(record.getMessage())
    assert accepted == Accepted()
    assert (line["incident"], line["key"]) == ("INC-8Q2XK4ZR-1", KEY)
    assert record.getMessage().isprintable()
    assert units(line["title"]) == 200
    assert not {"summary", "reason", "to", "contact"} & set(line)
    assert "ada@example.org" not in record.getMessage()


def test_a_log_line_says_that_it_is_a_drill_and_has_none_of_the_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = in_words("the body", "the subject", drill="first-friday", template="own")
    with caplog.at_level(logging.INFO):
        sent(LogChannel(), a_channel("log"), secrets_of(), message)
        sent(LogChannel(), a_channel("log"), secrets_of(), in_hostile_words())
    line, hostile = (json.loads(record.getMessage()) for record in caplog.records)
    assert (line["title"], line["drill"]) == ("[DRILL] Checkout is slow", "first-friday")
    assert (line["template"], line["runbook"]) == ("own", "high-latency")
    assert not [text for text in line.values() if text in ("the body", "the subject")]
    assert all(units(text) <= 200 for text in hostile.values() if text is not None)
    assert all(record.getMessage().isprintable() for record in caplog.records)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        ("HTTPS://example.com", "HTTPS://example.com"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ('https://example.com/"><script>', "https://example.com/%22%3E%3Cscript%3E"),
        ("https://example.com/ä(b)\r\nc", "https://example.com/%C3%A4%28b%29%0D%0Ac"),
        ("https://example.com/\ud800", "https://example.com/?"),
        ("https://bank.example@evil.example/", None),
        ("https://exämple.com/", None),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//example.com", None),
        ("https://", None),
        ("https://example.com/" + "ä" * 1_000, None),
        ("", None),
        (None, None),
    ],
)
def test_only_plain_http_links_are_shown(url: str | None, shown: str | None) -> None:
    assert safe_link(url) == shown


@pytest.mark.parametrize(
    ("text", "limit", "result"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("ab🔥", 4, "ab🔥"),
        ("ab🔥", 3, "ab…"),
        ("a🔥b", 3, "a…"),
        ("", 3, ""),
    ],
)
def test_text_is_cut_between_characters(text: str, limit: int, result: str) -> None:
    assert shortened(text, limit) == result


def test_an_empty_title_is_named_as_such() -> None:
    assert slack.blocks(a_message(title=" \x00 "))["blocks"][0]["text"]["text"] == "[SEV1] (no title)"


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("escalation", "[SEV1] Checkout is slow"),
        ("manual", "[SEV1] Checkout is slow"),
        ("resolved", "[SEV1] Resolved: Checkout is slow"),
        ("alarm", "[SEV1] Alarm: Checkout is slow"),
        ("inform", "[SEV1] For information: Checkout is slow"),
        ("update", "[SEV1] Update: Checkout is slow"),
        ("reminder", "[SEV1] Update due: Checkout is slow"),
        ("role", "[SEV1] Your role: Checkout is slow"),
        ("cleared", "[SEV1] Cleared: Checkout is slow"),
        ("review", "[SEV1] Review: Checkout is slow"),
        ("action-item", "[SEV1] Action item: Checkout is slow"),
        ("digest", "[SEV1] Digest: Checkout is slow"),
    ],
)
def test_the_kind_of_news_is_in_the_headline(kind: Kind, head: str) -> None:
    assert headline(a_message(kind=kind)) == head
    assert headline(a_message(kind=kind, drill="first-friday")) == f"[DRILL] {head}"


def test_every_kind_but_a_page_says_so_in_its_headline() -> None:
    assert set(get_args(Kind)) - set(PREFIX) == PAGES


@pytest.mark.parametrize(
    "claim",
    [
        "[DRILL] ignore",
        "[drill] ignore",
        "[ Drill ] ignore",
        "x [DRILL]",
        "[D\u200bRILL\u2060]",
        "[D R I L L]",
    ],
)
def test_no_text_passes_an_incident_off_as_a_drill(claim: str) -> None:
    for message in (a_message(title=claim), in_words("x", claim)):
        assert "[" not in headline(message).removeprefix("[SEV1] ")
        assert json.loads(webhook.payload(message))["drill"] is None


def test_a_digest_shows_only_the_facts_that_it_has() -> None:
    message = a_message(kind="digest", incident="", severity="", service="", status="")
    assert [label for label, _ in facts(message)] == ["Opened", "Plan"]
    assert headline(message) == "Digest: Checkout is slow"
    assert slack.blocks(message)["text"] == "Digest: Checkout is slow: escalation step 2 of 3"


def test_html_words_are_text_where_no_html_is_shown() -> None:
    html = Markup(
        "<style>p {}</style><h2>Down</h2>\n<p>Users &amp; <b>cannot</b> pay<br>&lt;!channel&gt;</p><p>End</p>"
    )
    message = in_words(html)
    assert own_words(message) == "Down\nUsers & cannot pay\n<!channel>\nEnd"
    assert slack.blocks(message)["blocks"][1]["text"]["text"] == (
        "Down\nUsers &amp; cannot pay\n&lt;!channel&gt;\nEnd"
    )


def test_words_without_a_body_leave_the_standard_ones() -> None:
    stated = slack.blocks(in_words(" \n", ""))
    assert stated == slack.blocks(a_message())


def test_hostile_text_is_what_it_claims_to_be() -> None:
    assert len(HOSTILE) > 10_000
    assert CONTROLS.search(HOSTILE)
