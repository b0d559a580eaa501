"""The plan's own agenda on real storage: drills, digests, calendars, coverage; each once, and on record."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters import storage_clients
from shared.adapters.agenda_table import AgendaTable
from shared.adapters.current_plans import CurrentPlans
from shared.domain.agenda import AgendaState, Duty, Gap, Reading
from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.incident import Incident
from shared.domain.oncall import Absence
from shared.domain.plan import Calendar, Channel, Contact, Directory, Reach, Template
from shared.domain.schedule import Digest, Drill
from shared.domain.timeline import first_break
from tests.builders import NOON, a_directory, an_alert, hours, minutes, seconds
from tests.faulty_storage import FaultyStorage
from tests.keeper import Keeper, ics
from tests.receivers import HttpReceiver, Reply

DAY = timedelta(days=1)
FRIDAY = NOON + 2 * DAY
DRILL = Drill("failover", "Failover", 3, 4, 13 * 60, "api", "P1", "the database is gone")
DIGEST = Digest("open", ("P1",), ("lead", "sre"), 13 * 60)


@pytest.fixture
def keeper(storage: str) -> Iterator[Keeper]:
    with Keeper(storage) as stage:
        yield stage


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as server:
        yield server


def test_a_drill_opens_an_incident_that_escalates_for_real(keeper: Keeper) -> None:
    keeper.has(drills=(DRILL,))
    keeper.keep(FRIDAY)
    assert keeper.keep(FRIDAY + minutes(59)) == 0
    assert keeper.keep(FRIDAY + minutes(60) + seconds(20)) == 1
    [noted] = keeper.noted("drill-opened")
    assert (noted["drill"], noted["late_seconds"]) == ("failover", 20)
    incident = keeper.incident(noted["incident"])
    assert (incident.drill, incident.source, incident.name) == ("failover", None, "failover")
    assert (incident.title, incident.summary) == ("Drill: Failover", "the database is gone")
    keeper.sweep(FRIDAY + minutes(60) + seconds(30))
    assert [contact for contact, _, _ in keeper.sent] == ["oncall"]
    opened = keeper.events(incident.id)[0]
    assert (opened.type, opened.actor, opened.data["rule"]) == ("opened", "tocsin", "drill failover")
    assert keeper.keep(FRIDAY + minutes(62)) == 0
    assert len(keeper.noted("drill-opened")) == 1


def test_a_drill_that_was_cut_off_is_neither_opened_nor_noted_twice(keeper: Keeper) -> None:
    keeper.has(drills=(DRILL,))
    keeper.keep(FRIDAY)
    due = FRIDAY + hours(1)
    keeper.keep(due)
    found = keeper.agenda.state(keeper.name)
    assert found is not None
    left = replace(found[0], duties=(Duty("drill", "failover", due, due),), held_until=due + minutes(3))
    keeper.agenda.save(keeper.name, left, found[1])
    assert keeper.keep(due + minutes(3) - seconds(1)) == 0  # still held
    assert keeper.keep(due + minutes(3)) == 1
    assert len(keeper.noted("drill-opened")) == 1


def test_a_drill_found_a_day_late_is_missed(keeper: Keeper) -> None:
    keeper.has(drills=(replace(DRILL, weekday=0),))
    keeper.keep(NOON - 3 * DAY)
    keeper.keep(NOON)
    assert keeper.noted("drill-missed") == [{"drill": "failover", "due": "2026-11-16T13:00:00.000000Z"}]
    assert keeper.noted("drill-opened") == []


def test_a_digest_tells_each_contact_once_of_what_is_open(keeper: Keeper) -> None:
    keeper.rotates("manager", lead=("log",), manager=("log",), oncall=("log",))
    keeper.has(digests=(DIGEST,))
    keeper.keep(NOON)
    opened = keeper.opened()
    assert keeper.keep(NOON + minutes(61)) == 2
    assert keeper.heard() == [(name, "Open incidents: 1 of P1") for name in ("lead", "manager")]
    message = keeper.speaker.sent[0][1]
    assert (message.kind, message.incident, message.plan) == ("digest", "-", keeper.name)
    assert message.summary.startswith(f"{opened} [P1] ")
    assert len({key for _, _, key in keeper.speaker.sent}) == 2
    assert keeper.keep(NOON + minutes(62)) == 0
    sent = keeper.noted("digest-sent")
    assert [(each["contact"], each["channel"], each["incidents"]) for each in sent] == [
        ("lead", "log", 1),
        ("manager", "log", 1),
    ]
    assert (sent[0]["due"], sent[0]["late_seconds"]) == ("2026-11-18T13:00:00.000000Z", 60)
    assert first_break(keeper.journal_events()) is None


def test_a_digest_goes_by_a_way_that_is_open_for_it_and_rings_no_phone(keeper: Keeper) -> None:
    keeper.has(digests=(Digest("open", ("P1",), ("lead",), 13 * 60),))
    reach = (Reach("phone", kinds=("escalation", "manual")), Reach("mail"))
    known = replace(a_directory(), contacts={"lead": Contact("lead", reach=reach)})
    keeper.directory(replace(known, channels={name: Channel(name, "log") for name in ("phone", "mail")}))
    keeper.keep(NOON)
    keeper.opened()
    keeper.keep(NOON + hours(1))
    assert [each["channel"] for each in keeper.noted("digest-sent")] == ["mail"]


def test_an_empty_digest_is_not_sent_but_on_record_and_drills_do_not_count(keeper: Keeper) -> None:
    keeper.has(digests=(DIGEST,), drills=(replace(DRILL, weekday=2, at=12 * 60 + 30),))
    keeper.keep(NOON)
    assert keeper.keep(NOON + minutes(60)) == 2
    assert keeper.speaker.sent == []
    [sent] = keeper.noted("digest-sent")
    assert (sent["contact"], sent["channel"], sent["incidents"]) == (None, None, 0)


def test_who_could_not_be_told_is_tried_again_and_who_was_is_not(keeper: Keeper) -> None:
    keeper.rotates("manager", lead=("log",), manager=("broken", "busy"), oncall=("log",))
    keeper.has(digests=(DIGEST,))
    keeper.keep(NOON)
    keeper.opened()
    assert keeper.keep(NOON + minutes(60)) == 1
    assert keeper.keep(NOON + minutes(61)) == 0
    keeper.speaker.busy = False
    assert keeper.keep(NOON + minutes(62)) == 1
    assert [to for to, _, _ in keeper.speaker.sent] == ["lead", "manager"]
    assert [(each["contact"], each["channel"]) for each in keeper.noted("digest-sent")] == [
        ("lead", "log"),
        ("manager", "busy"),
    ]


def test_a_digest_fails_after_six_hours_or_at_once_where_trying_is_pointless(keeper: Keeper) -> None:
    keeper.rotates(lead=("busy",), manager=("broken",), oncall=("log",))
    keeper.has(digests=(replace(DIGEST, notify=("lead", "manager", "sre", "gone")),))
    keeper.keep(NOON)
    keeper.opened()
    due = NOON + hours(1)
    keeper.keep(due)
    failed = [(each["contact"], each["channel"]) for each in keeper.noted("digest-failed")]
    assert failed == [(None, None), ("manager", "broken")]
    keeper.keep(due + hours(6) - seconds(1))
    assert len(keeper.noted("digest-failed")) == 2
    keeper.keep(due + hours(6))
    last = keeper.noted("digest-failed")[-1]
    assert (last["contact"], last["channel"], last["late_seconds"]) == ("lead", "busy", 6 * 3600)
    assert keeper.keep(due + hours(7)) == 0


def test_of_the_digests_of_an_outage_the_last_is_sent(keeper: Keeper) -> None:
    keeper.has(digests=(replace(DIGEST, notify=("lead",)),))
    keeper.keep(NOON - 2 * DAY)
    keeper.opened()
    assert keeper.keep(NOON + hours(2)) == 3
    assert [each["due"][:10] for each in keeper.noted("digest-failed")] == ["2026-11-16", "2026-11-17"]
    assert [each["due"][:10] for each in keeper.noted("digest-sent")] == ["2026-11-18"]
    assert len(keeper.speaker.sent) == 1


def test_a_digest_in_the_plans_own_words(keeper: Keeper) -> None:
    body = "{% for each in incidents %}{{ each.severity }}: {{ each.title }}{% endfor %}"
    digest = replace(DIGEST, notify=("lead",), template="weekly")
    keeper.has(digests=(digest,), templates={"weekly": Template(body)})
    keeper.keep(NOON)
    keeper.opened()
    keeper.keep(NOON + hours(1))
    words = keeper.speaker.sent[0][1].words
    assert words is not None
    assert words.body == "P1: HighErrorRate"


def test_new_gaps_are_told_once_a_day_and_known_ones_are_not(keeper: Keeper) -> None:
    keeper.rotates()
    keeper.keep(NOON)
    assert keeper.speaker.sent == []
    midnight = NOON + hours(12)
    keeper.keep(midnight)
    assert keeper.heard() == [("manager", "Nobody is on call for part of the next two weeks")]
    assert "sre: 2026-11-19 00:00 UTC to 2026-12-03 00:00 UTC and beyond" in keeper.speaker.sent[0][1].summary
    [gap] = keeper.noted("coverage-gap")
    assert gap == {
        "rotation": "sre",
        "from": "2026-11-19T00:00:00.000000Z",
        "until": "2026-12-03T00:00:00.000000Z",
    }
    keeper.keep(midnight + minutes(1))
    keeper.keep(midnight + DAY)
    assert len(keeper.speaker.sent) == 1
    assert len(keeper.noted("coverage-gap")) == 1


def with_calendars(keeper: Keeper, **addresses: str) -> Directory:
    known = keeper.plans.plan.directory
    calendars = {name: Calendar(url=url) for name, url in addresses.items()}
    contacts = {name: replace(each, calendar=calendars.get(name)) for name, each in known.contacts.items()}
    keeper.has(directory=replace(known, contacts=contacts))
    return keeper.plans.plan.directory


def test_a_calendar_is_read_every_hour_and_noted_when_it_changes(
    keeper: Keeper, receiver: HttpReceiver
) -> None:
    with_calendars(keeper, lead=f"{receiver.url}/lead.ics")
    receiver.otherwise = Reply(body=ics("20261120"))
    for at in (timedelta(0), hours(1), hours(1) + seconds(1), hours(3)):
        keeper.keep(NOON + at)
    assert len(receiver.requests) == 3
    assert keeper.noted("calendar-read") == [{"contact": "lead", "absences": 1, "why": None}]
    midnight = NOON.replace(hour=0)
    away = Absence(midnight + 2 * DAY, midnight + 3 * DAY)
    assert keeper.agenda.readings(keeper.name)["lead"].absences == (away,)
    receiver.otherwise = Reply(body=ics("20261120", "20261124"))
    keeper.keep(NOON + hours(5))
    assert [each["absences"] for each in keeper.noted("calendar-read")] == [1, 2]


def test_a_calendar_that_fails_is_noted_once_keeps_what_was_known_and_stops_nothing(
    keeper: Keeper, receiver: HttpReceiver
) -> None:
    with_calendars(keeper, lead=f"{receiver.url}/lead", manager=f"{receiver.url}/manager")
    receiver.otherwise = Reply(body=ics("20261120"))
    keeper.keep(NOON)
    receiver.otherwise = lambda asked: Reply(500) if asked.path == "/lead" else Reply(body=ics())
    keeper.keep(NOON + hours(2))
    keeper.keep(NOON + hours(4))
    [fault] = keeper.noted("calendar-unreadable")
    assert fault == {"contact": "lead", "absences": None, "why": "its url: it answered 500"}
    readings = keeper.agenda.readings(keeper.name)
    assert (len(readings["lead"].absences), len(readings["manager"].absences)) == (1, 0)
    receiver.otherwise = Reply(body=ics("20261120"))
    keeper.keep(NOON + hours(6))
    read = [each["contact"] for each in keeper.noted("calendar-read")]
    assert (read.count("lead"), read.count("manager")) == (2, 3)


def test_one_plan_or_duty_that_fails_stops_no_other(keeper: Keeper) -> None:
    bad = replace(DRILL, name="bad", severity="P9", weekday=2, at=12 * 60 + 30)
    keeper.has(drills=(bad, replace(DRILL, weekday=2, at=12 * 60 + 30)))
    keeper.keep(NOON)
    with pytest.raises(ExceptionGroup, match="1 failures"):
        keeper.keep(NOON + minutes(30))
    assert [each["drill"] for each in keeper.noted("drill-opened")] == ["failover"]
    found = keeper.agenda.state(keeper.name)
    assert found is not None
    assert [duty.name for duty in found[0].duties] == ["bad"]
    assert found[0].held_until is None


def test_the_state_comes_back_as_it_was_kept_and_conflicts_where_it_moved_on(keeper: Keeper) -> None:
    duties = (Duty("digest", "öpen", NOON, NOON, "lead", "x" * 40_000), Duty("coverage", "-", NOON, NOON))
    gaps = (Gap("sre", NOON, NOON + DAY, ends=False),)
    state = AgendaState(NOON, "2026-11-18", duties, gaps, NOON + minutes(3))
    tag = keeper.agenda.save(keeper.name, state, None)
    assert keeper.agenda.state(keeper.name) == (state, tag)
    newer = keeper.agenda.save(keeper.name, AgendaState(NOON), tag)
    assert keeper.agenda.state(keeper.name) == (AgendaState(NOON), newer)
    with pytest.raises(Conflict):
        keeper.agenda.save(keeper.name, state, tag)
    with pytest.raises(Conflict):
        keeper.agenda.save(keeper.name, state, None)


class Unreachable(AgendaTable):
    """A table that can be cut off."""

    cut_off = False
    asked = 0

    def readings(self, plan: str) -> dict[str, Reading]:
        self.asked += 1
        if self.cut_off:
            raise StoreUnavailable("storage did not answer")
        return super().readings(plan)


def test_current_plans_know_who_is_away_for_a_minute_and_as_last_known(keeper: Keeper) -> None:
    seconds_gone = [0.0]
    table = Unreachable(keeper.agenda.table)
    current = CurrentPlans(keeper.plans, table, lambda: seconds_gone[0])
    assert current.get(keeper.name) is keeper.plans.plan
    assert table.asked == 0
    with_calendars(keeper, lead="https://calendar.example/lead")
    away = Absence(NOON, NOON + DAY)
    for contact in ("lead", "manager"):
        keeper.agenda.keep_reading(keeper.name, contact, Reading((away,), NOON, NOON))
    assert current.get(keeper.name).directory.absences == {"lead": (away,)}
    keeper.agenda.keep_reading(keeper.name, "lead", Reading((), NOON, NOON))
    for gone, known in ((59.9, (away,)), (60.0, ()), (60.1, ())):
        seconds_gone[0] = gone
        assert [plan.directory.absences["lead"] for plan in current.all()] == [known]
    table.cut_off, seconds_gone[0] = True, 121.0
    assert current.get(keeper.name).directory.absences == {"lead": ()}
    assert table.asked == 3
    assert CurrentPlans(keeper.plans, table).get(keeper.name).directory.absences == {}


def test_many_that_keep_the_same_agenda_at_once_do_it_once(keeper: Keeper) -> None:
    keeper.has(digests=(replace(DIGEST, notify=("lead",)),))
    keeper.keep(NOON)
    keeper.opened()
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(keeper.keep, [NOON + hours(1)] * 4)) == 1
    assert len(keeper.speaker.sent) == 1
    assert len(keeper.noted("digest-sent")) == 1


def test_what_somebody_else_holds_is_left_to_them_until_they_must_be_gone(keeper: Keeper) -> None:
    keeper.has(digests=(replace(DIGEST, notify=("lead",)),))
    keeper.keep(NOON)
    keeper.opened()
    found = keeper.agenda.state(keeper.name)
    assert found is not None
    held = replace(found[0], held_until=NOON + minutes(62))
    keeper.agenda.save(keeper.name, held, found[1])
    assert keeper.keep(NOON + minutes(61)) == 0
    assert keeper.keep(NOON + minutes(62)) == 1


def test_a_run_that_takes_too_long_leaves_the_rest_to_the_next(keeper: Keeper) -> None:
    keeper.has(digests=(replace(DIGEST, notify=("lead", "manager")),))
    keeper.keep(NOON)
    keeper.opened()
    ticks = iter(range(0, 600, 4))
    keeper.keeping.keep(lambda: NOON + hours(1) + seconds(next(ticks)))
    told = len(keeper.speaker.sent)
    assert told < 2
    assert keeper.keep(NOON + hours(1) + minutes(1)) == 2 - told
    assert [to for to, _, _ in keeper.speaker.sent] == ["lead", "manager"]


def test_an_incident_that_is_over_is_in_no_digest(keeper: Keeper) -> None:
    keeper.has(digests=(replace(DIGEST, notify=("lead",)),))
    keeper.keep(NOON)
    incident: Incident = keeper.incident(keeper.opened())
    keeper.hear(an_alert(firing=False, ended_at=NOON + minutes(5)), at=NOON + minutes(5))
    assert keeper.incident(incident.id).over
    keeper.keep(NOON + hours(1))
    assert keeper.speaker.sent == []


def test_a_contact_without_a_channel_is_on_record_as_not_told(keeper: Keeper) -> None:
    keeper.has(digests=(replace(DIGEST, notify=("lead",)),))
    known = keeper.plans.plan.directory
    keeper.has(directory=replace(known, contacts={**known.contacts, "lead": Contact("lead")}))
    keeper.keep(NOON)
    keeper.opened()
    keeper.keep(NOON + hours(1))
    [failed] = keeper.noted("digest-failed")
    assert (failed["contact"], failed["channel"], failed["incidents"]) == ("lead", None, 1)


def test_storage_that_fails_loses_no_digest_and_repeats_no_record(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(storage_clients.TIMING, "read_timeout", 0.4)
    with FaultyStorage(storage, seed=11) as faulty, Keeper(faulty.connection_string) as keeper:
        due = NOON + hours(1)
        keeper.has(digests=(replace(DIGEST, notify=("lead", "manager", "oncall")),))
        keeper.has(drills=(replace(DRILL, weekday=2),))
        keeper.keep(NOON)
        keeper.opened()
        faulty.fail(0.3)
        for each in range(12):
            with suppress(ExceptionGroup):
                keeper.keep(due + each * minutes(3))
        faulty.heal()
        keeper.keep(due + hours(1))
        told = {(to, key) for to, _, key in keeper.speaker.sent}
        assert sorted(to for to, _ in told) == ["lead", "manager", "oncall"]
        sent = [each["contact"] for each in keeper.noted("digest-sent")]
        assert sorted(sent) == ["lead", "manager", "oncall"]
        assert len(keeper.noted("drill-opened")) == 1
        assert sum(faulty.faults.values()) > 5
