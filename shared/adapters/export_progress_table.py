"""How far each compilation is: rows in table `Agenda`, beside the plan's other affairs."""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.entity_groups import point, put, submit, translated
from shared.adapters.table_wire import WiredTable
from shared.domain.timeline import parse_stamp, stamp
from shared.export_ports import Progress

_PREFIX = "export|"
_WANTED = (
    "PartitionKey eq @plan and RowKey ge @low and RowKey lt @high"
    " and (state eq 'wanted' or state eq 'compiling')"
)
"""Asked every minute, so the rows of all the weeks that are done stay where they are."""


class ExportProgressTable:
    """`ports.ExportProgress` on Azure Table Storage."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table

    def get(self, plan: str, week: str) -> Progress | None:
        """See `ports.ExportProgress`."""
        row = point(self.table, plan, _PREFIX + week)
        if row is None:
            return None
        return Progress(
            row["state"],
            int(row["done"]),
            int(row["of"]),
            parse_stamp(row["started_at"]),
            parse_stamp(row["updated_at"]),
            row["revision"] or None,
            row["why"] or None,
            row["by"],
        )

    def put(self, plan: str, week: str, progress: Progress) -> None:
        """See `ports.ExportProgress`."""
        row = {
            "PartitionKey": plan,
            "RowKey": _PREFIX + week,
            "state": progress.state,
            "done": progress.done,
            "of": progress.of,
            "started_at": stamp(progress.started_at),
            "updated_at": stamp(progress.updated_at),
            "revision": progress.revision or "",
            "why": (progress.why or "")[:1_000],
            "by": progress.by,
        }
        submit(self.table, [put(row)])

    def wanted(self, plan: str) -> Sequence[str]:
        """See `ports.ExportProgress`; those under way as well, for they may have been cut off."""
        named = {"plan": plan, "low": _PREFIX, "high": f"{_PREFIX}~"}
        with translated():
            found = self.table.query_entities(_WANTED, parameters=named, select=["RowKey"])
            return [str(row["RowKey"]).removeprefix(_PREFIX) for row in found]
