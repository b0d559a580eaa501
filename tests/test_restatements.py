"""Facts that come late: the timer looks at a bundle once more, and no later week is left in contradiction."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.errors import StoreUnavailable
from shared.kpi import verify
from shared.kpi.shelf import FILES, Bundle
from shared.workflows.export_kpis import (
    AGAIN,
    Compiled,
    compile_week,
    find_bundle,
    list_bundles,
    owed_weeks,
    read_manifest,
    weeks_to_check,
    write_once,
)
from tests.builders import a_plan, hours, minutes
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.test_export_kpis import Crashing
from tests.working_fakes import MemoryExports, MemoryTimelines

PLAN = a_plan()
NOON = MONDAY + timedelta(days=2, hours=12)
NEXT, THIRD = "2026-W48", "2026-W49"
LATER = SUNDAY + timedelta(days=20)


def punctual() -> MemoryTimelines:
    """One incident of the week, resolved in it."""
    return MemoryTimelines().keep("acme", Story().opened(NOON).resolved(NOON + hours(1)).events)


def with_late(kept: MemoryTimelines) -> MemoryTimelines:
    """And another one, of which storage did not tell at first; it stays open."""
    late = Story("INC-00000002-1").opened(SUNDAY - minutes(1))
    return MemoryTimelines(kept.timezone, dict(kept.timelines)).keep("acme", late.events)


def compiled(
    exports: MemoryExports, timelines: MemoryTimelines, week: str, now: datetime = LATER
) -> Compiled:
    return compile_week(PLAN, week, timelines, exports, "1.0", now)


def labels(exports: MemoryExports) -> list[str]:
    return [f"{bundle.week} {bundle.label}" for bundle in list_bundles("acme", exports)]


def backlog(exports: MemoryExports, bundle: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(exports.read(bundle.blob("kpi.json")))["controls"]["backlog"]
    return found


def verified(exports: MemoryExports, folder: Path, *bundles: Bundle) -> bool:
    paths = []
    for number, bundle in enumerate(bundles):
        paths.append(folder / f"{number}.zip")
        paths[-1].write_bytes(exports.read(bundle.blob("bundle.zip")))
    return verify.main([str(path) for path in paths]) == 0


def test_every_later_week_that_has_a_bundle_is_compiled_again_when_one_is_restated(tmp_path: Path) -> None:
    exports, kept = MemoryExports(), punctual()
    for week in (WEEK, NEXT, THIRD):
        compiled(exports, kept, week)
    answer = compiled(exports, with_late(kept), WEEK)
    assert answer.bundle.label == "r2"
    assert [f"{one.week} {one.label}" for one in answer.followers] == [f"{NEXT} r2", f"{THIRD} r2"]
    latest = [find_bundle("acme", week, exports) for week in (WEEK, NEXT, THIRD)]
    assert [backlog(exports, one)["closing"] for one in latest] == [1, 1, 1]
    assert [backlog(exports, one)["opening"] for one in latest] == [0, 1, 1]
    assert verified(exports, tmp_path, latest[2], latest[1], latest[0])


def test_without_that_the_weeks_would_contradict_each_other(tmp_path: Path) -> None:
    exports, kept = MemoryExports(), punctual()
    for week in (WEEK, NEXT):
        compiled(exports, kept, week)
    stale = find_bundle("acme", NEXT, exports)
    compiled(exports, with_late(kept), WEEK)
    assert not verified(exports, tmp_path, stale, find_bundle("acme", WEEK, exports))


def test_a_later_week_whose_restatement_a_crash_prevented_is_restated_when_it_is_looked_at_again() -> None:
    kept = punctual()
    exports = Crashing()
    for week in (WEEK, NEXT):
        compile_week(PLAN, week, kept, exports, "1.0", LATER)
    exports.writes_left = len(FILES) + 2
    with pytest.raises(StoreUnavailable):
        compile_week(PLAN, WEEK, with_late(kept), exports, "1.0", LATER)
    assert labels(exports) == [f"{WEEK} r1", f"{WEEK} r2", f"{NEXT} r1"]
    exports.writes_left = 99
    answer = compile_week(PLAN, WEEK, with_late(kept), exports, "1.0", LATER)
    assert (answer.bundle.label, answer.made) == ("r2", False)
    assert labels(exports)[-1] == f"{NEXT} r2"


def test_nothing_is_made_where_every_week_follows_the_one_before() -> None:
    exports, kept = MemoryExports(), punctual()
    for week in (WEEK, NEXT, THIRD):
        compiled(exports, kept, week)
    before = dict(exports.blobs)
    assert compiled(exports, kept, WEEK) == Compiled(find_bundle("acme", WEEK, exports), made=False)
    assert exports.blobs == before


def test_a_week_that_was_left_out_is_put_between_its_neighbours() -> None:
    exports, kept = MemoryExports(), with_late(punctual())
    for week in (WEEK, THIRD):
        compiled(exports, kept, week)
    answer = compiled(exports, kept, NEXT)
    assert [f"{one.week} {one.label}" for one in answer.followers] == [f"{THIRD} r2"]
    assert read_manifest(find_bundle("acme", THIRD, exports), exports)["previous"]["week"] == NEXT


@dataclass
class Overtaking(MemoryTimelines):
    """While a later week is read, the one before it is restated."""

    exports: MemoryExports | None = None

    def events(self, subject: str) -> Any:  # noqa: ANN401  (as its base says)
        if self.exports is not None:
            exports, self.exports = self.exports, None
            compiled(exports, with_late(self), WEEK)
        return super().events(subject)


def test_a_week_that_was_compiled_while_the_one_before_was_restated_follows_the_restatement() -> None:
    exports, kept = MemoryExports(), punctual()
    kept.keep("acme", Story("INC-00000003-1").opened(SUNDAY + hours(1)).events)
    compiled(exports, kept, WEEK)
    racing = Overtaking(kept.timezone, with_late(kept).timelines, exports)
    answer = compiled(exports, racing, NEXT)
    assert labels(exports) == [f"{WEEK} r1", f"{WEEK} r2", f"{NEXT} r1", f"{NEXT} r2"]
    assert (answer.bundle.label, [one.label for one in answer.followers]) == ("r2", ["r1"])
    assert read_manifest(answer.bundle, exports)["previous"]["revision"] == 2


def test_a_provisional_week_makes_no_other_week_anew() -> None:
    exports, kept = MemoryExports(), punctual()
    compiled(exports, kept, NEXT)
    answer = compiled(exports, kept, WEEK, now=NOON)
    assert answer.bundle.revision is None
    assert labels(exports) == [f"{NEXT} r1"]


@pytest.mark.parametrize(
    ("after", "weeks"), [(-1, []), (0, [WEEK]), (1, [WEEK])], ids=["before", "at", "after"]
)
def test_a_bundle_is_looked_at_once_more_a_day_after_its_weeks_end(after: int, weeks: list[str]) -> None:
    exports = MemoryExports()
    compiled(exports, punctual(), WEEK, now=SUNDAY)
    assert weeks_to_check(PLAN, exports, SUNDAY + AGAIN + timedelta(seconds=after)) == weeks


def test_a_bundle_that_was_looked_at_is_not_looked_at_again_whatever_came_of_it() -> None:
    exports, kept = MemoryExports(), punctual()
    compiled(exports, kept, WEEK, now=SUNDAY)
    (week,) = weeks_to_check(PLAN, exports, SUNDAY + AGAIN)
    answer = compiled(exports, with_late(kept), week)
    write_once(exports, answer.bundle.marker)
    write_once(exports, answer.bundle.marker)
    assert exports.names("acme/2026-W47/r2.checked") == ["acme/2026-W47/r2.checked"]
    assert weeks_to_check(PLAN, exports, LATER) == []
    assert owed_weeks(PLAN, exports, SUNDAY + AGAIN) == []
    assert labels(exports) == [f"{WEEK} r1", f"{WEEK} r2"]


def test_of_the_weeks_not_looked_at_the_last_two_are_earliest_first() -> None:
    exports, kept = MemoryExports(), punctual()
    for week in ("2026-W46", WEEK, NEXT):
        compiled(exports, kept, week)
    assert weeks_to_check(PLAN, exports, LATER) == [WEEK, NEXT]
    write_once(exports, find_bundle("acme", NEXT, exports).marker)
    assert weeks_to_check(PLAN, exports, LATER) == [WEEK]


def test_what_was_never_compiled_is_not_looked_at_once_more() -> None:
    assert weeks_to_check(PLAN, MemoryExports(), LATER) == []


def test_a_bundle_is_not_complete_before_its_manifest_is_signed() -> None:
    exports, seen = MemoryExports(), list[tuple[str, bytes]]()

    def sign(bundle: Bundle, content: bytes, _: object) -> bool:
        assert bundle.blob("manifest.sha256") not in exports.blobs
        seen.append((bundle.label, content))
        return bundle.label != "r1"

    answer = compile_week(PLAN, WEEK, punctual(), exports, "1.0", SUNDAY, sign=sign)
    assert [label for label, _ in seen] == ["r1", "r2"]
    assert seen[1][1] == exports.read(answer.bundle.blob("manifest.json"))
    assert labels(exports) == [f"{WEEK} r2"]
