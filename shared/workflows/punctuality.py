"""Asks the queue to come back at a new deadline; whoever stored the deadline asks, so it is asked once."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.incident import Incident
from shared.ports import AdvanceQueue

NEAR = timedelta(days=1)
"""Deadlines further away are left to the timer, which finds them all."""


def come_back(
    queue: AdvanceQueue, before: Incident | None, after: Incident, now: datetime, *, owes: bool = False
) -> None:
    """Send a message hidden until ``after.deadline``, where that is new and near.

    ``owes`` says that the change owes something new: then it is sent although the deadline had come before,
    for whoever is at work on that may be held up by a slow provider.
    """
    if after.deadline is None:
        return
    if before is not None and before.deadline == after.deadline and not (owes and after.deadline <= now):
        return
    if after.deadline - now < NEAR:
        queue.send(after.id, max(after.deadline - now, timedelta(0)))
