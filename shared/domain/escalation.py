"""Time has passed: what has lapsed is done, in the order in which it was due, late rather than never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.change import RESERVE, TOCSIN, Change, Draft
from shared.domain.delivery import Delivery
from shared.domain.incident import Incident, Ladder
from shared.domain.plan import Directory, Rules, Severity
from shared.domain.timeline import stamp
from shared.domain.week import next_week_start, week_of

Lapse = Callable[[Draft, datetime], None]


def advance(
    incident: Incident, owed: Sequence[Delivery], rules: Rules, directory: Directory, now: datetime
) -> Change | None:
    """Act on everything that was due up to and including ``now``; None where nothing was.

    ``owed`` are the outbox rows still owed, as they stand: outcomes found on them join the timeline, and a
    delivery that failed for good is followed by the contact's next channel.
    """
    draft = Draft(incident, incident, rules, directory, now)
    settle(draft, owed)
    fire_lapsed(draft, now, inclusive=True)
    change = draft.finish()
    if not change.events and change.after.deadline == incident.deadline:
        return None
    return change


def settle(draft: Draft, owed: Sequence[Delivery]) -> None:
    """Take the outcomes of deliveries to the timeline, and wait for those without one."""
    for delivery in owed:
        settle_one = _SETTLED.get(delivery.state)
        if settle_one is None or draft.room < RESERVE:
            draft.waiting.append(delivery.due_at)
        else:
            settle_one(draft, delivery)
            draft.settled.append(delivery)


def fire_lapsed(draft: Draft, limit: datetime, *, inclusive: bool) -> None:
    """Act on each lapse due before ``limit`` (or at it, if ``inclusive``), earliest first.

    A command passes its own instant exclusively: an acknowledgement beats a step due at the same instant.
    Where the change has no room for all, it is marked as not complete; the rest follows in the next.
    """
    while True:
        due, act = _next_lapse(draft)
        if due is None or due > limit or (due == limit and not inclusive):
            return
        if draft.room < RESERVE:
            draft.complete = False
            return
        act(draft, due)


def start_ladder(incident: Incident, severity: Severity, now: datetime) -> Ladder:
    """A fresh ladder; rounds are numbered on, so that (round, step) names one firing for ever."""
    round_ = incident.ladder.round + 1 if incident.ladder else 1
    return Ladder(base=now, round=round_, rounds_left=severity.repeat.times)


def fire_step(draft: Draft, due: datetime) -> None:
    """Fire the ladder's next step; there must be one."""
    severity, ladder = _severity(draft), _ladder(draft)
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
            "late_seconds": _late(draft, due),
            "notify": list(step.notify),
        },
        due,
    )
    draft.set(ladder=replace(ladder, step=number))
    draft.tell(step.notify, "escalation", f"escalation step {number} of {of}", event)


def _next_lapse(draft: Draft) -> tuple[datetime | None, Lapse]:
    incident = draft.incident
    if incident.status == "resolved":
        return None, _record_open
    ladder = incident.ladder
    lapses: list[tuple[datetime | None, Lapse]] = [
        (incident.acknowledgement_expires, _expire_acknowledgement),
        (ladder.due(_severity(draft)) if ladder else None, _climb),
        (incident.respond.pending, _breach_respond),
        (incident.resolve.pending, _breach_resolve),
        (incident.week_due, _record_open),
    ]
    due = [(instant, act) for instant, act in lapses if instant is not None]
    return min(due, key=lambda lapse: lapse[0], default=(None, _record_open))


def _climb(draft: Draft, due: datetime) -> None:
    severity, ladder = _severity(draft), _ladder(draft)
    if ladder.step < len(severity.steps):
        fire_step(draft, due)
    elif ladder.rounds_left:
        left = ladder.rounds_left - 1
        draft.set(ladder=replace(ladder, base=due, round=ladder.round + 1, step=0, rounds_left=left))
    else:
        data = {"due": stamp(due), "late_seconds": _late(draft, due), "rounds": severity.repeat.times + 1}
        event = draft.event("exhausted", TOCSIN, data, due)
        draft.set(ladder=replace(ladder, exhausted=True))
        draft.alarm("every step of the escalation has fired and nobody has answered", event)


def _expire_acknowledgement(draft: Draft, due: datetime) -> None:
    draft.event(
        "acknowledgement-expired", TOCSIN, {"due": stamp(due), "late_seconds": _late(draft, due)}, due
    )
    draft.set(status="open", acknowledgement_expires=None)
    ladder, severity = draft.incident.ladder, _severity(draft)
    if ladder is None or (ladder.running and not ladder.exhausted) or not severity.steps:
        return
    resumed = replace(ladder, running=True, exhausted=False)
    if ladder.step < len(severity.steps):
        resumed = replace(resumed, base=due - severity.steps[ladder.step].after)
    else:
        resumed = replace(resumed, base=due - severity.steps[0].after, round=ladder.round + 1, step=0)
    draft.set(ladder=resumed)


def _breach_respond(draft: Draft, due: datetime) -> None:
    _breach(draft, "respond", due)
    draft.set(respond=replace(draft.incident.respond, breached=True))


def _breach_resolve(draft: Draft, due: datetime) -> None:
    _breach(draft, "resolve", due)
    draft.set(resolve=replace(draft.incident.resolve, breached=True))


def _breach(draft: Draft, clock: str, due: datetime) -> None:
    data = {"clock": clock, "due": stamp(due), "late_seconds": _late(draft, due)}
    draft.event("breached", TOCSIN, data, due)


def _record_open(draft: Draft, due: datetime) -> None:
    timezone = draft.rules.timezone
    draft.event("open", TOCSIN, {"week": week_of(due, timezone)}, due)
    draft.set(week_due=next_week_start(due, timezone))


def _delivered(draft: Draft, delivery: Delivery) -> None:
    last = delivery.attempts[-1]
    outcome = {"status": last.status, "provider_id": last.provider_id}
    draft.event("delivered", TOCSIN, _facts(delivery) | outcome, last.at)


def _failed(draft: Draft, delivery: Delivery) -> None:
    last = delivery.attempts[-1]
    event = draft.event("delivery-failed", TOCSIN, _facts(delivery) | {"status": last.status}, last.at)
    if delivery.moot(draft.incident.status):
        return
    kind, contact = delivery.message.kind, delivery.contact
    if draft.owe(contact, delivery.nth + 1, kind, delivery.message.reason, event):
        return
    data = {"contact": contact, "kind": kind, "caused_by": delivery.caused_by}
    unreachable = draft.event("contact-unreachable", TOCSIN, data)
    if kind != "alarm":
        draft.alarm(f"no channel of {contact} took the notification", unreachable)


def _withdrawn(draft: Draft, delivery: Delivery) -> None:
    draft.event("delivery-withdrawn", TOCSIN, _facts(delivery))


_SETTLED: dict[str, Callable[[Draft, Delivery], None]] = {
    "accepted": _delivered,
    "failed": _failed,
    "withdrawn": _withdrawn,
}


def _facts(delivery: Delivery) -> dict[str, object]:
    return {
        "delivery": delivery.id,
        "kind": delivery.message.kind,
        "contact": delivery.contact,
        "channel": delivery.channel,
        "caused_by": delivery.caused_by,
        "owed_at": stamp(delivery.owed_at),
        "attempts": len(delivery.attempts),
    }


def _late(draft: Draft, due: datetime) -> int:
    return max(0, int((draft.recorded_at - due) / timedelta(seconds=1)))


def _severity(draft: Draft) -> Severity:
    return draft.rules.severity(draft.incident.severity)


def _ladder(draft: Draft) -> Ladder:
    ladder = draft.incident.ladder
    if ladder is None:
        raise AssertionError("a step can only fire on a ladder")
    return ladder
