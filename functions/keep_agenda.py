"""The timer of the plans themselves: drills, digests, calendars, and the hours that nobody covers."""

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
