"""Legal holds of a plan: list, place, release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import answering, json_reply
from shared.app import app
from shared.domain.timeline import stamp, stamp_or_none

if TYPE_CHECKING:
    from functions.hold_bodies import HoldList, HoldShown
    from shared.domain.retention import Hold

blueprint = func.Blueprint()
_HOLDS = "api/v1/plans/{plan}/holds"


@blueprint.function_name("list_holds")
@blueprint.route(_HOLDS, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def list_holds(req: func.HttpRequest) -> func.HttpResponse:
    """Every hold, released ones too."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    plan = req.route_params["plan"]
    ruling, holds = app().keep_holds.all(plan, who)
    listed: HoldList = {"legal_hold": ruling, "holds": [_shown(plan, hold) for hold in holds]}
    return json_reply(listed)


@blueprint.function_name("place_hold")
@blueprint.route(_HOLDS, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def place_hold(req: func.HttpRequest) -> func.HttpResponse:
    """201 with the new hold."""
    from functions.bodies import read_body
    from functions.hold_bodies import HoldBody

    who = caller(req, app().settings.authentication_on, "Admin")
    body, plan = read_body(req, HoldBody), req.route_params["plan"]
    hold = app().keep_holds.place(plan, body.incident, body.reference, who, clock.now())
    return json_reply(_shown(plan, hold), 201)


@blueprint.function_name("release_hold")
@blueprint.route(f"{_HOLDS}/{{hold}}/release", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def release_hold(req: func.HttpRequest) -> func.HttpResponse:
    """The hold, which is no longer in force."""
    who = caller(req, app().settings.authentication_on, "Admin")
    plan = req.route_params["plan"]
    return json_reply(
        _shown(plan, app().keep_holds.release(plan, req.route_params["hold"], who, clock.now()))
    )


def _shown(plan: str, hold: Hold) -> HoldShown:
    return {
        "id": hold.id,
        "plan": plan,
        "incident": hold.incident,
        "reference": hold.reference,
        "placed_at": stamp(hold.placed_at),
        "placed_by": hold.placed_by,
        "released_at": stamp_or_none(hold.released_at),
        "released_by": hold.released_by,
    }
