"""A link by which an auditor without an account reads one bundle, for a limited time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=90)
USUAL = timedelta(days=7)


@dataclass(frozen=True)
class ExportLink:
    """What its holder may read, until when; ``id`` names it on record."""

    id: str
    plan: str
    week: str
    label: str
    """``r1``: the link stays with the revision that it was made for."""
    expires: datetime
    """Whole seconds, UTC."""
