"""What the plan makes of an alert: its service, its severity, its group, and the rule that decided."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from shared.domain.alert import Alert
from shared.domain.incident import GroupKey
from shared.domain.plan import Match, Rules


@dataclass(frozen=True)
class Signal:
    """An alert with the plan's decisions on it; ``rule`` names the one that gave the severity."""

    alert: Alert
    service: str
    severity: str
    rule: str
    group: GroupKey


def classify(alert: Alert, rules: Rules) -> Signal:
    """Decide service, then severity, then group; the first rule that matches wins."""
    service = _service(alert, rules)
    severity, rule = _severity(alert, service, rules)
    return Signal(
        alert, service, severity, rule, GroupKey(rules.plan, alert.source, _key(alert, service, rules))
    )


def matches(match: Match, alert: Alert, service: str | None) -> bool:
    """Whether every stated part of the condition holds; shell patterns, the severity ignoring case."""
    parts = (
        (match.source, alert.source),
        (match.alert, alert.name),
        (match.severity.lower() if match.severity else None, (alert.severity or "").lower()),
        (match.service, service or ""),
    )
    named = all(pattern is None or fnmatchcase(value, pattern) for pattern, value in parts)
    return named and all(
        key in alert.labels and fnmatchcase(alert.labels[key], pattern)
        for key, pattern in match.labels.items()
    )


def _service(alert: Alert, rules: Rules) -> str:
    for service in rules.services:
        if any(matches(match, alert, alert.service) for match in service.match):
            return service.name
    known = {service.name for service in rules.services}
    return alert.service if alert.service in known and alert.service else rules.default_service


def _severity(alert: Alert, service: str, rules: Rules) -> tuple[str, str]:
    for rule in rules.classify:
        if matches(rule.when, alert, service):
            return rule.severity, rule.name
    hint = (alert.severity or "").lower()
    for severity in rules.severities:
        if severity.name.lower() == hint:
            return severity.name, "the source names a severity of the plan"
    return rules.default_severity, "default severity"


def _key(alert: Alert, service: str, rules: Rules) -> str:
    for grouping in rules.group:
        if matches(grouping.when, alert, service):
            facts = {"service": service, "alert": alert.name, "source": alert.source}
            values = [facts.get(word) or alert.labels.get(word, "") for word in grouping.by]
            return "\n".join((grouping.name, *values))
    return alert.group if alert.group is not None else f"{service}\n{alert.name}"
