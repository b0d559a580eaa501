"""What the API answers, as types: the views fill them in, and the OpenAPI document is made from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

# Not typing's own: pydantic cannot read that one under Python 3.11.
from typing_extensions import TypedDict

from shared.workflows.receive_alert import Outcome

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Status = Literal["open", "acknowledged", "resolved"]


class Intake(TypedDict):
    """One entry per group of the call, in its order."""

    incidents: list[Outcome]


class IncidentLine(TypedDict):
    """An incident in a list."""

    id: str
    plan: str
    title: str
    source: str | None
    name: str
    service: str
    severity: str
    status: Status
    opened_at: Instant
    acknowledged_at: Instant | None
    resolved_at: Instant | None
    alert_count: int
    firing: int
    drill: str | None


class IncidentPage(TypedDict):
    """Newest first; ``cursor`` asks for the next page."""

    incidents: list[IncidentLine]
    cursor: str | None


class SlaClock(TypedDict):
    """A window that runs until a person responds or resolves."""

    due: Instant | None
    stopped_at: Instant | None
    state: Literal["none", "running", "stopped", "breached"]


class SlaClocks(TypedDict):
    """Both windows of the incident's severity."""

    respond: SlaClock
    resolve: SlaClock


class Escalation(TypedDict):
    """How far the ladder has been climbed."""

    round: int
    steps_fired: int
    running: bool
    exhausted: bool


class TimelineHead(TypedDict):
    """How many events there are, and the hash of the last."""

    length: int
    head: str


class AlertOfIncident(TypedDict):
    """One fingerprint: its latest occurrence and text."""

    fingerprint: str
    name: str
    state: str
    count: int
    started_at: Instant
    first_seen: Instant
    last_seen: Instant
    labels: dict[str, str]
    annotations: dict[str, str]
    url: str | None


class DeliveryAttempt(TypedDict):
    """One try, and what the provider said."""

    sent_at: Instant | None
    at: Instant
    accepted: bool
    status: int | None
    provider_id: str | None
    error: str | None


class DeliveryOfIncident(TypedDict):
    """One notification to one contact by one channel."""

    id: str
    kind: str
    contact: str
    channel: str
    state: str
    reason: str
    caused_by: int
    idempotency_key: str
    owed_at: Instant
    due_at: Instant
    receipts: list[str]
    body_sha256: str | None
    template: str | None
    template_version: str | None
    digest: str | None
    attempts: list[DeliveryAttempt]


class HeldBackFor(TypedDict):
    """Messages of one kind that a contact gets as one, once the plan's window has passed."""

    contact: str
    kind: str
    until: Instant
    count: int


class UpdateOwed(TypedDict):
    """The next status update that an audience is owed."""

    audience: str
    due: Instant


class ItemOfChecklist(TypedDict):
    """One thing to do, and whether it is done."""

    id: str
    text: str
    required: bool
    state: Literal["open", "ticked", "overridden"]


class ChecklistOfIncident(TypedDict):
    """What is to be done in one phase."""

    name: str
    title: str
    phase: str
    items: list[ItemOfChecklist]


class ReviewOfIncident(TypedDict):
    """Where the post-incident review stands."""

    due: Instant
    sections: list[str]
    completed_at: Instant | None


class ActionItemOfIncident(TypedDict):
    """Something to be done so that it does not happen again."""

    id: str
    title: str
    owner: str
    due: Instant
    priority: str
    status: str


class IncidentWhole(IncidentLine):
    """An incident with everything that stands beside it."""

    summary: str
    source_url: str | None
    acknowledged_by: str | None
    acknowledgement_expires: Instant | None
    resolved_by: str | None
    sla: SlaClocks
    escalation: Escalation | None
    told: list[str]
    roles: dict[str, str]
    progress: str | None
    updates: list[UpdateOwed]
    checklists: list[ChecklistOfIncident]
    closing_codes: dict[str, str]
    review: ReviewOfIncident | None
    action_items: list[ActionItemOfIncident]
    channel_name: str
    ticket_title: str
    runbook: str | None
    deadline: Instant | None
    rules: str
    timeline: TimelineHead
    alerts: list[AlertOfIncident]
    deliveries: list[DeliveryOfIncident]
    held_back: list[HeldBackFor]
    first_told_at: Instant | None


class TimelineEvent(TypedDict):
    """``subject`` to ``previous`` are what ``hash`` seals; ``actor_name`` and ``text`` stand beside them."""

    subject: str
    seq: int
    type: str
    occurred_at: Instant
    recorded_at: Instant
    actor: str
    data: dict[str, Any]
    previous: str
    hash: str
    actor_name: str
    text: str | None


class Timeline(TypedDict):
    """In order, from the first."""

    events: list[TimelineEvent]


class ReviewReport(TypedDict):
    """The report of an incident, made from its timeline; ``markdown`` is the whole of it for people."""

    incident: str
    seconds: dict[str, int | None]
    review: ReviewOfIncident | None
    action_items: list[ActionItemOfIncident]
    markdown: str


class OnCallNow(TypedDict):
    """Who has a rotation, and who is next; ``contact`` null where nobody has."""

    rotation: str
    title: str
    contact: str | None
    why: str
    until: Instant
    next: str | None
    feed: str


class OnCallList(TypedDict):
    """Every rotation of the plan."""

    rotations: list[OnCallNow]


class RunbookLine(TypedDict):
    """A runbook in the index; a skeleton says of itself that its steps are still to be written."""

    plan: str
    name: str
    title: str
    alerts: list[str]
    severity: str
    skeleton: bool
    url: str


class RunbookList(TypedDict):
    """By name."""

    runbooks: list[RunbookLine]


class RunbookPart(TypedDict):
    """One of the five parts."""

    name: str
    markdown: str


class RunbookWhole(RunbookLine):
    """A runbook with its parts, and whole as Markdown."""

    parts: list[RunbookPart]
    markdown: str


class ApiDescription(TypedDict):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]


class FieldFault(TypedDict):
    """One thing that is wrong, and where; ``field`` is empty for the whole."""

    field: str
    detail: str


class Problem(TypedDict):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str


class InvalidRequest(Problem):
    """A problem that lists every field that is wrong."""

    errors: list[FieldFault]
