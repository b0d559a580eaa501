"""What the throttle held back goes out: once its window has passed, or before the incident is over."""

from __future__ import annotations

from datetime import datetime

from shared.domain import throttle
from shared.domain.change import TOCSIN, Draft
from shared.domain.delivery import MOOT
from shared.domain.incident import HeldBack
from shared.domain.timeline import stamp


def catch_up(draft: Draft, held: HeldBack, due: datetime) -> None:
    """Owe it, as one message; not any more, if it says nothing true or asks for nothing now."""
    incident = draft.incident
    draft.set(held_back=tuple(each for each in incident.held_back if each is not held))
    moot = held.kind in MOOT if incident.status == "resolved" else held.kind == "resolved"
    data = {
        "contact": held.contact,
        "kind": held.kind,
        "due": stamp(due),
        "late_seconds": draft.late(due),
        "count": held.count,
        "withdrawn": moot,
    }
    event = draft.event("caught-up", TOCSIN, data, due)
    if not moot:
        draft.caught_up.append((held.contact, throttle.catch_up(held, event)))
