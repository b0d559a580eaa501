"""POST /api/v1/incidents and /api/v1/incidents/{id}/{command}: what people do."""

from __future__ import annotations

import secrets

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import answering, json_reply
from shared.app import app
from shared.domain.errors import Fault, InvalidInput, NotFound

blueprint = func.Blueprint()


@blueprint.function_name("declare_incident")
@blueprint.route("api/v1/incidents", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def declare_incident(req: func.HttpRequest) -> func.HttpResponse:
    """201 with the new incident; an ``Idempotency-Key`` seen before finds the incident that it made."""
    from functions.bodies import DeclareBody, read_body, said
    from functions.incident_views import brief
    from shared.workflows.respond_to_incident import Declaration

    who = caller(req, app().settings.authentication_on, "Responder")
    body = read_body(req, DeclareBody)
    key = _idempotency_key(req)
    nonce = f"{who.id}\n{key}" if key else secrets.token_hex(16)
    declaration = Declaration(
        body.plan, said(body.title), body.service, body.severity, body.description, nonce
    )
    incident = app().respond_to_incident.declare(declaration, who, clock.now())
    return json_reply(brief(incident), 201, {"Location": f"/api/v1/incidents/{incident.id}"})


@blueprint.function_name("respond_to_incident")
@blueprint.route("api/v1/incidents/{id}/{command}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def respond_to_incident(req: func.HttpRequest) -> func.HttpResponse:
    """The incident after the command."""
    from functions.bodies import COMMANDS, read_body
    from functions.incident_views import brief

    who = caller(req, app().settings.authentication_on, "Responder")
    model = COMMANDS.get(req.route_params["command"])
    if model is None:
        raise NotFound(f"there is no such command; there are {', '.join(COMMANDS)}")
    command = read_body(req, model).command()
    incident = app().respond_to_incident.respond(
        req.route_params["id"], command, who, _idempotency_key(req), clock.now()
    )
    return json_reply(brief(incident))


def _idempotency_key(req: func.HttpRequest) -> str | None:
    key = req.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= 200:
        raise InvalidInput(
            "the headers are not valid", [Fault("Idempotency-Key", "takes 1 to 200 characters")]
        )
    return str(key) if key is not None else None
