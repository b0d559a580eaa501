"""Read the calendars of a plan's contacts, so that on call is who is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from shared.domain import agenda as ahead
from shared.domain.agenda import CalendarUnreadable, Reading
from shared.domain.plan import Calendar, Contact, Plan
from shared.ports import Agenda, Calendars, Journals
from shared.workflows.note_in_journal import note_in_journal

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


@dataclass
class ReadCalendars:
    """A calendar that cannot be read leaves its contact's absences as they were."""

    agenda: Agenda
    calendars: Calendars
    journals: Journals
    news: Callable[[str], None] = lambda _plan: None
    """Called with the plan's name whenever one of its calendars says something new."""

    def read(self, plan: Plan, until: datetime, clock: Clock, failures: list[Exception]) -> None:
        """Ask every calendar not asked lately, the longest waiting first; begin with none after ``until``."""
        contacts = [contact for contact in plan.directory.contacts.values() if contact.calendar]
        if not contacts:
            return
        known, now = self.agenda.readings(plan.name), clock()
        due = [each for each in contacts if each.name not in known or not known[each.name].stands(now)]
        due.sort(key=lambda each: known[each.name].tried_at.timestamp() if each.name in known else 0.0)
        for contact in due:
            if clock() >= until:
                break
            read = partial(self._read, plan, contact, known.get(contact.name), clock)
            attempt(read, f"the calendar of {contact.name}", failures)

    def _read(self, plan: Plan, contact: Contact, before: Reading | None, clock: Clock) -> None:
        """Keep what it says; on record only where that is news."""
        now = clock()
        calendar = contact.calendar or Calendar()
        since, until = now + ahead.ABSENT_SINCE, now + ahead.ABSENT_UNTIL
        failing = before is not None and before.failing
        data: dict[str, Any] = {"contact": contact.name, "absences": None, "why": None}
        try:
            absences = self.calendars.absences(calendar, since, until, plan.rules.timezone)
        except CalendarUnreadable as fault:
            if not failing:
                self._note(plan, "calendar-unreadable", data | {"why": str(fault)}, now)
            old = before or Reading((), now)
            self.agenda.keep_reading(plan.name, contact.name, replace(old, tried_at=now, failing=True))
            return
        if failing or not ahead.same_absences(before, absences, now):
            self._note(plan, "calendar-read", data | {"absences": len(absences)}, now)
        self.agenda.keep_reading(plan.name, contact.name, Reading(absences, now, now))
        self.news(plan.name)

    def _note(self, plan: Plan, type: str, data: Mapping[str, Any], now: datetime) -> None:
        note_in_journal(self.journals, plan, type, data, now, now)


def attempt(work: Callable[[], object], what: str, failures: list[Exception]) -> None:
    """Do it; a failure stops nobody else, and is kept to be raised at the end."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  (one bad plan, calendar or duty must stop no other)
        log.warning("%s failed (%s)", what, type(error).__name__)
        failures.append(error)
