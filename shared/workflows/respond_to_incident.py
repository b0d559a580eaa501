"""A person acts on an incident: the command meets the state as it is, and is applied or refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from shared.domain import response
from shared.domain.answering import Through
from shared.domain.errors import Conflict, Fault, InvalidInput, NotFound, Refused, StoreUnavailable
from shared.domain.incident import GroupKey, Incident
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.domain.timeline import Text
from shared.ports import AdvanceQueue, IncidentStore, People, Plans, RulesArchive, Stored
from shared.workflows.actors import actor_of
from shared.workflows.punctuality import come_back, let_others_go_first

MOST_TRIES = 12
_KEY = 24
"""Digits of a command's key that say whose it is; the rest say what it asked."""


@dataclass(frozen=True)
class Declaration:
    """What a person says when declaring an incident by hand; ``nonce`` (random) makes it one of its own."""

    plan: str
    title: Text
    service: str
    severity: str
    description: str
    nonce: str


@dataclass
class RespondToIncident:
    """The workflow behind ``POST /api/v1/incidents`` and ``POST /api/v1/incidents/{id}/{command}``."""

    store: IncidentStore
    plans: Plans
    rules: RulesArchive
    people: People
    queue: AdvanceQueue

    def respond(
        self,
        incident_id: str,
        command: response.Command,
        who: Principal,
        key: str | None,
        now: datetime,
        through: Through | None = None,
    ) -> Incident:
        """The incident after the command; as it stands where ``key`` was seen before.

        ``through`` says that it came by answering a notification or from chat.

        Raises NotFound, Forbidden, Refused, InvalidInput, StoreUnavailable.
        """
        who.require("Responder")
        actor = actor_of(self.people, who)
        applied = applied_key(actor, command, key, self.people.digest)
        for tried in range(MOST_TRIES):
            stored = self.store.load(incident_id)
            plan = self._visible_plan(stored.incident.plan, who, f"incident {incident_id}")
            try:
                done = self._apply(stored, command, plan, actor, applied, now, through)
            except Conflict:
                let_others_go_first(tried)
                continue
            if done is not None:
                return done
        raise StoreUnavailable("too many others are changing this incident")

    def declare(self, declaration: Declaration, who: Principal, now: datetime) -> Incident:
        """A new incident by hand, or the one that this nonce made before. Raises as `respond`."""
        who.require("Responder")
        plan = self._visible_plan(declaration.plan, who, f"plan {declaration.plan}")
        _check(declaration, plan)
        actor = actor_of(self.people, who)
        self.rules.keep(plan.rules)
        for tried in range(MOST_TRIES):
            try:
                return self._open(declaration, plan, actor, now)
            except Conflict:
                let_others_go_first(tried)
        raise StoreUnavailable("the new incident's place is taken; try again")

    def _open(self, declaration: Declaration, plan: Plan, actor: str, now: datetime) -> Incident:
        group = GroupKey(plan.name, "declared", declaration.nonce).digest
        place = self.store.place(group)
        if place.newest is not None:
            return _same(place.newest.incident, declaration)
        incident = Incident(
            place.slot.partition,
            1,
            plan.name,
            None,
            group,
            "declared",
            declaration.service,
            declaration.severity,
            plan.rules.hash,
            now,
            title=declaration.title.body,
            summary=declaration.description,
        )
        change = response.declare(incident, plan.rules, plan.directory, actor, declaration.title, now)
        stored, _ = self.store.save(change, None)
        come_back(self.queue, None, stored.incident, now)
        return stored.incident

    def _apply(
        self,
        stored: Stored,
        command: response.Command,
        plan: Plan,
        actor: str,
        key: str | None,
        now: datetime,
        through: Through | None,
    ) -> Incident | None:
        """The incident, or None where the change only caught up with what had lapsed."""
        before = stored.incident
        self._refuse_to_reopen_beside_another(before, command)
        rules = self.rules.get(before.rules)
        _refuse_another_command_under(key, before)
        change = response.respond(before, command, rules, plan.directory, actor, key, now, through)
        if change is None:
            return before
        after = self.store.save(change, stored)[0].incident
        come_back(self.queue, before, after, now, owes=bool(change.owed))
        return after if change.complete else None

    def _refuse_to_reopen_beside_another(self, incident: Incident, command: response.Command) -> None:
        """Alerts go to the newest incident of their group; an older one would never hear of them."""
        if isinstance(command, response.Reopen) and incident.status == "resolved":
            newest = self.store.place(incident.group).newest
            if newest is not None and newest.incident.n > incident.n and newest.incident.hidden:
                raise Refused("a later alert of its group has come since; declare a new incident by hand")
            if newest is not None and newest.incident.n > incident.n:
                raise Refused(f"{newest.incident.id} is a later incident of the same group; act on that one")

    def _visible_plan(self, name: str, who: Principal, asked: str) -> Plan:
        try:
            plan = self.plans.get(name)
        except NotFound:
            plan = None
        if plan is None or not who.sees(plan):
            raise NotFound(f"there is no {asked}")
        return plan


def _same(incident: Incident, declaration: Declaration) -> Incident:
    """The incident that this nonce made before, if it said the same."""
    said = (declaration.title.body, declaration.service, declaration.description)
    if said != (incident.title, incident.service, incident.summary):
        raise Refused("this Idempotency-Key declared another incident before; use a new one")
    return incident


def applied_key(
    actor: str, command: response.Command, key: str | None, digest: Callable[[str], str]
) -> str | None:
    """A caller's key is theirs alone, and for one kind of command.

    What it asked goes in by the keyed ``digest``: the row outlives the command's texts, and must not confirm
    what somebody guesses that an erased one said.
    """
    if key is None:
        return None
    whose = hashlib.sha256(f"{actor}\n{type(command).__name__}\n{key}".encode()).hexdigest()
    what = digest("command\n" + json.dumps(_unsalted(asdict(command)), default=str))
    return f"{whose[:_KEY]}{what[:8]}"


def _unsalted(value: object) -> object:
    """A command without the salt of its texts, which differs each time."""
    if isinstance(value, dict):
        return {str(name): _unsalted(inner) for name, inner in sorted(value.items()) if name != "salt"}
    return value


def _refuse_another_command_under(key: str | None, incident: Incident) -> None:
    others = [each for each in incident.commands if len(each) > _KEY and each != key]
    if key is not None and any(each[:_KEY] == key[:_KEY] for each in others):
        raise Refused("this Idempotency-Key came with something else before; use a new one")


def _check(declaration: Declaration, plan: Plan) -> None:
    services = list(dict.fromkeys([*(each.name for each in plan.rules.services), plan.rules.default_service]))
    severities = [severity.name for severity in plan.rules.severities]
    faults = []
    if declaration.service not in services:
        faults.append(Fault("service", f"the plan has no such service; it has {', '.join(services)}"))
    if declaration.severity not in severities:
        faults.append(Fault("severity", f"the plan has no such severity; it has {', '.join(severities)}"))
    if faults:
        raise InvalidInput("the declaration does not fit the plan", faults)
