"""`incidents.csv`: one row for each incident that existed in the week, drills left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.domain.timeline import stamp, stamp_or_none
from shared.kpi.account import Account
from shared.kpi.csv_cells import line, text, verdict
from shared.kpi.csv_rows import cells_of

NAME = "incidents.csv"
COLUMNS = {
    "id": "the incident",
    "name": "name of the alert that opened it; `declared` by hand",
    "service": "decided at its opening",
    "severity": "at the week's end",
    "source": "what opened it; empty by hand",
    "state": "`open`, `acknowledged` or `resolved` at the week's end",
    "opened_at": "recording of the opening",
    "first_told_at": "when a provider first took a message to somebody inside",
    "acknowledged_at": "first acknowledgement by a person, before any reopening",
    "mitigated_at": "first note of kind `mitigation` or status `monitoring`, before the first resolution",
    "resolved_at": "first resolution",
    "resolved_by": "by whom that was: `person` or `source`",
    "code": "closing code that the person gave",
    "reopened": "reopenings so far",
    "alerts": "alerts so far",
    "escalations": "escalations so far, by Tocsin and by hand",
    "respond_due": "target of the opening's respond clock",
    "resolve_due": "target of the opening's resolve clock",
    "respond_met": "1 met, 0 missed, empty: no target, or not decided",
    "resolve_met": "1 met, 0 missed, empty: no target, or not decided",
    "review_due": "of the latest review asked for; empty: none, or withdrawn by a reopening",
    "review_completed_at": "recording of that review's completion",
    "action_items_open": "action items still to be done at the week's end",
    "rules": "hash of the rules frozen at its opening",
    "timeline_length": "events up to the week's end",
    "head_hash": "hash of the last of them",
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
    "alerts",
    "escalated",
    "escalated-manually",
    "first-told",
    "noted",
    "status-updated",
    "review-required",
    "review-completed",
    "action-item",
)


def row(account: Account) -> bytes:
    """The row of one incident; nothing for a drill, a journal, and what is not an incident yet."""
    incident = account.incident
    if incident is None or incident.drill is not None:
        return b""
    return line(
        (
            account.subject,
            incident.name,
            incident.service,
            incident.severity,
            incident.source,
            incident.state,
            stamp(incident.opened_at),
            stamp_or_none(incident.first_told_at),
            stamp_or_none(incident.acknowledged_at),
            stamp_or_none(incident.mitigated_at),
            stamp_or_none(incident.resolved_at),
            text(incident.resolved_by),
            text(incident.code),
            incident.reopened,
            incident.alerts,
            incident.escalations,
            stamp_or_none(incident.respond.due),
            stamp_or_none(incident.resolve.due),
            verdict(incident.respond),
            verdict(incident.resolve),
            stamp_or_none(incident.review_due),
            stamp_or_none(incident.review_completed_at),
            incident.items_open,
            incident.rules,
            account.length,
            account.head,
        )
    )


def open_in(pieces: Iterable[bytes]) -> set[str]:
    """The subjects that a file, this one or ``drills.csv``, shows with something to come.

    Those not resolved, and those whose review is pending or that have action items to be done.
    """
    return {cells["id"] for cells in cells_of(pieces) if cells["state"] != "resolved" or _unfinished(cells)}


def _unfinished(cells: Mapping[str, str]) -> bool:
    pending = bool(cells.get("review_due")) and not cells.get("review_completed_at")
    return pending or cells.get("action_items_open", "0") != "0"
