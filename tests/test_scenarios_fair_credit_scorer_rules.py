"""Fair Credit Scorer's plan as it reads: criteria, windows, chain, lists, links and runbooks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.adapters.plan_files import PlanFiles
from shared.adapters.sources.catalogue import known_sources
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.classification import classify
from shared.domain.plan import Plan
from shared.domain.runbook import runbook_of
from tests.test_scenarios_fair_credit_scorer import CHAIN, DAY, HOUR, MINUTE, NAME, RECOVERY
from tests.toy_host import ROOT


def judging(name: str, hint: str | None = None, source: str = "generic", **facts: str | float) -> Alert:
    """An alert; texts among ``facts`` are labels, numbers are measured values."""
    return Alert(
        source=source,
        fingerprint=fingerprint_of(source, name),
        firing=True,
        name=name,
        started_at=datetime(2026, 11, 18, 12, tzinfo=UTC),
        severity=hint,
        labels={key: value for key, value in facts.items() if isinstance(value, str)},
        values={key: value for key, value in facts.items() if not isinstance(value, str)},
    )


@pytest.fixture(scope="module")
def plan() -> Plan:
    return PlanFiles(ROOT / "plans", {name: source.signs for name, source in known_sources().items()}).get(
        NAME
    )


@pytest.mark.parametrize(
    ("alert", "severity", "rule"),
    [
        (judging("SecurityScan"), "SEV1", "security-breach"),
        (judging("UnauthorizedAccess", "low"), "SEV1", "security-breach"),
        (judging("DataLeakFound"), "SEV1", "security-breach"),
        (judging("CompleteOutage"), "SEV1", "complete-outage"),
        (judging("ApplicationDown"), "SEV1", "application-down"),
        (judging("FairnessDrift", regulatory_threshold="exceeded"), "SEV1", "bias-beyond-regulation"),
        (judging("BiasMeasured", disparate_impact_ratio=0.79), "SEV1", "bias-beyond-four-fifths"),
        (judging("BiasMeasured", "critical", disparate_impact_ratio=0.8), "SEV3", "bias-within-bounds"),
        (judging("ModelBias", "info"), "SEV1", "bias-unmeasured"),
        (judging("Errors", "critical", error_rate_percent=10.1), "SEV2", "many-errors"),
        (judging("Errors", error_rate_percent=10), "SEV3", "default severity"),
        (judging("Errors", "high", error_rate_percent=7), "SEV2", "source-says-high"),
        (judging("Errors", error_rate_percent=5), "SEV3", "default severity"),
        (judging("Errors", "critical", error_rate_percent=4.9), "SEV3", "some-errors"),
        (judging("Errors", "low", error_rate_percent=0), "SEV4", "source-says-low"),
        (judging("IntermittentErrors"), "SEV3", "intermittent-errors"),
        (judging("Latency", slower_percent=50.5), "SEV2", "much-slower"),
        (judging("Latency", "high", slower_percent=50), "SEV3", "a-little-slower"),
        (judging("FeatureFailed"), "SEV2", "feature-fails"),
        (judging("FeatureFailed", feature_critical="false"), "SEV3", "feature-not-critical"),
        (judging("CosmeticGlitch"), "SEV4", "cosmetic"),
        (judging("EnhancementWanted"), "SEV4", "enhancement"),
        (judging("Cpu", "Sev1", source="azure-monitor"), "SEV2", "azure-sev1"),
        (judging("Cpu", "Sev1"), "SEV1", "the source names a severity of the plan"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_the_documents_criteria_decide_the_severity(
    plan: Plan, alert: Alert, severity: str, rule: str
) -> None:
    signal = classify(alert, plan.rules)
    assert (signal.severity, signal.rule) == (severity, rule)


@pytest.mark.parametrize(
    ("runbook", "names"),
    [
        ("security-breach", ["DataBreach"]),
        ("model-bias", ["ModelBias"]),
        ("application-down", ["CompleteOutage", "ApplicationDown"]),
        ("high-error-rate", ["HighErrorRate", "DataLoadFailed", "FeatureFailed"]),
        ("performance-degradation", ["LatencyHigh", "DiskFull"]),
        ("any-incident", ["CosmeticGlitch", "MetricsMissing", "NobodyThoughtOfThis"]),
    ],
)
def test_an_alert_leads_to_its_runbook(plan: Plan, runbook: str, names: list[str]) -> None:
    services = [classify(judging(name), plan.rules).service for name in names]
    found = {runbook_of(plan.runbooks, *known, None) for known in zip(names, services, strict=True)}
    assert found == {runbook}


def test_the_four_severities_have_their_titles_and_windows(plan: Plan) -> None:
    assert [(each.name, each.title, each.respond_within) for each in plan.rules.severities] == [
        ("SEV1", "Critical", 15 * MINUTE),
        ("SEV2", "High", HOUR),
        ("SEV3", "Medium", 4 * HOUR),
        ("SEV4", "Low", DAY),
    ]
    assert {each.resolve_within for each in plan.rules.severities} == {None}


def test_the_chain_has_its_order_at_every_severity_that_escalates(plan: Plan) -> None:
    for name in ("SEV1", "SEV2", "SEV3"):
        steps = [step for step in plan.rules.severity(name).steps[1:] if not step.services]
        met = dict.fromkeys(each for step in steps for each in step.notify)
        assert list(met) == CHAIN
    first = {severity.name: severity.steps[0].notify for severity in plan.rules.severities}
    called = dict.fromkeys(("SEV1", "SEV2", "SEV3"), ("on-call", "on-call-team"))
    assert first == {**called, "SEV4": ("on-call-team",)}
    assert {severity.name for severity in plan.rules.severities if severity.until == "resolved"} == set(
        called
    )


ITEMS = {
    "initial commander-initial": (
        "acknowledged-in-time severity-assessed channel-open team-gathered first-status-sent"
    ),
    "initial first-fifteen-minutes": (
        "status-asked rate-and-impact-reviewed still-going-on action-decided on-call-team-told triage-begun"
    ),
    "investigation commander-investigation": (
        "assessment-complete cause-identified approach-decided duration-estimated findings-shared"
    ),
    "investigation system-assessment": (
        "application-checked resources-checked logs-read network-checked response-times-measured "
        "processes-checked data-access-timed security-checked integrity-checked"
    ),
    "investigation planned-escalation": (
        "runbook-followed team-consulted time-judged hands-judged business-judged customers-judged"
    ),
    "resolution commander-resolution": (
        "procedure-carried-out fix-effective recurrence-watched stakeholders-updated actions-documented"
    ),
    "verification recovery": " ".join(RECOVERY),
    "post-incident commander-afterwards": (
        "final-summary-sent review-scheduled runbooks-updated prevention-begun ticket-closed"
    ),
    "post-incident afterwards": (
        "log-complete cause-documented lessons-recorded pages-updated "
        "monitoring-improved detection-automated alerts-adjusted infrastructure-planned"
    ),
}
"""Phase and checklist, and its items in the document's order."""


def test_every_item_of_the_document_is_on_a_checklist(plan: Plan) -> None:
    lists = plan.rules.checklists
    found = {f"{each.phase} {each.name}": " ".join(item.id for item in each.items) for each in lists}
    assert found == ITEMS
    assert {each.name: each.severities for each in lists if each.severities} == {
        "planned-escalation": ("SEV2", "SEV3"),
        "recovery": ("SEV1", "SEV2", "SEV3"),
    }
    text = {item.id: item.text for each in lists for item in each.items}
    assert "within 15 minutes" in text["acknowledged-in-time"]
    assert "30 % test data, seed 42" in text["evaluation-works"]
    assert text["load-borne"].startswith("Ten calls")


def test_the_four_procedures_are_closing_codes(plan: Plan) -> None:
    codes = [code.name for code in plan.rules.closing_codes]
    assert codes[:4] == ["restarted", "cleaned-up", "reconfigured", "scaled"]


def test_what_the_document_types_stands_in_the_runbooks() -> None:
    for runbook, commands in (
        (
            "application-down",
            ("--check health --json", "docker-compose ps", "docker-compose logs --tail=50 app"),
        ),
        ("application-down", ("df -h", "free -h", "uptime", "vmstat 1 5", "iostat -x 1 5", "port 8000")),
        ("application-down", ("docker-compose restart app", "docker-compose down", "docker-compose up -d")),
        (
            "application-down",
            ("curl -f http://localhost:8000/health", "`/ready`", "`/alive`", "`src.config`"),
        ),
        ("application-down", ("fairness-eval --method baseline --test-size 0.3", "POST to `/api/evaluate`")),
        ("application-down", ("readiness", "liveness", "Python's caches", "unused images and volumes")),
        ("performance-degradation", ("top", "ps aux --sort=-%cpu", "ps aux --sort=-%mem", "pstree -p")),
        ("performance-degradation", ("time curl -s http://localhost:8000/health", "du -sh /var/log/*")),
        ("performance-degradation", ("a thousand samples", "--scale app=3", "ten calls", "over a minute")),
        (
            "high-error-rate",
            ("curl -s http://localhost:8000/metrics", "/var/log/fairness-eval/application.log"),
        ),
        ("security-breach", ("bandit -r src/ -f json -o security-scan.json", "authentication", "suspicious")),
        ("model-bias", ("model check of `src.health_check`",)),
    ):
        page = (ROOT / "runbooks" / NAME / f"{runbook}.md").read_text(encoding="utf-8")
        assert [command for command in commands if command not in page] == []


def test_secrets_and_addresses_are_stand_ins_named_after_the_plan(plan: Plan) -> None:
    for channel in plan.directory.channels.values():
        assert {channel.secret, *channel.options.values()} - {None} != set()
        for name in (channel.secret, channel.options.get("url_secret")):
            assert name is None or name.startswith(NAME)
    ways = [way.to for contact in plan.directory.contacts.values() for way in contact.reach if way.to]
    assert all(way.endswith("@fair-credit-scorer.example") for way in ways)
    assert set(plan.links) == {
        *("system-metrics", "application-metrics", "business-metrics"),
        *("central-logging", "error-tracking", "performance-monitoring"),
        *("status-page", "escalation-list", "architecture", "api-docs", "configuration-docs"),
    }
    assert all(".fair-credit-scorer.example/" in link for link in plan.links.values())
