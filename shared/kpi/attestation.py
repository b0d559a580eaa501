"""What a week without incidents is worth: whether Tocsin was awake in it, hour by hour, and its door open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.timeline import stamp

HOUR = timedelta(hours=1)
LONGEST_GAP_SECONDS = 600
"""The longest time without a run in an hour that was watched; the sweep is meant to run every minute, and the
alarm on the sweeper's silence looks at 10 minutes."""


@dataclass(frozen=True, slots=True, order=True)
class Watch:
    """What one event ``watched`` tells of some whole hours, half-open."""

    since: datetime
    until: datetime
    sweeps: int
    longest_gap_seconds: int
    probes: int
    probes_failed: int

    @property
    def awake(self) -> bool:
        """Whether there were runs all along: one event may tell of the hours of an outage, too."""
        return self.sweeps > 0 and self.longest_gap_seconds <= LONGEST_GAP_SECONDS


@dataclass(frozen=True)
class Happened:
    """What a quiet week has none of."""

    opened: int
    reopened: int
    open_at_start: int
    open_at_end: int
    alerts: int

    @property
    def nothing(self) -> bool:
        """Whether the week was quiet."""
        return not any((self.opened, self.reopened, self.open_at_start, self.open_at_end, self.alerts))


def attested(
    start: datetime, as_of: datetime, happened: Happened, watches: Sequence[Watch]
) -> dict[str, Any]:
    """``attestation`` of ``kpi.json``, from what was recorded in the week before ``as_of``.

    The hours judged are those of UTC that ended in the week before ``as_of``: an hour is recorded when it is
    over, so the one that ends with the week stands in the next bundle, and each hour in one.
    """
    missing = list(_not_watched(start, as_of, [watch for watch in watches if watch.awake]))
    hours = sum(1 for _ in _hours(start, as_of))
    probes, failed = (sum(getattr(one, name) for one in watches) for name in ("probes", "probes_failed"))
    sweeper_alive = not missing and hours > 0
    intake_alive = failed == 0 if probes else None
    return {
        "quiet": happened.nothing,
        "incidents_opened": happened.opened,
        "incidents_reopened": happened.reopened,
        "open_at_start": happened.open_at_start,
        "open_at_end": happened.open_at_end,
        "alerts": happened.alerts,
        "hours": hours,
        "hours_watched": hours - len(missing),
        "hours_not_watched": len(missing),
        "not_watched": [{"from": stamp(since), "until": stamp(until)} for since, until in _joined(missing)],
        "sweeps": sum(watch.sweeps for watch in watches),
        "longest_gap_seconds": max((watch.longest_gap_seconds for watch in watches), default=None),
        "probes": probes,
        "probes_failed": failed,
        "sweeper_alive": sweeper_alive,
        "intake_alive": intake_alive,
        "attested": happened.nothing and sweeper_alive and intake_alive is True,
    }


def _hours(start: datetime, as_of: datetime) -> Iterator[datetime]:
    """The ends of the hours that are judged."""
    end = start.replace(minute=0, second=0, microsecond=0)
    end += HOUR if end < start else timedelta(0)
    while end < as_of:
        yield end
        end += HOUR


def _not_watched(start: datetime, as_of: datetime, watches: Sequence[Watch]) -> Iterator[datetime]:
    for end in _hours(start, as_of):
        if not any(watch.since <= end - HOUR and end <= watch.until for watch in watches):
            yield end


def _joined(ends: Iterable[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """Hours, by their ends in order, as stretches of time."""
    since = until = None
    for end in ends:
        if since is not None and until is not None and until != end - HOUR:
            yield since, until
            since = None
        since, until = since or end - HOUR, end
    if since is not None and until is not None:
        yield since, until
