"""`audit.csv`: one row for each measured fact, numbered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from shared.domain.timeline import stamp
from shared.kpi.account import Account
from shared.kpi.csv_cells import line

NAME = "audit.csv"
COLUMNS = {
    "id": "running number of the row, from 1",
    "happened_at": "instant in UTC; of a missed target, the instant at which it was missed",
    "entity_id": "the incident, or the journal",
    "metric": "what was measured",
    "value": "the measurement, an integer",
    "notes": "severity at the week's end, service (`none/none` for a journal and for what is no incident), "
    "the metric's code if any, joined by /",
}


class AuditRows:
    """Numbers the rows of one file."""

    def __init__(self) -> None:
        self._ids = count(1)

    def of(self, account: Account) -> Iterator[bytes]:
        """The rows of one subject."""
        incident = account.incident
        place = f"{incident.severity}/{incident.service}" if incident else "none/none"
        for fact in account.facts:
            notes = f"{place}/{fact.code}" if fact.code else place
            at = stamp(fact.happened_at)
            yield line((next(self._ids), at, account.subject, fact.metric, fact.value, notes))
