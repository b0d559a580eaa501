"""Is Tocsin up: what it depends on, tried one by one, its plans' secrets, and whether its sweeper runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.errors import SecretUnavailable, StoreUnavailable, TocsinError
from shared.ports import IncidentStore

SILENT_AFTER = timedelta(minutes=5)
"""A sweeper that has not run for this long is down."""
SECRETS_AT_ONCE = 16
SECRETS_WITHIN = 2.5
"""Seconds that a look for all secrets may take, however many there are and however slow the vault is."""
SECRETS_KEPT = 30.0
"""Seconds for which what was found of the secrets is told again without another look."""
LATE = "there was no answer in time"
Probe = Callable[[], object]
log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Lacking:
    """A secret that plans name, or texts need, and that is not to be had, and why (never a value)."""

    name: str
    plans: tuple[str, ...]
    error: str


@dataclass(frozen=True)
class Ready:
    """What was found: every dependency, and the secrets that plans name and that are missing.

    Without a dependency nothing works, so such an instance is not ready. Without a secret of some plan only
    what needs it fails, on every instance alike: alerts must go on coming in, so it is still ready.
    """

    tried: tuple[Tried, ...]
    named: int
    """How many secrets the plans name."""
    lacking: tuple[Lacking, ...]

    @property
    def ok(self) -> bool:
        """Whether every dependency answers."""
        return all(each.ok for each in self.tried)


@dataclass
class PlanSecrets:
    """Looks for the secrets that plans name; safe across threads, one look at a time."""

    named: Callable[[], Mapping[str, Sequence[str]]]
    """Secret -> the plans that name it."""
    get: Callable[[str], object]
    """Raises SecretUnavailable."""
    besides: Mapping[str, Probe] = field(default_factory=dict)
    """What texts need, whatever plans name: a look at it, which raises SecretUnavailable."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _seen: tuple[float, int, tuple[Lacking, ...]] | None = field(default=None, init=False)
    _had: set[str] = field(default_factory=set, init=False)
    _late: set[str] = field(default_factory=set, init=False)

    def look(self, clock: Callable[[], float]) -> tuple[int, tuple[Lacking, ...]]:
        """How many are named, and which are missing; not older than `SECRETS_KEPT`.

        One that was there before and does not answer in time is not missing: its value is still served.
        """
        with self._lock:
            if self._seen is None or clock() - self._seen[0] >= SECRETS_KEPT:
                before, found = self._seen, self._look()
                self._seen = (clock(), *found)
                self._tell(before[2] if before else (), found[1])
            return self._seen[1:]

    def _look(self) -> tuple[int, tuple[Lacking, ...]]:
        named = {**dict.fromkeys(self.besides, ()), **self.named()}
        # What is not known, or was not reached last time, comes first: a slow vault must not hide it.
        order = sorted(named, key=lambda name: (name in self._had, name not in self._late, name))
        reasons = lacking(order, self._try, SECRETS_WITHIN)
        self._late = {name for name, why in reasons.items() if why == LATE}
        served = self._late & self._had
        self._had = {name for name in named if name not in reasons} | served
        missing = sorted(set(reasons) - served)
        found = tuple(Lacking(name, tuple(named[name]), reasons[name]) for name in missing)
        return len(named) - len(self.besides), found

    def _try(self, name: str) -> object:
        return self.besides[name]() if name in self.besides else self.get(name)

    def _tell(self, before: tuple[Lacking, ...], now: tuple[Lacking, ...]) -> None:
        names = [each.name for each in now]
        if names and names != [each.name for each in before]:
            log.warning("%d secrets that plans name are missing: %s", len(names), ", ".join(names))
        elif before and not names:
            log.info("every secret that plans name is there again")


@dataclass
class CheckHealth:
    """The workflow behind the health and status routes."""

    probes: Mapping[str, Probe]
    store: IncidentStore
    secrets: PlanSecrets = field(default_factory=lambda: PlanSecrets(dict, str))

    def ready(self, clock: Callable[[], float]) -> Ready:
        """Try everything side by side, so that what is slow adds nothing; ``clock`` counts seconds."""
        with ThreadPoolExecutor(len(self.probes) + 1) as pool:
            secrets = pool.submit(self.secrets.look, clock)
            tried = pool.map(lambda each: _try(each[0], each[1], clock), self.probes.items())
            named, missing = secrets.result()
            return Ready(tuple(tried), named, missing)

    def pulse(self, now: datetime) -> Pulse:
        """When the sweeper last ran; not alive where storage cannot say."""
        try:
            last = self.store.last_beat(now)
        except StoreUnavailable:
            return Pulse(None, False)
        return Pulse(last, last is not None and now - last < SILENT_AFTER)


def lacking(
    names: Iterable[str], get: Callable[[str], object], within: float | None = None
) -> dict[str, str]:
    """The secrets that ``get`` does not have, each with why; `LATE` where it took longer than ``within``."""
    threads = ThreadPoolExecutor(SECRETS_AT_ONCE, "tocsin-secrets")
    tries = {name: threads.submit(_why_not, get, name) for name in names}
    done = wait(tries.values(), timeout=within).done
    threads.shutdown(wait=False, cancel_futures=True)
    reasons = {name: future.result() if future in done else LATE for name, future in tries.items()}
    return {name: why for name, why in reasons.items() if why is not None}


def _why_not(get: Callable[[str], object], name: str) -> str | None:
    try:
        get(name)
    except SecretUnavailable as error:
        return str(error)
    return None


def _try(name: str, probe: Probe, clock: Callable[[], float]) -> Tried:
    started = clock()
    try:
        probe()
    except TocsinError as error:
        return Tried(name, False, clock() - started, str(error))
    return Tried(name, True, clock() - started)
