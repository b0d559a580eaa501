"""The provider of a channel calls: what became of a notification, what somebody texted back, which key was
pressed. Every call is proven before anything of it counts, and a call that comes twice changes nothing."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from shared.domain.heard import (
    STILL_MEANT,
    Answer,
    Call,
    Handshake,
    Heard,
    KeyPress,
    Reply,
    Told,
    message_key,
)
from shared.domain.incident import Incident
from shared.domain.plan import Channel, Contact, Plan
from shared.domain.principal import as_principal
from shared.domain.sms_reply import (
    HELP,
    NOT_KEPT,
    Asked,
    asked,
    how_to_close,
    named,
    told_since,
    which,
    worth_help,
)
from shared.domain.ways import ways
from shared.ports import AnswerTokens, IncidentStore, Plans, RulesArchive, Secrets, Selection
from shared.workflows.act_once import ActOnce, Done, Replies, Sent
from shared.workflows.answer_notification import AnswerNotification
from shared.workflows.hear_receipt import HearReceipt

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 1024
MOST_PAGES = 10
"""Pages of incidents that are looked through for the one that a reply means."""
MOST_LOOKED_INTO = 20
"""Incidents whose deliveries are read to find the one that a reply means; of more, the sender is asked."""
SECONDS_FOR_TEXTS = 12.0
"""After so much of a call no answer is sent apart from it any more: Event Grid hangs up after 30 s and tells
all of it again, and one text message may take 15."""
HELP_EVERY = timedelta(hours=1)
MOST_HELPED = 1_000
"""Numbers that are remembered as helped."""
KEYS: Mapping[str, Action] = {"1": "acknowledge", "2": "resolve"}
BY_LINK = "Nothing was changed. Resolving this takes more than a key, so resolve by the link"
NOT_OURS = "there is no channel here that a provider may call that way"
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

    def answer(
        self,
        what: str,
        sentence: str | None,
        spec: Channel,
        *,
        again: bool = False,
        resolvable: bool = True,
    ) -> Answer:
        """How the provider is told a sentence, or nothing; ``again`` asks for another key.

        ``resolvable`` says whether one of the keys resolves.
        """

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
    replies: Replies
    seconds: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Nobody was helped yet."""
        self._once = ActOnce(self.store, self.replies, self.answering.standing)
        self._helped = _Helped()

    def hear(self, plan_name: str, channel: str, call: Call, now: datetime) -> Answer:
        """Raises NotFound, Unauthenticated, InvalidInput, TooLarge, SecretUnavailable, StoreUnavailable."""
        begun = self.seconds()
        plan, spec, provider = self._called(plan_name, channel, call.what)
        if len(call.body) > LARGEST_BODY:
            raise TooLarge(f"the body has {len(call.body)} bytes; at most {LARGEST_BODY} are taken")
        answer = provider.answer(call.what, None, spec)
        for each in provider.heard(call, spec, self.secrets, now):
            try:
                answer = self._take(each, plan, spec, provider, begun, now)
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

    def _take(
        self, heard: Heard, plan: Plan, spec: Channel, provider: Provider, begun: float, now: datetime
    ) -> Answer:
        if isinstance(heard, Handshake):
            return provider.answer("handshake", heard.code, spec)
        if isinstance(heard, Told):
            self._receive(heard, plan, spec, now)
            return provider.answer("receipt", None, spec)
        if isinstance(heard, KeyPress):
            done = self._pressed(heard, plan, now)
            resolvable = done.again and self._resolvable(heard, plan, now)
            return provider.answer("voice", done.sentence, spec, again=done.again, resolvable=resolvable)
        said = self._replied(heard, plan, spec, now)
        if said is None or (said.repeated and provider.in_batches):
            return provider.answer("reply", None, spec)
        if provider.in_batches and self.seconds() - begun >= SECONDS_FOR_TEXTS:
            log.warning("channel %s of %s: a reply was not answered, for lack of time", spec.name, plan.name)
            return provider.answer("reply", None, spec)
        return provider.text_back(heard, said.sentence, spec, self.secrets, now)

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

    def _pressed(self, key: KeyPress, plan: Plan, now: datetime) -> Done:
        """What is to be said, and whether another key may follow."""
        try:
            grant = self._granted(key.token, plan, now)
        except (StoreUnavailable, SecretUnavailable):
            return Done(NOT_KEPT, again=True)
        contact, action = plan.directory.contacts.get(grant.contact), KEYS.get(key.digit)
        if contact is None:
            return Done("You are no longer named in the plan. Nothing was changed.")
        if action is None:
            return Done("That key does nothing here.", again=True)
        who, through = contact, Through("voice", contact.name, grant.delivery)
        known = message_key("voice", key.call, key.token, key.digit)
        try:
            return self._once.act(
                Sent(plan.name, known, "voice", frozenset({who.name}), action),
                lambda: (self.store.load(grant.incident).incident, ""),
                lambda incident: self._press(incident, action, who, plan, through, now),
                now,
            )
        except StoreUnavailable:
            return Done(NOT_KEPT, again=True)

    def _press(
        self,
        incident: Incident,
        action: Action,
        contact: Contact,
        plan: Plan,
        through: Through,
        now: datetime,
    ) -> Done:
        if action == "resolve" and not incident.over and not self.answering.needs(incident).nothing:
            return Done(BY_LINK, again=True)
        return self._act(incident.id, action, contact, plan, through, now)

    def _resolvable(self, key: KeyPress, plan: Plan, now: datetime) -> bool:
        """Whether a key resolves it; where that cannot be read, whether one was pressed that would."""
        try:
            incident = self.store.load(self._granted(key.token, plan, now).incident).incident
            return self.answering.needs(incident).nothing
        except (StoreUnavailable, SecretUnavailable):
            return KEYS.get(key.digit) == "resolve"

    def _replied(self, reply: Reply, plan: Plan, spec: Channel, now: datetime) -> Done | None:
        """What is to be sent back; None where nothing is, nor ever to whoever is not known by that number."""
        contacts = _known_by(reply.number, plan, spec)
        if not contacts:
            log.info("channel %s of %s: a reply from a number that no contact has", spec.name, plan.name)
            return None
        wish = asked(reply.text)
        if wish is None:
            helps = worth_help(reply.text) and self._helped.first(reply.number, now)
            return Done(HELP) if helps else None
        known = message_key(spec.kind, reply.id, reply.number, reply.text)
        names = frozenset(contact.name for contact in contacts)
        try:
            return self._once.act(
                Sent(plan.name, known, "sms", names, wish.action),
                lambda: self._meant(wish, plan, names, reply.received_at, now),
                lambda incident: self._carry_out(wish, incident, contacts, plan, now),
                now,
            )
        except StoreUnavailable:
            return Done(NOT_KEPT)

    def _carry_out(
        self, wish: Asked, incident: Incident, contacts: Sequence[Contact], plan: Plan, now: datetime
    ) -> Done:
        contact = next((each for each in contacts if each.name in incident.told), contacts[0])
        code, words = self._closing(wish, incident)
        if wish.action == "resolve" and not incident.over and not (code and words):
            codes = self.answering.needs(incident).codes
            if codes and as_principal(contact, plan).may("Responder"):
                return Done(how_to_close(incident, wish.code, code, list(codes)))
        through = Through("sms", contact.name)
        return self._act(incident.id, wish.action, contact, plan, through, now, words or None, code)

    def _meant(
        self, wish: Asked, plan: Plan, names: frozenset[str], at: datetime | None, now: datetime
    ) -> tuple[Incident | None, str]:
        """The incident that it is about, or a sentence that asks which; ``at``: when it was received."""
        live = self._told_before(at, names, list(self._incidents(plan, names, now, live=True)))
        if wish.code is None:
            late = at is not None and now - at > STILL_MEANT
            return (live[0], "") if len(live) == 1 and not late else (None, which(wish, live, late=late))
        meant = [each for each in live if named(each, wish.code)]
        if not meant:
            over = self._incidents(plan, names, now, live=False)
            some = self._told_before(at, names, [each for each in over if named(each, wish.code)])
            meant = some[:1]
        return (meant[0], "") if len(meant) == 1 else (None, which(wish, meant or live))

    def _told_before(
        self, at: datetime | None, names: frozenset[str], incidents: list[Incident]
    ) -> list[Incident]:
        """Without those of which none of these contacts knew when the reply was received."""
        if at is None:
            return incidents
        known = [each for each in incidents if each.opened_at <= at]
        if len(known) > MOST_LOOKED_INTO:
            return known
        since = [told_since(self.store.deliveries(each), names) for each in known]
        return [each for each, told in zip(known, since, strict=True) if told is not None and told <= at]

    def _incidents(
        self, plan: Plan, names: frozenset[str], now: datetime, *, live: bool
    ) -> Iterator[Incident]:
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
    ) -> Done:
        who = as_principal(contact, plan)
        try:
            answered = self.answering.act(
                incident, action, who, through, now, resolution=resolution, code=code
            )
        except (Refused, Forbidden, InvalidInput, NotFound) as error:
            return Done(f"Nothing was changed: {error}")
        except (StoreUnavailable, Conflict, SecretUnavailable):
            return Done(NOT_KEPT, again=True)
        return Done(answered.sentence, answered.changed)


class _Helped:
    """Which numbers were sent help of late: a machine that answers each text would be helped for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: dict[str, datetime] = {}

    def first(self, number: str, now: datetime) -> bool:
        """Whether none was sent for `HELP_EVERY`; from now on one was."""
        plain = _NO_NUMBER.sub("", number)
        with self._lock:
            before = self._at.get(plain)
            if before is not None and now - before < HELP_EVERY:
                return False
            self._at.pop(plain, None)
            self._at[plain] = now
            if len(self._at) > MOST_HELPED:
                del self._at[next(iter(self._at))]
        return True


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
