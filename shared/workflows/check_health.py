"""Is Tocsin up: what it depends on, tried one by one, and whether its sweeper runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.errors import StoreUnavailable, TocsinError
from shared.ports import IncidentStore

SILENT_AFTER = timedelta(minutes=5)
"""A sweeper that has not run for this long is down."""
Probe = Callable[[], object]


@dataclass(frozen=True)
class Tried:
    """One dependency: whether it answered, how long it took, and what was wrong (never a secret)."""

    name: str
    ok: bool
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class Pulse:
    """The sweeper's last run, and whether that is recent enough."""

    last_run: datetime | None
    alive: bool


@dataclass
class CheckHealth:
    """The workflow behind the health and status routes."""

    probes: Mapping[str, Probe]
    store: IncidentStore

    def ready(self, clock: Callable[[], float]) -> list[Tried]:
        """Try every dependency, side by side, so that a slow one adds nothing; ``clock`` counts seconds."""
        with ThreadPoolExecutor(len(self.probes)) as pool:
            return list(pool.map(lambda each: _try(each[0], each[1], clock), self.probes.items()))

    def pulse(self, now: datetime) -> Pulse:
        """When the sweeper last ran; not alive where storage cannot say."""
        try:
            last = self.store.last_beat(now)
        except StoreUnavailable:
            return Pulse(None, False)
        return Pulse(last, last is not None and now - last < SILENT_AFTER)


def _try(name: str, probe: Probe, clock: Callable[[], float]) -> Tried:
    started = clock()
    try:
        probe()
    except TocsinError as error:
        return Tried(name, False, clock() - started, str(error))
    return Tried(name, True, clock() - started)
