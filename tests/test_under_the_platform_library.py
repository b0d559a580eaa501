"""The app under Microsoft's own runtime library, where that is at hand: it indexes, and its functions run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local import azurite
from tests.test_function_app import EXPECTED_HTTP, EXPECTED_OTHERS
from tests.toy_host import ROOT

DRIVER = ROOT.parent / "shared" / "tools" / "functions_runtime.py"
PLAN = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities: {high: {steps: [{after: 0s, notify: [anna]}]}}
default_severity: high
contacts: {anna: {reach: [{channel: log}]}}
channels: {log: {kind: log}}
"""
# The driver's module registers its host once a process, so the calls are made in one of their own.
CALLS = """
import asyncio, base64, importlib.util, json, sys
spec = importlib.util.spec_from_file_location("driver", sys.argv[1])
driver = importlib.util.module_from_spec(spec)
sys.modules["driver"] = driver
spec.loader.exec_module(driver)

def principal(*roles):
    claims = [{"typ": "roles", "val": role} for role in roles] + [{"typ": "preferred_username", "val": "ana"}]
    return {"x-ms-client-principal": base64.b64encode(json.dumps({"claims": claims}).encode()).decode()}

async def main():
    host = await driver.FunctionHost(".", keys={"k"}).start()
    told = {"functions": sorted(host.functions)}
    async def call(name, method, path, headers=None, body=b""):
        status, headers, answer = await host.http(method, path, headers or {}, body)
        told[name] = {"status": status, "headers": dict(headers), "body": answer.decode()}
        return told[name]
    alert = b'{"name": "down", "severity": "high"}'
    path = "/api/v1/plans/acme/alerts/generic"
    await call("without key", "POST", path, {}, alert)
    opened = await call("alert", "POST", path + "?code=k", {}, alert)
    incident = json.loads(opened["body"])["incidents"][0]["id"]
    await call("broken", "POST", path, {"x-functions-key": "k"}, b"{")
    await call("nobody", "GET", "/api/v1/incidents")
    await host.invoke("advance", driver.TypedData(string=incident))
    await host.timer("sweep", past_due=True)
    await call("acknowledge", "POST", f"/api/v1/incidents/{incident}/acknowledge", principal("Responder"))
    await call("show", "GET", f"/api/v1/incidents/{incident}", principal("Reader"))
    await call("forbidden", "POST", f"/api/v1/incidents/{incident}/resolve", principal("Reader"))
    await call("ready", "GET", "/api/v1/health/ready")
    await call("status", "GET", "/api/v1/status")
    host.stop()
    print(json.dumps(told))

asyncio.run(main())
"""


def obstacle() -> str | None:
    """Why this cannot be tried here."""
    if not DRIVER.exists():
        return "there is no driver for the platform's library beside the repository"
    if importlib.util.find_spec("azure_functions_runtime") is None:
        return "azure-functions-runtime is not installed (it takes Python 3.13)"
    return None


pytestmark = pytest.mark.skipif(obstacle() is not None, reason=obstacle() or "")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the calls were answered."""
    plans, data = tmp_path_factory.mktemp("plans"), tmp_path_factory.mktemp("storage")
    (plans / "acme.yaml").write_text(PLAN, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "PLANS_DIR": str(plans),
        "SECRET_PEOPLE_KEY": "only for tests",
        "SECRET_TEXTS_KEY": "only for tests",
        "WEBSITE_AUTH_ENABLED": "True",
        "ESCALATION_SCHEDULE": "0 * * * * *",
        "EXPORT_SCHEDULE": "0 20 * * * *",
        "DRIFT_SCHEDULE": "0 40 3 * * *",
        "PURGE_SCHEDULE": "0 40 2 * * *",
    }
    command = [sys.executable, "-c", CALLS, str(DRIVER)]
    with azurite.start(data, in_memory=True) as storage:
        environment["TOCSIN_STORAGE"] = storage.connection_string
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_library_indexes_every_function(told: dict[str, Any]) -> None:
    assert told["functions"] == sorted({**EXPECTED_HTTP, **EXPECTED_OTHERS})


def test_an_alert_goes_through_as_it_does_here(told: dict[str, Any]) -> None:
    assert told["without key"]["status"] == 401
    assert told["alert"]["status"] == 202
    assert json.loads(told["alert"]["body"])["incidents"][0]["action"] == "opened"
    assert told["broken"]["status"] == 400
    assert json.loads(told["broken"]["body"])["errors"]


def test_queue_timer_and_people_reach_the_incident(told: dict[str, Any]) -> None:
    assert told["nobody"]["status"] == 401
    assert json.loads(told["acknowledge"]["body"])["status"] == "acknowledged"
    whole = json.loads(told["show"]["body"])
    assert whole["acknowledged_by"] == "ana"
    assert [delivery["state"] for delivery in whole["deliveries"]] == ["accepted"]
    assert told["forbidden"]["status"] == 403
    assert told["ready"]["status"] == told["status"]["status"] == 200


def test_answers_keep_their_headers(told: dict[str, Any]) -> None:
    headers = {name.lower(): value for name, value in told["nobody"]["headers"].items()}
    assert headers["content-type"].startswith("application/problem+json")
    assert headers["www-authenticate"] == "Bearer"
