"""Nightly: let go of what has been kept long enough, unless somebody holds it, and put that on record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from shared.domain import retention
from shared.domain.errors import Conflict, NotFound, StoreUnavailable
from shared.domain.incident import Incident
from shared.domain.journal import Journal, parse_journal_id
from shared.domain.plan import Plan
from shared.domain.retention import Counts, Kept, What
from shared.domain.timeline import parse_stamp, stamp
from shared.domain.week import week_of
from shared.export_ports import Exports
from shared.ports import IncidentStore, Journals, Plans, Stored
from shared.workflows.export_kpis import list_bundles
from shared.workflows.keep_holds import KEEPING, KeepHolds
from shared.workflows.punctuality import let_others_go_first
from shared.workflows.read_calendars import attempt
from shared.workflows.record_once import Fact, Ledger, Reached, RecordOnce

log = logging.getLogger(__name__)

BUDGET = timedelta(minutes=7)
"""After this long a run begins nothing new; the platform ends it after ten minutes."""
MOST = 5_000
"""Subjects that one run purges; the next goes on."""
HOLD = timedelta(minutes=10)
"""How long one run keeps others from what it purges; what was cut off is finished after that."""
MOST_TRIES = 12
PURGED_WEEKS = "purged-weeks"
Clock = Callable[[], datetime]


class Storage(Protocol):
    """Where the rows are. Every method may raise StoreUnavailable."""

    def kept(self, until_week: str) -> Iterator[Kept]:
        """What has events in a week up to and including that one, by week, the longest ago first."""

    def weeks(self, plan: str, subject: str, since: datetime, until: datetime) -> list[str]:
        """The weeks between these instants in which it may have events, in order."""

    def counts(self, incident: Incident) -> Counts:
        """How many rows of each kind it has."""

    def count_texts(self, incident: str, length: int) -> int:
        """How many free texts its first so many events have."""

    def count_events(self, journal: Journal) -> int:
        """How many events of a day's journal are there."""

    def drop_incident(self, stored: Stored) -> None:
        """Delete the incident's own row: from then on it is not there. Raises Conflict where it moved on."""

    def drop_rows(self, incident: str) -> None:
        """Delete everything else of it."""

    def drop_words(self, stored: Stored) -> None:
        """Erase from its row and messages what it was declared with. Raises Conflict where it moved on."""

    def drop_texts(self, incident: str, length: int) -> None:
        """Delete the free texts of its first so many events alone: what comes meanwhile stays."""

    def drop_journal(self, journal: Journal) -> None:
        """Delete a day's journal."""

    def place_in_list(self, incident: Incident) -> str:
        """Its key in the list."""

    def drop_hints(self, plan: str, subject: str, weeks: Sequence[str], listed: str | None) -> None:
        """Delete what the index has of it."""

    def mark(self, plan: str, subject: str, weeks: Sequence[str], length: int) -> None:
        """Note in the index that the texts of so many events are gone."""


@dataclass
class _Round:
    """One plan in one run."""

    plan: Plan
    texts_until: str
    """Last week in which there can be texts that may go; empty: they never may."""
    incidents_until: str
    exported: frozenset[str]
    clock: Clock
    seen: set[str] = field(default_factory=set)
    not_exported: set[str] = field(default_factory=set)
    """Weeks without a complete bundle, of what could go but for them."""
    done: int = 0
    trying: str | None = None
    """The subject for which this run has the plan's turn, or last had it and failed."""

    def is_exported(self, weeks: Sequence[str]) -> bool:
        """Whether all of them have a complete bundle; which have none is kept to be said."""
        missing = set(weeks) - self.exported
        self.not_exported |= missing
        return not missing


@dataclass
class Purge:
    """The workflow behind the nightly timer."""

    plans: Plans
    store: IncidentStore
    storage: Storage
    journals: Journals
    exports: Exports
    holds: KeepHolds
    ledger: Ledger
    once: RecordOnce

    def run(self, clock: Clock) -> int:
        """Purge what may go, the oldest first; how many subjects were.

        One that fails stops no other: the failures are raised together at the end.
        """
        failures: list[Exception] = []
        started, rounds = clock(), dict[str, _Round]()
        for plan in self.plans.all():
            attempt(lambda plan=plan: self._begin(plan, clock, rounds), plan.name, failures)  # type: ignore[misc]
        weeks = [week for each in rounds.values() for week in (each.texts_until, each.incidents_until)]
        if any(weeks):
            for kept in self.storage.kept(max(weeks)):
                done = sum(each.done for each in rounds.values())
                if done >= MOST or clock() - started >= BUDGET:
                    log.info("the purge stops after %d; the next run goes on", done)
                    break
                turn = rounds.get(kept.plan)
                if turn is not None and kept.subject not in turn.seen:
                    attempt(lambda kept=kept, turn=turn: self._look_at(kept, turn), kept.subject, failures)  # type: ignore[misc]
        _warn_of_gaps(rounds.values())
        if failures:
            raise ExceptionGroup(f"{len(failures)} failures in a purge", failures)
        return sum(each.done for each in rounds.values())

    def _begin(self, plan: Plan, clock: Clock, rounds: dict[str, _Round]) -> None:
        """Finish what an earlier run left half done, and see what may go now."""
        now = clock()
        try:
            reached = self.once.reached(plan, KEEPING, now)
        except Conflict:
            return  # somebody is placing a hold
        purging = reached.position.get("purging")
        if purging is not None:
            if parse_stamp(purging["held_until"]) > now:
                return  # another run is at it
            self._claim(plan, reached, purging, clock)
        keep = plan.retention
        if keep.texts is None and keep.incidents is None:
            return
        if self.holds.held(plan, None) is not None:
            return
        bundles = list_bundles(plan.name, self.exports)
        rounds[plan.name] = _Round(
            plan,
            week_of(now - keep.texts, plan.rules.timezone) if keep.texts else "",
            week_of(now - keep.incidents, plan.rules.timezone) if keep.incidents else "",
            frozenset(bundle.week for bundle in bundles),
            clock,
        )

    def _look_at(self, kept: Kept, turn: _Round) -> None:
        if kept.week > turn.incidents_until and (kept.texts_gone or kept.week > turn.texts_until):
            return
        turn.seen.add(kept.subject)
        journal = parse_journal_id(kept.subject)
        if journal is not None:
            self._look_at_journal(journal, turn)
            return
        try:
            stored = self.store.load(kept.subject)
        except NotFound:
            if kept.week <= turn.incidents_until:  # a hint without an incident, long ago
                self.storage.drop_hints(kept.plan, kept.subject, [kept.week], None)
            return
        self._look_at_incident(stored, turn)

    def _look_at_incident(self, stored: Stored, turn: _Round) -> None:
        incident, keep, now = stored.incident, turn.plan.retention, turn.clock()
        ended = retention.ended_at(incident)
        if not retention.nothing_to_come(incident) or incident.plan != turn.plan.name:
            return
        whole = retention.lapsed(ended, keep.incidents, now) and retention.quiet(incident, now)
        texts = retention.lapsed(ended, keep.texts, now)
        if not (whole or texts) or self.store.owed(incident):
            return
        last = incident.recorded_at or incident.opened_at
        weeks = self.storage.weeks(incident.plan, incident.id, min(incident.opened_at, ended), last)
        if whole and keep.incidents is not None and turn.is_exported(weeks):
            counts = self.storage.counts(incident)
            listed = None if incident.hidden else self.storage.place_in_list(incident)
            self._purge(turn, "incident", incident, keep.incidents, counts, weeks, listed)
        elif texts and keep.texts is not None:
            counts = Counts(texts=self.storage.count_texts(incident.id, incident.length))
            if counts.texts == 0:
                self.storage.mark(incident.plan, incident.id, weeks, incident.length)
            else:
                self._purge(turn, "texts", incident, keep.texts, counts, weeks, None)

    def _purge(
        self,
        turn: _Round,
        what: What,
        incident: Incident,
        keep: timedelta,
        counts: Counts,
        weeks: list[str],
        listed: str | None,
    ) -> None:
        ended = retention.ended_at(incident)
        data = retention.purged(what, incident.id, ended, keep, counts, incident.length, incident.head)
        purging = {
            "subject": incident.id,
            "version": incident.version,
            "weeks": weeks,
            "listed": listed,
            "data": data,
        }
        self._in_turn(turn, purging)

    def _look_at_journal(self, journal: Journal, turn: _Round) -> None:
        """A day's journal goes as the incidents of that day do; any hold in the plan keeps them all."""
        keep, now = turn.plan.retention.incidents, turn.clock()
        begins = datetime.strptime(journal.day, "%Y%m%d").replace(tzinfo=UTC)
        ends = begins + timedelta(days=1)
        if keep is None or not retention.lapsed(ends, keep, now):
            return
        weeks = self.storage.weeks(journal.plan, journal.id, begins, ends)
        found, tag = self.journals.journal(journal)
        if tag is None:
            self.storage.drop_hints(journal.plan, journal.id, weeks, None)
        elif turn.is_exported(weeks):
            counts = Counts(events=self.storage.count_events(journal))
            data = retention.purged("journal", journal.id, None, keep, counts, found.length, found.head)
            purging = {"subject": journal.id, "version": 0, "weeks": weeks, "listed": None, "data": data}
            self._in_turn(turn, purging)

    def _in_turn(self, turn: _Round, purging: Mapping[str, Any]) -> None:
        """Claim the plan's turn for this subject, then purge it; not where something holds it by now."""
        try:
            reached = self.once.reached(turn.plan, KEEPING, turn.clock())
            left = reached.position.get("purging")
            if left is not None and left["subject"] == turn.trying:  # our own, which failed: it goes first
                turn.done += self._claim(turn.plan, reached, left, turn.clock)
                reached = self.once.reached(turn.plan, KEEPING, turn.clock())
                left = reached.position.get("purging")
            if left is None:
                turn.trying = purging["subject"]
                turn.done += self._claim(turn.plan, reached, purging, turn.clock)
            turn.trying = None
        except Conflict:
            turn.trying = None
            log.info("%s has moved on; the next purge looks again", purging["subject"])

    def _claim(self, plan: Plan, reached: Reached, purging: Mapping[str, Any], clock: Clock) -> bool:
        """Take the turn; a hold that was placed before is seen, one that comes later sees the turn."""
        if self._is_held(plan, purging):
            if reached.position.get("purging") is not None:
                self._finish(plan, purging, self._gone(purging), clock)
            return False
        claimed = {**purging, "held_until": stamp(clock() + HOLD)}
        self.once.go_on(plan, KEEPING, reached, {"purging": claimed})
        whole = self._delete(plan, claimed, clock)
        self._finish(plan, claimed, claimed["data"] if whole else self._gone(claimed), clock)
        return whole

    def _is_held(self, plan: Plan, purging: Mapping[str, Any]) -> bool:
        """Whether something keeps it that is still there."""
        data = purging["data"]
        if data["what"] == "journal":
            return self.holds.held_in(plan) is not None
        if self.holds.held(plan, purging["subject"]) is None:
            return False
        return data["what"] == "texts" or self._stored(purging) is not None

    def _gone(self, purging: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is to be on record of a purge that was cut off, and whose rest stays; None: nothing went."""
        data = purging["data"]
        journal = parse_journal_id(purging["subject"])
        if data["what"] == "texts":
            kind, left = "texts", self.storage.count_texts(purging["subject"], data["length"])
        elif journal is not None:
            kind, left = "events", self.storage.count_events(journal)
        else:
            return None  # an incident's own row goes first: without that row the rest goes whatever comes
        gone = data[kind] - left
        return {**data, kind: gone} if gone > 0 else None

    def _delete(self, plan: Plan, purging: Mapping[str, Any], clock: Clock) -> bool:
        """False: it moved on since it was claimed, and what is left of it stays."""
        journal = parse_journal_id(purging["subject"])
        stored = self._stored(purging) if journal is None else None
        if stored is not None and not _is_as_claimed(stored, purging, clock()):
            return False
        if purging["data"]["what"] == "texts":
            return stored is not None and self._delete_texts(plan, stored, purging)
        self._note_weeks(plan, purging["weeks"])
        if journal is not None:
            self.storage.drop_journal(journal)
        elif stored is None or self._drop_incident(stored, purging):
            self.storage.drop_rows(purging["subject"])
        else:
            return False
        self.storage.drop_hints(plan.name, purging["subject"], purging["weeks"], purging["listed"])
        return True

    def _delete_texts(self, plan: Plan, stored: Stored, purging: Mapping[str, Any]) -> bool:
        """What repeats a text goes before the text: as long as that is there, a later run finds the rest."""
        subject, length = purging["subject"], purging["data"]["length"]
        if retention.declared_by_hand(stored.incident):
            try:
                self.storage.drop_words(stored)
            except Conflict:
                return False
        self.storage.drop_texts(subject, length)
        self.storage.mark(plan.name, subject, purging["weeks"], length)
        return True

    def _drop_incident(self, stored: Stored, purging: Mapping[str, Any]) -> bool:
        """Its own row first, so that nothing half gone looks like an incident."""
        try:
            self.storage.drop_incident(stored)
        except Conflict:
            return self._stored(purging) is None  # else our own delete, whose answer got lost
        return True

    def _stored(self, purging: Mapping[str, Any]) -> Stored | None:
        try:
            return self.store.load(purging["subject"])
        except NotFound:
            return None

    def _finish(
        self, plan: Plan, purging: Mapping[str, Any], data: Mapping[str, Any] | None, clock: Clock
    ) -> None:
        """Put it on record and give the turn back; a hold placed meanwhile has moved the entry on."""
        for tried in range(MOST_TRIES):
            now = clock()
            try:
                reached = self.once.reached(plan, KEEPING, now)
                if reached.position.get("purging") != purging:
                    return  # another run took over, and finishes it
                if data is None:
                    self.once.go_on(plan, KEEPING, reached, {})
                else:
                    self.once.record(plan, KEEPING, reached, Fact("purged", data, now), {}, now)
            except Conflict:
                let_others_go_first(tried)
            else:
                return
        raise StoreUnavailable("too many others are changing the holds of this plan")

    def _note_weeks(self, plan: Plan, weeks: Sequence[str]) -> None:
        """Before anything of them goes."""
        found = self.ledger.entry(plan.name, PURGED_WEEKS)
        known = set(found[0]["weeks"]) if found else set()
        if not known.issuperset(weeks):
            entry = {"weeks": sorted(known.union(weeks))}
            self.ledger.save(plan.name, PURGED_WEEKS, entry, found[1] if found else None)


def _is_as_claimed(stored: Stored, purging: Mapping[str, Any], now: datetime) -> bool:
    """Whether nothing has happened to it since, and the turn is still ours."""
    return stored.incident.version == purging["version"] and now < parse_stamp(purging["held_until"])


def _warn_of_gaps(rounds: Iterable[_Round]) -> None:
    """Records of a week that never gets a bundle are never purged: somebody has to compile it."""
    gaps = sorted(f"{week} of {turn.plan.name}" for turn in rounds for week in turn.not_exported)
    if gaps:
        log.warning(
            "%d weeks without a complete bundle keep records whose time is over, the first %s",
            len(gaps),
            gaps[0],
        )


def purged_weeks(ledger: Ledger, plan: str) -> frozenset[str]:
    """The weeks whose timelines are not whole any more: their bundles stand, none can be made anew."""
    found = ledger.entry(plan, PURGED_WEEKS)
    return frozenset(found[0]["weeks"]) if found else frozenset()
