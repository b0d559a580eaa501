"""The cadence of status updates: an audience is owed one every so often, and whoever owes it is reminded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from shared.domain.change import TOCSIN, Draft
from shared.domain.deadlines import span_after
from shared.domain.errors import Fault, InvalidInput, Refused
from shared.domain.hours import in_local_words
from shared.domain.incident import OUTSIDE, UpdateDue
from shared.domain.matrix import Audience, Updates
from shared.domain.telling import Telling
from shared.domain.timeline import Text, stamp, stamp_or_none

Progress = Literal["investigating", "identified", "monitoring", "resolved"]


@dataclass(frozen=True)
class PostUpdate:
    """Where the response stands, in words, for one audience or (none named) for all."""

    progress: Progress
    text: Text
    audience: Audience | None = None


def start_updates(draft: Draft, now: datetime) -> None:
    """The first update of each audience is owed from now on, where it is not owed sooner already."""
    owed = {each.audience: each for each in draft.incident.updates}
    for each in draft.severity.updates:
        window = each.first_within if each.first_within is not None else each.every
        if window is None:
            continue
        fresh = UpdateDue(each.audience, span_after(now, window, draft.rules))
        before = owed.get(each.audience)
        sooner = before if before is not None and before.due <= fresh.due else fresh
        too_late = sooner.due - each.remind_before <= now
        owed[each.audience] = replace(sooner, reminded=sooner.reminded or too_late)
    stated = {each.audience for each in draft.severity.updates}
    draft.set(updates=tuple(each for audience, each in owed.items() if audience in stated))


def remind(draft: Draft, due: datetime) -> None:
    """The update will lapse soon: whoever owes it is told."""
    owed, rule = _lapsing(draft, due, before=True)
    data = {"audience": owed.audience, "due": stamp(owed.due), "late_seconds": draft.late(due)}
    event = draft.event("update-reminded", TOCSIN, data, due)
    _put(draft, replace(owed, reminded=True))
    when = in_local_words(owed.due, draft.rules.timezone)
    draft.tell(rule.remind, "reminder", f"the {owed.audience} status update is due at {when}", event)


def lapse_update(draft: Draft, due: datetime) -> None:
    """The update is missing: on record, and whoever owes it is told again. Missed ones in a row are one."""
    owed, rule = _lapsing(draft, due, before=False)
    following, missed = _following(draft, rule, due)
    data = {
        "audience": owed.audience,
        "due": stamp(due),
        "late_seconds": draft.late(due),
        "missed": missed,
    }
    event = draft.event("update-lapsed", TOCSIN, data, due)
    if following is None:
        draft.set(updates=tuple(each for each in draft.incident.updates if each.audience != owed.audience))
    else:
        _put(draft, UpdateDue(owed.audience, following))
    draft.tell(rule.remind, "reminder", f"the {owed.audience} status update is overdue", event)


def post_update(draft: Draft, actor: str, command: PostUpdate) -> None:
    """Record a status update, tell its audiences, and owe the next. Raises Refused where it is over."""
    incident = draft.incident
    if incident.over:
        raise Refused("the incident is resolved; reopen it first")
    rules = [each for each in draft.severity.updates if command.audience in (None, each.audience)]
    if command.audience == "external" and not rules:
        why = "nobody outside is owed updates about this incident: its severity and service have none"
        raise InvalidInput("status", [Fault("audience", why)])
    audiences = [command.audience] if command.audience else [each.audience for each in rules] or ["internal"]
    following = {
        each.audience: span_after(draft.now, each.every, draft.rules) if each.every is not None else None
        for each in rules
    }
    data = {
        "status": command.progress,
        "audiences": audiences,
        "next_due": {audience: stamp_or_none(due) for audience, due in following.items()},
    }
    event = draft.event("status-updated", actor, data, text=command.text)
    kept = [each for each in incident.updates if each.audience not in audiences]
    fresh = [UpdateDue(audience, due) for audience, due in following.items() if due is not None]
    draft.set(updates=(*kept, *fresh))
    draft.set(progress=command.progress)
    draft.say("status", event.seq)
    if "external" in audiences:
        draft.set(progress_outside=command.progress)
        draft.say(f"status{OUTSIDE}", event.seq)
    reason = f"status update: {command.progress}"
    for each in rules:
        telling = Telling("update", reason, event, each.template, each.audience, event.seq)
        draft.tell_of(each.notify, telling)


def _lapsing(draft: Draft, due: datetime, *, before: bool) -> tuple[UpdateDue, Updates]:
    """The update owed, and its rule, whose reminder (``before``) or due instant has come."""
    for owed in draft.incident.updates:
        for rule in draft.severity.updates:
            if rule.audience != owed.audience or (before and owed.reminded):
                continue
            if due == (owed.due - rule.remind_before if before else owed.due):
                return owed, rule
    raise AssertionError("an update that lapses is owed by the severity's rules")


def _following(draft: Draft, rule: Updates, due: datetime) -> tuple[datetime | None, int]:
    """When the one after is owed, later than the moment of record, and how many were missed till then."""
    if rule.every is None:
        return None, 1
    missed, following = 1, span_after(due, rule.every, draft.rules)
    while following <= draft.recorded_at:
        missed, following = missed + 1, span_after(following, rule.every, draft.rules)
    return following, missed


def _put(draft: Draft, owed: UpdateDue) -> None:
    kept = tuple(owed if each.audience == owed.audience else each for each in draft.incident.updates)
    draft.set(updates=kept)
