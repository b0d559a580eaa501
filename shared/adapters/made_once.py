"""What is done once, or once in a while, however many threads ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class MadeOnce(Generic[T]):
    """Something that is made when it is first asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        """``make`` is called once; where it raises, again by the next who asks."""
        self._make = make
        self._lock = threading.Lock()
        self._made: T | None = None

    def get(self) -> T:
        """The same each time. Raises what ``make`` raises."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


class OnceInAWhile:
    """Lets one through, and the next when the pause is over."""

    def __init__(self, pause: timedelta) -> None:
        self._pause = pause
        self._lock = threading.Lock()
        self._last: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it may be done now; whoever is told so does it."""
        with self._lock:
            if self._last is not None and abs(now - self._last) < self._pause:
                return False
            self._last = now
            return True
