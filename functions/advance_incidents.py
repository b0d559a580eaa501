"""The timer takes every deadline that has come; the queue takes one incident, now or at its deadline."""

from __future__ import annotations

import logging

import azure.functions as func

from functions import clock
from shared.app import app

blueprint = func.Blueprint()
log = logging.getLogger("tocsin")


@blueprint.function_name("sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="%ESCALATION_SCHEDULE%", use_monitor=True)
def sweep(timer: func.TimerRequest) -> None:
    """Act on what has come due; certain, if late."""
    advanced = app().advance_incidents.sweep(clock.now)
    log.info("swept: %d deadlines%s", advanced, " (the timer is late)" if timer.past_due else "")


@blueprint.function_name("advance")
@blueprint.queue_trigger(arg_name="message", queue_name="advance", connection="TOCSIN_STORAGE")
def advance(message: func.QueueMessage) -> None:
    """Act on one incident; punctual, if the queue is."""
    app().advance_incidents.advance(message.get_body().decode("utf-8"), clock.now)
