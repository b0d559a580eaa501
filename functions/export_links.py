"""An auditor without an account reads one bundle by a link, for a limited time; and how it is made."""

from __future__ import annotations

import azure.functions as func

from functions import clock
from functions.answer_notification import HTML, guarded, wants_page
from functions.caller import caller
from functions.file_replies import file_reply, wanted
from functions.replies import answering, json_reply
from shared.app import app

blueprint = func.Blueprint()


@blueprint.function_name("make_export_link")
@blueprint.route(
    "api/v1/plans/{plan}/exports/{week}/links", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
@answering
def make_export_link(req: func.HttpRequest) -> func.HttpResponse:
    """201 with the address; whoever has it reads that bundle until it expires."""
    from datetime import timedelta

    from functions.bodies import read_body
    from functions.export_bodies import LinkBody

    who = caller(req, app().settings.authentication_on, "Admin")
    body = read_body(req, LinkBody)
    plan, week = req.route_params["plan"], req.route_params["week"]
    link, address = app().serve_exports.make_link(
        plan, week, body.revision, timedelta(hours=body.hours), who, clock.now()
    )
    made = {"link": link.id, "url": address, "plan": link.plan, "week": link.week, "revision": link.label}
    return json_reply({**made, "expires": link.expires.isoformat()}, 201)


@blueprint.function_name("show_linked_export")
@blueprint.route("e/{token}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@guarded
def show_linked_export(req: func.HttpRequest) -> func.HttpResponse:
    """What the link leads to: a page with its files, or the same as JSON."""
    token = req.route_params["token"]
    link, bundle, manifest = app().serve_exports.linked(token, clock.now())
    if wants_page(req):
        return func.HttpResponse(app().export_page.shown(link, manifest, token), mimetype=HTML)
    from shared.workflows.serve_exports import LINKED

    files = {file: f"/e/{token}/{file}" for file in LINKED}
    shown = {"plan": bundle.plan, "week": bundle.week, "revision": bundle.label, "files": files}
    return json_reply({**shown, "expires": link.expires.isoformat()})


@blueprint.function_name("fetch_linked_file")
@blueprint.route("e/{token}/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@guarded
def fetch_linked_file(req: func.HttpRequest) -> func.HttpResponse:
    """One file of it, or a part, byte for byte."""
    asked = wanted(req, "", None)
    return file_reply(app().serve_exports.fetch_linked(req.route_params["token"], asked, clock.now()))
