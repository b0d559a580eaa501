"""Group commit: calls that want to change the same thing at the same time share one commit, and each is
answered only when its own part is durable. An optimisation within one process; nothing rests on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.domain.errors import StoreUnavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LONGEST_WAIT = 20.0
"""Seconds after which a caller gives up on the commit before its own."""


@dataclass
class _Queue(Generic[Item, Answer]):
    turn: threading.Lock = field(default_factory=threading.Lock)
    waiting: list[tuple[Item, Future[Answer]]] = field(default_factory=list)
    callers: int = 0


class GroupCommit(Generic[Item, Answer]):
    """Whoever gets the turn commits for all who are waiting; those then find their answer ready."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, _Queue[Item, Answer]] = {}

    def __len__(self) -> int:
        """How many keys are in use."""
        return len(self._queues)

    def callers(self, key: str) -> int:
        """How many callers are in, committing or waiting."""
        with self._lock:
            queue = self._queues.get(key)
            return queue.callers if queue else 0

    def submit(self, key: str, item: Item, commit: Callable[[Sequence[Item]], Sequence[Answer]]) -> Answer:
        """Have ``item`` committed; ``commit`` takes all that wait and answers for each, or raises for all."""
        future: Future[Answer] = Future()
        with self._lock:
            queue = self._queues.setdefault(key, _Queue())
            queue.callers += 1
            queue.waiting.append((item, future))
        try:
            if not queue.turn.acquire(timeout=LONGEST_WAIT):
                raise StoreUnavailable("the commit under way does not end")
            try:
                if not future.done():
                    self._commit_all(queue, commit)
            finally:
                queue.turn.release()
            return future.result(timeout=0)
        finally:
            self._leave(key, queue, future)

    def _commit_all(
        self, queue: _Queue[Item, Answer], commit: Callable[[Sequence[Item]], Sequence[Answer]]
    ) -> None:
        with self._lock:
            batch, queue.waiting = queue.waiting, []
        try:
            answers = commit([item for item, _ in batch])
            for (_, future), answer in zip(batch, answers, strict=True):
                future.set_result(answer)
        except Exception as error:  # noqa: BLE001  (handed to every caller, who raises it)
            _fail(batch, error)
        except BaseException:
            _fail(batch, StoreUnavailable("the commit was broken off"))
            raise

    def _leave(self, key: str, queue: _Queue[Item, Answer], future: Future[Answer]) -> None:
        with self._lock:
            queue.waiting = [entry for entry in queue.waiting if entry[1] is not future]
            queue.callers -= 1
            if not queue.callers:
                self._queues.pop(key, None)


def _fail(batch: Sequence[tuple[Item, Future[Answer]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
