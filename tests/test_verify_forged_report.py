"""A report or a workbook that was altered, with all its hashes right, is not taken for the one made."""

from __future__ import annotations

import functools
import io
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shared.kpi import verify
from shared.kpi.bundle import spooled, zipped
from shared.kpi.report_charts import drawn
from shared.kpi.report_html import render
from shared.kpi.workbook_xlsx import SHEETS, write
from tests.report_weeks import HOSTILE, Week, week
from tests.verifier_pins import REFRESH, book_pins, style_pin

FORGED = "All targets were met. Time to resolve: 5 s."
SHEET = "xl/worksheets/sheet1.xml"
RELATIONSHIP = b'<Relationship Id="rId99" Type="http://x" Target="http://evil" TargetMode="External"/>'

Parts = list[tuple[str, bytes]]


@functools.cache
def made() -> tuple[Week, bytes, bytes]:
    """A week with its report and its workbook."""
    one = week(60, HOSTILE)
    with TemporaryDirectory() as folder:
        write(Path(folder) / "workbook.xlsx", one.kpi, one.read)
        return one, render(one.kpi, one.baseline, one.read), (Path(folder) / "workbook.xlsx").read_bytes()


def bundle_with(folder: Path, report: bytes, workbook: bytes) -> verify.Bundle:
    one, _, _ = made()
    for name in verify.MEMBERS:
        (folder / name).write_bytes(b"".join(one.read(name)) if name in SHEETS else b"")
    (folder / "report.html").write_bytes(report)
    (folder / "workbook.xlsx").write_bytes(workbook)
    bundle = verify.Bundle(folder)
    bundle.kpi, bundle.baseline = one.kpi, one.baseline
    return bundle


def report_problems(folder: Path, report: bytes) -> list[str]:
    return list(verify.report_problems(bundle_with(folder, report, made()[2])))


def workbook_problems(folder: Path, workbook: bytes) -> list[str]:
    return list(verify.workbook_problems(bundle_with(folder, made()[1], workbook)))


def added(text: str) -> Callable[[str], str]:
    return lambda page: page.replace("<body>", f"<body>{text}", 1)


def flattened(page: str) -> str:
    """Charts without their ups and downs; every figure stays."""
    page = re.sub(r'(<rect[^>]* height=")[0-9.]+', r"\g<1>1", page)
    page = re.sub(r'(<path[^>]* d=")[^"]*', r"\g<1>M0 0", page)
    return re.sub(r'(<circle[^>]* cy=")[^"]*', r"\g<1>1", page)


def hidden(page: str) -> str:
    """Other numbers to read, with the true ones where nobody sees them."""
    figures = re.findall(r"<data [^>]*>.*?</data>", page)
    shown = re.sub(r"<data [^>]*>.*?</data>", "<strong>42 s</strong>", page)
    return shown.replace("</body>", f"<div hidden>{''.join(figures)}</div></body>")


@pytest.mark.parametrize(
    "forge",
    [
        added(f"<p>{FORGED}</p>"),
        hidden,
        lambda page: page.replace("<style>", "<style>data{display:none} td::after{content:'met'}"),
        lambda page: page.replace("<style>", "<style>@import url(https://evil.example/x.css);"),
        lambda page: page.replace("</head>", "<style>p{display:none}</style></head>"),
        lambda page: re.sub("<meta http-equiv[^>]*>", "", page),
        lambda page: page.replace("default-src 'none'", "default-src * 'unsafe-inline'"),
        added(
            '<meta http-equiv="refresh" http-equiv="Content-Security-Policy" content="0;url=https://evil">'
        ),
        added("<svg><style><script>alert(1)</script></style></svg>"),
        added("<!--><script>alert(1)</script>-->"),
        added("<!-- --!><script>alert(1)</script>-->"),
        added("<![CDATA[><script>alert(1)</script>]]>"),
        added('<a href="javascript:alert(1)" href="#x">all is well</a>'),
        added('<data data-figure="sweeps.plan.value" data-unit="number" value="0">9'),
        added(" "),
        lambda page: page + "<p>more",
        lambda page: page.replace("INC-00000005-1", "INC-00000006-1"),
        lambda page: page.replace("DiskFull", "DiskFine").replace("_x0041_", "_x0042_"),
        lambda page: page.replace(" missed</li>", "</li>", 1),
        lambda page: page.replace("▼ worse", "▲ better", 1),
        lambda page: page.replace("rose from", "fell from", 1),
        lambda page: page.replace(' class="bad"', ' class="good"', 1),
        flattened,
    ],
)
def test_nothing_can_be_altered_in_the_report(tmp_path: Path, forge: Callable[[str], str]) -> None:
    page = made()[1].decode("utf-8")
    forged = forge(page)
    assert forged != page
    assert report_problems(tmp_path, forged.encode("utf-8"))


def test_the_honest_report_and_workbook_hold_whatever_things_are_called(tmp_path: Path) -> None:
    one, report, workbook = made()
    bundle = bundle_with(tmp_path, report, workbook)
    assert [*verify.report_problems(bundle), *verify.workbook_problems(bundle)] == []
    assert "</style><style>" in str(one.kpi)


def test_a_workbook_without_an_instant_holds(tmp_path: Path) -> None:
    one, _, workbook = made()
    write(tmp_path / "quiet.xlsx", one.kpi, lambda _: [b"id,due\n"])
    bundle = bundle_with(tmp_path, b"", (tmp_path / "quiet.xlsx").read_bytes())
    for name in SHEETS:
        (tmp_path / name).write_bytes(b"id,due\n")
    assert list(verify.workbook_problems(bundle)) == []
    (tmp_path / "workbook.xlsx").write_bytes(workbook)
    assert list(verify.workbook_problems(bundle))


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_of_either_can_be_another(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (no secret)
    _, report, workbook = made()
    for content, check in ((report, report_problems), (workbook, workbook_problems)):
        for _ in range(4):
            altered = bytearray(content)
            altered[chance.randrange(len(content))] ^= chance.randrange(1, 256)
            assert check(tmp_path, bytes(altered))


def test_a_byte_that_is_no_text_does_not_pass_for_the_mark_that_stands_for_such(tmp_path: Path) -> None:
    report = made()[1]
    assert "\ufffd".encode() in report
    altered = report.replace("\ufffd".encode(), b"\xff", 1)
    assert report_problems(tmp_path, altered) == ["report.html: it has bytes that are no UTF-8"]


def parts_of(workbook: bytes) -> Parts:
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        return [(name, parts.read(name)) for name in parts.namelist()]


def stored(folder: Path, parts: Parts) -> bytes:
    """The parts as the maker stores them."""
    spools = []
    for number, (name, content) in enumerate(parts):
        spools.append(spooled(folder, f"part-{number}", content))
        spools[-1].name = name
    return b"".join(zipped(spools))


def swap(part: str, was: bytes, is_: bytes) -> Callable[[Parts], Parts]:
    def edit(parts: Parts) -> Parts:
        assert was in dict(parts)[part]
        return [(name, text.replace(was, is_, 1) if name == part else text) for name, text in parts]

    return edit


def remapped(parts: Parts) -> Parts:
    """The first sheet is read from where a workbook has its properties."""
    other = dict(parts)[SHEET].replace(b"time_to_resolve", b"FORGED_NAME")
    parts = [(name, other if name == "docProps/app.xml" else text) for name, text in parts]
    return swap("xl/_rels/workbook.xml.rels", b'"worksheets/sheet1.xml"', b'"/docProps/app.xml"')(parts)


def shows_42(parts: Parts) -> Parts:
    """Every number is shown as 42."""
    more = b'<numFmts count="2"><numFmt numFmtId="170" formatCode="&quot;42&quot;"/>'
    parts = swap("xl/styles.xml", b'<numFmts count="1">', more)(parts)
    was = b'<cellXfs count="3"><xf numFmtId="0"'
    return swap("xl/styles.xml", was, was.replace(b'"0"', b'"170"'))(parts)


@pytest.mark.parametrize(
    ("forge", "named"),
    [
        (remapped, "xl/_rels/workbook.xml.rels"),
        (shows_42, "xl/styles.xml"),
        (swap("xl/theme/theme1.xml", b"000000", b"FFFFFF"), "xl/theme/theme1.xml"),
        (swap("xl/workbook.xml", b'<sheet name="d', b'<sheet state="veryHidden" name="d'), "xl/workbook.xml"),
        (swap("xl/workbook.xml", b'r:id="rId1"', b'r:id="rId2"'), "xl/workbook.xml"),
        (swap("xl/workbook.xml", b"<definedNames>", b"<definedNames><x/>"), "xl/workbook.xml"),
        (swap("xl/_rels/workbook.xml.rels", b"</Rel", RELATIONSHIP + b"</Rel"), "xl/_rels/workbook.xml.rels"),
        (swap("docProps/core.xml", b"<dc:creator>Tocsin", b"<dc:creator>Nobody"), "docProps/core.xml"),
        (swap(SHEET, b'<row r="2"', b'<row hidden="1" r="2"'), "sheet KPIs row 2"),
        (swap(SHEET, b'<c r="C2"', b'<c r="C2"><v>9</v></c><c r="C2"'), "sheet KPIs row 2 column C"),
        (swap(SHEET, b"<col ", b'<col hidden="1" '), "sheet KPIs what comes before its rows"),
        (
            swap(SHEET, b"</sheetData>", b'</sheetData><mergeCells><mergeCell ref="A1:R9"/></mergeCells>'),
            "sheet KPIs what comes behind its rows",
        ),
        (
            swap(SHEET, b"</sheetData>", b'</sheetData><conditionalFormatting sqref="C2"/>'),
            "sheet KPIs what comes behind its rows",
        ),
        (swap(SHEET, b"</sheetData>", b"</sheetData><x><sheetData/></x>"), "sheet KPIs what comes behind"),
        (swap(SHEET, b"</worksheet>", b"<oddHeader>met</oddHeader></worksheet>"), "sheet KPIs what comes"),
        (lambda parts: [(SHEET, b"forged"), *parts], "[Content_Types].xml does not stand here"),
        (lambda parts: [*parts, (SHEET, b"forged")], "the directory that its parts make"),
        (lambda _: [], "[Content_Types].xml does not stand here"),
    ],
)
def test_nothing_can_be_altered_in_the_workbook(
    tmp_path: Path, forge: Callable[[Parts], Parts], named: str
) -> None:
    forged = stored(tmp_path, forge(parts_of(made()[2])))
    (problem,) = workbook_problems(tmp_path, forged)
    assert named in problem


@pytest.mark.parametrize(
    ("before", "behind", "named"),
    [
        (b"", b"", "the directory that its parts make"),
        (b"", b"junk", "the directory that its parts make"),
        (b"MZ", b"", "[Content_Types].xml does not stand here"),
    ],
)
def test_the_zip_of_the_workbook_is_held_too(
    tmp_path: Path, before: bytes, behind: bytes, named: str
) -> None:
    workbook = made()[2]
    assert stored(tmp_path, parts_of(workbook)) == workbook
    comment = b"" if before or behind else b"\x05\x00hello"
    forged = before + (workbook[:-2] + comment if comment else workbook) + behind
    (problem,) = workbook_problems(tmp_path, forged)
    assert named in problem


@pytest.mark.parametrize("wrong", [[1], {"sweeps": "x"}, {"sweeps": {"plan": [], "definition": None}}])
def test_figures_of_another_shape_are_a_finding_and_no_crash(tmp_path: Path, wrong: object) -> None:
    _, report, workbook = made()
    bundle = bundle_with(tmp_path, report, workbook)
    bundle.kpi = {**bundle.kpi, "kpis": wrong}
    assert list(verify.report_problems(bundle))
    assert list(verify.workbook_problems(bundle))


def test_charts_are_drawn_again_to_the_same_coordinates() -> None:
    chance = random.Random(7)  # noqa: S311  (no secret)
    for count in range(1, 14):
        weeks = {f"2026-W{20 + number}": some_figures(chance) for number in range(count)}
        *_, last = weeks
        kpi = {"week": last, "kpis": {name: {"plan": one} for name, one in weeks[last].items()}}
        baseline = {"weeks": {week: {"kpis": weeks[week]} for week in weeks if week != last}}
        made_ones = [one.svg for one in drawn(kpi, baseline)]
        again = [verify.Chart(number, weeks).picture() for number in range(len(verify.CHARTS))]
        assert made_ones == again


def some_figures(chance: random.Random) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for _, _, unit, lines, target in verify.CHARTS:
        most = 100.0 if unit == "percent" else 10 ** chance.uniform(-2, 6)
        for kpi, key, _ in lines:
            values = (None, 0, float(f"{chance.random() * most:.6g}"), int(chance.random() * most))
            found.setdefault(kpi, {})[key] = chance.choice(values)
        if target:
            found[target]["target"] = chance.choice((None, int(most)))
    return found


def test_the_pins_are_of_the_style_and_the_parts_as_they_are_made(tmp_path: Path) -> None:
    assert style_pin() == verify.STYLE_PIN, f"if that is meant, run: {REFRESH}"
    assert book_pins(tmp_path) == verify.BOOK_PINS, f"if that is meant, run: {REFRESH}"
