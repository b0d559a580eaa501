"""What becomes of an escalation once somebody has answered: it rests, or goes on for what is still to be
done, begins again where the answer lapses, and is louder where the incident is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.cadence import PostUpdate
from shared.domain.change import Change
from shared.domain.classification import classify
from shared.domain.hours import BusinessHours, BusinessTime
from shared.domain.intake import Slot, receive
from shared.domain.matrix import Inform, Severity, Step, Until, Updates
from shared.domain.plan import ReviewRule
from shared.domain.response import Acknowledge, Escalate, Note, Reopen, Resolve, respond
from shared.domain.review import MOST_ITEMS, ChangeItem
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Event
from tests.afterwards import Course, types, words
from tests.builders import NOON, a_directory, a_severity, an_alert, hours, minutes, seconds, some_rules

TICK = seconds(0.000001)
UNTILS: tuple[Until, Until] = ("acknowledged", "resolved")
AT_ONCE = Step(minutes(0), ("oncall",))
CUSTOMERS = a_directory(oncall=("log",), lead=("log",), manager=("log",), customers=("log",))


class Heard(Course):
    """A course in which alerts come in as well."""

    def hears(self, severity: str, at: datetime, identity: str = "louder") -> list[Event]:
        self.now, incident = at, self.incident
        signal = classify(an_alert(identity=identity, severity=severity, at=at), self.rules)
        slot = Slot(incident.partition, incident.group, None, incident)
        change = receive(slot, [signal], self.rules, self.rules, self.directory, at).change
        assert change is not None
        return self._keep(change)


def fired(events: list[Event]) -> list[tuple[object, object]]:
    """Round and step of every step that paged."""
    return [(each.data["round"], each.data["step"]) for each in events if each.type == "escalated"]


def answered(louder: Severity, quieter: Severity | None = None) -> Heard:
    """An incident of the quieter severity, P1, which somebody took a minute after noon."""
    course = Heard(some_rules(louder, quieter or a_severity("P1", steps=(), resolve_within=None)))
    course.does(Acknowledge(), NOON + minutes(1))
    return course


def louder(course: Heard, how: str, at: datetime) -> list[Event]:
    return course.hears("P0", at) if how == "alert" else course.does(SetSeverity("P0"), at)


def waiting_ladder(until: Until, expires: timedelta | None = None) -> Severity:
    """P0, every step of which is for those whom nobody has answered."""
    steps = tuple(Step(minutes(m), (who,), unless="acknowledged") for m, who in ((3, "oncall"), (15, "lead")))
    return Severity("P0", steps=steps, until=until, acknowledgement_expires=expires)


@pytest.mark.parametrize("how", ["alert", "person"])
@pytest.mark.parametrize("until", UNTILS)
def test_a_louder_incident_pages_at_once_although_somebody_had_the_quieter(until: Until, how: str) -> None:
    course, at = answered(waiting_ladder(until)), NOON + minutes(2)

    assert fired(louder(course, how, at)) == [(2, 1)]
    assert course.told == {"oncall": "escalation step 1 of 2"}
    assert course.incident.status == "acknowledged"

    later = course.passes(at + minutes(15) - TICK)
    later += course.passes(at + minutes(15))
    later += course.passes(at + hours(5))
    assert fired(later) == []
    passed = ["step-passed"] if until == "resolved" else []
    assert [each for each in types(later) if each == "step-passed"] == passed


@pytest.mark.parametrize("how", ["alert", "person"])
def test_a_louder_incident_pages_every_step_that_is_due_at_once(how: str) -> None:
    first = (AT_ONCE, Step(minutes(0), ("lead",), unless="acknowledged"), Step(minutes(1), ("manager",)))
    course = answered(Severity("P0", steps=first))

    assert fired(louder(course, how, NOON + minutes(2))) == [(2, 1), (2, 2)]
    assert fired(course.passes(NOON + hours(2))) == []


@pytest.mark.parametrize("how", ["alert", "person"])
@pytest.mark.parametrize("until", UNTILS)
def test_the_acknowledgement_of_the_quieter_expires_as_the_louder_says(until: Until, how: str) -> None:
    course, at = answered(waiting_ladder(until, minutes(10))), NOON + minutes(2)
    louder(course, how, at)
    assert course.incident.acknowledgement_expires == at + minutes(10)

    assert types(course.passes(at + minutes(10) - TICK)) == []
    assert types(course.passes(at + minutes(10))) == ["acknowledgement-expired", "escalated"]
    assert course.told == {"lead": "escalation step 2 of 2: the acknowledgement expired"}


@pytest.mark.parametrize(("own", "expires"), [(7, 8), (11, 12), (30, 12)])
def test_of_two_expiries_the_sooner_counts(own: int, expires: int) -> None:
    quieter = a_severity("P1", steps=(), resolve_within=None, acknowledgement_expires=minutes(own))
    course = answered(waiting_ladder("acknowledged", minutes(10)), quieter)

    louder(course, "alert", NOON + minutes(2))

    assert course.incident.acknowledgement_expires == NOON + minutes(expires)


def test_another_alert_as_loud_pages_nobody_again() -> None:
    course = answered(waiting_ladder("acknowledged"))
    louder(course, "alert", NOON + minutes(2))

    assert types(course.hears("P0", NOON + minutes(3), "another")) == ["alerts"]


def test_a_step_for_the_unresolved_pages_although_somebody_has_it_and_then_the_ladder_rests() -> None:
    unresolved = Step(minutes(60), ("manager",), unless="resolved")
    severity = a_severity("P1", respond_within=None, resolve_within=None, repeats=2)
    severity = replace(severity, steps=(AT_ONCE, Step(minutes(15), ("lead",)), unresolved))
    course = Course(some_rules(severity))
    course.does(Acknowledge(), NOON + minutes(1))

    assert types(course.passes(NOON + minutes(15))) == ["step-passed"]
    assert types(course.passes(NOON + minutes(60) - TICK)) == []
    assert fired(course.passes(NOON + minutes(60))) == [(1, 3)]
    assert course.told == {"manager": "escalation step 3 of 3"}
    assert types(course.passes(NOON + hours(24))) == []


def test_a_step_for_the_unresolved_pages_nobody_once_it_is_resolved() -> None:
    steps = (AT_ONCE, Step(minutes(60), ("manager",), unless="resolved"))
    course = Course(some_rules(Severity("P1", steps=steps)))
    course.does(Acknowledge(), NOON + minutes(1))
    course.does(Resolve(), NOON + minutes(60) - TICK)

    assert types(course.passes(NOON + minutes(61))) == []


EXPIRES = a_severity("P1", respond_within=None, resolve_within=None, acknowledgement_expires=minutes(30))


@pytest.mark.parametrize("until", UNTILS)
def test_an_acknowledgement_that_expires_goes_on_at_once_with_the_next_step(until: Until) -> None:
    steps = (AT_ONCE, Step(minutes(45), ("lead",)), Step(minutes(60), ("manager",)))
    course = Course(some_rules(replace(EXPIRES, steps=steps, until=until)))
    course.does(Acknowledge(), NOON + minutes(1))

    assert types(course.passes(NOON + minutes(31) - TICK)) == []
    assert types(course.passes(NOON + minutes(31))) == ["acknowledgement-expired", "escalated"]
    assert (course.told, course.incident.status) == (
        {"lead": "escalation step 2 of 3: the acknowledgement expired"},
        "open",
    )
    assert types(course.passes(NOON + minutes(46) - TICK)) == []
    assert fired(course.passes(NOON + minutes(46))) == [(1, 3)]


@pytest.mark.parametrize("until", UNTILS)
def test_an_acknowledgement_that_expires_goes_on_with_the_first_step_passed_over(until: Until) -> None:
    unless = [Step(minutes(m), ("lead",), unless="acknowledged") for m in (10, 15)]
    steps = (AT_ONCE, *unless, Step(hours(4), ("manager",), unless="resolved"))
    course = Course(some_rules(replace(EXPIRES, steps=steps, until=until)))
    course.does(Acknowledge(), NOON + minutes(1))
    assert types(course.passes(NOON + minutes(15))) == ["step-passed", "step-passed"]

    assert types(course.passes(NOON + minutes(31) - TICK)) == []
    assert fired(course.passes(NOON + minutes(31))) == [(2, 2)]
    assert course.told == {"lead": "escalation step 2 of 4: the acknowledgement expired"}
    assert fired(course.passes(NOON + minutes(36))) == [(2, 3)]


@pytest.mark.parametrize("until", UNTILS)
@pytest.mark.parametrize("exhausted", [False, True])
def test_an_acknowledgement_that_expires_after_the_last_step_begins_a_new_round(
    until: Until, *, exhausted: bool
) -> None:
    severity = replace(EXPIRES, steps=(AT_ONCE, Step(minutes(5), ("lead",))), until=until)
    course = Course(some_rules(severity))
    course.passes(NOON + minutes(20) if exhausted else NOON + minutes(5))
    assert (course.events[-1].type == "exhausted") is exhausted
    course.does(Acknowledge(), NOON + minutes(20))
    round_ = course.incident.ladder.round + 1 if course.incident.ladder else 0

    course.passes(NOON + minutes(50) - TICK)
    assert fired(course.passes(NOON + minutes(50))) == [(round_, 1)]
    assert course.told["oncall"] == "escalation step 1 of 2: the acknowledgement expired"
    assert fired(course.passes(NOON + minutes(55))) == [(round_, 2)]


def test_an_acknowledgement_that_expires_pages_each_time_and_outside_business_hours_as_well() -> None:
    severity = replace(EXPIRES, steps=(Step(BusinessTime(minutes(0)), ("oncall",)),))
    course = Course(replace(some_rules(severity), hours=BusinessHours()))
    for at in (NOON + minutes(1), NOON + hours(6)):
        course.does(Acknowledge(), at)
        assert course.passes(at + minutes(30) - TICK) == []
        assert types(course.passes(at + minutes(30))) == ["acknowledgement-expired", "escalated"]


@pytest.mark.parametrize("back", [minutes(5), hours(4) - TICK, hours(4), hours(4) + TICK])
def test_windows_count_from_the_opening_however_often_the_severity_changes(back: timedelta) -> None:
    urgent = a_severity("P1", steps=(), respond_within=None, resolve_within=hours(4))
    course = Course(some_rules(urgent, replace(urgent, name="P2", resolve_within=hours(8))))
    for to, at, due in (("P2", 1, 8), ("P1", 2, 4), ("P2", 3, 8)):
        course.does(SetSeverity(to), NOON + minutes(at))
        assert course.incident.resolve.due == NOON + hours(due)

    course.does(SetSeverity("P1"), NOON + back)

    assert course.incident.resolve.due == NOON + max(hours(4), back)
    assert course.incident.resolve.breached is (back >= hours(4))


def test_the_words_of_before_a_reopening_are_not_repeated_after_it() -> None:
    course = Course(some_rules(replace(a_severity(), updates=(Updates("external", hours(1)),))))
    course.does(Note("impact", words("nobody can pay")), NOON + minutes(1))
    course.does(Escalate("lead", words("send somebody")), NOON + minutes(1))
    course.does(PostUpdate("resolved", words("all is well"), "external"), NOON + minutes(1))
    course.does(Resolve(words("restarted")), NOON + minutes(2))
    kinds = ["impact", "assistance-needed", "status", "status-outside", "resolution"]
    assert [kind for kind, _ in course.incident.said] == kinds

    course.does(Reopen(words("it is back")), NOON + minutes(3))

    told = course.incident
    assert (told.said, told.progress, told.progress_outside) == ((), None, None)
    course.does(Note("impact", words("nobody can sign in")), NOON + minutes(4))
    assert [course.texts[seq] for _, seq in course.incident.said] == ["nobody can sign in"]


def reopened(course: Course, at: datetime) -> list[Change]:
    """The changes that it takes until the command is answered as applied."""
    changes: list[Change] = []
    while not changes or not changes[-1].complete:
        assert len(changes) < 3, "a command is not asked for ever"
        change = respond(
            course.incident,
            Reopen(words("it is back")),
            course.rules,
            course.directory,
            "person:1",
            "key",
            at,
        )
        assert change is not None
        changes.append(change)
        course._keep(change)  # noqa: SLF001
    return changes


@pytest.mark.parametrize("items", [40, 41, 42, 43, 44, MOST_ITEMS])
@pytest.mark.parametrize("reviewers", [0, 10])
def test_a_command_that_fills_its_change_is_applied_once_and_answered_as_applied(
    items: int, reviewers: int
) -> None:
    names = tuple(f"reviewer-{nth}" for nth in range(reviewers))
    everybody = a_directory(**dict.fromkeys(("oncall", "lead", "manager", *names), ("log",)))
    rules = some_rules(Severity("P1", steps=(AT_ONCE,)))
    course = Course(replace(rules, review=ReviewRule(("P1",), hours(1), notify=names)), everybody)
    course.does(Resolve(), NOON + minutes(1))
    for _ in range(items):
        course.does(ChangeItem(None, words("tidy up"), "lead", NOON + hours(1), "high"), NOON + minutes(2))

    reopened(course, NOON + hours(2))
    assert course.incident.status == "open"
    course.passes(NOON + hours(2))

    came = types(course.events)
    assert (came.count("reopened"), came.count("escalated")) == (1, 2)
    assert respond(course.incident, Reopen(), rules, everybody, "person:1", "key", NOON + hours(2)) is None


@pytest.mark.parametrize("taken", [False, True])
def test_a_drill_that_nobody_ends_is_over_after_a_day_and_tells_nobody_outside(*, taken: bool) -> None:
    outside = Updates("external", hours(1), notify=("customers",), remind=("lead",))
    informed = Inform(minutes(0), ("customers",), audience="external")
    severity = replace(a_severity("P1"), inform=(informed,), updates=(outside,))
    course = Course(some_rules(severity), CUSTOMERS, drill="failover")
    if taken:
        course.does(Acknowledge(), NOON + minutes(1))
    course.does(PostUpdate("monitoring", words("all goes well")), NOON + minutes(2))

    course.passes(NOON + hours(24) - TICK)
    assert course.incident.status == ("acknowledged" if taken else "open")
    assert types(course.passes(NOON + hours(24))) == ["resolved"]
    over = course.events[-1]
    assert (over.actor, over.data["by"], course.incident.status) == ("tocsin", "tocsin", "resolved")
    assert {each.contact for each in course.owed} >= {"oncall"}
    assert "customers" not in {each.contact for each in course.owed}


def test_what_is_meant_is_not_over_after_a_day_and_does_tell_outside() -> None:
    informed = Inform(minutes(0), ("customers",), audience="external")
    course = Course(some_rules(replace(a_severity("P1"), inform=(informed,))), CUSTOMERS)

    course.passes(NOON + hours(24))

    assert course.incident.status == "open"
    assert "customers" in {each.contact for each in course.owed}
