"""Puts on record, in a plan's own journal, what the plan does by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from shared.domain.change import TOCSIN
from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.journal import Entry, Journal, note, own_journal
from shared.domain.plan import Plan
from shared.domain.timeline import Event
from shared.ports import Journals
from shared.workflows.punctuality import let_others_go_first

MOST_TRIES = 12


def note_in_journal(
    journals: Journals,
    plan: Plan,
    type: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    now: datetime,
    actor: str = TOCSIN,
) -> None:
    """Append one event to today's journal. Raises StoreUnavailable."""
    _append(
        journals,
        own_journal(plan.name, now),
        lambda before: note(before, type, actor, data, occurred_at, plan.rules.timezone, now),
    )


def note_once(
    journals: Journals,
    events: Callable[[str], Iterator[Event]],
    plan: Plan,
    type: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    now: datetime,
    actor: str = TOCSIN,
) -> None:
    """Append one event to the journal of the day on which it occurred, unless it stands there already.

    ``events`` reads a journal. Whoever else is at the same event, however late and on whose behalf, finds it.
    Raises StoreUnavailable.
    """
    wanted = (type, occurred_at, dict(data))

    def unless_known(before: Journal) -> Entry | None:
        known = events(before.id) if before.length else iter(())
        if any((each.type, each.occurred_at, dict(each.data)) == wanted for each in known):
            return None
        return note(before, type, actor, data, occurred_at, plan.rules.timezone, now)

    _append(journals, own_journal(plan.name, occurred_at), unless_known)


def _append(journals: Journals, empty: Journal, make: Callable[[Journal], Entry | None]) -> None:
    """Append what is made of the journal as it stands, if anything; again where somebody else was faster."""
    for tried in range(MOST_TRIES):
        before, tag = journals.journal(empty)
        entry = make(before)
        if entry is None:
            return
        try:
            journals.append(before, tag, entry)
        except Conflict:
            let_others_go_first(tried)
        else:
            return
    raise StoreUnavailable("too many others are writing to the journal")
