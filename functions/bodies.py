"""What people's requests carry, validated once at the door."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar, get_args

import azure.functions as func
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.domain import response
from shared.domain.cadence import PostUpdate
from shared.domain.checklist import Tick
from shared.domain.errors import Fault, InvalidInput, TooLarge
from shared.domain.review import ChangeItem, Section, WriteReview
from shared.domain.roles import HandOver
from shared.domain.severity import SetSeverity
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


def _not_a_bare_date(value: object) -> object:
    if isinstance(value, str) and len(value) <= 10:
        raise ValueError("must be an instant with time and offset, such as 2026-11-25T17:00:00-04:00")
    return value


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
    """A note; all kinds but ``note`` are repeated in the messages that follow: outside, only what says so."""

    text: Prose
    kind: Literal["note", "action-taken", "cause", "mitigation", "impact", "assistance-needed"] = "note"
    audience: Literal["internal", "external"] = "internal"

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Note(self.kind, said(self.text), self.audience)


class EscalateBody(Body):
    """``to`` names a contact, rotation or role; without it the ladder's next step fires."""

    to: Name | None = None
    reason: Prose | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Escalate(self.to, said(self.reason) if self.reason else None)


class ResolveBody(Body):
    """A resolution in words and a closing code; outside hears the words only where ``audience`` says so."""

    resolution: Prose | None = None
    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None
    audience: Literal["internal", "external"] = "internal"

    def command(self) -> response.Command:
        """The domain's command."""
        words = said(self.resolution) if self.resolution else None
        return response.Resolve(words, self.code, self.audience)


class ReopenBody(Body):
    """Why it was not over."""

    reason: Prose | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return response.Reopen(said(self.reason) if self.reason else None)


class StatusBody(Body):
    """Where the response stands; without ``audience`` for everybody who is owed updates."""

    status: Literal["investigating", "identified", "monitoring", "resolved"]
    message: Prose
    audience: Literal["internal", "external"] | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return PostUpdate(self.status, said(self.message), self.audience)


class RoleBody(Body):
    """``to`` (a contact, or a rotation for whoever is on call) takes the role."""

    role: Name
    to: Name

    def command(self) -> response.Command:
        """The domain's command."""
        return HandOver(self.role, self.to)


class SeverityBody(Body):
    """The incident's severity from now on."""

    severity: Name
    reason: Prose | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return SetSeverity(self.severity, said(self.reason) if self.reason else None)


class ChecklistBody(Body):
    """An item of a checklist is done, is not, or is passed over for a reason."""

    item: Name
    state: Literal["ticked", "unticked", "overridden"] = "ticked"
    reason: Prose | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        return Tick(self.item, self.state, said(self.reason) if self.reason else None)


class ReviewBody(Body):
    """Sections of the post-incident review; ``complete`` closes it."""

    summary: Prose | None = None
    root_cause: Prose | None = None
    impact: Prose | None = None
    resolution: Prose | None = None
    lessons: Prose | None = None
    went_well: Prose | None = None
    to_improve: Prose | None = None
    complete: bool = False

    def command(self) -> response.Command:
        """The domain's command."""
        sections: dict[Section, Text] = {}
        for section in get_args(Section):
            if words := getattr(self, section.replace("-", "_")):
                sections[section] = said(words)
        return WriteReview(sections, self.complete)


class ActionItemBody(Body):
    """A new action item, or (``item`` named) what changes about one."""

    item: Annotated[str, Field(pattern=r"^A[1-9][0-9]{0,2}$")] | None = None
    title: Prose | None = None
    owner: Name | None = None
    due: Annotated[Instant, Field(strict=False), BeforeValidator(_not_a_bare_date)] | None = None
    priority: Literal["high", "medium", "low"] | None = None
    status: Literal["open", "in-progress", "done", "dropped"] | None = None

    def command(self) -> response.Command:
        """The domain's command."""
        title = said(self.title) if self.title else None
        return ChangeItem(self.item, title, self.owner, self.due, self.priority, self.status)


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


CommandBody = (
    AcknowledgeBody
    | StatusBody
    | NoteBody
    | RoleBody
    | SeverityBody
    | EscalateBody
    | ChecklistBody
    | ResolveBody
    | ReopenBody
    | ReviewBody
    | ActionItemBody
)
COMMANDS: dict[str, type[CommandBody]] = {
    "acknowledge": AcknowledgeBody,
    "status": StatusBody,
    "note": NoteBody,
    "role": RoleBody,
    "severity": SeverityBody,
    "escalate": EscalateBody,
    "checklist": ChecklistBody,
    "resolve": ResolveBody,
    "reopen": ReopenBody,
    "review": ReviewBody,
    "action-item": ActionItemBody,
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
