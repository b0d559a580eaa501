"""Who may compile, list and fetch exports; and the timer's round over every plan's weeks that are owed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.errors import NotFound
from shared.domain.plan import Plan
from shared.domain.principal import Principal, Role
from shared.kpi.shelf import Bundle
from shared.ports import Exports, Plans, Timelines
from shared.workflows import export_kpis
from shared.workflows.export_kpis import Compiled

log = logging.getLogger(__name__)

_WEEK = re.compile(r"[0-9]{4}-W[0-9]{2}")


@dataclass
class ServeExports:
    """The workflow behind the exports routes and the weekly timer."""

    plans: Plans
    timelines: Timelines
    exports: Exports
    code_version: str

    def compile(self, plan: str, week: str, who: Principal, now: datetime) -> Compiled:
        """Compile on request; an Admin's. Raises as `export_kpis.compile_week`, NotFound, Forbidden."""
        return self._compile(self._visible(plan, who, "Admin"), week, now)

    def compile_owed(self, now: datetime) -> int:
        """Compile every week that is over and not yet compiled, of every plan; how many there were.

        A plan that fails stops no other: the rest is compiled first, then the failures are raised together.
        """
        done, failures = 0, []
        for plan in self.plans.all():
            try:
                for week in export_kpis.owed_weeks(plan, self.exports, now):
                    self._compile(plan, week, now)
                    done += 1
            except Exception as error:  # noqa: BLE001  (one plan must stop no other; raised below)
                failures.append(error)
        if failures:
            raise ExceptionGroup(f"{len(failures)} plans could not be exported", failures)
        return done

    def list(self, plan: str, who: Principal) -> Sequence[Bundle]:
        """The plan's complete bundles, oldest first; an Auditor's. Raises NotFound, Forbidden."""
        return export_kpis.list_bundles(self._visible(plan, who, "Auditor").name, self.exports)

    def manifest(
        self, plan: str, week: str, label: str | None, who: Principal
    ) -> tuple[Bundle, dict[str, Any]]:
        """The week's last bundle, or the one of that label, with its manifest."""
        bundle = self._bundle(plan, week, label, who)
        return bundle, export_kpis.read_manifest(bundle, self.exports)

    def open(self, plan: str, week: str, file: str, label: str | None, who: Principal) -> Iterator[bytes]:
        """One file of that bundle, in pieces."""
        return export_kpis.open_file(self._bundle(plan, week, label, who), file, self.exports)

    def _bundle(self, plan: str, week: str, label: str | None, who: Principal) -> Bundle:
        self._visible(plan, who, "Auditor")
        if _WEEK.fullmatch(week) is None:
            raise NotFound("there is no such week; one is written 2026-W47")
        return export_kpis.find_bundle(plan, week, self.exports, label)

    def _compile(self, plan: Plan, week: str, now: datetime) -> Compiled:
        def progress(done: int, of: int) -> None:
            if done % 1000 == 0:
                log.info("export %s %s: %d of %d timelines", plan.name, week, done, of)

        return export_kpis.compile_week(
            plan, week, self.timelines, self.exports, self.code_version, now, progress
        )

    def _visible(self, name: str, who: Principal, role: Role) -> Plan:
        who.require(role)
        plan = next((plan for plan in self.plans.all() if plan.name == name and who.sees(plan)), None)
        if plan is None:
            raise NotFound(f"there is no plan {name}")
        return plan
