"""Who is calling, and what that lets them do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.domain.errors import Forbidden
from shared.domain.plan import Contact, Plan

Role = Literal["Reader", "Responder", "Commander", "Auditor", "Admin"]
INCLUDES: dict[str, frozenset[str]] = {
    "Reader": frozenset({"Reader"}),
    "Responder": frozenset({"Responder", "Reader"}),
    "Commander": frozenset({"Commander", "Responder", "Reader"}),
    "Auditor": frozenset({"Auditor", "Reader"}),
    "Admin": frozenset({"Admin", "Commander", "Responder", "Auditor", "Reader"}),
}


@dataclass(frozen=True)
class Principal:
    """A person or script that the platform has authenticated."""

    id: str
    """The identity provider's own, stable id."""
    name: str
    roles: frozenset[str]
    plans: frozenset[str] | None = None
    """Somebody known through a plan's own contacts sees these plans alone; None: as each plan says."""

    def may(self, role: Role) -> bool:
        """Whether one of the principal's roles includes this one."""
        return any(role in INCLUDES.get(held, ()) for held in self.roles)

    def require(self, role: Role) -> None:
        """Raises Forbidden, naming the role that is missing."""
        if not self.may(role):
            held = ", ".join(sorted(self.roles)) or "none"
            raise Forbidden(f"this takes the role {role}; {self.name} has {held}")

    def sees(self, plan: Plan) -> bool:
        """Whether the plan shows itself to this principal: named by id or name, or nobody is named."""
        if self.plans is not None:
            return plan.name in self.plans
        return not plan.visible_to or self.id in plan.visible_to or self.name in plan.visible_to


def as_principal(contact: Contact, plan: Plan) -> Principal:
    """A contact who answers a notification or acts from chat: known through that plan, with its role there.

    Whoever has an identity at Entra is the same person by every way.
    """
    identity = contact.identities.get("entra") or f"contact:{plan.name}/{contact.name}"
    name = contact.title or contact.name
    return Principal(identity, name, frozenset({contact.role}), frozenset({plan.name}))
