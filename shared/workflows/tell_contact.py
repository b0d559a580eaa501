"""Tells one contact something that belongs to no incident: by the first of their ways that takes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.delivery import Message
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.domain.plan import Plan
from shared.domain.ways import Way
from shared.ports import Channel, Secrets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """The last channel that was tried, whether it took it, and whether trying again may help."""

    channel: str | None
    accepted: bool
    again: bool


def tell(
    plan: Plan,
    ways: Sequence[Way],
    message: Message,
    key: str,
    channels: Mapping[str, Channel],
    secrets: Secrets,
    clock: Callable[[], datetime],
) -> Told:
    """Try the ways in order, each once."""
    tried, again = None, False
    for way in ways:
        spec = plan.directory.channels[way.channel]
        tried = spec.name
        try:
            channels[spec.kind].send(message, spec, way.to, key, secrets, clock())
        except (DeliveryFailed, SecretUnavailable) as failure:
            again = again or not (isinstance(failure, DeliveryFailed) and failure.permanent)
            log.info("%s of %s by %s: %s", message.reason, plan.name, tried, failure)
        else:
            return Told(tried, accepted=True, again=False)
    return Told(tried, accepted=False, again=again)
