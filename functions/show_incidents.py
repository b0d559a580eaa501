"""GET /api/v1/incidents and below: what people see."""

from __future__ import annotations

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import NOT_KEPT, answering, json_reply
from shared.app import app

blueprint = func.Blueprint()


@blueprint.function_name("list_incidents")
@blueprint.route("api/v1/incidents", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def list_incidents(req: func.HttpRequest) -> func.HttpResponse:
    """One page, newest first; ``cursor`` of the answer asks for the next."""
    from functions.bodies import ListQuery, read_query
    from functions.incident_views import brief
    from shared.workflows.show_incidents import Wanted

    who = caller(req, app().settings.authentication_on, "Reader")
    page = app().show_incidents.page(Wanted(**read_query(req, ListQuery).model_dump()), who)
    return json_reply({"incidents": [brief(each) for each in page.incidents], "cursor": page.cursor})


@blueprint.function_name("show_incident")
@blueprint.route("api/v1/incidents/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_incident(req: func.HttpRequest) -> func.HttpResponse:
    """One incident with clocks, alerts and deliveries."""
    from functions.incident_views import whole

    who = caller(req, app().settings.authentication_on, "Reader")
    return json_reply(whole(app().show_incidents.one(req.route_params["id"], who, clock.now())))


@blueprint.function_name("show_review")
@blueprint.route("api/v1/incidents/{id}/review", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_review(req: func.HttpRequest) -> func.HttpResponse:
    """The report of the incident so far, made from its timeline; Markdown alone where Accept asks for it."""
    from functions.incident_views import reported

    who = caller(req, app().settings.authentication_on, "Reader")
    report = app().show_incidents.report(req.route_params["id"], who)
    if "text/markdown" in req.headers.get("accept", ""):
        return func.HttpResponse(report.markdown, mimetype="text/markdown", headers=dict(NOT_KEPT))
    return json_reply(reported(report))


@blueprint.function_name("show_timeline")
@blueprint.route("api/v1/incidents/{id}/timeline", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_timeline(req: func.HttpRequest) -> func.HttpResponse:
    """The hash-chained events."""
    from functions.incident_views import timeline

    who = caller(req, app().settings.authentication_on, "Reader")
    return json_reply(timeline(app().show_incidents.timeline(req.route_params["id"], who, clock.now())))
