"""Deliver what is owed: claim under the delivery's own tag, send, record; a crash in between is made good."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from shared.domain.briefing import BadTemplate, briefing, template_for
from shared.domain.delivery import MAX_ATTEMPTS, Attempt, Delivery, Message, Words
from shared.domain.errors import Conflict, DeliveryFailed, SecretUnavailable, StoreUnavailable
from shared.domain.incident import OUTSIDE, Incident
from shared.domain.plan import Plan, Rules
from shared.domain.runbook import runbook_for_incident
from shared.ports import Accepted, Channel, IncidentStore, Owed, Secrets, Wording

log = logging.getLogger(__name__)

AT_ONCE = 8
HEAD_START = 1.0
"""Seconds by which what was owed earlier may go first."""
SPEAKS_OF = {
    "update": "status",
    "manual": "assistance-needed",
    "resolved": "resolution",
    "action-item": "about",
}
"""Kind of notification -> whose words belong into it."""
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Outcomes:
    """The outbox after a round of sending; ``sent`` counts the tries whose outcome is known.

    ``owed`` is None where somebody else has claimed some of it: how that stands, only the store knows.
    """

    owed: list[Owed] | None
    sent: int


class _Said:
    """What people said of an incident that messages repeat; read once a round, and only if it is needed."""

    def __init__(self, store: IncidentStore, incident: Incident) -> None:
        self._store, self._incident = store, incident
        self._lock = threading.Lock()
        self._texts: Mapping[int, str] | None = None

    def words(self, message: Message) -> Mapping[str, Sequence[str]]:
        """Kind -> words, oldest first; of an erased text nothing; for outside, what was said for outside.

        The status is the update that the message is about, where it is about one.
        """
        if not self._incident.said and message.words_of is None:
            return {}
        texts, found = self._read(), dict[str, list[str]]()
        outside = message.audience == "external"
        for kind, seq in self._incident.said:
            if seq in texts and kind.endswith(OUTSIDE) is outside:
                found.setdefault(kind.removesuffix(OUTSIDE), []).append(texts[seq])
        about = [texts[seq] for seq in (message.words_of,) if seq is not None and seq in texts]
        if message.kind == "update":
            found["status"] = about
        return found | {"about": about}

    def _read(self) -> Mapping[int, str]:
        with self._lock:
            if self._texts is None:
                self._texts = self._store.texts(self._incident.id)
            return self._texts


@dataclass(frozen=True)
class _Setting:
    """What a round of sending is about."""

    incident: Incident
    plan: Plan
    rules: Rules
    said: _Said


@dataclass
class Deliver:
    """Sends through the channels; knows nothing of escalation."""

    store: IncidentStore
    channels: Mapping[str, Channel]
    secrets: Secrets
    public_url: str
    wording: Wording

    def all_due(
        self, owed: Sequence[Owed], incident: Incident, plan: Plan, rules: Rules, clock: Clock
    ) -> Outcomes:
        """Try every delivery that is due: side by side, so that a slow channel holds up no other.

        What was owed for an earlier event gets a head start: steps that lapsed together arrive in order.
        """
        now = clock()
        due = [item for item in owed if _is_due(item.delivery, now)]
        rest = [item for item in owed if not _is_due(item.delivery, now)]
        setting = _Setting(incident, plan, rules, _Said(self.store, incident))
        known = [item for item in self._try_all(due, setting, clock) if item is not None]
        if len(known) < len(due):
            return Outcomes(None, len(known))
        return Outcomes(sorted(rest + known, key=lambda item: item.delivery.id), len(known))

    def _try_all(self, due: Sequence[Owed], setting: _Setting, clock: Clock) -> list[Owed | None]:
        if len(due) < 2:
            return [self._try(item, setting, clock) for item in due]
        tries: list[Future[Owed | None]] = []
        with ThreadPoolExecutor(min(AT_ONCE, len(due))) as pool:
            for _, together in groupby(sorted(due, key=_cause), key=_cause):
                wait(tries, timeout=HEAD_START)
                tries += [pool.submit(self._try, item, setting, clock) for item in together]
        return [each.result() for each in tries]

    def _try(self, owed: Owed, setting: _Setting, clock: Clock) -> Owed | None:
        """One claim, one try, its outcome on the row; None where somebody else has claimed it."""
        try:
            if owed.delivery.moot(setting.incident.status):
                return self.store.save_delivery(owed, owed.delivery.withdrawn())
            if owed.delivery.claims >= MAX_ATTEMPTS:
                return self.store.save_delivery(owed, owed.delivery.given_up(clock()))
            claimed = self.store.save_delivery(owed, owed.delivery.claimed(clock()))
        except Conflict:
            return None
        delivery = claimed.delivery
        permanent, retry_after = False, None
        try:
            accepted = self._send(delivery, setting, clock)
            attempt = Attempt(clock(), True, accepted.status, accepted.provider_id)
        except DeliveryFailed as failure:
            permanent, retry_after = failure.permanent, failure.retry_after
            attempt = Attempt(clock(), False, failure.status, error=str(failure)[:500])
        except SecretUnavailable as failure:
            permanent = not delivery.last
            attempt = Attempt(clock(), False, error=str(failure)[:500])
        log.info(
            "delivery %s of %s by %s: %s",
            delivery.id,
            delivery.incident,
            delivery.channel,
            "accepted" if attempt.accepted else attempt.error,
        )
        outcome = delivery.after(attempt, permanent=permanent, retry_after=retry_after)
        try:
            return self.store.save_delivery(claimed, outcome)
        except Conflict:
            return None

    def _send(self, delivery: Delivery, setting: _Setting, clock: Clock) -> Accepted:
        directory = setting.plan.directory
        contact = directory.contacts.get(delivery.contact)
        if contact is None or delivery.nth >= len(contact.reach):
            raise DeliveryFailed("the plan no longer has this contact's channel", permanent=True)
        reach = contact.reach[delivery.nth]
        spec = directory.channels[reach.channel]
        channel = self.channels[spec.kind]
        message = self._worded(delivery.message, setting, clock())
        if spec.options.get("public") == "true" and not message.in_own_words:
            message = replace(message, words=None)
        return channel.send(message, spec, reach.to, delivery.idempotency_key, self.secrets, clock())

    def _worded(self, message: Message, setting: _Setting, now: datetime) -> Message:
        """With links, and in the plan's own words where it has some; as things stand now."""
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
            return addressed
        try:
            said = setting.said.words(message)
        except StoreUnavailable as out:
            log.warning("%s: its texts cannot be read (%s); the standard words go out", message.incident, out)
            return addressed
        plain = replace(addressed, words=_standard_words(addressed, said))
        if name is None:
            return plain
        outside = message.audience == "external"
        told = briefing(
            incident,
            setting.rules,
            plan,
            addressed,
            said,
            now,
            phase=(incident.progress_outside if outside else incident.progress) or "",
            code=incident.code or "",
        )
        try:
            words = self.wording.words(plan, name, told)
            return replace(addressed, words=words, in_own_words=True)
        except BadTemplate as bad:
            log.warning("%s: template %s cannot be filled in (%s)", message.incident, name, bad)
            return plain


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


def _cause(item: Owed) -> int:
    return item.delivery.caused_by


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.state in ("queued", "leased") and delivery.due_at <= now
