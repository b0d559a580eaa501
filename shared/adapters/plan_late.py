"""From a plan document to what is looked up late: people, rotations, channels, words, drills and digests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from shared.adapters import plan_directory as parts
from shared.adapters.plan_documents import PlanDocument
from shared.adapters.plan_match import match
from shared.adapters.plan_values import NTHS, WEEKDAYS, minutes_of
from shared.domain.delivery import PAGES
from shared.domain.doors import Chat, StatusPage, Storm
from shared.domain.oncall import Layer, Override, Restriction, Rotation
from shared.domain.plan import (
    Calendar,
    Channel,
    Contact,
    Directory,
    Reach,
    RunbookRule,
    SourceTrust,
    Template,
)
from shared.domain.schedule import Digest, Drill, ExportRule
from shared.domain.trial import Rollout


def directory(document: PlanDocument) -> Directory:
    """Contacts, channels and rotations; absences are read from calendars elsewhere."""
    return Directory(
        contacts={name: _contact(name, contact) for name, contact in document.contacts.items()},
        channels={name: _channel(name, channel) for name, channel in document.channels.items()},
        rotations={
            name: _rotation(name, rotation, rotation.timezone or document.timezone)
            for name, rotation in document.rotations.items()
        },
        timezone=document.timezone,
    )


def _channel(name: str, channel: parts.Channel) -> Channel:
    return Channel(name, channel.kind, channel.url, channel.secret, dict(channel.options), channel.fallback)


def _contact(name: str, contact: parts.Contact) -> Contact:
    calendar = contact.calendar
    return Contact(
        name=name,
        title=contact.title,
        reach=tuple(
            Reach(way.channel, way.to, tuple(way.severities), _kinds(way.kinds), _restriction(way.only))
            for way in contact.reach
        ),
        calendar=Calendar(calendar.url, calendar.secret) if calendar else None,
        identities=contact.identities.model_dump(exclude_none=True),
        role=contact.role,
    )


def _kinds(stated: Iterable[str]) -> tuple[str, ...]:
    """Each kind once; ``pages`` written out."""
    kinds = [kind for one in stated for kind in (sorted(PAGES) if one == "pages" else [one])]
    return tuple(dict.fromkeys(kinds))


def _rotation(name: str, rotation: parts.Rotation, timezone: str) -> Rotation:
    return Rotation(
        name=name,
        title=rotation.title,
        timezone=timezone,
        layers=tuple(
            Layer(tuple(layer.members), layer.starts, layer.handoff, _restriction(layer.only))
            for layer in rotation.layers
        ),
        overrides=tuple(
            Override(each.contact, utc(each.since, timezone), utc(each.to, timezone))
            for each in rotation.overrides
        ),
        fallback=rotation.fallback,
    )


def _restriction(only: parts.Restriction | None) -> Restriction | None:
    if only is None:
        return None
    days = tuple(sorted(WEEKDAYS.index(day) for day in only.days))
    return Restriction(days, minutes_of(only.since), minutes_of(only.to))


def utc(local: str, timezone: str) -> datetime:
    """The instant of a local date and time: the first where it comes twice."""
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def source_trust(trust: parts.Trust) -> SourceTrust:
    """How a source proves itself; names of headers in lower case."""
    return SourceTrust(
        bearer_secret=trust.bearer_secret,
        hmac_secret=trust.hmac_secret,
        signature_header=trust.signature_header and trust.signature_header.lower(),
        timestamp_header=trust.timestamp_header and trust.timestamp_header.lower(),
    )


def templates(document: PlanDocument) -> dict[str, Template]:
    """The plan's own words, by name."""
    return {name: Template(each.body, each.subject or "") for name, each in document.templates.items()}


def runbooks(document: PlanDocument) -> tuple[RunbookRule, ...]:
    """Which runbook is for which alerts, in order."""
    return tuple(RunbookRule(rule.runbook, match(rule.when)) for rule in document.runbooks)


def drill(name: str, stated: parts.Drill) -> Drill:
    """A drill on schedule."""
    nth, weekday = stated.on.split()
    return Drill(
        name=name,
        title=stated.title,
        nth=NTHS.index(nth),
        weekday=WEEKDAYS.index(weekday),
        at=minutes_of(stated.at),
        service=stated.service,
        severity=stated.severity,
        scenario=stated.scenario or "",
        runbook=stated.runbook,
    )


def digest(name: str, stated: parts.Digest) -> Digest:
    """A digest on schedule."""
    return Digest(
        name=name,
        severities=tuple(stated.severities),
        notify=tuple(stated.notify),
        at=minutes_of(stated.at),
        weekday=None if stated.every == "day" else WEEKDAYS.index(stated.every),
        business_days=stated.business_days,
        template=stated.template,
    )


def export_rule(stated: parts.ExportRule) -> ExportRule:
    """Who is told when an export is ready."""
    return ExportRule(tuple(stated.notify), stated.link)


def storm(stated: parts.Storm) -> Storm:
    """When many incidents are told together."""
    return Storm(stated.more_than, stated.within)


def chat(stated: parts.Chat) -> Chat:
    """Where commands from chat may come from."""
    slack = stated.slack
    return Chat(
        slack_signing_secret=slack.signing_secret if slack else None,
        slack_bot_secret=slack.bot_secret if slack else None,
        slack_workspace=slack.workspace if slack else None,
        teams_secret=stated.teams.secret if stated.teams else None,
    )


def status_page(stated: parts.StatusPage) -> StatusPage:
    """What the public may read."""
    return StatusPage(stated.title, stated.history)


def rollout(stated: parts.Rollout) -> Rollout:
    """How new rules come in."""
    return Rollout(tuple(stated.stages), stated.hold)
