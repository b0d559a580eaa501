"""POST /api/v1/chat/teams: people command Tocsin from Teams, by an outgoing webhook."""

from __future__ import annotations

import secrets

import azure.functions as func

from functions import clock
from functions.replies import answering, json_reply
from shared.app import app

blueprint = func.Blueprint()


@blueprint.function_name("chat_teams")
@blueprint.route("api/v1/chat/teams", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def chat_teams(req: func.HttpRequest) -> func.HttpResponse:
    """A message that mentions us; the webhook's signature is its proof."""
    headers = {name.lower(): value for name, value in req.headers.items()}
    salt = secrets.token_hex(16)
    return json_reply(app().chat_teams.message(headers, req.get_body(), salt, clock.now()))
