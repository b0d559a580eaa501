"""The workbook: typed cells as in the CSV files, nothing that runs, equal bytes each time."""

from __future__ import annotations

import csv
import io
import tracemalloc
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from shared.domain.timeline import stamp
from shared.kpi import verify
from shared.kpi.bundle import spooled, zipped
from shared.kpi.workbook_xlsx import KPIS, SHEETS, held, kind_of, serial, write
from tests.report_weeks import HOSTILE, START, Week, week


def made(folder: Path, one: Week, rows: int | None = None) -> Path:
    target = folder / "workbook.xlsx"
    write(target, one.kpi, one.read, **({"rows": rows} if rows else {}))
    return target


def loaded(path: Path) -> Any:  # noqa: ANN401  (openpyxl is not typed)
    return openpyxl.load_workbook(path)


def rows_of(one: Week, name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(one.read(name)).decode("utf-8"))))


def problems_of(folder: Path, one: Week, workbook: Path, rows: int = verify.SHEET_ROWS) -> list[str]:
    """What the verifier says of that workbook, for the bundle of that week."""
    parts = folder / "bundle"
    parts.mkdir()
    for name in verify.MEMBERS:
        (parts / name).write_bytes(b"".join(one.read(name)) if name in SHEETS else b"")
    (parts / "workbook.xlsx").write_bytes(workbook.read_bytes())
    bundle = verify.Bundle(parts)
    bundle.kpi = one.kpi
    return list(verify.workbook_problems(bundle, rows))


def rewritten(workbook: Path, part: str, was: bytes, is_: bytes) -> None:
    """The workbook with one part altered, and stored as before."""
    with zipfile.ZipFile(workbook) as parts:
        contents = {name: parts.read(name) for name in parts.namelist()}
    contents.setdefault(part, was)
    assert was in contents[part]
    contents[part] = contents[part].replace(was, is_, 1)
    spools = []
    for number, (name, content) in enumerate(contents.items()):
        spools.append(spooled(workbook.parent, f"part-{number}", content))
        spools[-1].name = name
    with workbook.open("wb") as file:
        file.writelines(zipped(spools))


def test_there_is_a_sheet_of_kpis_and_one_for_each_csv_file(tmp_path: Path) -> None:
    book = loaded(made(tmp_path, week()))
    assert book.sheetnames == [KPIS, *(name.removesuffix(".csv") for name in SHEETS)]
    for sheet in book:
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == sheet.dimensions
    assert book.properties.created.replace(tzinfo=UTC) == START + timedelta(days=7)


def test_numbers_instants_and_verdicts_are_typed(tmp_path: Path) -> None:
    one = week()
    sheet = loaded(made(tmp_path, one))["incidents"]
    header = [cell.value for cell in sheet[1]]
    cells = dict(zip(header, sheet[2], strict=True))
    assert cells["opened_at"].value == START.replace(tzinfo=None)
    assert cells["opened_at"].number_format.endswith('"Z"')
    assert cells["alerts"].value == 3
    assert cells["respond_met"].value is False
    assert cells["resolve_met"].value is True
    assert cells["source"].value is None
    assert cells["id"].value == "INC-00000000-1"
    other = loaded(made(tmp_path, one))["drills"]
    assert [cell.value for cell in other[2]][2:] == [4, "42"]


def test_kpis_are_numbers_for_the_plan_each_code_and_each_part(tmp_path: Path) -> None:
    sheet = loaded(made(tmp_path, week()))[KPIS]
    rows = {(row[0], row[1]): row[2:] for row in sheet.iter_rows(values_only=True)}
    assert rows["kpi", "part"][:3] == ("value", "numerator", "denominator")
    assert rows["time_to_acknowledge", "plan"][:3] == (364.25, 10199, 28)
    assert rows["time_to_acknowledge", "plan"][8] is False
    assert rows["alerts_by_disposition", "plan, updated"][0] == 384
    assert rows["incidents_opened", "service DiskFull"][0] == 28


def test_equal_weeks_make_equal_bytes_on_any_day(tmp_path: Path) -> None:
    one = made(tmp_path, week(names=HOSTILE)).read_bytes()
    turned = week(names=HOSTILE)
    turned.kpi["kpis"] = dict(reversed(turned.kpi["kpis"].items()))
    assert made(tmp_path, turned).read_bytes() == one


def test_nothing_is_compressed_or_dated_by_the_clock(tmp_path: Path) -> None:
    with zipfile.ZipFile(made(tmp_path, week())) as parts:
        assert {(info.compress_type, info.date_time) for info in parts.infolist()} == {
            (0, (1980, 1, 1, 0, 0, 0))
        }
        core = parts.read("docProps/core.xml").decode("utf-8")
    assert core.count("2026-11-15T23:00:00Z") == 2
    assert str(datetime.now(UTC).date()) not in core


def test_hostile_names_are_texts_as_the_csv_file_has_them(tmp_path: Path) -> None:
    one = week(60, HOSTILE)
    path = made(tmp_path, one)
    book = loaded(path)
    wanted = {row[1] for row in rows_of(one, "incidents.csv")[1:]}
    cells = [row[1] for row in book["incidents"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert {cell.value for cell in cells} >= {name for name in wanted if name.isalnum()}
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.hyperlink]
    texts = [
        cell.value for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "s"
    ]
    assert not [text for text in texts if text[:1] in "=+-@"]
    with zipfile.ZipFile(path) as parts:
        assert not [name for name in parts.namelist() if b"<f>" in parts.read(name) or "external" in name]


def test_a_text_is_held_whole_up_to_what_a_cell_holds() -> None:
    assert held("x" * 32_767) == "x" * 32_767
    assert held("x" * 32_768) == "x" * 16_000 + "…"
    assert held("😀" * 16_383) == "😀" * 16_383
    assert held("😀" * 16_384) == "😀" * 16_000 + "…"
    assert held("<r><t>raw</t></r>") == "'<r><t>raw</t></r>"


@pytest.mark.parametrize(
    ("column", "text", "kind"),
    [
        ("value", "0", "number"),
        ("value", "-7", "number"),
        ("value", "007", "text"),
        ("value", "9" * 15, "number"),
        ("value", "9" * 16, "text"),
        ("value", "1e5", "text"),
        ("service", "42", "text"),
        ("respond_met", "1", "verdict"),
        ("respond_met", "2", "number"),
        ("due", "2026-11-08T23:00:00.000000Z", "instant"),
        ("due", "2026-11-08T23:00:00Z", "text"),
    ],
)
def test_a_cell_is_a_number_only_where_it_reads_back_as_it_stands(column: str, text: str, kind: str) -> None:
    assert kind_of(column, text) == kind


def test_a_column_of_mixed_cells_is_text(tmp_path: Path) -> None:
    one = week()

    def read(name: str) -> Iterable[bytes]:
        return (
            [b"id,what,due\nINC-1,1,7\nINC-2,b,2026-11-08T23:00:00.000001Z\n"]
            if name == "drills.csv"
            else one.read(name)
        )

    write(tmp_path / "workbook.xlsx", one.kpi, read)
    sheet = loaded(tmp_path / "workbook.xlsx")["drills"]
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)] == [
        ["INC-1", "1", "7"],
        ["INC-2", "b", "2026-11-08T23:00:00.000001Z"],
    ]


def test_an_instant_keeps_its_microsecond() -> None:
    for micro in (0, 1, 499_999, 999_999):
        at = START + timedelta(microseconds=micro)
        days = serial(stamp(at))
        assert abs(days * 86_400_000_000 - verify.microseconds(stamp(at))) <= 1
    assert serial("1900-03-01T12:00:00.000000Z") == 61.5


@pytest.mark.parametrize("incidents", [8, 9, 10, 27, 28])
def test_a_table_goes_on_in_a_second_sheet(tmp_path: Path, incidents: int) -> None:
    one = week(incidents)
    for kpi in list(one.kpi["kpis"])[1:]:
        del one.kpi["kpis"][kpi]
    path = made(tmp_path, one, rows=10)
    book = loaded(path)
    names = [name for name in book.sheetnames if name.startswith("incidents")]
    assert len(names) == -(-incidents // 9)
    assert names[1:2] == ["incidents (2)"][: len(names) - 1]
    ids = [row[0].value for name in names for row in book[name].iter_rows(min_row=2)]
    assert ids == [row[0] for row in rows_of(one, "incidents.csv")[1:]]
    assert problems_of(tmp_path, one, path, 10) == []


def test_the_verifier_finds_nothing_in_what_was_made(tmp_path: Path) -> None:
    one = week(60, (*HOSTILE, "y" * 40_000))
    assert problems_of(tmp_path, one, made(tmp_path, one)) == []


@pytest.mark.parametrize(
    ("part", "was", "is_", "named"),
    [
        ("xl/worksheets/sheet1.xml", b"<v>364.25</v>", b"<v>364.26</v>", "sheet KPIs row"),
        ("xl/worksheets/sheet2.xml", b"INC-00000003-1", b"INC-00000003-2", "sheet incidents row 5 column A"),
        ("xl/worksheets/sheet2.xml", b't="b"><v>0', b't="b"><v>1', "sheet incidents row 2 column S"),
        ("xl/worksheets/sheet3.xml", b'<c r="C2"><v>4</v></c>', b"", "sheet drills row 2 column C"),
        ("xl/worksheets/sheet3.xml", b"<v>4</v>", b"<f>1+3</f><v>4</v>", "sheet drills row 2 column C"),
        ("xl/worksheets/sheet3.xml", b'"C2"', b'"E2"', "sheet drills row 2 column C"),
        ("xl/worksheets/sheet14.xml", b'<row r="9"', b'<row r="8"', "sheet audit row 9"),
        (
            "xl/worksheets/sheet3.xml",
            b"?>",
            b'?><!DOCTYPE a [<!ENTITY b "c">]>',
            "sheet drills what comes before",
        ),
        ("xl/workbook.xml", b'name="drills"', b'name="drill"', "xl/workbook.xml its text"),
        ("xl/vbaProject.bin", b"<?xml", b"<?xml ", "the directory that its parts make"),
    ],
)
def test_the_verifier_names_the_cell_that_differs(
    tmp_path: Path, part: str, was: bytes, is_: bytes, named: str
) -> None:
    one = week()
    path = made(tmp_path, one)
    rewritten(path, part, was, is_)
    found = problems_of(tmp_path, one, path)
    assert any(named in problem for problem in found), found


def test_a_damaged_workbook_is_not_taken_for_one(tmp_path: Path) -> None:
    one = week()
    path = made(tmp_path, one)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "byte" in problems_of(tmp_path, one, path)[0]
    (tmp_path / "bundle").rename(tmp_path / "before")
    path.write_bytes(b"PK")
    assert "[Content_Types].xml does not stand here" in problems_of(tmp_path, one, path)[0]


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for incidents in (1_000, 2_000):
        one = week(incidents)
        tracemalloc.start()
        made(tmp_path, one)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3
