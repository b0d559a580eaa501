"""Checklists hold an incident open until what must be done is done, or overridden for a reason."""

from __future__ import annotations

from typing import Literal

import pytest

from shared.domain.checklist import Tick, check_closing, unmet, unmet_afterwards
from shared.domain.errors import InvalidInput, Refused
from shared.domain.response import Reopen, Resolve
from tests.afterwards import CHECKLISTS, CODES, Course, types, with_afterwards, words


def a_course(*, codes: bool = False) -> Course:
    return Course(with_afterwards(review=None, checklists=CHECKLISTS, codes=CODES if codes else ()))


def ids(course: Course) -> list[str]:
    return [item.id for item in unmet(course.incident, course.rules)]


def done(course: Course) -> Course:
    course.does(Tick("scope", "ticked"))
    course.does(Tick("errors-low", "overridden", words("the dashboard is down")))
    return course


def test_only_required_items_of_the_incidents_severity_stand_before_resolving() -> None:
    course = a_course()
    assert ids(course) == ["scope", "errors-low"]
    assert [item.id for item in unmet_afterwards(course.incident, course.rules)] == ["shared"]


def test_a_tick_is_on_the_timeline_with_its_phase() -> None:
    course = a_course()
    (event,) = course.does(Tick("scope", "ticked"))
    assert (event.type, event.actor) == ("checked", "person:1")
    assert event.data == {"item": "scope", "phase": "initial", "state": "ticked", "text_sha256": None}
    assert ids(course) == ["errors-low"]


def test_an_unticked_item_is_unmet_again() -> None:
    course = a_course()
    course.does(Tick("scope", "ticked"))
    (event,) = course.does(Tick("scope", "unticked"))
    assert event.data["state"] == "unticked"
    assert ids(course) == ["scope", "errors-low"]


def test_the_reason_of_an_override_stays_beside_the_timeline() -> None:
    course = a_course()
    (event,) = course.does(Tick("errors-low", "overridden", words("the dashboard is down")))
    assert event.data["text_sha256"] == words("the dashboard is down").sha256
    assert course.texts[event.seq] == "the dashboard is down"
    assert ids(course) == ["scope"]


@pytest.mark.parametrize("state", ["ticked", "overridden", "unticked"])
def test_the_same_state_again_is_not_recorded(state: Literal["ticked", "overridden", "unticked"]) -> None:
    course = a_course()
    tick = Tick("scope", state, words("no access") if state == "overridden" else None)
    course.does(tick)
    before = course.incident.checked
    assert course.does(tick) == []
    assert course.incident.checked == before


def test_an_overridden_item_can_be_ticked_after_all() -> None:
    course = done(a_course())
    course.does(Tick("errors-low", "ticked"))
    assert course.incident.checked == {"scope": "ticked", "errors-low": "ticked"}


@pytest.mark.parametrize(
    ("tick", "said"),
    [
        (Tick("nothing", "ticked"), "there are scope, tea, errors-low, shared"),
        (Tick("press", "ticked"), "no item 'press'"),
        (Tick("scope", "overridden"), "takes a reason"),
        (Tick("scope", "overridden", words(" \n")), "takes a reason"),
        (Tick("scope", "ticked", words("why not")), "only overriding"),
    ],
)
def test_a_tick_that_says_nothing_useful_is_refused(tick: Tick, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        a_course().does(tick)


def test_without_checklists_the_error_says_so() -> None:
    with pytest.raises(InvalidInput, match="the plan has none"):
        Course(with_afterwards(review=None)).does(Tick("scope", "ticked"))


def test_after_the_resolution_only_items_for_afterwards_can_be_ticked() -> None:
    course = done(a_course())
    course.does(Resolve(words("fixed")))
    with pytest.raises(Refused, match="only items of post-incident"):
        course.does(Tick("tea", "ticked"))
    assert types(course.does(Tick("shared", "ticked"))) == ["checked"]
    assert unmet_afterwards(course.incident, course.rules) == ()


def test_a_reopened_incident_is_checked_anew() -> None:
    course = done(a_course())
    course.does(Resolve(words("fixed")))
    course.does(Reopen())
    assert ids(course) == ["scope", "errors-low"]


def test_resolving_names_every_required_item_that_is_unmet() -> None:
    course = a_course()
    with pytest.raises(Refused, match=r"scope \(The scope is known\), errors-low \(Errors are low\)"):
        course.does(Resolve(words("fixed")))
    course.does(Tick("scope", "ticked"))
    with pytest.raises(Refused) as refused:
        course.does(Resolve(words("fixed")))
    assert "scope" not in str(refused.value)
    done(course).does(Resolve(words("fixed")))
    assert course.incident.status == "resolved"


def test_resolving_reports_every_fault_of_code_and_words_at_once() -> None:
    course = a_course(codes=True)
    with pytest.raises(InvalidInput) as invalid:
        check_closing(course.incident, course.rules, None, None)
    assert [fault.where for fault in invalid.value.faults] == ["code", "resolution", ""]
    with pytest.raises(InvalidInput, match=r"no closing code 'gone'; there are fixed, rolled-back"):
        check_closing(course.incident, course.rules, words("done"), "gone")
    with pytest.raises(InvalidInput, match="in words"):
        check_closing(course.incident, course.rules, words("  "), "fixed")
    with pytest.raises(Refused):
        check_closing(course.incident, course.rules, words("done"), "fixed")
    check_closing(done(course).incident, course.rules, words("done"), "fixed")


def test_a_plan_without_closing_codes_asks_for_none() -> None:
    course = done(a_course())
    check_closing(course.incident, course.rules, None, None)
