"""The Kolmogorov-Smirnov test by its own formulas, with SciPy as the reference; and Holm's procedure."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from shared.kpi.drift import EXACT, LEAST, compare, drift_tests, exact_p, holm, limit_p

SAMPLES = st.lists(st.integers(0, 40), min_size=1, max_size=40).map(sorted)
SPREAD = st.lists(st.integers(0, 10**9), min_size=1, max_size=60).map(sorted)


@pytest.fixture(scope="module")
def stats() -> Any:  # noqa: ANN401  (a module that is not there on Python 3.11)
    return pytest.importorskip("scipy.stats")


def by_scipy(stats: Any, now: list[int], before: list[int], method: str) -> tuple[float, float]:  # noqa: ANN401
    """Statistic and p; not where SciPy says itself that its rounding led its exact method astray."""
    try:
        found = stats.ks_2samp(now, before, method=method)
    except RuntimeWarning:
        reject()
    return float(found.statistic), float(found.pvalue)


@settings(max_examples=150, deadline=None)
@given(now=st.one_of(SAMPLES, SPREAD), before=st.one_of(SAMPLES, SPREAD))
def test_statistic_and_exact_p_are_scipys_with_ties_and_without(
    stats: Any,  # noqa: ANN401
    now: list[int],
    before: list[int],
) -> None:
    found = compare(now, before)
    statistic, p = by_scipy(stats, now, before, "exact")
    assert math.isclose(found.statistic, statistic, rel_tol=1e-5)
    assert math.isclose(found.p, p, rel_tol=1e-5, abs_tol=1e-12)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), m=st.integers(1, 300), share=st.floats(0, 1))
def test_the_exact_p_is_scipys_for_any_sizes_and_distance(
    stats: Any,  # noqa: ANN401
    n: int,
    m: int,
    share: float,
) -> None:
    now, before = shifted(n, m, share)
    statistic, p = by_scipy(stats, now, before, "exact")
    assert math.isclose(exact_p(n, m, round(statistic * n * m)), p, rel_tol=1e-6, abs_tol=1e-12)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(450, 2000), m=st.integers(450, 4000), share=st.floats(0, 0.2))
def test_the_limit_is_near_scipys_finite_formula_for_large_samples(
    stats: Any,  # noqa: ANN401
    n: int,
    m: int,
    share: float,
) -> None:
    assert n * m > EXACT
    now, before = shifted(n, m, share)
    found = compare(now, before)
    statistic, p = by_scipy(stats, now, before, "asymp")
    assert math.isclose(found.statistic, statistic, rel_tol=1e-5)
    assert abs(found.p - p) <= 0.01
    if 1e-8 < p < 0.05:
        assert abs(math.log(found.p / p)) < 0.15


def shifted(n: int, m: int, share: float) -> tuple[list[int], list[int]]:
    """Two evenly spread samples, one of them moved by a share of its width."""
    width = 1_000_000
    before = [(2 * at + 1) * width // (2 * m) for at in range(m)]
    return [(2 * at + 1) * width // (2 * n) + int(share * width) for at in range(n)], before


def test_the_limit_meets_the_exact_p_where_the_one_takes_over_from_the_other() -> None:
    n, m = 400, 500
    assert n * m == EXACT
    for distance in range(100, n * m // 4, 997):
        assert abs(exact_p(n, m, distance) - limit_p(n, m, distance)) <= 0.012


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (2, 3), (3, 3), (4, 6), (5, 4)])
def test_the_exact_p_is_the_share_of_all_orders_counted_one_by_one(n: int, m: int) -> None:
    orders = [set(places) for places in combinations(range(n + m), n)]
    distances = [distance_of(order, n, m) for order in orders]
    for distance in range(n * m + 2):
        share = sum(found >= distance for found in distances) / len(orders)
        assert math.isclose(exact_p(n, m, distance), share, rel_tol=1e-12, abs_tol=1e-15)


def distance_of(order: set[int], n: int, m: int) -> int:
    taken = largest = 0
    for place in range(n + m):
        taken += place in order
        largest = max(largest, abs(taken * m - (place + 1 - taken) * n))
    return largest


def test_the_direction_is_where_the_distance_is_largest() -> None:
    assert compare([5, 6, 7], [1, 2, 3]).direction == "higher"
    assert compare([1, 2, 3], [5, 6, 7]).direction == "lower"
    assert compare([1, 1, 9, 9], [5, 5, 5, 5]).direction == "higher"  # as far both ways: the worse
    same = compare([1, 2, 3], [1, 2, 3])
    assert (same.statistic, same.p) == (0.0, 1.0)


def test_samples_without_a_value_in_common_are_one_apart() -> None:
    found = compare([10] * 8, [1] * 20)
    assert found.statistic == 1.0
    assert found.p == float(f"{2 / math.comb(28, 8):.6g}")


def test_holm_goes_on_until_the_first_that_is_not_significant() -> None:
    assert holm([]) == set()
    assert holm([0.01]) == {0}
    assert holm([0.0100001]) == set()
    assert holm([0.004, 0.005]) == {0, 1}  # 0.004 at most 0.01 / 2, then 0.005 at most 0.01
    assert holm([0.0051, 0.0051]) == set()
    assert holm([0.9, 0.001, 0.0034, 0.0026]) == {1, 2, 3}
    assert holm([0.9, 0.001, 0.0051, 0.0026]) == {1, 3}


@pytest.mark.parametrize(("measure", "least"), sorted(LEAST.items()))
def test_a_test_is_made_from_the_least_sizes_on(measure: str, least: tuple[int, int]) -> None:
    now, before = least

    def made(n: int, m: int) -> int:
        return len(drift_tests({measure: {"api": [9] * n}}, {measure: {"api": [1] * m}}))

    assert [made(now - 1, before), made(now, before - 1), made(now, before), made(now + 1, before)] == [
        *(0, 0, 1, 1)
    ]


def test_tests_stand_by_measure_and_service_and_say_all_that_an_auditor_needs() -> None:
    slow, fast = {"web": [900] * 8, "api": [1] * 8}, {"web": [60] * 20, "api": [1] * 20, "db": [1] * 20}
    found = drift_tests({"time_to_resolve_seconds": slow}, {"time_to_resolve_seconds": fast})
    assert [(one["service"], one["drifted"]) for one in found] == [("api", False), ("web", True)]
    assert found[1] == {
        "measure": "time_to_resolve_seconds",
        "service": "web",
        "now": 8,
        "before": 20,
        "statistic": 1.0,
        "p": float(f"{2 / math.comb(28, 8):.6g}"),
        "direction": "higher",
        "drifted": True,
    }
