"""A recorded incident again, under a plan of one's choice: the real rules, the recorded acts of people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.domain import opening
from shared.domain.cadence import PostUpdate
from shared.domain.change import Change, Draft
from shared.domain.checklist import Tick, unmet
from shared.domain.deadlines import dues
from shared.domain.errors import InvalidInput, Refused
from shared.domain.escalation import advance, fire_lapsed
from shared.domain.incident import Incident, parse_incident_id
from shared.domain.plan import Plan
from shared.domain.response import Acknowledge, Command, Escalate, Reopen, respond
from shared.domain.roles import HandOver
from shared.domain.severity import SetSeverity, raise_severity
from shared.domain.timeline import Event, Text
from shared.kpi.clocks import Clock
from shared.kpi.facts import account_of

MOST_LAPSES = 5000
"""After so many of one incident it is no use to go on."""
SAID = Text("-", "-")
"""What people said is not on the timeline; that they said something is."""


class NotReplayed(Exception):
    """Why an incident is left out."""


@dataclass(frozen=True)
class Told:
    """One notification, as owed: taken for delivered by its first channel, at once."""

    at: datetime
    contact: str
    kind: str
    channel: str


@dataclass(frozen=True)
class Replayed:
    """What would have become of an incident."""

    told: tuple[Told, ...]
    respond: str
    """``met``, ``missed``, ``open`` (neither yet) or ``none`` (no target, or nobody had to)."""
    resolve: str
    severity: str
    steps: int
    exhausted: int
    verdicts: Mapping[str, tuple[int, int]]
    """Of each metric of the SLAs, reopenings included: how many were met, of how many."""
    remarks: tuple[str, ...]
    """What could not be replayed as it was recorded."""


def replayed(recorded: Sequence[Event], plan: Plan, horizon: datetime) -> Replayed:
    """One incident's whole timeline under ``plan``, up to its resolution or else the ``horizon``.

    Raises NotReplayed.
    """
    place = next((nth for nth, event in enumerate(recorded) if event.type == "opened"), None)
    if place is None:
        raise NotReplayed("was never declared")
    first = recorded[place]
    if first.data.get("drill") is not None:
        raise NotReplayed("is a drill")
    if all(severity.name != first.data["severity"] for severity in plan.rules.severities):
        raise NotReplayed(f"has severity {first.data['severity']}, which {plan.name} lacks")
    ends = [event.recorded_at for event in recorded if event.type == "resolved"]
    again = [event.recorded_at for event in recorded if event.type == "reopened"]
    over = bool(ends) and (not again or again[-1] < ends[-1])
    return _Replay(plan, ends[-1] if over else horizon).run(first, recorded[place + 1 :])


@dataclass
class _Replay:
    plan: Plan
    until: datetime
    events: list[Event] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)
    lapses: int = 0

    def run(self, first: Event, later: Sequence[Event]) -> Replayed:
        self._open(first)
        for event in later:
            act = _ACTS.get(event.type)
            if act is not None:
                self._catch_up(event.recorded_at, inclusive=False)
                act(self, event)
        self._catch_up(self.until, inclusive=True)
        return self._result(first.recorded_at)

    def _open(self, event: Event) -> None:
        rules, data, now = self.plan.rules, event.data, event.recorded_at
        place = parse_incident_id(event.subject)
        if place is None:
            raise NotReplayed("is no incident")
        if all(service.name != data["service"] for service in rules.services):
            self.remarks[f"{self.plan.name} has no service {data['service']}"] = None
        self.incident = Incident(
            *place,
            rules.plan,
            data.get("source"),
            data["group"],
            data["name"],
            data["service"],
            data["severity"],
            rules.hash,
            now,
            title=data["name"],
        )
        draft = opening.open_incident(
            self.incident,
            rules,
            self.plan.directory,
            event.actor,
            data["rule"],
            event.occurred_at,
            None,
            now,
        )
        fire_lapsed(draft, now, inclusive=True)
        self._take(draft.finish())

    def _take(self, change: Change) -> None:
        self.incident = replace(change.after, deliver_at=None)
        self.events += change.events
        self.told += [
            Told(each.owed_at, each.contact, each.message.kind, each.channel)
            for each in change.owed
            if each.message.kind != "refresh"
        ]

    def _catch_up(self, limit: datetime, *, inclusive: bool) -> None:
        """Let everything lapse that was due before ``limit``, each punctually."""
        while True:
            clocks = dues(self.incident, self.plan.rules)
            if self.incident.over or not clocks:
                return
            due = clocks[0][0]
            if due > limit or (due == limit and not inclusive):
                return
            if self.lapses == MOST_LAPSES:
                self.remarks[f"more than {MOST_LAPSES} things lapse; the rest is left out"] = None
                return
            now = max(due, self.incident.recorded_at or due)
            change = advance(self.incident, (), self.plan.rules, self.plan.directory, now)
            if change is None:
                return
            self.lapses += 1
            self._take(change)

    def _draft(self, event: Event) -> Draft:
        return Draft(self.incident, self.incident, self.plan.rules, self.plan.directory, event.recorded_at)

    def _do(self, event: Event, command: Command) -> bool:
        """A person's act; False, with a remark, where this plan refuses it."""
        try:
            while True:
                change = respond(
                    self.incident,
                    command,
                    self.plan.rules,
                    self.plan.directory,
                    event.actor,
                    None,
                    event.recorded_at,
                )
                if change is None:
                    return True
                self._take(change)
                if change.complete:
                    return True
        except (Refused, InvalidInput) as why:
            self.remarks[f"{event.type} is refused: {why}"] = None
            return False

    def acknowledged(self, event: Event) -> None:
        if event.actor.startswith("person:"):
            self._do(event, Acknowledge())

    def raised(self, event: Event) -> None:
        to, draft = event.data["to"], self._draft(event)
        if self.incident.over:
            return
        if all(severity.name != to for severity in self.plan.rules.severities):
            self.remarks[f"{self.plan.name} has no severity {to}: it stays at {self.incident.severity}"] = (
                None
            )
        elif raise_severity(draft, to, event.actor, event.data["rule"]):
            fire_lapsed(draft, event.recorded_at, inclusive=True)
            self._take(draft.finish())

    def changed(self, event: Event) -> None:
        self._do(event, SetSeverity(event.data["to"]))

    def escalated(self, event: Event) -> None:
        by_name = event.data.get("round") is None
        self._do(event, Escalate(event.data["to"][0] if by_name else None))

    def updated(self, event: Event) -> None:
        audiences = event.data["audiences"]
        audience = audiences[0] if len(audiences) == 1 else None
        self._do(event, PostUpdate(event.data["status"], SAID, audience))

    def checked(self, event: Event) -> None:
        lists = self.plan.rules.checklists_for(self.incident.severity)
        item, state = event.data["item"], event.data["state"]
        if any(each.id == item for listed in lists for each in listed.items):
            self._do(event, Tick(item, state, SAID if state == "overridden" else None))

    def handed_over(self, event: Event) -> None:
        if not event.actor.startswith("person:"):
            return
        for role, contact in event.data["roles"].items():
            if contact is not None and contact != event.data["from"].get(role):
                self._do(event, HandOver(role, contact))

    def resolved(self, event: Event) -> None:
        if event.data["by"] == "source":
            self.cleared(event)
        elif event.data["by"] == "person" and not self.incident.over:
            codes = [each.name for each in self.plan.rules.closing_codes]
            code = event.data["code"] if event.data["code"] in codes else next(iter(codes), None)
            self.remarks |= self._checks_left()
            draft = self._draft(event)
            opening.resolve(draft, "person", event.actor, event.occurred_at, code, None, event.recorded_at)
            self._take(draft.finish())

    def cleared(self, event: Event) -> None:
        """Every alert has ended: it is resolved, or this plan leaves that to people."""
        if self.incident.over:
            return
        draft, rules = self._draft(event), self.plan.rules
        if rules.auto_resolve and not unmet(self.incident, rules):
            opening.resolve(draft, "source", event.actor, event.occurred_at, None, None, event.recorded_at)
        else:
            opening.clear(draft, event.actor, event.occurred_at)
            if event.type == "resolved":
                said = "its alerts end, and this plan leaves resolving to people: it stays open from then on"
                self.remarks[said] = None
        self._take(draft.finish())

    def reopened(self, event: Event) -> None:
        if not self.incident.over:
            return
        if event.data["by"] == "person":
            self._do(event, Reopen())
            return
        ended = self.incident.resolved_at
        if ended is not None and event.recorded_at - ended >= self.plan.rules.reopen_within:
            said = "the alerts that reopen it come too late for this plan, which opens another incident"
            self.remarks[f"{said}; taken for a reopening"] = None
        draft = self._draft(event)
        opening.reopen(draft, "source", event.actor, event.occurred_at, None, event.recorded_at)
        fire_lapsed(draft, event.recorded_at, inclusive=True)
        self._take(draft.finish())

    def _checks_left(self) -> dict[str, None]:
        """What people would have had to check under this plan and have not on record."""
        left = [item.id for item in unmet(self.incident, self.plan.rules)]
        said = f"required checks are taken for done by the resolution: {', '.join(left)}"
        return {said: None} if left else {}

    def _result(self, start: datetime) -> Replayed:
        subject, end = self.incident.id, self.until + timedelta(microseconds=1)
        account = account_of(subject, self.events, start, max(end, start + timedelta(microseconds=1)))
        if account is None or account.incident is None:
            raise AssertionError("what was opened has an account")
        verdicts = {}
        for metric in ("respond_sla_met", "resolve_sla_met", "first_response_met"):
            values = [fact.value for fact in account.facts if fact.metric == metric]
            verdicts[metric] = (sum(values), len(values))
        return Replayed(
            tuple(self.told),
            _verdict(account.incident.respond),
            _verdict(account.incident.resolve),
            self.incident.severity,
            sum(event.type == "escalated" for event in self.events),
            sum(event.type == "exhausted" for event in self.events),
            verdicts,
            tuple(self.remarks),
        )


def _verdict(clock: Clock) -> str:
    if clock.due is None or clock.outcome == "void":
        return "none"
    return "open" if clock.outcome == "running" else clock.outcome


_ACTS: Mapping[str, Callable[[_Replay, Event], None]] = {
    "acknowledged": _Replay.acknowledged,
    "acknowledged-late": _Replay.acknowledged,
    "severity-raised": _Replay.raised,
    "severity-changed": _Replay.changed,
    "escalated-manually": _Replay.escalated,
    "status-updated": _Replay.updated,
    "checked": _Replay.checked,
    "roles-assigned": _Replay.handed_over,
    "alerts-cleared": _Replay.cleared,
    "resolved": _Replay.resolved,
    "reopened": _Replay.reopened,
}
"""What sources and people did; the rest follows from the plan."""
