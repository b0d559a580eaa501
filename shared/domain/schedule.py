"""What a plan does on schedule: it rehearses, and tells together what is still open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Drill:
    """A rehearsed incident, opened on schedule in the plan's time zone."""

    name: str
    title: str
    nth: int
    """Which one of the month, 1 to 5; 0 for every week."""
    weekday: int
    """0 is Monday."""
    at: int
    """Minutes since midnight."""
    service: str
    severity: str
    scenario: str = ""
    runbook: str | None = None


@dataclass(frozen=True)
class Digest:
    """What is still open of some severities, told together each day or week."""

    name: str
    severities: tuple[str, ...]
    notify: tuple[str, ...]
    at: int
    """Minutes since midnight, in the plan's time zone."""
    weekday: int | None = None
    """0 is Monday; None: every day."""
    business_days: bool = False
    """Only on business days."""
    template: str | None = None


@dataclass(frozen=True)
class ExportRule:
    """Who is told when a weekly export is ready."""

    notify: tuple[str, ...] = ()
    """Contacts and rotations."""
    link: timedelta | None = None
    """How long the link in the message opens the bundle without an account; None: there is none."""
