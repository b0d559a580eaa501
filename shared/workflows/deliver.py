"""Deliver what is owed: claim under the delivery's own tag, send, record; a crash in between is made good."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from shared.domain.delivery import MAX_ATTEMPTS, Attempt, Delivery, Message
from shared.domain.errors import Conflict, DeliveryFailed, SecretUnavailable
from shared.domain.incident import Incident
from shared.domain.plan import Directory
from shared.ports import Accepted, Channel, IncidentStore, Owed, Secrets

log = logging.getLogger(__name__)

AT_ONCE = 8
HEAD_START = 1.0
"""Seconds by which what was owed earlier may go first."""
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Outcomes:
    """The outbox after a round of sending; ``sent`` counts the tries whose outcome is known.

    ``owed`` is None where somebody else has claimed some of it: how that stands, only the store knows.
    """

    owed: list[Owed] | None
    sent: int


@dataclass
class Deliver:
    """Sends through the channels; knows nothing of escalation."""

    store: IncidentStore
    channels: Mapping[str, Channel]
    secrets: Secrets
    public_url: str

    def all_due(
        self, owed: Sequence[Owed], incident: Incident, directory: Directory, clock: Clock
    ) -> Outcomes:
        """Try every delivery that is due: side by side, so that a slow channel holds up no other.

        What was owed for an earlier event gets a head start: steps that lapsed together arrive in order.
        """
        now = clock()
        due = [item for item in owed if _is_due(item.delivery, now)]
        rest = [item for item in owed if not _is_due(item.delivery, now)]
        known = [item for item in self._try_all(due, incident, directory, clock) if item is not None]
        if len(known) < len(due):
            return Outcomes(None, len(known))
        return Outcomes(sorted(rest + known, key=lambda item: item.delivery.id), len(known))

    def _try_all(
        self, due: Sequence[Owed], incident: Incident, directory: Directory, clock: Clock
    ) -> list[Owed | None]:
        if len(due) < 2:
            return [self._try(item, incident, directory, clock) for item in due]
        tries: list[Future[Owed | None]] = []
        with ThreadPoolExecutor(min(AT_ONCE, len(due))) as pool:
            for _, together in groupby(sorted(due, key=_cause), key=_cause):
                wait(tries, timeout=HEAD_START)
                tries += [pool.submit(self._try, item, incident, directory, clock) for item in together]
        return [each.result() for each in tries]

    def _try(self, owed: Owed, incident: Incident, directory: Directory, clock: Clock) -> Owed | None:
        """One claim, one try, its outcome on the row; None where somebody else has claimed it."""
        try:
            if owed.delivery.moot(incident.status):
                return self.store.save_delivery(owed, owed.delivery.withdrawn())
            if owed.delivery.claims >= MAX_ATTEMPTS:
                return self.store.save_delivery(owed, owed.delivery.given_up(clock()))
            claimed = self.store.save_delivery(owed, owed.delivery.claimed(clock()))
        except Conflict:
            return None
        delivery = claimed.delivery
        permanent, retry_after = False, None
        try:
            accepted = self._send(delivery, incident, directory, clock)
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

    def _send(self, delivery: Delivery, incident: Incident, directory: Directory, clock: Clock) -> Accepted:
        contact = directory.contacts.get(delivery.contact)
        if contact is None or delivery.nth >= len(contact.reach):
            raise DeliveryFailed("the plan no longer has this contact's channel", permanent=True)
        reach = contact.reach[delivery.nth]
        spec = directory.channels[reach.channel]
        channel = self.channels[spec.kind]
        message = replace(self._addressed(delivery.message), status=incident.status)
        return channel.send(message, spec, reach.to, delivery.idempotency_key, self.secrets, clock())

    def _addressed(self, message: Message) -> Message:
        base = self.public_url.rstrip("/")
        return (
            replace(message, incident_url=f"{base}/api/v1/incidents/{message.incident}") if base else message
        )


def _cause(item: Owed) -> int:
    return item.delivery.caused_by


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.state in ("queued", "leased") and delivery.due_at <= now
