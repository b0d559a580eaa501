"""The report's words: figures as people read them, and what changed since the week before as sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

NO_DATA = "no data"
HEADLINES = (
    "time_to_acknowledge",
    "time_to_resolve",
    "first_response_within_5m",
    "resolve_sla_attainment",
    "review_completion",
)
"""The five figures of the first page."""
MOST_SENTENCES = 9
LONGEST_TEXT = 80

_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_WORDS = {"sla": "SLA", "5m": "5 min"}
_SPANS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))

Verdict = Literal["better", "worse", "same", "changed"]


@dataclass(frozen=True)
class Figure:
    """One number of the report: where it stands in the bundle's JSON, what it is, how it is shown."""

    path: str
    value: Any
    unit: str

    @property
    def text(self) -> str:
        """As people read it."""
        return shown(self.value, self.unit)


@dataclass(frozen=True)
class Sentence:
    """What became of one KPI since the week before; the words stand between its figures."""

    kpi: str
    title: str
    verdict: Verdict
    verb: str
    before: Figure | None
    now: Figure
    change: Figure | None
    target: Figure | None
    side: str | None
    met: bool | None


def title(name: str) -> str:
    """A KPI's name as words."""
    words = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def cut(text: str) -> str:
    """At most ``LONGEST_TEXT`` characters of it; what would turn the direction of writing is made visible."""
    text = _TURNING.sub("\ufffd", text)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def step(key: str) -> str:
    """A key as a part of a figure's path, whose parts are separated by dots."""
    return key.replace("%", "%25").replace(".", "%2E")


def shown(value: Any, unit: str) -> str:  # noqa: ANN401  (any JSON)
    """A value as people read it. Decimals are cut: 99.999 % is not 100 %. Next to 0 two digits count."""
    if value is None:
        return NO_DATA
    if isinstance(value, bool):
        return {("met", True): "met", ("met", False): "missed"}.get((unit, value), "yes" if value else "no")
    if isinstance(value, str):
        return cut(value)
    if unit == "seconds":
        return _span(value)
    sign = "+" if unit in ("change", "points") and value > 0 else ""
    number = sign + _number(value)
    return f"{number} {_BEHIND[unit]}" if unit in _BEHIND else number


_BEHIND = {"percent": "%", "change": "%", "points": "points"}


def change_of(before: float, now: float, unit: str) -> tuple[float, str] | None:
    """By how much, and its unit: percentage points of percents, else percent of what was; None from 0."""
    if unit == "percent":
        return float(f"{now - before:.6g}"), "points"
    return (float(f"{100 * (now - before) / before:.6g}"), "change") if before else None


def sentences(kpis: Mapping[str, Mapping[str, Any]]) -> list[Sentence]:
    """The five figures first, then whatever else changed most, at most ``MOST_SENTENCES``."""
    told = [one for name in HEADLINES if name in kpis for one in _sentence(name, kpis[name])]
    others = [one for name in sorted(kpis) if name not in HEADLINES for one in _sentence(name, kpis[name])]
    moved = [one for one in others if one.verdict in ("better", "worse")]
    moved.sort(key=lambda one: (one.met is not False, -abs(one.change.value) if one.change else 0, one.kpi))
    return [*told, *moved][:MOST_SENTENCES]


def _sentence(name: str, kpi: Mapping[str, Any]) -> Iterator[Sentence]:
    plan, definition = kpi["plan"], kpi["definition"]
    unit, before, now = definition["unit"], plan.get("previous"), plan.get("value")
    if before is None and now is None:
        return
    both = before is not None and now is not None
    change = change_of(before, now, unit) if both and before != now else None
    yield Sentence(
        name,
        title(name),
        _verdict(before, now, definition.get("target_kind")) if both else "changed",
        _verb(before, now),
        None if before is None else Figure(f"{name}.plan.previous", before, unit),
        Figure(f"{name}.plan.value", now, unit),
        change and Figure(f"change.{name}", *change),
        None if plan.get("target") is None else Figure(f"{name}.plan.target", plan["target"], unit),
        definition.get("target_kind"),
        plan.get("met"),
    )


def _verb(before: float | None, now: float | None) -> str:
    if before is None:
        return "is"
    if now is None:
        return "was"
    return "stayed at" if now == before else "rose from" if now > before else "fell from"


def _verdict(before: float, now: float, side: str | None) -> Verdict:
    if before == now:
        return "same"
    if side is None:
        return "changed"
    return "worse" if (now > before) == (side == "at most") else "better"


def _span(seconds: float) -> str:
    whole = int(seconds)
    for large, word, small, behind in _SPANS:
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large} {word}" + (f" {rest} {behind}" if rest else "")
    return f"{whole} s"


def _number(value: float) -> str:
    if 0 < abs(value) < 0.01:
        return f"{value:.2g}".replace("-", "−")
    exact = Decimal(repr(value)).quantize(Decimal("0.01"), ROUND_DOWN)
    text = f"{exact:,f}".rstrip("0").rstrip(".")
    return text.replace("-", "−") if text not in ("-0", "") else "0"
