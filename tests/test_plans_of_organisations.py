"""The plans say what their organisations' documents say; docs/plans.md names each rule and its test."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.plan_files import PlanFiles
from shared.adapters.sources.catalogue import known_sources
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.classification import classify
from shared.domain.hours import Span
from shared.domain.plan import Plan
from tests.acme import ROOT

PLANS = PlanFiles(ROOT / "plans", {name: source.signs for name, source in known_sources().items()})
ML_PLATFORM, FOOTANALYTICS = PLANS.get("ml-platform"), PLANS.get("footanalytics")
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
NOW, MINUTE, HOUR, DAY = timedelta(0), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def an_alert(name: str = "SomethingOdd", severity: str | None = None, **labels: str) -> Alert:
    return Alert(
        source="alertmanager",
        fingerprint=fingerprint_of("alertmanager", name),
        firing=True,
        name=name,
        started_at=NOON,
        severity=severity,
        labels=labels,
    )


def judged(plan: Plan, alert: Alert) -> tuple[str, str]:
    signal = classify(alert, plan.rules)
    return signal.severity, signal.service


def ladder(plan: Plan, severity: str) -> list[tuple[Span, tuple[str, ...]]]:
    return [(step.after, step.notify) for step in plan.rules.severity(severity).steps]


def called(plan: Plan, severity: str) -> set[str]:
    return {contact for _, contacts in ladder(plan, severity) for contact in contacts}


def test_a_p0_calls_whoever_is_on_call_and_the_manager_at_once() -> None:
    assert ladder(ML_PLATFORM, "P0")[0] == (NOW, ("oncall", "engineering-manager"))


def test_a_p1_calls_whoever_is_on_call() -> None:
    assert ladder(ML_PLATFORM, "P1")[0] == (NOW, ("oncall",))


def test_the_cto_is_for_p0_alone() -> None:
    assert [
        severity.name
        for severity in ML_PLATFORM.rules.severities
        if "cto" in called(ML_PLATFORM, severity.name)
    ] == ["P0"]


def test_the_manager_is_for_p0_and_p1() -> None:
    called_for = {
        name: "engineering-manager" in called(ML_PLATFORM, name) for name in ("P0", "P1", "P2", "P3")
    }
    assert called_for == {"P0": True, "P1": True, "P2": False, "P3": False}


@pytest.mark.parametrize(
    ("alert", "severity", "service"),
    [
        (an_alert("ServiceOutage"), "P0", "platform"),
        (an_alert("DataLossDetected"), "P0", "platform"),
        (an_alert("PostgresCorruption"), "P0", "database"),
        (an_alert("DataIntegrityCheckFailed"), "P0", "platform"),
        (an_alert("RegionUsEast1Failed"), "P0", "platform"),
        (an_alert("SecurityBreach", "warning"), "P0", "security"),
        (an_alert("Slow", "critical", app="ml-inference-api"), "P0", "inference-api"),
        (an_alert("Slow", "high", deployment="ml-inference-api"), "P1", "inference-api"),
        (an_alert("Slow", "P1", deployment="redis"), "P1", "cache"),
        (an_alert("KubePodCrashLooping", "warning"), "P2", "kubernetes"),
        (an_alert("CoreDNSLatency", "info"), "P3", "kubernetes"),
        (an_alert("CpuHigh", "Sev1", DBInstanceIdentifier="ml-platform-prod"), "P1", "database"),
        (an_alert("PrometheusTargetMissing", "low"), "P3", "monitoring"),
        (an_alert("SomethingOdd"), "P2", "platform"),
    ],
)
def test_ml_platform_judges_an_alert(alert: Alert, severity: str, service: str) -> None:
    assert judged(ML_PLATFORM, alert) == (severity, service)


def test_footanalytics_answers_within_its_four_windows() -> None:
    windows = {severity.title: severity.respond_within for severity in FOOTANALYTICS.rules.severities}
    assert list(windows.items()) == [
        ("Critical", 5 * MINUTE),
        ("High", 15 * MINUTE),
        ("Medium", HOUR),
        ("Low", 4 * HOUR),
    ]


@pytest.mark.parametrize(
    ("name", "severity", "rule", "service"),
    [
        ("PlatformAvailabilityCritical", "critical", "platform-outage", "platform"),
        ("APIResponseTimeHigh", "high", "performance-degradation", "api-gateway"),
        ("HighErrorRate", "high", "high-error-rate", "api-gateway"),
        ("DatabaseConnectionFailure", "critical", "database-failure", "database"),
        ("MLInferenceLatencyHigh", "critical", "ml-pipeline-failure", "ml-pipeline"),
        ("KubernetesNodeNotReady", "medium", "infrastructure-issues", "infrastructure"),
        ("KubernetesPodCrashLooping", "medium", "pod-crashloop", "infrastructure"),
        ("PersistentVolumeUsageHigh", "medium", "storage-issues", "infrastructure"),
        ("CanaryFailed", "medium", "canary-deployment-failures", "deployment"),
        ("ArgoCDSyncFailed", "medium", "argocd-sync-failures", "deployment"),
    ],
)
def test_each_alert_that_has_a_runbook_is_judged_by_name(
    name: str, severity: str, rule: str, service: str
) -> None:
    signal = classify(an_alert(name, "info"), FOOTANALYTICS.rules)
    assert (signal.severity, signal.rule, signal.service) == (severity, rule, service)


@pytest.mark.parametrize(
    ("alert", "severity", "service"),
    [
        (an_alert("SecurityTokenLeaked", "low"), "critical", "security"),
        (an_alert("VideoProcessingFailed"), "high", "video-processing"),
        (an_alert("GPUMemoryExhausted"), "high", "gpu"),
        (an_alert("Odd", "critical", app="api-gateway"), "critical", "api-gateway"),
        (an_alert("PrometheusDown", "warning"), "medium", "observability"),
        (an_alert("HighCPUUsage", "Sev4"), "low", "infrastructure"),
        (an_alert("Odd"), "medium", "platform"),
    ],
)
def test_footanalytics_judges_other_alerts(alert: Alert, severity: str, service: str) -> None:
    assert judged(FOOTANALYTICS, alert) == (severity, service)


@pytest.mark.parametrize("plan", [FOOTANALYTICS, ML_PLATFORM], ids=lambda plan: plan.name)
def test_a_plan_states_no_resolve_window_that_its_document_lacks(plan: Plan) -> None:
    assert {severity.resolve_within for severity in plan.rules.severities} == {None}


@pytest.mark.parametrize("plan", PLANS.all(), ids=lambda plan: plan.name)
def test_a_plan_names_its_secrets_after_itself(plan: Plan) -> None:
    secrets = [channel.secret for channel in plan.directory.channels.values() if channel.secret]
    assert secrets
    assert [secret for secret in secrets if not secret.startswith(f"{plan.name}-")] == []


@pytest.mark.parametrize("plan", PLANS.all(), ids=lambda plan: plan.name)
def test_response_times_are_to_be_kept_without_exception(plan: Plan) -> None:
    assert plan.targets["respond_sla_attainment"] == 100
    assert plan.targets["review_completion"] == 100


@pytest.mark.parametrize("name", ["malaria-prediction", "ml-platform"])
def test_who_is_paged_by_pagerduty_has_a_key_alone_and_is_reached_otherwise_for_the_rest(name: str) -> None:
    directory = PLANS.get(name).directory
    pagers = [each for each in directory.channels.values() if each.kind == "pagerduty"]
    assert pagers
    assert len({each.secret for each in pagers}) == len(pagers), "a shared key would ring once for all"
    for pager in pagers:
        [paged] = [
            contact
            for contact in directory.contacts.values()
            if pager.name in {way.channel for way in contact.reach}
        ]
        assert (paged.reach[0].channel, paged.reach[0].kinds[-1]) == (pager.name, "role")
        assert not paged.reach[-1].kinds


def test_public_pages_stand_where_the_documents_name_them() -> None:
    assert {plan.name: plan.status_page.title for plan in PLANS.all() if plan.status_page} == {
        "fair-credit-scorer": "Fair Credit Scorer",
        "malaria-prediction": "Malaria Prediction",
        "ml-platform": "ML Platform",
    }
    pages = {
        plan.name: channel.options["page"]
        for plan in PLANS.all()
        for channel in plan.directory.channels.values()
        if channel.kind == "statuspage"
    }
    assert pages == {"malaria-prediction": "malariapage0", "ml-platform": "mlplatformpage0"}


def test_commands_from_chat_are_for_the_organisation_whose_document_has_them() -> None:
    assert [plan.name for plan in PLANS.all() if plan.chat.slack_signing_secret] == ["footanalytics"]
    known = {
        contact.name: (contact.identities["slack"], contact.role)
        for contact in FOOTANALYTICS.directory.contacts.values()
        if contact.identities
    }
    assert known == {
        "platform-engineer": ("U0PLATFORM", "Responder"),
        "tech-lead": ("U0TECHLEAD", "Responder"),
        "ml-engineer": ("U0MLENGINEER", "Responder"),
        "devops-engineer": ("U0DEVOPSENG", "Responder"),
    }


def test_the_page_on_the_plans_names_tests_that_exist() -> None:
    page = (ROOT / "docs/plans.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").glob("test_*.py")))
    assert {test for test in re.findall(r"`(test_\w+)`", page) if f"def {test}(" not in code} == set()
    assert all(f"`plans/{plan.name}.yaml`" in page for plan in PLANS.all())
