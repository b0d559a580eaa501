"""What calls about legal holds carry and are answered, as shapes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from functions.bodies import Body


class HoldBody(Body):
    """Hold one incident, or without one the whole plan; ``reference`` names the case, in no prose."""

    incident: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    reference: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/#:-]{0,99}$")]


class HoldShown(TypedDict):
    """A hold; ``incident`` is null where it is of the whole plan, ``released_at`` while it is in force."""

    id: str
    plan: str
    incident: str | None
    reference: str
    placed_at: str
    placed_by: str
    released_at: str | None
    released_by: str | None


class HoldList(TypedDict):
    """Oldest first; ``legal_hold`` is the reference that the plan itself names."""

    legal_hold: str | None
    holds: list[HoldShown]
