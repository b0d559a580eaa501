"""Every KPI as a row of a table, written from the documentation of the figures alone."""

from __future__ import annotations

from typing import NamedTuple

# name | kind | metrics, narrowed to codes | over | met when at most or at least the target | left out
# Where nothing is over, the denominator of a share and a duration is how many values there are.
# A reason alone is the metric `excluded` with the KPI and the reason as its code; `+` sums the values.
ALERTS = "incident_alerts+other_alerts+journal_alerts"
TABLE = """
backlog_opening|count|incident_open_at_start|||
incidents_opened|count|incident_opened||most|drill=drill_opened
incidents_reopened|count|incident_reopened||most|
incidents_resolved|count|incident_resolved|||
incidents_resolved_by_source|count|incident_resolved:source|||by-person=incident_resolved:person
backlog_closing|count|incident_open_at_end||most|
time_to_detect|duration|time_to_detect_seconds||most|declared-by-hand
time_to_acknowledge|duration|time_to_acknowledge_seconds||most|resolved-unacknowledged still-open
time_to_acknowledge_again|duration|time_to_acknowledge_again_seconds||most|resolved-unacknowledged still-open
time_to_mitigate|duration|time_to_mitigate_seconds||most|resolved-unmitigated still-open
time_to_resolve|duration|time_to_resolve_seconds||most|\
after-reopening=time_to_resolve_again_seconds still-open
time_to_resolve_by_person|duration|time_to_resolve_seconds:person||most|\
by-source=time_to_resolve_seconds:source
time_to_resolve_by_source|duration|time_to_resolve_seconds:source||most|\
by-person=time_to_resolve_seconds:person
time_to_resolve_again|duration|time_to_resolve_again_seconds||most|still-open
first_response_within_5m|share|first_response_met||least|voided running reopening=incident_reopened
respond_sla_attainment|share|respond_sla_met||least|voided no-target running
resolve_sla_attainment|share|resolve_sla_met||least|voided no-target running
reopen_rate|percent|incident_reopened|incident_resolved|most|
alerts_per_incident|ratio|incident_alerts|incident_alerted|most|\
changed-no-incident=+journal_alerts of-no-incident=+other_alerts
alerts_by_disposition|breakdown|ALERTS|||
alerts_noise|percent|ALERTS:suppressed,ignored|ALERTS|most|
escalations_by_step|breakdown|escalated|||by-hand=escalated_manually passed
escalations_by_hand|count|escalated_manually|||
escalations_exhausted|count|escalation_exhausted||most|
escalation_lateness|duration|escalation_late_seconds||most|by-hand=escalated_manually
delivery_success|share|delivery_succeeded||least|withdrawn
contacts_unreachable|count|contact_unreachable||most|
contacts_missing|count|contact_missing||most|
oncall_empty|count|oncall_empty||most|
stakeholders_informed|count|informed|||
updates_sent|breakdown|update_sent|||
updates_missed|breakdown|update_missed||most|
checklist_overridden|count|checklist_overridden||most|ticked unticked
review_completion|share|review_in_time||least|withdrawn running
reviews_overdue|count|review_overdue_at_end||most|
action_items_open|count|action_item_open_at_end||most|
action_items_overdue|count|action_item_overdue_at_end||most|
action_items_done|count|action_item_done|||dropped
drills_opened|count|drill_opened||least|
drills_resolved|count|drill_resolved||least|
drills_missed|count|drill_missed||most|
drill_time_to_acknowledge|duration|drill_time_to_acknowledge_seconds||most|resolved-unacknowledged still-open
drill_time_to_resolve|duration|drill_time_to_resolve_seconds||most|still-open
drill_respond_sla_attainment|share|drill_respond_sla_met||least|voided no-target running
digests_failed|count|digest_failed||most|sent
coverage_gaps|count|coverage_gap||most|
time_to_first_told|duration|time_to_first_told_seconds||most|untold=incident_untold
drill_time_to_first_told|duration|drill_time_to_first_told_seconds||most|
incidents_untold|count|incident_untold||most|
receipts|breakdown|receipt|||
receipt_success|share|receipt_succeeded||least|later-receipt
acted_from_notification|breakdown|acted_on|||
messages_held_back|count|held_back|||
still_open_reminders|count|still_open_reminded|||
oncall_coverage|percent|oncall_covered_seconds|oncall_seconds|least|
sweeps|count|sweeps|||
sweeper_longest_gap|maximum|sweeper_gap_seconds||most|
probe_success|percent|probes_succeeded|probes|least|
plan_changes|count|plan_changed|||
rollouts_ended|breakdown|rollout_ended|||
records_accessed|breakdown|accessed|||
exports_compiled|count|export_compiled|||
erasures|breakdown|erased|||
purges|breakdown|purged|||
drifts_found|count|drift_found||most|
time_to_acknowledge_vs_baseline|change|time_to_acknowledge||most|
time_to_resolve_vs_baseline|change|time_to_resolve||most|
"""


class Reason(NamedTuple):
    """Why a KPI leaves something out: where that is counted."""

    metric: str
    code: str
    summed: bool


class Kpi(NamedTuple):
    """A row of the table above."""

    name: str
    kind: str
    metrics: list[str]
    codes: list[str]
    over: list[str]
    side: str
    excluded: dict[str, Reason]

    @property
    def factor(self) -> int:
        """By what a quotient is multiplied."""
        return 100 if self.kind in {"share", "percent"} else 1

    @property
    def target(self) -> str:
        """What its target is called."""
        return f"{self.name}_mean" if self.kind == "duration" else self.name


def reason(kpi: str, text: str) -> tuple[str, Reason]:
    """One entry of the last column."""
    name, named, source = text.partition("=")
    if not named:
        return name, Reason("excluded", f"{kpi}/{name}", summed=False)
    metric, _, code = source.lstrip("+").partition(":")
    return name, Reason(metric, code, summed=source.startswith("+"))


def kpis() -> list[Kpi]:
    """The table, read."""
    found = []
    for line in TABLE.replace("ALERTS", ALERTS).strip().splitlines():
        name, kind, source, over, side, left_out = (cell.strip() for cell in line.split("|"))
        metrics, _, codes = source.partition(":")
        reasons = dict(reason(name, text) for text in left_out.split())
        found.append(
            Kpi(
                name,
                kind,
                metrics.split("+"),
                codes.split(",") if codes else [],
                over.split("+") if over else [],
                side,
                reasons,
            )
        )
    return found
