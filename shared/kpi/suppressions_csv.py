"""`suppressions.csv`: what was kept from people by rule: alerts, messages and steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain.timeline import Event
from shared.kpi import alerts_csv
from shared.kpi.csv_cells import PLACE, Cells, place, text

NAME = "suppressions.csv"
COLUMNS = {
    **PLACE,
    "drill": "the drill that the incident rehearses; empty where it is meant",
    "what": "`alert-suppressed`, `alert-ignored`, `message-held-back`, `step-passed` or `delivery-withdrawn`",
    "source": "of the alert",
    "fingerprint": "of the alert",
    "kind": "of the message",
    "contact": "who was not told",
    "rule": "that decided, or why",
    "count": "how many alerts; 1 for anything else",
    "until": "until when it was held back",
    "incident": "the incident that it concerns; empty: none",
}
TYPES = ("alerts", "dispositions", "held-back", "step-passed", "delivery-withdrawn")
_KEPT = ("suppressed", "ignored")


def rows(event: Event, drill: str) -> Iterator[Cells]:
    """One for each thing kept back."""
    if event.type in ("alerts", "dispositions"):
        for entry in event.data["alerts"]:
            if entry["disposition"] in _KEPT:
                yield _alert(event, drill, entry)
        return
    data = event.data
    what, rule = {
        "held-back": ("message-held-back", "throttle"),
        "step-passed": ("step-passed", data.get("why")),
        "delivery-withdrawn": ("delivery-withdrawn", "incident-over"),
    }[event.type]
    told = (None, None, text(data.get("kind")), text(data.get("contact")))
    yield (*place(event), drill, what, *told, text(rule), 1, text(data.get("until")), event.subject)


def _alert(event: Event, drill: str, entry: Mapping[str, Any]) -> Cells:
    incident = event.subject if event.type == "alerts" else text(entry.get("incident"))
    alert = (alerts_csv.source_of(event, entry.get("source")), text(entry.get("fingerprint")), None, None)
    ruled = (text(entry.get("rule")), entry["count"], None)
    return (*place(event), drill, f"alert-{entry['disposition']}", *alert, *ruled, incident)
