"""Sources over real webhook bodies kept beside the repository, where there are any: `samples/INDEX.md`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.adapters.sources.catalogue import known_sources
from shared.domain.alert import Alert
from shared.domain.errors import InvalidPayload, SecretUnavailable, Unauthenticated
from shared.domain.plan import SourceTrust

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the repository")

Expected = tuple[str, str, str | None]
"""States in order (F firing, R resolved), names in order joined with |, and the group."""
ALERTMANAGER: dict[str, Expected] = {
    "v4_firing_group_unicode": (
        "FFF",
        "主机CPU使用率|主机CPU使用率|主机CPU使用率",
        '{}:{alertname="主机CPU使用率"}',
    ),
    "v4_resolved_unicode": ("R", "Grafana进程存活", '{}:{alertname="Grafana进程存活"}'),
    "v4_resolved_no_fingerprint": ("R", "InstanceDown", '{}/{severity="page"}:{}'),
    "v4_resolved_notification_reason": ("R", "TargetDown", "{}:{}"),
    "v4_firing_two_alerts_same_labels": ("FF", "High CPU Temperature|High CPU Temperature", "{}/{}:{}"),
    "v4_firing_alerta": ("F", "thing_dead", "{}:{alertname=thing_dead}"),
    "v3_firing_alerta": ("F", "failedConnect", "5615590933959184469"),
    "v3_resolved_groupkey_over_int64": ("R", "SiteDown", "15335440397915075285"),
    "v3_firing_annotation_over_4096": ("F", "something_happend", "43434343434343434343"),
    "firing_minimal_no_version_no_times": ("F", "TestAlert", None),
}
TRIAL_GROUP = (
    '{alertname="TestAlert", instance="Grafana"}2022-08-31 05:54:04.52289368 +0000 UTC m=+42208.256292221'
)
GRAFANA: dict[str, Expected] = {
    "unified_v9_mixed_firing_and_resolved": (
        "RRF",
        "Test alert|Test alert|Second webhook test",
        '{}/{test="true"}:{}',
    ),
    "unified_test_no_labels_contradictory_state": (
        "R",
        "(TestAlert Grafana)",
        TRIAL_GROUP,
    ),
    "oncall_contact_point_firing_3_alerts": (
        "FFF",
        "InstanceDown|InstanceDown|InstanceDown",
        '{}:{alertname="InstanceDown"}',
    ),
    "legacy_alerting": ("F", "Zeta CPU alert", "ruleId=7, ruleName=Zeta CPU alert"),
    "legacy_ok": ("R", "Zeta CPU alert", "ruleId=7, ruleName=Zeta CPU alert"),
    "legacy_v6_two_matches_tags": (
        "F",
        "Testing -> Battery Voltage alert",
        "ruleId=58, ruleName=Testing -> Battery Voltage alert",
    ),
    "legacy_minimal_goalert": ("F", "bob", "ruleId=1, ruleName=bob"),
    "single_alert_object": ("F", "High memory usage", None),
}
AZURE_MONITOR: dict[str, Expected] = {
    "common_metric_static_fired": ("F", "test-metricAlertRule", None),
    "common_metric_dynamic_fired": ("F", "test-metricAlertRule", None),
    "common_log_v2_fired": ("F", "test-logAlertRule-v2", None),
    "common_log_v1_metric_measurement_fired": ("F", "test-logAlertRule-v1-metricMeasurement", None),
    "common_activity_log_administrative_fired": ("F", "test-activityLogAlertRule", None),
    "common_service_health_fired": ("R", "test-ServiceHealthAlertRule", "service-health TEST-TTT"),
    "common_resource_health_fired": ("F", "test-ResourceHealthAlertRule", None),
    "common_smart_detection_fired": ("F", "test-SmartAlertRule", None),
    "common_log_v1_number_of_results_fired": ("F", "Service Stopped", None),
    "common_service_health_resolved_stage": ("R", "rule name", "service-health ZT_1-J90"),
    "common_metric_2025_investigation_link": ("F", "alert-adf-rule-001", None),
    "common_log_v2_2025_unicode_query": ("F", "alert-adf-rule-002", None),
    "common_log_v2_null_description": ("F", "ExceptionMonitoring", None),
}
FOLDERS = {
    "prometheus_alertmanager": ("alertmanager", ALERTMANAGER),
    "grafana": ("grafana", GRAFANA),
    "azure_monitor": ("azure-monitor", AZURE_MONITOR),
}
CASES = [(folder, stem) for folder, (_, expected) in FOLDERS.items() for stem in expected]


def parse(folder: str, stem: str) -> list[Alert]:
    source, _ = FOLDERS[folder]
    return known_sources()[source].parse((SAMPLES / folder / f"{stem}.json").read_bytes(), NOON)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_sample_is_expected_here(folder: str) -> None:
    assert {file.stem for file in (SAMPLES / folder).glob("*.json")} == set(FOLDERS[folder][1])


@pytest.mark.parametrize(("folder", "stem"), CASES)
def test_a_sample_gives_the_alerts_that_the_index_tells_of(folder: str, stem: str) -> None:
    states, names, group = FOLDERS[folder][1][stem]
    alerts = parse(folder, stem)
    assert "".join("F" if alert.firing else "R" for alert in alerts) == states
    assert [alert.name for alert in alerts] == names.split("|")
    assert {alert.group for alert in alerts} == {group}
    assert len({alert.fingerprint for alert in alerts}) == len(alerts)
    assert all((alert.ended_at is None) == (alert.firing or "legacy" in stem) for alert in alerts)


def test_facts_of_single_samples() -> None:
    (unicode_, *_) = parse("prometheus_alertmanager", "v4_firing_group_unicode")
    assert unicode_.started_at == datetime(2023, 3, 25, 6, 39, 51, 689433, tzinfo=UTC)
    assert "&g0.tab=1" in (unicode_.url or "")
    (reason,) = parse("prometheus_alertmanager", "v4_resolved_notification_reason")
    assert reason.labels["status"] == "error"
    (long,) = parse("prometheus_alertmanager", "v3_firing_annotation_over_4096")
    assert len(long.annotations["summary"]) > 4096
    (minimal,) = parse("prometheus_alertmanager", "firing_minimal_no_version_no_times")
    assert minimal.started_at == NOON
    (tags,) = parse("grafana", "legacy_v6_two_matches_tags")
    assert (tags.service, tags.severity) == ("Physical", "warning")
    (static,) = parse("azure_monitor", "common_metric_static_fired")
    assert (static.severity, static.service) == ("Sev3", "test-storageAccount")
    assert (static.labels["ApiName"], static.labels["customKey1"]) == ("GetBlob", "value1")
    (stage,) = parse("azure_monitor", "common_service_health_resolved_stage")
    assert stage.started_at == datetime(2020, 3, 23, 16, 40, 51, 809113, tzinfo=UTC)
    assert stage.ended_at == datetime(2020, 3, 23, 17, 51, 56, 127441, tzinfo=UTC)


def test_legacy_grafana_samples_of_one_rule_are_one_alert() -> None:
    (alerting,), (ok,) = parse("grafana", "legacy_alerting"), parse("grafana", "legacy_ok")
    assert alerting.fingerprint == ok.fingerprint


def test_the_older_azure_schemas_are_refused_with_advice() -> None:
    files = sorted((SAMPLES / "azure_monitor_noncommon").glob("*.json"))
    assert files
    for file in files:
        with pytest.raises(InvalidPayload, match="common alert schema"):
            known_sources()["azure-monitor"].parse(file.read_bytes(), NOON)


class OneSecret:
    """The one secret of a vector."""

    def __init__(self, value: str) -> None:
        self.value = value

    def get(self, name: str) -> str:
        if name != "key":
            raise SecretUnavailable(name)
        return self.value

    def accepted(self, name: str) -> list[str]:
        """The value alone."""
        return [self.get(name)]

    def recheck(self, name: str) -> None:
        """Nothing is cached."""

    def forget(self, name: str) -> bool:  # noqa: ARG002
        """Nothing is cached."""
        return True


@pytest.mark.parametrize(
    ("scheme", "header", "prefix"),
    [
        ("sentry-hook", "Sentry-Hook-Signature", ""),
        ("github-sha256", "X-Hub-Signature-256", "sha256="),
        ("pagerduty-v1", "X-PagerDuty-Signature", "v1="),
    ],
)
def test_vectors_of_other_senders_with_grafanas_algorithm(scheme: str, header: str, prefix: str) -> None:
    """Nobody has published a vector of Grafana's; these three are the same HMAC in another header."""
    vectors = json.loads((SAMPLES / "signature_vectors.json").read_bytes())
    matching = [vector for vector in vectors if vector["scheme"] == scheme]
    assert matching
    trust = SourceTrust(hmac_secret="key", signature_header=header)
    verify = known_sources()["grafana"].verify
    for vector in matching:
        name = vector.get("body_file")
        body = (SAMPLES / name).read_bytes() if name else vector["body_text"].encode()
        signature = vector["headers"][header].split(",")[-1].removeprefix(prefix)
        secrets = OneSecret(vector["secret"])
        verify({header.lower(): signature}, body, trust, secrets, NOON)
        with pytest.raises(Unauthenticated):
            verify({header.lower(): signature}, body + b" ", trust, secrets, NOON)
