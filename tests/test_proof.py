"""Proof that a human was told: who first heard, what providers say afterwards, what happens where nobody was
reached, and that whatever shows the incident is brought up to date."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.answering import Through
from shared.domain.change import looks
from shared.domain.deadlines import dues
from shared.domain.delivery import Attempt, Delivery
from shared.domain.escalation import advance
from shared.domain.matrix import StillOpen
from shared.domain.plan import Channel, Contact, Directory, Reach, Rules
from shared.domain.receipt import Receipt, ReceiptState, hear_receipt
from shared.domain.response import Acknowledge, Escalate, Reopen, Resolve, respond
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Event
from tests.afterwards import Course, types, words
from tests.builders import NOON, a_directory, a_severity, hours, minutes, seconds, some_rules

LADDER = (
    (minutes(0), ("oncall", "second")),
    (minutes(15), ("lead",)),
    (minutes(30), ("manager",)),
)
PEOPLE = a_directory(oncall=("log", "mail"), second=("log",), lead=("log",), manager=("log",))


def rules(**changes: Any) -> Rules:  # noqa: ANN401  (fields of many types)
    severity = a_severity("P1", steps=LADDER, respond_within=None, resolve_within=None)
    return some_rules(replace(severity, **changes))


class Proof(Course):
    """A course in which deliveries have outcomes."""

    def settles(self, *outcomes: Delivery, at: datetime) -> list[Event]:
        self.now = at
        self.owed = [each for each in self.owed if each.id not in {one.id for one in outcomes}]
        change = advance(self.incident, outcomes, self.rules, self.directory, at)
        assert change is not None
        return self._keep(change)

    def hears(self, delivery: Delivery, state: ReceiptState, at: datetime) -> list[Event]:
        receipt = Receipt(delivery, state, "SM1", at)
        change = hear_receipt(self.incident, receipt, self.rules, self.directory, at)
        return [] if change is None else self._keep(change)

    def to(self, contact: str) -> Delivery:
        """What the contact is owed last."""
        return [each for each in self.owed if each.contact == contact][-1]


def taken(delivery: Delivery, at: datetime) -> Delivery:
    attempt = Attempt(at, accepted=True, status=202, provider_id="SM1", sent_at=at - seconds(1))
    return replace(delivery, state="accepted", attempts=(attempt,))


def refused(delivery: Delivery, at: datetime) -> Delivery:
    return replace(delivery, state="failed", attempts=(Attempt(at, accepted=False, status=500),))


def data(events: list[Event], type: str) -> list[dict[str, object]]:
    return [dict(each.data) for each in events if each.type == type]


def test_the_first_message_that_a_provider_took_is_an_event_and_the_next_is_not() -> None:
    course = Proof(rules(), PEOPLE)
    later, sooner = (
        taken(course.to("oncall"), NOON + seconds(9)),
        taken(course.to("second"), NOON + seconds(4)),
    )
    events = course.settles(later, sooner, at=NOON + seconds(10))
    assert types(events) == ["delivered", "delivered", "first-told"]
    (first,) = data(events, "first-told")
    assert first == {"delivery": sooner.id, "contact": "second", "channel": "log", "seconds": 4}
    course.does(Escalate("lead"), NOON + seconds(20))
    assert (
        data(course.settles(taken(course.to("lead"), NOON + minutes(1)), at=NOON + minutes(1)), "first-told")
        == []
    )


def test_a_delivery_on_record_says_when_it_was_sent_and_what_it_said() -> None:
    course = Proof(rules(), PEOPLE)
    sent = replace(
        taken(course.to("oncall"), NOON), body_sha256="ab", template="escalation", template_version="12"
    )
    (stated,) = data(course.settles(sent, at=NOON), "delivered")
    assert {name: stated[name] for name in ("sent_at", "body_sha256", "template", "template_version")} == {
        "sent_at": "2026-11-18T11:59:59.000000Z",
        "body_sha256": "ab",
        "template": "escalation",
        "template_version": "12",
    }


def test_whom_nothing_reached_escalates_at_once_and_raises_the_alarm() -> None:
    course = Proof(rules(), PEOPLE)
    events = course.settles(refused(course.to("second"), NOON + minutes(5)), at=NOON + minutes(5))
    assert types(events) == ["delivery-failed", "contact-unreachable", "escalated"]
    assert data(events, "contact-unreachable")[0]["escalates"] is True
    assert data(events, "escalated")[0]["step"] == 2
    assert course.told == {
        "manager": "no channel of second took the notification (log)",
        "lead": "escalation step 2 of 3: nobody was reached by step 1",
    }


def test_a_second_contact_of_the_same_step_whom_nothing_reached_does_not_skip_a_step() -> None:
    course = Proof(rules(), PEOPLE)
    course.settles(refused(course.to("second"), NOON + minutes(5)), at=NOON + minutes(5))
    course.settles(refused(course.to("oncall"), NOON + minutes(6)), at=NOON + minutes(6))
    gone = refused(course.to("oncall"), NOON + minutes(6))
    events = course.settles(gone, at=NOON + minutes(6))
    assert data(events, "contact-unreachable")[0]["escalates"] is False
    assert "escalated" not in types(events)


@pytest.mark.parametrize("command", [Acknowledge(), Resolve()])
def test_nothing_escalates_at_once_where_somebody_has_answered(command: Acknowledge | Resolve) -> None:
    course = Proof(rules(), PEOPLE)
    course.does(command, NOON + minutes(1))
    events = course.settles(refused(course.to("second"), NOON + minutes(5)), at=NOON + minutes(5))
    assert "escalated" not in types(events)


def test_the_last_step_that_reaches_nobody_has_the_alarm_alone() -> None:
    one = replace(rules().severities[0], steps=rules().severities[0].steps[:1])
    course = Proof(some_rules(one), PEOPLE)
    events = course.settles(refused(course.to("second"), NOON + minutes(5)), at=NOON + minutes(5))
    assert types(events) == ["delivery-failed", "contact-unreachable"]
    assert course.told == {"manager": "no channel of second took the notification (log)"}


def test_a_broken_channel_is_followed_by_the_next_with_everything_that_was_to_be_said() -> None:
    course = Proof(rules(), PEOPLE)
    course.settles(refused(course.to("oncall"), NOON + minutes(1)), at=NOON + minutes(1))
    again = course.to("oncall")
    assert (again.channel, again.nth, again.last, again.message.rung) == ("mail", 1, True, (1, 1))


def test_what_the_provider_says_later_joins_the_timeline_once() -> None:
    course = Proof(rules(), PEOPLE)
    page = taken(course.to("oncall"), NOON)
    course.settles(page, at=NOON)
    (event,) = course.hears(page, "delivered", NOON + seconds(3))
    assert (event.type, event.actor, event.data["state"]) == ("receipt", "channel:log", "delivered")
    assert course.hears(page, "delivered", NOON + seconds(4)) == []
    assert types(course.hears(page, "read", NOON + seconds(5))) == ["receipt"]


def test_what_did_not_arrive_goes_on_to_the_next_channel() -> None:
    course = Proof(rules(), PEOPLE)
    page = taken(course.to("oncall"), NOON)
    course.settles(page, at=NOON)
    course.hears(page, "undelivered", NOON + seconds(30))
    assert course.to("oncall").channel == "mail"


def test_what_did_not_arrive_and_has_no_next_channel_escalates_at_once() -> None:
    course = Proof(rules(), PEOPLE)
    page = taken(course.to("second"), NOON)
    course.settles(page, at=NOON)
    assert types(course.hears(page, "undelivered", NOON + seconds(30))) == ["receipt", "contact-unreachable"]
    assert course.incident.deadline == NOON + seconds(30)
    assert types(course.passes(NOON + seconds(30))) == ["escalated"]


def test_what_did_not_arrive_is_let_be_once_the_incident_is_over() -> None:
    course = Proof(rules(), PEOPLE)
    page = taken(course.to("oncall"), NOON)
    course.settles(page, at=NOON)
    course.does(Resolve(), NOON + seconds(10))
    assert types(course.hears(page, "undelivered", NOON + seconds(30))) == ["receipt"]


def test_an_answer_says_by_what_it_came_before_what_it_did() -> None:
    course = Proof(rules(), PEOPLE)
    through = Through("sms", "oncall", course.to("oncall").id)
    change = respond(course.incident, Acknowledge(), course.rules, PEOPLE, "person:1", None, NOON, through)
    assert change is not None
    assert [(each.type, each.actor) for each in change.events] == [
        ("acted-on", "person:1"),
        ("acknowledged", "person:1"),
    ]
    assert change.events[0].data == {
        "contact": "oncall",
        "by": "sms",
        "delivery": through.delivery,
        "command": "acknowledge",
    }


def living(kind: str = "slack-app") -> Directory:
    room = Contact("oncall", reach=(Reach("room", to="C1"),))
    others = {name: Contact(name, reach=(Reach("log"),)) for name in ("second", "lead", "manager")}
    return Directory(
        {"oncall": room, **others}, {"room": Channel("room", kind), "log": Channel("log", "log")}
    )


@pytest.mark.parametrize(("kind", "follows"), [("slack-app", True), ("pagerduty", True), ("webhook", False)])
def test_what_shows_the_incident_is_brought_up_to_date_when_it_changes(kind: str, follows: bool) -> None:
    course = Proof(rules(), living(kind))
    course.settles(taken(course.to("oncall"), NOON), at=NOON)
    before = len(course.owed)
    course.does(Acknowledge(), NOON + seconds(5))
    assert [(each.contact, each.message.kind) for each in course.owed[before:]] == (
        [("oncall", "refresh")] if follows else []
    )


def test_what_never_showed_it_is_not_brought_up_to_date() -> None:
    course = Proof(rules(), living())
    course.does(Acknowledge(), NOON + seconds(5))
    assert all(each.message.kind != "refresh" for each in course.owed)


def test_a_resolution_that_is_told_there_anyway_is_not_said_twice() -> None:
    course = Proof(rules(), living())
    course.settles(taken(course.to("oncall"), NOON), at=NOON)
    before = len(course.owed)
    course.does(Resolve(), NOON + minutes(5))
    assert [each.message.kind for each in course.owed[before:] if each.contact == "oncall"] == ["resolved"]


def test_what_cannot_be_brought_up_to_date_alarms_nobody() -> None:
    course = Proof(rules(), living())
    course.settles(taken(course.to("oncall"), NOON), at=NOON)
    course.does(Acknowledge(), NOON + seconds(5))
    events = course.settles(refused(course.to("oncall"), NOON + seconds(9)), at=NOON + seconds(9))
    assert types(events) == ["delivery-failed"]


EVERY_HOUR = StillOpen(hours(1))


def test_who_was_told_hears_each_time_that_it_is_still_open() -> None:
    course = Course(rules(still_open=EVERY_HOUR), PEOPLE)
    course.does(Acknowledge(), NOON + minutes(1))
    assert types(course.passes(NOON + hours(1) - seconds(0.000001))) == []
    (event,) = course.passes(NOON + hours(1))
    assert event.data["nth"] == 1
    assert course.told == dict.fromkeys(("oncall", "second"), "the incident is still acknowledged after 1 h")
    assert course.passes(NOON + hours(2))[0].data["nth"] == 2
    course.does(Resolve(), NOON + hours(2.5))
    assert course.passes(NOON + hours(9)) == []


def test_reminders_missed_in_an_outage_are_one() -> None:
    course = Course(rules(still_open=EVERY_HOUR), PEOPLE)
    course.does(Acknowledge(), NOON + minutes(1))
    (event,) = course.passes(NOON + hours(5.5))
    assert event.data["late_seconds"] == 4.5 * 3600
    assert dues(course.incident, course.rules)[0][0] == NOON + hours(6.5)


def test_the_plan_may_name_who_is_reminded_and_a_reopening_counts_anew() -> None:
    course = Course(rules(still_open=StillOpen(timedelta(hours=1), ("manager",)), steps=()), PEOPLE)
    course.passes(NOON + hours(1))
    assert course.told == {"manager": "the incident is still open after 1 h"}
    course.does(Resolve(words("done")), NOON + hours(1.5))
    course.does(Reopen(), NOON + hours(1.6))
    assert course.passes(NOON + hours(2.6))[0].data["nth"] == 1


def test_a_step_that_was_due_in_an_outage_keeps_its_lateness_though_nobody_was_reached() -> None:
    course = Proof(rules(), PEOPLE)
    events = course.settles(refused(course.to("second"), NOON + minutes(40)), at=NOON + minutes(40))
    late = [each["late_seconds"] for each in data(events, "escalated")]
    assert late == [25 * 60, 10 * 60]


def test_a_louder_incident_whose_page_reaches_nobody_goes_on_although_the_quieter_was_answered() -> None:
    quieter = a_severity("P1", steps=(), respond_within=None, resolve_within=None)
    louder = a_severity("P0", steps=LADDER, respond_within=None, resolve_within=None)
    course = Proof(some_rules(louder, quieter), PEOPLE)
    course.does(Acknowledge(), NOON + minutes(1))
    course.does(SetSeverity("P0"), NOON + minutes(2))
    events = course.settles(refused(course.to("second"), NOON + minutes(3)), at=NOON + minutes(3))
    assert data(events, "contact-unreachable")[0]["escalates"] is True
    assert data(events, "escalated")[0]["step"] == 2
    course.does(Acknowledge(), NOON + minutes(4))
    assert course.incident.ladder is not None
    assert not course.incident.ladder.outgrown


def test_a_page_by_hand_to_the_next_step_that_reaches_nobody_climbs_as_well() -> None:
    course = Proof(rules(), PEOPLE)
    course.does(Escalate(), NOON + minutes(1))
    events = course.settles(refused(course.to("lead"), NOON + minutes(2)), at=NOON + minutes(2))
    assert data(events, "contact-unreachable")[0]["escalates"] is True
    assert data(events, "escalated")[0]["step"] == 3


def test_a_way_that_shows_nothing_any_more_is_not_brought_up_to_date() -> None:
    course = Proof(rules(), living())
    course.settles(taken(course.to("oncall"), NOON), at=NOON)
    course.directory = living("twilio-voice")
    course.does(Acknowledge(), NOON + seconds(5))
    assert all(each.message.kind != "refresh" for each in course.owed)


def test_what_was_sent_before_a_change_and_known_after_it_is_brought_up_to_date() -> None:
    course = Proof(rules(), living())
    sent = replace(taken(course.to("oncall"), NOON + seconds(3)), looked=looks(course.incident))
    course.does(Acknowledge(), NOON + seconds(2))
    course.settles(sent, at=NOON + seconds(3))
    assert course.owed[-1].message.kind == "refresh"


def test_after_an_edit_of_the_plan_the_ways_that_were_not_tried_still_are() -> None:
    course = Proof(rules(), PEOPLE)
    failed = refused(course.to("oncall"), NOON + minutes(1))
    course.directory = a_directory(oncall=("mail",), second=("log",), lead=("log",), manager=("log",))
    course.settles(failed, at=NOON + minutes(1))
    assert course.to("oncall").channel == "mail"


def test_a_word_that_it_did_not_arrive_changes_nothing_once_it_did() -> None:
    course = Proof(rules(), PEOPLE)
    page = taken(course.to("second"), NOON)
    course.settles(page, at=NOON)
    course.hears(page, "delivered", NOON + seconds(3))
    assert types(course.hears(page, "undelivered", NOON + seconds(4))) == ["receipt"]


def test_what_the_provider_called_undelivered_goes_on_once_although_we_gave_up_too() -> None:
    course = Proof(rules(), PEOPLE)
    page = course.to("oncall")
    course.hears(page, "undelivered", NOON + seconds(3))
    before = len(course.owed)
    course.settles(refused(page, NOON + seconds(9)), at=NOON + seconds(9))
    assert len(course.owed) == before - 1, "it is settled, and nothing further is owed"


def test_a_louder_severity_reminds_from_when_it_was_raised() -> None:
    quiet = replace(a_severity("P1", steps=()), still_open=StillOpen(hours(24)))
    loud = replace(a_severity("P0", steps=()), still_open=StillOpen(hours(1), ("manager",)))
    course = Course(some_rules(loud, quiet))
    course.does(SetSeverity("P0"), NOON + hours(5))
    course.passes(NOON + hours(6))
    assert [each["late_seconds"] for each in data(course.events, "still-open")] == [0]


@pytest.mark.parametrize(
    ("status", "retry_after", "state"), [(429, 30.0, "queued"), (429, 31.0, "failed"), (None, None, "failed")]
)
def test_a_page_does_not_wait_long_for_a_provider_where_there_is_another_way(
    status: int | None, retry_after: float | None, state: str
) -> None:
    page = Proof(rules(), PEOPLE).to("oncall").claimed(NOON)
    tried = page.after(Attempt(NOON, accepted=False, status=status), permanent=False, retry_after=retry_after)
    assert tried.state == state


@pytest.mark.parametrize(
    ("status", "state"), [(401, "queued"), (403, "queued"), (535, "queued"), (404, "failed")]
)
def test_the_last_way_is_tried_again_where_the_key_may_be_being_rotated(status: int, state: str) -> None:
    page = Proof(rules(), PEOPLE).to("second").claimed(NOON)
    assert page.last
    assert (
        page.after(Attempt(NOON, accepted=False, status=status), permanent=True, retry_after=None).state
        == state
    )


def test_what_we_gave_up_is_not_gone_on_with_twice_when_its_provider_says_so_too() -> None:
    course = Proof(rules(), PEOPLE)
    page = refused(course.to("oncall"), NOON + seconds(5))
    course.settles(page, at=NOON + seconds(5))
    before = len(course.owed)
    assert types(course.hears(page, "undelivered", NOON + seconds(9))) == ["receipt"]
    assert course.hears(page, "undelivered", NOON + seconds(10)) == []
    assert len(course.owed) == before


def test_a_page_that_lands_after_a_change_brings_its_card_up_to_date_though_it_was_shown_before() -> None:
    course = Proof(rules(), living())
    course.settles(taken(course.to("oncall"), NOON), at=NOON)
    course.does(Escalate("oncall"), NOON + minutes(2))
    late = replace(taken(course.to("oncall"), NOON + minutes(3)), looked=looks(course.incident))
    course.does(Acknowledge(), NOON + minutes(2.5))
    course.owed = [each for each in course.owed if each.message.kind != "refresh"]
    course.settles(late, at=NOON + minutes(3))
    assert [each.message.kind for each in course.owed if each.contact == "oncall"] == ["refresh"]
