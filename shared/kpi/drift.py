"""Whether two samples come from the same distribution: the two-sample Kolmogorov-Smirnov test.

The statistic D is the largest vertical distance between the two samples' cumulative step functions (equal
values step at once). The probability p, two-sided, of a D that large by chance alone is exact where the
sizes' product is at most `EXACT`: of the C(n + m, n) equally likely orders in which n and m values can fall,
the share whose steps come at least D apart, counted as lattice paths (J. L. Hodges, "The significance
probability of the Smirnov two-sample test", Arkiv för Matematik 3, 1958). Above that it is the limit of
Kolmogorov, with the correction of M. A. Stephens (Journal of the Royal Statistical Society B 32, 1970):
with e = n m / (n + m) and x = (√e + 0.12 + 0.11 / √e) D, p = 2 Σ (-1)^(k-1) exp(-2 k² x²) over k = 1, 2, ….
Ties make the exact p larger than it would have to be, so that equal values never make a drift.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any, Literal

from shared.kpi.figures import rounded

EXACT = 200_000
"""Product of the sizes up to which p is counted."""
ALPHA = Fraction(1, 100)
"""The chance of even one false finding among all tests made together (Holm)."""

TIMES = ("time_to_acknowledge_seconds", "time_to_resolve_seconds")
ALERTS = "alerts_per_day"
MEASURES = (ALERTS, *TIMES)
LEAST: Mapping[str, tuple[int, int]] = {ALERTS: (5, 21), **dict.fromkeys(TIMES, (8, 20))}
"""How many values a test takes at least, now and before; with fewer it is not made."""

Samples = dict[str, dict[str, list[int]]]
"""By measure and service: the values, ascending."""
Direction = Literal["higher", "lower"]
"""Which way today's values lie from the earlier ones, where the distance is largest; `higher` on a tie."""


@dataclass(frozen=True)
class Comparison:
    """One test; ``statistic`` and ``p`` to 6 significant digits."""

    statistic: float
    p: float
    direction: Direction


def compare(now: Sequence[int], before: Sequence[int]) -> Comparison:
    """The test of two samples, each ascending and not empty."""
    n, m = len(now), len(before)
    taken = passed = below = above = 0
    while taken < n and passed < m:
        value = min(now[taken], before[passed])
        while taken < n and now[taken] == value:
            taken += 1
        while passed < m and before[passed] == value:
            passed += 1
        ahead = taken * m - passed * n
        below, above = max(below, ahead), max(above, -ahead)
    distance = max(below, above)
    p = exact_p(n, m, distance) if n * m <= EXACT else limit_p(n, m, distance)
    return Comparison(
        rounded(float(Fraction(distance, n * m))), rounded(p), "higher" if above >= below else "lower"
    )


def exact_p(n: int, m: int, distance: int) -> float:
    """The share of all orders whose steps come apart by ``distance`` / (n m) or more."""
    if distance <= 0:
        return 1.0
    n, m = min(n, m), max(n, m)
    return float(1 - Fraction(_within(n, m, distance), math.comb(n + m, n)))


def limit_p(n: int, m: int, distance: int) -> float:
    """The same for large samples, by the limit."""
    root = math.sqrt(n * m / (n + m))
    x = (root + 0.12 + 0.11 / root) * distance / (n * m)
    if x < 0.3:
        return 1.0  # it differs from 1 by less than 1e-5
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101))
    return min(1.0, max(0.0, math.fsum(terms)))


def drift_tests(now: Samples, before: Samples) -> list[dict[str, Any]]:
    """Every test that the sizes allow, by measure and service, and which of them found a drift (Holm)."""
    made = [
        {
            "measure": measure,
            "service": service,
            "now": len(values),
            "before": len(earlier),
            **_shown(compare(values, earlier)),
        }
        for measure in MEASURES
        for service, values in sorted(now.get(measure, {}).items())
        if _enough(measure, values, earlier := before.get(measure, {}).get(service, []))
    ]
    drifted = holm([one["p"] for one in made])
    return [{**one, "drifted": number in drifted} for number, one in enumerate(made)]


def holm(probabilities: Sequence[float]) -> set[int]:
    """Which of several tests are significant together, by their numbers (S. Holm, 1979).

    From the smallest p on, the k-th of n (from 0) must be at most `ALPHA` / (n - k), as the decimal that is
    written; the first that is not ends it.
    """
    significant = set[int]()
    for rank, number in enumerate(sorted(range(len(probabilities)), key=lambda at: probabilities[at])):
        if Fraction(repr(probabilities[number])) * (len(probabilities) - rank) > ALPHA:
            break
        significant.add(number)
    return significant


def _within(n: int, m: int, distance: int) -> int:
    """Paths from (0, 0) to (n, m), a step right or up at a time, with |x m - y n| < distance throughout."""
    low, row = 0, [1] * (min(m, (distance - 1) // n) + 1)
    for x in range(1, n + 1):
        first = max(0, (x * m - distance) // n + 1)
        last = min(m, (x * m + distance - 1) // n)
        if first > last:
            return 0
        row = row[first - low :]
        row = list(accumulate(row + [0] * (last - first + 1 - len(row))))
        low = first
    return row[m - low]


def _shown(found: Comparison) -> dict[str, Any]:
    return {"statistic": found.statistic, "p": found.p, "direction": found.direction}


def _enough(measure: str, now: Sequence[int], before: Sequence[int]) -> bool:
    least_now, least_before = LEAST[measure]
    return len(now) >= least_now and len(before) >= least_before
