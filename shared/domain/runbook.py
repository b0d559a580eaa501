"""A runbook: what people do about one kind of trouble, in five parts; and which runbook is for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from shared.domain.incident import Incident
from shared.domain.plan import Plan, RunbookRule

PARTS = ("Alert information", "Quick assessment", "Investigation", "Resolution", "Post-resolution")
"""The headings of every runbook, in order."""


@dataclass(frozen=True)
class Part:
    """One of the five parts; ``text`` is its Markdown without the heading."""

    name: str
    text: str


@dataclass(frozen=True)
class Runbook:
    """One runbook as it was read; a part that the file lacks is not among ``parts``."""

    name: str
    title: str
    text: str
    """The whole Markdown."""
    parts: tuple[Part, ...] = ()
    alerts: tuple[str, ...] = ()
    """Names of the alerts that it says it is for; may hold shell patterns."""
    severity: str = ""
    """What it says of its severity, in its own words."""
    skeleton: bool = False
    """Whether it says of itself that its steps are still to be written by those who run the service."""


def runbook_of(rules: Sequence[RunbookRule], name: str, service: str, source: str | None) -> str | None:
    """The name of the runbook for an incident, of which only its alert's name, service and source are known.

    A rule that also asks for a severity, labels, annotations or values does not match here.
    """
    return next((rule.runbook for rule in rules if _matches_known(rule, name, service, source)), None)


def runbook_for_incident(plan: Plan, incident: Incident) -> str | None:
    """The name of the runbook for an incident, by today's plan; a drill may name its own."""
    for drill in plan.drills:
        if drill.name == incident.drill and drill.runbook:
            return drill.runbook
    return runbook_of(plan.runbooks, incident.name, incident.service, incident.source)


def _matches_known(rule: RunbookRule, name: str, service: str, source: str | None) -> bool:
    when = rule.when
    if when.severity is not None or when.labels or when.annotations or when.values:
        return False
    parts = ((when.alert, name), (when.service, service), (when.source, source or ""))
    return all(pattern is None or fnmatchcase(value, pattern) for pattern, value in parts)
