"""Builders that say only what matters to a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.domain.alert import Alert, fingerprint_of
from shared.domain.matrix import Repeat, Severity, Step, Until
from shared.domain.plan import Channel, Contact, Directory, Plan, Reach, Rules, Service, SourceTrust

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
"""A Wednesday, in week 2026-W47."""


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def an_alert(
    name: str = "HighErrorRate",
    *,
    firing: bool = True,
    at: datetime = NOON,
    identity: str | None = None,
    severity: str | None = None,
    group: str | None = None,
    service: str | None = "api",
    ended_at: datetime | None = None,
    labels: dict[str, str] | None = None,
    summary: str = "errors are high",
    values: dict[str, float] | None = None,
) -> Alert:
    return Alert(
        source="generic",
        fingerprint=fingerprint_of("generic", identity or name),
        firing=firing,
        name=name,
        started_at=at,
        ended_at=ended_at,
        group=group,
        service=service,
        severity=severity,
        summary=summary,
        labels=labels or {},
        values=values or {},
    )


def a_severity(
    name: str = "P1",
    *,
    steps: tuple[tuple[timedelta, tuple[str, ...]], ...] = (
        (timedelta(0), ("oncall",)),
        (timedelta(minutes=15), ("lead",)),
        (timedelta(minutes=30), ("manager",)),
    ),
    respond_within: timedelta | None = timedelta(minutes=10),
    resolve_within: timedelta | None = timedelta(hours=4),
    until: Until = "acknowledged",
    repeats: int = 0,
    every: timedelta = timedelta(minutes=15),
    acknowledgement_expires: timedelta | None = None,
) -> Severity:
    return Severity(
        name,
        name,
        respond_within,
        resolve_within,
        tuple(Step(after, notify) for after, notify in steps),
        until,
        Repeat(repeats, every),
        acknowledgement_expires,
    )


def some_rules(
    *severities: Severity,
    reopen_within: timedelta = timedelta(minutes=30),
    auto_resolve: bool = True,
    alarm: tuple[str, ...] = ("manager",),
    timezone: str = "UTC",
) -> Rules:
    chosen = severities or (a_severity(),)
    return Rules(
        hash="a" * 64,
        text="{}",
        plan="acme",
        timezone=timezone,
        severities=chosen,
        default_severity=chosen[-1].name,
        default_service="api",
        services=(Service("api"),),
        reopen_within=reopen_within,
        auto_resolve=auto_resolve,
        alarm=alarm,
    )


def unthrottled(rules: Rules) -> Rules:
    """The same rules, under which every message goes out as it comes."""
    return replace(rules, throttle=timedelta(0))


def a_directory(**reach: tuple[str, ...]) -> Directory:
    """Contacts with the names of their channels; all channels are of the kind ``log``."""
    contacts = reach or {"oncall": ("log",), "lead": ("log",), "manager": ("log",)}
    channels = {channel for names in contacts.values() for channel in names}
    return Directory(
        {
            name: Contact(name, reach=tuple(Reach(channel) for channel in names))
            for name, names in contacts.items()
        },
        {name: Channel(name, "log") for name in channels},
    )


def a_plan(rules: Rules | None = None, directory: Directory | None = None, **trust: SourceTrust) -> Plan:
    ruling = rules or some_rules()
    return Plan(ruling.plan, "Acme", ruling, directory or a_directory(), sources=trust)
