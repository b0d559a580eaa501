"""Puts on record who read what: before it is shown, so that nothing is read without a trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.ports import Journals, People
from shared.workflows.actors import actor_of
from shared.workflows.note_in_journal import note_in_journal

What = Literal["export-manifest", "export-file", "kpi", "timeline", "person"]


@dataclass(frozen=True)
class Read:
    """What is read; the fields that do not apply are None."""

    what: What
    week: str | None = None
    revision: str | None = None
    file: str | None = None
    incident: str | None = None
    range: str | None = None


@dataclass
class RecordAccess:
    """Writes `accessed` events to the plan's journal."""

    journals: Journals
    people: People

    def by(self, who: Principal, plan: Plan, read: Read, now: datetime) -> None:
        """Somebody signed in reads it. Raises StoreUnavailable, SecretUnavailable: then it is not shown."""
        self._note(self.actor(who), None, plan, read, now)

    def by_link(self, link: str, plan: Plan, read: Read, now: datetime) -> None:
        """Whoever holds an auditor's link reads it."""
        self._note(f"link:{link}", link, plan, read, now)

    def actor(self, who: Principal) -> str:
        """How events name somebody."""
        return actor_of(self.people, who)

    def _note(self, actor: str, link: str | None, plan: Plan, read: Read, now: datetime) -> None:
        data = {
            "what": read.what,
            "week": read.week,
            "revision": read.revision,
            "file": read.file,
            "incident": read.incident,
            "link": link,
            "range": read.range,
        }
        note_in_journal(self.journals, plan, "accessed", data, now, now, actor)
