"""On record, once and without overlaps: that Tocsin was awake in every hour, and who was on call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.channels.http_post import HttpPost
from shared.adapters.public_door import PublicDoor
from shared.domain import oncall_record, watch
from shared.domain.errors import Conflict
from shared.domain.journal import Entry, Journal
from shared.domain.oncall import Absence, Layer, Override, Rotation
from shared.domain.timeline import parse_stamp, stamp
from shared.domain.watch import Hour
from shared.workflows.keep_watch import KeepWatch
from shared.workflows.record_once import Fact
from tests.builders import NOON, a_directory, hours, minutes, seconds
from tests.keeping import DAY, Keeping
from tests.receivers import HttpReceiver, Reply

MOMENT = timedelta(microseconds=1)
_years = iter(range(2030, 2090))


class Hand:
    """A door that answers as the test says."""

    def __init__(self) -> None:
        self.open = True
        self.asked = 0

    def answers(self, now: datetime) -> bool:  # noqa: ARG002
        self.asked += 1
        return self.open


class NoJournal:
    """A journal that cannot be reached."""

    def journal(self, empty: Journal) -> tuple[Journal, str | None]:  # noqa: ARG002
        raise ConnectionAbortedError

    def append(self, before: Journal, tag: str | None, entry: Entry) -> None:  # noqa: ARG002
        raise ConnectionAbortedError


class Watching(Keeping):
    """A stage in a year of its own: the hours are those of the whole account."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        self.noon = datetime(next(_years), 3, 6, 12, tzinfo=UTC)
        self.door = Hand()
        self.watching = self.another()

    def another(self) -> KeepWatch:
        """Another process."""
        return KeepWatch(self.plans, self.beats, self.once, self.door)

    def keep(self, at: datetime) -> int:
        return self.watching.keep(lambda: at)

    def facts(self, type: str) -> list[dict[str, Any]]:
        """Every event of a type in the journals of this year, in order."""
        found = [
            event
            for n in range(60)
            for event in self.store.events(f"JRN-{self.name}-{self.noon + n * DAY:%Y%m%d}-0")
            if event.type == type
        ]
        return [dict(event.data) for event in sorted(found, key=lambda event: event.recorded_at)]

    def rotates(
        self, *members: str, overrides: tuple[Override, ...] = (), fallback: str | None = None
    ) -> None:
        layers = (Layer(members, "2026-01-05T09:00", DAY),) if members else ()
        rotation = Rotation("sre", layers=layers, overrides=overrides, fallback=fallback)
        self.directory(replace(a_directory(), rotations={"sre": rotation}))

    def away(self, contact: str, since: datetime, until: datetime) -> None:
        known = self.plan.directory
        absences = {contact: (Absence(since, until),)}
        self.plans.plan = replace(self.plan, directory=replace(known, absences=absences))


@pytest.fixture
def watching(storage: str) -> Iterator[Watching]:
    with Watching(storage) as stage:
        yield stage


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        yield server


def beats(stage: Watching, since: datetime, until: datetime) -> None:
    """A run every ten minutes."""
    at = since
    while at < until:
        stage.beats.beat(at, 0)
        at += minutes(10)


def test_an_hour_is_on_record_once_it_has_rested(watching: Watching) -> None:
    noon = watching.noon
    watching.keep(noon)
    beats(watching, noon, noon + hours(1))
    assert watching.keep(noon + hours(1) + watch.SETTLE - MOMENT) == 0
    assert watching.keep(noon + hours(1) + watch.SETTLE) == 1
    assert watching.keep(noon + hours(1) + watch.SETTLE + MOMENT) == 0
    assert watching.facts("watched") == [
        {
            "from": stamp(noon),
            "until": stamp(noon + hours(1)),
            "sweeps": 6,
            "longest_gap_seconds": 600,
            "probes": 1,
            "probes_failed": 0,
        }
    ]


def test_the_gap_counts_over_the_edges_and_through_hours_without_a_run(watching: Watching) -> None:
    noon = watching.noon
    watching.keep(noon)
    watching.beats.beat(noon + minutes(50), 0)
    watching.keep(noon + minutes(66))
    watching.keep(noon + minutes(126))
    watching.beats.beat(noon + minutes(150), 0)
    watching.keep(noon + minutes(186))
    gaps = [(each["sweeps"], each["longest_gap_seconds"]) for each in watching.facts("watched")]
    assert gaps == [(1, 50 * 60), (0, 70 * 60), (1, 100 * 60)]


def test_an_outage_is_made_up_for_week_by_week_without_overlaps(watching: Watching) -> None:
    noon = watching.noon
    watching.keep(noon)
    back = noon + 15 * DAY + minutes(6)
    assert [watching.keep(back + minutes(n)) for n in range(4)] == [1, 1, 1, 0]
    spans = [(each["from"], each["until"]) for each in watching.facts("watched")]
    edges = [noon, noon + 7 * DAY, noon + 14 * DAY, noon + 15 * DAY]
    assert spans == [(stamp(one), stamp(two)) for one, two in itertools.pairwise(edges)]


def test_many_that_keep_watch_at_once_record_it_once(watching: Watching) -> None:
    noon = watching.noon
    watching.keep(noon)
    processes = [watching.another() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        later = noon + hours(1) + minutes(6)
        noted = list(pool.map(lambda process: process.keep(lambda: later), processes))
    assert sum(noted) == 1
    assert len(watching.facts("watched")) == 1
    assert watching.door.asked == 2  # one a minute of the clock, whoever it is


@pytest.mark.parametrize("noted", [False, True])
def test_what_was_cut_off_is_recorded_once_all_the_same(watching: Watching, *, noted: bool) -> None:
    noon, plan = watching.noon, watching.plan
    watching.keep(noon)
    late = noon + hours(1) + minutes(6)
    reached = watching.once.reached(plan, "watched", late)
    data = watch.watched(noon, noon + hours(1), None, [])
    go_on = watching.once.go_on

    def cut_off(*_: object) -> object:
        raise ConnectionAbortedError

    if noted:
        watching.once.go_on = cut_off  # type: ignore[method-assign,assignment]
    else:
        watching.once.journals = NoJournal()
    with pytest.raises(ConnectionAbortedError):
        watching.once.record(
            plan, "watched", reached, Fact("watched", data, noon), {"until": data["until"]}, late
        )
    watching.once.go_on = go_on  # type: ignore[method-assign]
    watching.once.journals = watching.journals
    assert len(watching.facts("watched")) == int(noted)
    with pytest.raises(Conflict):
        watching.once.reached(plan, "watched", late + minutes(3) - MOMENT)
    watching.keep(late + minutes(3))
    assert [each["until"] for each in watching.facts("watched")] == [stamp(noon + hours(1))]


def test_the_door_is_tried_once_a_minute_and_its_failures_are_counted(watching: Watching) -> None:
    noon = watching.noon
    watching.keep(noon)
    watching.keep(noon + seconds(59))
    watching.door.open = False
    watching.keep(noon + seconds(60))
    beats(watching, noon, noon + minutes(30))
    watching.keep(noon + hours(1) + minutes(6))
    [fact] = watching.facts("watched")
    assert (fact["probes"], fact["probes_failed"], fact["sweeps"]) == (2, 1, 3)


def test_without_a_public_address_nobody_is_asked(watching: Watching) -> None:
    noon = watching.noon
    silent = KeepWatch(watching.plans, watching.beats, watching.once)
    silent.keep(lambda: noon)
    silent.keep(lambda: noon + hours(1) + minutes(6))
    [fact] = watching.facts("watched")
    assert (fact["probes"], fact["probes_failed"]) == (0, 0)


@pytest.mark.parametrize(("status", "answers"), [(200, True), (302, False), (404, False), (503, False)])
def test_the_public_door_answers_itself_or_not_at_all(
    receiver: HttpReceiver, status: int, *, answers: bool
) -> None:
    receiver.otherwise = Reply(status, headers={"Location": receiver.url})
    assert PublicDoor(f"{receiver.url}/", HttpPost()).answers(NOON) is answers
    assert [request.path for request in receiver.requests] == ["/api/v1/health/live"]


def test_a_door_that_nobody_keeps_does_not_answer() -> None:
    assert PublicDoor("http://127.0.0.1:9", HttpPost()).answers(NOON) is False


def test_beats_of_many_at_once_are_all_counted(watching: Watching) -> None:
    noon = watching.noon
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: watching.beats.beat(noon + seconds(n), 1), range(12)))
    [hour] = watching.beats.hours(noon, noon + hours(1))
    assert (hour.runs, hour.first, hour.last) == (12, noon, noon + seconds(11))
    assert watching.beats.last_beat(noon + minutes(90)) == noon + seconds(11)


def test_the_longest_gap_reaches_to_the_end_and_never_below_nothing() -> None:
    def gap(before: datetime | None, *runs: Hour) -> int:
        found: int = watch.watched(NOON, NOON + hours(2), before, runs)["longest_gap_seconds"]
        return found

    assert gap(None) == 7200
    assert gap(NOON - hours(1)) == 10_800
    one = Hour(NOON, 2, NOON + minutes(1), NOON + minutes(59), 30, 0, 0)
    assert gap(None, one) == 61 * 60
    assert gap(None, replace(one, longest_gap_seconds=4000)) == 4000
    assert gap(NOON + minutes(5), replace(one, starts=NOON + hours(2))) == 115 * 60


def test_a_day_on_call_is_on_record_when_it_is_over(watching: Watching) -> None:
    noon = watching.noon
    midnight = noon + hours(12)
    watching.rotates("lead", "manager")
    assert watching.keep(noon) == 0
    assert watching.keep(midnight - seconds(1)) == 1  # the hours
    assert watching.facts("on-call") == []
    watching.keep(midnight)
    watching.keep(midnight + minutes(1))
    [fact] = watching.facts("on-call")
    assert (fact["from"], fact["until"]) == (stamp(noon), stamp(midnight))
    assert [each["rotation"] for each in fact["shifts"]] == ["sre"]
    assert [(each["from"], each["until"]) for each in fact["shifts"]] == [(stamp(noon), stamp(midnight))]
    watching.keep(midnight + DAY)
    second = watching.facts("on-call")[1]
    assert [each["from"][11:13] for each in second["shifts"]] == ["00", "09"]
    assert {each["contact"] for each in second["shifts"]} == {"lead", "manager"}


def test_a_shift_that_changes_splits_the_day_where_it_changed(watching: Watching) -> None:
    noon = watching.noon
    midnight = noon + hours(12)
    watching.rotates("lead")
    watching.keep(noon)
    over = Override("manager", noon + hours(3), noon + hours(4))
    watching.rotates("lead", overrides=(over,))
    watching.keep(noon + hours(1))
    watching.keep(noon + hours(1) + minutes(1))
    [first] = watching.facts("on-call")
    assert (first["from"], first["until"]) == (stamp(noon), stamp(noon + hours(1)))
    watching.keep(midnight)
    second = watching.facts("on-call")[1]
    assert [(each["contact"], each["from"][11:13]) for each in second["shifts"]] == [
        ("lead", "13"),
        ("manager", "15"),
        ("lead", "16"),
    ]
    watching.rotates("lead")  # gone from the plan, and over: what was known at the time stands
    watching.keep(midnight + minutes(5))
    assert len(watching.facts("on-call")) == 2


def test_nobody_is_on_call_where_only_a_fallback_stands_in(watching: Watching) -> None:
    noon = watching.noon
    watching.rotates("lead", fallback="manager")
    watching.away("lead", noon, noon + hours(1))
    watching.keep(noon)
    watching.keep(noon + hours(12))
    [fact] = watching.facts("on-call")
    assert [each["contact"] for each in fact["shifts"]] == [None, "lead"]


def test_days_of_an_outage_are_recorded_one_by_one(watching: Watching) -> None:
    noon = watching.noon
    watching.rotates("lead")
    watching.keep(noon)
    watching.another().keep(lambda: noon + 3 * DAY)
    spans = [(each["from"], each["until"]) for each in watching.facts("on-call")]
    edges = [noon, *(noon + hours(12) + n * DAY for n in range(3))]
    assert spans == [(stamp(one), stamp(two)) for one, two in itertools.pairwise(edges)]


@pytest.mark.parametrize(("days", "made_up"), [(40, 41), (41, 1)])
def test_after_forty_days_the_days_between_are_let_go(watching: Watching, days: int, made_up: int) -> None:
    noon = watching.noon
    watching.rotates("lead")
    expected = oncall_record.next_step(watching.plan, None, noon)
    assert expected is not None
    reached, count = expected.expected, 0
    now = noon + hours(12) + days * DAY
    while (step := oncall_record.next_step(watching.plan, reached, now)) is not None:
        reached, count = step.expected, count + 1
    assert count == made_up


def test_rotations_that_are_gone_leave_no_record_and_begin_anew(watching: Watching) -> None:
    noon = watching.noon
    watching.rotates("lead")
    watching.keep(noon)
    watching.directory(replace(watching.plan.directory, rotations={}))
    watching.keep(noon + hours(2))
    watching.keep(noon + 2 * DAY)
    watching.rotates("manager")
    watching.another().keep(lambda: noon + 3 * DAY)
    watching.another().keep(lambda: noon + 3 * DAY + hours(12))
    spans = [(parse_stamp(each["from"]), parse_stamp(each["until"])) for each in watching.facts("on-call")]
    assert spans == [(noon, noon + hours(2)), (noon + 3 * DAY, noon + 3 * DAY + hours(12))]


def test_local_midnights_decide_and_a_day_may_have_25_hours(watching: Watching) -> None:
    rules = replace(watching.plan.rules, timezone="Europe/Berlin")
    watching.plans.plan = replace(watching.plan, rules=rules)
    watching.rotates("lead")
    begins = datetime(2026, 10, 24, 22, tzinfo=UTC)
    step = oncall_record.next_step(watching.plan, None, begins)
    assert step is not None
    assert step.expected is not None
    assert step.expected.until - begins == hours(25)
