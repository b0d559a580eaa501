"""The infrastructure says the same as the code, lets in whom it should, and deploys what it should."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pathspec
import pytest
import yaml

from local.bicep_secrets import app_settings
from local.bicep_tree import Template, descendants, literal, read
from shared.adapters.names import CONTAINER, QUEUE, TABLES

ROOT = Path(__file__).parent.parent
INFRA = ROOT / "infra"
READ_BY_THE_HOST = {
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "PYTHON_THREADPOOL_THREAD_COUNT",
}
READ_BY_THE_LOCAL_HOST = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}


def module(name: str) -> Template:
    return read(INFRA / "modules" / f"{name}.bicep")


def strings(template: Template, variable: str) -> list[str]:
    """The strings that a variable lists."""
    nodes = descendants(template.named("var")[variable].node)
    return [value for node in nodes if (value := literal(node)) is not None]


def default(parameter: str) -> str:
    """The string a parameter of main.bicep has when nobody gives one."""
    node = read(INFRA / "main.bicep").named("param")[parameter].node
    return next(value for child in node.named_children if (value := literal(child)) is not None)


def settings_in_bicep() -> set[str]:
    return {name for name, _, _ in app_settings(module("function-app").root)}


def example_values() -> Mapping[str, str]:
    values: Mapping[str, str] = json.loads((ROOT / "local.settings.example.json").read_text("utf-8"))[
        "Values"
    ]
    return values


def host() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "host.json").read_text("utf-8"))
    return loaded


def test_the_app_is_given_the_settings_that_it_and_its_host_read() -> None:
    from shared.settings import SETTINGS

    ours = {one.name for one in SETTINGS if one.where == "app"}

    assert settings_in_bicep() == ours | READ_BY_THE_HOST


def test_the_local_example_names_only_settings_that_the_code_reads() -> None:
    from shared.settings import SETTINGS

    read_locally = {one.name for one in SETTINGS if one.where in {"app", "local"}}
    given = {name for name in example_values() if not name.startswith("SECRET_")}

    assert given - READ_BY_THE_LOCAL_HOST <= read_locally
    assert {one.name for one in SETTINGS if one.where == "local" and one.required} <= given


def test_the_defaults_of_the_infrastructure_are_those_of_the_code() -> None:
    from shared.settings import SETTINGS

    defaults = {one.name: one.default for one in SETTINGS}

    assert default("escalationSchedule") == defaults["ESCALATION_SCHEDULE"]
    assert default("exportSchedule") == defaults["EXPORT_SCHEDULE"]
    assert default("driftSchedule") == defaults["DRIFT_SCHEDULE"]
    assert default("purgeSchedule") == defaults["PURGE_SCHEDULE"]
    assert default("peopleKeySecretName") == defaults["PEOPLE_KEY_SECRET"]
    assert default("signingKeyName") == defaults["SIGNING_KEY_NAME"]
    assert default("wrappingKeyName") == defaults["WRAPPING_KEY_NAME"]


def test_the_keys_of_the_vault_can_do_what_the_app_asks_and_do_not_expire() -> None:
    source = module("key-vault").path.read_text("utf-8")
    for line in ("kty: 'EC'", "curveName: 'P-256'", "'sign'\n      'verify'", "kty: 'RSA'", "keySize: 3072"):
        assert line in source
    assert "'wrapKey'\n      'unwrapKey'" in source
    assert source.count("type: 'rotate'") == source.count("exportable: false") == 2
    assert "expiryTime" not in source, "what an old version signed or wrapped must stay readable"


def test_no_setting_is_one_that_flex_consumption_refuses() -> None:
    refused = {
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "ENABLE_ORYX_BUILD",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_TIME_ZONE",
    }

    assert not settings_in_bicep() & refused


def test_no_library_that_calls_out_writes_spans_with_the_addresses_it_calls() -> None:
    from azure.monitor.opentelemetry import _constants as distribution

    incoming, databases = {"django", "fastapi", "flask"}, {"psycopg2"}
    calling_out = {*vars(distribution)["_FULLY_SUPPORTED_INSTRUMENTED_LIBRARIES"]} - incoming - databases
    [disabled] = [
        literal(value)
        for name, _, value in app_settings(module("function-app").root)
        if name == "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    ]

    assert {"requests", "urllib", "urllib3", "azure_sdk"} <= calling_out
    assert set((disabled or "").split(",")) == calling_out


def test_tables_queues_and_container_are_those_of_the_code() -> None:
    data = module("data-storage")

    assert strings(data, "tableNames") == list(TABLES)
    assert strings(data, "queueNames") == [QUEUE, f"{QUEUE}-poison"]
    assert strings(data, "exportContainerName") == [CONTAINER]


def test_the_alarm_about_the_sweeper_waits_for_a_line_that_the_sweeper_logs() -> None:
    awaited = re.search(r'Message startswith "(\w+)"', module("alarms").path.read_text("utf-8"))

    assert awaited
    assert f'log.info("{awaited[1]}' in (ROOT / "functions/advance_incidents.py").read_text("utf-8")


def test_schedules_have_six_fields() -> None:
    schedules = {default("escalationSchedule"), default("exportSchedule")}
    schedules |= {value for name, value in example_values().items() if name.endswith("_SCHEDULE")}

    assert schedules
    assert {len(schedule.split()) for schedule in schedules} == {6}


def test_no_path_that_sign_in_leaves_alone_covers_a_route_of_people() -> None:
    excluded = [
        value
        for node in descendants(read(INFRA / "main.bicep").named("param")["excludedPaths"].node)
        if (value := literal(node)) and value.startswith("/")
    ]
    of_people = [
        "/",
        "/api/v1/incidents",
        "/api/v1/incidents/INC-00000000-1/acknowledge",
        "/api/v1/plans/acme/kpi",
        "/api/v1/plans/acme/exports/2026-W47",
        "/api/v1/openapi.json",
    ]

    assert excluded
    assert [path for path in excluded if "*" in path[:-1]] == []
    for path in excluded:
        pattern = re.compile(re.escape(path).replace(r"\*", ".*"))
        assert [route for route in of_people if pattern.fullmatch(route)] == []


@pytest.mark.parametrize("account", ["host-storage", "data-storage"])
def test_storage_accounts_take_no_keys_and_show_nothing_in_public(account: str) -> None:
    source = module(account).path.read_text("utf-8")

    for line in (
        "allowSharedKeyAccess: false",
        "allowBlobPublicAccess: false",
        "defaultToOAuthAuthentication: true",
        "minimumTlsVersion: 'TLS1_2'",
    ):
        assert line in source


def test_the_host_throttles_nothing_and_serves_from_the_root() -> None:
    http = host()["extensions"]["http"]

    assert http == {"routePrefix": "", "dynamicThrottlesEnabled": False}


def test_queue_messages_are_plain_text_and_polled_every_two_seconds() -> None:
    queues = host()["extensions"]["queues"]

    assert queues["messageEncoding"] == "none"
    assert queues["maxPollingInterval"] == "00:00:02"


def test_the_package_holds_the_code_and_the_plans_and_nothing_else() -> None:
    ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text("utf-8").splitlines())
    deployed = [
        "function_app.py",
        "host.json",
        "requirements.txt",
        "functions/receive_alert.py",
        "shared/adapters/names.py",
        "shared/kpi/verify.py",
        "plans/acme/plan.yaml",
        "runbooks/acme/disk-full.md",
    ]
    left_behind = [
        "tests/test_infra.py",
        "bench/run.py",
        "docs/deploy.md",
        "local/check_bicep.py",
        "local.settings.json",
        "infra/main.bicep",
        ".local/azurite/db.json",
        ".venv/bin/python",
        ".venv311/bin/python",
        "node_modules/azurite/package.json",
        ".github/workflows/ci.yml",
        "Makefile",
        "README.md",
        "shared/__pycache__/ports.cpython-313.pyc",
    ]

    assert [path for path in deployed if ignored.match_file(path)] == []
    assert [path for path in left_behind if not ignored.match_file(path)] == []


def test_azure_finds_the_app_by_the_name_of_the_service() -> None:
    services = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))["services"]
    source = module("function-app").path.read_text("utf-8")

    assert [f"'azd-service-name': '{name}'" in source for name in services] == [True]


def test_the_build_runs_what_we_run_on_the_python_that_is_deployed() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]["run"]
    deployed = re.search(
        r"name: 'python'\s+version: '([\d.]+)'", module("function-app").path.read_text("utf-8")
    )

    assert deployed
    assert {deployed[1], "3.11"} <= set(job["strategy"]["matrix"]["python"])
    assert job["steps"][-1]["run"] == "bash .ci/run"
    for step in job["steps"][:-1]:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])


def test_every_parameter_and_every_role_is_explained() -> None:
    page = (ROOT / "docs/deploy.md").read_text("utf-8")
    main, roles = read(INFRA / "main.bicep"), module("roles")
    names = [*main.named("param"), *(name for name in roles.named("var") if name != "dataRoles")]

    assert [name for name in names if f"`{name}`" not in page] == []
