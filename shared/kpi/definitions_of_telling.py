"""The KPIs of whether people were told: how soon, what providers said later, what was held back."""

from __future__ import annotations

from shared.kpi.definition import MEASURED, Definition, Exclusion

_FOR_THE_PLAN = "by severity, service and version: everything, drills count for the plan only"

OF_TELLING: tuple[Definition, ...] = (
    Definition(
        "time_to_first_told",
        "duration",
        "seconds",
        "from the recording of the opening to the instant at which a provider took the first message about "
        "it for somebody inside",
        ("time_to_first_told_seconds",),
        MEASURED,
        "incidents of which that was recorded in the week",
        "incidents of which nobody has been told yet; messages to people outside; what followed a reopening; "
        "a channel that leads to no provider (a log) takes a message too",
        (
            Exclusion(
                "untold", "incidents first resolved in the week, nobody told until then", "incident_untold"
            ),
        ),
        target="at most",
    ),
    Definition(
        "drill_time_to_first_told",
        "duration",
        "seconds",
        "time_to_first_told of drills",
        ("drill_time_to_first_told_seconds",),
        MEASURED,
        "drills of which that was recorded in the week",
        f"drills of which nobody could be told, or not yet; {_FOR_THE_PLAN}",
        target="at most",
    ),
    Definition(
        "incidents_untold",
        "count",
        "incidents",
        "incidents first resolved in the week of which nobody inside had been told until then",
        ("incident_untold",),
        remark="incidents still open at the week's end",
        target="at most",
    ),
    Definition(
        "receipts",
        "breakdown",
        "receipts",
        "what providers said later, recorded in the week, of notifications that they had taken, by its state",
        ("receipt",),
        remark="repetitions",
    ),
    Definition(
        "receipt_success",
        "share",
        "percent",
        "notifications that arrived, of those whose provider said later what became of them",
        ("receipt_succeeded",),
        "deliveries whose first receipt, recorded in the week, says delivered or read",
        "deliveries whose first receipt was recorded in the week",
        "deliveries of which the provider has said nothing since it took them",
        (Exclusion("later-receipt", "receipts recorded in the week after the first of their delivery"),),
        target="at least",
    ),
    Definition(
        "acted_from_notification",
        "breakdown",
        "commands",
        "commands recorded in the week that people gave from a notification or from chat, by what they came",
        ("acted_on",),
        remark="commands given through the API",
    ),
    Definition(
        "messages_held_back",
        "count",
        "messages",
        "messages held back in the week, as the contact had had another of that kind a moment before",
        ("held_back",),
    ),
    Definition(
        "still_open_reminders",
        "count",
        "reminders",
        "times in the week that Tocsin reminded people that an incident was not resolved",
        ("still_open_reminded",),
    ),
)
