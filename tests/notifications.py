"""Builders for what channels are given; each says only what matters to the test."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets, setting_of
from shared.adapters.channels.time_limit import Patience
from shared.domain.delivery import Message, Words
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted, Channel, Secrets

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "0f2c" * 10
HOSTILE = (
    "<script>alert(1)</script> <!channel> @here <https://evil.example|bank> [x](javascript:alert(1)) *b*\r\n"
    "Bcc: victim@example.org\r\n\r\n\u202egnp.exe\x00\x1b[31m & {{DATE(2026-01-01)}} \ud800 " + "A" * 10_000
)
"""A little of everything that somebody may put into an alert."""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What must not be left of it."""
MAIL = {"from": "alarm@example.com"}
"""Options of an email channel."""
HURRIED = Patience(connect=0.5, read=5.0, whole=0.4)
"""For tests in which the limit on the whole must strike before the sockets' own."""
SHORT_READS = Patience(connect=0.5, read=0.2, whole=5.0)

_MESSAGE = Message(
    kind="escalation",
    plan="acme",
    incident="INC-8Q2XK4ZR-1",
    title="Checkout is slow",
    severity="SEV1",
    service="checkout",
    status="open",
    opened_at=NOON,
    reason="escalation step 2 of 3",
    summary="p95 above 2 s",
    source_url="https://grafana.example.com/d/1?from=now-1h",
    incident_url="https://tocsin.example.com/incidents/INC-8Q2XK4ZR-1",
    runbook="high-latency",
    runbook_url="https://tocsin.example.com/runbooks/high-latency",
)


def a_message(**different: Any) -> Message:  # noqa: ANN401  (fields of Message)
    """An escalation about a slow checkout."""
    return replace(_MESSAGE, **different)


def a_hostile_message() -> Message:
    """Every text in it comes from somebody who wants to do harm."""
    return a_message(
        title=HOSTILE, summary=HOSTILE, reason=HOSTILE, severity=HOSTILE, service=HOSTILE,
        source_url="javascript:alert(1)", runbook=HOSTILE, runbook_url="data:text/html,x",
    )  # fmt: skip


def in_words(body: str, subject: str = "", **different: Any) -> Message:  # noqa: ANN401  (fields of Message)
    """An escalation in the plan's own words."""
    return a_message(words=Words(body, subject), **different)


def in_hostile_words() -> Message:
    """A template that repeats what the alert says, and a drill with a hostile name."""
    return replace(a_hostile_message(), words=Words(HOSTILE, HOSTILE), drill=HOSTILE)


def a_channel(kind: str, *, url: str | None = None, secret: str | None = None, **options: str) -> ChannelSpec:
    """A channel of a plan, called ``ops``."""
    return ChannelSpec(name="ops", kind=kind, url=url, secret=secret, options=options)


def secrets_of(**values: str) -> Secrets:
    """``secrets_of(slack_ops="…")`` knows the secret ``slack-ops``."""
    return AppSettingSecrets({setting_of(name): value for name, value in values.items()})


class RotatedSecrets:
    """A cache that still has the old value of its only secret until it is told to forget it."""

    def __init__(self, old: str, new: str | None) -> None:
        self._value: str | None = old
        self._new = new

    def get(self, name: str) -> str:
        """The value as cached."""
        if self._value is None:
            raise SecretUnavailable(f'secret "{name}": the vault did not answer')
        return self._value

    def accepted(self, name: str) -> tuple[str, ...]:
        """The value alone."""
        return (self.get(name),)

    def recheck(self, name: str) -> None:  # noqa: ARG002  (it has one secret)
        """The next `get` gives the new value where there is one."""
        self._value = self._new or self._value

    def forget(self, name: str) -> bool:  # noqa: ARG002  (it has one secret)
        """The next `get` gives the new value."""
        self._value = self._new
        return True


def sent(
    channel: Channel,
    spec: ChannelSpec,
    secrets: Secrets,
    message: Message | None = None,
    to: str | None = None,
) -> Accepted:
    """Send by the channel, at noon."""
    return channel.send(message or a_message(), spec, to, KEY, secrets, NOON)


def failure_of(send: Callable[[], object]) -> DeliveryFailed:
    """The DeliveryFailed that ``send`` raises."""
    with pytest.raises(DeliveryFailed) as caught:
        send()
    return caught.value


def assert_no_sender_is_left() -> None:
    """The threads of sends that were given up end by themselves, soon."""
    deadline = time.monotonic() + 3
    for thread in threading.enumerate():
        if thread.name.startswith("tocsin-send"):
            thread.join(max(deadline - time.monotonic(), 0))
            assert not thread.is_alive()
