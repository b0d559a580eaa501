"""Checklists: what is to be done in each phase, and what must be done before an incident may be closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.domain.change import Draft
from shared.domain.errors import Fault, InvalidInput, Refused
from shared.domain.incident import Incident
from shared.domain.plan import Item, Phase, Rules
from shared.domain.timeline import Text

AFTERWARDS: Phase = "post-incident"
"""The phase whose items are for the review; all others stand before resolving."""


@dataclass(frozen=True)
class Tick:
    """An item is done, not done after all, or overridden: left undone, for a reason."""

    item: str
    state: Literal["ticked", "unticked", "overridden"]
    reason: Text | None = None


def tick(draft: Draft, actor: str, command: Tick) -> None:
    """Record it; the state that an item has already is not recorded again.

    Raises InvalidInput where there is no such item, or where a reason is missing or out of place; Refused
    where the incident is over and the item is not for afterwards.
    """
    phases = {item.id: phase for phase, item in _items(draft.incident, draft.rules)}
    faults = list(_faults(command, phases))
    if faults:
        raise InvalidInput("checklist", faults)
    phase, checked = phases[command.item], draft.incident.checked
    if draft.incident.over and phase != AFTERWARDS:
        raise Refused(
            f"the incident is {draft.incident.status}; only items of {AFTERWARDS} can be ticked now"
        )
    if checked.get(command.item, "unticked") == command.state:
        return
    data = {"item": command.item, "phase": phase, "state": command.state, "text_sha256": None}
    draft.event("checked", actor, data, text=command.reason)
    kept = {item: state for item, state in checked.items() if item != command.item}
    draft.set(checked=kept if command.state == "unticked" else {**kept, command.item: command.state})


def unmet(incident: Incident, rules: Rules) -> tuple[Item, ...]:
    """Required items, neither ticked nor overridden, that stand before resolving."""
    return _unmet(incident, rules, afterwards=False)


def unmet_afterwards(incident: Incident, rules: Rules) -> tuple[Item, ...]:
    """Required items, neither ticked nor overridden, that stand before the review is complete."""
    return _unmet(incident, rules, afterwards=True)


def check_closing(incident: Incident, rules: Rules, resolution: Text | None, code: str | None) -> None:
    """Whether a person may resolve it.

    Raises InvalidInput with every fault of the words and the code, where the plan has closing codes; Refused
    where required items are unmet, and names them all.
    """
    faults = list(_closing_faults(rules, resolution, code)) if rules.closing_codes else []
    left = unmet(incident, rules)
    if faults:
        also = [Fault("", f"required items are open as well: {named(left)}")] if left else []
        raise InvalidInput("resolve", [*faults, *also])
    if left:
        raise Refused(f"required items are neither ticked nor overridden: {named(left)}")


def named(items: Iterable[Item]) -> str:
    """``logs-read (The logs are read), …``: items as an error names them."""
    return ", ".join(f"{item.id} ({item.text})" for item in items)


def blank(text: Text | None) -> bool:
    """Whether nothing is said."""
    return text is None or not text.body.strip()


def _faults(command: Tick, phases: dict[str, Phase]) -> Iterable[Fault]:
    if command.item not in phases:
        known = f"there are {', '.join(phases)}" if phases else "the plan has none for this severity"
        yield Fault("item", f"no item {command.item!r}; {known}")
    if command.state == "overridden" and blank(command.reason):
        yield Fault("reason", "overriding an item takes a reason")
    elif command.state != "overridden" and command.reason is not None:
        yield Fault("reason", "only overriding an item takes a reason")


def _closing_faults(rules: Rules, resolution: Text | None, code: str | None) -> Iterable[Fault]:
    known = ", ".join(each.name for each in rules.closing_codes)
    if code is None:
        yield Fault("code", f"resolving takes a closing code: one of {known}")
    elif all(each.name != code for each in rules.closing_codes):
        yield Fault("code", f"no closing code {code!r}; there are {known}")
    if blank(resolution):
        yield Fault("resolution", "say in words how it was resolved")


def _items(incident: Incident, rules: Rules) -> list[tuple[Phase, Item]]:
    return [(each.phase, item) for each in rules.checklists_for(incident.severity) for item in each.items]


def _unmet(incident: Incident, rules: Rules, *, afterwards: bool) -> tuple[Item, ...]:
    return tuple(
        item
        for phase, item in _items(incident, rules)
        if (phase == AFTERWARDS) == afterwards and item.required and item.id not in incident.checked
    )
