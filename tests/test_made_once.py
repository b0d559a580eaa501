"""What many threads ask for is made once; what is doubted is asked about once in a while."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from shared.adapters.made_once import MadeOnce, OnceInAWhile
from tests.builders import NOON, minutes

TICK = timedelta(microseconds=1)


def test_many_who_ask_at_once_get_the_same_one() -> None:
    made: list[object] = []
    together = Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask(_: int) -> object:
        together.wait(10)
        return one.get()

    one = MadeOnce(make)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == set(made)
    assert len(made) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    faults = [ValueError("not yet")]

    def make() -> str:
        if faults:
            raise faults.pop()
        return "made"

    one = MadeOnce(make)
    with pytest.raises(ValueError, match="not yet"):
        one.get()
    assert one.get() == "made"


def test_one_is_let_through_until_the_pause_is_over() -> None:
    seldom = OnceInAWhile(minutes(1))
    assert seldom.is_due(NOON)
    assert not seldom.is_due(NOON + minutes(1) - TICK)
    assert seldom.is_due(NOON + minutes(1))
    assert not seldom.is_due(NOON + minutes(1))
    assert seldom.is_due(NOON)  # a clock that was set back keeps nobody out
