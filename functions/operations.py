"""Every call of the API, one row each: who may, what it carries, what it answers.

A new doorway gets its rows here; a test holds them against the functions that are registered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from functions import answers
from functions.bodies import COMMANDS, DeclareBody, ListQuery

Access = Literal["a source", "a signed link", "anybody", "Reader", "Responder", "Auditor", "Admin"]
_INCIDENTS, _PLAN = "/api/v1/incidents", "/api/v1/plans/{plan}"
_EXPORTS = f"{_PLAN}/exports"


@dataclass(frozen=True)
class Operation:
    """One call. ``answers`` gives for each status its shape, or the media type of a file."""

    id: str
    method: str
    path: str
    summary: str
    access: Access
    answers: dict[int, Any]
    problems: tuple[int, ...] = ()
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    parameters: tuple[dict[str, Any], ...] = ()
    any_body: bool = False
    """Carries a body whose form is not ours."""


_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same call with the same key acts once",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
_REVISION = {
    "name": "revision",
    "in": "query",
    "description": "`r1`, or the name of a provisional bundle; without it the last revision",
    "schema": {"type": "string"},
}
_KNOWN = {
    "name": "If-None-Match",
    "in": "header",
    "description": "the ETag that the caller has; 304 where it is the current one",
    "schema": {"type": "string"},
}
OPERATIONS = (
    Operation(
        "receive_alert", "post", "/api/v1/plans/{plan}/alerts/{source}",
        "A monitoring system calls; answered once every alert of the call is durable", "a source",
        {202: answers.Intake}, (400, 401, 404, 413, 503), any_body=True,
    ),
    Operation(
        "declare_incident", "post", _INCIDENTS, "Declare an incident by hand", "Responder",
        {201: answers.IncidentLine}, (400, 401, 403, 404, 409, 413, 503), body=DeclareBody,
        parameters=(_IDEMPOTENCY,),
    ),
    Operation(
        "list_incidents", "get", _INCIDENTS, "Incidents, newest first", "Reader",
        {200: answers.IncidentPage}, (400, 401, 403, 503), query=ListQuery,
    ),
    Operation(
        "show_incident", "get", f"{_INCIDENTS}/{{id}}", "One incident with clocks, alerts and deliveries",
        "Reader", {200: answers.IncidentWhole}, (401, 403, 404, 503),
    ),
    Operation(
        "show_timeline", "get", f"{_INCIDENTS}/{{id}}/timeline", "The hash-chained events", "Reader",
        {200: answers.Timeline}, (401, 403, 404, 503),
    ),
    Operation(
        "show_review", "get", f"{_INCIDENTS}/{{id}}/review",
        "The report of the incident, made from its timeline; Markdown alone where Accept asks for it",
        "Reader", {200: answers.ReviewReport}, (401, 403, 404, 503),
    ),
    *(
        Operation(
            command.replace("-", "_"), "post", f"{_INCIDENTS}/{{id}}/{command}", str(model.__doc__),
            "Responder", {200: answers.IncidentLine}, (400, 401, 403, 404, 409, 413, 503), body=model,
            parameters=(_IDEMPOTENCY,),
        )
        for command, model in COMMANDS.items()
    ),
    Operation(
        "show_oncall", "get", f"{_PLAN}/oncall", "Who is on call now and next", "Reader",
        {200: answers.OnCallList}, (401, 403, 404, 503),
    ),
    Operation(
        "show_oncall_feed", "get", f"{_PLAN}/oncall/{{feed}}",
        "A rotation as a calendar, `<rotation>.ics`, for whoever holds the signed link", "a signed link",
        {200: "text/calendar"}, (401, 404, 503),
    ),
    Operation(
        "list_runbooks", "get", f"{_PLAN}/runbooks", "The plan's runbooks", "Reader",
        {200: answers.RunbookList}, (401, 403, 404, 503),
    ),
    Operation(
        "show_runbook", "get", f"{_PLAN}/runbooks/{{name}}",
        "One runbook; Markdown alone where Accept asks for it", "Reader",
        {200: answers.RunbookWhole}, (401, 403, 404, 503), parameters=(_KNOWN,),
    ),
    Operation(
        "list_exports", "get", _EXPORTS, "The plan's bundles, oldest first", "Auditor",
        {200: answers.ExportList}, (401, 403, 404, 503),
    ),
    Operation(
        "compile_export", "post", f"{_EXPORTS}/{{week}}", "Compile a week; 200 where the content is not new",
        "Admin", {200: answers.ExportCompiled, 201: answers.ExportCompiled}, (400, 401, 403, 404, 503),
    ),
    Operation(
        "show_export", "get", f"{_EXPORTS}/{{week}}", "One bundle with its manifest", "Auditor",
        {200: answers.ExportWhole}, (401, 403, 404, 503), parameters=(_REVISION,),
    ),
    Operation(
        "fetch_export_file", "get", f"{_EXPORTS}/{{week}}/{{file}}",
        "One file of a bundle, byte for byte; `bundle.zip` is the whole", "Auditor",
        {200: "*/*"}, (401, 403, 404, 503), parameters=(_REVISION,),
    ),
    Operation("live", "get", "/api/v1/health/live", "The process answers", "anybody", {200: answers.Alive}),
    Operation(
        "ready", "get", "/api/v1/health/ready", "Every dependency, tried", "anybody",
        {200: answers.Readiness, 503: answers.Readiness},
    ),
    Operation(
        "show_status", "get", "/api/v1/status", "Whether Tocsin itself is up", "anybody",
        {200: answers.TocsinStatus, 503: answers.TocsinStatus},
    ),
    Operation(
        "describe_api", "get", "/api/v1/openapi.json", "This document", "anybody",
        {200: answers.ApiDescription},
    ),
)  # fmt: skip
