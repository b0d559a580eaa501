"""Asks the queue to come back at a new deadline; whoever stored the deadline asks, so it is asked once."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.incident import Incident
from shared.ports import AdvanceQueue

NEAR = timedelta(days=1)
"""Deadlines further away are left to the timer, which finds them all."""


def come_back(queue: AdvanceQueue, before: Incident | None, after: Incident, now: datetime) -> None:
    """Send a message hidden until ``after.deadline``, where that is new and near."""
    if after.deadline is None or (before is not None and before.deadline == after.deadline):
        return
    if after.deadline - now < NEAR:
        queue.send(after.id, max(after.deadline - now, timedelta(0)))
