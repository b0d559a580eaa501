"""What ML Platform's plan makes of alerts, and what it says of people, drills and lists, rule by rule."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.adapters.plan_files import load
from shared.domain.agenda import occurrences
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.classification import classify
from shared.domain.hours import BusinessTime
from tests.builders import hours, minutes
from tests.test_scenarios_ml_platform import FIRST_DAY, POST_MORTEM, VALIDATED, VERIFIED
from tests.toy_host import ROOT

[PLAN] = [plan for plan in load(ROOT / "plans") if plan.name == "ml-platform"]
UNAVAILABLE, ERRING, SLOWED = "unavailable-for-5m", "errors-for-5m", "degraded-for-10m"
UNSEEN = {"customer_facing": "false"}


def an_alert(
    name: str, severity: str | None = None, values: dict[str, float] | None = None, **labels: str
) -> Alert:
    at, print_ = datetime(2026, 11, 18, 12, tzinfo=UTC), fingerprint_of("generic", name)
    return Alert("generic", print_, True, name, at, severity=severity, labels=labels, values=values or {})


@pytest.mark.parametrize(
    ("alert", "severity", "rule", "declaration"),
    [
        (an_alert("ServiceOutage"), "P0", "complete-outage", "outage-for-5m"),
        (an_alert("PlatformUnavailable"), "P0", "whole-platform-unavailable", UNAVAILABLE),
        (an_alert("DataLossDetected"), "P0", "data-loss", None),
        (an_alert("PostgresCorrupt"), "P0", "data-corruption", None),
        (an_alert("InconsistentResults"), "P0", "inconsistent-data", None),
        (an_alert("RegionFailing"), "P0", "region-failure", None),
        (an_alert("CheckoutOdd", "low", impact="revenue"), "P0", "revenue-impact", None),
        (an_alert("SecurityOdd", "low"), "P0", "security-breach", None),
        (an_alert("PartialOutage", "critical"), "P1", "partial-outage", "outage-for-5m"),
        (an_alert("UploadUnavailable", "low", feature="key"), "P1", "key-feature-unavailable", UNAVAILABLE),
        (an_alert("Slow", values={"degradation": 50.1}), "P1", "slower-by-more-than-half", SLOWED),
        (an_alert("Slow", values={"degradation": 50}), "P2", "slower-by-less", None),
        (an_alert("Slow", values={"degradation": 49.9}), "P2", "slower-by-less", None),
        (an_alert("Errors", values={"error_rate": 5.1}), "P1", "customer-facing-errors", ERRING),
        (an_alert("Errors", values={"error_rate": 5}), "P2", "few-errors", None),
        (an_alert("RedisErrors", values={"error_rate": 9}), "P2", "errors-of-the-cache", ERRING),
        (an_alert("Errors", values={"error_rate": 9}, **UNSEEN), "P2", "errors-not-customer-facing", ERRING),
        (an_alert("RedisDown", "high"), "P1", "source-says-high", "down-for-5m"),
        (an_alert("BlackboxProbeFailed", "warning"), "P1", "probe-failed", "probe-failed-for-5m"),
        (an_alert("ButtonOdd", "critical", feature="minor"), "P2", "minor-feature", None),
        (an_alert("LogoOff", "high", category="cosmetic"), "P3", "cosmetic", None),
        (an_alert("DocsOld", category="documentation"), "P3", "documentation", None),
        (an_alert("Idea", category="improvement"), "P3", "improvement", None),
        (an_alert("SomethingOdd"), "P2", "default severity", None),
    ],
)  # fmt: skip
def test_each_example_of_the_document_has_its_severity_and_waits_as_long_as_it_says(
    alert: Alert, severity: str, rule: str, declaration: str | None
) -> None:
    signal = classify(alert, PLAN.rules)
    assert (signal.severity, signal.rule, signal.declaration) == (severity, rule, declaration)


def test_response_windows_of_p2_and_p3_run_in_business_hours() -> None:
    windows = {severity.name: severity.respond_within for severity in PLAN.rules.severities}
    assert windows == {
        "P0": minutes(15), "P1": minutes(30), "P2": BusinessTime(hours(2)), "P3": BusinessTime(hours(8)),
    }  # fmt: skip
    assert [severity.title for severity in PLAN.rules.severities] == ["Critical", "High", "Medium", "Low"]


def test_whom_the_document_lists_is_reached_where_it_says() -> None:
    first = {name: contact.reach[0] for name, contact in PLAN.directory.contacts.items()}
    assert first["sre-a"].channel == "pagerduty-sre-a"
    for name in ("engineering-manager", "cto", "support-team-lead", "customer-success", "aws-support",
                 "pagerduty-support"):  # fmt: skip
        assert first[name].channel == f"phone-{name}"
    assert first["slack-support"].to == "support@slack.com"
    called = {name for each in PLAN.rules.severities for step in each.steps for name in step.notify}
    assert called == {"oncall", "engineering-manager", "cto"}


def test_dashboards_and_documents_are_links_of_the_plan() -> None:
    assert PLAN.links["grafana"] == "https://grafana.ml-platform.com"
    assert set(PLAN.links) == {
        "bridge", "grafana", "prometheus", "jaeger", "status-page", "runbooks", "architecture", "api",
        "api-health", "aws-console", "kubectl", "disaster-recovery-plan",
    }  # fmt: skip


def test_the_checklists_follow_the_document_phase_by_phase() -> None:
    items = {each.name: (each.phase, [item.id for item in each.items]) for each in PLAN.rules.checklists}
    assert items["first-day"] == ("post-incident", FIRST_DAY)
    assert items["post-mortem"] == ("post-incident", POST_MORTEM)
    assert items["verification"] == ("verification", VERIFIED)
    assert items["validation"] == ("verification", VALIDATED)
    assert items["region-failure"][1] == ["region-assessed", "secondary-active", "region-data-recovered"]
    assert items["database-corruption"][1] == ["writes-stopped", "corruption-scoped", "backup-restored"]
    phases = {name: phase for name, (phase, _) in items.items()}
    assert (phases["first-minutes"], phases["investigation"], phases["mitigation"]) == (
        "initial", "investigation", "resolution",
    )  # fmt: skip


def test_the_four_drills_come_on_the_first_four_fridays() -> None:
    month = occurrences(PLAN, datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    drills = [(each.due.strftime("%m-%d %H:%M"), each.name) for each in month if each.kind == "drill"]
    assert drills == [
        ("10-02 10:00", "database-failover"),
        ("10-09 10:00", "application-rollback"),
        ("10-16 10:00", "regional-failover"),
        ("10-23 10:00", "disaster-recovery"),
    ]
    books = {drill.name: drill.runbook for drill in PLAN.drills}
    assert list(books.values()) == ["database", "application-rollback", "region-failure", "region-failure"]
    assert {drill.service for drill in PLAN.drills} == {"rehearsal"}
    assert not PLAN.rules.faces_customers("rehearsal")


def test_the_document_gives_no_time_for_the_resolution_and_neither_does_the_plan() -> None:
    assert {severity.resolve_within for severity in PLAN.rules.severities} == {None}


def test_targets_leave_no_exception() -> None:
    assert PLAN.targets == {"respond_sla_attainment": 100, "review_completion": 100}
