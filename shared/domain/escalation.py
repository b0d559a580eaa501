"""Time has passed: what has lapsed is done, in the order in which it was due, late rather than never."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.briefing import span_in_words
from shared.domain.cadence import lapse_update, remind
from shared.domain.catching_up import catch_up
from shared.domain.change import MOST_ROWS, RESERVE, TOCSIN, Change, Draft, looks
from shared.domain.deadlines import Lapse, dues, span_after
from shared.domain.delivery import PAGES, Delivery
from shared.domain.incident import SHOWN_KEPT, Incident
from shared.domain.ladder import climb, climb_at_once, expire_acknowledgement, inform
from shared.domain.opening import closing_rows, declare_lapsed, end_drill
from shared.domain.plan import LIVE, Directory, Rules
from shared.domain.review import chase_items, lapse_review
from shared.domain.telling import HEAR_THE_END, Telling
from shared.domain.timeline import Event, stamp, stamp_or_none
from shared.domain.ways import ways
from shared.domain.week import next_week_start, week_of

LONGEST_ERROR = 160


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
    _first_told(draft, draft.settled)


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
        if draft.room < (min(closing_rows(draft), MOST_ROWS - 2) if lapse == "drill" else RESERVE):
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


def _catch_up(draft: Draft, due: datetime) -> None:
    catch_up(draft, min(draft.incident.held_back, key=lambda each: each.until), due)


def remind_still_open(draft: Draft, due: datetime) -> None:
    """It is not resolved yet: whoever the plan names, or was told of it, hears so."""
    incident, rule = draft.incident, draft.severity.still_open
    if rule is None:
        raise AssertionError("a reminder that lapses is the severity's")
    names, nth = rule.notify or incident.told, incident.still_open_nth + 1
    data = {"due": stamp(due), "late_seconds": draft.late(due), "nth": nth, "notify": list(names)}
    event = draft.event("still-open", TOCSIN, data, due)
    missed = span_after(due, rule.every, draft.rules) <= draft.recorded_at
    draft.set(still_open_at=draft.recorded_at if missed else due, still_open_nth=nth)
    told = tuple(name for name in names if rule.notify or name in draft.directory.contacts)
    lasted = span_in_words(draft.recorded_at - incident.opened_at)
    draft.tell(told, "still-open", f"the incident is still {incident.status} after {lasted}", event)


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
    "still-open": remind_still_open,
    "held-back": _catch_up,
    "drill": end_drill,
    "week": _record_open,
}


def _delivered(draft: Draft, delivery: Delivery) -> None:
    last = delivery.attempts[-1]
    outcome = {
        "status": last.status,
        "provider_id": last.provider_id,
        "sent_at": stamp_or_none(last.sent_at),
        "body_sha256": delivery.body_sha256,
        "template": delivery.template,
        "template_version": delivery.template_version,
        "digest": delivery.gathered,
    }
    event = draft.event("delivered", TOCSIN, _facts(delivery) | outcome, last.at)
    if delivery.gathered is None:  # a digest shows how no single incident stands
        _show(draft, delivery, event)


def _show(draft: Draft, delivery: Delivery, event: Event) -> None:
    """Remember what shows how the incident stands; what it showed may be out of date by now."""
    channel = draft.directory.channels.get(delivery.channel)
    shown, incident = f"{delivery.nth} {delivery.contact}", draft.incident
    if channel is None or channel.kind not in LIVE or delivery.message.audience != "internal":
        return
    if shown not in incident.shown:
        if len(incident.shown) >= SHOWN_KEPT:
            return
        draft.set(shown=(*incident.shown, shown))
    if delivery.looked is not None and delivery.looked != looks(incident):
        draft.refresh(delivery.contact, delivery.nth, event)


def _first_told(draft: Draft, settled: Sequence[Delivery]) -> None:
    """The first message to somebody inside that a provider took is an event of its own."""
    if draft.incident.first_told_at is not None:
        return
    taken = [
        (delivery.attempts[-1].at, delivery)
        for delivery in settled
        if delivery.state == "accepted" and delivery.message.audience == "internal"
        if delivery.message.kind in HEAR_THE_END - {"resolved"}
    ]
    if not taken:
        return
    at, delivery = min(taken, key=lambda each: each[0])
    seconds = max(0, int((at - draft.incident.opened_at) / timedelta(seconds=1)))
    data = {"delivery": delivery.id, "contact": delivery.contact, "channel": delivery.channel}
    draft.event("first-told", TOCSIN, data | {"seconds": seconds}, at)
    draft.set(first_told_at=at)


def _failed(draft: Draft, delivery: Delivery) -> None:
    last = delivery.attempts[-1]
    event = draft.event("delivery-failed", TOCSIN, _facts(delivery) | {"status": last.status}, last.at)
    went_on = f"{delivery.id} undelivered" in draft.incident.receipts
    if not (delivery.moot(draft.incident.status) or delivery.message.kind == "refresh" or went_on):
        fail_over(draft, delivery, event)


def _why(delivery: Delivery) -> str:
    """The last channel and what went wrong with it, in words of our own."""
    last = delivery.attempts[-1] if delivery.attempts else None
    if last is None or not last.error:
        return f" ({delivery.channel})"
    return f" ({delivery.channel}: {last.error[:LONGEST_ERROR]})"


def _tried(draft: Draft, delivery: Delivery) -> tuple[str, ...]:
    """The ways up to this one, by their places: what was owed by an earlier version names none."""
    contact = draft.directory.contacts.get(delivery.contact)
    known = ways(draft.directory, contact) if contact else ()
    return tuple(way.name for way in known[: delivery.nth + 1])


def fail_over(draft: Draft, delivery: Delivery, event: Event) -> None:
    """Owe the contact's next way; where none is left, escalate at once and raise Tocsin's own alarm."""
    said, contact = delivery.message, delivery.contact
    again = Telling(
        said.kind,
        said.reason,
        event,
        said.template,
        said.audience,
        said.words_of,
        said.earlier_words,
        said.rung,
        said.tried or _tried(draft, delivery),
    )
    if draft.owe(contact, again):
        return
    escalates = said.kind in PAGES and climb_at_once(draft, said.rung)
    data = {"contact": contact, "kind": said.kind, "caused_by": delivery.caused_by, "escalates": escalates}
    unreachable = draft.event("contact-unreachable", TOCSIN, data)
    if said.kind != "alarm":
        draft.alarm(f"no channel of {contact} took the notification{_why(delivery)}", unreachable)


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
