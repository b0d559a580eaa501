"""The plans with the rules that rule: the stable ones of the record, and those that are being tried."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from shared.domain.errors import RulesLost, StoreUnavailable
from shared.domain.out_of_reach import out_of_reach
from shared.domain.plan import Plan, Trial
from shared.ports import PlanRecords, Plans, RulesArchive

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
SERVED_SECONDS = 180.0
"""How old what is known may be, counted from its reading, and still be served while it is read anew."""


@dataclass(frozen=True)
class _Ruling:
    """The stable rules' hash, and the hash and share of those that are tried."""

    stable: str
    tried: str | None
    percent: int


@dataclass(frozen=True)
class _Known:
    """What was last read about one plan; both instants are of the cache's clock."""

    read_at: float
    ask_again_at: float
    ruling: _Ruling | None


class RulingPlans:
    """`ports.Plans`; a plan without a rollout is given as its file has it. Safe across threads."""

    def __init__(
        self,
        files: Plans,
        records: PlanRecords,
        rules: RulesArchive,
        clock: Callable[[], float] = time.monotonic,
        aside: Callable[[Callable[[], object]], None] | None = None,
    ) -> None:
        """``clock`` counts seconds; ``aside`` does a job that nobody waits for, by default in a thread."""
        self._files = files
        self._records = records
        self._rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._aside = aside or _in_a_thread
        self._known: dict[str, _Known] = {}
        self._news: dict[str, int] = {}
        """How often there was news of a plan: what was asked for before that is not kept."""

    def get(self, name: str) -> Plan:
        """The current plan. Raises NotFound, and StoreUnavailable where nobody knows which rules rule."""
        return self._ruled(self._files.get(name))

    def all(self) -> Sequence[Plan]:
        """Every plan, by name; as its file has it where nobody knows which rules rule."""
        return [self._ruled_if_known(plan) for plan in self._files.all()]

    def forget(self, name: str) -> None:
        """Read the record anew at the next occasion: there is news."""
        with self._lock:
            self._known.pop(name, None)
            self._news[name] = self._news.get(name, 0) + 1

    def _ruled_if_known(self, plan: Plan) -> Plan:
        try:
            return self._ruled(plan)
        except StoreUnavailable as error:
            log.warning("which rules of %s rule cannot be read (%s); as its file has them", plan.name, error)
            return plan

    def _ruled(self, plan: Plan) -> Plan:
        ruling = self._ruling(plan.name) if plan.rollout is not None else None
        if ruling is None or ruling.stable == plan.rules.hash:
            return plan
        try:
            stable = self._rules.get(ruling.stable)
        except (RulesLost, ValueError) as error:
            return self._as_filed(plan, str(error))
        if gone := out_of_reach(stable, plan.directory):
            return self._as_filed(plan, f"the plan has no way any more to {', '.join(gone)}")
        trial = Trial(plan.rules, ruling.percent) if ruling.tried == plan.rules.hash else None
        return replace(plan, rules=stable, trial=trial)

    def _as_filed(self, plan: Plan, why: str) -> Plan:
        """Better rules that are not due yet than none; said once until the record is read anew."""
        log.error("the stable rules of %s can rule nothing (%s): its file's rule everything", plan.name, why)
        with self._lock:
            if known := self._known.get(plan.name):
                self._known[plan.name] = replace(known, ruling=None)
        return plan

    def _ruling(self, plan: str) -> _Ruling | None:
        """What is known, where it is fresh; and for `SERVED_SECONDS`, while it is read anew."""
        with self._lock:
            now, known = self._clock(), self._known.get(plan)
            if known is not None and now < known.ask_again_at:
                return known.ruling
            soon = known is not None and now < known.read_at + SERVED_SECONDS
            if known is not None and soon:
                self._known[plan] = replace(known, ask_again_at=now + FRESH_SECONDS)
        if known is None or not soon:
            return self._read(plan, known)
        self._aside(partial(self._read, plan, known))
        return known.ruling

    def _read(self, plan: str, known: _Known | None) -> _Ruling | None:
        """Read it; where that fails, what was ``known``. Raises StoreUnavailable where that is nothing."""
        with self._lock:
            news = self._news.get(plan, 0)
        try:
            found = self._records.record(plan)
        except StoreUnavailable:
            if known is None:
                raise
            log.warning("the rollout of %s could not be read; as it was last known", plan)
            self._keep(plan, news, replace(known, ask_again_at=self._clock() + FRESH_SECONDS))
            return known.ruling
        record = found[0] if found else None
        stand = record.stand if record else None
        ruling = None
        if record is not None:
            ruling = _Ruling(record.stable, stand.rules if stand else None, stand.percent if stand else 0)
        now = self._clock()
        self._keep(plan, news, _Known(now, now + FRESH_SECONDS, ruling))
        return ruling

    def _keep(self, plan: str, news: int, known: _Known) -> None:
        """Unless there has been news since: then it is old already."""
        with self._lock:
            if self._news.get(plan, 0) == news:
                self._known[plan] = known


def _in_a_thread(job: Callable[[], object]) -> None:
    threading.Thread(target=job, daemon=True).start()
