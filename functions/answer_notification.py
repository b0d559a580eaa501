"""GET and POST /a/{token}: a notification is answered by its link, by whoever holds it.

Programs that scan mail fetch every link, so fetching shows a page and changes nothing; the answer is a POST
that names its action. The token in the path is the only proof and no browser adds it by itself (there is no
cookie and no sign-in), so a page elsewhere has nothing to forge a request with. The referrer goes nowhere
else; to ourselves it must go, because App Service refuses forms of people who happen to be signed in where
the browser does not say which site they come from.
"""

from __future__ import annotations

import functools
import json

import azure.functions as func

from functions import clock
from functions.replies import PROBLEM, Handler, answering, json_reply, reply_to
from shared.app import app
from shared.domain.errors import Fault, InvalidInput, Refused

blueprint = func.Blueprint()
HTML = "text/html"
GUARD = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def guarded(handler: Handler) -> Handler:
    """Errors as a page where people look, as problem documents elsewhere; the same headers on all of it."""
    answered = answering(handler)

    @functools.wraps(handler)
    def shown(req: func.HttpRequest) -> func.HttpResponse:
        reply = answered(req)
        mimetype, body = reply.mimetype, reply.get_body()
        if mimetype == PROBLEM and wants_page(req) and (page := _page_of(body)):
            mimetype, body = HTML, page
        if req.method == "HEAD":
            body = b""
        headers = {**dict(reply.headers), **GUARD, "Vary": "Accept"}
        return func.HttpResponse(body, status_code=reply.status_code, mimetype=mimetype, headers=headers)

    return shown


@blueprint.function_name("show_answer_page")
@blueprint.route("a/{token}", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
@guarded
def show_answer_page(req: func.HttpRequest) -> func.HttpResponse:
    """What the link asks. Changes nothing."""
    from functions.answer_bodies import asked_by_link

    asked = app().answer_notification.asked(req.route_params["token"], clock.now())
    if not wants_page(req):
        return json_reply(asked_by_link(asked))
    return func.HttpResponse(app().answer_page.asked(asked), mimetype=HTML)


@blueprint.function_name("answer_notification")
@blueprint.route("a/{token}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@guarded
def answer_notification(req: func.HttpRequest) -> func.HttpResponse:
    """What came of the answer: 200 also where it came twice or too late."""
    from functions.answer_bodies import answered_by_link, read_answer, read_form

    token, now, workflow = req.route_params["token"], clock.now(), app().answer_notification
    workflow.granted(token, now)
    form = read_form(req)
    try:
        body = read_answer(req, form)
        done, asked = workflow.answer(token, body.action, now, resolution=body.resolution, code=body.code)
    except (InvalidInput, Refused) as error:
        if not wants_page(req):
            raise
        faults = error.faults if isinstance(error, InvalidInput) else [Fault("", str(error))]
        page = app().answer_page.asked(workflow.asked(token, now), faults=faults, typed=form)
        return func.HttpResponse(page, status_code=reply_to(error).status_code, mimetype=HTML)
    if not wants_page(req):
        return json_reply(answered_by_link(done))
    return func.HttpResponse(app().answer_page.asked(asked, done.sentence), mimetype=HTML)


def wants_page(req: func.HttpRequest) -> bool:
    """Whether people look at the answer: unless JSON is asked for, or nothing is and JSON was sent."""
    accept = str(req.headers.get("accept", "")).lower()
    if HTML in accept:
        return True
    return "json" not in accept and "json" not in str(req.headers.get("content-type", "")).lower()


def _page_of(problem: bytes) -> bytes | None:
    """A problem document as a page; None where the app is not set up to show one."""
    document = json.loads(problem)
    try:
        return app().answer_page.refusal(document["title"], document["detail"])
    except InvalidInput:
        return None
