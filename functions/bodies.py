"""What people's requests carry, validated once at the door."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

import azure.functions as func
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.domain import response
from shared.domain.errors import Fault, InvalidInput, TooLarge
from shared.domain.timeline import Text

MOST_TEXT = 8_000
EARLIEST_YEAR, LATEST_YEAR = 1969, 3000
LARGEST_BODY = 1024 * 1024
MOST_FAULTS = 100
"""Faults told to the caller; how many more there were is the last one."""


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must say something")
    return _storable(text)


def _storable(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _instant(instant: datetime) -> datetime:
    """In UTC, which it is taken for where it has no offset; far enough from what a datetime can hold."""
    if not EARLIEST_YEAR < instant.year < LATEST_YEAR:
        raise ValueError(f"must lie between {EARLIEST_YEAR} and {LATEST_YEAR}")
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


Prose = Annotated[str, Field(max_length=MOST_TEXT), AfterValidator(_said)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Instant = Annotated[datetime, AfterValidator(_instant)]


class Body(BaseModel):
    """Unknown fields are faults: a typo must not pass in silence."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AcknowledgeBody(Body):
    """Nothing to say."""

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Acknowledge()


class NoteBody(Body):
    """A note of one of the four kinds."""

    text: Prose
    kind: Literal["note", "action-taken", "cause", "mitigation"] = "note"

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Note(self.kind, said(self.text))


class EscalateBody(Body):
    """``to`` names a contact; without it the ladder's next step fires."""

    to: Name | None = None
    reason: Prose | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Escalate(self.to, said(self.reason) if self.reason else None)


class ResolveBody(Body):
    """A resolution in words and a closing code."""

    resolution: Prose | None = None
    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Resolve(said(self.resolution) if self.resolution else None, self.code)


class ReopenBody(Body):
    """Why it was not over."""

    reason: Prose | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Reopen(said(self.reason) if self.reason else None)


class DeclareBody(Body):
    """An incident declared by hand."""

    plan: Name
    title: Annotated[str, Field(max_length=300), AfterValidator(_said)]
    service: Name
    severity: Name
    description: Annotated[str, Field(max_length=MOST_TEXT), AfterValidator(_storable)] = ""


class ListQuery(BaseModel):
    """Filters of the list of incidents."""

    model_config = ConfigDict(extra="forbid")

    plan: Name | None = None
    status: Literal["open", "acknowledged", "resolved"] | None = None
    severity: Name | None = None
    service: Name | None = None
    since: Instant | None = None
    until: Instant | None = None
    cursor: Annotated[str, Field(pattern=r"^[0-9]{18}\|INC-[0-9A-Z]{8}-[0-9]{1,7}$")] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


COMMANDS: dict[str, type[AcknowledgeBody | NoteBody | EscalateBody | ResolveBody | ReopenBody]] = {
    "acknowledge": AcknowledgeBody,
    "note": NoteBody,
    "escalate": EscalateBody,
    "resolve": ResolveBody,
    "reopen": ReopenBody,
}
Model = TypeVar("Model", bound=BaseModel)


def said(text: str) -> Text:
    """Free text with a fresh salt."""
    return Text(text, secrets.token_hex(16))


def read_body(req: func.HttpRequest, model: type[Model]) -> Model:
    """The JSON body as a model; an empty body is an empty object.

    Raises InvalidInput with every fault, or TooLarge.
    """
    body = req.get_body()
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"the body has {len(body)} bytes; at most {LARGEST_BODY} are taken")
    return _checked("the body is not valid", lambda: model.model_validate_json(body or b"{}"))


def read_query(req: func.HttpRequest, model: type[Model]) -> Model:
    """The query string as a model. Raises InvalidInput with every fault."""
    known = {name: value for name, value in req.params.items() if name != "code"}
    return _checked("the query is not valid", lambda: model.model_validate(known))


def _checked(what: str, validate: Callable[[], Model]) -> Model:
    try:
        return validate()
    except ValidationError as error:
        raise InvalidInput(what, _faults(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(what, [Fault("", "it is not UTF-8")]) from error


def _faults(error: ValidationError) -> list[Fault]:
    found = [Fault(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
    more = len(found) - MOST_FAULTS
    return found if more <= 0 else [*found[:MOST_FAULTS], Fault("", f"and {more} more faults")]
