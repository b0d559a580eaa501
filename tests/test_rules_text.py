"""Frozen rules are text that an auditor can read, and are read back exactly."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.rules_text import freeze, rules_from_text
from shared.domain.hours import BusinessHours, BusinessTime
from shared.domain.matrix import Inform, Repeat, Severity, Step, Updates
from shared.domain.plan import (
    Checklist,
    Classification,
    Declaration,
    Grouping,
    Item,
    Match,
    ReviewRule,
    Role,
    Rules,
    Service,
    document_hash,
)

ROOT = Path(__file__).parent.parent
BARE = '{"default_service":"a","default_severity":"b","plan":"p","severities":[],"timezone":"UTC"}'

names = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z")
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
pauses = st.integers(0, 366 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
spans = pauses | st.builds(BusinessTime, st.none() | pauses)
maybe_text, maybe_span = st.none() | texts, st.none() | spans
few_names = st.lists(names, min_size=1, max_size=3).map(tuple)
matches = st.builds(
    Match,
    source=maybe_text,
    alert=maybe_text,
    severity=maybe_text,
    service=maybe_text,
    labels=st.dictionaries(texts, texts, max_size=3),
    annotations=st.dictionaries(texts, texts, max_size=2),
    values=st.dictionaries(texts, st.lists(texts, min_size=1, max_size=2).map(tuple), max_size=2),
)
services = st.builds(Service, name=names, title=texts, match=st.lists(matches, max_size=2).map(tuple))
classifications = st.builds(Classification, name=names, severity=texts, when=matches)
groupings = st.builds(Grouping, name=names, by=few_names, when=matches)
steps = st.builds(
    Step,
    after=spans,
    notify=few_names,
    unless=st.none() | st.sampled_from(["acknowledged", "resolved"]),
    services=few_names,
    template=maybe_text,
)
updates = st.builds(
    Updates,
    audience=st.sampled_from(["internal", "external"]),
    every=maybe_span,
    first_within=maybe_span,
    remind=few_names,
    remind_before=pauses,
    customer_facing=st.booleans(),
)
checklists = st.builds(
    Checklist,
    name=names,
    phase=st.sampled_from(["initial", "post-incident"]),
    items=st.lists(st.builds(Item, id=names, text=texts, required=st.booleans()), max_size=2).map(tuple),
)
reviews = st.builds(
    ReviewRule,
    severities=few_names,
    due_within=spans,
    remind=st.lists(pauses, max_size=2).map(tuple),
    overdue_every=pauses,
)
business_hours = st.builds(
    BusinessHours, days=st.lists(st.integers(0, 6), max_size=3).map(tuple), opens=st.integers(0, 1439)
)
severities = st.builds(
    Severity,
    name=texts,
    title=texts,
    respond_within=maybe_span,
    resolve_within=maybe_span,
    steps=st.lists(steps, max_size=3).map(tuple),
    until=st.sampled_from(["acknowledged", "resolved"]),
    repeat=st.builds(Repeat, times=st.integers(0, 10), every=spans),
    acknowledgement_expires=maybe_span,
    inform=st.lists(st.builds(Inform, after=spans, notify=few_names), max_size=2).map(tuple),
    updates=st.lists(updates, max_size=2).map(tuple),
)
rules_of_any_kind = st.builds(
    Rules,
    hash=st.just(""),
    text=st.just(""),
    plan=names,
    timezone=texts,
    severities=st.lists(severities, max_size=3).map(tuple),
    default_severity=texts,
    default_service=names,
    services=st.lists(services, max_size=3).map(tuple),
    classify=st.lists(classifications, max_size=3).map(tuple),
    group=st.lists(groupings, max_size=3).map(tuple),
    reopen_within=pauses,
    auto_resolve=st.booleans(),
    alarm=few_names,
    hours=st.none() | business_hours,
    declare=st.lists(st.builds(Declaration, name=names, after=pauses, when=matches), max_size=1).map(tuple),
    roles=st.lists(st.builds(Role, name=names, secondary=maybe_text), max_size=1).map(tuple),
    checklists=st.lists(checklists, max_size=2).map(tuple),
    review=st.none() | reviews,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules_of_any_kind)
def test_frozen_rules_are_read_back_exactly(rules: Rules) -> None:
    frozen = freeze(rules)
    assert frozen == replace(rules, text=frozen.text, hash=document_hash(frozen.text))
    assert rules_from_text(frozen.text) == frozen
    assert freeze(rules_from_text(frozen.text)) == frozen


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules_of_any_kind)
def test_the_order_of_severities_is_part_of_the_rules(rules: Rules) -> None:
    turned = replace(rules, severities=tuple(reversed(rules.severities)))
    assert (freeze(turned).hash == freeze(rules).hash) == (turned == rules)


def test_what_an_older_text_does_not_state_has_its_default() -> None:
    rules = rules_from_text(BARE)
    assert (rules.reopen_within, rules.auto_resolve, rules.hash) == (timedelta(0), True, document_hash(BARE))
    assert (rules.hours, rules.review, rules.roles, rules.declare) == (None, None, (), ())


def test_a_severity_of_an_older_text_has_the_defaults_of_what_came_since() -> None:
    severity = '{"name":"b","steps":[{"after":60,"notify":["a"]}],"repeat":{"times":1,"every":900}}'
    rules = rules_from_text(BARE.replace("[]", f"[{severity}]"))
    assert rules.severities == (
        Severity("b", steps=(Step(timedelta(minutes=1), ("a",)),), repeat=Repeat(1, timedelta(minutes=15))),
    )


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        "{}",
        '{"plan": 1}',
        '{"hash": ""}',
        '{"newer": 1}',
        '{"severities": [{"name": "a", "until": "never"}]}',
        '{"severities": {}}',
        '{"reopen_within": true}',
        '{"reopen_within": {"business_seconds": 1}}',
        '{"hours": {"days": [true]}}',
        '{"severities": [{"name": "a", "respond_within": {}}]}',
        '{"severities": [{"name": "a", "respond_within": {"business_seconds": 1.5}}]}',
        '{"severities": [{"name": "a", "respond_within": {"next_business_day": false}}]}',
        '{"severities": [{"name": "a", "steps": [{"after": null, "notify": []}]}]}',
    ],
)
def test_a_text_that_is_no_frozen_rules_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"frozen rules|Expecting"):
        rules_from_text(text)


def test_a_pause_that_is_no_whole_second_is_not_frozen() -> None:
    rules = rules_from_text(BARE)
    with pytest.raises(ValueError, match="whole number of seconds"):
        freeze(replace(rules, reopen_within=timedelta(milliseconds=1)))


def test_frozen_rules_are_read_without_the_libraries_of_plan_files() -> None:
    asked = "import sys, shared.adapters.rules_text as r; print({'yaml', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
