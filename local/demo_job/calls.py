"""What monitoring systems send in the demo: bodies in the shapes of four sources."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any


def alertmanager_group(now: datetime, *, firing: bool = True) -> dict[str, Any]:
    """Three alerts of one Alertmanager group: one incident."""
    started = now - timedelta(seconds=40)
    ended = "0001-01-01T00:00:00Z" if firing else _iso(now)
    state = "firing" if firing else "resolved"
    labels = {"alertname": "CheckoutErrorRateHigh", "service": "checkout", "severity": "critical"}
    return {
        "version": "4",
        "groupKey": '{}/{service="checkout"}:{alertname="CheckoutErrorRateHigh"}',
        "truncatedAlerts": 0,
        "status": state,
        "receiver": "tocsin",
        "groupLabels": {"alertname": "CheckoutErrorRateHigh"},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.harbour.example",
        "alerts": [
            {
                "status": state,
                "labels": labels | {"pod": f"checkout-{pod}"},
                "annotations": {"summary": "More than one in ten checkouts fails <b>now</b>"},
                "startsAt": _iso(started),
                "endsAt": ended,
                "generatorURL": "http://prometheus.harbour.example/graph",
                "fingerprint": f"{pod:016x}",
            }
            for pod in (1, 2, 3)
        ],
    }


def azure_metric(now: datetime) -> dict[str, Any]:
    """An Azure Monitor metric alert in the common schema."""
    resource = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/harbour/providers"
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": f"{resource}/Microsoft.AlertsManagement/alerts/0d5cc1a2",
                "alertRule": "queue-depth",
                "severity": "Sev0",
                "signalType": "Metric",
                "monitorCondition": "Fired",
                "monitoringService": "Platform",
                "alertTargetIDs": [f"{resource}/microsoft.servicebus/namespaces/orders"],
                "originAlertId": "harbour-queue-depth",
                "firedDateTime": _iso(now),
                "description": "Orders wait in the queue",
                "essentialsVersion": "1.0",
                "alertContextVersion": "1.0",
            },
            "alertContext": {
                "conditionType": "SingleResourceMultipleMetricCriteria",
                "condition": {"allOf": []},
            },
        },
    }


def grafana_mixed(now: datetime) -> dict[str, Any]:
    """A Grafana group in which one alert fires and one is over already."""
    started = _iso(now - timedelta(minutes=3))

    def alert(disk: str, status: str, ended: str) -> dict[str, Any]:
        return {
            "status": status,
            "labels": {"alertname": "DiskNearlyFull", "disk": disk},
            "annotations": {"summary": f"{disk} is nearly full"},
            "startsAt": started,
            "endsAt": ended,
            "generatorURL": "http://grafana.harbour.example/alerting",
            "fingerprint": disk,
            "values": {"A": 93.5},
        }

    return {
        "receiver": "tocsin",
        "status": "firing",
        "state": "alerting",
        "alerts": [alert("sda", "firing", "0001-01-01T00:00:00Z"), alert("sdb", "resolved", _iso(now))],
        "groupLabels": {"alertname": "DiskNearlyFull"},
        "commonLabels": {"alertname": "DiskNearlyFull"},
        "commonAnnotations": {},
        "externalURL": "http://grafana.harbour.example/",
        "version": "1",
        "groupKey": '{}:{alertname="DiskNearlyFull"}',
        "truncatedAlerts": 0,
        "orgId": 1,
        "title": "[FIRING:1] DiskNearlyFull",
        "message": "",
    }


def generic(now: datetime) -> dict[str, Any]:
    """A script's own words."""
    return {
        "name": "BackupLate",
        "group": "backup-nightly",
        "service": "platform",
        "severity": "minor",
        "summary": "The nightly backup has not finished",
        "started_at": _iso(now),
    }


def body(value: dict[str, Any]) -> bytes:
    """As it goes over the wire."""
    return json.dumps(value).encode()


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
