"""A plan's own words: what its templates may say, what is refused, and what hostile text comes to in them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.adapters.template_language import FIELDS, FILTERS, PARTS, TESTS, slug, slugged
from shared.adapters.templates import MOST_CHARACTERS, Templates, check, fields, trials
from shared.domain.briefing import (
    NOTHING_SAID,
    BadTemplate,
    Briefing,
    Names,
    Said,
    briefing,
    digest_briefing,
    span_in_words,
    template_for,
)
from shared.domain.incident import Incident, UpdateDue
from shared.domain.matrix import Severity
from shared.domain.plan import Contact, Directory, Plan, Rules, Service, Template
from shared.domain.sla import Clock
from tests.notifications import CONTROLS, HOSTILE, NOON, a_message

ROOT = Path(__file__).parent.parent
RULES = Rules(
    hash="0" * 64,
    text="{}",
    plan="acme",
    timezone="America/Barbados",
    severities=(Severity("P1", "Major"), Severity("P2")),
    default_severity="P2",
    default_service="rest",
    services=(Service("checkout", "The checkout"), Service("rest")),
)
PLAN = Plan(
    "acme",
    "Acme",
    RULES,
    Directory({"ada": Contact("ada", "Ada Lovelace"), "ben": Contact("ben")}, {}),
    links={"status-page": "https://status.example.com"},
)
INCIDENT = Incident(
    partition="8Q2XK4ZR",
    n=1,
    plan="acme",
    source="grafana",
    group="0" * 64,
    name="HighLatency",
    service="checkout",
    severity="P1",
    rules="0" * 64,
    opened_at=NOON,
    title="Checkout is slow",
    summary="p95 above 2 s",
    roles={"incident-commander": "ada", "communications-lead": "ben", "scribe": "gone"},
    respond=Clock(NOON + timedelta(minutes=15)),
)


def briefed(said: Said = NOTHING_SAID, now: datetime = NOON, phase: str = "", **changed: Any) -> Briefing:  # noqa: ANN401
    """A briefing about the slow checkout."""
    incident = replace(INCIDENT, **changed)
    return briefing(incident, RULES, PLAN, a_message(), said, now, phase=phase)


def rendered(body: str, about: Briefing | None = None, **templates: str) -> str:
    """The text of a template in a plan that has these others as well, with ``_`` for ``-``."""
    others = {name.replace("_", "-"): Template(text) for name, text in templates.items()}
    plan = replace(PLAN, templates={**others, "x": Template(body)})
    return Templates().words(plan, "x", about or briefed()).body


def faults(body: str) -> list[str]:
    return check(Template(body), roles={"incident-commander"}, links={"status-page"})


def test_a_template_says_what_the_briefing_knows() -> None:
    body = "{{ severity_title }} on {{ service_title }} for {{ plan_title }}: {{ title }} ({{ id }})"
    assert rendered(body) == "Major on The checkout for Acme: Checkout is slow (INC-8Q2XK4ZR-1)"


def test_a_title_that_the_plan_does_not_give_is_the_name() -> None:
    about = briefed(severity="P2", service="rest", title="")
    assert (about.severity_title, about.service_title, about.title) == ("P2", "rest", "HighLatency")


def test_instants_are_told_by_the_clocks_of_the_plan() -> None:
    body = "{{ opened_at }}|{{ opened_at|local }}|{{ opened_at|date }}|{{ opened_at|hhmm }}|{{ resolved_at }}"
    late = briefed(opened_at=datetime(2026, 11, 22, 3, 5, tzinfo=UTC))
    assert rendered(body, late) == "2026-11-21 23:05 AST|2026-11-21 23:05 AST|2026-11-21|2305|-"


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(-1, "in 1 min"), (0, "0 min ago"), (80, "1 h 20 min ago"), (1441, "1 d ago"), (1500, "1 d 1 h ago")],
)
def test_an_instant_may_be_told_as_seen_from_now(minutes: int, said: str) -> None:
    assert rendered("{{ opened_at|ago }}", briefed(now=NOON + timedelta(minutes=minutes))) == said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 min"), (59, "0 min"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (4800, "1 h 20 min"),
     (86_399, "23 h 59 min"), (86_400, "1 d"), (97_200, "1 d 3 h")],
)  # fmt: skip
def test_a_span_is_said_in_its_largest_units(seconds: int, words: str) -> None:
    assert span_in_words(timedelta(seconds=seconds)) == words


def test_the_age_stops_with_the_resolution() -> None:
    later, resolved_at = NOON + timedelta(hours=9), NOON + timedelta(hours=1)
    assert briefed(now=later, status="resolved", resolved_at=resolved_at).age == "1 h"
    assert briefed(now=later).age == "9 h"


def test_what_people_said_stands_in_the_briefing() -> None:
    said = {
        "impact": ["few", "one payment in ten"],
        "action-taken": ["restarted", "rolled back"],
        "status": ["A fix is on its way"],
        "assistance-needed": ["a DBA"],
        "cause": ["index"],
        "mitigation": ["moved traffic"],
        "resolution": ["index added"],
    }
    about = briefed(said, phase="identified")
    assert (about.impact, about.actions_taken) == ("one payment in ten", ("restarted", "rolled back"))
    assert (about.current_status, about.phase) == ("A fix is on its way", "identified")
    assert (about.assistance_needed, about.cause) == ("a DBA", "index")
    assert (about.mitigation, about.resolution) == ("moved traffic", "index added")


def test_before_anybody_said_anything_the_status_speaks() -> None:
    about = briefed(status="acknowledged")
    assert (about.current_status, about.phase, about.impact) == ("acknowledged", "investigating", "")
    assert briefed(status="resolved", resolved_at=NOON).phase == "resolved"


def test_the_next_update_is_the_one_that_is_due_first() -> None:
    later, sooner = NOON + timedelta(hours=1), NOON + timedelta(minutes=30)
    about = briefed(updates=(UpdateDue("internal", later), UpdateDue("external", sooner)))
    assert about.next_update == sooner
    assert about.respond_due == NOON + timedelta(minutes=15)


def test_roles_and_links_are_named_and_missing_ones_are_a_dash() -> None:
    body = "{{ roles['incident-commander'] }}, {{ roles['communications-lead'] }}, {{ roles.scribe }}, "
    body += "{{ roles.nobody }}, {{ links['status-page'] }}, {{ links['wiki'] }}"
    assert rendered(body) == "Ada Lovelace, ben, gone, -, https://status.example.com, -"


def test_loops_and_blocks_leave_no_blank_lines() -> None:
    body = (
        "{% if actions_taken %}\nDone:\n"
        "{% for each in actions_taken %}\n- {{ each }}\n{% endfor %}\n{% endif %}\nEnd"
    )
    assert rendered(body, briefed({"action-taken": ["a", "b"]})) == "Done:\n- a\n- b\nEnd"
    assert rendered(body) == "End"


def test_a_subject_is_one_line() -> None:
    plan = replace(PLAN, templates={"x": Template("b", "[{{ severity }}]\n {{ title }}\r\nBcc: x")})
    assert Templates().words(plan, "x", briefed()).subject == "[P1] Checkout is slow Bcc: x"


def test_without_templates_channel_and_ticket_have_the_usual_names() -> None:
    assert rendered("{{ channel_name }} {{ ticket_title }}") == (
        "incident-2026-11-21-0800 [P1] Checkout is slow"
    )


def test_the_plan_s_own_names_are_there_for_its_other_templates() -> None:
    body = "#{{ channel_name }}: {{ ticket_title }}"
    channel = "incident-{{ opened_at|date }}-{{ title|slug }}"
    named = rendered(body, channel_name=channel, ticket_title="{{ severity }}/{{ channel_name }}")
    assert named == "#incident-2026-11-21-checkout-is-slow: P1/incident-2026-11-21-checkout-is-slow"


def test_a_channel_name_is_one_whatever_the_title_says() -> None:
    hostile = rendered("{{ channel_name }}", briefed(title=HOSTILE), channel_name="{{ title }}")
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", hostile)
    assert len(hostile) <= 80


@pytest.mark.parametrize("broken", ["{{ nothing }}", "{{ title", "{{ resolution }}"])
def test_a_name_that_fails_or_says_nothing_leaves_the_usual_one(broken: str) -> None:
    assert rendered("{{ channel_name }}", channel_name=broken) == "incident-2026-11-21-0800"


@pytest.mark.parametrize(
    ("text", "named"),
    [("Café is DOWN!", "cafe-is-down"), ("--a__b--", "a-b"), ("日本", ""), ("", ""),
     ("a" * 39 + " b", "a" * 39), ("a" * 40, "a" * 40), ("a" * 41, "a" * 40)],
)  # fmt: skip
def test_a_slug_is_fit_for_a_name(text: str, named: str) -> None:
    assert slug(text) == named
    assert slugged(text, 100)[:40].rstrip("-") == named


@pytest.mark.parametrize(
    ("length", "cut"), [(MOST_CHARACTERS - 1, False), (MOST_CHARACTERS, False), (MOST_CHARACTERS + 1, True)]
)
def test_what_a_template_says_is_bounded(length: int, cut: bool) -> None:
    said = rendered("{{ summary }}", briefed(summary="a" * length))
    assert len(said) == min(length, MOST_CHARACTERS)
    assert said.endswith("…") is cut


def test_plain_text_is_not_escaped_and_html_is() -> None:
    hostile = briefed(title=HOSTILE, roles={"a": "<b>"})
    assert "<script>alert(1)</script>" in rendered("Title: {{ title }}", hostile)
    said = rendered("<p>{{ title }} {{ roles.a }} {{ roles|dictsort|length }}</p>", hostile)
    assert hasattr(said, "__html__")
    assert "&lt;script&gt;" in said
    assert re.findall("<[^>]*>", said) == ["<p>", "</p>"]


@pytest.mark.parametrize(
    "expression",
    ["actions_taken|join('<br>')", "title|upper", "title ~ '<br>'", "title|default('<')", "title|trim"],
)
def test_no_filter_lets_markup_into_html(expression: str) -> None:
    said = rendered(f"<p>{{{{ {expression} }}}}", briefed({"action-taken": ["<i>", "<b>"]}, title="<img>"))
    assert re.findall("<[^>]*>", said) == ["<p>"]


def test_a_text_that_turns_out_like_html_is_not_taken_for_it() -> None:
    assert not hasattr(rendered("{{ title }}", briefed(title="<p>")), "__html__")


def test_an_address_that_may_not_be_shown_is_left_out() -> None:
    hostile = replace(briefed(), source_url="javascript:alert(1)", runbook_url="https://a@evil.example")
    assert rendered("[{{ source_url }}{{ runbook_url }}]", hostile) == "[]"


@pytest.mark.parametrize("name", ["y", "x"])
def test_what_cannot_be_rendered_is_said(name: str) -> None:
    plan = replace(PLAN, templates={"x": Template("{{ titel }}")})
    with pytest.raises(BadTemplate, match=f'"{name}"'):
        Templates().words(plan, name, briefed())


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("a\n{{ titel }}", 'body: line 2: there is no field "titel"; is "title" meant?'),
        ("{{ title|uper }}", 'body: line 1: there is no filter "uper"; is "upper" meant?'),
        ("{% if title is divisibleby 2 %}{% endif %}", 'body: line 1: there is no test "divisibleby"'),
        ("{% for i in incidents %}{{ i.titel }}{% endfor %}",
         'body: line 1: line has no part "titel"; is "title" meant?'),
        ("{% if kind == 'digest' %}{{ title.upper }}{% endif %}", 'body: line 1: text has no part "upper"'),
        ("{{ title['format'] }}", 'body: line 1: text has no part "format"'),
        ("{{ loop.index }}", 'body: line 1: there is no field "loop"'),
        ("{% for i in incidents %}{% endfor %}{{ i }}",
         'body: line 1: there is no field "i"; is "id" meant?'),
        ("{% for i in incidents %}{{ loop.cycle }}{% endfor %}", 'body: line 1: loop has no part "cycle"'),
        ("{{ actions_taken }}",
         "body: line 1: list of text is no text by itself: loop over it, join it or name a part of it"),
        ("{{ roles }}",
         "body: line 1: names is no text by itself: loop over it, join it or name a part of it"),
        ("{{ title|local }}", 'body: line 1: the filter "local" takes instant, not text'),
        ("{{ title|join }}", 'body: line 1: the filter "join" takes list, not text'),
        ("{% for a in title %}{% endfor %}", "body: line 1: a loop goes over a list, not over text"),
        ("{{ links['wiki'] }}", 'body: line 1: the plan has no "wiki" among its links'),
        ("{{ roles.commander }}",
         'body: line 1: the plan has no "commander" among its roles; is "incident-commander" meant?'),
        ("{{ incidents|map('upper')|join }}", "body: line 1: the filter \"map\" is given attribute=…"),
        ("{{ incidents|map(attribute='x')|join }}",
         'body: line 1: the filter "map" names a part of a line, in quotes'),
        ("{{ actions_taken or '-' }}",
         "body: line 1: list of text is no text by itself: loop over it, join it or name a part of it"),
        ("{{ actions_taken if drill else '-' }}",
         "body: line 1: list of text is no text by itself: loop over it, join it or name a part of it"),
        ("{{ title|truncate(*roles) }}",
         'body: line 1: the filter "truncate" is given its arguments one by one'),
        ("{% for a, b in incidents %}{% endfor %}",
         "body: line 1: line cannot be taken apart into 2 names"),
        ("{{ 'x' if drill }}", "body: line 1: an if within an expression says what else"),
        ("a\n{{ title", "body: line 2: unexpected end of template, expected 'end of print statement'."),
        ("{% for a in incidents %}", None),
        ("{{ title }", None),
        ("  ", "body: it says nothing"),
        ("a" * (MOST_CHARACTERS + 1), "body: longer than 16000 characters"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line(body: str, fault: str | None) -> None:
    found = faults(body)
    assert found
    assert fault is None or fault in found


@pytest.mark.parametrize(
    "body",
    [
        "{{ title.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ roles.items() }}",
        "{{ title.center(1000000000) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{% set a = title ~ title %}{{ a }}",
        "{% set a %}x{% endset %}{{ a }}",
        "{% with a = title %}{{ a }}{% endwith %}",
        "{% for i in range(99999) %}{% endfor %}",
        "{% for a in incidents %}" * 3 + "{% endfor %}" * 3,
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% autoescape false %}{{ title }}{% endautoescape %}",
        "{% filter upper %}x{% endfilter %}",
        "{{ title|safe }}",
        "{{ lipsum() }}",
        "{{ cycler }}",
        "{{ self }}",
        "{{ title|attr('format') }}",
        "{{ {'a': 1} }}",
        "{{ " + "(" * 2_000 + "1" + ")" * 2_000 + " }}",
        "{{ " + "not " * 5_000 + "1 }}",
    ],
)
def test_what_could_reach_out_or_grow_is_refused_and_not_rendered_either(body: str) -> None:
    assert faults(body)
    with pytest.raises(BadTemplate):
        rendered(body)


def test_joining_is_bounded() -> None:
    long = briefed({"action-taken": ["a" * 9_000, "b" * 9_000]})
    with pytest.raises(BadTemplate, match="joined"):
        rendered("{{ actions_taken|join(', ') }}", long)


def test_hostile_values_are_values_not_templates() -> None:
    hostile = "{{ 7 * 7 }}{% for x in incidents %}{{ roles }}"
    assert rendered("{{ title }}/{{ impact }}", briefed({"impact": [hostile]}, title=hostile)) == (
        f"{hostile}/{hostile}"
    )


@pytest.mark.parametrize(
    "body",
    [
        "{% for name, who in roles|dictsort %}{{ name }}: {{ who }}{% endfor %}",
        "{% for level, those in incidents|groupby('severity') %}{{ level }}{{ those|length }}{% endfor %}",
        "{% for g in incidents|groupby('service') %}{{ g.grouper }}: {{ g.list|length }}{% endfor %}",
        "{% for i in incidents|selectattr('status', '==', 'open') %}{{ loop.index }}{% else %}x{% endfor %}",
        "{{ (incidents|sort(attribute='opened_at')|map(attribute='id'))|join }}",
        "{{ incidents|map(attribute='id')|join(', ') }} {{ incidents|length }}",
        "{% for each in actions_taken or ['nothing yet'] %}{{ each }}{% endfor %}",
        "{{ impact or '-' }} {{ title|truncate(40) }} {{ actions_taken[-1:]|join }} {{ title[:9] }}",
        "{% if kind in ('update', 'resolved') and phase != 'resolved' %}{{ next_update|ago }}{% endif %}",
        "{{ 'drill' if drill else 'real' }} {{ next_update or now }} {{ phase|title }}",
        "{% if resolved_at is not none %}{{ resolved_at }}{% elif drill %}x{% else %}y{% endif %}",
        "<p>{{ summary }}</p>",
        "{# a comment #}x",
    ],
)
def test_what_a_template_needs_is_sound_and_renders(body: str) -> None:
    assert faults(body) == []
    assert rendered(body, briefed({"impact": ["x"], "action-taken": ["a"]})) is not None


def test_a_subject_is_checked_like_a_body() -> None:
    assert check(Template("x", "{{ a }}")) == ['subject: line 1: there is no field "a"']


def test_what_only_shows_when_it_is_tried_is_found() -> None:
    (fault,) = check(Template("{{ actions_taken[0] }}"))
    assert fault.startswith("when tried: ")


def test_trials_fill_every_field_and_leave_every_field_that_may_be_empty() -> None:
    full, bare = list(trials())[:2]
    assert all(getattr(full, name) for name in FIELDS)
    assert not bare.roles
    assert not bare.incidents
    assert {name for name in FIELDS if getattr(bare, name)} == {
        "id", "plan", "plan_title", "kind", "status", "opened_at", "timezone", "now", "channel_name",
        "ticket_title",
    }  # fmt: skip


def test_a_digest_lists_the_loudest_and_then_the_oldest_first() -> None:
    quiet = replace(INCIDENT, severity="P2", n=2, opened_at=NOON - timedelta(days=3))
    old = replace(INCIDENT, n=3, opened_at=NOON - timedelta(hours=2), status="acknowledged")
    about = digest_briefing(PLAN, a_message(kind="digest", incident=""), [quiet, INCIDENT, old], NOON)
    body = "{% for i in incidents %}\n{{ i.severity }} {{ i.id }} {{ i.status }} {{ i.age }}\n{% endfor %}"
    assert rendered(body, about).splitlines() == [
        "P1 INC-8Q2XK4ZR-3 acknowledged 2 h",
        "P1 INC-8Q2XK4ZR-1 open 0 min",
        "P2 INC-8Q2XK4ZR-2 open 3 d",
    ]


@pytest.mark.parametrize(("many", "more"), [(199, 0), (200, 0), (201, 1)])
def test_a_digest_lists_two_hundred_and_says_how_many_more_there_are(many: int, more: int) -> None:
    incidents = [replace(INCIDENT, n=n) for n in range(1, many + 1)]
    about = digest_briefing(PLAN, a_message(kind="digest"), incidents, NOON)
    assert (len(about.incidents), about.more) == (min(many, 200), more)


@pytest.mark.parametrize(
    ("length", "said"),
    [(15, "Checkout is sl…"), (13, "Checkout is…"), (16, "Checkout is slow"), (1, "…"), (0, "…")],
)
def test_a_text_is_cut_where_the_template_wants_it(length: int, said: str) -> None:
    assert rendered(f"{{{{ title|truncate({length}) }}}}") == said


@pytest.mark.parametrize(
    "body",
    [
        "{{ title|truncate('x') }}",
        "{{ title|truncate(1, 2) }}",
        "{{ title[99] }}",
        "{{ title + 1 }}",
        "{{ actions_taken|first }}",
        "{{ title|trim(1) }}",
    ],
)
def test_whatever_goes_wrong_in_rendering_is_a_bad_template(body: str) -> None:
    with pytest.raises(BadTemplate):
        rendered(body)


def test_a_message_has_the_template_that_it_asks_for_or_its_kind_s() -> None:
    plan = replace(PLAN, templates={"escalation": Template("a"), "own": Template("b")})
    assert template_for(plan, a_message(template="own")) == "own"
    assert template_for(plan, a_message(template="gone")) == "escalation"
    assert template_for(plan, a_message(kind="resolved")) is None


def test_hostile_words_are_kept_as_text_for_the_channel_to_clean() -> None:
    assert CONTROLS.search(rendered("{{ title }}", briefed(title=HOSTILE)))


def test_names_that_are_missing_are_a_dash_and_not_there() -> None:
    names = Names({"a": "b"})
    assert (names["a"], names["c"], "c" in names) == ("b", "-", False)


def test_the_page_on_templates_names_every_field_filter_and_test() -> None:
    page = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    stated = [f"| `{name}` | {kind} | {why} |" for name, kind, why in fields()]
    assert [line for line in page.splitlines() if line in stated] == stated
    assert len(stated) == len(FIELDS) + len(PARTS["line"])
    assert not [name for name in (*FILTERS, *TESTS) if f"`{name}`" not in page]


def test_the_templates_on_the_page_are_sound() -> None:
    page = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    stated = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["templates"]
    assert [fault for parts in stated.values() for fault in check(Template(**parts))] == []


def test_the_table_of_fields_prints_itself() -> None:
    command = [sys.executable, "-m", "shared.adapters.templates", "--fields"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed.splitlines() == [f"| `{name}` | {kind} | {why} |" for name, kind, why in fields()]
