"""The severity matrix of a plan: how soon, whom, how often, and who else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared.domain.hours import Span

Until = Literal["acknowledged", "resolved"]
Audience = Literal["internal", "external"]


@dataclass(frozen=True)
class Step:
    """One rung of an escalation: this long after its start, these people.

    ``notify`` names contacts, rotations (whoever is on call then) and roles (whoever holds it then); never
    empty.
    """

    after: Span
    notify: tuple[str, ...]
    unless: Until | None = None
    """What makes this step unnecessary; None: what ends the severity's escalation."""
    services: tuple[str, ...] = ()
    """Only for incidents of these services; none named: for all."""
    template: str | None = None
    """The words to use; None: those for the kind of notification."""


@dataclass(frozen=True)
class Inform:
    """Who else is told, whether or not somebody has answered: once, unless it is resolved by then."""

    after: Span
    notify: tuple[str, ...]
    services: tuple[str, ...] = ()
    customer_facing: bool = False
    """Only where customers see the service."""
    template: str | None = None
    audience: Audience = "internal"
    """``external``: outsiders, who hear of the end in the same template and never of what is said inside."""


@dataclass(frozen=True)
class Updates:
    """How often an audience is owed a status update, and who is reminded of it."""

    audience: Audience
    every: Span | None = None
    """From one update to the next; None: the first one only."""
    first_within: Span | None = None
    """From the opening to the first update; None: as ``every``."""
    remind: tuple[str, ...] = ()
    """Told ``remind_before`` it lapses, and again when it does."""
    remind_before: timedelta = timedelta(0)
    notify: tuple[str, ...] = ()
    """Told each update, and the resolution."""
    customer_facing: bool = False
    """Only where customers see the service."""
    template: str | None = None


@dataclass(frozen=True)
class Repeat:
    """How often the whole ladder starts again (0: never) and how long after its last step.

    The same pause follows the last round before the escalation counts as exhausted.
    """

    times: int = 0
    every: Span = timedelta(minutes=15)


@dataclass(frozen=True)
class StillOpen:
    """Who is reminded, and how often, that an incident is not resolved."""

    every: Span
    notify: tuple[str, ...] = ()
    """None named: whoever has been told of it."""


@dataclass(frozen=True)
class Severity:
    """One row of the plan's severity matrix; the order in the plan is the order of loudness."""

    name: str
    title: str = ""
    respond_within: Span | None = None
    resolve_within: Span | None = None
    steps: tuple[Step, ...] = ()
    until: Until = "acknowledged"
    repeat: Repeat = Repeat()
    acknowledgement_expires: Span | None = None
    inform: tuple[Inform, ...] = ()
    updates: tuple[Updates, ...] = ()
    still_open: StillOpen | None = None

    @property
    def selective(self) -> bool:
        """Whether some of it is for some services only."""
        return (
            any(step.services for step in self.steps)
            or any(each.services or each.customer_facing for each in self.inform)
            or any(each.customer_facing for each in self.updates)
        )
