"""`controls.csv`: which files of this bundle bear on which controls, and how much of each the week has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.kpi.controls import CONTROLS, EVERY, PROOFS, Proof
from shared.kpi.csv_cells import Cells

NAME = "controls.csv"
COLUMNS = {
    "control": "of SOC 2 (trust services criteria) or ISO 27001:2022, annex A",
    "title": "what it asks, in words of this project",
    "file": "of the bundle that bears on it",
    "event_types": "of events that its rows are read from, those apart of which only `drill`, "
    "`timeline_length` and `head_hash` tell; `*`: every one",
    "proves": "what that file proves",
    "events": "how many events of these types the week has, whatever timeline they stand in",
    "rows": "how many rows, or lines, that file has; empty where it has none",
}


def rows(events: Mapping[str, int], counted: Mapping[str, int]) -> Iterator[Cells]:
    """``events`` counts those of the week by type, ``counted`` the rows of the files that have rows."""
    for control in CONTROLS:
        for file in control.files:
            proof = PROOFS[file]
            types, number = " ".join(proof.types), _count(proof, events)
            yield control.name, control.title, file, types, proof.proves, number, counted.get(file)


def _count(proof: Proof, events: Mapping[str, int]) -> int:
    if EVERY in proof.types:
        return sum(events.values())
    return sum(events.get(type, 0) for type in proof.types)
