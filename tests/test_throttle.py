"""At most one message per incident, contact and kind in the plan's window; what came meanwhile is one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain import throttle
from shared.domain.cadence import PostUpdate
from shared.domain.change import MOST_ROWS
from shared.domain.delivery import Delivery
from shared.domain.matrix import Updates
from shared.domain.plan import ReviewRule, Rules
from shared.domain.response import Acknowledge, Escalate, Reopen, Resolve, respond
from tests.afterwards import Course, types, words
from tests.builders import NOON, a_directory, a_severity, hours, minutes, seconds, some_rules, unthrottled

WINDOW = timedelta(seconds=60)
TICK = seconds(0.000001)
ROOM = Updates("internal", notify=("lead",))


def climbing(*at: float, **changes: Any) -> Rules:  # noqa: ANN401  (fields of many types)
    """Rules whose steps, so many seconds after the opening, all page whoever is on call."""
    steps = tuple((seconds(each), ("oncall",)) for each in at)
    severity = a_severity("P1", steps=steps, respond_within=None, resolve_within=None)
    return replace(some_rules(replace(severity, **changes)), throttle=WINDOW)


def pages(owed: list[Delivery]) -> list[tuple[str, float]]:
    return [(each.message.reason, (each.owed_at - NOON).total_seconds()) for each in owed]


def test_a_second_page_within_the_window_waits_for_its_end_and_then_goes_out_as_it_was() -> None:
    course = Course(climbing(0, 20))
    assert types(course.passes(NOON + seconds(20))) == ["escalated", "held-back"]
    assert course.incident.deadline == NOON + WINDOW
    assert course.passes(NOON + WINDOW - TICK) == []
    (caught_up,) = course.passes(NOON + WINDOW)
    assert dict(caught_up.data) | {"due": "-"} == {
        "contact": "oncall", "kind": "escalation", "due": "-",
        "late_seconds": 0, "count": 1, "withdrawn": False,
    }  # fmt: skip
    assert pages(course.owed) == [("escalation step 1 of 2", 0), ("escalation step 2 of 2", 60)]


def test_several_that_were_held_back_arrive_as_one_that_names_them_all() -> None:
    course = Course(climbing(0, 10, 20, 30))
    for at in (10, 20, 30):
        course.passes(NOON + seconds(at))
    course.passes(NOON + WINDOW)
    assert pages(course.owed)[1:] == [
        ("3 messages as one: escalation step 2 of 4; escalation step 3 of 4; escalation step 4 of 4", 60)
    ]


@pytest.mark.parametrize(("at", "held"), [(59.999999, True), (60, False), (60.000001, False)])
def test_the_window_is_half_open(at: float, held: bool) -> None:
    course = Course(climbing(0, at))
    assert types(course.passes(NOON + seconds(at))) == ["escalated", *(["held-back"] if held else [])]


def test_the_window_counts_from_the_digest_too() -> None:
    course = Course(climbing(0, 50, 100))
    for at in (50, 60, 100):
        course.passes(NOON + seconds(at))
    course.passes(NOON + seconds(120))
    assert [at for _, at in pages(course.owed)] == [0, 60, 120]


def test_another_contact_and_another_kind_have_windows_of_their_own() -> None:
    course = Course(climbing(0))
    course.does(Escalate("lead"), NOON + seconds(1))
    course.does(Escalate("oncall"), NOON + seconds(2))
    assert [(each.contact, each.message.kind) for each in course.owed] == [
        ("oncall", "escalation"),
        ("lead", "manual"),
        ("oncall", "manual"),
    ]


def test_a_page_that_was_held_back_goes_out_after_an_acknowledgement_but_not_after_the_resolution() -> None:
    for command, owed in ((Acknowledge(), 2), (Resolve(), 1)):
        course = Course(climbing(0, 20))
        course.passes(NOON + seconds(20))
        course.does(command, NOON + seconds(30))
        (caught_up,) = (each for each in course.passes(NOON + WINDOW) if each.type == "caught-up")
        assert caught_up.data["withdrawn"] is (owed == 1)
        assert sum(each.message.kind == "escalation" for each in course.owed) == owed


def test_no_words_are_lost_where_several_updates_become_one() -> None:
    rules = climbing(updates=(ROOM,))
    course = Course(replace(rules, severities=(replace(rules.severities[0], steps=()),)))
    said = [
        course.does(PostUpdate("investigating", words(text)), NOON + seconds(at))[0].seq
        for at, text in ((0, "one"), (5, "two"), (10, "three"))
    ]
    course.passes(NOON + WINDOW)
    last = course.owed[-1].message
    assert (*last.earlier_words, last.words_of) == tuple(said[1:])


def test_what_is_late_is_on_record_as_late() -> None:
    course = Course(climbing(0, 20))
    course.passes(NOON + seconds(20))
    (caught_up,) = course.passes(NOON + minutes(5))
    assert caught_up.data["late_seconds"] == 240


def test_a_plan_may_have_no_window() -> None:
    course = Course(unthrottled(climbing(0, 1, 2)))
    for at in (1, 2):
        course.passes(NOON + seconds(at))
    assert [at for _, at in pages(course.owed)] == [0, 1, 2]
    assert course.incident.spoken == {}


def test_the_incident_forgets_whom_it_spoke_to_once_the_window_is_over() -> None:
    course = Course(climbing(0))
    assert set(course.incident.spoken) == {"escalation oncall"}
    course.does(Escalate("lead"), NOON + minutes(2))
    assert set(course.incident.spoken) == {"manual lead"}


def test_whoever_is_gone_from_the_plan_meanwhile_is_missed_aloud() -> None:
    course = Course(climbing(0, 20))
    course.passes(NOON + seconds(20))
    course.directory = a_directory(manager=("log",))
    assert types(course.passes(NOON + WINDOW)) == ["caught-up", "contact-missing"]
    assert course.told == {"manager": "the plan has no contact oncall any more"}


def test_a_flapping_incident_that_is_open_again_is_paged_and_not_said_to_be_resolved() -> None:
    course = Course(climbing(0))
    for at, command in ((1, Resolve()), (2, Reopen()), (3, Resolve()), (4, Reopen())):
        course.does(command, NOON + seconds(at))
    before = len(course.owed)
    course.passes(NOON + seconds(61.5))
    assert [each.message.kind for each in course.owed[before:]] == ["escalation"]
    moot = [each.data["withdrawn"] for each in course.events if each.type == "caught-up"]
    assert moot == [False, True], "the page goes out, the resolution that is none any more does not"


def test_what_has_waited_its_window_is_neither_replaced_nor_held_again() -> None:
    course = Course(climbing(0, 59, 60.2))
    course.does(Escalate("oncall", words("the first")), NOON + seconds(1))
    course.does(Escalate("oncall", words("the second")), NOON + seconds(5))
    course.passes(NOON + seconds(59))
    course.passes(NOON + seconds(61.5))
    manual = [each for each in course.owed if each.message.kind == "manual"]
    assert [(each.owed_at - NOON).total_seconds() for each in manual] == [1, 61.5]
    reasons = [each.message.reason for each in course.owed]
    assert "escalation step 2 of 3; escalation step 3 of 3" in reasons
    assert course.incident.held_back == ()


def test_an_update_posted_as_the_window_ends_is_told_with_those_that_waited() -> None:
    rules = climbing(updates=(ROOM,))
    course = Course(replace(rules, severities=(replace(rules.severities[0], steps=()),)))
    said = []
    for text, at in (("one", 0), ("two", 5), ("three", 61)):
        events = course.does(PostUpdate("investigating", words(text)), NOON + seconds(at))
        said += [each.seq for each in events if each.type == "status-updated"]
    last = course.owed[-1].message
    assert (*last.earlier_words, last.words_of) == tuple(said[1:])


def test_beyond_what_one_message_can_say_the_next_goes_out_by_itself() -> None:
    rules = climbing(updates=(ROOM,))
    course = Course(replace(rules, severities=(replace(rules.severities[0], steps=()),)))
    for n in range(throttle.MOST_WORDS + 3):
        course.does(PostUpdate("investigating", words(f"update {n}")), NOON + seconds(n))
    course.passes(NOON + WINDOW)
    told = [seq for each in course.owed for seq in (*each.message.earlier_words, each.message.words_of)]
    posted = [each.seq for each in course.events if each.type == "status-updated"]
    assert sorted(seq for seq in told if seq is not None) == posted


def test_reasons_that_do_not_fit_are_said_to_be_more() -> None:
    course = Course(climbing(0, *range(1, 20)))
    for at in range(1, 20):
        course.passes(NOON + seconds(at))
    reason = course.incident.held_back[0].reason
    assert len(reason) <= throttle.LONGEST_REASON + len("; and more")
    assert reason.endswith("of 20; and more")


def test_another_instance_whose_clock_is_ahead_does_not_stretch_the_window() -> None:
    course = Course(climbing(0, 30))
    ahead = replace(course.incident, recorded_at=NOON + minutes(10))
    course.incident = replace(ahead, spoken={"escalation oncall": NOON + minutes(10)})
    course.passes(NOON + seconds(30))
    assert course.incident.held_back[0].until <= NOON + seconds(30) + WINDOW


def test_the_words_of_whoever_asks_go_to_whom_they_are_for() -> None:
    course = Course(climbing())
    asked = {name: course.does(Escalate(name, words(name)), NOON)[0].seq for name in ("oncall", "lead")}
    assert {each.contact: each.message.words_of for each in course.owed} == asked


def test_an_update_that_was_held_back_is_said_before_the_incident_is_said_to_be_over() -> None:
    rules = climbing(updates=(ROOM,))
    course = Course(replace(rules, severities=(replace(rules.severities[0], steps=()),)))
    for text, at in (("one", 0), ("two", 20)):
        course.does(PostUpdate("investigating", words(text)), NOON + seconds(at))
    events = course.does(Resolve(), NOON + seconds(40))
    assert types(events)[:2] == ["caught-up", "resolved"]
    said = [(each.message.kind, each.caused_by) for each in course.owed if each.contact == "lead"]
    assert [kind for kind, _ in said] == ["update", "update", "resolved"]
    assert said[1][1] < said[2][1], "what was owed for earlier is sent first"
    assert course.incident.held_back == ()


def test_a_page_to_a_step_that_is_joined_by_another_still_knows_its_step() -> None:
    course = Course(climbing(0, 3600))
    course.does(Escalate("oncall"), NOON + seconds(1))
    course.does(Escalate(), NOON + seconds(2))
    course.does(Escalate("oncall"), NOON + seconds(3))
    assert course.incident.held_back[0].rung == (1, 2)


@pytest.mark.parametrize("drill", [None, "friday"])
def test_an_incident_of_which_very_much_waits_to_be_said_still_ends(drill: str | None) -> None:
    names = tuple(f"team-{n}" for n in range(20))
    owed = tuple(Updates(audience, notify=names) for audience in ("internal", "external"))
    severity = replace(a_severity("P1", steps=(), respond_within=None, resolve_within=None), updates=owed)
    rules = replace(some_rules(severity), review=ReviewRule(("P1",), hours(48), notify=names))
    course = Course(rules, a_directory(manager=("log",), **dict.fromkeys(names, ("log",))), drill)
    for text, at in (("one", 0), ("two", 1), ("three", 2)):
        course.does(
            PostUpdate("investigating", words(text)), NOON + hours(23) + minutes(59) + seconds(30 + at)
        )
    change = respond(
        course.incident, Resolve(), rules, course.directory, "person:1", None, course.now + seconds(1)
    )
    assert change is not None
    assert change.after.status == "resolved"
    assert len(change.events) + len(change.owed) + len(change.texts) + 2 <= MOST_ROWS
    if drill:
        course.passes(NOON + hours(24))
        assert course.incident.status == "resolved"
