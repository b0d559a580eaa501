"""What an alert costs in round trips to storage, queue message counted: users pay for them and wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.domain.alert import Alert
from tests.builders import NOON, an_alert, minutes
from tests.stage import Stage


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    """A stage whose rules are in storage already, as they are after a process's first alert."""
    with Stage(storage) as stage:
        stage.hear(an_alert("Warm-up"))
        yield stage


def cost(stage: Stage, *alerts: Alert) -> int:
    with stage.clients.round_trips.counted() as count:
        stage.hear(*alerts)
    return count[0]


def test_a_first_alert_costs_at_most_four(stage: Stage) -> None:
    assert 0 < cost(stage, an_alert()) <= 4


def test_a_repeated_alert_costs_at_most_two(stage: Stage) -> None:
    stage.hear(an_alert())
    assert 0 < cost(stage, an_alert()) <= 2


def test_a_group_of_fifty_costs_at_most_four(stage: Stage) -> None:
    group = [an_alert(identity=f"host-{nth}", group="hosts", summary="x" * 200) for nth in range(50)]
    assert 0 < cost(stage, *group) <= 4
    assert 0 < cost(stage, *group) <= 2


def test_a_resolution_costs_at_most_four(stage: Stage) -> None:
    stage.hear(an_alert())
    assert 0 < cost(stage, an_alert(firing=False)) <= 4


def test_an_alert_that_changes_nothing_costs_at_most_four(stage: Stage) -> None:
    stage.hear(an_alert())
    stage.hear(an_alert(firing=False))
    stage.hear(an_alert("Other", firing=False))
    assert 0 < cost(stage, an_alert()) <= 4


def test_what_is_counted_is_what_goes_over_the_wire(stage: Stage) -> None:
    with stage.clients.round_trips.counted() as count:
        incident = stage.opened()
        stage.advance(incident, at=NOON + minutes(1))
        stage.events(incident)

    assert count[0] > 4
