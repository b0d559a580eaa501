"""`drills.csv`: one row for each drill that existed in the week."""

from __future__ import annotations

from shared.domain.timeline import stamp, stamp_or_none
from shared.kpi.account import Account
from shared.kpi.csv_cells import line, verdict

NAME = "drills.csv"
COLUMNS = {
    "id": "the incident that rehearses",
    "drill": "the plan's drill",
    "service": "decided at its opening",
    "severity": "at the week's end",
    "state": "`open`, `acknowledged` or `resolved` at the week's end",
    "opened_at": "recording of the opening",
    "acknowledged_at": "first acknowledgement by a person, before any reopening",
    "resolved_at": "first resolution",
    "respond_met": "1 met, 0 missed, empty: no target, or not decided",
}

TYPES: tuple[str, ...] = (
    "opened",
    "severity-raised",
    "severity-changed",
    "acknowledged",
    "acknowledgement-expired",
    "resolved",
    "reopened",
    "breached",
)


def row(account: Account) -> bytes:
    """The row of one drill; nothing for anything else."""
    incident = account.incident
    if incident is None or incident.drill is None:
        return b""
    return line(
        (
            account.subject,
            incident.drill,
            incident.service,
            incident.severity,
            incident.state,
            stamp(incident.opened_at),
            stamp_or_none(incident.acknowledged_at),
            stamp_or_none(incident.resolved_at),
            verdict(incident.respond),
        )
    )
