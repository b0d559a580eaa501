"""What a plan does by itself, by local clocks: drills, digests, and looking for hours that nobody covers.
What has come due is owed as a duty before it is done, so that an outage loses nothing and repeats nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from shared.domain.change import TOCSIN, Change
from shared.domain.delivery import Message
from shared.domain.errors import TocsinError
from shared.domain.escalation import fire_lapsed
from shared.domain.hours import at_local, is_business_day, local_day, zone_of
from shared.domain.incident import GroupKey, Head, Incident
from shared.domain.oncall import Absence, gaps, on_call
from shared.domain.opening import open_incident
from shared.domain.plan import Plan
from shared.domain.schedule import Digest, Drill

DRILL_LATEST = timedelta(hours=24)
"""A drill that is found later than this is missed, not run."""
TELL_WITHIN = timedelta(hours=6)
"""How long a contact is tried again before a digest counts as failed."""
LOOK_BACK = timedelta(days=40)
"""What lapsed longer ago than this is forgotten."""
COVERAGE_AHEAD = timedelta(days=14)
REFRESH = timedelta(minutes=10)
"""How often an idle agenda notes how far it is: what is added to a plan is made up for no further back."""
HOLD = timedelta(minutes=3)
"""How long one run keeps others from an agenda; a run that was cut off is made good after that."""
READ_EVERY = timedelta(hours=1)
READ_AGAIN = timedelta(minutes=10)
"""Pause before a calendar that could not be read is asked again."""
ABSENT_SINCE, ABSENT_UNTIL = timedelta(days=-1), timedelta(days=90)
"""The stretch around now for which absences are kept."""
MOST_GAPS = 200
MOST_LINES = 50
"""Incidents or gaps that one message lists; it says how many more there are."""

Work = Literal["drill", "drill-missed", "digest", "digest-missed", "coverage", "coverage-told"]


class CalendarUnreadable(TocsinError):
    """A calendar did not give its absences; the text never holds its address."""


@dataclass(frozen=True)
class Occurrence:
    """One time at which a drill or digest is due."""

    kind: Literal["drill", "digest"]
    name: str
    due: datetime


@dataclass(frozen=True)
class Duty:
    """Something that has come due and is not done yet."""

    work: Work
    name: str
    """Of the drill or digest; ``-`` where it is about the whole plan."""
    due: datetime
    taken_at: datetime
    """When it was found to be due."""
    contact: str | None = None
    """Who is to be told; None until that is settled."""
    text: str = ""
    """What is to be said, where that cannot be looked up again."""


@dataclass(frozen=True)
class Gap:
    """A stretch in which nobody of a rotation has the duty; half-open, UTC."""

    rotation: str
    since: datetime
    until: datetime
    ends: bool = True
    """False where it reaches as far as one looked ahead."""

    def within(self, other: Gap) -> bool:
        """Whether ``other`` has told of it already."""
        if self.rotation != other.rotation or self.since < other.since:
            return False
        return not other.ends or (self.ends and self.until <= other.until)


@dataclass(frozen=True)
class AgendaState:
    """How far a plan's agenda is: what was scheduled up to and including ``until`` is done, or a duty."""

    until: datetime
    covered: str = ""
    """The local date on which coverage was last looked at."""
    duties: tuple[Duty, ...] = ()
    gaps: tuple[Gap, ...] = ()
    """Gaps on record, as of the latest look."""
    held_until: datetime | None = None
    """Somebody is carrying it out until then."""


@dataclass(frozen=True)
class Reading:
    """What a contact's calendar said when it was last read, and how the latest try went."""

    absences: tuple[Absence, ...]
    tried_at: datetime
    read_at: datetime | None = None
    failing: bool = False

    def stands(self, now: datetime) -> bool:
        """Whether the calendar need not be asked yet."""
        return now - self.tried_at <= (READ_AGAIN if self.failing else READ_EVERY)


def has_agenda(plan: Plan) -> bool:
    """Whether the plan does anything by itself."""
    known = plan.directory
    reads = any(contact.calendar for contact in known.contacts.values())
    return bool(plan.drills or plan.digests or known.rotations or reads)


def occurrences(plan: Plan, after: datetime, until: datetime) -> list[Occurrence]:
    """Every drill and digest due in (``after``, ``until``], in order.

    A fifth weekday that a month does not have is not made up for; a time that local clocks skip comes as much
    later as they skip, one that they show twice comes at the first.
    """
    timezone = plan.rules.timezone
    day, last = local_day(after, timezone) - timedelta(days=1), local_day(until, timezone)
    found: list[Occurrence] = []
    while day <= last:
        found += [
            Occurrence("drill", drill.name, at_local(day, drill.at, timezone))
            for drill in plan.drills
            if _is_on(drill, day)
        ]
        found += [
            Occurrence("digest", digest.name, at_local(day, digest.at, timezone))
            for digest in plan.digests
            if _is_told_on(digest, day, plan)
        ]
        day += timedelta(days=1)
    return sorted((one for one in found if after < one.due <= until), key=lambda one: one.due)


def begun(plan: Plan, now: datetime) -> AgendaState:
    """The agenda of a plan that is seen for the first time: nothing before that is made up for."""
    return AgendaState(now, local_day(now, plan.rules.timezone).isoformat())


def scheduled(state: AgendaState, plan: Plan, now: datetime) -> AgendaState:
    """The agenda with a duty for all that has come due; of one drill or digest only the latest is done."""
    found = occurrences(plan, max(state.until, now - LOOK_BACK), now)
    latest = {(each.kind, each.name): each for each in found}
    duties = [_duty(each, missed=latest[each.kind, each.name] is not each, now=now) for each in found]
    timezone = plan.rules.timezone
    today = local_day(now, timezone)
    if plan.directory.rotations and today.isoformat() > state.covered:
        duties.append(Duty("coverage", "-", at_local(today, 0, timezone), now))
    return replace(
        state,
        until=max(state.until, now),
        covered=max(state.covered, today.isoformat()),
        duties=(*state.duties, *duties),
    )


def too_late(drill_due: datetime, now: datetime) -> bool:
    """Whether a drill is not worth running any more."""
    return now - drill_due > DRILL_LATEST


def ruled(plan: Plan, drill: Drill) -> bool:
    """Whether the rules that rule have the drill's severity: while new ones are rolled out they may not."""
    if plan.rollout is None:
        return True
    return any(severity.name == drill.severity for severity in plan.rules.severities)


def rehearse(plan: Plan, drill: Drill, due: datetime, partition: str, now: datetime) -> Change:
    """Open a drill's incident, as any other is opened; one per drill and local date."""
    group = drill_group(plan, drill, due)
    incident = Incident(
        partition,
        1,
        plan.name,
        None,
        group,
        drill.name,
        drill.service,
        drill.severity,
        plan.rules.hash,
        now,
        title=f"Drill: {drill.title or drill.name}",
        summary=drill.scenario,
        drill=drill.name,
    )
    draft = open_incident(incident, plan.rules, plan.directory, TOCSIN, f"drill {drill.name}", now, None, now)
    draft.head = Head(group, next_n=2)
    fire_lapsed(draft, now, inclusive=True)
    return draft.finish()


def worth_trying(duty: Duty, now: datetime) -> bool:
    """Whether to tell a contact again later, whose channels failed for now."""
    return now - duty.taken_at < TELL_WITHIN


def drill_group(plan: Plan, drill: Drill, due: datetime) -> str:
    """The digest of the group key of one occurrence of a drill."""
    day = local_day(due, plan.rules.timezone).isoformat()
    return GroupKey(plan.name, "drill", f"{drill.name}\n{day}").digest


def told(plan: Plan, notify: Sequence[str], now: datetime) -> tuple[list[str], list[str]]:
    """The contacts behind names of contacts and rotations, each once; and the names that lead to nobody."""
    found: dict[str, None] = {}
    nobody: list[str] = []
    known = plan.directory
    for name in notify:
        rotation = known.rotations.get(name)
        contact = on_call(rotation, known.absences, now).contact if rotation else name
        if contact is None or contact not in known.contacts:
            nobody.append(name)
        else:
            found[contact] = None
    return list(found), nobody


def coverage(plan: Plan, now: datetime) -> list[Gap]:
    """The gaps of every rotation in the next two weeks, at most `MOST_GAPS`, soonest first."""
    ahead = now + COVERAGE_AHEAD
    found = [
        Gap(rotation.name, shift.since, shift.until, shift.until < ahead)
        for rotation in plan.directory.rotations.values()
        for shift in gaps(rotation, plan.directory.absences, now, ahead)
    ]
    return sorted(found, key=lambda gap: (gap.since, gap.rotation))[:MOST_GAPS]


def unreported(found: Sequence[Gap], reported: Sequence[Gap]) -> list[Gap]:
    """The gaps that are not on record yet."""
    return [gap for gap in found if not any(gap.within(other) for other in reported)]


def loudest_first(plan: Plan, incidents: Sequence[Incident]) -> list[Incident]:
    """In the order in which a digest lists them; of one severity the oldest first."""
    return sorted(incidents, key=lambda one: (_loudness(plan, one), one.opened_at, one.id))


def digest_message(plan: Plan, digest: Digest, incidents: Sequence[Incident], due: datetime) -> Message:
    """What is open as one message; ``incidents`` is `loudest_first`, and not empty."""
    lines = [
        f"{one.id} [{one.severity}] {' '.join((one.title or one.name).split())}, {one.status}, "
        f"since {_local(one.opened_at, plan)}"
        for one in incidents
    ]
    return Message(
        "digest",
        plan.name,
        "-",
        f"Open incidents: {len(incidents)} of {', '.join(digest.severities)}",
        incidents[0].severity,
        "-",
        "open",
        due,
        f"digest {digest.name}",
        _listed(lines),
        template=digest.template,
    )


def gaps_text(plan: Plan, found: Sequence[Gap]) -> str:
    """The gaps in words, one a line."""
    return _listed(
        [
            f"{gap.rotation}: {_local(gap.since, plan)} to {_local(gap.until, plan)}"
            f"{'' if gap.ends else ' and beyond'}"
            for gap in found
        ]
    )


def coverage_message(plan: Plan, duty: Duty) -> Message:
    """What the alarm contacts are told about gaps."""
    return Message(
        "alarm",
        plan.name,
        "-",
        "Nobody is on call for part of the next two weeks",
        "-",
        "-",
        "open",
        duty.due,
        "rotations have gaps",
        duty.text,
    )


def duty_key(plan: str, duty: Duty) -> str:
    """The key by which receivers may drop repeats of what a duty tells its contact."""
    parts = (plan, duty.work, duty.name, duty.due.astimezone(UTC).isoformat(), duty.contact or "")
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()[:40]


def same_absences(before: Reading | None, absences: Sequence[Absence], now: datetime) -> bool:
    """Whether a calendar says what it said before, for the time that both readings are about."""
    if before is None or before.read_at is None:
        return False
    since, until = now + ABSENT_SINCE, before.read_at + ABSENT_UNTIL
    return _clipped(before.absences, since, until) == _clipped(absences, since, until)


def _clipped(absences: Sequence[Absence], since: datetime, until: datetime) -> list[Absence]:
    kept = [Absence(max(each.since, since), min(each.until, until)) for each in absences]
    return sorted(
        (each for each in kept if each.since < each.until), key=lambda each: (each.since, each.until)
    )


def _is_on(drill: Drill, day: date) -> bool:
    return day.weekday() == drill.weekday and drill.nth in (0, (day.day + 6) // 7)


def _is_told_on(digest: Digest, day: date, plan: Plan) -> bool:
    if digest.weekday is not None and day.weekday() != digest.weekday:
        return False
    return not digest.business_days or is_business_day(day, plan.rules.hours)


def _duty(found: Occurrence, *, missed: bool, now: datetime) -> Duty:
    if found.kind == "drill":
        missed = missed or too_late(found.due, now)
        return Duty("drill-missed" if missed else "drill", found.name, found.due, now)
    return Duty("digest-missed" if missed else "digest", found.name, found.due, now)


def _loudness(plan: Plan, incident: Incident) -> int:
    names = [severity.name for severity in plan.rules.severities]
    return names.index(incident.severity) if incident.severity in names else len(names)


def _local(instant: datetime, plan: Plan) -> str:
    return instant.astimezone(zone_of(plan.rules.timezone)).strftime("%Y-%m-%d %H:%M %Z")


def _listed(lines: Sequence[str]) -> str:
    more = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], *([f"… and {more} more"] if more > 0 else [])])
