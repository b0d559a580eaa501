"""Teams calls: the outgoing webhook's signature, its HTML, five seconds, and nothing after them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.adapters.chat.teams_requests import BUDGET, TeamsRequests, TeamsViews, plain
from shared.domain import chat_told
from shared.domain.chat_call import Answer
from shared.domain.errors import InvalidInput, SecretUnavailable, StoreUnavailable, TooLarge, Unauthenticated
from shared.domain.plan import Plan
from shared.domain.runbook import Part, Runbook
from shared.workflows.answer_in_time import AnswerInTime
from shared.workflows.chat import TeamsChat
from tests.builders import NOON, seconds
from tests.chats import SALT, TEAMS_TOKEN, ChatStage, Plans, activity, held, teams_signed

ANOTHER = base64.b64encode(b"another key of thirty-two bytes!").decode()


@pytest.fixture
def stage(storage: str) -> Iterator[ChatStage]:
    with ChatStage(storage) as made:
        yield made


def teams(stage: ChatStage, patience: float = 60.0) -> TeamsChat:
    requests = TeamsRequests(stage.plans, stage.secrets)
    return TeamsChat(requests, TeamsViews(), stage.commands, AnswerInTime(patience))


def say(chat: TeamsChat, html: str, **more: Any) -> str:  # noqa: ANN401  (fields of the activity)
    body = activity(html, **more)
    shown = chat.message(teams_signed(body), body, SALT, NOON)
    assert shown["type"] == "message"
    return str(shown["text"])


def test_a_signed_message_is_answered(stage: ChatStage) -> None:
    incident = stage.fired()
    assert "Ana has it" in say(teams(stage), f"incident ack {incident.id}")
    assert stage.incident(incident.id).status == "acknowledged"
    [acted] = [event for event in stage.events(incident.id) if event.type == "acted-on"]
    assert acted.data["by"] == "teams"
    assert incident.id in say(teams(stage), "incident list", identity="2")


def test_the_same_message_twice_acts_once_and_is_answered_the_same(stage: ChatStage) -> None:
    first = say(teams(stage), "incident create P1 slow")
    assert say(teams(stage), "incident create P1 slow") == first
    assert say(teams(stage), "incident list", identity="2").startswith("**1 open**")


@pytest.mark.parametrize(
    "given",
    ["", "HMAC", "HMAC ", "HMAC AAAA", "Bearer x", "HMAC é", "hmac x"],
)
def test_what_is_not_signed_is_nobodys(stage: ChatStage, given: str) -> None:
    with pytest.raises(Unauthenticated):
        teams(stage).message({"authorization": given}, activity("incident list"), SALT, NOON)


def test_another_key_or_one_changed_byte_is_refused(stage: ChatStage) -> None:
    body = activity("incident list")
    for headers, sent in ((teams_signed(body, ANOTHER), body), (teams_signed(body), body + b" "), ({}, body)):
        with pytest.raises(Unauthenticated):
            teams(stage).message(headers, sent, SALT, NOON)


def test_the_old_key_counts_while_it_is_rotated(stage: ChatStage) -> None:
    body = activity("incident list")
    stage.settings["SECRET_TEAMS_KEY"] = ANOTHER
    with pytest.raises(Unauthenticated):
        teams(stage).message(teams_signed(body), body, SALT, NOON)
    stage.settings["SECRET_TEAMS_KEY__PREVIOUS"] = TEAMS_TOKEN
    assert teams(stage).message(teams_signed(body), body, SALT, NOON)
    assert teams(stage).message(teams_signed(body, ANOTHER), body, SALT, NOON)


@pytest.mark.parametrize("token", ["", "   ", "not base 64!", "=="])
def test_a_token_that_is_no_key_signs_nothing(stage: ChatStage, token: str) -> None:
    stage.settings["SECRET_TEAMS_KEY"] = token
    body = activity("incident list")
    with pytest.raises((Unauthenticated, SecretUnavailable)):
        teams(stage).message(teams_signed(body, ""), body, SALT, NOON)


def test_only_plans_whose_key_signed_can_be_meant(stage: ChatStage) -> None:
    mine = stage.plans.plan
    theirs: Plan = replace(mine, name="theirs", chat=replace(mine.chat, teams_secret="their-key"))
    stage.settings["SECRET_THEIR_KEY"] = ANOTHER
    requests = TeamsRequests(Plans(mine, theirs), stage.secrets)
    body = activity("incident list")
    call = requests.message(teams_signed(body, ANOTHER), body, SALT, NOON)
    assert [plan.name for plan in call.caller.plans] == ["theirs"]


@pytest.mark.parametrize(("late", "taken"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_message_counts_for_five_minutes(stage: ChatStage, late: float, taken: bool) -> None:
    body = activity("incident list", timestamp=(NOON - seconds(late)).isoformat())
    if taken:
        assert teams(stage).message(teams_signed(body), body, SALT, NOON)
        return
    with pytest.raises(Unauthenticated):
        teams(stage).message(teams_signed(body), body, SALT, NOON)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 50_000,
        b"{}",
        b'{"from": 5, "text": "incident list"}',
        b'{"from": {"aadObjectId": 5}}',
        b'{"from": {"aadObjectId": ""}}',
    ],
)
def test_a_signed_body_that_is_no_message_is_refused(stage: ChatStage, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        teams(stage).message(teams_signed(body), body, SALT, NOON)


@pytest.mark.parametrize(
    "odd", [{"text": None}, {"text": 5}, {"timestamp": "soon"}, {"id": None}, {"timestamp": 5}]
)
def test_a_message_that_lacks_something_is_answered_all_the_same(
    stage: ChatStage, odd: dict[str, object]
) -> None:
    body = json.dumps({**json.loads(activity("help")), **odd}).encode()
    assert (
        teams(stage).message(teams_signed(body), body, SALT, NOON)["text"].startswith("**What can be said**")
    )


def test_a_lone_surrogate_breaks_nothing(stage: ChatStage) -> None:
    said = say(teams(stage), "incident create P1 a\ud800b")
    said.encode()
    assert "a\ufffdb" in stage.say("/incident list").texts[0]


def test_a_body_is_taken_up_to_its_limit(stage: ChatStage) -> None:
    filler = 64 * 1024 - len(activity("help", pad=""))
    assert say(teams(stage), "help", pad="x" * filler)
    with pytest.raises(TooLarge):
        say(teams(stage), "help", pad="x" * (filler + 1))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<at>Tocsin</at> incident list", "incident list"),
        ('<at id="0">Tocsin</at>&nbsp;incident list\n', "incident list"),
        ("<div><at>T</at> <b>incident</b> list<br/>x</div>", "incident list\nx"),
        ("incident create P1 5 &lt; 6 &amp;&amp; x", "incident create P1 5 < 6 && x"),
        ("<at>T</at> escalate 8Q2X <at>lead</at>", "escalate 8Q2X lead"),
        ("<at>never closed", "never closed"),
        ("a < b > c", "a < b > c"),
        ("<p>&quot;x&quot;</p>", '"x"'),
    ],
)
def test_html_becomes_what_was_typed(html: str, text: str) -> None:
    assert plain(html) == text


def test_a_stranger_is_told_their_id_alone(stage: ChatStage) -> None:
    said = say(teams(stage), "incident list", user="0b1e-zoe")
    assert "does not know you" in said
    assert "0b1e\\-zoe" in said or "0b1e-zoe" in said


def test_what_takes_longer_says_honestly_that_no_answer_follows_and_is_done_all_the_same(
    stage: ChatStage,
) -> None:
    incident = stage.fired()
    chat = teams(stage, patience=0.0)
    with held(stage) as going_on:
        assert "Still working on it" in say(chat, f"incident ack {incident.id}")
        going_on.set()
        said = say(teams(stage), f"incident ack {incident.id}")
    assert "Ana has it" in said
    assert stage.types(incident.id).count("acknowledged") == 1


def test_plans_that_cannot_be_read_are_an_answer_too(stage: ChatStage) -> None:
    class Down(Plans):
        def all(self) -> list[Plan]:
            raise StoreUnavailable("nothing there")

    chat = replace(teams(stage), requests=TeamsRequests(Down(), stage.secrets))
    assert "could not be stored" in say(chat, "incident list")


def test_hostile_text_is_no_markup() -> None:
    shown = TeamsViews().shown(
        Answer(
            "**b** <at>everyone</at> [x](javascript:1)", ("# head\n- item\n" * 500,), (("I", "javascript:1"),)
        )
    )
    text = shown["text"]
    assert "<at>" not in text
    assert "](javascript" not in text
    assert "\\*\\*b\\*\\*" in text


WHOLE = "https://tocsin.example.com/api/v1/plans/acme/runbooks/r"


def size_of(answer: Answer) -> tuple[str, int]:
    """The text shown, and the bytes of the whole as they go out."""
    shown = TeamsViews().shown(answer)
    return shown["text"], len(json.dumps(shown, ensure_ascii=False).encode())


@pytest.mark.parametrize("filler", ["A", "漢", "🔥", "*", "\\", '"', "a\n", "<b>|", "é"])
def test_an_answer_is_within_one_budget_whatever_it_is_written_in(filler: str) -> None:
    parts = tuple(Part(filler * 40, filler * 4_000) for _ in range(8))
    links = (("Runbook", WHOLE),)
    text, size = size_of(chat_told.consulted(Runbook("r", filler * 900, filler, parts), links))
    assert BUDGET - 16 <= size <= BUDGET
    assert text.endswith(f"… [Runbook]({WHOLE})")
    assert text.count(WHOLE) == 1


def test_a_long_runbook_is_shown_whole_as_long_as_it_fits() -> None:
    links = (("Runbook", WHOLE),)
    parts = tuple(Part(f"part {n}", "x" * 2_000) for n in range(10))
    text, _ = size_of(chat_told.consulted(Runbook("r", "x", "", parts), links))
    assert "part 9" in text
    assert "…" not in text
    assert text.endswith(f"\n\n[Runbook]({WHOLE})")


def test_the_last_byte_of_the_budget_is_used_and_not_one_more() -> None:
    frame = size_of(Answer("t", ("x",)))[1] - 1
    for extra, cut in ((-1, False), (0, False), (1, True)):
        text, size = size_of(Answer("t", ("x" * (BUDGET - frame + extra),)))
        assert size <= BUDGET
        assert text.endswith("…") is cut


def test_what_comes_after_a_text_that_is_cut_is_left_out_and_links_have_room() -> None:
    links = tuple((f"{n} " + "漢" * 200, f"https://example.com/{n}{'x' * 1_900}") for n in range(9))
    text, size = size_of(Answer("漢" * 900, ("漢" * 20_000, "afterwards"), links))
    assert size <= BUDGET
    assert "afterwards" not in text
    assert [f"/{n}x" in text for n in range(9)] == [True] * 5 + [False] * 4
