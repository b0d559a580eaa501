"""The language of chat commands: what may be typed, how, and what is said to slips."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from shared.domain import chat
from shared.domain.chat import Ack, CallIn, Close, Consult, Create, Help, Listing, Show, Update, WhoIsOnCall
from shared.domain.chat_words import BY_NAME, VERBS, Misread, Verb

PIECES = (
    *"\"“”'’= \t\n#@<>\\|",
    *("incident", "create", "list", "show", "ack", "resolve", "status", "update", "help", "P1", "8Q2X"),
    *("code=", "plan=x", "audience=in", "\x00", "\ud800", "😀"),
)
IDS = ("INC-8Q2XABCD-1", "INC-8Q2XABCD-12", "INC-9R2XABCD-1")


def said(line: str) -> chat.Ask:
    command, _, text = line.partition(" ") if line.startswith("/") else ("", "", line)
    return chat.parse(command, text).ask


@pytest.mark.parametrize(
    ("line", "ask"),
    [
        ('/incident create P1 "Checkout is slow"', Create("P1", "Checkout is slow")),
        ('/incident create P1 "Checkout is slow" service=shop', Create("P1", "Checkout is slow", "shop")),
        ("/incident create P1 service=shop “Checkout is slow”", Create("P1", "Checkout is slow", "shop")),
        ("/incident create P1 „Kasse geht nicht“", Create("P1", "Kasse geht nicht")),
        ("/incident create P1 «la caisse»", Create("P1", "la caisse")),
        ("/incident create P1 'single quotes'", Create("P1", "single quotes")),
        ('/incident create P1 "no end', Create("P1", "no end")),
        ("/incident create P1 “no end service=shop", Create("P1", "no end", "shop")),
        ("/incident create P1 no quotes at all", Create("P1", "no quotes at all")),
        ("/incident create P1 it's the users' problem", Create("P1", "it's the users' problem")),
        ('/incident create P1 "the "x"-error"', Create("P1", 'the "x"-error')),
        ('/incident create P1 "two\n lines"', Create("P1", "two lines")),
        ('/incident   CREATE \t P1    "blanks"   ', Create("P1", "blanks")),
        ('/incident create P1 "a=b stays" x=y', Create("P1", "a=b stays x=y")),
        ('/incident create P1 "SELECT" service="data base"', Create("P1", "SELECT", "data base")),
        ("/incident declare P1 x", Create("P1", "x")),
        ("/incident list", Listing()),
        ("/incident list all", Listing("all")),
        ("/incident list P1", Listing("P1")),
        ("/incident show 8Q2X", Show("8Q2X")),
        ("/incident show inc-8q2x", Show("inc-8q2x")),
        ("/incident ack INC-8Q2XABCD-1", Ack("INC-8Q2XABCD-1")),
        ("/incident acknowledge 8Q2X", Ack("8Q2X")),
        ("/incident resolve 8Q2X", Close("8Q2X")),
        ('/incident resolve 8Q2X "Rolled back" code=fixed', Close("8Q2X", "Rolled back", "fixed")),
        ("/incident resolve 8Q2X CODE=fixed Rolled back", Close("8Q2X", "Rolled back", "fixed")),
        (
            '/status update 8Q2X investigating "We look"',
            Update("8Q2X", "investigating", "We look"),
        ),
        ("/status 8Q2X mon We look", Update("8Q2X", "monitoring", "We look")),
        ("/incident status update 8Q2X ident x", Update("8Q2X", "identified", "x")),
        (
            '/status update 8Q2X Resolved "All well" audience=ext',
            Update("8Q2X", "resolved", "All well", "external"),
        ),
        ("/runbook", Consult()),
        ("/runbook high-latency", Consult("high-latency")),
        ("/escalate 8Q2X database-team", CallIn("8Q2X", "database-team")),
        ('/escalate 8Q2X lead "no answer"', CallIn("8Q2X", "lead", "no answer")),
        ("/oncall", WhoIsOnCall()),
        ("/on-call sre", WhoIsOnCall("sre")),
        ("/tocsin list", Listing()),
        ("/tocsin incident list", Listing()),
        ("incident list", Listing()),
        ("list", Listing()),
        ("Status Update 8Q2X monitoring it holds", Update("8Q2X", "monitoring", "it holds")),
        ("/runbook x", Consult("x")),
        ("runbook", Consult()),
    ],
)
def test_what_is_typed_is_understood(line: str, ask: chat.Ask) -> None:
    assert said(line) == ask


@pytest.mark.parametrize(
    "line", ["/incident", "", "   ", "help", "/incident help", "/help", "?", "/tocsin help me"]
)
def test_who_asks_for_help_or_says_nothing_is_told_what_there_is(line: str) -> None:
    assert said(line) == Help()


@pytest.mark.parametrize(
    "line", ["/status help", "/incident status help", "help status", "/incident help update"]
)
def test_help_about_one_command_is_short(line: str) -> None:
    assert said(line) == Help(BY_NAME["status"])


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.name != "help"], ids=lambda verb: verb.name)
def test_every_example_that_help_gives_is_understood(verb: Verb) -> None:
    chat.parse("", verb.example)
    head, _, rest = verb.example.partition(" ")
    chat.parse(f"/{head}", rest)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/incident craete P1 x", "Did you mean create?"),
        ("frobnicate", "There is no command “frobnicate”. There are create, list,"),
        ("/incident create", "Name the severity."),
        ('/incident create "Checkout is slow"', "Name the severity first."),
        ("/incident create P1", "Say a title."),
        ('/incident create P1 ""', "Say a title."),
        (f"/incident create P1 {'x' * 301}", "That has 301 characters; at most 300 are taken."),
        ("/incident create P1 x servce=api", "There is no option servce=. Did you mean service=?"),
        ("/incident show", "Name the incident"),
        ("/incident show 8Q2X now", "“now” is too much here."),
        ("/incident show äöü", "“äöü” is not the id of an incident"),
        ("/incident show 8Q|2X", "is not the id of an incident"),
        ("/incident list P1 P2", "“P2” is too much here."),
        ("/incident resolve 8Q2X done cod=fixed", "There is no option cod=. Did you mean code=?"),
        (f"/incident resolve 8Q2X {'x' * 8001}", "8001 characters"),
        ("/status update", "Name the incident"),
        ("/status update 8Q2X", "Name the status."),
        ("/status update 8Q2X investigated x", "Did you mean investigating?"),
        ("/status update 8Q2X i x", "“i” may be investigating or identified."),
        ("/status update 8Q2X monitoring", "Say words."),
        ("/status update 8Q2X monitoring x audience=all", "There is no audience “all”."),
        ("/escalate 8Q2X", "Name the contact."),
        ("/escalate", "Name the incident"),
    ],
)
def test_a_slip_is_answered_with_what_is_wrong_and_an_example(line: str, why: str) -> None:
    with pytest.raises(Misread) as slip:
        said(line)
    assert why in str(slip.value)
    assert slip.value.example


def test_words_at_their_limit_are_taken() -> None:
    assert said(f"/incident create P1 {'x' * 300}") == Create("P1", "x" * 300)
    assert said(f"/incident resolve 8Q2X {'x' * 8000}") == Close("8Q2X", "x" * 8000)


def test_a_plan_may_be_named_beside_everything() -> None:
    assert chat.parse("/incident", "list plan=acme").plan == "acme"
    assert chat.parse("/incident", "resolve 8Q2X done plan=acme").plan == "acme"
    assert chat.parse("/incident", 'create P1 "not plan=acme but this"').plan is None


def test_controls_overrides_and_lone_surrogates_do_not_get_in() -> None:
    assert said("create P1 a\x00b\u202ec\ud800d") == Create("P1", "a b c\ufffdd")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("8q2x", "8Q2X"),
        ("INC-8Q2X", "8Q2X"),
        ("inc-8q2xabcd-1", "8Q2XABCD-1"),
        ("#8Q2X", "8Q2X"),
        ("8Q2X.", "8Q2X"),
        ("8O2I", "8021"),
        ("l", "1"),
    ],
)
def test_an_id_may_be_cut_short_and_its_letters_mistaken(text: str, start: str) -> None:
    assert chat.id_start(text) == start


def test_an_id_begins_as_it_says() -> None:
    assert [chat.begins(each, "8Q2X") for each in IDS] == [True, True, False]
    assert [chat.begins(each, "8Q2XABCD-12") for each in IDS] == [False, True, False]


@pytest.mark.parametrize("wrong", ["INC", "INC-", "-", "", "8Q2X ABCD", "8" * 21, "../x", "INC-é"])
def test_what_no_id_begins_with_is_a_slip(wrong: str) -> None:
    if wrong in ("INC-", "-", "INC"):
        wrong = f"{wrong}!"
    with pytest.raises(Misread):
        chat.id_start(wrong)


def test_a_name_is_completed_where_only_one_begins_so() -> None:
    names = ["database-team", "data-lake", "lead"]
    assert chat.complete("LEAD", names, "contact") == "lead"
    assert chat.complete("datab", names, "contact") == "database-team"
    assert chat.complete("P1", ["P10", "P1"], "severity") == "P1"
    assert chat.complete("p1", ["P1", "p1"], "severity") == "p1"


def test_a_name_that_may_be_several_is_answered_with_them() -> None:
    with pytest.raises(Misread, match="“data” may be database-team or data-lake"):
        chat.complete("data", ["database-team", "data-lake", "lead"], "contact")


def test_a_name_that_is_nearly_one_is_answered_with_that() -> None:
    with pytest.raises(Misread, match=r"Did you mean database-team\?"):
        chat.complete("databse-team", ["database-team", "lead"], "contact")
    with pytest.raises(Misread, match=r"There are a and b\."):
        chat.complete("zzz", ["a", "b"], "contact")
    with pytest.raises(Misread, match="the plan has none"):
        chat.complete("zzz", [], "closing code")
    with pytest.raises(Misread, match="and 1 more"):
        chat.complete("zzz", [str(each) for each in range(13)], "contact")


def test_many_quotes_that_nothing_ends_are_read_at_once() -> None:
    with pytest.raises(Misread, match="at most 300"):
        said("create P1 " + '"a ' * 20_000)


def test_whatever_is_typed_is_a_request_or_a_slip() -> None:
    chance = random.Random(4)  # noqa: S311  (the same dice each time)
    for _ in range(3_000):
        line = "".join(chance.choice(PIECES) + chance.choice(("", " ")) for _ in range(chance.randrange(9)))
        with suppress(Misread):
            chat.parse(chance.choice(("", "/incident", "/status", "/escalate", "/x")), line)


def test_the_document_has_every_command() -> None:
    page = (Path(__file__).parent.parent / "docs" / "chatops.md").read_text(encoding="utf-8")
    assert [verb.usage for verb in VERBS if verb.usage not in page.replace("\\|", "|")] == []
