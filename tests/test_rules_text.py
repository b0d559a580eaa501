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
from shared.domain.plan import (
    Classification,
    Grouping,
    Match,
    Repeat,
    Rules,
    Service,
    Severity,
    Step,
    rules_hash,
)

ROOT = Path(__file__).parent.parent
BARE = '{"default_service":"a","default_severity":"b","plan":"p","severities":[],"timezone":"UTC"}'

names = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,20}\Z")
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
pauses = st.integers(0, 366 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
maybe_text, maybe_pause = st.none() | texts, st.none() | pauses
few_names = st.lists(names, min_size=1, max_size=3).map(tuple)
matches = st.builds(
    Match,
    source=maybe_text,
    alert=maybe_text,
    severity=maybe_text,
    service=maybe_text,
    labels=st.dictionaries(texts, texts, max_size=3),
)
services = st.builds(Service, name=names, title=texts, match=st.lists(matches, max_size=2).map(tuple))
classifications = st.builds(Classification, name=names, severity=texts, when=matches)
groupings = st.builds(Grouping, name=names, by=few_names, when=matches)
severities = st.builds(
    Severity,
    name=texts,
    title=texts,
    respond_within=maybe_pause,
    resolve_within=maybe_pause,
    steps=st.lists(st.builds(Step, after=pauses, notify=few_names), max_size=3).map(tuple),
    until=st.sampled_from(["acknowledged", "resolved"]),
    repeat=st.builds(Repeat, times=st.integers(0, 10), every=pauses),
    acknowledgement_expires=maybe_pause,
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
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules_of_any_kind)
def test_frozen_rules_are_read_back_exactly(rules: Rules) -> None:
    frozen = freeze(rules)
    assert frozen == replace(rules, text=frozen.text, hash=rules_hash(frozen.text))
    assert rules_from_text(frozen.text) == frozen
    assert freeze(rules_from_text(frozen.text)) == frozen


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules_of_any_kind)
def test_the_order_of_severities_is_part_of_the_rules(rules: Rules) -> None:
    turned = replace(rules, severities=tuple(reversed(rules.severities)))
    assert (freeze(turned).hash == freeze(rules).hash) == (turned == rules)


def test_what_an_older_text_does_not_state_has_its_default() -> None:
    rules = rules_from_text(BARE)
    assert (rules.reopen_within, rules.auto_resolve, rules.hash) == (timedelta(0), True, rules_hash(BARE))


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
