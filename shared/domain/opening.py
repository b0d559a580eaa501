"""How an incident begins, begins again, and ends: what alerts, people and drills have in common."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.domain import review
from shared.domain.cadence import start_updates
from shared.domain.catching_up import catch_up
from shared.domain.change import MOST_TOLD, TOCSIN, Draft
from shared.domain.deadlines import span_after
from shared.domain.hours import Span
from shared.domain.incident import Held, Incident
from shared.domain.ladder import start_ladder
from shared.domain.plan import Directory, Rules
from shared.domain.roles import assign_roles
from shared.domain.sla import Clock
from shared.domain.telling import Telling
from shared.domain.timeline import Text, stamp, stamp_or_none
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
    """Begin a new incident's timeline: clocks, ladder, roles. What is due at once is the caller's to fire."""
    draft = Draft(None, incident, rules, directory, now)
    _begin(draft, actor, rule, None, occurred_at, text)
    return draft


def hold(
    incident: Incident,
    rules: Rules,
    directory: Directory,
    actor: str,
    held: Held,
    occurred_at: datetime,
    now: datetime,
) -> Draft:
    """Begin the timeline of an incident that is not declared yet, but hidden."""
    draft = Draft(None, replace(incident, status="pending", held=held), rules, directory, now)
    data = {"rule": held.rule, "declaration": held.declaration, "declare_due": stamp(held.until)}
    draft.event("pending", actor, _identity(incident) | data, occurred_at)
    return draft


def declare(draft: Draft, actor: str, now: datetime) -> None:
    """A pending incident becomes one that people must handle."""
    held = draft.incident.held
    if held is None:
        raise AssertionError("only a pending incident can be declared")
    draft.set(opened_at=draft.recorded_at, held=None)
    began = min((state.started_at for state in draft.incident.alerts.values()), default=now)
    _begin(draft, actor, held.rule, held.declaration, began, None)


def declare_lapsed(draft: Draft, due: datetime) -> None:
    """It has gone on for as long as the plan waits."""
    declare(draft, TOCSIN, due)


def drop(draft: Draft, actor: str, occurred_at: datetime) -> None:
    """It cleared before it was declared."""
    draft.event("dropped", actor, {}, occurred_at)
    draft.set(status="dropped", held=None, resolved_at=draft.recorded_at)


def clear(draft: Draft, actor: str, occurred_at: datetime) -> None:
    """No alert fires any more, but people resolve it: the commander is told, or whoever was told first."""
    event = draft.event("alerts-cleared", actor, {}, occurred_at)
    holders = draft.incident.roles
    commander = next((holders[role.name] for role in draft.rules.roles if role.name in holders), None)
    told = (commander,) if commander else draft.incident.told[:1]
    draft.tell(told, "cleared", "every alert has ended; verify it, and resolve the incident", event)


def start(draft: Draft, now: datetime) -> None:
    """Start both clocks, the ladder and the updates afresh, by the incident's severity."""
    severity = draft.severity
    draft.set(
        status="open",
        began=now,
        outsiders=(),
        heard=(),
        said=(),
        progress_outside=None,
        respond=clock(draft, severity.respond_within, now),
        resolve=clock(draft, severity.resolve_within, now),
        ladder=start_ladder(draft.incident, severity, now),
        since=now,
        informed=(),
        still_open_at=None,
        still_open_nth=0,
        updates=(),
        progress=None,
        checked={},
        acknowledged_at=None,
        acknowledged_by=None,
        acknowledgement_expires=None,
        resolved_at=None,
        resolved_by=None,
        code=None,
        week_due=next_week_start(draft.recorded_at, draft.rules.timezone),
    )
    resolve_no_sooner_than_respond(draft)
    start_updates(draft, now)


def clock(draft: Draft, window: Span | None, since: datetime) -> Clock:
    """A clock that runs from ``since`` for a window of the plan."""
    return Clock(span_after(since, window, draft.rules) if window is not None else None)


def resolve_no_sooner_than_respond(draft: Draft) -> None:
    """In business time a resolution may come out due before the response; it never is."""
    respond, resolve = draft.incident.respond, draft.incident.resolve
    if resolve.pending is not None and respond.pending is not None and resolve.pending < respond.pending:
        draft.set(resolve=replace(resolve, due=respond.pending))


def reopen(
    draft: Draft, by: str, actor: str, occurred_at: datetime, text: Text | None, now: datetime
) -> None:
    """Begin again: a fresh response is owed, with fresh clocks and today's contacts."""
    review.withdraw(draft)
    start(draft, now)
    draft.event("reopened", actor, {"by": by} | clock_dues(draft), occurred_at, text)
    assign_roles(draft)


def resolve(
    draft: Draft,
    by: str,
    actor: str,
    occurred_at: datetime,
    code: str | None,
    text: Text | None,
    now: datetime,
) -> None:
    """End it: clocks stop, the ladder ends, and whoever was told of it is told; a review may be due."""
    spare = max(0, draft.room - closing_rows(draft)) // 2  # what has no room here keeps its own time
    for held in [each for each in draft.incident.held_back if each.kind == "update"][:spare]:
        catch_up(draft, held, draft.recorded_at)
    incident = draft.incident
    event = draft.event("resolved", actor, {"by": by, "code": code}, occurred_at, text)
    if text is not None:
        draft.say("resolution", event.seq)
    draft.set(
        status="resolved",
        resolved_at=now,
        resolved_by=actor,
        code=code,
        respond=incident.respond.stopped(now),
        resolve=incident.resolve.stopped(now),
        ladder=replace(incident.ladder, running=False) if incident.ladder else None,
        acknowledgement_expires=None,
        updates=(),
        week_due=None,
    )
    for each in draft.severity.updates:
        own = each.template if each.audience == "external" else None
        telling = Telling("resolved", "the incident is resolved", event, own, each.audience)
        draft.tell_of(each.notify, telling)
    for name, template in incident.outsiders:
        draft.tell_of((name,), Telling("resolved", "it is resolved", event, template, "external"))
    told = tuple(contact for contact in incident.told if contact in draft.directory.contacts)
    draft.tell(told, "resolved", "the incident is resolved", event)
    review.require(draft)


def clock_dues(draft: Draft) -> dict[str, str | None]:
    """Both clocks' due instants, as event data carries them."""
    incident = draft.incident
    return {
        "respond_due": stamp_or_none(incident.respond.due),
        "resolve_due": stamp_or_none(incident.resolve.due),
    }


def closing_rows(draft: Draft) -> int:
    """Rows that resolving the incident now may take at most: its events, and everybody who is told."""
    updates = sum(len(each.notify) for each in draft.severity.updates)
    outside, rule = len(draft.incident.outsiders), draft.rules.review
    told = MOST_TOLD + outside + updates + (len(rule.notify) if rule else 0)
    return 8 + told + len(draft.rules.alarm)


def end_drill(draft: Draft, due: datetime) -> None:
    """Nobody has ended the drill: it is over."""
    resolve(draft, "tocsin", TOCSIN, due, None, None, draft.now)


def _begin(
    draft: Draft, actor: str, rule: str, declaration: str | None, occurred_at: datetime, text: Text | None
) -> None:
    start(draft, draft.now)
    why = {"rule": rule, "declaration": declaration, "drill": draft.incident.drill}
    data = _identity(draft.incident) | why | clock_dues(draft)
    draft.event("opened", actor, data, occurred_at, text)
    assign_roles(draft)


def _identity(incident: Incident) -> dict[str, object]:
    return {
        "plan": incident.plan,
        "source": incident.source,
        "name": incident.name,
        "service": incident.service,
        "severity": incident.severity,
        "rules": incident.rules,
        "group": incident.group,
    }
