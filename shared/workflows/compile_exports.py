"""Compiles weeks: those that are owed and those that somebody asked for; says how far it is."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain.change import TOCSIN
from shared.domain.errors import NotFound, Refused, StoreUnavailable, TocsinError
from shared.domain.plan import Plan
from shared.domain.timeline import parse_stamp, stamp
from shared.export_ports import ExportProgress, Exports, Progress, Timelines
from shared.kpi import manifest, shelf
from shared.kpi.shelf import Bundle
from shared.ports import Journals, Plans
from shared.workflows import export_kpis
from shared.workflows.export_kpis import Compiled, write_once
from shared.workflows.note_in_journal import note_once
from shared.workflows.sign_manifest import SignManifest

log = logging.getLogger(__name__)

SAID_EVERY = 250
"""Timelines between two words of how far it is."""
GIVEN_UP_AFTER = timedelta(minutes=15)
"""A compilation of which nothing was heard for so long was cut off, and is begun again."""
Clock = Callable[[], datetime]


@dataclass
class CompileExports:
    """What the exports' timer runs, and what an Admin asks for."""

    plans: Plans
    timelines: Timelines
    exports: Exports
    said: ExportProgress
    journals: Journals
    sign: SignManifest
    code_version: str
    purged_until: Callable[[str], str]
    """The last week of a plan from which records were purged; "" where none were."""
    straight: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Plan -> names of the bundles that were found to follow each other."""

    def compile(self, plan: Plan, week: str, clock: Clock, actor: str = TOCSIN) -> Compiled:
        """Compile one week, on behalf of ``actor``.

        Raises as `export_kpis.compile_week`; Refused where its records are purged.
        """
        now = clock()
        said = Progress("compiling", 0, 0, now, now, by=actor)

        def progress(done: int, of: int) -> None:
            nonlocal said
            if done % SAID_EVERY == 0 or done == of:
                log.info("export %s %s: %d of %d timelines", plan.name, week, done, of)
                said = replace(said, done=done, of=of, updated_at=clock())
                self._say(plan, week, said)

        def guard(each: str) -> None:
            if each <= self.purged_until(plan.name):
                raise Refused(f"records of {each} or later were purged; its bundle stands")

        try:
            guard(week)
            compiled = export_kpis.compile_week(
                plan,
                week,
                self.timelines,
                self.exports,
                self.code_version,
                now,
                progress,
                self.sign.sign,
                guard,
            )
        except Exception as error:
            why = str(error) if isinstance(error, TocsinError) else type(error).__name__
            self._say(plan, week, replace(said, state="failed", why=why, updated_at=clock()))
            raise
        for bundle in (*([compiled.bundle] if compiled.made else ()), *compiled.followers):
            self._note(plan, bundle, actor, clock())
        self._say(plan, week, replace(said, state="done", revision=compiled.bundle.label, updated_at=clock()))
        return compiled

    def compile_owed(self, clock: Clock) -> list[tuple[Plan, Compiled]]:
        """Compile every week that is over and not yet compiled, after a second look at the last ones.

        What fails stops nothing else: the failures are raised together at the end.
        """
        made: list[tuple[Plan, Compiled]] = []
        failures: list[Exception] = []
        for plan in self.plans.all():
            for work in (self._check, self._straighten, self._compile_missing, self._note_missing):
                try:
                    made += [(plan, compiled) for compiled in work(plan, clock)]
                except Exception as error:  # noqa: BLE001  (nothing must stop the rest; raised below)
                    failures.append(error)
        if failures:
            raise ExceptionGroup(f"{len(failures)} failures in exporting the plans", failures)
        return made

    def ask(self, plan: Plan, week: str, actor: str, now: datetime) -> None:
        """Have it compiled by the next run of the timer. Raises as `compile_week` for what is no week."""
        export_kpis.period_of(plan.name, week, plan.rules.timezone, now)
        self.said.put(plan.name, week, Progress("wanted", 0, 0, now, now, by=actor))

    def compile_wanted(self, clock: Clock) -> int:
        """Compile what was asked for; how many weeks. What fails says so in its progress, and is left."""
        done = 0
        for plan in self.plans.all():
            for week in self.said.wanted(plan.name):
                now = clock()
                before = self.said.get(plan.name, week)
                if before and before.state == "compiling" and now - before.updated_at < GIVEN_UP_AFTER:
                    continue
                try:
                    self.compile(plan, week, clock, before.by if before else TOCSIN)
                except TocsinError as error:
                    log.warning("export %s %s: %s", plan.name, week, error)
                done += 1
        return done

    def progress(self, plan: Plan, week: str) -> dict[str, Any]:
        """How far it is. Raises NotFound where nobody compiled that week."""
        found = self.said.get(plan.name, week)
        if found is None:
            raise NotFound(f"nobody has compiled {week} yet")
        times = {"started_at": stamp(found.started_at), "updated_at": stamp(found.updated_at)}
        return {key: value for key, value in (asdict(found) | times).items() if key != "by"}

    def _check(self, plan: Plan, clock: Clock) -> list[Compiled]:
        """A second look at the last weeks, for facts that came late; those purged stay as they are."""
        made = []
        for week in export_kpis.weeks_to_check(plan, self.exports, clock()):
            try:
                compiled = self.compile(plan, week, clock)
                bundle = compiled.bundle
                made += [compiled] if compiled.made else []
            except Refused as purged:
                log.info("export %s %s is not looked at again: %s", plan.name, week, purged)
                bundle = export_kpis.find_bundle(plan.name, week, self.exports)
            write_once(self.exports, bundle.marker)
        return made

    def _straighten(self, plan: Plan, clock: Clock) -> list[Compiled]:
        """Go on with a restatement that was cut off before the later weeks followed it."""
        names = tuple(bundle.blob("") for bundle in export_kpis.list_bundles(plan.name, self.exports))
        if self.straight.get(plan.name) == names:
            return []
        week = export_kpis.astray(plan.name, self.exports)
        if week is None or week <= self.purged_until(plan.name):
            self.straight[plan.name] = names
            return []
        compiled = self.compile(plan, week, clock)
        return [compiled] if compiled.made else []

    def _compile_missing(self, plan: Plan, clock: Clock) -> list[Compiled]:
        return [
            self.compile(plan, week, clock) for week in export_kpis.owed_weeks(plan, self.exports, clock())
        ]

    def _note_missing(self, plan: Plan, clock: Clock) -> list[Compiled]:
        """Put on record what was made by whoever could not any more."""
        names = self.exports.names(f"{plan.name}/")
        known, bundles = set(names), shelf.complete(names)
        first = [bundle.week for bundle in bundles][-export_kpis.LOOKED_BACK :][:1]
        for bundle in bundles:
            if [bundle.week] >= first and bundle.beside(shelf.RECORDED) not in known:
                self._note(plan, bundle, TOCSIN, clock())
        return []

    def _note(self, plan: Plan, bundle: Bundle, actor: str, now: datetime) -> None:
        """On record in the plan's journal, once; a bundle of a week that is not over has no place there.

        Who made it and when is claimed first, by a blob that is written once: whoever comes back to it later
        puts the very same event on record, or finds it there.
        """
        if bundle.revision is None:
            return
        write_once(self.exports, bundle.beside(shelf.NOTED), f"{stamp(now)} {actor}".encode())
        made_at, maker = self._maker(bundle)
        shown = self.exports.read(bundle.blob(manifest.NAME))
        restates = json.loads(shown)["restates"]
        data = {
            "week": bundle.week,
            "revision": bundle.label,
            "manifest_sha256": hashlib.sha256(shown).hexdigest(),
            "restates": f"r{restates['revision']}" if restates else None,
        }
        events = self.timelines.events
        note_once(self.journals, events, plan, "export-compiled", data, made_at, now, maker)
        write_once(self.exports, bundle.beside(shelf.RECORDED))

    def made_at(self, bundle: Bundle) -> datetime:
        """When a bundle was made, as its record says. Raises NotFound as long as there is none."""
        return self._maker(bundle)[0]

    def _maker(self, bundle: Bundle) -> tuple[datetime, str]:
        at, _, maker = self.exports.read(bundle.beside(shelf.NOTED)).decode("utf-8").partition(" ")
        return parse_stamp(at), maker

    def _say(self, plan: Plan, week: str, progress: Progress) -> None:
        """Only a word: a compilation does not fail because nobody could be told how far it is."""
        try:
            self.said.put(plan.name, week, progress)
        except StoreUnavailable as error:
            log.warning("export %s %s: no word of its progress (%s)", plan.name, week, error)
