"""The roles of an incident: given by the plan at its opening, handed over by people, always on record."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.change import TOCSIN, Draft
from shared.domain.errors import Fault, InvalidInput, Refused
from shared.domain.oncall import on_call
from shared.domain.plan import Role


@dataclass(frozen=True)
class HandOver:
    """``to`` (a contact, or a rotation for whoever is on call now) takes the role."""

    role: str
    to: str


def assign_roles(draft: Draft) -> None:
    """Give every role that the incident has to its primary, or else to its secondary."""
    roles = draft.rules.roles_for(draft.incident.service)
    if not roles:
        return
    before = dict(draft.incident.roles)
    found = {role.name: _candidate(draft, role) or before.get(role.name) for role in roles}
    kept = {name: contact for name, contact in found.items() if contact is not None}
    if kept == before and len(kept) == len(found):
        return
    data = {"roles": found, "from": {name: before.get(name) for name in found}}
    draft.event("roles-assigned", TOCSIN, data)
    draft.set(roles=kept)


def hand_over(draft: Draft, actor: str, command: HandOver) -> None:
    """Somebody else takes a role; they are told. Raises InvalidInput or Refused."""
    incident = draft.incident
    if incident.over:
        raise Refused("the incident is resolved; reopen it first")
    names = [role.name for role in draft.rules.roles_for(incident.service)]
    if command.role not in names:
        raise InvalidInput("role", [Fault("role", f"there is no role {command.role!r}; {_listed(names)}")])
    directory = draft.directory
    if command.to not in directory.contacts and command.to not in directory.rotations:
        known = _listed([*directory.contacts, *directory.rotations])
        raise InvalidInput("role", [Fault("to", f"there is no contact {command.to!r}; {known}")])
    contact = draft.whom(command.to).contact
    if contact is None:
        raise Refused(f"nobody is on call for {command.to}; name a contact")
    before = incident.roles.get(command.role)
    if before == contact:
        return
    data = {"roles": {command.role: contact}, "from": {command.role: before}}
    event = draft.event("roles-assigned", actor, data)
    draft.set(roles={**incident.roles, command.role: contact})
    title = next((role.title for role in draft.rules.roles if role.name == command.role), "") or command.role
    draft.tell((contact,), "role", f"you are now the {title}", event)


def _candidate(draft: Draft, role: Role) -> str | None:
    """The primary, unless away or nobody; then the secondary; at last whoever the primary is all the same."""
    for name in (role.primary, role.secondary):
        if name and (contact := _available(draft, name)):
            return contact
    return draft.whom(role.primary).contact if role.primary else None


def _available(draft: Draft, name: str) -> str | None:
    directory, now = draft.directory, draft.recorded_at
    if name in directory.rotations:
        found = on_call(directory.rotations[name], directory.absences, now)
        return found.contact if found.covered else None
    away = any(absence.since <= now < absence.until for absence in directory.absences.get(name, ()))
    return name if name in directory.contacts and not away else None


def _listed(names: list[str]) -> str:
    return f"there are {', '.join(names)}" if names else "the plan has none"
