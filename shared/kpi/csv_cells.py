"""CSV as the export writes it: one line a row, and no cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from shared.domain.timeline import stamp
from shared.kpi.clocks import Clock

# Also after a separator of other locales, where a spreadsheet would begin the next cell.
_FORMULA = re.compile("(^|[;,|])([\\s\"']*)([=+\\-@＝＋－＠])")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def line(cells: Iterable[str | int | None]) -> bytes:
    """One row, ended by a newline; None is an empty cell, texts are neutralised."""
    return (",".join(_cell(cell) for cell in cells) + "\n").encode("utf-8")


def neutral(text: str) -> str:
    """The text with control characters as spaces and an apostrophe before whatever would begin a formula."""
    return _FORMULA.sub(r"\1\2'\3", _CONTROL.sub(" ", text))


def instant(at: datetime | None) -> str | None:
    """The cell of an instant that there may not be."""
    return None if at is None else stamp(at)


def verdict(clock: Clock) -> int | None:
    """The cell of a clock: 1 met, 0 missed, otherwise empty."""
    return {"met": 1, "missed": 0}.get(clock.outcome)


def _cell(value: str | int | None) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = neutral(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"') else text
