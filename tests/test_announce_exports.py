"""Who is told that a bundle is ready: every name that the plan gives once, whoever is on call meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.export_link_tokens import ExportLinkTokens
from shared.adapters.signed_links import KeyedLinks
from shared.domain.oncall import Layer, Rotation
from shared.domain.schedule import ExportRule
from shared.export_ports import Exports
from shared.kpi.shelf import Bundle
from shared.workflows.announce_exports import TRIED_FOR, AnnounceExports
from shared.workflows.compile_exports import CompileExports
from shared.workflows.record_access import RecordAccess
from shared.workflows.serve_exports import ServeExports
from tests.builders import a_directory, hours, minutes
from tests.keeper import Keeper
from tests.stories import SUNDAY, WEEK
from tests.test_compile_exports import MemoryProgress
from tests.working_fakes import MemoryExports

READY = SUNDAY + minutes(20)
DAY = timedelta(days=1)


class Signs:
    """Signs whatever it is given."""

    def sign(self, bundle: Bundle, content: bytes, exports: Exports) -> bool:
        del bundle, content, exports
        return True


class Desk(Keeper):
    """A plan whose week `WEEK` is compiled at `READY`; `sre` hands over each day at nine."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        self.exports = MemoryExports()
        links = ExportLinkTokens(KeyedLinks(AppSettingSecrets({"SECRET_LINKS": "only for tests"}), "links"))
        compiling = CompileExports(
            self.plans,
            self.store,
            self.exports,
            MemoryProgress(),
            self.journals,
            Signs(),  # type: ignore[arg-type]
            "1.0",
            lambda _: "",
        )
        access = RecordAccess(self.journals, self.people)
        serving = ServeExports(
            self.plans, self.exports, compiling, access, links, self.store, "https://tocsin.example"
        )
        self.announcing = AnnounceExports(
            self.plans, self.exports, serving, self.journals, {"log": self.speaker}, self.secrets
        )
        self.compiling = compiling

    def ready(self, *notify: str, link: timedelta | None = None, **reach: tuple[str, ...]) -> None:
        layers = (Layer(tuple(reach), "2026-11-23T09:00", DAY),)
        rotations = {"sre": Rotation("sre", layers=layers), "vacant": Rotation("vacant")}
        self.directory(replace(a_directory(**reach), rotations=rotations))
        self.has(exports=ExportRule(notify, link))
        self.compiling.compile(self.plans.plan, WEEK, lambda: READY)

    def announce(self, *, after: timedelta = timedelta()) -> int:
        return self.announcing.announce(lambda: READY + after)

    def noted(self, type: str) -> list[dict[str, Any]]:
        weeks = ("2026-W47", "2026-W48", "2026-W49")
        subjects = sorted({each for week in weeks for each in self.store.subjects(self.name, week)})
        events = (event for subject in subjects for event in self.store.events(subject))
        return [dict(event.data) for event in events if event.type == type]

    def announced(self) -> list[tuple[Any, Any]]:
        """Contact and channel of every record."""
        return [(each["contact"], each["channel"]) for each in self.noted("export-announced")]

    def addresses(self) -> list[str]:
        return [str(message.source_url) for _, message, _ in self.speaker.sent]


@pytest.fixture
def desk(storage: str) -> Iterator[Desk]:
    with Desk(storage) as desk:
        yield desk


def test_a_rotation_is_told_once_whoever_takes_over(desk: Desk) -> None:
    desk.ready("sre", ann=("a",), bob=("b",))
    assert [desk.announce(after=day * DAY + hours(10)) for day in range(4)] == [1, 0, 0, 0]
    assert desk.announced() == [("ann", "a")]


def test_a_rotation_in_which_nobody_is_on_call_is_asked_again_until_somebody_is(desk: Desk) -> None:
    desk.ready("vacant", "ann", ann=("a",), bob=("b",))
    assert [desk.announce(), desk.announce(after=DAY)] == [1, 0]
    assert desk.announced() == [("ann", "a")]
    known = desk.plans.plan.directory
    vacant = replace(known.rotations["sre"], name="vacant")
    desk.directory(replace(known, rotations={**known.rotations, "vacant": vacant}))
    assert [desk.announce(after=DAY + hours(10)), desk.announce(after=2 * DAY)] == [1, 0]
    assert desk.announced() == [("ann", "a"), ("bob", "b")]


def test_it_stops_asking_after_five_days_and_says_so(desk: Desk) -> None:
    desk.ready("vacant", ann=("a",))
    assert desk.announce(after=TRIED_FOR - minutes(21)) == 0
    assert desk.announced() == []
    assert [desk.announce(after=TRIED_FOR - minutes(20)), desk.announce(after=TRIED_FOR)] == [0, 0]
    assert desk.announced() == [("vacant", None)]


def test_whoever_is_named_and_on_call_as_well_is_told_once(desk: Desk) -> None:
    desk.ready("sre", "ann", ann=("a",), bob=("b",))
    assert desk.announce(after=hours(10)) == 1
    assert desk.announce(after=DAY + hours(10)) == 0
    assert desk.announced() == [("ann", "a")]


def test_a_message_that_is_tried_again_carries_the_same_link_as_long_as_half_its_time_is_left(
    desk: Desk,
) -> None:
    desk.ready("ann", link=DAY, ann=("busy",))
    for after in (hours(0), hours(1), hours(11), hours(12) - timedelta(microseconds=1)):
        assert desk.announce(after=after) == 0
    [made] = desk.noted("link-made")
    assert made["expires"] == "2026-11-24T00:20:00.000000Z"
    assert desk.announce(after=hours(12)) == 0
    desk.speaker.busy = False
    assert desk.announce(after=hours(13)) == 1
    [_, second] = desk.noted("link-made")
    assert (second["link"] != made["link"], second["expires"]) == (True, "2026-11-24T12:20:00.000000Z")
    [address] = desk.addresses()
    assert address.startswith("https://tocsin.example/e/")


def test_everybody_has_a_link_of_their_own(desk: Desk) -> None:
    desk.ready("ann", "bob", link=DAY, ann=("a",), bob=("b",))
    assert desk.announce() == 2
    assert len(set(desk.addresses())) == len({each["link"] for each in desk.noted("link-made")}) == 2


def test_whoever_was_told_by_name_is_not_told_again_once_on_call(desk: Desk) -> None:
    desk.ready("ann", "sre", bob=("busy",), ann=("a",))
    assert [desk.announce(after=hours(10)), desk.announce(after=DAY + hours(10))] == [1, 0]
    assert desk.announced() == [("ann", "a")]
    assert desk.announce(after=2 * DAY + hours(10)) == 0
    assert len(desk.heard()) == 1


def test_a_bundle_whose_record_is_still_to_come_is_announced_once_it_is_there(desk: Desk) -> None:
    desk.ready("ann", link=DAY, ann=("a",))
    [noted] = [name for name in desk.exports.blobs if name.endswith(".noted")]
    record = desk.exports.blobs.pop(noted)
    assert desk.announce() == 0
    desk.exports.blobs[noted] = record
    assert desk.announce() == 1
