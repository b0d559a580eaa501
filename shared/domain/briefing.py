"""A briefing: everything that a plan's template may say about an incident, as of the moment of sending.

The docstrings of `Briefing` and `Line` are the catalogue that people who write templates read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.delivery import Message
from shared.domain.errors import TocsinError
from shared.domain.incident import Incident
from shared.domain.plan import Plan, Rules

Said = Mapping[str, Sequence[str]]
"""What people said: kind, as in `Incident.said`, -> their words, oldest first."""
NOTHING_SAID: Said = {}
MOST_LINES = 200
"""Incidents that one digest lists."""


class BadTemplate(TocsinError):
    """A template that cannot be rendered; says why. Whoever sends falls back on the standard words."""


class Names(dict[str, str]):
    """Values by name; ``-`` where there is none of that name."""

    def __missing__(self, name: str) -> str:
        """What stands for a name that is not there."""
        return "-"


@dataclass(frozen=True)
class Line:
    """One incident of a digest."""

    id: str
    """Its public id."""
    title: str
    """What it is about."""
    severity: str
    """Its severity, by name."""
    status: str
    """``open`` or ``acknowledged``."""
    age: str
    """How long it has been open, in words."""
    opened_at: datetime
    """When it was opened."""
    service: str
    """Its service, by name."""


@dataclass(frozen=True)
class Briefing:
    """What a template may name. Text that nobody has given is empty."""

    id: str
    """Public id of the incident, ``INC-…``; empty in a digest."""
    plan: str
    """Name of the plan."""
    plan_title: str
    """Title of the plan."""
    title: str
    """What it is about, in the alert's words or those of whoever declared it; outside, its service."""
    severity: str
    """Name of its severity."""
    severity_title: str
    """Title of its severity; the name where the plan gives none."""
    service: str
    """Name of its service."""
    service_title: str
    """Title of its service; the name where the plan gives none."""
    status: str
    """Where the incident stands: `open`, `acknowledged` or `resolved`."""
    kind: str
    """Kind of the notification: `escalation`, `manual`, `inform`, `update`, `resolved` and so on."""
    reason: str
    """Why this contact is told now, in one sentence."""
    drill: str
    """Name of the drill that it is; empty where it is meant."""
    opened_at: datetime
    """When the incident was opened."""
    acknowledged_at: datetime | None
    """When somebody first answered."""
    resolved_at: datetime | None
    """When it was resolved."""
    age: str
    """How long it has lasted, until now or until it was resolved: `1 h 20 min`."""
    summary: str
    """The alert's own text."""
    about: str
    """The words that the message is about: of a status update or an action item."""
    impact: str
    """What it means for users, in the latest words of a responder."""
    actions_taken: tuple[str, ...]
    """What has been done, oldest first; the latest five."""
    current_status: str
    """Words of the latest status update; before the first, the same as `status`."""
    phase: str
    """Of the latest status update: `investigating`, `identified`, `monitoring` or `resolved`."""
    assistance_needed: str
    """What help is asked for."""
    cause: str
    """The cause, in the latest words of a responder."""
    mitigation: str
    """What makes it bearable until it is solved."""
    resolution: str
    """How it was resolved, in words."""
    code: str
    """Closing code under which it was resolved."""
    roles: Mapping[str, str]
    """Who plays which part, by title: `roles['incident-commander']`; `-` where nobody does."""
    next_update: datetime | None
    """When the next status update is owed."""
    respond_due: datetime | None
    """By when somebody has to answer."""
    resolve_due: datetime | None
    """By when it has to be resolved."""
    runbook: str
    """Name of the runbook."""
    runbook_url: str
    """Address of the runbook."""
    incident_url: str
    """Address of the incident in Tocsin."""
    source_url: str
    """Address of the alert at its source."""
    links: Mapping[str, str]
    """The plan's own links: `links['status-page']`; `-` where the plan has none of that name."""
    channel_name: str
    """Name for a chat channel about it: the template `channel-name`, or `incident-2026-11-21-1405`."""
    ticket_title: str
    """Title for a ticket about it: the template `ticket-title`, or `[P1] Checkout is slow`."""
    incidents: tuple[Line, ...]
    """In a digest, the incidents that it lists, loudest first, at most 200; otherwise empty."""
    more: int
    """How many incidents a digest leaves out."""
    timezone: str
    """The plan's time zone, by its IANA name."""
    now: datetime
    """The moment of sending."""


def template_for(plan: Plan, message: Message) -> str | None:
    """Name of the plan's template for a message: the one it asks for, else its kind's; None: none is."""
    for name in (message.template, message.kind):
        if name is not None and name in plan.templates:
            return name
    return None


def briefing(
    incident: Incident,
    rules: Rules,
    plan: Plan,
    message: Message,
    said: Said,
    now: datetime,
    *,
    phase: str = "",
    code: str = "",
) -> Briefing:
    """The briefing about one incident, as it stands now; ``message`` gives kind, reason and addresses.

    ``phase`` is the latest status update's; where there was none it follows from the status.
    """
    resolved = incident.resolved_at if incident.over else None
    outside = message.audience == "external"
    title = _service_title(rules, incident.service) if outside else incident.title or incident.name
    return Briefing(
        **_told(plan, message),
        title=title,
        severity=incident.severity,
        severity_title=_severity_title(rules, incident.severity),
        service=incident.service,
        service_title=_service_title(rules, incident.service),
        status=incident.status,
        drill=incident.drill or "",
        opened_at=incident.opened_at,
        acknowledged_at=incident.acknowledged_at,
        resolved_at=resolved,
        age=span_in_words((resolved or now) - incident.opened_at),
        summary="" if outside else incident.summary,
        about=_latest(said, "about"),
        impact=_latest(said, "impact"),
        actions_taken=tuple(said.get("action-taken", ())),
        current_status=_latest(said, "status") or incident.status,
        phase="resolved" if incident.over else phase or "investigating",
        assistance_needed=_latest(said, "assistance-needed"),
        cause=_latest(said, "cause"),
        mitigation=_latest(said, "mitigation"),
        resolution=_latest(said, "resolution"),
        code="" if outside else code,
        roles=Names({role: _contact_title(plan, contact) for role, contact in incident.roles.items()}),
        next_update=min((each.due for each in incident.updates), default=None),
        respond_due=incident.respond.due,
        resolve_due=incident.resolve.due,
        channel_name=_channel_name(incident.opened_at, rules.timezone),
        ticket_title=f"[{incident.severity}] {title}",
        incidents=(),
        more=0,
        timezone=rules.timezone,
        now=now,
    )


def digest_briefing(plan: Plan, message: Message, incidents: Iterable[Incident], now: datetime) -> Briefing:
    """The briefing of a digest: ``incidents`` as its lines, loudest and then oldest first."""
    rules = plan.rules
    known = {severity.name: place for place, severity in enumerate(rules.severities)}
    lines = [_line(incident, now) for incident in incidents]
    lines.sort(key=lambda line: (known.get(line.severity, len(known)), line.opened_at, line.id))
    return Briefing(
        **_told(plan, message),
        title=message.title,
        severity=message.severity,
        severity_title=_severity_title(rules, message.severity),
        service=message.service,
        service_title=_service_title(rules, message.service),
        status=message.status,
        drill=message.drill or "",
        opened_at=message.opened_at,
        acknowledged_at=None,
        resolved_at=None,
        age=span_in_words(now - message.opened_at),
        summary=message.summary,
        about="",
        impact="",
        actions_taken=(),
        current_status=message.status,
        phase="",
        assistance_needed="",
        cause="",
        mitigation="",
        resolution="",
        code="",
        roles=Names(),
        next_update=None,
        respond_due=None,
        resolve_due=None,
        channel_name=_channel_name(message.opened_at, rules.timezone),
        ticket_title=message.title,
        incidents=tuple(lines[:MOST_LINES]),
        more=max(len(lines) - MOST_LINES, 0),
        timezone=rules.timezone,
        now=now,
    )


def span_in_words(span: timedelta) -> str:
    """``2 d 3 h``, ``1 h 20 min``, ``5 min``: the two largest units, rounded down; never negative."""
    minutes = max(int(span.total_seconds()) // 60, 0)
    days, hours = minutes // 1440, minutes // 60 % 24
    pieces = [(days, "d"), (hours, "h"), (minutes % 60, "min")]
    said = [f"{count} {unit}" for count, unit in (pieces[:2] if days else pieces) if count]
    return " ".join(said) or "0 min"


def _told(plan: Plan, message: Message) -> dict[str, Any]:
    """What both kinds of briefing take from the message and the plan as it is now."""
    return {
        "id": message.incident,
        "plan": plan.name,
        "plan_title": plan.title or plan.name,
        "kind": message.kind,
        "reason": message.reason,
        "runbook": message.runbook or "",
        "runbook_url": message.runbook_url or "",
        "incident_url": message.incident_url or "",
        "source_url": message.source_url or "",
        "links": Names(plan.links),
    }


def _line(incident: Incident, now: datetime) -> Line:
    return Line(
        incident.id,
        incident.title or incident.name,
        incident.severity,
        incident.status,
        span_in_words(now - incident.opened_at),
        incident.opened_at,
        incident.service,
    )


def _channel_name(opened_at: datetime, timezone: str) -> str:
    return f"incident-{opened_at.astimezone(ZoneInfo(timezone)):%Y-%m-%d-%H%M}"


def _latest(said: Said, kind: str) -> str:
    words = said.get(kind, ())
    return words[-1] if words else ""


def _severity_title(rules: Rules, name: str) -> str:
    return next((each.title for each in rules.severities if each.name == name), "") or name


def _service_title(rules: Rules, name: str) -> str:
    return next((each.title for each in rules.services if each.name == name), "") or name


def _contact_title(plan: Plan, name: str) -> str:
    contact = plan.directory.contacts.get(name)
    return (contact.title if contact else "") or name
