"""Health and status: is it alive, is it ready, does the sweeper run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import azure.functions as func

from functions import clock
from functions.replies import answering, json_reply
from shared.app import app
from shared.domain.timeline import stamp_or_none

if TYPE_CHECKING:
    from functions.health_answers import Readiness, TocsinStatus

blueprint = func.Blueprint()


@blueprint.function_name("live")
@blueprint.route("api/v1/health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def live(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  (the platform passes it by name)
    """200 as long as the process answers."""
    return json_reply({"status": "alive"})


@blueprint.function_name("ready")
@blueprint.route("api/v1/health/ready", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def ready(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    """200 where every dependency answers, else 503; names each, and the secrets that plans name in vain."""
    found = app().check_health.ready(time.perf_counter)
    shown: Readiness = {
        "status": "not ready" if not found.ok else "degraded" if found.lacking else "ready",
        "tried": [
            {
                "name": each.name,
                "ok": each.ok,
                "milliseconds": round(each.seconds * 1000),
                "error": each.error,
            }
            for each in found.tried
        ],
        "secrets": {
            "named": found.named,
            "missing": [
                {"name": each.name, "plans": list(each.plans), "error": each.error} for each in found.lacking
            ],
        },
    }
    return json_reply(shown, 200 if found.ok else 503)


@blueprint.function_name("status")
@blueprint.route("api/v1/status", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def status(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001
    """Is Tocsin itself up: 200 while the sweeper runs, 503 where it is silent."""
    pulse = app().check_health.pulse(clock.now())
    shown: TocsinStatus = {
        "status": "up" if pulse.alive else "down",
        "sweeper": {"last_run": stamp_or_none(pulse.last_run), "alive": pulse.alive},
    }
    return json_reply(shown, 200 if pulse.alive else 503)
