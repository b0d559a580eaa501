"""`report.html`: the week for people, one page first; every figure says where in the bundle it stands."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.kpi.definitions import DEFINITIONS
from shared.kpi.report_charts import drawn
from shared.kpi.report_evidence import evidence_in, incidents_in, moment
from shared.kpi.report_words import HEADLINES, Figure, cut, sentences, step, title

if TYPE_CHECKING:
    from jinja2 import Template

NAME = "report.html"
FOLDER = Path(__file__).resolve().parent.parent / "web"
PARTS = (("by_severity", "By severity"), ("by_service", "By service"), ("by_version", "By rules"))
MOST_PARTS = 60
"""Severities, services or versions in one table; the rest is counted, and stands in ``kpi.json``."""
PER_PART = (
    "incidents_opened",
    "time_to_acknowledge",
    "time_to_resolve",
    "respond_sla_attainment",
    "resolve_sla_attainment",
    "alerts_per_incident",
)
SPREAD = ("p50", "p90", "p95", "max")
_OF_UNIT = frozenset({"value", "target", "previous", "baseline", *SPREAD})


def render(
    kpi: Mapping[str, Any], baseline: Mapping[str, Any], read: Callable[[str], Iterable[bytes]]
) -> bytes:
    """The page, from parsed ``kpi.json`` and ``baseline.json``; ``read`` gives other members in pieces.

    It loads nothing and runs no script. Its size is bounded, however many incidents there were; equal inputs
    give equal bytes.
    """
    style = (FOLDER / "report.css").read_bytes().decode("utf-8")
    kpis = {name: kpi["kpis"][name] for name in _in_order(kpi["kpis"])}
    incidents = incidents_in(read("incidents.csv"))
    page = _template().render(
        kpi=kpi,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
        kpis=kpis,
        headlines=[name for name in HEADLINES if name in kpis],
        sentences=sentences(kpis),
        charts=drawn(kpi, baseline),
        parts=[_part(key, words, kpis) for key, words in PARTS],
        statements=[_statement(key, kpi.get(key)) for key in ("controls", "attestation")],
        drift=_tests(kpi.get("drift")),
        evidence=evidence_in(read("audit.csv"), kpis),
        incidents=incidents,
        shown_ids={row["id"] for row in incidents.rows},
    )
    return page.encode("utf-8", "replace")


def _in_order(kpis: Mapping[str, Any]) -> list[str]:
    defined = [one.name for one in DEFINITIONS if one.name in kpis]
    return [*defined, *sorted(set(kpis) - set(defined))]


def figure(name: str, part: Mapping[str, Any], field: str, unit: str, path: str = "plan") -> Figure:
    """One field of a KPI for one part of the week."""
    return Figure(f"{name}.{path}.{field}", part.get(field), unit if field in _OF_UNIT else "number")


def reasons(kpi: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a KPI leaves out: each reason, and what its definition says of it, if anything."""
    words = kpi["definition"].get("exclusions")
    said = words if isinstance(words, Mapping) else {}
    return [(one, said.get(one, "")) for one in sorted({*said, *kpi["plan"].get("excluded", {})})]


def _part(key: str, words: str, kpis: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A table of the chosen KPIs for each severity, service or version."""
    columns = [name for name in PER_PART if name in kpis]
    names = sorted({part for name in columns for part in kpis[name].get(key, {})})
    rows = [
        (
            _short(part) if key == "by_version" else cut(part),
            [_in_part(name, kpis[name], key, part) for name in columns],
        )
        for part in names[:MOST_PARTS]
    ]
    return {"words": words, "columns": columns, "rows": rows, "more": len(names) - len(rows)}


def _short(sha256: str) -> str:
    return f"{sha256[:12]}…" if len(sha256) == 64 else cut(sha256)


def _in_part(name: str, kpi: Mapping[str, Any], key: str, part: str) -> Figure | None:
    one = kpi.get(key, {}).get(part)
    return one and figure(name, one, "value", kpi["definition"]["unit"], f"{key}.{step(part)}")


def _statement(key: str, value: Any) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """A part of kpi.json that is no KPI, flattened into named figures, one list for each of its entries."""
    if isinstance(value, Mapping) and all(isinstance(one, Mapping) for one in value.values()):
        entries = sorted(value.items())
    else:
        entries = [("", value)] if value is not None else []
    listed = [(name, list(_leaves(f"{key}.{step(name)}" if name else key, (), one))) for name, one in entries]
    return {"key": key, "present": value is not None, "entries": listed}


def _tests(drift: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """The tests for drift as a table, those that found one first."""
    told = sorted(enumerate(drift or ()), key=lambda one: (not one[1].get("drifted"), one[0]))
    columns = sorted({key for _, one in told for key in one}, key=lambda key: (_order(key), key))
    rows = [
        [Figure(f"drift.{number}.{step(key)}", one.get(key), "number") for key in columns]
        for number, one in told[:MOST_PARTS]
    ]
    return {"present": drift is not None, "columns": columns, "rows": rows, "more": len(told) - len(rows)}


def _order(key: str) -> int:
    first = ("service", "measure", "drifted")
    return first.index(key) if key in first else len(first)


def _leaves(path: str, words: tuple[str, ...], value: Any) -> Iterator[tuple[str, Figure]]:  # noqa: ANN401
    if isinstance(value, Mapping):
        for key, one in sorted(value.items()):
            yield from _leaves(f"{path}.{step(key)}", (*words, key), one)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, one in enumerate(value):
            yield from _leaves(f"{path}.{number}", (*words, str(number + 1)), one)
    else:
        unit = "seconds" if words and words[-1].endswith("_seconds") else "number"
        yield (
            " ".join(title(word) if not at else word.replace("_", " ") for at, word in enumerate(words)),
            Figure(path, value, unit),
        )


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    place = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    place.filters |= {"json": json.dumps, "title_of": title, "moment": moment, "cut": cut}
    place.globals |= {"figure": figure, "Figure": Figure, "reasons": reasons, "step": step, "SPREAD": SPREAD}
    return place.get_template("report.html")
