"""The parts of a plan that meet others: chat, the status page, and storms of messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Chat:
    """Where commands from chat may come from; names of secrets."""

    slack_signing_secret: str | None = None
    slack_bot_secret: str | None = None
    """Bot token, with which modals are opened."""
    slack_workspace: str | None = None
    """Only from this workspace (its id, ``T…``)."""
    teams_secret: str | None = None
    """The outgoing webhook's security token, as Teams shows it (base 64)."""


@dataclass(frozen=True)
class StatusPage:
    """What the public may read at ``/status/{plan}``."""

    title: str
    history: timedelta = timedelta(days=14)
    """How long a resolved incident stays on it."""


@dataclass(frozen=True)
class Storm:
    """When messages of many incidents to one contact are told together."""

    more_than: int = 10
    """Messages to one contact within `within` that go out one by one; what is more waits for the digest."""
    within: timedelta = timedelta(minutes=5)
