"""A provider says what became of a notification: it joins the incident's timeline, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.domain.errors import Conflict, NotFound, StoreUnavailable
from shared.domain.receipt import Receipt, ReceiptState, hear_receipt
from shared.ports import AdvanceQueue, IncidentStore, Plans, RulesArchive
from shared.workflows.punctuality import come_back, let_others_go_first

MOST_TRIES = 8


@dataclass
class HearReceipt:
    """The workflow behind the delivery reports of SMS, telephone and mail providers."""

    store: IncidentStore
    plans: Plans
    rules: RulesArchive
    queue: AdvanceQueue

    def hear(
        self,
        incident_id: str,
        delivery_id: str,
        channel: str,
        state: ReceiptState,
        provider_id: str | None,
        occurred_at: datetime,
        now: datetime,
    ) -> None:
        """Raises NotFound where that incident has no such delivery by that channel, StoreUnavailable."""
        for tried in range(MOST_TRIES):
            stored = self.store.load(incident_id)
            incident = stored.incident
            found = [each for each in self.store.deliveries(incident) if each.id == delivery_id]
            if not found or found[0].channel != channel:
                raise NotFound(f"{incident_id} has no such delivery by {channel}")
            plan, rules = self.plans.get(incident.plan), self.rules.get(incident.rules)
            receipt = Receipt(found[0], state, provider_id, occurred_at)
            change = hear_receipt(incident, receipt, rules, plan.directory, now)
            if change is None:
                return
            try:
                after = self.store.save(change, stored)[0].incident
            except Conflict:
                let_others_go_first(tried)
                continue
            come_back(self.queue, incident, after, now, owes=bool(change.owed))
            return
        raise StoreUnavailable("too many others are changing this incident")
