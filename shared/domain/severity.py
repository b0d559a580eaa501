"""An incident's severity changes: a louder alert raises it, a person sets it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.cadence import start_updates
from shared.domain.change import Draft
from shared.domain.deadlines import span_after
from shared.domain.errors import Fault, InvalidInput, Refused
from shared.domain.hours import nominal
from shared.domain.incident import Incident
from shared.domain.ladder import paused, start_ladder, told_key
from shared.domain.opening import clock, clock_dues, resolve_no_sooner_than_respond
from shared.domain.plan import Rules
from shared.domain.sla import Clock
from shared.domain.timeline import Text


@dataclass(frozen=True)
class SetSeverity:
    """The incident is louder or quieter than the plan's rules took it for."""

    severity: str
    reason: Text | None = None


def raise_severity(draft: Draft, severity: str, actor: str, rule: str) -> bool:
    """A louder alert makes the whole incident louder: its ladder starts anew from now; else False.

    What is due at once is the caller's to fire. Who took a quiet incident has not taken a loud one: the first
    step pages all the same, and the acknowledgement expires as the louder severity says.
    """
    incident, rules = draft.incident, draft.rules
    names = [each.name for each in rules.severities]
    if severity not in names or names.index(severity) >= names.index(incident.severity):
        return False
    draft.set(severity=severity)
    if incident.hidden:
        draft.set(held=replace(incident.held, rule=rule) if incident.held else None)
        return False
    _respond_afresh(draft)
    _page_beside_an_acknowledgement(draft)
    draft.set(
        respond=_sooner(incident.respond, clock(draft, draft.severity.respond_within, draft.now)),
        resolve=_sooner(incident.resolve, clock(draft, draft.severity.resolve_within, draft.now)),
    )
    resolve_no_sooner_than_respond(draft)
    data = {"from": incident.severity, "to": severity, "rule": rule}
    draft.event("severity-raised", actor, data | clock_dues(draft))
    return True


def set_severity(draft: Draft, actor: str, command: SetSeverity) -> bool:
    """A person sets it; False where it is that already. Raises InvalidInput or Refused.

    Windows count from the opening (or reopening); a clock that has stopped or breached stays as it is.
    Louder: as for a louder alert. Quieter: of the quieter ladder only the steps to come are left, and where
    somebody has the incident only those for the unresolved.
    """
    incident, rules = draft.incident, draft.rules
    if incident.over:
        raise Refused("the incident is resolved; reopen it first")
    names = [each.name for each in rules.severities]
    if command.severity not in names:
        why = f"the plan has no such severity; it has {', '.join(names)}"
        raise InvalidInput("severity", [Fault("severity", why)])
    if command.severity == incident.severity:
        return False
    began = incident.began or incident.opened_at
    draft.set(severity=command.severity)
    _respond_afresh(draft, quieter=names.index(command.severity) > names.index(incident.severity))
    draft.set(
        respond=_moved(incident.respond, clock(draft, draft.severity.respond_within, began), draft.now),
        resolve=_moved(incident.resolve, clock(draft, draft.severity.resolve_within, began), draft.now),
    )
    resolve_no_sooner_than_respond(draft)
    if names.index(command.severity) < names.index(incident.severity):
        _page_beside_an_acknowledgement(draft)
    else:
        if _somebody_was_called(incident, rules):
            _skip_what_is_due_at_once(draft)
        if incident.status == "acknowledged" and draft.incident.ladder:
            draft.set(ladder=paused(draft.incident.ladder, draft.severity))
    data = {"from": incident.severity, "to": command.severity}
    draft.event("severity-changed", actor, data | clock_dues(draft), text=command.reason)
    return True


def _respond_afresh(draft: Draft, *, quieter: bool = False) -> None:
    """The severity's own response begins now; who was informed is told again only of a louder severity."""
    incident = draft.incident
    heard = {told.split("|", 2)[2] if quieter else told for told in incident.heard}
    informed = []
    for nth, each in enumerate(draft.severity.inform):
        keys = (told_key(draft.severity, nth, name, each) for name in each.notify)
        if all((key.split("|", 2)[2] if quieter else key) in heard for key in keys):
            informed.append(nth)
    draft.set(
        ladder=start_ladder(incident, draft.severity, draft.now), since=draft.now, informed=tuple(informed)
    )
    start_updates(draft, draft.now)


def _somebody_was_called(incident: Incident, rules: Rules) -> bool:
    ladder = incident.ladder
    if ladder is None:
        return False
    return ladder.step > 0 or ladder.rounds_left < rules.severity(incident.severity).repeat.times


def _skip_what_is_due_at_once(draft: Draft) -> None:
    """Who was called for the louder severity is not called again for less: the steps to come are enough."""
    ladder, steps = draft.incident.ladder, draft.severity.steps
    at_once = next((nth for nth, step in enumerate(steps) if nominal(step.after)), len(steps))
    if ladder is not None and at_once:
        draft.set(ladder=replace(ladder, step=at_once))


def _page_beside_an_acknowledgement(draft: Draft) -> None:
    incident, louder = draft.incident, draft.severity
    if incident.status != "acknowledged" or incident.ladder is None or not louder.steps:
        return
    expires = [incident.acknowledgement_expires]
    if louder.acknowledgement_expires is not None:
        expires.append(span_after(draft.now, louder.acknowledgement_expires, draft.rules))
    draft.set(
        ladder=replace(incident.ladder, fresh=True, outgrown=True, at=draft.now),
        acknowledgement_expires=min((each for each in expires if each), default=None),
    )


def _sooner(running: Clock, fresh: Clock) -> Clock:
    """The earlier of two dues; a clock that has stopped or breached stays as it is."""
    if running.stopped_at or running.breached or fresh.due is None:
        return running
    return fresh if running.due is None else replace(running, due=min(running.due, fresh.due))


def _moved(running: Clock, fresh: Clock, now: datetime) -> Clock:
    """The other due, but never one that has passed before anybody knew of it."""
    if running.stopped_at or running.breached:
        return running
    return replace(running, due=max(fresh.due, now) if fresh.due else None)
