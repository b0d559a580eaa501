"""The status page at its door: JSON or HTML for anybody, whatever was written in it, and cheap to repeat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from functions.wanted_form import prefers
from shared.adapters.status_html import STYLE, status_html
from shared.domain.entity_tag import has
from shared.domain.status_page import ABOUT, PublicIncident, PublicService, PublicStatus, PublicUpdate, State
from tests.builders import NOON, minutes
from tests.notifications import CONTROLS, HOSTILE
from tests.theatre import Theatre
from tests.toy_host import Answer

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PLAN = """
plan: acme
title: Acme inside
timezone: Europe/Berlin
status_page: {title: Acme status, history: 2d}
services:
  api: {title: Payments, customer_facing: true, match: [{labels: {app: api}}]}
  db: {match: [{labels: {app: db}}]}
default_service: api
severities:
  high:
    respond_within: 30m
    steps: [{after: 0s, notify: [anna]}]
    updates:
      internal: {every: 1h, notify: [anna]}
      external: {every: 1h, notify: [public], customer_facing: true, template: page}
default_severity: high
contacts:
  anna: {reach: [{channel: room}]}
  public: {reach: [{channel: hook}]}
channels:
  room: {kind: slack, secret: acme-room}
  hook: {kind: webhook, options: {url_secret: acme-hook, public: true}}
templates:
  page: {subject: Payments, body: "{{ about }}"}
drills:
  rehearsal: {title: Rehearsal, "on": third wednesday, at: "15:00", service: api, severity: high}
sources: {generic: {bearer_secret: acme-generic}}
"""
BARE = re.sub(r"(?m)^status_page.*\n", "", PLAN).replace("plan: acme", "plan: bare").replace("acme-", "bare-")


@pytest.fixture
def theatre(storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    plans = {"acme": PLAN, "bare": BARE}
    with Theatre(storage, tmp_path, monkeypatch, plans, zone="Europe/Berlin") as theatre:
        theatre.at("2026-11-18 14:00")
        yield theatre


def ask(theatre: Theatre, accept: str = "*/*", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return theatre.call("GET", "/status/acme", headers={"Accept": accept, **named})


def tell(theatre: Theatre, incident: str, words: str, status: str = "investigating", **more: str) -> None:
    theatre.command(incident, "status", {"status": status, "message": words, **more})


def test_anybody_reads_what_customers_were_told(theatre: Theatre) -> None:
    incident = theatre.alert("acme", name="InsideName", summary="inside summary", labels={"app": "api"})
    tell(theatre, incident, "inside words", audience="internal")
    assert ask(theatre).json()["incidents"] == []
    theatre.forward(minutes(1))
    tell(theatre, incident, "You cannot pay.", audience="external")
    answer = ask(theatre)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "public, max-age=30"
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json() == {
        "title": "Acme status",
        "about": ABOUT,
        "updated_at": "2026-11-18T13:01:00+00:00",
        "timezone": "Europe/Berlin",
        "state": "disrupted",
        "services": [{"title": "Payments", "state": "disrupted"}],
        "incidents": [
            {
                "id": incident,
                "title": "Payments",
                "phase": "investigating",
                "opened_at": "2026-11-18T13:00:00+00:00",
                "resolved_at": None,
                "updates": [
                    {"at": "2026-11-18T13:01:00+00:00", "phase": "investigating", "words": "You cannot pay."}
                ],
            }
        ],
    }


def test_a_drill_is_never_on_the_page(theatre: Theatre) -> None:
    theatre.at("2026-11-18 15:01", minutes(1))
    [drill] = theatre.incidents("acme")
    assert drill["drill"] == "rehearsal"
    tell(theatre, drill["id"], "inside rehearsal")
    theatre.forward(minutes(1))
    assert (ask(theatre).json()["state"], ask(theatre).json()["incidents"]) == ("operational", [])
    assert b"ehears" not in ask(theatre, BROWSER).body


def test_there_is_no_page_where_the_plan_has_none(theatre: Theatre) -> None:
    answers = [theatre.call("GET", f"/status/{name}") for name in ("bare", "nobody", "%2e%2e")]
    assert [answer.status for answer in answers] == [404, 404, 404]
    assert len({answer.body for answer in answers}) == 1
    assert theatre.call("POST", "/status/acme").status in (404, 405)


def test_browsers_get_html_that_stands_alone(theatre: Theatre) -> None:
    incident = theatre.alert("acme", name="InsideName", labels={"app": "api"})
    tell(theatre, incident, HOSTILE.replace("\ud800", "")[:8_000], audience="external")
    answer = ask(theatre, BROWSER)
    assert answer.headers["content-type"].replace(" ", "").lower() == "text/html;charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    text = answer.body.decode()
    assert_stands_alone(text)
    assert "InsideName" not in text
    assert '<time datetime="2026-11-18T13:00:00+00:00">2026-11-18 14:00 CET</time>' in text


def test_who_has_the_page_already_is_told_so(theatre: Theatre) -> None:
    tags = [ask(theatre, accept).headers["etag"] for accept in ("*/*", BROWSER)]
    assert tags[0] != tags[1]
    theatre.forward(minutes(1))
    for tag, accept in zip(tags, ("*/*", BROWSER), strict=True):
        answer = ask(theatre, accept, If_None_Match=f'"other", {tag}')
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert ask(theatre, If_None_Match=tags[1]).status == 200
    tell(theatre, theatre.alert("acme", name="X", labels={"app": "api"}), "Now it is.", audience="external")
    theatre.forward(minutes(1))
    assert ask(theatre, If_None_Match=tags[0]).status == 200


def test_a_resolved_incident_leaves_after_the_plan_s_history(theatre: Theatre) -> None:
    incident = theatre.alert("acme", name="X", labels={"app": "api"})
    tell(theatre, incident, "You cannot pay.", audience="external")
    theatre.command(incident, "resolve", {"resolution": "inside resolution"})
    [shown] = ask(theatre).json()["incidents"]
    assert (shown["phase"], shown["resolved_at"]) == ("resolved", "2026-11-18T13:00:00+00:00")
    assert b"inside" not in ask(theatre).body
    theatre.forward(timedelta(days=2))
    assert ask(theatre).json()["incidents"] == []


# The document by itself

SAID = PublicUpdate(NOON, "identified", "A disk is full.\nWe are on it.")
SHOWN = PublicIncident("INC-8Q2XK4ZR-1", "Payments", "identified", "disrupted", NOON, None, (SAID,))
PAGE = PublicStatus(
    "Acme status", "Europe/Berlin", NOON, "disrupted", (PublicService("Payments", "disrupted"),), (SHOWN,)
)


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, attributes and text."""

    VOID = frozenset({"meta"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def assert_stands_alone(text: str) -> None:
    """Well formed, in known elements, with nothing that runs or is loaded, and no invisible controls."""
    reader = Reader(text)
    assert not reader.open
    assert set(reader.tags) <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "span", "ul", "ol",
        "li", "article", "time", "strong", "footer",
    }  # fmt: skip
    names = {name for name, _ in reader.attributes}
    assert names <= {
        "lang", "charset", "name", "content", "class", "id", "aria-hidden", "aria-labelledby", "datetime",
        "reversed",
    }  # fmt: skip
    assert "prefers-color-scheme:dark" in text
    assert not CONTROLS.search(text.replace(STYLE, ""))


def test_hostile_text_is_text_wherever_it_stands() -> None:
    hostile = replace(
        PAGE,
        title=HOSTILE,
        services=(PublicService(HOSTILE, "degraded"),),
        incidents=(replace(SHOWN, id='"><b>', title=HOSTILE, updates=(replace(SAID, words=HOSTILE),)),),
    )
    body, _ = status_html(hostile)
    text = body.decode()
    assert_stands_alone(text)
    words = "".join(Reader(text).words)
    assert words.count("<script>alert(1)</script>") == 5


def test_a_page_says_in_words_what_it_shows_in_colour() -> None:
    body, policy = status_html(PAGE)
    text = body.decode()
    assert_stands_alone(text)
    words = "".join(Reader(text).words)
    for said in ("Acme status", "Some services are disrupted", "Disrupted", "Payments: Identified", ABOUT):
        assert said in words
    assert "A disk is full.\nWe are on it." in words
    assert "All services are operational" not in words
    assert (policy.count("'sha256-"), "script-src" in policy) == (1, False)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("operational", "All services are operational"),
        ("degraded", "Some services are degraded"),
        ("disrupted", "Some services are disrupted"),
    ],
)
def test_the_whole_is_told_first(state: State, said: str) -> None:
    body, _ = status_html(replace(PAGE, state=state, services=(), incidents=()))
    words = "".join(Reader(body.decode()).words)
    assert said in words
    assert "Nothing to report." in words


def test_what_is_resolved_stands_apart() -> None:
    ended = replace(SHOWN, id="INC-2", phase="resolved", state="operational", resolved_at=NOON + minutes(9))
    words = "".join(Reader(status_html(replace(PAGE, incidents=(SHOWN, ended)))[0].decode()).words)
    assert words.index("Payments: Identified") < words.index("Resolved\n") < words.index("Payments: Resolved")
    assert "resolved 2026-11-18 13:09 CET" in words


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        (BROWSER, True),
        ("text/html", True),
        ("text/*", True),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=nonsense, */*;q=0.1", False),
        ("application/json;q=0, */*", True),
    ],
)
def test_html_is_for_who_prefers_it(accept: str, html: bool) -> None:
    assert prefers(accept, "text/html", "application/json") is html


@pytest.mark.parametrize(
    ("stated", "known"),
    [("", False), ("*", True), ('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ('"ab"', False)],
)
def test_a_tag_is_known_again(stated: str, known: bool) -> None:
    assert has(stated, 'W/"a"') is known
