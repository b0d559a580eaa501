"""Who is calling, and what that lets them do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.domain.errors import Forbidden
from shared.domain.plan import Plan

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
        return not plan.visible_to or self.id in plan.visible_to or self.name in plan.visible_to
