"""Which way to a contact is open for a message, and which comes next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.domain.oncall import Restriction
from shared.domain.plan import Channel, Contact, Directory, Reach
from shared.domain.ways import Way, next_way, ways

NIGHT, DAY = datetime(2026, 11, 18, 3, tzinfo=UTC), datetime(2026, 11, 18, 12, tzinfo=UTC)
OFFICE = Restriction(since=9 * 60, until=17 * 60)


def a_way(*reach: Reach, timezone: str = "UTC", **fallback: str) -> tuple[Directory, Contact]:
    names = {each.channel for each in reach} | set(fallback) | set(fallback.values())
    channels = {name: Channel(name, "log", fallback=fallback.get(name)) for name in names}
    contact = Contact("ana", reach=reach)
    return Directory({"ana": contact}, channels, timezone=timezone), contact


def opened(
    found: tuple[Directory, Contact], severity: str = "P1", kind: str = "escalation", at: datetime = DAY
) -> list[int]:
    """Every way that is tried for such a message, in order."""
    directory, contact = found
    tried: list[int] = []
    names: list[str] = []
    while (way := next_way(directory, contact, severity, kind, at, names)) is not None:
        tried.append(way[0])
        names.append(ways(directory, contact)[way[0]].name)
        assert way[1] is (next_way(directory, contact, severity, kind, at, names) is None)
    return tried


def test_ways_come_in_the_order_of_preference() -> None:
    assert opened(a_way(Reach("phone"), Reach("chat"), Reach("mail"))) == [0, 1, 2]


@pytest.mark.parametrize(("severity", "tried"), [("P1", [0, 1]), ("P3", [1])])
def test_a_call_for_the_loud_and_mail_for_the_rest(severity: str, tried: list[int]) -> None:
    found = a_way(Reach("phone", severities=("P1", "P2")), Reach("mail"))
    assert opened(found, severity) == tried


def test_a_way_may_be_for_some_kinds_alone() -> None:
    found = a_way(Reach("phone", kinds=("escalation", "manual")), Reach("mail"))
    assert opened(found, kind="manual") == [0, 1]
    assert opened(found, kind="update") == [1]


def test_a_way_may_be_closed_at_times_by_the_clock_of_the_plan() -> None:
    reach = (Reach("chat", only=OFFICE), Reach("phone"))
    assert opened(a_way(*reach), at=NIGHT) == [1]
    assert opened(a_way(*reach), at=DAY) == [0, 1]
    assert opened(a_way(*reach, timezone="Australia/Sydney"), at=NIGHT) == [0, 1]


def test_where_no_way_is_open_all_are() -> None:
    assert opened(a_way(Reach("phone", severities=("P1",)), Reach("chat", only=OFFICE)), "P3", at=NIGHT) == [
        0,
        1,
    ]


def test_who_stands_in_for_a_provider_comes_right_after_it_with_the_same_address() -> None:
    directory, contact = a_way(Reach("sms", to="+15550100"), Reach("mail"), sms="other", other="third")
    assert [(way.channel, way.to) for way in ways(directory, contact)] == [
        ("sms", "+15550100"),
        ("other", "+15550100"),
        ("third", "+15550100"),
        ("mail", None),
    ]


def test_providers_that_stand_in_for_each_other_are_tried_once_each() -> None:
    directory, contact = a_way(Reach("sms"), sms="other", other="sms")
    assert ways(directory, contact) == (Way("sms", None, name="sms#0"), Way("other", None, name="other#0"))


def test_nobody_without_a_way_is_reached() -> None:
    assert opened(a_way()) == []
