"""Make a notification ready to be sent: in words and with links, by the incident, plan and people of now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.answering import GRANT_LASTS, Grant
from shared.domain.briefing import NOTHING_SAID, BadTemplate, Briefing, briefing, template_for
from shared.domain.delivery import ANSWERABLE, Answering, Delivery, Message, Room, Words, body_hash
from shared.domain.errors import DeliveryFailed, SecretUnavailable, StoreUnavailable
from shared.domain.incident import OUTSIDE, Incident
from shared.domain.personal import UNREADABLE
from shared.domain.plan import FOLLOWS, ROOMS, Channel, Plan, Rules
from shared.domain.runbook import runbook_for_incident
from shared.domain.standing import needs_of
from shared.domain.ways import Way, ways
from shared.ports import AnswerTokens, IncidentStore, People, Wording
from shared.workflows.actors import PERSON

log = logging.getLogger(__name__)

SPEAKS_OF = {
    "update": "status",
    "manual": "assistance-needed",
    "resolved": "resolution",
    "action-item": "about",
}
"""Kind of notification -> whose words belong into it."""


class Said:
    """What people said of an incident that messages repeat; read once a round, and only if it is needed."""

    def __init__(self, store: IncidentStore, incident: Incident) -> None:
        self._store, self._incident = store, incident
        self._lock = threading.Lock()
        self._texts: Mapping[int, str] | None = None

    def words(self, message: Message) -> Mapping[str, Sequence[str]]:
        """Kind -> words, oldest first; of an erased text nothing; for outside, what was said for outside.

        The status is the update that the message is about, where it is about one. Raises StoreUnavailable
        where a message for outside has words that cannot be read just now: it waits for them.
        """
        if not self._incident.said and message.words_of is None:
            return {}
        texts, found = self._read(), dict[str, list[str]]()
        outside = message.audience == "external"
        for kind, seq in self._incident.said:
            if seq in texts and kind.endswith(OUTSIDE) is outside:
                found.setdefault(kind.removesuffix(OUTSIDE), []).append(texts[seq])
        seqs = (*message.earlier_words, *((message.words_of,) if message.words_of is not None else ()))
        spoken = [texts[seq] for seq in seqs if seq in texts]
        about = ["\n\n".join(spoken)] if spoken else []
        if message.kind == "update":
            found["status"] = about
        if message.kind == "manual":
            found["assistance-needed"] = about
        if outside and any(UNREADABLE in text for texts in found.values() for text in texts):
            raise StoreUnavailable("words for outside cannot be read just now")
        return found | {"about": about}

    def _read(self) -> Mapping[int, str]:
        with self._lock:
            if self._texts is None:
                self._texts = self._store.texts(self._incident.id)
            return self._texts


class Holder:
    """Who has the incident; read once a round, and only if it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name: str | None = None

    def name(self, incident: Incident, people: People) -> str:
        """Nobody, for the whole round, where that cannot be read: what is sent does not wait for it."""
        if incident.status != "acknowledged" or incident.acknowledged_by is None:
            return ""
        with self._lock:
            if self._name is None:
                try:
                    self._name = people.name(incident.acknowledged_by.removeprefix(PERSON)) or ""
                except StoreUnavailable as out:
                    log.warning("%s: nobody knows who has it (%s)", incident.id, out)
                    self._name = ""
            return self._name


@dataclass(frozen=True)
class Setting:
    """What a round of sending is about."""

    incident: Incident
    plan: Plan
    rules: Rules
    said: Said
    holder: Holder = field(default_factory=Holder)


@dataclass(frozen=True)
class Ready:
    """A notification ready to be handed to its channel, and what of it goes on record."""

    message: Message
    channel: Channel
    to: str | None
    body_sha256: str
    template: str | None
    template_version: str | None


@dataclass
class PrepareMessage:
    """Knows the words and the links; sends nothing."""

    store: IncidentStore
    public_url: str
    wording: Wording
    tokens: AnswerTokens
    people: People

    def ready(self, delivery: Delivery, setting: Setting, now: datetime) -> Ready:
        """Raises DeliveryFailed where the plan has no such way to the contact any more, StoreUnavailable."""
        directory = setting.plan.directory
        contact = directory.contacts.get(delivery.contact)
        way = _way(delivery, ways(directory, contact)) if contact else None
        if way is None:
            raise DeliveryFailed("the plan no longer has this contact's channel", permanent=True)
        spec = directory.channels[way.channel]
        message, template = self._worded(delivery.message, setting, now)
        if spec.options.get("public") == "true" and not message.in_own_words:
            message = replace(message, words=None)
        incident, rules = setting.incident, setting.rules
        message = replace(
            message,
            severity=incident.severity if message.kind == "refresh" else message.severity,
            loudness=rules.loudness(incident.severity),
            holder=setting.holder.name(incident, self.people) if message.audience == "internal" else "",
            timezone=rules.timezone,
            phase=_phase(incident, message.audience),
            answering=self._answering(delivery, spec, setting, now),
            first_id=self._first_id(delivery, incident) if spec.kind in FOLLOWS else None,
            room=self._room(message, setting, now) if spec.kind in ROOMS else None,
        )
        version = setting.plan.templates[template].version if template else None
        said = body_hash(message, delivery.idempotency_key)
        return Ready(message, spec, way.to, said, template, version)

    def _answering(
        self, delivery: Delivery, spec: Channel, setting: Setting, now: datetime
    ) -> Answering | None:
        """Where it can be answered, if it can; a page goes out without rather than not at all."""
        incident, message, base = setting.incident, delivery.message, self.public_url.rstrip("/")
        if not base or incident.over or message.kind not in ANSWERABLE or message.audience != "internal":
            return None
        expires = now.replace(microsecond=0) + GRANT_LASTS
        grant = Grant(incident.id, delivery.contact, delivery.id, expires)
        try:
            token = self.tokens.sign(grant)
        except SecretUnavailable as out:
            log.warning("%s: no link to answer by (%s)", delivery.id, out)
            return None
        provider = f"{base}/api/v1/plans/{setting.plan.name}/channels/{spec.name}"
        resolvable = needs_of(incident, setting.rules).nothing
        return Answering(token, f"{base}/a/{token}", provider, resolvable)

    def _first_id(self, delivery: Delivery, incident: Incident) -> str | None:
        """The provider's id of what shows the incident to this contact by this channel: the latest."""
        taken = [
            (attempt.at, attempt.provider_id)
            for each in self.store.deliveries(incident)
            if (each.contact, each.channel) == (delivery.contact, delivery.channel) and each.gathered is None
            for attempt in each.attempts
            if attempt.accepted and attempt.provider_id
        ]
        return max(taken)[1] if taken else None

    def _room(self, message: Message, setting: Setting, now: datetime) -> Room:
        incident, plan = setting.incident, setting.plan
        told = briefing(incident, setting.rules, plan, message, NOTHING_SAID, now)
        named = self._named(plan, told)
        contacts = [
            plan.directory.contacts[name]
            for name in dict.fromkeys((*incident.roles.values(), *incident.told))
            if name in plan.directory.contacts
        ]
        invite = tuple(each.identities["slack"] for each in contacts if "slack" in each.identities)
        topic = f"[{incident.severity}] {incident.title or incident.name} \N{MIDDLE DOT} {incident.status}"
        return Room(named.channel_name, topic, invite)

    def _named(self, plan: Plan, told: Briefing) -> Briefing:
        try:
            return self.wording.named(plan, told)
        except BadTemplate:
            return told

    def _worded(self, message: Message, setting: Setting, now: datetime) -> tuple[Message, str | None]:
        """With links, in the plan's own words where it has some, and by which template; as of now."""
        incident, plan = setting.incident, setting.plan
        base, runbook = self.public_url.rstrip("/"), runbook_for_incident(plan, incident)
        addressed = replace(
            message,
            status=incident.status,
            incident_url=f"{base}/api/v1/incidents/{message.incident}" if base else None,
            runbook=runbook,
            runbook_url=f"{base}/api/v1/plans/{plan.name}/runbooks/{runbook}" if base and runbook else None,
        )
        if message.audience == "external":
            addressed = _for_outside(addressed, setting.rules)
        name = template_for(plan, addressed)
        if name is None and message.kind not in SPEAKS_OF:
            return addressed, None
        try:
            said = setting.said.words(message)
        except StoreUnavailable as out:
            log.warning("%s: its texts cannot be read (%s); the standard words go out", message.incident, out)
            return addressed, None
        plain = replace(addressed, words=_standard_words(addressed, said))
        if name is None:
            return plain, None
        told = briefing(
            incident,
            setting.rules,
            plan,
            addressed,
            said,
            now,
            phase=_phase(incident, message.audience),
            code=incident.code or "",
        )
        try:
            words = self.wording.words(plan, name, told)
            return replace(addressed, words=words, in_own_words=True), name
        except BadTemplate as bad:
            log.warning("%s: template %s cannot be filled in (%s)", message.incident, name, bad)
            return plain, None


def _for_outside(message: Message, rules: Rules) -> Message:
    """Without what is known inside alone: the alert's name and text, and addresses that lead inside."""
    title = next((each.title for each in rules.services if each.name == message.service), "")
    return replace(
        message,
        title=title or message.service,
        summary="",
        source_url=None,
        incident_url=None,
        runbook=None,
        runbook_url=None,
    )


def _standard_words(message: Message, said: Mapping[str, Sequence[str]]) -> Words | None:
    """Why it was sent, and the words of whoever caused it, where the plan has none of its own."""
    spoken = said.get(SPEAKS_OF.get(message.kind, ""), ())
    if not spoken:
        return None
    return Words("\n\n".join(text for text in (message.reason, spoken[-1], message.summary) if text))


def _way(delivery: Delivery, known: Sequence[Way]) -> Way | None:
    """The way that was owed: by its name, its place, or where the plan has moved it, by its channel."""
    named = [way for way in known if way.name in delivery.message.tried[-1:]]
    here = known[delivery.nth : delivery.nth + 1]
    placed = [way for way in here if way.channel == delivery.channel]
    moved = [way for way in known if way.channel == delivery.channel]
    return next(iter([*named, *placed, *moved, *here]), None)


def _phase(incident: Incident, audience: str) -> str:
    if incident.over:
        return "resolved"
    return (incident.progress_outside if audience == "external" else incident.progress) or "investigating"
