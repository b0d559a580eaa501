"""FootAnalytics' plan and runbooks, without a clock: figures, names and addresses are its document's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.adapters.plan_files import PlanFiles
from shared.adapters.runbook_files import RunbookFiles
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.classification import classify
from shared.domain.hours import BusinessTime, Span
from shared.domain.runbook import runbook_of
from tests.builders import NOON, hours, minutes
from tests.toy_host import ROOT

FOOTANALYTICS = PlanFiles(ROOT / "plans").get("footanalytics")
RUNBOOKS = ROOT / "runbooks/footanalytics"
IMMEDIATE = ("alert-taken", "impact-assessed", "health-checked", "changes-reviewed", "metrics-checked")
MAP = """\
PlatformAvailabilityCritical platform-outage
APIResponseTimeHigh performance-degradation
HighErrorRate high-error-rate
DatabaseConnectionFailure database-failure
MLInferenceLatencyHigh ml-pipeline-failure
KubernetesNodeNotReady infrastructure-issues
KubernetesPodCrashLooping pod-crashloop
PersistentVolumeUsageHigh storage-issues
CanaryFailed canary-deployment-failures
ArgoCDSyncFailed argocd-sync-failures"""
INDEX = """\
SecurityTokenLeaked critical security-incident
VideoProcessingFailed high video-processing-failures
GPUMemoryExhausted high gpu-resource-exhaustion
HighCPUUsage medium high-cpu-usage
HighMemoryUsage medium high-memory-usage
CoreNetworkUnreachable medium network-connectivity
PrometheusConfigReloadFailed medium prometheus-issues
GrafanaDown medium grafana-issues
AlertmanagerFailedToSend medium alerting-issues
JaegerDropsSpans medium jaeger-issues
KubernetesImagePullBackOff medium image-pull-failures
ConfigMapMissing medium configuration-issues
PlatformOutage critical platform-outage
PlatformDown critical platform-outage
PostgresDown critical database-failure
TimescaleReplicationFailed critical database-failure
MLPipelineFailed critical ml-pipeline-failure
MLPipelineDown critical ml-pipeline-failure
SomethingOdd medium platform-outage"""
STANDS_IN = """\
platform-outage: get pods --all-namespaces, get nodes, top nodes, top pods, get ingress, get endpoints
platform-outage: api-gateway.footanalytics.com/health, argocd app list, get events --sort-by, rollout
platform-outage: health-check.sh, collect-logs.sh, d/platform-overview
grafana-issues: grafana.footanalytics.com/api/health
high-error-rate: describe deployment, logs -f, delete pod
network-connectivity: get services, describe service, test-connectivity.sh
infrastructure-issues: describe node, open a case with AWS
pod-crashloop: get pods -n, describe pod
performance-degradation: analyze-resources.sh, latency, throughput, database, network, caches
performance-degradation: Processor, memory and GPU, d/business-metrics
database-failure: Connectivity, pipelines, Backups, quality metrics, disk full
ml-pipeline-failure: d/ml-pipeline, --target ml-pipeline
high-cpu-usage: d/infrastructure
alerting-issues: support@pagerduty.com
prometheus-issues: monitoring vendor"""


def leads(name: str) -> tuple[str, str | None]:
    """The severity and the runbook of an alert of which nothing but the name is known."""
    alert = Alert("alertmanager", fingerprint_of("alertmanager", name), True, name, NOON)
    signal = classify(alert, FOOTANALYTICS.rules)
    return signal.severity, runbook_of(FOOTANALYTICS.runbooks, name, signal.service, alert.source)


@pytest.mark.parametrize("line", MAP.splitlines())
def test_each_alert_of_the_map_leads_to_its_runbook(line: str) -> None:
    name, runbook = line.split()
    assert leads(name)[1] == runbook


@pytest.mark.parametrize("line", INDEX.splitlines())
def test_what_the_index_lists_beside_the_map_has_a_severity_and_a_runbook(line: str) -> None:
    name, severity, runbook = line.split()
    assert leads(name) == (severity, runbook)


def test_every_runbook_of_the_folder_is_led_to() -> None:
    assert {rule.runbook for rule in FOOTANALYTICS.runbooks} == {path.stem for path in RUNBOOKS.glob("*.md")}


def test_a_runbook_says_the_severity_of_its_alerts_and_what_they_mean_and_bring() -> None:
    for runbook in RunbookFiles(ROOT / "runbooks").all("footanalytics"):
        text = (RUNBOOKS / f"{runbook.name}.md").read_text(encoding="utf-8")
        for named in ("- Alerts: ", "- Severity: ", "- Meaning: ", "- Impact: "):
            assert text.count(named) == 1, runbook.name
        said = text.partition("- Severity: ")[2].partition("\n")[0]
        for name in runbook.alerts:
            assert said.startswith(f"{leads(name)[0]}: ") or "takes medium" in said, runbook.name


@pytest.mark.parametrize("line", STANDS_IN.splitlines())
def test_commands_scripts_and_patterns_of_the_document_stand_in_the_runbooks(line: str) -> None:
    runbook, _, named = line.partition(": ")
    text = (RUNBOOKS / f"{runbook}.md").read_text(encoding="utf-8")
    assert [each for each in named.split(", ") if each not in text] == []


def test_the_dashboards_are_links_that_templates_may_name() -> None:
    base = "https://grafana.footanalytics.com/d/"
    boards = ("platform-overview", "ml-pipeline", "infrastructure", "business-metrics")
    assert {name: FOOTANALYTICS.links[name] for name in boards} == {name: base + name for name in boards}


def test_the_four_engineers_are_rung_then_written_to_by_slack_and_mail() -> None:
    boxes = {
        "platform-engineer": "platform",
        "tech-lead": "tech-lead",
        "ml-engineer": "ml",
        "devops-engineer": "devops",
    }
    for name, box in boxes.items():
        ways = FOOTANALYTICS.directory.contacts[name].reach
        assert [way.channel for way in ways] == [f"phone-{name}", f"slack-{name}", "email"]
        assert ways[-1].to == f"{box}@footanalytics.com"
        phone = FOOTANALYTICS.directory.channels[f"phone-{name}"]
        assert phone.options["url_secret"] == f"footanalytics-phone-{name}"
        slack = FOOTANALYTICS.directory.channels[f"slack-{name}"]
        assert (slack.kind, slack.secret) == ("slack", f"footanalytics-slack-{name}")


def test_the_other_contacts_have_the_way_that_the_document_gives() -> None:
    contacts = FOOTANALYTICS.directory.contacts
    ways = {name: contact.reach[0] for name, contact in contacts.items() if len(contact.reach) == 1}
    assert {name: way.to or way.channel for name, way in ways.items()} == {
        "senior-engineer": "slack-platform-team",
        "team-lead": "slack-platform-team",
        "platform-team": "slack-platform-team",
        "ml-team": "slack-ml-engineering",
        "devops-team": "slack-devops",
        "security-team": "slack-security",
        "product-manager": "product@footanalytics.com",
        "customer-success": "success@footanalytics.com",
        "executive-team": "exec@footanalytics.com",
        "pagerduty-support": "support@pagerduty.com",
    }


def test_each_role_has_its_primary_and_its_secondary() -> None:
    roles = {role.name: (role.primary, role.secondary) for role in FOOTANALYTICS.rules.roles}
    assert roles == {
        "incident-commander": ("first-line", "tech-lead"),
        "ml-expert": ("ml-engineer", "ml-team"),
        "devops-expert": ("devops-engineer", "devops-team"),
        "security-lead": ("security-team", None),
    }


def test_the_lists_follow_the_immediate_response_and_the_parts_of_a_runbook() -> None:
    lists = {each.name: each for each in FOOTANALYTICS.rules.checklists}
    steps = lists["immediate-response"], lists["immediate-response-low"]
    assert [item.text for item in steps[0].items] == [item.text for item in steps[1].items]
    subjects = ("taken the alert", "Severity and impact", "Gateway and Grafana", "events and rollouts",
                "Errors, latency and availability")  # fmt: skip
    for item, subject in zip(steps[0].items, subjects, strict=True):
        assert subject in item.text
    found = {name: (each.phase, [item.id for item in each.items]) for name, each in lists.items()}
    assert found["immediate-response"] == ("initial", [*IMMEDIATE])
    assert found["investigation"] == ("investigation", ["diagnosed", "commands-run", "logs-read"])
    assert found["resolution"] == ("resolution", ["remedied", "way-back-known"])
    assert found["verification"] == ("verification", ["recovery-verified"])
    assert found["post-resolution"] == (
        "post-incident",
        [
            "cleaned-up",
            "monitoring-verified",
            "follow-ups-noted",
            "runbook-improved",
            "automation-considered",
        ],
    )
    assert [item.required for item in lists["post-resolution"].items] == [True, True, True, True, False]


def test_required_items_stand_at_every_severity_but_low() -> None:
    required = {
        severity.name: {
            item.id
            for each in FOOTANALYTICS.rules.checklists_for(severity.name)
            for item in each.items
            if item.required and each.phase != "post-incident"
        }
        for severity in FOOTANALYTICS.rules.severities
    }
    everything = {*IMMEDIATE, "recovery-verified"}
    assert required == {"critical": everything, "high": everything, "medium": everything, "low": set()}


@pytest.mark.parametrize(
    ("severity", "respond", "escalation", "target"),
    [
        ("critical", minutes(5), minutes(15), "tech-lead"),
        ("high", minutes(15), minutes(30), "senior-engineer"),
        ("medium", hours(1), hours(4), "team-lead"),
        ("low", hours(4), BusinessTime(None), "platform-team"),
    ],
)
def test_the_escalation_matrix_holds_for_every_service(
    severity: str, respond: timedelta, escalation: Span, target: str
) -> None:
    teams = dict.fromkeys(("ml-pipeline", "gpu", "video-processing"), "ml-team")
    teams |= dict.fromkeys(("deployment", "observability", "infrastructure"), "devops-team")
    teams |= {"security": "security-team"}
    services = {service.name for service in FOOTANALYTICS.rules.services}
    assert services == {*teams, "platform", "api-gateway", "database"}
    for service in sorted(services):
        ruling = FOOTANALYTICS.rules.ruling(severity, service)
        team = teams.get(service, target)
        assert (ruling.respond_within, ruling.resolve_within) == (respond, None)
        assert {step.after for step in ruling.steps[:-1]} == {timedelta(0)}
        last = ruling.steps[-1]
        assert (last.after, last.notify) == (escalation, (team if severity == "low" else target,))


def test_the_targets_are_all_of_them() -> None:
    assert FOOTANALYTICS.targets == {"respond_sla_attainment": 100, "review_completion": 100}
