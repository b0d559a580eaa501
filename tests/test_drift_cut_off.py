"""A nightly check that finds much, or is cut off: each incident is on record and each finding has its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.domain.errors import NotFound
from shared.domain.timeline import first_break
from shared.workflows.check_drift import MOST_AT_ONCE
from tests.builders import hours, minutes, seconds
from tests.stories import MONDAY, WEEK, Story
from tests.test_drift_check import DAY, QUICK, THURSDAY, Night

LAST_NIGHT = MONDAY + timedelta(days=7, hours=3)


@pytest.fixture
def night(storage: str) -> Iterator[Night]:
    with Night(storage) as stage:
        yield stage


class CutOffError(Exception):
    """The process died here."""


def dies_at(call: int, whole: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """The same, except that the call of that number dies before or after it has done its work."""
    calls = iter(range(1, 10_000))

    def dying(*given: object) -> object:
        dead = next(calls) == call
        if dead and not after:
            raise CutOffError
        done: object = whole(*given)
        if dead:
            raise CutOffError
        return done

    return dying


def cut_off(night: Night, what: str, call: int, now: datetime, *, after: bool) -> None:
    """A check that dies at the n-th append to the journal or the n-th incident."""
    place = night.journals if what == "append" else night.store
    setattr(place, what, dies_at(call, getattr(place, what), after=after))
    with pytest.raises(ExceptionGroup) as raised:
        night.checking.check(now)
    delattr(place, what)
    assert isinstance(raised.value.exceptions[0], CutOffError)


def slower(night: Night, services: int) -> None:
    """As many services whose incidents take longer to resolve than before."""
    before = {f"s{number:03}": [600 + each for each in range(40)] for number in range(services)}
    night.had(time_to_resolve_seconds=before)
    for number in range(services):
        for hour in range(20):
            at = MONDAY + hours(hour)
            story = Story(f"INC-{number * 20 + hour:08}-1").opened(at, service=f"s{number:03}")
            story = story.resolved(at + hours(3) + seconds(hour))
            night.timelines.keep("acme", story.events)


def noted(night: Night, *nights: datetime) -> list[tuple[str, dict[str, Any]]]:
    """What the journals of these nights tell, in order."""
    subjects = [f"JRN-{night.name}-{at:%Y%m%d}-0" for at in nights]
    told = [night.store.events(subject) for subject in subjects]
    timelines = [list(events) for events in told]
    assert [first_break(events) for events in timelines] == [None for _ in timelines]
    return [(event.type, dict(event.data)) for events in timelines for event in events]


def found(night: Night, *nights: datetime) -> list[dict[str, Any]]:
    """The findings; each has its incident, and none has been put on record twice."""
    findings = [data for type, data in noted(night, *nights) if type == "drift-found"]
    assert len({(one["measure"], one["service"], one["direction"]) for one in findings}) == len(findings)
    for one in findings:
        assert night.incident(one["incident"]).service == one["service"]
    return findings


@pytest.mark.parametrize("services", [MOST_AT_ONCE, MOST_AT_ONCE + 1], ids=["all at once", "one more"])
def test_the_last_night_puts_everything_on_record_however_much_it_finds(night: Night, services: int) -> None:
    slower(night, services)
    assert night.checking.check(LAST_NIGHT) == services
    assert len(found(night, LAST_NIGHT)) == services
    types = [type for type, _ in noted(night, LAST_NIGHT)]
    assert types == ["drift-found"] * services + ["drift-checked"]
    assert night.checking.check(LAST_NIGHT + DAY) == 0


def test_instances_that_find_much_at_once_put_each_on_record_once(night: Night) -> None:
    slower(night, MOST_AT_ONCE + 1)
    with ThreadPoolExecutor(3) as pool:
        opened = list(pool.map(lambda _: night.checking.check(LAST_NIGHT), range(3)))
    assert sum(opened) == MOST_AT_ONCE + 1
    assert len(found(night, LAST_NIGHT)) == MOST_AT_ONCE + 1
    assert [type for type, _ in noted(night, LAST_NIGHT)].count("drift-checked") == 1


@pytest.mark.parametrize(
    ("what", "call", "after", "known"),
    [
        pytest.param("append", 1, False, 0, id="before the findings"),
        pytest.param("append", 1, True, 2, id="after them"),
        pytest.param("save", 1, False, 2, id="before an incident"),
        pytest.param("save", 1, True, 2, id="after it"),
        pytest.param("save", 2, False, 2, id="before the next"),
        pytest.param("append", 2, False, 2, id="before the end"),
    ],
)
@pytest.mark.parametrize("again", [minutes(5), DAY], ids=["the same night", "the night after"])
def test_a_last_night_that_was_cut_off_is_made_good(
    night: Night, what: str, call: int, after: bool, known: int, again: timedelta
) -> None:
    slower(night, 2)
    cut_off(night, what, call, LAST_NIGHT, after=after)
    assert [type for type, _ in noted(night, LAST_NIGHT)] == ["drift-found"] * known
    night.checking.check(LAST_NIGHT + again)
    nights = [LAST_NIGHT] if again < DAY else [LAST_NIGHT, LAST_NIGHT + DAY]
    assert len(found(night, *nights)) == 2
    checked = [data["week"] for type, data in noted(night, *nights) if type == "drift-checked"]
    assert checked == [WEEK] if again < DAY else [WEEK, "2026-W48"]
    assert night.checking.check(LAST_NIGHT + again) == 0


def test_between_two_transactions_of_findings_nothing_is_lost_or_doubled(night: Night) -> None:
    slower(night, MOST_AT_ONCE + 1)
    cut_off(night, "append", 2, LAST_NIGHT, after=False)
    assert len([type for type, _ in noted(night, LAST_NIGHT) if type == "drift-found"]) == MOST_AT_ONCE
    assert night.checking.check(LAST_NIGHT) == MOST_AT_ONCE + 1
    assert len(found(night, LAST_NIGHT)) == MOST_AT_ONCE + 1


def test_a_finding_on_record_gets_its_incident_though_the_week_has_recovered(night: Night) -> None:
    night.had(**QUICK)
    night.has(8, hours(3))
    cut_off(night, "append", 1, THURSDAY, after=True)
    [finding] = [data for type, data in noted(night, THURSDAY) if type == "drift-found"]
    with pytest.raises(NotFound):
        night.store.load(finding["incident"])
    for number in range(400):
        at = THURSDAY + minutes(number)
        story = Story(f"INC-{number:08}-3").opened(at).resolved(at + minutes(10) + seconds(number % 40))
        night.timelines.keep("acme", story.events)
    assert night.checking.check(THURSDAY + DAY) == 1
    [test] = [data for type, data in noted(night, THURSDAY + DAY) if type == "drift-checked"][-1]["tests"]
    assert test["drifted"] is False
    assert [one["incident"] for one in found(night, THURSDAY, THURSDAY + DAY)] == [finding["incident"]]
