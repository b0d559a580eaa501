"""What the export needs from the world: what it reads, where bundles go, who signs and who may fetch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from shared.domain.export_link import ExportLink
from shared.domain.timeline import Event, Text


@dataclass(frozen=True)
class Signature:
    """Who signed, how, and the signature: 64 bytes, r before s, over the SHA-256 of the content."""

    key_id: str
    """The key's thumbprint (RFC 7638), whatever keeps it."""
    algorithm: str
    value: bytes
    jwk: Mapping[str, str]
    """The public key."""


class Signing(Protocol):
    """The key that signs exports. Every method may raise SecretUnavailable, within seconds."""

    def sign(self, content: bytes) -> Signature:
        """Sign with the current key; twice the same content has two signatures, and both hold."""

    def holds(self, content: bytes, signature: Signature) -> bool:
        """Whether one of `public_keys` made it of this content."""

    def public_keys(self) -> Sequence[Mapping[str, str]]:
        """Every key that signs or has signed, as JWKs with `kid`, the newest first."""


class Timelines(Protocol):
    """What the export reads."""

    def subjects(self, plan: str, week: str) -> list[str]:
        """Every subject of the plan that has events in the ISO week (``2026-W47``), sorted, each once."""

    def events(self, subject: str) -> Iterator[Event]:
        """A subject's whole timeline in order; empty where there is none."""


class Exports(Protocol):
    """Where bundles are kept, for good: ``plan/week/rN/file``."""

    def names(self, prefix: str) -> list[str]:
        """Every blob name that begins with ``prefix``, sorted."""

    def read(self, name: str) -> bytes:
        """A whole small blob. Raises NotFound."""

    def size(self, name: str) -> int:
        """How many bytes a blob has. Raises NotFound."""

    def stream(self, name: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """A blob in pieces, or its bytes ``first`` to ``last``, both included. Raises NotFound."""

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Create a blob. Raises Conflict where it exists already; never overwrites."""


class ExportLinks(Protocol):
    """Tokens that stand in auditors' links."""

    def sign(self, link: ExportLink) -> str:
        """A token of URL-safe characters. Raises SecretUnavailable."""

    def read(self, token: str, now: datetime) -> ExportLink:
        """What a token grants. Raises SecretUnavailable, Unauthenticated where it is not ours or old."""


@dataclass(frozen=True)
class Progress:
    """How far the compilation of a week is; ``why`` it failed, where it did."""

    state: Literal["wanted", "compiling", "done", "failed"]
    done: int
    of: int
    started_at: datetime
    updated_at: datetime
    revision: str | None = None
    why: str | None = None
    by: str = "tocsin"
    """Who asked for it, as events name them."""


class ExportProgress(Protocol):
    """Where compilations say how far they are. May raise StoreUnavailable."""

    def get(self, plan: str, week: str) -> Progress | None:
        """The latest word of that week; None where there was none."""

    def put(self, plan: str, week: str, progress: Progress) -> None:
        """Store it, whatever was there."""

    def wanted(self, plan: str) -> Sequence[str]:
        """The weeks that somebody asked for and nobody has begun."""


class KeptTexts(Protocol):
    """The free texts beside events, as `texts.zip` gives them away."""

    def whole_texts(self, incident_id: str) -> Mapping[int, Text]:
        """Those still kept, with their salts, by sequence number; not those erased or damaged.

        Raises SecretUnavailable and StoreUnavailable where one cannot be read just now.
        """
