"""SLA clocks as the export re-derives them from events: when each was decided, and how."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Outcome = Literal["running", "met", "missed", "void"]


@dataclass
class Clock:
    """One clock of one opening or reopening. ``due`` None: there is no target, so nothing to decide."""

    name: str
    due: datetime | None
    set_at: datetime
    """When ``due`` was recorded; a target raised into the past is missed then, not before."""
    outcome: Outcome = "running"
    decided_at: datetime | None = None

    def lapse(self, now: datetime, *, inclusive: bool = False) -> None:
        """Miss the target if it lies before ``now``; at the very instant there is still time to meet it.

        ``inclusive``: Tocsin itself recorded at ``now`` that the time was up.
        """
        if self.outcome != "running" or self.due is None:
            return
        if self.due < now or (inclusive and self.due == now):
            self._decide("missed", max(self.due, self.set_at))

    def meet(self, at: datetime) -> None:
        """Stop in time, unless that was decided already; without a target there was nothing to meet."""
        if self.outcome == "running":
            self._decide("void" if self.due is None else "met", at)

    def void(self, at: datetime) -> None:
        """End without a verdict, unless that was decided already."""
        if self.outcome == "running":
            self._decide("void", at)

    def move(self, due: datetime | None, at: datetime) -> None:
        """Another target from now on, unless that was decided already."""
        if self.outcome == "running":
            self.due, self.set_at = due, at

    def excluded_at(self, end: datetime) -> tuple[str, datetime] | None:
        """Why no verdict counts what this clock measures, and when that was known; None where one does."""
        if self.outcome == "void":
            return ("voided" if self.due is not None else "no-target"), self.decided_at or end
        return ("running", end) if self.outcome == "running" and self.due is not None else None

    def _decide(self, outcome: Outcome, at: datetime) -> None:
        self.outcome, self.decided_at = outcome, at
