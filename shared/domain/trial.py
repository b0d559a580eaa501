"""New rules of a plan come in by stages: which groups of alerts they rule already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

DEFAULT_STAGES = (10, 50)
DEFAULT_HOLD = timedelta(hours=48)


@dataclass(frozen=True)
class Rollout:
    """How a plan has its new rules come in; after the last stage they rule everything."""

    stages: tuple[int, ...] = DEFAULT_STAGES
    """Percent of the new incidents, ascending, each from 1 to 99."""
    hold: timedelta = DEFAULT_HOLD
    """How long each stage lasts at least."""


def place(rules: str, group: str) -> int:
    """0 to 99: a group's place in the queue for the rules of that hash; other rules, another place."""
    return int(hashlib.sha256(f"{rules}\n{group}".encode()).hexdigest()[:12], 16) % 100
