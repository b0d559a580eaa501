"""What people see: incidents, one incident whole, its timeline with names and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from shared.domain.briefing import NOTHING_SAID, BadTemplate, Briefing, briefing
from shared.domain.change import message_about
from shared.domain.delivery import Delivery
from shared.domain.incident import Incident
from shared.domain.plan import Checklist, Plan, Rules
from shared.domain.principal import Principal
from shared.domain.report import markdown, report
from shared.domain.runbook import runbook_for_incident
from shared.domain.timeline import Event
from shared.ports import AlertRow, IncidentStore, Page, People, Plans, RulesArchive, Selection, Wording
from shared.workflows.actors import PERSON
from shared.workflows.record_access import Read, RecordAccess
from shared.workflows.visible import visible_incident


@dataclass(frozen=True)
class Wanted:
    """Filters of the list; None means any."""

    plan: str | None = None
    status: str | None = None
    severity: str | None = None
    service: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: str | None = None
    limit: int = 50

    @property
    def live(self) -> bool:
        """Whether only incidents that are not resolved can match."""
        return self.status in ("open", "acknowledged")

    def matches(self, incident: Incident) -> bool:
        """Whether the incident passes every filter on itself."""
        pairs = (
            (self.status, incident.status),
            (self.severity, incident.severity),
            (self.service, incident.service),
        )
        return all(wanted is None or wanted == value for wanted, value in pairs)


@dataclass(frozen=True)
class Whole:
    """One incident with everything that stands beside it; ``names`` maps actors to people."""

    incident: Incident
    alerts: list[AlertRow]
    deliveries: list[Delivery]
    names: Mapping[str, str]
    texts: Mapping[int, str]
    checklists: Sequence[Checklist]
    closing_codes: Mapping[str, str]
    channel_name: str
    ticket_title: str
    runbook: str | None


@dataclass(frozen=True)
class ToldTimeline:
    """A timeline with the names behind its pseudonyms and the texts beside its events."""

    events: list[Event]
    names: Mapping[str, str]
    texts: Mapping[int, str]


@dataclass(frozen=True)
class ToldReport:
    """The report of an incident; ``seconds`` are the times it took, where they are known."""

    incident: Incident
    texts: Mapping[int, str]
    seconds: Mapping[str, int | None]
    markdown: str


@dataclass
class ShowIncidents:
    """The workflow behind ``GET /api/v1/incidents`` and below; Readers see the plans that show themselves."""

    store: IncidentStore
    plans: Plans
    people: People
    rules: RulesArchive
    wording: Wording
    access: RecordAccess

    def page(self, wanted: Wanted, who: Principal) -> Page:
        """One page, newest first. Raises Forbidden, StoreUnavailable."""
        who.require("Reader")
        seen = frozenset(plan.name for plan in self.plans.all() if who.sees(plan))
        plans = seen if wanted.plan is None else seen & {wanted.plan}
        if not plans:
            return Page((), None)
        return self.store.page(
            Selection(
                wanted.matches, plans, wanted.since, wanted.until, wanted.cursor, wanted.limit, wanted.live
            )
        )

    def one(self, incident_id: str, who: Principal, now: datetime) -> Whole:
        """One incident, with what the plan has for it. Raises NotFound, Forbidden, StoreUnavailable."""
        incident = self._visible(incident_id, who)
        plan, rules = self.plans.get(incident.plan), self.rules.get(incident.rules)
        actors = [actor for actor in (incident.acknowledged_by, incident.resolved_by) if actor]
        named = self._named(incident, plan, rules, now)
        return Whole(
            incident,
            self.store.alerts(incident),
            self.store.deliveries(incident),
            self._names(actors),
            self.store.texts(incident.id) if incident.items else {},
            rules.checklists_for(incident.severity),
            {code.name: code.title for code in rules.closing_codes},
            named.channel_name,
            named.ticket_title,
            runbook_for_incident(plan, incident),
        )

    def report(self, incident_id: str, who: Principal) -> ToldReport:
        """The report of an incident, as far as its timeline goes. Raises as `one`."""
        incident = self._visible(incident_id, who)
        events, texts = list(self.store.events(incident.id)), self.store.texts(incident.id)
        names = self._names([event.actor for event in events])
        made = report(incident, events, texts, names, self.rules.get(incident.rules))
        return ToldReport(incident, texts, asdict(made.times), markdown(made))

    def timeline(self, incident_id: str, who: Principal, now: datetime) -> ToldTimeline:
        """The events in order, with what was written; the reading is on record. Raises as `one`."""
        incident = self._visible(incident_id, who)
        read = Read("timeline", incident=incident.id)
        self.access.by(who, self.plans.get(incident.plan), read, now)
        events = list(self.store.events(incident.id))
        return ToldTimeline(
            events, self._names([event.actor for event in events]), self.store.texts(incident.id)
        )

    def _visible(self, incident_id: str, who: Principal) -> Incident:
        who.require("Reader")
        return visible_incident(self.store, self.plans, incident_id, who)[0]

    def _named(self, incident: Incident, plan: Plan, rules: Rules, now: datetime) -> Briefing:
        """The names that the plan's templates give the incident's channel and ticket."""
        about = message_about(incident, "inform", "")
        told = briefing(incident, rules, plan, about, NOTHING_SAID, now)
        try:
            return self.wording.named(plan, told)
        except BadTemplate:
            return told

    def _names(self, actors: list[str]) -> Mapping[str, str]:
        found = {}
        for actor in sorted(set(actors)):
            if actor.startswith(PERSON):
                found[actor] = self.people.name(actor.removeprefix(PERSON)) or "erased"
        return found
