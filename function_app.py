"""The function app: every doorway, registered; nothing else."""

from __future__ import annotations

import azure.functions as func

from functions import (
    advance_incidents,
    answer_notification,
    chat_slack,
    chat_teams,
    check_health,
    describe_api,
    export_kpis,
    hear_channel,
    keep_agenda,
    receive_alert,
    respond_to_incident,
    show_incidents,
    show_oncall,
    show_runbooks,
    show_status,
)

app = func.FunctionApp()
for doorway in (
    receive_alert,
    advance_incidents,
    keep_agenda,
    respond_to_incident,
    show_incidents,
    show_oncall,
    show_runbooks,
    show_status,
    answer_notification,
    hear_channel,
    chat_slack,
    chat_teams,
    export_kpis,
    check_health,
    describe_api,
):
    app.register_functions(doorway.blueprint)
