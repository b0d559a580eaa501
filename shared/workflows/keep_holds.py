"""Legal holds: who may place and release them, and whether something is held."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.errors import Conflict, Fault, InvalidInput, NotFound, Refused, StoreUnavailable
from shared.domain.incident import parse_incident_id
from shared.domain.journal import parse_journal_id
from shared.domain.plan import Plan
from shared.domain.principal import Principal, Role
from shared.domain.retention import Hold, held, read_hold
from shared.domain.timeline import parse_stamp
from shared.ports import IncidentStore, People, Plans
from shared.workflows.actors import actor_of
from shared.workflows.punctuality import let_others_go_first
from shared.workflows.record_once import Fact, Ledger, RecordOnce
from shared.workflows.visible import visible_plan

KEEPING = "keeping"
"""The topic of which holds and purges take turns, so that neither overtakes the other."""
_HOLD = "hold|"
MOST_TRIES = 12
MOST_HOLDS = 1_000
"""In force at once, of one plan."""


@dataclass
class KeepHolds:
    """The workflow behind the routes of holds; also asked before anything is erased."""

    plans: Plans
    store: IncidentStore
    ledger: Ledger
    once: RecordOnce
    people: People

    def all(self, plan: str, who: Principal) -> tuple[str | None, list[Hold]]:
        """The reference that the plan itself names, and every hold, released ones too, oldest first.

        An Auditor's. Raises NotFound, Forbidden.
        """
        ruling = self._visible(plan, who, "Auditor")
        found = [hold for hold, _ in self._holds(ruling)]
        return ruling.retention.legal_hold, sorted(found, key=lambda hold: (hold.placed_at, hold.id))

    def place(self, plan: str, incident: str | None, reference: str, who: Principal, now: datetime) -> Hold:
        """Hold an incident or the whole plan; an Admin's.

        Raises NotFound, Forbidden, InvalidInput where the plan has no such incident, Refused while it or a
        journal of the plan is being purged, StoreUnavailable.
        """
        ruling = self._visible(plan, who, "Admin")
        actor = actor_of(self.people, who)
        hold = Hold(secrets.token_hex(6), incident and incident.upper(), reference, now, actor)
        data = {"hold": hold.id, "incident": hold.incident, "reference": reference}
        for tried in range(MOST_TRIES):
            try:
                reached = self.once.reached(ruling, KEEPING, now)
                _refuse_what_is_being_purged(reached.position, hold, now)
                self._check(ruling, hold)
                fact, beside = Fact("held", data, now, actor), (_HOLD + hold.id, hold.entry(), None)
                self.once.record(ruling, KEEPING, reached, fact, reached.position, now, beside)
            except Conflict:
                if any(one.id == hold.id for one, _ in self._holds(ruling)):
                    return hold  # stored; whoever came next puts it on record
                let_others_go_first(tried)
            else:
                return hold
        raise StoreUnavailable("too many others are changing the holds of this plan")

    def release(self, plan: str, hold: str, who: Principal, now: datetime) -> Hold:
        """End a hold; once more is the same. An Admin's. Raises NotFound, Forbidden, StoreUnavailable."""
        ruling = self._visible(plan, who, "Admin")
        actor = actor_of(self.people, who)
        for tried in range(MOST_TRIES):
            try:
                reached = self.once.reached(ruling, KEEPING, now)
                before, tag = self._hold(ruling, hold)
                if before.released_at is not None:
                    return before
                after = before.released(actor, now)
                data = {"hold": after.id, "incident": after.incident, "reference": after.reference}
                fact, beside = Fact("hold-released", data, now, actor), (_HOLD + after.id, after.entry(), tag)
                self.once.record(ruling, KEEPING, reached, fact, reached.position, now, beside)
            except Conflict:
                let_others_go_first(tried)
            else:
                return after
        raise StoreUnavailable("too many others are changing the holds of this plan")

    def held(self, plan: Plan, incident: str | None) -> str | None:
        """The reference for which the incident, or (None) the plan as a whole, must be kept, or None."""
        return held(plan.retention, [hold for hold, _ in self._holds(plan)], incident)

    def held_in(self, plan: Plan) -> str | None:
        """The reference of any hold of the plan, or None: some records speak of more than one incident."""
        if plan.retention.legal_hold is not None:
            return plan.retention.legal_hold
        return next((hold.reference for hold, _ in self._holds(plan) if hold.released_at is None), None)

    def held_anywhere(self) -> str | None:
        """The plan and reference of some hold of whatever plan; a person may have acted in any of them."""
        for plan in self.plans.all():
            found = self.held_in(plan)
            if found is not None:
                return f"{plan.name}: {found}"
        return None

    def _holds(self, plan: Plan) -> Sequence[tuple[Hold, str]]:
        return [(read_hold(entry), tag) for _, entry, tag in self.ledger.entries(plan.name, _HOLD)]

    def _hold(self, plan: Plan, id: str) -> tuple[Hold, str]:
        found = next((one for one in self._holds(plan) if one[0].id == id), None)
        if found is None:
            raise NotFound("there is no such hold")
        return found

    def _check(self, plan: Plan, hold: Hold) -> None:
        if sum(one.released_at is None for one, _ in self._holds(plan)) >= MOST_HOLDS:
            raise Refused(f"the plan has {MOST_HOLDS} holds already; hold the whole plan")
        if hold.incident is None:
            return
        try:
            known = parse_incident_id(hold.incident) and self.store.load(hold.incident).incident
        except NotFound:
            known = None
        if not known or known.plan != plan.name:
            raise InvalidInput("the hold is not valid", [Fault("incident", "the plan has no such incident")])

    def _visible(self, name: str, who: Principal, role: Role) -> Plan:
        who.require(role)
        return visible_plan(self.plans, name, who)


def _refuse_what_is_being_purged(position: Mapping[str, Any], hold: Hold, now: datetime) -> None:
    """Any hold keeps the journals of its plan, so none is promised while one of them goes."""
    purging = position.get("purging")
    if purging is None or parse_stamp(purging["held_until"]) <= now:
        return
    subject = purging["subject"]
    if hold.incident in (None, subject) or parse_journal_id(subject) is not None:
        raise Refused(f"{subject} is being purged at this very moment; try again in a few minutes")
