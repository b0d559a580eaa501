"""The ladder of an escalation: its steps fire in order, round by round, until somebody answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.domain.change import TOCSIN, Draft
from shared.domain.deadlines import next_inform
from shared.domain.hours import nominal
from shared.domain.incident import Incident, Ladder
from shared.domain.matrix import Severity
from shared.domain.timeline import stamp


def start_ladder(incident: Incident, severity: Severity, now: datetime) -> Ladder:
    """A fresh ladder; rounds are numbered on, so that (round, step) names one firing for ever."""
    round_ = incident.ladder.round + 1 if incident.ladder else 1
    return Ladder(base=now, round=round_, rounds_left=severity.repeat.times)


def climb(draft: Draft, due: datetime) -> None:
    """Fire or pass over the next step, begin the next round, or find that the ladder is exhausted."""
    severity, ladder = draft.severity, ladder_of(draft)
    if ladder.step < len(severity.steps):
        if _needless(draft, severity):
            _pass_over(draft, due)
        else:
            fire_step(draft, due)
    elif ladder.rounds_left:
        left = ladder.rounds_left - 1
        draft.set(ladder=replace(ladder, base=due, at=None, round=ladder.round + 1, step=0, rounds_left=left))
    else:
        data = {"due": stamp(due), "late_seconds": draft.late(due), "rounds": severity.repeat.times + 1}
        event = draft.event("exhausted", TOCSIN, data, due)
        draft.set(ladder=replace(ladder, exhausted=True))
        if draft.incident.status == "open":
            draft.alarm("every step of the escalation has fired and nobody has answered", event)
        else:
            draft.alarm("every step of the escalation has fired and it is not resolved", event)


def fire_step(draft: Draft, due: datetime) -> None:
    """Fire the ladder's next step; there must be one."""
    severity, ladder = draft.severity, ladder_of(draft)
    step = severity.steps[ladder.step]
    number, of = ladder.step + 1, len(severity.steps)
    event = draft.event(
        "escalated",
        TOCSIN,
        {
            "round": ladder.round,
            "step": number,
            "of": of,
            "due": stamp(due),
            "late_seconds": draft.late(due),
            "notify": list(step.notify),
            "on_call": draft.on_call(step.notify),
        },
        due,
    )
    draft.set(ladder=replace(ladder, step=number, at=None))
    draft.tell(step.notify, "escalation", f"escalation step {number} of {of}", event, step.template)


def expire_acknowledgement(draft: Draft, due: datetime) -> None:
    """Who took it let it drop: the escalation goes on at its next step, at once."""
    draft.event("acknowledgement-expired", TOCSIN, {"due": stamp(due), "late_seconds": draft.late(due)}, due)
    draft.set(status="open", acknowledgement_expires=None)
    ladder, severity = draft.incident.ladder, draft.severity
    if ladder is None or (ladder.running and not ladder.exhausted) or not severity.steps:
        return
    resumed = replace(ladder, running=True, exhausted=False, at=due)
    if ladder.step < len(severity.steps):
        resumed = replace(resumed, base=due - nominal(severity.steps[ladder.step].after))
    else:
        base = due - nominal(severity.steps[0].after)
        resumed = replace(resumed, base=base, round=ladder.round + 1, step=0)
    draft.set(ladder=resumed)


def inform(draft: Draft, due: datetime) -> None:
    """Tell who is to hear of it whether or not somebody has answered."""
    severity = draft.severity
    found = next_inform(draft.incident, severity, draft.rules)
    if found is None:
        raise AssertionError("an inform that lapses is one of the severity's")
    nth, each = found[1], severity.inform[found[1]]
    data = {
        "nth": nth + 1,
        "due": stamp(due),
        "late_seconds": draft.late(due),
        "notify": list(each.notify),
        "on_call": draft.on_call(each.notify),
    }
    event = draft.event("informed", TOCSIN, data, due)
    draft.set(informed=(*draft.incident.informed, nth))
    draft.tell(each.notify, "inform", "for your information, by the plan", event, each.template)


def ladder_of(draft: Draft) -> Ladder:
    """The ladder, which must be there."""
    ladder = draft.incident.ladder
    if ladder is None:
        raise AssertionError("a step can only fire on a ladder")
    return ladder


def _needless(draft: Draft, severity: Severity) -> bool:
    """Whether the next step is for incidents that nobody has answered, and somebody has."""
    step = severity.steps[ladder_of(draft).step]
    return step.unless == "acknowledged" and draft.incident.status == "acknowledged"


def _pass_over(draft: Draft, due: datetime) -> None:
    ladder = ladder_of(draft)
    data = {
        "round": ladder.round,
        "step": ladder.step + 1,
        "due": stamp(due),
        "late_seconds": draft.late(due),
        "why": "acknowledged",
    }
    draft.event("step-passed", TOCSIN, data, due)
    draft.set(ladder=replace(ladder, step=ladder.step + 1, at=None))
