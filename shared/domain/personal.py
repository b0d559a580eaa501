"""What keeps people out of what is stored: tokens instead of the labels that a plan declares personal, and
what is shown where a name or a text cannot be read."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from unicodedata import normalize

from shared.domain.alert import Alert
from shared.domain.written import Named, carries_text, forms_of, without

SOMEBODY = "somebody"
"""Instead of a name that is kept but cannot be read just now."""
UNREADABLE = "[this text cannot be read just now]"
"""Instead of a text that is kept but whose key cannot be had just now: it is not erased."""
DAMAGED = "[this text does not open: its row was changed, or came from elsewhere]"
ERASED_TITLE = "[erased]"
"""The title of an incident that was declared by hand, once that text is erased."""


class Pseudonyms:
    """Tokens instead of what some labels say; every value of a plan has one, whatever its label.

    The values go from the labels and annotations of those names, and from wherever else they stand whole, as
    `shared.domain.written` finds them: other labels and annotations, name, summary, service, severity,
    address, names of figures, the source's group key. Fingerprints are made anew under ``key``, for every
    alert of such a plan: a digest of labels gives away whose they are to whoever can guess, and a resolution
    has to meet its firing.
    """

    def __init__(self, labels: Sequence[str], plan: str, key: str) -> None:
        self._declared = frozenset(labels)
        self._plan = plan
        self._for_values, self._for_fingerprints = (
            _own_key(key, of) for of in ("personal label", "fingerprint")
        )
        self._named = Named(self._declared, self._token)

    def of(self, alert: Alert) -> Alert:
        """The alert as it may be stored."""
        tokens = {value: self._token(value) for value in self._said(alert)}
        forms = forms_of(tokens)

        def clean(text: str) -> str:
            return without(text, forms, self._named)

        def kept(texts: Mapping[str, str]) -> dict[str, str]:
            return {
                name: tokens.get(value, value) if name in self._declared else clean(value)
                for name, value in texts.items()
            }

        labels, service, url = kept(alert.labels), alert.service, alert.url
        if service is not None:
            service = tokens.get(service, service) if service not in labels.values() else clean(service)
        return replace(
            alert,
            fingerprint=self._digest(self._for_fingerprints, f"{alert.source}\n{alert.fingerprint}")[:32],
            name=clean(alert.name),
            group=clean(alert.group) if alert.group is not None else None,
            service=service,
            severity=clean(alert.severity) if alert.severity is not None else None,
            summary=clean(alert.summary),
            labels=labels,
            annotations=kept(alert.annotations),
            values={clean(name): value for name, value in alert.values.items()},
            url=None if url is None or carries_text(url) else clean(url),
            met=(),
        )

    def _said(self, alert: Alert) -> set[str]:
        """What the declared labels say, those included that the alert itself does not show."""
        pairs = chain(alert.labels.items(), alert.annotations.items(), alert.met)
        return {value for name, value in pairs if name in self._declared and value.strip()}

    def _token(self, value: str) -> str:
        """One for all the ways in which Unicode writes the same value."""
        return f"p-{self._digest(self._for_values, normalize('NFC', value.strip()))[:16]}"

    def _digest(self, own: bytes, value: str) -> str:
        text = f"{self._plan}\n{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(own, text, "sha256").hex()


def _own_key(key: str, what: str) -> bytes:
    """Apart from the HMAC by which people are found: one cannot be taken for the other."""
    return hmac.digest(key.encode("utf-8"), f"tocsin {what}".encode(), "sha256")


@dataclass(frozen=True)
class Person:
    """Who is known by a pseudonym."""

    pseudonym: str
    digest: str
    """Keyed hash of the identity; empty where the rows were written before it was kept with the name."""
    name: str | None = None
    """None where none is kept."""


@dataclass(frozen=True)
class Erasure:
    """The erasure of a person, as far as it is: kept until all of it is done and on record."""

    person: str
    """The pseudonym."""
    digest: str
    by: str
    """Pseudonym of who asked; empty where it was asked on the command line."""
    asked_at: datetime
    texts: bool = False
    """Whether every text that the person wrote is erased too."""
    found: Mapping[str, int] = field(default_factory=dict)
    """Each plan that is concerned, with how many texts were erased there."""
    seen: int = 0
    """Incidents looked at."""
    cursor: str | None = None
    """Where to go on looking."""
    searched: bool = False
    """Whether everything was looked at."""
    noted: tuple[str, ...] = ()
    """Plans whose journal has it."""
