"""The control map as data: which files of a bundle bear on which controls of SOC 2 and ISO 27001, and how.

`docs/controls.md` is written from it: `python -m shared.kpi.controls > docs/controls.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.kpi import (
    access_csv,
    action_items_csv,
    alerts_csv,
    deliveries_csv,
    drills_csv,
    escalations_csv,
    incidents_csv,
    oncall_coverage_csv,
    plan_changes_csv,
    reviews_csv,
    suppressions_csv,
)

EVERY = "*"
"""In place of types: a file that derives from every event."""


@dataclass(frozen=True)
class Control:
    """One control, with the files that bear on it."""

    name: str
    title: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Proof:
    """What a file proves, and the types of the events that its rows are read from."""

    types: tuple[str, ...]
    proves: str
    beside: tuple[str, ...] = ()
    """Types that tell of the same and make no row: they stand in `timeline.jsonl`, or in a figure."""


PROOFS: Mapping[str, Proof] = {
    "kpi.json": Proof(
        (EVERY,),
        "how soon and how well was acted, against targets; and that the watching itself went on",
        beside=("watched", "drift-found", "drift-checked", "update-reminded", "update-lapsed"),
    ),
    "baseline.json": Proof((), "what earlier weeks were like, and so whether response grows slower"),
    "incidents.csv": Proof(
        incidents_csv.TYPES,
        "which events were judged to be incidents, how grave, by whose rules, and when each was over",
        beside=("pending", "dropped", "alerts-cleared", "acknowledged-late", "roles-assigned", "checked"),
    ),
    "drills.csv": Proof(
        drills_csv.TYPES,
        "that the response was rehearsed, and how it went",
        beside=("drill-opened", "drill-missed"),
    ),
    "alerts.csv": Proof(
        alerts_csv.TYPES, "that every alert was judged, what became of it and which rule decided"
    ),
    "escalations.csv": Proof(
        escalations_csv.TYPES,
        "that unanswered incidents went on to others, when that was due and how late it was",
        beside=("contact-missing", "contact-unreachable", "oncall-empty", "still-open", "caught-up"),
    ),
    "deliveries.csv": Proof(
        deliveries_csv.TYPES,
        "who was told of what, by which way and when, and what could not be delivered",
        beside=("acted-on",),
    ),
    "suppressions.csv": Proof(
        suppressions_csv.TYPES,
        "what people were not told, and by which rule",
    ),
    "plan_changes.csv": Proof(
        plan_changes_csv.TYPES,
        "that the response plan is kept up, who changed it, and that a change was tried before it ruled",
    ),
    "oncall_coverage.csv": Proof(
        oncall_coverage_csv.TYPES, "that somebody was responsible at every hour, or when nobody was"
    ),
    "action_items.csv": Proof(
        action_items_csv.TYPES,
        "that what was learned is given to somebody and carried out",
        beside=("action-item-overdue",),
    ),
    "reviews.csv": Proof(
        reviews_csv.TYPES,
        "that incidents were looked back on in time",
    ),
    "access.csv": Proof(
        access_csv.TYPES,
        "who read the records, and that none was erased or purged without a trace",
    ),
    "audit.csv": Proof((EVERY,), "each measured fact behind each figure, with clocks that ran ahead named"),
    "timeline.jsonl": Proof(
        (EVERY,),
        "what happened, in order, with both its own time and that of its recording, each event sealed",
    ),
}

CONTROLS = (
    Control(
        "SOC 2 CC7.2",
        "Systems are watched for signs of attack, disaster and error, and these are looked into",
        ("kpi.json", "alerts.csv", "suppressions.csv", "audit.csv"),
    ),
    Control(
        "SOC 2 CC7.3",
        "What was noticed is weighed, to tell whether it harms what was promised, and acted upon",
        ("incidents.csv", "alerts.csv", "suppressions.csv", "escalations.csv"),
    ),
    Control(
        "SOC 2 CC7.4",
        "Incidents are answered by a set programme: understood, contained, put right, told of",
        (
            "kpi.json",
            "incidents.csv",
            "escalations.csv",
            "deliveries.csv",
            "oncall_coverage.csv",
            "plan_changes.csv",
            "timeline.jsonl",
        ),
    ),
    Control(
        "SOC 2 CC7.5",
        "Recovery is carried through, its causes are removed, and it is rehearsed",
        ("incidents.csv", "reviews.csv", "action_items.csv", "drills.csv"),
    ),
    Control(
        "ISO 27001 A.5.24",
        "Incident handling is prepared: roles, ways and plans are set out beforehand",
        ("plan_changes.csv", "oncall_coverage.csv", "drills.csv"),
    ),
    Control(
        "ISO 27001 A.5.25",
        "Events are judged, and it is decided which of them are incidents",
        ("alerts.csv", "suppressions.csv", "incidents.csv"),
    ),
    Control(
        "ISO 27001 A.5.26",
        "Incidents are answered as the written ways say",
        ("incidents.csv", "escalations.csv", "deliveries.csv", "timeline.jsonl"),
    ),
    Control(
        "ISO 27001 A.5.27",
        "What incidents teach makes the defences better",
        ("kpi.json", "baseline.json", "reviews.csv", "action_items.csv", "plan_changes.csv"),
    ),
    Control(
        "ISO 27001 A.5.28",
        "Evidence is found, gathered and kept so that it can be relied upon",
        ("timeline.jsonl", "access.csv"),
    ),
    Control(
        "ISO 27001 A.8.15",
        "What happens is logged, and the logs are kept from harm and looked at",
        ("timeline.jsonl", "audit.csv", "access.csv"),
    ),
    Control(
        "ISO 27001 A.8.16",
        "Systems are watched for behaviour out of the ordinary",
        ("kpi.json", "alerts.csv", "escalations.csv"),
    ),
    Control(
        "ISO 27001 A.8.17",
        "Clocks are held to one agreed time",
        ("audit.csv", "timeline.jsonl"),
    ),
)


def markdown() -> str:
    """The page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Controls"
    yield ""
    yield "Written from `shared/kpi/controls.py` by `python -m shared.kpi.controls > docs/controls.md`.\n"
    yield "Which files of a weekly export bear on which control. Titles are in this project's own words;"
    yield "the standards say it in theirs. In a bundle, `controls.csv` counts rows, and the week's events of"
    yield "the types below, whatever timeline they stand in: those of a drill count for `incidents.csv` as"
    yield "well, and those of any other incident for `drills.csv`."
    yield ""
    yield "| control | asks that | files |"
    yield "|---|---|---|"
    for control in CONTROLS:
        yield f"| {control.name} | {control.title} | {', '.join(f'`{file}`' for file in control.files)} |"
    yield ""
    yield "## What each file proves"
    yield ""
    yield "| file | proves | rows are read from | beside it, in `timeline.jsonl` |"
    yield "|---|---|---|---|"
    for file, proof in PROOFS.items():
        types, beside = _listed(proof.types), _listed(proof.beside)
        yield f"| `{file}` | {proof.proves} | {types or 'earlier bundles'} | {beside} |"
    yield ""
    yield "## Which controls an event bears on"
    yield ""
    yield "| event | controls |"
    yield "|---|---|"
    for type, names in sorted(by_type().items()):
        yield f"| `{type}` | {', '.join(names)} |"


def _listed(types: tuple[str, ...]) -> str:
    return ", ".join("every one" if type == EVERY else f"`{type}`" for type in types)


def by_type() -> dict[str, list[str]]:
    """The controls that each type of event bears on, beside those that every event does."""
    tagged: dict[str, list[str]] = {}
    for control in CONTROLS:
        for type in dict.fromkeys(type for file in control.files for type in _telling(PROOFS[file])):
            if type != EVERY:
                tagged.setdefault(type, []).append(control.name)
    return tagged


def _telling(proof: Proof) -> tuple[str, ...]:
    return proof.types + proof.beside


if __name__ == "__main__":
    sys.stdout.write(markdown())
