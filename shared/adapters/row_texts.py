"""Texts as properties of Table Storage, which takes 64 KiB in each: cut and marked, or spread over many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LONGEST_STRING = 30_000
"""UTF-16 units in a property; the service takes 32,768."""
CUT = "…[truncated]"
_PIECE = LONGEST_STRING // 2
"""Characters; each takes up to two units."""
LONGEST_URL = 4_000


def bounded(text: str, units: int) -> str:
    """The text, cut and marked where it is longer than ``units`` of UTF-16."""
    if 2 * len(text) <= units or _units(text) <= units:
        return text
    room = 2 * (units - len(CUT))
    return text.encode("utf-16-le", "surrogatepass")[:room].decode("utf-16-le", "ignore") + CUT


def bounded_json(values: Mapping[str, str]) -> str:
    """A JSON object within one property: long values are cut, then values left out, and both marked."""
    longest, kept = LONGEST_STRING, list(values.items())
    left_out: dict[str, str] = {}
    while True:
        shown = {key: bounded(value, longest) for key, value in kept} | left_out
        text = json.dumps(shown, ensure_ascii=False)
        if 2 * len(text) <= LONGEST_STRING or _units(text) <= LONGEST_STRING:
            return text
        if longest < 64:
            kept, left_out = kept[: len(kept) // 2], {CUT: CUT}
        longest = max(32, longest // 2)


def bounded_url(url: str | None) -> str | None:
    """An address that was cut would lead somewhere else: too long a one is left out."""
    return url if url and _units(url) <= LONGEST_URL else None


def spread(name: str, text: str) -> dict[str, str]:
    """A text of any length as properties: ``name``, ``name1``, ``name2`` …"""
    pieces = [text[at : at + _PIECE] for at in range(_PIECE, len(text), _PIECE)]
    return {name: text[:_PIECE]} | {f"{name}{nth}": piece for nth, piece in enumerate(pieces, start=1)}


def gathered(row: Mapping[str, Any], name: str) -> str:
    """The inverse of `spread`."""
    text, nth = str(row[name]), 1
    while piece := row.get(f"{name}{nth}"):
        text, nth = text + piece, nth + 1
    return text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
