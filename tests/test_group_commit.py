"""Group commit: callers at one key share a commit, each hears its own answer, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from shared.domain.errors import StoreUnavailable
from shared.workflows import group_commit
from shared.workflows.group_commit import GroupCommit

PATIENCE = 20


class Gate:
    """A commit that stands still until the test opens it, and keeps what it was given."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self.batches: list[list[int]] = []
        self.failing: Exception | None = None

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.entered.release()
        assert self.open.wait(PATIENCE)
        if self.failing is not None and len(self.batches) == 1:
            raise self.failing
        return [item * 10 for item in items]


def callers(
    commits: GroupCommit[int, int], gate: Gate, count: int, pool: ThreadPoolExecutor
) -> list[Future[int]]:
    """One caller in the gate, and ``count`` - 1 that wait behind it."""
    first = pool.submit(commits.submit, "key", 0, gate)
    assert gate.entered.acquire(timeout=PATIENCE)
    others = [pool.submit(commits.submit, "key", number, gate) for number in range(1, count)]
    until_waiting(commits, count)
    return [first, *others]


def until_waiting(commits: GroupCommit[int, int], count: int) -> None:
    for _ in range(1_000_000):
        if commits.callers("key") == count:
            return
    raise AssertionError("the callers do not come")


def test_callers_that_come_during_a_commit_share_the_next_and_each_gets_its_own_answer() -> None:
    commits: GroupCommit[int, int] = GroupCommit()
    gate = Gate()
    with ThreadPoolExecutor(32) as pool:
        answers = callers(commits, gate, 32, pool)
        gate.open.set()
        assert [answer.result(PATIENCE) for answer in answers] == [number * 10 for number in range(32)]

    assert gate.batches[0] == [0]
    assert sorted(gate.batches[1]) == list(range(1, 32))
    assert len(gate.batches) == 2


def test_an_error_reaches_every_caller_of_its_batch_and_no_other() -> None:
    commits: GroupCommit[int, int] = GroupCommit()
    gate = Gate()
    gate.failing = StoreUnavailable("the first commit fails")
    with ThreadPoolExecutor(8) as pool:
        first, *others = callers(commits, gate, 8, pool)
        gate.open.set()
        with pytest.raises(StoreUnavailable, match="the first commit fails"):
            first.result(PATIENCE)
        assert [answer.result(PATIENCE) for answer in others] == [number * 10 for number in range(1, 8)]


def test_an_error_of_a_shared_batch_reaches_all_who_share_it() -> None:
    commits: GroupCommit[int, int] = GroupCommit()
    gate = Gate()

    def commit(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise StoreUnavailable("nothing is durable")
        return gate(items)

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(commits.submit, "key", 0, commit)
        assert gate.entered.acquire(timeout=PATIENCE)
        others = [pool.submit(commits.submit, "key", number, commit) for number in range(1, 6)]
        until_waiting(commits, 6)
        gate.open.set()
        assert first.result(PATIENCE) == 0
        for answer in others:
            with pytest.raises(StoreUnavailable):
                answer.result(PATIENCE)


def test_different_keys_do_not_wait_for_each_other() -> None:
    commits: GroupCommit[int, int] = GroupCommit()
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(commits.submit, "held", 1, gate)
        assert gate.entered.acquire(timeout=PATIENCE)
        assert commits.submit("free", 2, lambda items: [-item for item in items]) == -2
        gate.open.set()
        assert held.result(PATIENCE) == 10


def test_who_waits_too_long_gives_up_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "LONGEST_WAIT", 0.01)
    commits: GroupCommit[int, int] = GroupCommit()
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(commits.submit, "key", 1, gate)
        assert gate.entered.acquire(timeout=PATIENCE)
        with pytest.raises(StoreUnavailable, match="does not end"):
            commits.submit("key", 2, gate)
        gate.open.set()
        assert held.result(PATIENCE) == 10

    assert gate.batches == [[1]]


def test_a_commit_that_was_broken_off_leaves_nobody_waiting() -> None:
    commits: GroupCommit[int, int] = GroupCommit()
    gate = Gate()

    def broken(items: Sequence[int]) -> list[int]:
        gate(items)
        raise SystemExit

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(commits.submit, "key", 0, broken)
        assert gate.entered.acquire(timeout=PATIENCE)
        others = [pool.submit(commits.submit, "key", number, gate) for number in (1, 2, 3)]
        until_waiting(commits, 4)
        gate.open.set()
        with pytest.raises(SystemExit):
            first.result(PATIENCE)
        assert [answer.result(PATIENCE) for answer in others] == [10, 20, 30]


def test_a_commit_that_is_broken_off_tells_those_who_share_it() -> None:
    commits: GroupCommit[int, int] = GroupCommit()
    gate = Gate()

    def commit(items: Sequence[int]) -> list[int]:
        if 0 in items:
            return gate(items)
        raise SystemExit

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(commits.submit, "key", 0, commit)
        assert gate.entered.acquire(timeout=PATIENCE)
        others = [pool.submit(commits.submit, "key", number, commit) for number in (1, 2, 3)]
        until_waiting(commits, 4)
        gate.open.set()
        assert first.result(PATIENCE) == 0
        raised = [type(answer.exception(PATIENCE)) for answer in others]

    assert sorted(kind.__name__ for kind in raised) == ["StoreUnavailable", "StoreUnavailable", "SystemExit"]


def test_nothing_is_kept_of_a_key_that_nobody_uses() -> None:
    commits: GroupCommit[int, int] = GroupCommit()
    for number in range(100):
        commits.submit(f"key {number}", number, list)
    with pytest.raises(StoreUnavailable):
        commits.submit("failing", 1, fail)

    assert all(commits.callers(f"key {number}") == 0 for number in range(100))
    assert commits.callers("failing") == 0
    assert len(commits) == 0


def fail(items: Sequence[int]) -> list[int]:
    raise StoreUnavailable(f"{len(items)} are lost")
