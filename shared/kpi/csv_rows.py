"""Reading a finished member again, line by line or row by row, for what is made from it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator


def rows_of(pieces: Iterable[bytes]) -> Iterator[list[str]]:
    """The rows of a member, its header first; a row without a cell is left out."""
    return (row for row in csv.reader(_texts(pieces)) if row)


def cells_of(pieces: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """The rows behind the header, each cell by its column."""
    return iter(csv.DictReader(_texts(pieces)))


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a member that comes in pieces, without their ends."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _texts(pieces: Iterable[bytes]) -> Iterator[str]:
    return (line.decode("utf-8") for line in lines_of(pieces))
