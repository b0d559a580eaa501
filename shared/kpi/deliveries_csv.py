"""`deliveries.csv`: one row for each notification that was sent, given up or withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.domain.timeline import Event, stamp
from shared.kpi.csv_cells import PLACE, Cells, place, text

NAME = "deliveries.csv"
COLUMNS = {
    **PLACE,
    "drill": "the drill that the incident rehearses; empty where it is meant",
    "delivery": "id of the notification",
    "kind": "of message",
    "contact": "who was to be told",
    "channel": "by which",
    "caused_by": "number of the event that it tells of",
    "owed_at": "since when it was owed",
    "sent_at": "when the attempt that succeeded began",
    "taken_at": "when the provider accepted; empty where none did",
    "attempts": "how many were made",
    "outcome": "`delivered`, `failed` or `withdrawn`",
    "status": "of the provider's last answer",
    "provider_id": "of the message, as the provider calls it",
    "body_sha256": "salted hash of what was said",
    "template": "that it was made from",
    "template_version": "of that template",
    "digest": "the storm digest that told it together with others",
    "first_receipt": "what the provider said first of it, up to the week's end",
    "first_receipt_at": "when that was, as the provider says",
    "last_receipt": "what the provider said last of it, up to the week's end",
    "last_receipt_at": "when that was, as the provider says",
}
_OUTCOMES = {"delivered": "delivered", "delivery-failed": "failed", "delivery-withdrawn": "withdrawn"}
TYPES = (*_OUTCOMES, "receipt")


@dataclass
class Deliveries:
    """Those of one subject; receipts may come before their notification's own event, or long after."""

    ended: list[tuple[Event, str]] = field(default_factory=list)
    receipts: dict[str, tuple[Event, Event]] = field(default_factory=dict)
    """The first and the last of each notification."""

    def take(self, event: Event, drill: str, *, in_week: bool) -> None:
        """Any event."""
        if event.type == "receipt":
            delivery = str(event.data.get("delivery"))
            first, _ = self.receipts.get(delivery, (event, event))
            self.receipts[delivery] = first, event
        elif in_week and event.type in _OUTCOMES:
            self.ended.append((event, drill))

    def rows(self) -> Iterator[Cells]:
        """One for each that ended in the week."""
        for event, drill in self.ended:
            yield self._row(event, drill)

    def _row(self, event: Event, drill: str) -> Cells:
        data = event.data
        words = {key: text(data.get(key)) for key in COLUMNS}
        return (
            *place(event),
            drill,
            words["delivery"],
            words["kind"],
            words["contact"],
            words["channel"],
            words["caused_by"],
            words["owed_at"],
            words["sent_at"],
            stamp(event.occurred_at) if event.type == "delivered" else None,
            words["attempts"],
            _OUTCOMES[event.type],
            words["status"],
            words["provider_id"],
            words["body_sha256"],
            words["template"],
            words["template_version"],
            words["digest"],
            *self._heard(str(data.get("delivery"))),
        )

    def _heard(self, delivery: str) -> Iterator[str | int | None]:
        for receipt in self.receipts.get(delivery, (None, None)):
            yield None if receipt is None else text(receipt.data.get("state"))
            yield None if receipt is None else stamp(receipt.occurred_at)
