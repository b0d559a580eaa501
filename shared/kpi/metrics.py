"""The metrics of `audit.csv`: every kind of fact that the export measures, and what value and code say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.kpi.definition import EXCLUDED
from shared.kpi.definitions import FIRST_RESPONSE_SECONDS

METRICS: Mapping[str, str] = {
    "incident_open_at_start": "1: open or acknowledged when the week began",
    "incident_opened": "1: opened",
    "incident_reopened": "1: reopened",
    "incident_resolved": "1: resolved; code: by `person` or `source`",
    "incident_open_at_end": "1: open or acknowledged when the week ended",
    "time_to_detect_seconds": "start of the earliest alert to the recording of the opening",
    "clock_ahead": "1: that start lay after the recording, so the source's clock is ahead of ours",
    "time_to_acknowledge_seconds": "opening to first acknowledgement by a person",
    "time_to_acknowledge_again_seconds": "reopening to first acknowledgement by a person after it",
    "time_to_resolve_seconds": "opening to first resolution; code: by `person` or `source`",
    "time_to_resolve_again_seconds": "reopening to next resolution; code: by `person` or `source`",
    "first_response_met": f"1: a person responded within {FIRST_RESPONSE_SECONDS} seconds; 0: nobody did",
    "respond_sla_met": "1: respond clock met; 0: missed, at the instant at which it was due",
    "resolve_sla_met": "1: resolve clock met; 0: missed, at the instant at which it was due",
    "breach_unrecorded": "1: a missed clock of which no `breached` event tells; code: the clock",
    "breach_underived": "1: a `breached` event of a clock that others do not show missed; code: the clock",
    "incident_alerts": "alerts on the incident's timeline; code: the disposition; at the last that has it",
    "incident_alerted": "1: the incident had alerts",
    "other_alerts": "alerts of a drill, or of what is not an incident yet; code and instant as before",
    "journal_alerts": "alerts that changed no incident; code: the disposition; at the last that has it",
    "escalated": "1: Tocsin escalated; code: `step-1` and so on",
    "escalation_late_seconds": "how long after it was due Tocsin escalated; code: the step",
    "escalated_manually": "1: a person escalated",
    "escalation_exhausted": "1: the ladder came to its end",
    "delivery_succeeded": "1: the provider accepted; 0: given up",
    "contact_unreachable": "1: no channel of the contact was left",
    "contact_missing": "1: the plan has no such contact",
    "oncall_empty": "1: nobody was on call where a step or role asked for it",
    "informed": "1: Tocsin told those who are told without being asked to act",
    "update_missed": "status updates that were due and did not come; code: the audience",
    "update_sent": "1: a person gave a status update; code: the audience, one row for each",
    "checklist_overridden": "1: an item was overridden instead of ticked; code: the phase",
    "review_in_time": "1: review completed when due or before; 0: missed, at the instant at which it was due",
    "review_overdue_at_end": "1: a review is past its due instant and not completed when the week ends",
    "action_item_open_at_end": "action items still to be done when the week ends",
    "action_item_overdue_at_end": "those of them whose due instant has passed",
    "action_item_done": "1: an action item was done",
    "drill_opened": "1: a drill was opened",
    "drill_resolved": "1: a drill was resolved; code: by `person`, `source` or `tocsin`",
    "drill_time_to_acknowledge_seconds": "opening of a drill to first acknowledgement by a person",
    "drill_time_to_resolve_seconds": "opening of a drill to first resolution; code: by `person`, `source` or "
    "`tocsin`",
    "drill_respond_sla_met": "as `respond_sla_met`, of a drill",
    "drill_missed": "1: a drill was not opened, as it was found more than a day late",
    "digest_failed": "1: a digest could not be sent",
    "coverage_gap": "1: a rotation was found to have nobody on call for a time",
    "time_to_first_told_seconds": "opening to the first message that a provider took for somebody inside",
    "drill_time_to_first_told_seconds": "the same of a drill",
    "incident_untold": "1: first resolved, and nobody inside had been told",
    "receipt": "1: a provider said what became of a notification; code: `delivered`, `read`, `undelivered`",
    "receipt_succeeded": "1: by its first receipt a notification was delivered or read; 0: it was not",
    "acted_on": "1: a person gave a command from a notification or chat; code: `link`, `slack` and so on",
    "held_back": "1: a message was held back, as the contact had such a one a moment before",
    "still_open_reminded": "1: people were reminded that it is not resolved",
    "time_to_mitigate_seconds": "opening to first mitigation noted",
    "excluded": "1: a KPI leaves this out; code: the KPI, a slash and the reason",
    "oncall_seconds": "length of a recorded shift; code: the rotation",
    "oncall_covered_seconds": "the same, of a shift that has a contact",
    "sweeps": "runs of the sweeper in some hours",
    "sweeper_gap_seconds": "the longest time without a run in those hours",
    "probes": "calls of Tocsin's own public door in some hours; none where there is no public address",
    "probes_succeeded": "those of them that did not fail",
    "plan_changed": "1: the plan's document was changed",
    "rollout_ended": "1: a rollout of new rules ended; code: why",
    "accessed": "1: somebody asked for records; code: for what",
    "export_compiled": "1: a weekly bundle was made",
    "erased": "1: a person or a text was erased; code: which of the two",
    "purged": "1: what had been kept long enough was purged; code: what",
    "drift_found": "1: a significant drift was found",
}
"""Every metric, in words; the value comes first."""

OF_DRILLS: Mapping[str, str] = {
    "incident_opened": "drill_opened",
    "incident_resolved": "drill_resolved",
    "time_to_acknowledge_seconds": "drill_time_to_acknowledge_seconds",
    "time_to_resolve_seconds": "drill_time_to_resolve_seconds",
    "respond_sla_met": "drill_respond_sla_met",
    "incident_alerts": "other_alerts",
    "time_to_first_told_seconds": "drill_time_to_first_told_seconds",
}
"""What becomes of the metrics of an incident that is a drill; it has no others but `EXCLUDED`."""

EXCLUDED_OF_DRILLS: Mapping[str, str] = {
    "time_to_acknowledge": "drill_time_to_acknowledge",
    "time_to_resolve": "drill_time_to_resolve",
    "respond_sla_attainment": "drill_respond_sla_attainment",
}
"""The KPI of drills that leaves out what this KPI would leave out of an incident; of others, nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """One row of ``audit.csv`` but for its incident; facts of a subject stand in this order."""

    happened_at: datetime
    metric: str
    code: str
    value: int


def of_drill(facts: Sequence[Fact]) -> list[Fact]:
    """Facts of a drill, under the names of their own; those that drills do not have are left out."""
    renamed = [replace(fact, metric=OF_DRILLS[fact.metric]) for fact in facts if fact.metric in OF_DRILLS]
    for fact in facts:
        kpi, _, reason = fact.code.partition("/")
        if fact.metric == EXCLUDED and kpi in EXCLUDED_OF_DRILLS:
            renamed.append(replace(fact, code=f"{EXCLUDED_OF_DRILLS[kpi]}/{reason}"))
    return renamed
