"""POST /api/v1/plans/{plan}/channels/{channel}/{what}: a channel's provider calls and proves itself."""

from __future__ import annotations

from urllib.parse import urlsplit

import azure.functions as func

from functions import clock
from functions.replies import NOT_KEPT, answering
from shared.app import app
from shared.domain.heard import Call

blueprint = func.Blueprint()


@blueprint.function_name("hear_channel")
@blueprint.route(
    "api/v1/plans/{plan}/channels/{channel}/{what}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
@answering
def hear_channel(req: func.HttpRequest) -> func.HttpResponse:
    """200 with what the provider is to say or do next, where it asks for that."""
    called = urlsplit(req.url)
    headers = {name.lower(): value for name, value in req.headers.items()}
    path = called.path + (f"?{called.query}" if called.query else "")
    call = Call(req.route_params["what"], path, headers, req.get_body())
    answer = app().hear_provider.hear(
        req.route_params["plan"], req.route_params["channel"], call, clock.now()
    )
    return func.HttpResponse(answer.body, status_code=200, mimetype=answer.content_type, headers=NOT_KEPT)
