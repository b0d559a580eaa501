"""What people read when something is wrong: the runbooks of a plan, and one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.principal import Principal
from shared.domain.runbook import Runbook
from shared.ports import Plans, Runbooks
from shared.workflows.visible import visible_plan


@dataclass
class ShowRunbooks:
    """The workflow behind ``GET /api/v1/plans/{plan}/runbooks`` and below."""

    plans: Plans
    runbooks: Runbooks

    def all(self, plan: str, who: Principal) -> Sequence[Runbook]:
        """Every runbook of a plan, by name. Raises NotFound, Forbidden."""
        self._require(plan, who)
        return self.runbooks.all(plan)

    def one(self, plan: str, name: str, who: Principal) -> Runbook:
        """One runbook. Raises NotFound, Forbidden."""
        self._require(plan, who)
        return self.runbooks.get(plan, name)

    def _require(self, name: str, who: Principal) -> None:
        who.require("Reader")
        visible_plan(self.plans, name, who)
