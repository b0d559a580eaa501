"""The report's charts: trends over the baseline's weeks and this one; SVG without script, style or date."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from xml.etree.ElementTree import Element

from shared.kpi.report_words import Figure, shown, step

WIDTH, HEIGHT = 480, 205
FEWEST = 6
"""Weeks for which there is room, at least."""
TICKS = 4
"""Parts into which the upright axis is divided at most."""


@dataclass(frozen=True)
class Line:
    """One series: what it shows of which KPI."""

    kpi: str
    field: str
    label: str


@dataclass(frozen=True)
class Chart:
    """What one chart shows; ``bars`` where the figures are counts of a week."""

    name: str
    title: str
    unit: str
    lines: tuple[Line, ...]
    target: str | None = None
    """The KPI whose targets are drawn as a line."""
    bars: bool = False


def _spread(kpi: str) -> tuple[Line, ...]:
    """The lines of a KPI that is a time."""
    return Line(kpi, "p50", "p50"), Line(kpi, "p90", "p90"), Line(kpi, "value", "mean")


CHARTS = (
    Chart(
        "acknowledge",
        "Time to acknowledge",
        "seconds",
        _spread("time_to_acknowledge"),
        "time_to_acknowledge",
    ),
    Chart(
        "resolve",
        "Time to resolve",
        "seconds",
        _spread("time_to_resolve"),
        "time_to_resolve",
    ),
    Chart(
        "sla",
        "SLA attainment",
        "percent",
        (
            Line("respond_sla_attainment", "value", "respond"),
            Line("resolve_sla_attainment", "value", "resolve"),
        ),
        "resolve_sla_attainment",
    ),
    Chart(
        "noise",
        "Noise: alerts per incident",
        "number",
        (Line("alerts_per_incident", "value", "noise"),),
        "alerts_per_incident",
    ),
    Chart(
        "incidents",
        "Incidents opened",
        "number",
        (Line("incidents_opened", "value", "incidents"),),
        None,
        bars=True,
    ),
    Chart("alerts", "Alerts", "number", (Line("alerts_by_disposition", "value", "alerts"),), None, bars=True),
)


@dataclass(frozen=True)
class Series:
    """The figures of one line or target, week by week."""

    label: str
    figures: tuple[Figure, ...]
    target: bool = False


@dataclass(frozen=True)
class Drawn:
    """A chart with its picture, and the figures in it, which the report also shows as a table."""

    chart: Chart
    weeks: tuple[str, ...]
    series: tuple[Series, ...]
    svg: str
    words: str


def drawn(kpi: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[Drawn]:
    """Every chart; its picture is empty where no week has data."""
    weeks = {week: one.get("kpis", {}) for week, one in sorted(baseline.get("weeks", {}).items())}
    weeks[kpi["week"]] = {name: one["plan"] for name, one in kpi["kpis"].items()}
    return [_drawn(chart, weeks) for chart in CHARTS]


def _drawn(chart: Chart, weeks: Mapping[str, Mapping[str, Any]]) -> Drawn:
    series = [_series(weeks, line.kpi, line.field, line.label, chart.unit) for line in chart.lines]
    if chart.target:
        label = "target of mean" if chart.unit == "seconds" else "target"
        target = _series(weeks, chart.target, "target", label, chart.unit, target=True)
        if any(one.value is not None for one in target.figures):
            series.append(target)
    shown_series, data = tuple(series), any(one.value is not None for line in series for one in line.figures)
    return Drawn(
        chart,
        tuple(weeks),
        shown_series,
        _svg(chart, weeks, shown_series) if data else "",
        _words(chart, shown_series),
    )


def _series(
    weeks: Mapping[str, Mapping[str, Any]],
    kpi: str,
    field: str,
    label: str,
    unit: str,
    *,
    target: bool = False,
) -> Series:
    figures = (
        Figure(f"trend.{step(week)}.{kpi}.{field}", one.get(kpi, {}).get(field), unit)
        for week, one in weeks.items()
    )
    return Series(label, tuple(figures), target)


def _words(chart: Chart, series: Sequence[Series]) -> str:
    last = ", ".join(f"{one.label} {one.figures[-1].text}" for one in series)
    return f"{chart.title} over {len(series[0].figures)} weeks; in the last of them {last}."


def _svg(chart: Chart, weeks: Mapping[str, Any], series: Sequence[Series]) -> str:
    pygal = _pygal()

    highest = max(one.value for line in series for one in line.figures if one.value is not None)
    ticks = ticks_to(highest, chart.unit)
    kind = pygal.Bar if chart.bars else pygal.Line
    graph = kind(
        width=WIDTH,
        height=HEIGHT,
        js=[],
        css=[],
        show_legend=False,
        allow_interruptions=True,
        dots_size=3,
        margin=4,
        margin_left=14,
        spacing=6,
        range=(0, ticks[-1]),
        include_x_axis=True,
        print_values=False,
        strict=False,
    )
    graph.uuid = chart.name
    blank = [None] * (FEWEST - len(weeks))
    graph.x_labels = [*("" for _ in blank), *(week.rpartition("-")[2] for week in weeks)]
    graph.y_labels = [{"label": shown(tick, chart.unit), "value": tick} for tick in ticks]
    for line in series:
        points = [_point(week, line, one) for week, one in zip(weeks, line.figures, strict=True)]
        graph.add(line.label, [*blank, *points], show_dots=not line.target or len(weeks) == 1)
    return "".join(_node(graph.render_tree(), root=chart.name))


def _pygal() -> Any:  # noqa: ANN401  (the library has no types)
    """The library, without the finder of plug-ins that it leaves behind, which Python 3.11 warns of."""
    import pygal

    left = [each for each in sys.meta_path if type(each).__module__ == "pygal"]
    for each in left:
        sys.meta_path.remove(each)
    return pygal


def _point(week: str, line: Series, figure: Figure) -> dict[str, Any]:
    node = {
        "data-figure": figure.path,
        "data-unit": figure.unit,
        "data-value": json.dumps(figure.value),
        "data-words": f"{week}, {line.label}: {figure.text}",
    }
    return {"value": figure.value, "node": node}


def ticks_to(highest: float, unit: str) -> list[int]:
    """Round values from 0 to at least ``highest``, in at most ``TICKS`` parts."""
    if unit == "percent":
        return [0, 25, 50, 75, 100]
    steps = _SPANS if unit == "seconds" else _COUNTS
    wide = next((one for one in steps if one * TICKS >= highest), -(-int(highest + 1) // TICKS))
    return [wide * n for n in range(max(1, -(-int(highest + 0.999) // wide)) + 1)]


_COUNTS = tuple(digit * 10**power for power in range(12) for digit in (1, 2, 5))
_MINUTES = (60, 120, 300, 600, 900, 1200, 1800)
_HOURS = tuple(3600 * n for n in (1, 2, 3, 6, 12))
_SPANS = (1, 2, 5, 10, 15, 20, 30, *_MINUTES, *_HOURS, *(86_400 * n for n in _COUNTS))

_LEFT_OUT = {"defs", "desc", "style", "script", "title"}
_NUMBER = re.compile(r"-?[0-9]+\.[0-9]+(e-?[0-9]+)?")
_KEPT = {"class", "d", "x", "y", "cx", "cy", "r", "rx", "ry", "width", "height", "transform", "viewBox"}
_SAFE_PATH = re.compile(r"data-(figure|unit|value)")


def _node(node: Element, root: str = "") -> list[str]:
    """The picture as text: no script, style, comment, id or date, and coordinates that no platform rounds.

    Which library made the tree, lxml or the standard one, is pygal's choice and makes no difference here.
    No class but a group's: what is left follows from figures and axes alone, and the verifier draws it again.
    """
    if not isinstance(node.tag, str):
        return []
    tag = node.tag.rpartition("}")[2]
    kind = node.get("class", "").split()
    if tag in _LEFT_OUT or {"tooltip-overlay", "text-overlay"} & set(kind):
        return []
    attributes = {key: _NUMBER.sub(_rounded, text) for key, text in node.items() if key in _KEPT}
    attributes |= {key: text for key, text in node.items() if _SAFE_PATH.fullmatch(key)}
    if tag not in ("svg", "g") and kind != ["background"]:
        attributes.pop("class", None)
    if root:
        attributes |= {"role": "img", "aria-labelledby": f"chart-{root}-title chart-{root}-words"}
    words = node.get("data-words")
    inner = [f"<title>{escape(words)}</title>"] if words else []
    inner += [escape(node.text)] if node.text else []
    for child in node:
        inner += _node(child)
    listed = "".join(f' {key}="{escape(text)}"' for key, text in sorted(attributes.items()))
    return [f"<{tag}{listed}>", *inner, f"</{tag}>"]


def _rounded(found: re.Match[str]) -> str:
    text = f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
