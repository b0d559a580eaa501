"""What the provider of a channel tells or asks: receipts, replies of people, keys that they pressed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.domain.receipt import ReceiptState

STILL_MEANT = timedelta(minutes=10)
"""How old what somebody said may be and still be carried out without naming its incident."""
Outcome = Literal["begun", "changed", "unchanged"]
OUTCOMES: Mapping[str, Outcome] = {"begun": "begun", "changed": "changed", "unchanged": "unchanged"}


@dataclass(frozen=True)
class Call:
    """A call of a provider, as it came: nothing in it is to be believed yet."""

    what: str
    """``receipt``, ``reply`` or ``voice``."""
    path: str
    """With the query, as called."""
    headers: Mapping[str, str] = field(repr=False)
    """Names are lower-case."""
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Told:
    """What became of a notification; named by our token or, where the provider knows none, by its own id."""

    state: ReceiptState
    token: str | None = field(repr=False)
    provider_id: str | None
    occurred_at: datetime | None
    """None: it does not say."""
    incident: str | None = None
    """Where there is no token: the incident that the provider's id names."""


@dataclass(frozen=True)
class Reply:
    """Somebody wrote back."""

    number: str = field(repr=False)
    text: str
    id: str
    """The provider's own for the message; the same each time that it tells of it."""
    received_at: datetime | None = None
    """By the provider; None: it does not say."""


@dataclass(frozen=True)
class KeyPress:
    """Somebody who was called pressed a key; an empty one where none was pressed."""

    token: str = field(repr=False)
    digit: str
    call: str
    """The provider's id of the call."""


@dataclass(frozen=True)
class Handshake:
    """The provider asks whether it may call here."""

    code: str


@dataclass(frozen=True)
class Taken:
    """What was made of a message or key when it first came."""

    incident: str | None
    """The one that it was about; None: none was, and none ever will be."""
    at: datetime
    outcome: Outcome = "begun"


def message_key(*parts: str) -> str:
    """What tells a message from every other, as a hash: 64 hex digits."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


Heard = Told | Reply | KeyPress | Handshake


@dataclass(frozen=True)
class Answer:
    """What the provider is to be answered; empty where it needs no words."""

    body: str = ""
    content_type: str = "text/plain"
