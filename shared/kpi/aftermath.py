"""What follows a resolution, as the export re-derives it from events: reviews and action items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.timeline import parse_stamp
from shared.kpi.clocks import Clock

LIVE = ("open", "in-progress")


@dataclass
class Aftermath:
    """The reviews and action items of one incident."""

    clocks: list[Clock] = field(default_factory=list)
    """One for each review that was asked for."""
    due: datetime | None = None
    """Of the latest review; None where there was none, or a reopening withdrew it."""
    completed_at: datetime | None = None
    items: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Status and due instant of each item."""

    @property
    def review_pending(self) -> bool:
        """Whether a review is still to be completed, overdue or not."""
        return self.due is not None and self.completed_at is None

    @property
    def items_open(self) -> list[datetime]:
        """The due instants of the items that are still to be done."""
        return [due for status, due in self.items.values() if status in LIVE]

    @property
    def unfinished(self) -> bool:
        """Whether there is anything left to come."""
        return self.review_pending or bool(self.items_open)

    def require(self, due: datetime, at: datetime) -> None:
        """A review is asked for; it takes the place of one before it."""
        self.withdraw(at)
        self.due = due
        self.clocks.append(Clock("review", due, at))

    def withdraw(self, at: datetime) -> None:
        """The incident goes on, so the review that was asked for is no longer wanted."""
        for clock in self.clocks[-1:]:
            clock.void(at)
        self.due = self.completed_at = None

    def complete(self, at: datetime) -> None:
        """The review is done; nothing where none is pending."""
        if self.review_pending:
            self.clocks[-1].meet(at)
            self.completed_at = at

    def lapse(self, now: datetime) -> None:
        """Decide the review whose due instant has passed."""
        for clock in self.clocks[-1:]:
            clock.lapse(now)

    def change(self, item: Mapping[str, Any]) -> str | None:
        """An item as its event tells it; its status, if that is another than before."""
        before, _ = self.items.get(item["item"], ("", None))
        status: str = item["status"]
        self.items[item["item"]] = status, parse_stamp(item["due"])
        return status if status != before else None

    def states(self, end: datetime) -> Iterator[tuple[str, int]]:
        """How many are still to be done when the week ends, and overdue; by metric."""
        overdue = [due for due in self.items_open if due < end]
        late = self.review_pending and self.due is not None and self.due < end
        yield "review_overdue_at_end", int(late)
        yield "action_item_open_at_end", len(self.items_open)
        yield "action_item_overdue_at_end", len(overdue)
