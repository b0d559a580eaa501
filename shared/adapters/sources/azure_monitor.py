"""Azure Monitor action groups, in the common alert schema; the older schemas are refused with advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.adapters.sources.azure_context import (
    Target,
    annotations_of,
    custom_properties_of,
    facts_of,
    labels_of,
    link_of,
    summary_of,
    target_of,
    values_of,
)
from shared.adapters.sources.bounds import bounded_alert
from shared.adapters.sources.instants import end_of
from shared.adapters.sources.reading import (
    JsonObject,
    Reading,
    as_text,
    first_text,
    items,
    kind,
    mapping,
    optional_text,
    quoted,
    read_alerts,
)
from shared.adapters.sources.trust import check_call
from shared.domain.alert import Alert
from shared.domain.plan import SourceTrust
from shared.ports import Secrets

SCHEMA = "azureMonitorCommonAlertSchema"
ADVICE = (
    f"must be {SCHEMA}: in the action group, edit this action and switch on"
    " “Enable the common alert schema” (in Bicep: useCommonAlertSchema: true)"
)
STAGES_OVER = ("resolved", "complete", "completed", "canceled", "cancelled", "rca")
"""Stages of a service health event in which nothing is wrong any more."""
BUDGET_KEYS = ("Scope", "BudgetId", "BudgetName", "ThresholdType", "NotificationThresholdAmount")


@dataclass(frozen=True)
class _Payload:
    """The three parts of a body that matter, and which service of Azure is speaking."""

    essentials: JsonObject
    context: JsonObject
    custom: Mapping[str, str]

    @property
    def speaker(self) -> str:
        """``monitoringService`` without case and spaces, which vary: ``servicehealth``, ``costalerts`` …"""
        return as_text(self.essentials.get("monitoringService")).replace(" ", "").lower()

    @property
    def properties(self) -> JsonObject:
        """What an activity log event says of itself."""
        return mapping(self.context.get("properties"))

    @property
    def budget(self) -> JsonObject:
        """What a budget alert says of its budget."""
        return mapping(self.context.get("AlertData"))


@dataclass(frozen=True)
class _Occurrence:
    """Which occurrence of which alert this is."""

    identity: str
    firing: bool
    started: tuple[str, object]
    """The start and its place in the body."""
    ended: object = None
    group: str | None = None


class AzureMonitor:
    """The source ``azure-monitor``. It signs nothing, and cannot send a header of ours either."""

    name = "azure-monitor"
    signs = False

    def parse(self, body: bytes, received_at: datetime) -> list[Alert]:
        """The one alert of the body. Raises InvalidPayload."""
        return read_alerts("Azure Monitor", body, received_at, self._read)

    def verify(
        self, headers: Mapping[str, str], body: bytes, trust: SourceTrust, secrets: Secrets, now: datetime
    ) -> None:
        """Raises Unauthenticated or SecretUnavailable."""
        check_call(headers, body, trust, secrets, now, None)

    def _read(self, reading: Reading, document: object) -> list[Alert]:
        payload = _payload(reading, document)
        if payload is None:
            return []
        essentials, context = payload.essentials, payload.context
        target = target_of(essentials)
        occurrence = _occurrence(reading, payload)
        where, started = occurrence.started
        facts = facts_of(essentials, context, payload.custom, target)
        alert = bounded_alert(
            self.name,
            occurrence.identity,
            firing=occurrence.firing,
            name=_name(reading, payload),
            received_at=reading.received_at,
            started_at=reading.instant(started, where),
            ended_at=end_of(occurrence.ended),
            group=occurrence.group,
            service=_service(payload, target),
            severity=optional_text(essentials.get("severity")),
            summary=summary_of(essentials, context),
            labels=labels_of(facts),
            annotations=annotations_of(essentials, context),
            values=values_of(context),
            url=link_of(essentials, context),
            met=facts,
        )
        return [alert]


def _payload(reading: Reading, document: object) -> _Payload | None:
    body = reading.object_at(document, "")
    if body is None:
        return None
    if (schema := body.get("schemaId")) != SCHEMA:
        given = quoted(schema) if isinstance(schema, str) else kind(schema)
        reading.fault("schemaId", f"is {'missing' if schema is None else given}; {ADVICE}")
        return None
    data = reading.object_at(body.get("data"), "data")
    essentials = None if data is None else reading.object_at(data.get("essentials"), "data.essentials")
    if data is None or essentials is None:
        return None
    context = mapping(data.get("alertContext"))
    return _Payload(essentials, context, custom_properties_of(data, context))


def _name(reading: Reading, payload: _Payload) -> str:
    """The alert rule; a budget has none, and is named by itself."""
    if name := optional_text(payload.essentials.get("alertRule")):
        return name
    if payload.speaker == "costalerts":
        budget = first_text(payload.budget, ("BudgetName",)) or first_text(
            payload.context, ("AlertCategory",)
        )
        if budget:
            return budget
    return reading.required(payload.essentials, "alertRule", "data.essentials")


def _service(payload: _Payload, target: Target) -> str | None:
    """The rule's custom property, else the target's name; a whole subscription names no service."""
    own = payload.custom.get("service")
    if own or not target.is_subscription:
        return own or target.name
    return first_text(payload.properties, ("service",)) or target.name


def _occurrence(reading: Reading, payload: _Payload) -> _Occurrence:
    if payload.speaker == "servicehealth" and (tracked := _tracked(reading, payload)):
        return tracked
    if payload.speaker == "resourcehealth":
        return _resource_health(reading, payload)
    if payload.speaker == "costalerts" and payload.budget:
        return _budget(reading, payload)
    essentials = payload.essentials
    return _Occurrence(
        reading.required(essentials, "alertId", "data.essentials").lower(),
        _fired(reading, payload),
        _fired_at(payload),
        essentials.get("resolvedDateTime"),
    )


def _tracked(reading: Reading, payload: _Payload) -> _Occurrence | None:
    """A service health event: Azure tells of it many times, always as fired, under one tracking id."""
    properties = payload.properties
    tracking = optional_text(properties.get("trackingId"))
    if tracking is None:
        return None
    over = as_text(properties.get("stage")).lower() in STAGES_OVER
    began = ("data.alertContext.properties.impactStartTime", properties.get("impactStartTime"))
    start = end_of(began[1])
    mitigated = end_of(properties.get("impactMitigationTime"))
    # Mitigation is sometimes dated before the impact; then the notice itself is when we know that it is over.
    plausible = mitigated is not None and start is not None and mitigated >= start
    return _Occurrence(
        f"service-health {tracking}",
        _fired(reading, payload) and not over,
        began if start else _fired_at(payload),
        properties.get("impactMitigationTime") if plausible else payload.essentials.get("firedDateTime"),
        f"service-health {tracking}",
    )


def _resource_health(reading: Reading, payload: _Payload) -> _Occurrence:
    """Health of a resource: its recovery is an event of its own, fired as well, with another id and time."""
    essentials, context = payload.essentials, payload.context
    targets = sorted(as_text(target).lower() for target in items(essentials.get("alertTargetIDs")))
    healthy = as_text(payload.properties.get("currentHealthStatus")).lower() == "available"
    over = healthy or as_text(context.get("status")).lower() == "resolved"
    rule = as_text(essentials.get("alertRule"))
    event = context.get("eventTimestamp")
    return _Occurrence(
        "\n".join(("resource-health", rule, *targets)),
        _fired(reading, payload) and not over,
        ("data.alertContext.eventTimestamp", event) if end_of(event) else _fired_at(payload),
        event,
    )


def _budget(reading: Reading, payload: _Payload) -> _Occurrence:
    """A budget over one of its thresholds: fires once a period, never resolves, may lack a condition."""
    identity = "\n".join(("budget", *(as_text(payload.budget.get(key)) for key in BUDGET_KEYS)))
    stated = payload.essentials.get("monitorCondition") is not None
    return _Occurrence(identity, not stated or _fired(reading, payload), _fired_at(payload))


def _fired(reading: Reading, payload: _Payload) -> bool:
    condition = reading.required(payload.essentials, "monitorCondition", "data.essentials")
    if condition and condition.lower() not in ("fired", "resolved"):
        why = f"must be Fired or Resolved, not {quoted(condition)}"
        reading.fault("data.essentials.monitorCondition", why)
    return condition.lower() != "resolved"


def _fired_at(payload: _Payload) -> tuple[str, object]:
    return "data.essentials.firedDateTime", payload.essentials.get("firedDateTime")
