"""A limit on the whole of one send: socket timeouts alone never end an answer that drips byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """Seconds that one send may take: to connect, for each read, and from start to end."""

    connect: float = 3.0
    read: float = 10.0
    whole: float = 15.0
    """Leaves room below the port's 30 s for fetching two secrets, and again after a refusal."""


USUAL = Patience()


class OutOfTime(Exception):
    """The work did not end within its limit; it has been cut off."""


class TimeLimit:
    """Knows the sockets of the work under way, so that it can be cut off from outside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._over = False

    @property
    def over(self) -> bool:
        """Whether the work has been given up."""
        return self._over

    def watch(self, sock: socket.socket) -> None:
        """The work now depends on this socket; once the limit is over it is shut down at once."""
        with self._lock:
            self._sockets.append(sock)
            if self._over:
                _shut(sock)

    def cut(self) -> None:
        """Give up: every read and write of the work fails from now on."""
        with self._lock:
            self._over = True
            for sock in self._sockets:
                _shut(sock)


_under_way: ContextVar[TimeLimit | None] = ContextVar("tocsin_time_limit", default=None)


def time_limit() -> TimeLimit:
    """The limit of the work that the calling thread is doing; one that never ends outside `within`."""
    return _under_way.get() or TimeLimit()


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do ``work`` in a thread of its own and return what it returns; raises what it raises, or OutOfTime.

    A thread, because name resolution has no timeout and cannot be interrupted: the caller goes on all the
    same, and the thread ends by itself, at the latest when it touches a watched socket.
    """
    limit = TimeLimit()
    context = copy_context()
    context.run(_under_way.set, limit)
    threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tocsin-send")
    try:
        future = threads.submit(context.run, work)
        if wait([future], timeout=seconds).done:
            return future.result()
        limit.cut()
        raise OutOfTime
    finally:
        threads.shutdown(wait=False)


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
