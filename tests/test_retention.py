"""What a plan may say about keeping, and when a window is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain import retention
from shared.domain.incident import ActionItem, Incident, Review
from shared.domain.retention import Hold, Retention, held, read_hold
from tests.acme import ACME, faults_of, loaded
from tests.builders import NOON

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
HOLD = Hold("h1", "INC-00000000-1", "CASE-1", NOON, "person:1")
OVER = Incident(
    "00000000", 1, "acme", None, "g", "n", "api", "P1", "a" * 64, NOON, status="resolved", resolved_at=NOON
)


def test_what_is_not_said_is_kept_for_ever(tmp_path: Path) -> None:
    assert loaded(tmp_path).retention == Retention()


def test_windows_and_a_legal_hold_are_read_and_do_not_change_the_rules(tmp_path: Path) -> None:
    text = f'{ACME}\nretention: {{texts: 90d, incidents: 400d}}\nlegal_hold: "CASE 7/26"\n'
    plan = loaded(tmp_path, text)
    assert plan.retention == Retention(90 * DAY, 400 * DAY, "CASE 7/26")
    assert plan.rules.hash == loaded(tmp_path).rules.hash


@pytest.mark.parametrize(
    ("stated", "fault"),
    [
        ("retention: {texts: 6d}", "retention.texts: must be whole days, from 7d to 3660d"),
        ("retention: {texts: 7d}", None),
        ("retention: {texts: 8d}", None),
        ("retention: {incidents: 59d}", "retention.incidents: must be whole days, from 60d to 3660d"),
        ("retention: {incidents: 60d}", None),
        ("retention: {incidents: 61d}", None),
        ("retention: {incidents: 3660d}", None),
        ("retention: {incidents: 3661d}", "retention.incidents: must be whole days, from 60d to 3660d"),
        ("retention: {texts: 12h}", "retention.texts: must be whole days, from 7d to 3660d"),
        ("retention: {texts: 400d, incidents: 400d}", None),
        (
            "retention: {texts: 401d, incidents: 400d}",
            "retention: keeps texts longer than the incidents with which they go",
        ),
        ("retention: {journals: 90d}", "retention.journals: is no key of the language here"),
        (
            'legal_hold: "=1"',
            "legal_hold: must be the reference of a case: letters, digits, blanks and",
        ),
    ],
)
def test_bounds_are_kept_and_named(tmp_path: Path, stated: str, fault: str | None) -> None:
    text = f"{ACME}\n{stated}\n"
    if fault is None:
        loaded(tmp_path, text)
    else:
        [found] = faults_of(tmp_path, text)
        assert fault in found


@pytest.mark.parametrize(("at", "over"), [(-MOMENT, False), (0 * MOMENT, True), (MOMENT, True)])
def test_a_window_is_over_at_its_very_end(at: timedelta, *, over: bool) -> None:
    assert retention.lapsed(NOON, 60 * DAY, NOON + 60 * DAY + at) is over
    assert retention.quiet(OVER, NOON + retention.QUIET + at) is over
    assert retention.lapsed(NOON, None, NOON + 9999 * DAY) is False


def test_what_is_still_to_come_keeps_an_incident() -> None:
    item = ActionItem("A1", "lead", NOON, "low", "done", 3)
    assert retention.nothing_to_come(OVER)
    assert retention.nothing_to_come(replace(OVER, review=Review(NOON, completed_at=NOON), items=(item,)))
    for kept in (
        replace(OVER, status="acknowledged"),
        replace(OVER, deadline=NOON),
        replace(OVER, deliver_at=NOON),
        replace(OVER, review=Review(NOON)),
        replace(OVER, items=(replace(item, status="open"),)),
    ):
        assert not retention.nothing_to_come(kept)


def test_a_hold_keeps_its_incident_and_one_of_the_plan_keeps_all() -> None:
    assert held(Retention(), [HOLD], "INC-00000000-1") == "CASE-1"
    assert held(Retention(), [HOLD], "INC-00000000-2") is None
    assert held(Retention(), [HOLD], None) is None
    whole = replace(HOLD, incident=None, reference="CASE-2")
    assert held(Retention(), [whole], "INC-00000000-2") == held(Retention(), [whole], None) == "CASE-2"
    assert held(Retention(), [whole.released("person:2", NOON)], None) is None
    assert held(Retention(legal_hold="CASE-3"), [], None) == "CASE-3"


def test_a_hold_comes_back_as_it_was_kept() -> None:
    for hold in (HOLD, HOLD.released("person:2", NOON + DAY)):
        assert read_hold(hold.entry()) == hold
