"""SLA clocks: a window that runs from opening (or reopening) until a person responds or resolves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True)
class Clock:
    """``due`` is None where the plan sets no window."""

    due: datetime | None = None
    stopped_at: datetime | None = None
    breached: bool = False

    @property
    def pending(self) -> datetime | None:
        """The instant at which this clock will breach, or None where it no longer can."""
        return None if self.stopped_at or self.breached else self.due

    def stopped(self, now: datetime) -> Clock:
        """The first stop counts."""
        return self if self.stopped_at else replace(self, stopped_at=now)


UNSET = Clock()
"""A clock that nobody has started."""
