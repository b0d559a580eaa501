"""Grafana: unified alerting, its OnCall contact point, a single alert, and the legacy dashboard alerts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from shared.adapters.sources.alert_group import (
    SERVICE_LABELS,
    SEVERITY_LABELS,
    Envelope,
    alert_of,
    alerts_of,
    envelope_of,
)
from shared.adapters.sources.bounds import bounded_alert, web_address
from shared.adapters.sources.reading import (
    JsonObject,
    Reading,
    as_text,
    first_text,
    items,
    mapping,
    optional_text,
    quoted,
    read_alerts,
)
from shared.adapters.sources.trust import GRAFANA_SIGNATURE, check_call
from shared.domain.alert import Alert
from shared.domain.plan import SourceTrust
from shared.ports import Secrets

LEGACY_KEYS = ("ruleName", "ruleId", "evalMatches")
LEGACY_FIRING = ("alerting", "no_data", "paused", "pending")
"""Everything that is not ``ok`` fires; label ``state`` lets a plan tell them apart."""
_STATE_PREFIX = re.compile(r"\[[^\]]*\]\s*")


class Grafana:
    """The source ``grafana``. It may sign its bodies, with a timestamp or without."""

    name = "grafana"
    signs = True

    def parse(self, body: bytes, received_at: datetime) -> list[Alert]:
        """Every alert of the body, whichever of Grafana's forms it has. Raises InvalidPayload."""
        return read_alerts("Grafana", body, received_at, self._read)

    def verify(
        self, headers: Mapping[str, str], body: bytes, trust: SourceTrust, secrets: Secrets, now: datetime
    ) -> None:
        """Raises Unauthenticated or SecretUnavailable.

        Grafana signs a timestamp only where ``trust`` names its header; without one, a call can be replayed.
        """
        check_call(headers, body, trust, secrets, now, GRAFANA_SIGNATURE)

    def _read(self, reading: Reading, document: object) -> list[Alert]:
        body = reading.object_at(document, "")
        if body is None:
            return []
        if "alerts" not in body:
            if any(key in body for key in LEGACY_KEYS):
                return [self._legacy(reading, body)]
            if "labels" in body:
                return [alert_of(reading, body, "", Envelope(self.name))]
        return alerts_of(reading, body, envelope_of(self.name, body, _untitled(body.get("title"))))

    def _legacy(self, reading: Reading, body: JsonObject) -> Alert:
        rule = optional_text(body.get("ruleId"))
        name = optional_text(body.get("ruleName")) or _untitled(body.get("title"))
        if name is None:
            reading.fault("ruleName", "is missing")
        group = f"ruleName={name}" if rule is None else f"ruleId={rule}, ruleName={name}"
        labels = _legacy_labels(body)
        notes = {key: text for key in ("title", "message") if (text := optional_text(body.get(key)))}
        if values := _legacy_values(body):
            notes["values"] = values
        return bounded_alert(
            self.name,
            group,
            firing=_legacy_firing(reading, body),
            name=name or "",
            received_at=reading.received_at,
            group=group,
            service=first_text(labels, SERVICE_LABELS),
            severity=first_text(labels, SEVERITY_LABELS),
            summary=first_text(notes, ("message", "title")),
            labels=labels,
            annotations=notes,
            values={
                as_text(match["metric"]): match.get("value")
                for match in map(mapping, items(body.get("evalMatches")))
                if "metric" in match
            },
            url=web_address(body.get("ruleUrl")),
            met=[(key, as_text(value)) for tags in _legacy_tags(body) for key, value in tags.items()],
        )


def _legacy_firing(reading: Reading, body: JsonObject) -> bool:
    state = reading.required(body, "state", "").lower()
    if state and state != "ok" and state not in LEGACY_FIRING:
        reading.fault("state", f"must be ok, {', '.join(LEGACY_FIRING)}, not {quoted(state)}")
    return state != "ok"


def _legacy_labels(body: JsonObject) -> dict[str, str]:
    """The rule's own tags, then those of the series that matched; the first to name a label wins."""
    labels: dict[str, str] = {}
    for tags in _legacy_tags(body):
        for name, value in tags.items():
            labels.setdefault(name, as_text(value))
    state = optional_text(body.get("state"))
    return {"state": state} | labels if state else labels


def _legacy_tags(body: JsonObject) -> list[JsonObject]:
    matches = [mapping(match) for match in items(body.get("evalMatches"))]
    return [mapping(body.get("tags")), *(mapping(match.get("tags")) for match in matches)]


def _legacy_values(body: JsonObject) -> str:
    matches = [mapping(match) for match in items(body.get("evalMatches"))]
    return ", ".join(
        f"{as_text(match['metric'])}={as_text(match.get('value'))}" for match in matches if "metric" in match
    )


def _untitled(title: object) -> str | None:
    """A title without Grafana's state in front (``[FIRING:1]``), which changes while the alert does not."""
    if not isinstance(title, str):
        return None
    prefix = _STATE_PREFIX.match(title)
    return optional_text(title[prefix.end() :] if prefix else title)
