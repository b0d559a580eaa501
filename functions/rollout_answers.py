"""What the rollout routes take and answer, as types."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# Not typing's own: pydantic cannot read that one under Python 3.11.
from typing_extensions import TypedDict

from functions.answers import Instant


class RolloutBody(BaseModel):
    """End the rollout (`back`) or send it on to its next stage (`on`)."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["back", "on"]
    percent: Annotated[int, Field(ge=1, le=99)] | None = None
    """The stage that is meant, as last shown: refused where the rollout stands at another."""
    reason: Annotated[str, StringConstraints(max_length=2000)] = ""
    """For the log of the app; the journal names who did it."""


class TargetCompared(TypedDict):
    """A target of the plan, and the figures under the old and the new rules; ``null``: nothing measured."""

    kpi: str
    target: int
    old: str | None
    new: str | None
    holds: bool


class RolloutUnderWay(TypedDict):
    """Where a rollout stands; the incidents are those opened since its start."""

    rules: str
    stages: list[int]
    percent: int
    started_at: Instant
    stage_since: Instant
    until: Instant
    reckoned_at: Instant | None
    old_incidents: int
    new_incidents: int
    figures: list[TargetCompared]


class RolloutState(TypedDict):
    """The rules of the plan's file, the rules that rule, and the rollout, where one is under way."""

    plan: str
    rules: str
    stable: str
    refused: str | None
    rollout: RolloutUnderWay | None
