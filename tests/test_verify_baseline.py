"""The verifier on the weeks before: what is compared with them, and what the bundles before tell of them."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.week import week_bounds
from shared.kpi import drift, kpi_json, samples, verify
from shared.kpi.definition import shown
from shared.kpi.definitions import DEFINITIONS
from shared.workflows.export_kpis import compile_week
from tests.builders import a_plan, hours, minutes, seconds
from tests.stories import MONDAY, Story
from tests.test_verify_evidence import resealed
from tests.working_fakes import MemoryExports, MemoryTimelines

WEEKS = ("2026-W47", "2026-W48", "2026-W49", "2026-W50")
BEFORE, LAST = WEEKS[-2:]
Members = dict[str, bytes]


def four_weeks() -> MemoryTimelines:
    """A dozen incidents a week; in the last they take hours instead of minutes. And what enters no sample."""
    timelines = MemoryTimelines()
    for week in range(4):
        for number in range(12):
            at = MONDAY + timedelta(days=7 * week) + hours(10 * number)
            took = hours(3) if week == 3 else minutes(10)
            story = Story(f"INC-0000{week}{number:03}-1")
            story.opened(at, service="web" if number == 5 else "api").alerts(at, opened=1 + number % 3)
            story.acknowledged(at + minutes(3) + seconds(number)).resolved(at + took + minutes(number))
            timelines.keep("acme", story.events)
        start = MONDAY + timedelta(days=7 * week)
        own = Story(f"INC-DR{week:06}-1").opened(start, source=None, name="drift-alerts_per_day")
        rehearsed = Story(f"INC-RE{week:06}-1").opened(start, drill="failover").alerts(start, opened=99)
        timelines.keep("acme", own.resolved(start + seconds(9)).events)
        timelines.keep("acme", rehearsed.resolved(start + hours(40)).events)
    return timelines


@pytest.fixture(scope="module")
def bundles() -> dict[str, Members]:
    exports, timelines, found = MemoryExports(), four_weeks(), dict[str, Members]()
    for week in WEEKS:
        made = compile_week(a_plan(), week, timelines, exports, "1.0", week_bounds(week, "UTC")[1]).bundle
        found[week] = {name: exports.read(made.blob(name)) for name in verify.MEMBERS}
    return found


def put(folder: Path, name: str, members: Mapping[str, bytes]) -> Path:
    path = folder / name
    path.mkdir()
    for member, content in members.items():
        (path / member).write_bytes(content)
    return path


def run(*paths: Path) -> tuple[int, list[str], list[str]]:
    out = io.StringIO()
    with redirect_stdout(out):
        code = verify.main([str(path) for path in paths])
    said = out.getvalue().splitlines()
    return code, [one[6:] for one in said if one.startswith("FAILS ")], said


def changed(members: Members, name: str, change: Callable[[Any], object]) -> Members:
    """A member with a change in it, and every hash made anew."""
    content = json.loads(members[name])
    change(content)
    return resealed({**members, name: kpi_json.pretty(content)})


def test_a_year_of_bundles_holds_together(tmp_path: Path, bundles: dict[str, Members]) -> None:
    paths = [put(tmp_path, week, bundles[week]) for week in WEEKS]
    for number, path in enumerate(paths):
        code, failures, said = run(path, *paths[:number])
        assert (code, failures) == (0, [])
    assert "ok    baseline.json: 3 weeks before, as they can be" in said
    assert f"note  chain: every week of baseline.json held against {BEFORE} r1" in said
    assert "note  chain: week 2026-W47 of baseline.json held against 2026-W47 r1" in said


def test_the_last_week_is_told_to_be_slower_than_those_before(bundles: dict[str, Members]) -> None:
    kpi = json.loads(bundles[LAST]["kpi.json"])
    found = {(one["measure"], one["service"]): one for one in kpi["drift"]}
    slower = found["time_to_resolve_seconds", "api"]
    assert (slower["now"], slower["before"], slower["drifted"], slower["direction"]) == (
        11,
        33,
        True,
        "higher",
    )
    assert not found["time_to_acknowledge_seconds", "api"]["drifted"]
    assert set(found) >= {("alerts_per_day", "api"), ("alerts_per_day", "web")}
    change = kpi["kpis"]["time_to_resolve_vs_baseline"]["plan"]
    assert change["value"] == kpi["kpis"]["time_to_resolve"]["plan"]["change_percent"] > 100


FIGURES: dict[str, Callable[[Any], object]] = {
    "kpis.time_to_resolve.plan.previous": lambda kpi: kpi["kpis"]["time_to_resolve"]["plan"].update(
        previous=1.0
    ),
    "kpis.incidents_opened.plan.baseline": lambda kpi: kpi["kpis"]["incidents_opened"]["plan"].update(
        baseline=1.0
    ),
    "kpis.respond_sla_attainment.plan.baseline_weeks": lambda kpi: kpi["kpis"]["respond_sla_attainment"][
        "plan"
    ].update(baseline_weeks=9),
    "kpis.time_to_resolve.plan.change_percent": lambda kpi: kpi["kpis"]["time_to_resolve"]["plan"].update(
        change_percent=-30.0
    ),
    "kpis.time_to_resolve_vs_baseline.plan.value": lambda kpi: kpi["kpis"]["time_to_resolve_vs_baseline"][
        "plan"
    ].update(value=-30.0),
    "drift": lambda kpi: kpi["drift"][-1].update(p=0.5, drifted=False),
}


@pytest.mark.parametrize("path", FIGURES)
def test_a_wrong_comparison_is_named_by_its_path_though_every_hash_was_made_anew(
    tmp_path: Path, bundles: dict[str, Members], path: str
) -> None:
    code, failures, _ = run(put(tmp_path, LAST, changed(bundles[LAST], "kpi.json", FIGURES[path])))
    assert code == 1
    assert any(one.startswith("kpi.json line") and f": {path}" in one for one in failures), failures


def entry_of(name: str, change: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda baseline: change(baseline["weeks"][name])


IMPOSSIBLE: dict[str, Callable[[Any], object]] = {
    'line 4: week: \'"week": "2026-W51",\' stands there': lambda it: it.update(week="2026-W51"),
    "line 2: length: ": lambda it: it.update(length=99),
    f"weeks.{BEFORE}: the bundle before is left out": lambda it: it["weeks"].pop(BEFORE),
    "weeks.2026-W01: it is none of the 12 weeks": lambda it: it["weeks"].update(
        {"2026-W01": it["weeks"][BEFORE]}
    ),
    "weeks.2026-W51: it is later than the bundle before": lambda it: it["weeks"].update(
        {"2026-W51": it["weeks"][BEFORE]}
    ),
    f"weeks.{BEFORE}: it does not tell what a week must": entry_of(BEFORE, lambda week: week.pop("samples")),
    f"weeks.{BEFORE}.manifest_sha256: ": entry_of(BEFORE, lambda week: week.update(manifest_sha256="0" * 64)),
    f"weeks.{BEFORE}.revision: 2 stands there": entry_of(BEFORE, lambda week: week.update(revision=2)),
    "weeks.2026-W48.kpis.time_to_resolve.value: 5.0 stands there": entry_of(
        "2026-W48", lambda week: week["kpis"]["time_to_resolve"].update(value=5.0)
    ),
    "weeks.2026-W48.samples.time_to_resolve_seconds.api: not as": entry_of(
        "2026-W48", lambda week: week["samples"]["time_to_resolve_seconds"]["api"].reverse()
    ),
    "weeks.2026-W48.samples.alerts_per_day.api: not as": entry_of(
        "2026-W48", lambda week: week["samples"]["alerts_per_day"]["api"].pop()
    ),
}


@pytest.mark.parametrize("said", IMPOSSIBLE)
def test_a_baseline_that_cannot_be_is_named_without_any_other_bundle(
    tmp_path: Path, bundles: dict[str, Members], said: str
) -> None:
    members = changed(bundles[LAST], "baseline.json", IMPOSSIBLE[said])
    code, failures, _ = run(put(tmp_path, LAST, members))
    assert code == 1
    assert any(one.startswith("baseline.json") and said in one for one in failures), failures


def all_anew(members: Members, change: Callable[[Any], object]) -> Members:
    """A baseline that agrees with itself, and the figures that follow from it: a forger's best."""
    forged = changed(members, "baseline.json", change)
    kpi = json.loads(forged["kpi.json"])
    baseline = samples_of(forged)
    for definition in DEFINITIONS:
        plan = kpi["kpis"][definition.name]["plan"]
        if definition.of is None:
            plan |= baseline.compared(definition, plan)
    return resealed({**forged, "kpi.json": kpi_json.pretty(kpi)})


def samples_of(members: Members) -> Any:  # noqa: ANN401
    from shared.kpi.baseline import Baseline

    return Baseline(LAST, json.loads(members["baseline.json"])["weeks"])


TOLD_OTHERWISE: dict[str, Callable[[Any], object]] = {
    f"weeks.{BEFORE}.kpis.incidents_opened.value": entry_of(
        BEFORE, lambda week: week["kpis"]["incidents_opened"].update(value=11)
    ),
    f"weeks.{BEFORE}.samples.time_to_acknowledge_seconds.api": entry_of(
        BEFORE, lambda week: week["samples"]["time_to_acknowledge_seconds"]["api"].pop()
    ),
    f"weeks.{BEFORE}.samples.alerts_per_day.web": entry_of(
        BEFORE, lambda week: week["samples"]["alerts_per_day"].pop("web")
    ),
    "weeks.2026-W47.kpis.incidents_opened.value": entry_of(
        "2026-W47", lambda week: week["kpis"]["incidents_opened"].update(value=11)
    ),
    "weeks.2026-W47: 'nothing' stands there": lambda it: it["weeks"].pop("2026-W47"),
}


@pytest.mark.parametrize("path", TOLD_OTHERWISE)
def test_with_the_bundle_before_given_its_week_and_those_before_it_are_held_against_it(
    tmp_path: Path, bundles: dict[str, Members], path: str
) -> None:
    forged = put(tmp_path, LAST, all_anew(bundles[LAST], TOLD_OTHERWISE[path]))
    code, failures, _ = run(forged, put(tmp_path, BEFORE, bundles[BEFORE]))
    assert code == 1
    assert any(one.startswith("baseline.json: ") and path in one for one in failures), failures


def test_an_older_bundle_given_is_held_against_its_own_week(
    tmp_path: Path, bundles: dict[str, Members]
) -> None:
    path = "weeks.2026-W47.kpis.incidents_opened.value"
    forged = put(tmp_path, LAST, all_anew(bundles[LAST], TOLD_OTHERWISE[path]))
    manifests = [put(tmp_path, week, bundles[week]) / "manifest.json" for week in (BEFORE, "2026-W48")]
    code, failures, said = run(forged, *manifests, put(tmp_path, "2026-W47", bundles["2026-W47"]))
    assert code == 1
    assert any(path in one for one in failures)
    assert (
        f"note  chain: of {BEFORE} r1 some files were not given: baseline.json was not held against it"
        in said
    )


def test_a_flipped_byte_is_named_and_the_figures_are_not_blamed(
    tmp_path: Path, bundles: dict[str, Members]
) -> None:
    members = dict(bundles[LAST])
    at = members["baseline.json"].index(b'"numerator": ') + 13
    flipped = bytearray(members["baseline.json"])
    flipped[at] ^= 1
    code, failures, _ = run(put(tmp_path, LAST, {**members, "baseline.json": bytes(flipped)}))
    assert code == 1
    assert failures[0].startswith("baseline.json: it does not have the hash")
    assert not [one for one in failures if one.startswith("kpi.json")]


def test_maker_and_verifier_know_the_same_changes() -> None:
    told = {one.name: one.of for one in DEFINITIONS if shown(one)["kind"] == "change"}
    assert told == verify.CHANGES


VALUES = st.lists(st.integers(0, 30), min_size=1, max_size=30).map(sorted)


@settings(max_examples=40, deadline=None)
@given(now=VALUES, before=VALUES)
def test_both_ways_of_the_test_agree_to_the_last_digit(now: list[int], before: list[int]) -> None:
    made = drift.compare(now, before)
    derived = verify.tested("m", "s", now, before)
    assert (made.statistic, made.p, made.direction) == tuple(
        derived[key] for key in ("statistic", "p", "direction")
    )


@pytest.mark.parametrize(("n", "m"), [(400, 500), (401, 500), (2000, 9000)])
def test_both_ways_agree_on_large_samples(n: int, m: int) -> None:
    for distance in (1, n * m // 50, n * m // 20, n * m // 10, n * m):
        made = drift.exact_p(n, m, distance) if n * m <= drift.EXACT else drift.limit_p(n, m, distance)
        assert math.isclose(made, float(verify.chance(n, m, distance)), rel_tol=1e-9)
    assert verify.chance(n, m, 0) == Fraction(1)


def test_both_ways_thin_large_samples_alike() -> None:
    for count in (samples.MOST - 1, samples.MOST, samples.MOST + 1, 3 * samples.MOST, 10_007):
        values = list(range(count))
        assert verify.spread_thin(values) == samples.thinned(values)
