"""A receipt: what a provider says later about a notification that it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.change import Change, Draft
from shared.domain.delivery import Delivery
from shared.domain.escalation import fail_over
from shared.domain.incident import RECEIPTS_KEPT, Incident
from shared.domain.plan import Directory, Rules

ReceiptState = Literal["delivered", "read", "undelivered"]


@dataclass(frozen=True)
class Receipt:
    """What became of one delivery, by the word of its channel's provider."""

    delivery: Delivery
    state: ReceiptState
    provider_id: str | None
    occurred_at: datetime


def hear_receipt(
    incident: Incident, receipt: Receipt, rules: Rules, directory: Directory, now: datetime
) -> Change | None:
    """Put it on record, once; what did not arrive goes on to the contact's next way. None: it is known."""
    delivery, known = receipt.delivery, f"{receipt.delivery.id} {receipt.state}"
    too_late = f"{known}-late"
    if {known, too_late} & set(incident.receipts):
        return None
    given_up = receipt.state == "undelivered" and delivery.state == "failed"
    known = too_late if given_up else known  # our own failure goes on to the next way
    draft = Draft(incident, incident, rules, directory, now)
    draft.keep_waiting()
    data = {
        "delivery": delivery.id,
        "contact": delivery.contact,
        "channel": delivery.channel,
        "state": receipt.state,
        "provider_id": receipt.provider_id,
    }
    actor, at = f"channel:{delivery.channel}", min(receipt.occurred_at, now)
    event = draft.event("receipt", actor, data, at)
    draft.set(receipts=(*incident.receipts, known)[-RECEIPTS_KEPT:])
    arrived = {f"{delivery.id} delivered", f"{delivery.id} read"} & set(incident.receipts)
    let_be = delivery.moot(incident.status) or delivery.message.kind == "refresh" or arrived or given_up
    if receipt.state == "undelivered" and not let_be:
        fail_over(draft, delivery, event)
    return draft.finish()
