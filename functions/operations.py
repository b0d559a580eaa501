"""Every call of the API, one row each: who may, what it carries, what it answers.

A new doorway gets its rows here; a test holds them against the functions that are registered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from functions import answers
from functions.answer_bodies import AnswerBody, AnsweredByLink, AskedByLink
from functions.bodies import COMMANDS, DeclareBody, ListQuery
from functions.export_answers import (
    ExportAsked,
    ExportCompiled,
    ExportLinked,
    ExportLinkMade,
    ExportList,
    ExportProgressShown,
    ExportWhole,
    KeySet,
    KpiShown,
)
from functions.export_bodies import KpiQuery, LinkBody
from functions.health_answers import Alive, Readiness, TocsinStatus
from functions.hold_bodies import HoldBody, HoldList, HoldShown
from functions.people_bodies import (
    ErasePersonBody,
    ExportPersonBody,
    PersonErased,
    PersonHeld,
    TextErased,
)
from functions.rollout_answers import RolloutBody, RolloutState
from functions.status_answers import StatusPageShown

Access = Literal[
    "a source",
    "a signed link",
    "an answer link",
    "an export link",
    "a provider",
    "a chat",
    "anybody",
    "Reader",
    "Responder",
    "Auditor",
    "Admin",
]
_INCIDENTS, _PLAN = "/api/v1/incidents", "/api/v1/plans/{plan}"
_EXPORTS = f"{_PLAN}/exports"
_CHAT = "/api/v1/chat"


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
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async`: 202 at once, and compiled within minutes",
    "schema": {"type": "string"},
}
_RANGE = {
    "name": "Range",
    "in": "header",
    "description": "one part, as `bytes=0-1048575`; with `If-Range` only of the content that has that ETag",
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
        "show_rollout", "get", f"{_PLAN}/rollout", "Which rules rule, and how a rollout of new ones stands",
        "Reader", {200: RolloutState}, (401, 403, 404, 503),
    ),
    Operation(
        "steer_rollout", "post", f"{_PLAN}/rollout", "End a rollout, or send it on, by hand", "Admin",
        {200: RolloutState}, (400, 401, 403, 404, 409, 413, 503), body=RolloutBody,
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
        "show_answer_page", "get", "/a/{token}",
        "What the link in a notification asks, as a page or as JSON; changes nothing", "an answer link",
        {200: AskedByLink}, (401, 403, 404, 503),
    ),
    Operation(
        "probe_answer_page", "head", "/a/{token}",
        "The same without a body, for programs that try links", "an answer link",
        {200: "text/html"}, (401, 403, 404, 503),
    ),
    Operation(
        "answer_notification", "post", "/a/{token}",
        "Answer a notification by its link, by form or as JSON; 200 also where it comes twice or late",
        "an answer link", {200: AnsweredByLink}, (400, 401, 403, 404, 409, 413, 503), body=AnswerBody,
    ),
    Operation(
        "hear_channel", "post", f"{_PLAN}/channels/{{channel}}/{{what}}",
        "A channel's provider reports a delivery (`receipt`), hands on a reply (`reply`) or a key pressed "
        "(`voice`)", "a provider", {200: "*/*"}, (400, 401, 404, 413, 503), any_body=True,
    ),
    Operation(
        "chat_slack", "post", f"{_CHAT}/slack", "A slash command in Slack", "a chat",
        {200: "application/json"}, (400, 401, 413, 503), any_body=True,
    ),
    Operation(
        "chat_slack_check", "get", f"{_CHAT}/slack", "Slack looks at our certificate, with `ssl_check=1`",
        "a chat", {200: "application/json"}, (404,),
    ),
    Operation(
        "chat_slack_actions", "post", f"{_CHAT}/slack/actions", "A button or a form in Slack", "a chat",
        {200: "application/json"}, (400, 401, 413, 503), any_body=True,
    ),
    Operation(
        "chat_teams", "post", f"{_CHAT}/teams", "A command in Teams, by an outgoing webhook", "a chat",
        {200: "application/json"}, (400, 401, 413, 503), any_body=True,
    ),
    Operation(
        "show_status_page", "get", "/status/{plan}", "The plan's status page; HTML where Accept asks for it",
        "anybody", {200: StatusPageShown}, (404, 503), parameters=(_KNOWN,),
    ),
    Operation(
        "list_exports", "get", _EXPORTS, "The plan's bundles, oldest first", "Auditor",
        {200: ExportList}, (401, 403, 404, 503),
    ),
    Operation(
        "compile_export", "post", f"{_EXPORTS}/{{week}}", "Compile a week; 200 where the content is not new",
        "Admin", {200: ExportCompiled, 201: ExportCompiled, 202: ExportAsked},
        (400, 401, 403, 404, 409, 503),
        parameters=(_PREFER,),
    ),
    Operation(
        "show_export", "get", f"{_EXPORTS}/{{week}}", "One bundle with its manifest", "Auditor",
        {200: ExportWhole}, (401, 403, 404, 503), parameters=(_REVISION,),
    ),
    Operation(
        "fetch_export_file", "get", f"{_EXPORTS}/{{week}}/{{file}}",
        "One file of a bundle, byte for byte; `bundle.zip` is the whole", "Auditor",
        {200: "*/*", 206: "*/*", 304: "*/*"}, (401, 403, 404, 416, 503),
        parameters=(_REVISION, _RANGE, _KNOWN),
    ),
    Operation(
        "show_export_progress", "get", f"{_EXPORTS}/{{week}}/progress", "How far its compilation is",
        "Auditor", {200: ExportProgressShown}, (401, 403, 404, 503),
    ),
    Operation(
        "make_export_link", "post", f"{_EXPORTS}/{{week}}/links",
        "A link by which an auditor without an account reads this bundle, for a limited time", "Admin",
        {201: ExportLinkMade}, (400, 401, 403, 404, 413, 503), body=LinkBody,
    ),
    Operation(
        "show_linked_export", "get", "/e/{token}",
        "The bundle behind an auditor's link, as a page or as JSON", "an export link",
        {200: ExportLinked}, (401, 404, 503),
    ),
    Operation(
        "fetch_linked_file", "get", "/e/{token}/{file}", "One of its files, byte for byte", "an export link",
        {200: "*/*", 206: "*/*", 304: "*/*"}, (401, 404, 416, 503), parameters=(_RANGE, _KNOWN),
    ),
    Operation(
        "show_kpis", "get", f"{_PLAN}/kpi", "Figures as of now, by the definitions of the export", "Auditor",
        {200: KpiShown}, (400, 401, 403, 404, 409, 503), query=KpiQuery,
    ),
    Operation(
        "erase_person", "post", "/api/v1/people/erase",
        "Erase somebody's rows, and their texts where asked; 202 while the same call has to come again",
        "Admin", {200: PersonErased, 202: PersonErased}, (400, 401, 403, 404, 409, 413, 503),
        body=ErasePersonBody,
    ),
    Operation(
        "export_person", "post", "/api/v1/people/export",
        "Everything that is held about somebody, piece by piece", "Admin",
        {200: PersonHeld}, (400, 401, 403, 404, 413, 503), body=ExportPersonBody,
    ),
    Operation(
        "erase_text", "post", f"{_INCIDENTS}/{{id}}/texts/{{seq}}/erase",
        "Erase the free text beside one event; the event and the hash in it stay", "Admin",
        {200: TextErased}, (401, 403, 404, 409, 503),
    ),
    Operation(
        "list_holds", "get", f"{_PLAN}/holds", "The plan's legal holds, released ones too", "Auditor",
        {200: HoldList}, (401, 403, 404, 503),
    ),
    Operation(
        "place_hold", "post", f"{_PLAN}/holds", "Hold an incident, or the whole plan",
        "Admin", {201: HoldShown}, (400, 401, 403, 404, 409, 413, 503), body=HoldBody,
    ),
    Operation(
        "release_hold", "post", f"{_PLAN}/holds/{{hold}}/release", "End a hold; once more is the same",
        "Admin", {200: HoldShown}, (401, 403, 404, 503),
    ),
    Operation(
        "show_keys", "get", "/api/v1/keys", "The public keys with which exports are signed", "anybody",
        {200: KeySet}, (503,),
    ),
    Operation("live", "get", "/api/v1/health/live", "The process answers", "anybody", {200: Alive}),
    Operation(
        "ready", "get", "/api/v1/health/ready", "Every dependency, tried", "anybody",
        {200: Readiness, 503: Readiness},
    ),
    Operation(
        "show_status", "get", "/api/v1/status", "Whether Tocsin itself is up", "anybody",
        {200: TocsinStatus, 503: TocsinStatus},
    ),
    Operation(
        "describe_api", "get", "/api/v1/openapi.json", "This document", "anybody",
        {200: answers.ApiDescription},
    ),
)  # fmt: skip
