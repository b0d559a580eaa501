"""The id that we give to a mail at Azure Communication Services, whose reports name nothing else of ours: the
incident stands in it."""

from __future__ import annotations

import hashlib
from uuid import UUID

from shared.domain.incident import CROCKFORD, incident_id, parse_incident_id

_BITS = 48
"""Left for what tells apart the mails of one incident."""
_MOST_N = 1 << 24


def operation_id(incident: str, idempotency_key: str) -> str:
    """A UUID (version 5 by its looks), the same for each try of a notification about an incident.

    What belongs to no incident gets one in which none is found.
    """
    digest = int.from_bytes(hashlib.sha256(idempotency_key.encode("utf-8", "replace")).digest()[:14], "big")
    parsed = parse_incident_id(incident)
    if parsed is None:
        return str(_uuid(digest & ~((_MOST_N - 1) << _BITS)))
    partition, n = 0, parsed[1]
    for letter in parsed[0]:
        partition = partition << 5 | CROCKFORD.index(letter)
    return str(_uuid((partition << 24 | n) << _BITS | digest & ((1 << _BITS) - 1)))


def incident_of(operation: str) -> str | None:
    """The incident that a mail was about, by the id that we gave it; None where it names none."""
    try:
        number = UUID(operation).int
    except ValueError:
        return None
    whole = (number >> 80) << 70 | (number >> 64 & 0xFFF) << 58 | number & ((1 << 58) - 1)
    name = whole >> _BITS & ((1 << 64) - 1)
    partition, n = name >> 24, name & (_MOST_N - 1)
    letters = "".join(CROCKFORD[partition >> shift & 31] for shift in range(35, -1, -5))
    made = incident_id(letters, n)
    return made if parse_incident_id(made) else None


def _uuid(number: int) -> UUID:
    """The 112 bits spread over what a version 5 leaves free."""
    high, middle, low = number >> 70, number >> 58 & 0xFFF, number & ((1 << 58) - 1)
    return UUID(int=high << 80 | 5 << 76 | middle << 64 | 2 << 62 | low)
