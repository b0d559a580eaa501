"""Somebody answers a notification from where it landed, by link, chat, text or telephone. Once is enough;
twice and too late do no harm, and whoever answers is told how it stands."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime

from shared.domain import response
from shared.domain.answering import Action, Grant, Through
from shared.domain.errors import Forbidden, NotFound, Refused, StoreUnavailable
from shared.domain.incident import Incident
from shared.domain.plan import Plan
from shared.domain.principal import Principal, as_principal
from shared.domain.runbook import runbook_for_incident
from shared.domain.standing import Asked, Holding, Needs, needs_of, service_title
from shared.domain.timeline import Text, stamp
from shared.ports import AnswerTokens, IncidentStore, People, Plans, RulesArchive
from shared.workflows.actors import PERSON, actor_of, holding_of, local_words
from shared.workflows.respond_to_incident import RespondToIncident
from shared.workflows.visible import visible_incident

log = logging.getLogger(__name__)

SOURCE = "source:"


@dataclass(frozen=True)
class Answered:
    """What came of an answer. ``sentence`` is for the person; every surface escapes it."""

    incident: Incident
    changed: bool
    """Whether the answer counted; False where it came twice or too late."""
    sentence: str


@dataclass
class AnswerNotification:
    """The workflow behind ``/a/{token}``, chat buttons, replies by SMS and key presses."""

    store: IncidentStore
    plans: Plans
    rules: RulesArchive
    people: People
    respond: RespondToIncident
    tokens: AnswerTokens

    def granted(self, token: str, now: datetime) -> Grant:
        """What a link grants. Raises Unauthenticated, SecretUnavailable."""
        return self.tokens.read(token, now)

    def somebody(self, plan_name: str, contact: str) -> Principal:
        """A contact of the plan as it is today, as who may act. Raises Forbidden, NotFound."""
        plan = self.plans.get(plan_name)
        found = plan.directory.contacts.get(contact)
        if found is None:
            raise Forbidden(
                "the plan no longer names you as a contact, so this cannot be answered by you here"
            )
        return as_principal(found, plan)

    def asked(self, token: str, now: datetime) -> Asked:
        """What the page behind a link shows. Changes nothing.

        Raises Unauthenticated, Forbidden, NotFound, SecretUnavailable, StoreUnavailable.
        """
        grant = self.granted(token, now)
        incident = self.store.load(grant.incident).incident
        return self._asked(incident, grant, self._holder(grant, incident), now)

    def answer(
        self,
        token: str,
        action: Action,
        now: datetime,
        *,
        resolution: str | None = None,
        code: str | None = None,
    ) -> tuple[Answered, Asked]:
        """An answer by link: what came of it, and what the page shows then. Raises as `asked` and `act`."""
        grant = self.granted(token, now)
        who = self._holder(grant, self.store.load(grant.incident).incident)
        through = Through("link", grant.contact, grant.delivery)
        done = self.act(grant.incident, action, who, through, now, resolution=resolution, code=code)
        return done, self._asked(done.incident, grant, who, now)

    def act(
        self,
        incident_id: str,
        action: Action,
        who: Principal,
        through: Through,
        now: datetime,
        *,
        resolution: str | None = None,
        code: str | None = None,
    ) -> Answered:
        """Acknowledge or resolve, or say who did before.

        An acknowledgement that has lapsed, or that was for a quieter severity, is no longer one: answering
        counts again. Raises NotFound, Forbidden, StoreUnavailable; where a plan wants words, a code or a
        checklist before resolving, InvalidInput and Refused.
        """
        who.require("Responder")
        incident, _ = visible_incident(self.store, self.plans, incident_id, who)
        actor = actor_of(self.people, who)
        if action == "acknowledge":
            return self._acknowledge(incident, actor, who, through, now)
        return self._resolve(incident, actor, who, through, now, resolution, code)

    def needs(self, incident: Incident) -> Needs:
        """What a surface must ask before it resolves."""
        return needs_of(incident, self.rules.get(incident.rules))

    def standing(self, incident: Incident, now: datetime) -> str:
        """Who has it, in one sentence."""
        return self._stands(incident, holding_of(self.store, incident, now))

    def _stands(self, incident: Incident, has_it: Holding | None) -> str:
        if incident.status == "resolved":
            return self._resolved(incident)
        if has_it is None:
            return f"Nobody has {'it any more' if incident.acknowledged_by else 'answered yet'}."
        since = local_words(self.rules, incident, has_it.since)
        who = f"{_capital(self._name(has_it.by))} has it since {since}"
        if has_it.outgrown:
            return f"{who}, but it is {incident.severity} by now: it waits for an answer again."
        return f"{who}."

    def _acknowledge(
        self, incident: Incident, actor: str, who: Principal, through: Through, now: datetime
    ) -> Answered:
        """Too late an acknowledgement of somebody who had no part in it is noted, once a notification."""
        has_it = holding_of(self.store, incident, now)
        if has_it is not None and not has_it.outgrown:
            return Answered(incident, False, self._already(incident, has_it, actor))
        over = incident.status == "resolved"
        if over and actor in (incident.acknowledged_by, incident.resolved_by):
            return Answered(incident, False, self._nothing_to_do(incident))
        key = _late_key(incident, through) if over else _key(incident, "acknowledge", through)
        after = self.respond.respond(
            incident.id, response.Acknowledge(unless_held=True), who, key, now, through=through
        )
        if after.status == "resolved":
            return Answered(after, False, self._nothing_to_do(after))
        if after.status != "acknowledged" or after.acknowledged_by != actor:
            theirs = holding_of(self.store, after, now)
            told = (
                self._already(after, theirs, actor) if theirs else f"{after.id}: {self.standing(after, now)}"
            )
            return Answered(after, False, told)
        if (earlier := self._earlier(after, now)) is not None:
            return Answered(after, False, self._already(after, earlier, actor))
        sentence = f"You have {after.id}: acknowledged at {local_words(self.rules, after, now)}."
        if (until := after.acknowledgement_expires) is not None:
            lapses = local_words(self.rules, after, until)
            sentence += f" If it is not resolved by {lapses}, others are called again."
        return Answered(after, True, sentence)

    def _resolve(
        self,
        incident: Incident,
        actor: str,
        who: Principal,
        through: Through,
        now: datetime,
        resolution: str | None,
        code: str | None,
    ) -> Answered:
        if incident.status == "resolved":
            return Answered(incident, False, self._nothing_to_do(incident))
        words = (resolution or "").strip()
        command = response.Resolve(Text(words, secrets.token_hex(16)) if words else None, code)
        key = _key(incident, "resolve", through)
        try:
            after = self.respond.respond(incident.id, command, who, key, now, through=through)
        except Refused:
            after = self.store.load(incident.id).incident
            if after.status != "resolved":
                raise
            return Answered(after, False, self._nothing_to_do(after))
        if after.resolved_by != actor or after.resolved_at is None:
            return Answered(after, False, f"{after.id}: {self.standing(after, now)}")
        if after.resolved_at != now:
            return Answered(after, False, self._nothing_to_do(after))
        at = local_words(self.rules, after, after.resolved_at)
        return Answered(after, True, f"You resolved {after.id} at {at}.")

    def _earlier(self, after: Incident, now: datetime) -> Holding | None:
        """The acknowledgement of another tap at the same moment that was applied instead of this one's."""
        if after.acknowledged_at == now:
            return None
        has_it = holding_of(self.store, after, now)
        return has_it if has_it is not None and has_it.since != now else None

    def _already(self, incident: Incident, has_it: Holding, actor: str) -> str:
        since = local_words(self.rules, incident, has_it.since)
        if has_it.by == actor:
            return f"You acknowledged {incident.id} at {since} already."
        return f"{_capital(self._name(has_it.by))} has {incident.id} since {since}; nothing was changed."

    def _nothing_to_do(self, incident: Incident) -> str:
        return f"{incident.id}: {self._resolved(incident)} Nothing to do."

    def _resolved(self, incident: Incident) -> str:
        when = local_words(self.rules, incident, incident.resolved_at or incident.opened_at)
        return f"It was resolved at {when} by {self._name(incident.resolved_by)}."

    def _name(self, actor: str | None) -> str:
        if actor is not None and actor.startswith(PERSON):
            return self.people.name(actor.removeprefix(PERSON)) or "somebody whose name was erased"
        if actor is not None and actor.startswith(SOURCE):
            return f"the monitoring system ({actor.removeprefix(SOURCE)})"
        return "Tocsin"

    def _holder(self, grant: Grant, incident: Incident) -> Principal:
        if incident.hidden:
            raise NotFound(f"there is no incident {incident.id}")
        return self.somebody(incident.plan, grant.contact)

    def _asked(self, incident: Incident, grant: Grant, who: Principal, now: datetime) -> Asked:
        who.require("Reader")
        plan: Plan = self.plans.get(incident.plan)
        has_it = holding_of(self.store, incident, now)
        taken = has_it is not None and not has_it.outgrown
        actions: tuple[Action, ...] = ("resolve",) if taken else ("acknowledge", "resolve")
        return Asked(
            incident,
            who.name,
            local_words(self.rules, incident, incident.opened_at),
            self._stands(incident, has_it),
            self.needs(incident),
            () if incident.over or not who.may("Responder") else actions,
            runbook_for_incident(plan, incident),
            service=service_title(incident, plan.rules),
            why=self._why(incident, grant),
        )

    def _why(self, incident: Incident, grant: Grant) -> str:
        """Why the contact was told; nothing where that cannot be read: the buttons do not wait for it."""
        try:
            known = self.store.deliveries(incident)
        except StoreUnavailable as out:
            log.warning("%s: why %s was told cannot be read (%s)", incident.id, grant.contact, out)
            return ""
        return next((each.message.reason for each in known if each.id == grant.delivery), "")


def _key(incident: Incident, action: Action, through: Through) -> str:
    """The same for two taps that saw the same incident; another one once it has moved on."""
    return f"{_answered(through)}/{action}/{incident.length}"


def _late_key(incident: Incident, through: Through) -> str:
    """The same for one notification until the incident is reopened."""
    return f"{_answered(through)}/late/{stamp(incident.resolved_at or incident.opened_at)}"


def _answered(through: Through) -> str:
    return through.delivery or through.by


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
