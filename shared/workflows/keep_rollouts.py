"""Plans change: put on record what changed, and bring new rules in by stages, or back."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from shared.domain import rollout
from shared.domain.change import TOCSIN
from shared.domain.errors import Conflict, Refused, RulesLost, StoreUnavailable
from shared.domain.out_of_reach import out_of_reach
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.domain.rollout import Deployment, Figures, PlanRecord, Stand
from shared.domain.week import week_after, week_of
from shared.export_ports import Timelines
from shared.kpi.account import Account
from shared.kpi.facts import account_of
from shared.kpi.versions import compare
from shared.ports import Journals, People, PlanRecords, Plans, RulesArchive
from shared.workflows.actors import PERSON, actor_of
from shared.workflows.note_in_journal import note_once
from shared.workflows.punctuality import let_others_go_first
from shared.workflows.read_calendars import attempt
from shared.workflows.visible import visible_plan

log = logging.getLogger(__name__)

AT_ONCE = 8
MOST_TRIES = 8
Action = Literal["back", "on"]


@dataclass(frozen=True)
class RolloutShown:
    """What people are shown: the rules of the plan's file, and how they stand."""

    plan: Plan
    record: PlanRecord | None


@dataclass
class KeepRollouts:
    """The workflow behind the timer and the rollout routes."""

    files: Plans
    """The plans as their files have them."""
    records: PlanRecords
    rules: RulesArchive
    timelines: Timelines
    journals: Journals
    people: People
    commit: str
    deployed_by: str
    """Identity of whoever deployed this; empty where nobody is named."""
    age: Callable[[], timedelta]
    """How long ago this process read its files."""
    news: Callable[[str], None] = lambda _plan: None
    """Told the name of a plan whose record has changed."""
    since: datetime | None = field(default=None, init=False)
    """When it read them: at its beginning, however much later it first keeps a record."""

    def keep(self, clock: Callable[[], datetime]) -> int:
        """Look at every plan; how many records have changed.

        A plan that fails stops no other: the failures are raised together at the end, and the next run tries
        them again.
        """
        plans = self.files.all()
        done: list[bool] = []
        failures: list[Exception] = []

        def look(plan: Plan) -> None:
            done.append(self._keep(plan, clock()))

        for plan in plans:
            attempt(partial(look, plan), f"the versions of {plan.name}", failures)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(plans)} plans could not be kept", failures)
        return sum(done)

    def show(self, plan_name: str, who: Principal) -> RolloutShown:
        """How the plan's rollout stands. Raises NotFound, Forbidden, StoreUnavailable."""
        who.require("Reader")
        plan = visible_plan(self.files, plan_name, who)
        found = self.records.record(plan.name)
        return RolloutShown(plan, found[0] if found else None)

    def act(
        self, plan_name: str, action: Action, who: Principal, now: datetime, *, percent: int | None = None
    ) -> RolloutShown:
        """End the rollout or send it on by hand; an Admin's. Raises Refused and as `show`.

        ``percent`` is the stage that is meant; without it, the one that stands when this is called. Whatever
        others do meanwhile, it never acts on another.
        """
        who.require("Admin")
        plan = visible_plan(self.files, plan_name, who)
        actor = actor_of(self.people, who)
        meant: tuple[str, int] | None = None
        for tried in range(MOST_TRIES):
            found = self.records.record(plan.name)
            if found is None:
                raise Refused("nothing is on record of this plan yet; try again in a minute")
            record, tag = found
            stand = rollout.standing(record, percent)
            meant = meant or (stand.rules, stand.stage)
            if (stand.rules, stand.stage) != meant:
                raise Refused("the rollout has moved on meanwhile; look again")
            after = rollout.by_hand(record, action, self._figures(plan, record, stand, now), actor, now)
            try:
                tag = self._keep_record(plan, after, tag)
            except Conflict:
                let_others_go_first(tried)
                continue
            return RolloutShown(plan, self._told(plan, after, tag, now))
        raise StoreUnavailable("too many others are changing this rollout")

    def _told(self, plan: Plan, record: PlanRecord, tag: str, now: datetime) -> PlanRecord:
        """What a person did stands, so they are told so even where the journal hears of it later."""
        try:
            return self._settle(plan, record, tag, now)
        except StoreUnavailable as error:
            log.warning("the journal of %s has to wait for the next run (%s)", plan.name, error)
            return record

    def _keep(self, plan: Plan, now: datetime) -> bool:
        """Bring one plan's record up to date; whether it changed."""
        found = self.records.record(plan.name)
        self.rules.keep(plan.rules)
        before, tag = found or (None, None)
        try:
            after = self._servable(plan, self._seen(plan, before, now), now)
            if after.stand is not None and rollout.due(after, now):
                after = rollout.looked(after, self._figures(plan, after, after.stand, now), now)
            if after == before and not after.owed:
                return False
            self._settle(plan, after, self._keep_record(plan, after, tag), now)
        except Conflict:
            return False  # somebody else is at it
        return True

    def _servable(self, plan: Plan, record: PlanRecord, now: datetime) -> PlanRecord:
        """Stable rules that nobody can read, or whose people are gone, page nobody: they rule no longer."""
        if record.stable == record.rules or rollout.is_news(record, plan):
            return record
        why = self._unservable(record.stable, plan)
        if why is None:
            return record
        log.error("the stable rules of %s can rule nothing (%s): its file's rule everything", plan.name, why)
        return rollout.unservable(record, now)

    def _unservable(self, stable: str, plan: Plan) -> str | None:
        try:
            gone = out_of_reach(self.rules.get(stable), plan.directory)
        except (RulesLost, ValueError) as error:
            return str(error)
        return f"the plan has no way any more to {', '.join(gone)}" if gone else None

    def _seen(self, plan: Plan, record: PlanRecord | None, now: datetime) -> PlanRecord:
        if record is not None and not rollout.is_news(record, plan):
            return record
        by = self.deployed_by
        actor = f"{PERSON}{self.people.pseudonym(by, by)}" if by else TOCSIN
        deployment, salt = Deployment(self.commit, actor, self._began(now)), secrets.token_hex(16)
        if record is None:
            return rollout.first_seen(plan, deployment, salt, now)
        return rollout.seen(record, plan, deployment, salt, now)

    def _began(self, now: datetime) -> datetime:
        self.since = self.since or now - self.age()
        return self.since

    def _keep_record(self, plan: Plan, record: PlanRecord, tag: str | None) -> str:
        """Its new tag. Raises Conflict, StoreUnavailable."""
        tag = self.records.save(plan.name, record, tag)
        self.news(plan.name)
        return tag

    def _settle(self, plan: Plan, record: PlanRecord, tag: str, now: datetime) -> PlanRecord:
        """Put on the journal what the record owes. Raises StoreUnavailable.

        A run that is cut off before or in between leaves the rest to the next; nothing is put there twice.
        """
        for owed in record.owed:
            note_once(
                self.journals, self.timelines.events, plan, owed.type, owed.data, owed.at, now, owed.actor
            )
        if not record.owed:
            return record
        settled = rollout.settled(record, len(record.owed))
        with suppress(Conflict):  # whoever has built on it owes the rest, and finds what is there
            self.records.save(plan.name, settled, tag)
        return settled

    def _figures(self, plan: Plan, record: PlanRecord, stand: Stand, now: datetime) -> Figures:
        """How the incidents opened since the start went, read from their timelines."""
        subjects = {
            subject
            for week in _weeks(stand.started_at, now, plan.rules.timezone)
            for subject in self.timelines.subjects(plan.name, week)
            if subject.startswith("INC-")
        }

        def account(subject: str) -> Account | None:
            events = (each for each in self.timelines.events(subject) if each.recorded_at < now)
            return account_of(subject, events, stand.started_at, now)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            accounts = list(pool.map(account, sorted(subjects)))
        begun = [
            each
            for each in accounts
            if each is not None and each.incident is not None and each.incident.opened_at >= stand.started_at
        ]
        return compare(begun, record.stable, stand.rules, plan.targets)


def _weeks(since: datetime, until: datetime, timezone: str) -> Iterator[str]:
    week, last = week_of(since, timezone), week_of(until, timezone)
    while week <= last:
        yield week
        week = week_after(week)
