"""What ML Platform's plan makes of alerts, and what it says of people, drills and lists, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.adapters.plan_files import load
from shared.adapters.sources.catalogue import known_sources
from shared.domain.agenda import occurrences
from shared.domain.alert import Alert, fingerprint_of
from shared.domain.classification import classify
from shared.domain.hours import BusinessTime
from shared.domain.runbook import runbook_of
from tests.builders import hours, minutes
from tests.played_slack import PlayedSlack
from tests.test_scenarios_ml_platform import (
    BOT,
    FIRST_DAY,
    FIRST_MINUTES,
    POST_MORTEM,
    VALIDATED,
    VERIFIED,
    an_outage,
    lines,
    opened,
    resolve,
    to,
)
from tests.theatre import Theatre, organisation
from tests.toy_host import ROOT

[PLAN] = [plan for plan in load(ROOT / "plans") if plan.name == "ml-platform"]
UNAVAILABLE, ERRING, SLOWED = "unavailable-for-5m", "errors-for-5m", "degraded-for-10m"
UNSEEN = {"customer_facing": "false"}
FIGURES = {"error_rate": 90.0, "degradation": 90.0}
STANDS_IN = """\
service-outage: get pods --all-namespaces, get nodes, top nodes, top pods --all-namespaces --sort-by=memory
service-outage: cluster-info, get componentstatuses, get deployments -n, get services -n, --sort-by='.last
service-outage: rollout history, git log --oneline, deployment/ml-inference-api --tail=100, deployment/coredns
service-outage: --replicas=10, circuit-breaker=enabled, health=degraded, get endpoints, ml-platform.com/health
error-rate: --field-selector type=Warning, --selector=app=ml-platform, how often ERROR occurs
performance-degradation: https://api.ml-platform.com/models, curl's timing output, error count
application-rollback: rollout undo, rollout status, get pods -n ml-platform -l app=ml-inference-api
database: SELECT 1, redis-cli ping, pg_stat_activity, promote-read-replica, transactions of the last hour
database: active models, ml-platform-read-replica
database-corruption: --replicas=0, `read_only` to `"true"`, vacuum, pg_constraint, restore-db-instance
database-corruption: ml-platform-prod, ml-platform-recovery, first 15 minutes, 30 to 60 minutes
region-failure: describe-events --filter services=EC2, sts get-caller-identity, update-kubeconfig, apply -k
region-failure: secondary-region-changeset.json, 20 replicas, ml-platform-secondary, ml-platform-restored
region-failure: 5 minutes to be sure, 15 to switch, 30 for the data"""


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
        (an_alert("DataLossDetected"), "P0", "data-loss", "data-loss-at-once"),
        (an_alert("PostgresCorrupt"), "P0", "data-corruption", "data-corruption-at-once"),
        (an_alert("InconsistentResults"), "P0", "inconsistent-data", "inconsistent-data-at-once"),
        (an_alert("DataIntegrityDown", values=FIGURES), "P0", "data-integrity", "data-integrity-at-once"),
        (an_alert("OrdersDataErrors"), "P0", "errors-about-data", "errors-about-data-at-once"),
        (an_alert("RegionFailing"), "P0", "region-failure", None),
        (an_alert("RegionUsEast1Down", "high"), "P0", "region-down", "down-for-5m"),
        (an_alert("RegionUnavailable"), "P0", "region-unavailable", UNAVAILABLE),
        (an_alert("CheckoutOdd", "low", impact="revenue"), "P0", "revenue-impact", None),
        (an_alert("SecurityOdd", "low"), "P0", "security-breach", "security-at-once"),
        (an_alert("PartialOutage", "critical"), "P1", "partial-outage", "outage-for-5m"),
        (an_alert("UploadUnavailable", "low", feature="key"), "P1", "key-feature-unavailable", UNAVAILABLE),
        (an_alert("Slow", values={"degradation": 50.1}), "P1", "slower-by-more-than-half", SLOWED),
        (an_alert("Slow", values={"degradation": 50}), "P2", "slower-by-less", None),
        (an_alert("Slow", values={"degradation": 49.9}), "P2", "slower-by-less", None),
        (an_alert("Errors", values={"error_rate": 5.1}), "P1", "customer-facing-errors", ERRING),
        (an_alert("Errors", values={"error_rate": 5}), "P2", "few-errors", None),
        (an_alert("RedisErrors", values={"error_rate": 9}), "P2", "errors-of-the-cache", ERRING),
        (an_alert("GrafanaErrors", values={"error_rate": 9}), "P2", "errors-of-monitoring", ERRING),
        (an_alert("CoreDNSErrors", values={"error_rate": 9}), "P2", "errors-of-the-cluster", ERRING),
        (an_alert("Errors", values={"error_rate": 9}, **UNSEEN), "P2", "errors-not-customer-facing", ERRING),
        (an_alert("ModelsUnavailable", "low"), "P1", "service-unavailable", UNAVAILABLE),
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


def test_security_and_data_wait_for_nothing_whatever_else_is_said_of_them() -> None:
    waits = {each.name: each.after for each in PLAN.rules.declare}
    assert [name for name, after in waits.items() if after == minutes(0)] == list(waits)[:6]
    assert all(name.endswith("-at-once") for name in list(waits)[:6])
    assert {name: after for name, after in waits.items() if after} == {
        UNAVAILABLE: minutes(5), "down-for-5m": minutes(5), "outage-for-5m": minutes(5),
        "probe-failed-for-5m": minutes(5), ERRING: minutes(5), SLOWED: minutes(10),
    }  # fmt: skip
    for name in ("SecurityOutage", "DataLossDown", "PostgresCorrupt", "DataIntegrity", "Inconsistent"):
        signal = classify(an_alert(name, values=FIGURES), PLAN.rules)
        assert (signal.severity, signal.declare_at) == ("P0", signal.alert.started_at)


@pytest.mark.parametrize("source", ["alertmanager", "azure-monitor", "generic", "grafana"])
def test_a_failed_probe_is_judged_alike_from_every_source(source: str) -> None:
    assert source in known_sources()
    signal = classify(replace(an_alert("BlackboxProbeFailed"), source=source), PLAN.rules)
    assert (signal.severity, signal.declaration) == ("P1", "probe-failed-for-5m")


@pytest.mark.parametrize(
    ("name", "runbook"),
    [
        ("SecurityOdd", "security-breach"),
        ("PostgresCorrupt", "database-corruption"),
        ("DataLossDetected", "database-corruption"),
        ("DataIntegrityCheckFailed", "database-corruption"),
        ("InconsistentResults", "database-corruption"),
        ("OrdersDataErrors", "database-corruption"),
        ("RegionFailing", "region-failure"),
        ("RegionUsEast1Down", "region-failure"),
        ("RegionUnavailable", "region-failure"),
        ("RegionOutage", "region-failure"),
        ("ErrorRateHigh", "error-rate"),
        ("InferenceSlow", "performance-degradation"),
        ("RollbackNeeded", "application-rollback"),
        ("PostgresDown", "database"),
        ("RedisDown", "database"),
        ("SomethingOdd", "service-outage"),
    ],
)
def test_every_alert_leads_to_a_runbook(name: str, runbook: str) -> None:
    signal = classify(an_alert(name), PLAN.rules)
    alert = signal.alert
    assert runbook_of(PLAN.runbooks, alert.name, signal.service, alert.source) == runbook


@pytest.mark.parametrize("line", STANDS_IN.splitlines())
def test_the_commands_of_the_document_stand_in_the_runbooks(line: str) -> None:
    runbook, _, named = line.partition(": ")
    text = (ROOT / f"runbooks/ml-platform/{runbook}.md").read_text(encoding="utf-8")
    assert [each for each in named.split(", ") if each not in text] == []


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
    own = "https://{}.ml-platform.com"
    documents: Mapping[str, str] = {
        "grafana": own.format("grafana"),
        "prometheus": own.format("prometheus"),
        "jaeger": own.format("jaeger"),
        "status-page": own.format("status"),
        "runbooks": own.format("runbooks"),
        "architecture": own.format("docs"),
        "api": own.format("api") + "/docs",
        "api-health": own.format("api") + "/health",
        "aws-console": "https://console.aws.amazon.com",
        "kubectl": "https://kubernetes.io/docs/reference/kubectl/cheatsheet/",
        "disaster-recovery-plan": own.format("docs") + "/dr",
    }
    assert {name: link for name, link in PLAN.links.items() if name != "bridge"} == documents


def test_the_checklists_follow_the_document_phase_by_phase() -> None:
    items = {each.name: (each.phase, [item.id for item in each.items]) for each in PLAN.rules.checklists}
    assert items["first-day"] == ("post-incident", FIRST_DAY)
    assert items["post-mortem"] == ("post-incident", POST_MORTEM)
    assert items["verification"] == ("verification", VERIFIED)
    assert items["validation"] == ("verification", VALIDATED)
    assert items["region-failure"][1] == ["region-assessed", "secondary-active", "region-data-recovered"]
    assert items["database-corruption"][1] == ["writes-stopped", "corruption-scoped", "backup-restored"]
    assert items["declaration"] == ("initial", ["room-open", "stakeholders-told", "ticket-filed"])
    first = [*FIRST_MINUTES[:1], "first-look", *FIRST_MINUTES[1:], "status-page-speaks"]
    assert items["first-minutes"] == ("initial", first)
    assert items["investigation"] == (
        "investigation", ["dashboards-read", "changes-examined", "logs-analysed", "databases-asked"],
    )  # fmt: skip
    assert items["mitigation"] == (
        "resolution",
        ["traffic-managed", "rollback-weighed", "database-recovery-weighed", "region-switch-weighed"],
    )
    texts = {
        each.name: [item.text.partition(":")[0] for item in each.items] for each in PLAN.rules.checklists
    }
    assert texts["region-failure"] == ["5 min", "15 min", "30 min"]
    assert texts["database-corruption"] == ["At once", "15 min", "30-60 min"]


def test_which_lists_have_to_be_gone_through_depends_on_the_severity() -> None:
    required = {
        severity.name: [
            item.id
            for each in PLAN.rules.checklists_for(severity.name)
            for item in each.items
            if item.required and each.phase != "post-incident"
        ]
        for severity in PLAN.rules.severities
    }
    most = [*FIRST_MINUTES, *VERIFIED]
    assert required == {"P0": [*most, *VALIDATED], "P1": [*most, *VALIDATED], "P2": most, "P3": []}


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
    assert [(drill.service, drill.severity) for drill in PLAN.drills] == [
        ("database", "P1"), ("inference-api", "P1"), ("platform", "P0"), ("platform", "P0"),
    ]  # fmt: skip


def test_the_document_gives_no_time_for_the_resolution_and_neither_does_the_plan() -> None:
    assert {severity.resolve_within for severity in PLAN.rules.severities} == {None}


def test_targets_leave_no_exception() -> None:
    assert PLAN.targets == {"respond_sla_attainment": 100, "review_completion": 100}


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, organisation("ml-platform")) as theatre:
        theatre.playing[BOT] = PlayedSlack(theatre.secrets[BOT])
        yield theatre


def test_customers_hear_the_end_too_and_the_public_is_given_the_plans_words_alone(theatre: Theatre) -> None:
    incident = an_outage(theatre)
    theatre.command(incident, "acknowledge")
    theatre.at("2026-11-18 02:53")
    last = resolve(theatre, incident, [*FIRST_MINUTES, *VERIFIED, *VALIDATED])
    [notice], [page], [room] = (to(last, name) for name in ("customers", "status-page", "engineering"))
    assert room.subject == "RESOLVED [P0] PlatformUnavailable"
    assert "The trouble with ML Platform is over since 2026-11-18 02:53 UTC." in lines(notice)
    assert page.subject == "Trouble with ML Platform"
    assert "Status: RESOLVED" in lines(page)
    public = [each for each in theatre.told if each.contact in ("customers", "status-page")]
    assert [each.kind for each in public] == ["inform", "resolved", "resolved"]
    for each in public:
        assert not [
            word for word in ("tocsin", "[P0]", "PlatformUnavailable", "/health") if word in each.text
        ]


def test_the_pager_and_the_public_page_follow_a_p0_to_its_end(theatre: Theatre) -> None:
    incident = an_outage(theatre)
    pager = "ml-platform-pagerduty-sre-b", incident
    assert theatre.vendors.alerts == {pager: ["triggered"]}
    theatre.command(incident, "acknowledge")
    for at, status in (("02:10", "investigating"), ("02:12", "identified"), ("02:14", "monitoring")):
        theatre.at(f"2026-11-18 {at}")
        theatre.command(incident, "status", {"status": status, "message": "Nodes come back."})
    theatre.forward(minutes(1))
    page = theatre.get("/status/ml-platform")
    assert (page["title"], page["state"]) == ("ML Platform", "disrupted")
    resolve(theatre, incident, [*FIRST_MINUTES, *VERIFIED, *VALIDATED])
    assert theatre.vendors.alerts == {pager: ["triggered", "acknowledged", "resolved"]}
    [entry] = theatre.vendors.entries.values()
    assert entry.name == "Trouble with ML Platform"
    assert entry.statuses == ["investigating", "identified", "monitoring", "resolved"]
    assert "There are reports of trouble with ML Platform" in entry.words[0]
    theatre.forward(minutes(1))
    assert theatre.get("/status/ml-platform")["state"] == "operational"


def test_a_p0_has_a_slack_room_of_its_own_that_shows_how_it_stands(theatre: Theatre) -> None:
    incident = an_outage(theatre)
    slack = theatre.playing[BOT]
    assert isinstance(slack, PlayedSlack)
    [room] = slack.rooms.values()
    assert room.name == "incident-2026-11-18-0205" == theatre.incident(incident)["channel_name"]
    assert room.topic == f"{incident} · [P0] PlatformUnavailable · open"
    theatre.command(incident, "acknowledge")
    assert room.topic == f"{incident} · [P0] PlatformUnavailable · acknowledged"
    resolve(theatre, incident, [*FIRST_MINUTES, *VERIFIED, *VALIDATED])
    assert room.topic == f"{incident} · [P0] PlatformUnavailable · resolved"
    opened(theatre, name="TypoInDocs", labels={"category": "documentation"})
    assert len(slack.rooms) == 1, "a P3 has none"
