"""A plan with a rollout on real storage, its processes and its clock in the test's hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.rollouts_table import RolloutsTable
from shared.adapters.rules_text import freeze
from shared.adapters.ruling_plans import RulingPlans
from shared.domain.classification import classify
from shared.domain.plan import Plan, Rules
from shared.domain.principal import Principal
from shared.domain.rollout import PlanRecord
from shared.domain.timeline import Event
from shared.domain.trial import Rollout
from shared.workflows.keep_rollouts import KeepRollouts
from shared.workflows.receive_alert import ReceiveAlert
from tests.builders import NOON, a_severity, an_alert, hours, seconds, some_rules
from tests.stage import OnePlan, Stage

OLD, NEW, NEWER = some_rules(), some_rules(a_severity("P1"), auto_resolve=False), some_rules(a_severity("S1"))
ADA = Principal("id-ada", "ada", frozenset({"Admin"}))
RITA = Principal("id-rita", "rita", frozenset({"Reader"}))
TARGETS = {"first_response_within_5m": 90}


class Rolling(Stage):
    """A stage whose plan has a rollout; ``files`` is what is deployed, ``plans`` what rules."""

    def __init__(self, storage: str) -> None:
        super().__init__(storage)
        self.records = RolloutsTable(self.clients.tables().get_table_client("Agenda"))
        self.now = 0.0
        plan = replace(self.plans.plan, rollout=Rollout((10, 50), hours(48)), targets=TARGETS)
        self.files = OnePlan(plan)
        self.aside: list[Callable[[], object]] = []
        """Jobs that nobody waits for, until the test does them."""
        self.ruling = RulingPlans(self.files, self.records, self.archive, lambda: self.now, self.aside.append)
        self.processes = 0
        self.keeping = self.keeper()
        self.receive = ReceiveAlert(
            self.ruling, {"generic": self.source}, self.receive.secrets, self.store, self.journals,
            self.archive, self.queue,
        )  # fmt: skip
        self.advancing.plans = self.responding.plans = self.ruling
        self.deploys(some_rules())

    def keeper(self, by: str = "", files: OnePlan | None = None) -> KeepRollouts:
        """A process of its own, which begins after those before."""
        keeper = KeepRollouts(
            files or self.files, self.records, self.archive, self.store, self.journals, self.people,
            "rev-7", by, lambda: timedelta(0), self.ruling.forget,
        )  # fmt: skip
        self.processes += 1
        keeper.since = NOON - hours(1) + seconds(self.processes)
        return keeper

    def deploys(self, rules: Rules, **changes: Any) -> Plan:  # noqa: ANN401  (fields of the plan)
        """A new version, in a new process."""
        ruling = freeze(replace(rules, plan=self.name))
        text = f'{{"document": {{"rules": {ruling.text}}}, "order": {{}}}}'
        self.files.plan = replace(self.files.plan, rules=ruling, document=text, **changes)
        self.keeping = self.keeper()
        return self.files.plan

    def keep(self, at: datetime = NOON) -> int:
        return self.keeping.keep(lambda: at)

    def record(self) -> PlanRecord:
        found = self.records.record(self.name)
        assert found is not None
        return found[0]

    def noted(self, type: str) -> list[Event]:
        return [event for event in self.journal_events() if event.type == type]

    def ruled(self, name: str, at: datetime = NOON) -> str:
        """Opens an incident; the hash of the rules that rule it."""
        [outcome] = self.hear(an_alert(name), at=at)
        return self.incident(outcome.id).rules

    def on_either_side(self, count: int, start: int = 0) -> tuple[list[str], list[str]]:
        """So many names of alerts whose groups the trial takes, and as many that it leaves."""
        plan = self.ruling.get(self.name)
        assert plan.trial is not None
        taken: list[str] = []
        left: list[str] = []
        for nth in range(start, start + 4000):
            group = classify(an_alert(f"alert-{nth}"), plan.rules).group.digest
            side = taken if plan.trial.takes(group) else left
            if len(side) < count:
                side.append(f"alert-{nth}")
        return taken, left


@pytest.fixture
def rolling(storage: str) -> Iterator[Rolling]:
    with Rolling(storage) as rolling:
        yield rolling


@pytest.fixture
def begun(rolling: Rolling) -> Rolling:
    """A rollout of new rules that began at noon."""
    rolling.keep(NOON - hours(1))
    rolling.deploys(NEW)
    rolling.keep()
    return rolling
