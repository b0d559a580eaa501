"""What Twilio tells us back: receipts, replies by SMS, keys pressed; who is believed, and what is told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from shared.domain.answering import Grant
from shared.domain.errors import InvalidInput, NotFound, StoreUnavailable, TooLarge, Unauthenticated
from shared.domain.heard import Answer, Call
from shared.domain.incident import GroupKey, partition_of
from shared.domain.plan import ClosingCode
from shared.domain.principal import Principal
from shared.domain.response import Acknowledge
from shared.domain.sms_reply import HELP
from tests.builders import NOON, minutes, seconds
from tests.faulty_storage import FaultyStorage
from tests.notifications import HOSTILE
from tests.played_phones import (
    ADA,
    EVE,
    LEE,
    MAIL,
    OLD_AUTH,
    PUBLIC_URL,
    STRANGER,
    Phones,
)
from tests.receivers import HttpReceiver

NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
BEN = Principal("id-ben", "ben", frozenset({"Responder"}))


@pytest.fixture
def phones(storage: str) -> Iterator[Phones]:
    with HttpReceiver() as providers, Phones(storage, providers) as ready:
        yield ready


def words(twiml: str) -> str:
    """What TwiML texts or says."""
    heard = ET.fromstring(twiml).iter()  # noqa: S314  (our own)
    return "\n".join(each.text or "" for each in heard if each.tag in {"Message", "Say"})


def code(incident: str) -> str:
    return incident[4:8]


def test_a_text_message_is_followed_until_it_arrived(phones: Phones) -> None:
    incident = phones.paged()
    [sent] = phones.sent("Messages")
    url = sent["StatusCallback"]
    assert url.startswith(f"{PUBLIC_URL}/api/v1/plans/{phones.stage.name}/channels/sms/receipt?token=")
    sid, token = phones.delivery(incident, "oncall").attempts[0].provider_id, url.partition("token=")[2]
    for status in ("queued", "sending", "sent", "delivered", "delivered", "scheduled", "read"):
        fields = {"MessageSid": str(sid), "MessageStatus": status, "To": ADA, "AccountSid": "AC1"}
        assert phones.twilio("receipt", fields, token, now=NOON + seconds(9)) == Answer()
    receipts = phones.events(incident, "receipt")
    assert [each.data["state"] for each in receipts] == ["delivered", "read"]
    assert receipts[0].data == {
        "delivery": "000002-oncall-0", "contact": "oncall", "channel": "sms", "state": "delivered",
        "provider_id": sid,
    }  # fmt: skip
    assert receipts[0].actor == "channel:sms"
    assert receipts[0].occurred_at == NOON + seconds(9)


def test_what_did_not_arrive_is_on_record_once_however_often_it_is_told(phones: Phones) -> None:
    incident = phones.paged()
    token = phones.token(incident, "oncall")
    for status in ("undelivered", "failed", "undelivered"):
        phones.twilio("receipt", {"MessageStatus": status, "MessageSid": "SM 1"}, token)
    [receipt] = phones.events(incident, "receipt")
    assert (receipt.data["state"], receipt.data["provider_id"]) == ("undelivered", None)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("ringing", None),
        ("in-progress", "delivered"),
        ("completed", "delivered"),
        ("busy", "undelivered"),
        ("no-answer", "undelivered"),
        ("failed", "undelivered"),
        ("canceled", "undelivered"),
        ("whatever-is-new", None),
        ("", None),
    ],
)
def test_a_call_is_followed_as_well(phones: Phones, status: str, state: str | None) -> None:
    incident = phones.paged(minutes_later=10)
    fields = {"CallSid": "CA1", "CallStatus": status, "Timestamp": "Wed, 18 Nov 2026 12:10:30 +0000"}
    now = NOON + minutes(11)
    phones.twilio("receipt", fields, phones.token(incident, "lead"), channel="call", now=now)
    receipts = [each for each in phones.events(incident, "receipt") if each.data["contact"] == "lead"]
    assert [each.data["state"] for each in receipts] == ([state] if state else [])
    assert all(each.occurred_at == NOON + minutes(10.5) for each in receipts)


@pytest.mark.parametrize(
    "claimed", ["Wed, 18 Nov 2099 12:00:00 +0000", "Mon, 01 Jan 0001 00:00:00 +1400", "soon", "99", ""]
)
def test_a_time_that_cannot_be_is_not_believed(phones: Phones, claimed: str) -> None:
    incident = phones.paged(minutes_later=10)
    fields = {"CallStatus": "completed", "Timestamp": claimed}
    now = NOON + minutes(11)
    phones.twilio("receipt", fields, phones.token(incident, "lead"), channel="call", now=now)
    assert phones.events(incident, "receipt")[-1].occurred_at == now


def test_a_key_pressed_during_a_call_acknowledges_once(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    [call] = phones.sent("Calls")
    asked = ET.fromstring(call["Twiml"]).find("Gather")  # noqa: S314  (our own)
    assert asked is not None
    token = str(asked.get("action")).partition("/voice?token=")[2]
    now = NOON + minutes(11)
    first = phones.twilio("voice", {"Digits": "1", "CallSid": "CA1"}, token, channel="call", now=now)
    assert first.content_type == "text/xml"
    assert f"You have {incident}" in words(first.body)
    again = phones.twilio("voice", {"Digits": "1", "CallSid": "CA1"}, token, channel="call", now=now)
    assert "already" in words(again.body)
    assert phones.stage.incident(incident).status == "acknowledged"
    [acted] = phones.events(incident, "acted-on")
    assert acted.data == {
        "contact": "lead", "by": "voice", "delivery": phones.delivery(incident, "lead").id,
        "command": "acknowledge",
    }  # fmt: skip
    [acknowledged] = phones.events(incident, "acknowledged")
    assert acted.actor == acknowledged.actor
    assert phones.stage.people.name(acted.actor.removeprefix("person:")) == "Lee"


@pytest.mark.parametrize("digit", ["", "3", "12", "#", "١"])
def test_another_key_changes_nothing_and_asks_again(phones: Phones, digit: str) -> None:
    incident = phones.paged(minutes_later=10)
    token = phones.token(incident, "lead")
    answer = phones.twilio("voice", {"Digits": digit}, token, channel="call", now=NOON + minutes(11))
    asked = ET.fromstring(answer.body).find("Gather")  # noqa: S314  (our own)
    assert asked is not None
    assert asked.get("action") is None
    assert "Press 1" in words(answer.body)
    assert phones.stage.incident(incident).status == "open"


def test_two_resolves_and_a_late_key_hears_how_it_stands(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    token, now = phones.token(incident, "lead"), NOON + minutes(11)
    assert "You resolved" in words(
        phones.twilio("voice", {"Digits": "2"}, token, channel="call", now=now).body
    )
    late = words(phones.twilio("voice", {"Digits": "1"}, token, channel="call", now=now).body)
    assert "resolved" in late
    assert "Lee" in late
    assert len(phones.events(incident, "resolved")) == 1


def test_where_resolving_takes_words_a_key_does_not_and_another_is_asked_for(phones: Phones) -> None:
    rules = phones.stage.plans.plan.rules
    phones.stage.rules(replace(rules, closing_codes=(ClosingCode("fixed"),)))
    incident = phones.paged(minutes_later=10)
    [call] = phones.sent("Calls")
    assert "Press 1" in call["Twiml"]
    assert "Press 2" not in call["Twiml"]

    token, now = phones.token(incident, "lead"), NOON + minutes(11)
    for digit in ("2", "2", "7"):
        said = phones.twilio("voice", {"Digits": digit, "CallSid": "CA1"}, token, channel="call", now=now)
        assert ET.fromstring(said.body).find("Gather") is not None  # noqa: S314  (our own)
        assert words(said.body).endswith(". Press 1 to acknowledge.")
        assert ("resolve by the link" in words(said.body)) is (digit == "2")
    assert phones.stage.incident(incident).status == "open"
    taken = phones.twilio("voice", {"Digits": "1", "CallSid": "CA1"}, token, channel="call", now=now)
    assert f"You have {incident}" in words(taken.body)


def test_who_has_left_the_plan_cannot_answer_any_more(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    token = phones.token(incident, "lead")
    directory = phones.stage.plans.plan.directory
    kept = {name: each for name, each in directory.contacts.items() if name != "lead"}
    phones.stage.plans.plan = replace(phones.stage.plans.plan, directory=replace(directory, contacts=kept))
    answer = phones.twilio("voice", {"Digits": "1"}, token, channel="call", now=NOON + minutes(11))
    assert "no longer" in words(answer.body)
    assert phones.stage.incident(incident).status == "open"


@pytest.mark.parametrize(
    "body",
    ["ACK", "ack", " Ack. ", "1", "ACK {code}", "ack #{code}!", "1 {low}", "ACK {id}", "ACK {id} on my way"],
)
def test_a_reply_acknowledges_what_its_sender_was_told_of(phones: Phones, body: str) -> None:
    incident = phones.paged()
    text = body.format(code=code(incident), low=code(incident).lower(), id=incident)
    assert f"You have {incident}" in words(phones.text(text))
    assert "already" in words(phones.text(text))
    assert phones.stage.incident(incident).status == "acknowledged"
    [acted] = phones.events(incident, "acted-on")
    assert acted.data == {"contact": "oncall", "by": "sms", "delivery": None, "command": "acknowledge"}


def test_a_reply_resolves_in_words_and_a_late_one_hears_so(phones: Phones) -> None:
    incident = phones.paged()
    text = f"Resolve {code(incident)} restarted the\npods"
    assert "You resolved" in words(phones.text(text))
    assert "restarted the\npods" in phones.stage.store.texts(incident).values()
    for late in (text, f"ACK {code(incident)}"):
        assert "It was resolved" in words(phones.text(late, now=NOON + minutes(5)))
    assert "no open incident" in words(phones.text("ACK"))
    assert len(phones.events(incident, "resolved")) == 1


def test_a_reply_names_the_closing_code_first_where_the_plan_wants_one(phones: Phones) -> None:
    plan = phones.stage.plans.plan
    phones.stage.rules(replace(plan.rules, closing_codes=(ClosingCode("fixed"), ClosingCode("false-alarm"))))
    incident = phones.paged()
    for short in (f"RESOLVE {code(incident)}", f"RESOLVE {code(incident)} we did"):
        assert words(phones.text(short)) == (
            f"Nothing was changed. Reply RESOLVE {code(incident)} fixed what was done\n"
            "Codes: fixed, false-alarm"
        )
    assert f"{code(incident)} false-alarm what was done" in words(
        phones.text(f"RESOLVE {code(incident)} False-alarm.")
    )
    assert phones.stage.incident(incident).status == "open"
    assert "You resolved" in words(phones.text(f"RESOLVE {code(incident)} Fixed: new disk"))
    assert phones.stage.incident(incident).code == "fixed"
    assert "new disk" in phones.stage.store.texts(incident).values()


def test_what_is_not_understood_is_answered_with_help_and_changes_nothing(phones: Phones) -> None:
    incident = phones.paged()
    hostile = HOSTILE.encode("utf-8", "replace").decode()
    for hours, body in enumerate(("HELP", "?", "ok", "ACKNOW", hostile, "ack" * 9000)):
        assert words(phones.text(body, now=NOON + minutes(60 * hours))) == HELP
    assert phones.stage.incident(incident).status == "open"


def test_a_number_that_nobody_has_changes_nothing_and_learns_nothing(phones: Phones) -> None:
    incident = phones.paged()
    before = phones.stage.types(incident)
    for number in (STRANGER, "", "+", "whatsapp:" + STRANGER, LEE, ADA[:-1]):
        for body in ("ACK", f"ACK {code(incident)}", f"RESOLVE {incident}", "HELP", "x"):
            assert phones.text(body, number) == NOTHING
    assert phones.stage.types(incident) == before


def test_who_was_not_told_of_an_incident_hears_nothing_of_it(phones: Phones) -> None:
    incident = phones.paged()
    for body in ("ACK", f"ACK {code(incident)}"):
        told = words(phones.text(body, "+4915100000004"))
        assert told == "You have no open incident here. Nothing was changed."
    assert phones.stage.incident(incident).status == "open"


def test_a_number_is_found_where_its_channel_only_stands_in_for_another(phones: Phones) -> None:
    incident = phones.paged(minutes_later=20)
    directory = phones.stage.plans.plan.directory
    kept = {name: each for name, each in directory.contacts.items() if name != "oncall"}
    phones.stage.plans.plan = replace(phones.stage.plans.plan, directory=replace(directory, contacts=kept))
    assert f"You have {incident}" in words(phones.text("ACK", now=NOON + minutes(21)))
    assert phones.events(incident, "acted-on")[0].data["contact"] == "twin"


def test_of_several_the_sender_is_asked_which_and_each_is_named_apart(phones: Phones) -> None:
    first, second = phones.paged("DiskFull"), phones.paged("QueueLong")
    listed = words(phones.text("ACK"))
    assert listed.startswith("Nothing was changed. Which one? Reply ACK and its id:")
    assert {f"{code(first)} P1: DiskFull", f"{code(second)} P1: QueueLong"} <= set(listed.splitlines())
    assert "Reply RESOLVE" in words(phones.text("RESOLVE ZZZZ gone"))
    assert [phones.stage.incident(each).status for each in (first, second)] == ["open", "open"]
    assert f"You have {second}" in words(phones.text(f"ACK {code(second)}"))
    assert [phones.stage.incident(each).status for each in (first, second)] == ["open", "acknowledged"]


def test_a_beginning_that_two_incidents_share_is_no_name_of_either(phones: Phones) -> None:
    one, other = _colliding(phones)
    first, second = phones.paged(one), phones.paged(other)
    assert first[4:7] == second[4:7]
    listed = words(phones.text(f"RESOLVE {first[4:7]}")).splitlines()
    assert len(listed) == 3
    assert "You have" in words(phones.text(f"ACK {first[4:12]}"))
    assert phones.stage.incident(second).status == "open"


def test_somebody_who_had_it_before_is_named_to_whoever_comes_late(phones: Phones) -> None:
    incident = phones.paged()
    phones.stage.respond(incident, Acknowledge(), who=BEN)
    assert "Ben has" in words(phones.text("ACK"))


def test_who_may_only_read_is_told_so(phones: Phones) -> None:
    directory = phones.stage.plans.plan.directory
    reading = {name: replace(each, role="Reader") for name, each in directory.contacts.items()}
    phones.stage.plans.plan = replace(phones.stage.plans.plan, directory=replace(directory, contacts=reading))
    incident = phones.paged()
    assert words(phones.text("ACK")).startswith("Nothing was changed: this takes the role Responder")
    assert phones.stage.incident(incident).status == "open"


def test_an_opt_out_that_twilio_has_answered_is_left_to_it(phones: Phones) -> None:
    phones.paged()
    fields = {"From": ADA, "Body": "STOP", "OptOutType": "STOP"}
    assert phones.twilio("reply", fields).body == NOTHING


def test_a_hostile_title_is_text_in_every_answer(phones: Phones) -> None:
    for name in ("<Redirect>https://evil.example</Redirect> & \x00", "]]><Hangup/>"):
        phones.paged(name)
    answer = phones.text("ACK")
    assert {each.tag for each in ET.fromstring(answer).iter()} == {"Response", "Message"}  # noqa: S314
    assert "<Redirect>https" in words(answer)


def test_a_token_of_before_the_rotation_still_signs_and_any_other_does_not(phones: Phones) -> None:
    incident = phones.paged()
    token = phones.token(incident, "oncall")
    fields = {"MessageStatus": "delivered", "MessageSid": "SM1"}
    for auth in ("", "guessed", OLD_AUTH + "x"):
        with pytest.raises(Unauthenticated):
            phones.twilio("receipt", fields, token, auth=auth)
    phones.twilio("receipt", fields, token, auth=OLD_AUTH)
    assert len(phones.events(incident, "receipt")) == 1


def test_a_signature_is_of_this_address_with_or_without_its_port_and_of_these_fields(phones: Phones) -> None:
    incident = phones.paged()
    token, fields = phones.token(incident, "oncall"), {"MessageStatus": "delivered"}
    path = f"/api/v1/plans/{phones.stage.name}/channels/sms/receipt?token={token}"
    for other in (
        PUBLIC_URL + path + "x",
        "https://evil.example" + path,
        PUBLIC_URL + path.replace("sms", "call"),
    ):
        with pytest.raises(Unauthenticated):
            phones.twilio("receipt", fields, token, signed=other)
    for headers in ({}, {"x-twilio-signature": ""}, {"x-twilio-signature": "\ud800é"}):
        with pytest.raises(Unauthenticated):
            phones.hearing.hear(
                phones.stage.name, "sms", Call("receipt", path, headers, b"MessageStatus=delivered"), NOON
            )
    assert not phones.events(incident, "receipt")
    phones.twilio("receipt", fields, token, signed=f"{PUBLIC_URL}:443{path}")
    assert phones.events(incident, "receipt")


def test_a_token_must_be_ours_unexpired_and_of_a_delivery_by_this_channel(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    token = phones.token(incident, "oncall")
    fields = {"MessageStatus": "delivered"}
    for bad in ("", "forged", token[:-2] + "AB", "é"):
        with pytest.raises(Unauthenticated):
            phones.twilio("receipt", fields, bad)
    with pytest.raises(Unauthenticated):
        phones.twilio("receipt", fields, token, now=NOON + timedelta(days=7))
    with pytest.raises(NotFound):
        phones.twilio("receipt", fields, phones.token(incident, "lead"))
    phones.twilio("receipt", fields, token, now=NOON + timedelta(days=7) - seconds(1))


def test_a_token_of_another_plan_s_incident_is_worth_nothing(phones: Phones, storage: str) -> None:
    with HttpReceiver() as providers, Phones(storage, providers) as others:
        theirs = others.paged(minutes_later=10)
        with pytest.raises(Unauthenticated):
            phones.twilio("receipt", {"MessageStatus": "delivered"}, others.token(theirs, "oncall"))
        with pytest.raises(Unauthenticated):
            phones.twilio("voice", {"Digits": "1"}, others.token(theirs, "lead"), channel="call")
        assert "no open" in words(phones.text(f"ACK {theirs}"))
        assert others.stage.incident(theirs).status == "open"


def test_what_is_not_there_or_not_set_up_is_not_heard(phones: Phones) -> None:
    for plan, channel, what in (
        ("nobody", "sms", "receipt"), (phones.stage.name, "nothing", "receipt"),
        (phones.stage.name, "log", "receipt"), (phones.stage.name, "sms", "voice"),
        (phones.stage.name, "call", "reply"), (phones.stage.name, "mail", "reply"),
        (phones.stage.name, "sms", "RECEIPT"),
    ):  # fmt: skip
        with pytest.raises(NotFound, match="there is no channel here"):
            phones.hearing.hear(plan, channel, Call(what, "/", {}, b""), NOON)
    for channel in ("unkeyed", "bare"):
        with pytest.raises(Unauthenticated, match="not set up"):
            phones.hearing.hear(phones.stage.name, channel, Call("receipt", "/", {}, b"[]"), NOON)
    incident = phones.paged()
    with pytest.raises(NotFound):
        phones.twilio("receipt", {"MessageStatus": "read"}, phones.token(incident, "oncall"), channel="keyed")


def test_what_is_too_large_or_no_form_is_refused(phones: Phones) -> None:
    def hear(body: bytes, channel: str = "sms") -> None:
        phones.hearing.hear(phones.stage.name, channel, Call("receipt", "/", {}, body), NOON)

    with pytest.raises(TooLarge):
        hear(b"x" * (64 * 1024 + 1))
    for body in (b"\xff=1", b"&".join([b"a=1"] * 300), b"a=%ff"):
        with pytest.raises(InvalidInput):
            hear(body)
    with pytest.raises(Unauthenticated):
        hear(b"x" * (64 * 1024))


def test_neither_number_nor_text_stands_on_the_timeline_or_in_a_log_line(
    phones: Phones, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("azure").setLevel(logging.WARNING)
    incident = phones.paged(minutes_later=10)
    receipt = {"MessageStatus": "delivered", "MessageSid": "SM1", "To": ADA, "From": "+4930123456"}
    phones.twilio("receipt", receipt, phones.token(incident, "oncall"))
    key = {"Digits": "3", "To": LEE, "Called": LEE}
    phones.twilio("voice", key, phones.token(incident, "lead"), channel="call", now=NOON + minutes(10))
    phones.text(f"RESOLVE {code(incident)} the cable was loose")
    phones.text("ACK", STRANGER)
    phones.event_grid([phones.received("ACK", NOON)], "reply")
    timeline = json.dumps([[each.actor, dict(each.data)] for each in phones.stage.events(incident)])
    for shy in (ADA, LEE, EVE, STRANGER, MAIL, "the cable was loose", phones.token(incident, "oncall")):
        assert shy.lstrip("+") not in timeline
        assert shy.lstrip("+") not in caplog.text


def test_whoever_answers_while_storage_is_down_is_asked_to_try_again(storage: str) -> None:
    with (
        FaultyStorage(storage, kinds={"503": 1}) as faulty,
        HttpReceiver() as providers,
        Phones(faulty.connection_string, providers) as shaken,
    ):
        incident = shaken.paged(minutes_later=10)
        token, now = shaken.token(incident, "lead"), NOON + minutes(11)
        faulty.fail(1.0)
        said = shaken.twilio("voice", {"Digits": "1"}, token, channel="call", now=now).body
        assert "Please try again. Press 1" in words(said)
        assert words(shaken.text(f"ACK {code(incident)}", now=now)).endswith("Please try again.")
        with pytest.raises(StoreUnavailable):
            shaken.twilio(
                "receipt", {"MessageStatus": "delivered"}, shaken.tokens.sign(_grant(incident)), now=now
            )
        faulty.heal()
        said = shaken.twilio("voice", {"Digits": "1"}, token, channel="call", now=now).body
        assert "You have" in words(said)


def _grant(incident: str) -> Grant:
    return Grant(incident, "oncall", "000002-oncall-0", NOON + timedelta(days=7))


def _colliding(phones: Phones) -> tuple[str, str]:
    """Names of two alerts whose incidents' ids begin alike."""
    seen: dict[str, str] = {}
    for n in range(5000):
        name = f"alert-{n}"
        beginning = partition_of(GroupKey(phones.stage.name, "generic", f"api\n{name}").digest)[:3]
        if beginning in seen:
            return seen[beginning], name
        seen[beginning] = name
    raise AssertionError("no two begin alike")
