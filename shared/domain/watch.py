"""Whether Tocsin was awake: what a stretch of whole hours shows of its sweeper and of its public door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.timeline import stamp

SETTLE = timedelta(minutes=5)
"""How long an hour that is over rests, so that runs that began in it have been counted."""
MOST = timedelta(days=7)
"""The longest stretch on record as one."""
LOOK_BACK = timedelta(days=35)
"""How far before a stretch its last run is looked for."""


@dataclass(frozen=True)
class Hour:
    """One hour in which something was counted; ``first`` and ``last`` run are None where there was none."""

    starts: datetime
    runs: int
    first: datetime | None
    last: datetime | None
    longest_gap_seconds: int
    """Before a run of it."""
    probes: int
    probes_failed: int


def hour_of(instant: datetime) -> datetime:
    """The start of the hour, UTC."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def next_stretch(watched: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    """The whole hours, half-open, that are over and not on record yet; None where there are none."""
    until = min(hour_of(now - SETTLE), watched + MOST)
    return (watched, until) if until > watched else None


def watched(
    since: datetime, until: datetime, before: datetime | None, hours: Sequence[Hour]
) -> dict[str, Any]:
    """The data of the event `watched`; ``before`` is the last run before the stretch, as far as is known."""
    inside = [hour for hour in hours if since <= hour.starts < until]
    return {
        "from": stamp(since),
        "until": stamp(until),
        "sweeps": sum(hour.runs for hour in inside),
        "longest_gap_seconds": int(_longest_gap(since, until, before, inside)),
        "probes": sum(hour.probes for hour in inside),
        "probes_failed": sum(hour.probes_failed for hour in inside),
    }


def last_run(hours: Iterable[Hour]) -> datetime | None:
    """The latest run of all, or None."""
    return max((hour.last for hour in hours if hour.last is not None), default=None)


def _longest_gap(since: datetime, until: datetime, before: datetime | None, inside: Sequence[Hour]) -> float:
    """From the last run before the stretch, over its edges, to its end."""
    longest, last = 0.0, before or since
    for hour in inside:
        if hour.first is None or hour.last is None:
            continue
        longest = max(longest, (hour.first - last).total_seconds(), hour.longest_gap_seconds)
        last = max(last, hour.last)
    return max(longest, (until - last).total_seconds())
