"""Cells of the CSV files: one line a row, and nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kpi.csv_cells import line, neutral


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", " '=1"),
        ('"=1', "\"'=1"),
        ("\t=1", " '=1"),
        ("\r\n=1", "  '=1"),
        ("a;=1", "a;'=1"),
        ("a,@b|-c", "a,'@b|'-c"),
        ("＝1", "'＝1"),
        ("a=b+c-d@e", "a=b+c-d@e"),
        ("a\nb\u2028c\x85d\x00e", "a b c d e"),
        ("plain", "plain"),
    ],
)
def test_cells_that_a_spreadsheet_would_run_are_made_harmless(hostile: str, harmless: str) -> None:
    assert neutral(hostile) == harmless


@given(st.lists(st.text(st.sampled_from("=+-@＝;,|\"' \n\tab1é\u2028")), min_size=2))
def test_a_row_is_one_line_and_no_cell_of_it_begins_a_formula(cells: list[str]) -> None:
    row = line(cells)
    assert row.count(b"\n") == 1
    text = row.decode().rstrip("\n")
    assert len(next(csv.reader([text]))) == len(cells)
    for separator in (",", ";", "|"):
        for cell in next(csv.reader([text], delimiter=separator)):
            assert not re.match(r"[\s\"]*[=+\-@＝]", cell)
