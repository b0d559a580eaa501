"""A plan's own journal, per day: what became of the alerts that changed no incident, and what the plan does
by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.intake import Disposition, folded
from shared.domain.timeline import GENESIS, Event, seal
from shared.domain.week import week_of

SHARDS = 4


@dataclass(frozen=True)
class Journal:
    """One shard of one day of a plan's journal, as of its latest event."""

    plan: str
    day: str
    """``20261121``, UTC."""
    shard: int
    length: int = 0
    head: str = GENESIS
    recorded_at: datetime | None = None
    version: int = 0
    week: str = ""
    """The latest ISO week in which it has events."""

    @property
    def id(self) -> str:
        """The subject that its events name."""
        return f"JRN-{self.plan}-{self.day}-{self.shard}"


@dataclass(frozen=True)
class Entry:
    """What one call adds to a journal."""

    after: Journal
    events: tuple[Event, ...]


def journal_of(plan: str, group: str, now: datetime) -> Journal:
    """The empty journal in which a group's dispositions of that day stand."""
    return Journal(plan, _day(now), hashlib.sha256(group.encode()).digest()[0] % SHARDS)


def own_journal(plan: str, now: datetime) -> Journal:
    """The empty journal in which stands what the plan does by itself that day."""
    return Journal(plan, _day(now), 0)


def parse_journal_id(text: str) -> Journal | None:
    """The empty journal of a subject's name, or None where it is not one."""
    head, _, shard = text.rpartition("-")
    head, _, day = head.rpartition("-")
    if not head.startswith("JRN-") or not (day.isdigit() and shard.isdigit()):
        return None
    return Journal(head.removeprefix("JRN-"), day, int(shard))


def note_dispositions(
    journal: Journal, dispositions: Sequence[Disposition], timezone: str, now: datetime
) -> Entry:
    """Append one event that lists the alerts, what became of each, and why."""
    first = dispositions[0]
    source, incident = first.signal.alert.source, first.incident
    alerts = [entry | {"source": source, "incident": incident} for entry in folded(dispositions)]
    occurred = min(entry.signal.alert.started_at for entry in dispositions)
    return note(journal, "dispositions", f"source:{source}", {"alerts": alerts}, occurred, timezone, now)


def note(
    journal: Journal,
    type: str,
    actor: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    timezone: str,
    now: datetime,
) -> Entry:
    """Append one event; the time of record never runs backwards."""
    recorded_at = max(now, journal.recorded_at or now)
    seq = journal.length + 1
    event = seal(journal.id, seq, journal.head, type, actor, data, occurred_at, recorded_at)
    after = replace(
        journal,
        length=event.seq,
        head=event.hash,
        recorded_at=recorded_at,
        version=journal.version + 1,
        week=week_of(recorded_at, timezone),
    )
    return Entry(after, (event,))


def _day(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y%m%d")
