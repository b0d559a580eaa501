"""A live deadline is never lost: writers and the sweeper, in every order in which their steps can fall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.deadline_index import DeadlineIndex, deadline_key, shard_of
from shared.adapters.entity_groups import point
from shared.adapters.incident_tables import IncidentTables
from shared.domain.change import Change
from shared.domain.errors import Conflict, NotFound
from shared.domain.incident import GroupKey, Head, Incident
from shared.ports import Due, Place, Selection, Stored
from tests.builders import NOON, an_alert, hours, minutes, seconds
from tests.stage import Stage

DEADLINES = (NOON + minutes(1), NOON + minutes(2), None)
LATER = NOON + hours(1)


@pytest.fixture(scope="module")
def arena(storage: str) -> Iterator[Stage]:
    """One stage for many examples."""
    with Stage(storage) as stage:
        yield stage


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield stage


class AlreadyPointed(DeadlineIndex):
    """The index to a store whose index rows were written a step earlier."""

    def point_at(self, before: Incident | None, after: Incident) -> None:
        """Done."""


class Slowly:
    """Writers and a sweeper that stop after every round trip, so that others can come in between."""

    def __init__(self, stage: Stage) -> None:
        self.index, self.store = stage.index, stage.store
        index = AlreadyPointed(stage.index.table)
        self.pointed = IncidentTables(stage.store.table, index, stage.journals)
        self.id = opened(stage).incident.id

    def write(self, deadline: datetime | None) -> Iterator[None]:
        """Give the incident another deadline, or lose the race."""
        stored = self.store.load(self.id)
        yield
        change = with_deadline(stored, deadline)
        self.index.point_at(change.before, change.after)
        yield
        try:
            self.pointed.save(change, stored)
        except Conflict:
            return

    def sweep(self) -> Iterator[None]:
        """Drop what the incident does not name."""
        found = [due for due in self.index.due(LATER) if due.subject == self.id]
        yield
        for due in found:
            incident = self.store.load(self.id).incident
            yield
            self.store.drop(due, incident, due.written_at)
            yield

    def deadline_is_kept(self) -> bool:
        deadline = self.store.load(self.id).incident.deadline
        if deadline is None:
            return True
        return point(self.index.table, shard_of(self.id), deadline_key(deadline, self.id)) is not None


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
@given(
    deadlines=st.lists(st.sampled_from(DEADLINES), min_size=2, max_size=4),
    sweeps=st.integers(min_value=1, max_value=2),
    turns=st.lists(st.integers(min_value=0, max_value=5), min_size=10, max_size=28),
)
def test_whatever_the_order_of_steps_the_deadline_in_force_has_its_row(
    arena: Stage, deadlines: list[datetime | None], sweeps: int, turns: list[int]
) -> None:
    slowly = Slowly(arena)
    actors = [slowly.write(deadline) for deadline in deadlines] + [slowly.sweep() for _ in range(sweeps)]
    for turn in turns:
        next(actors[turn % len(actors)], None)
        assert slowly.deadline_is_kept()
    for actor in actors:
        for _ in actor:
            assert slowly.deadline_is_kept()
    assert slowly.deadline_is_kept()


def test_a_writer_that_comes_late_with_an_old_version_takes_no_deadline_away(stage: Stage) -> None:
    slowly = Slowly(stage)
    first, second = DEADLINES[:2]
    late = slowly.write(first)
    next(late)
    for _ in slowly.write(second):
        pass
    winner = slowly.write(first)
    next(winner)
    next(winner)
    next(late)
    for _ in slowly.sweep():
        pass
    for _ in winner:
        pass
    assert slowly.store.load(slowly.id).incident.deadline == first
    assert slowly.deadline_is_kept()


def test_a_row_written_against_the_version_that_stands_is_kept_for_an_hour(stage: Stage) -> None:
    stored = opened(stage)
    change = with_deadline(stored, NOON + minutes(1))
    stage.index.point_at(change.before, change.after)
    due = due_of(stage, stored.incident.id, NOON + minutes(1))

    assert not stage.store.drop(due, stored.incident, due.written_at + hours(1) - seconds(1))
    assert stage.store.drop(due, stored.incident, due.written_at + hours(1))


def test_a_row_that_a_later_version_does_not_name_is_dropped(stage: Stage) -> None:
    stored = opened(stage)
    stored, _ = stage.store.save(with_deadline(stored, NOON + minutes(1)), stored)
    due = due_of(stage, stored.incident.id, NOON + minutes(1))
    stored, _ = stage.store.save(with_deadline(stored, NOON + minutes(2)), stored)

    assert stage.store.drop(due, stored.incident, due.written_at)
    assert due_instants(stage, stored.incident.id) == {NOON, NOON + minutes(2)}


def test_a_row_that_was_written_again_since_it_was_read_stays(stage: Stage) -> None:
    stored = opened(stage)
    stored, _ = stage.store.save(with_deadline(stored, NOON + minutes(1)), stored)
    read = due_of(stage, stored.incident.id, NOON + minutes(1))
    between, _ = stage.store.save(with_deadline(stored, NOON + minutes(2)), stored)
    stage.store.save(with_deadline(between, NOON + minutes(1)), between)

    assert not stage.store.drop(read, between.incident, read.written_at)
    assert NOON + minutes(1) in due_instants(stage, stored.incident.id)


def test_the_row_of_an_incident_that_is_not_there_is_kept_for_an_hour(stage: Stage) -> None:
    change, _ = opening(stage)
    stage.index.point_at(None, change.after)
    due = due_of(stage, change.after.id, NOON)

    assert not stage.store.drop(due, None, due.written_at + hours(1) - seconds(1))
    assert stage.store.drop(due, None, due.written_at + hours(1))


def test_a_writer_that_dies_between_index_and_incident_leaves_a_hint_that_does_no_harm(stage: Stage) -> None:
    change, _ = opening(stage)
    stage.index.point_at(None, change.after)

    stage.sweep(at=NOON)
    assert change.after.id not in [incident.id for incident in listed(stage)]
    with pytest.raises(NotFound):
        stage.store.load(change.after.id)


def test_deadlines_come_due_at_their_instant_and_not_before(stage: Stage) -> None:
    stored = opened(stage)
    stage.store.save(with_deadline(stored, NOON + minutes(3)), stored)
    microsecond = timedelta(microseconds=1)

    for instant, come in ((-microsecond, False), (timedelta(0), True), (microsecond, True)):
        found = {due.due_at for due in stage.index.due(NOON + minutes(3) + instant)}
        assert (NOON + minutes(3) in found) is come


def test_the_list_goes_on_where_its_cursor_says_newest_first(stage: Stage) -> None:
    wanted = [opened(stage, at=NOON + seconds(nth // 2)).incident for nth in range(15)]
    found: list[Incident] = []
    cursor = None
    for _ in range(8):
        page = stage.store.page(Selection(lambda _: True, frozenset({stage.name}), cursor=cursor, limit=2))
        found += page.incidents
        cursor = page.cursor
        if cursor is None:
            break

    assert sorted(incident.id for incident in found) == sorted(incident.id for incident in wanted)
    instants = [incident.opened_at for incident in found]
    assert instants == sorted(instants, reverse=True)


def test_the_list_keeps_its_bounds_from_inclusive_until_exclusive(stage: Stage) -> None:
    for nth in range(4):
        opened(stage, at=NOON + minutes(nth))
    found = listed(stage, since=NOON + minutes(1), until=NOON + minutes(3))

    assert [incident.opened_at - NOON for incident in found] == [minutes(2), minutes(1)]


def test_the_row_of_a_deadline_in_force_is_never_dropped(stage: Stage) -> None:
    stored = opened(stage)
    due = due_of(stage, stored.incident.id, NOON)

    assert not stage.store.drop(due, stored.incident, due.written_at + hours(10_000))


def test_a_race_to_open_an_incident_does_not_list_it_twice(stage: Stage) -> None:
    change, place = opening(stage)
    loser = replace(change.after, opened_at=NOON + seconds(1))
    stage.index.point_at(None, loser)
    stage.store.save(change, None, place.head_tag)

    assert [incident.id for incident in listed(stage)] == [change.after.id]


def test_more_deadlines_than_a_page_holds_all_come_due(stage: Stage) -> None:
    rows = [f"d|2026-11-18T11:00:00.{nth:06d}Z|INC-00000000-1" for nth in range(1_205)]
    for at in range(0, len(rows), 100):
        stage.index.table.submit_transaction(
            [("create", {"PartitionKey": "s3", "RowKey": key, "version0": 0}) for key in rows[at : at + 100]]
        )
    assert len(list(stage.index.due(NOON))) == 1_205


def opening(stage: Stage, at: datetime = NOON) -> tuple[Change, Place]:
    """A change that opens an incident of a group of its own, due at once, and its place."""
    digest = GroupKey(stage.name, "generic", str(next(_NUMBERS))).digest
    place = stage.store.place(digest)
    incident = Incident(
        place.slot.partition,
        1,
        stage.name,
        "generic",
        digest,
        "HighErrorRate",
        "api",
        "P1",
        "a" * 64,
        at,
        deadline=at,
        version=1,
        week="2026-W47",
    )
    return Change(None, incident, Head(digest, 2)), place


def opened(stage: Stage, at: datetime = NOON) -> Stored:
    change, place = opening(stage, at)
    return stage.store.save(change, None, place.head_tag)[0]


def with_deadline(stored: Stored, deadline: datetime | None) -> Change:
    before = stored.incident
    return Change(before, replace(before, deadline=deadline, version=before.version + 1))


def due_instants(stage: Stage, subject: str) -> set[datetime]:
    return {due.due_at for due in stage.index.due(LATER) if due.subject == subject}


def due_of(stage: Stage, subject: str, at: datetime) -> Due:
    [due] = [due for due in stage.index.due(LATER) if due.subject == subject and due.due_at == at]
    return due


def selection(stage: Stage, **more: Any) -> Selection:  # noqa: ANN401  (the fields of Selection)
    return Selection(lambda _: True, frozenset({stage.name}), **more)


def listed(stage: Stage, **more: Any) -> list[Incident]:  # noqa: ANN401  (the same)
    return list(stage.store.page(selection(stage, limit=100, **more)).incidents)


_NUMBERS = iter(range(10**9))


def test_incidents_that_are_open_are_listed_however_many_came_after_them(stage: Stage) -> None:
    old = stage.hear(an_alert("Old"))[0].id
    for n in range(3):
        stage.hear(an_alert(f"New{n}"), at=NOON + minutes(1 + n))
        stage.hear(an_alert(f"New{n}", firing=False), at=NOON + minutes(10))
    live = Selection(lambda _: True, frozenset({stage.name}), live=True)

    assert [one.id for one in stage.store.page(live).incidents] == [old]


def test_the_list_of_open_incidents_goes_on_where_its_cursor_says(stage: Stage) -> None:
    opened = [stage.hear(an_alert(f"A{n}"), at=NOON + minutes(n))[0].id for n in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        live = Selection(lambda _: True, frozenset({stage.name}), cursor=cursor, limit=2, live=True)
        page = stage.store.page(live)
        seen += [one.id for one in page.incidents]
        cursor = page.cursor

    assert seen == opened[::-1]
    assert cursor is None
