"""What the parts of a common alert schema body say: labels, annotations, links and the target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.adapters.sources.bounds import web_address
from shared.adapters.sources.reading import JsonObject, as_text, first_text, items, mapping, optional_text

# Who did it (`caller`, `claims`, `BudgetCreator`) is about people and stays out of labels and annotations.
CONTEXT_LABELS = (
    "conditionType",
    "operationName",
    "status",
    "AlertType",
    "AlertCategory",
    "SmartDetectorName",
)
PROPERTY_LABELS = {
    "service": "azureService",
    "region": "region",
    "incidentType": "incidentType",
    "trackingId": "trackingId",
    "stage": "stage",
    "currentHealthStatus": "currentHealthStatus",
    "previousHealthStatus": "previousHealthStatus",
    "cause": "cause",
}
CONTEXT_ANNOTATIONS = ("SearchQuery", "DetectionSummary", "DetectedValue", "NormalValue", "expression")
BUDGET_ANNOTATIONS = (
    "BudgetThreshold",
    "NotificationThresholdAmount",
    "SpentAmount",
    "ForecastedTotalForPeriod",
)
LINKS = ("linkToFilteredSearchResultsUI", "linkToSearchResultsUI")
OLD_LINKS = ("LinkToFilteredSearchResultsUI", "LinkToSearchResults")


@dataclass(frozen=True)
class Target:
    """The first resource that an alert is about; every part may be None."""

    id: str | None = None
    name: str | None = None
    type: str | None = None
    group: str | None = None
    subscription: str | None = None
    is_subscription: bool = False


def target_of(essentials: JsonObject) -> Target:
    """The first of ``alertTargetIDs``, taken apart where it is an Azure resource id."""
    found = (text for item in items(essentials.get("alertTargetIDs")) if (text := optional_text(item)))
    id = next(found, None)
    if id is None:
        return Target()
    parts = id.strip("/").split("/")
    after = {key.lower(): value for key, value in zip(parts[::2], parts[1::2], strict=False)}
    provider = id.lower().rfind("/providers/")
    kinds = id[provider:].strip("/").split("/")[1:] if provider >= 0 else []
    return Target(
        id,
        name=parts[-1] or None,
        type="/".join((kinds[0], *kinds[1::2])).lower() if len(kinds) > 1 else None,
        group=after.get("resourcegroups"),
        subscription=after.get("subscriptions"),
        is_subscription=len(parts) == 2 and "subscriptions" in after,
    )


def custom_properties_of(data: JsonObject, context: JsonObject) -> dict[str, str]:
    """The rule's custom properties: at their own place, and where metric and log alerts had them first."""
    older = mapping(context.get("properties")) if "conditionType" in context else {}
    both = {**older, **mapping(data.get("customProperties"))}
    return {key: as_text(value) for key, value in both.items() if value is not None}


def facts_of(
    essentials: JsonObject, context: JsonObject, custom: Mapping[str, str], target: Target
) -> list[tuple[str, str]]:
    """Facts, then dimensions and Prometheus labels, then custom properties, a name as often as it is met."""
    facts = _facts(essentials, context, target)
    found = [(name, text) for name, value in facts if (text := optional_text(value)) is not None]
    older = mapping(context.get("properties")) if "conditionType" in context else {}
    overruled = ((name, as_text(value)) for name, value in older.items() if name in custom)
    return [*found, *custom.items(), *overruled]


def labels_of(facts: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The first fact of a name wins."""
    labels: dict[str, str] = {}
    for name, text in facts:
        labels.setdefault(name, text)
    return labels


def annotations_of(essentials: JsonObject, context: JsonObject) -> dict[str, str]:
    """What people want to read: description, condition, query, the news of a service health event."""
    properties = mapping(context.get("properties")) if "conditionType" not in context else {}
    found: list[tuple[str, object]] = [
        ("description", essentials.get("description")),
        ("title", properties.get("title")),
        ("communication", properties.get("communication")),
        ("details", properties.get("details")),
        ("condition", "; ".join(map(_sentence, _conditions(context)))),
    ]
    found += [("searchQuery", condition.get("searchQuery")) for condition in _conditions(context)]
    found += [(name, context.get(name)) for name in CONTEXT_ANNOTATIONS]
    found += [(name, mapping(context.get("AlertData")).get(name)) for name in BUDGET_ANNOTATIONS]
    found += mapping(context.get("annotations")).items()
    annotations: dict[str, str] = {}
    for name, value in found:
        if value is not None and (text := optional_text(value)) is not None:
            annotations.setdefault(name, text)
    return annotations


def values_of(context: JsonObject) -> dict[str, object]:
    """What each condition measured, by the name of its metric."""
    return {
        name: condition.get("metricValue")
        for condition in _conditions(context)
        if (name := first_text(condition, ("metricName", "metricMeasureColumn", "webTestName")))
    }


def summary_of(essentials: JsonObject, context: JsonObject) -> str | None:
    """One text for people: the event's own title, else the rule's description, else what it detected."""
    titled = "conditionType" not in context and first_text(mapping(context.get("properties")), ("title",))
    return (
        titled
        or optional_text(essentials.get("description"))
        or first_text(mapping(context.get("annotations")), ("summary", "description"))
        or first_text(context, ("DetectionSummary",))
        or "; ".join(map(_sentence, _conditions(context)))
    )


def link_of(essentials: JsonObject, context: JsonObject) -> str | None:
    """Where Azure shows the alert, or the rows that it found."""
    newer = [condition.get(name) for condition in _conditions(context) for name in LINKS]
    older = [context.get(name) for name in OLD_LINKS]
    return web_address(essentials.get("investigationLink"), *newer, *older)


def _facts(essentials: JsonObject, context: JsonObject, target: Target) -> Iterator[tuple[str, object]]:
    yield "monitoringService", essentials.get("monitoringService")
    yield "signalType", essentials.get("signalType")
    yield "targetResource", target.name
    yield "targetResourceId", target.id
    yield "targetResourceType", essentials.get("targetResourceType") or target.type
    yield "targetResourceGroup", essentials.get("targetResourceGroup") or target.group
    yield "subscriptionId", target.subscription
    yield "configurationItem", next(iter(items(essentials.get("configurationItems"))), None)
    yield from ((name, context.get(name)) for name in CONTEXT_LABELS)
    if "conditionType" not in context:
        properties = mapping(context.get("properties"))
        yield from ((label, properties.get(name)) for name, label in PROPERTY_LABELS.items())
    for condition in _conditions(context):
        yield "metricName", condition.get("metricName")
        yield "metricNamespace", condition.get("metricNamespace")
        yield from _dimensions(condition.get("dimensions"))
    yield from _dimensions(context.get("Dimensions"))
    yield from mapping(context.get("labels")).items()


def _conditions(context: JsonObject) -> list[JsonObject]:
    return [mapping(condition) for condition in items(mapping(context.get("condition")).get("allOf"))]


def _dimensions(value: object) -> Iterator[tuple[str, object]]:
    for dimension in map(mapping, items(value)):
        if (name := optional_text(dimension.get("name"))) is not None:
            yield name, dimension.get("value")


def _sentence(condition: JsonObject) -> str:
    what = first_text(condition, ("webTestName", "metricName", "metricMeasureColumn")) or "rows"
    parts = (condition.get("timeAggregation"), what, condition.get("operator"), condition.get("threshold"))
    words = " ".join(text for part in parts if (text := optional_text(part)))
    value = optional_text(condition.get("metricValue"))
    return words if value is None else f"{words} (was {value})"
