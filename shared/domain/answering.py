"""Answering a notification from where it lands: what a signed link grants, and how an answer came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Action = Literal["acknowledge", "resolve"]
Medium = Literal["link", "slack", "teams", "sms", "voice"]
GRANT_LASTS = timedelta(days=7)
"""How long a notification can be answered by its link."""


@dataclass(frozen=True)
class Grant:
    """What the holder of a link may do: answer for one contact, about one incident, until it expires."""

    incident: str
    contact: str
    delivery: str
    """Id of the delivery that carried the link."""
    expires: datetime
    """Whole seconds, UTC."""


@dataclass(frozen=True)
class Through:
    """By what a command came, where it was no call of the API."""

    by: Medium
    contact: str
    delivery: str | None = None
    """The notification that it answers, where it answers one."""
