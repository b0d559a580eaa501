"""The course of one incident in memory: people act, time passes, and the whole timeline is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.change import Change
from shared.domain.deadlines import dues
from shared.domain.delivery import Delivery
from shared.domain.escalation import advance
from shared.domain.incident import Incident
from shared.domain.plan import ActionItemRule, Checklist, ClosingCode, Directory, Item, ReviewRule, Rules
from shared.domain.response import Command, declare, respond
from shared.domain.timeline import Event, Text, first_break
from tests.builders import NOON, a_directory, a_severity, hours, some_rules

REVIEW = ReviewRule(
    ("P1",),
    hours(48),
    notify=("lead",),
    remind=(hours(24), hours(4)),
    overdue_notify=("manager",),
    overdue_every=hours(24),
)
CHECKLISTS = (
    Checklist("first", "initial", (Item("scope", "The scope is known", required=True), Item("tea", "Tea"))),
    Checklist("last", "verification", (Item("errors-low", "Errors are low", required=True),)),
    Checklist("after", "post-incident", (Item("shared", "Lessons are shared", required=True),)),
    Checklist("louder", "initial", (Item("press", "The press is told", required=True),), severities=("P0",)),
)
CHASE = ActionItemRule(("manager",), timedelta(days=7))
CODES = (ClosingCode("fixed", "Cause removed"), ClosingCode("rolled-back", "Rolled back"))


def with_afterwards(
    *,
    review: ReviewRule | None = REVIEW,
    checklists: tuple[Checklist, ...] = (),
    codes: tuple[ClosingCode, ...] = (),
) -> Rules:
    """Rules of one severity, P1, that escalates to nobody, so that only what comes afterwards is told."""
    quiet = a_severity("P1", steps=(), respond_within=None, resolve_within=None)
    return replace(
        some_rules(quiet), review=review, checklists=checklists, closing_codes=codes, action_items=CHASE
    )


def words(body: str) -> Text:
    return Text(body, "00")


class Course:
    """One incident, declared at noon."""

    def __init__(self, rules: Rules, directory: Directory | None = None, drill: str | None = None) -> None:
        self.rules = rules
        self.directory = directory or a_directory()
        self.events: list[Event] = []
        self.texts: dict[int, str] = {}
        self.owed: list[Delivery] = []
        self.told: dict[str, str] = {}
        self.now = NOON
        new = Incident(
            "ABCDEFGH", 1, "acme", None, "f" * 64, "declared", "api", "P1", "a" * 64, NOON, drill=drill
        )
        new = replace(new, title="checkout is slow")
        self.incident = new
        change = declare(new, rules, self.directory, "person:1", words("checkout is slow"), NOON)
        self.last = self._keep(change)

    def does(self, command: Command, at: datetime | None = None) -> list[Event]:
        """A person's command; the events of it."""
        self.now = at or self.now
        change = respond(self.incident, command, self.rules, self.directory, "person:1", None, self.now)
        assert change is not None
        assert change.complete
        return self._keep(change)

    def passes(self, until: datetime) -> list[Event]:
        """Time passes without Tocsin looking, then it looks once; the events of it."""
        self.now = until
        change = advance(self.incident, (), self.rules, self.directory, until)
        if change is None:
            self.told = {}
            return []
        kept = self._keep(change)
        clocks = dues(self.incident, self.rules)
        assert not clocks or clocks[0][0] > until, "all that was due has been acted on"
        return kept

    def _keep(self, change: Change) -> list[Event]:
        self.incident = change.after
        self.events += change.events
        self.texts |= {seq: text.body for seq, text in change.texts}
        self.owed += change.owed
        self.told = {each.contact: each.message.reason for each in change.owed}
        assert first_break(self.events) is None
        return list(change.events)


def types(events: list[Event]) -> list[str]:
    return [each.type for each in events]
