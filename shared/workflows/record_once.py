"""Puts on record what a plan goes through bit by bit: every bit once, whatever is cut off in between.

What is to be recorded stands in a ledger before it goes into the journal. Whoever finds it there later looks
whether the journal has it, so that no crash loses it and no repeat doubles it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.domain.change import TOCSIN
from shared.domain.errors import Conflict
from shared.domain.journal import own_journal
from shared.domain.plan import Plan
from shared.domain.timeline import Event, parse_stamp, stamp
from shared.ports import Journals
from shared.workflows.note_in_journal import note_in_journal

HOLD = timedelta(minutes=3)
"""How long whoever is recording keeps others from it; what was cut off is made good after that."""


Beside = tuple[str, Mapping[str, Any], str | None]
"""Another topic, its entry, and the tag that it has now."""


class Ledger(Protocol):
    """One entry, a JSON object, a plan and topic. May raise StoreUnavailable."""

    def entry(self, plan: str, topic: str) -> tuple[dict[str, Any], str] | None:
        """What stands there with its tag; None where nothing does."""

    def save(
        self,
        plan: str,
        topic: str,
        entry: Mapping[str, Any],
        tag: str | None,
        beside: Beside | None = None,
    ) -> str:
        """Store it and return the new tag, with another entry beside it or not at all.

        Raises Conflict where an entry has moved on (or, without a tag, exists).
        """

    def entries(self, plan: str, prefix: str) -> Sequence[tuple[str, Mapping[str, Any], str]]:
        """Topic, entry and tag of every topic that begins so, in order."""


class Timelines(Protocol):
    """Where the journals are read again."""

    def events(self, subject: str) -> Iterator[Event]:
        """A subject's timeline in order; empty where there is none."""


@dataclass(frozen=True)
class Fact:
    """What is to be an event of the journal."""

    type: str
    data: Mapping[str, Any]
    occurred_at: datetime
    actor: str = TOCSIN


@dataclass(frozen=True)
class Reached:
    """How far a topic is; ``position`` is empty where it never began."""

    position: Mapping[str, Any]
    tag: str | None


@dataclass
class RecordOnce:
    """One topic after the other, of any plan."""

    ledger: Ledger
    journals: Journals
    timelines: Timelines

    def reached(self, plan: Plan, topic: str, now: datetime) -> Reached:
        """How far it is, after what an earlier run left half done has been finished.

        Raises Conflict where somebody else is at it.
        """
        found = self.ledger.entry(plan.name, topic)
        if found is None:
            return Reached({}, None)
        entry, tag = found
        pending = entry.get("pending")
        if pending is None:
            return Reached(entry["position"], tag)
        if parse_stamp(pending["held_until"]) > now:
            raise Conflict(f"{topic} of {plan.name} is being recorded")
        held = entry | {"pending": pending | {"held_until": stamp(now + HOLD)}}
        tag = self.ledger.save(plan.name, topic, held, tag)
        if not self.is_noted(plan, pending["type"], pending["data"], parse_stamp(pending["taken_at"]), now):
            self._note(plan, pending, now)
        return self.go_on(plan, topic, Reached({}, tag), pending["after"])

    def go_on(self, plan: Plan, topic: str, reached: Reached, position: Mapping[str, Any]) -> Reached:
        """Another position, without a record. Raises Conflict where somebody else has moved it."""
        tag = self.ledger.save(plan.name, topic, {"position": dict(position)}, reached.tag)
        return Reached(position, tag)

    def record(
        self,
        plan: Plan,
        topic: str,
        reached: Reached,
        fact: Fact,
        after: Mapping[str, Any],
        now: datetime,
        beside: Beside | None = None,
    ) -> Reached:
        """Record a fact, and with it another position and perhaps another entry. Raises Conflict."""
        pending = {
            "type": fact.type,
            "data": dict(fact.data),
            "occurred_at": stamp(fact.occurred_at),
            "actor": fact.actor,
            "taken_at": stamp(now),
            "held_until": stamp(now + HOLD),
            "after": dict(after),
        }
        entry = {"position": dict(reached.position), "pending": pending}
        tag = self.ledger.save(plan.name, topic, entry, reached.tag, beside)
        self._note(plan, pending, now)
        return self.go_on(plan, topic, Reached({}, tag), after)

    def is_noted(
        self, plan: Plan, type: str, data: Mapping[str, Any], since: datetime, now: datetime
    ) -> bool:
        """Whether a journal of one of these days has that very event."""
        days = (now - since) // timedelta(days=1) + 2
        subjects = {own_journal(plan.name, now - timedelta(days=back)).id for back in range(days)}
        return any(
            event.type == type and dict(event.data) == dict(data)
            for subject in sorted(subjects)
            for event in self.timelines.events(subject)
        )

    def _note(self, plan: Plan, pending: Mapping[str, Any], now: datetime) -> None:
        occurred_at = parse_stamp(pending["occurred_at"])
        type, data, actor = pending["type"], pending["data"], pending["actor"]
        note_in_journal(self.journals, plan, type, data, occurred_at, now, actor)
