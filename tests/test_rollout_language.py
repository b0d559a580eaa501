"""What a plan file may say of its rollout, and what is kept of the file itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.adapters.plan_files import read_plan
from shared.domain.plan import document_hash
from shared.domain.rollout import changed_paths, leaves_of
from shared.domain.trial import Rollout
from tests.acme import ACME, PLANS, changed, faults_of, loaded
from tests.builders import hours, minutes

LAST = "targets: {time_to_acknowledge_mean: 300, delivery_success: 99}\n"


def with_rollout(stated: str) -> str:
    return ACME + f"rollout: {stated}\n"


@pytest.mark.parametrize(
    ("stated", "rollout"),
    [
        ("{}", Rollout((10, 50), hours(48))),
        ("{stages: [1], hold: 15m}", Rollout((1,), minutes(15))),
        ("{stages: [5, 20, 99]}", Rollout((5, 20, 99), hours(48))),
    ],
)
def test_a_rollout_has_stages_and_how_long_each_holds(tmp_path: Path, stated: str, rollout: Rollout) -> None:
    assert loaded(tmp_path, with_rollout(stated)).rollout == rollout


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ("{stages: [0, 50]}", "rollout.stages[0]: must be at least 1"),
        ("{stages: [50, 100]}", "rollout.stages[1]: must be at most 99"),
        ("{stages: [50, 10]}", "rollout.stages: must grow from stage to stage"),
        ("{stages: [10, 10]}", "rollout.stages: must grow from stage to stage"),
        ("{stages: []}", "rollout.stages: must have at least 1 entry"),
        ("{hold: 0s}", "rollout.hold: must be longer than nothing"),
        ("{stage: [10]}", "rollout.stage: is no key of the language here; did you mean 'stages'?"),
    ],
)
def test_what_is_no_rollout_is_named(tmp_path: Path, stated: str, why: str) -> None:
    [fault] = faults_of(tmp_path, with_rollout(stated))
    assert fault.endswith(f": {why}")


def test_a_plan_without_one_has_its_new_rules_at_once_and_a_rollout_is_no_rule(tmp_path: Path) -> None:
    plain = loaded(tmp_path)
    assert plain.rollout is None
    assert loaded(tmp_path, with_rollout("{}")).rules.hash == plain.rules.hash


def test_the_document_is_all_of_the_file_whatever_its_form(tmp_path: Path) -> None:
    plain = loaded(tmp_path).document
    moved = LAST + ACME.replace(LAST, "")
    assert loaded(tmp_path, moved).document == plain
    assert (
        loaded(tmp_path, "# a comment\n" + ACME.replace("title: Acme\n", 'title: "Acme"\n')).document == plain
    )
    assert document_hash(
        loaded(tmp_path, changed("title: Acme\n", "title: Apex\n")).document
    ) != document_hash(plain)


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ("to: anna@acme.example", "to: annie@acme.example", ["contacts.anna.reach"]),
        ("respond_within: 15m", "respond_within: 20m", ["severities.high.respond_within"]),
        ("when: {severity: critical, service: shop}", "when: {severity: page}", ["classify.loud.when"]),
        ("auto_resolve: false", "auto_resolve: true", ["auto_resolve"]),
        ("  hidden: {kind", "  veiled: {kind", ["channels.hidden.kind", "channels.hidden.options",
                                               "channels.veiled.kind", "channels.veiled.options"]),
    ],
)  # fmt: skip
def test_what_changed_is_named_by_its_keys(tmp_path: Path, old: str, new: str, paths: list[str]) -> None:
    before = leaves_of(loaded(tmp_path).document, "salt")
    assert changed_paths(before, loaded(tmp_path, changed(old, new)).document) == paths


def test_the_order_of_severities_is_told_where_it_alone_changes(tmp_path: Path) -> None:
    plan = json.loads(loaded(tmp_path).document)
    before = leaves_of(json.dumps(plan), "salt")
    plan["order"]["severities"].reverse()
    assert changed_paths(before, json.dumps(plan)) == ["severities.(order)"]


def test_no_address_of_anybody_stands_in_what_is_kept_to_compare(tmp_path: Path) -> None:
    kept = leaves_of(loaded(tmp_path).document, "salt")
    text = json.dumps([dict(kept.digests), kept.salt])
    assert "acme.example" not in text


def test_a_plan_may_be_read_from_a_file_of_any_name(tmp_path: Path) -> None:
    path = tmp_path / "next-version.yaml"
    path.write_text((PLANS / "acme.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    assert read_plan(path).name == "acme"
