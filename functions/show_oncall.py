"""GET /api/v1/plans/{plan}/oncall: who is on call now and next, and a calendar feed of each rotation."""

from __future__ import annotations

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import answering, json_reply
from shared.app import app
from shared.domain.errors import NotFound

blueprint = func.Blueprint()
CALENDAR = "text/calendar"


@blueprint.function_name("show_oncall")
@blueprint.route("api/v1/plans/{plan}/oncall", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_oncall(req: func.HttpRequest) -> func.HttpResponse:
    """Every rotation of the plan."""
    from functions.incident_views import turn

    who = caller(req, app().settings.authentication_on, "Reader")
    turns = app().show_oncall.turns(req.route_params["plan"], who, clock.now())
    return json_reply({"rotations": [turn(each) for each in turns]})


@blueprint.function_name("show_oncall_feed")
@blueprint.route("api/v1/plans/{plan}/oncall/{feed}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_oncall_feed(req: func.HttpRequest) -> func.HttpResponse:
    """A rotation as an iCalendar, for whoever holds the signed link: calendars cannot sign in."""
    name = req.route_params["feed"]
    if not name.endswith(".ics"):
        raise NotFound("a feed ends in .ics")
    now = clock.now()
    signature = req.params.get("signature", "")
    body = app().show_oncall.feed(req.route_params["plan"], name.removesuffix(".ics"), signature, now)
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return func.HttpResponse(body, mimetype=CALENDAR, headers=headers)
