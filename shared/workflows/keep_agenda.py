"""Time has passed for the plans themselves: open their drills, send their digests, read their calendars, and
say where nobody will be on call."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain import agenda as ahead
from shared.domain.agenda import AgendaState, Duty, Gap
from shared.domain.briefing import BadTemplate, digest_briefing
from shared.domain.delivery import Message
from shared.domain.errors import Conflict
from shared.domain.incident import Incident
from shared.domain.journal import own_journal
from shared.domain.plan import Contact, Plan
from shared.domain.schedule import Digest
from shared.domain.timeline import stamp
from shared.domain.ways import open_ways
from shared.ports import (
    AdvanceQueue,
    Agenda,
    Channel,
    IncidentStore,
    Journals,
    Plans,
    RulesArchive,
    Secrets,
    Selection,
    Wording,
)
from shared.workflows.note_in_journal import note_in_journal
from shared.workflows.punctuality import come_back
from shared.workflows.read_calendars import ReadCalendars, attempt
from shared.workflows.tell_contact import Told, tell

log = logging.getLogger(__name__)

AT_ONCE = 8
BUDGET = timedelta(seconds=20)
"""After this long a run begins nothing new; the next goes on."""
MOST_LISTED = 500
"""Incidents that one digest counts."""
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class _Outcome:
    """What became of a duty: nothing is left, or others take its place, now or at a later run."""

    instead: tuple[Duty, ...] = ()
    later: tuple[Duty, ...] = ()
    gaps: tuple[Gap, ...] | None = None
    """The gaps on record from now on, where the duty was to look for them."""


DONE = _Outcome()


@dataclass(frozen=True)
class _Run:
    """One plan's agenda being carried out."""

    plan: Plan
    clock: Clock
    left_over: frozenset[Duty]
    """Duties of an earlier run, which may have been done but for the record of it."""
    reported: tuple[Gap, ...]
    listed: dict[str, list[Incident]] = field(default_factory=dict)


@dataclass
class KeepAgenda:
    """The workflow behind the timer, for the plans as `AdvanceIncidents` is for their incidents."""

    plans: Plans
    store: IncidentStore
    rules: RulesArchive
    queue: AdvanceQueue
    journals: Journals
    agenda: Agenda
    calendars: ReadCalendars
    channels: Mapping[str, Channel]
    secrets: Secrets
    wording: Wording

    def keep(self, clock: Clock) -> int:
        """Carry out what has come due in every plan; how many duties are done.

        One plan, calendar or duty that fails stops no other: the failures are raised together at the end, and
        what failed is tried again by the next run.
        """
        plans = [plan for plan in self.plans.all() if ahead.has_agenda(plan)]
        failures: list[Exception] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = list(pool.map(lambda plan: self._keep_plan(plan, clock, failures), plans))
        if failures:
            raise ExceptionGroup(f"{len(failures)} failures in keeping {len(plans)} agendas", failures)
        return sum(done)

    def _keep_plan(self, plan: Plan, clock: Clock, failures: list[Exception]) -> int:
        started, done = clock(), 0

        def carry_out() -> None:
            nonlocal done
            done = self._carry_out(plan, started, clock, failures)

        attempt(carry_out, f"the agenda of {plan.name}", failures)
        until = started + BUDGET
        attempt(
            lambda: self.calendars.read(plan, until, clock, failures), f"calendars of {plan.name}", failures
        )
        return done

    def _carry_out(self, plan: Plan, started: datetime, clock: Clock, failures: list[Exception]) -> int:
        """Take the agenda's due duties on, and do them one after the other; how many are done."""
        try:
            found = self.agenda.state(plan.name)
            if found is None:
                self.agenda.save(plan.name, ahead.begun(plan, started), None)
                return 0
            before, tag = found
            if before.held_until is not None and before.held_until > started:
                return 0
            state = ahead.scheduled(before, plan, started)
            if not state.duties:
                if started - before.until >= ahead.REFRESH or state.covered != before.covered:
                    self.agenda.save(plan.name, replace(state, held_until=None), tag)
                return 0
            state = replace(state, held_until=started + ahead.HOLD)
            tag = self.agenda.save(plan.name, state, tag)
            run = _Run(plan, clock, frozenset(before.duties), before.gaps)
            return self._do_all(run, state, tag, started, failures)
        except Conflict:
            return 0  # somebody else is at it

    def _do_all(
        self, run: _Run, state: AgendaState, tag: str, started: datetime, failures: list[Exception]
    ) -> int:
        """Each duty in turn, and the agenda saved after each. Raises Conflict where somebody took over."""
        waiting, later, done = deque(state.duties), list[Duty](), 0
        while waiting and run.clock() - started < BUDGET:
            duty = waiting.popleft()
            outcome = self._done(duty, run, failures)
            later += outcome.later
            waiting.extendleft(reversed(outcome.instead))
            done += not outcome.later and not outcome.instead
            state = replace(
                state,
                duties=(*later, *waiting),
                gaps=state.gaps if outcome.gaps is None else outcome.gaps,
                held_until=state.held_until if waiting else None,
            )
            tag = self.agenda.save(run.plan.name, state, tag)
        if waiting:
            self.agenda.save(run.plan.name, replace(state, held_until=None), tag)
        return done

    def _done(self, duty: Duty, run: _Run, failures: list[Exception]) -> _Outcome:
        outcomes: list[_Outcome] = []
        attempt(lambda: outcomes.append(self._do(duty, run)), f"{duty.work} {duty.name}", failures)
        return outcomes[0] if outcomes else _Outcome(later=(duty,))

    def _do(self, duty: Duty, run: _Run) -> _Outcome:
        match duty.work:
            case "drill":
                return self._drill(duty, run)
            case "drill-missed":
                data = {"drill": duty.name, "due": stamp(duty.due)}
                return self._note(run, duty, "drill-missed", data, duty.due)
            case "digest-missed":
                return self._note_digest(run, duty, "digest-failed", None, None)
            case "digest":
                return self._digest(duty, run)
            case "coverage":
                return self._coverage(duty, run)
            case "coverage-told":
                return self._tell_of_gaps(duty, run)

    def _drill(self, duty: Duty, run: _Run) -> _Outcome:
        plan, now = run.plan, run.clock()
        drill = next((each for each in plan.drills if each.name == duty.name), None)
        if drill is None or ahead.too_late(duty.due, now) or not ahead.ruled(plan, drill):
            return _Outcome(instead=(replace(duty, work="drill-missed"),))
        self.rules.keep(plan.rules)
        place = self.store.place(ahead.drill_group(plan, drill, duty.due))
        if place.newest is not None:
            incident = place.newest.incident
        else:
            change = ahead.rehearse(plan, drill, duty.due, place.slot.partition, now)
            incident = self.store.save(change, None)[0].incident
            come_back(self.queue, None, incident, now)
        data = {
            "drill": drill.name,
            "due": stamp(duty.due),
            "late_seconds": _late(duty, now),
            "incident": incident.id,
        }
        return self._note(run, duty, "drill-opened", data, duty.due)

    def _digest(self, duty: Duty, run: _Run) -> _Outcome:
        """First decide whom to tell, each as a duty of its own; then tell."""
        plan, now = run.plan, run.clock()
        digest = next((each for each in plan.digests if each.name == duty.name), None)
        if digest is None:
            return self._note_digest(run, duty, "digest-failed", None, None)
        incidents = self._listed(digest, run)
        if not incidents:
            return self._note_digest(run, duty, "digest-sent", None, 0)
        if duty.contact is not None:
            return self._send_digest(duty, digest, incidents, run)
        contacts, nobody = ahead.told(plan, digest.notify, now)
        if nobody:
            self._note_digest(run, duty, "digest-failed", None, len(incidents))
        return _Outcome(instead=tuple(replace(duty, contact=contact) for contact in contacts))

    def _send_digest(self, duty: Duty, digest: Digest, incidents: Sequence[Incident], run: _Run) -> _Outcome:
        plan, now = run.plan, run.clock()
        message = ahead.digest_message(plan, digest, incidents, duty.due)
        template = digest.template or message.kind
        if template in plan.templates:
            message = self._worded(plan, template, message, incidents, now)
        told = self._send(duty, message, run)
        if told.accepted:
            return self._note_digest(run, duty, "digest-sent", told.channel, len(incidents))
        if told.again and ahead.worth_trying(duty, run.clock()):
            return _Outcome(later=(duty,))
        return self._note_digest(run, duty, "digest-failed", told.channel, len(incidents))

    def _worded(
        self, plan: Plan, template: str, message: Message, incidents: Sequence[Incident], now: datetime
    ) -> Message:
        try:
            told = digest_briefing(plan, message, incidents, now)
            return replace(message, words=self.wording.words(plan, template, told))
        except BadTemplate as bad:
            log.warning("%s: template %s cannot be filled in (%s)", plan.name, template, bad)
            return message

    def _coverage(self, duty: Duty, run: _Run) -> _Outcome:
        """Put new gaps on record, and tell the alarm contacts of them."""
        plan, now = run.plan, run.clock()
        found = ahead.coverage(plan, now)
        new = ahead.unreported(found, run.reported)
        for gap in new:
            data = {"rotation": gap.rotation, "from": stamp(gap.since), "until": stamp(gap.until)}
            self._note(run, duty, "coverage-gap", data, now)
        contacts, nobody = ahead.told(plan, plan.rules.alarm if new else (), now)
        for name in nobody:
            log.warning("nobody is behind alarm contact %s of %s", name, plan.name)
        text = ahead.gaps_text(plan, new)
        telling = (Duty("coverage-told", "-", duty.due, duty.taken_at, contact, text) for contact in contacts)
        return _Outcome(instead=tuple(telling), gaps=tuple(found))

    def _tell_of_gaps(self, duty: Duty, run: _Run) -> _Outcome:
        told = self._send(duty, ahead.coverage_message(run.plan, duty), run)
        if told.again and ahead.worth_trying(duty, run.clock()):
            return _Outcome(later=(duty,))
        return DONE

    def _listed(self, digest: Digest, run: _Run) -> list[Incident]:
        """The live incidents of its severities, but for drills; read once a run."""
        if digest.name not in run.listed:
            wanted = Selection(
                lambda one: not (one.over or one.hidden or one.drill) and one.severity in digest.severities,
                frozenset({run.plan.name}),
                limit=MOST_LISTED,
                live=True,
            )
            found = self.store.page(wanted).incidents
            run.listed[digest.name] = ahead.loudest_first(run.plan, found)
        return run.listed[digest.name]

    def _send(self, duty: Duty, message: Message, run: _Run) -> Told:
        """Tell the contact by the first open way that takes it."""
        plan = run.plan
        contact = plan.directory.contacts.get(duty.contact or "", Contact("-"))
        open_now = open_ways(plan.directory, contact, message.severity, message.kind, run.clock())
        key = ahead.duty_key(plan.name, duty)
        return tell(plan, [way for _, way in open_now], message, key, self.channels, self.secrets, run.clock)

    def _note_digest(
        self, run: _Run, duty: Duty, type: str, channel: str | None, incidents: int | None
    ) -> _Outcome:
        now = run.clock()
        data = {
            "digest": duty.name,
            "due": stamp(duty.due),
            "late_seconds": _late(duty, now),
            "contact": duty.contact,
            "channel": channel,
            "incidents": incidents,
        }
        return self._note(run, duty, type, data, now)

    def _note(
        self, run: _Run, duty: Duty, type: str, data: Mapping[str, Any], occurred_at: datetime
    ) -> _Outcome:
        """Put it on record, unless an earlier run did and was cut off before it could say so."""
        now = run.clock()
        if duty not in run.left_over or not self._is_noted(run.plan, type, data, now):
            note_in_journal(self.journals, run.plan, type, data, occurred_at, now)
        return DONE

    def _is_noted(self, plan: Plan, type: str, data: Mapping[str, Any], now: datetime) -> bool:
        wanted = _identity(data)
        days = {own_journal(plan.name, now - timedelta(days=back)).id for back in (0, 1)}
        return any(
            event.type == type and _identity(event.data) == wanted
            for subject in sorted(days)
            for event in self.store.events(subject)
        )


def _late(duty: Duty, now: datetime) -> int:
    return max(0, int((now - duty.due).total_seconds()))


def _identity(data: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two events of the journal speak of the same thing."""
    return {
        name: data.get(name) for name in ("drill", "digest", "due", "contact", "rotation", "from", "until")
    }
