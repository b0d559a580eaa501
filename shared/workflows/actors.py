"""How events name the people who act, and what surfaces say of who has an incident."""

from __future__ import annotations

from datetime import datetime

from shared.domain.hours import in_local_words
from shared.domain.incident import Incident
from shared.domain.principal import Principal
from shared.domain.standing import Holding, holding
from shared.ports import IncidentStore, People, RulesArchive

PERSON = "person:"
"""What an actor begins with who is a person; their pseudonym follows."""


def actor_of(people: People, who: Principal) -> str:
    """As events name them. Raises StoreUnavailable, SecretUnavailable."""
    return f"{PERSON}{people.pseudonym(who.id, who.name)}"


def holding_of(store: IncidentStore, incident: Incident, now: datetime) -> Holding | None:
    """Who has it: the incident remembers its first acknowledgement only, the timeline all of them."""
    if incident.status != "acknowledged":
        return None
    return holding(incident, store.events(incident.id), now)


def local_words(rules: RulesArchive, incident: Incident, instant: datetime) -> str:
    """An instant by the clock of the incident's plan."""
    return in_local_words(instant, rules.get(incident.rules).timezone)
