"""What takes too long for a chat goes on by itself, and what is told late never holds up what is done."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler

import pytest

from shared.workflows.answer_in_time import AT_ONCE, LATE_AT_ONCE, MOST_LATE, AnswerInTime

LONG = 20.0
"""Seconds that nothing here takes."""


class Late:
    """Takes late answers, once it may."""

    def __init__(self, count: int) -> None:
        self.taken: list[str] = []
        self.may = threading.Event()
        self._expected = threading.Semaphore(0)
        self._count = count

    def __call__(self, answer: str) -> None:
        """As a chat that is slow to take it."""
        assert self.may.wait(LONG)
        self.taken.append(answer)
        self._expected.release()

    def all(self) -> list[str]:
        """What was taken, once all of it was."""
        self.may.set()
        for _ in range(self._count):
            assert self._expected.acquire(timeout=LONG)
        return sorted(self.taken)


def broken() -> str:
    return "broken"


def failing() -> str:
    raise LookupError("our own fault")


def no_wait() -> AnswerInTime:
    return AnswerInTime(0.0)


def held(go_on: threading.Event, answer: str) -> Callable[[], str]:
    """Work that takes until it may go on."""

    def work() -> str:
        assert go_on.wait(LONG)
        return answer

    return work


def test_what_is_done_in_time_is_returned_and_told_nobody_else() -> None:
    late = Late(0)
    in_time = AnswerInTime(LONG)
    assert in_time.result(in_time.begun(), lambda: "done", late, broken) == "done"
    with pytest.raises(LookupError):
        in_time.result(in_time.begun(), failing, late, broken)
    assert late.all() == []


def test_what_takes_longer_is_told_late() -> None:
    late, go_on, in_time = Late(2), threading.Event(), no_wait()
    assert in_time.result(in_time.begun(), held(go_on, "done"), late, broken) is None
    in_time.settled(in_time.begun(), held(go_on, "settled"), late, broken)
    go_on.set()
    assert late.all() == ["done", "settled"]


def test_work_that_fails_is_told_as_broken_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    late, in_time = Late(1), AnswerInTime(LONG)
    in_time.settled(in_time.begun(), failing, late, broken)
    assert late.all() == ["broken"]
    assert "a chat command failed" in caplog.text
    assert "our own fault" in caplog.text


def test_a_chat_that_takes_late_answers_slowly_holds_up_no_work() -> None:
    count = AT_ONCE + LATE_AT_ONCE
    late, quick = Late(count), AnswerInTime(LONG)
    for number in range(count):
        quick.settled(quick.begun(), lambda number=number: f"{number:02}", late, broken)  # type: ignore[misc]
    assert quick.result(quick.begun(), lambda: "acknowledged", late, broken) == "acknowledged"
    assert late.taken == []
    assert late.all() == [f"{number:02}" for number in range(count)]


def test_more_late_answers_than_anybody_waits_for_are_given_up(caplog: pytest.LogCaptureFixture) -> None:
    late, in_time = Late(MOST_LATE), AnswerInTime(LONG)
    for number in range(MOST_LATE):
        in_time.settled(in_time.begun(), lambda number=number: f"{number:02}", late, broken)  # type: ignore[misc]
    assert caplog.text == ""
    noted: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = QueueHandler(noted)
    logging.getLogger("shared.workflows.answer_in_time").addHandler(handler)
    in_time.settled(in_time.begun(), lambda: "one more", late, broken)
    assert "given up" in noted.get(timeout=LONG).getMessage()
    logging.getLogger("shared.workflows.answer_in_time").removeHandler(handler)
    assert late.all() == [f"{number:02}" for number in range(MOST_LATE)]


def test_a_late_answer_that_cannot_be_told_leaves_its_place_to_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_time = AnswerInTime(LONG)
    told = threading.Semaphore(0)

    def lost(answer: str) -> None:
        told.release()
        raise LookupError(answer)

    for _ in range(2 * MOST_LATE):
        in_time.settled(in_time.begun(), lambda: "nobody hears this", lost, broken)
        assert told.acquire(timeout=LONG)
    assert "a late answer to chat failed" in caplog.text
