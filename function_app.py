"""The function app: every doorway, registered; nothing else."""

from __future__ import annotations

import azure.functions as func

from functions import (
    advance_incidents,
    answer_notification,
    chat_slack,
    chat_teams,
    check_drift,
    check_health,
    describe_api,
    export_kpis,
    export_links,
    handle_people,
    hear_channel,
    keep_agenda,
    keep_holds,
    keep_rollouts,
    purge,
    receive_alert,
    respond_to_incident,
    show_incidents,
    show_keys,
    show_kpis,
    show_oncall,
    show_runbooks,
    show_status,
)

app = func.FunctionApp()
for doorway in (
    receive_alert,
    advance_incidents,
    keep_agenda,
    keep_holds,
    purge,
    keep_rollouts,
    respond_to_incident,
    show_incidents,
    show_kpis,
    show_oncall,
    show_runbooks,
    show_status,
    answer_notification,
    hear_channel,
    chat_slack,
    chat_teams,
    export_kpis,
    export_links,
    handle_people,
    check_drift,
    show_keys,
    check_health,
    describe_api,
):
    app.register_functions(doorway.blueprint)
