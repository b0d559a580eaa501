"""A plan: one organisation's response process. `Rules` are frozen into an incident at its opening;
`Directory` (contacts and channels) is looked up late, when a step fires."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

Until = Literal["acknowledged", "resolved"]


@dataclass(frozen=True)
class Step:
    """One rung of an escalation: this long after its start, these contacts (by name, never empty)."""

    after: timedelta
    notify: tuple[str, ...]


@dataclass(frozen=True)
class Repeat:
    """How often the whole ladder starts again (0: never) and how long after its last step.

    The same pause follows the last round before the escalation counts as exhausted.
    """

    times: int = 0
    every: timedelta = timedelta(minutes=15)


@dataclass(frozen=True)
class Severity:
    """One row of the plan's severity matrix; the order in the plan is the order of loudness."""

    name: str
    title: str = ""
    respond_within: timedelta | None = None
    resolve_within: timedelta | None = None
    steps: tuple[Step, ...] = ()
    until: Until = "acknowledged"
    repeat: Repeat = Repeat()
    acknowledgement_expires: timedelta | None = None


@dataclass(frozen=True)
class Match:
    """A condition on an alert; every stated part must hold. Values are shell patterns (``db-*``)."""

    source: str | None = None
    alert: str | None = None
    severity: str | None = None
    """Against what the source calls the severity, ignoring case."""
    service: str | None = None
    """Against the service that was decided first."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """Something that people run; ``match`` lists the conditions that say an alert is about it."""

    name: str
    title: str = ""
    match: tuple[Match, ...] = ()


@dataclass(frozen=True)
class Classification:
    """One rule that gives a severity; first match wins, and the decision names the rule."""

    name: str
    severity: str
    when: Match = Match()


@dataclass(frozen=True)
class Grouping:
    """Which alerts belong together where the plan wants another grouping than the source's own."""

    name: str
    by: tuple[str, ...]
    """Label names, or the words ``service``, ``alert`` and ``source``."""
    when: Match = Match()


@dataclass(frozen=True)
class Rules:
    """What is frozen at opening, named by `hash`; `text` is kept by that hash."""

    hash: str
    text: str
    """Canonical JSON of everything below, so that an auditor can read what was in force."""
    plan: str
    timezone: str
    """IANA name."""
    severities: tuple[Severity, ...]
    """Loudest first."""
    default_severity: str
    default_service: str
    services: tuple[Service, ...] = ()
    classify: tuple[Classification, ...] = ()
    group: tuple[Grouping, ...] = ()
    reopen_within: timedelta = timedelta(0)
    """A firing this soon after the resolution reopens the incident instead of opening the next."""
    auto_resolve: bool = True
    """Whether the incident is resolved when its last alert is."""
    alarm: tuple[str, ...] = ()
    """Contacts for Tocsin's own alarms: exhausted escalation, unreachable or vanished contact."""

    def severity(self, name: str) -> Severity:
        """The severity of that name; KeyError where the plan has none."""
        for severity in self.severities:
            if severity.name == name:
                return severity
        raise KeyError(name)

    def loudness(self, name: str) -> int:
        """0 for the loudest severity, and so on."""
        return [severity.name for severity in self.severities].index(name)


@dataclass(frozen=True)
class Channel:
    """A way to reach somebody. ``secret`` names a secret; ``options`` are the kind's own settings."""

    name: str
    kind: str
    """``webhook``, ``slack``, ``teams``, ``email`` or ``log``."""
    url: str | None = None
    """Only where the address is no secret."""
    secret: str | None = None
    """Name of the secret: the URL (slack, teams), the signing key (webhook), the SMTP URL (email)."""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reach:
    """One of a contact's channels, with the address on it where the channel needs one."""

    channel: str
    to: str | None = None


@dataclass(frozen=True)
class Contact:
    """A person, role or room; ``reach`` is in order of preference."""

    name: str
    title: str = ""
    reach: tuple[Reach, ...] = ()


@dataclass(frozen=True)
class Directory:
    """Who can be told, and how, as of now."""

    contacts: Mapping[str, Contact]
    channels: Mapping[str, Channel]


@dataclass(frozen=True)
class SourceTrust:
    """How a source proves itself beyond the function key; names of secrets."""

    bearer_secret: str | None = None
    """The call must carry ``Authorization: Bearer <secret>``."""
    hmac_secret: str | None = None
    """The body must be signed as that source signs (Grafana) or, for ``generic``, as Tocsin does."""
    signature_header: str | None = None
    timestamp_header: str | None = None


@dataclass(frozen=True)
class Plan:
    """A plan as loaded: rules, directory, and who may see it (nobody named: everyone with a role)."""

    name: str
    title: str
    rules: Rules
    directory: Directory
    visible_to: tuple[str, ...] = ()
    sources: Mapping[str, SourceTrust] = field(default_factory=dict)
    targets: Mapping[str, int] = field(default_factory=dict)
    """KPI targets by KPI name, in that KPI's unit."""


def rules_hash(text: str) -> str:
    """The name of frozen rules: SHA-256 of their canonical text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
