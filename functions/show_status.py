"""GET /status/{plan}: the plan's status page, for everybody, as JSON or as HTML."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import azure.functions as func

from functions import clock
from functions.replies import answering, json_reply
from functions.wanted_form import prefers
from shared.app import app
from shared.domain.entity_tag import has

if TYPE_CHECKING:
    from shared.domain.status_page import PublicStatus

blueprint = func.Blueprint()
JSON, HTML = "application/json", "text/html"
SHOWN = {
    "Cache-Control": "public, max-age=30",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@blueprint.function_name("show_status_page")
@blueprint.route("status/{plan}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_status_page(req: func.HttpRequest) -> func.HttpResponse:
    """What customers have been told; 304 where the caller has it already."""
    page = app().show_status.page(req.route_params["plan"], clock.now())
    kind = HTML if prefers(req.headers.get("accept", ""), HTML, JSON) else JSON
    shown = _shown(page)
    headers = {**SHOWN, "ETag": _tag(shown, kind)}
    if has(req.headers.get("if-none-match", ""), headers["ETag"]):
        return func.HttpResponse(status_code=304, mimetype=kind, headers=headers)
    if kind == JSON:
        return json_reply(shown, headers=headers)
    body, policy = app().show_status.render(page)
    return func.HttpResponse(
        body, mimetype=HTML, charset="utf-8", headers={**headers, "Content-Security-Policy": policy}
    )


def _shown(page: PublicStatus) -> dict[str, Any]:
    from shared.domain.status_page import ABOUT

    return {
        "title": page.title,
        "about": ABOUT,
        "updated_at": page.updated_at.isoformat(),
        "timezone": page.timezone,
        "state": page.state,
        "services": [{"title": each.title, "state": each.state} for each in page.services],
        "incidents": [
            {
                "id": each.id,
                "title": each.title,
                "phase": each.phase,
                "opened_at": each.opened_at.isoformat(),
                "resolved_at": each.resolved_at.isoformat() if each.resolved_at else None,
                "updates": [
                    {"at": said.at.isoformat(), "phase": said.phase, "words": said.words}
                    for said in each.updates
                ],
            }
            for each in page.incidents
        ],
    }


def _tag(shown: dict[str, Any], kind: str) -> str:
    """Weak: a page that says the same later is as good."""
    said = json.dumps([kind, {**shown, "updated_at": None}], sort_keys=True)
    return f'W/"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'
