"""How people and scripts meet Tocsin: who may, what they see, what they do, and what they cannot break."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from functions.answers import IncidentLine, IncidentPage, IncidentWhole, Timeline
from shared.domain.principal import INCLUDES
from tests.host_process import KEY, Tocsin, eventually, fields, problem, running

ANA, RITA, ADMIN = "ana:Responder", "rita:Reader", "ada:Admin"
MISSING = "INC-00000000-1"
PLAN = """
plan: acme
timezone: UTC
services: {api: {}, shop: {}}
default_service: api
severities:
  high:
    respond_within: 1h
    resolve_within: 4h
    steps:
      - {after: 0s, notify: [anna]}
      - {after: 1h, notify: [boss]}
  low: {}
default_severity: low
classify: [{name: loud, when: {severity: critical}, severity: high}]
contacts:
  anna: {reach: [{channel: log}]}
  boss: {reach: [{channel: log}]}
channels: {log: {kind: log}}
"""
HIDDEN = PLAN.replace("plan: acme", "plan: hidden\nvisible_to: [ana, ada]")
LISTED = PLAN.replace("plan: acme", "plan: listed")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    plans = {"acme": PLAN, "hidden": HIDDEN, "listed": LISTED}
    with running(tmp_path_factory.mktemp("people"), plans) as host:
        yield host


def a_declaration(**changes: object) -> dict[str, object]:
    return {"plan": "acme", "title": "Pages are slow", "service": "api", "severity": "low", **changes}


def test_without_a_principal_nobody_is_let_in(host: Tocsin) -> None:
    calls = [
        ("GET", "/api/v1/incidents"),
        ("POST", "/api/v1/incidents"),
        ("GET", f"/api/v1/incidents/{MISSING}"),
        ("GET", f"/api/v1/incidents/{MISSING}/timeline"),
        ("POST", f"/api/v1/incidents/{MISSING}/acknowledge"),
        ("GET", "/api/v1/plans/acme/exports"),
        ("GET", "/api/v1/plans/acme/exports/2026-W47"),
        ("POST", "/api/v1/plans/acme/exports/2026-W47"),
        ("GET", "/api/v1/plans/acme/exports/2026-W47/bundle.zip"),
    ]
    for method, path in calls:
        for headers in ({}, KEY, {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}):
            answer = host.call(method, path, headers=headers)
            problem(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_principal_that_comes_from_outside_is_nobody(host: Tocsin) -> None:
    claims = {
        "role_typ": "roles",
        "claims": [{"typ": "roles", "val": "Admin"}, {"typ": "name", "val": "eve"}],
    }
    forged = base64.b64encode(json.dumps(claims).encode()).decode()

    for name in ("x-ms-client-principal", "X-MS-CLIENT-PRINCIPAL", "x_ms_client_principal"):
        problem(host.call("GET", "/api/v1/incidents", headers={name: forged}), 401)
        problem(host.call("POST", f"/api/v1/incidents/{MISSING}/note", who=RITA, headers={name: forged}), 403)


@pytest.mark.parametrize("role", [*INCLUDES, "reader", "Owner", "Reader,Admin", ""])
def test_a_role_lets_in_where_it_includes_the_one_that_is_asked_for(host: Tocsin, role: str) -> None:
    may = {
        "Reader": {"Reader", "Responder", "Commander", "Auditor", "Admin"},
        "Responder": {"Responder", "Commander", "Admin"},
        "Auditor": {"Auditor", "Admin"},
        "Admin": {"Admin"},
    }
    asked = {
        "Reader": ("GET", f"/api/v1/incidents/{MISSING}"),
        "Responder": ("POST", f"/api/v1/incidents/{MISSING}/acknowledge"),
        "Auditor": ("GET", "/api/v1/plans/nowhere/exports"),
        "Admin": ("POST", "/api/v1/plans/nowhere/exports/2026-W01"),
    }
    for needed, (method, path) in asked.items():
        answer = host.call(method, path, who=f"pat:{role}")
        if role in may[needed]:
            problem(answer, 404)
        else:
            assert needed in problem(answer, 403)["detail"]


def test_roles_add_up(host: Tocsin) -> None:
    assert host.get("/api/v1/plans/acme/exports", "pat:Responder+Auditor").status == 200
    assert host.call("POST", "/api/v1/incidents", a_declaration(), "pat:Responder+Auditor").status == 201
    problem(host.call("POST", "/api/v1/plans/acme/exports/2026-W01", who="pat:Responder+Auditor"), 403)


def test_declaring_by_hand_opens_an_incident_and_says_where_it_is(host: Tocsin) -> None:
    answer = host.call(
        "POST", "/api/v1/incidents", a_declaration(severity="high", description="since 9"), ANA
    )

    assert answer.status == 201, answer
    line = TypeAdapter(IncidentLine).validate_json(answer.body, strict=True)
    assert answer.headers["location"] == f"/api/v1/incidents/{line['id']}"
    assert (line["source"], line["title"], line["status"]) == (None, "Pages are slow", "open")
    whole = host.get(answer.headers["location"], RITA).json()
    assert whole["summary"] == "since 9"
    opened = host.events(line["id"])[0]
    assert (opened["type"], opened["actor_name"], opened["text"]) == ("opened", "ana", "Pages are slow")


def test_a_declaration_is_refused_with_every_field_that_is_wrong(host: Tocsin) -> None:
    def refused(body: object) -> set[str]:
        return fields(host.call("POST", "/api/v1/incidents", body, ANA))

    assert refused({}) == {"plan", "title", "service", "severity"}
    assert refused(a_declaration(title=" ", service=1, serverity="P1", owner="me")) == {
        "title", "service", "serverity", "owner",
    }  # fmt: skip
    assert refused(a_declaration(service="cellar", severity="loud")) == {"service", "severity"}
    assert refused(a_declaration(title="x" * 301, description="x" * 8001)) == {"title", "description"}
    for body in (b"[]", b"null", b"{", b"\xff", b'"x"'):
        assert refused(body) == {""}


def test_a_body_of_people_has_its_limits_too(host: Tocsin) -> None:
    problem(host.call("POST", "/api/v1/incidents", b" " * (1024 * 1024 + 1), ANA), 413)
    many = {f"field{number}": 1 for number in range(5_000)}
    errors = problem(host.call("POST", "/api/v1/incidents", many, ANA), 400)["errors"]
    assert len(errors) == 101
    assert "more" in errors[-1]["detail"]


def test_the_same_key_declares_once_and_another_persons_key_is_another(host: Tocsin) -> None:
    def declared(who: str, key: str) -> str:
        answer = host.call("POST", "/api/v1/incidents", a_declaration(), who, {"Idempotency-Key": key})
        assert answer.status == 201
        return str(answer.json()["id"])

    first = declared(ANA, "k-1")
    assert declared(ANA, "k-1") == first
    assert declared(ANA, "k-2") != first
    assert declared(ADMIN, "k-1") != first


def test_the_same_key_declares_once_even_at_the_same_time(host: Tocsin) -> None:
    def declared(_: int) -> tuple[int, str]:
        answer = host.call("POST", "/api/v1/incidents", a_declaration(), ANA, {"Idempotency-Key": "at-once"})
        return answer.status, answer.json().get("id")

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(declared, range(16)))
    assert len(found) == 1, found
    assert {status for status, _ in found} == {201}
    shown = [one["id"] for one in host.get("/api/v1/incidents?limit=200", RITA).json()["incidents"]]
    assert len(shown) == len(set(shown)), "and it stands in the list once"


def test_whoever_acknowledges_is_named_on_the_timeline_by_pseudonym_and_by_name(host: Tocsin) -> None:
    incident = host.opened("who-was-it", severity="critical")
    answer = host.command(incident, "acknowledge", who="Zo%C3%AB%20Q:Responder")

    assert answer.status == 200, answer
    assert answer.json()["status"] == "acknowledged"
    [event] = [event for event in host.events(incident) if event["type"] == "acknowledged"]
    assert event["actor"].startswith("person:")
    assert "Zo" not in event["actor"]
    assert event["actor_name"] == "Zoë Q"
    whole = host.incident(incident)
    assert whole["acknowledged_by"] == "Zoë Q"
    assert whole["sla"]["respond"]["state"] == "stopped"
    assert whole["sla"]["resolve"]["state"] == "running"


def test_one_incident_shows_clocks_alerts_and_deliveries(host: Tocsin) -> None:
    incident = host.opened("whole", severity="critical", summary="it burns", labels={"host": "a"})
    host.alert({"name": "whole", "severity": "critical", "labels": {"host": "b"}})

    def delivered() -> dict[str, Any] | None:
        whole = host.incident(incident)
        states = [delivery["state"] for delivery in whole["deliveries"]]
        return whole if states == ["accepted"] and "delivered" in host.types(incident) else None

    whole = eventually(delivered)
    TypeAdapter(IncidentWhole).validate_python(host.incident(incident), strict=True)
    assert whole["summary"] == "it burns"
    assert whole["sla"]["respond"]["state"] == whole["sla"]["resolve"]["state"] == "running"
    assert whole["sla"]["respond"]["due"] < whole["sla"]["resolve"]["due"]
    assert {alert["labels"]["host"] for alert in whole["alerts"]} == {"a", "b"}
    assert (whole["alert_count"], whole["firing"]) == (2, 2)
    assert whole["escalation"] == {"round": 1, "steps_fired": 1, "running": True, "exhausted": False}
    assert whole["told"] == ["anna"]
    [delivery] = whole["deliveries"]
    assert (delivery["contact"], delivery["channel"]) == ("anna", "log")
    assert [attempt["accepted"] for attempt in delivery["attempts"]] == [True]


def test_the_timeline_verifies_by_what_the_documentation_says(host: Tocsin) -> None:
    incident = host.opened("chained", severity="critical", labels={"näh": "🔔"})
    host.command(incident, "acknowledge", who=ANA)
    host.command(incident, "note", {"text": "<b>née</b> 🔥", "kind": "cause"}, ANA)
    host.command(incident, "resolve", {"resolution": "gone", "code": "fixed"}, ANA)
    events, whole = eventually(lambda: told_alike(host, incident))
    TypeAdapter(Timeline).validate_python({"events": events}, strict=True)

    previous, recorded = "0" * 64, ""
    for seq, event in enumerate(events, start=1):
        named = ("subject", "seq", "type", "occurred_at", "recorded_at", "actor", "data", "previous")
        text = json.dumps(
            {name: event[name] for name in named}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        assert event["hash"] == hashlib.sha256(text.encode()).hexdigest()
        assert (event["subject"], event["seq"], event["previous"]) == (incident, seq, previous)
        assert event["recorded_at"] >= recorded
        previous, recorded = event["hash"], event["recorded_at"]
    assert whole["timeline"] == {"length": len(events), "head": previous}
    assert [event["text"] for event in events if event["text"]] == ["<b>née</b> 🔥", "gone"]


def told_alike(host: Tocsin, incident: str) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """Timeline and incident of one moment; None where a delivery fell between the calls."""
    events, whole = host.events(incident), host.incident(incident)
    return (events, whole) if whole["timeline"]["length"] == len(events) else None


def listed(host: Tocsin, query: str = "", who: str = RITA) -> list[dict[str, Any]]:
    answer = host.get(f"/api/v1/incidents?plan=listed{query}", who)
    assert answer.status == 200, answer
    TypeAdapter(IncidentPage).validate_json(answer.body, strict=True)
    found: list[dict[str, Any]] = answer.json()["incidents"]
    return found


def names(found: list[dict[str, Any]]) -> list[str]:
    return [incident["name"] for incident in found]


def test_the_list_is_newest_first_filtered_and_paged(host: Tocsin) -> None:
    for number in range(5):
        severity = "critical" if number % 2 else "info"
        host.opened(f"n{number}", "listed", severity=severity, service="shop" if number == 3 else "api")
    newest = listed(host)
    assert names(newest) == ["n4", "n3", "n2", "n1", "n0"]
    host.command(newest[0]["id"], "acknowledge", who=ANA)
    host.command(newest[4]["id"], "resolve", who=ANA)

    assert names(listed(host, "&severity=high")) == ["n3", "n1"]
    assert names(listed(host, "&service=shop")) == ["n3"]
    assert names(listed(host, "&status=open")) == ["n3", "n2", "n1"]
    assert names(listed(host, "&status=acknowledged")) == ["n4"]
    assert names(listed(host, "&status=resolved&severity=low")) == ["n0"]
    middle = quote(newest[2]["opened_at"])
    assert names(listed(host, f"&since={middle}")) == ["n4", "n3", "n2"], "since is within"
    assert names(listed(host, f"&until={middle}")) == ["n1", "n0"], "until is without"
    assert names(listed(host, "&until=2020-01-01")) == []
    assert names(listed(host, "&since=2020-01-01T00:00:00-05:00")) == ["n4", "n3", "n2", "n1", "n0"]


def test_following_the_cursor_shows_every_incident_once(host: Tocsin) -> None:
    found, cursor = [], ""
    for _ in range(20):
        page = host.get(f"/api/v1/incidents?limit=2{cursor}", RITA).json()
        assert len(page["incidents"]) <= 2
        found += [incident["id"] for incident in page["incidents"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={quote(page['cursor'])}"

    assert found == [
        incident["id"] for incident in host.get("/api/v1/incidents?limit=200", RITA).json()["incidents"]
    ]
    assert len(found) == len(set(found)) > 5


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("limit=0&status=odd&pages=3", {"limit", "status", "pages"}),
        ("limit=201", {"limit"}),
        ("limit=x&cursor=x", {"limit", "cursor"}),
        ("since=yesterday&until=32", {"since", "until"}),
        ("since=0001-01-01&until=9999-12-31T23:59:59-05:00", {"since", "until"}),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_field_by_field(
    host: Tocsin, query: str, wrong: set[str]
) -> None:
    assert fields(host.get(f"/api/v1/incidents?{query}", RITA)) <= wrong | {"until"}
    assert fields(host.get(f"/api/v1/incidents?{query}", RITA)) >= wrong - {"until"}


def test_what_the_state_forbids_is_refused_with_the_reason(host: Tocsin) -> None:
    incident = host.opened("stateful")
    assert "open" in problem(host.command(incident, "reopen", who=ANA), 409)["detail"]
    assert "no step left" in problem(host.command(incident, "escalate", who=ANA), 409)["detail"]
    assert host.command(incident, "resolve", {"code": "fixed"}, ANA).json()["status"] == "resolved"
    for command in ("resolve", "escalate"):
        assert "resolved" in problem(host.command(incident, command, who=ANA), 409)["detail"]
    assert host.command(incident, "reopen", {"reason": "still slow"}, ANA).json()["status"] == "open"
    assert [type for type in host.types(incident) if type != "alerts"] == ["opened", "resolved", "reopened"]


def test_a_late_acknowledgement_is_noted_and_harmless(host: Tocsin) -> None:
    incident = host.opened("late")
    host.command(incident, "resolve", who=ANA)

    assert host.command(incident, "acknowledge", who=ANA).json()["status"] == "resolved"
    assert host.types(incident)[-1] == "acknowledged-late"


def test_the_same_key_acts_once_on_an_incident(host: Tocsin) -> None:
    incident = host.opened("twice")

    def note(key: str | None, who: str = ANA) -> int:
        return host.command(incident, "note", {"text": "x"}, who, key).status

    assert [note("k"), note("k"), note("k", ADMIN), note("é"), note(None), note(None)] == [200] * 6
    assert host.types(incident).count("noted") == 5
    assert [host.command(incident, "resolve", who=ANA, key="k").status for _ in range(2)] == [200, 200]
    assert host.types(incident).count("resolved") == 1
    assert fields(host.command(incident, "note", {"text": "x"}, ANA, "k" * 201)) == {"Idempotency-Key"}


def test_a_command_is_refused_with_every_field_that_is_wrong(host: Tocsin) -> None:
    incident = host.opened("strict")

    def refused(command: str, body: object) -> set[str]:
        return fields(host.command(incident, command, body, ANA))

    assert refused("note", {"kind": "gossip", "texte": "x"}) == {"kind", "text", "texte"}
    assert refused("acknowledge", {"by": "me"}) == {"by"}
    assert refused("resolve", {"code": "No Code", "resolution": ""}) == {"code", "resolution"}
    assert refused("escalate", {"to": 7, "reason": []}) == {"to", "reason"}
    assert refused("escalate", {"to": "nobody"}) == {"to"}
    assert refused("reopen", {"reason": " \n"}) == {"reason"}
    assert host.types(incident) == ["opened", "alerts"]


def test_an_unknown_command_or_incident_is_not_found(host: Tocsin) -> None:
    incident = host.opened("known")
    assert "acknowledge" in problem(host.command(incident, "explode", who=ANA), 404)["detail"]
    for unknown in (MISSING, "INC-1", "nothing", incident[:-1] + "7", incident + "0" * 30, "INC-ÄÖÜßÄÖÜß-1"):
        problem(host.command(unknown, "acknowledge", who=ANA), 404)
        problem(host.get(f"/api/v1/incidents/{quote(unknown)}", RITA), 404)
        problem(host.get(f"/api/v1/incidents/{quote(unknown)}/timeline", RITA), 404)


def test_a_plan_that_names_who_may_see_it_does_not_exist_for_others(host: Tocsin) -> None:
    incident = host.opened("secret", "hidden")

    def told(answer: Any) -> str:  # noqa: ANN401  (an Answer)
        return str(problem(answer, 404)["detail"])

    for path in (f"/api/v1/incidents/{incident}", f"/api/v1/incidents/{incident}/timeline"):
        assert host.get(path, ANA).status == 200
        assert told(host.get(path, "eve:Admin")) == told(
            host.get(path.replace(incident, MISSING), "eve:Admin")
        ).replace(MISSING, incident)
    for command in ("acknowledge", "resolve", "note"):
        body = {"text": "x"} if command == "note" else {}
        hidden, missing = (host.command(one, command, body, "eve:Admin") for one in (incident, MISSING))
        assert told(hidden) == told(missing).replace(MISSING, incident)
    declared = [
        host.call("POST", "/api/v1/incidents", a_declaration(plan=plan), "eve:Admin")
        for plan in ("hidden", "gone")
    ]
    assert told(declared[0]) == told(declared[1]).replace("gone", "hidden")
    for path in ("/exports", "/exports/2026-W01", "/exports/2026-W01/bundle.zip"):
        hidden, gone = (host.get(f"/api/v1/plans/{plan}{path}", "eve:Admin") for plan in ("hidden", "gone"))
        assert told(hidden) == told(gone).replace("gone", "hidden")
    compiled = [
        host.call("POST", f"/api/v1/plans/{plan}/exports/2026-W01", who="eve:Admin")
        for plan in ("hidden", "gone")
    ]
    assert told(compiled[0]) == told(compiled[1]).replace("gone", "hidden")
    for who, seen in (("eve:Admin", []), (ANA, ["secret"])):
        assert names(host.get("/api/v1/incidents?plan=hidden", who).json()["incidents"]) == seen
    everything = host.get("/api/v1/incidents?limit=200", "eve:Admin").json()["incidents"]
    assert "hidden" not in {incident["plan"] for incident in everything}
    assert [event["type"] for event in host.events(incident, ANA)] == ["opened", "alerts"]


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\u202eevil\u2066",
    "'; DROP TABLE Incidents; --",
    "{{7*7}} ${jndi:ldap://x} %s %n",
    "=cmd|' /C calc'!A0",
    "a\u0000b",
    "\r\nSet-Cookie: a=b",
    "🔔" * 100,
    "x" * 8_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_kept_as_text(host: Tocsin, text: str) -> None:
    title = text[:300]
    answer = host.call("POST", "/api/v1/incidents", a_declaration(title=title, description=text), ANA)
    assert answer.status == 201
    incident = answer.json()["id"]
    note = host.command(incident, "note", {"text": text}, ANA, "key" if "\r" in text else quote(text)[:200])
    assert note.status == 200

    kept = text.replace("\u0000", "\ufffd")
    whole = host.incident(incident)
    assert (whole["title"], whole["summary"]) == (title.replace("\u0000", "\ufffd"), kept)
    assert [event["text"] for event in host.events(incident)][-1] == kept
    assert host.get(f"/api/v1/incidents/{incident}", RITA).headers["x-content-type-options"] == "nosniff"


def test_half_a_surrogate_pair_is_refused(host: Tocsin) -> None:
    half = json.dumps(a_declaration(title="\ud800")).encode()
    assert b"\\ud800" in half
    problem(host.call("POST", "/api/v1/incidents", half, ANA), 400)
    problem(host.command(host.opened("half"), "note", b'{"text": "\\ud800"}', ANA), 400)


TEXT = st.text(max_size=30) | st.sampled_from(["\x00", "\ud800", "😀", "api", "low", "acme", "fixed", "note"])
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    "plan",
    "title",
    "service",
    "severity",
    "description",
    "text",
    "kind",
    "to",
    "reason",
    "code",
    "resolution",
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), VALUE, max_size=4) | VALUE
COMMANDS = ("acknowledge", "note", "escalate", "resolve", "reopen", "status", "")


@settings(max_examples=50, deadline=None, database=None)
@given(body=BODIES, command=st.sampled_from(COMMANDS), name=TEXT)
def test_whatever_people_send_is_answered_and_never_fails(
    host: Tocsin, body: object, command: str, name: str
) -> None:
    who = f"{quote(name, errors='replace')}x:Responder"
    sent = json.dumps(body).encode()
    incident = host.opened(f"any-{uuid.uuid4()}") if command else ""
    path = f"/api/v1/incidents/{incident}/{command}" if command else "/api/v1/incidents"
    answers = [
        host.call("POST", path, sent, who),
        host.get(
            f"/api/v1/incidents?limit=1&{quote(name, errors='replace')}={quote(name, errors='replace')}", who
        ),
        host.get(f"/api/v1/incidents/{quote(name, errors='replace', safe='')}", who),
    ]
    for answer in answers:
        assert answer.status in {200, 201, 400, 404, 405, 409}, answer
        if answer.status >= 400:
            problem(answer, answer.status)
    if incident:
        assert host.get(f"/api/v1/incidents/{incident}/timeline", who).status == 200


def test_nothing_of_all_this_has_failed_inside(host: Tocsin) -> None:
    assert "Traceback" not in host.log()
