"""The exports' timer and what an Admin asks for: holes, cut-off restatements, purged weeks, the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.errors import InvalidInput, Refused, StoreUnavailable
from shared.domain.journal import Entry, Journal
from shared.domain.plan import Plan
from shared.domain.timeline import Event
from shared.export_ports import Exports, Progress
from shared.kpi.shelf import Bundle
from shared.workflows.compile_exports import GIVEN_UP_AFTER, CompileExports
from shared.workflows.export_kpis import find_bundle, list_bundles, read_manifest
from tests.builders import a_plan, hours, minutes
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.test_restatements import NEXT, THIRD, punctual, with_late
from tests.working_fakes import MemoryExports, MemoryTimelines

PLAN = a_plan()
LATER = SUNDAY + timedelta(days=22)


@dataclass
class OnePlan:
    """`ports.Plans` with one."""

    plan: Plan

    def get(self, name: str) -> Plan:
        assert name == self.plan.name
        return self.plan

    def all(self) -> list[Plan]:
        return [self.plan]


@dataclass
class MemoryJournals:
    """`ports.Journals`; ``down`` says that storage does not answer."""

    events: list[Event] = field(default_factory=list)
    down: bool = False

    def journal(self, empty: Journal) -> tuple[Journal, str | None]:
        if self.down:
            raise StoreUnavailable("no answer")
        return empty, None

    def append(self, before: Journal, tag: str | None, entry: Entry) -> None:
        del before, tag
        self.events += entry.events


@dataclass
class MemoryProgress:
    """`ports.ExportProgress`, with everything that was ever said."""

    said: list[Progress] = field(default_factory=list)
    weeks: dict[str, Progress] = field(default_factory=dict)

    def get(self, plan: str, week: str) -> Progress | None:
        del plan
        return self.weeks.get(week)

    def put(self, plan: str, week: str, progress: Progress) -> None:
        del plan
        self.said.append(progress)
        self.weeks[week] = progress

    def wanted(self, plan: str) -> list[str]:
        del plan
        return [week for week, one in self.weeks.items() if one.state in ("wanted", "compiling")]


class Signs:
    """Signs whatever it is given."""

    def sign(self, bundle: Bundle, content: bytes, exports: Exports) -> bool:
        del bundle, content, exports
        return True


@dataclass
class Desk:
    """Somebody who compiles, at an instant in the test's hand."""

    timelines: MemoryTimelines
    exports: MemoryExports = field(default_factory=MemoryExports)
    journals: MemoryJournals = field(default_factory=MemoryJournals)
    said: MemoryProgress = field(default_factory=MemoryProgress)
    purged: set[str] = field(default_factory=set)
    at: datetime = LATER

    def __post_init__(self) -> None:
        self.compiling = CompileExports(
            OnePlan(PLAN),
            self.timelines,
            self.exports,
            self.said,
            self.journals,
            Signs(),  # type: ignore[arg-type]
            "1.0",
            lambda _: max(self.purged, default=""),
        )

    def compile(self, week: str) -> str:
        return self.compiling.compile(PLAN, week, self.clock).bundle.label

    def owed(self, at: datetime | None = None) -> list[str]:
        self.at = at or self.at
        return [f"{one.bundle.week} {one.bundle.label}" for _, one in self.compiling.compile_owed(self.clock)]

    def clock(self) -> datetime:
        return self.at

    def weeks(self) -> list[str]:
        return [f"{one.week} {one.label}" for one in list_bundles("acme", self.exports)]

    def recorded(self) -> list[dict[str, Any]]:
        return [dict(event.data) for event in self.journals.events]


def test_a_week_that_was_compiled_by_hand_hides_none_before_it() -> None:
    desk = Desk(punctual())
    desk.compile(WEEK)
    desk.compile(THIRD)
    desk.owed(SUNDAY + timedelta(days=22))
    assert desk.weeks() == [f"{WEEK} r1", f"{NEXT} r1", f"{THIRD} r1", f"{THIRD} r2", "2026-W50 r1"]


def test_a_plan_without_a_bundle_owes_its_last_week_alone() -> None:
    desk = Desk(punctual())
    desk.owed(SUNDAY + timedelta(days=1))
    assert desk.weeks() == [f"{WEEK} r1"]


@pytest.mark.parametrize("week", ["1026-W47", "0001-W01", "2016-W46"])
def test_a_year_that_was_mistyped_is_refused(week: str) -> None:
    desk = Desk(punctual())
    with pytest.raises(InvalidInput):
        desk.compile(week)
    with pytest.raises(InvalidInput):
        desk.compiling.ask(PLAN, week, "person:a", LATER)


def test_a_restatement_that_was_cut_off_before_the_later_weeks_is_gone_on_with() -> None:
    desk = Desk(punctual())
    for week in (WEEK, NEXT, THIRD):
        desk.compile(week)
    late = Desk(
        with_late(desk.timelines), Stops(desk.exports.blobs, before=f"acme/{NEXT}/r2/"), desk.journals
    )
    with pytest.raises(StoreUnavailable):
        late.compile(WEEK)
    assert late.said.weeks[WEEK].state == "failed"

    again = Desk(late.timelines, MemoryExports(desk.exports.blobs), desk.journals, at=LATER)
    again.owed()
    before = find_bundle("acme", NEXT, again.exports)
    last = read_manifest(find_bundle("acme", THIRD, again.exports), again.exports)
    assert (before.label, last["previous"]["revision"]) == ("r2", 2)


def test_purged_weeks_are_never_made_anew_and_stop_nothing_else() -> None:
    desk = Desk(punctual())
    desk.compile(WEEK)
    desk.purged.add(WEEK)
    with pytest.raises(Refused):
        desk.compile(WEEK)
    desk.owed(SUNDAY + timedelta(days=9))
    assert desk.weeks() == [f"{WEEK} r1", f"{NEXT} r1"]


def test_records_that_are_purged_while_they_are_read_make_no_restatement() -> None:
    desk = Desk(punctual())
    desk.compile(WEEK)
    desk.timelines.timelines.clear()
    desk.timelines.keep("acme", Gone(desk).events)
    with pytest.raises(Refused):
        desk.compile(WEEK)
    assert desk.weeks() == [f"{WEEK} r1"]


def test_what_is_made_is_on_record_once_with_what_it_restates() -> None:
    desk = Desk(punctual())
    desk.compile(WEEK)
    desk.compile(WEEK)
    Desk(with_late(desk.timelines), desk.exports, desk.journals).compile(WEEK)
    assert [(one["revision"], one["restates"]) for one in desk.recorded()] == [("r1", None), ("r2", "r1")]


def test_what_could_not_be_put_on_record_is_by_the_next_run() -> None:
    desk = Desk(punctual())
    desk.journals.down = True
    with pytest.raises(StoreUnavailable):
        desk.compile(WEEK)
    assert desk.weeks() == [f"{WEEK} r1"]
    desk.journals.down = False
    desk.owed(SUNDAY + hours(1))
    desk.owed(SUNDAY + hours(2))
    assert [one["revision"] for one in desk.recorded()] == ["r1"]


def test_progress_moves_and_a_failure_is_its_last_word() -> None:
    desk = Desk(punctual())
    ticks = iter(LATER + minutes(n) for n in range(100))
    desk.compiling.compile(PLAN, WEEK, lambda: next(ticks))
    states = [(one.state, one.done, one.of) for one in desk.said.said]
    assert states == [("compiling", 1, 1), ("done", 1, 1)]
    assert desk.said.said[0].updated_at > desk.said.said[0].started_at

    desk.purged.add(THIRD)
    with pytest.raises(Refused):
        desk.compile(NEXT)
    assert desk.said.weeks[NEXT].state == "failed"


@pytest.mark.parametrize(("silent", "begun"), [(GIVEN_UP_AFTER - minutes(1), 0), (GIVEN_UP_AFTER, 1)])
def test_a_compilation_that_was_cut_off_is_begun_again_once_it_is_silent(
    silent: timedelta, begun: int
) -> None:
    desk = Desk(punctual())
    desk.said.put("acme", WEEK, Progress("compiling", 3, 9, LATER - hours(1), LATER - silent))
    assert desk.compiling.compile_wanted(desk.clock) == begun
    assert desk.compiling.compile_wanted(desk.clock) == 0


def test_a_wish_that_cannot_be_met_says_why_and_holds_up_no_other() -> None:
    desk = Desk(punctual())
    desk.compiling.ask(PLAN, WEEK, "person:a", LATER)
    desk.compiling.ask(PLAN, THIRD, "person:a", LATER)
    desk.purged.add(WEEK)
    desk.compiling.compile_wanted(desk.clock)
    assert (desk.said.weeks[WEEK].state, desk.said.weeks[THIRD].state) == ("failed", "done")
    assert [event.actor for event in desk.journals.events] == ["person:a"]
    assert "purged" in str(desk.said.weeks[WEEK].why)


def test_of_two_that_compile_at_once_the_slower_reads_again_before_it_restates() -> None:
    desk = Desk(punctual())
    desk.compile(WEEK)
    slow = Desk(Slow(desk, desk.timelines), desk.exports, desk.journals)  # type: ignore[arg-type]
    slow.compile(WEEK)
    assert desk.weeks() == [f"{WEEK} r1", f"{WEEK} r2"]
    timeline = b"".join(desk.exports.stream(find_bundle("acme", WEEK, desk.exports).blob("timeline.jsonl")))
    assert b"INC-00000002-1" in timeline


class Stops(MemoryExports):
    """Storage that fails before the first blob of that name."""

    def __init__(self, blobs: dict[str, bytes], before: str) -> None:
        super().__init__(blobs)
        self.before = before

    def write(self, name: str, pieces: Any) -> None:  # noqa: ANN401  (as the fake has it)
        if name.startswith(self.before):
            raise StoreUnavailable("no answer")
        super().write(name, pieces)


class Gone:
    """A timeline whose week is purged while it is read."""

    def __init__(self, desk: Desk) -> None:
        self.events = _Purging(desk, Story().opened(MONDAY + hours(1)).events)


class _Purging(list[Event]):
    def __init__(self, desk: Desk, events: list[Event]) -> None:
        super().__init__(events)
        self.desk = desk

    def __iter__(self) -> Iterator[Event]:
        self.desk.purged.add(WEEK)
        return super().__iter__()


class Slow:
    """Timelines read before a late fact is there; meanwhile somebody else restates the week with it."""

    def __init__(self, other: Desk, known: MemoryTimelines) -> None:
        self.other, self.known = other, known
        self.first = True

    def subjects(self, plan: str, week: str) -> list[str]:
        return (self.known if self.first else with_late(self.known)).subjects(plan, week)

    def events(self, subject: str) -> Iterator[Event]:
        if self.first:
            self.first = False
            Desk(with_late(self.known), self.other.exports, self.other.journals).compile(WEEK)
        return with_late(self.known).events(subject)
