"""The ladder of an escalation: its steps fire in order, round by round, until somebody answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.change import MOST_OUTSIDE, TOCSIN, Draft
from shared.domain.deadlines import ladder_due, next_inform
from shared.domain.hours import nominal
from shared.domain.incident import Incident, Ladder
from shared.domain.matrix import Inform, Severity
from shared.domain.telling import Telling
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
        _rest(draft)
    elif ladder.rounds_left:
        left = ladder.rounds_left - 1
        anew = replace(ladder, base=due, at=None, passed=None, round=ladder.round + 1, step=0)
        draft.set(ladder=replace(anew, rounds_left=left))
    else:
        data = {"due": stamp(due), "late_seconds": draft.late(due), "rounds": severity.repeat.times + 1}
        event = draft.event("exhausted", TOCSIN, data, due)
        draft.set(ladder=replace(ladder, exhausted=True, at=None))
        if draft.incident.status == "open":
            draft.alarm("every step of the escalation has fired and nobody has answered", event)
        else:
            draft.alarm("the escalation is at its end, and the incident is not resolved", event)


def paused(ladder: Ladder, severity: Severity) -> Ladder:
    """The ladder once somebody has answered: it rests, unless a step to come is for the unresolved."""
    ends = [step.unless or severity.until for step in severity.steps[ladder.step :]]
    goes_on = severity.until == "resolved" or "resolved" in ends
    return replace(ladder, running=goes_on, fresh=False, because="")


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
    draft.set(ladder=replace(ladder, step=number, at=None, because=""))
    because = f": {ladder.because}" if ladder.because else ""
    reason, rung = f"escalation step {number} of {of}{because}", (ladder.round, number)
    draft.tell_of(step.notify, Telling("escalation", reason, event, step.template, rung=rung))


def climb_at_once(draft: Draft, rung: tuple[int, int] | None) -> bool:
    """Let the step after ``rung`` fire now, nobody having been reached by that one; False where it is none's
    turn: somebody has answered, it has fired, or there is none."""
    ladder, steps = draft.incident.ladder, draft.severity.steps
    if ladder is None or rung is None or draft.incident.over:
        return False
    unanswered = draft.incident.status == "open" or ladder.outgrown
    if not unanswered or (ladder.round, ladder.step) != rung or ladder.step >= len(steps) or ladder.exhausted:
        return False
    due = ladder_due(draft.incident, draft.rules)
    if due is None or due > draft.now:
        why = f"nobody was reached by step {rung[1]}" if rung else ""
        sooner = replace(ladder, running=True, fresh=ladder.outgrown, at=draft.now, because=why)
        draft.set(ladder=sooner)
    return True


def expire_acknowledgement(draft: Draft, due: datetime) -> None:
    """Who took it let it drop: the escalation goes on at its next step, at once."""
    draft.event("acknowledgement-expired", TOCSIN, {"due": stamp(due), "late_seconds": draft.late(due)}, due)
    draft.set(status="open", acknowledgement_expires=None)
    ladder, severity = draft.incident.ladder, draft.severity
    if ladder is None or not severity.steps:
        return
    step, round_ = ladder.step, ladder.round
    if ladder.passed is not None:
        step, round_ = ladder.passed, ladder.round + 1
    elif step == len(severity.steps):
        step, round_ = 0, ladder.round + 1
    draft.set(
        ladder=replace(
            ladder,
            running=True,
            exhausted=False,
            at=due,
            base=due - nominal(severity.steps[step].after),
            step=step,
            round=round_,
            passed=None,
            because="the acknowledgement expired",
        )
    )


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
    heard = (*draft.incident.heard, *(told_key(severity, nth, name, each) for name in each.notify))
    draft.set(informed=(*draft.incident.informed, nth), heard=tuple(dict.fromkeys(heard)))
    reason = "for your information, by the plan"
    draft.tell_of(each.notify, Telling("inform", reason, event, each.template, each.audience))
    if each.audience == "external":
        known = dict(draft.incident.outsiders)
        known |= dict.fromkeys(each.notify, each.template)
        draft.set(outsiders=tuple(known.items())[:MOST_OUTSIDE])


def told_key(severity: Severity, nth: int, name: str, inform: Inform) -> str:
    """What stands in `Incident.heard` for one who was informed."""
    return f"{severity.name}|{nth}|{name}|{inform.template}"


def ladder_of(draft: Draft) -> Ladder:
    """The ladder, which must be there."""
    ladder = draft.incident.ladder
    if ladder is None:
        raise AssertionError("a step can only fire on a ladder")
    return ladder


def _needless(draft: Draft, severity: Severity) -> bool:
    """Whether the next step is for incidents that nobody has answered, and somebody has."""
    ladder = ladder_of(draft)
    unless = severity.steps[ladder.step].unless or severity.until
    return unless == "acknowledged" and draft.incident.status == "acknowledged" and not ladder.fresh


def _rest(draft: Draft) -> None:
    """Where somebody has it, the ladder rests once nothing is left of it for now."""
    ladder, severity = ladder_of(draft), draft.severity
    if draft.incident.status != "acknowledged":
        return
    following = severity.steps[ladder.step : ladder.step + 1]
    if ladder.fresh and following and nominal(following[0].after) == timedelta(0):
        return
    draft.set(ladder=paused(ladder, severity))


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
    passed = ladder.step if ladder.passed is None else ladder.passed
    draft.set(ladder=replace(ladder, step=ladder.step + 1, at=None, passed=passed, because=""))
