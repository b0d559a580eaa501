"""Malaria Prediction's plan as it reads: criteria, times, roles, lists, rooms and runbooks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.adapters.plan_files import load
from shared.domain.classification import classify
from shared.domain.hours import nominal
from shared.domain.plan import Plan
from shared.domain.runbook import runbook_of
from tests.builders import an_alert, hours, minutes
from tests.test_scenarios_malaria_prediction import CLOSED, PLAN, VERIFIED
from tests.toy_host import ROOT

CHAIN = ("devops-lead", "engineering-manager", "cto")
"""Who stands above the on-call engineer."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return next(plan for plan in load(ROOT / "plans") if plan.name == PLAN)


CRITERIA = """
P0 platform application-down: TotalOutage BackupDataLoss UsersHit/users_affected=50
P0 database database-issues: DatabaseCorrupt
P0 security security-breach: SecurityBreach ContainerRegistryCompromised
P0 billing application-down: PaymentFailing
P0 prediction-api application-down: ApiDown ApiUnavailable
P0 ml-models model-predictions: DangerousPredictions
P1 platform application-down: UsersHit/users_affected=49.9 UsersHit/users_affected=25 MajorFeatureUnavailable
P1 web-dashboard application-down: WebDashboardDown
P1 mobile-app application-down: MobileAppDown
P1 platform resource-exhaustion: ResponsesSlow/slower_by=50.1
P1 data-pipeline data-pipeline-failure: PipelineFailed
P1 prediction-api high-error-rate: ApiErrors
P1 platform high-error-rate: HighErrorRate
P1 authentication high-error-rate: AuthRefusesEverybody
P1 database database-issues: DatabaseSlow DatabaseLatencyHigh DatabaseDegraded
P1 external-data data-pipeline-failure: ERA5Unreachable
P2 platform application-down: UsersHit/users_affected=24.9 MinorFeatureBroken NobodyThoughtOfThis
P2 platform resource-exhaustion: ResponsesSlow/slower_by=50 ResponsesSlow/slower_by=10
P2 monitoring application-down: GrafanaDown LogsMissing
P2 documentation application-down: DocumentationUnavailable
P2 ml-models model-predictions: ModelUnderperforming
P3 platform application-down: CosmeticGlitch EnhancementWanted
P3 internal-tools resource-exhaustion: ToolingSlow
P3 documentation application-down: DocumentationOutOfDate
"""
"""Severity, service and runbook, and the alerts that must come there, some with a measured value."""


@pytest.mark.parametrize("line", CRITERIA.strip().splitlines())
def test_each_criterion_and_example_has_its_severity_and_its_runbook(plan: Plan, line: str) -> None:
    decided, _, alerts = line.partition(": ")
    severity, service, runbook = decided.split()
    for alert in alerts.split():
        name, _, measured = alert.partition("/")
        values = {measured.partition("=")[0]: float(measured.partition("=")[2])} if measured else {}
        signal = classify(an_alert(name, values=values, service=None), plan.rules)
        assert (signal.severity, signal.service) == (severity, service), alert
        assert runbook_of(plan.runbooks, name, service, "generic") == runbook, alert


def test_where_no_criterion_is_met_the_source_is_believed(plan: Plan) -> None:
    for stated in ("critical P0", "page P0", "error P1", "Warning P2", "info P3", "P3 P3"):
        said, severity = stated.split()
        assert classify(an_alert("Odd", severity=said, service=None), plan.rules).severity == severity
        assert classify(an_alert("ToolingSlow", severity=said), plan.rules).rule == "internal-tooling"
        minor = an_alert("Odd", severity=said, service=None, labels={"tier": "non-critical"})
        assert classify(minor, plan.rules).severity == "P2"


def test_each_severity_has_its_times(plan: Plan) -> None:
    def chain(severity: str) -> dict[str, timedelta]:
        """When each link of the escalation chain is told of what is unresolved, whoever has answered."""
        steps = [step for step in reversed(plan.rules.severity(severity).steps) if step.unless is None]
        return {name: nominal(step.after) for step in steps for name in step.notify if name in CHAIN}

    def up(*counts: int) -> dict[str, timedelta]:
        return {name: hours(count) for name, count in zip(CHAIN, counts, strict=False)}

    assert [
        (each.name, each.title, each.respond_within, each.resolve_within, each.until, chain(each.name))
        for each in plan.rules.severities
    ] == [
        ("P0", "Critical", minutes(15), hours(1), "resolved", up(0, 0, 1)),
        ("P1", "High", minutes(30), hours(4), "resolved", up(2, 3, 4)),
        ("P2", "Medium", hours(2), hours(24), "resolved", up(8, 24)),
        ("P3", "Low", hours(8), timedelta(days=7), "acknowledged", {}),
    ]
    updates = [update for each in plan.rules.severities for update in each.updates]
    assert [each.every for each in updates if each.audience == "external"] == [minutes(30)] * 3
    assert not plan.rules.declare
    assert set(plan.targets.values()) == {100}


def test_roles_have_their_secondaries_and_experts_their_areas(plan: Plan) -> None:
    assert {role.name: (role.primary, role.secondary) for role in plan.rules.roles if not role.services} == {
        "incident-commander": ("senior-devops-engineer", "platform-engineering-lead"),
        "technical-lead": ("senior-backend-developer", "ml-engineering-lead"),
        "communications-lead": ("product-manager", "engineering-manager"),
    }
    for area in (
        *("database database-administrator", "security security-engineer", "ml-models ml-engineer"),
        *("infrastructure platform-engineer", "web-dashboard frontend-developer"),
    ):
        service, expert = area.split()
        assert [role.primary for role in plan.rules.roles_for(service) if role.services] == [expert]
    areas = {"infrastructure": "infrastructure-expert", "web-dashboard": "frontend-expert"}
    areas |= {"database": "database-expert", "security": "security-expert", "ml-models": "ml-expert"}
    for severity in ("P0", "P1", "P2"):
        for service, expert in areas.items():
            steps = plan.rules.ruling(severity, service).steps
            called = [(step.after, step.notify) for step in steps if set(step.notify) & {*areas.values()}]
            assert called == [(timedelta(0), (expert,))]


def test_the_leads_are_paged_and_owe_the_updates(plan: Plan) -> None:
    leads = ("on-call-engineer", "incident-commander", "technical-lead", "communications-lead")
    first = {each.name: each.steps[0].notify for each in plan.rules.severities}
    assert first == {"P0": leads, "P1": leads, "P2": ("on-call-engineer",), "P3": ("devops-room",)}
    owed = {each.name: {update.remind for update in each.updates} for each in plan.rules.severities}
    assert owed["P0"] == owed["P1"] == {("communications-lead",)}
    assert owed["P2"] == {("incidents-room",), ("status-updates-room",)}
    for each in plan.rules.severities:
        assert each.inform[0].template == "declared"
        assert each.inform[0].notify[0] == "incidents-room"
    outside = {each.name: each.inform[2 if each.name == "P0" else 1] for each in plan.rules.severities[:2]}
    assert {(name, each.audience, each.notify) for name, each in outside.items()} == {
        ("P0", "external", ("customers",)),
        ("P1", "external", ("customers",)),
    }


ITEMS = {
    "initial first-minutes": (
        "alert-acknowledged status-page-updated posted-in-incidents team-formed "
        "scope-verified dependencies-checked changes-reviewed suspect-named rollback-decided "
        "channel-created team-invited essentials-pinned"
    ),
    "investigation facts": (
        "health-looked-at figures-looked-at deployments-looked-at cluster-looked-at "
        "api-logs-read database-reached cache-reached era5-reached "
        "slow-statements-listed connections-counted locks-looked-at"
    ),
    "resolution cause": (
        "mitigated cause-identified findings-written fix-planned fix-estimated "
        "fix-branched fix-tested fix-deployed fix-verified"
    ),
    "verification verified": f"{VERIFIED} endpoints-answer load-tried errors-counted resources-normal",
    "post-incident closed": CLOSED.removesuffix(" items-tracked"),
    "post-incident review-meeting": (
        "agenda-timeline agenda-cause agenda-response agenda-items agenda-process asked-went-well "
        "asked-better asked-alerting asked-documentation asked-systemic asked-prevention"
    ),
    "post-incident usual-action-items": "item-alerting item-monitoring item-runbook item-prevention",
    "post-incident follow-up": (
        "report-sections impact-figures items-tracked process-improved documentation-updated team-trained"
    ),
}
"""Phase and checklist, and its items in the document's order."""


def test_every_list_of_the_document_is_a_checklist(plan: Plan) -> None:
    lists = plan.rules.checklists
    found = {f"{each.phase} {each.name}": " ".join(item.id for item in each.items) for each in lists}
    assert found == ITEMS
    assert not any(each.severities for each in lists)
    required = [item.id for each in plan.rules.checklists for item in each.items if item.required]
    assert required == f"{VERIFIED} {CLOSED}".split()
    text = {item.id: item.text for each in lists for item in each.items}
    assert [item.text[:2] for item in lists[5].items[:5]] == ["10", "15", "10", "15", "10"]
    assert [text[item].split(": ")[1] for item in ITEMS["post-incident usual-action-items"].split()] == [
        "DevOps, in a week, high",
        "SRE, in two weeks, medium",
        "technical lead, in a week, high",
        "developers, in a month, low",
    ]
    assert "24 to 48 hours" in text["review-scheduled"]
    assert "commander, technical lead, all responders and stakeholders" in lists[5].title


def test_the_remedies_of_the_document_are_closing_codes(plan: Plan) -> None:
    assert [code.name for code in plan.rules.closing_codes][:7] == [
        *("fixed", "rolled-back", "slot-switched", "scaled-out"),
        *("database-relieved", "limits-raised", "features-switched-off"),
    ]


def test_rooms_links_and_secrets_are_the_organisations_own(plan: Plan) -> None:
    rooms = {contact.title for contact in plan.directory.contacts.values() if contact.title.startswith("#")}
    assert rooms == {"#incidents", "#devops-alerts", "#leadership-alerts", "#status-updates"}
    phones = {name for name in plan.directory.channels if name.startswith("phone-")}
    assert phones == {"phone-on-call", *(f"phone-{name}" for name in CHAIN)}
    hosts = ("status", "grafana", "api", "api", "api-staging")
    names = ("status-page", "grafana", "liveness", "readiness", "staging-liveness")
    for name, host in zip(names, hosts, strict=True):
        assert plan.links[name].startswith(f"https://{host}.malaria-prediction.com")
    for channel in plan.directory.channels.values():
        named = (channel.secret, channel.options.get("url_secret"))
        assert all(name.startswith(f"{PLAN}-") for name in named if name)


def test_commands_of_the_document_stand_in_its_runbooks() -> None:
    for runbook, command in (
        ("application-down", "curl -v https://api.malaria-prediction.com/health/liveness"),
        ("application-down", "gh run list --workflow=deploy.yml --limit=10"),
        ("application-down", "kubectl get pods --all-namespaces"),
        ("application-down", "kubectl get nodes"),
        ("application-down", "kubectl logs deployment/malaria-predictor-api"),
        ("application-down", "PostgreSQL by its `DATABASE_URL`, Redis by its `REDIS_URL`, the ERA5 service"),
        ("application-down", "kubectl rollout history deployment/malaria-predictor-api"),
        ("application-down", "kubectl rollout undo deployment/malaria-predictor-api"),
        ("application-down", "version selector at the other slot"),
        ("application-down", "ab -n 100 -c 10 https://api.malaria-prediction.com/health/liveness"),
        ("high-error-rate", "kubectl scale deployment malaria-predictor-api"),
        ("high-error-rate", "--replicas=10"),
        ("high-error-rate", "ERROR or CRITICAL, the last fifty"),
        ("high-error-rate", "errors of the last ten minutes"),
        ("database-issues", "`pg_stat_statements`"),
        ("database-issues", "`pg_stat_activity`"),
        ("database-issues", "`pg_locks`"),
        ("database-issues", "`pg_terminate_backend` by its pid. The organisation's mark is five minutes"),
        ("database-issues", "kubectl rollout restart deployment/pgbouncer"),
        ("resource-exhaustion", "kubectl top nodes"),
        ("resource-exhaustion", "kubectl top pods -n malaria-prediction-production -l app=malaria-predictor"),
        ("resource-exhaustion", "kubectl describe pods -n malaria-prediction-production"),
        ("resource-exhaustion", "8Gi of memory and 4000m of processor"),
        ("emergency-rollback", "kubectl rollout undo deployment/malaria-predictor-api"),
        ("emergency-rollback", "kubectl rollout status deployment/malaria-predictor-api"),
        ("emergency-rollback", "curl -f https://api.malaria-prediction.com/health/liveness"),
        ("emergency-rollback", "the rollback failed and by hand is the only way on"),
        ("service-degradation", "FEATURE_ML_PREDICTIONS=false"),
        ("service-degradation", "FEATURE_BACKGROUND_JOBS=false"),
        ("service-degradation", "--replicas=3"),
    ):
        assert command in (ROOT / "runbooks" / PLAN / f"{runbook}.md").read_text(encoding="utf-8")
