"""Timelines are read ahead: in order, a few at a time, and nothing is begun after the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from shared.domain.errors import StoreUnavailable
from shared.domain.timeline import Event
from shared.workflows.read_ahead import AHEAD, EVENTS, read_ahead
from tests.stories import MONDAY, Story

SUBJECTS = [f"INC-{n:08d}-1" for n in range(3 * AHEAD)]


def timeline(subject: str) -> list[Event]:
    return Story(subject).tell("noted", MONDAY).events


@pytest.mark.parametrize("count", [0, 1, AHEAD - 1, AHEAD, AHEAD + 1, 3 * AHEAD])
def test_every_timeline_comes_once_and_in_order(count: int) -> None:
    read = [(subject, list(events)) for subject, events in read_ahead(SUBJECTS[:count], timeline)]
    assert read == [(subject, timeline(subject)) for subject in SUBJECTS[:count]]


def test_several_are_read_at_once_and_no_more_than_stated() -> None:
    together = threading.Barrier(AHEAD, timeout=30)
    begun: list[str] = []

    def read(subject: str) -> list[Event]:
        begun.append(subject)
        if len(begun) <= AHEAD:
            together.wait()  # passes only where so many are being read
        return timeline(subject)

    reading = read_ahead(SUBJECTS, read)
    for taken in range(1, 2 * AHEAD + 1):
        next(reading)
        assert len(begun) <= AHEAD + taken - 1
    assert len(list(reading)) == AHEAD


def test_what_cannot_be_read_is_said_in_its_turn_and_nothing_is_begun_after_it() -> None:
    begun: list[str] = []

    def read(subject: str) -> list[Event]:
        begun.append(subject)
        if subject == SUBJECTS[2]:
            raise StoreUnavailable("no answer")
        return timeline(subject)

    reading = read_ahead(SUBJECTS, read)
    assert [next(reading)[0], next(reading)[0]] == SUBJECTS[:2]
    with pytest.raises(StoreUnavailable):
        next(reading)
    assert len(begun) <= AHEAD + 2


def test_of_a_long_timeline_the_rest_is_read_as_it_is_taken() -> None:
    given = 0

    def read(subject: str) -> Iterator[Event]:
        nonlocal given
        for event in timeline(subject) * (3 * EVENTS):
            given += 1
            yield event

    [(_, events)] = read_ahead(SUBJECTS[:1], read)
    assert given == EVENTS
    assert len(list(events)) == given == 3 * EVENTS
