"""Samples and drift of a week once more, with SciPy, from the documentation of the figures alone."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from decimal import Decimal

import pandas as pd
from scipy.stats import ks_2samp

from tests.recomputing_events import Json, Period, of_type

TIMES = ("time_to_acknowledge_seconds", "time_to_resolve_seconds")
DAILY = "alerts_per_day"
ENOUGH = {DAILY: (5, 21), TIMES[0]: (8, 20), TIMES[1]: (8, 20)}  # now, before
KEPT = 2000
LEVEL = Decimal("0.01")


def thinned(values: Iterable[int]) -> list[int]:
    """A sample, ascending: all of it, or the middle of 2,000 equal parts."""
    ordered = sorted(int(value) for value in values)
    if len(ordered) <= KEPT:
        return ordered
    return [ordered[(2 * i + 1) * len(ordered) // (2 * KEPT)] for i in range(KEPT)]


def days(period: Period) -> list[int]:
    """The first instants of the days that are over, and the end of the last of them."""
    first = pd.Timestamp(period.start, unit="us", tz="UTC").tz_convert(period.timezone)
    bounds = pd.date_range(first, periods=8, freq="D")
    return [bound for bound in bounds.as_unit("us").asi8.tolist() if bound <= period.end]


def samples(found: pd.DataFrame, events: pd.DataFrame, opened: pd.DataFrame, period: Period) -> Json:
    """What drift is looked for in: by measure and service."""
    by_drift = opened["source"].isna() & opened["name"].isin([f"drift-{measure}" for measure in ENOUGH])
    meant = opened[opened["drill"].isna() & ~by_drift]
    mine = found[found["subject"].isin(meant.index)]
    made: Json = {
        measure: {
            str(service): thinned(rows["value"])
            for service, rows in mine[mine["metric"].eq(measure)].groupby("service")
        }
        for measure in TIMES
    }
    rows = of_type(events[events["subject"].isin(meant.index) & events["at"].ge(period.start)], "alerts")
    counts = [sum(alert["count"] for alert in data["alerts"]) for data in rows["data"]]
    bounds = days(period)
    day = [bisect_right(bounds, at) - 1 for at in rows["at"]]
    table = pd.DataFrame({"service": rows["subject"].map(meant["service"]), "day": day, "count": counts})
    table = table[table["day"].lt(len(bounds) - 1)]
    table = table.pivot_table(index="service", columns="day", values="count", aggfunc="sum", fill_value=0)
    table = table.reindex(columns=range(len(bounds) - 1), fill_value=0)
    made[DAILY] = {str(service): thinned(row) for service, row in table.iterrows()}
    return made


def distance(now: list[int], then: list[int]) -> tuple[float, str]:
    """The largest distance of two step functions, and which way the values of now lie there."""
    ours, theirs = sorted(now), sorted(then)
    apart = [
        bisect_right(theirs, place) * len(now) - bisect_right(ours, place) * len(then)
        for place in {*now, *then}
    ]
    higher, lower = max(apart), -min(apart)
    return max(higher, lower) / (len(now) * len(then)), "higher" if higher >= lower else "lower"


def chance(now: list[int], then: list[int], d: float) -> float:
    """How probable that distance is, or a larger one, where nothing has changed."""
    if len(now) * len(then) <= 200_000:
        return float(ks_2samp(now, then, method="exact").pvalue)
    root = math.sqrt(len(now) * len(then) / (len(now) + len(then)))
    x = (root + 0.12 + 0.11 / root) * d
    if x < 0.3:
        return 1.0
    return 2 * sum((1 if k % 2 else -1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101))


def before_now(made: Json, baseline: Json, period: Period) -> tuple[Json, Json]:
    """The samples of now and those of earlier weeks taken together, with the days without alerts."""
    weeks = [baseline["weeks"][week]["samples"] for week in sorted(baseline["weeks"])]
    now: Json = {measure: dict(by) for measure, by in made.items()}
    then: Json = {measure: {} for measure in ENOUGH}
    for week in weeks:
        for measure, by in then.items():
            services = week.get(measure, {})
            for service in by.keys() | services.keys():
                quiet = [0] * 7 if measure == DAILY else []
                by.setdefault(service, []).extend(services.get(service) or quiet)
    for service in then[DAILY].keys() - now[DAILY].keys():
        now[DAILY][service] = [0] * (len(days(period)) - 1)
    return now, then


def drift(made: Json, baseline: Json, period: Period) -> list[Json]:
    """This week's samples against those of earlier weeks."""
    now, then = before_now(made, baseline, period)
    tests: list[Json] = []
    for measure, (least_now, least_then) in ENOUGH.items():
        for service in sorted(now[measure].keys() & then[measure].keys()):
            ours, theirs = now[measure][service], then[measure][service]
            if len(ours) < least_now or len(theirs) < least_then:
                continue
            d, direction = distance(ours, theirs)
            tests.append(
                {
                    "measure": measure,
                    "service": service,
                    "now": len(ours),
                    "before": len(theirs),
                    "statistic": rounded(d),
                    "direction": direction,
                    "p": rounded(chance(ours, theirs, d)),
                    "drifted": False,
                }
            )
    for k, test in enumerate(sorted(tests, key=lambda test: test["p"])):
        if Decimal(repr(test["p"])) * (len(tests) - k) > LEVEL:
            break
        test["drifted"] = True
    return tests


def rounded(number: float | None) -> float | None:
    """As it is written: to 6 significant digits."""
    return None if number is None else float(f"{number:.6g}")
