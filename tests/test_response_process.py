"""What a plan asks for beside its ladder: who else is told, roles, updates, business hours, closing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.cadence import PostUpdate
from shared.domain.checklist import Tick
from shared.domain.errors import InvalidInput, Refused
from shared.domain.hours import BusinessHours, BusinessTime
from shared.domain.matrix import Inform, Severity, Step, Updates
from shared.domain.oncall import Absence, Layer, Rotation
from shared.domain.plan import Checklist, ClosingCode, Directory, Item, Role, Rules, Service, Template
from shared.domain.response import Acknowledge, Escalate, Note, Resolve
from shared.domain.roles import HandOver
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Text
from tests.builders import (
    NOON,
    a_directory,
    a_severity,
    an_alert,
    hours,
    minutes,
    seconds,
    some_rules,
    unthrottled,
)
from tests.stage import Stage

BY_TURNS = Rotation("sre", layers=(Layer(("oncall", "lead"), "2026-11-16T09:00", hours(24)),))
"""On NOON's Wednesday it is the turn of oncall, from Thursday 09:00 that of lead."""
EMPTY = Rotation("night-shift")
SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


def on_duty(*rotations: Rotation, **absences: tuple[Absence, ...]) -> Directory:
    return replace(a_directory(), rotations={each.name: each for each in rotations}, absences=absences)


def with_severity(severity: Severity, **more: object) -> Rules:
    return replace(some_rules(severity), **more)  # type: ignore[arg-type]


def paging(*steps: Step, **more: object) -> Severity:
    return replace(a_severity(), steps=steps, **more)  # type: ignore[arg-type]


def test_a_step_pages_whoever_is_on_call_when_it_fires(stage: Stage) -> None:
    stage.rules(with_severity(paging(Step(minutes(0), ("sre",)), Step(hours(24), ("sre",)))))
    stage.directory(on_duty(BY_TURNS))
    incident = stage.opened(deliver=True)

    stage.sweep(NOON + hours(24))

    assert stage.told() == ["oncall", "lead"]
    fired = [event.data["on_call"] for event in stage.events(incident) if event.type == "escalated"]
    assert fired == [{"sre": "oncall"}, {"sre": "lead"}]


def test_an_empty_rotation_is_an_event_and_an_alarm_never_silence(stage: Stage) -> None:
    stage.rules(with_severity(paging(Step(minutes(0), ("night-shift",)))))
    stage.directory(on_duty(EMPTY))

    incident = stage.opened(deliver=True)

    assert stage.types(incident)[:3] == ["opened", "escalated", "oncall-empty"]
    assert [(who, kind) for who, kind, _ in stage.sent] == [("manager", "alarm")]


def test_a_fallback_stands_in_and_the_gap_is_on_record_all_the_same(stage: Stage) -> None:
    stage.rules(with_severity(paging(Step(minutes(0), ("night-shift",)))))
    stage.directory(on_duty(replace(EMPTY, fallback="lead")))

    incident = stage.opened(deliver=True)

    assert "oncall-empty" in stage.types(incident)
    told = sorted((who, kind) for who, kind, _ in stage.sent)
    assert told == [("lead", "escalation"), ("manager", "alarm")]


def test_a_step_for_the_unanswered_is_passed_over_once_somebody_has_it(stage: Stage) -> None:
    ladder = paging(
        Step(minutes(0), ("oncall",)),
        Step(minutes(15), ("lead",), unless="acknowledged"),
        Step(hours(2), ("manager",)),
        until="resolved",
    )
    stage.rules(with_severity(ladder))
    incident = stage.opened(deliver=True)
    stage.respond(incident, Acknowledge(), NOON + minutes(5))

    stage.sweep(NOON + hours(2))

    assert stage.told() == ["oncall", "manager"]
    assert [event.data["step"] for event in stage.events(incident) if event.type == "step-passed"] == [2]


def test_a_step_for_one_service_is_no_step_for_another(stage: Stage) -> None:
    ladder = paging(Step(minutes(0), ("oncall",)), Step(minutes(0), ("lead",), services=("security",)))
    stage.rules(with_severity(ladder, services=(Service("api"), Service("security"))))

    stage.opened(deliver=True)
    assert stage.told() == ["oncall"]

    [outcome] = stage.hear(an_alert("Breach", service="security"))
    stage.advance(outcome.id)
    assert sorted(stage.told()) == ["lead", "oncall", "oncall"]


def test_who_is_only_informed_is_told_although_somebody_has_answered_but_not_once_it_is_resolved(
    stage: Stage,
) -> None:
    told = paging(Step(minutes(0), ("oncall",)), inform=(Inform(hours(2), ("manager",)),))
    stage.rules(with_severity(told))
    first = stage.opened(deliver=True)
    stage.respond(first, Acknowledge(), NOON + minutes(1))
    stage.sweep(NOON + hours(2) - seconds(1))
    assert stage.told() == ["oncall"]

    stage.sweep(NOON + hours(2))

    assert stage.sent[-1][:2] == ("manager", "inform")
    stage.respond(first, Resolve(), NOON + hours(3))
    stage.advance(first, NOON + hours(3))
    assert sorted(stage.told()[2:]) == ["manager", "oncall"], "who heard of it hears of its end"

    [outcome] = stage.hear(an_alert("Other", at=NOON + hours(4)), at=NOON + hours(4))
    assert outcome.id is not None
    stage.respond(outcome.id, Resolve(), NOON + hours(5))
    stage.sweep(NOON + hours(9))
    assert "informed" not in stage.types(outcome.id)


def test_outsiders_hear_of_the_beginning_and_the_end_in_words_for_outside(stage: Stage) -> None:
    outside = Inform(minutes(0), ("manager",), audience="external", template="notice")
    internal = Updates("internal", minutes(30), None, ("oncall",), minutes(5))
    told = paging(Step(minutes(0), ("oncall",)), inform=(outside,), updates=(internal,))
    stage.rules(with_severity(told, alarm=()))
    notice = Template("{{ phase }}: {{ current_status }}")
    stage.plans.plan = replace(stage.plans.plan, templates={"notice": notice})
    words: dict[str, list[str]] = {}
    stage.megaphone.heard = lambda to, message: words.setdefault(to, []).append(
        message.words.body if message.words else message.kind
    )

    incident = stage.opened(deliver=True)
    stage.respond(incident, PostUpdate("identified", Text("Bob did it", "00"), "internal"), NOON)
    stage.respond(incident, Resolve(), NOON + minutes(1))
    stage.advance(incident, NOON + minutes(1))

    assert words == {
        "oncall": ["escalation", "resolved"],
        "manager": ["investigating: open", "resolved: resolved"],
    }


def test_each_audience_is_told_its_own_updates_however_late_they_are_sent(stage: Stage) -> None:
    rules = unthrottled(updating())
    [severity] = rules.severities
    public = Updates("external", minutes(60), None, ("commander",), minutes(5), ("oncall",), template="page")
    stage.rules(replace(rules, severities=(replace(severity, updates=(*severity.updates, public)),)))
    stage.plans.plan = replace(stage.plans.plan, templates={"page": Template("{{ current_status }}")})
    heard: list[str] = []
    stage.megaphone.heard = lambda _to, told: heard.append(told.words.body) if told.words else None
    incident = stage.opened(deliver=True)

    stage.respond(incident, PostUpdate("identified", Text("first", "00"), "external"), NOON)
    stage.respond(incident, PostUpdate("identified", Text("Bob did it", "01"), "internal"), NOON)
    stage.respond(incident, PostUpdate("monitoring", Text("second", "02"), "external"), NOON)
    stage.advance(incident, NOON)

    assert sorted(heard) == ["first", "second", "status update: identified\n\nBob did it\n\nerrors are high"]


def test_customers_teams_hear_only_of_services_that_customers_see(stage: Stage) -> None:
    told = paging(
        Step(minutes(0), ("oncall",)), inform=(Inform(minutes(0), ("manager",), customer_facing=True),)
    )
    stage.rules(with_severity(told, services=(Service("api"), Service("shop", customer_facing=True))))

    inside = stage.opened()
    [outcome] = stage.hear(an_alert("Down", service="shop"))

    assert "informed" not in stage.types(inside)
    assert outcome.id is not None
    assert "informed" in stage.types(outcome.id)


def test_a_business_step_waits_for_monday_over_a_weekend(stage: Stage) -> None:
    monday = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    ladder = paging(Step(BusinessTime(minutes(0)), ("oncall",)), Step(BusinessTime(), ("lead",)))
    stage.rules(with_severity(ladder, hours=BusinessHours()))
    stage.hear(an_alert(at=SATURDAY), at=SATURDAY)

    stage.sweep(monday - seconds(1))
    assert stage.told() == []

    stage.sweep(monday)
    assert stage.told() == ["oncall", "lead"], "the next business day is Monday for both"


def test_a_business_clock_breaches_in_business_time(stage: Stage) -> None:
    slow = replace(a_severity(steps=()), respond_within=BusinessTime(hours(8)), resolve_within=None)
    stage.rules(with_severity(slow, hours=BusinessHours()))
    [outcome] = stage.hear(an_alert(at=SATURDAY), at=SATURDAY)

    assert stage.incident(outcome.id).respond.due == datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


def test_roles_go_to_who_is_on_call_then_to_the_secondary_and_are_handed_over(stage: Stage) -> None:
    roles = (
        Role("commander", "Commander", primary="sre", secondary="manager"),
        Role("expert", primary="lead", services=("database",)),
    )
    stage.rules(with_severity(paging(Step(minutes(0), ("commander",))), roles=roles))
    away = Absence(NOON - hours(1), NOON + hours(1))
    stage.directory(on_duty(replace(BY_TURNS, layers=(replace(BY_TURNS.layers[0], members=("oncall",)),))))
    first = stage.opened(deliver=True)
    assert stage.incident(first).roles == {"commander": "oncall"}
    assert stage.told() == ["oncall"], "a role can be paged"

    stage.directory(on_duty(BY_TURNS, oncall=(away,)))
    [second] = stage.hear(an_alert("Other"))
    assert stage.incident(second.id).roles == {"commander": "manager"}

    stage.respond(first, HandOver("commander", "lead"), NOON + minutes(1))
    stage.advance(first, NOON + minutes(1))
    given = [event for event in stage.events(first) if event.type == "roles-assigned"][-1]
    assert (given.data["roles"], given.data["from"]) == ({"commander": "lead"}, {"commander": "oncall"})
    assert stage.sent[-1] == ("lead", "role", "you are now the Commander")


def test_a_role_that_is_not_there_and_a_contact_that_is_not_there_are_refused(stage: Stage) -> None:
    stage.rules(with_severity(a_severity(), roles=(Role("commander", primary="oncall"),)))
    incident = stage.opened()

    for wrong in (HandOver("king", "lead"), HandOver("commander", "nobody")):
        with pytest.raises(InvalidInput, match="there are"):
            stage.respond(incident, wrong)


def updating(**more: object) -> Rules:
    owed = replace(
        Updates("internal", minutes(30), None, ("commander",), minutes(5), ("manager",)),
        **more,  # type: ignore[arg-type]
    )
    severity = paging(Step(minutes(0), ("oncall",)), updates=(owed,), respond_within=None)
    return with_severity(severity, roles=(Role("commander", primary="lead"),), alarm=())


def test_whoever_owes_an_update_is_reminded_before_and_when_it_lapses(stage: Stage) -> None:
    stage.rules(updating())
    incident = stage.opened(deliver=True)

    stage.sweep(NOON + minutes(25) - seconds(1))
    assert stage.told() == ["oncall"]
    stage.sweep(NOON + minutes(25))
    assert stage.sent[-1] == ("lead", "reminder", "the internal status update is due at 2026-11-18 12:30 UTC")
    stage.sweep(NOON + minutes(30))
    assert stage.sent[-1] == ("lead", "reminder", "the internal status update is overdue")

    assert stage.incident(incident).updates[0].due == NOON + minutes(60)


def test_an_update_reaches_its_audience_and_the_next_one_is_owed_from_then(stage: Stage) -> None:
    stage.rules(updating())
    incident = stage.opened(deliver=True)

    at = NOON + minutes(12)
    stage.respond(incident, PostUpdate("identified", Text("a disk is full", "00")), at)
    stage.advance(incident, at)

    assert stage.sent[-1] == ("manager", "update", "status update: identified")
    stage.sweep(NOON + minutes(36))
    assert stage.told() == ["oncall", "manager"]
    stage.sweep(NOON + minutes(37))
    assert stage.told()[-1] == "lead"


def test_updates_missed_in_an_outage_are_one_event_that_counts_them(stage: Stage) -> None:
    stage.rules(updating())
    incident = stage.opened(deliver=True)

    stage.sweep(NOON + minutes(95))

    [lapsed] = [event for event in stage.events(incident) if event.type == "update-lapsed"]
    assert lapsed.data["missed"] == 3
    assert lapsed.data["late_seconds"] == 65 * 60
    assert stage.incident(incident).updates[0].due == NOON + minutes(120)


def test_resolving_takes_a_code_words_and_what_must_be_verified(stage: Stage) -> None:
    rules = with_severity(
        a_severity(),
        closing_codes=(ClosingCode("fixed"), ClosingCode("false-alarm")),
        checklists=(
            Checklist("before", "verification", (Item("healthy", "All healthy", True), Item("tidy", "Tidy"))),
        ),
    )
    stage.rules(rules)
    incident = stage.opened()

    with pytest.raises(InvalidInput) as wrong:
        stage.respond(incident, Resolve())
    assert {fault.where for fault in wrong.value.faults} == {"code", "resolution", ""}
    fixed = Resolve(Text("restarted it", "00"), "fixed")
    with pytest.raises(Refused, match="healthy"):
        stage.respond(incident, fixed)

    stage.respond(incident, Tick("healthy", "overridden", Text("no probe there", "01")))
    assert stage.respond(incident, fixed).status == "resolved"


def test_where_people_must_verify_the_end_of_the_alerts_only_tells_them(stage: Stage) -> None:
    checklist = Checklist("before", "verification", (Item("healthy", "All healthy", True),))
    stage.rules(with_severity(a_severity(), checklists=(checklist,)))
    incident = stage.opened(deliver=True)

    [outcome] = stage.hear(an_alert(firing=False), at=NOON + minutes(3))
    stage.advance(incident, NOON + minutes(3))

    assert (outcome.action, outcome.status) == ("updated", "open")
    assert "alerts-cleared" in stage.types(incident)
    assert stage.sent[-1][:2] == ("oncall", "cleared")


def test_a_person_may_raise_and_lower_the_severity(stage: Stage) -> None:
    loud = a_severity("P1", steps=((minutes(0), ("manager",)),), respond_within=minutes(5))
    quiet = a_severity("P2", steps=((minutes(0), ("oncall",)),), respond_within=minutes(60))
    stage.rules(some_rules(loud, quiet))
    incident = stage.opened(deliver=True)

    raised = stage.respond(incident, SetSeverity("P1", Text("customers call", "00")), NOON + minutes(10))
    assert raised.respond.due == NOON + minutes(10), "never due before anybody knew"
    stage.advance(incident, NOON + minutes(10))
    assert stage.told() == ["oncall", "manager"]

    stage.respond(incident, Acknowledge(), NOON + minutes(11))
    lowered = stage.respond(incident, SetSeverity("P2"), NOON + minutes(12))
    assert (lowered.status, lowered.severity) == ("acknowledged", "P2")
    stage.sweep(NOON + minutes(90))
    assert stage.told() == ["oncall", "manager"], "who has it is not paged again for less"
    with pytest.raises(InvalidInput, match="P1, P2"):
        stage.respond(incident, SetSeverity("P9"))


def test_an_escalation_by_hand_may_name_a_rotation_or_a_role(stage: Stage) -> None:
    stage.rules(with_severity(a_severity(steps=()), roles=(Role("commander", primary="lead"),)))
    stage.directory(on_duty(BY_TURNS))
    incident = stage.opened()

    stage.respond(incident, Escalate("sre", Text("need hands", "00")))
    stage.respond(incident, Escalate("commander"))
    stage.advance(incident)

    assert sorted(stage.told()) == ["lead", "oncall"]


def test_what_people_said_is_remembered_for_the_messages_that_follow(stage: Stage) -> None:
    incident = stage.opened()
    for nth in range(7):
        stage.respond(incident, Note("action-taken", Text(f"did {nth}", f"{nth:02}")))
    stage.respond(incident, Note("impact", Text("all of them", "10")))
    stage.respond(incident, Note("impact", Text("half of them", "11")))

    kinds = [kind for kind, _ in stage.incident(incident).said]
    assert kinds == ["action-taken"] * 5 + ["impact"]
    texts = stage.store.texts(incident)
    said = [texts[seq] for _, seq in stage.incident(incident).said]
    assert said == ["did 2", "did 3", "did 4", "did 5", "did 6", "half of them"]
