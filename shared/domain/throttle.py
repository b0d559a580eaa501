"""Throttling: a contact gets at most one message of a kind in the plan's window; what came meanwhile follows
as one. The window is the incident's own, so every instance keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.domain.incident import HeldBack, Incident
from shared.domain.plan import Rules
from shared.domain.telling import Telling
from shared.domain.timeline import Event

MOST_HELD = 40
"""Contacts and kinds that are held back at once; beyond, messages go out as they come."""
LONGEST_REASON = 300
AND_MORE = "and more"
MOST_WORDS = 10
"""Updates and the like that become one message; the next goes out by itself, so that no words are lost."""


def held_until(
    incident: Incident, rules: Rules, contact: str, telling: Telling, now: datetime
) -> datetime | None:
    """Until when the contact is to be spared another message of that kind; None: it goes out now."""
    earlier = _held(incident, contact, telling)
    if earlier is not None:
        return earlier.until if len(earlier.words) < MOST_WORDS else None
    spoken = incident.spoken.get(_key(telling.kind, contact))
    if spoken is None or spoken + rules.throttle <= now or len(incident.held_back) >= MOST_HELD:
        return None
    return spoken + rules.throttle


def hold(incident: Incident, contact: str, telling: Telling, until: datetime) -> tuple[HeldBack, ...]:
    """What is held back, with this as well: joined to what the contact already waits for of that kind."""
    words = (*telling.earlier_words, *((telling.words_of,) if telling.words_of is not None else ()))
    fresh = HeldBack(
        contact,
        telling.kind,
        until,
        1,
        telling.reason[:LONGEST_REASON],
        telling.cause.seq,
        telling.template,
        telling.audience,
        words,
        telling.rung,
    )
    before = _held(incident, contact, telling)
    if before is None:
        return (*incident.held_back, fresh)
    joined = replace(
        fresh,
        count=before.count + 1,
        reason=_reasons(before.reason, fresh.reason),
        words=tuple(dict.fromkeys((*before.words, *words))),
        rung=telling.rung or before.rung,
    )
    return tuple(joined if each is before else each for each in incident.held_back)


def catch_up(held: HeldBack, cause: Event) -> Telling:
    """What is owed once the window has passed: the one message as it was, or several as one."""
    reason = held.reason if held.count == 1 else f"{held.count} messages as one: {held.reason}"
    return Telling(
        held.kind,
        reason,
        cause,
        held.template,
        held.audience,
        held.words[-1] if held.words else None,
        held.words[:-1],
        held.rung,
    )


def spoken(
    incident: Incident, rules: Rules, contacts: Sequence[tuple[str, str]], now: datetime
) -> dict[str, datetime]:
    """When each contact was last owed a message of each kind, with ``contacts`` (kind, contact) now."""
    if not rules.throttle:
        return {}
    kept = {key: at for key, at in incident.spoken.items() if at + rules.throttle > now}
    return kept | {_key(kind, contact): now for kind, contact in contacts}


def _reasons(before: str, further: str) -> str:
    """Both, each once; whole ones only, and what is left out is said to be."""
    known = before.split("; ")
    if further in known or known[-1] == AND_MORE:
        return before
    both = f"{before}; {further}"
    return both if len(both) <= LONGEST_REASON else f"{before}; {AND_MORE}"


def _held(incident: Incident, contact: str, telling: Telling) -> HeldBack | None:
    for each in incident.held_back:
        if (each.contact, each.kind, each.audience) == (contact, telling.kind, telling.audience):
            return each
    return None


def _key(kind: str, contact: str) -> str:
    return f"{kind} {contact}"
