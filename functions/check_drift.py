"""The nightly timer that holds response times and alert volume against the weeks before."""

from __future__ import annotations

import logging

import azure.functions as func

from functions import clock
from shared.app import app

blueprint = func.Blueprint()
log = logging.getLogger("tocsin")


@blueprint.function_name("check_drift")
@blueprint.timer_trigger(arg_name="timer", schedule="%DRIFT_SCHEDULE%", use_monitor=True)
def check_drift(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the platform passes it by name)
    """Check every plan, once a night whatever calls it twice."""
    log.info("drift: %d incidents opened", app().check_drift.check(clock.now()))
