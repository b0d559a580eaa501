"""Whose word counts where several things happen at once: which message a contact gets, which alert's wait
declares, whose incident a firing opens again, and which words are still said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.incident_tables import IncidentTables
from shared.domain.delivery import Kind, Message, Words
from shared.domain.errors import Refused, StoreUnavailable
from shared.domain.incident import MOST_WAITS
from shared.domain.matrix import Inform, Severity, Step, Updates
from shared.domain.oncall import Rotation
from shared.domain.plan import Classification, Declaration, Directory, Match, Rules, Template
from shared.domain.response import Escalate, Note, Reopen, Resolve
from shared.domain.telling import Telling
from shared.domain.timeline import GENESIS, seal
from tests.afterwards import Course, types, with_afterwards, words
from tests.builders import NOON, a_directory, a_severity, an_alert, minutes, seconds, some_rules
from tests.stage import Stage

CAUSE = seal("INC-ABCDEFGH-1", 1, GENESIS, "opened", "tocsin", {}, NOON, NOON)
SLOW = {"slow": "yes"}
WAITING = (Declaration("slow-for-5m", minutes(5), Match(labels=SLOW)),)
TICK = seconds(0.000001)


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


def only(*steps: Step, inform: tuple[Inform, ...] = (), updates: tuple[Updates, ...] = ()) -> Severity:
    """A severity with nothing but these."""
    return Severity("P1", steps=steps, inform=inform, updates=updates)


def with_nobody(*rotations: str) -> Directory:
    """The usual contacts, and rotations in which nobody ever is on call."""
    return replace(a_directory(), rotations={name: Rotation(name) for name in rotations})


def owed_to(course: Course, contact: str) -> list[tuple[str, str]]:
    return [(each.message.kind, each.message.reason) for each in course.owed if each.contact == contact]


def patient(*severities: Severity) -> Rules:
    return replace(some_rules(*severities), declare=WAITING)


@pytest.mark.parametrize(
    ("weightier", "other"),
    [("escalation", "alarm"), ("manual", "alarm")]
    + [(kind, "inform") for kind in ("reminder", "update", "role", "cleared", "review", "digest")],
)
def test_the_weightier_keeps_its_place_whichever_of_the_two_comes_first(weightier: Kind, other: Kind) -> None:
    first, second = Telling(weightier, "nobody answers", CAUSE), Telling(other, "by the way", CAUSE)

    assert second.over(first) == first
    assert first.over(second) == first


@pytest.mark.parametrize(
    ("page", "other"),
    [
        (10, {"inform": (Inform(minutes(5), ("manager",)),)}),
        (10, {"inform": (Inform(minutes(10), ("manager",)),)}),
        (5, {"updates": (Updates("internal", minutes(10), remind=("manager",)),)}),
    ],
)
def test_an_alarm_comes_through_whatever_else_the_same_change_has_for_its_contact(
    page: int, other: dict[str, Any]
) -> None:
    course = Course(some_rules(only(Step(minutes(page), ("sre",)), **other)), with_nobody("sre"))

    assert len(course.passes(NOON + minutes(10))) == 3
    owed = owed_to(course, "manager")
    assert ("alarm", "nobody is on call for sre") in owed
    word = (
        "the internal status update is overdue" if "updates" in other else "for your information, by the plan"
    )
    assert sorted(reason for _, reason in owed) == sorted(["nobody is on call for sre", word])


def test_a_reminder_is_said_beside_a_page_of_the_same_change() -> None:
    owing = (Updates("internal", minutes(10), remind=("oncall",)),)
    course = Course(some_rules(only(Step(minutes(10), ("oncall",)), updates=owing)))

    course.passes(NOON + minutes(10))

    assert owed_to(course, "oncall") == [
        ("escalation", "escalation step 1 of 1"),
        ("reminder", "the internal status update is overdue"),
    ]


def test_two_alarms_of_one_change_are_one_message_that_says_both() -> None:
    steps = (Step(minutes(0), ("sre",)), Step(minutes(0), ("dba",)))
    course = Course(some_rules(only(*steps)), with_nobody("sre", "dba"))

    both = "nobody is on call for sre; nobody is on call for dba"
    assert owed_to(course, "manager") == [("alarm", both)]


def test_equals_of_one_change_are_joined_and_what_both_say_is_said_once() -> None:
    inside = Updates("internal", minutes(20), remind=("lead",))
    owing = (inside, replace(inside, audience="external"))
    informs = (Inform(minutes(5), ("manager",)), Inform(minutes(6), ("manager",)))
    course = Course(some_rules(only(inform=informs, updates=owing)))

    course.passes(NOON + minutes(20))

    both = "the internal status update is overdue; the external status update is overdue"
    assert owed_to(course, "lead") == [("reminder", both)]
    assert owed_to(course, "manager") == [("inform", "for your information, by the plan")]


def test_a_page_of_the_same_change_takes_the_place_of_an_alarm() -> None:
    steps = (Step(minutes(0), ("sre",)), Step(minutes(0), ("manager",)))
    course = Course(some_rules(only(*steps)), with_nobody("sre"))
    assert owed_to(course, "manager") == [("escalation", "escalation step 2 of 2")]


def test_the_resolution_and_the_review_are_one_message_to_whoever_hears_both() -> None:
    course = Course(with_afterwards())
    course.does(Escalate("lead"), NOON + minutes(1))
    course.owed.clear()
    course.does(Resolve(), NOON + minutes(2))

    both = "the incident is resolved; a review is due by 2026-11-20 12:02 UTC"
    assert owed_to(course, "lead") == [("resolved", both)]


def test_an_alarm_to_a_rotation_without_anybody_leaves_an_event_and_not_silence() -> None:
    rules = replace(some_rules(a_severity(steps=((minutes(0), ("oncall",)),))), alarm=("night",))
    course = Course(rules, with_nobody("night"))
    assert types(course.passes(NOON + minutes(15) - TICK)) == ["breached"]

    assert types(course.passes(NOON + minutes(15))) == ["exhausted", "oncall-empty"]
    exhausted, empty = course.events[-2:]
    assert empty.data == {"rotations": ["night"], "caused_by": exhausted.seq}


def test_an_empty_rotation_that_is_its_own_alarm_is_one_event() -> None:
    rules = replace(some_rules(only(Step(minutes(0), ("sre",)))), alarm=("sre",))

    assert types(Course(rules, with_nobody("sre")).events) == ["opened", "escalated", "oncall-empty"]


@pytest.mark.parametrize("clears", [True, False])
def test_the_first_alert_to_clear_does_not_leave_its_wait_to_the_second(
    stage: Stage, *, clears: bool
) -> None:
    stage.rules(patient())
    stage.hear(an_alert(identity="a", labels=SLOW, group="g"))
    second = NOON + minutes(4)
    stage.hear(an_alert(identity="b", labels=SLOW, group="g", at=second), at=second)
    [incident] = stage.pending()
    if clears:
        over = an_alert(identity="a", labels=SLOW, group="g", firing=False, ended_at=second)
        stage.hear(over, at=second)
    declared = (second if clears else NOON) + minutes(5)

    stage.sweep(declared - TICK)
    assert stage.incident(incident).status == "pending"
    stage.sweep(declared)
    assert stage.incident(incident).status == "open"


@pytest.mark.parametrize("count", [MOST_WAITS - 1, MOST_WAITS, MOST_WAITS + 1, MOST_WAITS * 2 + 1])
def test_however_many_alerts_wait_the_earliest_declares(stage: Stage, count: int) -> None:
    stage.rules(patient())
    starts = [NOON - seconds(nth) for nth in range(count)]
    crowd = [an_alert(identity=str(at), labels=SLOW, group="g", at=at) for at in starts]
    stage.hear(*crowd)
    [incident] = stage.pending()
    earliest = starts[-1] + minutes(5)

    stage.sweep(earliest - TICK)
    assert stage.incident(incident).status == "pending"
    stage.sweep(earliest)
    assert stage.incident(incident).status == "open"


def test_an_alert_beyond_those_whose_wait_is_kept_is_declared_not_forgotten(stage: Stage) -> None:
    stage.rules(patient())
    crowd = [an_alert(identity=str(nth), labels=SLOW, group="g") for nth in range(MOST_WAITS)]
    stage.hear(*crowd)
    stage.hear(an_alert(identity="last", labels=SLOW, group="g"))
    [incident] = stage.pending()
    ended = NOON + minutes(1)

    stage.hear(*[replace(each, firing=False, ended_at=ended) for each in crowd], at=ended)
    stage.sweep(ended)

    assert stage.incident(incident).status == "open"


def test_a_pending_incident_that_was_raised_names_the_rule_that_raised_it(stage: Stage) -> None:
    big = Classification("half-of-them", "P1", Match(labels={"share": "half"}))
    rules = patient(a_severity("P1"), a_severity("P2"))
    stage.rules(replace(rules, classify=(big, Classification("any", "P2"))))
    stage.hear(an_alert(identity="a", labels=SLOW, group="g"))
    stage.hear(an_alert(identity="b", labels=SLOW | {"share": "half"}, group="g"))
    [incident] = stage.pending()

    stage.sweep(NOON + minutes(5))

    [opened] = [event for event in stage.events(incident) if event.type == "opened"]
    assert (opened.data["severity"], opened.data["rule"]) == ("P1", "half-of-them")


def resolved_at_once(stage: Stage) -> str:
    """An incident that opened and was resolved by a person at noon; its alert has ended."""
    [outcome] = stage.hear(an_alert(group="g"))
    assert outcome.id is not None
    stage.respond(outcome.id, Resolve())
    stage.hear(an_alert(group="g", firing=False, ended_at=NOON))
    return outcome.id


def test_what_has_to_wait_opens_the_next_incident_and_reopens_none(stage: Stage) -> None:
    stage.rules(patient())
    first, later = resolved_at_once(stage), NOON + minutes(2)

    [outcome] = stage.hear(an_alert(labels=SLOW, group="g", at=later), at=later)

    assert (outcome.action, outcome.id, stage.incident(first).status) == ("pending", None, "resolved")
    [following] = stage.pending()
    assert following != first
    stage.sweep(later + minutes(5) - TICK)
    assert stage.incident(following).status == "pending"
    stage.sweep(later + minutes(5))
    assert (stage.incident(following).status, stage.incident(first).status) == ("open", "resolved")


@pytest.mark.parametrize(
    ("labels", "waited", "status"),
    [
        (SLOW, minutes(5) - TICK, "resolved"),
        (SLOW, minutes(5), "open"),
        (SLOW, minutes(5) + TICK, "open"),
        ({}, minutes(0), "open"),
    ],
)
def test_what_need_not_wait_any_more_or_never_had_to_reopens(
    stage: Stage, labels: dict[str, str], waited: timedelta, status: str
) -> None:
    stage.rules(patient())
    first, heard = resolved_at_once(stage), NOON + minutes(10)

    stage.hear(an_alert(labels=labels, group="g", at=heard - waited), at=heard)

    assert stage.incident(first).status == status


def test_reopening_beside_a_later_incident_that_is_hidden_is_refused_without_naming_it(stage: Stage) -> None:
    stage.rules(patient())
    first, later = resolved_at_once(stage), NOON + minutes(2)
    stage.hear(an_alert(labels=SLOW, group="g", at=later), at=later)
    [hidden] = stage.pending()

    with pytest.raises(Refused, match="declare a new incident by hand") as pending:
        stage.respond(first, Reopen(), later)
    stage.hear(an_alert(labels=SLOW, group="g", at=later, firing=False, ended_at=later), at=later)
    assert stage.incident(hidden).status == "dropped"
    with pytest.raises(Refused, match="declare a new incident by hand") as dropped:
        stage.respond(first, Reopen(), later)

    assert "INC-" not in f"{pending.value} {dropped.value}"
    assert stage.incident(first).status == "resolved"


def test_reopening_beside_a_later_incident_that_is_declared_names_it(stage: Stage) -> None:
    stage.rules(replace(patient(), reopen_within=minutes(0)))
    first = resolved_at_once(stage)
    [later] = stage.hear(an_alert(group="g", at=NOON + TICK), at=NOON + TICK)

    with pytest.raises(Refused, match=str(later.id)):
        stage.respond(first, Reopen(), NOON + TICK)


class Illegible(IncidentTables):
    """The real tables, of which the free texts cannot be read."""

    def texts(self, incident_id: str) -> Mapping[int, str]:
        raise StoreUnavailable(f"the texts of {incident_id} cannot be read")


@pytest.mark.parametrize("legible", [True, False])
def test_a_page_says_what_people_noted_but_does_not_wait_for_words_that_cannot_be_read(
    stage: Stage, *, legible: bool
) -> None:
    stage.rules(some_rules(a_severity(steps=((minutes(5), ("oncall",)),))))
    own = {"escalation": Template("It does this: {{ impact }}")}
    stage.plans.plan = replace(stage.plans.plan, templates=own)
    said: list[Message] = []
    stage.megaphone.heard = lambda _to, message: said.append(message)
    if not legible:
        store = Illegible(stage.store.table, stage.index, stage.journals)
        stage.advancing.deliver = replace(stage.advancing.deliver, store=store)
    incident = stage.opened()
    stage.respond(incident, Note("impact", words("nobody can pay")))

    stage.sweep(NOON + minutes(5))

    assert stage.sent == [("oncall", "escalation", "escalation step 1 of 1")]
    assert stage.types(incident).count("delivered") == 1
    assert said[0].words == (Words("It does this: nobody can pay") if legible else None)


def said(*tellings: tuple[Kind, str]) -> tuple[Kind, str]:
    """Kind and reason of the one message that these become, in their order."""
    first, *rest = [Telling(kind, reason, CAUSE) for kind, reason in tellings]
    for each in rest:
        first = each.over(first)
    return first.kind, first.reason


@pytest.mark.parametrize(
    ("tellings", "one"),
    [
        ((("inform", "fyi"), ("update", "it is a disk")), ("update", "it is a disk")),
        ((("update", "it is a disk"), ("inform", "fyi")), ("update", "it is a disk")),
        ((("inform", "fyi"), ("reminder", "owed")), ("reminder", "owed")),
        ((("inform", "fyi"), ("role", "you lead")), ("role", "you lead")),
        ((("reminder", "owed"), ("review", "due")), ("review", "due; owed")),
        ((("alarm", "nobody there"), ("resolved", "over")), ("resolved", "over; nobody there")),
        (
            (("action-item", "A1 is overdue"), ("action-item", "A1, A2 are overdue")),
            ("action-item", "A1, A2 are overdue"),
        ),
        (
            (("action-item", "A1 is overdue"), ("action-item", "A2 is yours")),
            ("action-item", "A1 is overdue; A2 is yours"),
        ),
        (
            (("action-item", "A1 is overdue"), ("review", "is due"), ("action-item", "A1, A2 are overdue")),
            ("action-item", "A1 is overdue; is due; A1, A2 are overdue"),
        ),
    ],
)
def test_no_words_are_lost_where_several_become_one(
    tellings: tuple[tuple[Kind, str], ...], one: tuple[Kind, str]
) -> None:
    assert said(*tellings) == one
