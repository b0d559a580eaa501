"""Chats wait for seconds only: what takes longer goes on by itself, and its outcome is sent after."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
AT_ONCE = 16
LATE_AT_ONCE = 8
MOST_LATE = 64
"""Late answers under way and waiting; more are given up: by then whoever waits has called again."""


class AnswerInTime:
    """Works in threads of its own; never waits for longer than ``seconds``.

    Late answers have other threads than the work: however slowly a chat takes them, no work waits for it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="tocsin-chat")
        self._late = ThreadPoolExecutor(LATE_AT_ONCE, thread_name_prefix="tocsin-chat-late")
        self._room = threading.BoundedSemaphore(MOST_LATE)

    @staticmethod
    def begun() -> float:
        """When a call came in, for `result` and `settled`: what was spent since is not waited again."""
        return time.monotonic()

    def result(
        self, begun: float, work: Callable[[], T], late: Callable[[T], None], broken: Callable[[], T]
    ) -> T | None:
        """What ``work`` returns, or None where it takes longer: then ``late`` gets it, or ``broken``'s.

        What ``work`` raises in time is raised.
        """
        future = self._threads.submit(work)
        if wait([future], timeout=self._left(begun)).done:
            return future.result()
        future.add_done_callback(lambda done: self._then(done, late, broken))
        return None

    def settled(
        self, begun: float, work: Callable[[], T], then: Callable[[T], None], broken: Callable[[], T]
    ) -> None:
        """Wait for ``work`` while there is time; ``then`` gets what it returns, in time or not."""
        future = self._threads.submit(work)
        future.add_done_callback(lambda done: self._then(done, then, broken))
        wait([future], timeout=self._left(begun))

    def _left(self, begun: float) -> float:
        return max(self._seconds - (time.monotonic() - begun), 0.0)

    def _then(self, done: Future[T], then: Callable[[T], None], broken: Callable[[], T]) -> None:
        fault = done.exception()
        if fault is not None:
            log.error("a chat command failed", exc_info=fault)
        answer = broken() if fault is not None else done.result()
        if not self._room.acquire(blocking=False):
            log.warning("a late answer to chat was given up: %s are on their way or waiting", MOST_LATE)
            return
        self._late.submit(then, answer).add_done_callback(self._sent)

    def _sent(self, sent: Future[None]) -> None:
        self._room.release()
        fault = sent.exception()
        if fault is not None:
            log.error("a late answer to chat failed", exc_info=fault)
