"""The story of one alert, told on real storage with the clock in our hand. Read this file first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.domain.errors import Refused, TooLarge
from shared.domain.response import Acknowledge, Note, Reopen, Resolve
from shared.domain.timeline import Text, first_break
from tests.builders import NOON, a_directory, a_severity, an_alert, hours, minutes, seconds, some_rules
from tests.stage import Stage


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


def test_an_alert_opens_an_incident_and_pages_the_first_step(stage: Stage) -> None:
    [outcome] = stage.hear(an_alert())

    assert (outcome.action, outcome.status, outcome.severity) == ("opened", "open", "P1")
    stage.advance(outcome.id)
    assert stage.sent == [("oncall", "escalation", "escalation step 1 of 3")]


def test_the_same_alert_again_is_counted_and_pages_nobody(stage: Stage) -> None:
    incident = stage.opened()
    stage.advance(incident)
    for _ in range(3):
        assert stage.hear(an_alert())[0].action == "updated"
    stage.advance(incident)

    assert stage.incident(incident).alert_count == 4
    assert len(stage.sent) == 1


def test_a_group_is_one_incident_and_another_group_is_another(stage: Stage) -> None:
    outcomes = stage.hear(
        an_alert(identity="a", group="db"), an_alert(identity="b", group="db"), an_alert("Disk", group="disk")
    )
    assert [outcome.action for outcome in outcomes] == ["opened", "opened"]
    assert stage.incident(outcomes[0].id).alert_count == 2


def test_steps_fire_in_order_when_their_time_has_come(stage: Stage) -> None:
    incident = stage.opened()
    for instant in (seconds(1), minutes(15) - seconds(1), minutes(15), minutes(29), minutes(30), minutes(31)):
        stage.advance(incident, at=NOON + instant)

    assert stage.told() == ["oncall", "lead", "manager"]
    assert stage.types(incident).count("escalated") == 3


def test_an_acknowledgement_stops_the_ladder(stage: Stage) -> None:
    incident = stage.opened()
    stage.advance(incident)
    stage.respond(incident, Acknowledge(), at=NOON + minutes(5))
    stage.advance(incident, at=NOON + hours(2))

    assert stage.told() == ["oncall"]
    assert "breached" not in stage.types(incident)


def test_an_acknowledgement_beats_a_step_due_at_the_same_instant(stage: Stage) -> None:
    incident = stage.opened()
    stage.advance(incident)
    stage.respond(incident, Acknowledge(), at=NOON + minutes(15))
    stage.advance(incident, at=NOON + minutes(20))

    assert stage.told() == ["oncall"]


def test_an_acknowledgement_after_a_step_was_due_does_not_hide_it(stage: Stage) -> None:
    incident = stage.opened()
    stage.advance(incident)
    stage.respond(incident, Acknowledge(), at=NOON + minutes(15) + seconds(1))
    stage.advance(incident, at=NOON + minutes(16))

    assert stage.told() == ["oncall", "lead"]


def test_until_resolved_goes_on_through_an_acknowledgement(stage: Stage) -> None:
    stage.rules(some_rules(a_severity(until="resolved")))
    incident = stage.opened()
    stage.advance(incident)
    stage.respond(incident, Acknowledge(), at=NOON + minutes(5))
    stage.advance(incident, at=NOON + minutes(15))

    assert stage.told() == ["oncall", "lead"]


def test_an_acknowledgement_that_expires_lets_the_ladder_go_on(stage: Stage) -> None:
    stage.rules(some_rules(a_severity(acknowledgement_expires=minutes(20))))
    incident = stage.opened()
    stage.advance(incident)
    stage.respond(incident, Acknowledge(), at=NOON + minutes(5))
    stage.advance(incident, at=NOON + minutes(25))

    assert stage.told() == ["oncall", "lead"]
    assert stage.incident(incident).status == "open"


def test_after_an_outage_lapsed_steps_fire_in_one_go_each_contact_told_once(stage: Stage) -> None:
    twice = ((minutes(0), ("oncall",)), (minutes(5), ("oncall",)), (minutes(10), ("lead", "oncall")))
    stage.rules(some_rules(a_severity(steps=twice)))
    incident = stage.opened(deliver=True)
    stage.sent.clear()
    stage.sweep(at=NOON + hours(3))

    assert sorted(stage.told()) == ["lead", "manager", "oncall"], (
        "the manager by the alarm: it is exhausted too"
    )
    fired = [event for event in stage.events(incident) if event.type == "escalated"]
    assert [event.data["step"] for event in fired] == [1, 2, 3]
    assert [event.data["late_seconds"] for event in fired] == [0, 10_500, 10_200]


def test_an_exhausted_escalation_is_an_event_and_an_alarm(stage: Stage) -> None:
    only = ((minutes(0), ("oncall",)),)
    stage.rules(some_rules(a_severity(steps=only, repeats=1, every=minutes(10))))
    incident = stage.opened()
    for minute in (0, 10, 20, 30):
        stage.advance(incident, at=NOON + minutes(minute))

    assert stage.told() == ["oncall", "oncall", "manager"]
    assert stage.sent[-1][1] == "alarm"
    assert "exhausted" in stage.types(incident)


def test_windows_that_lapse_are_breached_and_say_how_late_we_were(stage: Stage) -> None:
    incident = stage.opened()
    stage.advance(incident, at=NOON + minutes(10) + seconds(7))

    [breach] = [event for event in stage.events(incident) if event.type == "breached"]
    assert (breach.data["clock"], breach.data["late_seconds"]) == ("respond", 7)


def test_the_last_resolved_alert_resolves_the_incident_and_tells_who_was_paged(stage: Stage) -> None:
    incident = stage.hear(an_alert(identity="a", group="g"), an_alert(identity="b", group="g"))[0].id
    stage.advance(incident)
    first = stage.hear(an_alert(identity="a", group="g", firing=False), at=NOON + minutes(1))
    last = stage.hear(an_alert(identity="b", group="g", firing=False), at=NOON + minutes(2))
    stage.advance(incident, at=NOON + minutes(3))

    assert [first[0].action, last[0].action] == ["updated", "resolved"]
    assert stage.sent[-1][:2] == ("oncall", "resolved")
    assert stage.incident(incident).deadline is None


def test_a_call_that_resolves_all_alerts_of_an_incident_says_resolved(stage: Stage) -> None:
    stage.hear(an_alert(identity="a", group="g"), an_alert(identity="b", group="g"))
    [outcome] = stage.hear(
        an_alert(identity="a", group="g", firing=False),
        an_alert(identity="b", group="g", firing=False),
        at=NOON + minutes(1),
    )
    assert (outcome.action, outcome.status) == ("resolved", "resolved")


def test_firing_again_within_the_window_reopens_and_later_opens_the_next(stage: Stage) -> None:
    incident = stage.opened()
    stage.hear(an_alert(firing=False), at=NOON + minutes(1))
    again = stage.hear(an_alert(at=NOON + minutes(2)), at=NOON + minutes(2))
    stage.hear(an_alert(firing=False, at=NOON + minutes(2)), at=NOON + minutes(3))
    later = stage.hear(an_alert(at=NOON + hours(2)), at=NOON + hours(2))

    assert again[0].id == incident
    assert stage.types(incident).count("reopened") == 1
    assert (later[0].action, later[0].id) == ("opened", incident[:-1] + "2")


def test_a_firing_of_an_occurrence_that_is_over_is_ignored_and_noted_in_the_journal(stage: Stage) -> None:
    stage.opened()
    stage.hear(an_alert(firing=False), at=NOON + minutes(1))
    late = stage.hear(an_alert(), at=NOON + minutes(2))

    assert late[0].action == "ignored"
    [noted] = [event for event in stage.journal_events() if event.type == "dispositions"]
    assert noted.data["alerts"][0]["disposition"] == "ignored"


def test_a_resolution_that_comes_first_is_remembered(stage: Stage) -> None:
    early = stage.hear(an_alert(firing=False), at=NOON)
    late = stage.hear(an_alert(), at=NOON + seconds(5))

    assert (early[0].action, early[0].id) == ("ignored", None)
    assert (late[0].action, late[0].id) == ("ignored", None)
    assert stage.hear(an_alert(at=NOON + minutes(1)), at=NOON + minutes(1))[0].action == "opened"


def test_a_group_opens_as_loud_as_its_loudest_alert_and_as_early_as_its_earliest(stage: Stage) -> None:
    stage.rules(some_rules(a_severity("P1"), a_severity("P3", steps=())))
    late = an_alert(severity="P3", group="g", identity="a", at=NOON)
    early = an_alert(severity="P1", group="g", identity="b", at=NOON - minutes(30))
    incident = stage.hear(late, early)[0].id
    assert incident is not None
    opened = stage.events(incident)[0]

    assert (opened.data["severity"], opened.occurred_at) == ("P1", NOON - minutes(30))
    assert "severity-raised" not in stage.types(incident)


def test_a_late_firing_of_what_ended_in_the_incident_before_does_not_join_the_next(stage: Stage) -> None:
    stage.hear(an_alert(identity="a", group="g"))
    stage.hear(an_alert(identity="a", group="g", firing=False), at=NOON + minutes(1))
    later = NOON + hours(2)
    stage.hear(an_alert(identity="b", group="g", at=later), at=later)
    late = stage.hear(an_alert(identity="a", group="g"), at=later + minutes(1))

    assert late[0].action == "ignored"


def test_an_expired_acknowledgement_pages_again_although_every_step_has_fired(stage: Stage) -> None:
    only = ((minutes(0), ("oncall",)),)
    severity = a_severity(steps=only, until="resolved", acknowledgement_expires=hours(1))
    stage.rules(some_rules(severity, alarm=()))
    incident = stage.opened(deliver=True)
    stage.respond(incident, Acknowledge(), at=NOON + minutes(30))
    stage.advance(incident, at=NOON + minutes(90))

    assert stage.told() == ["oncall", "oncall"]


def test_an_older_incident_is_not_reopened_beside_a_newer_one(stage: Stage) -> None:
    first = stage.opened()
    stage.hear(an_alert(firing=False), at=NOON + minutes(1))
    stage.hear(an_alert(at=NOON + hours(2)), at=NOON + hours(2))
    with pytest.raises(Refused, match="later incident of the same group"):
        stage.respond(first, Reopen(), at=NOON + hours(3))


def test_a_louder_alert_makes_the_incident_louder(stage: Stage) -> None:
    stage.rules(some_rules(a_severity("P1"), a_severity("P3", steps=(), respond_within=hours(8))))
    incident = stage.hear(an_alert(severity="P3", group="g", identity="a"))[0].id
    stage.hear(an_alert(severity="P1", group="g", identity="b"), at=NOON + minutes(1))
    stage.advance(incident, at=NOON + minutes(2))

    assert stage.incident(incident).severity == "P1"
    assert stage.told() == ["oncall"]


def test_a_louder_alert_pages_although_the_quiet_one_was_acknowledged(stage: Stage) -> None:
    loud = a_severity("P1", acknowledgement_expires=minutes(20))
    stage.rules(some_rules(loud, a_severity("P3", steps=(), respond_within=hours(8))))
    incident = stage.hear(an_alert(severity="P3", group="g", identity="a"))[0].id
    assert incident is not None
    stage.respond(incident, Acknowledge(), at=NOON + minutes(1))
    stage.hear(an_alert(severity="P1", group="g", identity="b"), at=NOON + minutes(2))
    stage.advance(incident, at=NOON + minutes(21))
    assert stage.told() == ["oncall"]
    stage.advance(incident, at=NOON + minutes(22))

    assert stage.told() == ["oncall", "lead"]


def test_a_page_that_could_not_be_sent_before_the_resolution_is_withdrawn(stage: Stage) -> None:
    stage.directory(a_directory(oncall=("busy", "log"), lead=("log",), manager=("log",)))
    incident = stage.opened(deliver=True)
    stage.respond(incident, Resolve(), at=NOON + seconds(2))
    stage.advance(incident, at=NOON + seconds(30))

    assert stage.sent == [("oncall", "resolved", "the incident is resolved")]
    assert "delivery-withdrawn" in stage.types(incident)
    assert stage.incident(incident).deadline is None


def test_a_group_larger_than_one_change_is_resolved_by_one_call(stage: Stage) -> None:
    names = [f"pod-{n}" for n in range(70)]
    stage.hear(*[an_alert(identity=name, group="g") for name in names])
    [outcome] = stage.hear(
        *[an_alert(identity=name, group="g", firing=False) for name in names], at=NOON + minutes(1)
    )
    assert (outcome.action, outcome.status) == ("resolved", "resolved")


def test_many_groups_in_one_call_have_a_limit_that_is_named(stage: Stage) -> None:
    with pytest.raises(TooLarge, match="at most 400"):
        stage.hear(*[an_alert(f"A{n}") for n in range(401)])


def test_people_note_resolve_and_reopen_and_late_answers_are_harmless(stage: Stage) -> None:
    incident = stage.opened()
    stage.respond(incident, Note("cause", Text("the disk is full", "00")), at=NOON + minutes(1))
    stage.respond(incident, Resolve(Text("made room", "01"), "fixed"), at=NOON + minutes(2))
    stage.respond(incident, Acknowledge(), at=NOON + minutes(3))
    with pytest.raises(Refused, match="reopen it first"):
        stage.respond(incident, Resolve(), at=NOON + minutes(4))
    stage.respond(incident, Reopen(), at=NOON + minutes(5))

    assert stage.incident(incident).status == "open"
    assert stage.store.texts(incident)[4] == "the disk is full"
    people = [event.type for event in stage.events(incident) if event.actor.startswith("person:")]
    assert people == ["noted", "resolved", "acknowledged-late", "reopened"]


def test_a_command_with_a_key_that_was_seen_is_applied_once(stage: Stage) -> None:
    incident = stage.opened()
    for _ in range(2):
        stage.respond(incident, Acknowledge(), key="tap-1", at=NOON + minutes(1))

    assert stage.types(incident).count("acknowledged") == 1


def test_a_channel_that_fails_is_followed_by_the_contact_s_next(stage: Stage) -> None:
    stage.directory(a_directory(oncall=("broken", "log"), lead=("log",), manager=("log",)))
    incident = stage.opened()
    stage.advance(incident)

    assert stage.told() == ["oncall"]
    assert "delivery-failed" in stage.types(incident)
    assert "delivered" in stage.types(incident)


def test_a_contact_whom_no_channel_reaches_raises_an_alarm_and_escalates_at_once(stage: Stage) -> None:
    stage.directory(a_directory(oncall=("broken",), lead=("log",), manager=("log",)))
    incident = stage.opened()
    stage.advance(incident)

    assert "contact-unreachable" in stage.types(incident)
    assert sorted(stage.sent) == [
        ("lead", "escalation", "escalation step 2 of 3: nobody was reached by step 1"),
        ("manager", "alarm", "no channel of oncall took the notification (broken: nobody there)"),
    ]


def test_a_contact_that_left_the_plan_raises_an_alarm(stage: Stage) -> None:
    incident = stage.opened(deliver=True)
    stage.directory(a_directory(oncall=("log",), manager=("log",)))
    stage.sent.clear()
    stage.advance(incident, at=NOON + minutes(15))

    assert "contact-missing" in stage.types(incident)
    assert stage.sent == [("manager", "alarm", "the plan has no contact lead any more")]


def test_a_channel_that_is_busy_is_tried_again_later(stage: Stage) -> None:
    stage.directory(a_directory(oncall=("busy",), lead=("log",), manager=("log",)))
    incident = stage.opened()
    stage.advance(incident)
    first = stage.incident(incident).deadline
    stage.advance(incident, at=NOON + minutes(5))

    assert first is not None
    assert NOON + seconds(5) <= first <= NOON + seconds(6)
    [delivery] = stage.store.deliveries(stage.incident(incident))
    assert [attempt.accepted for attempt in delivery.attempts] == [False, True]


def test_an_open_incident_says_so_when_a_week_begins(stage: Stage) -> None:
    incident = stage.opened()
    stage.respond(incident, Acknowledge(), at=NOON + minutes(1))
    stage.sweep(at=NOON + hours(24 * 12))

    weeks = [event.data["week"] for event in stage.events(incident) if event.type == "open"]
    assert weeks == ["2026-W48", "2026-W49"]


def test_every_timeline_of_the_story_is_intact(stage: Stage) -> None:
    incident = stage.opened()
    stage.sweep(at=NOON + hours(30))
    stage.respond(incident, Resolve(), at=NOON + hours(31))

    assert first_break(stage.events(incident)) is None
