"""From a condition of a plan document to the domain's."""

from __future__ import annotations

from shared.adapters.plan_parts import Condition
from shared.domain.plan import Match


def match(condition: Condition) -> Match:
    """The same condition; a single comparison becomes a list of one."""
    return Match(
        source=condition.source,
        alert=condition.alert,
        severity=condition.severity,
        service=condition.service,
        labels=dict(condition.labels),
        annotations=dict(condition.annotations),
        values={name: tuple(comparisons) for name, comparisons in condition.values.items()},
    )
