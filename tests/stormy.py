"""A stage on which everything breaks at once, and a channel that keeps what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.templates import Templates
from shared.domain import storm
from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel
from shared.domain.timeline import Event
from shared.ports import Accepted, IncidentStore, Secrets, Storms
from shared.workflows.advance_incidents import AdvanceIncidents
from shared.workflows.deliver import Deliver
from shared.workflows.prepare_message import PrepareMessage
from shared.workflows.tell_storm import TellStorm
from tests.builders import NOON, a_directory, a_severity, an_alert, minutes, some_rules
from tests.stage import Stage

MANY, ONE_BY_ONE = 60, 10
THEN = NOON + storm.COLLECTS


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Mouth:
    """A channel that keeps what it was given; the channels named in ``down`` fail for good."""

    kind: str = "log"
    down: set[str] = field(default_factory=set)
    sent: list[tuple[str, str, Message, str]] = field(default_factory=list)
    after: Callable[[Message], None] = lambda _: None

    def send(
        self,
        message: Message,
        spec: Channel,
        to: str | None,
        idempotency_key: str,
        secrets: Secrets,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Accepted:
        if spec.name in self.down or (message.kind == "digest" and "digest" in self.down):
            raise DeliveryFailed("nobody there", permanent=True, status=410)
        self.sent.append((spec.name, str(to), message, idempotency_key))
        self.after(message)
        return Accepted(202, f"{message.kind}-{len(self.sent)}")

    def kinds(self, to: str = "oncall") -> list[str]:
        return [message.kind for _, whom, message, _ in self.sent if whom == to]

    def digests(self) -> list[Message]:
        return [message for _, _, message, _ in self.sent if message.kind == "digest"]


def prepared(stage: Stage) -> Stage:
    """Each incident calls ``oncall`` at once, by ``log`` or else ``other``, and nothing else comes of it."""
    at_once = ((minutes(0), ("oncall",)),)
    stage.rules(some_rules(a_severity(steps=at_once, respond_within=None, resolve_within=None)))
    stage.directory(a_directory(oncall=("log", "other"), lead=("log",), manager=("log",)))
    return stage


def process(
    stage: Stage, mouth: Mouth, storms: Storms | None = None, store: IncidentStore | None = None
) -> AdvanceIncidents:
    """An instance of the app that delivers by ``mouth``."""
    its, secrets, channels = store or stage.store, stage.receive.secrets, {"log": mouth}
    prepare = PrepareMessage(its, "", Templates(), KeyedAnswerTokens(secrets, "people-key"), stage.people)
    telling = TellStorm(its, storms or stage.storms, channels, secrets, Templates(), stage.queue)
    deliver = Deliver(its, channels, secrets, prepare, telling)
    return AdvanceIncidents(its, stage.plans, stage.archive, stage.queue, deliver)


def come(stage: Stage, mouth: Mouth, incidents: list[str], at: datetime) -> None:
    """The timer fires, and then the queue brings the incidents that were asked for."""
    instance = process(stage, mouth)
    instance.sweep(lambda: at)
    for incident in incidents:
        instance.advance(incident, lambda: at)


def break_out(stage: Stage, many: int = MANY, at: datetime = NOON) -> list[str]:
    """So many incidents at once."""
    outcomes = stage.hear(*(an_alert(f"Alert {at:%H%M%S} {nth}") for nth in range(many)), at=at)
    return [outcome.id for outcome in outcomes if outcome.id is not None]


def held_back(stage: Stage, incidents: list[str]) -> list[str]:
    """Those that wait for a digest, the one that brings it about first."""
    loaded = [stage.incident(each) for each in incidents]
    waiting = sorted((each.deadline, each.id) for each in loaded if each.deadline and each.deliver_at)
    return [id for _, id in waiting]


def delivered(stage: Stage, incidents: list[str], kind: str = "escalation") -> list[Event]:
    found = [event for incident in incidents for event in stage.events(incident)]
    return [event for event in found if event.type == "delivered" and event.data["kind"] == kind]


def states(stage: Stage, incidents: list[str]) -> set[str]:
    loaded = [stage.incident(incident) for incident in incidents]
    return {each.state for incident in loaded for each in stage.store.deliveries(incident)}


def listed(message: Message) -> list[str]:
    """The ids that a digest's lines name."""
    return [word for line in message.summary.splitlines() for word in line.split() if word.startswith("INC-")]
