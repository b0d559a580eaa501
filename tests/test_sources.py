"""What each source's webhook bodies become: names, groups, identities, times and hints."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters.sources.catalogue import known_sources
from shared.adapters.sources.generic import KEYS
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.errors import InvalidPayload

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
PAYLOADS = Path(__file__).parent / "payloads"
DOCS = (Path(__file__).parents[1] / "docs" / "sources.md").read_text(encoding="utf-8")


def parse(source: str, payload: str) -> list[Alert]:
    return known_sources()[source].parse((PAYLOADS / source / f"{payload}.json").read_bytes(), NOON)


def parse_one(source: str, payload: str) -> Alert:
    (alert,) = parse(source, payload)
    return alert


def parse_json(source: str, body: object) -> list[Alert]:
    return known_sources()[source].parse(json.dumps(body).encode(), NOON)


def faults_of(source: str, body: object) -> list[str]:
    with pytest.raises(InvalidPayload) as caught:
        parse_json(source, body)
    return [str(fault) for fault in caught.value.faults]


def on_second_of_march(hour: int, minute: int, second: int, microsecond: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, second, microsecond, tzinfo=UTC)


def test_the_catalogue_knows_four_sources_by_their_names_and_which_of_them_sign() -> None:
    assert {name: source.name for name, source in known_sources().items()} == {
        name: name for name in ("alertmanager", "azure-monitor", "generic", "grafana")
    }
    assert {name for name, source in known_sources().items() if source.signs} == {"generic", "grafana"}


def test_an_alertmanager_group_gives_its_alerts_with_one_group_key() -> None:
    alerts = parse("alertmanager", "group_of_three")
    assert [alert.labels["instance"] for alert in alerts] == [f"queue-{n}:9419" for n in (1, 2, 3)]
    assert {alert.group for alert in alerts} == {'{}:{alertname="Очередь растёт"}'}
    first = alerts[0]
    assert (first.name, first.service, first.severity) == ("Очередь растёт", "rabbit", "major")
    assert first.summary == "queue-1 grows"
    assert first.annotations["runbook"] == "https://wiki.example/{app}/queue"
    assert first.fingerprint == fingerprint_of("alertmanager", "0c1d2e3f4a5b6c7d")
    assert first.url == "http://prometheus.example:9090/graph?g0.expr=rabbit_queue%3E9&g0.tab=1"


def test_times_are_utc_and_cut_to_microseconds() -> None:
    first = parse("alertmanager", "group_of_three")[0]
    assert first.started_at == on_second_of_march(12, 31, 7, 123456)
    assert first.started_at.tzinfo is UTC
    assert first.ended_at is None


def test_a_resolved_alert_carries_its_end_and_unknown_keys_do_no_harm() -> None:
    alert = parse_one("alertmanager", "resolved_with_extra_key")
    assert not alert.firing
    assert alert.ended_at == on_second_of_march(7, 15, 30, 250_000)
    assert (alert.service, alert.severity, alert.labels["status"]) == ("edge", "page", "invalid")


def test_an_integer_group_key_beyond_64_bits_stays_exact() -> None:
    alert = parse_one("alertmanager", "version_3")
    assert alert.group == "18446744073709551557"
    assert alert.service == "Fleet"
    assert alert.fingerprint == fingerprint_of("alertmanager", alert.labels)


def test_an_alert_without_fingerprint_is_its_labels_firing_or_not() -> None:
    resolved = parse_one("alertmanager", "resolved_without_fingerprint")
    labels = {"severity": "warn", "app": "archive", "alertname": "DiskFull"}
    (firing,) = parse_json("alertmanager", {"alerts": [{"status": "firing", "labels": labels}]})
    assert resolved.fingerprint == firing.fingerprint
    assert resolved.service == "archive"
    assert resolved.url == "http://alertmanager.example:9093"


def test_equal_labels_under_two_fingerprints_are_two_alerts() -> None:
    first, second = parse("alertmanager", "twins")
    assert first.labels == second.labels
    assert first.fingerprint != second.fingerprint


def test_a_minimal_alert_takes_the_status_of_its_group_and_starts_when_it_was_received() -> None:
    alert = parse_one("alertmanager", "minimal")
    assert (alert.firing, alert.name, alert.group) == (True, "Probe", None)
    assert alert.started_at == NOON


def test_an_alert_without_alertname_is_named_by_its_group_or_else_as_a_series() -> None:
    alerts = [{"status": "firing", "labels": {"job": "b", "host": "a"}}]
    assert parse_json("alertmanager", {"alerts": alerts})[0].name == '{host="a", job="b"}'
    named = {"alerts": alerts, "commonLabels": {"alertname": "Common"}, "groupLabels": {"alertname": "Group"}}
    assert parse_json("alertmanager", named)[0].name == "Group"


def test_every_fault_of_an_alertmanager_body_is_told_with_its_place() -> None:
    alerts = [
        {"labels": {}, "status": "firing"},
        {"status": "maybe", "annotations": []},
        7,
        {"labels": {"alertname": "x"}, "startsAt": "yesterday", "status": "resolved", "endsAt": "tomorrow"},
    ]
    assert faults_of("alertmanager", {"alerts": alerts}) == [
        "alerts[2]: must be an object, not a number",
        "alerts[0].labels: has no alertname, nor any other label to name the alert by",
        "alerts[1].labels: is missing",
        "alerts[1].annotations: must be an object, not a list",
        'alerts[1].status: must be firing or resolved, not "maybe"',
        "alerts[3].startsAt: must be an instant in RFC 3339",
    ]
    assert faults_of("alertmanager", {"status": "firing"}) == ["alerts: is missing"]
    assert faults_of("alertmanager", {"alerts": []}) == ["alerts: is empty"]


def test_an_end_before_the_start_is_no_end() -> None:
    entry = {"status": "resolved", "labels": {"alertname": "x"}, "startsAt": "2026-03-02T10:00:00Z"}
    (alert,) = parse_json("alertmanager", {"alerts": [entry | {"endsAt": "2026-03-02T09:59:59Z"}]})
    assert alert.ended_at is None


def test_a_resolution_without_start_starts_at_its_end() -> None:
    entry = {"status": "resolved", "labels": {"alertname": "x"}, "endsAt": "2026-03-03T11:00:00Z"}
    (alert,) = parse_json("alertmanager", {"alerts": [entry]})
    assert alert.started_at == alert.ended_at == NOON - timedelta(hours=1)


def test_a_grafana_body_may_hold_firing_and_resolved_alerts() -> None:
    alerts = parse("grafana", "unified_mixed")
    assert [alert.firing for alert in alerts] == [False, True, False]
    assert {(alert.name, alert.group) for alert in alerts} == {("Slow checkout", '{}/{service="shop"}:{}')}
    assert alerts[0].annotations["values"] == "[ var='B' value=0.4 ]"
    assert json.loads(alerts[1].annotations["values"]) == {"B": 2.75, "C": 1}


def test_a_grafana_alert_without_labels_is_named_by_the_title_without_its_state() -> None:
    alert = parse_one("grafana", "unified_without_labels")
    assert (alert.name, alert.firing) == ("(Trial Grafana)", False)
    assert alert.group == '{alertname="Trial"}2026-06-17 01:04:00'
    assert alert.url == "https://grafana.example/"


def test_the_oncall_contact_point_sends_alertmanagers_shape() -> None:
    alerts = parse("grafana", "oncall")
    assert [alert.summary for alert in alerts] == [f"db-{n} has not answered for a minute" for n in (1, 2)]
    assert {(alert.name, alert.severity, alert.url) for alert in alerts} == {
        ("InstanceGone", "critical", None)
    }


def test_a_single_grafana_alert_has_no_group() -> None:
    alert = parse_one("grafana", "single_alert")
    assert (alert.group, alert.service, alert.firing) == (None, "shop", True)
    assert alert.started_at == datetime(2026, 6, 17, 7, 41, 12, 204813, tzinfo=UTC)


def test_a_legacy_grafana_rule_fires_and_resolves_as_one_alert() -> None:
    firing, resolved = parse_one("grafana", "legacy_alerting"), parse_one("grafana", "legacy_ok")
    assert (firing.firing, resolved.firing) == (True, False)
    assert firing.fingerprint == resolved.fingerprint
    assert firing.group == resolved.group == "ruleId=58, ruleName=Lab -> Temperature"
    assert firing.started_at == NOON


def test_the_tags_of_a_legacy_rule_win_over_those_of_its_matches() -> None:
    alert = parse_one("grafana", "legacy_alerting")
    assert (alert.service, alert.severity) == ("Lab", "warning")
    assert alert.labels == {
        "state": "alerting",
        "service": "Lab",
        "severity": "warning",
        "info.host_id": "i-77",
        "job": "netdata",
    }
    assert alert.annotations["values"] == "idle=93.5, idle=93.5"
    assert alert.summary == "the room is warm"


@pytest.mark.parametrize(
    ("state", "firing"),
    [
        ("alerting", True),
        ("no_data", True),
        ("pending", True),
        ("paused", True),
        ("ok", False),
        ("OK", False),
    ],
)
def test_only_ok_resolves_a_legacy_rule(state: str, firing: bool) -> None:
    (alert,) = parse_json("grafana", {"ruleName": "door", "state": state})
    assert (alert.firing, alert.group, alert.labels["state"]) == (firing, "ruleName=door", state)


def test_a_legacy_rule_url_that_is_no_url_is_left_out() -> None:
    assert parse_one("grafana", "legacy_minimal").url is None


def test_faults_of_grafana_bodies() -> None:
    assert faults_of("grafana", {"ruleId": 1, "state": "strange"}) == [
        "ruleName: is missing",
        'state: must be ok, alerting, no_data, paused, pending, not "strange"',
    ]
    assert faults_of("grafana", {"status": "firing"}) == ["alerts: is missing"]
    assert faults_of("grafana", {"labels": {"a": "b"}}) == ["status: is missing"]


def test_one_generic_alert() -> None:
    alert = parse_one("generic", "one_alert")
    assert (alert.name, alert.service, alert.severity, alert.firing) == (
        "backup-failed",
        "archive",
        "high",
        True,
    )
    assert alert.labels == {"host": "db-3", "attempt": "3", "final": "true"}
    assert alert.started_at == on_second_of_march(1, 15, 0)
    assert alert.url == "https://backup.example/jobs/81"
    assert alert.group is None


def test_a_generic_alert_without_fingerprint_is_its_name_service_group_and_labels() -> None:
    firing, resolved = parse_one("generic", "one_alert"), parse_one("generic", "resolved")
    assert firing.fingerprint == resolved.fingerprint
    assert resolved.started_at == on_second_of_march(1, 15, 0)
    assert resolved.ended_at == on_second_of_march(2, 0, 0)
    assert len({alert.fingerprint for alert in parse("generic", "alerts")}) == 2


def test_a_generic_body_may_be_a_list_or_an_object_with_alerts() -> None:
    assert [(alert.name, alert.group) for alert in parse("generic", "list")] == [
        ("a", "dedup-1"),
        ("b", "dedup-1"),
    ]
    assert [alert.firing for alert in parse("generic", "alerts")] == [True, True, False]


def test_every_fault_of_a_generic_body_is_told_with_its_place() -> None:
    entry = {
        "nome": "typo",
        "name": " ",
        "status": "on",
        "severity": 3,
        "labels": [],
        "url": "javascript:alert(1)",
        "started_at": True,
        "ended_at": 1772416800,
    }
    faults = faults_of("generic", {"alerts": [entry, None], "version": 4})
    assert [fault.partition(":")[0] for fault in faults] == [
        "version",
        "alerts[1]",
        "alerts[0].nome",
        "alerts[0].name",
        "alerts[0].severity",
        "alerts[0].labels",
        "alerts[0].status",
        "alerts[0].started_at",
        "alerts[0].ended_at",
        "alerts[0].url",
    ]
    assert faults_of("generic", []) == ["is empty"]
    assert faults_of("generic", [{}]) == ["[0].name: is missing"]
    late = {"name": "x", "status": "resolved", "started_at": "2026-03-02T10:00:00Z", "ended_at": 1}
    assert faults_of("generic", late) == ["ended_at: is before started_at"]


def test_the_page_on_the_sources_names_every_source_and_every_generic_key() -> None:
    assert set(re.findall(r"^## ([a-z-]+)$", DOCS, re.MULTILINE)) == set(known_sources())
    assert set(re.findall(r"^\| `([a-z_]+)` \| (?:required)? ?\|", DOCS, re.MULTILINE)) == set(KEYS)


def test_the_examples_of_the_page_are_one_alert_that_fires_and_resolves() -> None:
    bodies = re.findall(r"^```json\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    (firing,), (resolved,) = (known_sources()["generic"].parse(body.encode(), NOON) for body in bodies)
    assert (firing.firing, resolved.firing) == (True, False)
    assert (firing.fingerprint, firing.started_at) == (resolved.fingerprint, resolved.started_at)
