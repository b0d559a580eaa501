"""What the platform sees when it imports the app: every function, and nothing that happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from functions.bodies import COMMANDS
from functions.openapi import document
from tests.toy_host import ROOT

KEYED, OPEN = "FUNCTION", "ANONYMOUS"
EXPECTED_HTTP = {
    "receive_alert": ("POST", "api/v1/plans/{plan}/alerts/{source}", KEYED),
    "declare_incident": ("POST", "api/v1/incidents", OPEN),
    "respond_to_incident": ("POST", "api/v1/incidents/{id}/{command}", OPEN),
    "list_incidents": ("GET", "api/v1/incidents", OPEN),
    "show_incident": ("GET", "api/v1/incidents/{id}", OPEN),
    "show_timeline": ("GET", "api/v1/incidents/{id}/timeline", OPEN),
    "show_review": ("GET", "api/v1/incidents/{id}/review", OPEN),
    "show_oncall": ("GET", "api/v1/plans/{plan}/oncall", OPEN),
    "show_answer_page": ("GET,HEAD", "a/{token}", OPEN),
    "answer_notification": ("POST", "a/{token}", OPEN),
    "chat_slack": ("POST", "api/v1/chat/slack", OPEN),
    "chat_slack_check": ("GET", "api/v1/chat/slack", OPEN),
    "chat_slack_actions": ("POST", "api/v1/chat/slack/actions", OPEN),
    "chat_teams": ("POST", "api/v1/chat/teams", OPEN),
    "show_status_page": ("GET", "status/{plan}", OPEN),
    "hear_channel": ("POST", "api/v1/plans/{plan}/channels/{channel}/{what}", OPEN),
    "show_oncall_feed": ("GET", "api/v1/plans/{plan}/oncall/{feed}", OPEN),
    "show_rollout": ("GET", "api/v1/plans/{plan}/rollout", OPEN),
    "steer_rollout": ("POST", "api/v1/plans/{plan}/rollout", OPEN),
    "list_runbooks": ("GET", "api/v1/plans/{plan}/runbooks", OPEN),
    "show_runbook": ("GET", "api/v1/plans/{plan}/runbooks/{name}", OPEN),
    "list_holds": ("GET", "api/v1/plans/{plan}/holds", OPEN),
    "place_hold": ("POST", "api/v1/plans/{plan}/holds", OPEN),
    "release_hold": ("POST", "api/v1/plans/{plan}/holds/{hold}/release", OPEN),
    "list_exports": ("GET", "api/v1/plans/{plan}/exports", OPEN),
    "compile_export": ("POST", "api/v1/plans/{plan}/exports/{week}", OPEN),
    "show_export": ("GET", "api/v1/plans/{plan}/exports/{week}", OPEN),
    "fetch_export_file": ("GET", "api/v1/plans/{plan}/exports/{week}/{file}", OPEN),
    "show_export_progress": ("GET", "api/v1/plans/{plan}/exports/{week}/progress", OPEN),
    "make_export_link": ("POST", "api/v1/plans/{plan}/exports/{week}/links", OPEN),
    "show_linked_export": ("GET", "e/{token}", OPEN),
    "fetch_linked_file": ("GET", "e/{token}/{file}", OPEN),
    "show_kpis": ("GET", "api/v1/plans/{plan}/kpi", OPEN),
    "show_keys": ("GET", "api/v1/keys", OPEN),
    "erase_person": ("POST", "api/v1/people/erase", OPEN),
    "export_person": ("POST", "api/v1/people/export", OPEN),
    "erase_text": ("POST", "api/v1/incidents/{id}/texts/{seq}/erase", OPEN),
    "live": ("GET", "api/v1/health/live", OPEN),
    "ready": ("GET", "api/v1/health/ready", OPEN),
    "status": ("GET", "api/v1/status", OPEN),
    "describe_api": ("GET", "api/v1/openapi.json", OPEN),
}
EXPECTED_OTHERS = {
    "sweep": {"type": "timerTrigger", "schedule": "%ESCALATION_SCHEDULE%"},
    "keep_agenda": {"type": "timerTrigger", "schedule": "%ESCALATION_SCHEDULE%"},
    "keep_watch": {"type": "timerTrigger", "schedule": "%ESCALATION_SCHEDULE%"},
    "purge": {"type": "timerTrigger", "schedule": "%PURGE_SCHEDULE%"},
    "keep_rollouts": {"type": "timerTrigger", "schedule": "%ESCALATION_SCHEDULE%"},
    "export_weeks": {"type": "timerTrigger", "schedule": "%EXPORT_SCHEDULE%"},
    "export_wanted": {"type": "timerTrigger", "schedule": "%ESCALATION_SCHEDULE%"},
    "check_drift": {"type": "timerTrigger", "schedule": "%DRIFT_SCHEDULE%"},
    "advance": {"type": "queueTrigger", "queueName": "advance", "connection": "TOCSIN_STORAGE"},
}
HEAVY = (
    "pydantic",
    "azure.data.tables",
    "azure.storage",
    "azure.identity",
    "azure.keyvault",
    "yaml",
    "requests",
)
HEAVY_TOO = ("opentelemetry", "azure.core", "azure.monitor", "jinja2")
LOOK = """
import sys
happened = []
def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.mkdir", "os.remove", "os.rename", "urllib.")):
        happened.append(event)
    if event == "open" and isinstance(arguments[0], str) and not arguments[0].endswith((".py", ".pyc")):
        happened.append(f"open {arguments[0]}")
sys.path.insert(0, ".")
import azure.functions
sys.addaudithook(hook)
import threading
before = threading.active_count()
import function_app
print(__import__("json").dumps({
    "happened": happened,
    "threads": threading.active_count() - before,
    "modules": sorted(sys.modules),
    "functions": {
        f.get_function_name(): [__import__("json").loads(b) for b in f.get_raw_bindings()]
        for f in function_app.app.get_functions()
    },
}))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """The app, imported by a process that has no environment at all."""
    command = [sys.executable, "-B", "-c", LOOK]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def triggers(seen: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The triggers of that kind, by function."""
    return {
        name: binding
        for name, bindings in seen["functions"].items()
        for binding in bindings
        if binding["type"] == kind
    }


def routes(seen: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {
        name: (",".join(trigger["methods"]), trigger["route"], trigger["authLevel"])
        for name, trigger in triggers(seen, "httpTrigger").items()
    }


def test_every_function_is_there_with_its_route_and_whoever_may_call_it(seen: dict[str, Any]) -> None:
    assert routes(seen) == EXPECTED_HTTP


def test_only_monitoring_systems_call_by_key_and_only_they_may_post_alerts(seen: dict[str, Any]) -> None:
    keyed = {route for _, route, level in routes(seen).values() if level == KEYED}
    assert keyed == {
        route for _, route, _ in routes(seen).values() if "/alerts/" in route or "/heartbeats/" in route
    }


def test_timers_and_the_queue_are_there_by_the_names_of_their_settings(seen: dict[str, Any]) -> None:
    others = triggers(seen, "timerTrigger") | triggers(seen, "queueTrigger")

    assert set(others) == set(EXPECTED_OTHERS)
    for name, expected in EXPECTED_OTHERS.items():
        assert {key: others[name][key] for key in expected} == expected
    assert all(trigger.get("useMonitor") for trigger in triggers(seen, "timerTrigger").values())


def test_the_import_does_nothing(seen: dict[str, Any]) -> None:
    assert seen["happened"] == []
    assert seen["threads"] == 0


def test_the_import_loads_nothing_heavy(seen: dict[str, Any]) -> None:
    loaded = {
        name for name in seen["modules"] for heavy in HEAVY + HEAVY_TOO if f"{name}.".startswith(f"{heavy}.")
    }
    assert loaded == set()


def described() -> set[tuple[str, str]]:
    """Method and path of everything in the OpenAPI document."""
    return {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}


def registered(seen: dict[str, Any]) -> set[tuple[str, str]]:
    """Method and path of everything that is registered, a path for each command."""
    found = set()
    for methods, route, _ in routes(seen).values():
        paths = (
            [route.replace("{command}", command) for command in COMMANDS] if "{command}" in route else [route]
        )
        found |= {(method, f"/{path}") for method in methods.split(",") for path in paths}
    return found


def test_the_openapi_document_covers_every_route(seen: dict[str, Any]) -> None:
    assert described() == registered(seen)


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [(path, each) for path, methods in document()["paths"].items() for each in methods.values()]


def test_every_operation_is_described_whole() -> None:
    ids = [operation["operationId"] for _, operation in operations()]

    assert len(ids) == len(set(ids))
    for path, operation in operations():
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), path
        assert all(each["required"] for each in operation["parameters"] if each["in"] == "path")
        assert operation["summary"]
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert 200 <= int(status) < 600
            assert response["description"], (path, status)
            assert response["content"]


def test_who_may_call_is_said_for_every_operation() -> None:
    schemes = document()["components"]["securitySchemes"]

    for path, operation in operations():
        assert {name for each in operation["security"] for name in each} <= set(schemes)
        open_ways = ("health", "status", "openapi", "keys")
        public = path.startswith(("/status/", *(f"/api/v1/{way}" for way in open_ways)))
        proves_itself = path.startswith(("/a/", "/e/", "/api/v1/chat/")) or "/channels/" in path
        assert (operation["security"] == []) is (public or proves_itself), path
        if operation["operationId"] == "chat_slack_check":
            continue  # Slack looks at our certificate, and learns nothing
        if operation["security"] or proves_itself:
            assert "401" in operation["responses"], path


def references(value: object) -> set[str]:
    """Every ``$ref`` in a piece of the document."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    schemas = document()["components"]["schemas"]

    assert references(document()) == {f"#/components/schemas/{name}" for name in schemas}
    assert document()["openapi"].startswith("3.1.")
    assert json.loads(json.dumps(document())) == document()
    assert schemas["DeclareBody"]["required"] == ["plan", "title", "service", "severity"]
    assert schemas["DeclareBody"]["additionalProperties"] is False
