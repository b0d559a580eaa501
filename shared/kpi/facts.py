"""What each event means for the figures: the facts of one subject in one week, from its events alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from shared.domain.timeline import Event, parse_or_none, parse_stamp
from shared.kpi.account import Account, Reading
from shared.kpi.attestation import Watch


def account_of(subject: str, events: Iterable[Event], start: datetime, end: datetime) -> Account | None:
    """The account of one subject's events, all recorded before ``end``, for the half-open week.

    None where none of them was recorded in the week and, when it began, no incident was open and none had a
    review or action items to come. Before it is ``opened`` there is no incident: only alerts count.
    """
    reading = Reading(start, end)
    for event in events:
        reading.reach(event)
        begun = reading.opened is not None or event.type == "opened"
        handle = _ALWAYS.get(event.type) or (_HANDLERS.get(event.type) if begun else None)
        if handle is not None:
            handle(reading, event)
    if reading.open_at_start is None:
        reading.open_at_start = reading.is_open
        return reading.account(subject) if reading.belongs else None
    return reading.account(subject)


def _opened(reading: Reading, event: Event) -> None:
    reading.opened = event
    reading.severity = event.data["severity"]
    reading.begin(event, "")
    reading.add(event.recorded_at, "incident_opened")
    if event.data.get("source") is not None:
        reading.add(
            event.recorded_at,
            "time_to_detect_seconds",
            max(0, _seconds(event.occurred_at, event.recorded_at)),
        )
        if event.occurred_at > event.recorded_at:
            reading.add(event.recorded_at, "clock_ahead")
    elif event.data.get("drill") is None:
        _exclude(reading, event, "time_to_detect", "declared-by-hand")


def _reopened(reading: Reading, event: Event) -> None:
    reading.begin(event, "_again")
    reading.aftermath.withdraw(event.recorded_at)
    reading.add(event.recorded_at, "incident_reopened")


def _severity_changed(reading: Reading, event: Event) -> None:
    reading.severity = event.data["to"]
    this = reading.rounds[-1]
    this.respond.move(parse_or_none(event.data.get("respond_due")), event.recorded_at)
    this.resolve.move(parse_or_none(event.data.get("resolve_due")), event.recorded_at)


def _acknowledged(reading: Reading, event: Event) -> None:
    reading.state = "acknowledged"
    this = reading.rounds[-1]
    if not event.actor.startswith("person:"):
        return
    this.respond.meet(event.recorded_at)
    this.answer.meet(event.recorded_at)
    if this.acknowledged_at is None:
        this.acknowledged_at = event.recorded_at
        seconds = _seconds(this.started_at, event.recorded_at)
        reading.add(event.recorded_at, f"time_to_acknowledge{this.suffix}_seconds", seconds)


def _expired(reading: Reading, event: Event) -> None:
    del event
    reading.state = "open"


def _resolved(reading: Reading, event: Event) -> None:
    reading.state = "resolved"
    this, by = reading.rounds[-1], event.data["by"]
    reading.add(event.recorded_at, "incident_resolved", 1, by)
    this.resolve.meet(event.recorded_at)
    for clock in (this.respond, this.answer):
        if by == "person":
            clock.meet(event.recorded_at)
        clock.void(event.recorded_at)
    if this.resolved_at is None:
        this.resolution = event
        seconds = _seconds(this.started_at, event.recorded_at)
        reading.add(event.recorded_at, f"time_to_resolve{this.suffix}_seconds", seconds, by)
        if this.acknowledged_at is None:
            _exclude(reading, event, f"time_to_acknowledge{this.suffix}", "resolved-unacknowledged")
        if this.mitigated_at is None and not this.suffix:
            _exclude(reading, event, "time_to_mitigate", "resolved-unmitigated")
        if not this.suffix and reading.told_at is None:
            reading.add(event.recorded_at, "incident_untold")


def _breached(reading: Reading, event: Event) -> None:
    name, due = event.data["clock"], parse_stamp(event.data["due"])
    reading.breaches.append((name, due, event.recorded_at))
    for clock in reading.rounds[-1].clocks if reading.rounds else ():
        if (clock.name, clock.due) == (name, due):
            clock.lapse(event.recorded_at, inclusive=True)


def _escalated(reading: Reading, event: Event) -> None:
    reading.escalations += 1
    step = f"step-{event.data['step']}"
    reading.add(event.recorded_at, "escalated", 1, step)
    reading.add(event.recorded_at, "escalation_late_seconds", event.data["late_seconds"], step)


def _escalated_manually(reading: Reading, event: Event) -> None:
    reading.escalations += 1
    reading.add(event.recorded_at, "escalated_manually")


def _update_lapsed(reading: Reading, event: Event) -> None:
    reading.add(event.recorded_at, "update_missed", event.data["missed"], event.data["audience"])


def _status_updated(reading: Reading, event: Event) -> None:
    for audience in event.data["audiences"]:
        reading.add(event.recorded_at, "update_sent", 1, audience)
    if event.data.get("status") == "monitoring":
        reading.mitigate(event.recorded_at)


def _noted(reading: Reading, event: Event) -> None:
    if event.data.get("kind") == "mitigation":
        reading.mitigate(event.recorded_at)


def _checked(reading: Reading, event: Event) -> None:
    if event.data["state"] == "overridden":
        reading.add(event.recorded_at, "checklist_overridden", 1, event.data["phase"])
    else:
        _exclude(reading, event, "checklist_overridden", event.data["state"])


def _review_required(reading: Reading, event: Event) -> None:
    reading.aftermath.require(parse_stamp(event.data["due"]), event.recorded_at)


def _review_completed(reading: Reading, event: Event) -> None:
    reading.aftermath.complete(event.recorded_at)


def _action_item(reading: Reading, event: Event) -> None:
    became = reading.aftermath.change(event.data)
    if became == "done":
        reading.add(event.recorded_at, "action_item_done")
    elif became == "dropped":
        _exclude(reading, event, "action_items_done", "dropped")


def _first_told(reading: Reading, event: Event) -> None:
    if reading.told_at is None:
        reading.told_at = event.occurred_at
        seconds = _seconds(reading.rounds[0].started_at, event.occurred_at)
        reading.add(event.recorded_at, "time_to_first_told_seconds", max(0, seconds))


def _receipt(reading: Reading, event: Event) -> None:
    state, delivery = event.data["state"], event.data["delivery"]
    reading.add(event.recorded_at, "receipt", 1, state)
    if delivery not in reading.heard_of:
        reading.add(event.recorded_at, "receipt_succeeded", int(state in ("delivered", "read")))
    else:
        _exclude(reading, event, "receipt_success", "later-receipt")
    reading.heard_of.add(delivery)


def _acted_on(reading: Reading, event: Event) -> None:
    reading.add(event.recorded_at, "acted_on", 1, event.data["by"])


def _alerts(reading: Reading, event: Event) -> None:
    _count(reading, event, "incident_alerts")


def _dispositions(reading: Reading, event: Event) -> None:
    _count(reading, event, "journal_alerts")


def _count(reading: Reading, event: Event, metric: str) -> None:
    for entry in event.data["alerts"]:
        reading.alerts += entry["count"]
        if event.recorded_at >= reading.start:
            reading.alerts_of_week += entry["count"]
            key = (metric, entry["disposition"])
            so_far, _ = reading.dispositions.get(key, (0, event.recorded_at))
            reading.dispositions[key] = (so_far + entry["count"], event.recorded_at)


def _on_call(reading: Reading, event: Event) -> None:
    for shift in event.data["shifts"]:
        seconds = _seconds(parse_stamp(shift["from"]), parse_stamp(shift["until"]))
        reading.add(event.recorded_at, "oncall_seconds", seconds, shift["rotation"])
        if shift["contact"] is not None:
            reading.add(event.recorded_at, "oncall_covered_seconds", seconds, shift["rotation"])


def _watched(reading: Reading, event: Event) -> None:
    at, data = event.recorded_at, event.data
    watch = Watch(
        parse_stamp(data["from"]),
        parse_stamp(data["until"]),
        data["sweeps"],
        data["longest_gap_seconds"],
        data["probes"],
        data["probes_failed"],
    )
    if reading.start <= at < reading.end:
        reading.watches.append(watch)
    reading.add(at, "sweeps", watch.sweeps)
    reading.add(at, "sweeper_gap_seconds", watch.longest_gap_seconds)
    if watch.probes:
        reading.add(at, "probes", watch.probes)
        reading.add(at, "probes_succeeded", watch.probes - watch.probes_failed)


def _exclude(reading: Reading, event: Event, kpi: str, reason: str) -> None:
    reading.exclude(event.recorded_at, kpi, reason)


def _left_out(kpi: str, reason: str) -> Callable[[Reading, Event], None]:
    return lambda reading, event: _exclude(reading, event, kpi, reason)


def _coded(metric: str, key: str) -> Callable[[Reading, Event], None]:
    """One fact with what stands under that key of the event's data as its code."""
    return lambda reading, event: reading.add(event.recorded_at, metric, 1, event.data[key])


def _single(metric: str, value: int = 1) -> Callable[[Reading, Event], None]:
    return lambda reading, event: reading.add(event.recorded_at, metric, value)


_ALWAYS: Mapping[str, Callable[[Reading, Event], None]] = {
    "alerts": _alerts,
    "dispositions": _dispositions,
    "drill-missed": _single("drill_missed"),
    "digest-failed": _single("digest_failed"),
    "digest-sent": _left_out("digests_failed", "sent"),
    "coverage-gap": _single("coverage_gap"),
    "on-call": _on_call,
    "watched": _watched,
    "plan-changed": _single("plan_changed"),
    "rollout-ended": _coded("rollout_ended", "why"),
    "accessed": _coded("accessed", "what"),
    "export-compiled": _single("export_compiled"),
    "erased": _coded("erased", "what"),
    "purged": _coded("purged", "what"),
    "drift-found": _single("drift_found"),
}
"""What counts also where there is no incident: alerts, and what a journal tells."""
_HANDLERS: Mapping[str, Callable[[Reading, Event], None]] = {
    "opened": _opened,
    "reopened": _reopened,
    "severity-raised": _severity_changed,
    "severity-changed": _severity_changed,
    "acknowledged": _acknowledged,
    "acknowledgement-expired": _expired,
    "resolved": _resolved,
    "breached": _breached,
    "escalated": _escalated,
    "escalated-manually": _escalated_manually,
    "exhausted": _single("escalation_exhausted"),
    "delivered": _single("delivery_succeeded"),
    "delivery-failed": _single("delivery_succeeded", 0),
    "delivery-withdrawn": _left_out("delivery_success", "withdrawn"),
    "noted": _noted,
    "step-passed": _left_out("escalations_by_step", "passed"),
    "contact-unreachable": _single("contact_unreachable"),
    "contact-missing": _single("contact_missing"),
    "oncall-empty": _single("oncall_empty"),
    "informed": _single("informed"),
    "update-lapsed": _update_lapsed,
    "status-updated": _status_updated,
    "checked": _checked,
    "review-required": _review_required,
    "review-completed": _review_completed,
    "action-item": _action_item,
    "first-told": _first_told,
    "receipt": _receipt,
    "acted-on": _acted_on,
    "held-back": _single("held_back"),
    "still-open": _single("still_open_reminded"),
}


def _seconds(since: datetime, until: datetime) -> int:
    return (until - since) // timedelta(seconds=1)
