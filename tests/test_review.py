"""A review is owed, reminded of and chased until it is complete; so is every action item."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.checklist import Tick
from shared.domain.errors import InvalidInput, NotFound, Refused
from shared.domain.oncall import Layer, Rotation
from shared.domain.response import Reopen, Resolve
from shared.domain.review import MOST_ITEMS, NEEDED, ChangeItem, WriteReview
from shared.domain.timeline import stamp
from tests.afterwards import CHECKLISTS, REVIEW, Course, types, with_afterwards, words
from tests.builders import NOON, a_directory, hours, minutes, seconds, unthrottled

DUE = NOON + hours(48)
NEEDED_WORDS = {section: words(f"about {section}") for section in NEEDED}
DAYS = timedelta(days=1)


def resolved(course: Course | None = None) -> Course:
    course = course or Course(with_afterwards())
    course.does(Resolve(words("fixed")))
    return course


def an_item(title: str = "add an index", owner: str = "oncall", days: int = 3) -> ChangeItem:
    return ChangeItem(None, words(title), owner, NOON + days * DAYS, "high")


def test_a_resolution_makes_a_review_due_and_tells_who_owes_it() -> None:
    course = resolved()
    assert types(course.events)[-2:] == ["resolved", "review-required"]
    assert course.events[-1].data == {"due": stamp(DUE)}
    assert course.told == {"lead": "a review is due by 2026-11-20 12:00 UTC"}


def test_a_plan_or_severity_without_review_owes_none() -> None:
    for rule in (None, replace(REVIEW, severities=("P0",))):
        course = resolved(Course(with_afterwards(review=rule)))
        assert course.incident.review is None
        assert "review-required" not in types(course.events)


def test_drills_are_reviewed_too() -> None:
    course = resolved(Course(with_afterwards(), drill="failover"))
    assert course.incident.review is not None
    assert course.owed[-1].message.drill == "failover"


@pytest.mark.parametrize(
    ("until", "told"),
    [
        (DUE - hours(24) - seconds(1), []),
        (DUE - hours(24), ["review-reminded"]),
        (DUE - hours(4), ["review-reminded"]),
        (DUE - seconds(1), ["review-reminded"]),
        (DUE, ["review-reminded", "review-overdue"]),
        (DUE + hours(24) - seconds(1), ["review-reminded", "review-overdue"]),
    ],
)
def test_reminders_and_overdue_at_their_boundaries(until: datetime, told: list[str]) -> None:
    course = resolved()
    events = course.passes(until)
    assert types(events) == told


def test_each_reminder_and_each_chase_comes_at_its_own_time() -> None:
    course = resolved()
    seen = []
    for nth in range(8 * 24):
        seen += [(each.type, each.occurred_at, course.told) for each in course.passes(NOON + hours(nth))]
    reminder, overdue = (f"{what} due by 2026-11-20 12:00 UTC" for what in ("a review is", "the review was"))
    assert seen == [
        ("review-reminded", DUE - hours(24), {"lead": reminder}),
        ("review-reminded", DUE - hours(4), {"lead": reminder}),
        *(
            (
                "review-overdue",
                DUE + nth * DAYS,
                dict.fromkeys(("lead", "manager"), f"{overdue} and is overdue"),
            )
            for nth in range(6)
        ),
    ]
    assert [each.data["nth"] for each in course.events if each.type == "review-overdue"] == [1, 2, 3, 4, 5, 6]


def test_reminders_that_lie_before_the_resolution_count_as_reminded() -> None:
    rule = replace(REVIEW, due_within=hours(24), remind=(hours(24), hours(4)))
    course = resolved(Course(with_afterwards(review=rule)))
    assert course.incident.review is not None
    assert course.incident.review.reminded == 1
    assert types(course.passes(NOON + hours(20) - seconds(1))) == []
    assert types(course.passes(NOON + hours(20))) == ["review-reminded"]


def test_a_week_in_which_tocsin_was_down_is_one_message_not_seven() -> None:
    course = resolved()
    reminded, overdue = course.passes(DUE + 7 * DAYS + minutes(1))
    assert reminded.data == {"due": stamp(DUE), "late_seconds": 8 * 86_400 + 60}
    assert overdue.data == {"due": stamp(DUE), "late_seconds": 7 * 86_400 + 60, "nth": 8}
    assert overdue.occurred_at == DUE + 7 * DAYS
    assert sorted(course.told) == ["lead", "manager"]
    assert course.passes(DUE + 8 * DAYS - seconds(1)) == []
    (following,) = course.passes(DUE + 8 * DAYS)
    assert following.data["nth"] == 9


def test_a_fold_at_the_very_instant_of_a_chase_leaves_the_next_strictly_ahead() -> None:
    course = resolved()
    events = course.passes(DUE + 2 * DAYS)
    assert events[-1].data["nth"] == 3
    assert course.passes(DUE + 3 * DAYS - seconds(1)) == []
    assert course.passes(DUE + 3 * DAYS)[-1].data["nth"] == 4


def test_reopening_withdraws_the_review_and_the_next_resolution_owes_it_anew() -> None:
    course = resolved()
    course.does(WriteReview(NEEDED_WORDS, complete=True), NOON + hours(1))
    course.does(Reopen(), NOON + hours(2))
    assert course.incident.review is None
    assert "review-overdue" not in types(course.passes(DUE + hours(1)))
    again = DUE + hours(2)
    course.does(Resolve(words("fixed")), again)
    assert course.incident.review is not None
    assert course.incident.review.due == again + hours(48)
    assert course.incident.review.sections == ()


def test_sections_are_noted_one_by_one_and_the_review_completed_with_the_last() -> None:
    course = resolved()
    course.does(WriteReview({"root-cause": words("no index")}), NOON + hours(1))
    events = course.does(WriteReview({"lessons": words("load-test")}, complete=True), NOON + hours(2))
    assert [(each.type, dict(each.data)) for each in events] == [
        ("review-noted", {"section": "lessons", "text_sha256": words("load-test").sha256}),
        ("review-completed", {"due": stamp(DUE), "in_time": True}),
    ]
    assert course.passes(DUE + 30 * DAYS) == []


@pytest.mark.parametrize(("late", "in_time"), [(-1, True), (0, True), (1, False)])
def test_a_review_is_in_time_up_to_and_including_its_due_date(late: int, in_time: bool) -> None:
    course = resolved()
    event = course.does(WriteReview(NEEDED_WORDS, complete=True), DUE + seconds(late))[-1]
    assert event.data["in_time"] is in_time
    assert ("review-overdue" in types(course.events)) is not in_time


def test_completing_names_all_that_is_missing() -> None:
    course = Course(with_afterwards(checklists=CHECKLISTS[2:3]))
    resolved(course)
    with pytest.raises(Refused, match=r"under root-cause, lessons; required items .*: shared \(Lessons"):
        course.does(WriteReview({"summary": words("it was slow")}, complete=True))
    with pytest.raises(Refused, match=r"complete: required items"):
        course.does(WriteReview(NEEDED_WORDS, complete=True))
    course.does(Tick("shared", "overridden", words("nobody to share with")))
    with pytest.raises(Refused, match=r"nothing is noted under lessons$"):
        course.does(WriteReview({"root-cause": words("no index")}, complete=True))
    assert types(course.does(WriteReview(NEEDED_WORDS, complete=True)))[-1] == "review-completed"


def test_a_complete_review_takes_more_words_but_is_not_completed_twice() -> None:
    course = resolved()
    course.does(WriteReview(NEEDED_WORDS, complete=True))
    assert types(course.does(WriteReview({"lessons": words("more")}))) == ["review-noted"]
    with pytest.raises(Refused, match="complete already"):
        course.does(WriteReview({}, complete=True))
    assert course.incident.review is not None
    assert course.incident.review.completed_at == NOON


def test_a_review_is_written_only_of_a_resolved_incident() -> None:
    with pytest.raises(Refused, match="once it is resolved"):
        Course(with_afterwards()).does(WriteReview(NEEDED_WORDS))


def test_a_review_that_nobody_requires_may_be_written_where_the_plan_has_a_rule() -> None:
    course = resolved(Course(with_afterwards(review=replace(REVIEW, severities=("P0",)))))
    events = course.does(WriteReview({"summary": words("short")}), NOON + hours(1))
    assert types(events) == ["review-required", "review-noted"]
    assert events[0].actor == "person:1"
    assert events[0].data == {"due": stamp(NOON + hours(49))}
    with pytest.raises(Refused, match="has no reviews"):
        resolved(Course(with_afterwards(review=None))).does(WriteReview(NEEDED_WORDS))


def test_a_review_of_nothing_is_not_written() -> None:
    with pytest.raises(InvalidInput, match="say something"):
        resolved().does(WriteReview())
    with pytest.raises(InvalidInput, match=r"sections\.lessons: there are no words"):
        resolved().does(WriteReview({"lessons": words(" ")}))


def test_action_items_are_numbered_and_their_owners_told() -> None:
    course = Course(unthrottled(with_afterwards()))
    (event,) = course.does(an_item())
    assert event.data == {
        "item": "A1",
        "owner": "oncall",
        "due": stamp(NOON + 3 * DAYS),
        "priority": "high",
        "status": "open",
        "text_sha256": words("add an index").sha256,
    }
    assert course.told == {"oncall": "action item A1 is yours, due by 2026-11-21 12:00 UTC"}
    resolved(course).does(an_item("page earlier"))
    assert [(item.id, item.said) for item in course.incident.items] == [
        ("A1", event.seq),
        ("A2", course.incident.length),
    ]


def test_only_what_is_given_changes_and_only_a_new_owner_is_told() -> None:
    course = Course(with_afterwards())
    said = course.does(an_item())[0].seq
    (event,) = course.does(ChangeItem("A1", status="in-progress", priority="low"))
    assert (event.data["status"], event.data["priority"], event.data["text_sha256"]) == (
        "in-progress",
        "low",
        None,
    )
    assert (course.told, course.incident.items[0].said) == ({}, said)
    course.does(ChangeItem("A1", owner="lead"))
    assert list(course.told) == ["lead"]
    assert course.does(ChangeItem("A1", owner="lead", status="in-progress")) == []
    (reworded,) = course.does(ChangeItem("A1", title=words("add two indexes")))
    assert course.incident.items[0].said == reworded.seq


def test_every_fault_of_an_action_item_is_named() -> None:
    course = Course(with_afterwards())
    with pytest.raises(InvalidInput) as invalid:
        course.does(ChangeItem(None, words(""), "nobody"))
    assert [fault.where for fault in invalid.value.faults] == ["title", "due", "priority", "owner"]
    assert "there are oncall, lead, manager" in str(invalid.value)
    with pytest.raises(InvalidInput, match="no action item 'A1'; the incident has none"):
        course.does(ChangeItem("A1", status="done"))
    course.does(an_item())
    with pytest.raises(InvalidInput, match="no action item 'A2'; there are A1"):
        course.does(ChangeItem("A2", status="done"))
    with pytest.raises(InvalidInput, match="say what changes"):
        course.does(ChangeItem("A1"))


def test_an_incident_has_at_most_fifty_action_items() -> None:
    course = Course(with_afterwards())
    for _ in range(MOST_ITEMS):
        course.does(an_item())
    with pytest.raises(Refused, match="at most 50"):
        course.does(an_item())
    course.does(ChangeItem("A50", status="done"))


def test_an_incident_that_is_not_declared_has_no_action_items() -> None:
    course = Course(with_afterwards())
    course.incident = replace(course.incident, status="dropped")
    with pytest.raises((NotFound, Refused)):
        course.does(an_item())


@pytest.mark.parametrize(("late", "nth"), [(-1, []), (0, [1]), (1, [1])])
def test_an_action_item_is_chased_when_it_is_due(late: int, nth: list[int]) -> None:
    course = Course(with_afterwards(review=None))
    course.does(an_item())
    resolved(course)
    due = NOON + 3 * DAYS
    events = course.passes(due + seconds(late))
    assert [each.data["nth"] for each in events] == nth
    if nth:
        data = {"item": "A1", "owner": "oncall", "due": stamp(due), "late_seconds": late, "nth": 1}
        assert (events[0].type, events[0].data) == ("action-item-overdue", data)
        assert course.told == dict.fromkeys(("oncall", "manager"), "action item A1 is overdue")
        assert course.passes(due + 7 * DAYS - seconds(1)) == []
        assert course.passes(due + 7 * DAYS)[0].data["nth"] == 2


def test_missed_chases_of_an_item_are_folded_into_one() -> None:
    course = Course(with_afterwards(review=None))
    course.does(an_item())
    resolved(course)
    (event,) = course.passes(NOON + 3 * DAYS + 21 * DAYS)
    assert (event.data["nth"], event.occurred_at) == (4, NOON + 24 * DAYS)
    assert course.passes(NOON + 31 * DAYS)[0].data["nth"] == 5


def test_several_late_items_are_one_message_that_names_them_all() -> None:
    course = Course(unthrottled(with_afterwards(review=None)))
    course.does(an_item())
    course.does(an_item("page earlier", "lead"))
    course.does(an_item("third", "oncall", days=4))
    resolved(course)
    assert types(course.passes(NOON + 5 * DAYS)) == ["action-item-overdue"] * 3
    assert course.told == {
        "oncall": "action items A1, A3 are overdue",
        "lead": "action item A2 is overdue",
        "manager": "action items A1, A2, A3 are overdue",
    }


@pytest.mark.parametrize("status", ["done", "dropped"])
def test_an_item_that_is_not_live_is_not_chased(status: str) -> None:
    course = Course(with_afterwards(review=None))
    course.does(an_item())
    course.does(ChangeItem("A1", status="done" if status == "done" else "dropped"))
    resolved(course)
    assert course.passes(NOON + 30 * DAYS) == []


def test_a_new_due_date_starts_the_chase_afresh() -> None:
    course = Course(with_afterwards(review=None))
    course.does(an_item())
    resolved(course)
    course.passes(NOON + 3 * DAYS)
    course.does(ChangeItem("A1", due=NOON + 20 * DAYS))
    assert course.incident.items[0].overdue == 0
    assert course.passes(NOON + 20 * DAYS - seconds(1)) == []
    assert course.passes(NOON + 20 * DAYS)[0].data["nth"] == 1


def test_items_of_an_open_incident_are_chased_as_well() -> None:
    course = Course(with_afterwards())
    course.does(an_item(days=1))
    assert types(course.passes(NOON + DAYS)) == ["action-item-overdue"]


def test_a_rotation_may_own_an_item_and_whoever_is_on_call_is_told() -> None:
    rota = Rotation("sre", layers=(Layer(("lead",), "2026-01-05T09:00", 7 * DAYS),))
    directory = replace(a_directory(), rotations={"sre": rota})
    course = Course(with_afterwards(), directory)
    course.does(an_item(owner="sre"))
    assert list(course.told) == ["lead"]
    assert course.incident.items[0].owner == "sre"


def test_a_clock_that_runs_behind_moves_no_record_back() -> None:
    course = resolved()
    assert course.passes(DUE)
    course.does(WriteReview(NEEDED_WORDS, complete=True), DUE - seconds(30))
    assert [each.recorded_at for each in course.events] == sorted(each.recorded_at for each in course.events)
    assert course.events[-1].data["in_time"] is True
    assert course.events[-1].recorded_at.tzinfo is UTC
