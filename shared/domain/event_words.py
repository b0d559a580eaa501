"""A timeline in words: each type of event as one sentence, and the words that people gave with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.domain.timeline import Event, stamp

Data = Mapping[str, Any]
_TOLD_LATE = timedelta(minutes=1)
"""How far an event's own instant may lie before its record without a word about it."""


@dataclass(frozen=True)
class Story:
    """A timeline with what its events only point at."""

    events: Sequence[Event]
    texts: Mapping[int, str]
    names: Mapping[str, str]
    closing: Mapping[str, str] = field(default_factory=dict)

    def latest(self, type: str, **data: str) -> str:
        """The latest words of such an event; empty where there are none."""
        found = [self.texts[each.seq] for each in self.of(type, **data) if each.seq in self.texts]
        return found[-1] if found else ""

    def written(self, section: str) -> str:
        """A section of the review: all notes, oldest first, without those that a later one repeats."""
        notes = [self.texts.get(each.seq, "") for each in self.of("review-noted", section=section)]
        return "\n\n".join(
            note
            for nth, note in enumerate(notes)
            if note and not any(note in one for one in notes[nth + 1 :])
        )

    def of(self, type: str, **data: str) -> list[Event]:
        """The events of a type whose data say that."""
        return [
            each
            for each in self.events
            if each.type == type and all(each.data.get(key) == value for key, value in data.items())
        ]

    def name(self, contact: str) -> str:
        """What people call a contact, rotation or role."""
        return self.names.get(contact, contact)

    def who(self, actor: str) -> str:
        """What people call an actor."""
        kind, _, name = actor.partition(":")
        if kind == "source":
            return f"source {name}"
        return "Tocsin" if actor == "tocsin" else self.names.get(actor) or self.names.get(name, actor)


def in_words(story: Story, event: Event) -> str:
    """One event as a sentence; the words of a review's section stand in the report, not here."""
    telling = TOLD.get(event.type)
    what = telling(event.data, story) if telling else event.type.replace("-", " ").capitalize()
    if event.recorded_at - event.occurred_at >= _TOLD_LATE:
        what += f", as of {instant(event.occurred_at)}"
    words = story.texts.get(event.seq, "") if event.type != "review-noted" else ""
    return f"{what}: {words}" if words else what


def code_in_words(story: Story, code: str | None) -> str:
    """A closing code with its title; empty where there is none."""
    title = story.closing.get(code or "", "")
    return f"{code} ({title})" if code and title else code or ""


def instant(moment: datetime) -> str:
    """To the second: ``2026-11-18 12:00:00 UTC``."""
    return f"{stamp(moment)[:19].replace('T', ' ')} UTC"


def _listed(names: Sequence[str], story: Story) -> str:
    return ", ".join(story.name(name) for name in names) or "nobody"


def _on_call(data: Data, story: Story) -> str:
    found = data.get("on_call") or {}
    return "".join(f" ({story.name(name)}: {story.name(who or 'nobody')})" for name, who in found.items())


def _alerts(data: Data, _: Story) -> str:
    counts: dict[str, int] = {}
    for each in data["alerts"]:
        counts[each["state"]] = counts.get(each["state"], 0) + each["count"]
    return "Alerts heard: " + ", ".join(f"{count} {state}" for state, count in counts.items())


def _roles(data: Data, story: Story) -> str:
    given = (f"{story.name(role)} is {story.name(who or 'nobody')}" for role, who in data["roles"].items())
    return f"Roles: {', '.join(given)}"


def _manual(data: Data, story: Story) -> str:
    step = f"Escalated by hand to step {data['step']}" if data.get("step") else "Escalated by hand"
    return f"{step}, telling {_listed(data['to'], story)}{_on_call(data, story)}"


def _step(data: Data) -> str:
    round_ = f" of round {data['round']}" if data.get("round", 1) > 1 else ""
    return f"step {data['step']}{round_}"


def _sent(data: Data, story: Story) -> str:
    return f"{data['kind']} message to {story.name(data['contact'])} by {data['channel']}"


def _caught_up(data: Data, story: Story) -> str:
    what = f"{data['kind']} message to {story.name(data['contact'])}"
    if data["withdrawn"]:
        return f"Held back and not sent any more: {what}"
    return f"Sent what was held back, {data['count']} in one: {what}"


def _day(text: str) -> str:
    """An instant of event data, to the minute."""
    return f"{text[:10]} {text[11:16]} UTC"


TOLD: Mapping[str, Callable[[Data, Story], str]] = {
    "opened": lambda data, _: (
        f"{'Drill opened' if data.get('drill') else 'Opened'} as {data['severity']} for {data['service']}"
        f"{' by hand' if data['source'] is None else ''}, decided by rule {data['rule']}"
    ),
    "pending": lambda data, _: (
        f"Waiting to be declared until {_day(data['declare_due'])}: {data['declaration']}"
    ),
    "dropped": lambda _, __: "Cleared before it was declared",
    "roles-assigned": _roles,
    "alerts": _alerts,
    "severity-raised": lambda data, _: f"Severity raised from {data['from']} to {data['to']}: {data['rule']}",
    "severity-changed": lambda data, _: f"Severity changed from {data['from']} to {data['to']}",
    "acknowledged": lambda data, _: "Acknowledged" if data["first"] else "Acknowledged again",
    "acknowledged-late": lambda _, __: "Acknowledged after the resolution",
    "acknowledgement-expired": lambda _, __: "The acknowledgement expired",
    "noted": lambda data, _: f"Noted ({data['kind'].replace('-', ' ')})",
    "escalated": lambda data, story: (
        f"Escalated, {_step(data)}, to {_listed(data['notify'], story)}{_on_call(data, story)}"
    ),
    "step-passed": lambda data, _: f"Escalation {_step(data)} was passed over: {data['why']}",
    "informed": lambda data, story: f"Informed {_listed(data['notify'], story)}{_on_call(data, story)}",
    "oncall-empty": lambda data, story: f"Nobody was on call for {_listed(data['rotations'], story)}",
    "update-reminded": lambda data, _: (
        f"Reminded of the {data['audience']} status update due {_day(data['due'])}"
    ),
    "update-lapsed": lambda data, _: (
        f"The {data['audience']} status update due {_day(data['due'])} was missing"
        f"{' and {} after it'.format(data['missed'] - 1) if data['missed'] > 1 else ''}"
    ),
    "status-updated": lambda data, story: (
        f"Status update ({data['status']}), {_listed(data['audiences'], story)}"
    ),
    "checked": lambda data, _: f"Checklist item {data['item']} ({data['phase']}) {data['state']}",
    "alerts-cleared": lambda _, __: "Every alert has ended",
    "escalated-manually": _manual,
    "exhausted": lambda data, _: f"The escalation was exhausted after rounds: {data['rounds']}",
    "breached": lambda data, _: f"The time to {data['clock']}, due {_day(data['due'])}, was exceeded",
    "resolved": lambda data, story: (
        f"Resolved by {'its source' if data['by'] == 'source' else 'a person'}"
        f"{', ' + code_in_words(story, data['code']) if data.get('code') else ''}"
    ),
    "reopened": lambda data, _: f"Reopened by {'its source' if data['by'] == 'source' else 'a person'}",
    "delivered": lambda data, story: f"Delivered: {_sent(data, story)}",
    "first-told": lambda data, story: (
        f"{story.name(data['contact'])} was the first to be told, by {data['channel']}, "
        f"{data['seconds']} s after the opening"
    ),
    "receipt": lambda data, story: (
        f"{data['state'].capitalize()} to {story.name(data['contact'])}: {data['channel']}"
    ),
    "acted-on": lambda data, story: f"{story.name(data['contact'])} answered by {data['by']}",
    "held-back": lambda data, story: (
        f"Held back until {_day(data['until'])}: {data['kind']} message to {story.name(data['contact'])}"
    ),
    "caught-up": _caught_up,
    "still-open": lambda data, story: f"Still open: told {_listed(data['notify'], story)}",
    "delivery-failed": lambda data, story: (
        f"Delivery failed, attempts {data['attempts']}: {_sent(data, story)}"
    ),
    "delivery-withdrawn": lambda data, story: f"Not sent, as it was over: {_sent(data, story)}",
    "contact-unreachable": lambda data, story: f"No channel reaches {story.name(data['contact'])}",
    "contact-missing": lambda data, story: f"The plan has no contact {story.name(data['contact'])} any more",
    "review-required": lambda data, _: f"A review is required by {_day(data['due'])}",
    "review-reminded": lambda data, _: f"Reminded of the review due {_day(data['due'])}",
    "review-overdue": lambda data, _: f"The review due {_day(data['due'])} is overdue (chase {data['nth']})",
    "review-noted": lambda data, _: f"Review written: {data['section'].replace('-', ' ')}",
    "review-completed": lambda data, _: f"Review completed {'in time' if data['in_time'] else 'late'}",
    "action-item": lambda data, story: (
        f"Action item {data['item']}: {data['status']}, priority {data['priority']}, "
        f"{story.name(data['owner'])}, due {_day(data['due'])}"
    ),
    "action-item-overdue": lambda data, story: (
        f"Action item {data['item']} of {story.name(data['owner'])}, due {_day(data['due'])}, is overdue "
        f"(chase {data['nth']})"
    ),
    "open": lambda data, _: f"Still open as week {data['week']} began",
}
"""How each type of event is story, without its free text."""
