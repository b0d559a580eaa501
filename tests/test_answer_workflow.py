"""Answering from where a notification landed: once counts, twice and too late are harmless and say so."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.domain.answering import GRANT_LASTS, Action, Grant, Through
from shared.domain.errors import Forbidden, InvalidInput, NotFound, Refused, Unauthenticated
from shared.domain.plan import Checklist, ClosingCode, Contact, Item, Rules
from shared.domain.principal import Principal
from shared.domain.response import Note, Reopen, Resolve
from shared.domain.severity import SetSeverity
from shared.domain.timeline import Text
from shared.workflows.answer_notification import Answered, AnswerNotification
from tests.builders import NOON, a_directory, a_severity, an_alert, hours, minutes, some_rules
from tests.stage import Stage

TICK = timedelta(microseconds=1)
PEOPLE = {"ana": "Ana Lopez", "lee": "lee van Dam", "rea": "Rea Reader"}
CODES = (ClosingCode("fixed", "Fixed"), ClosingCode("no-fault", "No fault found"))


class Asking(Stage):
    """A stage with an open incident, and people who answer for it."""

    def __init__(self, storage: str, rules: Rules | None = None) -> None:
        super().__init__(storage)
        self.rules(rules or some_rules(a_severity(steps=((minutes(0), ("ana",)), (minutes(15), ("lee",))))))
        self.directory(a_directory(ana=("log",), lee=("log",), rea=("log",), manager=("log",)))
        for name, title in PEOPLE.items():
            self.known(replace(self.plans.plan.directory.contacts[name], title=title))
        self.known(replace(self.plans.plan.directory.contacts["rea"], role="Reader"))
        secrets = AppSettingSecrets({"SECRET_PEOPLE_KEY": "only for tests"})
        self.tokens = KeyedAnswerTokens(secrets, "people-key")
        self.answering = AnswerNotification(
            self.store, self.plans, self.archive, self.people, self.responding, self.tokens
        )
        self.id = self.opened()

    def known(self, *contacts: Contact, without: str = "") -> None:
        directory = self.plans.plan.directory
        changed = dict(directory.contacts) | {each.name: each for each in contacts}
        changed.pop(without, None)
        self.plans.plan = replace(self.plans.plan, directory=replace(directory, contacts=changed))

    def token(self, contact: str = "ana", incident: str = "", seq: int = 2) -> str:
        delivery = f"{seq:06d}-{contact}-0"
        return self.tokens.sign(Grant(incident or self.id, contact, delivery, NOON + GRANT_LASTS))

    def tap(
        self,
        action: Action = "acknowledge",
        contact: str = "ana",
        at: datetime = NOON,
        *,
        seq: int = 2,
        resolution: str | None = None,
        code: str | None = None,
    ) -> Answered:
        token = self.token(contact, seq=seq)
        return self.answering.answer(token, action, at, resolution=resolution, code=code)[0]

    def count(self, type: str) -> int:
        return self.types(self.id).count(type)

    def stands(self, at: datetime = NOON) -> str:
        return self.answering.asked(self.token(), at).standing


@pytest.fixture
def stage(storage: str) -> Iterator[Asking]:
    with Asking(storage) as stage:
        yield stage


def test_one_tap_acknowledges_in_the_name_of_the_contact(stage: Asking) -> None:
    done = stage.tap(at=NOON + minutes(2))

    assert done.changed
    assert done.sentence == f"You have {stage.id}: acknowledged at 2026-11-18 12:02 UTC."
    assert stage.incident(stage.id).status == "acknowledged"
    acted, acknowledged = stage.events(stage.id)[-2:]
    assert (acted.type, acknowledged.type) == ("acted-on", "acknowledged")
    assert acted.data == {
        "contact": "ana", "by": "link", "delivery": "000002-ana-0", "command": "acknowledge"
    }  # fmt: skip
    assert stage.people.name(acknowledged.actor.removeprefix("person:")) == "Ana Lopez"


def test_looking_changes_nothing_however_often(stage: Asking) -> None:
    before = stage.store.load(stage.id)

    for _ in range(20):
        assert stage.stands() == "Nobody has answered yet."

    assert stage.store.load(stage.id) == before
    assert stage.tap().changed


def test_a_second_tap_of_the_same_person_says_so_and_is_not_recorded(stage: Asking) -> None:
    stage.tap(at=NOON + minutes(2))
    length = stage.incident(stage.id).length

    for seq in (2, 9):
        again = stage.tap(at=NOON + minutes(5), seq=seq)
        assert not again.changed
        assert again.sentence == f"You acknowledged {stage.id} at 2026-11-18 12:02 UTC already."
    assert stage.incident(stage.id).length == length


def test_taps_at_the_same_moment_are_applied_once(stage: Asking) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: stage.tap(), range(8)))

    assert stage.count("acknowledged") == stage.count("acted-on") == 1
    assert any(each.changed for each in done)


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_of_taps_at_the_same_moment_one_alone_is_told_that_it_counted(stage: Asking, action: Action) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda nth: stage.tap(action, at=NOON + nth * TICK), range(8)))

    assert [each.changed for each in done].count(True) == 1
    late = {each.sentence for each in done if not each.changed}
    assert all("already" in each or "Nothing to do" in each for each in late)


def test_after_an_expiry_one_of_the_taps_at_the_same_moment_is_told_so_too(storage: str) -> None:
    lapsing = a_severity(steps=(), acknowledgement_expires=minutes(30))
    with Asking(storage, some_rules(lapsing)) as stage:
        stage.tap()
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda nth: stage.tap(at=NOON + minutes(40) + nth * TICK), range(4)))
        assert [each.changed for each in done].count(True) == 1
        assert stage.count("acknowledged") == 2


def test_why_the_contact_was_told_is_shown_where_it_is_known(stage: Asking) -> None:
    told = stage.store.deliveries(stage.incident(stage.id))[0]
    token = stage.tokens.sign(Grant(stage.id, told.contact, told.id, NOON + GRANT_LASTS))
    assert told.message.reason
    assert stage.answering.asked(token, NOON).why == told.message.reason
    assert stage.answering.asked(stage.token(seq=99), NOON).why == ""


def test_resolving_at_the_same_moment_is_applied_once_whatever_each_says(stage: Asking) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda nth: stage.tap("resolve", resolution=f"restarted {nth}"), range(8)))

    assert stage.count("resolved") == 1
    assert any(each.changed for each in done)


def test_another_person_hears_who_has_it_and_takes_nothing_away(stage: Asking) -> None:
    stage.tap(at=NOON + minutes(2))

    second = stage.tap(contact="lee", at=NOON + minutes(20), seq=5)

    assert not second.changed
    assert second.sentence == f"Ana Lopez has {stage.id} since 2026-11-18 12:02 UTC; nothing was changed."
    assert stage.stands(NOON + minutes(20)) == "Ana Lopez has it since 2026-11-18 12:02 UTC."
    assert stage.count("acknowledged") == 1


def test_times_are_told_by_the_clock_of_the_plan(storage: str) -> None:
    with Asking(storage, some_rules(a_severity(steps=()), timezone="America/Barbados")) as stage:
        assert "at 2026-11-18 08:02 AST" in stage.tap(at=NOON + minutes(2)).sentence


def test_an_acknowledgement_counts_again_once_it_has_expired_and_not_before(storage: str) -> None:
    lapsing = a_severity(steps=((minutes(0), ("ana",)),), acknowledgement_expires=minutes(30))
    with Asking(storage, some_rules(lapsing)) as stage:
        assert "by 2026-11-18 12:30 UTC, others are called" in stage.tap().sentence

        assert not stage.tap(at=NOON + minutes(30) - TICK).changed
        assert stage.stands(NOON + minutes(30)) == "Nobody has it any more."
        assert stage.tap(at=NOON + minutes(30)).changed

        stage.advance(stage.id, NOON + minutes(61))
        assert stage.incident(stage.id).status == "open"
        assert stage.tap(at=NOON + minutes(62)).changed
        again = stage.tap(at=NOON + minutes(63))
        assert again.sentence == f"You acknowledged {stage.id} at 2026-11-18 13:02 UTC already."
        assert stage.count("acknowledged") == 3


def test_without_any_step_an_expired_acknowledgement_counts_again_too(storage: str) -> None:
    with Asking(storage, some_rules(a_severity(steps=(), acknowledgement_expires=minutes(30)))) as stage:
        for at in (0, 40, 80):
            assert stage.tap(at=NOON + minutes(at)).changed
            stage.advance(stage.id, NOON + minutes(at + 35))
        assert stage.count("acknowledged") == 3


def test_after_an_expiry_it_is_said_since_when_the_next_one_has_it(storage: str) -> None:
    lapsing = a_severity(steps=((minutes(0), ("ana",)),), acknowledgement_expires=minutes(30))
    with Asking(storage, some_rules(lapsing)) as stage:
        stage.tap()
        assert stage.tap(contact="lee", at=NOON + minutes(40)).changed
        assert stage.stands(NOON + minutes(41)) == "Lee van Dam has it since 2026-11-18 12:40 UTC."


def test_an_acknowledgement_of_a_quieter_severity_does_not_stand_for_a_louder_one(storage: str) -> None:
    at_once = ((minutes(0), ("ana",)),)
    with Asking(
        storage, some_rules(a_severity("P0", steps=at_once), a_severity("P1", steps=at_once))
    ) as stage:
        stage.tap()
        stage.respond(stage.id, SetSeverity("P0"), NOON + minutes(2))
        stage.advance(stage.id, NOON + minutes(3))  # everybody whom the louder one calls has been called

        assert stage.stands(NOON + minutes(3)) == (
            "Ana Lopez has it since 2026-11-18 12:00 UTC, but it is P0 by now: it waits for an answer again."
        )
        assert stage.tap(contact="lee", at=NOON + minutes(4)).changed
        assert not stage.tap(at=NOON + minutes(5)).changed
        stage.respond(stage.id, SetSeverity("P1"), NOON + minutes(6))
        assert not stage.tap(at=NOON + minutes(7)).changed
        assert stage.stands(NOON + minutes(7)) == "Lee van Dam has it since 2026-11-18 12:04 UTC."


def test_a_louder_alert_asks_for_an_answer_again_too(storage: str) -> None:
    loud, quiet = a_severity("P0", steps=((minutes(0), ("ana",)),)), a_severity("P1", steps=())
    with Asking(storage, some_rules(loud, quiet)) as stage:
        stage.tap()
        stage.hear(an_alert(severity="P0", at=NOON + minutes(1)), at=NOON + minutes(1))

        assert stage.incident(stage.id).severity == "P0"
        assert stage.tap(at=NOON + minutes(2)).changed
        assert not stage.tap(at=NOON + minutes(3)).changed


def test_after_a_reopening_the_same_link_counts_again(stage: Asking) -> None:
    stage.tap()
    stage.tap("resolve", at=NOON + minutes(5))
    stage.respond(stage.id, Reopen(), NOON + minutes(6))

    assert stage.stands(NOON + minutes(6)) == "Nobody has answered yet."
    assert stage.tap(at=NOON + minutes(7)).changed
    assert stage.tap("resolve", at=NOON + minutes(8)).changed
    assert (stage.count("acknowledged"), stage.count("resolved")) == (2, 2)


def test_too_late_an_acknowledgement_is_noted_once_a_notification_and_says_who_was_first(
    stage: Asking,
) -> None:
    stage.tap()
    assert stage.tap("resolve", at=NOON + minutes(5)).sentence == (
        f"You resolved {stage.id} at 2026-11-18 12:05 UTC."
    )

    for at in range(6, 12):
        late = stage.tap(contact="lee", at=NOON + minutes(at), seq=5)
        assert not late.changed
        assert late.sentence == (
            f"{stage.id}: It was resolved at 2026-11-18 12:05 UTC by Ana Lopez. Nothing to do."
        )
    assert stage.count("acknowledged-late") == 1
    stage.tap(contact="lee", at=NOON + minutes(12), seq=9)
    assert stage.count("acknowledged-late") == 2
    assert stage.incident(stage.id).status == "resolved"


def test_whoever_had_it_or_resolved_it_is_not_noted_as_late(stage: Asking) -> None:
    stage.tap()
    stage.tap("resolve", contact="lee", at=NOON + minutes(5))

    for contact in ("ana", "lee"):
        late = stage.tap(contact=contact, at=NOON + minutes(6))
        assert late.sentence.endswith("by lee van Dam. Nothing to do.")
    assert stage.count("acknowledged-late") == 0


def test_resolving_twice_or_after_the_alerts_have_cleared_says_who_did(stage: Asking) -> None:
    stage.hear(an_alert(firing=False, ended_at=NOON + minutes(3)), at=NOON + minutes(3))

    for action in ("resolve", "acknowledge"):
        late = stage.tap(action, at=NOON + minutes(4))
        assert not late.changed
        assert "resolved at 2026-11-18 12:03 UTC by the monitoring system (generic). Nothing to do." in (
            late.sentence
        )
    assert stage.count("resolved") == 1


def test_words_and_a_code_are_asked_where_the_plan_wants_them(storage: str) -> None:
    with Asking(storage, replace(some_rules(), closing_codes=CODES)) as stage:
        needs = stage.answering.needs(stage.incident(stage.id))
        assert (dict(needs.codes), needs.words, needs.items) == (
            {"fixed": "Fixed", "no-fault": "No fault found"}, True, ()
        )  # fmt: skip

        with pytest.raises(InvalidInput) as lacking:
            stage.tap("resolve")
        assert {fault.where for fault in lacking.value.faults} == {"code", "resolution"}
        with pytest.raises(InvalidInput):
            stage.tap("resolve", code="fixed", resolution=" \n ")
        assert stage.tap("resolve", code="fixed", resolution="rolled back").changed
        incident = stage.incident(stage.id)
        assert (incident.code, incident.status) == ("fixed", "resolved")
        assert "rolled back" in stage.store.texts(stage.id).values()


def test_an_open_item_of_a_checklist_refuses_and_is_named_beforehand(storage: str) -> None:
    asked = Checklist("steps", "resolution", (Item("logs-read", "The logs are read", required=True),))
    with Asking(storage, replace(some_rules(), checklists=(asked,))) as stage:
        needs = stage.answering.needs(stage.incident(stage.id))
        assert needs.items == ("logs-read (The logs are read)",)
        assert not needs.nothing

        with pytest.raises(Refused, match="logs-read"):
            stage.tap("resolve")
        assert stage.incident(stage.id).status == "open"


def test_a_contact_who_has_left_the_plan_cannot_answer_any_more(stage: Asking) -> None:
    stage.known(without="ana")

    for attempt in (stage.tap, stage.stands):
        with pytest.raises(Forbidden, match="no longer names you"):
            attempt()
    assert stage.incident(stage.id).status == "open"


def test_a_reader_sees_the_page_and_may_not_answer(stage: Asking) -> None:
    asked = stage.answering.asked(stage.token("rea"), NOON)

    assert asked.actions == ()
    with pytest.raises(Forbidden, match="takes the role Responder"):
        stage.tap(contact="rea")


def test_a_link_is_good_for_its_own_incident_alone_and_until_it_expires(stage: Asking) -> None:
    other = "INC-00000000-1"

    with pytest.raises(NotFound):
        stage.answering.asked(stage.token(incident=other), NOON)
    ends = NOON + GRANT_LASTS
    assert stage.answering.asked(stage.token(), ends - TICK)
    for attempt in (ends, ends + TICK):
        with pytest.raises(Unauthenticated, match="expired"):
            stage.answering.answer(stage.token(), "acknowledge", attempt)


def test_the_page_offers_only_what_still_means_something(stage: Asking) -> None:
    def offered(at: datetime) -> tuple[Action, ...]:
        return stage.answering.asked(stage.token("lee"), at).actions

    assert offered(NOON) == ("acknowledge", "resolve")
    stage.tap()
    assert offered(NOON) == ("resolve",)
    stage.tap("resolve")
    assert offered(NOON) == ()


def test_who_acts_from_chat_needs_no_delivery_and_sees_only_the_plans_shown_to_them(stage: Asking) -> None:
    ana = stage.answering.somebody(stage.name, "ana")
    eve = Principal("contact:other/eve", "eve", frozenset({"Admin"}), frozenset({"other"}))
    chat = Through("slack", "ana")

    with pytest.raises(NotFound):
        stage.answering.act(stage.id, "acknowledge", eve, chat, NOON)
    assert stage.answering.act(stage.id, "acknowledge", ana, chat, NOON).changed
    assert not stage.answering.act(stage.id, "acknowledge", ana, chat, NOON).changed
    assert not stage.tap().changed  # one person, by whatever way they come
    assert stage.answering.act(stage.id, "resolve", ana, chat, NOON + hours(1)).changed


def test_what_happens_beside_it_does_not_make_an_answer_count_twice(stage: Asking) -> None:
    stage.tap()
    stage.respond(stage.id, Note("note", Text("looking", "00")), NOON + minutes(1))
    stage.hear(an_alert(identity="another", at=NOON + minutes(2)), at=NOON + minutes(2))

    assert not stage.tap(at=NOON + minutes(3)).changed
    assert stage.count("acknowledged") == 1


def test_a_name_that_was_erased_is_not_missed(stage: Asking) -> None:
    stage.tap("resolve")
    actor = str(stage.incident(stage.id).resolved_by).removeprefix("person:")
    stage.people.table.delete_entity(actor, "name")

    assert "by somebody whose name was erased." in stage.tap(contact="lee").sentence


def test_a_resolution_by_the_api_is_as_good_as_any(stage: Asking) -> None:
    stage.respond(stage.id, Resolve(), NOON + minutes(1))

    assert "by ana. Nothing to do." in stage.tap(at=NOON + minutes(2)).sentence
