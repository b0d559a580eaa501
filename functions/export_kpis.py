"""The weekly export: a timer that compiles what is owed, and routes to compile, list and fetch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import azure.functions as func

from functions import clock
from functions.caller import caller
from functions.replies import answering, json_reply
from shared.app import app

if TYPE_CHECKING:
    from functions.answers import ExportCompiled, ExportLine, ExportList, ExportWhole
    from shared.kpi.shelf import Bundle
    from shared.workflows.export_kpis import Compiled

blueprint = func.Blueprint()
log = logging.getLogger("tocsin")
_TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "zip": "application/zip",
    "sha256": "text/plain",
}


@blueprint.function_name("export_weeks")
@blueprint.timer_trigger(arg_name="timer", schedule="%EXPORT_SCHEDULE%", use_monitor=True)
def export_weeks(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the platform passes it by name)
    """Compile every week that is over and has no bundle yet; late rather than never."""
    log.info("exported %d weeks", app().serve_exports.compile_owed(clock.now()))


@blueprint.function_name("compile_export")
@blueprint.route("api/v1/plans/{plan}/exports/{week}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def compile_export(req: func.HttpRequest) -> func.HttpResponse:
    """201 with a new bundle, 200 with the one that has equal content already."""
    who = caller(req, app().settings.authentication_on, "Admin")
    compiled = app().serve_exports.compile(
        req.route_params["plan"], req.route_params["week"], who, clock.now()
    )
    return json_reply(_compiled(compiled), 201 if compiled.made else 200)


@blueprint.function_name("list_exports")
@blueprint.route("api/v1/plans/{plan}/exports", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def list_exports(req: func.HttpRequest) -> func.HttpResponse:
    """The plan's bundles, oldest first."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    bundles = app().serve_exports.list(req.route_params["plan"], who)
    listed: ExportList = {"exports": [_bundle(bundle) for bundle in bundles]}
    return json_reply(listed)


@blueprint.function_name("show_export")
@blueprint.route("api/v1/plans/{plan}/exports/{week}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_export(req: func.HttpRequest) -> func.HttpResponse:
    """The manifest of the week's last bundle, or of the revision named by ``?revision=r1``."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    plan, week = req.route_params["plan"], req.route_params["week"]
    bundle, manifest = app().serve_exports.manifest(plan, week, req.params.get("revision"), who)
    shown: ExportWhole = {**_bundle(bundle), "manifest": manifest}
    return json_reply(shown)


@blueprint.function_name("fetch_export_file")
@blueprint.route(
    "api/v1/plans/{plan}/exports/{week}/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS
)
@answering
def fetch_export_file(req: func.HttpRequest) -> func.HttpResponse:
    """One file, byte for byte; ``bundle.zip`` is the whole."""
    who = caller(req, app().settings.authentication_on, "Auditor")
    plan, week, file = (req.route_params[name] for name in ("plan", "week", "file"))
    pieces = app().serve_exports.open(plan, week, file, req.params.get("revision"), who)
    kind = _TYPES.get(file.rsplit(".", 1)[-1], "application/octet-stream")
    headers = {
        "Content-Disposition": f'attachment; filename="{plan}-{week}-{file}"',
        "X-Content-Type-Options": "nosniff",
    }
    return func.HttpResponse(b"".join(pieces), mimetype=kind, headers=headers)


def _compiled(compiled: Compiled) -> ExportCompiled:
    return {**_bundle(compiled.bundle), "made": compiled.made}


def _bundle(bundle: Bundle) -> ExportLine:
    base = f"/api/v1/plans/{bundle.plan}/exports/{bundle.week}"
    revision = f"?revision={bundle.label}"
    return {
        "plan": bundle.plan,
        "week": bundle.week,
        "revision": bundle.label,
        "provisional": bundle.revision is None,
        "files": {file: f"{base}/{file}{revision}" for file in _files()},
    }


def _files() -> tuple[str, ...]:
    from shared.kpi.shelf import FILES

    return tuple(FILES)
