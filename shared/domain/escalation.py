"""Time has passed: what has lapsed is done, in the order in which it was due, late rather than never."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from shared.domain.cadence import lapse_update, remind
from shared.domain.change import RESERVE, TOCSIN, Change, Draft, Telling
from shared.domain.deadlines import Lapse, dues
from shared.domain.delivery import Delivery
from shared.domain.incident import Incident
from shared.domain.ladder import climb, expire_acknowledgement, inform
from shared.domain.opening import closing_rows, declare_lapsed, end_drill
from shared.domain.plan import Directory, Rules
from shared.domain.review import chase_items, lapse_review
from shared.domain.timeline import stamp
from shared.domain.week import next_week_start, week_of


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
        clocks = dues(draft.incident, draft.rules)
        if not clocks or clocks[0][0] > limit or (clocks[0][0] == limit and not inclusive):
            return
        due, lapse = clocks[0]
        if draft.room < (closing_rows(draft) if lapse == "drill" else RESERVE):
            draft.complete = False
            return
        _ACTS[lapse](draft, due)


def _breach_respond(draft: Draft, due: datetime) -> None:
    _breach(draft, "respond", due)
    draft.set(respond=replace(draft.incident.respond, breached=True))


def _breach_resolve(draft: Draft, due: datetime) -> None:
    _breach(draft, "resolve", due)
    draft.set(resolve=replace(draft.incident.resolve, breached=True))


def _breach(draft: Draft, clock: str, due: datetime) -> None:
    data = {"clock": clock, "due": stamp(due), "late_seconds": draft.late(due)}
    draft.event("breached", TOCSIN, data, due)


def _record_open(draft: Draft, due: datetime) -> None:
    timezone = draft.rules.timezone
    draft.event("open", TOCSIN, {"week": week_of(due, timezone)}, due)
    draft.set(week_due=next_week_start(due, timezone))


_ACTS: Mapping[Lapse, Callable[[Draft, datetime], None]] = {
    "declare": declare_lapsed,
    "acknowledgement": expire_acknowledgement,
    "ladder": climb,
    "respond": _breach_respond,
    "resolve": _breach_resolve,
    "inform": inform,
    "remind": remind,
    "update": lapse_update,
    "review": lapse_review,
    "action-item": chase_items,
    "drill": end_drill,
    "week": _record_open,
}


def _delivered(draft: Draft, delivery: Delivery) -> None:
    last = delivery.attempts[-1]
    outcome = {"status": last.status, "provider_id": last.provider_id}
    draft.event("delivered", TOCSIN, _facts(delivery) | outcome, last.at)


def _failed(draft: Draft, delivery: Delivery) -> None:
    last = delivery.attempts[-1]
    event = draft.event("delivery-failed", TOCSIN, _facts(delivery) | {"status": last.status}, last.at)
    if delivery.moot(draft.incident.status):
        return
    said, contact = delivery.message, delivery.contact
    kind = said.kind
    again = Telling(kind, said.reason, event, said.template, said.audience, said.words_of)
    if draft.owe(contact, delivery.nth + 1, again):
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
