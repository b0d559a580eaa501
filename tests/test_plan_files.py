"""A plan file becomes a plan: its rules, its people, and what names the rules."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from shared.adapters import plan_documents
from shared.adapters.plan_files import PlanFiles, load, main
from shared.adapters.plan_parts import Part
from shared.adapters.plan_values import parse_duration
from shared.adapters.rules_text import rules_from_text
from shared.domain.errors import InvalidPlan, NotFound
from shared.domain.matrix import Repeat, Severity, Step
from shared.domain.plan import Classification, Contact, Grouping, Match, Reach, Service, SourceTrust
from tests.acme import ROOT, changed, faults_of, loaded


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def test_a_plan_file_becomes_a_plan(tmp_path: Path) -> None:
    plan = loaded(tmp_path)
    rules = plan.rules
    assert (plan.name, plan.title, plan.visible_to) == ("acme", "Acme", ("acme-people",))
    assert rules.severities == (
        Severity(
            name="high",
            title="High",
            respond_within=minutes(15),
            resolve_within=minutes(240),
            steps=(Step(minutes(0), ("anna",)), Step(minutes(90), ("anna", "boss"))),
            until="resolved",
            repeat=Repeat(2, minutes(20)),
            acknowledgement_expires=minutes(30),
        ),
        Severity(name="low", respond_within=timedelta(days=1), steps=(Step(minutes(5), ("anna",)),)),
    )
    assert rules.services == (
        Service(
            "shop", "The shop", (Match(labels={"app": "shop-*"}), Match(alert="Shop*", source="grafana"))
        ),
        Service("rest"),
    )
    assert rules.classify == (
        Classification("loud", "high", Match(severity="critical", service="shop")),
        Classification("rest", "low"),
    )
    assert rules.group == (Grouping("by-cluster", ("service", "cluster"), Match(source="alertmanager")),)
    assert (rules.timezone, rules.default_service, rules.default_severity) == ("Europe/Berlin", "rest", "low")
    assert (rules.reopen_within, rules.auto_resolve, rules.alarm) == (minutes(30), False, ("boss",))


def test_a_plan_file_names_people_channels_sources_and_targets(tmp_path: Path) -> None:
    plan = loaded(tmp_path)
    contacts, channels = plan.directory.contacts, plan.directory.channels
    assert contacts["anna"] == Contact("anna", "Anna", (Reach("room"), Reach("email", "anna@acme.example")))
    assert {name: channel.kind for name, channel in channels.items()} == {
        "room": "slack",
        "email": "email",
        "hook": "webhook",
        "hidden": "webhook",
        "log": "log",
    }
    assert channels["hook"].url == "https://hook.acme.example/in"
    assert (channels["room"].secret, channels["email"].options) == (
        "acme-room",
        {"from": "tocsin@acme.example"},
    )
    assert plan.sources["grafana"] == SourceTrust(hmac_secret="acme-grafana", signature_header="x-signed")
    assert plan.sources["alertmanager"] == SourceTrust(bearer_secret="acme-alertmanager")
    assert plan.targets == {"time_to_acknowledge_mean": 300, "delivery_success": 99}


def test_plans_are_found_by_name_and_listed_in_order(tmp_path: Path) -> None:
    for name in ("zeta", "acme", "mid"):
        (tmp_path / f"{name}.{'yml' if name == 'mid' else 'yaml'}").write_text(
            changed("plan: acme", f"plan: {name}"), encoding="utf-8"
        )
    (tmp_path / "README.md").write_text("no plan", encoding="utf-8")
    (tmp_path / ".acme.yaml").write_text("an editor's own", encoding="utf-8")
    plans = PlanFiles(tmp_path)
    assert [plan.name for plan in plans.all()] == ["acme", "mid", "zeta"]
    assert plans.get("mid").rules.plan == "mid"
    with pytest.raises(NotFound, match="nobody"):
        plans.get("nobody")


def test_every_scalar_is_a_text_until_the_language_says_otherwise(tmp_path: Path) -> None:
    plan = loaded(tmp_path, changed("{app: shop-*}", "{app: NO, version: 1.10, on: off, port: 0123, n: 1e3}"))
    assert plan.rules.services[0].match[0].labels == {
        "app": "NO",
        "version": "1.10",
        "on": "off",
        "port": "0123",
        "n": "1e3",
    }


def test_anchors_are_read_and_their_faults_stand_where_the_text_does(tmp_path: Path) -> None:
    anchored = changed("[{after: 5m, notify: [anna]}]", "*ladder").replace(
        "    steps:\n", "    steps: &ladder\n"
    )
    steps = {severity.name: severity.steps for severity in loaded(tmp_path, anchored).rules.severities}
    assert steps["low"] == steps["high"]
    assert faults_of(tmp_path, anchored.replace("[anna, boss]", "[anna, bos]")) == [
        "16: severities.high.steps[1].notify[1]: there is no contact 'bos'; did you mean 'boss'?",
        "16: severities.low.steps[1].notify[1]: there is no contact 'bos'; did you mean 'boss'?",
    ]


def test_a_source_that_nobody_knows_about_is_not_held_against_the_plan(tmp_path: Path) -> None:
    unknown = changed("  alertmanager: {bearer", "  in-house: {bearer")
    assert "in-house" in loaded(tmp_path, unknown, known_sources=None).sources


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("90s", 90),
        ("15m", 900),
        ("4h", 14_400),
        ("7d", 604_800),
        ("1h30m", 5_400),
        ("366d", 31_622_400),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "-5m", "+5m", "1.5h", "5M", "30m1h", "1h1h", "5m\n", "٥m", "366d1s", "PT5M"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


def test_the_frozen_text_of_a_plan_is_read_back(tmp_path: Path) -> None:
    rules = loaded(tmp_path).rules
    assert rules_from_text(rules.text) == rules


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[{channel: hook}]", "[{channel: log}]"),
        ("anna@acme.example", "anne@acme.example"),
        ("secret: acme-room", "secret: acme-other-room"),
        ("hmac_secret: acme-grafana", "hmac_secret: acme-other"),
        ("visible_to: [acme-people]", "visible_to: []"),
        ("delivery_success: 99", "delivery_success: 98"),
        ("title: Acme", "title: ACME"),
        ("15m", "900s"),
    ],
)
def test_who_is_told_and_how_does_not_change_the_rules(tmp_path: Path, old: str, new: str) -> None:
    assert loaded(tmp_path, changed(old, new)).rules.hash == loaded(tmp_path).rules.hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("respond_within: 15m", "respond_within: 16m"),
        ("[anna, boss]", "[boss]"),
        ("app: shop-*", "app: shop*"),
        ("auto_resolve: false", "auto_resolve: true"),
        ("alarm: {notify: [boss]}", "alarm: {notify: [anna]}"),
        ("Europe/Berlin", "Europe/Paris"),
    ],
)
def test_a_changed_rule_changes_the_hash(tmp_path: Path, old: str, new: str) -> None:
    assert loaded(tmp_path, changed(old, new)).rules.hash != loaded(tmp_path).rules.hash


def test_the_schema_for_editors_is_the_models_own() -> None:
    assert json.loads((ROOT / "docs/plan.schema.json").read_text(encoding="utf-8")) == plan_documents.schema()


def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan_documents.main(["--schema"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs/plan.schema.json").read_text(encoding="utf-8")


def test_the_check_prints_a_line_a_plan_or_every_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(tmp_path)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(
        "acme: 2 severities, 2 services, 2 classification rules, 2 contacts"
    )
    faults_of(tmp_path, changed("after: 0s", "after: now").replace("kind: log", "kind: lag"))
    assert main([str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_example_of_the_reference_is_a_plan(tmp_path: Path) -> None:
    page = (ROOT / "docs/plan-language.md").read_text(encoding="utf-8")
    example = page.split("## An example")[1].split("```yaml\n")[1].split("```")[0]
    assert loaded(tmp_path, example).rules.default_severity == "low"


@pytest.mark.parametrize("model", Part.__subclasses__())
def test_the_reference_names_every_key_of_the_language(model: type[Part]) -> None:
    page = (ROOT / "docs/plan-language.md").read_text(encoding="utf-8")
    keys = [field.alias or key for key, field in model.model_fields.items()]
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_rules_that_would_not_fit_into_storage_are_refused(tmp_path: Path) -> None:
    pattern = "x" * 90
    labels = "{" + ", ".join(f"label{n}: {pattern}" for n in range(60)) + "}"
    rules = "\n".join(
        f"  - {{name: rule-{n}, when: {{alert: a{n}, labels: *many}}, severity: P1}}" for n in range(100)
    )
    (tmp_path / "big.yaml").write_text(
        "plan: big\ntimezone: UTC\n"
        f"services: {{api: {{match: [{{labels: &many {labels}}}]}}}}\ndefault_service: api\n"
        "severities: {P1: {steps: [{after: 0s, notify: [me]}]}}\ndefault_severity: P1\n"
        f"classify:\n{rules}\n"
        "contacts: {me: {reach: [{channel: log}]}}\nchannels: {log: {kind: log}}\n"
    )
    with pytest.raises(InvalidPlan, match="at most 400000 are kept"):
        load(tmp_path)
