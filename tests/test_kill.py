"""The real host, killed at random moments of the main job: what it promised is there; what was due, done."""

from __future__ import annotations

from pathlib import Path

from bench import kill


def test_nothing_that_was_promised_is_lost_when_the_host_is_killed(tmp_path: Path) -> None:
    verdict = kill.run(tmp_path, times=5, seed=47, longest=1.2)

    assert verdict.faults == []
    assert verdict.kills == 5
    assert verdict.promised > 0
    assert verdict.delivered > 0
