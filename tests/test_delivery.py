"""At least once, and told apart by its key: what becomes of a notification when a process dies around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.templates import Templates
from shared.domain.change import Change
from shared.domain.delivery import LEASE, Delivery, Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel
from shared.domain.response import Resolve
from shared.ports import Accepted, IncidentStore, Owed, Secrets, Stored
from shared.workflows.advance_incidents import AdvanceIncidents
from shared.workflows.deliver import Deliver
from shared.workflows.prepare_message import PrepareMessage
from shared.workflows.tell_storm import TellStorm
from tests.builders import NOON, a_directory, a_severity, minutes, seconds, some_rules
from tests.stage import Stage

PATIENCE = 20


class Crash(BaseException):
    """The process dies here."""


def nothing() -> None:
    """Happens."""


@dataclass
class Ear:
    """A channel that keeps the keys it was given; ``before`` and ``after`` happen around a sending."""

    kind: str = "log"
    keys: list[str] = field(default_factory=list)
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing

    def send(
        self,
        message: Message,  # noqa: ARG002
        spec: Channel,  # noqa: ARG002
        to: str | None,  # noqa: ARG002
        idempotency_key: str,
        secrets: Secrets,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Accepted:
        self.before()
        self.keys.append(idempotency_key)
        self.after()
        return Accepted(200)


@dataclass
class Interrupted:
    """A store at whose writes something happens first; otherwise it is the store."""

    store: IncidentStore
    at_save: Callable[[Change], None] = lambda _: None
    at_save_delivery: Callable[[Owed, Delivery], None] = lambda _, __: None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the store has)
        return getattr(self.store, name)

    def save(
        self, change: Change, basis: Stored | None, head_tag: str | None = None
    ) -> tuple[Stored, list[Owed]]:
        self.at_save(change)
        return self.store.save(change, basis, head_tag)

    def save_delivery(self, owed: Owed, delivery: Delivery) -> Owed:
        self.at_save_delivery(owed, delivery)
        return self.store.save_delivery(owed, delivery)


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


@pytest.fixture
def ear() -> Ear:
    return Ear()


def process(stage: Stage, ear: Ear, store: IncidentStore | None = None) -> AdvanceIncidents:
    """An instance of the app that delivers by ``ear``."""
    its = store or stage.store
    secrets = stage.receive.secrets
    prepare = PrepareMessage(its, "", Templates(), KeyedAnswerTokens(secrets, "people-key"), stage.people)
    storm = TellStorm(its, stage.storms, {"log": ear}, secrets, Templates(), stage.queue)
    deliver = Deliver(its, {"log": ear}, secrets, prepare, storm)
    return AdvanceIncidents(its, stage.plans, stage.archive, stage.queue, deliver)


def die() -> None:
    raise Crash


def dies(advancing: AdvanceIncidents, incident: str, at: datetime = NOON) -> None:
    with pytest.raises(Crash):
        advancing.advance(incident, lambda: at)


def delivered(stage: Stage, incident: str) -> int:
    return stage.types(incident).count("delivered")


def test_a_process_that_dies_after_the_claim_comes_due_again_when_its_lease_ends(
    stage: Stage, ear: Ear
) -> None:
    incident = stage.opened()
    dies(process(stage, Ear(before=die)), incident)
    others = process(stage, ear)

    others.sweep(lambda: NOON + LEASE - seconds(1))
    assert ear.keys == []
    others.sweep(lambda: NOON + LEASE)
    assert len(ear.keys) == 1
    assert delivered(stage, incident) == 1


def test_a_process_that_dies_after_the_sending_sends_again_with_the_same_key(stage: Stage, ear: Ear) -> None:
    incident = stage.opened()
    dying = Ear(keys=ear.keys, after=die)
    dies(process(stage, dying), incident)
    process(stage, ear).sweep(lambda: NOON + LEASE)

    assert len(ear.keys) == 2
    assert len(set(ear.keys)) == 1
    [delivery] = stage.store.deliveries(stage.incident(incident))
    assert (delivery.state, delivery.claims, len(delivery.attempts)) == ("accepted", 2, 1)


def test_a_process_that_dies_before_it_notes_the_outcome_sends_again_with_the_same_key(
    stage: Stage, ear: Ear
) -> None:
    incident = stage.opened()

    def at_outcome(_: Owed, delivery: Delivery) -> None:
        if delivery.state == "accepted":
            die()

    dies(process(stage, ear, Interrupted(stage.store, at_save_delivery=at_outcome)), incident)
    process(stage, ear).sweep(lambda: NOON + LEASE)

    assert len(ear.keys) == 2
    assert len(set(ear.keys)) == 1
    assert delivered(stage, incident) == 1


def test_a_process_that_dies_before_the_outcome_joins_the_timeline_sends_nothing_again(
    stage: Stage, ear: Ear
) -> None:
    incident = stage.opened()

    def at_settling(change: Change) -> None:
        if change.settled:
            die()

    dies(process(stage, ear, Interrupted(stage.store, at_save=at_settling)), incident)
    assert delivered(stage, incident) == 0
    process(stage, ear).sweep(lambda: NOON)

    assert len(ear.keys) == 1
    assert delivered(stage, incident) == 1


def test_a_process_that_dies_before_it_claims_leaves_the_delivery_due(stage: Stage, ear: Ear) -> None:
    incident = stage.opened()
    dies(process(stage, ear, Interrupted(stage.store, at_save_delivery=lambda *_: die())), incident)
    process(stage, ear).sweep(lambda: NOON)

    assert len(ear.keys) == 1


def test_two_who_advance_at_once_send_once(stage: Stage, ear: Ear) -> None:
    incident = stage.opened()
    sending, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        sending.set()
        assert go_on.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(process(stage, Ear(keys=ear.keys, before=hold)).advance, incident, lambda: NOON)
        assert sending.wait(PATIENCE)
        process(stage, ear).advance(incident, lambda: NOON)
        process(stage, ear).sweep(lambda: NOON)
        go_on.set()
        slow.result(PATIENCE)

    assert len(ear.keys) == 1
    assert delivered(stage, incident) == 1


def test_many_who_sweep_at_once_send_once_and_fire_each_step_once(stage: Stage, ear: Ear) -> None:
    incident = stage.opened()
    with ThreadPoolExecutor(6) as pool:
        sweeps = [pool.submit(process(stage, ear).sweep, lambda: NOON + minutes(15)) for _ in range(6)]
        for sweep in sweeps:
            sweep.result(PATIENCE)

    steps = [event.data["step"] for event in stage.events(incident) if event.type == "escalated"]
    assert steps == [1, 2]
    assert len(ear.keys) == len(set(ear.keys)) == 2
    assert delivered(stage, incident) == 2


def test_a_claim_of_somebody_who_then_dies_is_waited_for_and_made_good(stage: Stage, ear: Ear) -> None:
    only = ((minutes(0), ("oncall",)),)
    stage.rules(some_rules(a_severity(steps=only, respond_within=None, resolve_within=None)))
    stage.directory(a_directory(oncall=("log",), manager=("log",)))
    incident = stage.opened()
    process(stage, Ear()).advance(incident, lambda: NOON)
    stage.respond(incident, Resolve(), at=NOON + minutes(1))
    at = NOON + minutes(2)

    def snatch(owed: Owed, delivery: Delivery) -> None:
        """Another process claims it first, and is never heard of again."""
        if delivery.state == "leased":
            stage.store.save_delivery(owed, owed.delivery.claimed(at))

    process(stage, ear, Interrupted(stage.store, at_save_delivery=snatch)).advance(incident, lambda: at)
    assert ear.keys == []
    process(stage, ear).sweep(lambda: at + LEASE)

    assert len(ear.keys) == 1
    assert stage.types(incident)[-1] == "delivered"


def test_a_claim_lost_right_after_the_step_fired_keeps_the_deadline_at_its_lease(
    stage: Stage, ear: Ear
) -> None:
    incident = stage.opened(deliver=True)
    at = NOON + minutes(15)

    def snatch(owed: Owed, delivery: Delivery) -> None:
        if delivery.state == "leased":
            stage.store.save_delivery(owed, owed.delivery.claimed(at))

    process(stage, ear, Interrupted(stage.store, at_save_delivery=snatch)).advance(incident, lambda: at)

    assert stage.incident(incident).deadline == at + LEASE
    process(stage, ear).sweep(lambda: at + LEASE)
    assert len(ear.keys) == 1


def test_one_slow_or_failing_delivery_holds_up_no_other(stage: Stage, ear: Ear) -> None:
    both = ((minutes(0), ("oncall", "lead")),)
    stage.rules(some_rules(a_severity(steps=both)))
    incident = stage.opened()
    first = threading.Lock()

    def fail_the_first() -> None:
        if first.acquire(blocking=False):
            raise DeliveryFailed("no answer", permanent=False, status=503)

    ear.before = fail_the_first
    process(stage, ear).advance(incident, lambda: NOON)

    assert len(ear.keys) == 1
    states = sorted(delivery.state for delivery in stage.store.deliveries(stage.incident(incident)))
    assert states == ["accepted", "queued"]
