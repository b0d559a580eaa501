"""The parts of a plan document that are looked up late: people, rotations, channels, words, calendars, and
where chat and the public come in."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from shared.adapters.channel_forms import ChannelKind
from shared.adapters.plan_parts import Condition, Part
from shared.adapters.plan_values import (
    WEEKDAYS,
    Address,
    Body,
    Clock,
    Closing,
    Few,
    Flag,
    Header,
    LinkSpan,
    LocalTime,
    Many,
    Name,
    ObjectId,
    Option,
    Schedule,
    SecretName,
    SeverityName,
    SlackUser,
    SlackWorkspace,
    Stages,
    StormWindow,
    Text,
    Timezone,
    Title,
    Turn,
    Weekday,
    Whole,
    Window,
)
from shared.domain.delivery import Kind
from shared.domain.trial import DEFAULT_HOLD, DEFAULT_STAGES


class Restriction(Part):
    """At which times: a layer is on duty, a way is open; to at or before from means the next day."""

    days: Few[Weekday] = Field(default=list(WEEKDAYS), description="every day where not stated")
    since: Clock = Field(default="00:00", alias="from")
    to: Closing = "24:00"


class Reach(Part):
    """One way to a contact."""

    channel: Name
    to: Text | None = Field(default=None, description="the address on that channel, where it needs one")
    severities: Few[SeverityName] = Field(default=[], description="only for incidents of these; none: of all")
    kinds: Few[Literal[Kind, "pages"]] = Field(
        default=[], description="only for these notifications (pages: escalation and manual); none: for all"
    )
    only: Restriction | None = Field(default=None, description="only at these times, by the plan's clock")


class Calendar(Part):
    """The address of an ICS calendar: in the open, or as the name of a secret."""

    url: Address | None = Field(default=None, description="only where the address is no secret")
    secret: SecretName | None = None


class Identities(Part):
    """Who a contact is elsewhere."""

    slack: SlackUser | None = Field(default=None, description="id of the person in Slack: U…")
    teams: ObjectId | None = Field(default=None, description="object id of the person, as Teams tells it")
    entra: ObjectId | None = Field(default=None, description="object id of the person in Entra ID")


class Contact(Part):
    """A person, role or room; the first channel is tried first."""

    title: Title = ""
    reach: Few[Reach]
    calendar: Calendar | None = Field(default=None, description="where their absences stand, as ICS")
    identities: Identities = Field(default_factory=Identities)
    role: Literal["Reader", "Responder", "Commander", "Admin"] = Field(
        default="Responder", description="what they may do from chat and by answering"
    )


class Channel(Part):
    """A way to reach somebody; its secret is named, never written."""

    kind: ChannelKind
    url: Text | None = Field(default=None, description="only where the address is no secret")
    secret: SecretName | None = None
    options: dict[Option, Text] = Field(default={})
    fallback: Name | None = Field(
        default=None, description="another channel, where this one's provider fails"
    )


class Trust(Part):
    """How a source proves itself, beyond the function key."""

    bearer_secret: SecretName | None = None
    hmac_secret: SecretName | None = None
    signature_header: Header | None = None
    timestamp_header: Header | None = None


class Layer(Part):
    """Members in turn; where two layers are on duty, the later one of the list has it."""

    members: Few[Name] = Field(description="contacts")
    starts: LocalTime = Field(description="local date and time at which the first member begins")
    handoff: Turn = Field(description="how long a turn is; at least 1h")
    only: Restriction | None = None


class Override(Part):
    """A contact takes over for a while; local times of the rotation, the end not included."""

    contact: Name
    since: LocalTime = Field(alias="from")
    to: LocalTime


class Rotation(Part):
    """People who take turns."""

    title: Title = ""
    timezone: Timezone | None = Field(default=None, description="the plan's where not stated")
    layers: Few[Layer]
    overrides: Many[Override] = Field(default=[])
    fallback: Name | None = Field(default=None, description="contact who is told where nobody is on call")


class Template(Part):
    """The words of a notification or a name, in Jinja2."""

    subject: Text | None = None
    body: Body


class RunbookRule(Part):
    """Which runbook is for which alerts; the first that matches."""

    when: Condition = Field(default_factory=Condition)
    runbook: Name = Field(description="runbooks/<plan>/<runbook>.md")


class Drill(Part):
    """A rehearsed incident, opened on schedule in the plan's time zone."""

    title: Title = ""
    on: Schedule = Field(description="first to fifth, or every, and a weekday: first friday")
    at: Clock
    service: Name
    severity: SeverityName
    scenario: Body | None = Field(default=None, description="what is rehearsed")
    runbook: Name | None = None


class Digest(Part):
    """What is still open of some severities, told together each day or week."""

    severities: Few[SeverityName]
    every: Literal["day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = (
        Field(description="day, or a weekday")
    )
    at: Clock
    business_days: Flag = False
    notify: Few[Name] = Field(description="contacts or rotations")
    template: Name | None = None


class ExportRule(Part):
    """Who is told when a weekly export is ready."""

    notify: Few[Name] = Field(description="contacts or rotations")
    link: LinkSpan | None = Field(
        default=None,
        description="how long the link in the message opens the bundle without an account, 1h to 90d; "
        "left out: no link",
    )


class Storm(Part):
    """When messages of many incidents to one contact are told together."""

    more_than: Annotated[Whole, Field(ge=1, le=1000)] = Field(default=10, description="go out one by one")
    within: StormWindow = Field(
        default_factory=lambda: timedelta(minutes=5), description="1m to 1h; 5m where not stated"
    )


class SlackChat(Part):
    """Where commands from Slack come from; names of secrets."""

    signing_secret: SecretName
    bot_secret: SecretName | None = Field(default=None, description="bot token, with which modals are opened")
    workspace: SlackWorkspace | None = Field(default=None, description="only from this workspace: T…")


class TeamsChat(Part):
    """Where commands from Teams come from."""

    secret: SecretName = Field(description="name of the outgoing webhook's security token")


class Chat(Part):
    """Where commands from chat may come from."""

    slack: SlackChat | None = None
    teams: TeamsChat | None = None


class Rollout(Part):
    """How new rules come in."""

    stages: Stages = Field(
        default=list(DEFAULT_STAGES), description="percent of the new incidents, 1 to 99, growing; then all"
    )
    hold: Window = Field(
        default_factory=lambda: DEFAULT_HOLD, description="how long each stage lasts; 48h where not stated"
    )


class StatusPage(Part):
    """What the public may read."""

    title: Text
    history: Window = Field(
        default_factory=lambda: timedelta(days=14),
        description="how long a resolved incident stays on it; 14d where not stated",
    )
