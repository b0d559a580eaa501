"""Many messages to one contact: the first go out one by one, the rest is told as one digest. What cannot be
told together, for whatever reason, goes out by itself: late rather than never."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.domain import storm
from shared.domain.briefing import BadTemplate, digest_briefing
from shared.domain.delivery import LEASE, Delivery, Message, body_hash
from shared.domain.errors import (
    Conflict,
    DeliveryFailed,
    NotFound,
    SecretUnavailable,
    StoreUnavailable,
)
from shared.domain.plan import Channel as ChannelSpec
from shared.domain.plan import Plan
from shared.domain.storm import Gathering, Kept, Member, Told
from shared.domain.ways import Way, open_ways, ways
from shared.ports import Accepted, AdvanceQueue, Channel, IncidentStore, Owed, Secrets, Storms, Wording
from shared.workflows.group_commit import GroupCommit

log = logging.getLogger(__name__)

AT_ONCE = 8
MOST_TRIES = 12
"""Tries to store what others store at the same time; then a message goes out by itself."""
KEPT = timedelta(days=1)
"""How long a gathering is kept once it was told."""
Clock = Callable[[], datetime]


@dataclass
class _Found:
    """A member of a gathering, with its row of the outbox as it was when it was last read."""

    member: Member
    owed: Owed | None
    says_something: bool = True
    """Whether it is worth telling, its incident being as it is."""


@dataclass(frozen=True)
class _Telling:
    """One gathering being told to its contact, by whoever has claimed it."""

    plan: Plan
    contact: str
    gathering: Gathering
    tag: str
    clock: Clock


@dataclass
class TellStorm:
    """Decides for a delivery that has come due whether it is told with others, and tells them."""

    store: IncidentStore
    storms: Storms
    channels: Mapping[str, Channel]
    secrets: Secrets
    wording: Wording
    queue: AdvanceQueue
    arriving: GroupCommit[Delivery, Delivery | None] = field(default_factory=GroupCommit)

    def together(self, delivery: Delivery, status: str, plan: Plan, clock: Clock) -> Delivery | None:
        """How its row is to stand: waiting for the digest, or told by it; None: it goes out by itself.

        ``status`` is that of its incident, in which the delivery may have nothing to say any more.
        """
        try:
            if delivery.gathered is not None:
                return self._come_due(delivery, delivery.gathered, plan, clock)
            if delivery.claims or delivery.moot(status) or not _is_gathered(delivery, plan):
                return None
            return self._arrived(delivery, plan, clock())
        except (Conflict, StoreUnavailable) as out:
            log.warning("%s of %s goes out by itself (%s)", delivery.id, delivery.incident, out)
            return None

    def _arrived(self, delivery: Delivery, plan: Plan, now: datetime) -> Delivery | None:
        """Count it, or gather it; those that arrive together in this process share one write."""

        def admit(batch: Sequence[Delivery]) -> list[Delivery | None]:
            return self._admit(batch, plan, now)

        waiting = self.arriving.submit(f"{plan.name}|{delivery.contact}", delivery, admit)
        if waiting is not None:
            log.info("delivery %s of %s is gathered (%s)", waiting.id, waiting.incident, waiting.gathered)
        return waiting

    def _admit(self, batch: Sequence[Delivery], plan: Plan, now: datetime) -> list[Delivery | None]:
        """Each as it waits for the digest; None: it goes out. Raises Conflict, StoreUnavailable."""
        name, contact = plan.name, batch[0].contact
        loudness = [severity.name for severity in plan.rules.severities]
        for _ in range(MOST_TRIES):
            state = self.storms.state(name, contact)
            counted, beyond = storm.count(state.value, batch, plan.storm, now, loudness)
            try:
                if not beyond:
                    if counted != state.value:
                        self.storms.save(name, contact, Kept(counted, state.tag))
                    return [None] * len(batch)
                gathering = self._gather(name, contact, Kept(counted, state.tag), state.value, beyond, now)
            except Conflict:
                continue
            return [gathering.postponed(each) if each in beyond else None for each in batch]
        raise Conflict("too many count at once")

    def _gather(
        self,
        plan: str,
        contact: str,
        counted: Kept[storm.StormState],
        before: storm.StormState,
        beyond: Sequence[Delivery],
        now: datetime,
    ) -> Gathering:
        key = before.gathering
        found = self.storms.gathering(plan, contact, key) if key is not None else None
        gathering = storm.gather(found.value if found else None, beyond, now)
        tag = found.tag if found and found.value.key == gathering.key else None
        state = replace(counted.value, gathering=gathering.key)
        rows: list[Kept[storm.StormState] | Kept[Gathering]] = []
        if state != before:
            rows.append(Kept(state, counted.tag))
        if found is None or gathering != found.value:
            rows.append(Kept(gathering, tag))
        if rows:
            self.storms.save(plan, contact, *rows)
        return gathering

    def _come_due(self, delivery: Delivery, key: str, plan: Plan, clock: Clock) -> Delivery | None:
        """Told, being told, or to be told now by this very caller."""
        for _ in range(MOST_TRIES):
            kept = self.storms.gathering(plan.name, delivery.contact, key)
            if kept is None or not kept.value.holds(delivery) or kept.value.state == "singly":
                return None
            gathering, now = kept.value, clock()
            if gathering.state == "sent":
                return storm.accepted(delivery, gathering)
            if now < gathering.until:
                return gathering.postponed(delivery)
            claimed = gathering.claimed(now)
            if claimed.claims > storm.MOST_CLAIMS:
                return None
            try:
                [tag] = self.storms.save(plan.name, delivery.contact, Kept(claimed, kept.tag))
            except Conflict:
                continue  # it is somebody else's now, or more has joined it
            return self._tell(delivery, _Telling(plan, delivery.contact, claimed, tag, clock))
        raise Conflict("too many join it at once")

    def _tell(self, delivery: Delivery, telling: _Telling) -> Delivery | None:
        """Send the digest and say so on every delivery that it told; None where nothing was told together."""
        found = self._still_owed(telling)
        members = [each.member for each in found if each.says_something]
        entries = tuple(member.entry for member in members)
        telling = replace(telling, gathering=replace(telling.gathering, entries=entries))
        others = [each for each in found if not _same(each, delivery)]
        told = None
        if len(members) > 1:
            told, telling = self._send(members, telling)
        if told is None:
            self._leave(telling, failed=len(members) > 1)
            gathering = telling.gathering
        else:
            gathering = storm.sent(telling.gathering, told)
            self._note(telling, gathering)
        self._put(others, lambda each: storm.left(each, gathering, telling.clock()))
        return storm.accepted(delivery, gathering) if told and gathering.holds(delivery) else None

    def _still_owed(self, telling: _Telling) -> list[_Found]:
        """Its members that nobody has told by themselves."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(self._look, telling.gathering.entries)
            return [each for each in found if each is not None]

    def _look(self, entry: storm.Entry) -> _Found | None:
        """An entry as its incident stands; where storage does not say, as it stood when it was gathered."""
        try:
            incident = self.store.load(entry.incident).incident
            owed = self._owed(entry, Member(entry, incident))
        except NotFound:
            return None
        except StoreUnavailable as out:
            log.warning("%s is told as it was gathered (%s)", entry.incident, out)
            return _Found(Member(entry, None), None)
        if owed is None or owed.delivery.state != "queued":
            return None
        return _Found(Member(entry, incident), owed, not owed.delivery.moot(incident.status))

    def _owed(self, entry: storm.Entry, member: Member) -> Owed | None:
        incident = member.incident or self.store.load(entry.incident).incident
        return next((each for each in self.store.owed(incident) if each.delivery.id == entry.delivery), None)

    def _send(self, members: Sequence[Member], telling: _Telling) -> tuple[Told | None, _Telling]:
        """Hand the digest to the first of the contact's ways that takes it."""
        plan, gathering = telling.plan, telling.gathering
        message, template = self._worded(members, telling)
        key = storm.digest_key(plan.name, telling.contact, gathering.key)
        for way, spec in _ways(plan, telling.contact, storm.weight(members, plan), telling.clock()):
            telling = self._go_on(telling)
            sent_at = telling.clock()
            try:
                taken = self.channels[spec.kind].send(message, spec, way.to, key, self.secrets, sent_at)
            except (DeliveryFailed, SecretUnavailable) as failure:
                log.info("digest %s to %s by %s: %s", gathering.key, telling.contact, spec.name, failure)
                continue
            log.info("digest %s of %d to %s by %s", gathering.key, len(members), telling.contact, spec.name)
            return _told(taken, spec, message, key, template, sent_at, telling), telling
        return None, telling

    def _go_on(self, telling: _Telling) -> _Telling:
        """Make sure of the lease before a further way is tried. Raises Conflict where it was lost."""
        now = telling.clock()
        if telling.gathering.until - now > LEASE / 2:
            return telling
        renewed = replace(telling.gathering, until=now + LEASE)
        [tag] = self.storms.save(telling.plan.name, telling.contact, Kept(renewed, telling.tag))
        return replace(telling, gathering=renewed, tag=tag)

    def _worded(self, members: Sequence[Member], telling: _Telling) -> tuple[Message, str | None]:
        """In the plan's own words where it has some, and whether it has."""
        plan, gathering = telling.plan, telling.gathering
        message = storm.digest_message(plan, gathering, members)
        if storm.TEMPLATE not in plan.templates:
            return message, None
        incidents = {member.incident.id: member.incident for member in members if member.incident}
        try:
            briefing = digest_briefing(plan, message, incidents.values(), telling.clock())
            words = self.wording.words(plan, storm.TEMPLATE, briefing)
        except BadTemplate as bad:
            log.warning("%s: template %s cannot be filled in (%s)", plan.name, storm.TEMPLATE, bad)
            return message, None
        return replace(message, words=words, in_own_words=True), storm.TEMPLATE

    def _note(self, telling: _Telling, gathering: Gathering) -> None:
        """Put on record that it was told, for those who come due later; without it they tell it again."""
        try:
            self.storms.save(telling.plan.name, telling.contact, Kept(gathering, telling.tag))
            self.storms.forget(telling.plan.name, telling.contact, telling.clock() - KEPT)
        except (Conflict, StoreUnavailable) as out:
            log.warning("digest %s was sent, which could not be noted (%s)", gathering.key, out)

    def _leave(self, telling: _Telling, *, failed: bool) -> None:
        """Let its members go out one by one, and after a failure what comes next as well."""
        name, contact = telling.plan.name, telling.contact
        singly = replace(telling.gathering, state="singly")
        try:
            self.storms.save(name, contact, Kept(singly, telling.tag))
            if failed:
                state = self.storms.state(name, contact)
                until = telling.clock() + storm.SINGLY_AFTER_FAILURE
                self.storms.save(name, contact, Kept(replace(state.value, singly_until=until), state.tag))
        except (Conflict, StoreUnavailable) as out:
            log.warning("gathering %s: that it goes out singly could not be noted (%s)", singly.key, out)

    def _put(self, members: Sequence[_Found], as_it_is: Callable[[Delivery], Delivery]) -> None:
        """Put what became of the gathering on its deliveries, and ask for their incidents.

        What fails here costs time alone: each finds out by itself when it comes due.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda each: self._put_one(each, as_it_is), members))

    def _put_one(self, found: _Found, as_it_is: Callable[[Delivery], Delivery]) -> None:
        entry, owed = found.member.entry, found.owed
        try:
            for _ in range(2):
                owed = owed or self._owed(entry, found.member)
                if owed is None or owed.delivery.state != "queued":
                    break
                try:
                    self.store.save_delivery(owed, as_it_is(owed.delivery))
                    break
                except Conflict:
                    owed = None
            self.queue.send(entry.incident)
        except (NotFound, StoreUnavailable) as out:
            log.warning("%s of %s is not told of its gathering (%s)", entry.delivery, entry.incident, out)


def _is_gathered(delivery: Delivery, plan: Plan) -> bool:
    known = plan.directory
    contact = known.contacts.get(delivery.contact)
    to = [way.to for way in ways(known, contact) if way.channel == delivery.channel] if contact else []
    return bool(to) and storm.is_gathered(delivery.message, known.channels.get(delivery.channel), to[0])


def _ways(plan: Plan, name: str, weight: tuple[str, str], now: datetime) -> list[tuple[Way, ChannelSpec]]:
    """The ways to a contact that are open for a digest, in order of preference."""
    known, found = plan.directory, list[tuple[Way, ChannelSpec]]()
    contact = known.contacts.get(name)
    if contact is None:
        return found
    for _, way in open_ways(known, contact, *weight, now):
        spec = known.channels.get(way.channel)
        if spec is not None and storm.takes_digest(spec, way.to):
            found.append((way, spec))
    return found


def _told(
    taken: Accepted,
    spec: ChannelSpec,
    message: Message,
    key: str,
    template: str | None,
    sent_at: datetime,
    telling: _Telling,
) -> Told:
    version = telling.plan.templates[template].version if template is not None else None
    return Told(
        telling.clock(),
        sent_at,
        spec.name,
        taken.status,
        taken.provider_id,
        body_hash(message, key),
        template,
        version,
    )


def _same(found: _Found, delivery: Delivery) -> bool:
    entry = found.member.entry
    return (entry.incident, entry.delivery) == (delivery.incident, delivery.id)
