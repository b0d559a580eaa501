"""Table `Agenda`: one partition a plan; how far its agenda is, and what its contacts' calendars said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.adapters.entity_groups import point, put, save_on_tag, span, submit, tag_of
from shared.adapters.table_wire import WiredTable
from shared.domain.agenda import AgendaState, Duty, Gap, Reading
from shared.domain.oncall import Absence
from shared.domain.timeline import parse_or_none, parse_stamp, stamp, stamp_or_none

PIECE = 15_000
"""Characters of JSON in one property, which takes 64 KiB."""
_STATE = "state"
_ABSENCES = "absences|"


class AgendaTable:
    """`ports.Agenda` on Azure Table Storage."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table

    def state(self, plan: str) -> tuple[AgendaState, str] | None:
        """How far the plan's agenda is, with the row's tag; None where it never began."""
        row = point(self.table, plan, _STATE)
        return None if row is None else (_state(read_pieces(row)), tag_of(row))

    def save(self, plan: str, state: AgendaState, tag: str | None) -> str:
        """The new tag. Raises Conflict where the row has moved on (or, without a tag, exists)."""
        row = {"PartitionKey": plan, "RowKey": _STATE, **pieces(_state_json(state))}
        return save_on_tag(self.table, (row, tag))

    def readings(self, plan: str) -> dict[str, Reading]:
        """What each contact's calendar said, by contact."""
        rows = span(self.table, plan, _ABSENCES, f"{_ABSENCES}~")
        return {str(row["RowKey"]).removeprefix(_ABSENCES): _reading(read_pieces(row)) for row in rows}

    def keep_reading(self, plan: str, contact: str, reading: Reading) -> None:
        """Store what a calendar said, whatever was there."""
        row = {
            "PartitionKey": plan,
            "RowKey": f"{_ABSENCES}{contact}",
            **pieces(
                {
                    "absences": [[stamp(each.since), stamp(each.until)] for each in reading.absences],
                    "tried_at": stamp(reading.tried_at),
                    "read_at": stamp_or_none(reading.read_at),
                    "failing": reading.failing,
                }
            ),
        }
        submit(self.table, [put(row)])


def pieces(value: Mapping[str, Any]) -> dict[str, str]:
    """JSON as properties of a row, each of a size that storage takes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return {f"json{number}": text[at : at + PIECE] for number, at in enumerate(range(0, len(text), PIECE))}


def read_pieces(row: Mapping[str, Any]) -> Any:  # noqa: ANN401  (our own JSON)
    """The inverse of `pieces`."""
    text, number = "", 0
    while piece := row.get(f"json{number}"):
        text, number = text + piece, number + 1
    return json.loads(text)


def _state_json(state: AgendaState) -> dict[str, Any]:
    return {
        "until": stamp(state.until),
        "covered": state.covered,
        "duties": [
            [duty.work, duty.name, stamp(duty.due), stamp(duty.taken_at), duty.contact, duty.text]
            for duty in state.duties
        ],
        "gaps": [[gap.rotation, stamp(gap.since), stamp(gap.until), gap.ends] for gap in state.gaps],
        "held_until": stamp_or_none(state.held_until),
    }


def _state(found: Mapping[str, Any]) -> AgendaState:
    return AgendaState(
        parse_stamp(found["until"]),
        found["covered"],
        tuple(
            Duty(work, name, parse_stamp(due), parse_stamp(taken_at), contact, text)
            for work, name, due, taken_at, contact, text in found["duties"]
        ),
        tuple(
            Gap(rotation, parse_stamp(since), parse_stamp(until), ends)
            for rotation, since, until, ends in found["gaps"]
        ),
        parse_or_none(found["held_until"]),
    )


def _reading(found: Mapping[str, Any]) -> Reading:
    return Reading(
        _absences(found["absences"]),
        parse_stamp(found["tried_at"]),
        parse_or_none(found["read_at"]),
        found["failing"],
    )


def _absences(found: Iterable[list[str]]) -> tuple[Absence, ...]:
    return tuple(Absence(parse_stamp(since), parse_stamp(until)) for since, until in found)
