"""The facts of a week once more, with pandas, from the documentation of the figures alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from tests.recomputing_clocks import clock_facts, review_facts
from tests.recomputing_events import SECOND, Period, micros, of_type, seconds, value_of

COLUMNS = ["subject", "instant", "metric", "code", "value"]


def facts_of(
    rows: pd.DataFrame,
    metric: str | pd.Series[str],
    value: int | pd.Series[int] = 1,
    code: str | pd.Series[str] = "",
    at: int | None = None,
) -> pd.DataFrame:
    """One fact for each of the rows, at the recording of the event unless said otherwise."""
    return pd.DataFrame(
        {
            "subject": rows["subject"],
            "instant": rows["at"] if at is None else at,
            "metric": metric,
            "code": code,
            "value": value,
        },
        columns=COLUMNS,
    )


class Simple(NamedTuple):
    """A fact that each event of a type is: its value and code are keys of the data, or constant."""

    type: str
    metric: str
    value: str | int = 1
    code: str = ""
    prefix: str = ""

    def facts(self, live: pd.DataFrame) -> pd.DataFrame:
        """Those facts."""
        rows = of_type(live, self.type)
        value = value_of(rows, self.value) if isinstance(self.value, str) else self.value
        code = self.prefix + value_of(rows, self.code).astype(str) if self.code else self.prefix
        return facts_of(rows, self.metric, value, code)


SIMPLE = (
    Simple("opened", "incident_opened"),
    Simple("reopened", "incident_reopened"),
    Simple("resolved", "incident_resolved", code="by"),
    Simple("escalated", "escalated", code="step", prefix="step-"),
    Simple("escalated", "escalation_late_seconds", "late_seconds", code="step", prefix="step-"),
    Simple("escalated-manually", "escalated_manually"),
    Simple("exhausted", "escalation_exhausted"),
    Simple("delivered", "delivery_succeeded"),
    Simple("delivery-failed", "delivery_succeeded", 0),
    Simple("contact-unreachable", "contact_unreachable"),
    Simple("contact-missing", "contact_missing"),
    Simple("oncall-empty", "oncall_empty"),
    Simple("informed", "informed"),
    Simple("update-lapsed", "update_missed", "missed", code="audience"),
    Simple("drill-missed", "drill_missed"),
    Simple("digest-failed", "digest_failed"),
    Simple("coverage-gap", "coverage_gap"),
    Simple("receipt", "receipt", code="state"),
    Simple("acted-on", "acted_on", code="by"),
    Simple("held-back", "held_back"),
    Simple("still-open", "still_open_reminded"),
    Simple("watched", "sweeps", "sweeps"),
    Simple("watched", "sweeper_gap_seconds", "longest_gap_seconds"),
    Simple("plan-changed", "plan_changed"),
    Simple("rollout-ended", "rollout_ended", code="why"),
    Simple("accessed", "accessed", code="what"),
    Simple("export-compiled", "export_compiled"),
    Simple("erased", "erased", code="what"),
    Simple("purged", "purged", code="what"),
    Simple("drift-found", "drift_found"),
    Simple("step-passed", "excluded", prefix="escalations_by_step/passed"),
    Simple("delivery-withdrawn", "excluded", prefix="delivery_success/withdrawn"),
    Simple("digest-sent", "excluded", prefix="digests_failed/sent"),
)


def simple_facts(live: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """What a single event tells."""
    yield from (entry.facts(live) for entry in SIMPLE)
    updates = of_type(live, "status-updated")
    updates = updates.assign(audience=value_of(updates, "audiences")).explode("audience")
    updates = updates[updates["audience"].notna()]
    yield facts_of(updates, "update_sent", code=updates["audience"])
    checks = of_type(live, "checked")
    state = value_of(checks, "state")
    overridden = checks[state.eq("overridden")]
    yield facts_of(overridden, "checklist_overridden", code=value_of(overridden, "phase"))
    for kind in ("ticked", "unticked"):
        yield facts_of(checks[state.eq(kind)], "excluded", code=f"checklist_overridden/{kind}")
    shifts = of_type(live, "on-call")
    shifts = shifts.assign(shift=value_of(shifts, "shifts")).explode("shift")
    shifts = shifts[shifts["shift"].notna()]
    length = shifts["shift"].map(lambda shift: seconds(micros(shift["from"]), micros(shift["until"])))
    rotation = shifts["shift"].map(lambda shift: shift["rotation"])
    yield facts_of(shifts, "oncall_seconds", length, rotation)
    manned = shifts["shift"].map(lambda shift: shift["contact"] is not None).astype(bool)
    yield facts_of(shifts[manned], "oncall_covered_seconds", length[manned], rotation[manned])
    watched = of_type(live, "watched")
    probes = value_of(watched, "probes")
    probed = watched[probes.ne(0)]
    yield facts_of(probed, "probes", probes[probes.ne(0)])
    yield facts_of(probed, "probes_succeeded", probes[probes.ne(0)] - value_of(probed, "probes_failed"))


def alert_facts(events: pd.DataFrame, opened: pd.DataFrame, period: Period) -> Iterator[pd.DataFrame]:
    """What became of alerts, by subject and disposition."""
    kind = events["journal"].map({True: "dispositions", False: "alerts"})
    rows = events[events["type"].eq(kind) & events["at"].ge(period.start)]
    rows = rows.assign(alert=value_of(rows, "alerts")).explode("alert")
    rows = rows[rows["alert"].notna()]
    rows["code"] = rows["alert"].map(lambda alert: alert["disposition"])
    rows["count"] = rows["alert"].map(lambda alert: alert["count"])
    sums = rows.groupby(["subject", "code"], as_index=False).agg(at=("at", "max"), count=("count", "sum"))
    metric = pd.Series("other_alerts", index=sums.index)
    metric[sums["subject"].isin(opened.index)] = "incident_alerts"
    metric[sums["subject"].str.startswith("JRN-")] = "journal_alerts"
    yield facts_of(sums, metric, sums["count"], sums["code"])
    alerted = sums[metric.eq("incident_alerts")].groupby("subject", as_index=False).agg(at=("at", "max"))
    yield facts_of(alerted, "incident_alerted")


class Round(NamedTuple):
    """Rows of the events of all rounds, and the first of a sort in each of them."""

    begins: pd.DataFrame
    acknowledged: pd.DataFrame
    mitigated: pd.DataFrame
    resolved: pd.DataFrame


def rounds_of(rounds: pd.DataFrame) -> Round:
    """The first event of each sort in each round, by subject and round."""
    mitigates = rounds["type"].eq("noted") & value_of(rounds, "kind").eq("mitigation") | rounds["type"].eq(
        "status-updated"
    ) & value_of(rounds, "status").eq("monitoring")

    def first(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.drop_duplicates(["subject", "round"]).set_index(["subject", "round"], drop=False)

    return Round(
        first(rounds),
        first(rounds[rounds["type"].eq("acknowledged") & rounds["person"]]),
        first(rounds[mitigates]),
        first(of_type(rounds, "resolved")),
    )


def before(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series[bool]:
    """Of each row of one, whether there is such a row of the other, and it comes before it."""
    return other["seq"].reindex(one.index).lt(one["seq"])


def round_facts(firsts: Round) -> Iterator[pd.DataFrame]:
    """How long the rounds took to be acknowledged, mitigated and resolved."""
    for suffix, later in (("", False), ("_again", True)):
        acknowledged, resolved = (
            rows[rows["round"].gt(1).eq(later)] for rows in (firsts.acknowledged, firsts.resolved)
        )
        for name, rows in (("acknowledge", acknowledged), ("resolve", resolved)):
            took = (rows["at"] - firsts.begins["at"].reindex(rows.index)) // SECOND
            code = value_of(rows, "by") if name == "resolve" else ""
            yield facts_of(rows, f"time_to_{name}{suffix}_seconds", took, code)
        unanswered = resolved[~before(resolved, acknowledged)]
        code = f"time_to_acknowledge{suffix}/resolved-unacknowledged"
        yield facts_of(unanswered, "excluded", code=code)
    mitigated = firsts.mitigated[firsts.mitigated["round"].eq(1)]
    resolved = firsts.resolved[firsts.resolved["round"].eq(1)]
    unmitigated = resolved[~before(resolved, mitigated)]
    yield facts_of(unmitigated, "excluded", code="time_to_mitigate/resolved-unmitigated")
    mitigated = mitigated[~before(mitigated, resolved)]
    took = (mitigated["at"] - firsts.begins["at"].reindex(mitigated.index)) // SECOND
    yield facts_of(mitigated, "time_to_mitigate_seconds", took)


def told_facts(rounds: pd.DataFrame, opened: pd.DataFrame, firsts: Round) -> Iterator[pd.DataFrame]:
    """When somebody inside was first told, and what providers said of their messages."""
    told = of_type(rounds, "first-told").drop_duplicates("subject")
    took = (told["since"] - told["subject"].map(opened["at"])) // SECOND
    yield facts_of(told, "time_to_first_told_seconds", took.clip(lower=0))
    resolved = firsts.resolved[firsts.resolved["round"].eq(1)]
    heard = resolved["subject"].map(told.set_index("subject")["seq"])
    yield facts_of(resolved[~heard.lt(resolved["seq"])], "incident_untold")
    receipts = of_type(rounds, "receipt")
    receipts = receipts.assign(delivery=value_of(receipts, "delivery"), state=value_of(receipts, "state"))
    later = receipts.duplicated(["subject", "delivery"])
    arrived = receipts["state"].isin({"delivered", "read"}).astype(int)
    yield facts_of(receipts[~later], "receipt_succeeded", arrived[~later])
    yield facts_of(receipts[later], "excluded", code="receipt_success/later-receipt")


def item_facts(rounds: pd.DataFrame, period: Period) -> Iterator[pd.DataFrame]:
    """Action items: what became of them, and which are still to be done."""
    items = of_type(rounds, "action-item")
    items = items.assign(
        item=value_of(items, "item"), status=value_of(items, "status"), due=value_of(items, "due")
    )
    turned = items["status"].ne(items.groupby(["subject", "item"])["status"].shift())
    yield facts_of(items[turned & items["status"].eq("done")], "action_item_done")
    dropped = items[turned & items["status"].eq("dropped")]
    yield facts_of(dropped, "excluded", code="action_items_done/dropped")
    last = items.drop_duplicates(["subject", "item"], keep="last")
    last = last[last["status"].isin({"open", "in-progress"})]
    overdue = last[last["due"].map(lambda due: due is not None and micros(due) < period.end).astype(bool)]
    for metric, rows in (("action_item_open_at_end", last), ("action_item_overdue_at_end", overdue)):
        counts = rows.groupby("subject", as_index=False).agg(value=("item", "size"))
        yield facts_of(counts, metric, counts["value"], at=period.end)


def state_facts(
    rounds: pd.DataFrame, opened: pd.DataFrame, firsts: Round, period: Period
) -> Iterator[pd.DataFrame]:
    """What was open when the week began and when it ended, and what it was still waiting for."""
    changes = of_type(rounds, "opened", "reopened", "acknowledgement-expired", "acknowledged", "resolved")

    def unresolved(rows: pd.DataFrame) -> pd.DataFrame:
        last = rows.drop_duplicates("subject", keep="last")
        return last[last["type"].ne("resolved")]

    at_start = unresolved(changes[changes["at"].lt(period.start)])
    yield facts_of(at_start, "incident_open_at_start", at=period.start)
    yield facts_of(unresolved(changes), "incident_open_at_end", at=period.end)
    last = firsts.begins.reset_index(drop=True).drop_duplicates("subject", keep="last")
    last = last[last["subject"].isin(unresolved(changes)["subject"])]
    last = last.set_index(["subject", "round"], drop=False)
    waits = ~last.index.isin(firsts.resolved.index)
    unacknowledged = waits & ~last.index.isin(firsts.acknowledged.index)
    unmitigated = waits & ~last.index.isin(firsts.mitigated.index)
    first = last["round"].eq(1)
    for name, chosen in (
        ("time_to_acknowledge", first & unacknowledged),
        ("time_to_acknowledge_again", ~first & unacknowledged),
        ("time_to_mitigate", first & unmitigated),
        ("time_to_resolve", first & waits),
        ("time_to_resolve_again", ~first & waits),
    ):
        yield facts_of(last[chosen], "excluded", code=f"{name}/still-open", at=period.end)
    sourced = opened[opened["source"].notna()].reset_index(names="subject")
    took = (sourced["at"] - sourced["since"]) // SECOND
    yield facts_of(sourced, "time_to_detect_seconds", took.clip(lower=0))
    yield facts_of(sourced[sourced["since"].gt(sourced["at"])], "clock_ahead")
    declared = opened[opened["source"].isna() & opened["drill"].isna()].reset_index(names="subject")
    yield facts_of(declared, "excluded", code="time_to_detect/declared-by-hand")


RENAMED = {
    "incident_opened": "drill_opened",
    "incident_resolved": "drill_resolved",
    "time_to_acknowledge_seconds": "drill_time_to_acknowledge_seconds",
    "time_to_resolve_seconds": "drill_time_to_resolve_seconds",
    "respond_sla_met": "drill_respond_sla_met",
    "incident_alerts": "other_alerts",
    "time_to_first_told_seconds": "drill_time_to_first_told_seconds",
    "excluded": "excluded",
}
RENAMED_CODES = r"(?:time_to_acknowledge|time_to_resolve|respond_sla_attainment)/"


def of_drills(facts: pd.DataFrame) -> pd.DataFrame:
    """What remains of the facts of drills, under the names that they have there."""
    left_out = facts["metric"].eq("excluded")
    kept = facts["metric"].isin(RENAMED) & (~left_out | facts["code"].str.match(RENAMED_CODES))
    code = facts["code"].mask(left_out, "drill_" + facts["code"])
    return facts.assign(metric=facts["metric"].map(RENAMED), code=code)[kept]


def facts(events: pd.DataFrame, opened: pd.DataFrame, period: Period) -> pd.DataFrame:
    """The facts of the week, in their order: what `audit.csv` says."""
    rounds = events[events["round"].gt(0)]
    firsts = rounds_of(rounds)
    walked = [
        fact
        for subject, rows in rounds.groupby("subject", sort=False)
        for walk in (clock_facts, review_facts)
        for fact in walk(str(subject), list(rows.itertuples(index=False)), period)
    ]
    frames = [
        *simple_facts(events[events["live"]]),
        *alert_facts(events, opened, period),
        *round_facts(firsts),
        *told_facts(rounds, opened, firsts),
        *item_facts(rounds, period),
        *state_facts(rounds, opened, firsts, period),
        pd.DataFrame(walked, columns=COLUMNS),
    ]
    some = [frame for frame in frames if len(frame)]
    found = pd.concat(some, ignore_index=True) if some else pd.DataFrame(columns=COLUMNS)
    found = found.astype({"instant": "int64", "value": "int64"})
    # nothing but what is stated of the week's end lies at that end: every event came before it
    found = found[found["instant"].between(period.start, period.end)]
    drill = found["subject"].isin(opened.index[opened["drill"].notna()])
    found = pd.concat([found[~drill], of_drills(found[drill])], ignore_index=True)
    order = {subject: place for place, subject in enumerate(events["subject"].unique())}
    found["place"] = found["subject"].map(order)
    found = found.sort_values(["place", "instant", "metric", "code", "value"], ignore_index=True)
    for column in ("severity", "service", "rules"):
        found[column] = found["subject"].map(opened[column])
    return found.drop(columns="place")
