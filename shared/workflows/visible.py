"""What a caller may see: to everybody else it is not there."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.domain.incident import Incident
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.ports import IncidentStore, Plans


def visible_plan(plans: Plans, name: str, who: Principal) -> Plan:
    """The plan of that name, if it shows itself to the caller. Raises NotFound."""
    for plan in plans.all():
        if plan.name == name and who.sees(plan):
            return plan
    raise NotFound(f"there is no plan {name!r}")


def visible_incident(store: IncidentStore, plans: Plans, id: str, who: Principal) -> tuple[Incident, Plan]:
    """The incident, and its plan, if that shows itself. Raises NotFound, StoreUnavailable."""
    incident = store.load(id).incident
    for plan in plans.all():
        if plan.name == incident.plan and who.sees(plan) and not incident.hidden:
            return incident, plan
    raise NotFound(f"there is no incident {id}")
