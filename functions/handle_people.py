"""POST /api/v1/people/erase, /api/v1/people/export and /api/v1/incidents/{id}/texts/{seq}/erase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import answering, json_reply
from shared.app import app
from shared.domain.errors import NotFound

if TYPE_CHECKING:
    from functions.people_bodies import PersonErased, PersonHeld, TextErased

blueprint = func.Blueprint()
LONGEST_NUMBER = 8


@blueprint.function_name("erase_person")
@blueprint.route("api/v1/people/erase", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def erase_person(req: func.HttpRequest) -> func.HttpResponse:
    """200 once all of it is done and on record; 202 while the same call has to come again."""
    from functions.bodies import read_body
    from functions.people_bodies import ErasePersonBody
    from shared.workflows.erase_person import is_done

    who = caller(req, app().settings.authentication_on, "Admin")
    body = read_body(req, ErasePersonBody)
    erasure = app().erase_person.erase(body.whom(), body.plan, who, clock.now(), texts=body.texts)
    done = is_done(erasure)
    told: PersonErased = {
        "person": erasure.person,
        "done": done,
        "looked_at": erasure.seen,
        "plans": dict(erasure.found),
    }
    return json_reply(told, 200 if done else 202)


@blueprint.function_name("export_person")
@blueprint.route("api/v1/people/export", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def export_person(req: func.HttpRequest) -> func.HttpResponse:
    """One piece; the next from its ``cursor``."""
    from functions.bodies import read_body
    from functions.people_bodies import ExportPersonBody
    from shared.workflows.export_person import Span

    who = caller(req, app().settings.authentication_on, "Admin")
    body = read_body(req, ExportPersonBody)
    span = Span(body.since, body.until)
    held = app().export_person.export(body.whom(), body.plan, who, clock.now(), cursor=body.cursor, span=span)
    person = held.person
    told: PersonHeld = {
        "person": {"pseudonym": person.pseudonym, "identity_sha256": person.digest, "name": person.name}
        if person
        else None,
        "contacts": held.contacts,
        "incidents": held.incidents,
        "journals": held.journals,
        "cursor": held.cursor,
    }
    return json_reply(told)


@blueprint.function_name("erase_text")
@blueprint.route(
    "api/v1/incidents/{id}/texts/{seq}/erase", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)
@answering
def erase_text(req: func.HttpRequest) -> func.HttpResponse:
    """One text, for good; its event and the hash in it stay."""
    who = caller(req, app().settings.authentication_on, "Admin")
    incident, seq = req.route_params["id"], req.route_params["seq"]
    if not (seq.isascii() and seq.isdigit() and len(seq) <= LONGEST_NUMBER):
        raise NotFound(f"there is no event {seq[:20]}")
    now = app().erase_person.erase_text(incident, int(seq), who, clock.now())
    told: TextErased = {"incident": incident, "event": int(seq), "erased": "now" if now else "before"}
    return json_reply(told)
