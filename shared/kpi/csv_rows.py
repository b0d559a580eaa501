"""Reading a finished CSV member again, row by row, for what is made from it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator


def rows_of(pieces: Iterable[bytes]) -> Iterator[list[str]]:
    """The rows of a member, its header first; a row without a cell is left out."""
    return (row for row in csv.reader(_lines(pieces)) if row)


def cells_of(pieces: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """The rows behind the header, each cell by its column."""
    return iter(csv.DictReader(_lines(pieces)))


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for one in whole:
            yield one.decode("utf-8")
    if rest:
        yield rest.decode("utf-8")
