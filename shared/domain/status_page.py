"""The status page: what customers have been told of a plan's incidents, and nothing that they have not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.incident import OUTSIDE, Incident
from shared.domain.plan import Plan
from shared.domain.timeline import Event

State = Literal["operational", "degraded", "disrupted"]
Phase = Literal["investigating", "identified", "monitoring", "resolved"]
PHASES: tuple[Phase, ...] = ("investigating", "identified", "monitoring", "resolved")
STATES: tuple[State, ...] = ("operational", "degraded", "disrupted")
"""From the best to the worst."""
MOST_INCIDENTS = 50
ABOUT = (
    "This page shows what customers have been told. A service counts as operational until they have been "
    "told of an incident; then as disrupted where it is of the loudest severity, otherwise as degraded; and "
    "as operational again once they have been told that it is resolved, or it is."
)


@dataclass(frozen=True)
class PublicUpdate:
    """One thing that was said for outside; ``words`` are hostile."""

    at: datetime
    phase: Phase
    words: str


@dataclass(frozen=True)
class PublicIncident:
    """An incident as customers know it: by the service, never by what the alert is called."""

    id: str
    title: str
    """Of its service."""
    phase: Phase
    state: State
    """What it makes of its service; ``operational`` once it is resolved."""
    opened_at: datetime
    resolved_at: datetime | None
    updates: tuple[PublicUpdate, ...]
    """Newest first."""


@dataclass(frozen=True)
class PublicService:
    """A service that customers see."""

    title: str
    state: State


@dataclass(frozen=True)
class PublicStatus:
    """Everything that the public reads of a plan."""

    title: str
    timezone: str
    updated_at: datetime
    state: State
    """The worst of the services."""
    services: tuple[PublicService, ...]
    incidents: tuple[PublicIncident, ...]
    """At most `MOST_INCIDENTS`: those that are not resolved first, newest first in each part."""


def is_public(incident: Incident, plan: Plan, now: datetime) -> bool:
    """Whether the page shows it: customers see its service and, since it began, have been told of it.

    Never a drill, nor what was not declared; and what is resolved only for as long as the history goes.
    """
    page = plan.status_page
    if page is None or incident.hidden or incident.drill is not None:
        return False
    if not plan.rules.faces_customers(incident.service) or not _told_outside(incident):
        return False
    ended = incident.resolved_at if incident.over else None
    return ended is None or now - ended < page.history


def spoken(events: Iterable[Event]) -> tuple[Event, ...]:
    """Of a timeline, the events that may have said something for outside."""
    return tuple(
        event
        for event in events
        if event.type == "resolved"
        or (event.type == "status-updated" and "external" in event.data["audiences"])
    )


def public_incident(
    incident: Incident, said: Iterable[Event], texts: Mapping[int, str], plan: Plan
) -> PublicIncident:
    """One incident of the page: what it has `spoken`, with its texts by sequence number; not those erased."""
    updates = [each for event in said if (each := _said(event, incident, texts))]
    phase: Phase = "resolved" if incident.over else _phase(incident.progress_outside)
    return PublicIncident(
        incident.id,
        _title(plan, incident.service),
        phase,
        _state(incident, phase, plan),
        incident.opened_at,
        incident.resolved_at if incident.over else None,
        tuple(reversed(updates)),
    )


def public_status(
    plan: Plan, shown: Sequence[tuple[Incident, PublicIncident]], updated_at: datetime
) -> PublicStatus:
    """The page with these incidents, each as stored and as shown."""
    order = sorted(shown, key=lambda each: (each[0].opened_at, each[0].id), reverse=True)
    live = [each for incident, each in order if not incident.over]
    past = [each for incident, each in order if incident.over]
    worst: dict[str, State] = {}
    for incident, each in order:
        worst[incident.service] = max(
            worst.get(incident.service, "operational"), each.state, key=STATES.index
        )
    services = tuple(
        PublicService(each.title or each.name, worst.get(each.name, "operational"))
        for each in plan.rules.services
        if each.customer_facing
    )
    return PublicStatus(
        plan.status_page.title if plan.status_page else plan.title,
        plan.rules.timezone,
        updated_at,
        max((each.state for each in services), key=STATES.index, default="operational"),
        services,
        (*live, *past)[:MOST_INCIDENTS],
    )


def _told_outside(incident: Incident) -> bool:
    """An update or a telling for outside, since it began; the row knows without its timeline."""
    return incident.progress_outside is not None or bool(incident.outsiders)


def _said(event: Event, incident: Incident, texts: Mapping[int, str]) -> PublicUpdate | None:
    """What one of the events `spoken` said for outside, where its words are still there."""
    words = texts.get(event.seq, "").strip()
    if not words:
        return None
    if event.type == "status-updated":
        return PublicUpdate(event.recorded_at, _phase(event.data["status"]), words)
    if event.type == "resolved" and (f"resolution{OUTSIDE}", event.seq) in incident.said:
        return PublicUpdate(event.recorded_at, "resolved", words)
    return None


def _phase(stated: str | None) -> Phase:
    return next((phase for phase in PHASES if phase == stated), "investigating")


def _state(incident: Incident, phase: Phase, plan: Plan) -> State:
    if phase == "resolved":
        return "operational"
    return "disrupted" if incident.severity == plan.rules.severities[0].name else "degraded"


def _title(plan: Plan, service: str) -> str:
    return next((each.title for each in plan.rules.services if each.name == service), "") or service
