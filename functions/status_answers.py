"""What the public status page answers, as JSON."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from functions.answers import Instant

State = Literal["operational", "degraded", "disrupted"]


class PublicService(TypedDict):
    """A service that customers see."""

    title: str
    state: State


class PublicUpdateShown(TypedDict):
    """What was said for outside."""

    at: Instant
    phase: str
    words: str


class PublicIncidentShown(TypedDict):
    """An incident of which outsiders were told."""

    id: str
    title: str
    phase: Literal["investigating", "identified", "monitoring", "resolved"]
    opened_at: Instant
    resolved_at: Instant | None
    updates: list[PublicUpdateShown]


class StatusPageShown(TypedDict):
    """The plan's status page."""

    title: str
    about: str
    updated_at: Instant
    timezone: str
    state: State
    services: list[PublicService]
    incidents: list[PublicIncidentShown]
