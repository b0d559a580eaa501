"""Reads timelines a few ahead of whoever takes them, so that nobody waits for storage one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice

from shared.domain.timeline import Event

AHEAD = 8
"""Timelines that are being read or wait to be taken."""
EVENTS = 1_000
"""Of each, so many events are read ahead; the rest as it is taken."""


def read_ahead(
    subjects: Iterable[str], events_of: Callable[[str], Iterable[Event]]
) -> Iterator[tuple[str, Iterator[Event]]]:
    """Each subject with its timeline, to be read once, in the order given.

    Raises what reading one raises, in its turn.
    """
    with ThreadPoolExecutor(AHEAD) as pool:
        reading: deque[tuple[str, Future[Iterator[Event]]]] = deque()
        for subject in subjects:
            reading.append((subject, pool.submit(_begun, events_of, subject)))
            if len(reading) == AHEAD:
                yield _next(reading)
        while reading:
            yield _next(reading)


def _begun(events_of: Callable[[str], Iterable[Event]], subject: str) -> Iterator[Event]:
    events = iter(events_of(subject))
    return chain(list(islice(events, EVENTS)), events)


def _next(reading: deque[tuple[str, Future[Iterator[Event]]]]) -> tuple[str, Iterator[Event]]:
    subject, timeline = reading.popleft()
    return subject, timeline.result()
