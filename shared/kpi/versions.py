"""New rules against old: each target of a plan, held against incidents that either has ruled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.domain.rollout import Comparison, Figures
from shared.kpi.account import Account
from shared.kpi.definition import Definition
from shared.kpi.definitions import BY_NAME, DEFINITIONS
from shared.kpi.figures import Slice, against, figure


def compare(accounts: Iterable[Account], old: str, new: str, targets: Mapping[str, int]) -> Figures:
    """The figures of both versions, by the hashes of their rules.

    Only incidents that a source's alerts have opened count: what people declare, and drills, are the stable
    rules' by themselves.
    """
    slices, incidents = {old: Slice(), new: Slice()}, {old: 0, new: 0}
    for account in accounts:
        incident = account.incident
        if incident is None or incident.drill is not None or incident.source is None:
            continue
        if incident.rules in slices:
            incidents[incident.rules] += 1
            for fact in account.facts:
                slices[incident.rules].add(fact)
    comparisons = tuple(
        _comparison(definition, targets[definition.target_name], slices[old], slices[new])
        for definition in DEFINITIONS
        if definition.target and definition.target_name in targets
    )
    return Figures(incidents[old], incidents[new], comparisons)


def _comparison(definition: Definition, target: int, old: Slice, new: Slice) -> Comparison:
    """A miss fails the new rules unless the old ones are no better; where nothing was measured, it holds.

    A change against a baseline is held against the old rules' incidents: the figures are the KPI's own, and
    the new may be worse by as many percent as the target allows the change to be.
    """
    measured = BY_NAME[definition.of] if definition.of is not None else definition
    before, after = figure(measured, old)["value"], figure(measured, new)["value"]
    if definition.of is not None:
        holds = before is None or after is None or after <= before * (1 + max(0, target) / 100)
        return Comparison(definition.target_name, target, _text(before), _text(after), holds)
    holds = against(target, definition, after)["met"] is not False
    if not holds and before is not None:
        holds = after <= before if definition.target == "at most" else after >= before
    return Comparison(definition.target_name, target, _text(before), _text(after), holds)


def _text(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"
