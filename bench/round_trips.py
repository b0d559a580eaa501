"""What an alert costs in requests to storage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local import azurite
from shared.domain.alert import Alert
from tests.builders import an_alert
from tests.stage import Stage


@dataclass(frozen=True)
class Trips:
    """Requests that one call made, queue message counted."""

    first: int
    repeated: int
    group_of_50: int


def measure(folder: Path) -> Trips:
    """Count them on the wire, after the process's very first alert."""
    with azurite.start(folder, in_memory=True) as storage, Stage(storage.connection_string) as stage:

        def cost(*alerts: Alert) -> int:
            with stage.clients.round_trips.counted() as count:
                stage.hear(*alerts)
            return count[0]

        stage.hear(an_alert("Warm-up"))
        group = [an_alert(identity=f"host-{nth}", group="hosts") for nth in range(50)]
        return Trips(cost(an_alert()), cost(an_alert()), cost(*group))
