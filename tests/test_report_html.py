"""The report: one page first, equal bytes each time, no figure but the bundle's, hostile text as text."""

from __future__ import annotations

import re
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shared.kpi import verify
from shared.kpi.kpi_json import pretty
from shared.kpi.report_charts import ticks_to
from shared.kpi.report_html import render
from shared.kpi.report_words import HEADLINES, change_of, sentences, shown
from shared.kpi.workbook_xlsx import SHEETS
from tests.report_weeks import HOSTILE, Week, week

CLOSING = 'controls.backlog.closing" data-unit="number" value='


def page_of(one: Week) -> str:
    return render(one.kpi, one.baseline, one.read).decode("utf-8")


def problems_of(folder: Path, one: Week, page: str) -> list[str]:
    """What the verifier says of that page, for the bundle of that week."""
    for name in verify.MEMBERS:
        (folder / name).write_bytes(b"".join(one.read(name)) if name in SHEETS else b"")
    (folder / "report.html").write_text(page, encoding="utf-8")
    bundle = verify.Bundle(folder)
    bundle.kpi, bundle.baseline = one.kpi, one.baseline
    return list(verify.report_problems(bundle))


class Tags(HTMLParser):
    """Every element of a page, and the text of those that are open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "seconds", "no data"),
        (0, "seconds", "0 s"),
        (59.9, "seconds", "59 s"),
        (60, "seconds", "1 min"),
        (244.25, "seconds", "4 min 4 s"),
        (3599, "seconds", "59 min 59 s"),
        (3600, "seconds", "1 h"),
        (86_399, "seconds", "23 h 59 min"),
        (90_061, "seconds", "1 d 1 h"),
        (99.999, "percent", "99.99 %"),
        (100.0, "percent", "100 %"),
        (0.001, "percent", "0.001 %"),
        (1234567, "number", "1,234,567"),
        (3.21429, "number", "3.21"),
        (50.0, "change", "+50 %"),
        (-30, "change", "−30 %"),
        (-0.001, "points", "−0.001 points"),
        (0.000012345, "number", "1.2e−05"),
        (2.5, "points", "+2.5 points"),
        (True, "met", "met"),
        (False, "met", "missed"),
        (False, "number", "no"),
        ("quiet", "number", "quiet"),
        ("", "number", ""),
        ("x" * 80, "number", "x" * 80),
        ("x" * 81, "number", "x" * 79 + "…"),
    ],
)
def test_a_value_is_shown_as_people_read_it_by_report_and_verifier(
    value: object, unit: str, words: str
) -> None:
    assert shown(value, unit) == verify.in_words(value, unit) == words


@pytest.mark.parametrize(
    ("highest", "unit", "ticks"),
    [
        (0, "number", [0, 1]),
        (4, "number", [0, 1, 2, 3, 4]),
        (5, "number", [0, 2, 4, 6]),
        (40, "number", [0, 10, 20, 30, 40]),
        (240, "seconds", [0, 60, 120, 180, 240]),
        (240.5, "seconds", [0, 120, 240, 360]),
        (7, "percent", [0, 25, 50, 75, 100]),
    ],
)
def test_an_axis_has_round_values(highest: float, unit: str, ticks: list[int]) -> None:
    assert ticks_to(highest, unit) == ticks


def test_a_change_is_in_points_for_percents_and_has_no_share_of_zero() -> None:
    assert change_of(100.0, 92.5, "percent") == (-7.5, "points")
    assert change_of(240, 360, "seconds") == (50.0, "change")
    assert change_of(0, 5, "count") is None


def test_sentences_know_which_way_is_good() -> None:
    told = {one.kpi: (one.verb, one.verdict, one.met) for one in sentences(week().kpi["kpis"])}
    assert told["time_to_acknowledge"] == ("rose from", "worse", False)
    assert told["time_to_resolve"] == ("fell from", "better", True)
    assert told["resolve_sla_attainment"] == ("rose from", "better", True)
    assert told["review_completion"] == ("was", "changed", None)
    assert "alerts_by_disposition" not in told


def test_equal_weeks_make_equal_bytes_whatever_the_order_of_keys() -> None:
    one, other = week(names=HOSTILE), week(names=HOSTILE)
    turned = {key: other.kpi[key] for key in reversed(other.kpi)}
    turned["kpis"] = dict(reversed(other.kpi["kpis"].items()))
    assert render(one.kpi, one.baseline, one.read) == render(turned, other.baseline, other.read)


def test_nothing_is_loaded_and_nothing_runs() -> None:
    page = page_of(week())
    tags = Tags(page)
    assert {tag for tag, _ in tags.found}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "form", "use"}
    )
    assert all((named.get("href") or "#").startswith("#") for _, named in tags.found)
    assert not [key for _, named in tags.found for key in named if key.startswith("on") or key == "style"]
    assert "http://" not in page
    assert "https://" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"Generated|20[0-9]{2}-[0-9]{2}-[0-9]{2}T", page)


def test_every_anchor_that_is_linked_stands_in_the_page_once() -> None:
    found = Tags(page_of(week(300))).found
    ids = [named["id"] for _, named in found if "id" in named]
    linked = {(named["href"] or "")[1:] for _, named in found if "href" in named}
    assert len(ids) == len(set(ids))
    assert linked <= set(ids)
    assert {f"of-{name}" for name in week().kpi["kpis"]} <= set(ids)


def test_figures_of_the_first_page_and_charts_have_words_for_those_who_do_not_see() -> None:
    page = page_of(week())
    found = Tags(page).found
    charts = [named for tag, named in found if tag == "svg"]
    labels = {label for named in charts for label in (named.get("aria-labelledby") or "").split()}
    assert len(charts) == 6
    assert all(named.get("role") == "img" for named in charts)
    assert labels <= {named.get("id") for _, named in found}
    assert '<html lang="en">' in page
    assert page.index('class="tiles"') < page.index("What changed") < page.index('class="charts"')
    for name in HEADLINES:
        assert f'data-figure="{name}.plan.value"' in page


def test_the_lists_are_bounded_and_say_what_they_leave_out() -> None:
    page = page_of(week(2_000))
    assert "and 1900 more" in page
    assert "200 of 2000 are shown" in page
    assert page.count('<tr id="incident-') == 200


def test_the_missed_and_the_longest_stand_first() -> None:
    page = page_of(week(300))
    respond = page[page.index('id="of-respond_sla_attainment"') :].partition("</ul>")[0]
    assert "missed" in respond.partition("</li>")[0]
    assert respond.count("missed") == 43
    slowest = page[page.index('id="of-time_to_acknowledge"') :]
    assert "5 min 59 s" in slowest.partition("</li>")[0]


def test_a_week_without_data_says_so_and_a_provisional_one_says_it_loudly() -> None:
    empty = week(0, weeks=0)
    for kpi in empty.kpi["kpis"].values():
        kpi["plan"] |= {"value": None, "previous": None, "baseline": None, "met": None}
    page = page_of(empty)
    assert "no data" in page
    assert "There was no incident." in page
    assert "PROVISIONAL" not in page
    assert "PROVISIONAL" in page_of(week(provisional=True))


def test_a_kpi_json_of_only_what_must_be_there_is_shown() -> None:
    bare = week(1, weeks=0)
    for key in ("controls", "attestation", "drift"):
        del bare.kpi[key]
    for kpi in bare.kpi["kpis"].values():
        kpi["plan"] = {"value": 1}
        del kpi["by_version"]
    page = render(bare.kpi, {}, bare.read).decode("utf-8")
    assert 'data-figure="time_to_resolve.plan.value"' in page


def test_hostile_names_are_text() -> None:
    page = page_of(week(60, HOSTILE))
    tags = Tags(page)
    assert not {tag for tag, _ in tags.found} & {"script", "img"}
    assert "<script>alert(1)</script>" in tags.text
    assert "{{ 7 * 7 }}" in tags.text
    assert "x" * 80 not in tags.text
    assert "\u202e" not in tags.text
    assert "�gnp.exe�" in tags.text
    assert page.count("<style>") == 1


def test_the_verifier_finds_nothing_in_what_was_made(tmp_path: Path) -> None:
    one = week(60, HOSTILE)
    assert problems_of(tmp_path, one, page_of(one)) == []


@pytest.mark.parametrize(
    ("was", "is_", "named"),
    [
        ('value="364.25"', 'value="264.25"', "time_to_acknowledge.plan.value"),
        (">6 min 4 s</data>", ">4 min 6 s</data>", "time_to_acknowledge.plan.value"),
        ('data-value="700"', 'data-value="70"', "trend.2026-W35.alerts_by_disposition.value"),
        (f'{CLOSING}"2"', f'{CLOSING}"3"', "controls.backlog.closing"),
        ("change.time_to_acknowledge", "change.time_to_resolve", "change.time_to_acknowledge"),
        ("<h1", "<script>1</script><h1", "<script>"),
        ('href="#of-', 'href="https://example.org/#of-', "https://example.org"),
        ("<h1", '<h1 onclick="x"', "onclick"),
        ('="percent" value="99.999"', '="number" value="99.999"', "resolve_sla_attainment.plan.value"),
        ('"sweeps.plan.value"', '"sweeps.plan.values"', "sweeps.plan.value"),
    ],
)  # fmt: skip
def test_the_verifier_names_the_figure_that_differs(tmp_path: Path, was: str, is_: str, named: str) -> None:
    one = week()
    page = page_of(one)
    assert was in page
    found = problems_of(tmp_path, one, page.replace(was, is_))
    assert any(named in problem for problem in found), found


def test_memory_and_size_do_not_grow_with_the_incidents() -> None:
    sizes, peaks = [], []
    for incidents in (1_000, 4_000):
        one = week(incidents)
        tracemalloc.start()
        sizes.append(len(render(one.kpi, one.baseline, one.read)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[1] < sizes[0] * 1.05
    assert peaks[1] < peaks[0] * 1.3


def test_the_shape_is_that_of_kpi_json() -> None:
    assert pretty(week().kpi).endswith(b"}\n")
