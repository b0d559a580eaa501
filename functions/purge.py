"""The nightly timer: what was kept long enough goes."""

from __future__ import annotations

import logging

import azure.functions as func

from functions import clock
from shared.app import app

blueprint = func.Blueprint()
log = logging.getLogger("tocsin")


@blueprint.function_name("purge")
@blueprint.timer_trigger(arg_name="timer", schedule="%PURGE_SCHEDULE%", use_monitor=True)
def purge(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the platform passes it by name)
    """Purge texts, incidents and journals past their windows; late rather than never."""
    log.info("purged %d", app().purge.run(clock.now))
