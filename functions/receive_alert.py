"""POST /api/v1/plans/{plan}/alerts/{source}: a monitoring system calls."""

from __future__ import annotations

from dataclasses import asdict

import azure.functions as func

from functions import clock
from functions.replies import always_answering, json_reply
from shared.app import app

blueprint = func.Blueprint()


@blueprint.function_name("receive_alert")
@blueprint.route("api/v1/plans/{plan}/alerts/{source}", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
@always_answering
def receive_alert(req: func.HttpRequest) -> func.HttpResponse:
    """202 once every alert of the call is durable."""
    outcomes = app().receive_alert.receive(
        req.route_params["plan"],
        req.route_params["source"],
        {name.lower(): value for name, value in req.headers.items()},
        req.get_body(),
        clock.now(),
    )
    return json_reply({"incidents": [asdict(outcome) for outcome in outcomes]}, 202)
