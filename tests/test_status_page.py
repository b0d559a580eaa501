"""The status page: what customers were told, and never a word that was said inside."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters import storage_clients
from shared.adapters.status_html import status_html
from shared.domain.cadence import PostUpdate, Progress
from shared.domain.doors import StatusPage
from shared.domain.errors import InvalidInput, NotFound, Refused, StoreUnavailable
from shared.domain.matrix import Audience, Inform, Updates
from shared.domain.plan import Rules, Service
from shared.domain.response import Acknowledge, Command, Escalate, Note, Reopen, Resolve
from shared.domain.severity import SetSeverity
from shared.domain.status_page import MOST_INCIDENTS, PublicStatus
from shared.domain.timeline import Text
from shared.workflows.show_status import FRESH, LAST_KNOWN, LOOKS_BACK, ShowStatus
from tests.builders import NOON, a_directory, a_severity, an_alert, hours, minutes, seconds, some_rules
from tests.faulty_storage import Call, FaultyStorage
from tests.stage import Stage

INSIDE = "said-inside"
"""What must never be read on the page."""


def some_public_rules() -> Rules:
    """Two services that customers see and one that they do not; both severities tell them of updates."""
    outside = Updates("external", hours(1), notify=("lead",), customer_facing=True)
    inside = Updates("internal", hours(1), notify=("manager",))
    told = Inform(minutes(5), ("lead",), customer_facing=True, audience="external")
    loud = replace(a_severity("P1-said-inside"), updates=(outside, inside))
    quiet = replace(a_severity("P2-said-inside"), updates=(outside, inside))
    telling = replace(a_severity("P3-said-inside"), inform=(told,))
    services = (
        Service("api", "Payments", customer_facing=True),
        Service("db-said-inside"),
        Service("shop", "Shop", customer_facing=True),
    )
    rules = some_rules(loud, quiet, telling, alarm=(), reopen_within=minutes(0), timezone="Europe/Berlin")
    return replace(rules, services=services, default_severity=quiet.name)


class Rig(Stage):
    """A stage whose plan has a status page."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        self.rules(some_public_rules())
        self.directory(a_directory())
        self.show = self.a_reader()

    def a_reader(self) -> ShowStatus:
        """A process that has read nothing yet."""
        return ShowStatus(self.plans, self.store, status_html)

    def rules(self, rules: Rules) -> None:
        super().rules(rules)
        self.plans.plan = replace(self.plans.plan, status_page=StatusPage("Acme status", timedelta(days=14)))

    def open(self, severity: str = "P1-said-inside", service: str = "api", at: datetime = NOON) -> str:
        name = f"{INSIDE}-{service}-{severity}-{at}"
        [outcome] = self.hear(
            an_alert(name, severity=severity, service=service, at=at, summary=INSIDE, labels={"x": INSIDE}),
            at=at,
        )
        assert outcome.id is not None
        return outcome.id

    def say(
        self,
        incident: str,
        words: str,
        audience: Audience | None = "external",
        progress: Progress = "investigating",
        at: datetime = NOON,
    ) -> None:
        self.respond(incident, PostUpdate(progress, Text(words, "00"), audience), at)

    def read(self, at: datetime = NOON) -> PublicStatus:
        """The page as a process sees it that has read nothing yet."""
        return self.a_reader().page(self.name, at)


@pytest.fixture
def rig(storage: str) -> Iterator[Rig]:
    with Rig(storage) as rig:
        yield rig


def states(page: PublicStatus) -> dict[str, str]:
    return {each.title: each.state for each in page.services}


def test_a_plan_without_a_page_and_a_plan_that_is_not_there_look_the_same(rig: Rig) -> None:
    rig.plans.plan = replace(rig.plans.plan, status_page=None)
    whys = set()
    for name in (rig.name, "nobody", "../x", ""):
        with pytest.raises(NotFound) as caught:
            rig.show.page(name, NOON)
        whys.add(str(caught.value))
    assert whys == {"there is no such status page"}


def test_a_page_with_nothing_to_say_shows_every_service_that_customers_see(rig: Rig) -> None:
    page = rig.read()
    assert (page.title, page.state, page.incidents) == ("Acme status", "operational", ())
    assert states(page) == {"Payments": "operational", "Shop": "operational"}


def test_an_incident_is_shown_once_customers_have_been_told_of_it(rig: Rig) -> None:
    incident = rig.open()
    rig.respond(incident, Acknowledge())
    rig.say(incident, INSIDE, "internal")
    assert (rig.read().incidents, rig.read().state) == ((), "operational")

    rig.say(incident, "You cannot pay.", at=NOON + minutes(5))
    rig.say(incident, "A disk is full.", None, "identified", NOON + minutes(9))
    page = rig.read(NOON + minutes(10))
    [shown] = page.incidents
    assert (page.state, states(page)) == ("disrupted", {"Payments": "disrupted", "Shop": "operational"})
    assert (shown.id, shown.title, shown.phase) == (incident, "Payments", "identified")
    assert (shown.opened_at, shown.resolved_at) == (NOON, None)
    assert [(each.at - NOON, each.phase, each.words) for each in shown.updates] == [
        (minutes(9), "identified", "A disk is full."),
        (minutes(5), "investigating", "You cannot pay."),
    ]


def test_a_quieter_severity_only_degrades_its_service_and_the_worst_counts(rig: Rig) -> None:
    rig.say(rig.open("P2-said-inside", "shop"), "Slow.")
    assert (rig.read().state, states(rig.read())["Shop"]) == ("degraded", "degraded")
    rig.say(rig.open("P1-said-inside", "shop", NOON + seconds(1)), "Down.", at=NOON + seconds(1))
    page = rig.read(NOON + seconds(1))
    assert (page.state, states(page)) == ("disrupted", {"Payments": "operational", "Shop": "disrupted"})
    assert [each.updates[0].words for each in page.incidents] == ["Down.", "Slow."]


def test_telling_customers_counts_even_where_no_update_was_written(rig: Rig) -> None:
    incident = rig.open("P3-said-inside")
    assert rig.read().incidents == ()
    rig.advance(incident, NOON + minutes(5))
    [shown] = rig.read().incidents
    assert (shown.phase, shown.state, shown.updates) == ("investigating", "degraded", ())


def test_what_customers_were_told_is_over_no_longer_counts(rig: Rig) -> None:
    incident = rig.open()
    rig.say(incident, "It works again.", progress="resolved")
    page = rig.read()
    assert (page.state, page.incidents[0].phase, page.incidents[0].resolved_at) == (
        "operational",
        "resolved",
        None,
    )


def test_a_resolved_incident_stays_for_the_history_of_the_plan(rig: Rig) -> None:
    incident, end = rig.open(at=NOON - timedelta(days=6)), NOON
    rig.say(incident, "You cannot pay.")
    rig.respond(incident, Resolve(Text("You can pay again.", "01"), audience="external"), end)
    [shown] = rig.read(end).incidents
    assert (shown.phase, shown.resolved_at, rig.read(end).state) == ("resolved", end, "operational")
    assert [each.words for each in shown.updates] == ["You can pay again.", "You cannot pay."]
    assert len(rig.read(end + timedelta(days=14) - seconds(1)).incidents) == 1
    assert rig.read(end + timedelta(days=14)).incidents == ()


def test_a_resolution_in_words_for_inside_is_shown_without_them(rig: Rig) -> None:
    incident = rig.open()
    rig.say(incident, "You cannot pay.")
    rig.respond(incident, Resolve(Text(INSIDE, "01")))
    [shown] = rig.read().incidents
    assert (shown.phase, [each.words for each in shown.updates]) == ("resolved", ["You cannot pay."])


def test_what_is_reopened_comes_back_with_the_next_word_to_customers(rig: Rig) -> None:
    incident = rig.open()
    rig.say(incident, "You cannot pay.")
    rig.respond(incident, Resolve(Text("Paid.", "01"), audience="external"), NOON + minutes(1))
    rig.respond(incident, Reopen(), NOON + minutes(2))
    assert rig.read(NOON + minutes(2)).incidents == ()
    rig.say(incident, "Not again.", at=NOON + minutes(3))
    [shown] = rig.read(NOON + minutes(3)).incidents
    assert [each.words for each in shown.updates] == ["Not again.", "You cannot pay."]
    assert shown.state == "disrupted"


def test_what_customers_do_not_see_drills_and_what_is_not_declared_stay_off_the_page(rig: Rig) -> None:
    hidden = rig.open(service="db-said-inside")
    rig.respond(hidden, PostUpdate("identified", Text(INSIDE, "00")))
    meant = rig.open()
    rig.say(meant, "You cannot pay.")
    before = rig.incident(meant)
    page = rig.plans.plan
    from shared.domain.status_page import is_public

    assert is_public(before, page, NOON)
    assert not is_public(replace(before, drill="first-friday"), page, NOON)
    assert not is_public(replace(before, status="pending"), page, NOON)
    assert not is_public(replace(before, service="db-said-inside"), page, NOON)
    assert not is_public(replace(before, progress_outside=None, outsiders=()), page, NOON)
    assert [each.id for each in rig.read().incidents] == [meant]


def test_an_erased_text_is_left_out(rig: Rig) -> None:
    incident = rig.open()
    rig.say(incident, "Call Ana at home.")
    rig.say(incident, "You cannot pay.")
    [shown] = rig.show.page(rig.name, NOON).incidents
    assert len(shown.updates) == 2
    table = rig.store.table
    seq = min(rig.store.texts(incident))
    partition, n = incident.split("-")[1:]
    table.delete_entity(partition, f"t|{int(n):07d}|{seq:08d}")
    [shown] = rig.show.page(rig.name, NOON + FRESH).incidents
    assert [each.words for each in shown.updates] == ["You cannot pay."]


moments = count()
COMMANDS: list[Callable[[str], Command]] = [
    lambda words: PostUpdate("identified", Text(words, "00"), "internal"),
    lambda words: Note("impact", Text(words, "00")),
    lambda words: Note("cause", Text(words, "00")),
    lambda words: Note("note", Text(words, "00"), "external"),
    lambda words: Escalate("manager", Text(words, "00")),
    lambda words: Resolve(Text(words, "00")),
    lambda words: Reopen(Text(words, "00")),
    lambda _: Acknowledge(),
    lambda _: SetSeverity("P2-said-inside"),
    lambda _: PostUpdate("monitoring", Text("public word", "00"), "external"),
    lambda _: PostUpdate("investigating", Text("public word", "00"), None),
    lambda _: Resolve(Text("public word", "00"), audience="external"),
]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(range(len(COMMANDS))), max_size=8), st.sampled_from(["api", "db-said-inside"])
)
def test_whatever_is_done_no_word_of_the_inside_is_ever_shown(
    rig: Rig, doings: list[int], service: str
) -> None:
    at = NOON + seconds(next(moments))
    incident = rig.open(service=service, at=at)
    rig.advance(incident, at)
    for doing in doings:
        with suppress(Refused, InvalidInput):  # what the state forbids, or the service has no use for
            rig.respond(incident, COMMANDS[doing](INSIDE), at)
    body, _ = status_html(rig.read())
    assert INSIDE not in json.dumps([str(rig.read())])
    assert INSIDE.encode() not in body
    assert b"person:" not in body
    with suppress(Refused):
        rig.respond(incident, Resolve(), at)


# Not to be hammered, and not to be lost


@pytest.fixture
def faulty(storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStorage]:
    monkeypatch.setitem(storage_clients.TIMING, "read_timeout", 0.4)
    with FaultyStorage(storage, seed=1) as faulty:
        yield faulty


@pytest.fixture
def shaky(faulty: FaultyStorage) -> Iterator[Rig]:
    with Rig(faulty.connection_string) as rig:
        yield rig
        faulty.heal()


def counted(faulty: FaultyStorage) -> list[Call]:
    """Every call to storage from now on."""
    calls: list[Call] = []

    def heard(call: Call) -> bool:
        calls.append(call)
        return False

    faulty.order("503", heard, for_good=True)
    return calls


def test_however_many_ask_storage_is_read_once_in_a_quarter_of_a_minute(
    shaky: Rig, faulty: FaultyStorage
) -> None:
    shaky.say(shaky.open(), "You cannot pay.")
    calls = counted(faulty)
    with ThreadPoolExecutor(16) as pool:
        pages = list(pool.map(lambda _: shaky.show.page(shaky.name, NOON), range(200)))
    assert {page.incidents[0].updates[0].words for page in pages} == {"You cannot pay."}
    first = len(calls)
    assert first < 30
    assert [call for call in calls if call.names("e%7C")]
    shaky.show.page(shaky.name, NOON + FRESH - seconds(1))
    assert len(calls) == first
    shaky.show.page(shaky.name, NOON + FRESH)
    again = calls[first:]
    assert again
    assert not [call for call in again if call.names("e%7C")], (
        "a timeline that is no longer is not read again"
    )


def test_news_shows_after_a_quarter_of_a_minute(rig: Rig) -> None:
    incident = rig.open()
    assert rig.show.page(rig.name, NOON).incidents == ()
    rig.say(incident, "You cannot pay.", at=NOON + seconds(1))
    assert rig.show.page(rig.name, NOON + FRESH - seconds(1)).incidents == ()
    assert len(rig.show.page(rig.name, NOON + FRESH).incidents) == 1
    rig.respond(incident, Resolve(), NOON + minutes(1))
    [shown] = rig.show.page(rig.name, NOON + minutes(1)).incidents
    assert shown.phase == "resolved"


def test_what_was_resolved_between_two_looks_is_found_by_the_next_look_back(rig: Rig) -> None:
    rig.show.page(rig.name, NOON)
    incident = rig.open(at=NOON + seconds(1))
    rig.say(incident, "You cannot pay.", at=NOON + seconds(2))
    rig.respond(incident, Resolve(), NOON + seconds(3))
    assert rig.show.page(rig.name, NOON + LOOKS_BACK - seconds(1)).incidents == ()
    assert len(rig.show.page(rig.name, NOON + LOOKS_BACK + FRESH).incidents) == 1


def test_a_plan_that_changes_its_page_shows_the_new_one_at_once(rig: Rig) -> None:
    rig.show.page(rig.name, NOON)
    rig.plans.plan = replace(rig.plans.plan, status_page=StatusPage("Another"))
    assert rig.show.page(rig.name, NOON).title == "Another"
    rig.plans.plan = replace(rig.plans.plan, status_page=None)
    with pytest.raises(NotFound):
        rig.show.page(rig.name, NOON)


def test_while_storage_is_down_the_last_known_page_is_shown_for_an_hour(
    shaky: Rig, faulty: FaultyStorage
) -> None:
    shaky.say(shaky.open(), "You cannot pay.")
    known = shaky.show.page(shaky.name, NOON)
    faulty.order("503", for_good=True)
    assert shaky.show.page(shaky.name, NOON + minutes(5)) == known
    assert shaky.show.page(shaky.name, NOON + LAST_KNOWN) == known
    with pytest.raises(StoreUnavailable):
        shaky.show.page(shaky.name, NOON + LAST_KNOWN + seconds(1))
    faulty.heal()
    assert shaky.show.page(shaky.name, NOON + LAST_KNOWN + minutes(1)).updated_at > known.updated_at


def test_where_nothing_is_known_storage_that_is_down_is_not_asked_by_everybody(
    shaky: Rig, faulty: FaultyStorage
) -> None:
    faulty.order("503", for_good=True)
    with pytest.raises(StoreUnavailable):
        shaky.show.page(shaky.name, NOON)
    faulty.heal()
    calls = counted(faulty)
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            shaky.show.page(shaky.name, NOON + seconds(1))
    assert not calls


def test_while_one_asks_the_others_see_what_is_known(rig: Rig) -> None:
    known = rig.show.page(rig.name, NOON)
    asking, go_on = threading.Event(), threading.Event()
    listed = rig.store.page

    def slowly(selection: Any) -> Any:  # noqa: ANN401
        asking.set()
        assert go_on.wait(5)
        return listed(selection)

    rig.store.page = slowly  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(rig.show.page, rig.name, NOON + minutes(1))
        assert asking.wait(5)
        assert rig.show.page(rig.name, NOON + minutes(1)) is known
        go_on.set()
        assert slow.result(5).updated_at == NOON + minutes(1)


def test_a_page_has_an_end(rig: Rig) -> None:
    for nth in range(MOST_INCIDENTS + 2):
        at = NOON + seconds(nth)
        incident = rig.open(at=at)
        rig.say(incident, f"Nr {nth}.", at=at)
        if nth % 2:
            rig.respond(incident, Resolve(), at)
    page = rig.read(NOON + minutes(5))
    assert len(page.incidents) == MOST_INCIDENTS
    assert [each.resolved_at is None for each in page.incidents] == [True] * 26 + [False] * 24
    assert page.incidents[0].updates[0].words == "Nr 50."
