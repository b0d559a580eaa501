"""Each night: hold the week so far against the weeks before, and open an incident where it has got worse."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.domain.change import TOCSIN
from shared.domain.drift import Drift, drift_group, open_drift
from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.incident import incident_id
from shared.domain.journal import Entry, Journal, note, own_journal
from shared.domain.plan import Plan
from shared.domain.timeline import Event
from shared.domain.week import week_bounds, week_of
from shared.export_ports import Exports, Timelines
from shared.kpi import shelf
from shared.kpi.baseline import Baseline
from shared.kpi.drift import Samples
from shared.kpi.facts import account_of
from shared.kpi.figures import percentile
from shared.kpi.samples import Sampler, counted
from shared.ports import AdvanceQueue, IncidentStore, Journals, Plans, RulesArchive
from shared.workflows import export_kpis
from shared.workflows.punctuality import come_back, let_others_go_first
from shared.workflows.read_calendars import attempt

log = logging.getLogger(__name__)

MOST_TRIES = 12
MOST_TESTS = 300
"""Tests that one event lists, those with the smallest p; ``kpi.json`` has them all."""
MOST_AT_ONCE = 60
"""Findings that one transaction puts on record; it holds 100 rows."""
NIGHT = timedelta(days=1)
_MILLION = 1_000_000

Note = tuple[str, Mapping[str, Any]]
"""Type and data of an event."""
Key = tuple[str, str, str]
"""Measure, service and direction: found once a week."""


@dataclass
class _Noted:
    """What a journal has of a week."""

    found: set[Key] = field(default_factory=set)
    done: bool = False


@dataclass(frozen=True)
class _Look:
    """A week's tests, and the samples that they were made with."""

    week: str
    tests: list[dict[str, Any]]
    now: Samples
    before: Samples

    def drift(self, one: Mapping[str, Any]) -> Drift:
        """What an incident says of a test."""
        measure, service = one["measure"], one["service"]
        return Drift(
            self.week,
            measure,
            service,
            one["now"],
            one["before"],
            one["statistic"],
            one["p"],
            percentile(self.now.get(measure, {}).get(service) or [0], 50),
            percentile(self.before[measure][service], 50),
        )


@dataclass
class CheckDrift:
    """The workflow behind the nightly timer."""

    plans: Plans
    store: IncidentStore
    timelines: Timelines
    rules: RulesArchive
    queue: AdvanceQueue
    journals: Journals
    exports: Exports

    def check(self, now: datetime) -> int:
        """Check every plan once a night (UTC), and say how many incidents were opened.

        The week is that of the day before, as far as it was recorded before ``now``; and the one before that,
        where its last night was cut off. A plan that fails stops no other: the failures are raised together
        at the end.
        """
        failures: list[Exception] = []
        opened: list[int] = []

        def check_one(plan: Plan) -> None:
            weeks = [week_of(day, plan.rules.timezone) for day in (now - 2 * NIGHT, now - NIGHT)]
            opened.extend(self._check(plan, week, now) for week in dict.fromkeys(weeks))

        for plan in self.plans.all():
            attempt(partial(check_one, plan), f"drift of {plan.name}", failures)
        if failures:
            raise ExceptionGroup(f"the drift of {len(failures)} plans was not checked", failures)
        return sum(opened)

    def _check(self, plan: Plan, week: str, now: datetime) -> int:
        """First what was found is put on record, then its incidents are opened, at last the night is done.

        So no incident is opened that is not on record, and what a night left half done is made good by the
        next call: whatever is on record is the same however often it is opened.
        """
        if self._is_over(plan, week, now):
            return 0
        look = self._look(plan, week, now)
        drifts = [one for one in look.tests if one["drifted"]]
        found = [_found(week, one, self._incident(plan, look, one)) for one in drifts]
        self._put_on_record(plan, week, found, now)
        known = self._on_record(plan, week, now) if look.tests else set()
        higher = [one for one in look.tests if (one["measure"], one["service"], "higher") in known]
        opened = sum([self._opened(plan, look.drift(one), now) for one in higher])
        self._put_on_record(plan, week, [_checked(week, look.tests)], now)
        return opened

    def _is_over(self, plan: Plan, week: str, now: datetime) -> bool:
        """Whether there is nothing left to check in this night."""
        nights = [now] if week == week_of(now - NIGHT, plan.rules.timezone) else [now - NIGHT, now]
        return any(self._noted(own_journal(plan.name, night), week).done for night in nights)

    def _look(self, plan: Plan, week: str, now: datetime) -> _Look:
        baseline = self._baseline(plan, week)
        before = baseline.samples()
        if not any(before.values()):
            return _Look(week, [], {}, before)
        samples, days = self._samples(plan, week, now)
        return _Look(week, baseline.drift(samples, days), samples, before)

    def _baseline(self, plan: Plan, week: str) -> Baseline:
        bundles = export_kpis.list_bundles(plan.name, self.exports)
        bundle = shelf.before(bundles, week)
        return Baseline.of(
            week, None if bundle is None else lambda name: self.exports.stream(bundle.blob(name))
        )

    def _samples(self, plan: Plan, week: str, now: datetime) -> tuple[Samples, int]:
        """The week so far, one timeline after the other; only the measured values are kept."""
        timezone = plan.rules.timezone
        start, end = week_bounds(week, timezone)
        as_of = min(now, end)
        sampler = Sampler(timezone, start, as_of)
        for subject in self.timelines.subjects(plan.name, week):
            if not subject.startswith("JRN-"):
                alerts: list[tuple[datetime, int]] = []
                events = counted(self.timelines.events(subject), alerts, start, as_of)
                account = account_of(subject, events, start, as_of)
                if account is not None:
                    sampler.take(account, alerts)
        return sampler.samples(), len(sampler.days) - 1

    def _incident(self, plan: Plan, look: _Look, one: Mapping[str, Any]) -> str | None:
        """The id that its incident has or will have; None where it opens none."""
        if one["direction"] == "lower":
            return None
        place = self.store.place(drift_group(plan, look.drift(one)))
        return place.newest.incident.id if place.newest else incident_id(place.slot.partition, 1)

    def _opened(self, plan: Plan, drift: Drift, now: datetime) -> bool:
        """Whether the drift's incident of the week was opened by this very call."""
        for tried in range(MOST_TRIES):
            place = self.store.place(drift_group(plan, drift))
            if place.newest is not None:
                return False
            self.rules.keep(plan.rules)
            try:
                stored, _ = self.store.save(open_drift(plan, drift, place.slot.partition, now), None)
            except Conflict:
                let_others_go_first(tried)
                continue
            come_back(self.queue, None, stored.incident, now)
            return True
        raise StoreUnavailable("too many others are opening the same incident")

    def _on_record(self, plan: Plan, week: str, now: datetime) -> set[Key]:
        """What was found in this week, tonight and on the nights before."""
        day, _ = week_bounds(week, plan.rules.timezone)
        journals = dict[str, Journal]()
        while day < now + NIGHT:
            journal = own_journal(plan.name, min(day, now))
            journals[journal.id] = journal
            day += NIGHT
        return {key for journal in journals.values() for key in self._noted(journal, week).found}

    def _noted(self, journal: Journal, week: str) -> _Noted:
        noted = _Noted()
        for event in self.timelines.events(journal.id):
            if event.type == "drift-found" and event.data["week"] == week:
                noted.found.add(_key(event.data))
            noted.done |= event.type == "drift-checked" and event.data["week"] == week
        return noted

    def _put_on_record(self, plan: Plan, week: str, notes: Sequence[Note], now: datetime) -> None:
        """Each once, as many at a time as one transaction holds, unless somebody else is done meanwhile."""
        empty, tried = own_journal(plan.name, now), 0
        earlier = self._on_record(plan, week, now) if notes else set()
        while True:
            before, tag = self.journals.journal(empty)
            noted = self._noted(before, week)
            known = earlier | noted.found
            missing = [note for note in notes if note[0] == "drift-checked" or _key(note[1]) not in known]
            if noted.done or not missing:
                return
            try:
                self.journals.append(before, tag, _entry(plan, before, missing[:MOST_AT_ONCE], now))
            except Conflict as conflict:
                tried += 1
                if tried == MOST_TRIES:
                    raise StoreUnavailable("too many others are writing to the journal") from conflict
                let_others_go_first(tried)


def _key(one: Mapping[str, Any]) -> Key:
    return one["measure"], one["service"], one["direction"]


def _entry(plan: Plan, before: Journal, notes: Sequence[Note], now: datetime) -> Entry:
    journal, events = before, list[Event]()
    for type, data in notes:
        entry = note(journal, type, TOCSIN, data, now, plan.rules.timezone, now)
        journal = entry.after
        events += entry.events
    return Entry(replace(journal, version=before.version + 1), tuple(events))


def _checked(week: str, tests: Sequence[Mapping[str, Any]]) -> Note:
    listed = sorted(tests, key=lambda one: (one["p"], one["measure"], one["service"]))[:MOST_TESTS]
    return "drift-checked", {"week": week, "tests": [_in_millionths(one) for one in listed]}


def _found(week: str, one: Mapping[str, Any], incident: str | None) -> Note:
    shown = _in_millionths(one)
    told = {key: shown[key] for key in ("measure", "service", "direction", "statistic_ppm", "p_ppm")}
    return "drift-found", {"week": week, **told, "incident": incident}


def _in_millionths(one: Mapping[str, Any]) -> dict[str, Any]:
    """A test as events carry it, which hold no floats."""
    return {
        **{key: one[key] for key in ("measure", "service", "now", "before", "direction", "drifted")},
        "statistic_ppm": round(one["statistic"] * _MILLION),
        "p_ppm": round(one["p"] * _MILLION),
    }
