"""What the routes about people take and answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

# Not typing's own: pydantic cannot read that one under Python 3.11.
from typing_extensions import TypedDict

from functions.bodies import Body, Instant, Name
from shared.workflows.erase_person import Whom

Identity = Annotated[str, Field(min_length=1, max_length=2_000)]
Pseudonym = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class WhomBody(Body):
    """Somebody by the platform's id (``identity``) or pseudonym (``person``); ``plan`` has it on record."""

    plan: Name
    identity: Identity | None = None
    person: Pseudonym | None = None

    @model_validator(mode="after")
    def names_one(self) -> Self:
        """Exactly one of the two."""
        if (self.identity is None) == (self.person is None):
            raise ValueError("name identity or person, one of them")
        return self

    def whom(self) -> Whom:
        """Who is meant."""
        return Whom(self.identity, self.person)


class ErasePersonBody(WhomBody):
    """``texts`` erases also every text that the person wrote."""

    texts: bool = False


class ExportPersonBody(WhomBody):
    """The next piece from ``cursor``; ``since`` and ``until`` bound what of the past is looked at."""

    cursor: Annotated[str, Field(max_length=200)] | None = None
    since: Annotated[Instant, Field(strict=False)] | None = None
    until: Annotated[Instant, Field(strict=False)] | None = None


class PersonErased(TypedDict):
    """How far the erasure is; where it is not done, the same call goes on."""

    person: str
    done: bool
    looked_at: int
    plans: dict[str, int]


class TextErased(TypedDict):
    """``before``: it was gone already."""

    incident: str
    event: int
    erased: Literal["now", "before"]


class PersonKept(TypedDict):
    """What table People holds of somebody."""

    pseudonym: str
    identity_sha256: str
    name: str | None


class PersonHeld(TypedDict):
    """One piece of what is held about somebody."""

    person: PersonKept | None
    contacts: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    journals: list[dict[str, Any]]
    cursor: str | None
