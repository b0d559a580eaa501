"""POST /api/v1/chat/slack and below: people command Tocsin from Slack, and answer from there."""

from __future__ import annotations

import secrets

import azure.functions as func

from functions import clock
from functions.replies import answering, json_reply
from shared.app import app
from shared.domain.errors import NotFound

blueprint = func.Blueprint()


@blueprint.function_name("chat_slack")
@blueprint.route("api/v1/chat/slack", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def chat_slack(req: func.HttpRequest) -> func.HttpResponse:
    """A slash command; Slack's signature is its proof."""
    salt = secrets.token_hex(16)
    return json_reply(app().chat_slack.command(_headers(req), req.get_body(), salt, clock.now()))


@blueprint.function_name("chat_slack_actions")
@blueprint.route("api/v1/chat/slack/actions", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def chat_slack_actions(req: func.HttpRequest) -> func.HttpResponse:
    """A button was pressed, or a form was sent."""
    return json_reply(app().chat_slack.action(_headers(req), req.get_body(), clock.now()))


@blueprint.function_name("chat_slack_check")
@blueprint.route("api/v1/chat/slack", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def chat_slack_check(req: func.HttpRequest) -> func.HttpResponse:
    """Slack looks at our certificate now and then, with ``ssl_check=1``."""
    if req.params.get("ssl_check") != "1":
        raise NotFound("slash commands are posted here")
    return json_reply({})


def _headers(req: func.HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in req.headers.items()}
