"""The provider of a channel calls: what became of a notification, what somebody texted back, which key was
pressed. Every call is proven before anything of it counts, and a call that comes twice changes nothing."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from shared.domain.answering import GRANT_LASTS, Action, Grant, Through
from shared.domain.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Refused,
    SecretUnavailable,
    StoreUnavailable,
    TooLarge,
    Unauthenticated,
)
from shared.domain.heard import Answer, Call, Handshake, Heard, KeyPress, Reply, Told
from shared.domain.incident import Incident
from shared.domain.plan import Channel, Contact, Plan
from shared.domain.principal import as_principal
from shared.domain.sms_reply import HELP, Asked, asked, listed, named
from shared.domain.ways import ways
from shared.ports import AnswerTokens, IncidentStore, Plans, RulesArchive, Secrets, Selection
from shared.workflows.answer_notification import AnswerNotification
from shared.workflows.hear_receipt import HearReceipt

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 1024
MOST_PAGES = 10
"""Pages of incidents that are looked through for the one that a reply means."""
KEYS: Mapping[str, Action] = {"1": "acknowledge", "2": "resolve"}
NOT_OURS = "there is no channel here that a provider may call that way"
NOT_KEPT = "It could not be recorded just now. Please try again."
_NO_NUMBER = re.compile(r"[^+0-9]")


class Provider(Protocol):
    """How the providers of some kinds of channel call, and how they are answered."""

    @property
    def hears(self) -> Mapping[str, tuple[str, ...]]:
        """Kind of channel -> what its provider calls about."""

    @property
    def in_batches(self) -> bool:
        """Whether a call carries several, perhaps of others as well: what is not ours is passed over."""

    def heard(self, call: Call, spec: Channel, secrets: Secrets, now: datetime) -> Sequence[Heard]:
        """What a call says, once it is proven. Raises Unauthenticated, InvalidInput, SecretUnavailable."""

    def answer(self, what: str, sentence: str | None, spec: Channel, *, again: bool = False) -> Answer:
        """How the provider is told a sentence, or nothing; ``again`` asks for another key."""

    def text_back(
        self, reply: Reply, sentence: str, spec: Channel, secrets: Secrets, now: datetime
    ) -> Answer:
        """A sentence sent to whoever replied, in the answer or apart from it; never raises."""


@dataclass
class HearProvider:
    """The workflow behind ``POST /api/v1/plans/{plan}/channels/{channel}/{what}``."""

    store: IncidentStore
    plans: Plans
    rules: RulesArchive
    secrets: Secrets
    tokens: AnswerTokens
    receipts: HearReceipt
    answering: AnswerNotification
    providers: Mapping[str, Provider]
    """By kind of channel."""

    def hear(self, plan_name: str, channel: str, call: Call, now: datetime) -> Answer:
        """Raises NotFound, Unauthenticated, InvalidInput, TooLarge, SecretUnavailable, StoreUnavailable."""
        plan, spec, provider = self._called(plan_name, channel, call.what)
        if len(call.body) > LARGEST_BODY:
            raise TooLarge(f"the body has {len(call.body)} bytes; at most {LARGEST_BODY} are taken")
        answer = provider.answer(call.what, None, spec)
        for each in provider.heard(call, spec, self.secrets, now):
            try:
                answer = self._take(each, plan, spec, provider, now)
            except (NotFound, Unauthenticated):
                if not provider.in_batches:
                    raise
                log.info("channel %s of %s: an event that is not ours was passed over", spec.name, plan.name)
        return answer

    def _called(self, plan_name: str, channel: str, what: str) -> tuple[Plan, Channel, Provider]:
        try:
            plan = self.plans.get(plan_name)
        except NotFound:
            raise NotFound(NOT_OURS) from None
        spec = plan.directory.channels.get(channel)
        provider = self.providers.get(spec.kind) if spec else None
        if spec is None or provider is None or what not in provider.hears.get(spec.kind, ()):
            raise NotFound(NOT_OURS)
        return plan, spec, provider

    def _take(self, heard: Heard, plan: Plan, spec: Channel, provider: Provider, now: datetime) -> Answer:
        if isinstance(heard, Handshake):
            return provider.answer("handshake", heard.code, spec)
        if isinstance(heard, Told):
            self._receive(heard, plan, spec, now)
            return provider.answer("receipt", None, spec)
        if isinstance(heard, KeyPress):
            sentence, again = self._pressed(heard, plan, now)
            return provider.answer("voice", sentence, spec, again=again)
        told = self._replied(heard, plan, spec, now)
        if told is None:
            return provider.answer("reply", None, spec)
        return provider.text_back(heard, told, spec, self.secrets, now)

    def _receive(self, told: Told, plan: Plan, spec: Channel, now: datetime) -> None:
        incident, delivery = self._delivery_of(told, plan, spec, now)
        at = told.occurred_at
        at = at.astimezone(UTC) if at is not None and now - GRANT_LASTS <= at <= now else now
        self.receipts.hear(incident, delivery, spec.name, told.state, told.provider_id, at, now)
        log.info("delivery %s of %s by %s: %s", delivery, incident, spec.name, told.state)

    def _delivery_of(self, told: Told, plan: Plan, spec: Channel, now: datetime) -> tuple[str, str]:
        """Incident and delivery, by our token or by the provider's id."""
        if told.token is not None:
            grant = self._granted(told.token, plan, now)
            return grant.incident, grant.delivery
        incident = self.store.load(told.incident or "").incident
        for delivery in self.store.deliveries(incident) if incident.plan == plan.name else ():
            ids = [attempt.provider_id for attempt in delivery.attempts]
            if delivery.channel == spec.name and told.provider_id in ids:
                return incident.id, delivery.id
        raise NotFound("no delivery of this channel has that id")

    def _granted(self, token: str, plan: Plan, now: datetime) -> Grant:
        grant = self.tokens.read(token, now)
        if self.store.load(grant.incident).incident.plan != plan.name:
            raise Unauthenticated("the token is not of this plan")
        return grant

    def _pressed(self, key: KeyPress, plan: Plan, now: datetime) -> tuple[str, bool]:
        """The sentence to be said, and whether another key may follow."""
        try:
            grant = self._granted(key.token, plan, now)
        except (StoreUnavailable, SecretUnavailable):
            return NOT_KEPT, True
        contact, action = plan.directory.contacts.get(grant.contact), KEYS.get(key.digit)
        if contact is None:
            return "You are no longer named in the plan. Nothing was changed.", False
        if action is None:
            return "That key does nothing here.", True
        return self._act(
            grant.incident, action, contact, plan, Through("voice", contact.name, grant.delivery), now
        )

    def _replied(self, reply: Reply, plan: Plan, spec: Channel, now: datetime) -> str | None:
        """The sentence to be sent back; None for whoever is not known by that number."""
        contacts = _known_by(reply.number, plan, spec)
        if not contacts:
            log.info("channel %s of %s: a reply from a number that no contact has", spec.name, plan.name)
            return None
        wish = asked(reply.text)
        if wish is None:
            return HELP
        try:
            found, chosen = self._meant(wish, plan, contacts, now)
        except StoreUnavailable:
            return NOT_KEPT
        if chosen is None:
            return _which(wish, found)
        contact = next(each for each in contacts if each.name in chosen.told)
        through = Through("sms", contact.name)
        code, words = self._closing(wish, chosen)
        sentence, _ = self._act(chosen.id, wish.action, contact, plan, through, now, words or None, code)
        return sentence

    def _meant(
        self, wish: Asked, plan: Plan, contacts: Sequence[Contact], now: datetime
    ) -> tuple[list[Incident], Incident | None]:
        """The incidents that it may be about, and the one that it is about."""
        names = {contact.name for contact in contacts}
        live = list(self._incidents(plan, names, now, live=True))
        if wish.code is None:
            return live, live[0] if len(live) == 1 else None
        meant = [each for each in live if named(each, wish.code)]
        if not meant:
            over = self._incidents(plan, names, now, live=False)
            meant = [each for each in over if named(each, wish.code)][:1]
        return (meant or live), meant[0] if len(meant) == 1 else None

    def _incidents(self, plan: Plan, names: set[str], now: datetime, *, live: bool) -> Iterator[Incident]:
        """Those that one of these contacts was told of, newest first: not over, or of the last days."""

        def told(incident: Incident) -> bool:
            return not incident.hidden and incident.over is not live and not names.isdisjoint(incident.told)

        cursor: str | None = None
        for _ in range(MOST_PAGES):
            since = None if live else now - GRANT_LASTS
            page = self.store.page(
                Selection(told, frozenset({plan.name}), since=since, cursor=cursor, live=live)
            )
            yield from page.incidents
            cursor = page.cursor
            if cursor is None:
                return

    def _closing(self, wish: Asked, incident: Incident) -> tuple[str | None, str]:
        """The closing code where the words begin with one, and the words."""
        if wish.action != "resolve":
            return None, ""
        first, _, rest = wish.words.partition(" ")
        try:
            codes = {code.name for code in self.rules.get(incident.rules).closing_codes}
        except StoreUnavailable:
            return None, wish.words
        code = first.lower().strip(".,;:")
        return (code, rest.strip()) if code in codes else (None, wish.words)

    def _act(
        self,
        incident: str,
        action: Action,
        contact: Contact,
        plan: Plan,
        through: Through,
        now: datetime,
        resolution: str | None = None,
        code: str | None = None,
    ) -> tuple[str, bool]:
        """What came of it, in a sentence; and whether to try again is worth it."""
        who = as_principal(contact, plan)
        try:
            answered = self.answering.act(
                incident, action, who, through, now, resolution=resolution, code=code
            )
        except (Refused, Forbidden, InvalidInput, NotFound) as error:
            return f"Nothing was changed: {error}", False
        except (StoreUnavailable, Conflict, SecretUnavailable):
            return NOT_KEPT, True
        return answered.sentence, False


def _known_by(number: str, plan: Plan, spec: Channel) -> list[Contact]:
    """The contacts with that number on a channel of this kind, also where it only stands in for another."""
    plain, directory = _NO_NUMBER.sub("", number), plan.directory
    if not plain:
        return []
    return [
        contact
        for contact in directory.contacts.values()
        if any(
            way.to is not None
            and _NO_NUMBER.sub("", way.to) == plain
            and directory.channels[way.channel].kind == spec.kind
            for way in ways(directory, contact)
        )
    ]


def _which(wish: Asked, found: Sequence[Incident]) -> str:
    if not found:
        return "You have no open incident here. Nothing was changed."
    verb = "RESOLVE" if wish.action == "resolve" else "ACK"
    return f"Nothing was changed. Which one? Reply {verb} and its id:\n{listed(found)}"
