"""`reviews.csv`: every review that was asked for and still pending in the week, as it stood at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.timeline import Event, parse_stamp, stamp, stamp_or_none
from shared.kpi.csv_cells import Cells, text

NAME = "reviews.csv"
COLUMNS = {
    "incident": "to be reviewed",
    "drill": "the drill that the incident rehearses; empty where it is meant",
    "seq": "number of the event that asked for the review",
    "required_at": "recording of that event",
    "due": "until when",
    "reminded_at": "first reminder before it was due",
    "overdue_reminders": "reminders after it was due",
    "sections": "those written, in the order of their first writing",
    "completed_at": "recording of its completion",
    "withdrawn_at": "recording of the reopening, or of the next review, that took its place",
    "in_time": "1: completed when due or before; 0: later, by however little, or not yet; "
    "empty: withdrawn until then, or not due yet",
    "overdue_seconds": "whole seconds from `due` to its completion or withdrawal, or else to the week's end",
}
TYPES = (
    "review-required",
    "review-reminded",
    "review-overdue",
    "review-noted",
    "review-completed",
    "reopened",
)


@dataclass
class _Review:
    required: Event
    last_at: datetime
    reminded_at: datetime | None = None
    overdue: int = 0
    sections: list[str] = field(default_factory=list)
    completed_at: datetime | None = None
    withdrawn_at: datetime | None = None

    def over(self, before: datetime) -> bool:
        """Whether it was completed or withdrawn before an instant."""
        ended = self.completed_at or self.withdrawn_at
        return ended is not None and ended < before

    def tell(self, event: Event) -> None:
        """An event of this review."""
        self.last_at = event.recorded_at
        if event.type == "review-reminded":
            self.reminded_at = self.reminded_at or event.recorded_at
        elif event.type == "review-overdue":
            self.overdue += 1
        elif event.type == "review-noted":
            self.sections += [one for one in [str(event.data.get("section"))] if one not in self.sections]
        else:
            self.completed_at = self.completed_at or event.recorded_at


@dataclass
class Reviews:
    """Those of one incident, one after the other."""

    start: datetime
    asked: list[_Review] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Any event."""
        now = self.asked[-1] if self.asked and self.asked[-1].withdrawn_at is None else None
        if event.type in ("review-required", "reopened"):
            if now is not None and now.completed_at is None:
                now.withdrawn_at = now.last_at = event.recorded_at
            elif now is not None:
                now.withdrawn_at = event.recorded_at
            if event.type == "review-required":
                self.asked.append(_Review(event, event.recorded_at))
        elif now is not None and event.type in TYPES:
            now.tell(event)

    def rows(self, subject: str, drill: str, end: datetime) -> Iterator[Cells]:
        """One for each that was pending when the week began, or of which the week tells."""
        for review in self.asked:
            if not review.over(self.start) or review.last_at >= self.start:
                yield self._row(subject, drill, review, end)

    @staticmethod
    def _row(subject: str, drill: str, review: _Review, end: datetime) -> Cells:
        completed = review.completed_at
        withdrawn = review.withdrawn_at if completed is None else None
        due = parse_stamp(review.required.data["due"])
        ended = completed or withdrawn or end
        late = max(0, (ended - due) // timedelta(seconds=1))
        in_time = 0 if due < ended else None if completed is None else 1
        return (
            subject,
            drill,
            review.required.seq,
            stamp(review.required.recorded_at),
            text(review.required.data["due"]),
            stamp_or_none(review.reminded_at),
            review.overdue,
            text(review.sections),
            stamp_or_none(completed),
            stamp_or_none(withdrawn),
            in_time,
            late,
        )
