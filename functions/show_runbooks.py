"""GET /api/v1/plans/{plan}/runbooks and below: what to do about it, as JSON or as Markdown."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import azure.functions as func

from functions.caller import caller
from functions.replies import answering, json_reply
from functions.wanted_form import prefers
from shared.app import app
from shared.domain.entity_tag import has

if TYPE_CHECKING:
    from functions.answers import RunbookLine, RunbookList, RunbookWhole
    from shared.domain.runbook import Runbook

blueprint = func.Blueprint()
JSON, MARKDOWN = "application/json", "text/markdown"


@blueprint.function_name("list_runbooks")
@blueprint.route("api/v1/plans/{plan}/runbooks", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def list_runbooks(req: func.HttpRequest) -> func.HttpResponse:
    """The plan's runbooks, by name."""
    who = caller(req, app().settings.authentication_on, "Reader")
    plan = req.route_params["plan"]
    listed: RunbookList = {"runbooks": [_line(plan, each) for each in app().show_runbooks.all(plan, who)]}
    return json_reply(listed)


@blueprint.function_name("show_runbook")
@blueprint.route("api/v1/plans/{plan}/runbooks/{name}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_runbook(req: func.HttpRequest) -> func.HttpResponse:
    """One runbook; 304 where the caller has it already."""
    who = caller(req, app().settings.authentication_on, "Reader")
    plan = req.route_params["plan"]
    runbook = app().show_runbooks.one(plan, req.route_params["name"], who)
    kind = MARKDOWN if prefers(req.headers.get("accept", ""), MARKDOWN, JSON) else JSON
    headers = {"ETag": _tag(runbook, kind), "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if has(req.headers.get("if-none-match", ""), headers["ETag"]):
        return func.HttpResponse(status_code=304, mimetype=kind, headers=headers)
    if kind == MARKDOWN:
        safe = {**headers, "X-Content-Type-Options": "nosniff"}
        return func.HttpResponse(runbook.text.encode(), mimetype=MARKDOWN, headers=safe)
    shown: RunbookWhole = {
        **_line(plan, runbook),
        "parts": [{"name": part.name, "markdown": part.text} for part in runbook.parts],
        "markdown": runbook.text,
    }
    return json_reply(shown, headers=headers)


def _line(plan: str, runbook: Runbook) -> RunbookLine:
    return {
        "plan": plan,
        "name": runbook.name,
        "title": runbook.title,
        "alerts": list(runbook.alerts),
        "severity": runbook.severity,
        "skeleton": runbook.skeleton,
        "url": f"/api/v1/plans/{plan}/runbooks/{runbook.name}",
    }


def _tag(runbook: Runbook, kind: str) -> str:
    """Another one for each form: both have the same address."""
    digest = hashlib.sha256(f"{kind}\n{runbook.text}".encode()).hexdigest()
    return f'"{digest[:32]}"'
