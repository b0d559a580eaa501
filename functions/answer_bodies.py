"""What an answer by link carries, as a form or as JSON, and what it gets back."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import parse_qsl

import azure.functions as func
from pydantic import Field, ValidationError
from typing_extensions import TypedDict

from functions.bodies import Body, Prose, read_body
from shared.domain.errors import Fault, InvalidInput, TooLarge
from shared.domain.standing import Asked
from shared.workflows.answer_notification import Answered

LARGEST = 64 * 1024
MOST_FIELDS = 20
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class AnswerBody(Body):
    """``action`` says which button it was; a resolution in words and a closing code where the plan asks."""

    action: Literal["acknowledge", "resolve"]
    resolution: Prose | None = None
    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None


class NeedsOfResolving(TypedDict):
    """What resolving takes: a code (name -> title) and words, and required items that are still open."""

    words: bool
    codes: dict[str, str]
    items: list[str]


class AskedByLink(TypedDict):
    """What one contact is asked, and which actions mean something now."""

    incident: str
    title: str
    severity: str
    service: str
    status: str
    drill: str | None
    opened: str
    contact: str
    service_title: str
    summary: str
    reason: str
    standing: str
    actions: list[str]
    needs: NeedsOfResolving
    runbook: str | None


class AnsweredByLink(TypedDict):
    """What came of an answer; ``changed`` is false where it came twice or too late."""

    sentence: str
    changed: bool
    incident: str
    status: str


def media_type(req: func.HttpRequest) -> str:
    """Of the body, without parameters."""
    return str(req.headers.get("content-type", "")).partition(";")[0].strip().lower()


def read_form(req: func.HttpRequest) -> dict[str, str]:
    """The fields of a form that were filled in; nothing of another body. Raises InvalidInput, TooLarge."""
    body = req.get_body()
    if len(body) > LARGEST:
        raise TooLarge(f"the body has {len(body)} bytes; at most {LARGEST} are taken")
    if media_type(req) != FORM:
        return {}
    try:
        pairs = parse_qsl(body.decode("utf-8"), max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise InvalidInput("the form is not valid", [Fault("", "it is no form in UTF-8")]) from error
    fields = {name: value.replace("\r\n", "\n") for name, value in pairs if value.strip()}
    if len(fields) < len([name for name, value in pairs if value.strip()]):
        raise InvalidInput("the form is not valid", [Fault("", "a field is given twice")])
    return fields


def read_answer(req: func.HttpRequest, form: dict[str, str]) -> AnswerBody:
    """The answer. Raises InvalidInput with every fault."""
    if media_type(req) == JSON:
        return read_body(req, AnswerBody)
    if media_type(req) not in (FORM, ""):
        raise InvalidInput("the body is not valid", [Fault("", f"send {FORM} or {JSON}")])
    try:
        return AnswerBody.model_validate(form)
    except ValidationError as error:
        found = [Fault(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise InvalidInput("the form is not valid", found) from error


def asked_by_link(asked: Asked) -> AskedByLink:
    """What one contact is asked, as JSON."""
    incident, needs = asked.incident, asked.needs
    return {
        "incident": incident.id,
        "title": incident.title or incident.name,
        "severity": incident.severity,
        "service": incident.service,
        "status": incident.status,
        "drill": incident.drill,
        "opened": asked.opened,
        "contact": asked.contact,
        "service_title": asked.service,
        "summary": incident.summary,
        "reason": asked.why,
        "standing": asked.standing,
        "actions": list(asked.actions),
        "needs": {"words": needs.words, "codes": dict(needs.codes), "items": list(needs.items)},
        "runbook": asked.runbook,
    }


def answered_by_link(answered: Answered) -> AnsweredByLink:
    """What came of an answer, as JSON."""
    incident = answered.incident
    return {
        "sentence": answered.sentence,
        "changed": answered.changed,
        "incident": incident.id,
        "status": incident.status,
    }
