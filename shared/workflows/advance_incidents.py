"""Time has passed: take every deadline that has come, escalate, and deliver what is owed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from shared.domain import escalation
from shared.domain.errors import Conflict, NotFound, StoreUnavailable
from shared.domain.incident import Incident
from shared.ports import AdvanceQueue, Due, IncidentStore, Owed, Plans, RulesArchive, Stored
from shared.workflows.deliver import Deliver
from shared.workflows.punctuality import come_back

log = logging.getLogger(__name__)

MOST_ROUNDS = 60
"""Rounds of decide, store and deliver in one run; more only if weeks have lapsed at once."""
AT_ONCE = 8
Clock = Callable[[], datetime]


@dataclass
class AdvanceIncidents:
    """The workflow behind the timer and the queue."""

    store: IncidentStore
    plans: Plans
    rules: RulesArchive
    queue: AdvanceQueue
    deliver: Deliver

    def sweep(self, clock: Clock) -> int:
        """Advance every subject whose deadline has come; how many there were.

        One that fails stops nobody: the rest is advanced first, then the failures are raised together.
        """
        started = clock()
        subjects: dict[str, list[Due]] = {}
        failures: list[Exception] = []
        try:
            for due in self.store.due(started):
                subjects.setdefault(due.subject, []).append(due)
        except StoreUnavailable as error:
            failures.append(error)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda each: self._advance_due(each[0], each[1], clock), subjects.items())
            failures += [failure for failure in found if failure is not None]
        try:
            self.store.beat(started, len(subjects))
        except StoreUnavailable as error:
            failures.append(error)
        if failures:
            raise ExceptionGroup(f"{len(failures)} failures in a sweep of {len(subjects)}", failures)
        return len(subjects)

    def advance(self, incident_id: str, clock: Clock) -> Incident | None:
        """Bring one incident up to date; None where there is none.

        Raises StoreUnavailable; the deadline then stays, and the next sweep tries again.
        """
        try:
            stored = self.store.load(incident_id)
        except NotFound:
            log.info("%s is not there (yet); its deadline decides", incident_id)
            return None
        owed: list[Owed] | None = None
        for _ in range(MOST_ROUNDS):
            try:
                stored, owed, moved = self._round(stored, owed, clock)
            except Conflict:
                stored, owed, moved = self.store.load(incident_id), None, True
            if not moved:
                break
        return stored.incident

    def _round(
        self, stored: Stored, owed: list[Owed] | None, clock: Clock
    ) -> tuple[Stored, list[Owed] | None, bool]:
        """Decide and store, then deliver. Raises Conflict where the incident must be read again.

        People are today's; where the plan is gone, its incidents wait until it is back (NotFound).
        """
        incident = stored.incident
        plan, rules = self.plans.get(incident.plan), self.rules.get(incident.rules)
        if owed is None:
            owed = self.store.owed(incident) if incident.deliver_at else []
        deliveries = [item.delivery for item in owed]
        change = escalation.advance(incident, deliveries, rules, plan.directory, clock())
        if change is not None:
            stored, new = self.store.save(change, stored)
            now = clock()
            if (change.after.deadline or now) > now:  # what is due by now follows in this very run
                come_back(self.queue, incident, change.after, now)
            if stored.incident.version != change.after.version:
                raise Conflict("it is stored, and somebody else has built on it since")
            settled = {delivery.id for delivery in change.settled}
            owed = [item for item in owed if item.delivery.id not in settled] + new
        outcomes = self.deliver.all_due(owed, stored.incident, plan, rules, clock)
        return stored, outcomes.owed, change is not None or outcomes.sent > 0

    def _advance_due(self, subject: str, dues: list[Due], clock: Clock) -> Exception | None:
        try:
            incident = self.advance(subject, clock)
            for due in dues:
                self.store.drop(due, incident, clock())
        except Exception as error:  # noqa: BLE001  (one bad incident must stop nobody; raised by `sweep`)
            log.warning("%s could not be advanced (%s)", subject, type(error).__name__)
            return error
        return None
