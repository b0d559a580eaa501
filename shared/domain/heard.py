"""What the provider of a channel tells or asks: receipts, replies of people, keys that they pressed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.receipt import ReceiptState


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


@dataclass(frozen=True)
class KeyPress:
    """Somebody who was called pressed a key; an empty one where none was pressed."""

    token: str = field(repr=False)
    digit: str


@dataclass(frozen=True)
class Handshake:
    """The provider asks whether it may call here."""

    code: str


Heard = Told | Reply | KeyPress | Handshake


@dataclass(frozen=True)
class Answer:
    """What the provider is to be answered; empty where it needs no words."""

    body: str = ""
    content_type: str = "text/plain"
