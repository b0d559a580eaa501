"""Many incidents at once: one contact gets the first messages one by one, and the rest as one digest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.adapters.storm_table import StormTable
from shared.domain import storm
from shared.domain.delivery import LEASE, Message
from shared.domain.doors import Storm
from shared.domain.matrix import Inform
from shared.domain.plan import Template
from shared.domain.response import Acknowledge, Escalate, Resolve
from shared.domain.storm import Gathering, Kept, StormState
from shared.domain.timeline import first_break
from tests.builders import NOON, a_directory, a_severity, minutes, seconds, some_rules
from tests.stage import Stage
from tests.stormy import (
    MANY,
    ONE_BY_ONE,
    THEN,
    Mouth,
    break_out,
    come,
    delivered,
    held_back,
    listed,
    prepared,
    process,
    states,
)


@pytest.fixture
def stage(storage: str) -> Iterator[Stage]:
    with Stage(storage) as stage:
        yield prepared(stage)


@pytest.fixture
def mouth() -> Mouth:
    return Mouth()


def test_of_sixty_incidents_ten_are_told_one_by_one_and_fifty_in_one_digest(
    stage: Stage, mouth: Mouth
) -> None:
    incidents = break_out(stage)
    instance = process(stage, mouth)
    instance.sweep(lambda: NOON)
    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE
    instance.sweep(lambda: THEN - seconds(0.000001))
    assert len(mouth.sent) == ONE_BY_ONE
    come(stage, mouth, incidents, THEN)

    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE + ["digest"]
    [digest] = mouth.digests()
    alone = {message.incident for _, _, message, _ in mouth.sent} - {""}
    assert (set(listed(digest)), len(listed(digest))) == (set(incidents) - alone, MANY - ONE_BY_ONE)
    assert digest.title == "50 incidents need you"
    assert digest.reason == "more than 10 messages within 5 min: 50 P1"
    assert (digest.incident, digest.status, digest.severity) == ("", "open", "P1")
    on_record = delivered(stage, incidents)
    assert len(on_record) == MANY
    assert states(stage, incidents) == {"accepted"}
    keys = {event.data["digest"] for event in on_record}
    assert len(keys) == 2
    told = [event for event in on_record if event.data["digest"] is not None]
    assert {event.subject for event in told} == set(listed(digest))
    assert {(event.data["provider_id"], event.data["status"]) for event in told} == {("digest-11", 202)}
    assert {event.occurred_at for event in told} == {THEN}
    assert all(first_break(stage.events(incident)) is None for incident in incidents)


def test_another_contact_is_told_one_by_one_all_the_same(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 20)
    instance = process(stage, mouth)
    instance.sweep(lambda: NOON)
    for incident in incidents[:5]:
        stage.respond(incident, Escalate("lead"))
    instance.sweep(lambda: NOON)

    assert mouth.kinds("lead") == ["manual"] * 5


def test_what_a_person_asks_for_is_never_gathered(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, ONE_BY_ONE + 3)
    instance = process(stage, mouth)
    instance.sweep(lambda: NOON)
    stage.respond(incidents[0], Escalate("oncall"))
    instance.sweep(lambda: NOON)

    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE + ["manual"]


def test_one_message_beyond_the_limit_is_told_as_it_is(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, ONE_BY_ONE + 1)
    instance = process(stage, mouth)
    instance.sweep(lambda: NOON)
    instance.sweep(lambda: THEN)

    assert mouth.kinds() == ["escalation"] * (ONE_BY_ONE + 1)
    assert [event.data["digest"] for event in delivered(stage, incidents)] == [None] * (ONE_BY_ONE + 1)


def test_instances_that_run_side_by_side_share_the_limit_and_send_one_digest(
    stage: Stage, mouth: Mouth
) -> None:
    incidents = break_out(stage, 40)
    for at in (NOON, THEN, THEN + LEASE):
        instances = [process(stage, mouth) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda each, at=at: each.sweep(lambda: at), instances))

    assert sorted(mouth.kinds()) == ["digest"] + ["escalation"] * ONE_BY_ONE
    assert len(delivered(stage, incidents)) == 40
    assert states(stage, incidents) == {"accepted"}


def test_a_digest_that_is_being_sent_is_waited_for(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 20)
    process(stage, mouth).sweep(lambda: NOON)
    sending, go_on = threading.Event(), threading.Event()

    def hold(message: Message) -> None:
        if message.kind == "digest":
            sending.set()
            assert go_on.wait(20)

    mouth.after = hold
    waiting = held_back(stage, incidents)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(process(stage, mouth).advance, waiting[0], lambda: THEN)
        assert sending.wait(20)
        for other in waiting[1:]:
            process(stage, mouth).advance(other, lambda: THEN + storm.OTHERS_AFTER)
        assert len(delivered(stage, incidents)) == ONE_BY_ONE
        go_on.set()
        slow.result(20)

    come(stage, mouth, incidents, THEN + storm.OTHERS_AFTER)
    assert len(delivered(stage, incidents)) == 20
    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE + ["digest"]


def test_what_is_resolved_meanwhile_is_withdrawn_and_not_told(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 20)
    process(stage, mouth).sweep(lambda: NOON)
    waiting = held_back(stage, incidents)
    for incident in waiting[:3]:
        stage.respond(incident, Resolve(), at=NOON + seconds(30))
    stage.respond(waiting[3], Acknowledge(), at=NOON + seconds(30))
    come(stage, mouth, incidents, THEN)

    first, *_ = mouth.digests()
    pages = [line for line in first.summary.splitlines() if not line.endswith("resolved")]
    assert len(pages) == 7
    assert sum(line.endswith("acknowledged") for line in pages) == 1
    for incident in waiting[:3]:
        assert "delivery-withdrawn" in stage.types(incident)
    assert len(delivered(stage, incidents)) == 17


def test_the_next_window_counts_anew(stage: Stage, mouth: Mouth) -> None:
    break_out(stage, ONE_BY_ONE)
    later = NOON + Storm().within
    process(stage, mouth).sweep(lambda: NOON)
    break_out(stage, ONE_BY_ONE, later - seconds(1))
    process(stage, mouth).sweep(lambda: later - seconds(0.000001))
    assert len(mouth.sent) == ONE_BY_ONE
    break_out(stage, ONE_BY_ONE, later)
    process(stage, mouth).sweep(lambda: later)

    assert mouth.kinds() == ["escalation"] * ONE_BY_ONE * 2


def test_the_plan_words_the_digest_where_it_has_a_template_for_it(stage: Stage, mouth: Mouth) -> None:
    body = "{{ incidents | length }} at once in {{ plan }}"
    templates = {"storm-digest": Template(body, "Storm")}
    stage.plans.plan = replace(stage.plans.plan, templates=templates, storm=Storm(3, minutes(1)))
    incidents = break_out(stage, 8)
    process(stage, mouth).sweep(lambda: NOON)
    come(stage, mouth, incidents, THEN)

    [digest] = mouth.digests()
    assert digest.words is not None
    assert (digest.words.subject, digest.words.body) == ("Storm", f"5 at once in {stage.name}")
    told = [event.data for event in delivered(stage, incidents) if event.data["digest"]]
    assert {each["template"] for each in told} == {"storm-digest"}
    assert all(len(each["template_version"]) == 12 for each in told)


def test_a_message_within_the_limit_costs_two_more_round_trips_and_other_kinds_none(
    stage: Stage, mouth: Mouth
) -> None:
    without = process(stage, mouth)
    without.deliver.storm = None
    costs = []
    for at, instance in ((NOON, without), (NOON + seconds(1), process(stage, mouth))):
        [incident] = break_out(stage, 1, at)
        with stage.clients.round_trips.counted() as count:
            instance.advance(incident, lambda at=at: at)  # type: ignore[misc]
        stage.respond(incident, Escalate("lead"), at)
        with stage.clients.round_trips.counted() as again:
            instance.advance(incident, lambda at=at: at)  # type: ignore[misc]
        costs.append((count[0], again[0]))

    (page, manual), (counted_page, same_manual) = costs
    assert counted_page - page == 2
    assert same_manual == manual


def test_what_is_kept_comes_back_as_it_was_however_large(stage: Stage) -> None:
    storms: StormTable = stage.storms
    wide = storm.Entry("INC-0123456789abcdef-1", "000001-" + "c" * 63 + "-0", "escalation", "P1")
    gathering = Gathering("20261118T120000000000-ab", NOON, THEN, (wide,) * storm.MOST_GATHERED)
    state = StormState(
        tuple(storm.Counted("0" * 12, "000001-" + "c" * 63 + "-0", 1, NOON) for _ in range(1000)),
        gathering.key,
        THEN,
    )
    storms.save(stage.name, "c" * 63, Kept(state, None), Kept(gathering, None))

    assert storms.state(stage.name, "c" * 63).value == state
    kept = storms.gathering(stage.name, "c" * 63, gathering.key)
    assert kept is not None
    assert kept.value == gathering
    storms.forget(stage.name, "c" * 63, NOON)
    assert storms.gathering(stage.name, "c" * 63, gathering.key) is not None
    storms.forget(stage.name, "c" * 63, NOON + seconds(1))
    assert storms.gathering(stage.name, "c" * 63, gathering.key) is None


def test_news_alone_goes_by_the_ways_that_news_go(stage: Stage, mouth: Mouth) -> None:
    severity = a_severity(steps=(), respond_within=None, resolve_within=None)
    stage.rules(some_rules(replace(severity, inform=(Inform(minutes(0), ("oncall",)),))))
    directory = a_directory(oncall=("voice", "mail"), manager=("log",))
    rings, reads = directory.contacts["oncall"].reach
    oncall = replace(directory.contacts["oncall"], reach=(replace(rings, kinds=("escalation",)), reads))
    stage.directory(replace(directory, contacts={**directory.contacts, "oncall": oncall}))
    incidents = break_out(stage, 15)
    process(stage, mouth).sweep(lambda: NOON)
    come(stage, mouth, incidents, THEN)

    assert {name for name, *_ in mouth.sent} == {"mail"}
    assert [digest.title for digest in mouth.digests()] == ["5 incidents to know of"]


def test_a_digest_passes_over_a_channel_that_is_public(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 15)
    process(stage, mouth).sweep(lambda: NOON)
    directory = a_directory(oncall=("page", "log"), manager=("log",))
    public = replace(directory.channels["page"], options={"public": "true"})
    stage.directory(replace(directory, channels={**directory.channels, "page": public}))
    come(stage, mouth, incidents, THEN)

    assert [name for name, _, message, _ in mouth.sent if message.kind == "digest"] == ["log"]


def test_the_end_of_a_storm_is_told_together_as_well(stage: Stage, mouth: Mouth) -> None:
    incidents = break_out(stage, 15)
    process(stage, mouth).sweep(lambda: NOON)
    come(stage, mouth, incidents, THEN)
    for incident in incidents:
        stage.respond(incident, Resolve(), at=THEN + seconds(1))
    come(stage, mouth, incidents, THEN + seconds(1))
    assert mouth.kinds().count("resolved") == 0
    come(stage, mouth, incidents, THEN + seconds(1) + storm.COLLECTS)

    assert [digest.title for digest in mouth.digests()] == ["5 incidents need you", "15 incidents to know of"]
    assert mouth.digests()[1].status == "resolved"
    assert len(delivered(stage, incidents, "resolved")) == 15
