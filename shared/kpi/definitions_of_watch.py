"""The KPIs of Tocsin and of its records: that it was awake, who was on call, who read or changed what."""

from __future__ import annotations

from shared.kpi.definition import Definition

OF_WATCH: tuple[Definition, ...] = (
    Definition(
        "oncall_coverage",
        "ratio",
        "percent",
        "of the time of all rotations that was recorded in the week, how much had somebody on call",
        ("oncall_covered_seconds",),
        "seconds of the recorded shifts that have a contact",
        "seconds of all recorded shifts, every rotation for itself",
        "time that was not recorded in the week; each shift counts whole, in the week that recorded it",
        per=("oncall_seconds",),
        target="at least",
    ),
    Definition(
        "sweeps",
        "count",
        "runs",
        "runs of the sweeper, as recorded in the week",
        ("sweeps",),
    ),
    Definition(
        "sweeper_longest_gap",
        "maximum",
        "seconds",
        "the longest time without a run of the sweeper, as recorded in the week",
        ("sweeper_gap_seconds",),
        "the largest value",
        remark="hours of which there is no record; attestation counts them",
        target="at most",
    ),
    Definition(
        "probe_success",
        "ratio",
        "percent",
        "calls of Tocsin's own public door that were answered, of those recorded in the week",
        ("probes_succeeded",),
        "probes that did not fail",
        "all probes",
        "hours of which there is no record; a deployment without a public address has no probes",
        per=("probes",),
        target="at least",
    ),
    Definition(
        "plan_changes",
        "count",
        "changes",
        "changes of the plan's document, recorded in the week",
        ("plan_changed",),
    ),
    Definition(
        "rollouts_ended",
        "breakdown",
        "rollouts",
        "rollouts of new rules that ended in the week, by why",
        ("rollout_ended",),
    ),
    Definition(
        "records_accessed",
        "breakdown",
        "requests",
        "requests for the plan's records, recorded in the week, by what was asked for",
        ("accessed",),
    ),
    Definition(
        "exports_compiled",
        "count",
        "bundles",
        "weekly bundles and restatements made in the week, of whatever week",
        ("export_compiled",),
    ),
    Definition(
        "erasures",
        "breakdown",
        "erasures",
        "erasures of people and texts, recorded in the week, by what was erased",
        ("erased",),
    ),
    Definition(
        "purges",
        "breakdown",
        "purges",
        "purges of what had been kept long enough, recorded in the week, by what went",
        ("purged",),
    ),
    Definition(
        "drifts_found",
        "count",
        "drifts",
        "significant drifts found in the week",
        ("drift_found",),
        target="at most",
    ),
)
