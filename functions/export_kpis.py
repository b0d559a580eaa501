"""The weekly export: timers that compile what is owed or asked for, and routes to compile, list and fetch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.file_replies import file_reply, wanted
from functions.replies import answering, json_reply
from shared.app import app

if TYPE_CHECKING:
    from functions.export_answers import ExportCompiled, ExportLine, ExportList, ExportWhole
    from shared.kpi.shelf import Bundle
    from shared.workflows.export_kpis import Compiled

blueprint = func.Blueprint()
log = logging.getLogger("tocsin")
_PATH = "api/v1/plans/{plan}/exports"


@blueprint.function_name("export_weeks")
@blueprint.timer_trigger(arg_name="timer", schedule="%EXPORT_SCHEDULE%", use_monitor=True)
def export_weeks(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the platform passes it by name)
    """Compile every week that is over and has no bundle yet, late rather than never; then say so."""
    try:
        log.info("exported %d weeks", len(app().compile_exports.compile_owed(clock.now)))
    finally:
        if announced := app().announce_exports.announce(clock.now):
            log.info("announced %d exports", announced)


@blueprint.function_name("export_wanted")
@blueprint.timer_trigger(arg_name="timer", schedule="%ESCALATION_SCHEDULE%", use_monitor=True)
def export_wanted(timer: func.TimerRequest) -> None:  # noqa: ARG001  (as above)
    """Compile what somebody asked for and did not wait for."""
    if done := app().compile_exports.compile_wanted(clock.now):
        log.info("exported %d weeks that were asked for", done)


@blueprint.function_name("compile_export")
@blueprint.route(f"{_PATH}/{{week}}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def compile_export(req: func.HttpRequest) -> func.HttpResponse:
    """201 with a new bundle, 200 with one of equal content, 202 where the caller does not want to wait."""
    who = caller(req, app().settings.authentication_on, "Admin")
    plan, week = req.route_params["plan"], req.route_params["week"]
    if "respond-async" in req.headers.get("Prefer", "").lower():
        app().serve_exports.ask(plan, week, who, clock.now())
        progress = f"/{_PATH.replace('{plan}', plan)}/{week}/progress"
        headers = {"Location": progress, "Retry-After": "60", "Preference-Applied": "respond-async"}
        return json_reply({"progress": progress}, 202, headers)
    compiled = app().serve_exports.compile(plan, week, who, clock.now)
    return json_reply(_compiled(compiled), 201 if compiled.made else 200)


@blueprint.function_name("show_export_progress")
@blueprint.route(f"{_PATH}/{{week}}/progress", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_export_progress(req: func.HttpRequest) -> func.HttpResponse:
    """How far the compilation of a week is."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    plan, week = req.route_params["plan"], req.route_params["week"]
    return json_reply(app().serve_exports.progress(plan, week, who))


@blueprint.function_name("list_exports")
@blueprint.route(_PATH, methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def list_exports(req: func.HttpRequest) -> func.HttpResponse:
    """The plan's bundles, oldest first."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    bundles = app().serve_exports.list(req.route_params["plan"], who)
    listed: ExportList = {"exports": [_bundle(bundle) for bundle in bundles]}
    return json_reply(listed)


@blueprint.function_name("show_export")
@blueprint.route(f"{_PATH}/{{week}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_export(req: func.HttpRequest) -> func.HttpResponse:
    """The manifest of the week's last bundle, or of the revision named by ``?revision=r1``."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    plan, week = req.route_params["plan"], req.route_params["week"]
    bundle, manifest = app().serve_exports.manifest(plan, week, req.params.get("revision"), who, clock.now())
    shown: ExportWhole = {**_bundle(bundle), "manifest": manifest}
    return json_reply(shown)


@blueprint.function_name("fetch_export_file")
@blueprint.route(f"{_PATH}/{{week}}/{{file}}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def fetch_export_file(req: func.HttpRequest) -> func.HttpResponse:
    """One file or a part of it, byte for byte; ``bundle.zip`` is the whole."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    plan = req.route_params["plan"]
    asked = wanted(req, req.route_params["week"], req.params.get("revision"))
    return file_reply(app().serve_exports.fetch(plan, asked, who, clock.now()))


def _compiled(compiled: Compiled) -> ExportCompiled:
    return {**_bundle(compiled.bundle), "made": compiled.made}


def _bundle(bundle: Bundle) -> ExportLine:
    from shared.workflows.serve_exports import FETCHED

    base = f"/api/v1/plans/{bundle.plan}/exports/{bundle.week}"
    revision = f"?revision={bundle.label}"
    return {
        "plan": bundle.plan,
        "week": bundle.week,
        "revision": bundle.label,
        "provisional": bundle.revision is None,
        "files": {file: f"{base}/{file}{revision}" for file in FETCHED},
    }
