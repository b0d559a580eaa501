"""The KPIs of what alerts set going: what became of them, who was escalated to, what reached its provider."""

from __future__ import annotations

from shared.kpi.definition import MEASURED, Definition, Exclusion

_BY_HAND = Exclusion("by-hand", "escalations by people", "escalated_manually")

OF_ALERTS: tuple[Definition, ...] = (
    Definition(
        "alerts_per_incident",
        "ratio",
        "alerts per incident",
        "how many alerts the week brought to an incident that had any",
        ("incident_alerts",),
        "alerts, firing or resolved, on incidents' timelines, recorded in the week, each with its count",
        "incidents with at least one such alert",
        "none",
        (
            Exclusion(
                "changed-no-incident",
                "alerts that changed no incident, which stand in the plan's journal",
                "journal_alerts",
                summed=True,
            ),
            Exclusion(
                "of-no-incident",
                "alerts of drills, and of what is pending or was dropped",
                "other_alerts",
                summed=True,
            ),
        ),
        per=("incident_alerted",),
        target="at most",
    ),
    Definition(
        "alerts_by_disposition",
        "breakdown",
        "alerts",
        "what became of the alerts recorded in the week, each with its count",
        ("incident_alerts", "other_alerts", "journal_alerts"),
        remark="by severity, service and version: alerts of the plan's journal, of drills and the pending",
    ),
    Definition(
        "alerts_noise",
        "ratio",
        "percent",
        "how many of each hundred alerts recorded in the week were suppressed or ignored",
        ("incident_alerts", "other_alerts", "journal_alerts"),
        "alerts with disposition suppressed or ignored, each with its count",
        "all alerts, each with its count",
        "by severity, service and version: alerts of the plan's journal, of drills and of what is pending",
        per=("incident_alerts", "other_alerts", "journal_alerts"),
        codes=("suppressed", "ignored"),
        target="at most",
    ),
    Definition(
        "escalations_by_step",
        "breakdown",
        "escalations",
        "escalations that Tocsin recorded in the week, by step of the ladder, all rounds together",
        ("escalated",),
        exclusions=(
            _BY_HAND,
            Exclusion("passed", "steps passed over as somebody had acknowledged: nobody was told"),
        ),
    ),
    Definition(
        "escalations_by_hand",
        "count",
        "escalations",
        "escalations by people, recorded in the week",
        ("escalated_manually",),
    ),
    Definition(
        "escalations_exhausted",
        "count",
        "escalations",
        "ladders that came to their end in the week with nobody having answered",
        ("escalation_exhausted",),
        target="at most",
    ),
    Definition(
        "escalation_lateness",
        "duration",
        "seconds",
        "how long after the instant at which an escalation was due Tocsin escalated",
        ("escalation_late_seconds",),
        MEASURED,
        "escalations recorded in the week",
        "none",
        (_BY_HAND,),
        target="at most",
    ),
    Definition(
        "delivery_success",
        "share",
        "percent",
        "notifications that their provider accepted",
        ("delivery_succeeded",),
        "deliveries accepted, recorded in the week",
        "deliveries accepted or given up, recorded in the week",
        "deliveries still being tried at the week's end",
        (Exclusion("withdrawn", "deliveries withdrawn in the week, as the incident was over"),),
        target="at least",
    ),
    Definition(
        "contacts_unreachable",
        "count",
        "contacts",
        "times in the week that no channel of a contact was left to try",
        ("contact_unreachable",),
        target="at most",
    ),
    Definition(
        "contacts_missing",
        "count",
        "contacts",
        "times in the week that a step named a contact whom the plan no longer has",
        ("contact_missing",),
        target="at most",
    ),
)
