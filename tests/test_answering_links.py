"""Where a notification can be answered by one tap, and where that link must not stand."""

from __future__ import annotations

import json
from dataclasses import replace
from email.headerregistry import Address
from typing import Any

import pytest

from shared.adapters.channels import slack, teams, webhook
from shared.adapters.channels.letter import letter
from shared.adapters.channels.wording import answer_link, headline, links
from shared.domain.delivery import Answering, Message
from tests.notifications import KEY, NOON, a_message, in_words

PAGE = "https://tocsin.example.com/a/eyJ.signed-token"
ANSWERING = Answering("eyJ.signed-token", PAGE, "https://tocsin.example.com/api/v1/plans/acme/channels/ops")
LABEL = "Acknowledge or resolve"
ADA = Address("", "ada", "example.org")


def a_page(**different: Any) -> Message:  # noqa: ANN401  (fields of Message)
    """An escalation that can be answered."""
    return a_message(**({"answering": ANSWERING} | different))


def test_the_link_to_answer_by_stands_first() -> None:
    assert links(a_page())[0] == (LABEL, PAGE)
    assert links(a_page())[1:] == links(a_message())


@pytest.mark.parametrize(
    "message",
    [
        a_message(),
        a_page(status="resolved"),
        a_page(audience="external"),
        a_page(answering=replace(ANSWERING, page="javascript:alert(1)")),
        a_page(answering=replace(ANSWERING, page="https://user:pw@evil.example/a/x")),
    ],
)
def test_where_nothing_can_be_answered_there_is_no_link(message: Message) -> None:
    assert answer_link(message) is None
    assert LABEL not in dict(links(message))


def test_who_has_acknowledged_can_still_resolve() -> None:
    assert answer_link(a_page(status="acknowledged")) == PAGE


def test_a_slack_room_has_it_as_a_button() -> None:
    actions = slack.blocks(a_page())["blocks"][-1]
    first = actions["elements"][0]
    assert (first["text"]["text"], first["url"]) == (LABEL, PAGE)
    assert first["action_id"] == "acknowledge-or-resolve"
    assert "value" not in first


def test_a_teams_card_has_it_as_an_action() -> None:
    card = teams.card(a_page())["attachments"][0]["content"]
    assert card["actions"][0] == {"type": "Action.OpenUrl", "title": LABEL, "url": PAGE}


def test_a_teams_card_stays_below_28_kb_with_it() -> None:
    long, link = "🔥" * 10_000, "https://example.com/" + "a" * 1_900
    message = a_page(
        title=long, summary=long, reason=long, service=long, severity=long, drill=long,
        incident_url=link, source_url=link, runbook_url=link, answering=replace(ANSWERING, page=link),
    )  # fmt: skip
    assert len(json.dumps(teams.card(message), ensure_ascii=False).encode()) < 28_000


def test_a_mail_has_it_in_both_its_parts() -> None:
    mail = letter(a_page(), ADA, ADA, KEY, NOON)
    plain, html = (part.get_content() for part in mail.iter_parts())
    assert f"{LABEL}: {PAGE}" in plain
    assert f'<a href="{PAGE}">{LABEL}</a>' in html


def test_a_public_mail_has_nothing_to_answer_by() -> None:
    message = replace(in_words("We look into it."), answering=ANSWERING)
    mail = letter(message, ADA, ADA, KEY, NOON, public=True)
    assert PAGE not in "".join(part.get_content() for part in mail.iter_parts())


def test_a_webhook_gets_its_address_or_null() -> None:
    assert json.loads(webhook.payload(a_page()))["answer_url"] == PAGE
    assert json.loads(webhook.payload(a_message()))["answer_url"] is None
    assert json.loads(webhook.payload(a_page(status="resolved")))["answer_url"] is None


def test_a_public_webhook_has_nothing_to_answer_by() -> None:
    stated = webhook.public_payload(replace(in_words("We look into it."), answering=ANSWERING))
    assert b"eyJ" not in stated


def test_reminders_and_refreshes_say_so_in_their_headline() -> None:
    assert headline(a_page(kind="still-open")) == "[SEV1] Still open: Checkout is slow"
    assert headline(a_page(kind="refresh")) == "[SEV1] Now: Checkout is slow"
