"""A part of a file that was asked for, as HTTP states it (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.domain.errors import TocsinError

_ONE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.IGNORECASE)


class Unsatisfiable(TocsinError):
    """The part lies behind the end of the file, which has ``size`` bytes (HTTP 416)."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the file has {size} bytes, and none of those that were asked for")


@dataclass(frozen=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both included, of a file of ``size`` bytes."""

    first: int
    last: int
    size: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def asked(header: str, size: int) -> ByteRange | None:
    """The part that a ``Range`` header asks for; None where it states none, or several: then all is given.

    Raises Unsatisfiable.
    """
    match = _ONE.fullmatch(header)
    if match is None or match[1] == match[2] == "":
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        if not length:
            raise Unsatisfiable(size)
        return ByteRange(size - length, size - 1, size)
    first = int(match[1])
    last = min(int(match[2]), size - 1) if match[2] else size - 1
    if match[2] and int(match[2]) < first:
        return None  # not a range at all, says the standard
    if first >= size:
        raise Unsatisfiable(size)
    return ByteRange(first, last, size)
