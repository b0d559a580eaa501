"""A plan: one organisation's response process. `Rules` are frozen into an incident at its opening;
`Directory` (contacts, rotations, absences, channels) is looked up late, when a step fires."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from shared.domain.doors import Chat, StatusPage, Storm
from shared.domain.hours import BusinessHours, Span
from shared.domain.matrix import Severity
from shared.domain.oncall import Absence, Restriction, Rotation
from shared.domain.retention import Retention
from shared.domain.schedule import Digest, Drill, ExportRule
from shared.domain.trial import Rollout, place

FOLLOWS = frozenset({"slack-app", "slack-room", "statuspage"})
"""Kinds of channel that go on from what shows the incident already: a thread, a page's entry."""
LIVE = frozenset({"slack-app", "slack-room", "pagerduty", "opsgenie"})
"""Kinds of channel that show how the incident stands, and so hear of each change of that."""
ROOMS = frozenset({"slack-room"})
"""Kinds of channel that make a room of its own for each incident."""
Phase = Literal["initial", "investigation", "resolution", "verification", "post-incident"]


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
    annotations: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a measured value -> comparisons that must all hold, ``> 10``, ``<= 50``."""


@dataclass(frozen=True)
class Service:
    """Something that people run; ``match`` lists the conditions that say an alert is about it."""

    name: str
    title: str = ""
    match: tuple[Match, ...] = ()
    customer_facing: bool = False
    """Whether customers see it when it fails."""


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
class Declaration:
    """When an incident is declared: only once an alert that matches has been firing for ``after``.

    Until then it is pending, and dropped if it clears first. The first that matches decides; where none does,
    the incident is declared at once.
    """

    name: str
    after: timedelta
    when: Match = Match()


@dataclass(frozen=True)
class Role:
    """A part that somebody plays in an incident, given at its opening: the primary, or else the secondary."""

    name: str
    title: str = ""
    primary: str = ""
    """A contact or a rotation."""
    secondary: str | None = None
    services: tuple[str, ...] = ()
    """Only for incidents of these services; none named: for all."""


@dataclass(frozen=True)
class Item:
    """One thing to do or to check."""

    id: str
    text: str
    required: bool = False


@dataclass(frozen=True)
class Checklist:
    """What is to be done in one phase. Required items stand before resolving; those of ``post-incident``
    before the review is complete."""

    name: str
    phase: Phase
    items: tuple[Item, ...]
    title: str = ""
    severities: tuple[str, ...] = ()
    """None named: every severity."""


@dataclass(frozen=True)
class ClosingCode:
    """One of the codes under which an incident may be closed by a person."""

    name: str
    title: str = ""


@dataclass(frozen=True)
class ReviewRule:
    """Which incidents are reviewed afterwards, by when, and who is reminded."""

    severities: tuple[str, ...]
    due_within: Span
    """From the resolution."""
    notify: tuple[str, ...] = ()
    """Contacts, rotations or roles: told that it is due, reminded, and chased."""
    remind: tuple[timedelta, ...] = ()
    """How long before it is due; longest first."""
    overdue_notify: tuple[str, ...] = ()
    """Told as well once it is overdue."""
    overdue_every: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class ActionItemRule:
    """Who is chased about an action item past its due date, beside its owner, and how often."""

    notify: tuple[str, ...] = ()
    every: timedelta = timedelta(days=7)


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
    """Contacts and rotations for Tocsin's own alarms: nobody answered, is on call or can be reached."""
    hours: BusinessHours | None = None
    """None: business time is all the time, and every day is a business day."""
    declare: tuple[Declaration, ...] = ()
    roles: tuple[Role, ...] = ()
    checklists: tuple[Checklist, ...] = ()
    closing_codes: tuple[ClosingCode, ...] = ()
    """Where there are any, a person who resolves names one and says in words what was done."""
    review: ReviewRule | None = None
    action_items: ActionItemRule = ActionItemRule()
    throttle: timedelta = timedelta(seconds=60)
    """At most one message per contact and kind in this window; what is held back follows as one."""

    def severity(self, name: str) -> Severity:
        """The severity of that name; KeyError where the plan has none."""
        for severity in self.severities:
            if severity.name == name:
                return severity
        raise KeyError(name)

    def loudness(self, name: str) -> int:
        """0 for the loudest severity, and so on."""
        return [severity.name for severity in self.severities].index(name)

    def ruling(self, severity: str, service: str, *, drill: bool = False) -> Severity:
        """The severity as it rules incidents of a service: what is for other services is left out.

        A drill tells nobody outside: it faces no customers.
        """
        row = self.severity(severity)
        if not row.selective and not drill:
            return row
        faces = self.faces_customers(service) and not drill
        return replace(
            row,
            steps=tuple(step for step in row.steps if _is_for(step.services, service)),
            inform=tuple(
                each
                for each in row.inform
                if _is_for(each.services, service)
                and (faces or not each.customer_facing)
                and not (drill and each.audience == "external")
            ),
            updates=tuple(
                each
                for each in row.updates
                if (faces or not each.customer_facing) and not (drill and each.audience == "external")
            ),
        )

    def faces_customers(self, service: str) -> bool:
        """Whether customers see that service when it fails."""
        return any(each.customer_facing for each in self.services if each.name == service)

    def roles_for(self, service: str) -> tuple[Role, ...]:
        """The roles that an incident of a service has."""
        return tuple(role for role in self.roles if _is_for(role.services, service))

    def checklists_for(self, severity: str) -> tuple[Checklist, ...]:
        """The checklists of an incident of a severity."""
        return tuple(each for each in self.checklists if _is_for(each.severities, severity))


@dataclass(frozen=True)
class Channel:
    """A way to reach somebody. ``secret`` names a secret; ``options`` are the kind's own settings."""

    name: str
    kind: str
    """One of the kinds in ``docs/channels.md``."""
    url: str | None = None
    """Only where the address is no secret."""
    secret: str | None = None
    """Name of the secret: the URL (slack, teams), the signing key (webhook), the SMTP URL (email)."""
    options: Mapping[str, str] = field(default_factory=dict)
    fallback: str | None = None
    """Another channel for the same address, tried where this one's provider fails."""


@dataclass(frozen=True)
class Reach:
    """One of a contact's channels, with the address on it where the channel needs one."""

    channel: str
    to: str | None = None
    severities: tuple[str, ...] = ()
    """Only for incidents of these severities; none named: of all."""
    kinds: tuple[str, ...] = ()
    """Only for these kinds of notification; none named: for all."""
    only: Restriction | None = None
    """Only at these times, by the plan's clock."""


@dataclass(frozen=True)
class Contact:
    """A person, role or room; ``reach`` is in order of preference."""

    name: str
    title: str = ""
    reach: tuple[Reach, ...] = ()
    calendar: Calendar | None = None
    """Where their absences stand."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """Who they are elsewhere: ``slack`` (user id), ``teams`` and ``entra`` (object id)."""
    role: str = "Responder"
    """What they may do from chat and by answering."""


@dataclass(frozen=True)
class Calendar:
    """The address of an ICS calendar: in the open, or as the name of a secret; exactly one of them."""

    url: str | None = None
    secret: str | None = None


@dataclass(frozen=True)
class Directory:
    """Who can be told, and how, as of now. Contacts, rotations and roles share one set of names."""

    contacts: Mapping[str, Contact]
    channels: Mapping[str, Channel]
    rotations: Mapping[str, Rotation] = field(default_factory=dict)
    absences: Mapping[str, tuple[Absence, ...]] = field(default_factory=dict)
    """Contact -> when they are away, as their calendar was last read."""
    timezone: str = "UTC"
    """The plan's, for the times of day at which a way is open."""


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
class Template:
    """The words of a notification or name, in Jinja2; `body` alone where there is no subject."""

    body: str
    subject: str = ""

    @property
    def version(self) -> str:
        """First 12 digits of the SHA-256 of subject, newline and body."""
        return hashlib.sha256(f"{self.subject}\n{self.body}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class RunbookRule:
    """Which runbook is for which alerts; the first that matches."""

    runbook: str
    when: Match = Match()


@dataclass(frozen=True)
class Trial:
    """New rules, and of how many groups out of a hundred they rule the new incidents."""

    rules: Rules
    percent: int

    def takes(self, group: str) -> bool:
        """Whether a group (by its digest under the stable rules) is among them.

        Always the same for the same rules and percent, and who is in stays in as the percent grows.
        """
        return place(self.rules.hash, group) < self.percent


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
    templates: Mapping[str, Template] = field(default_factory=dict)
    """A template with the name of a kind of notification is that kind's."""
    runbooks: tuple[RunbookRule, ...] = ()
    drills: tuple[Drill, ...] = ()
    digests: tuple[Digest, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses that templates may name: dashboards, status page."""
    storm: Storm = field(default_factory=Storm)
    chat: Chat = field(default_factory=Chat)
    status_page: StatusPage | None = None
    """None: the public reads nothing."""
    exports: ExportRule = field(default_factory=ExportRule)
    personal_labels: tuple[str, ...] = ()
    """Labels whose values are people: never stored as they come, but as tokens (`personal`)."""
    retention: Retention = field(default_factory=Retention)
    rollout: Rollout | None = None
    """How new rules come in; None: at once."""
    trial: Trial | None = None
    """While new rules are tried: which, and on how many. ``rules`` are the stable ones then."""
    document: str = field(default="", repr=False)
    """The whole file, as canonical JSON."""


def document_hash(text: str) -> str:
    """The name of a plan's document, or of frozen rules: SHA-256 of the canonical text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _is_for(named: tuple[str, ...], one: str) -> bool:
    return not named or one in named
