"""Bimride's plan as it reads: what alerts come to, and that the KPIs of its document can be kept by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from shared.adapters.plan_files import load
from shared.domain.agenda import occurrences
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.classification import classify
from shared.domain.hours import BusinessTime, is_business_day
from shared.domain.plan import Plan
from shared.domain.runbook import runbook_of
from shared.domain.trial import Rollout
from tests.builders import NOON, hours, minutes
from tests.toy_host import ROOT

BARBADOS = "America/Barbados"
[PLAN] = [plan for plan in load(ROOT / "plans") if plan.name == "bimride"]


def judged(
    name: str = "SomethingOdd",
    severity: str | None = None,
    service: str | None = None,
    values: dict[str, float] | None = None,
    **labels: str,
) -> tuple[str, str, str | None]:
    alert = Alert(
        source="alertmanager",
        fingerprint=fingerprint_of("alertmanager", name),
        firing=True,
        name=name,
        started_at=datetime(2026, 11, 18, 12, tzinfo=UTC),
        service=service,
        severity=severity,
        labels=labels,
        values=values or {},
    )
    signal = classify(alert, PLAN.rules)
    return (
        signal.severity,
        signal.service,
        runbook_of(PLAN.runbooks, alert.name, signal.service, alert.source),
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (judged("RiderIdInLog"), ("critical", "compliance", "compliance-privacy")),
        (judged("PrivacyLeak", "info"), ("critical", "compliance", "compliance-privacy")),
        (judged("PseudonymSaltMissing"), ("critical", "compliance", "compliance-privacy")),
        (judged("RetentionJobLate", "info"), ("high", "compliance", "compliance-privacy")),
        (judged("AuditRecordsMissing", "high"), ("high", "compliance", "compliance-privacy")),
        (judged("SafetySilent"), ("critical", "safety", "safety")),
        (judged("SafetySlow", "warning"), ("high", "safety", "safety")),
        (judged("SafetyNote", "info"), ("medium", "safety", "safety")),
        (judged("Odd", "crit", app="pricing-api"), ("critical", "pricing", "pricing")),
        (judged("FareOdd", "error"), ("high", "pricing", "pricing")),
        (judged("Odd", "page", service="routing"), ("critical", "routing", "routing")),
        (judged("SupportLogin", "Sev1"), ("high", "support", "support")),
        (judged("KafkaLag", "warning"), ("medium", "ingestion", "event-ingestion")),
        (judged("PaymentIngestionStopped", "high"), ("high", "ingestion", "event-ingestion")),
        (judged("FeatureStoreStale", "high"), ("high", "streaming", "event-ingestion")),
        (judged("FlinkDown", "high"), ("high", "streaming", "event-ingestion")),
        (judged("SparkJobFailed", "critical"), ("medium", "batch", "event-ingestion")),
        (judged("ModelSlow", "medium"), ("medium", "models", "data-drift")),
        (judged("PostgresDown", "sev0"), ("critical", "storage", "platform")),
        (judged("DeltaTableStale", "warning"), ("medium", "storage", "platform")),
        (judged("IcebergCommitFails", "high"), ("high", "storage", "platform")),
        (judged("KeyVaultDenied", "high"), ("high", "identity", "platform")),
        (judged("OAuthRefusesAll", "high"), ("high", "identity", "platform")),
        (judged("WorkloadIdentityDenied", "high"), ("high", "identity", "platform")),
        (judged("ManagedIdentityDenied", "high"), ("high", "identity", "platform")),
        (judged("PrometheusDown", "error"), ("high", "monitoring", "platform")),
        (judged("OtelCollectorDown", "error"), ("high", "monitoring", "platform")),
        (judged("GrafanaDown", "sev3"), ("low", "monitoring", "platform")),
        (judged("SomethingOdd"), ("medium", "platform", "platform")),
        (judged("BlobCostSpike", "critical"), ("low", "storage", "cost-spike")),
        (judged("CostSpike", values={"percent_of_budget": 149.9}), ("low", "platform", "cost-spike")),
        (judged("CostSpike", values={"percent_of_budget": 150}), ("medium", "platform", "cost-spike")),
        (judged("MonthlyBudget"), ("low", "platform", "cost-spike")),
        (judged("NightlyDrift"), ("medium", "models", "data-drift")),
        (judged("NightlyDrift", values={"ks_statistic": 0.09}), ("low", "models", "data-drift")),
        (judged("NightlyDrift", values={"ks_statistic": 0.1}), ("medium", "models", "data-drift")),
        (judged("NightlyDrift", values={"ks_statistic": 0.9}), ("medium", "models", "data-drift")),
        (judged("NightlyDrift", None, None, {"ks_statistic": 0.29}, model="pricing-v3"),
         ("medium", "models", "data-drift")),
        (judged("NightlyDrift", None, None, {"ks_statistic": 0.3}, model="pricing-v3"),
         ("high", "models", "data-drift")),
        (judged("NightlyDrift", None, None, {"ks_statistic": 0.3}, model="safety-v1"),
         ("high", "models", "data-drift")),
        (judged("PricingErrors", "critical", None, {"traffic_percent": 10}, track="canary"),
         ("medium", "pricing", "pricing")),
        (judged("PricingErrors", "critical", None, {"traffic_percent": 50}, track="canary"),
         ("critical", "pricing", "pricing")),
        (judged("SafetySilent", "critical", None, {"traffic_percent": 10}, track="canary"),
         ("critical", "safety", "safety")),
    ],
)  # fmt: skip
def test_an_alert_has_a_severity_a_service_and_a_runbook(
    found: tuple[str, str, str | None], expected: tuple[str, str, str | None]
) -> None:
    assert found == expected


def test_the_kpis_can_be_kept_by_what_the_plan_says() -> None:
    rules = PLAN.rules
    paging = [severity for severity in rules.severities if severity.steps]
    assert rules.review is not None
    assert rules.review.severities == tuple(severity.name for severity in paging), (
        "all that call are reviewed"
    )
    assert PLAN.targets == {
        "first_response_within_5m": 100,
        "respond_sla_attainment": 100,
        "review_completion": 100,
        "time_to_resolve_vs_baseline": -30,
    }
    business = [BusinessTime(hours(count)) for count in (4, 24, 16, 80)]
    assert [
        (severity.name, severity.respond_within, severity.resolve_within) for severity in rules.severities
    ] == [
        ("critical", minutes(5), hours(2)),
        ("high", minutes(5), hours(8)),
        ("medium", business[0], business[1]),
        ("low", business[2], business[3]),
    ]
    for severity in rules.severities[:2]:
        sooner = [step.notify for step in severity.steps if step.after < minutes(5)]  # type: ignore[operator]
        assert {("on-call",), ("second-on-call",)} <= set(sooner)


def test_notifications_of_one_incident_to_one_person_are_a_minute_apart() -> None:
    for severity in PLAN.rules.severities[:2]:
        after = sorted({step.after for step in severity.steps})  # type: ignore[type-var]
        gaps = [later - before for before, later in pairwise(after)]  # type: ignore[operator]
        assert min(gaps) >= minutes(1)


def test_services_are_the_five_boundaries_and_the_parts_of_the_architecture() -> None:
    services = {service.name: service for service in PLAN.rules.services}
    assert {"pricing", "safety", "routing", "support", "compliance"} <= set(services)
    assert {"ingestion", "batch", "streaming", "models", "storage", "identity", "monitoring"} <= set(services)
    seen = {name for name, service in services.items() if service.customer_facing}
    assert seen == {"pricing", "safety", "routing", "support"}


def test_checklists_ask_for_what_the_document_is_about() -> None:
    items = {item.id: item for each in PLAN.rules.checklists for item in each.items}
    assert {name for name, item in items.items() if item.required} == {
        *("danger-ruled-out", "extent-known", "rider-ids-kept-out", "signal-back-to-normal"),
        *("times-checked", "evidence-and-retention"),
    }
    for name, words in (
        ("extent-known", "part of the island"),
        ("rollout-looked-at", "first 48 hours"),
        ("rider-ids-kept-out", "No rider can be recognised"),
        ("cost-considered", "clusters"),
        ("times-checked", "first response"),
        ("evidence-and-retention", "auditors"),
        ("drift-report-read", "nightly drift report"),
    ):
        assert words in items[name].text, name
    assert {code.name for code in PLAN.rules.closing_codes} >= {"rolled-back", "cost-capped"}
    assert PLAN.rules.reopen_within == minutes(30)


def test_places_rollouts_and_remedies_of_the_document_stand_in_the_runbooks() -> None:
    for runbook, words in (
        ("pricing", ("Harrison's Cave", "Grantley Adams (BGI)", "Oistins", "St. Lawrence Gap")),
        ("pricing", ("10 % of the traffic for 48 hours, then 50 %",)),
        ("routing", ("Oistins to St. Lawrence Gap", "Harrison's Cave to the airport")),
        ("data-drift", ("nightly report with Kolmogorov–Smirnov tests",)),
        ("cost-spike", ("lifecycle", "spot instances")),
        ("compliance-privacy", ("pseudonym", "lifecycle")),
    ):
        page = (ROOT / "runbooks/bimride" / f"{runbook}.md").read_text(encoding="utf-8")
        assert [each for each in words if each not in page] == [], runbook


def test_new_rules_of_the_plan_rule_a_tenth_for_two_days_then_half_then_all() -> None:
    assert PLAN.rollout == Rollout((10, 50), hours(48))
    assert PLAN.targets.keys() >= {"first_response_within_5m", "respond_sla_attainment"}


def test_holidays_of_barbados_are_no_business_days() -> None:
    hours_of = PLAN.rules.hours
    assert hours_of is not None
    assert PLAN.rules.timezone == BARBADOS
    for year in (2026, 2027):
        for day in ("01-01", "01-21", "04-28", "05-01", "08-01", "11-30", "12-25", "12-26"):
            assert not is_business_day(datetime.fromisoformat(f"{year}-{day}").date(), hours_of)
    for day in ("2026-04-06", "2026-05-25", "2026-08-03", "2027-03-29", "2027-05-17", "2027-08-03"):
        assert not is_business_day(datetime.fromisoformat(day).date(), hours_of)
    assert is_business_day(datetime.fromisoformat("2026-12-01").date(), hours_of)


def test_secrets_are_named_after_the_plan_and_addresses_are_stand_ins() -> None:
    def named(plan: Plan) -> Iterator[str | None]:
        for channel in plan.directory.channels.values():
            yield from (channel.secret, channel.options.get("url_secret"))
        for trust in plan.sources.values():
            yield from (trust.bearer_secret, trust.hmac_secret)

    assert all(secret.startswith("bimride-") for secret in named(PLAN) if secret)
    reach = [way.to for contact in PLAN.directory.contacts.values() for way in contact.reach]
    assert all(to.endswith("@bimride.example") for to in reach if to)
    assert set(PLAN.sources) == {"alertmanager", "grafana", "generic"}


def test_three_drills_come_each_month_on_their_days() -> None:
    since, until = datetime(2026, 12, 1, 4, tzinfo=UTC), datetime(2027, 1, 1, 4, tzinfo=UTC)
    drills = [each for each in occurrences(PLAN, since, until) if each.kind == "drill"]
    assert [(each.name, each.due.isoformat()[:16]) for each in drills] == [
        ("safety-silent", "2026-12-02T14:00"),
        ("rider-ids-seen", "2026-12-10T18:00"),
        ("rollout-taken-back", "2026-12-16T14:00"),
    ]


def test_only_cost_and_a_lag_that_merely_warns_wait_to_be_declared() -> None:
    def waits(name: str, severity: str) -> str | None:
        alert = Alert("generic", fingerprint_of("generic", name), True, name, NOON, severity=severity)
        return classify(alert, PLAN.rules).declaration

    assert waits("BlobCostSpike", "critical") == "cost-for-an-hour"
    assert waits("KafkaLag", "warning") == "lag-for-ten-minutes"
    assert waits("KafkaLag", "critical") is None
    assert waits("SafetySilent", "warning") is None
