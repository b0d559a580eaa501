"""Table `Agenda`: beside each plan's agenda, what is on record of its versions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.adapters.agenda_table import pieces, read_pieces
from shared.adapters.entity_groups import point, save_on_tag, tag_of
from shared.adapters.table_wire import WiredTable
from shared.domain.rollout import Comparison, Figures, Leaves, Note, PlanRecord, Stand
from shared.domain.timeline import parse_or_none, parse_stamp, stamp

_RECORD = "versions"
_SECOND = timedelta(seconds=1)


class RolloutsTable:
    """`ports.PlanRecords` on Azure Table Storage."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table

    def record(self, plan: str) -> tuple[PlanRecord, str] | None:
        """What is on record with the row's tag; None where the plan was never seen."""
        row = point(self.table, plan, _RECORD)
        return None if row is None else (_record(read_pieces(row)), tag_of(row))

    def save(self, plan: str, record: PlanRecord, tag: str | None) -> str:
        """The new tag. Raises Conflict where the row has moved on (or, without a tag, exists)."""
        row = {"PartitionKey": plan, "RowKey": _RECORD, **pieces(_shown(record))}
        return save_on_tag(self.table, (row, tag))


def _shown(record: PlanRecord) -> dict[str, Any]:
    leaves = record.leaves
    return {
        "document": record.document,
        "leaves": {"salt": leaves.salt, "depth": leaves.depth, "digests": dict(leaves.digests)},
        "rules": record.rules,
        "stable": record.stable,
        "deployed_at": stamp(record.deployed_at),
        "refused": record.refused,
        "stand": None if record.stand is None else _stand_shown(record.stand),
        "owed": [[note.type, dict(note.data), stamp(note.at), note.actor] for note in record.owed],
    }


def _record(found: Mapping[str, Any]) -> PlanRecord:
    leaves = found["leaves"]
    return PlanRecord(
        found["document"],
        Leaves(leaves["salt"], leaves["depth"], leaves["digests"]),
        found["rules"],
        found["stable"],
        parse_stamp(found["deployed_at"]),
        found["refused"],
        None if found["stand"] is None else _stand(found["stand"]),
        tuple(Note(type, data, parse_stamp(at), actor) for type, data, at, actor in found["owed"]),
    )


def _stand_shown(stand: Stand) -> dict[str, Any]:
    figures = stand.figures
    return {
        "rules": stand.rules,
        "stages": list(stand.stages),
        "hold": stand.hold // _SECOND,
        "started_at": stamp(stand.started_at),
        "since": stamp(stand.since),
        "until": stamp(stand.until),
        "look_at": stamp(stand.look_at),
        "stage": stand.stage,
        "incidents": [figures.old_incidents, figures.new_incidents],
        "comparisons": [
            [each.kpi, each.target, each.old, each.new, each.holds] for each in figures.comparisons
        ],
        "reckoned_at": None if stand.reckoned_at is None else stamp(stand.reckoned_at),
    }


def _stand(found: Mapping[str, Any]) -> Stand:
    old, new = found["incidents"]
    return Stand(
        found["rules"],
        tuple(found["stages"]),
        found["hold"] * _SECOND,
        parse_stamp(found["started_at"]),
        parse_stamp(found["since"]),
        parse_stamp(found["until"]),
        parse_stamp(found["look_at"]),
        found["stage"],
        Figures(old, new, tuple(Comparison(*each) for each in found["comparisons"])),
        parse_or_none(found["reckoned_at"]),
    )
