"""GET /api/v1/plans/{plan}/kpi: the figures of the export, as of now."""

from __future__ import annotations

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import answering, json_reply
from shared.app import app

blueprint = func.Blueprint()


@blueprint.function_name("show_kpis")
@blueprint.route("api/v1/plans/{plan}/kpi", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_kpis(req: func.HttpRequest) -> func.HttpResponse:
    """From the timelines as they stand, for any span of at most 92 days."""
    from functions.bodies import read_query
    from functions.export_bodies import KpiQuery

    who = caller(req, app().settings.authentication_on, "Auditor")
    query = read_query(req, KpiQuery)
    plan, now = req.route_params["plan"], clock.now()
    return json_reply(app().show_kpis.show(plan, query.span(), query.group, who, now))
