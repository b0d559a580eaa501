"""The plans as of now: the files of the deployment, and who is away as their calendars were last read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.adapters.agenda_table import AgendaTable
from shared.domain.errors import StoreUnavailable
from shared.domain.oncall import Absence
from shared.domain.plan import Plan
from shared.ports import Plans

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
_Absences = Mapping[str, tuple[Absence, ...]]


@dataclass(frozen=True)
class _Known:
    """What was last read about one plan; ``ask_again_at`` is of the cache's clock."""

    ask_again_at: float
    absences: _Absences


class CurrentPlans:
    """`ports.Plans`; a plan without calendars is given as its file has it. Safe across threads."""

    def __init__(
        self, files: Plans, agenda: AgendaTable, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock`` counts seconds."""
        self._files = files
        self._agenda = agenda
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def get(self, name: str) -> Plan:
        """The current plan. Raises NotFound."""
        return self._with_absences(self._files.get(name))

    def all(self) -> Sequence[Plan]:
        """Every plan, by name."""
        return [self._with_absences(plan) for plan in self._files.all()]

    def forget(self, name: str) -> None:
        """Read the plan's absences anew at the next occasion: there is news of them."""
        with self._lock:
            self._known.pop(name, None)

    def _with_absences(self, plan: Plan) -> Plan:
        known = plan.directory
        read = {name for name, contact in known.contacts.items() if contact.calendar is not None}
        if not read:
            return plan
        found = self._absences(plan.name)
        absences = {name: found[name] for name in sorted(read & found.keys())}
        return replace(plan, directory=replace(known, absences=absences))

    def _absences(self, plan: str) -> _Absences:
        """Read at most once in `FRESH_SECONDS`: who comes meanwhile is served what is known."""
        with self._lock:
            now, known = self._clock(), self._known.get(plan)
            if known is not None and now < known.ask_again_at:
                return known.absences
            last = known.absences if known is not None else {}
            self._known[plan] = _Known(now + FRESH_SECONDS, last)
        try:
            read = {contact: each.absences for contact, each in self._agenda.readings(plan).items()}
        except StoreUnavailable:
            log.warning("the absences of %s could not be read; as they were last known", plan)
            return last
        with self._lock:
            self._known[plan] = _Known(self._clock() + FRESH_SECONDS, read)
        return read
