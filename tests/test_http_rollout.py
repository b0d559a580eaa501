"""A plan is deployed anew, as operators and sources meet that: stage by stage, and steered by hand."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from functions.rollout_answers import RolloutState
from tests.host_process import Tocsin, eventually, fields, problem, running

ADMIN, READER = "ada:Admin", "rita:Reader"
ROLLOUT = "/api/v1/plans/acme/rollout"
PLAN = """
plan: acme
timezone: UTC
services: {api: {}}
default_service: api
severities: {low: {respond_within: 1h}}
default_severity: low
contacts: {anna: {reach: [{channel: log}]}}
channels: {log: {kind: log}}
rollout: {stages: [50], hold: 1h}
targets: {respond_sla_attainment: 90}
"""
NEXT = PLAN.replace("respond_within: 1h", "respond_within: 30m")


def state(host: Tocsin) -> RolloutState:
    answer = host.get(ROLLOUT, READER)
    assert answer.status == 200, answer
    return TypeAdapter(RolloutState).validate_json(answer.body, strict=True)


def rules_of(host: Tocsin, count: int, name: str) -> list[str]:
    """The rules of so many new incidents."""
    return [str(host.incident(host.opened(f"{name}-{nth}"))["rules"]) for nth in range(count)]


def test_a_new_version_takes_half_of_the_incidents_goes_back_by_hand_and_stays_refused(
    tmp_path: Path,
) -> None:
    with running(tmp_path, {"acme": PLAN}) as host:
        old = state(host)["rules"]
        eventually(lambda: "rollouts: the records of 1 plans have changed" in host.log())
        assert state(host) == {"plan": "acme", "rules": old, "stable": old, "refused": None, "rollout": None}
        assert set(rules_of(host, 3, "before")) == {old}
        problem(host.call("POST", ROLLOUT, {"action": "back"}, ADMIN), 409)
    with running(tmp_path, {"acme": NEXT}, DEPLOYED_BY="dora@example.org") as host:
        eventually(lambda: state(host)["rollout"])
        begun = state(host)
        new, rollout = begun["rules"], begun["rollout"]
        assert rollout is not None
        assert (begun["stable"], rollout["rules"], rollout["percent"]) == (old, new, 50)
        assert set(rules_of(host, 14, "meanwhile")) == {old, new}
        problem(host.call("POST", ROLLOUT, {"action": "back"}, READER), 403)
        assert fields(host.call("POST", ROLLOUT, {"action": "sideways"}, ADMIN)) == {"action"}
        assert fields(host.call("POST", ROLLOUT, {"action": "on", "percent": 100}, ADMIN)) == {"percent"}
        problem(host.call("POST", ROLLOUT, {"action": "on", "percent": 10}, ADMIN), 409)
        answer = host.call(
            "POST", ROLLOUT, {"action": "back", "percent": 50, "reason": "too many pages"}, ADMIN
        )
        assert answer.status == 200, answer
        after = TypeAdapter(RolloutState).validate_json(answer.body, strict=True)
        assert (after["stable"], after["refused"], after["rollout"]) == (old, new, None)
        assert set(rules_of(host, 5, "afterwards")) == {old}
        assert state(host) == after
        problem(host.get("/api/v1/plans/other/rollout", READER), 404)
        problem(host.get(ROLLOUT), 401)
