"""`workbook.xlsx`: a sheet of KPIs and one for each CSV member, its cells typed; equal bytes each time."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from shared.kpi.bundle import PIECE, Spool, zipped
from shared.kpi.csv_cells import neutral
from shared.kpi.csv_rows import rows_of
from shared.kpi.shelf import DATA

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

NAME = "workbook.xlsx"
SHEETS = tuple(name for name in DATA if name.endswith(".csv"))
"""The members that get a sheet of their name each, in this order, behind the sheet ``KPIs``."""
KPIS = "KPIs"
PARTS = {"by_severity": "severity", "by_service": "service", "by_version": "version"}
NUMBERS = (
    "value",
    "numerator",
    "denominator",
    "p50",
    "p90",
    "p95",
    "max",
    "target",
    "met",
    "previous",
    "baseline",
    "baseline_weeks",
    "change_percent",
)
COLUMNS = ("kpi", "part", *NUMBERS, "excluded", "unit", "words")

ROWS = 1_048_576
"""What a sheet holds, its header included; more goes on in a sheet ``audit (2)``."""
LONGEST = 32_767
"""UTF-16 units that a cell holds; a longer text is cut to ``KEPT`` characters and an ellipsis."""
KEPT = 16_000
INSTANT_FORMAT = 'yyyy-mm-dd hh:mm:ss"Z"'
WIDEST = 48
NAMES = frozenset(
    {"name", "service", "severity", "source", "rule", "contact", "channel", "step", "code", "commit"}
)
"""Columns whose cells stay texts even where all of them happen to be digits."""

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_INTEGER = re.compile(r"-?[1-9][0-9]{0,14}|0")
_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_DAY = 86_400 * 10**6

Kind = Literal["empty", "instant", "number", "verdict", "text"]
Cell = str | int | float | bool | None
Write = Callable[["Worksheet", int, int, Any], object]


def write(
    target: Path, kpi: Mapping[str, Any], read: Callable[[str], Iterable[bytes]], rows: int = ROWS
) -> None:
    """Make the file at ``target``; ``read`` gives a finished member in pieces, as often as it is asked.

    A column whose every cell is a whole number, an instant in UTC or a verdict of 1 and 0 is typed so, else
    it is text; nothing is a formula or a link. Memory does not grow with the rows.
    """
    with TemporaryDirectory(prefix="tocsin-workbook-") as folder:
        made = Path(folder) / "made.xlsx"
        _compose(made, kpi, read, rows)
        _store(made, target, Path(folder))


def kpi_rows(kpi: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    """The rows of the sheet ``KPIs``: each KPI for the plan, for each code of a breakdown, for each part."""
    for name, one in sorted(kpi["kpis"].items()):
        definition = one.get("definition", {})
        for part, figure in _parts(one):
            excluded = "; ".join(f"{reason}: {n}" for reason, n in sorted(figure.get("excluded", {}).items()))
            yield (
                name,
                neutral(part),
                *(figure.get(field) for field in NUMBERS),
                neutral(excluded) or None,
                definition.get("unit"),
                definition.get("words"),
            )


def _parts(one: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "plan", one["plan"]
    for code, value in sorted(one["plan"].get("by", {}).items()):
        yield f"plan, {code}", {"value": value}
    for key, word in PARTS.items():
        yield from ((f"{word} {name}", figure) for name, figure in sorted(one.get(key, {}).items()))


def _compose(made: Path, kpi: Mapping[str, Any], read: Callable[[str], Iterable[bytes]], rows: int) -> None:
    from xlsxwriter.workbook import Workbook

    book = Workbook(
        str(made),
        {
            "constant_memory": True,
            "tmpdir": str(made.parent),
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    created = datetime.fromisoformat(kpi["as_of"]).replace(tzinfo=None)
    title = f"KPIs of {kpi['plan']}, {kpi['week']}"
    book.set_properties({"title": title, "author": "Tocsin", "created": created})
    sheets = _Sheets(book, rows)
    sheets.of_kpis(kpi)
    for name in SHEETS:
        sheets.of_member(name, read)
    book.close()


class _Sheets:
    """Writes tables, each in as many sheets as it needs."""

    def __init__(self, book: Workbook, most: int) -> None:
        self._book, self._most = book, most
        self._head: Format = book.add_format({"bold": True, "bottom": 1, "bg_color": "#E8EBF0"})
        self._instant: Format = book.add_format({"num_format": INSTANT_FORMAT})

    def of_kpis(self, kpi: Mapping[str, Any]) -> None:
        """The sheet ``KPIs``."""
        widths = [30, 24, *(12 for _ in NUMBERS), 30, 18, 2 * WIDEST]
        self._fill(KPIS, COLUMNS, widths, [_written] * len(COLUMNS), kpi_rows(kpi))

    def of_member(self, name: str, read: Callable[[str], Iterable[bytes]]) -> None:
        """The sheet of a CSV member."""
        header, kinds, widths = _surveyed(rows_of(read(name)))
        rows = rows_of(read(name))
        next(rows, None)
        self._fill(name.removesuffix(".csv"), header, widths, [self._write_of(kind) for kind in kinds], rows)

    def _fill(
        self,
        name: str,
        header: Sequence[str],
        widths: Sequence[int],
        writes: Sequence[Write],
        rows: Iterable[Sequence[Cell]],
    ) -> None:
        sheet, at, number = self._begun(name, header, widths), 0, 1
        for row in rows:
            if at + 1 == self._most:
                sheet.autofilter(0, 0, at, len(header) - 1)
                number, at = number + 1, 0
                sheet = self._begun(f"{name} ({number})", header, widths)
            at += 1
            for column, cell in enumerate(row):
                if cell not in ("", None):
                    writes[column](sheet, at, column, cell)
        sheet.autofilter(0, 0, at, len(header) - 1)

    def _begun(self, name: str, header: Sequence[str], widths: Sequence[int]) -> Worksheet:
        sheet: Worksheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        for column, (words, width) in enumerate(zip(header, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, words, self._head)
        return sheet

    def _write_of(self, kind: Kind) -> Write:
        if kind == "instant":
            return lambda sheet, row, column, cell: sheet.write_number(
                row, column, serial(cell), self._instant
            )
        if kind == "number":
            return lambda sheet, row, column, cell: sheet.write_number(row, column, int(cell))
        if kind == "verdict":
            return lambda sheet, row, column, cell: sheet.write_boolean(row, column, cell == "1")
        return _written


def _written(sheet: Worksheet, row: int, column: int, cell: Any) -> None:  # noqa: ANN401  (any cell)
    if isinstance(cell, bool):
        sheet.write_boolean(row, column, cell)
    elif isinstance(cell, int | float):
        sheet.write_number(row, column, cell)
    else:
        sheet.write_string(row, column, held(str(cell)))


def _surveyed(rows: Iterator[list[str]]) -> tuple[list[str], list[Kind], list[int]]:
    """Header of a member; of each column the kind that all its cells have, and a width that shows most."""
    header = next(rows, [])
    kinds: list[Kind] = ["empty"] * len(header)
    widths = [len(name) + 4 for name in header]
    for row in rows:
        for column, text in enumerate(row):
            if text and kinds[column] != "text":
                kind = kind_of(header[column], text)
                kinds[column] = kind if kinds[column] in ("empty", kind) else "text"
            widths[column] = max(widths[column], len(text) + 1)
    wide = [
        22 if kind == "instant" else min(width, WIDEST) for kind, width in zip(kinds, widths, strict=True)
    ]
    return header, kinds, wide


def kind_of(column: str, text: str) -> Kind:
    """What a cell is; a number stays a text where the column names something."""
    if column.endswith("_met") and text in ("0", "1"):
        return "verdict"
    if _INSTANT.fullmatch(text):
        return "instant"
    return "number" if column not in NAMES and _INTEGER.fullmatch(text) else "text"


def serial(text: str) -> float:
    """An instant in UTC as the days since 1899-12-30 that spreadsheets count; good to the microsecond."""
    passed = datetime.fromisoformat(text) - _EPOCH
    return ((passed.days * 86_400 + passed.seconds) * 10**6 + passed.microseconds) / _DAY


def held(text: str) -> str:
    """The text as a cell can hold it.

    Too long a one is cut; one that XlsxWriter would take for its own markup (``<r>…``) gets an apostrophe.
    """
    if text.startswith("<r>") and text.endswith("</r>"):
        text = f"'{text}"
    return text if len(text.encode("utf-16-le")) <= 2 * LONGEST else f"{text[:KEPT]}…"


def _store(made: Path, target: Path, folder: Path) -> None:
    """The workbook again, stored instead of deflated: its bytes do not depend on who compressed them."""
    members = []
    with zipfile.ZipFile(made) as parts:
        for number, name in enumerate(parts.namelist()):
            spool = Spool(folder, f"part-{number}")
            with parts.open(name) as part:
                while piece := part.read(PIECE):
                    spool.write(piece)
            spool.close()
            spool.name = name
            members.append(spool)
    with target.open("wb") as file:
        file.writelines(zipped(members))
