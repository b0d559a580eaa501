"""Deliver what is owed: claim under the delivery's own tag, send, record; a crash in between is made good."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from shared.domain.change import looks
from shared.domain.delivery import MAX_ATTEMPTS, Attempt, Delivery
from shared.domain.errors import Conflict, DeliveryFailed, SecretUnavailable, StoreUnavailable
from shared.domain.incident import Incident
from shared.domain.plan import Plan, Rules
from shared.ports import AdvanceQueue, Channel, IncidentStore, Owed, Secrets
from shared.workflows.prepare_message import PrepareMessage, Ready, Said, Setting
from shared.workflows.tell_storm import TellStorm

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
    prepare: PrepareMessage
    storm: TellStorm | None = None
    """Without it, nothing is gathered."""
    queue: AdvanceQueue | None = None
    """Asked to go on with what is known where other tries of the round take long."""

    def all_due(
        self, owed: Sequence[Owed], incident: Incident, plan: Plan, rules: Rules, clock: Clock
    ) -> Outcomes:
        """Try every delivery that is due: side by side, so that a slow channel holds up no other.

        What was owed for an earlier event gets a head start: steps that lapsed together arrive in order.
        """
        now = clock()
        due = [item for item in owed if _is_due(item.delivery, now)]
        rest = [item for item in owed if not _is_due(item.delivery, now)]
        setting = Setting(incident, plan, rules, Said(self.store, incident))
        known = [item for item in self._try_all(due, setting, clock) if item is not None]
        if len(known) < len(due):
            return Outcomes(None, len(known))
        return Outcomes(sorted(rest + known, key=lambda item: item.delivery.id), len(known))

    def _try_all(self, due: Sequence[Owed], setting: Setting, clock: Clock) -> list[Owed | None]:
        if len(due) < 2:
            return [self._try(item, setting, clock) for item in due]
        tries: list[Future[Owed | None]] = []
        with ThreadPoolExecutor(min(AT_ONCE, len(due))) as pool:
            latest: list[Future[Owed | None]] = []
            for _, together in groupby(sorted(due, key=_cause), key=_cause):
                wait(latest, timeout=HEAD_START)
                latest = [pool.submit(self._try, item, setting, clock) for item in together]
                tries += latest
            known, slow = wait(tries, timeout=HEAD_START)
            if known and slow and self.queue is not None:
                self.queue.send(setting.incident.id)
        return [each.result() for each in tries]

    def _try(self, owed: Owed, setting: Setting, clock: Clock) -> Owed | None:
        """One claim, one try, its outcome on the row; None where somebody else has claimed it."""
        try:
            decided = self._without_a_try(owed.delivery, setting, clock)
            if decided is not None:
                return self.store.save_delivery(owed, decided)
            singly = replace(owed.delivery, gathered=None)
            claimed = self.store.save_delivery(owed, singly.claimed(clock()))
        except Conflict:
            return None
        outcome = self._sent(claimed.delivery, setting, clock)
        try:
            return self.store.save_delivery(claimed, outcome)
        except Conflict:
            return None

    def _without_a_try(self, delivery: Delivery, setting: Setting, clock: Clock) -> Delivery | None:
        """How it stands where it needs no sending of its own; None: it does."""
        status = setting.incident.status
        together = self.storm.together(delivery, status, setting.plan, clock) if self.storm else None
        if together is not None:
            return together
        if delivery.moot(status):
            return delivery.withdrawn()
        if delivery.claims >= MAX_ATTEMPTS:
            return delivery.given_up(clock())
        return None

    def _sent(self, delivery: Delivery, setting: Setting, clock: Clock) -> Delivery:
        """One try: the delivery as it stands after it."""
        permanent, retry_after, sent_at = False, None, clock()
        try:
            ready = self.prepare.ready(delivery, setting, sent_at)
            delivery = replace(
                delivery,
                body_sha256=ready.body_sha256,
                template=ready.template,
                template_version=ready.template_version,
                looked=looks(setting.incident),
            )
            attempt = self._handed_over(delivery, ready, sent_at, clock)
        except DeliveryFailed as failure:
            permanent, retry_after = failure.permanent, failure.retry_after
            attempt = Attempt(clock(), False, failure.status, error=str(failure)[:500], sent_at=sent_at)
        except SecretUnavailable as failure:
            permanent = not delivery.last
            attempt = Attempt(clock(), False, error=str(failure)[:500], sent_at=sent_at)
        except StoreUnavailable as failure:
            attempt = Attempt(clock(), False, error=str(failure)[:500], sent_at=sent_at)
        log.info(
            "delivery %s of %s by %s: %s",
            delivery.id,
            delivery.incident,
            delivery.channel,
            "accepted" if attempt.accepted else attempt.error,
        )
        return delivery.after(attempt, permanent=permanent, retry_after=retry_after)

    def _handed_over(self, delivery: Delivery, ready: Ready, sent_at: datetime, clock: Clock) -> Attempt:
        channel = self.channels[ready.channel.kind]
        accepted = channel.send(
            ready.message, ready.channel, ready.to, delivery.idempotency_key, self.secrets, sent_at
        )
        return Attempt(clock(), True, accepted.status, accepted.provider_id, sent_at=sent_at)


def _cause(item: Owed) -> int:
    return item.delivery.caused_by


def _is_due(delivery: Delivery, now: datetime) -> bool:
    return delivery.state in ("queued", "leased") and delivery.due_at <= now
