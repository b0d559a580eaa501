"""Purges that were cut off or overtaken: nothing goes that should stay by then, and what went is recorded."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from shared.adapters import deadline_index
from shared.domain.response import Note, Reopen
from shared.domain.timeline import Text
from shared.workflows import purge
from tests.builders import NOON, hours, minutes
from tests.keeping import ADA, DAY, END, INCIDENTS, RESOLVED, TEXTS_END, Keeping, keeping

__all__ = ["keeping"]
MOMENT = timedelta(microseconds=1)
WEEK = "2026-W47"
AGAIN = Reopen(Text("it is back", "cd" * 16))
MORE = Note("note", Text("one more thing", "ef" * 16))


def cut_off(keeping: Keeping, calls: int) -> None:
    """A purge of texts of which only so many calls came through."""
    keeping.tables.left = calls
    with pytest.raises(ExceptionGroup):
        keeping.purge(TEXTS_END)
    keeping.tables.left = 10**9


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_what_fails_once_in_the_middle_costs_the_others_nothing(keeping: Keeping, calls: int) -> None:
    incidents = [keeping.over(f"Alert{n}") for n in range(3)]
    keeping.tables.failing = calls
    with pytest.raises(ExceptionGroup, match="1 failures"):
        keeping.purge(TEXTS_END)
    assert [len(keeping.store.texts(each)) for each in incidents] == [0, 0, 0]
    assert len(keeping.noted("purged", TEXTS_END)) == 3


def test_texts_of_what_is_open_again_since_a_purge_was_cut_off_stay(keeping: Keeping) -> None:
    incident = keeping.over()
    cut_off(keeping, 0)
    keeping.respond(incident, AGAIN, TEXTS_END + minutes(1))
    assert keeping.purge(TEXTS_END + purge.HOLD) == 0
    assert keeping.incident(incident).status == "open"
    assert sorted(keeping.store.texts(incident).values()) == ["it is back", "looking at it"]
    assert keeping.noted("purged", TEXTS_END) == []
    keeping.holding.place(keeping.name, incident, "CASE-1", ADA, TEXTS_END + purge.HOLD)  # the turn is free


def test_what_went_before_it_was_opened_again_is_on_record_once_and_no_more_goes(keeping: Keeping) -> None:
    incident = keeping.over()
    length = keeping.incident(incident).length
    cut_off(keeping, 1)  # the texts are gone, the mark is not made
    keeping.respond(incident, AGAIN, TEXTS_END + minutes(1))
    for at in (purge.HOLD, purge.HOLD + DAY):
        assert keeping.purge(TEXTS_END + at) == 0
    assert list(keeping.store.texts(incident).values()) == ["it is back"]
    [noted] = keeping.noted("purged", TEXTS_END)
    assert (noted.data["what"], noted.data["texts"], noted.data["length"]) == ("texts", 1, length)


def test_a_text_that_comes_while_the_texts_go_stays(keeping: Keeping) -> None:
    incident = keeping.over()
    drop = keeping.tables.drop_texts

    def write_first(*arguments: object) -> None:
        keeping.respond(incident, AGAIN, TEXTS_END)
        drop(*arguments)  # type: ignore[arg-type]

    keeping.tables.drop_texts = write_first  # type: ignore[method-assign,assignment]
    keeping.purge(TEXTS_END)
    assert list(keeping.store.texts(incident).values()) == ["it is back"]
    [noted] = keeping.noted("purged", TEXTS_END)
    assert noted.data["texts"] == 1


def test_a_turn_that_is_over_before_the_first_delete_deletes_nothing(keeping: Keeping) -> None:
    incident = keeping.over()
    load, loaded = keeping.store.load, [0]
    late = [TEXTS_END]

    def slowly(wanted: str) -> object:
        loaded[0] += 1
        if loaded[0] == 2:  # claimed
            late[0] += purge.HOLD
        return load(wanted)

    keeping.store.load = slowly  # type: ignore[method-assign,assignment]
    assert keeping.purging.run(lambda: late[0]) == 0
    assert len(keeping.store.texts(incident)) == 1
    assert keeping.purge(late[0]) == 1


def test_a_text_written_after_a_purge_goes_too_though_its_week_was_purged_already(keeping: Keeping) -> None:
    keeping.keeps(7, None)
    incident = keeping.over(told=False)
    keeping.respond(incident, MORE, RESOLVED + 6 * DAY)  # of the week in which the purge is
    assert keeping.purge(RESOLVED + 7 * DAY) == 1
    keeping.respond(incident, MORE, RESOLVED + 8 * DAY)
    its_week_lapses = NOON.replace(hour=0) + 5 * DAY + 7 * DAY
    assert keeping.purge(its_week_lapses - MOMENT) == 0
    assert len(keeping.store.texts(incident)) == 1
    assert keeping.purge(its_week_lapses) == 1
    assert len(keeping.store.texts(incident)) == 0
    assert [each.data["texts"] for each in keeping.noted("purged", its_week_lapses)] == [1]
    assert keeping.purge(its_week_lapses + DAY) == 0


@pytest.mark.parametrize(("after", "noted"), [(DAY - MOMENT, False), (DAY, True)])
def test_what_is_added_a_day_after_the_end_is_noted_in_the_index(
    keeping: Keeping, after: timedelta, noted: bool
) -> None:
    incident = keeping.over()
    keeping.respond(incident, MORE, RESOLVED + after)
    key = deadline_index.week_key(WEEK, keeping.name, incident)
    row = next(keeping.index.table.rows(deadline_index.shard_of(incident), key, f"{key}~"))
    length = keeping.incident(incident).length
    assert (row.get(f"length{length}") == length) is noted


@pytest.mark.parametrize(
    ("row", "gone"),
    [
        ({}, False),
        ({"length4": 4}, False),
        ({"texts_purged": 5}, True),
        ({"texts_purged": 5, "length4": 4}, True),
        ({"texts_purged": 5, "length5": 5}, True),
        ({"texts_purged": 5, "length6": 6}, False),
        ({"texts_purged": 5, "length6": 6, "length4": 4}, False),  # whoever wrote 4 came late
    ],
)
def test_texts_are_gone_until_the_timeline_is_longer(row: dict[str, object], gone: bool) -> None:
    assert deadline_index.texts_gone(row) is gone


def test_a_week_of_which_nothing_went_is_not_noted_as_purged(keeping: Keeping) -> None:
    incident = keeping.over()
    keeping.keeps(None, INCIDENTS)
    hold = keeping.holding.place(keeping.name, incident, "CASE-2", ADA, NOON)
    keeping.purge(END)
    assert purge.purged_weeks(keeping.ledger, keeping.name) == frozenset()
    keeping.holding.release(keeping.name, hold.id, ADA, END)
    counts = keeping.tables.counts

    def note_first(found: object) -> object:
        keeping.respond(incident, MORE, END)
        return counts(found)  # type: ignore[arg-type]

    keeping.tables.counts = note_first  # type: ignore[method-assign,assignment]
    keeping.purge(END)
    assert purge.purged_weeks(keeping.ledger, keeping.name) == frozenset()


def test_a_week_is_noted_as_purged_before_anything_of_it_goes(keeping: Keeping) -> None:
    keeping.over()
    keeping.keeps(None, INCIDENTS)
    drop, noted = keeping.tables.drop_incident, []

    def look_first(stored: object) -> None:
        noted.append(purge.purged_weeks(keeping.ledger, keeping.name))
        drop(stored)  # type: ignore[arg-type]

    keeping.tables.drop_incident = look_first  # type: ignore[method-assign]
    keeping.purge(END)
    assert noted == [{WEEK}]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_journal_of_which_a_part_went_before_it_was_held_is_on_record_as_far_as_it_went(
    keeping: Keeping, gone: int
) -> None:
    first = keeping.holding.place(keeping.name, None, "CASE-3", ADA, NOON)
    keeping.holding.release(keeping.name, first.id, ADA, NOON)
    journal = f"JRN-{keeping.name}-20261118-0"
    keeping.keeps(None, INCIDENTS)
    ends = NOON.replace(hour=0) + DAY + INCIDENTS * DAY
    keeping.tables.left = 0
    with pytest.raises(ExceptionGroup):
        keeping.purge(ends)
    keeping.tables.left = 10**9
    for seq in range(1, gone + 1):  # its first batch
        keeping.journals.table.delete_entity(f"{keeping.name}-20261118-0", f"e|{seq:08d}")
    held = keeping.holding.place(keeping.name, None, "CASE-4", ADA, ends + purge.HOLD)
    assert keeping.purge(ends + purge.HOLD) == 0
    assert len(list(keeping.store.events(journal))) == 2 - gone
    records = [each.data for each in keeping.noted("purged", ends)]
    assert [(each["what"], each["incident"], each["events"]) for each in records] == (
        [("journal", journal, gone)] if gone else []
    )

    keeping.holding.release(keeping.name, held.id, ADA, ends + hours(1))
    keeping.purge(ends + hours(1))
    assert list(keeping.store.events(journal)) == []
    whole = [each.data["events"] for each in keeping.noted("purged", ends) if each.data["what"] == "journal"]
    assert (sum(whole), whole[-1]) == (2, 2 - gone)


def test_weeks_that_never_got_a_bundle_are_said_once_a_run(
    keeping: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("One", "Two"):
        keeping.over(name)
    keeping.keeps(None, INCIDENTS)
    keeping.exports.blobs.clear()
    with caplog.at_level(logging.WARNING, "shared.workflows.purge"):
        keeping.purge(END - MOMENT)
        assert caplog.messages == []
        keeping.purge(END)
        [said] = caplog.messages
        assert said == (
            "1 weeks without a complete bundle keep records whose time is over, "
            f"the first {WEEK} of {keeping.name}"
        )
        keeping.exported()
        keeping.purge(END)
    assert caplog.messages == [said]
