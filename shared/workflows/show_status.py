"""What the public reads of a plan: its status page, kept for a moment so that nobody hammers the storage."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.errors import NotFound, StoreUnavailable
from shared.domain.incident import Incident
from shared.domain.plan import Plan
from shared.domain.status_page import (
    MOST_INCIDENTS,
    PublicIncident,
    PublicStatus,
    is_public,
    public_incident,
    public_status,
    spoken,
)
from shared.domain.timeline import Event
from shared.ports import IncidentStore, Plans, Selection

FRESH = timedelta(seconds=15)
"""How long a page is shown before the storage is asked again."""
LAST_KNOWN = timedelta(hours=1)
"""How old a page may get while the storage does not answer; an older one would mislead."""
LONGEST = timedelta(days=7)
"""How long before the page's history an incident may have been opened to be found once it is resolved."""
LOOKS_BACK = timedelta(minutes=5)
"""How often resolved incidents are looked for; those on the page already are read again each time."""
MOST_PAGES = 3
AT_ONCE = 8


@dataclass
class _Kept:
    """A plan's page as last read; ``said`` is kept by timeline, so that only a longer one is read again."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    page: PublicStatus | None = None
    of: object = None
    """What of the plan it was made from."""
    tried_at: datetime | None = None
    looked_back_at: datetime | None = None
    shown: tuple[str, ...] = ()
    said: dict[str, tuple[Event, ...]] = field(default_factory=dict)


@dataclass
class ShowStatus:
    """The workflow behind ``GET /status/{plan}``; anybody may read it, of plans that have such a page."""

    plans: Plans
    store: IncidentStore
    render: Callable[[PublicStatus], tuple[bytes, str]]
    """A page as HTML, and the Content-Security-Policy that it is to be shown under."""

    def __post_init__(self) -> None:
        """Start with nothing known."""
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def page(self, plan_name: str, now: datetime) -> PublicStatus:
        """The page, at most `FRESH` old, or the last known while the storage does not answer.

        Raises NotFound where there is no such plan or it has no page, StoreUnavailable without a last known.
        """
        plan = self._plan(plan_name)
        kept = self._kept_of(plan.name)
        if not _is_due(kept, plan, now):
            return _known(kept, plan, now)
        waits = _usable(kept, plan, now) is None
        if not kept.lock.acquire(blocking=waits):
            return _known(kept, plan, now)  # somebody else is asking already
        try:
            if _is_due(kept, plan, now):
                self._read(kept, plan, now)
            return _known(kept, plan, now)
        finally:
            kept.lock.release()

    def _plan(self, name: str) -> Plan:
        try:
            plan = self.plans.get(name)
        except NotFound:
            plan = None
        if plan is None or plan.status_page is None:
            raise NotFound("there is no such status page")
        return plan

    def _kept_of(self, name: str) -> _Kept:
        with self._lock:
            return self._kept.setdefault(name, _Kept())

    def _read(self, kept: _Kept, plan: Plan, now: datetime) -> None:
        if kept.of != _made_from(plan):
            kept.page, kept.tried_at, kept.looked_back_at = None, None, None
            kept.of = _made_from(plan)
        try:
            kept.page = self._made(kept, plan, now)
        except StoreUnavailable:
            if _usable(kept, plan, now) is None:
                raise
        finally:
            kept.tried_at = now

    def _made(self, kept: _Kept, plan: Plan, now: datetime) -> PublicStatus:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = self._found(kept, plan, now, pool)
            said = dict(pool.map(lambda each: self._said(kept, each), found))
            shown = list(pool.map(lambda each: (each, self._shown(each, said[each.head], plan)), found))
        kept.said, kept.shown = said, tuple(each.id for each in found)
        return public_status(plan, shown, now)

    def _found(self, kept: _Kept, plan: Plan, now: datetime, pool: ThreadPoolExecutor) -> list[Incident]:
        """What the page shows: live incidents however old, then those that were resolved lately."""

        def shows(incident: Incident) -> bool:
            return is_public(incident, plan, now)

        wanted = Selection(shows, frozenset({plan.name}), limit=MOST_INCIDENTS, live=True)
        live = self.store.page(wanted).incidents
        if not _is_within(kept.looked_back_at, LOOKS_BACK, now):
            past = self._looked_back(plan, now, MOST_INCIDENTS - len(live))
            kept.looked_back_at = now
        else:
            here = {each.id for each in live}
            again = pool.map(self._again, [each for each in kept.shown if each not in here])
            past = [one for one in again if one is not None and one.over and shows(one)]
        return [*live, *past][:MOST_INCIDENTS]

    def _looked_back(self, plan: Plan, now: datetime, most: int) -> list[Incident]:
        """Incidents that were resolved lately, newest first."""
        history = plan.status_page.history if plan.status_page else timedelta(0)
        since, cursor, found = now - history - LONGEST, None, list[Incident]()
        for _ in range(MOST_PAGES):
            if len(found) == most:
                break
            page = self.store.page(
                Selection(
                    lambda one: one.over and is_public(one, plan, now),
                    frozenset({plan.name}),
                    since=since,
                    cursor=cursor,
                    limit=most - len(found),
                )
            )
            found += page.incidents
            cursor = page.cursor
            if cursor is None:
                break
        return found

    def _again(self, incident_id: str) -> Incident | None:
        try:
            return self.store.load(incident_id).incident
        except NotFound:
            return None

    def _said(self, kept: _Kept, incident: Incident) -> tuple[str, tuple[Event, ...]]:
        known = kept.said.get(incident.head)
        return incident.head, known if known is not None else spoken(self.store.events(incident.id))

    def _shown(self, incident: Incident, said: tuple[Event, ...], plan: Plan) -> PublicIncident:
        """Texts are read each time: one may have been erased."""
        texts = self.store.texts(incident.id) if said else {}
        return public_incident(incident, said, texts, plan)


def _is_due(kept: _Kept, plan: Plan, now: datetime) -> bool:
    return kept.of != _made_from(plan) or not _is_within(kept.tried_at, FRESH, now)


def _is_within(instant: datetime | None, span: timedelta, now: datetime) -> bool:
    """Whether an instant is no longer ago than that; one in the future is not."""
    return instant is not None and timedelta(0) <= now - instant < span


def _made_from(plan: Plan) -> object:
    return plan.rules.hash, plan.status_page


def _usable(kept: _Kept, plan: Plan, now: datetime) -> PublicStatus | None:
    page = kept.page if kept.of == _made_from(plan) else None
    return page if page is not None and now - page.updated_at <= LAST_KNOWN else None


def _known(kept: _Kept, plan: Plan, now: datetime) -> PublicStatus:
    page = _usable(kept, plan, now)
    if page is None:
        raise StoreUnavailable("the status page cannot be read just now; try again soon")
    return page
