"""Figures as of now, by the definitions of the export, from the timelines as they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.errors import Fault, InvalidInput, Refused
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.domain.timeline import stamp
from shared.domain.week import week_after, week_bounds, week_of
from shared.export_ports import Exports, Timelines
from shared.kpi import shelf
from shared.kpi.definitions import DEFINITIONS
from shared.kpi.facts import account_of
from shared.kpi.figures import Slice, Tally, against, figure
from shared.ports import Plans
from shared.workflows import export_kpis
from shared.workflows.record_access import Read, RecordAccess
from shared.workflows.visible import visible_plan

LONGEST = timedelta(days=92)
GROUPS: Mapping[str, str] = {"severity": "severities", "service": "services", "version": "versions"}


@dataclass
class ShowKpis:
    """The workflow behind ``GET /api/v1/plans/{plan}/kpi``."""

    plans: Plans
    timelines: Timelines
    exports: Exports
    access: RecordAccess
    purged_until: Callable[[str], str]
    """The last week of a plan from which records were purged; "" where none were."""

    def show(
        self,
        plan_name: str,
        span: tuple[datetime | None, datetime | None],
        group: str | None,
        who: Principal,
        now: datetime,
    ) -> dict[str, Any]:
        """Every KPI of [from, to), and of each group; an Auditor's. Raises InvalidInput, NotFound, Forbidden.

        What is later than ``now`` has not happened: the figures end there.
        """
        who.require("Auditor")
        plan = visible_plan(self.plans, plan_name, who)
        start, end = _bounds(plan, span, now)
        first = week_of(start, plan.rules.timezone)
        if first <= self.purged_until(plan.name):
            raise Refused(f"records of {first} or later were purged; its bundle has the figures")
        self.access.by(who, plan, Read("kpi"), now)
        tally = self._tally(plan, start, min(end, now))
        groups = getattr(tally, GROUPS[group]) if group else {}
        return {
            "plan": plan.name,
            "from": stamp(start),
            "to": stamp(end),
            "as_of": stamp(min(end, now)),
            "kpis": _figures(tally.plan, plan.targets),
            "groups": {name: _figures(part, {}) for name, part in sorted(groups.items())},
        }

    def _tally(self, plan: Plan, start: datetime, end: datetime) -> Tally:
        tally, timezone = Tally(), plan.rules.timezone
        week, last = week_of(start, timezone), week_of(end, timezone)
        bundles = export_kpis.list_bundles(plan.name, self.exports)
        subjects = export_kpis.left_open(shelf.before(bundles, week), self.exports)
        while week <= last:
            subjects.update(self.timelines.subjects(plan.name, week))
            week = week_after(week)
        for subject in sorted(subjects):
            events = (event for event in self.timelines.events(subject) if event.recorded_at < end)
            account = account_of(subject, events, start, end)
            if account is not None:
                tally.add(account)
        return tally


def _bounds(
    plan: Plan, span: tuple[datetime | None, datetime | None], now: datetime
) -> tuple[datetime, datetime]:
    """The span, or what is missing of it from the week that is on. Raises InvalidInput."""
    monday, next_monday = week_bounds(week_of(now, plan.rules.timezone), plan.rules.timezone)
    start, end = span[0] or (span[1] and span[1] - timedelta(days=7)) or monday, span[1]
    end = end or max(next_monday, start)
    if start >= end:
        raise InvalidInput("kpi", [Fault("from", "must lie before to")])
    if start > now:
        raise InvalidInput("kpi", [Fault("from", "lies in the future")])
    if end - start > LONGEST:
        raise InvalidInput("kpi", [Fault("to", f"must be at most {LONGEST.days} days after from")])
    return start, end


def _figures(part: Slice, targets: Mapping[str, int]) -> dict[str, Any]:
    shown = {}
    for one in DEFINITIONS:
        if one.kind == "change":
            continue  # against earlier weeks, which only the export has at hand
        found = figure(one, part)
        held = against(targets.get(one.target_name), one, found["value"]) if one.target else {}
        shown[one.name] = {**found, "unit": one.unit, **held}
    return shown
