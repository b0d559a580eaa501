"""What made-up timelines are made of: events before they are sealed, times as they are spread in practice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

SOURCE, TOCSIN = "source:alertmanager", "tocsin"


@dataclass(frozen=True)
class Made:
    """An event before it is sealed."""

    recorded_at: datetime
    occurred_at: datetime
    type: str
    actor: str
    data: Mapping[str, Any]


def spread(rng: Random, median: float, sigma: float) -> int:
    """Whole seconds, log-normally distributed, at most a week."""
    return min(600_000, 1 + int(median * math.exp(sigma * rng.gauss(0, 1))))


def stamp_of(rng: Random) -> str:
    """Some instant that no figure reads."""
    return f"2026-01-{rng.randint(1, 28):02d}T00:00:00.000000Z"


def hash_of(rng: Random) -> str:
    """Some SHA-256."""
    return f"{rng.getrandbits(256):064x}"
