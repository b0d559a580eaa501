"""The timers of the plans themselves: drills, digests, calendars, and who was there."""

from __future__ import annotations

import logging

import azure.functions as func

from functions import clock
from shared.app import app

blueprint = func.Blueprint()
log = logging.getLogger("tocsin")


@blueprint.function_name("keep_agenda")
@blueprint.timer_trigger(arg_name="timer", schedule="%ESCALATION_SCHEDULE%", use_monitor=True)
def keep_agenda(timer: func.TimerRequest) -> None:
    """Carry out what has come due; apart from the sweep, which no slow calendar may hold up."""
    done = app().keep_agenda.keep(clock.now)
    if done or timer.past_due:
        log.info("agenda: %d duties done%s", done, " (the timer is late)" if timer.past_due else "")


@blueprint.function_name("keep_watch")
@blueprint.timer_trigger(arg_name="timer", schedule="%ESCALATION_SCHEDULE%", use_monitor=True)
def keep_watch(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the platform passes it by name)
    """Put on record that Tocsin was awake and who was on call; apart from what can take long."""
    app().keep_watch.keep(clock.now)
