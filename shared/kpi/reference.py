"""`docs/kpi.md`, written from the definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.kpi import (
    access_csv,
    action_items_csv,
    alerts_csv,
    audit_csv,
    controls_csv,
    deliveries_csv,
    drills_csv,
    escalations_csv,
    incidents_csv,
    oncall_coverage_csv,
    plan_changes_csv,
    reviews_csv,
    suppressions_csv,
)
from shared.kpi.definition import EXCLUDED, PERCENTILE_METHOD, Definition, Exclusion
from shared.kpi.definitions import DEFINITIONS, VERSION
from shared.kpi.derivations import CONTROLS, DERIVED, DRIFT, LEFT_OUT, RULES
from shared.kpi.metrics import EXCLUDED_OF_DRILLS, METRICS, OF_DRILLS
from shared.kpi.shelf import DATA

_FILES = (
    incidents_csv,
    drills_csv,
    alerts_csv,
    escalations_csv,
    deliveries_csv,
    suppressions_csv,
    plan_changes_csv,
    oncall_coverage_csv,
    action_items_csv,
    reviews_csv,
    access_csv,
    controls_csv,
    audit_csv,
)

_INTRODUCTION = f"""\
# The weekly export

Written from `shared/kpi` by `python -m shared.kpi.definitions > docs/kpi.md`; definitions version {VERSION}.

A week is an ISO week in the plan's time zone, half-open: its first instant belongs to it, the first
instant of the next one does not. An event belongs to the week of its `recorded_at`; a measure belongs to the
week in which the event that closes it was recorded, a missed target to the week of its due instant, or of
the event that set it if that is later.
Everything is measured between recordings, which never run backwards within a timeline; but the start of an
alert is the source's own claim, and a provider took a message when its answer came, by Tocsin's clock.
Times are whole seconds, rounded down. Where there is nothing to measure a value is `null`. The value of a
duration is its mean. A week that is not over is provisional, and its figures end at the instant of
compiling. An incident that the bundle before left open, or with a review or action items to come, belongs to
a week even where it has no event in it.

What is pending is no incident until it is opened: only its alerts count, by disposition. So do the alerts of
a drill; else it enters no figure but those of drills, and stands in `drills.csv` instead of `incidents.csv`.
Drills count for the plan only, not by severity, service or version.

Percentiles are by {PERCENTILE_METHOD}.
Other numbers that are no integers are rounded to 6 significant digits.

A bundle holds:

{"".join(f"- `{name}`{chr(10)}" for name in DATA)}- `manifest.json`
- `manifest.sha256`

and all of them as `bundle.zip`: stored, in that order, at most 4 GiB.
`python -m shared.kpi.verify bundle.zip` re-derives every row and figure from `timeline.jsonl`, and needs
nothing but Python.

The newest bundle alone proves only that it agrees with itself: whoever holds this code can make another one
that does, with another history. So keep the last `manifest.sha256` where nobody who could do that reaches it:
mailed, in a ticket, printed. And name the earlier bundles, `python -m shared.kpi.verify bundle.zip
earlier.zip`: each timeline must go on from the event at which they left it, and the incidents that the bundle
before left open must be those with which this one begins. Of an earlier bundle `manifest.json` will do, but
it does not tell what was left open.
"""


def markdown() -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        RULES,
        _metrics(),
        _left_out(),
        _of_drills(),
        "## KPIs\n\nIn `kpi.json` each is given for the plan, and by severity, service and version.\n",
        *(_kpi(definition) for definition in DEFINITIONS),
        CONTROLS,
        DRIFT,
        *(_table(f"Columns of `{file.NAME}`", "column", file.COLUMNS) for file in _FILES),
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
    if definition.exclusions:
        yield "- left out, and counted in `excluded`:"
        yield from (f"    - `{one.reason}`: {_reason(definition, one)}" for one in definition.exclusions)
    if definition.remark != "none":
        yield f"- left out: {definition.remark}"
    yield f"- from {_source(definition)}"
    if definition.target:
        yield f"- target `{definition.target_name}`: met when the value is {definition.target} that"


def _source(definition: Definition) -> str:
    if definition.of:
        return f"`change_percent` of `{definition.of}`"
    of = f" with code {_quoted(definition.codes, 'or')}" if definition.codes else ""
    per = f" over {_quoted(definition.per)}" if definition.per else ""
    return _quoted(definition.metrics) + of + per


def _reason(definition: Definition, exclusion: Exclusion) -> str:
    metric, code = definition.counted_as(exclusion)
    of = f" with code `{code}`" if code else ""
    return f"{exclusion.words} ({'sum' if exclusion.summed else 'rows'} of `{metric}`{of})"


def _quoted(names: tuple[str, ...], joint: str = "and") -> str:
    return f" {joint} ".join(f"`{name}`" for name in names)


def _metrics() -> str:
    lines = ["## Metrics of `audit.csv`", "", "| metric | says | follows from |", "|---|---|---|"]
    lines += [f"| `{name}` | {words} | {DERIVED[name]} |" for name, words in METRICS.items()]
    return "\n".join(lines) + "\n"


def _left_out() -> str:
    return _table(f"Codes of metric `{EXCLUDED}`", "code", LEFT_OUT, "follows from")


def _of_drills() -> str:
    codes = {
        f"{EXCLUDED}`, code `{name}/…": f"{EXCLUDED}`, code `{other}/…"
        for name, other in EXCLUDED_OF_DRILLS.items()
    }
    renamed = {name: f"`{other}`" for name, other in {**OF_DRILLS, **codes}.items()}
    return _table("Facts of drills", "fact", renamed, "of a drill it is")


def _table(title: str, what: str, rows: Mapping[str, str], says: str = "says") -> str:
    lines = [f"## {title}", "", f"| {what} | {says} |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {words} |" for name, words in rows.items())]) + "\n"
