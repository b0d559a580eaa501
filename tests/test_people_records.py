"""People and their texts at rest, erased and handed out, on real storage."""

from __future__ import annotations

import secrets as random_names
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.entity_groups import point, put, span, submit
from shared.adapters.erasing_texts import ErasingTexts
from shared.adapters.ledger_table import LedgerTable
from shared.adapters.people_records import PeopleRecords
from shared.adapters.people_table import PeopleTable
from shared.adapters.sealing import Sealing
from shared.adapters.sealing_keys import SILENT_SECONDS, DataKeys
from shared.adapters.sealing_wraps import LocalWrapping
from shared.adapters.table_rows import text_key
from shared.domain import response
from shared.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, Refused, StoreUnavailable
from shared.domain.incident import parse_incident_id
from shared.domain.personal import DAMAGED, ERASED_TITLE, SOMEBODY, UNREADABLE, Erasure
from shared.domain.principal import Principal
from shared.domain.timeline import Event, Text, first_break
from shared.workflows.erase_person import ErasePerson, Whom, is_done
from shared.workflows.export_person import ExportPerson, Held
from shared.workflows.keep_holds import KeepHolds
from shared.workflows.record_access import RecordAccess
from shared.workflows.record_once import RecordOnce
from shared.workflows.respond_to_incident import Declaration
from tests.builders import NOON, an_alert, minutes
from tests.stage import Stage
from tests.vaults import Clock

ADMIN = Principal("id-ada", "Ada", frozenset({"Admin"}))
AUDITOR = Principal("id-aud", "Aud", frozenset({"Auditor"}))
KEYS = {"SECRET_TEXTS_KEY": "only for tests", "SECRET_PEOPLE_KEY": "only for tests"}


class Place(Stage):
    """A stage whose names and texts are sealed; the vault is down while ``secrets`` is empty."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        self.secrets = dict(KEYS)
        self.clock = Clock()
        table = self.clients.tables().get_table_client("People")
        wrapping = LocalWrapping(AppSettingSecrets(self.secrets))
        self.sealing = Sealing(DataKeys(table, wrapping, self.clock))
        self.store.sealing = self.sealing
        for row in span(table, "key", "", "~"):
            table.delete_entity("key", row["RowKey"])
        self.people = PeopleTable(table, AppSettingSecrets(KEYS), "people-key", self.sealing)
        self.responding.people = self.people
        self.records = PeopleRecords(table, self.people)
        ledger = LedgerTable(self.clients.tables().get_table_client("Agenda"))
        once = RecordOnce(ledger, self.journals, self.store)
        self.holding = KeepHolds(self.plans, self.store, ledger, once, self.people)
        self.erasing = self.erase_with(self.records)
        access = RecordAccess(self.journals, self.people)
        self.exporting = ExportPerson(self.store, self.plans, self.records, access)
        self.ana = Principal(f"id-ana-{random_names.token_hex(4)}", "Ana López", frozenset({"Responder"}))

    def erase_with(self, records: PeopleRecords) -> ErasePerson:
        texts = ErasingTexts(self.store)
        return ErasePerson(self.store, self.plans, self.people, records, texts, self.journals, self.holding)

    def vault_goes_down(self) -> None:
        self.secrets["SECRET_TEXTS_KEY"] = ""
        self.clock.forward(3_600)

    def noted(self, words: str = "the disk is full") -> str:
        """An incident beside whose event 4 or so Ana wrote a text."""
        [outcome] = self.hear(an_alert(random_names.token_hex(4)))
        assert outcome.id is not None
        self.respond(outcome.id, response.Note("note", Text(words, "5a17"), "internal"), who=self.ana)
        return outcome.id

    def pseudonym(self) -> str:
        return self.people.pseudonym(self.ana.id, self.ana.name)

    def row_of(self, incident: str, seq: int) -> dict[str, Any]:
        parsed = parse_incident_id(incident)
        assert parsed is not None
        return dict(point(self.store.table, parsed[0], text_key(parsed[1], seq)) or {})

    def recorded(self, type: str) -> list[Event]:
        return [event for event in self.journal_events() if event.type == type]

    def erase(self, *, texts: bool = False, most: int = 10_000) -> Erasure:
        return self.erasing.erase(Whom(self.ana.id), self.name, ADMIN, NOON, texts=texts, most=most)

    def export(self, whom: Whom | None = None, **more: Any) -> Held:  # noqa: ANN401  (as the workflow takes it)
        return self.exporting.export(whom or Whom(self.ana.id), self.name, ADMIN, NOON, most=10_000, **more)


@pytest.fixture
def place(storage: str) -> Iterator[Place]:
    with Place(storage) as place:
        yield place


def text_of(place: Place, incident: str) -> tuple[int, str]:
    [(seq, text)] = place.store.texts(incident).items()
    return seq, text


def test_names_and_texts_stand_sealed_and_read_as_they_were_said(place: Place) -> None:
    long = "ä🔔" * 4_000
    incident = place.noted(long)
    seq, text = text_of(place, incident)

    assert text == long
    assert place.store.whole_texts(incident)[seq] == Text(long, "5a17")
    assert place.people.name(place.pseudonym()) == "Ana López"
    assert "5a17" not in str(place.row_of(incident, seq))
    name = point(place.people.table, place.pseudonym(), "name")
    assert name is not None
    assert "Ana" not in str(name)


def test_rows_from_before_still_read(place: Place) -> None:
    incident = place.noted()
    seq, _ = text_of(place, incident)
    row = place.row_of(incident, seq)
    keys = {"PartitionKey": row["PartitionKey"], "RowKey": row["RowKey"]}
    submit(place.store.table, [put({**keys, "body": "as it was", "salt": "00"})])
    submit(place.people.table, [put({"PartitionKey": "c0ffee0000000001", "RowKey": "name", "name": "Old"})])

    assert place.store.texts(incident) == {seq: "as it was"}
    assert place.store.whole_texts(incident) == {seq: Text("as it was", "00")}
    assert place.people.name("c0ffee0000000001") == "Old"


def test_a_text_that_was_moved_elsewhere_does_not_open(place: Place) -> None:
    incident = place.noted()
    seq, _ = text_of(place, incident)
    row = place.row_of(incident, seq)
    submit(place.store.table, [put({**row, "RowKey": row["RowKey"][:-1] + "9"})])

    assert set(place.store.texts(incident).values()) == {"the disk is full", DAMAGED}
    assert place.store.whole_texts(incident) == {seq: Text("the disk is full", "5a17")}


def test_with_the_vault_down_commands_go_on_texts_are_refused_and_nothing_says_erased(place: Place) -> None:
    incident = place.noted()
    place.vault_goes_down()
    rita = Principal(f"id-{random_names.token_hex(4)}", "Rita", frozenset({"Responder"}))
    before = place.types(incident)
    with pytest.raises(StoreUnavailable, match="sealed"):
        place.respond(incident, response.Note("note", Text("lost", "00"), "internal"), who=rita)
    assert place.types(incident) == before

    assert place.respond(incident, response.Acknowledge(), who=rita).status == "acknowledged"
    assert list(place.store.texts(incident).values()) == [UNREADABLE]
    assert place.people.name(place.pseudonym()) == SOMEBODY
    pseudonym = place.people.pseudonym(rita.id, rita.name)
    assert place.people.name(pseudonym) == SOMEBODY

    place.secrets.update(KEYS)
    place.clock.forward(SILENT_SECONDS)
    assert place.people.pseudonym(rita.id, rita.name) == pseudonym
    assert place.people.name(pseudonym) == "Rita"
    assert list(place.store.texts(incident).values()) == ["the disk is full"]


def test_alerts_alone_never_ask_for_a_key(place: Place) -> None:
    place.vault_goes_down()
    assert place.opened()
    assert list(span(place.people.table, "key", "", "~")) == []


def test_erasing_a_person_deletes_both_rows_and_is_on_record_while_chains_hold(place: Place) -> None:
    incident = place.noted()
    pseudonym = place.pseudonym()
    hashes = [event.hash for event in place.events(incident)]
    done = place.erase()

    assert is_done(done)
    assert done.found == {place.name: 0}
    assert place.people.name(pseudonym) is None
    assert point(place.people.table, place.people.digest(place.ana.id), "pseudonym") is None
    assert place.erasing.unfinished() == []
    [record] = place.recorded("erased")
    assert record.data == {
        "what": "person", "person": pseudonym, "incident": None, "event": None, "texts": 0,
    }  # fmt: skip
    assert record.actor == f"person:{place.people.pseudonym(ADMIN.id, ADMIN.name)}"
    assert [event.hash for event in place.events(incident)] == hashes
    assert first_break(place.events(incident)) is None
    assert text_of(place, incident)[1] == "the disk is full"


def test_whoever_comes_back_after_being_erased_is_somebody_new(place: Place) -> None:
    incident = place.noted()
    before = place.pseudonym()
    place.erase()
    place.respond(incident, response.Acknowledge(), who=place.ana)

    after = place.pseudonym()
    assert after != before
    assert place.people.name(before) is None
    assert place.people.name(after) == "Ana López"


def test_another_instance_does_not_go_on_with_the_pseudonym_of_somebody_erased(place: Place) -> None:
    place.noted("before")
    before = place.pseudonym()
    other = PeopleTable(place.people.table, AppSettingSecrets(KEYS), "people-key", place.sealing)
    assert other.pseudonym(place.ana.id, "Ana") == before
    place.erase(texts=True)
    place.responding.people = other
    incident = place.noted("after")

    assert other.pseudonym(place.ana.id, "Ana") != before
    assert is_done(place.erase(texts=True))
    assert place.store.texts(incident) == {}


def test_texts_go_too_where_that_is_asked_for_and_only_that_persons(place: Place) -> None:
    first, second = place.noted(), place.noted("and another")
    rita = Principal("id-rita", "Rita", frozenset({"Responder"}))
    place.respond(first, response.Note("note", Text("by Rita", "00"), "internal"), who=rita)
    done = place.erase(texts=True)

    assert done.found == {place.name: 2}
    assert list(place.store.texts(first).values()) == ["by Rita"]
    assert place.store.texts(second) == {}
    assert [event.data["texts"] for event in place.recorded("erased")] == [2]
    hashed = [event for event in place.events(second) if event.data.get("text_sha256")]
    assert len(hashed) == 1


def test_what_was_declared_by_hand_is_erased_wherever_it_is_repeated(place: Place) -> None:
    declared = Declaration(place.name, Text("Ana Ruiz cannot log in", "00"), "api", "P1", "her phone", "n1")
    incident = place.responding.declare(declared, place.ana, NOON).id
    place.advance(incident)
    done = place.erase(texts=True)

    assert done.found == {place.name: 1}
    assert (place.incident(incident).title, place.incident(incident).summary) == (ERASED_TITLE, "")
    messages = [each.message for each in place.store.deliveries(place.incident(incident))]
    assert messages
    assert {(each.title, each.summary) for each in messages} == {(ERASED_TITLE, "")}
    rows = place.store.table.query_entities(f"PartitionKey eq '{place.incident(incident).partition}'")
    assert "Ruiz" not in str(list(rows))
    assert place.respond(incident, response.Acknowledge(), who=place.ana).status == "acknowledged"


class _Stopped(Exception):
    """The process ends here."""


class _Stumbling(PeopleRecords):
    """Ends at the nth step of an erasure."""

    def __init__(self, place: Place, stop_at: int) -> None:
        super().__init__(place.records.table, place.people)
        self.left = stop_at

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _Stopped

    def begin(self, erasure: Erasure) -> str:
        self._step()
        return super().begin(erasure)

    def erase(self, person: str, digest: str) -> None:
        self._step()
        super().erase(person, digest)
        self._step()

    def keep(self, erasure: Erasure, tag: str) -> str:
        self._step()
        return super().keep(erasure, tag)

    def done(self, erasure: Erasure) -> None:
        self._step()
        super().done(erasure)


@pytest.mark.parametrize("stop_at", range(7))
def test_cut_off_anywhere_the_same_call_finishes_and_the_record_is_there_once(
    place: Place, stop_at: int
) -> None:
    incident = place.noted()
    pseudonym = place.pseudonym()
    stumbling = place.erase_with(_Stumbling(place, stop_at))
    whom = Whom(place.ana.id) if stop_at % 2 else Whom(person=pseudonym)
    try:
        stumbling.erase(whom, place.name, ADMIN, NOON, texts=True, most=10_000)
    except _Stopped:
        if place.recorded("erased"):
            assert place.people.name(pseudonym) is None
            assert place.store.texts(incident) == {}
        done = place.erasing.erase(whom, place.name, ADMIN, NOON + minutes(1), texts=True, most=10_000)
        assert is_done(done)
    assert place.people.name(pseudonym) is None
    assert place.store.texts(incident) == {}
    assert [event.data["texts"] for event in place.recorded("erased")] == [1]
    assert place.erasing.unfinished() == []
    with pytest.raises(NotFound):
        place.erase()


def test_an_erasure_that_takes_long_goes_on_where_it_was_and_the_rows_go_at_once(place: Place) -> None:
    for _ in range(3):
        place.noted()
    pseudonym = place.pseudonym()
    first = place.erase(texts=True, most=1)
    assert not is_done(first)
    assert place.people.name(pseudonym) is None
    assert place.recorded("erased") == []

    calls = 1
    while not is_done(first) and calls < 500:
        first, calls = place.erase(texts=True, most=1), calls + 1
    assert calls >= 3
    assert [event.data["texts"] for event in place.recorded("erased")] == [3]


def test_two_who_drive_the_same_erasure_do_not_both_record_it(place: Place) -> None:
    place.noted()
    [person] = [place.records.by_digest(place.people.digest(place.ana.id))]
    assert person is not None
    erasure = Erasure(person.pseudonym, person.digest, "", NOON, found={place.name: 0})
    tag = place.records.begin(erasure)
    place.records.keep(replace(erasure, seen=1), tag)
    with pytest.raises(Conflict):
        place.records.keep(replace(erasure, seen=2), tag)
    place.records.done(erasure)


def test_one_text_is_erased_once_and_on_record_once(place: Place) -> None:
    incident = place.noted()
    seq, _ = text_of(place, incident)

    assert place.erasing.erase_text(incident, seq, ADMIN, NOON)
    assert place.store.texts(incident) == {}
    assert not place.erasing.erase_text(incident, seq, ADMIN, NOON)
    [record] = place.recorded("erased")
    assert record.data == {"what": "text", "person": None, "incident": incident, "event": seq, "texts": 1}
    assert place.row_of(incident, seq) == {}
    assert first_break(place.events(incident)) is None


def test_one_text_cut_off_before_its_record_gets_it_with_the_next_call(place: Place) -> None:
    incident = place.noted()
    seq, _ = text_of(place, incident)
    ErasingTexts(place.store).erase(incident, seq, f"{incident} {seq}", NOON)
    assert place.store.texts(incident) == {}

    assert place.erasing.erase_text(incident, seq, ADMIN, NOON + timedelta(days=1))
    assert not place.erasing.erase_text(incident, seq, ADMIN, NOON + timedelta(days=1))


@pytest.mark.parametrize("seq", [0, 1, 99])
def test_only_a_text_that_is_there_is_erased(place: Place, seq: int) -> None:
    incident = place.noted()
    with pytest.raises(NotFound):
        place.erasing.erase_text(incident, seq, ADMIN, NOON)
    with pytest.raises(NotFound):
        place.erasing.erase_text("INC-00000000-1", 1, ADMIN, NOON)


def test_what_is_held_is_handed_out_whole_and_that_it_was_is_on_record(place: Place) -> None:
    contacts = place.plans.plan.directory.contacts
    lead = replace(contacts["lead"], identities={"entra": place.ana.id})
    place.directory(replace(place.plans.plan.directory, contacts={**contacts, "lead": lead}))
    incident = place.noted()
    place.advance(incident, at=NOON + minutes(16))
    seq, _ = text_of(place, incident)
    held = place.export()

    assert held.person is not None
    assert (held.person.name, held.person.pseudonym) == ("Ana López", place.pseudonym())
    assert [(each["contact"], each["reach"][0]["to"]) for each in held.contacts] == [("lead", "lead")]
    [found] = held.incidents
    assert found["id"] == incident
    assert [event["type"] for event in found["events"]] == ["noted"]
    assert found["texts"] == [{"seq": seq, "text": "the disk is full"}]
    assert {each["contact"] for each in found["deliveries"]} == {"lead"}
    [access] = place.recorded("accessed")
    assert (access.data["what"], access.data["incident"]) == ("person", None)
    assert place.ana.id not in str(access)
    by_name = place.export(Whom(person=place.pseudonym()))
    assert by_name.incidents == held.incidents
    assert by_name.contacts == held.contacts


def test_it_comes_in_pieces_that_add_up(place: Place) -> None:
    incidents = {place.noted() for _ in range(3)}
    found: list[str] = []
    cursor: str | None = None
    for _ in range(2_000):
        held = place.exporting.export(Whom(place.ana.id), place.name, ADMIN, NOON, cursor=cursor, most=2)
        found += [each["id"] for each in held.incidents]
        cursor = held.cursor
        if cursor is None:
            break
    assert cursor is None
    assert sorted(found) == sorted(incidents)


@pytest.mark.parametrize("cursor", ["", "x", "journals:", "journals:20261399", "elsewhere:1"])
def test_a_cursor_that_is_not_ours_is_refused(place: Place, cursor: str) -> None:
    place.noted()
    with pytest.raises(InvalidInput):
        place.export(cursor=cursor)


@pytest.mark.parametrize(
    "identity", ["", "nobody", "\x00\x1f", "\ud800", "x" * 100_000, "' or 1 eq 1", "key", "erasing"]
)
def test_strange_identities_are_nobody(place: Place, identity: str) -> None:
    for whom in (Whom(identity), Whom(person=identity)):
        with pytest.raises(NotFound):
            place.erasing.erase(whom, place.name, ADMIN, NOON)
        with pytest.raises(NotFound):
            place.exporting.export(whom, place.name, ADMIN, NOON)


def test_strange_identities_of_people_who_act_work_like_others(place: Place) -> None:
    for identity in ("\x00\x1f", "\ud800", "x" * 50_000, "a/b\\c#d?e"):
        pseudonym = place.people.pseudonym(identity, "Ana")
        assert place.people.pseudonym(identity, "Ana") == pseudonym
        done = place.erasing.erase(Whom(identity), place.name, ADMIN, NOON, most=10_000)
        assert (done.person, place.people.name(pseudonym)) == (pseudonym, None)


def test_only_admins_who_see_every_plan_erase_people(place: Place) -> None:
    place.noted()
    for call in (place.erasing.erase, place.exporting.export):
        with pytest.raises(Forbidden):
            call(Whom(place.ana.id), place.name, AUDITOR, NOON)
        with pytest.raises(NotFound):
            call(Whom(place.ana.id), "elsewhere", ADMIN, NOON)
        with pytest.raises(InvalidInput):
            call(Whom(), place.name, ADMIN, NOON)
        with pytest.raises(InvalidInput):
            call(Whom("a", "b"), place.name, ADMIN, NOON)
    with pytest.raises(Forbidden):
        place.erasing.erase_text(place.noted(), 1, AUDITOR, NOON)
    place.plans.plan = replace(place.plans.plan, visible_to=("somebody",))
    with pytest.raises(NotFound):
        place.erase()


def test_a_person_without_a_digest_beside_the_name_is_found_by_pseudonym_too(place: Place) -> None:
    pseudonym = place.pseudonym()
    row = point(place.people.table, pseudonym, "name")
    assert row is not None
    plain = {key: value for key, value in row.items() if key != "digest"}
    submit(place.people.table, [put(plain)])
    done = place.erasing.erase(Whom(person=pseudonym), place.name, ADMIN, NOON, most=10_000)

    assert done.digest == place.people.digest(place.ana.id)
    assert place.pseudonym() != pseudonym


def test_what_is_held_is_not_erased_until_it_is_released(place: Place) -> None:
    held, free = place.noted(), place.noted()
    seq, _ = text_of(place, held)
    hold = place.holding.place(place.name, held, "CASE-1", ADMIN, NOON)
    with pytest.raises(Refused, match="CASE-1"):
        place.erasing.erase_text(held, seq, ADMIN, NOON)
    with pytest.raises(Refused, match="CASE-1"):
        place.erase(texts=True)
    assert place.people.name(place.pseudonym()) == "Ana López"
    assert place.erasing.erase_text(free, seq, ADMIN, NOON)

    place.holding.release(place.name, hold.id, ADMIN, NOON)
    assert place.erasing.erase_text(held, seq, ADMIN, NOON)
    assert is_done(place.erase(texts=True))
