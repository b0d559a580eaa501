"""What the bodies of Azure Monitor become, one test a kind of alert."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.test_sources import NOON, PAYLOADS, faults_of, on_second_of_march, parse_json, parse_one

SOURCE = "azure-monitor"
SUBSCRIPTION = "0f0f0f0f-0000-4000-8000-000000000001"


def test_a_metric_alert_is_labelled_by_target_metric_dimensions_and_custom_properties() -> None:
    alert = parse_one(SOURCE, "metric_fired")
    assert (alert.name, alert.severity, alert.service, alert.group) == (
        "cpu-of-the-fleet",
        "Sev2",
        "shop",
        None,
    )
    assert alert.labels == {
        "monitoringService": "Platform",
        "signalType": "Metric",
        "targetResource": "vm-7",
        "targetResourceId": f"/subscriptions/{SUBSCRIPTION}/resourcegroups/fleet/providers"
        "/microsoft.compute/virtualmachines/vm-7",
        "targetResourceType": "microsoft.compute/virtualmachines",
        "targetResourceGroup": "fleet",
        "subscriptionId": SUBSCRIPTION,
        "configurationItem": "vm-7",
        "conditionType": "SingleResourceMultipleMetricCriteria",
        "metricName": "Percentage CPU",
        "metricNamespace": "Microsoft.Compute/virtualMachines",
        "Role": "web",
        "service": "shop",
        "tier": "1",
    }
    assert alert.annotations["condition"] == "Average Percentage CPU GreaterThan 80 (was 93.1)"
    assert alert.summary == "CPU is high"


@pytest.mark.parametrize(
    ("fired", "resolved"),
    [("metric_fired", "metric_resolved"), ("service_health_active", "service_health_resolved")],
)
def test_fired_and_resolved_are_one_occurrence(fired: str, resolved: str) -> None:
    before, after = parse_one(SOURCE, fired), parse_one(SOURCE, resolved)
    assert (before.firing, after.firing) == (True, False)
    assert (before.fingerprint, before.started_at) == (after.fingerprint, after.started_at)
    assert before.group == after.group


def test_a_resolved_metric_alert_carries_its_end_and_its_link() -> None:
    alert = parse_one(SOURCE, "metric_resolved")
    assert alert.started_at == on_second_of_march(13, 58, 24, 371321)
    assert alert.ended_at == on_second_of_march(14, 3, 16, 224631)
    assert alert.url == "https://portal.azure.com/#view/Alert/1"


def test_the_case_of_an_alert_id_does_not_matter() -> None:
    body = json.loads((PAYLOADS / SOURCE / "metric_fired.json").read_bytes())
    body["data"]["essentials"]["alertId"] = body["data"]["essentials"]["alertId"].upper()
    assert parse_json(SOURCE, body)[0].fingerprint == parse_one(SOURCE, "metric_fired").fingerprint


def test_a_log_alert_takes_custom_properties_from_their_older_place() -> None:
    alert = parse_one(SOURCE, "log_v2_fired")
    assert (alert.service, alert.labels["team"], alert.labels["Pipeline"]) == ("warehouse", "data", "nightly")
    assert alert.labels["targetResourceType"] == "microsoft.datafactory/factories"
    assert alert.url == "https://portal.azure.com#@t/filtered"
    assert alert.annotations["searchQuery"].endswith('"провал"')
    assert alert.summary == "Count rows GreaterThan 0 (was 1.0)"


def test_an_old_log_alert_writes_times_the_american_way() -> None:
    alert = parse_one(SOURCE, "log_v1_fired")
    assert alert.started_at == on_second_of_march(13, 58, 24)
    assert (alert.labels["Computer"], alert.service) == ("pc-1", "vm-7")
    assert alert.annotations["SearchQuery"] == "Heartbeat | count"


def test_who_did_it_stays_out_of_an_activity_log_alert() -> None:
    alert = parse_one(SOURCE, "activity_log")
    assert alert.labels["operationName"] == "Microsoft.Compute/virtualMachines/restart/action"
    assert "person@example.org" not in repr(alert)
    assert "person@example.org" not in repr(parse_one(SOURCE, "budget"))


def test_service_health_is_known_by_its_tracking_id_and_over_by_its_stage() -> None:
    active, resolved = (
        parse_one(SOURCE, "service_health_active"),
        parse_one(SOURCE, "service_health_resolved"),
    )
    assert active.group == "service-health QQ1_Z-00"
    assert active.started_at == on_second_of_march(16, 40, 51, 809113)
    assert resolved.ended_at == on_second_of_march(17, 45, 0)
    assert (active.service, active.summary) == ("Queues", "Queues - West - Active")
    assert active.annotations["communication"] == "<p>We know.</p>"


def test_a_mitigation_dated_before_the_impact_gives_way_to_the_time_of_the_notice() -> None:
    alert = parse_one(SOURCE, "service_health_resolved_before_it_began")
    assert alert.ended_at == on_second_of_march(17, 51, 56, 127441)


@pytest.mark.parametrize(
    ("stage", "firing"),
    [
        ("Active", True),
        ("Planned", True),
        ("InProgress", True),
        ("Complete", False),
        ("Canceled", False),
        ("RCA", False),
    ],
)
def test_stages_of_service_health(stage: str, firing: bool) -> None:
    body = json.loads((PAYLOADS / SOURCE / "service_health_active.json").read_bytes())
    body["data"]["alertContext"]["properties"]["stage"] = stage
    assert parse_json(SOURCE, body)[0].firing is firing


def test_a_resource_that_is_available_again_resolves_what_its_rule_said_of_it() -> None:
    down = parse_one(SOURCE, "resource_health_unavailable")
    up = parse_one(SOURCE, "resource_health_available")
    assert (down.firing, up.firing) == (True, False)
    assert down.fingerprint == up.fingerprint
    assert down.started_at == on_second_of_march(14, 33, 10, 68000)
    assert up.ended_at == on_second_of_march(15, 0, 0)


def test_a_budget_is_named_by_itself_and_fires_without_a_condition() -> None:
    alert = parse_one(SOURCE, "budget")
    assert (alert.name, alert.firing, alert.severity, alert.service) == ("spring", True, None, None)
    assert alert.annotations["SpentAmount"] == "$31.00"


def test_a_budget_over_another_threshold_is_another_alert() -> None:
    body = json.loads((PAYLOADS / SOURCE / "budget.json").read_bytes())
    body["data"]["alertContext"]["AlertData"]["NotificationThresholdAmount"] = "$40.00"
    body["data"]["alertContext"]["AlertData"]["SpentAmount"] = "$41.00"
    assert parse_json(SOURCE, body)[0].fingerprint != parse_one(SOURCE, "budget").fingerprint


def test_smart_detection_and_prometheus_rules_summarise_themselves() -> None:
    assert parse_one(SOURCE, "smart_detection").summary == "Calls to the ledger got slower"
    prometheus = parse_one(SOURCE, "prometheus")
    assert prometheus.summary == "pods are not ready"
    assert prometheus.labels["cluster"] == "aks-1"
    assert prometheus.annotations["expression"] == "up == 0"


def test_an_older_schema_is_refused_with_the_way_out() -> None:
    body = json.loads((PAYLOADS / SOURCE / "refused_old_metric_schema.json").read_bytes())
    (fault,) = faults_of(SOURCE, body)
    assert fault.startswith('schemaId: is "AzureMonitorMetricAlert"; must be azureMonitorCommonAlertSchema')
    assert "useCommonAlertSchema: true" in fault
    assert faults_of(SOURCE, {"status": "Activated"})[0].startswith("schemaId: is missing")


def test_every_fault_of_the_essentials_is_told_with_its_place() -> None:
    essentials = {
        "monitoringService": "Platform",
        "monitorCondition": "Unsure",
        "firedDateTime": "now",
        "alertId": 4,
    }
    body = {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": essentials}}
    assert faults_of(SOURCE, body) == [
        "data.essentials.alertId: must be a text, not a number",
        'data.essentials.monitorCondition: must be Fired or Resolved, not "Unsure"',
        "data.essentials.alertRule: is missing",
        "data.essentials.firedDateTime: must be an instant in RFC 3339",
    ]
    assert faults_of(SOURCE, body | {"data": {}}) == ["data.essentials: is missing"]
    assert faults_of(SOURCE, body | {"data": []}) == ["data: must be an object, not a list"]


def test_an_alert_without_a_fired_time_starts_when_it_was_received() -> None:
    essentials = {
        "alertId": "/x",
        "alertRule": "r",
        "monitorCondition": "Fired",
        "alertTargetIDs": ["plain-name"],
    }
    body = {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": essentials}}
    (alert,) = parse_json(SOURCE, body)
    assert alert.started_at == NOON == datetime(2026, 3, 3, 12, tzinfo=UTC)
    assert alert.service == "plain-name"
