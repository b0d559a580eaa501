"""`plan_changes.csv`: one row for each change of the plan, and for each turn of its rollout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.domain.timeline import Event
from shared.kpi.csv_cells import PLACE, Cells, place, text, word

NAME = "plan_changes.csv"
COLUMNS = {
    **PLACE,
    "what": "type of the event",
    "by": "who did it",
    "commit": "code version that brought it",
    "from": "hash of the plan's document before; of a rollout, of the rules before",
    "to": "the hash after",
    "rules_from": "hash of the rules before",
    "rules_to": "hash of the rules after",
    "changed": "paths of keys that changed",
    "more": "how many paths besides",
    "percent": "of new incidents that the new rules take",
    "until": "when the rollout goes on",
    "why": "reason of the turn",
    "stable": "hash that rules from now on",
    "figures": "what decided: kpi/target/old value/new value/1 where the target holds",
}
TYPES = ("plan-changed", "rollout-started", "rollout-advanced", "rollout-ended")


def rows(event: Event, drill: str) -> Iterator[Cells]:
    """One for each event."""
    del drill
    data = event.data
    yield (
        *place(event),
        event.type,
        event.actor,
        text(data.get("commit")),
        text(data.get("from")),
        text(data.get("to")),
        text(data.get("rules_from")),
        text(data.get("rules_to")),
        text(data.get("changed")),
        text(data.get("more")),
        text(data.get("percent")),
        text(data.get("until")),
        text(data.get("why")),
        text(data.get("stable")),
        _figures(data.get("figures")),
    )


def _figures(figures: Sequence[Mapping[str, Any]] | None) -> str | None:
    keys = ("kpi", "target", "old", "new", "holds")
    return (
        None if figures is None else " ".join("/".join(word(one.get(key)) for key in keys) for one in figures)
    )
