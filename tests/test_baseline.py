"""The weeks before: what `baseline.json` keeps of them, and how figures and samples are held against them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.week import week_before, week_bounds
from shared.kpi import alerts_csv, audit_csv, incidents_csv
from shared.kpi.baseline import KEPT, LENGTH, Baseline
from shared.kpi.csv_cells import line
from shared.kpi.definitions import DEFINITIONS
from shared.kpi.samples import MOST, Members, samples_in, thinned, whole_days

WEEK = "2026-W47"
BEFORE = "2026-W46"
KPI = {one.name: one for one in DEFINITIONS}


def table(columns: Mapping[str, str], told: Sequence[str], rows: Sequence[Sequence[str | int]]) -> bytes:
    """A file whose rows tell these columns and leave the others empty."""
    cells = (dict(zip(told, row, strict=True)) for row in rows)
    return line(columns) + b"".join(line(row.get(name, "") for name in columns) for row in cells)


def incidents(*rows: tuple[str, str, str, str]) -> bytes:
    """Rows of id, name, service and source."""
    return table(incidents_csv.COLUMNS, ("id", "name", "service", "source"), rows)


def audit(*rows: tuple[str, str, int]) -> bytes:
    return table(audit_csv.COLUMNS, ("entity_id", "metric", "value"), rows)


def alerts(*rows: tuple[str, str, int]) -> bytes:
    return table(alerts_csv.COLUMNS, ("subject", "recorded_at", "count"), rows)


INCIDENTS = incidents(
    ("INC-1", "HighErrorRate", "api", "generic"),
    ("INC-2", "declared", "web", ""),
    ("INC-3", "drift-time_to_resolve_seconds", "api", ""),
    ("INC-4", "drift-time_to_resolve_seconds", "web", "generic"),
)
AUDIT = audit(
    ("INC-1", "time_to_acknowledge_seconds", 300),
    ("INC-1", "time_to_resolve_seconds", 9000),
    ("INC-2", "time_to_resolve_seconds", 70),
    ("INC-3", "time_to_resolve_seconds", 1),
    ("INC-4", "time_to_resolve_seconds", 60),
    ("INC-9", "drill_time_to_resolve_seconds", 5),
)
ALERTS = alerts(
    ("INC-1", "2026-11-09T00:00:00.000000Z", 2),
    ("INC-1", "2026-11-09T23:59:59.999999Z", 1),
    ("INC-1", "2026-11-15T23:59:59.999999Z", 4),
    ("INC-9", "2026-11-12T10:00:00.000000Z", 50),
    ("JRN-acme-20261112-0", "2026-11-12T10:00:00.000000Z", 70),
)


def figures(**kpis: dict[str, Any]) -> bytes:
    return json.dumps({"kpis": {name: {"plan": plan} for name, plan in kpis.items()}}).encode()


def a_bundle(week: str = BEFORE, format: int = 3, **changed: bytes) -> dict[str, bytes]:
    start, end = week_bounds(week, "UTC")
    manifest = {
        "week": week,
        "format": format,
        "revision": 2,
        "timezone": "UTC",
        "from": f"{start:%Y-%m-%dT%H:%M:%S.%fZ}",
        "as_of": f"{end:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    resolve = {"value": 3043.33, "numerator": 9130, "denominator": 3, "p50": 70, "excluded": {"drill": 1}}
    members = {
        "manifest.json": json.dumps(manifest).encode(),
        "kpi.json": figures(time_to_resolve=resolve, incidents_opened={"value": 4}),
        "baseline.json": b'{"weeks": {}}',
        "incidents.csv": INCIDENTS,
        "audit.csv": AUDIT,
        "alerts.csv": ALERTS,
    }
    return members | {name.replace("_json", ".json"): content for name, content in changed.items()}


def reading(members: Mapping[str, bytes]) -> Members:
    """Each member in pieces that end anywhere."""
    return lambda name: (members[name][at : at + 7] for at in range(0, len(members[name]), 7))


def of_weeks(**weeks: dict[str, Any]) -> Baseline:
    """A baseline of weeks ``W46=…``, each with KPIs or samples."""
    shape: dict[str, Any] = {"revision": 1, "manifest_sha256": "0" * 64, "kpis": {}, "samples": {}}
    return Baseline(WEEK, {f"2026-{name}": shape | stated for name, stated in weeks.items()})


def test_a_week_is_kept_with_its_figures_and_samples() -> None:
    members = a_bundle()
    found = Baseline.of(WEEK, reading(members)).shown("acme")
    assert {key: found[key] for key in ("plan", "week", "length")} == {
        "plan": "acme",
        "week": WEEK,
        "length": LENGTH,
    }
    [(name, entry)] = found["weeks"].items()
    assert (name, entry["revision"]) == (BEFORE, 2)
    assert entry["manifest_sha256"] == hashlib.sha256(members["manifest.json"]).hexdigest()
    assert entry["kpis"]["incidents_opened"] == {"value": 4}
    assert set(entry["kpis"]["time_to_resolve"]) == {"value", "numerator", "denominator", "p50"} <= set(KEPT)
    assert entry["samples"] == {
        "alerts_per_day": {"api": [0, 0, 0, 0, 0, 3, 4]},
        "time_to_acknowledge_seconds": {"api": [300]},
        "time_to_resolve_seconds": {"api": [9000], "web": [60, 70]},
    }


def test_without_a_bundle_before_or_after_an_older_format_there_is_no_baseline() -> None:
    assert Baseline.of(WEEK, None).weeks == {}
    assert Baseline.of(WEEK, reading(a_bundle(format=2))).weeks == {}
    assert Baseline.of(WEEK, reading(a_bundle(format=3))).weeks != {}


def test_older_weeks_come_from_the_bundle_before_as_far_as_twelve_calendar_weeks_reach() -> None:
    names = [WEEK]
    for _ in range(15):
        names.append(week_before(names[-1]))
    older = {name: {"revision": 1, "kpis": {}, "samples": {}} for name in names[2:]}
    members = a_bundle(baseline_json=json.dumps({"weeks": older}).encode())
    assert sorted(Baseline.of(WEEK, reading(members)).weeks) == sorted(names[1 : LENGTH + 1])
    late = Baseline.of("2027-W05", reading(members))  # weeks without a bundle lie between
    assert sorted(late.weeks) == [BEFORE]  # 53 weeks has 2026, so this is the twelfth before
    assert Baseline.of("2027-W06", reading(members)).weeks == {}


def test_a_service_of_the_drifts_own_incidents_has_no_sample_of_them() -> None:
    start, end = week_bounds(BEFORE, "UTC")
    found = samples_in(reading(a_bundle()), "UTC", start, end)
    assert found["time_to_resolve_seconds"]["api"] == [9000]
    assert found["time_to_resolve_seconds"]["web"] == [60, 70]  # a source may use that name


def test_days_are_those_of_the_plans_clocks_and_count_once_they_are_over() -> None:
    start, end = week_bounds(BEFORE, "Europe/Paris")
    row = alerts(("INC-1", "2026-11-09T23:00:00.000000Z", 5), ("INC-1", "2026-11-09T22:59:59.999999Z", 1))
    members = reading(a_bundle() | {"alerts.csv": row})
    whole = samples_in(members, "Europe/Paris", start, end)["alerts_per_day"]
    assert whole == {"api": [0, 0, 0, 0, 0, 1, 5]}
    midnight = datetime(2026, 11, 10, 23, tzinfo=UTC)
    so_far = samples_in(members, "Europe/Paris", start, midnight)["alerts_per_day"]
    assert so_far == {"api": [1, 5]}
    before = samples_in(members, "Europe/Paris", start, midnight - timedelta(microseconds=1))
    assert before["alerts_per_day"] == {"api": [1]}


@pytest.mark.parametrize(("week", "hours"), [("2026-W43", 169), ("2026-W13", 167)])
def test_a_week_with_a_change_of_clocks_has_seven_days(week: str, hours: int) -> None:
    start, end = week_bounds(week, "Europe/Paris")
    days = whole_days("Europe/Paris", start, end)
    assert (days[0], days[-1], len(days)) == (start, end, 8)
    assert end - start == timedelta(hours=hours)


def test_large_samples_are_thinned_evenly_and_always_to_the_same_values() -> None:
    assert thinned(list(range(MOST))) == list(range(MOST))
    more = thinned(list(range(MOST + 1)))
    assert (len(more), len(set(more)), more[0], more[-1]) == (MOST, MOST, 0, MOST)
    assert thinned(list(range(4 * MOST)))[:3] == [2, 6, 10]


def test_times_are_pooled_by_what_was_measured_and_not_by_week() -> None:
    one = {"kpis": {"time_to_resolve": {"value": 100, "numerator": 100, "denominator": 1}}}
    other = {"kpis": {"time_to_resolve": {"value": 200, "numerator": 600, "denominator": 3}}}
    none = {"kpis": {"time_to_resolve": {"value": None, "numerator": 0, "denominator": 0}}}
    now = {"value": 122.5, "numerator": 245, "denominator": 2}
    assert of_weeks(W44=one, W45=other, W46=none).compared(KPI["time_to_resolve"], now) == {
        "previous": None,
        "baseline": 175.0,
        "baseline_weeks": 2,
        "change_percent": -30.0,
    }
    assert of_weeks(W46=other).compared(KPI["time_to_resolve"], now)["previous"] == 200


def test_shares_and_ratios_are_pooled_and_counts_are_a_mean_per_week() -> None:
    weeks = of_weeks(
        W45={
            "kpis": {
                "respond_sla_attainment": {"value": 50.0, "numerator": 1, "denominator": 2},
                "alerts_per_incident": {"value": 3.0, "numerator": 3, "denominator": 1},
                "incidents_opened": {"value": 3},
                "escalations_by_step": {"value": 0},
            }
        },
        W46={
            "kpis": {
                "respond_sla_attainment": {"value": 100.0, "numerator": 2, "denominator": 2},
                "alerts_per_incident": {"value": 1.0, "numerator": 2, "denominator": 2},
                "incidents_opened": {"value": 4},
                "escalations_by_step": {"value": 0},
            }
        },
    )
    half = {"value": 50.0, "numerator": 1, "denominator": 2}
    assert weeks.compared(KPI["respond_sla_attainment"], half)["baseline"] == 75.0
    assert weeks.compared(KPI["respond_sla_attainment"], half)["change_percent"] == -33.3333
    assert weeks.compared(KPI["alerts_per_incident"], half)["baseline"] == 1.66667
    opened = weeks.compared(KPI["incidents_opened"], {"value": 7})
    assert (opened["previous"], opened["baseline"], opened["change_percent"]) == (4, 3.5, 100.0)
    steps = weeks.compared(KPI["escalations_by_step"], {"value": 2, "by": {"step-1": 2}})
    assert (steps["baseline"], steps["change_percent"]) == (0.0, None)  # nothing to be a percentage of


def test_without_data_there_is_null() -> None:
    empty = {"value": None, "numerator": 0, "denominator": 0}
    nothing = {"previous": None, "baseline": None, "baseline_weeks": 0, "change_percent": None}
    assert Baseline(WEEK, {}).compared(KPI["time_to_resolve"], empty) == nothing
    one = of_weeks(W46={"kpis": {"time_to_resolve": {"value": 60, "numerator": 60, "denominator": 1}}})
    assert one.compared(KPI["time_to_resolve"], empty)["change_percent"] is None


def test_the_change_of_a_time_is_a_kpi_of_its_own_that_is_not_pooled() -> None:
    told = {"value": 60.0, "numerator": 60, "denominator": 1}
    weeks = of_weeks(W46={"kpis": {"time_to_resolve": told, "time_to_resolve_vs_baseline": {"value": 5.0}}})
    now = {"value": 42.0, "numerator": 42, "denominator": 1}
    change = weeks.change(KPI["time_to_resolve"], now)
    assert change == {"value": -30.0}
    assert weeks.compared(KPI["time_to_resolve_vs_baseline"], change) == {
        "previous": 5.0,
        "baseline": None,
        "baseline_weeks": 0,
        "change_percent": None,
    }


def a_days(**services: list[int]) -> dict[str, Any]:
    return {"samples": {"alerts_per_day": services}}


def test_days_without_alerts_count_from_a_services_first_week_on() -> None:
    weeks = of_weeks(W43={}, W44=a_days(api=[1] * 7), W45=a_days(web=[2] * 7), W46={})
    assert weeks.samples()["alerts_per_day"] == {"api": [0] * 14 + [1] * 7, "web": [0] * 7 + [2] * 7}


def test_a_service_that_has_fallen_silent_is_tested_and_a_new_one_is_not() -> None:
    weeks = of_weeks(**{f"W{week}": a_days(api=[9] * 7) for week in (43, 44, 45, 46)})
    [test] = weeks.drift({"alerts_per_day": {"new": [5] * 7}}, 7)
    assert (test["service"], test["now"], test["before"]) == ("api", 7, 28)
    assert (test["direction"], test["drifted"]) == ("lower", True)
    assert weeks.drift({}, 4) == []  # the week is too young
