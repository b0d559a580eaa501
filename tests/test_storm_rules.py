"""What counts towards a storm, what is gathered, and what a digest says: boundaries, without any storage."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain import storm
from shared.domain.delivery import LEASE, Delivery, Kind, Message
from shared.domain.doors import Storm
from shared.domain.incident import Incident
from shared.domain.plan import Channel
from shared.domain.storm import Entry, Gathering, Member, StormState, Told
from tests.builders import NOON, a_plan, a_severity, minutes, seconds, some_rules

TICK = seconds(0.000001)
RULE = Storm(3, minutes(5))
PLAN = replace(a_plan(some_rules(a_severity("P1"), a_severity("P2"))), storm=RULE)
TOLD = Told(NOON, NOON, "mail", 202, "id-1", "ab" * 32, "storm-digest", "0123456789ab")


def a_delivery(
    n: int = 1, *, kind: Kind = "escalation", nth: int = 0, seq: int = 2, reason: str = "why"
) -> Delivery:
    incident = f"INC-AAAAAAA{n}-1"
    message = Message(kind, "acme", incident, f"Title {n}", "P1", "api", "open", NOON, reason)
    return Delivery(
        f"{seq:06d}-oncall-{nth}", incident, "oncall", nth, "log", message, f"{n:08d}" * 5, seq, NOON, NOON
    )


def counted(*at: datetime) -> StormState:
    state = StormState()
    for n, instant in enumerate(at):
        state, _ = storm.count(state, [a_delivery(100 + n)], RULE, instant)
    return state


def a_gathering(*deliveries: Delivery) -> Gathering:
    return storm.gather(None, deliveries or [a_delivery()], NOON)


def a_member(n: int, severity: str = "P1", kind: Kind = "escalation", title: str = "Down") -> Member:
    entry = Entry(f"INC-{n:04d}", f"000002-oncall-{n}", kind, severity)
    incident = Incident(f"{n:08d}", 1, "acme", None, "g", "n", "api", severity, "r", NOON, title=title)
    return Member(entry, incident)


def test_as_many_as_the_plan_says_go_out_one_by_one() -> None:
    arrivals = [a_delivery(n) for n in range(5)]
    state, beyond = storm.count(StormState(), arrivals, RULE, NOON)
    assert (len(state.counted), beyond) == (3, arrivals[3:])


@pytest.mark.parametrize(
    ("since", "beyond"), [(minutes(5) - TICK, 1), (minutes(5), 0), (minutes(5) + TICK, 0)]
)
def test_the_window_is_half_open_and_slides(since: timedelta, beyond: int) -> None:
    state = counted(NOON, NOON + seconds(1), NOON + seconds(2))
    assert len(storm.count(state, [a_delivery()], RULE, NOON + since)[1]) == beyond


def test_what_goes_out_is_remembered_and_what_is_older_than_the_window_is_not() -> None:
    state = counted(NOON, NOON + minutes(4))
    state, _ = storm.count(state, [a_delivery()], RULE, NOON + minutes(5))
    assert [each.at for each in state.counted] == [NOON + minutes(4), NOON + minutes(5)]


def test_one_that_is_looked_at_again_or_tried_by_a_further_way_counts_once() -> None:
    first = a_delivery()
    state, _ = storm.count(counted(NOON, NOON), [first], RULE, NOON)
    further = a_delivery(nth=1, seq=5)
    assert storm.count(state, [first, further], RULE, NOON) == (state, [])


def test_the_same_words_once_more_by_the_same_way_count_again() -> None:
    state, _ = storm.count(counted(NOON, NOON), [a_delivery()], RULE, NOON)
    again = a_delivery(seq=9)
    assert storm.count(state, [again], RULE, NOON)[1] == [again]


def a_page(n: int, severity: str, kind: Kind = "escalation") -> Delivery:
    delivery = a_delivery(n, kind=kind)
    return replace(delivery, message=replace(delivery.message, severity=severity))


@pytest.mark.parametrize(
    ("before", "arrives", "waits"),
    [
        (("P3", "P3", "P3"), a_page(9, "P1"), False),
        (("P3", "P1", "P3"), a_page(9, "P1"), True),
        (("P3", "P3", "P3"), a_page(9, "P3"), True),
        (("P3", "P3", "P3"), a_page(9, "P1", "inform"), True),
        (("P3", "P3", "P3"), a_page(9, "unheard of"), True),
    ],
)
def test_a_page_louder_than_every_one_of_late_does_not_wait(
    before: tuple[str, ...], arrives: Delivery, waits: bool
) -> None:
    state = StormState()
    for n, severity in enumerate(before):
        state, _ = storm.count(state, [a_page(n, severity)], RULE, NOON, ("P1", "P3"))
    assert storm.count(state, [arrives], RULE, NOON, ("P1", "P3"))[1] == ([arrives] if waits else [])


def test_the_first_page_does_not_wait_behind_what_only_informs() -> None:
    state = StormState()
    for n in range(3):
        state, _ = storm.count(state, [a_page(n, "P1", "inform")], RULE, NOON, ("P1", "P3"))
    assert storm.count(state, [a_page(9, "P3")], RULE, NOON, ("P1", "P3"))[1] == []


@pytest.mark.parametrize(("after", "beyond"), [(-TICK, 0), (timedelta(0), 1), (TICK, 1)])
def test_after_a_digest_that_failed_nothing_is_gathered_for_a_while(after: timedelta, beyond: int) -> None:
    until = NOON + minutes(1)
    state = replace(counted(NOON, NOON, NOON), singly_until=until)
    assert len(storm.count(state, [a_delivery()], RULE, until + after)[1]) == beyond


def test_the_first_that_is_held_back_opens_a_gathering_for_a_minute() -> None:
    gathering = a_gathering(a_delivery(1), a_delivery(2))
    assert gathering.until == NOON + seconds(60)
    assert [each.incident for each in gathering.entries] == ["INC-AAAAAAA1-1", "INC-AAAAAAA2-1"]
    assert not set(gathering.key) & set("/\\#?")


@pytest.mark.parametrize(("after", "same"), [(seconds(60) - TICK, True), (seconds(60), False)])
def test_a_gathering_is_joined_until_it_is_told(after: timedelta, same: bool) -> None:
    first = a_gathering()
    second = storm.gather(first, [a_delivery(2)], NOON + after)
    assert (second.key == first.key) is same
    assert len(second.entries) == (2 if same else 1)


def test_nobody_joins_what_is_being_told() -> None:
    first = a_gathering().claimed(NOON)
    assert storm.gather(first, [a_delivery(2)], NOON).key != first.key


def test_who_comes_twice_is_in_it_once() -> None:
    first = a_gathering(a_delivery(1))
    assert storm.gather(first, [a_delivery(1)], NOON) == first


@pytest.mark.parametrize(("there", "same"), [(498, True), (499, False)])
def test_a_full_gathering_is_followed_by_another(there: int, same: bool) -> None:
    entries = tuple(Entry(f"INC-{n}", "x", "inform", "P1") for n in range(there))
    full = replace(a_gathering(), entries=entries)
    more = storm.gather(full, [a_delivery(2), a_delivery(3)], NOON)
    assert (more.key == full.key) is same
    assert len(more.entries) <= storm.MOST_GATHERED


def test_a_claim_is_a_lease() -> None:
    claimed = a_gathering().claimed(NOON)
    assert (claimed.state, claimed.until, claimed.claims) == ("sending", NOON + LEASE, 1)


@pytest.mark.parametrize(
    ("kind", "gathered"),
    [
        ("escalation", True), ("inform", True), ("reminder", True), ("role", True), ("cleared", True),
        ("still-open", True), ("resolved", True), ("manual", False), ("alarm", False), ("update", False),
        ("review", False), ("action-item", False), ("digest", False), ("refresh", False),
    ],
)  # fmt: skip
def test_which_kinds_are_gathered(kind: Kind, gathered: bool) -> None:
    message = a_delivery(kind=kind).message
    assert storm.is_gathered(message, Channel("mail", "email"), "a@example.com") is gathered


def test_neither_outsiders_nor_drills_are_gathered() -> None:
    message, mail = a_delivery().message, Channel("mail", "email")
    assert not storm.is_gathered(replace(message, audience="external"), mail, "a@example.com")
    assert not storm.is_gathered(replace(message, drill="fire"), mail, "a@example.com")
    assert not storm.is_gathered(message, None, "a@example.com")


@pytest.mark.parametrize(
    ("channel", "to", "takes"),
    [
        (Channel("x", "slack-app"), "C1", True),
        (Channel("x", "twilio-voice"), "+491", True),
        (Channel("x", "webhook"), "+491", True),
        (Channel("x", "webhook"), None, False),
        (Channel("x", "email", options={"public": "true"}), "a@example.com", False),
        (Channel("x", "slack-room"), None, False),
        (Channel("x", "pagerduty"), None, False),
        (Channel("x", "opsgenie"), None, False),
        (Channel("x", "statuspage"), None, False),
    ],
)
def test_a_digest_goes_where_people_read_and_not_where_each_incident_is_kept(
    channel: Channel, to: str | None, takes: bool
) -> None:
    assert storm.takes_digest(channel, to) is takes


def test_a_digest_lists_what_asks_first_and_then_the_loudest() -> None:
    members = [
        a_member(1, "P1", "inform"),
        a_member(2, "P2"),
        a_member(3, "P1"),
        a_member(4, "P2", "resolved"),
    ]
    message = storm.digest_message(PLAN, a_gathering(), members)
    assert message.title == "2 incidents need you, and 2 more to know of"
    assert message.reason == "more than 3 messages within 5 min: 2 P1, 2 P2"
    assert message.summary.splitlines() == [
        "[P1] INC-0003 Down · open", "[P2] INC-0002 Down · open",
        "[P1] INC-0001 Down · open", "[P2] INC-0004 Down · open",
    ]  # fmt: skip
    assert (message.kind, message.severity, message.loudness) == ("digest", "P1", 0)
    assert storm.weight(members, PLAN) == ("P1", "escalation")


def test_a_digest_of_news_alone_does_not_go_as_a_page() -> None:
    members = [a_member(1, "P2", "inform"), a_member(2, "P2", "inform")]
    assert storm.digest_message(PLAN, a_gathering(), members).title == "2 incidents to know of"
    assert storm.weight(members, PLAN) == ("P2", "inform")


def test_an_incident_with_several_messages_is_one_line() -> None:
    entries = [Entry("INC-1", f"{n}", "escalation", "P1") for n in range(3)]
    message = storm.digest_message(PLAN, a_gathering(), [Member(each, None) for each in entries])
    assert (message.title, len(message.summary.splitlines())) == ("1 incident needs you", 1)


@pytest.mark.parametrize(("many", "lines", "last"), [(50, 50, "open"), (51, 51, "… and 1 more")])
def test_fifty_lines_and_how_many_more(many: int, lines: int, last: str) -> None:
    message = storm.digest_message(PLAN, a_gathering(), [a_member(n) for n in range(many)])
    found = message.summary.splitlines()
    assert (len(found), found[-1].endswith(last)) == (lines, True)


def test_a_hostile_title_stays_on_its_line_and_within_its_room() -> None:
    title = "x\n[P1] INC-9999 forged\u2028· open \ud800" + "y" * 200
    message = storm.digest_message(PLAN, a_gathering(), [a_member(1, title=title)])
    assert len(message.summary.splitlines()) == 1
    assert len(message.summary) <= storm.TITLE_KEPT + 40
    message.summary.encode()


def test_of_an_incident_that_cannot_be_read_a_digest_says_the_rest() -> None:
    message = storm.digest_message(PLAN, a_gathering(), [replace(a_member(7), incident=None)])
    assert message.summary == "[P1] INC-0007 · open"


def test_nothing_that_people_wrote_is_gathered() -> None:
    delivery = a_delivery()
    delivery = replace(delivery, message=replace(delivery.message, title="Ana Ruiz", summary="her phone"))
    assert "Ana" not in str(a_gathering(delivery))
    assert "phone" not in str(a_gathering(delivery))


def test_the_outcome_of_a_digest_is_that_of_each_delivery_it_told() -> None:
    delivery = replace(a_delivery(), state="queued", gathered="key")
    gathering = storm.sent(a_gathering(delivery), TOLD)
    done = storm.left(delivery, gathering, NOON)
    assert (done.state, done.channel, done.gathered, done.template) == (
        "accepted", "mail", gathering.key, "storm-digest",
    )  # fmt: skip
    [attempt] = done.attempts
    assert (attempt.accepted, attempt.status, attempt.provider_id, attempt.at) == (True, 202, "id-1", NOON)


def test_what_a_gathering_leaves_behind_is_due_at_once_and_otherwise_as_it_was() -> None:
    waiting = a_delivery().postponed(NOON + LEASE, "key")
    assert (waiting.state, waiting.claims, waiting.attempts) == ("queued", 0, ())
    left = storm.left(waiting, a_gathering(waiting), NOON)
    assert left == replace(waiting, due_at=NOON)
    other = storm.sent(a_gathering(a_delivery(7)), TOLD)
    assert storm.left(waiting, other, NOON).state == "queued"


def test_the_key_of_a_digest_is_its_own() -> None:
    keys = {storm.digest_key(*each) for each in (("a", "b", "c"), ("a", "b", "d"), ("a", "x", "c"))}
    assert len(keys) == 3
