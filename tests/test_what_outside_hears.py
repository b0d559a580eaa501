"""What is said inside stays inside, what is said for outside goes there, and no silence looks like news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.cadence import PostUpdate
from shared.domain.errors import InvalidInput
from shared.domain.hours import BusinessHours, BusinessTime
from shared.domain.matrix import Inform, Step, Updates
from shared.domain.plan import Reach, ReviewRule, Template
from shared.domain.response import Acknowledge, Escalate, Note, Resolve
from shared.domain.review import ChangeItem
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Text
from tests.builders import NOON, a_severity, an_alert, hours, minutes, some_rules
from tests.stage import Stage

SAYS_ALL = Template(
    "{{ title }}|{{ summary }}|{{ impact }}|{{ cause }}|{{ actions_taken|join(',') }}|{{ resolution }}"
)


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


@pytest.fixture
def words(stage: Stage) -> dict[str, list[str]]:
    """Contact -> what it was told in words, or the kind where the standard words had to do."""
    found: dict[str, list[str]] = {}
    stage.megaphone.heard = lambda to, told: found.setdefault(to, []).append(
        told.words.body if told.words else told.kind
    )
    return found


def public(stage: Stage) -> None:
    outside = Updates("external", hours(1), notify=("manager",), template="page")
    severity = replace(a_severity(steps=((minutes(0), ("oncall",)),)), updates=(outside,))
    stage.rules(some_rules(severity, alarm=()))
    stage.plans.plan = replace(stage.plans.plan, templates={"page": SAYS_ALL})


def test_notes_titles_and_resolutions_of_inside_reach_nobody_outside(
    stage: Stage, words: dict[str, list[str]]
) -> None:
    public(stage)
    incident = stage.opened(deliver=True)
    for kind in ("impact", "cause", "action-taken"):
        stage.respond(incident, Note(kind, Text(f"inside {kind}", kind)))

    stage.respond(incident, PostUpdate("identified", Text("we know more", "00")))
    stage.advance(incident)
    stage.respond(incident, Resolve(Text("inside resolution", "01")))
    stage.advance(incident)

    assert words["manager"] == ["api|||||", "api|||||"]


def test_what_is_said_for_outside_is_repeated_there(stage: Stage, words: dict[str, list[str]]) -> None:
    public(stage)
    incident = stage.opened(deliver=True)
    stage.respond(incident, Note("impact", Text("you cannot pay", "00"), "external"))
    stage.respond(incident, Note("cause", Text("a disk", "01"), "external"))

    stage.respond(incident, PostUpdate("identified", Text("we know more", "02")))
    stage.advance(incident)
    stage.respond(incident, Resolve(Text("a new disk", "03"), audience="external"))
    stage.advance(incident)

    assert words["manager"] == ["api||you cannot pay|a disk||", "api||you cannot pay|a disk||a new disk"]


def test_an_update_for_an_outside_that_is_not_there_is_refused_rather_than_told_to_nobody(
    stage: Stage,
) -> None:
    incident = stage.opened()

    with pytest.raises(InvalidInput, match="nobody outside"):
        stage.respond(incident, PostUpdate("identified", Text("hello?", "00"), "external"))


def test_without_templates_the_standard_words_still_carry_what_people_said(
    stage: Stage, words: dict[str, list[str]]
) -> None:
    inside = Updates("internal", hours(1), notify=("lead",))
    severity = replace(a_severity(steps=((minutes(0), ("oncall",)),)), updates=(inside,))
    stage.rules(replace(some_rules(severity, alarm=()), review=ReviewRule(("P1",), hours(48))))
    incident = stage.opened(deliver=True)

    stage.respond(incident, PostUpdate("identified", Text("a disk is full", "00")))
    stage.respond(incident, Escalate("manager", Text("bring a disk", "01")))
    stage.respond(incident, ChangeItem(None, Text("buy disks", "02"), "lead", NOON + hours(99), "high", None))
    stage.advance(incident)
    stage.respond(incident, Resolve(Text("bought a disk", "03")))
    stage.advance(incident)

    assert words["manager"][0] == "a responder asks for you\n\nbring a disk\n\nerrors are high"
    assert "a disk is full" in words["lead"][0]
    assert any("buy disks" in each for each in words["lead"])
    assert words["oncall"][-1] == "the incident is resolved\n\nbought a disk\n\nerrors are high"


def test_an_action_item_cannot_be_due_in_the_past_unless_it_is_done(stage: Stage) -> None:
    incident = stage.opened()
    title = Text("buy disks", "00")

    for due in (NOON - minutes(1), NOON):
        with pytest.raises(InvalidInput, match="passed"):
            stage.respond(incident, ChangeItem(None, title, "lead", due, "high", None))
    stage.respond(incident, ChangeItem(None, title, "lead", NOON + minutes(1), "high", None))
    stage.respond(incident, ChangeItem("A1", None, None, NOON - minutes(1), None, "done"))


def test_a_severity_that_is_lowered_calls_nobody_again_and_who_was_informed_is_not_told_twice(
    stage: Stage,
) -> None:
    steps = (Step(minutes(0), ("oncall",)), Step(minutes(30), ("lead",)))
    told = (Inform(minutes(0), ("manager",)),)
    loud = replace(a_severity("P1"), steps=steps, inform=told)
    stage.rules(some_rules(loud, replace(loud, name="P2"), alarm=()))
    [outcome] = stage.hear(an_alert(severity="P1"))
    stage.advance(outcome.id)
    assert outcome.id is not None
    assert sorted(stage.told()) == ["manager", "oncall"]

    at = NOON + minutes(5)
    stage.respond(outcome.id, SetSeverity("P2"), at)
    stage.sweep(at + minutes(30) - minutes(1))
    assert sorted(stage.told()) == ["manager", "oncall"]
    stage.sweep(at + minutes(30))
    assert sorted(stage.told()) == ["lead", "manager", "oncall"]


def test_a_reminder_that_comes_too_late_to_be_one_is_not_held_against_tocsin(stage: Stage) -> None:
    quick = Updates("internal", minutes(60), remind=("lead",), remind_before=minutes(50))
    slow = replace(quick, remind_before=minutes(5))
    first = replace(a_severity("P1"), updates=(quick,))
    stage.rules(some_rules(first, replace(a_severity("P2"), updates=(slow,)), alarm=()))
    [outcome] = stage.hear(an_alert(severity="P2"))
    assert outcome.id is not None

    stage.respond(outcome.id, SetSeverity("P1"), NOON + minutes(20))
    stage.sweep(NOON + minutes(21))

    assert "update-reminded" not in stage.types(outcome.id)


def test_in_business_time_nothing_is_to_be_resolved_before_it_is_to_be_answered(stage: Stage) -> None:
    friday = datetime(2026, 11, 20, 16, 59, tzinfo=UTC)
    slow = replace(a_severity(steps=()), respond_within=BusinessTime(hours(8)), resolve_within=BusinessTime())
    stage.rules(replace(some_rules(slow), hours=BusinessHours()))

    [outcome] = stage.hear(an_alert(at=friday), at=friday)

    incident = stage.incident(outcome.id)
    assert incident.resolve.due == incident.respond.due == datetime(2026, 11, 23, 16, 59, tzinfo=UTC)


def test_nor_is_it_when_the_severity_changes(stage: Stage) -> None:
    friday = datetime(2026, 11, 20, 16, 59, tzinfo=UTC)
    slow = replace(
        a_severity("P1", steps=()), respond_within=BusinessTime(hours(8)), resolve_within=BusinessTime()
    )
    slower = replace(slow, name="P2", respond_within=None, resolve_within=None)
    stage.rules(replace(some_rules(slow, slower), hours=BusinessHours()))
    [outcome] = stage.hear(an_alert(at=friday, severity="P2"), at=friday)
    assert outcome.id is not None

    raised = stage.respond(outcome.id, SetSeverity("P1"), friday + minutes(1))

    assert raised.resolve.due == raised.respond.due == datetime(2026, 11, 23, 16, 59, tzinfo=UTC)


def test_a_quieter_severity_still_calls_somebody_where_nobody_was_called(stage: Stage) -> None:
    late = replace(a_severity("P1"), steps=(Step(minutes(10), ("lead",)),))
    quick = replace(a_severity("P2"), steps=(Step(minutes(0), ("oncall",)),), respond_within=hours(9))
    stage.rules(some_rules(late, quick, alarm=()))
    [outcome] = stage.hear(an_alert(severity="P1"))
    assert outcome.id is not None

    stage.respond(outcome.id, SetSeverity("P2"), NOON + minutes(1))
    stage.advance(outcome.id, NOON + minutes(1))

    assert stage.told() == ["oncall"]


def test_who_has_it_is_not_paged_for_less(stage: Stage) -> None:
    loud = replace(a_severity("P1"), steps=(Step(minutes(0), ("oncall",)),))
    less = replace(loud, name="P2", until="resolved", respond_within=hours(9))
    stage.rules(some_rules(loud, less, alarm=()))
    [outcome] = stage.hear(an_alert(severity="P1"))
    assert outcome.id is not None
    stage.advance(outcome.id)
    stage.respond(outcome.id, Acknowledge(), NOON + minutes(1))

    stage.respond(outcome.id, SetSeverity("P2"), NOON + minutes(2))
    stage.advance(outcome.id, NOON + minutes(2))

    assert stage.told() == ["oncall"]


def test_outside_never_gets_the_standard_words_on_a_public_channel(stage: Stage) -> None:
    outside = Updates("external", hours(1), notify=("manager",))
    severity = replace(a_severity(steps=((minutes(0), ("oncall",)),)), updates=(outside,))
    stage.rules(some_rules(severity, alarm=()))
    channels = stage.plans.plan.directory.channels
    page = replace(channels["log"], name="page", options={"public": "true"})
    contacts = stage.plans.plan.directory.contacts
    manager = replace(contacts["manager"], reach=(Reach("page", "manager"),))
    directory = replace(
        stage.plans.plan.directory,
        channels={**channels, "page": page},
        contacts={**contacts, "manager": manager},
    )
    stage.directory(directory)
    heard: list[tuple[str, str | None]] = []
    stage.megaphone.heard = lambda to, told: heard.append((to, told.words.body if told.words else None))
    incident = stage.opened(deliver=True)

    stage.respond(incident, PostUpdate("identified", Text("we know more", "00"), "external"))
    stage.advance(incident)

    assert heard[-1] == ("manager", None)
