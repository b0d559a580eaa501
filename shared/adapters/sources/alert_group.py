"""The group of alerts that Alertmanager sends, and Grafana after it: what the two have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.adapters.sources.bounds import bounded_alert, web_address
from shared.adapters.sources.instants import end_of
from shared.adapters.sources.reading import (
    JsonObject,
    Reading,
    as_text,
    first_text,
    kind,
    mapping,
    optional_text,
    quoted,
)
from shared.domain.alert import Alert

SERVICE_LABELS = ("service", "service_name", "job", "app", "namespace")
SEVERITY_LABELS = ("severity", "priority")
SUMMARY_ANNOTATIONS = ("summary", "description", "message", "title")


@dataclass(frozen=True)
class Envelope:
    """What the group says about all its alerts."""

    source: str
    status: object = None
    group: str | None = None
    name: str | None = None
    """For alerts without an ``alertname``."""
    url: object = None
    met: tuple[tuple[str, str], ...] = ()
    """The group's own labels."""


def envelope_of(source: str, body: JsonObject, title: str | None = None) -> Envelope:
    """The envelope of a body; ``title`` names alerts that neither they nor their group's labels name."""
    shared = (mapping(body.get("groupLabels")), mapping(body.get("commonLabels")))
    names = [name for labels in shared if (name := first_text(labels, ("alertname",)))]
    return Envelope(
        source,
        status=body.get("status"),
        group=optional_text(body.get("groupKey")),
        name=names[0] if names else title,
        url=body.get("externalURL"),
        met=tuple((key, as_text(value)) for labels in shared for key, value in labels.items()),
    )


def alerts_of(reading: Reading, body: JsonObject, envelope: Envelope) -> list[Alert]:
    """Every alert of the group, in its order."""
    entries = reading.objects_at(body.get("alerts"), "alerts")
    return [alert_of(reading, entry, where, envelope) for where, entry in entries]


def alert_of(reading: Reading, entry: JsonObject, where: str, envelope: Envelope) -> Alert:
    """One alert of the group; ``where`` is its place in the body."""
    dot = f"{where}." if where else ""
    if "labels" not in entry:
        reading.fault(f"{dot}labels", "is missing")
    labels = reading.texts(entry.get("labels"), f"{dot}labels")
    annotations = reading.texts(entry.get("annotations"), f"{dot}annotations")
    if values := entry.get("valueString") or entry.get("values"):
        annotations.setdefault("values", as_text(values))
    name = first_text(labels, ("alertname",)) or envelope.name or _series(labels)
    if not name and "labels" in entry:
        reading.fault(f"{dot}labels", "has no alertname, nor any other label to name the alert by")
    firing = _firing(reading, entry, dot, envelope)
    return bounded_alert(
        envelope.source,
        optional_text(entry.get("fingerprint")) or labels or {"alertname": name},
        firing=firing,
        name=name,
        received_at=reading.received_at,
        started_at=reading.instant(entry.get("startsAt"), f"{dot}startsAt"),
        ended_at=None if firing else end_of(entry.get("endsAt")),
        group=envelope.group,
        service=first_text(labels, SERVICE_LABELS),
        severity=first_text(labels, SEVERITY_LABELS),
        summary=first_text(annotations, SUMMARY_ANNOTATIONS),
        labels=labels,
        annotations=annotations,
        values=mapping(entry.get("values")),
        url=web_address(entry.get("generatorURL"), envelope.url),
        met=envelope.met,
    )


def _firing(reading: Reading, entry: JsonObject, dot: str, envelope: Envelope) -> bool:
    status = envelope.status if entry.get("status") is None else entry["status"]
    if status not in ("firing", "resolved"):
        given = quoted(status) if isinstance(status, str) else kind(status)
        why = "is missing" if status is None else f"must be firing or resolved, not {given}"
        reading.fault(f"{dot}status", why)
    return status == "firing"


def _series(labels: Mapping[str, str]) -> str:
    """The labels as Prometheus writes a series: a name that stays the same while the alert does."""
    pairs = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{{{pairs}}}" if pairs else ""
