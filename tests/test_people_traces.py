"""What could be left of somebody who was erased, and what an outage could hide from somebody who asks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from azure.core.exceptions import ServiceRequestError

from shared.adapters import people_table
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.entity_groups import Operation, put, span, submit
from shared.adapters.erasing_texts import ErasingTexts
from shared.adapters.people_table import PeopleTable
from shared.adapters.sealing_keys import SILENT_SECONDS
from shared.adapters.table_wire import WiredTable
from shared.domain import escalation, response
from shared.domain.errors import NotFound, Refused, SecretUnavailable, StoreUnavailable
from shared.domain.journal import Journal
from shared.domain.personal import DAMAGED, Erasure
from shared.domain.plan import Plan
from shared.domain.timeline import Text
from shared.workflows import advance_incidents, erase_person
from shared.workflows.erase_person import Whom, is_done
from shared.workflows.respond_to_incident import Declaration, applied_key
from tests.builders import NOON, minutes
from tests.stage import OnePlan
from tests.stormy import THEN, Mouth, break_out, come, prepared, process
from tests.test_people_records import ADMIN, KEYS, Place, place, text_of

__all__ = ["place"]
NOBODY, FIRST = "0123456789abcdef", "fedcba9876543210"


def names(place: Place) -> set[str]:
    """Pseudonyms with a name row for Ana."""
    return set(place.people.names_of(place.people.digest(place.ana.id)))


def cut_off_making_rows(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends between Ana's name and her identity."""

    def first_alone(table: WiredTable, operations: list[Operation]) -> list[str]:
        if operations[0][0] == "create":
            raise StoreUnavailable("cut off")
        return submit(table, operations)

    with monkeypatch.context() as patch:
        patch.setattr(people_table, "submit", first_alone)
        with pytest.raises(StoreUnavailable):
            place.pseudonym()


def test_with_storage_down_while_two_make_the_same_rows_whoever_acts_hears_of_it_in_our_words(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who comes second cannot take back the name that nobody needs."""

    def second(table: WiredTable, operations: list[Operation]) -> list[str]:
        if operations[0][0] == "create":
            submit(table, [put({**operations[0][1], "pseudonym": FIRST})])
        return submit(table, operations)

    def down(*_: object, **_options: object) -> None:
        raise ServiceRequestError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(people_table, "submit", second)
        patch.setattr(place.people.table, "delete_entity", down)
        with pytest.raises(StoreUnavailable):
            place.pseudonym()
    assert place.pseudonym() == FIRST


def test_a_name_that_was_left_behind_goes_with_the_person(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_making_rows(place, monkeypatch)
    place.noted()
    assert len(names(place)) == 2
    assert is_done(place.erase())
    assert names(place) == set()


def test_a_name_without_an_identity_is_found_and_goes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off_making_rows(place, monkeypatch)
    assert is_done(place.erase())
    assert names(place) == set()
    with pytest.raises(NotFound):
        place.erase()


def test_a_name_left_behind_goes_alone_where_it_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_making_rows(place, monkeypatch)
    [left] = names(place)
    person = place.pseudonym()
    place.erasing.erase(Whom(person=left), place.name, ADMIN, NOON, most=10_000)
    assert names(place) == {person}
    assert place.pseudonym() == person


def test_texts_are_erased_by_pseudonym_after_the_person_was_without_them(place: Place) -> None:
    incident = place.noted()
    whom = Whom(person=place.pseudonym())
    place.erase()
    held = place.export(whom)
    assert [each["texts"][0]["text"] for each in held.incidents] == ["the disk is full"]
    assert held.person is not None
    assert (held.person.name, held.person.digest) == (None, "")

    done = place.erasing.erase(whom, place.name, ADMIN, NOON, texts=True, most=10_000)
    assert is_done(done)
    assert done.found == {place.name: 1}
    assert place.store.texts(incident) == {}
    assert [event.data["texts"] for event in place.recorded("erased")] == [0, 1]
    with pytest.raises(NotFound):
        place.erasing.erase(whom, place.name, ADMIN, NOON + minutes(1), texts=True, most=10_000)
    assert place.erasing.unfinished() == []


def test_texts_by_pseudonym_go_on_piece_by_piece(place: Place) -> None:
    incidents = [place.noted(), place.noted()]
    whom = Whom(person=place.pseudonym())
    place.erase()
    for _ in range(1_000):
        done = place.erasing.erase(whom, place.name, ADMIN, NOON, texts=True, most=1)
        if is_done(done):
            break
    assert done.found == {place.name: 2}
    assert [place.store.texts(each) for each in incidents] == [{}, {}]


def test_a_pseudonym_that_nobody_has_is_nobody_and_not_on_record(place: Place) -> None:
    place.noted()
    whom = Whom(person=NOBODY)
    for texts in (False, True):
        with pytest.raises(NotFound):
            place.erasing.erase(whom, place.name, ADMIN, NOON, texts=texts, most=10_000)
    with pytest.raises(NotFound):
        place.export(whom)
    assert place.recorded("erased") == place.recorded("accessed") == []
    assert place.erasing.unfinished() == []


def test_a_vault_that_is_down_fails_an_export_instead_of_hiding_what_is_held(place: Place) -> None:
    place.noted()
    whom = Whom(person=place.pseudonym())
    place.vault_goes_down()
    with pytest.raises(SecretUnavailable):
        place.export()
    place.secrets.update(KEYS)
    place.clock.forward(SILENT_SECONDS)
    held = place.export()
    assert held.person is not None
    assert held.person.name == "Ana López"

    place.erase()
    place.vault_goes_down()
    with pytest.raises(SecretUnavailable):
        place.export(whom)
    assert len(place.recorded("accessed")) == 1


def test_a_text_that_never_opens_again_is_said_to_be_damaged(place: Place) -> None:
    incident = place.noted()
    seq, _ = text_of(place, incident)
    row = place.row_of(incident, seq)
    parts = {name: value[:-4] + "AAAA" for name, value in row.items() if name.startswith("sealed")}
    submit(place.store.table, [put({**row, **parts})])
    assert [each["texts"][0]["text"] for each in place.export().incidents] == [DAMAGED]


def declared(place: Place) -> str:
    said = Declaration(place.name, Text("Ana Ruiz cannot log in", "00"), "api", "P1", "her phone", "n1")
    return place.responding.declare(said, place.ana, NOON).id


def test_no_digest_keeps_the_words_of_a_declaration(place: Place) -> None:
    prepared(place)
    mouth = Mouth()
    incidents = [*break_out(place, 15), declared(place)]
    instance = process(place, mouth)
    for incident in incidents:
        instance.advance(incident, lambda: NOON)
    come(place, mouth, incidents, THEN)
    [digest] = mouth.digests()
    assert "Ana Ruiz cannot log in" in digest.summary

    assert is_done(place.erase(texts=True))
    agenda = place.clients.tables().get_table_client("Agenda")
    assert not [row for row in span(agenda, f"storm|{place.name}|oncall", "", "~") if "Ruiz" in str(row)]


class _Between(ErasingTexts):
    """Another instance has read what is owed, and stores it once the messages were gone over."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.store)
        self.place = place
        self.settled = 0

    def _erase_in_messages(self, incident_id: str) -> None:
        if self.settled:
            super()._erase_in_messages(incident_id)
            return
        place, store = self.place, self.place.store
        stored = store.load(incident_id)
        owed = [each.delivery for each in store.owed(stored.incident)]
        super()._erase_in_messages(incident_id)
        rules = place.archive.get(stored.incident.rules)
        change = escalation.advance(stored.incident, owed, rules, place.plans.plan.directory, NOON)
        assert change is not None
        store.save(change, stored)
        self.settled = len(change.settled)


def test_an_advance_in_between_does_not_bring_the_words_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advance_incidents, "MOST_ROUNDS", 1)  # it is sent, and not settled yet
    incident = declared(place)
    place.advance(incident)
    [opened] = [event for event in place.events(incident) if event.type == "opened"]
    between = _Between(place)
    between.erase(incident, opened.seq, "an erasure", NOON, opening=True)

    assert between.settled
    partition = place.incident(incident).partition
    left = [row for row in span(place.store.table, partition, "", "~") if "Ruiz" in str(row)]
    assert [row["RowKey"] for row in left] == []


def test_what_is_kept_of_a_command_confirms_no_guess_without_the_key(place: Place) -> None:
    incident = place.noted()
    note = response.Note("note", Text("Ana is ill", "5a17"), "internal")
    other = replace(note, text=Text("Ana is well", "5a17"))
    kept = place.responding.respond(incident, note, place.ana, "k1", NOON).commands[-1]
    before = len(place.events(incident))
    again = replace(note, text=Text("Ana is ill", "another salt"))
    assert place.responding.respond(incident, again, place.ana, "k1", NOON).commands[-1] == kept
    assert len(place.events(incident)) == before
    with pytest.raises(Refused):
        place.responding.respond(incident, other, place.ana, "k1", NOON)

    without = PeopleTable(
        place.people.table, AppSettingSecrets({"SECRET_PEOPLE_KEY": "a guess"}), "people-key"
    )
    guessed = applied_key(f"person:{place.pseudonym()}", note, "k1", without.digest)
    assert guessed is not None
    assert guessed[:24] == kept[:24]
    assert guessed != kept


def test_a_hold_that_comes_during_an_erasure_keeps_the_texts_that_are_left(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase_person, "PAGE", 1)
    incidents = [place.noted() for _ in range(3)]

    def hold(_: Erasure) -> None:
        place.holding.place(place.name, incidents[0], "CASE-9", ADMIN, NOON)

    with pytest.raises(Refused, match="CASE-9"):
        place.erasing.erase(Whom(place.ana.id), place.name, ADMIN, NOON, texts=True, told=hold)
    assert sum(bool(place.store.texts(each)) for each in incidents) == 2
    assert place.recorded("erased") == []

    _, [found] = place.holding.all(place.name, ADMIN)
    place.holding.release(place.name, found.id, ADMIN, NOON)
    assert is_done(place.erase(texts=True))
    assert [event.data["texts"] for event in place.recorded("erased")] == [3]


def test_two_who_erase_one_text_at_once_have_it_on_record_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident = place.noted()
    seq, _ = text_of(place, incident)
    read = place.journals.journal

    def other_first(empty: Journal) -> tuple[Journal, str | None]:
        found = read(empty)
        monkeypatch.setattr(place.journals, "journal", read)
        assert place.erasing.erase_text(incident, seq, replace(ADMIN, id="id-eve", name="Eve"), NOON)
        return found

    monkeypatch.setattr(place.journals, "journal", other_first)
    assert place.erasing.erase_text(incident, seq, ADMIN, NOON)
    assert len(place.recorded("erased")) == 1


def test_who_somebody_is_stays_hidden_from_whoever_sees_nothing_that_they_did(place: Place) -> None:
    place.noted()
    other = replace(place.plans.plan, name=f"{place.name}-other")
    both = (replace(place.plans.plan, visible_to=("somebody",)), other)

    class Two(OnePlan):
        def all(self) -> list[Plan]:
            return list(both)

    place.exporting.plans = Two(other)
    for whom in (Whom(place.ana.id), Whom(person=place.pseudonym())):
        with pytest.raises(NotFound):
            place.exporting.export(whom, other.name, ADMIN, NOON, most=10_000)
        first = place.exporting.export(whom, other.name, ADMIN, NOON, most=1)
        assert (first.person, first.cursor is None) == (None, False)
    everything = replace(ADMIN, id="id-root", name="somebody")
    held = place.exporting.export(Whom(place.ana.id), other.name, everything, NOON, most=10_000)
    assert held.person is not None
    assert held.person.name == "Ana López"
