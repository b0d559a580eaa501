"""How an incident stands for somebody who is asked to answer: who has it, and what resolving takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.domain.answering import Action
from shared.domain.checklist import unmet
from shared.domain.incident import Incident
from shared.domain.plan import Rules
from shared.domain.timeline import Event


@dataclass(frozen=True)
class Needs:
    """What resolving an incident takes by its plan."""

    codes: Mapping[str, str]
    """Closing code -> title. Where there are any, one of them is needed, and words."""
    items: tuple[str, ...]
    """Required items of the checklists that are still open: ``logs-read (The logs are read)``."""

    @property
    def words(self) -> bool:
        """Whether it must be said how it was resolved."""
        return bool(self.codes)

    @property
    def nothing(self) -> bool:
        """Whether one tap, word or key is enough."""
        return not self.codes and not self.items


@dataclass(frozen=True)
class Holding:
    """Somebody has it."""

    by: str
    """Actor, ``person:<pseudonym>``."""
    since: datetime
    """When that person took it, the latest time."""
    outgrown: bool
    """Whether it has become louder since: it waits for an answer again, of anybody."""


@dataclass(frozen=True)
class Asked:
    """What one contact is asked; all text is hostile."""

    incident: Incident
    contact: str
    """Title or name of the contact."""
    opened: str
    """Local time of the plan, in words."""
    standing: str
    """One sentence: who has it and since when, or that nobody has."""
    needs: Needs
    actions: tuple[Action, ...]
    """What the contact may do about it as it stands."""
    runbook: str | None
    service: str
    """Title of the service in the plan as it is today, or its name."""
    why: str
    """Why the contact was told, in one sentence; empty where that is not known."""


def needs_of(incident: Incident, rules: Rules) -> Needs:
    """What resolving takes, as the incident stands."""
    codes = {each.name: each.title for each in rules.closing_codes}
    return Needs(codes, tuple(f"{item.id} ({item.text})" for item in unmet(incident, rules)))


def service_title(incident: Incident, rules: Rules) -> str:
    """What people call the service; its name where the rules have no title, or no such service."""
    titles = {each.name: each.title for each in rules.services}
    return titles.get(incident.service) or incident.service


def holding(incident: Incident, events: Iterable[Event], now: datetime) -> Holding | None:
    """Whose acknowledgement stands, by the incident and its timeline; None: nobody's, or it has lapsed."""
    expires, by = incident.acknowledgement_expires, incident.acknowledged_by
    if incident.status != "acknowledged" or by is None or (expires is not None and now >= expires):
        return None
    since = incident.acknowledged_at or incident.opened_at
    for event in events:
        if event.type == "acknowledged" and event.actor == by:
            since = event.occurred_at
    return Holding(by, since, incident.ladder is not None and incident.ladder.outgrown)
