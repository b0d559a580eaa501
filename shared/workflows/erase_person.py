"""Erases a person, or one text, for good; each plan concerned has it on record in its journal.

An erasure is kept, with the pseudonym, from before its first deletion until after its last record: the rows
go first, then the texts, then it is put on record, then the erasure itself is dropped. Cut off anywhere, the
same call goes on where it stopped; a record never claims what is not done, and none is lost or made twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from shared.domain.errors import Fault, Forbidden, InvalidInput, NotFound, Refused
from shared.domain.incident import Incident
from shared.domain.personal import Erasure, Person
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.domain.timeline import Event
from shared.ports import IncidentStore, Journals, People, Plans, Selection
from shared.workflows.actors import PERSON, actor_of
from shared.workflows.note_in_journal import note_once
from shared.workflows.visible import visible_incident

PAGE = 50
AT_A_TIME = 200
"""Incidents that one call of the route looks at; the next goes on from there."""
_PSEUDONYM = re.compile(r"[0-9a-f]{16}")
_NOBODY = "nobody is known by that, or not any more"
Tell = Callable[[Erasure], None]


class Records(Protocol):
    """Table `People`, as whoever finds and erases people needs it."""

    def digest(self, identity: str) -> str:
        """The keyed hash by which an identity is found. Raises SecretUnavailable."""

    def by_digest(self, digest: str) -> Person | None:
        """Whoever has that identity."""

    def by_pseudonym(self, pseudonym: str) -> Person | None:
        """Whoever is known by it; None where it is none, or of nobody (any more)."""

    def whole_name(self, person: Person) -> str | None:
        """Their name. Raises SecretUnavailable, StoreUnavailable where it cannot be read just now."""

    def erase(self, person: str, digest: str) -> None:
        """Delete every row, as far as they are there and still this person's."""

    def erasures(self) -> list[tuple[Erasure, str]]:
        """Those under way, each with its tag."""

    def begin(self, erasure: Erasure) -> str:
        """Keep an erasure; its tag."""

    def keep(self, erasure: Erasure, tag: str) -> str:
        """Keep how far it is. Raises Conflict where another call drives it."""

    def done(self, erasure: Erasure) -> None:
        """All of it is done and on record."""


class Texts(Protocol):
    """The texts beside events, as far as they are erased."""

    def erase(
        self, incident_id: str, seq: int, by: str, now: datetime, *, opening: bool = False
    ) -> datetime | None:
        """When it went with the erasure ``by``: now, or at an earlier try; None where it is not there."""

    def drop(self, incident_id: str, seq: int) -> None:
        """Drop what is left of it."""


class Holds(Protocol):
    """What must be kept, whoever asks."""

    def held(self, plan: Plan, incident: str | None) -> str | None:
        """The reference for which the incident must be kept, or None."""

    def held_anywhere(self) -> str | None:
        """The plan and reference of some hold, or None."""


@dataclass(frozen=True)
class Whom:
    """Somebody by the platform's id, or by pseudonym: exactly one."""

    identity: str | None = None
    person: str | None = None


@dataclass
class ErasePerson:
    """The workflow behind the routes that erase, and ``python -m local.people``."""

    store: IncidentStore
    plans: Plans
    people: People
    records: Records
    texts: Texts
    journals: Journals
    holds: Holds

    def erase(
        self,
        whom: Whom,
        plan: str,
        who: Principal,
        now: datetime,
        *,
        texts: bool = False,
        most: int = AT_A_TIME,
        told: Tell | None = None,
    ) -> Erasure:
        """The erasure as far as it is; done once every plan of ``found`` is among those ``noted``.

        The person's rows are gone when this returns for the first time, whatever is left to do. ``plan`` is
        told in any case; ``most`` bounds the incidents looked at. With ``texts``, a pseudonym whose rows are
        gone has the texts of its timelines erased. Raises NotFound, Forbidden, InvalidInput, Refused where
        anything is held, Conflict, StoreUnavailable, SecretUnavailable.
        """
        who.require("Admin")
        everywhere = self._all_seen(plan, who)
        _refuse_what_is_held(self.holds.held_anywhere())
        erasure, tag = self._begun(whom, plan, who, now, texts=texts)
        self.records.erase(erasure.person, erasure.digest)
        looked_at = 0
        while not erasure.searched and looked_at < most:
            if erasure.texts:
                _refuse_what_is_held(self.holds.held_anywhere())  # a hold may have come meanwhile
            before = erasure.seen
            erasure = self._searched_on(erasure, everywhere, min(PAGE, most - looked_at), now)
            tag = self.records.keep(erasure, tag)
            looked_at += max(1, erasure.seen - before)
            if told:
                told(erasure)
        if erasure.searched:
            if not erasure.found:
                self.records.done(erasure)
                raise NotFound(_NOBODY)
            erasure = replace(erasure, found={plan: 0, **erasure.found})
            erasure = self._on_record(erasure, tag, everywhere, now)
            _, anew = look_up(whom, self.records)
            if anew is not None and anew.pseudonym != erasure.person:  # who has acted since it was cut off
                return self.erase(whom, plan, who, now, texts=texts, most=most, told=told)
        return erasure

    def unfinished(self) -> list[Erasure]:
        """Erasures that were cut off."""
        return [erasure for erasure, _ in self.records.erasures()]

    def erase_text(self, incident_id: str, seq: int, who: Principal, now: datetime) -> bool:
        """Erase one text; False where it was gone before.

        Raises NotFound, Forbidden, Refused where the incident is held, StoreUnavailable.
        """
        who.require("Admin")
        incident, plan = visible_incident(self.store, self.plans, incident_id, who)
        event = next((each for each in self.store.events(incident.id) if each.seq == seq), None)
        if event is None or not event.data.get("text_sha256"):
            raise NotFound(f"no text stands beside event {seq} of {incident_id}")
        _refuse_what_is_held(self.holds.held(plan, incident.id))
        by = f"{incident.id} {seq}"
        at = self.texts.erase(incident.id, seq, by, now, opening=event.type == "opened")
        if at is None:
            return False
        data = {"what": "text", "person": None, "incident": incident.id, "event": seq, "texts": 1}
        self._note(plan, data, at, now, actor_of(self.people, who))
        self.texts.drop(incident.id, seq)
        return True

    def _all_seen(self, name: str, who: Principal) -> Mapping[str, Plan]:
        """Every plan; whoever erases a person erases them from all."""
        plans = {plan.name: plan for plan in self.plans.all()}
        if name not in plans or not who.sees(plans[name]):
            raise NotFound(f"there is no plan {name}")
        if not all(who.sees(plan) for plan in plans.values()):
            raise Forbidden(
                "a person is erased from every plan at once; this takes somebody who sees them all"
            )
        return plans

    def _begun(
        self, whom: Whom, plan: str, who: Principal, now: datetime, *, texts: bool
    ) -> tuple[Erasure, str]:
        """The erasure that was cut off, or a new one, kept before anything is deleted."""
        digest, found = look_up(whom, self.records)
        for erasure, tag in self.records.erasures():
            same = erasure.person == whom.person or (digest and erasure.digest == digest)
            if same:
                wider = replace(erasure, found={plan: 0, **erasure.found} if erasure.found else {})
                if texts and not erasure.texts:
                    wider = replace(wider, texts=True, searched=False, cursor=None, seen=0, noted=())
                return wider, self.records.keep(wider, tag)
        person = found or (rowless(whom) if texts else None)
        if person is None:
            raise NotFound(_NOBODY)
        by = actor_of(self.people, who).removeprefix(PERSON)
        concerned = {plan: 0} if found else {}  # of one whose rows are gone, only if there was a text
        erasure = Erasure(person.pseudonym, person.digest or digest, by, now, texts, concerned)
        return erasure, self.records.begin(erasure)

    def _searched_on(self, erasure: Erasure, plans: Mapping[str, Plan], most: int, now: datetime) -> Erasure:
        """One page of incidents further."""
        page = self.store.page(Selection(lambda _: True, frozenset(plans), cursor=erasure.cursor, limit=most))
        found = dict(erasure.found)
        for incident in page.incidents:
            theirs = [
                event for event in self.store.events(incident.id) if event.actor == PERSON + erasure.person
            ]
            if theirs:
                count = self._texts_gone(erasure, incident, theirs, now) if erasure.texts else 0
                if count or erasure.found:
                    found[incident.plan] = found.get(incident.plan, 0) + count
        return replace(
            erasure,
            found=found,
            seen=erasure.seen + len(page.incidents),
            cursor=page.cursor,
            searched=page.cursor is None,
        )

    def _texts_gone(self, erasure: Erasure, incident: Incident, theirs: list[Event], now: datetime) -> int:
        by = f"{erasure.person} {erasure.asked_at.isoformat()}"
        gone = [
            self.texts.erase(incident.id, event.seq, by, now, opening=event.type == "opened")
            for event in theirs
            if event.data.get("text_sha256")
        ]
        return sum(at is not None for at in gone)

    def _on_record(self, erasure: Erasure, tag: str, plans: Mapping[str, Plan], now: datetime) -> Erasure:
        actor = f"{PERSON}{erasure.by}"
        for name, count in sorted(erasure.found.items()):
            plan = plans.get(name)
            if plan is not None and name not in erasure.noted:
                data = {
                    "what": "person",
                    "person": erasure.person,
                    "incident": None,
                    "event": None,
                    "texts": count,
                }
                self._note(plan, data, erasure.asked_at, now, actor)
            erasure = replace(erasure, noted=(*erasure.noted, name))
            tag = self.records.keep(erasure, tag)
        self.records.done(erasure)
        return erasure

    def _note(self, plan: Plan, data: Mapping[str, Any], at: datetime, now: datetime, actor: str) -> None:
        """Whatever try has come as far as the record, and whoever is at it besides: it is made once."""
        note_once(self.journals, self.store.events, plan, "erased", data, at, now, actor)


def _refuse_what_is_held(reference: str | None) -> None:
    if reference is not None:
        raise Refused(f"it must be kept, for there is a legal hold ({reference}); release that first")


def is_done(erasure: Erasure) -> bool:
    """Whether nothing of it is left to do."""
    return erasure.searched and set(erasure.found) <= set(erasure.noted)


def rowless(whom: Whom) -> Person | None:
    """A pseudonym whose rows are gone: timelines may still name it, and texts stand beside them."""
    return Person(whom.person, "") if _PSEUDONYM.fullmatch(whom.person or "") and whom.person else None


def look_up(whom: Whom, records: Records) -> tuple[str, Person | None]:
    """The keyed hash of the identity where one was given, and who that is. Raises InvalidInput."""
    if (whom.identity is None) == (whom.person is None):
        raise InvalidInput("it is not clear who", [Fault("identity", "name identity or person, one of them")])
    if whom.identity is not None:
        digest = records.digest(whom.identity)
        return digest, records.by_digest(digest)
    found = records.by_pseudonym(str(whom.person))
    return (found.digest if found else ""), found
