"""A stage whose plan keeps its records only for so long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.heartbeats import Heartbeats
from shared.adapters.ledger_table import LedgerTable
from shared.adapters.purge_tables import PurgeTables
from shared.domain.errors import StoreUnavailable
from shared.domain.plan import Plan
from shared.domain.principal import Principal
from shared.domain.response import Note, Resolve
from shared.domain.retention import Retention
from shared.domain.timeline import Event, Text
from shared.domain.week import week_after, week_of
from shared.kpi import manifest
from shared.ports import Stored
from shared.workflows.keep_holds import KeepHolds
from shared.workflows.purge import Purge
from shared.workflows.record_once import RecordOnce
from shared.workflows.respond_to_incident import Declaration
from tests.builders import NOON, an_alert, minutes
from tests.stage import ANA, Stage
from tests.working_fakes import MemoryExports

ADA = Principal("id-ada", "ada", frozenset({"Admin"}))
AUD = Principal("id-aud", "aud", frozenset({"Auditor"}))
DAY = timedelta(days=1)
RESOLVED = NOON + minutes(30)
TEXTS, INCIDENTS = 90, 400
TEXTS_END, END = RESOLVED + TEXTS * DAY, RESOLVED + INCIDENTS * DAY


class CutOff(PurgeTables):
    """Tables that stop answering after so many calls that delete or mark, or fail one such call."""

    left = 10**9
    failing: int | None = None
    """That many calls from now, one fails."""

    def _drop(self, *arguments: Any, **spared: Any) -> None:  # noqa: ANN401  (handed on)
        self._count()
        super()._drop(*arguments, **spared)

    def drop_words(self, stored: Stored) -> None:
        self._count()
        super().drop_words(stored)

    def drop_hints(self, *arguments: Any) -> None:  # noqa: ANN401  (handed on)
        self._count()
        super().drop_hints(*arguments)

    def mark(self, *arguments: Any) -> None:  # noqa: ANN401  (handed on)
        self._count()
        super().mark(*arguments)

    def _count(self) -> None:
        if self.failing is not None:
            self.failing -= 1
        if self.left <= 0 or self.failing == -1:
            raise StoreUnavailable("storage did not answer")
        self.left -= 1


class Keeping(Stage):
    """Everything between the doors that keeps records and lets go of them."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        tables = self.clients.tables()
        self.ledger = LedgerTable(tables.get_table_client("Agenda"))
        self.once = RecordOnce(self.ledger, self.journals, self.store)
        self.holding = KeepHolds(self.plans, self.store, self.ledger, self.once, self.people)
        self.exports = MemoryExports()
        self.tables = CutOff(self.store, self.journals.table, self.index.table)
        self.beats = Heartbeats(self.index.table)
        self.purging = Purge(
            self.plans,
            self.store,
            self.tables,
            self.journals,
            self.exports,
            self.holding,
            self.ledger,
            self.once,
        )

    @property
    def plan(self) -> Plan:
        return self.plans.plan

    def keeps(self, texts: int | None = None, incidents: int | None = None, hold: str | None = None) -> None:
        """For so many days."""
        windows = [None if days is None else timedelta(days=days) for days in (texts, incidents)]
        self.plans.plan = replace(self.plan, retention=Retention(windows[0], windows[1], hold))

    def over(self, name: str = "HighErrorRate", *, told: bool = True) -> str:
        """An incident with a note, resolved at `RESOLVED`; nothing is to come of it."""
        [outcome] = self.hear(an_alert(name))
        assert outcome.id is not None
        if told:
            self.respond(outcome.id, Note("note", Text("looking at it", "ab" * 16)), NOON + minutes(10))
        self.hear(an_alert(name, firing=False, ended_at=RESOLVED), at=RESOLVED)
        for at in (minutes(1), minutes(5), minutes(40)):
            self.advance(outcome.id, RESOLVED + at)
        return outcome.id

    def declared(self, title: str = "Ana Ruiz cannot log in") -> str:
        """An incident declared by hand, resolved at `RESOLVED`; nothing is to come of it."""
        said = Declaration(self.name, Text(title, "00"), "api", "P1", f"{title}, at all", title)
        incident = self.responding.declare(said, ANA, NOON).id
        self.advance(incident)
        self.respond(incident, Resolve(Text("fixed", "ab" * 16)), RESOLVED)
        for at in (minutes(1), minutes(5), minutes(40)):
            self.advance(incident, RESOLVED + at)
        return incident

    def exported(self, *weeks: str) -> None:
        """Complete bundles of these weeks, or of the one of `NOON`."""
        for week in weeks or (week_of(NOON, "UTC"),):
            self.exports.blobs[f"{self.name}/{week}/r1/{manifest.SUMS}"] = b""

    def exported_all(self, until: datetime) -> None:
        """Complete bundles of every week up to that instant."""
        week = week_of(NOON, "UTC")
        while week <= week_of(until, "UTC"):
            self.exported(week)
            week = week_after(week)

    def purge(self, at: datetime) -> int:
        return self.purging.run(lambda: at)

    def noted(self, type: str, at: datetime) -> list[Event]:
        """What the journal of that day has of a type."""
        day = f"JRN-{self.name}-{at:%Y%m%d}-0"
        return [event for event in self.store.events(day) if event.type == type]

    def rows(self, incident: str) -> list[str]:
        """Every row of the incident's partition but its head."""
        partition = incident.split("-")[1]
        found = self.store.table.rows(partition, "", "~")
        return [str(row["RowKey"]) for row in found if row["RowKey"] != "i|"]

    def hints(self, subject: str) -> list[str]:
        """What the index has of it, but deadlines."""
        return [
            str(row["RowKey"])
            for shard in range(8)
            for row in self.index.table.rows(f"s{shard}", "l|", "x")
            if str(row["RowKey"]).endswith(f"|{subject}")
        ]


@pytest.fixture
def keeping(storage: str) -> Iterator[Keeping]:
    """Texts are kept for `TEXTS` days, incidents for `INCIDENTS`; the first week has its bundle."""
    with Keeping(storage) as stage:
        stage.keeps(TEXTS, INCIDENTS)
        stage.exported()
        yield stage
