"""The timer that records how plans change and brings new rules in; and routes to see and steer that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import answering, json_reply
from shared.app import app

if TYPE_CHECKING:
    from functions.rollout_answers import RolloutState, RolloutUnderWay
    from shared.domain.rollout import Stand
    from shared.workflows.keep_rollouts import RolloutShown

blueprint = func.Blueprint()
log = logging.getLogger("tocsin")
_PATH = "api/v1/plans/{plan}/rollout"


@blueprint.function_name("keep_rollouts")
@blueprint.timer_trigger(arg_name="timer", schedule="%ESCALATION_SCHEDULE%", use_monitor=True)
def keep_rollouts(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the platform passes it by name)
    """Look at every plan; apart from the sweep, which no reckoning may hold up."""
    if changed := app().keep_rollouts.keep(clock.now):
        log.info("rollouts: the records of %d plans have changed", changed)


@blueprint.function_name("show_rollout")
@blueprint.route(_PATH, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """How the plan's rollout stands, with the figures as they were last reckoned."""
    who = caller(req, app().settings.authentication_on, "Reader")
    return json_reply(_state(app().keep_rollouts.show(req.route_params["plan"], who)))


@blueprint.function_name("steer_rollout")
@blueprint.route(_PATH, methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def steer_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """Back to the stable rules, or on to the next stage, by hand."""
    from functions.bodies import read_body
    from functions.rollout_answers import RolloutBody

    who = caller(req, app().settings.authentication_on, "Admin")
    body, plan = read_body(req, RolloutBody), req.route_params["plan"]
    shown = app().keep_rollouts.act(plan, body.action, who, clock.now(), percent=body.percent)
    log.info("rollout of %s: %s by hand: %r", plan, body.action, body.reason)
    return json_reply(_state(shown))


def _state(shown: RolloutShown) -> RolloutState:
    record = shown.record
    return {
        "plan": shown.plan.name,
        "rules": shown.plan.rules.hash,
        "stable": record.stable if record else shown.plan.rules.hash,
        "refused": record.refused if record else None,
        "rollout": _under_way(record.stand) if record and record.stand else None,
    }


def _under_way(stand: Stand) -> RolloutUnderWay:
    figures, reckoned_at = stand.figures, stand.reckoned_at
    return {
        "rules": stand.rules,
        "stages": list(stand.stages),
        "percent": stand.percent,
        "started_at": stand.started_at.isoformat(),
        "stage_since": stand.since.isoformat(),
        "until": stand.until.isoformat(),
        "reckoned_at": None if reckoned_at is None else reckoned_at.isoformat(),
        "old_incidents": figures.old_incidents,
        "new_incidents": figures.new_incidents,
        "figures": [
            {"kpi": each.kpi, "target": each.target, "old": each.old, "new": each.new, "holds": each.holds}
            for each in figures.comparisons
        ],
    }
