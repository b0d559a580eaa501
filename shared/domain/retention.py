"""How long texts and incidents are kept, what holds them beyond that, and what is on record of what went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.domain.incident import Incident
from shared.domain.timeline import parse_or_none, parse_stamp, stamp, stamp_or_none

What = Literal["texts", "incident", "journal"]
LEAST_FOR_TEXTS = timedelta(days=7)
LEAST_FOR_INCIDENTS = timedelta(days=60)
"""So long that every week of it has been exported, late or not, and restated where it had to be."""

QUIET = timedelta(days=30)
"""How long nothing may have happened to an incident that goes: exports look twice at what is recent."""


@dataclass(frozen=True)
class Retention:
    """What a plan says about keeping; None: for ever."""

    texts: timedelta | None = None
    """Free texts, from the resolution of their incident."""
    incidents: timedelta | None = None
    """Incidents with all that belongs to them, from their resolution; journals, from their day."""
    legal_hold: str | None = None
    """Reference of a case for which everything of the plan is kept."""


@dataclass(frozen=True)
class Hold:
    """An order to keep an incident, or (None) everything of the plan, whatever the windows say."""

    id: str
    incident: str | None
    reference: str
    """Of the case."""
    placed_at: datetime
    placed_by: str
    """``person:<pseudonym>``."""
    released_at: datetime | None = None
    released_by: str | None = None

    def covers(self, incident: str | None) -> bool:
        """Whether it keeps that incident, or (None) the plan as a whole."""
        return self.released_at is None and self.incident in (None, incident)

    def released(self, by: str, now: datetime) -> Hold:
        """The same, no longer in force."""
        return replace(self, released_at=now, released_by=by)

    def entry(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "incident": self.incident,
            "reference": self.reference,
            "placed_at": stamp(self.placed_at),
            "placed_by": self.placed_by,
            "released_at": stamp_or_none(self.released_at),
            "released_by": self.released_by,
        }


@dataclass(frozen=True)
class Kept:
    """A subject, an incident or a journal, that has events in a week, as the index hints."""

    plan: str
    subject: str
    week: str
    texts_gone: bool
    """Whether its texts were purged, and nothing of that week has come since."""


@dataclass(frozen=True)
class Counts:
    """Rows of an incident, by kind."""

    events: int = 0
    texts: int = 0
    deliveries: int = 0
    alerts: int = 0


def read_hold(entry: Mapping[str, Any]) -> Hold:
    """The inverse of `Hold.entry`."""
    return Hold(
        entry["id"],
        entry["incident"],
        entry["reference"],
        parse_stamp(entry["placed_at"]),
        entry["placed_by"],
        parse_or_none(entry["released_at"]),
        entry["released_by"],
    )


def held(retention: Retention, holds: Iterable[Hold], incident: str | None) -> str | None:
    """The reference for which the incident, or (None) the plan as a whole, is kept; None: it is not."""
    if retention.legal_hold is not None:
        return retention.legal_hold
    return next((hold.reference for hold in holds if hold.covers(incident)), None)


def ended_at(incident: Incident) -> datetime:
    """From when its windows count: the resolution, or for what never was declared its last event."""
    return incident.resolved_at or incident.recorded_at or incident.opened_at


def declared_by_hand(incident: Incident) -> bool:
    """Whether its title is a text that a person wrote: it goes with the texts, wherever it is repeated."""
    return incident.source is None and incident.drill is None


def lapsed(since: datetime, keep: timedelta | None, now: datetime) -> bool:
    """Whether what is kept for so long may go; it may at the very end of the window."""
    return keep is not None and since + keep <= now


def quiet(incident: Incident, now: datetime) -> bool:
    """Whether nothing has happened to it of late; asked before all of it goes, not before its texts do."""
    return (incident.recorded_at or incident.opened_at) + QUIET <= now


def nothing_to_come(incident: Incident) -> bool:
    """Whether nobody has anything to do with it any more, nor Tocsin; deliveries owed are to be looked up."""
    review_open = incident.review is not None and incident.review.completed_at is None
    return (
        incident.over
        and incident.deadline is None
        and incident.deliver_at is None
        and not review_open
        and not any(item.live for item in incident.items)
    )


def purged(
    what: What, subject: str, since: datetime | None, keep: timedelta, counts: Counts, length: int, head: str
) -> dict[str, Any]:
    """The data of the event `purged`."""
    return {
        "what": what,
        "incident": subject,
        "resolved_at": stamp_or_none(since),
        "keep_days": keep // timedelta(days=1),
        "events": counts.events,
        "texts": counts.texts,
        "deliveries": counts.deliveries,
        "alerts": counts.alerts,
        "length": length,
        "head": head,
    }
