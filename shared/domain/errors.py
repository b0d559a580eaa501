"""What can be wrong, by whose fault it is: the caller's, the world's, or the incident's own state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input: where it stands (``alerts[0].startsAt``) and why."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why}" if self.where else self.why


class TocsinError(Exception):
    """Root of every error that Tocsin raises on purpose; ``str()`` is fit to show to the caller."""


class InvalidInput(TocsinError):
    """The caller's fault; carries every fault found, not only the first (HTTP 400)."""

    def __init__(self, what: str, faults: list[Fault] | tuple[Fault, ...]) -> None:
        self.what = what
        self.faults = tuple(faults)
        super().__init__(f"{what}: " + "; ".join(str(fault) for fault in self.faults))


class InvalidPayload(InvalidInput):
    """A webhook body that its source's parser cannot turn into alerts."""


class InvalidPlan(InvalidInput):
    """A plan file that is not a plan; each fault names file, line and field."""


class TooLarge(TocsinError):
    """The body is over the limit of the contract (HTTP 413)."""


class NotFound(TocsinError):
    """No such plan, source, incident or export, or none that the caller may see (HTTP 404)."""


class Unauthenticated(TocsinError):
    """Nobody known is calling: no principal, or a signature or token that does not verify (HTTP 401)."""


class Forbidden(TocsinError):
    """The caller is known and may not do this (HTTP 403)."""


class Refused(TocsinError):
    """The incident's state forbids the command; the text says why (HTTP 409)."""


class Conflict(TocsinError):
    """Somebody else changed the row first; nothing was stored. Read again and decide again."""


class StoreUnavailable(TocsinError):
    """The store did not keep it, whatever the cause; nothing may be taken for durable (HTTP 503)."""


class RulesLost(StoreUnavailable):
    """The store answers, and frozen rules are not in it; asking again is pointless."""


class SecretUnavailable(TocsinError):
    """A named secret is missing or its vault does not answer; names the secret, never shows it."""


class DeliveryFailed(TocsinError):
    """A notification did not reach its provider.

    ``permanent`` says that trying this channel again is pointless; ``retry_after`` is the provider's
    own wish in seconds; ``status`` is its HTTP or SMTP code, where it gave one.
    """

    def __init__(
        self, why: str, *, permanent: bool, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(why)
        self.permanent = permanent
        self.status = status
        self.retry_after = retry_after
