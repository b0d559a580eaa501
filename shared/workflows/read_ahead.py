"""Reads timelines a few ahead of whoever takes them, so that nobody waits for storage one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from shared.domain.timeline import Event

AHEAD = 8
"""Timelines in memory at once, at most."""


def read_ahead(
    subjects: Iterable[str], events_of: Callable[[str], Iterable[Event]]
) -> Iterator[tuple[str, list[Event]]]:
    """Each subject with its timeline, in the order given. Raises what reading one raises, in its turn."""
    with ThreadPoolExecutor(AHEAD) as pool:
        reading: deque[tuple[str, Future[list[Event]]]] = deque()
        for subject in subjects:
            reading.append((subject, pool.submit(_whole, events_of, subject)))
            if len(reading) == AHEAD:
                yield _next(reading)
        while reading:
            yield _next(reading)


def _whole(events_of: Callable[[str], Iterable[Event]], subject: str) -> list[Event]:
    return list(events_of(subject))


def _next(reading: deque[tuple[str, Future[list[Event]]]]) -> tuple[str, list[Event]]:
    subject, timeline = reading.popleft()
    return subject, timeline.result()
