"""What the plan makes of an alert: its service, its severity, its group, and the rule that decided."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase

from shared.domain.alert import Alert
from shared.domain.incident import GroupKey
from shared.domain.plan import Match, Plan, Rules

_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,18}(?:\.[0-9]{1,9})?(?:e[+-]?[0-9]{1,2})?)\s*%?\s*", re.IGNORECASE)
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Signal:
    """An alert with the plan's decisions on it; ``rule`` names the one that gave the severity."""

    alert: Alert
    service: str
    severity: str
    rule: str
    group: GroupKey
    declaration: str | None = None
    """The rule that asks to wait before it is declared."""
    declare_at: datetime | None = None
    """Until when; None where it is declared at once."""


def classify(alert: Alert, rules: Rules) -> Signal:
    """Decide service, then severity, then group; the first rule that matches wins."""
    service = _service(alert, rules)
    severity, rule = _severity(alert, service, rules)
    group = GroupKey(rules.plan, alert.source, _key(alert, service, rules))
    for waiting in rules.declare:
        if matches(waiting.when, alert, service):
            return Signal(
                alert, service, severity, rule, group, waiting.name, alert.started_at + waiting.after
            )
    return Signal(alert, service, severity, rule, group)


def classify_by(alert: Alert, plan: Plan) -> tuple[Signal, Rules]:
    """The signal, and the rules that made it: those on trial where the alert's group is among theirs.

    The group is the stable rules' either way, so that an alert finds its incident whichever way a trial goes.
    """
    signal, trial = classify(alert, plan.rules), plan.trial
    if trial is None or not trial.takes(signal.group.digest):
        return signal, plan.rules
    return replace(classify(alert, trial.rules), group=signal.group), trial.rules


def matches(match: Match, alert: Alert, service: str | None) -> bool:
    """Whether every stated part of the condition holds; shell patterns, the severity ignoring case."""
    parts = (
        (match.source, alert.source),
        (match.alert, alert.name),
        (match.severity.lower() if match.severity else None, (alert.severity or "").lower()),
        (match.service, service or ""),
    )
    named = all(pattern is None or fnmatchcase(value, pattern) for pattern, value in parts)
    return (
        named
        and _all_match(match.labels, alert.labels)
        and _all_match(match.annotations, alert.annotations)
        and all(_holds(alert, name, comparisons) for name, comparisons in match.values.items())
    )


def value_of(alert: Alert, name: str) -> float | None:
    """What the source measured under that name: its own figure, else an annotation or label that is one.

    ``12.5``, ``12.5 %`` and ``1e3`` are figures; a percent sign says nothing about the scale. None where
    there is none.
    """
    if name in alert.values:
        return alert.values[name]
    text = alert.annotations.get(name, alert.labels.get(name, ""))
    number = _NUMBER.fullmatch(text) if len(text) <= 40 else None
    return float(number[1]) if number else None


def _all_match(patterns: Mapping[str, str], texts: Mapping[str, str]) -> bool:
    return all(key in texts and fnmatchcase(texts[key], pattern) for key, pattern in patterns.items())


def _holds(alert: Alert, name: str, comparisons: tuple[str, ...]) -> bool:
    value = value_of(alert, name)
    if value is None:
        return False
    stated = (comparison.split() for comparison in comparisons)
    return all(_COMPARISONS[sign](value, float(figure)) for sign, figure in stated)


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
