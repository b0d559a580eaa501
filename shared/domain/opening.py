"""How an incident begins, begins again, and ends: what alerts and people have in common."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.domain.change import Draft, stamp_or_none
from shared.domain.escalation import fire_lapsed, start_ladder
from shared.domain.incident import Incident
from shared.domain.plan import Directory, Rules
from shared.domain.sla import started
from shared.domain.timeline import Text
from shared.domain.week import next_week_start


def open_incident(
    incident: Incident,
    rules: Rules,
    directory: Directory,
    actor: str,
    rule: str,
    occurred_at: datetime,
    text: Text | None,
    now: datetime,
) -> Draft:
    """Begin a new incident's timeline: clocks, ladder, and the steps that are due at once."""
    draft = Draft(None, incident, rules, directory, now)
    start(draft, now)
    draft.event(
        "opened",
        actor,
        {
            "plan": incident.plan,
            "source": incident.source,
            "name": incident.name,
            "service": incident.service,
            "severity": incident.severity,
            "rules": incident.rules,
            "group": incident.group,
            "rule": rule,
            "respond_due": stamp_or_none(draft.incident.respond.due),
            "resolve_due": stamp_or_none(draft.incident.resolve.due),
        },
        occurred_at,
        text,
    )
    return draft


def start(draft: Draft, now: datetime) -> None:
    """Start both clocks and the ladder afresh, by the incident's severity."""
    severity = draft.rules.severity(draft.incident.severity)
    draft.set(
        status="open",
        respond=started(now, severity.respond_within),
        resolve=started(now, severity.resolve_within),
        ladder=start_ladder(draft.incident, severity, now),
        acknowledged_at=None,
        acknowledged_by=None,
        acknowledgement_expires=None,
        resolved_at=None,
        resolved_by=None,
        week_due=next_week_start(draft.recorded_at, draft.rules.timezone),
    )


def reopen(
    draft: Draft, by: str, actor: str, occurred_at: datetime, text: Text | None, now: datetime
) -> None:
    """Begin again: a fresh response is owed, with fresh clocks and today's contacts."""
    start(draft, now)
    respond, resolve = draft.incident.respond.due, draft.incident.resolve.due
    data = {"by": by, "respond_due": stamp_or_none(respond), "resolve_due": stamp_or_none(resolve)}
    draft.event("reopened", actor, data, occurred_at, text)
    fire_lapsed(draft, now, inclusive=True)


def resolve(
    draft: Draft,
    by: str,
    actor: str,
    occurred_at: datetime,
    code: str | None,
    text: Text | None,
    now: datetime,
) -> None:
    """End it: clocks stop, the ladder ends, and whoever was paged is told."""
    incident = draft.incident
    event = draft.event("resolved", actor, {"by": by, "code": code}, occurred_at, text)
    draft.set(
        status="resolved",
        resolved_at=now,
        resolved_by=actor,
        respond=incident.respond.stopped(now),
        resolve=incident.resolve.stopped(now),
        ladder=replace(incident.ladder, running=False) if incident.ladder else None,
        acknowledgement_expires=None,
        week_due=None,
    )
    told = tuple(contact for contact in incident.told if contact in draft.directory.contacts)
    draft.tell(told, "resolved", "the incident is resolved", event)
