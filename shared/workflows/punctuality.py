"""Asks the queue to come back at a new deadline (whoever stored the deadline asks, so it is asked once), and
lets others go first where several write at once."""

from __future__ import annotations

import random
import time
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


def let_others_go_first(tried: int) -> None:
    """A pause of chance before the next try, longer the more were made: writers are spread."""
    time.sleep(random.uniform(0, 0.03 * (tried + 1)))  # noqa: S311  (guards nothing)
