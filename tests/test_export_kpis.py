"""The weekly export: same timelines, same bytes; nothing overwritten, whatever crashes or runs twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.errors import Conflict, InvalidInput, NotFound, StoreUnavailable
from shared.domain.plan import Plan
from shared.domain.week import week_bounds
from shared.kpi.shelf import DATA, FILES, Bundle
from shared.workflows.export_kpis import (
    SETTLE,
    Compiled,
    compile_week,
    find_bundle,
    list_bundles,
    owed_weeks,
    read_manifest,
)
from tests.builders import a_plan, hours, minutes, some_rules
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.working_fakes import MemoryExports, MemoryTimelines

NOON = MONDAY + timedelta(days=2, hours=12)
LATER = SUNDAY + timedelta(days=9)
PLAN = a_plan()


def two_incidents() -> MemoryTimelines:
    one = Story("INC-00000001-1").opened(NOON).alerts(NOON, opened=1).acknowledged(NOON + minutes(4))
    two = Story("INC-00000002-1").opened(NOON, service="web").resolved(NOON + hours(2), "source")
    return MemoryTimelines().keep("acme", one.events, two.events)


def with_more(timelines: MemoryTimelines) -> MemoryTimelines:
    extra = Story("INC-00000003-1").opened(SUNDAY - minutes(1))
    return replace(timelines, timelines=dict(timelines.timelines)).keep("acme", extra.events)


def compiled(
    exports: MemoryExports,
    timelines: MemoryTimelines | None = None,
    week: str = WEEK,
    now: datetime = SUNDAY,
    plan: Plan = PLAN,
    code: str = "1.0",
) -> Compiled:
    return compile_week(plan, week, timelines or two_incidents(), exports, code, now)


def labels(exports: MemoryExports) -> list[str]:
    return [f"{bundle.week} {bundle.label}" for bundle in list_bundles("acme", exports)]


def manifest_hash(exports: MemoryExports, bundle: Bundle) -> str:
    return hashlib.sha256(exports.read(bundle.blob("manifest.json"))).hexdigest()


def kpi_of(exports: MemoryExports, bundle: Bundle, name: str) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(exports.read(bundle.blob("kpi.json")))["kpis"][name]["plan"]
    return figure


def test_a_week_that_is_over_becomes_revision_1_with_every_file() -> None:
    exports = MemoryExports()
    answer = compiled(exports)
    assert answer == Compiled(Bundle("acme", WEEK, 1, "r1"), made=True)
    assert exports.names("") == sorted(f"acme/{WEEK}/r1/{file}" for file in FILES)
    assert kpi_of(exports, answer.bundle, "incidents_opened")["value"] == 2
    assert kpi_of(exports, answer.bundle, "time_to_acknowledge")["value"] == 240.0


def test_the_same_timelines_give_the_same_bytes_whenever_they_are_compiled() -> None:
    one, other = MemoryExports(), MemoryExports()
    compiled(one, now=SUNDAY)
    compiled(other, now=LATER)
    assert one.blobs == other.blobs


def test_the_order_in_which_timelines_were_kept_does_not_matter() -> None:
    one, other = MemoryExports(), MemoryExports()
    backwards = two_incidents()
    backwards.timelines = dict(reversed(backwards.timelines.items()))
    compiled(one)
    compiled(other, backwards)
    assert one.blobs == other.blobs


def test_compiling_again_answers_with_the_bundle_that_exists() -> None:
    exports = MemoryExports()
    compiled(exports)
    before = dict(exports.blobs)
    again = compiled(exports, now=LATER, code="2.0")
    assert again == Compiled(Bundle("acme", WEEK, 1, "r1"), made=False)
    assert exports.blobs == before


def test_other_content_becomes_a_restatement_that_names_what_it_restates() -> None:
    exports = MemoryExports()
    first = compiled(exports)
    second = compiled(exports, with_more(two_incidents()))
    assert second == Compiled(Bundle("acme", WEEK, 2, "r2"), made=True)
    assert read_manifest(second.bundle, exports)["restates"] == {
        "week": WEEK,
        "revision": 1,
        "manifest_sha256": manifest_hash(exports, first.bundle),
    }
    assert compiled(exports, with_more(two_incidents())).made is False
    third = compiled(exports)
    assert third.bundle.label == "r3"
    assert read_manifest(third.bundle, exports)["restates"]["revision"] == 2


def test_revisions_are_ordered_as_numbers() -> None:
    exports = MemoryExports()
    for turn in range(11):
        compiled(exports, with_more(two_incidents()) if turn % 2 else two_incidents())
    assert find_bundle("acme", WEEK, exports).label == "r11"
    assert labels(exports)[-1] == f"{WEEK} r11"


def test_a_bundle_follows_the_last_revision_of_the_last_week_that_has_one() -> None:
    exports, timelines = MemoryExports(), two_incidents()
    compiled(exports, timelines, "2026-W44")
    compiled(exports, timelines, "2026-W45")
    restated = MemoryTimelines().keep("acme", Story().opened(week_bounds("2026-W45", "UTC")[0]).events)
    second = compiled(exports, restated, "2026-W45").bundle
    assert second.label == "r2"
    answer = compiled(exports, timelines)
    assert read_manifest(answer.bundle, exports)["previous"] == {
        "week": "2026-W45",
        "revision": 2,
        "manifest_sha256": manifest_hash(exports, second),
    }
    assert read_manifest(find_bundle("acme", "2026-W44", exports), exports)["previous"] is None


def test_a_week_without_incidents_is_a_bundle_too() -> None:
    exports = MemoryExports()
    bundle = compiled(exports, MemoryTimelines()).bundle
    assert exports.read(bundle.blob("timeline.jsonl")) == b""
    assert exports.read(bundle.blob("incidents.csv")).count(b"\n") == 1
    assert kpi_of(exports, bundle, "time_to_resolve")["value"] is None


def test_a_week_under_way_is_provisional_and_never_enters_the_chain() -> None:
    exports = MemoryExports()
    answer = compiled(exports, now=NOON + minutes(1))
    assert answer.bundle.revision is None
    assert answer.bundle.label == "provisional-20261118T120100000000Z"
    manifest = read_manifest(answer.bundle, exports)
    assert manifest["provisional"] is True
    assert (manifest["revision"], manifest["restates"], manifest["previous"]) == (None, None, None)
    assert kpi_of(exports, answer.bundle, "incidents_resolved")["value"] == 0
    assert kpi_of(exports, answer.bundle, "backlog_closing")["value"] == 2
    assert list_bundles("acme", exports) == []
    final = compiled(exports)
    assert final.bundle.label == "r1"
    assert read_manifest(final.bundle, exports)["restates"] is None


@pytest.mark.parametrize(
    ("now", "provisional"),
    [(SUNDAY - timedelta(microseconds=1), True), (SUNDAY, False)],
    ids=["just before the end", "at the end"],
)
def test_a_week_is_over_at_its_end(now: datetime, provisional: bool) -> None:
    assert (compiled(MemoryExports(), now=now).bundle.revision is None) is provisional


def test_a_provisional_bundle_is_compiled_twice_at_one_instant_only_if_it_is_the_same() -> None:
    exports = MemoryExports()
    assert compiled(exports, now=NOON).bundle == compiled(exports, now=NOON).bundle
    sooner = MemoryTimelines().keep("acme", Story().opened(NOON - minutes(1)).events)
    with pytest.raises(Conflict):
        compiled(exports, sooner, now=NOON)


@pytest.mark.parametrize("week", ["2026-W54", "yesterday", "2026-W47/../x", ""])
def test_what_is_no_week_is_refused(week: str) -> None:
    with pytest.raises(InvalidInput, match="week"):
        compiled(MemoryExports(), week=week)


def test_a_week_that_has_not_begun_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has not begun"):
        compiled(MemoryExports(), now=MONDAY)


def test_a_week_keeps_the_time_zone_and_the_targets_of_its_first_compilation() -> None:
    exports = MemoryExports()
    plan = replace(PLAN, targets={"time_to_acknowledge_mean": 300, "no_such_target": 1})
    compiled(exports, plan=plan)
    moved = replace(a_plan(some_rules(timezone="Asia/Tokyo")), targets={"delivery_success": 99})
    assert compiled(exports, plan=moved).made is False
    bundle = compiled(exports, with_more(two_incidents()), plan=moved).bundle
    manifest = read_manifest(bundle, exports)
    assert (manifest["timezone"], manifest["targets"]) == ("UTC", {"time_to_acknowledge_mean": 300})
    acknowledge = kpi_of(exports, bundle, "time_to_acknowledge")
    assert (acknowledge["target"], acknowledge["met"]) == (300, True)


def test_plans_are_kept_apart() -> None:
    exports, timelines = MemoryExports(), two_incidents()
    other = replace(PLAN, name="acme-2", rules=replace(PLAN.rules, plan="acme-2"))
    compiled(exports, timelines)
    bundle = compiled(exports, timelines, plan=other).bundle
    assert kpi_of(exports, bundle, "incidents_opened")["value"] == 0
    assert labels(exports) == [f"{WEEK} r1"]


def test_a_subject_that_the_index_names_in_vain_leaves_no_trace() -> None:
    @dataclass
    class Hinting(MemoryTimelines):
        def subjects(self, plan: str, week: str) -> list[str]:
            return sorted([*super().subjects(plan, week), "INC-00000000-1", "INC-00000009-1"])

    old = Story("INC-00000009-1").opened(MONDAY - hours(2)).resolved(MONDAY - hours(1))
    hinting = Hinting(timelines=two_incidents().timelines).keep("acme", old.events)
    one, other = MemoryExports(), MemoryExports()
    compiled(one, hinting)
    compiled(other)
    assert one.blobs == other.blobs


def test_an_incident_left_open_is_carried_into_a_week_in_which_nothing_was_recorded() -> None:
    exports, timelines = MemoryExports(), two_incidents()
    compiled(exports, timelines)
    for week in ("2026-W48", "2026-W49"):
        bundle = compiled(exports, timelines, week, SUNDAY + timedelta(days=21)).bundle
        assert kpi_of(exports, bundle, "backlog_opening")["value"] == 1
        assert kpi_of(exports, bundle, "backlog_closing")["value"] == 1
        assert exports.read(bundle.blob("incidents.csv")).count(b"INC-") == 1


def test_action_items_and_reviews_to_come_are_carried_into_weeks_in_which_nothing_was_recorded() -> None:
    items = Story("INC-00000001-1").opened(NOON).resolved(NOON).item(NOON, "open", LATER)
    review = Story("INC-00000002-1").opened(NOON).resolved(NOON).review_required(NOON, SUNDAY)
    drill = Story("INC-00000003-1").opened(NOON, drill="db-down")
    over = Story("INC-00000004-1").opened(NOON).resolved(NOON)
    exports, stories = MemoryExports(), (items, review, drill, over)
    timelines = MemoryTimelines().keep("acme", *(story.events for story in stories))
    compiled(exports, timelines)
    for week, decided in (("2026-W48", 1), ("2026-W49", 0)):
        bundle = compiled(exports, timelines, week, SUNDAY + timedelta(days=21)).bundle
        assert set(read_manifest(bundle, exports)["timelines"]) == {story.subject for story in stories[:3]}
        assert kpi_of(exports, bundle, "backlog_opening")["value"] == 0
        assert kpi_of(exports, bundle, "action_items_open")["value"] == 1
        assert kpi_of(exports, bundle, "review_completion")["denominator"] == decided
        assert kpi_of(exports, bundle, "reviews_overdue")["value"] == 1


def test_a_week_whose_predecessor_had_no_file_of_drills_is_compiled() -> None:
    exports = MemoryExports()
    bundle = compiled(exports).bundle
    del exports.blobs[bundle.blob("drills.csv")]
    listed = read_manifest(bundle, exports)
    listed["files"] = [file for file in listed["files"] if file["name"] != "drills.csv"]
    exports.blobs[bundle.blob("manifest.json")] = json.dumps(listed).encode()
    assert (
        kpi_of(exports, compiled(exports, week="2026-W48", now=LATER).bundle, "backlog_opening")["value"] == 1
    )


def test_progress_is_told_after_each_subject() -> None:
    told: list[tuple[int, int]] = []
    compile_week(PLAN, WEEK, two_incidents(), MemoryExports(), "1.0", SUNDAY, lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]


@dataclass
class Crashing(MemoryExports):
    """Fails at the n-th write: before it, or after it was stored and before the answer."""

    writes_left: int = 99
    stores_first: bool = False

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        self.writes_left -= 1
        if self.writes_left < 0 and not self.stores_first:
            raise StoreUnavailable("gone")
        super().write(name, pieces)
        if self.writes_left < 0:
            raise StoreUnavailable("the answer got lost")


@pytest.mark.parametrize("stores_first", [False, True], ids=["before a write", "after a write"])
@pytest.mark.parametrize("writes", range(len(FILES)))
def test_after_a_crash_between_any_two_writes_the_same_bundle_is_completed(
    writes: int, stores_first: bool
) -> None:
    whole, torn = MemoryExports(), Crashing(writes_left=writes, stores_first=stores_first)
    compiled(whole)
    with pytest.raises(StoreUnavailable):
        compiled(torn)
    complete = stores_first and writes == len(FILES) - 1
    assert labels(torn) == ([f"{WEEK} r1"] if complete else [])
    torn.writes_left = 99
    assert compiled(torn, now=LATER) == Compiled(Bundle("acme", WEEK, 1, "r1"), made=not complete)
    assert torn.blobs == whole.blobs


@pytest.mark.parametrize("writes", range(1, len(FILES)))
def test_what_a_crash_left_of_other_bytes_is_passed_over(writes: int) -> None:
    exports = Crashing(writes_left=writes)
    with pytest.raises(StoreUnavailable):
        compiled(exports)
    left = dict(exports.blobs)
    exports.writes_left = 99
    answer = compiled(exports, with_more(two_incidents()))
    assert (answer.bundle.label, answer.made) == ("r2", True)
    assert read_manifest(answer.bundle, exports)["restates"] is None
    assert labels(exports) == [f"{WEEK} r2"]
    assert {name: exports.blobs[name] for name in left} == left
    assert compiled(exports, with_more(two_incidents())).made is False


def test_half_a_bundle_of_other_code_is_passed_over_but_its_whole_is_not_made_twice() -> None:
    exports = Crashing(writes_left=len(FILES) - 1)
    with pytest.raises(StoreUnavailable):
        compiled(exports, code="1.0")
    exports.writes_left = 99
    assert compiled(exports, code="2.0").bundle.label == "r2"
    assert compiled(exports, code="1.0") == Compiled(Bundle("acme", WEEK, 2, "r2"), made=False)


@dataclass
class Racing(MemoryExports):
    """Lets another compiler run to its end before the n-th write of the first one."""

    writes_left: int = 0
    timelines: MemoryTimelines | None = None
    code: str = "1.0"

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        self.writes_left -= 1
        if self.writes_left == -1:
            compiled(self, self.timelines, code=self.code)
        super().write(name, pieces)


@pytest.mark.parametrize("writes", range(len(FILES)))
def test_two_compilers_of_the_same_week_make_one_bundle(writes: int) -> None:
    alone, racing = MemoryExports(), Racing(writes_left=writes)
    compiled(alone)
    assert compiled(racing).bundle.label == "r1"
    assert racing.blobs == alone.blobs


@pytest.mark.parametrize("writes", [0, 5, len(DATA)])
def test_the_loser_of_a_race_finds_the_winners_bundle_if_it_has_the_same_content(writes: int) -> None:
    racing = Racing(writes_left=writes, code="2.0")
    answer = compiled(racing)
    assert answer == Compiled(Bundle("acme", WEEK, 1, "r1"), made=False)
    assert list_bundles("acme", racing) == [answer.bundle]


@pytest.mark.parametrize(
    "writes", [len(DATA) + 1, len(DATA) + 2], ids=["after bundle.zip", "after manifest.json"]
)
def test_other_code_does_not_wait_for_a_bundle_that_may_never_be_completed(writes: int) -> None:
    racing = Racing(writes_left=writes, code="2.0")
    compiled(racing)
    manifests = [read_manifest(bundle, racing) for bundle in list_bundles("acme", racing)]
    assert [manifest["code_version"] for manifest in manifests] == ["1.0", "2.0"]
    assert len({manifest["content_sha256"] for manifest in manifests}) == 1


@pytest.mark.parametrize("writes", range(len(FILES)))
def test_compilers_that_saw_other_timelines_both_leave_a_whole_bundle(writes: int) -> None:
    racing = Racing(writes_left=writes, timelines=with_more(two_incidents()))
    answer = compiled(racing)
    assert answer.made
    for bundle in list_bundles("acme", racing):
        assert all(bundle.blob(file) in racing.blobs for file in FILES)
        for line in racing.read(bundle.blob("manifest.sha256")).decode().splitlines():
            digest, _, file = line.partition("  ")
            assert hashlib.sha256(racing.read(bundle.blob(file))).hexdigest() == digest
    assert len(list_bundles("acme", racing)) == 2


def test_the_last_revision_is_found_unless_another_is_named() -> None:
    exports = MemoryExports()
    compiled(exports)
    compiled(exports, with_more(two_incidents()))
    provisional = compiled(exports, now=NOON).bundle
    assert find_bundle("acme", WEEK, exports).label == "r2"
    assert find_bundle("acme", WEEK, exports, "r1").label == "r1"
    assert find_bundle("acme", WEEK, exports, provisional.label) == provisional


@pytest.mark.parametrize(
    ("week", "label"),
    [
        ("2026-W46", None),
        (WEEK, "r2"),
        (WEEK, "r01"),
        (WEEK, "R1"),
        (WEEK, ""),
        (WEEK, "provisional-20261118T120000000000Z"),
        (f"{WEEK}/r1", None),
        ("", None),
        ("..", "r1"),
    ],
)
def test_what_is_not_there_is_not_found(week: str, label: str | None) -> None:
    exports = MemoryExports()
    compiled(exports)
    with pytest.raises(NotFound):
        find_bundle("acme", week, exports, label)


def test_the_timer_owes_the_last_week_first_and_then_every_week_since_the_last_bundle() -> None:
    exports = MemoryExports()
    assert owed_weeks(PLAN, exports, SUNDAY + SETTLE) == [WEEK]
    compiled(exports)
    assert owed_weeks(PLAN, exports, SUNDAY + SETTLE) == []
    assert owed_weeks(PLAN, exports, SUNDAY + timedelta(days=21, hours=1)) == [
        "2026-W48",
        "2026-W49",
        "2026-W50",
    ]


def test_the_timer_lets_a_week_rest_before_it_is_owed() -> None:
    exports = MemoryExports()
    compiled(exports, week="2026-W46")
    assert owed_weeks(PLAN, exports, SUNDAY + SETTLE - timedelta(microseconds=1)) == []
    assert owed_weeks(PLAN, exports, SUNDAY + SETTLE) == [WEEK]


def test_a_bundle_compiled_ahead_of_the_timer_is_not_owed() -> None:
    exports = MemoryExports()
    compiled(exports, week="2026-W48", now=LATER)
    assert owed_weeks(PLAN, exports, SUNDAY + SETTLE) == []
