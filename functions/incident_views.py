"""How incidents, timelines and deliveries look in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from functions.answers import (
    ActionItemOfIncident,
    AlertOfIncident,
    ChecklistOfIncident,
    DeliveryOfIncident,
    IncidentLine,
    IncidentWhole,
    ItemOfChecklist,
    OnCallNow,
    ReviewOfIncident,
    ReviewReport,
    SlaClock,
    Status,
    Timeline,
    TimelineEvent,
)
from shared.domain.delivery import Delivery
from shared.domain.incident import Incident
from shared.domain.plan import Checklist
from shared.domain.sla import Clock
from shared.domain.timeline import Event, record, stamp, stamp_or_none
from shared.ports import AlertRow
from shared.workflows.show_incidents import ToldReport, ToldTimeline, Whole
from shared.workflows.show_oncall import Turn


def brief(incident: Incident) -> IncidentLine:
    """One line of the list."""
    return {
        "id": incident.id,
        "plan": incident.plan,
        "title": incident.title,
        "source": incident.source,
        "name": incident.name,
        "service": incident.service,
        "severity": incident.severity,
        "status": cast("Status", incident.status),  # what is hidden never comes here
        "opened_at": stamp(incident.opened_at),
        "acknowledged_at": stamp_or_none(incident.acknowledged_at),
        "resolved_at": stamp_or_none(incident.resolved_at),
        "alert_count": incident.alert_count,
        "firing": incident.firing,
        "drill": incident.drill,
    }


def whole(found: Whole) -> IncidentWhole:
    """Everything about one incident."""
    incident = found.incident
    ladder = incident.ladder
    return {
        **brief(incident),
        "summary": incident.summary,
        "source_url": incident.source_url,
        "acknowledged_by": found.names.get(incident.acknowledged_by or ""),
        "acknowledgement_expires": stamp_or_none(incident.acknowledgement_expires),
        "resolved_by": found.names.get(incident.resolved_by or "", incident.resolved_by),
        "sla": {"respond": _clock(incident.respond), "resolve": _clock(incident.resolve)},
        "escalation": None
        if ladder is None
        else {
            "round": ladder.round,
            "steps_fired": ladder.step,
            "running": ladder.running and not ladder.exhausted,
            "exhausted": ladder.exhausted,
        },
        "told": list(incident.told),
        "roles": dict(incident.roles),
        "progress": incident.progress,
        "updates": [{"audience": each.audience, "due": stamp(each.due)} for each in incident.updates],
        "checklists": [_checklist(each, incident) for each in found.checklists],
        "closing_codes": dict(found.closing_codes),
        "review": review(incident),
        "action_items": action_items(incident, found.texts),
        "channel_name": found.channel_name,
        "ticket_title": found.ticket_title,
        "runbook": found.runbook,
        "deadline": stamp_or_none(incident.deadline),
        "rules": incident.rules,
        "timeline": {"length": incident.length, "head": incident.head},
        "alerts": [_alert(alert) for alert in found.alerts],
        "deliveries": [_delivery(delivery, incident.receipts) for delivery in found.deliveries],
        "held_back": [
            {"contact": each.contact, "kind": each.kind, "until": stamp(each.until), "count": each.count}
            for each in incident.held_back
        ],
        "first_told_at": stamp_or_none(incident.first_told_at),
    }


def review(incident: Incident) -> ReviewOfIncident | None:
    """Where the post-incident review stands."""
    found = incident.review
    if found is None:
        return None
    return {
        "due": stamp(found.due),
        "sections": list(found.sections),
        "completed_at": stamp_or_none(found.completed_at),
    }


def action_items(incident: Incident, texts: Mapping[int, str]) -> list[ActionItemOfIncident]:
    """Every action item, with its latest words."""
    return [
        {
            "id": item.id,
            "title": texts.get(item.said, "(erased)"),
            "owner": item.owner,
            "due": stamp(item.due),
            "priority": item.priority,
            "status": item.status,
        }
        for item in incident.items
    ]


def reported(told: ToldReport) -> ReviewReport:
    """The report of an incident."""
    return {
        "incident": told.incident.id,
        "seconds": dict(told.seconds),
        "review": review(told.incident),
        "action_items": action_items(told.incident, told.texts),
        "markdown": told.markdown,
    }


def turn(found: Turn) -> OnCallNow:
    """A rotation as of now."""
    return {
        "rotation": found.rotation.name,
        "title": found.rotation.title,
        "contact": found.now.contact,
        "why": found.now.why,
        "until": stamp(found.until),
        "next": found.next,
        "feed": found.feed,
    }


def _checklist(checklist: Checklist, incident: Incident) -> ChecklistOfIncident:
    items = [
        cast(
            "ItemOfChecklist",
            {
                "id": item.id,
                "text": item.text,
                "required": item.required,
                "state": incident.checked.get(item.id, "open"),
            },
        )
        for item in checklist.items
    ]
    return {"name": checklist.name, "title": checklist.title, "phase": checklist.phase, "items": items}


def timeline(told: ToldTimeline) -> Timeline:
    """The chained events as hashed, each with ``actor_name`` and the ``text`` beside it."""
    return {"events": [_event(told, event) for event in told.events]}


def _event(told: ToldTimeline, event: Event) -> TimelineEvent:
    beside = {"actor_name": _named(event.actor, told.names), "text": told.texts.get(event.seq)}
    return cast("TimelineEvent", record(event) | beside)


def _named(actor: str, names: Mapping[str, str]) -> str:
    return names.get(actor) or actor.removeprefix("source:")


def _alert(alert: AlertRow) -> AlertOfIncident:
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "state": alert.state,
        "count": alert.count,
        "started_at": stamp(alert.started_at),
        "first_seen": stamp(alert.first_seen),
        "last_seen": stamp(alert.last_seen),
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "url": alert.url,
    }


def _delivery(delivery: Delivery, receipts: Sequence[str]) -> DeliveryOfIncident:
    heard = [each.rpartition(" ")[2] for each in receipts if each.startswith(f"{delivery.id} ")]
    return {
        "id": delivery.id,
        "kind": delivery.message.kind,
        "contact": delivery.contact,
        "channel": delivery.channel,
        "state": delivery.state,
        "reason": delivery.message.reason,
        "caused_by": delivery.caused_by,
        "idempotency_key": delivery.idempotency_key,
        "owed_at": stamp(delivery.owed_at),
        "due_at": stamp(delivery.due_at),
        "receipts": heard,
        "body_sha256": delivery.body_sha256,
        "template": delivery.template,
        "template_version": delivery.template_version,
        "digest": delivery.gathered,
        "attempts": [
            {
                "sent_at": stamp_or_none(attempt.sent_at),
                "at": stamp(attempt.at),
                "accepted": attempt.accepted,
                "status": attempt.status,
                "provider_id": attempt.provider_id,
                "error": attempt.error,
            }
            for attempt in delivery.attempts
        ],
    }


def _clock(clock: Clock) -> SlaClock:
    due, stopped = stamp_or_none(clock.due), stamp_or_none(clock.stopped_at)
    return {"due": due, "stopped_at": stopped, "state": _state(clock)}


def _state(clock: Clock) -> Literal["none", "running", "stopped", "breached"]:
    if clock.due is None:
        return "none"
    if clock.breached:
        return "breached"
    return "stopped" if clock.stopped_at else "running"
