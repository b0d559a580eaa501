"""A drift that was found opens an incident: quiet, and one a week for each measure and service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.domain.change import TOCSIN, Change
from shared.domain.escalation import fire_lapsed
from shared.domain.incident import GroupKey, Head, Incident
from shared.domain.opening import open_incident
from shared.domain.plan import Plan

_WORDS = {
    "time_to_acknowledge_seconds": "Incidents of {service} are acknowledged later than before",
    "time_to_resolve_seconds": "Incidents of {service} take longer to resolve than before",
    "alerts_per_day": "{service} has more alerts than before",
}


@dataclass(frozen=True)
class Drift:
    """One finding: a week's values of a measure and service lie higher than those of the weeks before."""

    week: str
    measure: str
    service: str
    now: int
    before: int
    """Sizes of the two samples."""
    statistic: float
    p: float
    median_now: int
    median_before: int


def drift_group(plan: Plan, found: Drift) -> str:
    """The digest of the group key of a drift in its week."""
    return GroupKey(plan.name, "drift", f"{found.measure}\n{found.service}\n{found.week}").digest


def open_drift(plan: Plan, found: Drift, partition: str, now: datetime) -> Change:
    """Open its incident with the plan's quietest severity; it escalates by the plan like any other."""
    group = drift_group(plan, found)
    incident = Incident(
        partition,
        1,
        plan.name,
        None,
        group,
        f"drift-{found.measure}",
        found.service,
        plan.rules.severities[-1].name,
        plan.rules.hash,
        now,
        title=title(found),
        summary=summary(found),
    )
    rule = f"drift {found.measure}"
    draft = open_incident(incident, plan.rules, plan.directory, TOCSIN, rule, now, None, now)
    draft.head = Head(group, next_n=2)
    fire_lapsed(draft, now, inclusive=True)
    return draft.finish()


def title(found: Drift) -> str:
    """What has changed, with both medians."""
    medians = (_worded(found.measure, value) for value in (found.median_now, found.median_before))
    words = _WORDS.get(found.measure, f"{found.measure} of {{service}} is higher than before")
    return f"{words.format(service=found.service)}: median {' against '.join(medians)}"


def summary(found: Drift) -> str:
    """By what test."""
    return (
        f"{found.week}: two-sample Kolmogorov-Smirnov test of {found.now} values against {found.before} of "
        f"the weeks before, D = {found.statistic:.6g}, p = {found.p:.6g}"
    )


def _worded(measure: str, value: int) -> str:
    if measure == "alerts_per_day":
        return f"{value} a day"
    hours, minutes = divmod(value // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {value % 60} s" if minutes else f"{value} s"
