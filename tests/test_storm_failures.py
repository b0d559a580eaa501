"""A storm while processes die, providers are down and storage fails: nothing is lost, at worst repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from shared.adapters import storage_clients
from shared.domain import storm
from shared.domain.delivery import LEASE, Delivery, Message
from shared.domain.errors import StoreUnavailable
from shared.ports import IncidentStore, Storms
from tests.builders import NOON, a_directory, minutes, seconds
from tests.faulty_storage import FaultyStorage
from tests.stage import Stage
from tests.stormy import (
    ONE_BY_ONE,
    THEN,
    Crash,
    Mouth,
    break_out,
    come,
    delivered,
    held_back,
    listed,
    prepared,
    process,
    states,
)


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield prepared(stage)


@pytest.fixture
def mouth() -> Mouth:
    return Mouth()


class Broken:
    """`ports.Storms` that storage does not answer for; from the ``nth`` call on."""

    def __init__(self, behind: Storms, nth: int = 0) -> None:
        self.behind, self.calls, self.nth = behind, 0, nth

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the port has)
        self.calls += 1
        if self.calls > self.nth:
            raise StoreUnavailable("storage answered 503")
        return getattr(self.behind, name)


class Dying:
    """A store that dies at the first outcome that comes from a digest; otherwise it is the store."""

    def __init__(self, store: IncidentStore) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the store has)
        return getattr(self.store, name)

    def save_delivery(self, owed: Any, delivery: Delivery) -> Any:  # noqa: ANN401  (as the store)
        if delivery.state == "accepted" and delivery.gathered:
            raise Crash
        return self.store.save_delivery(owed, delivery)


def test_a_process_that_dies_after_the_digest_was_sent_repeats_it_at_worst(
    stage: Stage, mouth: Mouth
) -> None:
    incidents = break_out(stage, 20)
    process(stage, mouth).sweep(lambda: NOON)
    waiting, *_ = held_back(stage, incidents)

    def die(_: Message) -> None:
        raise Crash

    dying = Mouth(sent=mouth.sent, after=die)
    with pytest.raises(Crash):
        process(stage, dying).advance(waiting, lambda: THEN)
    process(stage, mouth).sweep(lambda: THEN + LEASE - seconds(1))
    assert mouth.kinds().count("digest") == 1
    come(stage, mouth, incidents, THEN + LEASE)

    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE + ["digest"] * 2
    assert len({key for _, _, message, key in mouth.sent if message.kind == "digest"}) == 1
    assert len(delivered(stage, incidents)) == 20


def test_a_process_that_dies_between_the_digest_and_its_outcomes_sends_nothing_again(
    stage: Stage, mouth: Mouth
) -> None:
    incidents = break_out(stage, 20)
    process(stage, mouth).sweep(lambda: NOON)
    waiting, *_ = held_back(stage, incidents)
    with pytest.raises(Crash):
        process(stage, mouth, store=Dying(stage.store)).advance(waiting, lambda: THEN)
    process(stage, mouth).sweep(lambda: THEN + storm.OTHERS_AFTER)

    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE + ["digest"]
    assert len(delivered(stage, incidents)) == 20
    assert states(stage, incidents) == {"accepted"}


def test_a_digest_goes_by_the_next_way_where_a_provider_is_down(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 20)
    process(stage, mouth).sweep(lambda: NOON)
    mouth.down = {"log"}
    come(stage, mouth, incidents, THEN)

    assert [name for name, _, message, _ in mouth.sent if message.kind == "digest"] == ["other"]
    told = [event for event in delivered(stage, incidents) if event.data["digest"]]
    assert [event.data["channel"] for event in told] == ["other"] * 10


def test_where_no_way_takes_the_digest_each_goes_out_by_itself(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 20)
    process(stage, mouth).sweep(lambda: NOON)
    mouth.down = {"digest"}
    come(stage, mouth, incidents, THEN)
    later = break_out(stage, 5, THEN)
    process(stage, mouth).sweep(lambda: THEN)

    assert mouth.kinds() == ["escalation"] * 25
    assert len(delivered(stage, incidents + later)) == 25


def test_where_nothing_reaches_the_contact_each_incident_says_so(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 14)
    process(stage, mouth).sweep(lambda: NOON)
    waiting = held_back(stage, incidents)
    stage.directory(a_directory(oncall=("gone", "lost"), manager=("log",)))
    mouth.down = {"gone", "lost"}
    come(stage, mouth, incidents, THEN)

    assert len(waiting) == 4
    assert all("contact-unreachable" in stage.types(incident) for incident in waiting)
    assert mouth.kinds("manager").count("alarm") == 4


def test_a_storm_row_that_storage_does_not_keep_holds_up_no_page(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 20)
    broken: Any = Broken(stage.storms)
    process(stage, mouth, broken).sweep(lambda: NOON)

    assert mouth.kinds() == ["escalation"] * 20
    assert len(delivered(stage, incidents)) == 20


def test_the_others_see_to_the_digest_where_the_first_does_not(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 20)
    process(stage, mouth).sweep(lambda: NOON)
    first, second, *_ = held_back(stage, incidents)
    assert stage.incident(first).deadline == THEN
    assert stage.incident(second).deadline == THEN + storm.OTHERS_AFTER
    come(stage, mouth, [each for each in incidents if each != first], THEN + storm.OTHERS_AFTER)

    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE + ["digest"]
    assert first in listed(mouth.digests()[0])


@pytest.mark.parametrize("seed", range(2))
def test_under_faults_everybody_is_told_of_every_incident(
    storage: str, monkeypatch: pytest.MonkeyPatch, mouth: Mouth, seed: int
) -> None:
    monkeypatch.setitem(storage_clients.TIMING, "read_timeout", 0.4)
    with FaultyStorage(storage, seed=seed) as faulty, Stage(faulty.connection_string) as stage:
        prepared(stage)
        incidents = break_out(stage, 40)
        faulty.fail(0.1)
        for nth in range(8):
            with suppress(ExceptionGroup):
                process(stage, mouth).sweep(lambda nth=nth: NOON + nth * minutes(1))  # type: ignore[misc]
        faulty.heal()
        come(stage, mouth, incidents, NOON + minutes(9))
        come(stage, mouth, incidents, NOON + minutes(11))

        assert faulty.faults.total() > 20
        alone = {message.incident for _, _, message, _ in mouth.sent}
        together = {id for digest in mouth.digests() for id in listed(digest)}
        assert set(incidents) <= alone | together
        assert len(delivered(stage, incidents)) == 40


@pytest.mark.parametrize("nth", range(6))
def test_storage_that_fails_while_a_gathering_is_told_loses_nothing(
    stage: Stage, mouth: Mouth, nth: int
) -> None:
    incidents = break_out(stage, 14)
    process(stage, mouth).sweep(lambda: NOON)
    broken: Any = Broken(stage.storms, nth)
    process(stage, mouth, broken).sweep(lambda: THEN)
    come(stage, mouth, incidents, THEN + LEASE)

    assert len(delivered(stage, incidents)) == 14
    assert states(stage, incidents) == {"accepted"}


def test_a_gathering_that_nobody_lives_to_tell_goes_out_one_by_one(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 14)
    process(stage, mouth).sweep(lambda: NOON)
    first, *_ = held_back(stage, incidents)

    def die(_: Message) -> None:
        raise Crash

    at = THEN
    for _ in range(storm.MOST_CLAIMS):
        with pytest.raises(Crash):
            process(stage, Mouth(after=die)).advance(first, lambda at=at: at)  # type: ignore[misc]
        at += LEASE
    come(stage, mouth, incidents, at)

    assert mouth.kinds() == ["escalation"] * 14
    assert len(delivered(stage, incidents)) == 14
