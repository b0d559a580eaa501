"""The page behind a notification's link, over HTTP: what scanners, phones and scripts get and do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import shared.app
from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.domain.answering import GRANT_LASTS, Grant
from tests.builders import minutes
from tests.notifications import CONTROLS, HOSTILE
from tests.theatre import Theatre
from tests.toy_host import Answer

PLAN = """
plan: acme
title: Acme
timezone: Europe/Berlin
services: {api: {title: "The <i>API</i>"}}
default_service: api
severities:
  high:
    respond_within: 30m
    steps: [{after: 0s, notify: [anna]}, {after: 15m, notify: [boss]}]
default_severity: high
contacts:
  anna: {title: "Anna <b>Berg</b>", reach: [{channel: room}]}
  boss: {reach: [{channel: room}]}
channels: {room: {kind: slack, secret: acme-room}}
sources: {generic: {}}
"""
CLOSING = PLAN + "closing: {codes: {fixed: Fixed for good, no-fault: No fault found}}\n"
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html,*/*;q=0.8"}
JSON = {"Content-Type": "application/json", "Accept": "application/json"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"}
WEDNESDAY = "2026-11-18 14:00"
TICK = timedelta(microseconds=1)
WIRED = HOSTILE.encode("utf-8", "replace").decode()
"""As much of it as a form can carry."""


class Seen(HTMLParser):
    """What a browser makes of a page: its tags, its words, and the fields of its forms."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        assert answer.headers["content-type"].split(";")[0] == "text/html", answer
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.style = 0
        self.html = answer.body.decode("utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.style += tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self.style -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self.style:
            self.words = " ".join(f"{self.words} {data}".split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def actions(self) -> list[str | None]:
        return [field["value"] for field in self.of("input") if field.get("name") == "action"]


class Door:
    """An open incident, and the link in the message about it."""

    def __init__(self, theatre: Theatre, name: str = "Checkout <down>") -> None:
        self.theatre = theatre
        theatre.at(WEDNESDAY)
        self.id = theatre.alert("acme", name=name)
        self.path = self.link()

    def link(self, contact: str = "anna", incident: str = "", expires: datetime | None = None) -> str:
        ends = expires or self.theatre.now.replace(microsecond=0) + GRANT_LASTS
        grant = Grant(incident or self.id, contact, f"000002-{contact}-0", ends)
        return f"/a/{shared.app.app().answer_notification.tokens.sign(grant)}"

    def get(self, path: str = "", method: str = "GET", headers: Mapping[str, str] = BROWSER) -> Answer:
        return self.theatre.call(method, path or self.path, headers=headers)

    def post(self, path: str = "", **fields: str) -> Answer:
        return self.theatre.call("POST", path or self.path, urlencode(fields).encode(), headers=FORM)

    def send(self, body: object, path: str = "") -> Answer:
        return self.theatre.call("POST", path or self.path, body, headers=JSON)

    @property
    def status(self) -> str:
        return str(self.theatre.incident(self.id)["status"])

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.theatre.events(self.id)]


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, {"acme": PLAN}, zone="Europe/Berlin") as theatre:
        yield theatre


@pytest.fixture
def closing(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    with Theatre(storage, tmp_path, monkeypatch, {"acme": CLOSING}, zone="Europe/Berlin") as theatre:
        yield theatre


def guarded(answer: Answer) -> None:
    policy = answer.headers["content-security-policy"]
    for rule in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "script" not in policy
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


def problem(answer: Answer, status: int) -> dict[str, Any]:
    guarded(answer)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    document: dict[str, Any] = answer.json()
    return document


def test_the_page_shows_the_incident_and_a_button_for_each_answer(theatre: Theatre) -> None:
    door = Door(theatre)
    answer = door.get()
    page = Seen(answer)

    assert answer.status == 200
    guarded(answer)
    for shown in (
        "Checkout <down>",
        door.id,
        "high",
        "The <i>API</i>",
        "open",
        "2026-11-18 14:00 CET",
        "Nobody has answered",
    ):
        assert shown in page.words
    assert page.actions == ["acknowledge", "resolve"]
    assert {form.get("action") for form in page.of("form")} == {None}
    assert {link["href"] for link in page.of("a")} == {f"../api/v1/incidents/{door.id}"}


def test_the_page_says_what_the_alert_said_and_why_one_was_told(theatre: Theatre) -> None:
    theatre.at(WEDNESDAY)
    door = Door.__new__(Door)
    said = "Queue <b>grows</b>\n5000 waiting " + "x" * 3000
    door.theatre, door.id = theatre, theatre.alert("acme", name="Queue", summary=said)
    [told] = theatre.told
    page = Seen(door.get(door.link()))
    asked = door.get(door.link(), headers=JSON).json()

    assert "Queue <b>grows</b> 5000 waiting xxx" in page.words
    assert "x…" in page.words
    assert "x" * 2000 not in page.words
    assert "Service The <i>API</i>" in page.words
    assert "Why you Escalation step 1" in page.words
    assert {"b", "i"}.isdisjoint(tag for tag, _ in page.tags)
    assert asked["summary"].startswith("Queue <b>grows</b>\n5000 waiting xxx")
    assert (asked["service"], asked["service_title"]) == ("api", "The <i>API</i>")
    assert asked["reason"].startswith("escalation step 1")
    assert told.contact == "anna"


def test_the_page_needs_no_script_and_nothing_from_elsewhere_and_does_not_show_its_token(
    theatre: Theatre,
) -> None:
    door = Door(theatre)
    page = Seen(door.get())

    assert {"script", "img", "link", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.tags)
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "url(" not in page.html
    assert "http-equiv" not in page.html
    assert door.path.removeprefix("/a/") not in page.html
    assert 'name="viewport"' in page.html


def test_a_link_scanner_changes_nothing_and_the_tap_after_it_counts(theatre: Theatre) -> None:
    door = Door(theatre)
    before = door.types

    for method in ["HEAD", "GET", "GET", "HEAD"] * 5:
        answer = door.get(method=method, headers={"User-Agent": "SafeLinks", "Accept": "*/*"})
        assert answer.status == 200
        guarded(answer)
        assert bool(answer.body) is (method == "GET")
    for method in ("OPTIONS", "PUT", "DELETE"):
        assert door.get(method=method).status in (404, 405)
    assert (door.types, door.status) == (before, "open")

    done = door.post(action="acknowledge")
    assert done.status == 200
    assert f"You have {door.id}: acknowledged at 2026-11-18 14:00 CET." in Seen(done).words
    assert door.types == [*before, "acted-on", "acknowledged"]
    theatre.forward(minutes(60))
    assert [told.contact for told in theatre.told if told.kind == "escalation"] == ["anna"]


def test_a_post_that_names_no_action_does_nothing(theatre: Theatre) -> None:
    door = Door(theatre)
    twice, strange = b"action=acknowledge&action=resolve", b"action=acknowledge&x=1"
    no_form = [b"action=%ff", b"a=1&" * 30]

    for body in (b"", b"action=", b"action=drop", b"Action=acknowledge", twice, strange, *no_form):
        answer = theatre.call("POST", door.path, body, headers=FORM)
        assert answer.status == 400, body
        assert 'role="alert"' in Seen(answer).html
        guarded(answer)
    for media in ("text/plain", "multipart/form-data; boundary=x", "application/xml"):
        answer = theatre.call("POST", door.path, b"action=acknowledge", headers={"Content-Type": media})
        assert answer.status == 400
    assert (door.status, "acted-on" in door.types) == ("open", False)


def test_after_acknowledging_the_page_goes_on_to_resolving(theatre: Theatre) -> None:
    door = Door(theatre)

    assert Seen(door.post(action="acknowledge")).actions == ["resolve"]
    assert Seen(door.get()).actions == ["resolve"]
    resolved = Seen(door.post(action="resolve", resolution="restarted\r\nit"))
    assert resolved.actions == []
    assert f"You resolved {door.id}" in resolved.words
    assert [event["text"] for event in theatre.events(door.id) if event["type"] == "resolved"] == [
        "restarted\nit"
    ]


def test_double_and_late_answers_are_answered_with_200_and_say_so(theatre: Theatre) -> None:
    door = Door(theatre)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: door.post(action="acknowledge"), range(4)))
    assert {answer.status for answer in answers} == {200}
    assert door.types.count("acknowledged") == 1

    assert "already" in Seen(door.post(action="acknowledge")).words
    second = door.post(door.link("boss"), action="acknowledge")
    assert second.status == 200
    assert f"Anna <b>Berg</b> has {door.id} since" in Seen(second).words
    door.post(action="resolve")
    for action in ("acknowledge", "resolve"):
        late = door.post(door.link("boss"), action=action)
        assert late.status == 200
        assert (
            "It was resolved at 2026-11-18 14:00 CET by Anna <b>Berg</b>. Nothing to do." in Seen(late).words
        )
    assert door.types.count("acknowledged-late") == door.types.count("resolved") == 1


def test_what_a_plan_wants_before_resolving_is_asked_and_what_was_typed_is_kept(closing: Theatre) -> None:
    door = Door(closing)
    page = Seen(door.get())
    assert [field["value"] for field in page.of("input") if field.get("name") == "code"] == [
        "fixed",
        "no-fault",
    ]
    assert "open" not in page.of("details")[0]

    lacking = door.post(action="resolve", resolution='gone "again" <b>\r\n</textarea><i>')
    again = Seen(lacking)
    assert lacking.status == 400
    assert "How it ended: resolving takes a closing code" in again.words
    assert 'gone "again" <b> </textarea><i>' in again.words
    assert "open" in again.of("details")[0]
    unknown = Seen(door.post(action="resolve", code="fixed"))
    assert "What was done: say in words" in unknown.words
    assert [field["value"] for field in unknown.of("input") if "checked" in field] == ["fixed"]
    assert door.post(action="resolve", code="<x>", resolution="y").status == 400
    assert door.status == "open"

    assert door.post(action="resolve", code="fixed", resolution="rolled back").status == 200
    assert door.status == "resolved"


def test_scripts_get_json(closing: Theatre) -> None:
    door = Door(closing)
    shown = door.get(headers=JSON)
    guarded(shown)
    asked = shown.json()
    assert (asked["incident"], asked["status"], asked["actions"]) == (
        door.id,
        "open",
        ["acknowledge", "resolve"],
    )
    assert asked["needs"] == {
        "words": True, "codes": {"fixed": "Fixed for good", "no-fault": "No fault found"}, "items": []
    }  # fmt: skip

    faults = problem(door.send({"action": "resolve"}), 400)["errors"]
    assert {fault["field"] for fault in faults} == {"code", "resolution"}
    several: list[object] = [{}, {"action": "x"}, {"action": "acknowledge", "more": 1}, [], b"{", b"\xff"]
    for wrong in several:
        problem(door.send(wrong), 400)
    done = door.send({"action": "acknowledge"}).json()
    assert done == {
        "sentence": f"You have {door.id}: acknowledged at 2026-11-18 14:00 CET.",
        "changed": True, "incident": door.id, "status": "acknowledged",
    }  # fmt: skip
    assert door.send({"action": "acknowledge"}).json()["changed"] is False


def test_who_reads_json_and_pages_gets_a_page_and_who_says_nothing_gets_what_was_sent(
    theatre: Theatre,
) -> None:
    door = Door(theatre)

    assert Seen(door.get(headers=BROWSER))
    assert Seen(door.get(headers={}))
    sent = theatre.call(
        "POST", door.path, {"action": "acknowledge"}, headers={"Content-Type": JSON["Accept"]}
    )
    assert sent.json()["changed"] is True
    assert sent.headers["vary"] == "Accept"


def test_a_link_that_is_forged_cut_off_or_of_another_incident_opens_nothing(theatre: Theatre) -> None:
    door = Door(theatre)
    other = door.link(incident="INC-00000000-7")
    forged = [door.path[:-1], door.path + "A", door.path[:-8] + "AAAAAAAB", "/a/x", "/a/" + "A" * 2000]

    for path in forged:
        for answer in (door.get(path), door.post(path, action="acknowledge"), door.post(path)):
            assert answer.status == 401
            guarded(answer)
            assert "not one of ours" in Seen(answer).words
        assert "not one of ours" in problem(door.send({"action": "resolve"}, path), 401)["detail"]
        assert door.get(path, "HEAD").status == 401
    assert door.get(other).status == door.post(other, action="acknowledge").status == 404
    assert door.status == "open"


def test_a_link_works_until_it_expires_and_says_that_it_has(theatre: Theatre) -> None:
    door = Door(theatre)
    path = door.link(expires=theatre.now + minutes(5))
    ends = theatre.now + minutes(5)

    theatre.at(ends - TICK)
    assert door.get(path).status == 200
    theatre.at(ends)
    for answer in (door.get(path), door.post(path, action="acknowledge")):
        assert answer.status == 401
        assert "This link has expired" in Seen(answer).words
    theatre.at(ends + TICK)
    assert "has expired" in problem(door.send({"action": "acknowledge"}, path), 401)["detail"]
    assert door.status == "open"


def test_whoever_left_the_plan_gets_a_page_that_says_so(theatre: Theatre) -> None:
    door = Door(theatre)
    path = door.link("gone")

    for answer in (door.get(path), door.post(path, action="acknowledge")):
        assert answer.status == 403
        assert "The plan no longer names you as a contact" in Seen(answer).words
    assert door.status == "open"


def test_where_the_key_cannot_be_had_nobody_is_told_that_the_link_is_wrong(theatre: Theatre) -> None:
    door = Door(theatre)
    workflow = shared.app.app().answer_notification
    workflow.tokens = KeyedAnswerTokens(AppSettingSecrets({}), "people-key")

    for answer in (door.get(), door.post(action="acknowledge")):
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "people-key" in Seen(answer).words
    problem(door.send({"action": "acknowledge"}), 503)


def test_an_open_item_is_shown_instead_of_a_button_that_would_be_refused(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = "{id: logs-read, text: The <b>logs</b> are read, required: true}"
    plan = PLAN + f"checklists: {{steps: {{phase: resolution, items: [{item}]}}}}\n"
    with Theatre(storage, tmp_path, monkeypatch, {"acme": plan}, zone="Europe/Berlin") as theatre:
        door = Door(theatre)
        page = Seen(door.get())
        assert "logs-read (The <b>logs</b> are read)" in page.words
        assert page.actions == ["acknowledge"]

        refused = door.post(action="resolve")
        assert refused.status == 409
        assert "Required items are neither ticked nor overridden: logs-read" in Seen(refused).words
        assert "logs-read" in problem(door.send({"action": "resolve"}), 409)["detail"]
        theatre.command(door.id, "checklist", {"item": "logs-read"})
        assert door.post(action="resolve").status == 200


def test_more_than_64_kib_are_not_read(theatre: Theatre) -> None:
    door = Door(theatre)
    least, most = b"action=acknowledge&resolution=", 64 * 1024

    too_large = theatre.call("POST", door.path, least.ljust(most + 1, b"x"), headers=FORM)
    assert (too_large.status, door.status) == (413, "open")
    long = theatre.call("POST", door.path, least.ljust(most, b"x"), headers=FORM)
    assert (long.status, door.status) == (400, "open")
    assert "x" * 8000 in Seen(long).html


def test_no_hostile_text_gets_out_of_its_place(theatre: Theatre) -> None:
    door = Door(theatre, WIRED[:400])

    for answer in (
        door.get(),
        door.post(action="resolve", resolution=WIRED[:200], code="</textarea><script>"),
    ):
        page = Seen(answer)
        assert {"script", "b", "img"}.isdisjoint(tag for tag, _ in page.tags)
        assert not CONTROLS.search(page.html.replace("\n", ""))
        assert "<script>alert(1)</script>" in page.words


def test_a_drill_says_so_first(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drill = "drills: {fire: {title: F, on: third wednesday, at: '14:00', service: api, severity: high}}\n"
    with Theatre(storage, tmp_path, monkeypatch, {"acme": PLAN + drill}, zone="Europe/Berlin") as theatre:
        theatre.at("2026-11-18 13:59")
        theatre.at("2026-11-18 14:01")
        [incident] = theatre.incidents("acme")
        door = Door.__new__(Door)
        door.theatre, door.id = theatre, incident["id"]
        page = Seen(door.get(door.link()))
        assert re.search(r"DRILL: .*This is an exercise\.", page.words)
