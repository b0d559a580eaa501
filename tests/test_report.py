"""The review report tells the whole timeline in words, and shows hostile text as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cadence import PostUpdate
from shared.domain.checklist import Tick
from shared.domain.classification import classify
from shared.domain.event_words import TOLD, Story, in_words
from shared.domain.incident import Head
from shared.domain.intake import Slot, receive
from shared.domain.report import NOT_WRITTEN, Report, markdown, report
from shared.domain.response import Acknowledge, Note, Reopen, Resolve
from shared.domain.review import ChangeItem, WriteReview
from shared.domain.timeline import GENESIS, seal, stamp
from tests.afterwards import CHECKLISTS, CODES, Course, with_afterwards, words
from tests.builders import NOON, an_alert, hours, minutes, seconds

DOC = Path(__file__).parent.parent / "docs" / "events.md"
NAMES = {"person:1": "Anna", "lead": "Technical lead"}
SAMPLE: dict[str, Any] = {
    "alerts": [
        {"state": "firing", "count": 2},
        {"state": "resolved", "count": 1},
        {"state": "firing", "count": 3},
    ],
    "attempts": 3,
    "audience": "internal",
    "audiences": ["internal"],
    "by": "person",
    "channel": "log",
    "clock": "respond",
    "code": "fixed",
    "contact": "lead",
    "declaration": "down-for-5m",
    "declare_due": stamp(NOON),
    "drill": None,
    "due": stamp(NOON),
    "first": True,
    "from": "P2",
    "in_time": False,
    "item": "A1",
    "kind": "action-taken",
    "missed": 3,
    "seconds": 7,
    "until": stamp(NOON),
    "count": 2,
    "withdrawn": False,
    "notify": ["lead", "oncall"],
    "nth": 2,
    "on_call": {"sre": "lead", "dba": None},
    "owner": "lead",
    "phase": "initial",
    "priority": "high",
    "roles": {"incident-commander": "lead", "scribe": None},
    "rotations": ["sre"],
    "round": 2,
    "rounds": 2,
    "rule": "errors",
    "section": "root-cause",
    "service": "api",
    "severity": "P1",
    "source": "generic",
    "state": "overridden",
    "status": "open",
    "step": 1,
    "to": ["lead"],
    "week": "2026-W47",
    "why": "it was acknowledged",
}


class Watched(Mapping[str, Any]):
    """Event data that remembers which keys were asked for."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        self.asked.add(key)
        return self.data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


def documented() -> dict[str, set[str]]:
    """Type of event of an incident -> every word in backticks of its row."""
    of_incidents, _, _ = DOC.read_text(encoding="utf-8").partition("## A plan's journal")
    rows = re.findall(r"^\| `([a-z-]+)` \|(.*)$", of_incidents, re.MULTILINE)
    return {type_: set(re.findall(r"`([a-z_0-9-]+)`", row)) for type_, row in rows}


def reported(course: Course) -> Report:
    return report(course.incident, course.events, course.texts, NAMES, course.rules)


def test_every_documented_event_is_told_in_words_from_what_its_row_documents() -> None:
    rows = documented()
    assert set(TOLD) == set(rows)
    story = Story([], {}, NAMES)
    for type_, row in rows.items():
        data = Watched(SAMPLE)
        said = TOLD[type_](data, story)
        assert said[:1].isupper(), type_
        assert "None" not in said, type_
        assert data.asked <= row, type_
    assert len({TOLD[type_](SAMPLE, story) for type_ in rows}) == len(rows), "no two sound the same"


def test_names_stand_for_contacts_and_a_round_is_named_from_the_second_on() -> None:
    story = Story([], {}, NAMES)
    assert TOLD["escalated"](SAMPLE, story) == (
        "Escalated, step 1 of round 2, to Technical lead, oncall (sre: Technical lead) (dba: nobody)"
    )
    assert TOLD["escalated"](SAMPLE | {"round": 1, "on_call": {}}, story).startswith("Escalated, step 1, to")
    assert TOLD["alerts"](SAMPLE, story) == "Alerts heard: 5 firing, 1 resolved"


@pytest.mark.parametrize(("late", "told"), [(59, False), (60, True), (61, True)])
def test_what_is_recorded_a_minute_late_says_of_when_it_is(late: int, told: bool) -> None:
    event = seal("INC", 1, GENESIS, "exhausted", "tocsin", SAMPLE, NOON, NOON + seconds(late))
    assert ("as of 2026-11-18 12:00:00 UTC" in in_words(Story([event], {}, {}), event)) is told


def test_an_event_of_a_type_that_is_not_known_is_still_told() -> None:
    event = seal("INC", 1, GENESIS, "moon-risen", "tocsin", {}, NOON, NOON)
    assert in_words(Story([event], {}, {}), event) == "Moon risen"


def a_whole_course() -> Course:
    course = Course(with_afterwards(checklists=CHECKLISTS, codes=CODES))
    course.does(Acknowledge(), NOON + minutes(4))
    course.does(Note("impact", words("carts were lost")), NOON + minutes(6))
    course.does(Note("mitigation", words("reads go to the replica")), NOON + minutes(20))
    course.does(PostUpdate("monitoring", words("calm")), NOON + minutes(30))
    course.does(Tick("scope", "ticked"))
    course.does(Tick("errors-low", "overridden", words("the dashboard is down")))
    course.does(Resolve(words("an index was added"), "fixed"), NOON + hours(1))
    course.does(ChangeItem(None, words("add an alert"), "lead", NOON + hours(72), "medium"))
    return course


def test_the_report_has_the_times_the_words_and_what_is_left() -> None:
    told = reported(a_whole_course())
    assert (told.times.detect, told.times.acknowledge, told.times.mitigate) == (None, 240, 1200)
    assert (told.times.resolve, told.times.total) == (3600, 3600)
    assert told.impact == "Noted during the response: carts were lost"
    assert (told.resolution, told.code) == ("an index was added", "fixed (Cause removed)")
    assert (told.root_cause, told.lessons) == ("", "")
    assert told.follow_up == ("Lessons are shared",)
    assert [(item.title, item.owner, item.status) for item in told.items] == [
        ("add an alert", "Technical lead", "open")
    ]
    assert (told.review_due, told.review_completed) == (NOON + hours(49), None)
    assert [line.who for line in told.timeline][:2] == ["Anna", "Anna"]
    assert len(told.timeline) == a_whole_course().incident.length
    assert any("overridden: the dashboard is down" in line.what for line in told.timeline)


def test_the_review_replaces_what_was_noted_during_the_response() -> None:
    course = a_whole_course()
    course.does(Tick("shared", "ticked"))
    course.does(WriteReview({"impact": words("40 carts"), "root-cause": words("no index")}))
    course.does(WriteReview({"root-cause": words("no index\nand no test"), "lessons": words("load-test")}))
    course.does(WriteReview({"lessons": words("page earlier")}, complete=True), NOON + hours(2))
    told = reported(course)
    assert told.impact == "40 carts"
    assert told.root_cause == "no index\nand no test", "a note that a later one repeats is not shown twice"
    assert told.lessons == "load-test\n\npage earlier"
    assert (told.review_completed, told.follow_up) == (NOON + hours(2), ())
    assert "completed 2026-11-18 14:00:00 UTC" in markdown(told)


def test_time_to_detect_runs_from_the_first_alert_to_the_opening() -> None:
    rules = with_afterwards()
    course = Course(rules)
    signals = [classify(an_alert(at=NOON - minutes(7), group="g"), rules)]
    slot = Slot("ABCDEFGH", "f" * 64, Head("f" * 64), None)
    change = receive(slot, signals, None, rules, course.directory, NOON).change
    assert change is not None
    told = report(change.after, change.events, {}, {}, rules)
    assert (told.times.detect, told.times.acknowledge, told.times.total) == (420, None, None)
    assert "source generic" in {line.who for line in told.timeline}


def test_a_reopened_incident_has_no_time_to_resolve_until_it_is_resolved_again() -> None:
    course = Course(with_afterwards())
    course.does(Resolve(words("restarted")), NOON + minutes(10))
    course.does(Reopen(), NOON + minutes(20))
    told = reported(course)
    assert (told.times.resolve, told.times.total, told.resolution, told.resolved_at) == (None, None, "", None)
    course.does(Resolve(words("repaired")), NOON + minutes(50))
    told = reported(course)
    assert (told.times.resolve, told.resolution) == (3000, "repaired")
    assert any("restarted" in line.what for line in told.timeline)


def test_missing_parts_say_so_and_the_headings_are_all_there() -> None:
    text = markdown(reported(Course(with_afterwards(review=None))))
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "Summary",
        "Timeline",
        "Root cause",
        "Impact",
        "Resolution",
        "Lessons learned",
        "Action items",
        "Follow-up",
    ]
    assert text.count(NOT_WRITTEN) == 7
    assert "None recorded." in text
    assert "No review is required." in text
    assert "| Time to resolve | not known |" in text


def test_a_drill_says_so_in_its_title() -> None:
    text = markdown(reported(Course(with_afterwards(), drill="failover")))
    assert text.startswith("# Drill: \\[P1\\] checkout is slow\n")
    assert "| Drill | failover |" in text


def test_the_same_timeline_gives_the_same_bytes() -> None:
    assert markdown(reported(a_whole_course())) == markdown(reported(a_whole_course()))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[click](https://evil.example)", "\\[click\\](https\\[:\\]//evil.example)"),
        ("go to WWW.evil.example", "go to www\\[.\\]evil.example"),
        ("ask @everyone", "ask \\[at\\]everyone"),
        ("&lt;b&gt;", "&amp;lt;b&amp;gt;"),
        ("a | b", "a \\| b"),
        ("a \\| b", "a \\\\\\| b"),
        ("# big", "\\# big"),
        ("---", "\\---"),
        ("12. twelve", "12\\. twelve"),
        ("    code", "code"),
        ("one\r\ntwo\n\n\nthree", "one\\\ntwo\n\nthree"),
        ("user\u202egpj.exe\x1b[31m", "usergpj.exe \\[31m"),
        ("lone \ud800", "lone \ufffd"),
        ("![x](y) `c` ~~d~~ *e* _f_ $g$", "\\!\\[x\\](y) \\`c\\` \\~\\~d\\~\\~ \\*e\\* \\_f\\_ \\$g\\$"),
    ],
)
def test_hostile_text_is_shown_as_text(hostile: str, shown: str) -> None:
    text = markdown(replace(reported(Course(with_afterwards())), root_cause=hostile))
    assert f"## Root cause\n\n{shown}\n\n## Impact" in text


@given(st.text(alphabet=st.sampled_from("<>|\\`[]()!#-\n\r\u2028@:/w. a&"), max_size=40))
def test_no_text_makes_html_breaks_a_table_or_adds_a_heading(hostile: str) -> None:
    course = a_whole_course()
    names = {"person:1": hostile, "lead": hostile}
    texts = dict.fromkeys(course.texts, hostile)
    incident = replace(course.incident, title=hostile or "t", drill=hostile or "d")
    text = markdown(report(incident, course.events, texts, names, course.rules))
    assert not re.search("[<>]", text.replace("&lt;", "").replace("&gt;", ""))
    assert "://" not in text
    assert "@" not in text
    assert len(re.findall(r"^#", text, re.MULTILINE)) == 11
    for row in re.findall(r"^\|.*$", text, re.MULTILINE):
        bars = len(re.findall(r"(?<!\\)(?:\\\\)*\|", row))
        assert bars in (3, 7), row
