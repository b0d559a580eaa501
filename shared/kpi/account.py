"""What one subject contributes to a week, and the reading of its timeline that leads there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.domain.timeline import GENESIS, Event, parse_stamp
from shared.kpi.aftermath import Aftermath
from shared.kpi.clocks import Clock
from shared.kpi.definitions import FIRST_RESPONSE_SECONDS
from shared.kpi.metrics import OF_DRILLS, Fact


@dataclass(frozen=True)
class Incident:
    """An incident as it stood at the end of the week.

    ``acknowledged_at``, ``resolved_at`` and the two clocks are those of the opening; what followed a
    reopening shows in ``state``, ``reopened`` and the facts.
    """

    name: str
    service: str
    severity: str
    source: str | None
    state: str
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    reopened: int
    alerts: int
    escalations: int
    respond: Clock
    resolve: Clock
    rules: str
    drill: str | None
    """The drill that it rehearses; None where it is meant."""
    review_due: datetime | None
    """Of the latest review asked for; None where there was none, or a reopening withdrew it."""
    review_completed_at: datetime | None
    items_open: int


@dataclass(frozen=True)
class Account:
    """What a subject contributes to a week; ``incident`` is None for a journal, and before it is opened."""

    subject: str
    length: int
    head: str
    incident: Incident | None
    facts: tuple[Fact, ...]


@dataclass
class Round:
    """What one opening or reopening started."""

    started_at: datetime
    suffix: str
    respond: Clock
    resolve: Clock
    answer: Clock
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None

    @property
    def clocks(self) -> tuple[Clock, Clock, Clock]:
        """All three."""
        return self.respond, self.resolve, self.answer


@dataclass
class Reading:
    """Where the reading of a timeline stands."""

    start: datetime
    end: datetime
    length: int = 0
    head: str = GENESIS
    state: str = ""
    severity: str = ""
    opened: Event | None = None
    rounds: list[Round] = field(default_factory=list)
    open_at_start: bool | None = None
    aftermath: Aftermath = field(default_factory=Aftermath)
    alerts: int = 0
    escalations: int = 0
    dispositions: dict[tuple[str, str], tuple[int, datetime]] = field(default_factory=dict)
    breaches: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    told: bool = False
    """Whether somebody inside has been told."""
    heard_of: set[str] = field(default_factory=set)
    """Deliveries of which there was a receipt."""
    facts: list[Fact] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it was opened and is not resolved."""
        return self.state in ("open", "acknowledged")

    @property
    def drill(self) -> str | None:
        """The drill that it rehearses, if it does."""
        return None if self.opened is None else self.opened.data.get("drill")

    @property
    def belongs(self) -> bool:
        """Whether it belongs to a week without an event in it: open, or a review or action items to come."""
        return self.is_open or (self.drill is None and self.aftermath.unfinished)

    def reach(self, event: Event) -> None:
        """Go on to an event: what lapsed before it is decided, what it says itself is not yet read."""
        if self.open_at_start is None and event.recorded_at >= self.start:
            self.open_at_start = self.is_open
        self.length, self.head = event.seq, event.hash
        self.lapse(event.recorded_at)

    def lapse(self, now: datetime) -> None:
        """Decide the clocks whose due instant has passed."""
        if self.rounds:
            for clock in self.rounds[-1].clocks:
                clock.lapse(now)
        self.aftermath.lapse(now)

    def add(self, at: datetime, metric: str, value: int = 1, code: str = "") -> None:
        """A fact, if it is of the week."""
        if self.start <= at < self.end:
            self.facts.append(Fact(at, metric, code, value))

    def begin(self, event: Event, suffix: str) -> None:
        """A new round, with fresh clocks."""
        at, data = event.recorded_at, event.data
        for clock in self.rounds[-1].clocks if self.rounds else ():
            clock.void(at)
        answer_due = None if suffix else at + timedelta(seconds=FIRST_RESPONSE_SECONDS)
        self.rounds.append(
            Round(
                at,
                suffix,
                Clock("respond", instant_or_none(data.get("respond_due")), at),
                Clock("resolve", instant_or_none(data.get("resolve_due")), at),
                Clock("answer", answer_due, at),
            )
        )
        self.state = "open"

    def account(self, subject: str) -> Account:
        """The whole, once every event has been read."""
        self.lapse(self.end)
        self._add_states()
        self._add_verdicts()
        self._compare_breaches()
        self._add_alerts()
        self._add_aftermath()
        facts = self.facts if self.drill is None else _of_drill(self.facts)
        return Account(subject, self.length, self.head, self._incident(), tuple(sorted(facts)))

    def _add_states(self) -> None:
        if self.open_at_start:
            self.facts.append(Fact(self.start, "incident_open_at_start", "", 1))
        if self.is_open:
            self.facts.append(Fact(self.end, "incident_open_at_end", "", 1))

    def _add_verdicts(self) -> None:
        names = {"respond": "respond_sla_met", "resolve": "resolve_sla_met", "answer": "first_response_met"}
        for clock in (clock for round in self.rounds for clock in round.clocks):
            if clock.decided_at is not None and clock.outcome != "void":
                self.add(clock.decided_at, names[clock.name], int(clock.outcome == "met"))

    def _compare_breaches(self) -> None:
        told = {(clock, due) for clock, due, _ in self.breaches}
        missed: set[tuple[str, datetime]] = set()
        for clock in (clock for round in self.rounds for clock in (round.respond, round.resolve)):
            if clock.outcome == "missed" and clock.due is not None and clock.decided_at is not None:
                missed.add((clock.name, clock.due))
                if (clock.name, clock.due) not in told:
                    self.add(clock.decided_at, "breach_unrecorded", 1, clock.name)
        for name, due, recorded_at in self.breaches:
            if (name, due) not in missed:
                self.add(recorded_at, "breach_underived", 1, name)

    def _add_alerts(self) -> None:
        for (metric, disposition), (count, last_at) in self.dispositions.items():
            on_none = metric == "incident_alerts" and self.opened is None
            self.add(last_at, "other_alerts" if on_none else metric, count, disposition)
        on_incident = [
            at for (metric, _), (_, at) in self.dispositions.items() if metric == "incident_alerts"
        ]
        if on_incident and self.opened is not None:
            self.add(max(on_incident), "incident_alerted")

    def _add_aftermath(self) -> None:
        for clock in self.aftermath.clocks:
            if clock.decided_at is not None and clock.outcome != "void":
                self.add(clock.decided_at, "review_in_time", int(clock.outcome == "met"))
        for metric, count in self.aftermath.states(self.end):
            if count:
                self.facts.append(Fact(self.end, metric, "", count))

    def _incident(self) -> Incident | None:
        if self.opened is None:
            return None
        first, data = self.rounds[0], self.opened.data
        return Incident(
            name=data["name"],
            service=data["service"],
            severity=self.severity,
            source=data.get("source"),
            state=self.state,
            opened_at=first.started_at,
            acknowledged_at=first.acknowledged_at,
            resolved_at=first.resolved_at,
            reopened=len(self.rounds) - 1,
            alerts=self.alerts,
            escalations=self.escalations,
            respond=first.respond,
            resolve=first.resolve,
            rules=data["rules"],
            drill=self.drill,
            review_due=self.aftermath.due,
            review_completed_at=self.aftermath.completed_at,
            items_open=len(self.aftermath.items_open),
        )


def _of_drill(facts: list[Fact]) -> list[Fact]:
    """Facts of a drill, under the names of their own; those that drills do not have are left out."""
    return [replace(fact, metric=OF_DRILLS[fact.metric]) for fact in facts if fact.metric in OF_DRILLS]


def instant_or_none(value: str | None) -> datetime | None:
    """`parse_stamp`, with None for None."""
    return None if value is None else parse_stamp(value)
