"""An incident is declared only once it has gone on for as long as the plan waits; before, nobody hears."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from shared.domain.classification import classify, matches, value_of
from shared.domain.plan import Declaration, Match, Rules
from tests.builders import NOON, a_severity, an_alert, minutes, seconds, some_rules
from tests.stage import Stage

SLOW = {"slow": "yes"}
WAITING = (Declaration("slow-for-5m", minutes(5), Match(labels=SLOW)),)


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


def patient(*severities: str) -> Rules:
    found = [a_severity(name) for name in severities or ("P1",)]
    return replace(some_rules(*found), declare=WAITING)


def test_what_need_not_wait_is_declared_at_once(stage: Stage) -> None:
    stage.rules(patient())

    [outcome] = stage.hear(an_alert())

    assert outcome.action == "opened"


def test_a_pending_incident_is_hidden_until_the_very_instant_of_its_declaration(stage: Stage) -> None:
    stage.rules(patient())
    [outcome] = stage.hear(an_alert(labels=SLOW))
    assert (outcome.action, outcome.id, outcome.status, outcome.severity) == ("pending", None, None, None)
    [incident] = stage.pending()

    stage.sweep(NOON + minutes(5) - seconds(0.000001))
    assert stage.types(incident) == ["pending", "alerts"]
    assert stage.told() == []

    stage.sweep(NOON + minutes(5))
    assert stage.types(incident)[2:4] == ["opened", "escalated"]
    assert stage.told() == ["oncall"]
    opened = stage.events(incident)[2]
    assert opened.data["declaration"] == "slow-for-5m"
    assert opened.occurred_at == NOON
    assert stage.incident(incident).opened_at == NOON + minutes(5)


def test_it_is_dropped_if_it_clears_first_and_the_next_firing_waits_anew(stage: Stage) -> None:
    stage.rules(patient())
    stage.hear(an_alert(labels=SLOW))
    [incident] = stage.pending()

    [cleared] = stage.hear(an_alert(labels=SLOW, firing=False), at=NOON + minutes(4))
    stage.sweep(NOON + minutes(60))

    assert (cleared.action, cleared.id) == ("resolved", None)
    assert stage.types(incident) == ["pending", "alerts", "dropped", "alerts"]
    assert stage.told() == []

    later = NOON + minutes(10)
    [again] = stage.hear(an_alert(labels=SLOW, at=later), at=later)
    assert again.action == "pending", "what was dropped is not reopened"


def test_the_wait_counts_from_when_the_source_says_that_it_began(stage: Stage) -> None:
    stage.rules(patient())

    [outcome] = stage.hear(an_alert(labels=SLOW, at=NOON - minutes(5)))

    assert outcome.action == "opened"


def test_a_source_that_gives_no_start_cannot_put_it_off_by_repeating_itself(
    stage: Stage,
) -> None:
    stage.rules(patient())
    for minute in (0, 2, 4):
        at = NOON + minutes(minute)
        stage.hear(replace(an_alert(labels=SLOW, at=at), start_known=False), at=at)

    [outcome] = stage.hear(
        replace(an_alert(labels=SLOW, at=NOON + minutes(5)), start_known=False), at=NOON + minutes(5)
    )

    assert outcome.id is not None
    assert "opened" in stage.types(outcome.id)


def test_an_alert_that_need_not_wait_declares_the_whole_incident(stage: Stage) -> None:
    stage.rules(patient())
    stage.hear(an_alert(labels=SLOW, group="g"))

    [outcome] = stage.hear(an_alert(identity="other", group="g"), at=NOON + minutes(1))

    assert outcome.action == "opened"
    assert outcome.id is not None
    assert stage.types(outcome.id)[:4] == ["pending", "alerts", "opened", "escalated"]


def test_the_loudest_alert_heard_while_it_waited_gives_the_severity(stage: Stage) -> None:
    stage.rules(patient("P1", "P2"))
    stage.hear(an_alert(labels=SLOW, severity="P2", group="g"))
    stage.hear(an_alert(identity="loud", labels=SLOW, severity="P1", group="g"), at=NOON + minutes(1))
    [incident] = stage.pending()

    stage.sweep(NOON + minutes(5))

    assert stage.incident(incident).severity == "P1"
    assert "severity-raised" not in stage.types(incident)


def test_after_an_outage_it_is_declared_late_and_says_since_when_it_went_on(stage: Stage) -> None:
    stage.rules(patient())
    stage.hear(an_alert(labels=SLOW))
    [incident] = stage.pending()

    stage.sweep(NOON + minutes(90))

    opened = stage.events(incident)[2]
    assert opened.occurred_at == NOON
    assert opened.recorded_at == NOON + minutes(90)


def test_values_are_compared_as_the_plan_says_at_below_and_above_the_figure() -> None:
    above = Match(values={"error_rate": ("> 10",)})
    between = Match(values={"users": (">= 25", "<= 50")})

    assert [matches(above, an_alert(values={"error_rate": rate}), None) for rate in (9.9, 10, 10.1)] == [
        False,
        False,
        True,
    ]
    assert [matches(between, an_alert(values={"users": share}), None) for share in (24, 25, 50, 51)] == [
        False,
        True,
        True,
        False,
    ]
    assert not matches(above, an_alert(), None), "what was not measured matches nothing"


def test_a_figure_may_stand_in_an_annotation_or_label() -> None:
    assert value_of(an_alert(labels={"rate": "12.5 %"}), "rate") == 12.5
    assert value_of(an_alert(labels={"rate": "1e3"}), "rate") == 1000
    assert value_of(an_alert(labels={"rate": "about 12"}), "rate") is None
    assert value_of(an_alert(labels={"rate": "nan"}), "rate") is None
    assert value_of(an_alert(values={"rate": 3.0}, labels={"rate": "12"}), "rate") == 3


def test_the_first_rule_that_matches_says_how_long_to_wait() -> None:
    waiting = (Declaration("a", minutes(1), Match(alert="High*")), Declaration("b", minutes(9)))
    rules = replace(some_rules(), declare=waiting)

    assert classify(an_alert("HighErrorRate"), rules).declaration == "a"
    assert classify(an_alert("Other"), rules).declare_at == NOON + minutes(9)
