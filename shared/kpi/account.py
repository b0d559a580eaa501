"""What one subject contributes to a week, and the reading of its timeline that leads there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.domain.timeline import GENESIS, Event, parse_or_none
from shared.kpi.aftermath import Aftermath
from shared.kpi.attestation import Watch
from shared.kpi.clocks import Clock
from shared.kpi.definition import EXCLUDED
from shared.kpi.definitions import FIRST_RESPONSE_SECONDS
from shared.kpi.metrics import Fact, of_drill


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
    first_told_at: datetime | None
    """When a provider first took a message to somebody inside."""
    mitigated_at: datetime | None
    """Before its first resolution."""
    resolved_by: str | None
    """By whom that resolution was."""
    code: str | None
    """Closing code that the person gave."""
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
    alerts: int = 0
    """How many alerts its events of the week tell of, whatever became of them."""
    watches: tuple[Watch, ...] = ()
    """What a journal tells in the week of the hours in which Tocsin was awake."""


@dataclass
class Round:
    """What one opening or reopening started."""

    started_at: datetime
    suffix: str
    respond: Clock
    resolve: Clock
    answer: Clock
    acknowledged_at: datetime | None = None
    mitigated_at: datetime | None = None
    """Before it was first resolved."""
    resolution: Event | None = None
    """The first one."""

    @property
    def clocks(self) -> tuple[Clock, Clock, Clock]:
        """All three."""
        return self.respond, self.resolve, self.answer

    @property
    def resolved_at(self) -> datetime | None:
        """When it was first resolved."""
        return None if self.resolution is None else self.resolution.recorded_at


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
    alerts_of_week: int = 0
    watches: list[Watch] = field(default_factory=list)
    escalations: int = 0
    dispositions: dict[tuple[str, str], tuple[int, datetime]] = field(default_factory=dict)
    breaches: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    told_at: datetime | None = None
    """When somebody inside was first told."""
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

    def exclude(self, at: datetime, kpi: str, reason: str) -> None:
        """A KPI leaves something out; a fact, if that was known in the week, its very end included."""
        if self.start <= at <= self.end:
            self.facts.append(Fact(at, EXCLUDED, f"{kpi}/{reason}", 1))

    def mitigate(self, at: datetime) -> None:
        """Somebody tells that the harm was stopped; it counts once, while the opening is not yet resolved."""
        this = self.rounds[-1]
        if this.suffix or this.resolved_at is not None or this.mitigated_at is not None:
            return
        this.mitigated_at = at
        self.add(at, "time_to_mitigate_seconds", (at - this.started_at) // timedelta(seconds=1))

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
                Clock("respond", parse_or_none(data.get("respond_due")), at),
                Clock("resolve", parse_or_none(data.get("resolve_due")), at),
                Clock("answer", answer_due, at),
            )
        )
        self.state = "open"

    def account(self, subject: str) -> Account:
        """The whole, once every event has been read."""
        self.lapse(self.end)
        self._add_states()
        self._exclude_the_open()
        self._add_verdicts()
        self._compare_breaches()
        self._add_alerts()
        self._add_aftermath()
        facts = self.facts if self.drill is None else of_drill(self.facts)
        return Account(
            subject,
            self.length,
            self.head,
            self._incident(),
            tuple(sorted(facts)),
            self.alerts_of_week,
            tuple(self.watches),
        )

    def _add_states(self) -> None:
        if self.open_at_start:
            self.facts.append(Fact(self.start, "incident_open_at_start", "", 1))
        if self.is_open:
            self.facts.append(Fact(self.end, "incident_open_at_end", "", 1))

    def _exclude_the_open(self) -> None:
        if not self.is_open or self.rounds[-1].resolved_at is not None:
            return
        last = self.rounds[-1]
        self.exclude(self.end, f"time_to_resolve{last.suffix}", "still-open")
        if last.acknowledged_at is None:
            self.exclude(self.end, f"time_to_acknowledge{last.suffix}", "still-open")
        if last.mitigated_at is None and not last.suffix:
            self.exclude(self.end, "time_to_mitigate", "still-open")

    def _add_verdicts(self) -> None:
        for clock in (clock for round in self.rounds for clock in round.clocks):
            metric, kpi = _MEASURED_BY[clock.name]
            if clock.decided_at is not None and clock.outcome != "void":
                self.add(clock.decided_at, metric, int(clock.outcome == "met"))
            left_out = clock.excluded_at(self.end)
            if left_out and not (clock.name == "answer" and clock.due is None):
                self.exclude(left_out[1], kpi, left_out[0])

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
            left_out = clock.excluded_at(self.end)
            if left_out:
                reason = {"voided": "withdrawn"}.get(left_out[0], left_out[0])
                self.exclude(left_out[1], "review_completion", reason)
        for metric, count in self.aftermath.states(self.end):
            if count:
                self.facts.append(Fact(self.end, metric, "", count))

    def _incident(self) -> Incident | None:
        if self.opened is None:
            return None
        first, data = self.rounds[0], self.opened.data
        ended: Mapping[str, Any] = {} if first.resolution is None else first.resolution.data
        return Incident(
            name=data["name"],
            service=data["service"],
            severity=self.severity,
            source=data.get("source"),
            state=self.state,
            opened_at=first.started_at,
            acknowledged_at=first.acknowledged_at,
            resolved_at=first.resolved_at,
            first_told_at=self.told_at,
            mitigated_at=first.mitigated_at,
            resolved_by=ended.get("by"),
            code=ended.get("code"),
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


_MEASURED_BY = {
    "respond": ("respond_sla_met", "respond_sla_attainment"),
    "resolve": ("resolve_sla_met", "resolve_sla_attainment"),
    "answer": ("first_response_met", "first_response_within_5m"),
}
"""Metric and KPI of each clock."""
