"""`docs/kpi.md`, written from the definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.kpi import audit_csv, drills_csv, incidents_csv
from shared.kpi.definition import PERCENTILE_METHOD, Definition
from shared.kpi.definitions import DEFINITIONS, VERSION
from shared.kpi.metrics import METRICS

_INTRODUCTION = f"""\
# The weekly export

Written from `shared/kpi` by `python -m shared.kpi.definitions > docs/kpi.md`; definitions version {VERSION}.

A week is an ISO week in the plan's time zone, half-open: its first instant belongs to it, the first
instant of the next one does not. An event belongs to the week of its `recorded_at`; a measure belongs to the
week in which the event that closes it was recorded, a missed target to the week in which it was due.
Everything is measured between recordings, which never run backwards within a timeline; but the start of an
alert is the source's own claim, and a provider took a message when its answer came, by Tocsin's clock.
Times are whole seconds, rounded down. Where there is nothing to measure a value is `null`. The value of a
duration is its mean. A week that is not over is provisional, and its figures end at the instant of
compiling. An incident that the bundle before left open, or with a review or action items to come, belongs to
a week even where it has no event in it.

What is pending is no incident until it is opened: only its alerts count, by disposition. A drill enters no
figure but those of drills, and stands in `drills.csv` instead of `incidents.csv`; drills count for the plan
only, not by severity or service.

Percentiles are by {PERCENTILE_METHOD}.
Other numbers that are no integers are rounded to 6 significant digits.

A bundle holds `kpi.json`, `incidents.csv`, `drills.csv`, `audit.csv`, `timeline.jsonl`, `manifest.json` and
`manifest.sha256`, and all of them as `bundle.zip`: stored, in that order, at most 4 GiB.
`python -m shared.kpi.verify bundle.zip` re-derives every row and figure from `timeline.jsonl`, and needs
nothing but Python.

The newest bundle alone proves only that it agrees with itself: whoever holds this code can make another one
that does, with another history. So keep the last `manifest.sha256` where nobody who could do that reaches it:
mailed, in a ticket, printed. And name the earlier bundles, `python -m shared.kpi.verify bundle.zip
earlier.zip`: each timeline must go on from the event at which they left it, and the incidents that the bundle
before left open must be those with which this one begins. Of an earlier bundle `manifest.json` will do, but
it does not tell what was left open.
"""

_CONTROLS = """\
## Controls

| control | holds when |
|---|---|
| `backlog` | opening backlog + opened + reopened − resolved = closing backlog |
| `breaches` | every missed clock has its `breached` event (`unrecorded` counts those without) and every \
`breached` event a missed clock (`underived`); the last moments of a week may be recorded in the next |
| `clock_ahead` | no alert started after the recording of the incident that it opened |
"""


def markdown() -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        "## KPIs\n\nIn `kpi.json` each is given for the plan, by severity and by service.\n",
        *(_kpi(definition) for definition in DEFINITIONS),
        _CONTROLS,
        _table("Columns of `incidents.csv`", "column", incidents_csv.COLUMNS),
        _table("Columns of `drills.csv`", "column", drills_csv.COLUMNS),
        _table("Columns of `audit.csv`", "column", audit_csv.COLUMNS),
        _table("Metrics of `audit.csv`", "metric", METRICS),
    ]
    return "\n".join(parts)


def _kpi(definition: Definition) -> str:
    return "\n".join(_lines(definition)) + "\n"


def _lines(definition: Definition) -> Iterator[str]:
    yield f"### `{definition.name}`"
    yield ""
    yield f"{definition.words[0].upper()}{definition.words[1:]}."
    yield ""
    yield f"- {definition.kind}, in {definition.unit}"
    if definition.denominator != "none":
        yield f"- numerator: {definition.numerator}"
        yield f"- denominator: {definition.denominator}"
    if definition.exclusions != "none":
        yield f"- left out: {definition.exclusions}"
    of = f" with code `{definition.code}`" if definition.code else ""
    yield f"- from {_quoted(definition.metrics)}{of}" + (
        f" over {_quoted(definition.per)}" if definition.per else ""
    )
    if definition.target:
        yield f"- target `{definition.target_name}`: met when the value is {definition.target} that"


def _quoted(metrics: tuple[str, ...]) -> str:
    return " and ".join(f"`{metric}`" for metric in metrics)


def _table(title: str, what: str, rows: Mapping[str, str]) -> str:
    lines = [f"## {title}", "", f"| {what} | says |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {words} |" for name, words in rows.items())]) + "\n"
