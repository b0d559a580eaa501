"""CSV as the export writes it: one line a row, and no cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from shared.domain.timeline import Event, stamp
from shared.kpi.clocks import Clock

# Also after a separator of other locales, where a spreadsheet would begin the next cell.
_FORMULA = re.compile("(^|[;,|])([\\s\"']*)([=+\\-@＝＋－＠])")
# What every sheet shows as it stands: most cells, found by one look.
_HARMLESS = re.compile("[A-Za-z0-9][A-Za-z0-9 _.:/-]*")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Cells = Sequence[str | int | None]
"""One row before it is written; None is an empty cell."""


def line(cells: Iterable[str | int | None]) -> bytes:
    """One row, ended by a newline; None is an empty cell, texts are neutralised."""
    return (",".join(_cell(cell) for cell in cells) + "\n").encode("utf-8")


def neutral(text: str) -> str:
    """The text with control characters as spaces and an apostrophe before whatever would begin a formula."""
    return _FORMULA.sub(r"\1\2'\3", _CONTROL.sub(" ", text))


def verdict(clock: Clock) -> int | None:
    """The cell of a clock: 1 met, 0 missed, otherwise empty."""
    return {"met": 1, "missed": 0}.get(clock.outcome)


def text(value: object) -> str | int | None:
    """The cell of a value from an event's data: a list with spaces between, an object as ``key=value``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return " ".join(f"{key}={word(value[key])}" for key in sorted(value))
    return " ".join(word(one) for one in value) if isinstance(value, list | tuple) else str(value)


def place(event: Event) -> tuple[str, int, str]:
    """The cells with which every row about an event begins: subject, number, recording."""
    return event.subject, event.seq, stamp(event.recorded_at)


PLACE = {
    "subject": "the incident, or the journal",
    "seq": "number of the event in its timeline",
    "recorded_at": "when Tocsin stored it",
}
"""Words for those."""


def word(value: object) -> str:
    """The same where it is part of a cell: a text, empty for None."""
    found = text(value)
    return "" if found is None else str(found)


def _cell(value: str | int | None) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if _HARMLESS.fullmatch(value):
        return value
    text = neutral(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"') else text
