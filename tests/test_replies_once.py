"""A reply acts once, on what its sender knew of when it was received; and nobody is texted without end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.providers.replies_table import RepliesTable
from shared.domain.delivery import Attempt
from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.heard import Taken, message_key
from shared.domain.response import Reopen
from shared.domain.sms_reply import HELP, told_since, worth_help
from tests.builders import NOON, minutes, seconds
from tests.faulty_storage import FaultyStorage
from tests.played_phones import ADA, Phones, event
from tests.receivers import HttpReceiver
from tests.test_hear_provider import NOTHING, code, words

LATER = NOON + minutes(11)
TICK = timedelta(microseconds=1)
REPORT = "Microsoft.Communication.SMSDeliveryReportReceived"


@pytest.fixture
def phones(storage: str) -> Iterator[Phones]:
    with HttpReceiver() as providers, Phones(storage, providers) as ready:
        yield ready


def status(phones: Phones, *incidents: str) -> list[str]:
    return [phones.stage.incident(each).status for each in incidents]


def test_an_event_told_again_acts_on_nothing_that_its_sender_never_meant(phones: Phones) -> None:
    first = phones.paged("A", minutes_later=10)
    reply = [phones.received("ACK", LATER)]
    phones.event_grid(reply, "reply", now=LATER)
    phones.event_grid([phones.received(f"RESOLVE {code(first)}", LATER)], "reply", now=LATER)
    second = phones.paged("B", at=NOON + minutes(30), minutes_later=10)
    before = phones.texts()
    for late in (45, 46):
        phones.event_grid(reply, "reply", now=NOON + minutes(late))
    assert status(phones, first, second) == ["resolved", "open"]
    assert phones.texts() == before, "what was answered once is not texted again"


def test_a_signed_call_that_comes_again_resolves_nothing_else(phones: Phones) -> None:
    first = phones.paged("A")
    assert "You resolved" in words(phones.text("RESOLVE", sid="SM-r"))
    second = phones.paged("B", at=NOON + minutes(30))
    said = words(phones.text("RESOLVE", now=NOON + minutes(45), sid="SM-r"))
    assert said.startswith(f"You resolved {first} already, by that very message. It was resolved at")
    assert status(phones, first, second) == ["resolved", "open"]
    assert "You resolved" in words(phones.text("RESOLVE", now=NOON + minutes(45), sid="SM-s"))
    assert status(phones, second) == ["resolved"]


@pytest.mark.parametrize("text", ["RESOLVE", "RESOLVE {code}", "RESOLVE {code} done"])
def test_a_message_resolves_its_incident_once_though_it_was_reopened(phones: Phones, text: str) -> None:
    incident = phones.paged()
    body = text.format(code=code(incident))
    phones.text(body, sid="SM-r")
    phones.stage.respond(incident, Reopen(), at=NOON + minutes(1))
    phones.text(body, now=NOON + minutes(2), sid="SM-r")
    assert status(phones, incident) == ["open"]
    assert len(phones.events(incident, "resolved")) == 1


def test_a_key_pressed_once_resolves_once_however_often_the_call_is_told(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    token, press = phones.token(incident, "lead"), {"Digits": "2", "CallSid": "CA1"}
    phones.twilio("voice", press, token, channel="call", now=LATER)
    phones.stage.respond(incident, Reopen(), at=LATER)
    said = words(phones.twilio("voice", press, token, channel="call", now=LATER + minutes(1)).body)
    assert said.startswith(f"You resolved {incident} already")
    assert status(phones, incident) == ["open"]
    another = {**press, "CallSid": "CA2"}
    phones.twilio("voice", another, token, channel="call", now=LATER + minutes(1))
    assert status(phones, incident) == ["resolved"]


def test_a_question_which_one_is_not_answered_by_the_same_message_later(phones: Phones) -> None:
    first, second = phones.paged("A"), phones.paged("B")
    assert "Which one?" in words(phones.text("ACK", sid="SM-w"))
    phones.text(f"RESOLVE {code(first)}")
    assert "changed nothing" in words(phones.text("ACK", sid="SM-w"))
    assert status(phones, first, second) == ["resolved", "open"]


def test_who_found_it_taken_does_not_take_it_over_by_the_same_message(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    phones.text("ACK", now=LATER)
    phones.event_grid([phones.received("ACK", LATER, "m-e")], "reply", now=LATER)
    phones.text("RESOLVE", now=LATER)
    phones.stage.respond(incident, Reopen(), at=LATER + minutes(1))
    phones.event_grid([phones.received("ACK", LATER, "m-e")], "reply", now=LATER + minutes(2))
    assert status(phones, incident) == ["open"]


def test_the_same_message_by_many_threads_at_once_acts_once(phones: Phones) -> None:
    incident = phones.paged()
    with ThreadPoolExecutor(6) as threads:
        said = list(threads.map(lambda _: words(phones.text("ACK", sid="SM-t")), range(6)))
    assert all(incident in each for each in said)
    assert len(phones.events(incident, "acted-on")) == 1


@pytest.mark.parametrize(
    ("received", "acts"), [(NOON, True), (NOON - TICK, False), (NOON + minutes(1), True)]
)
def test_a_reply_is_about_what_its_sender_was_told_of_before_it(
    phones: Phones, received: datetime, acts: bool
) -> None:
    at = NOON + minutes(10)
    incident = phones.paged(minutes_later=10)
    [attempt] = phones.delivery(incident, "eve").attempts
    shift = (attempt.sent_at or attempt.at) - NOON
    now = at + minutes(2)
    phones.event_grid([phones.received("ACK", received + shift)], "reply", now=now)
    assert status(phones, incident) == ["acknowledged" if acts else "open"]


def test_of_two_the_one_is_meant_that_its_sender_knew_of(phones: Phones) -> None:
    first = phones.paged("A", minutes_later=10)
    second = phones.paged("B", at=NOON + minutes(2), minutes_later=10)
    received = phones.received("ACK", NOON + minutes(11))
    phones.event_grid([received], "reply", now=NOON + minutes(13))
    assert status(phones, first, second) == ["acknowledged", "open"]


def test_a_code_is_that_of_an_incident_that_its_sender_knew_of(phones: Phones) -> None:
    first = phones.paged("A", minutes_later=10)
    phones.event_grid([phones.received(f"RESOLVE {code(first)}", LATER)], "reply", now=LATER)
    second = phones.paged("A", at=NOON + minutes(60), minutes_later=10)
    if code(first) != code(second) or first == second:
        pytest.skip("no second incident of the same group")
    late = phones.received(f"RESOLVE {code(first)}", LATER + seconds(1))
    phones.event_grid([late], "reply", now=NOON + minutes(75))
    assert status(phones, first, second) == ["resolved", "open"]


@pytest.mark.parametrize(
    ("age", "text", "acts"),
    [
        (minutes(10) - TICK, "ACK", True),
        (minutes(10), "ACK", True),
        (minutes(10) + TICK, "ACK", False),
        (minutes(10) + TICK, "ACK {code}", True),
        (minutes(23 * 60), "ACK {code}", True),
    ],
)
def test_a_reply_that_comes_late_acts_only_where_it_names_its_incident(
    phones: Phones, age: timedelta, text: str, acts: bool
) -> None:
    incident = phones.paged(minutes_later=10)
    phones.event_grid([phones.received(text.format(code=code(incident)), LATER)], "reply", now=LATER + age)
    assert status(phones, incident) == ["acknowledged" if acts else "open"]
    if not acts:
        assert phones.texts()[-1].startswith(
            f"Nothing was changed. Your message came late. Reply ACK and its id: {code(incident)}"
        )


def test_without_a_time_of_reception_the_event_s_own_counts_and_one_to_come_is_now(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    odd = phones.received("ACK", LATER)
    data = odd["data"]
    assert isinstance(data, dict)
    data["receivedTimestamp"] = "soon"
    phones.event_grid([odd], "reply", now=LATER)
    assert status(phones, incident) == ["open"], "the event is of before the incident"
    phones.event_grid([phones.received("ACK", LATER + minutes(900))], "reply", now=LATER)
    assert status(phones, incident) == ["acknowledged"]


def test_a_batch_that_could_not_be_kept_whole_is_told_again_and_does_nothing_twice(storage: str) -> None:
    with (
        FaultyStorage(storage) as faulty,
        HttpReceiver() as providers,
        Phones(faulty.connection_string, providers) as shaken,
    ):
        incident = shaken.paged(minutes_later=10)
        tag = shaken.token(incident, "eve")
        batch = [
            shaken.received(f"ACK {code(incident)}", LATER),
            event(REPORT, deliveryStatus="Delivered", tag=tag, messageId="m"),
        ]
        for _ in range(30):
            faulty.order("503", lambda call: call.names('"receipt"'))
        with pytest.raises(StoreUnavailable):
            shaken.event_grid(batch, now=LATER)
        assert status(shaken, incident) == ["acknowledged"]
        sent = len(shaken.texts())
        faulty.heal()
        for later in (1, 2, 700):
            shaken.event_grid(batch, now=LATER + minutes(later))
        assert len(shaken.events(incident, "acted-on")) == 1
        assert len(shaken.events(incident, "receipt")) == 1
        assert len(shaken.texts()) == sent


def test_what_could_not_be_recorded_is_carried_out_when_it_comes_again_in_time(phones: Phones) -> None:
    incident = phones.paged()
    table, name = RepliesTable(phones.stage.storms.table), phones.stage.name
    for sid, age, outcome in (("SM-a", minutes(10) + TICK, "open"), ("SM-b", minutes(10), "acknowledged")):
        key = message_key("twilio-sms", sid, ADA, "ACK")
        table.take(name, key, Taken(incident, NOON))
        phones.text("ACK", now=NOON + age, sid=sid)
        assert status(phones, incident) == [outcome]
        assert table.taken(name, key) == Taken(incident, NOON, "begun" if outcome == "open" else "changed")


def test_what_is_on_the_timeline_is_not_done_again_though_its_outcome_is_not_on_record(
    phones: Phones,
) -> None:
    incident = phones.paged()
    phones.text("RESOLVE", sid="SM-x")
    phones.stage.respond(incident, Reopen(), at=NOON + minutes(1))
    key = message_key("twilio-sms", "SM-x", ADA, "RESOLVE")
    RepliesTable(phones.stage.storms.table).settle(phones.stage.name, key, Taken(incident, NOON))
    assert "already" in words(phones.text("RESOLVE", now=NOON + minutes(2), sid="SM-x"))
    assert status(phones, incident) == ["open"]


def test_what_has_no_id_is_no_message(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    assert phones.twilio("reply", {"From": ADA, "Body": "ACK"}, now=LATER).body == NOTHING
    nameless = phones.received("ACK", LATER)
    data = nameless["data"]
    assert isinstance(data, dict)
    del data["messageId"], nameless["id"]
    phones.event_grid([nameless], "reply", now=LATER)
    assert status(phones, incident) == ["open"]
    phones.event_grid([nameless | {"id": "e1"}], "reply", now=LATER)
    assert status(phones, incident) == ["acknowledged"]


def test_a_message_is_bound_once_and_its_row_says_nothing_of_its_words(phones: Phones) -> None:
    table = RepliesTable(phones.stage.storms.table)
    name, key = phones.stage.name, message_key("twilio-sms", "SM1", ADA, "ACK")
    assert table.taken(name, key) is None
    table.take(name, key, Taken(None, NOON, "unchanged"))
    with pytest.raises(Conflict):
        table.take(name, key, Taken("INC-00000000-1", NOON))
    assert table.taken(name, key) == Taken(None, NOON, "unchanged")
    row = table.table.get_entity(f"reply|{name}", key)
    assert set(row) == {"PartitionKey", "RowKey", "commits", "incident", "at", "outcome"}
    table.settle(name, key, Taken("INC-00000000-1", NOON, "changed"))
    assert table.taken(name, key) == Taken("INC-00000000-1", NOON, "changed")
    assert message_key("a", "b\ud800") != message_key("a\nb\ud801")


def test_help_is_sent_to_a_number_once_an_hour(phones: Phones) -> None:
    phones.paged(minutes_later=10)
    before = len(phones.texts())
    driving = "I am driving and will see your message later."
    phones.event_grid([phones.received(driving, LATER) for _ in range(100)], "reply", now=LATER)
    assert phones.texts()[before:] == [HELP]
    for later, helps in ((minutes(60) - TICK, False), (minutes(60), True), (minutes(61), False)):
        before = len(phones.texts())
        phones.event_grid([phones.received(driving, LATER)], "reply", now=LATER + later)
        assert phones.texts()[before:] == ([HELP] if helps else [])
    assert words(phones.text("what?", now=LATER)) == HELP, "to another number"
    assert phones.text("what?", now=LATER, number=f" {ADA[:6]}-{ADA[6:]}") == NOTHING


@pytest.mark.parametrize(
    ("text", "helps"),
    [
        ("", False),
        (" \n ", False),
        ("...", True),
        ("STOP", False),
        ("stop.", False),
        (" Unsubscribe ", False),
        ("START", False),
        ("stop it, please", True),
        ("?!x", True),
        ("help", True),
        ("Auto-reply: " + HELP, False),
        (HELP.upper(), False),
        ("> Nothing was  changed.\nWhich one?", False),
        ("You have INC-8Q2XK4ZR-1: acknowledged", False),
        ("you have what?", True),
        ("x" * 1_600 + HELP, True),
    ],
)
def test_machines_and_what_providers_answer_are_sent_no_help(text: str, helps: bool) -> None:
    assert worth_help(text) is helps


def test_what_we_say_to_a_reply_is_never_answered_with_help(phones: Phones) -> None:
    incident, other = phones.paged("A"), phones.paged("B")
    said = [
        words(phones.text(each))
        for each in ("ACK", f"ACK {code(incident)}", f"ACK {code(incident)}", f"RESOLVE {code(other)}", "hm")
    ]
    for echo in said:
        assert phones.text(echo, now=NOON + minutes(120)) == NOTHING


@pytest.mark.parametrize(("spent", "told"), [(11.9, True), (12.0, False), (12.1, False)])
def test_answers_are_not_texted_once_a_call_has_lasted(phones: Phones, spent: float, told: bool) -> None:
    first = phones.paged("A", minutes_later=10)
    second = phones.paged("B", minutes_later=10)
    before = len(phones.texts())
    clock = iter((100.0, 100.0, 100.0 + spent))
    phones.hearing.seconds = lambda: next(clock)
    batch = [phones.received(f"ACK {code(each)}", LATER) for each in (first, second)]
    phones.event_grid(batch, "reply", now=LATER)
    assert status(phones, first, second) == ["acknowledged", "acknowledged"], "all is carried out"
    assert len(phones.texts()) == before + 1 + told


def test_somebody_is_told_when_a_message_is_first_handed_over(phones: Phones) -> None:
    incident = phones.paged(minutes_later=10)
    delivery = phones.delivery(incident, "eve")
    at, owed = NOON + minutes(12), delivery.owed_at
    tries = (
        Attempt(at, accepted=False, sent_at=None),
        Attempt(at + minutes(1), True, sent_at=at - seconds(1)),
    )
    for attempts, claims, since in ((tries, 2, at - seconds(1)), ((), 1, owed), ((), 0, None)):
        each = replace(delivery, attempts=attempts, claims=claims)
        assert told_since([each], {"eve"}) == since
        assert told_since([each], {"lead"}) is None
