"""The Slack app in a room or with a person: buttons, threads, and the first message kept up to date."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.channels.slack_app import SlackAppChannel
from shared.domain.delivery import Answering, Kind, Message, Words
from shared.ports import Accepted
from tests.notifications import CONTROLS, a_hostile_message, a_message, failure_of, in_hostile_words
from tests.played_slack import (
    ANSWERING,
    FIRST,
    ROOM,
    TOKEN,
    PlayedSlack,
    a_page,
    buttons_of,
    head_of,
    labels_of,
    told,
)
from tests.receivers import HttpReceiver, Reply
from tests.test_channels import assert_within_slack_s_limits, texts_in


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


def test_a_page_is_posted_with_buttons_that_carry_the_signed_token(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    assert told(app, receiver, a_page()) == Accepted(200, FIRST)
    (request,) = receiver.requests
    assert request.path == "/api/chat.postMessage"
    assert request.headers["authorization"] == "Bearer xoxb-good"
    shown = slack.said("chat.postMessage")
    assert shown["channel"] == ROOM
    assert (shown["unfurl_links"], shown["unfurl_media"], "thread_ts" in shown) == (False, False, False)
    assert shown["text"].startswith("[SEV1] Checkout is slow (INC-8Q2XK4ZR-1)")
    acknowledge, resolve, *links = buttons_of(shown)
    assert (acknowledge["action_id"], acknowledge["value"]) == ("acknowledge", TOKEN)
    assert (resolve["action_id"], resolve["value"]) == ("resolve", TOKEN)
    assert [link["text"]["text"] for link in links] == ["Open incident", "Open runbook", "Open alert"]
    assert len({each["action_id"] for each in buttons_of(shown)}) == 5


@pytest.mark.parametrize(
    ("status", "labels"),
    [("open", ["Acknowledge", "Resolve"]), ("acknowledged", ["Resolve"]), ("resolved", [])],
)
def test_only_what_makes_sense_now_can_be_tapped(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, status: str, labels: list[str]
) -> None:
    told(app, receiver, a_page(status=status))
    shown = slack.said("chat.postMessage")
    assert labels_of(shown) == [*labels, "Open incident", "Open runbook", "Open alert"]


def test_without_a_token_or_for_outside_or_with_one_too_long_nothing_can_be_tapped(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    too_long = Answering("x" * 2_001, "https://tocsin.example.com/a/x", "")
    for message in (a_message(), a_page(audience="external"), a_page(answering=too_long)):
        told(app, receiver, message)
    for _, shown in slack.calls:
        assert "Acknowledge" not in labels_of(shown)
        assert "Resolve" not in labels_of(shown)


def test_a_person_is_reached_in_the_channel_that_slack_has_for_them(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    accepted = told(app, receiver, a_page(), to="U0ADA")
    assert accepted.provider_id == "D0ADA:1763726400.000000"
    again = told(app, receiver, a_page(kind="refresh", first_id=accepted.provider_id), to="U0ADA")
    assert again.provider_id == accepted.provider_id
    assert slack.said("chat.update")["channel"] == "D0ADA"


def test_what_follows_updates_the_first_message_and_goes_into_its_thread(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    told(app, receiver, a_page())
    later = a_message(kind="resolved", status="resolved", reason="resolved by Ada", first_id=FIRST)
    assert told(app, receiver, later) == Accepted(200, FIRST)
    assert slack.methods() == ["chat.postMessage", "chat.update", "chat.postMessage"]
    card, reply = slack.messages[FIRST], slack.messages["C0OPS:1763726400.000001"]
    assert head_of(card) == "[SEV1] Resolved: Checkout is slow"
    assert {"resolved by Ada", "Status: resolved"} <= set(texts_in(card))
    assert labels_of(card) == ["Open incident", "Open runbook", "Open alert"]
    assert (reply["thread_ts"], reply["reply_broadcast"]) == ("1763726400.000000", True)


@pytest.mark.parametrize(
    ("kind", "aloud", "updates"),
    [
        ("escalation", True, True),
        ("manual", True, True),
        ("resolved", True, True),
        ("inform", False, True),
        ("still-open", False, True),
        ("cleared", False, True),
        ("update", False, False),
        ("review", False, False),
        ("action-item", False, False),
    ],
)
def test_the_room_hears_pages_and_the_end_and_the_thread_hears_the_rest(
    app: SlackAppChannel,
    receiver: HttpReceiver,
    slack: PlayedSlack,
    kind: Kind,
    aloud: bool,
    updates: bool,
) -> None:
    slack.messages[FIRST] = {}
    told(app, receiver, a_page(kind=kind, first_id=FIRST))
    assert slack.said("chat.postMessage")["reply_broadcast"] is aloud
    assert ("chat.update" in slack.methods()) is updates


def test_a_refresh_rings_nobody(app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack) -> None:
    slack.messages[FIRST] = {}
    message = a_page(kind="refresh", status="acknowledged", reason="it has changed", first_id=FIRST)
    assert told(app, receiver, message) == Accepted(200, FIRST)
    assert slack.methods() == ["chat.update"]
    card = slack.messages[FIRST]
    assert head_of(card) == "[SEV1] Acknowledged: Checkout is slow"
    assert {"Status: acknowledged", "p95 above 2 s"} <= set(texts_in(card))
    assert "it has changed" not in " ".join(texts_in(card))
    assert labels_of(card)[:1] == ["Resolve"]


@pytest.mark.parametrize(
    "first_id", [None, "", "1763726400.000000", "C0OTHER:1763726400.000000", "C0OPS:1;x"]
)
def test_a_refresh_of_nothing_fails_for_good_and_calls_nobody(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, first_id: str | None
) -> None:
    failure = failure_of(lambda: told(app, receiver, a_page(kind="refresh", first_id=first_id)))
    assert failure.permanent
    assert slack.calls == []


def test_a_contact_who_moved_to_another_room_is_told_there_anew(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    told(app, receiver, a_page(first_id=FIRST), to="C0NEW")
    assert slack.methods() == ["chat.postMessage"]
    assert "thread_ts" not in slack.said("chat.postMessage")


@pytest.mark.parametrize("kind", ["refresh", "escalation"])
def test_where_the_first_message_was_removed_it_is_posted_anew(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, kind: Kind
) -> None:
    accepted = told(app, receiver, a_page(kind=kind, first_id=FIRST))
    assert slack.methods() == ["chat.update", "chat.postMessage"]
    assert accepted.provider_id is not None
    assert "thread_ts" not in slack.said("chat.postMessage")


def test_what_was_posted_anew_is_the_card_from_then_on(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    now = told(app, receiver, a_page()).provider_id
    del slack.messages[FIRST]
    for kind in ("refresh", "refresh", "inform", "update", "refresh"):
        now = told(app, receiver, a_page(kind=kind, first_id=now)).provider_id
    assert now is not None
    assert now != FIRST
    cards = [where for where, shown in slack.messages.items() if "thread_ts" not in shown]
    assert cards == [now]
    assert {shown.get("thread_ts", now[6:]) for shown in slack.messages.values()} == {now[6:]}


def test_where_the_thread_is_gone_the_message_is_posted_anew(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.no["chat.postMessage"] = ["thread_not_found"]
    assert told(app, receiver, a_page(kind="update", first_id=FIRST)).provider_id == FIRST
    assert slack.methods() == ["chat.postMessage", "chat.postMessage"]
    assert "thread_ts" not in slack.calls[1][1]


@pytest.mark.parametrize(
    "no",
    [
        "internal_error",
        "cant_update_message",
        "edit_window_closed",
        Reply(429, {"Retry-After": "30"}),
        Reply(503),
        Reply(reset=True),
    ],
)
def test_an_update_that_fails_loses_no_message_and_fails_a_refresh(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, no: str | Reply
) -> None:
    slack.messages[FIRST] = {}
    slack.no["chat.update"] = [no, no]
    assert told(app, receiver, a_page(first_id=FIRST)).provider_id == FIRST
    assert "C0OPS:1763726400.000001" in slack.messages
    failure = failure_of(lambda: told(app, receiver, a_page(kind="refresh", first_id=FIRST)))
    assert failure.permanent is (no in ("cant_update_message", "edit_window_closed"))


def test_a_page_is_not_lost_for_its_looks(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.no["chat.postMessage"] = ["invalid_blocks"]
    assert told(app, receiver, a_page()).provider_id is not None
    assert "blocks" not in slack.calls[1][1]
    assert "Checkout is slow" in slack.calls[1][1]["text"]


@pytest.mark.parametrize("to", [None, "", "#general", "general", "C0OPS,C0ALL", "<!channel>", "@here"])
def test_an_address_that_is_no_id_is_refused_and_not_repeated(
    app: SlackAppChannel, receiver: HttpReceiver, to: str | None
) -> None:
    failure = failure_of(lambda: told(app, receiver, to=to))
    assert failure.permanent
    assert not to or to not in str(failure)
    assert receiver.requests == []


@pytest.mark.parametrize("message", [a_hostile_message(), in_hostile_words()])
@pytest.mark.parametrize("first_id", [None, FIRST])
def test_hostile_text_is_text(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, message: Message, first_id: str | None
) -> None:
    slack.messages[FIRST] = {}
    told(app, receiver, replace(message, first_id=first_id, answering=ANSWERING))
    for _, shown in slack.calls:
        texts = texts_in(shown)
        assert not [
            text for text in texts if CONTROLS.search(text) or re.search("[<>]|@(channel|here)", text)
        ]
        assert "javascript:" not in json.dumps(buttons_of(shown))
        assert head_of(shown).startswith("[DRILL]") is (message.drill is not None)


@pytest.mark.parametrize("filler", ["A", "&", "🔥", "é\n"])
def test_slack_s_limits_hold_for_the_card_too(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack, filler: str
) -> None:
    long = filler * 10_000
    slack.messages[FIRST] = {}
    words = Words(long, long)
    for message in (
        a_page(title=long, summary=long, reason=long, service=long, first_id=FIRST),
        a_page(title=long, words=words, drill=long, first_id=FIRST),
    ):
        told(app, receiver, message)
    for _, shown in slack.calls:
        assert_within_slack_s_limits(shown)


def test_a_drill_says_so_in_the_card_and_no_title_can_claim_to_be_one(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.messages[FIRST] = {}
    for message in (a_page(drill="first-friday"), a_page(title="[DRILL] ignore me")):
        told(app, receiver, a_page(kind="refresh", drill=message.drill, title=message.title, first_id=FIRST))
    assert [head_of(shown) for _, shown in slack.calls] == [
        "[DRILL] [SEV1] Checkout is slow",
        "[SEV1] (drill) ignore me",
    ]


def test_outside_reads_the_plan_s_own_words_in_the_card(
    app: SlackAppChannel, receiver: HttpReceiver, slack: PlayedSlack
) -> None:
    slack.messages[FIRST] = {}
    words = Words("It works again.", "All is well")
    told(
        app,
        receiver,
        a_message(kind="resolved", status="resolved", audience="external", words=words, first_id=FIRST),
    )
    assert head_of(slack.messages[FIRST]) == "All is well"
    assert "escalation step 2 of 3" not in texts_in(slack.messages[FIRST])
