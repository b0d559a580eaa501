"""What the health and status routes answer."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from functions.answers import Instant


class Alive(TypedDict):
    """The process answers."""

    status: Literal["alive"]


class TriedDependency(TypedDict):
    """Whether a dependency answered, and how long it took."""

    name: str
    ok: bool
    milliseconds: int
    error: str | None


class MissingSecret(TypedDict):
    """A secret that plans name and nobody has."""

    name: str
    plans: list[str]
    error: str


class SecretsOfPlans(TypedDict):
    """How many secrets the plans name, and which of them are missing."""

    named: int
    missing: list[MissingSecret]


class Readiness(TypedDict):
    """Every dependency that was tried."""

    status: Literal["ready", "degraded", "not ready"]
    tried: list[TriedDependency]
    secrets: SecretsOfPlans


class Sweeper(TypedDict):
    """When it last ran, and whether that is recent enough."""

    last_run: Instant | None
    alive: bool


class TocsinStatus(TypedDict):
    """Whether Tocsin itself is up."""

    status: Literal["up", "down"]
    sweeper: Sweeper
