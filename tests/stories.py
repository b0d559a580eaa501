"""Timelines in a few words: sealed events of one incident, one call an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.timeline import GENESIS, Event, seal, stamp

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
"""The first instant of week 2026-W47 in UTC."""
SUNDAY = MONDAY + timedelta(days=7)
"""The first instant after it."""
WEEK = "2026-W47"
ANNA = "person:anna"


class Story:
    """The timeline of one incident; each call appends an event, recorded at ``at``, and returns the story."""

    def __init__(self, subject: str = "INC-00000001-1") -> None:
        self.subject = subject
        self.events: list[Event] = []

    def tell(
        self,
        type: str,
        at: datetime,
        data: dict[str, Any] | None = None,
        actor: str = "tocsin",
        occurred: datetime | None = None,
    ) -> Story:
        """Any event."""
        previous = self.events[-1].hash if self.events else GENESIS
        seq = len(self.events) + 1
        self.events.append(seal(self.subject, seq, previous, type, actor, data or {}, occurred or at, at))
        return self

    def opened(
        self,
        at: datetime,
        *,
        began: datetime | None = None,
        respond_due: datetime | None = None,
        resolve_due: datetime | None = None,
        severity: str = "P1",
        service: str = "api",
        source: str | None = "generic",
        name: str = "HighErrorRate",
        drill: str | None = None,
    ) -> Story:
        """By the alerts of a source, or by hand where ``source`` is None; or as a drill."""
        data = {
            "plan": "acme",
            "source": source,
            "name": name,
            "service": service,
            "severity": severity,
            "rules": "a" * 64,
            "group": "b" * 64,
            "rule": "default",
            "declaration": None,
            "drill": drill,
        }
        actor = "tocsin" if drill else f"source:{source}" if source else ANNA
        return self.tell("opened", at, data | _dues(respond_due, resolve_due), actor, began)

    def pending(self, at: datetime) -> Story:
        """An alert that a rule asks to wait for."""
        data = {
            "plan": "acme",
            "source": "generic",
            "name": "HighErrorRate",
            "service": "api",
            "severity": "P1",
            "rules": "a" * 64,
            "group": "b" * 64,
            "rule": "default",
            "declaration": "sustained",
            "declare_due": stamp(at + timedelta(minutes=5)),
        }
        return self.tell("pending", at, data, "source:generic")

    def reopened(
        self,
        at: datetime,
        *,
        by: str = "source",
        respond_due: datetime | None = None,
        resolve_due: datetime | None = None,
    ) -> Story:
        """With fresh clocks."""
        actor = ANNA if by == "person" else "source:generic"
        return self.tell("reopened", at, {"by": by} | _dues(respond_due, resolve_due), actor)

    def raised(
        self,
        at: datetime,
        to: str,
        *,
        respond_due: datetime | None = None,
        resolve_due: datetime | None = None,
    ) -> Story:
        """To a louder severity."""
        data = {"from": "P2", "to": to, "rule": "default"} | _dues(respond_due, resolve_due)
        return self.tell("severity-raised", at, data, "source:generic")

    def severity_changed(
        self,
        at: datetime,
        to: str,
        *,
        respond_due: datetime | None = None,
        resolve_due: datetime | None = None,
    ) -> Story:
        """By a person, to any other severity."""
        data = {"from": "P1", "to": to, "text_sha256": None} | _dues(respond_due, resolve_due)
        return self.tell("severity-changed", at, data, ANNA)

    def acknowledged(self, at: datetime, by: str = ANNA) -> Story:
        """By a person, or by an actor that is none."""
        return self.tell("acknowledged", at, {"first": True, "expires": None}, by)

    def resolved(self, at: datetime, by: str = "person") -> Story:
        """By a person or by the source."""
        actor = ANNA if by == "person" else "source:generic"
        return self.tell("resolved", at, {"by": by, "code": None, "text_sha256": None}, actor)

    def breached(self, clock: str, due: datetime, late: int = 0) -> Story:
        """Recorded ``late`` seconds after it was due."""
        data = {"clock": clock, "due": stamp(due), "late_seconds": late}
        return self.tell("breached", due + timedelta(seconds=late), data, occurred=due)

    def escalated(self, due: datetime, step: int, late: int = 0) -> Story:
        """By Tocsin, ``late`` seconds after it was due."""
        data = {
            "round": 1,
            "step": step,
            "of": 3,
            "due": stamp(due),
            "late_seconds": late,
            "notify": ["oncall"],
        }
        return self.tell("escalated", due + timedelta(seconds=late), data, occurred=due)

    def alerts(self, at: datetime, **counts: int) -> Story:
        """So many alerts of each disposition; of a journal where the subject is one."""
        entries = [_alert(at, disposition, count) for disposition, count in counts.items()]
        journal = self.subject.startswith("JRN-")
        return self.tell("dispositions" if journal else "alerts", at, {"alerts": entries}, "source:generic")

    def update_lapsed(self, due: datetime, audience: str = "internal", missed: int = 1) -> Story:
        """Nobody gave the status update that was due."""
        data = {"audience": audience, "due": stamp(due), "late_seconds": 0, "missed": missed}
        return self.tell("update-lapsed", due, data)

    def status_updated(self, at: datetime, *audiences: str) -> Story:
        """A status update, for each of these audiences."""
        due = {audience: stamp(at + timedelta(minutes=30)) for audience in audiences}
        data = {
            "status": "identified",
            "audiences": list(audiences),
            "next_due": due,
            "text_sha256": "c" * 64,
        }
        return self.tell("status-updated", at, data, ANNA)

    def checked(self, at: datetime, state: str = "ticked", item: str = "logs") -> Story:
        """An item of the initial checklist."""
        data = {"item": item, "phase": "initial", "state": state, "text_sha256": None}
        return self.tell("checked", at, data, ANNA)

    def review_required(self, at: datetime, due: datetime) -> Story:
        """Usually when it was resolved."""
        return self.tell("review-required", at, {"due": stamp(due)})

    def review_completed(self, at: datetime) -> Story:
        """By a person, in time or not."""
        return self.tell("review-completed", at, {"due": stamp(at), "in_time": True}, ANNA)

    def item(self, at: datetime, status: str, due: datetime, id: str = "A1") -> Story:
        """An action item, new or changed."""
        data = {"item": id, "owner": "oncall", "due": stamp(due), "priority": "high", "status": status}
        return self.tell("action-item", at, data | {"text_sha256": None}, ANNA)

    def delivered(self, at: datetime) -> Story:
        """Accepted by its provider."""
        return self.tell("delivered", at, _delivery(at) | {"status": 200, "provider_id": None})

    def undelivered(self, at: datetime) -> Story:
        """Given up."""
        return self.tell("delivery-failed", at, _delivery(at) | {"status": 500})

    def first_told(self, at: datetime, told: datetime | None = None) -> Story:
        """The first message that a provider took for somebody inside, at ``told``."""
        seconds = (told or at) - self.events[0].recorded_at if self.events else timedelta(0)
        data = {"delivery": "000002-oncall-0", "contact": "oncall", "channel": "log"}
        return self.tell("first-told", at, data | {"seconds": seconds // timedelta(seconds=1)}, occurred=told)

    def receipt(self, at: datetime, state: str = "delivered", delivery: str = "000002-oncall-0") -> Story:
        """The provider says later what became of a notification."""
        data = {"contact": "oncall", "channel": "sms", "state": state, "provider_id": "SM1"}
        return self.tell("receipt", at, data | {"delivery": delivery}, "channel:sms")

    def acted_on(self, at: datetime, by: str = "link") -> Story:
        """By a person, from a notification."""
        data = {"contact": "oncall", "by": by, "delivery": None, "command": "acknowledge"}
        return self.tell("acted-on", at, data, ANNA)


def _dues(respond: datetime | None, resolve: datetime | None) -> dict[str, str | None]:
    return {
        "respond_due": stamp(respond) if respond else None,
        "resolve_due": stamp(resolve) if resolve else None,
    }


def _alert(at: datetime, disposition: str, count: int) -> dict[str, Any]:
    return {
        "fingerprint": "f" * 32,
        "started_at": stamp(at),
        "ended_at": None,
        "state": "firing",
        "disposition": disposition,
        "rule": "default",
        "count": count,
    }


def _delivery(at: datetime) -> dict[str, Any]:
    return {
        "delivery": "000002-oncall-0",
        "kind": "escalation",
        "contact": "oncall",
        "channel": "log",
        "caused_by": 2,
        "owed_at": stamp(at),
        "attempts": 1,
    }
