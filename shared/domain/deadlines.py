"""When an incident next needs looking at, and for what: every clock that runs on it, in one list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from shared.domain.hours import Span, after
from shared.domain.incident import Incident
from shared.domain.matrix import Severity
from shared.domain.plan import Rules

Lapse = Literal[
    "declare",
    "acknowledgement",
    "ladder",
    "respond",
    "resolve",
    "inform",
    "remind",
    "update",
    "review",
    "action-item",
    "still-open",
    "held-back",
    "drill",
    "week",
]
DRILL_LASTS = timedelta(hours=24)
"""A drill that nobody ends is over then."""


def dues(incident: Incident, rules: Rules) -> list[tuple[datetime, Lapse]]:
    """Every clock that runs, earliest first; at the same instant in the order in which they are acted on."""
    found: list[tuple[datetime | None, Lapse]]
    if incident.status == "pending":
        found = [(incident.held.until if incident.held else None, "declare")]
    elif incident.over:
        found = [*_afterwards(incident, rules), *_held_back(incident)]
    else:
        found = [*_meanwhile(incident, rules), *_held_back(incident)]
    return sorted(((due, lapse) for due, lapse in found if due is not None), key=lambda each: each[0])


def ruling(incident: Incident, rules: Rules) -> Severity:
    """The severity's row as it rules this incident."""
    return rules.ruling(incident.severity, incident.service, drill=incident.drill is not None)


def deadline(incident: Incident, rules: Rules) -> datetime | None:
    """When the incident next needs looking at; None where nothing is left to come."""
    clocks = [due for due, _ in dues(incident, rules)[:1]]
    if incident.deliver_at is not None:
        clocks.append(incident.deliver_at)
    return min(clocks, default=None)


def ladder_due(incident: Incident, rules: Rules) -> datetime | None:
    """When the next step fires, the next round begins, or the ladder turns out to be exhausted."""
    ladder, severity = incident.ladder, ruling(incident, rules)
    if ladder is None or not ladder.running or ladder.exhausted or not severity.steps:
        return None
    if ladder.at is not None:
        return ladder.at
    if ladder.step < len(severity.steps):
        return span_after(ladder.base, severity.steps[ladder.step].after, rules)
    return span_after(span_after(ladder.base, severity.steps[-1].after, rules), severity.repeat.every, rules)


def next_inform(incident: Incident, severity: Severity, rules: Rules) -> tuple[datetime, int] | None:
    """The next who is told without being asked to act: when, and which by its place; None where all were."""
    if incident.since is None:
        return None
    left = [
        (span_after(incident.since, inform.after, rules), nth)
        for nth, inform in enumerate(severity.inform)
        if nth not in incident.informed
    ]
    return min(left, default=None)


def still_open_due(incident: Incident, severity: Severity, rules: Rules) -> datetime | None:
    """When somebody is next reminded that it is not resolved; None: nobody is."""
    if severity.still_open is None:
        return None
    since = max(incident.still_open_at or incident.opened_at, incident.since or incident.opened_at)
    return span_after(since, severity.still_open.every, rules)


def span_after(start: datetime, span: Span, rules: Rules) -> datetime:
    """``span`` from ``start``, by the plan's business hours and time zone."""
    return after(start, span, rules.hours, rules.timezone)


def _meanwhile(incident: Incident, rules: Rules) -> Iterator[tuple[datetime | None, Lapse]]:
    severity = ruling(incident, rules)
    yield incident.acknowledgement_expires, "acknowledgement"
    yield ladder_due(incident, rules), "ladder"
    yield incident.respond.pending, "respond"
    yield incident.resolve.pending, "resolve"
    told = next_inform(incident, severity, rules)
    yield told[0] if told else None, "inform"
    for owed in incident.updates:
        leads = [each.remind_before for each in severity.updates if each.audience == owed.audience]
        if any(leads) and not owed.reminded:
            yield owed.due - leads[0], "remind"
        yield owed.due, "update"
    yield from _items(incident, rules)
    yield still_open_due(incident, severity, rules), "still-open"
    yield (incident.began or incident.opened_at) + DRILL_LASTS if incident.drill else None, "drill"
    yield incident.week_due, "week"


def _held_back(incident: Incident) -> Iterator[tuple[datetime | None, Lapse]]:
    yield min((each.until for each in incident.held_back), default=None), "held-back"


def _afterwards(incident: Incident, rules: Rules) -> Iterator[tuple[datetime | None, Lapse]]:
    review, rule = incident.review, rules.review
    if review is not None and rule is not None and review.completed_at is None:
        if review.reminded < len(rule.remind):
            yield review.due - rule.remind[review.reminded], "review"
        else:
            yield review.due + review.overdue * rule.overdue_every, "review"
    yield from _items(incident, rules)


def _items(incident: Incident, rules: Rules) -> Iterator[tuple[datetime | None, Lapse]]:
    for item in incident.items:
        if item.live:
            yield item.due + item.overdue * rules.action_items.every, "action-item"
