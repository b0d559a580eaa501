"""The parts of a plan document that answer what an alert is, who is told of it, and what they do."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.adapters.plan_values import (
    Clock,
    Closing,
    Comparisons,
    Day,
    Few,
    Flag,
    LongerSpan,
    Many,
    Name,
    Pause,
    ReminderSpan,
    SeverityName,
    Span,
    Text,
    Times,
    Title,
    Weekday,
    Window,
)


class Part(BaseModel):
    """Any mapping of the language: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Condition(Part):
    """What an alert must be like: every stated part must hold; values are shell patterns."""

    source: Text | None = None
    alert: Text | None = None
    severity: Text | None = Field(
        default=None, description="what the source calls the severity, ignoring case"
    )
    service: Text | None = Field(
        default=None, description="the service decided upon; under services, the source's own name for it"
    )
    labels: dict[Text, Text] = Field(default={})
    annotations: dict[Text, Text] = Field(default={})
    values: dict[Text, Comparisons] = Field(
        default={}, description="measured value -> one comparison, or a list that must all hold"
    )


class Service(Part):
    """Something that people run, and which alerts are about it."""

    title: Title = ""
    match: Many[Condition] = Field(default=[])
    customer_facing: Flag = Field(default=False, description="customers see it when it fails")


class Step(Part):
    """One rung of the escalation."""

    after: Span = Field(description="since the escalation began")
    notify: Few[Name] = Field(description="contacts, rotations or roles")
    unless: Literal["acknowledged", "resolved"] | None = Field(
        default=None, description="what makes this step unnecessary; not stated: what ends the escalation"
    )
    services: Many[Name] = Field(default=[], description="only for these; none: for all")
    template: Name | None = None


class Inform(Part):
    """Who else is told, whether or not somebody has answered: once, unless it is resolved by then."""

    after: Span = Field(description="since the opening")
    notify: Few[Name] = Field(description="contacts, rotations or roles")
    services: Many[Name] = Field(default=[], description="only for these; none: for all")
    customer_facing: Flag = Field(default=False, description="only for services that customers see")
    template: Name | None = None
    audience: Literal["internal", "external"] = Field(
        default="internal", description="external: outsiders, who hear nothing of what is said inside"
    )


class Updates(Part):
    """How often an audience is owed a status update, and who is reminded of it."""

    every: LongerSpan | None = Field(default=None, description="not stated: the first one only")
    first_within: LongerSpan | None = Field(default=None, description="not stated: as every")
    remind: Few[Name] = Field(default=[], description="contacts, rotations or roles")
    remind_before: Window | None = None
    notify: Few[Name] = Field(default=[], description="told each update, and the resolution")
    customer_facing: Flag = Field(default=False, description="only for services that customers see")
    template: Name | None = None


class Audiences(Part):
    """Updates by audience."""

    internal: Updates | None = None
    external: Updates | None = None


class Repeat(Part):
    """How often the ladder starts again, and how long after its last step."""

    times: Times = 0
    every: LongerSpan = Field(
        default_factory=lambda: timedelta(minutes=15), description="15m where not stated"
    )


class StillOpen(Part):
    """Who is reminded that an incident is not resolved."""

    every: ReminderSpan = Field(description="at least 5m")
    notify: Few[Name] = Field(
        default=[], description="contacts, rotations or roles; none: whoever has been told of it"
    )


class Severity(Part):
    """One row of the severity matrix."""

    title: Title = ""
    respond_within: LongerSpan | None = None
    resolve_within: LongerSpan | None = None
    steps: Annotated[list[Step], Field(max_length=20)] = []
    until: Literal["acknowledged", "resolved"] = "acknowledged"
    repeat: Repeat = Field(default_factory=Repeat)
    acknowledgement_expires: LongerSpan | None = None
    inform: Few[Inform] = Field(default=[])
    updates: Audiences | None = None
    still_open: StillOpen | None = None


class Classification(Part):
    """A rule that gives a severity; the first that matches decides."""

    name: Name
    when: Condition = Field(default_factory=Condition)
    severity: SeverityName


class Grouping(Part):
    """Which alerts belong together, where the source's own grouping is not what is wanted."""

    name: Name
    when: Condition = Field(default_factory=Condition)
    by: Few[Text] = Field(description="label names, or the words service, alert and source")


class Alarm(Part):
    """Who hears of Tocsin's own troubles."""

    notify: Few[Name]


class Declaration(Part):
    """When an incident is declared: only once an alert that matches has fired for so long."""

    name: Name
    when: Condition = Field(default_factory=Condition)
    after: Pause = Field(description="0s: at once, whatever the rules below say")


class Hours(Part):
    """When people work: the same hours on every working day, but not on holidays."""

    days: Few[Weekday]
    since: Clock = Field(alias="from")
    to: Closing = Field(description="at most 24:00")
    holidays: Many[Day] = Field(default=[])


class Role(Part):
    """A part that somebody plays in an incident, given at its opening."""

    title: Title = ""
    primary: Name | None = Field(default=None, description="a contact or a rotation")
    secondary: Name | None = Field(default=None, description="where the primary is nobody")
    services: Many[Name] = Field(default=[], description="only for these; none: for all")


class Item(Part):
    """One thing to do or to check."""

    id: Name
    text: Text
    required: Flag = False


class Checklist(Part):
    """What is to be done in one phase."""

    title: Title = ""
    phase: Literal["initial", "investigation", "resolution", "verification", "post-incident"]
    severities: Many[SeverityName] = Field(default=[], description="none: every severity")
    items: Annotated[list[Item], Field(min_length=1, max_length=100)]


class ClosingRule(Part):
    """How a person closes an incident."""

    codes: Annotated[dict[Name, Title], Field(min_length=1, max_length=50)] = Field(
        description="code -> what it means"
    )


class Overdue(Part):
    """Who is told that a review is overdue, and how often."""

    notify: Few[Name]
    every: Window = Field(default_factory=lambda: timedelta(days=1), description="1d where not stated")


class Review(Part):
    """Which incidents are reviewed afterwards, by when, and who is reminded."""

    severities: Few[SeverityName]
    due_within: LongerSpan = Field(description="from the resolution")
    notify: Few[Name] = Field(description="contacts, rotations or roles")
    remind: Few[Window] = Field(default=[], description="so long before it is due; longest first")
    overdue: Overdue | None = None


class ActionItems(Part):
    """Who is chased about an action item past its due date, beside its owner."""

    notify: Few[Name]
    every: Window = Field(default_factory=lambda: timedelta(days=7), description="7d where not stated")
