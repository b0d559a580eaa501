"""Every figure of `kpi.json` once more, with pandas, from the documentation of the figures alone.

Nothing of what writes the export is imported here. Of a bundle it needs `timeline.jsonl`, from which every
fact is derived anew, and `baseline.json`, with which the figures of a week are compared; the period and the
targets are those that `kpi.json` states.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tests.recomputing_comparisons import drift, rounded, samples
from tests.recomputing_events import HOUR, Json, Period, incidents, micros, of_type, read, written
from tests.recomputing_facts import facts
from tests.recomputing_kpis import Kpi, Reason, kpis

PERCENTILES = (50, 90, 95)
KEYS = {"by_severity": "severity", "by_service": "service", "by_version": "rules"}


def exact(kpi: Kpi, figure: Json) -> float | None:
    """The value before it is rounded."""
    if "denominator" not in figure:
        return figure["value"]  # type: ignore[no-any-return]
    top, bottom = figure["numerator"], figure["denominator"]
    return kpi.factor * top / bottom if bottom else None


class Store:
    """Facts, by metric, of which figures are made."""

    def __init__(self, found: pd.DataFrame) -> None:
        """Group them once."""
        self.groups = {str(metric): rows for metric, rows in found.groupby("metric")}
        self.nothing = found.iloc[:0]

    def rows(self, metrics: list[str], codes: list[str] | None = None) -> pd.DataFrame:
        """The facts of these metrics, with one of the codes if any are named."""
        parts = [self.groups[metric] for metric in metrics if metric in self.groups]
        rows = pd.concat(parts) if parts else self.nothing
        return rows[rows["code"].isin(codes)] if codes else rows

    def figure(self, kpi: Kpi) -> Json:
        """What the facts make of a KPI."""
        rows = self.rows(kpi.metrics, kpi.codes)
        values = sorted(rows["value"].tolist())
        figure: Json
        if kpi.kind == "change":
            figure = {"value": None}
        elif kpi.kind == "count":
            figure = {"value": sum(values)}
        elif kpi.kind == "maximum":
            figure = {"value": int(values[-1]) if values else None}
        elif kpi.kind == "breakdown":
            by = {str(code): int(value) for code, value in rows.groupby("code")["value"].sum().items()}
            figure = {"by": by, "value": sum(by.values())}
        else:
            over = int(self.rows(kpi.over)["value"].sum()) if kpi.over else len(values)
            figure = {"numerator": sum(values), "denominator": over}
            figure["value"] = rounded(exact(kpi, figure))
        if kpi.kind == "duration":
            for p in PERCENTILES:
                figure[f"p{p}"] = int(values[-(-p * len(values) // 100) - 1]) if values else None
            figure["max"] = int(values[-1]) if values else None
        if kpi.excluded:
            figure["excluded"] = {name: self.left_out(reason) for name, reason in kpi.excluded.items()}
        return figure

    def left_out(self, reason: Reason) -> int:
        """How much a KPI leaves out for that reason."""
        values = self.rows([reason.metric], [reason.code] if reason.code else None)["value"]
        return int(values.sum()) if reason.summed else len(values)


def compared(kpi: Kpi, figure: Json, weeks: list[Json]) -> Json:
    """A figure next to those of earlier weeks."""
    found: Json = {"baseline": None, "baseline_weeks": 0, "change_percent": None}
    if kpi.kind == "change":
        return found
    earlier = [week for week in weeks if week["value"] is not None]
    if not earlier:
        return found
    total = pd.DataFrame(earlier)
    if "denominator" in figure:
        sums = {key: int(total[key].sum()) for key in ("numerator", "denominator")}
        baseline = exact(kpi, sums)
    else:
        baseline = int(total["value"].sum()) / len(earlier)
    value = exact(kpi, figure)
    change = 100 * (value - baseline) / baseline if value is not None and baseline else None
    return {"baseline": rounded(baseline), "baseline_weeks": len(earlier), "change_percent": rounded(change)}


def judged(kpi: Kpi, value: float | None, targets: Json) -> Json:
    """Whether a value is on the good side of its target."""
    if not kpi.side:
        return {}
    target = targets.get(kpi.target)
    if target is None or value is None:
        return {"target": target, "met": None}
    return {"target": target, "met": value <= target if kpi.side == "most" else value >= target}


def figures(found: pd.DataFrame, opened: pd.DataFrame, period: Period, targets: Json, baseline: Json) -> Json:
    """Every KPI: for the plan, and by severity, service and version."""
    table = kpis()
    meant = opened[opened["drill"].isna()]
    of_incidents = found[found["subject"].isin(meant.index)]
    made: Json = {kpi.name: {} for kpi in table}
    for name, column in KEYS.items():
        for key in sorted(meant[column].unique()):
            store = Store(of_incidents[of_incidents[column].eq(key)])
            for kpi in table:
                made[kpi.name].setdefault(name, {})[key] = store.figure(kpi)
        for kpi in table:
            made[kpi.name].setdefault(name, {})
    store = Store(found)
    weeks: dict[str, Json] = baseline["weeks"]
    for kpi in table:
        figure = store.figure(kpi)
        if kpi.kind == "change":
            figure["value"] = made[kpi.metrics[0]]["plan"]["change_percent"]
        figure |= compared(kpi, figure, [week["kpis"][kpi.name] for week in weeks.values()])
        last = weeks.get(period.week_before)
        figure["previous"] = last["kpis"][kpi.name]["value"] if last else None
        made[kpi.name]["plan"] = figure | judged(kpi, figure["value"], targets)
    return made


def controls(found: pd.DataFrame, events: pd.DataFrame, period: Period) -> Json:
    """The sums that must agree."""
    store = Store(found)

    def total(metric: str, code: str = "") -> int:
        return int(store.rows([metric], [code] if code else None)["value"].sum())

    backlog = {
        "opening": total("incident_open_at_start"),
        "opened": total("incident_opened"),
        "reopened": total("incident_reopened"),
        "resolved": total("incident_resolved"),
        "closing": total("incident_open_at_end"),
    }
    came = backlog["opening"] + backlog["opened"] + backlog["reopened"]
    rows = of_type(events[events["at"].ge(period.start)], "alerts", "dispositions")
    accepted = sum(alert["count"] for data in rows["data"] for alert in data["alerts"])
    alerts = store.rows(["incident_alerts", "other_alerts", "journal_alerts"])
    by = {str(code): int(value) for code, value in alerts.groupby("code")["value"].sum().items()}
    clocks = ("respond", "resolve")
    unrecorded = {clock: total("breach_unrecorded", clock) for clock in clocks}
    underived = {clock: total("breach_underived", clock) for clock in clocks}
    ahead = total("clock_ahead")
    return {
        "backlog": {**backlog, "holds": came - backlog["resolved"] == backlog["closing"]},
        "alerts": {"accepted": accepted, "by_disposition": by, "holds": sum(by.values()) == accepted},
        "breaches": {
            "unrecorded": unrecorded,
            "underived": underived,
            "holds": not any([*unrecorded.values(), *underived.values()]),
        },
        "clock_ahead": {"incidents": ahead, "holds": not ahead},
    }


def attestation(made: Json, events: pd.DataFrame, period: Period) -> Json:
    """What a week without incidents is worth."""
    counts = {
        "incidents_opened": "incidents_opened",
        "incidents_reopened": "incidents_reopened",
        "open_at_start": "backlog_opening",
        "open_at_end": "backlog_closing",
        "alerts": "alerts_by_disposition",
    }
    found: Json = {key: made[kpi]["plan"]["value"] for key, kpi in counts.items()}
    quiet = not any(found.values())
    rows = of_type(events[events["at"].ge(period.start) & events["journal"]], "watched")
    watched = [data for data in rows["data"] if data["sweeps"] > 0 and data["longest_gap_seconds"] <= 600]
    spans = [(micros(data["from"]), micros(data["until"])) for data in watched]
    ends = range(-(-period.start // HOUR) * HOUR, period.end, HOUR)
    unwatched = [end for end in ends if not any(a <= end - HOUR and end <= b for a, b in spans)]
    stretches: list[list[int]] = []
    for end in unwatched:
        if stretches and stretches[-1][1] == end - HOUR:
            stretches[-1][1] = end
        else:
            stretches.append([end - HOUR, end])
    probes = sum(data["probes"] for data in rows["data"])
    failed = sum(data["probes_failed"] for data in rows["data"])
    sweeper_alive = len(ends) > 0 and not unwatched
    intake_alive = failed == 0 if probes else None
    return found | {
        "quiet": quiet,
        "hours": len(ends),
        "hours_watched": len(ends) - len(unwatched),
        "hours_not_watched": len(unwatched),
        "not_watched": [{"from": written(begin), "until": written(end)} for begin, end in stretches],
        "sweeps": sum(data["sweeps"] for data in rows["data"]),
        "probes": probes,
        "probes_failed": failed,
        "longest_gap_seconds": max((data["longest_gap_seconds"] for data in rows["data"]), default=None),
        "sweeper_alive": sweeper_alive,
        "intake_alive": intake_alive,
        "attested": quiet and sweeper_alive and intake_alive is True,
    }


def recompute(lines: Iterable[str], period: Period, targets: Json, baseline: Json) -> Json:
    """Every figure of a week: `kpis`, `controls`, `attestation` and `drift`."""
    events = read(lines)
    opened = incidents(events)
    found = facts(events, opened, period)
    made = figures(found, opened, period, targets, baseline)
    return {
        "kpis": made,
        "controls": controls(found, events, period),
        "attestation": attestation(made, events, period),
        "drift": drift(samples(found, events, opened, period), baseline, period),
    }


def targets_of(stated: Json) -> Json:
    """The targets that `kpi.json` states, by their names."""
    return {kpi.target: stated["kpis"][kpi.name]["plan"]["target"] for kpi in kpis() if kpi.side}


def leaves(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every figure under a value, with its path; an empty list or object is one, too."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{place}")
    else:
        yield path, value


def differences(stated: Json, computed: Json) -> tuple[int, list[str]]:
    """How many figures agree, and what differs; a number must be of the same type, too."""
    ours, theirs = dict(leaves(computed)), dict(leaves(stated))
    missing = object()
    apart = []
    for path in sorted(ours.keys() | theirs.keys()):
        one, other = theirs.get(path, missing), ours.get(path, missing)
        if one != other or type(one) is not type(other):
            said, made = ("nothing" if value is missing else json.dumps(value) for value in (one, other))
            apart.append(f"{path}: stated {said}, computed {made}")
    return len(ours.keys() | theirs.keys()) - len(apart), apart


def figures_stated(stated: Json) -> Json:
    """What `kpi.json` says that is a figure: all but definitions, and the names of week and plan."""
    named = {
        name: {key: value for key, value in kpi.items() if not key.startswith("definition")}
        for name, kpi in stated["kpis"].items()
    }
    return {"kpis": named, **{key: stated[key] for key in ("controls", "attestation", "drift")}}


def compare(folder: Path) -> tuple[int, list[str]]:
    """How many figures of an unpacked bundle agree with those computed here, and what differs."""
    stated = json.loads((folder / "kpi.json").read_text(encoding="utf-8"))
    baseline = json.loads((folder / "baseline.json").read_text(encoding="utf-8"))
    with (folder / "timeline.jsonl").open(encoding="utf-8") as lines:
        computed = recompute(lines, Period.of(stated), targets_of(stated), baseline)
    return differences(figures_stated(stated), computed)
