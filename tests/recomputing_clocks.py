"""How the clocks and reviews of an incident ended, from the documentation of the figures alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.recomputing_events import SECOND, Period, micros

Event = Any  # a named tuple of a row of the events
Fact = tuple[str, int, str, str, int]


@dataclass
class Clock:
    """A clock while it runs: until when, and since when that is known."""

    name: str
    due: int | None
    known: int

    def passed(self, instant: int) -> bool:
        """Whether its due instant lies before that."""
        return self.due is not None and self.due < instant

    @property
    def missed_at(self) -> int:
        """When it is missed, if it is."""
        assert self.due is not None
        return max(self.due, self.known)


FIGURES = {
    "answer": ("first_response_met", "first_response_within_5m"),
    "respond": ("respond_sla_met", "respond_sla_attainment"),
    "resolve": ("resolve_sla_met", "resolve_sla_attainment"),
}


def due_of(event: Event, key: str) -> int | None:
    """A due instant that an event sets."""
    text = event.data.get(key)
    return None if text is None else micros(text)


def begun(event: Event) -> list[Clock]:
    """The clocks of a round that begins."""
    clocks = [Clock(name, due_of(event, f"{name}_due"), event.at) for name in ("respond", "resolve")]
    if event.type == "opened":
        clocks.append(Clock("answer", event.at + 300 * SECOND, event.at))
    return clocks


def ended(clock: Clock, event: Event) -> str:
    """How an event ends a clock that still runs, if it does; it may set another due instant."""
    if clock.passed(event.at):
        return "missed"
    if event.type == "breached":
        same = event.data["clock"] == clock.name and clock.due == event.at == due_of(event, "due")
        return "missed" if same else ""
    if event.type in {"severity-raised", "severity-changed"} and clock.name != "answer":
        clock.due, clock.known = due_of(event, f"{clock.name}_due"), event.at
    if event.type == "acknowledged" and event.person and clock.name != "resolve":
        return "met"
    if event.type == "resolved":
        return "met" if clock.name == "resolve" or event.data["by"] == "person" else "voided"
    return "voided" if event.type == "reopened" else ""


def verdict(subject: str, clock: Clock, how: str, instant: int) -> Fact:
    """What is said of a clock that has ended."""
    metric, kpi = FIGURES[clock.name]
    if how == "missed":
        return subject, clock.missed_at, metric, "", 0
    if clock.due is None:
        return subject, instant, "excluded", f"{kpi}/no-target", 1
    if how == "met":
        return subject, instant, metric, "", 1
    return subject, instant, "excluded", f"{kpi}/{how}", 1


def clock_facts(subject: str, events: list[Event], period: Period) -> Iterator[Fact]:
    """How the clocks of an incident ended, and whether its `breached` events tell the same."""
    missed: list[Clock] = []
    running: list[Clock] = []
    for event in events:
        still: list[Clock] = []
        for clock in running:
            how = ended(clock, event)
            if how:
                yield verdict(subject, clock, how, event.at)
            (missed if how == "missed" else still if not how else []).append(clock)
        running = [*still, *begun(event)] if event.type in {"opened", "reopened"} else still
    for clock in running:
        if clock.passed(period.end):
            missed.append(clock)
            yield verdict(subject, clock, "missed", period.end)
        elif clock.due is not None:
            yield subject, period.end, "excluded", f"{FIGURES[clock.name][1]}/running", 1
    yield from breach_facts(subject, events, missed)


def breach_facts(subject: str, events: list[Event], missed: list[Clock]) -> Iterator[Fact]:
    """Where the missed clocks and the `breached` events of an incident do not tell the same."""
    breached = [event for event in events if event.type == "breached"]
    told = {(event.data["clock"], due_of(event, "due")) for event in breached}
    for clock in missed:
        if clock.name != "answer" and (clock.name, clock.due) not in told:
            yield subject, clock.missed_at, "breach_unrecorded", clock.name, 1
    shown = {(clock.name, clock.due) for clock in missed}
    for event in breached:
        if (event.data["clock"], due_of(event, "due")) not in shown:
            yield subject, event.at, "breach_underived", event.data["clock"], 1


@dataclass
class Review(Clock):
    """A review that was asked for."""

    decided: bool = False
    completed: bool = False

    def miss(self, subject: str, instant: int) -> Iterator[Fact]:
        """It is missed, if its due instant lies before that and nothing decided it."""
        if not self.decided and self.passed(instant):
            self.decided = True
            yield subject, self.missed_at, "review_in_time", "", 0

    def withdraw(self, subject: str, instant: int, how: str) -> Iterator[Fact]:
        """It ends without being met or missed, if nothing decided it."""
        if not self.decided:
            yield subject, instant, "excluded", f"review_completion/{how}", 1

    def complete(self, subject: str, instant: int) -> Iterator[Fact]:
        """It is completed, and met if nothing decided it."""
        if not self.decided:
            yield subject, instant, "review_in_time", "", 1
        self.decided = self.completed = True


def review_facts(subject: str, events: list[Event], period: Period) -> Iterator[Fact]:
    """How the reviews of an incident ended."""
    review: Review | None = None
    for event in events:
        if review:
            yield from review.miss(subject, event.at)
            if event.type == "review-completed":
                yield from review.complete(subject, event.at)
            elif event.type in {"review-required", "reopened"}:
                yield from review.withdraw(subject, event.at, "withdrawn")
                review = None
        if event.type == "review-required":
            review = Review("review", due_of(event, "due"), event.at)
    if review:
        yield from review.miss(subject, period.end)
        yield from review.withdraw(subject, period.end, "running")
        if review.passed(period.end) and not review.completed:
            yield subject, period.end, "review_overdue_at_end", "", 1
