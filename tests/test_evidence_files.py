"""The evidence files: a row for each fact of the week, in a fixed order, and nothing of any other week."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from shared.domain.timeline import stamp
from shared.kpi import (
    access_csv,
    action_items_csv,
    alerts_csv,
    controls,
    deliveries_csv,
    drills_csv,
    escalations_csv,
    incidents_csv,
    merkle,
    oncall_coverage_csv,
    plan_changes_csv,
    reviews_csv,
    suppressions_csv,
    verify,
)
from shared.kpi.facts import account_of
from shared.kpi.shelf import DATA
from shared.workflows.export_kpis import compile_week, read_manifest
from tests import eventful
from tests.builders import a_plan, hours, minutes, seconds
from tests.eventful import BEFORE, DRILL, INCIDENT, JOURNAL, NOON, OLD, exported, rows_in
from tests.stories import MONDAY, SUNDAY, WEEK, Story
from tests.working_fakes import MemoryExports, MemoryTimelines

MODULES = (
    access_csv,
    action_items_csv,
    alerts_csv,
    deliveries_csv,
    escalations_csv,
    oncall_coverage_csv,
    plan_changes_csv,
    reviews_csv,
    suppressions_csv,
)
ROOT = Path(__file__).parent.parent
Read = Callable[[str], list[dict[str, str]]]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    exports, bundle = exported()
    return {name: exports.read(bundle.blob(name)) for name in (*DATA, "manifest.json")}


@pytest.fixture
def read(files: dict[str, bytes]) -> Read:
    return lambda name: rows_in(files[name])


def of(kept: Story, name: str) -> list[dict[str, str]]:
    exports, bundle = exported(MemoryTimelines().keep("acme", kept.events))
    return rows_in(exports.read(bundle.blob(name)))


def picked(rows: list[dict[str, str]], *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def test_every_alert_of_the_week_has_its_disposition_rule_and_source(read: Read) -> None:
    columns = ("subject", "seq", "drill", "source", "disposition", "rule", "count", "incident")
    assert picked(read("alerts.csv"), *columns) == [
        (INCIDENT, "2", "", "generic", "opened", "default", "1", INCIDENT),
        (INCIDENT, "2", "", "generic", "suppressed", "default", "2", INCIDENT),
        (OLD, "13", "", "generic", "updated", "default", "5", OLD),
        (JOURNAL, "1", "", "grafana", "ignored", "", "7", ""),
    ]


def test_alerts_balance_with_the_control_in_the_figures(files: dict[str, bytes], read: Read) -> None:
    by = Counter[str]()
    for row in read("alerts.csv"):
        by[row["disposition"]] += int(row["count"])
    control = json.loads(files["kpi.json"])["controls"]["alerts"]
    assert control["holds"] is True
    assert control["accepted"] == sum(by.values())
    assert control["by_disposition"] == dict(by)


def test_escalations_say_when_they_were_due_when_they_fired_and_why_in_that_order(read: Read) -> None:
    columns = (
        "subject",
        "seq",
        "drill",
        "what",
        "late_seconds",
        "round",
        "step",
        "order",
        "by",
        "notify",
        "on_call",
    )
    assert picked(read("escalations.csv"), *columns) == [
        (INCIDENT, "3", "", "escalated", "2", "1", "1", "step 1 of 3", "tocsin", "oncall", ""),
        (INCIDENT, "10", "", "informed", "0", "", "", "inform 1", "tocsin", "boss", ""),
        (INCIDENT, "11", "", "step-passed", "", "1", "2", "acknowledged", "tocsin", "", ""),
        (INCIDENT, "12", "", "escalated-manually", "", "", "", "", "person:anna", "anna", "dba=zoe ops="),
        (DRILL, "2", "'=db-down", "escalated", "0", "1", "1", "step 1 of 3", "tocsin", "oncall", ""),
    ]
    first = read("escalations.csv")[0]
    assert (first["due"], first["fired"]) == (stamp(NOON + minutes(1)), stamp(NOON + minutes(1) + seconds(2)))


def test_a_delivery_has_its_times_its_outcome_and_the_first_and_last_receipt(read: Read) -> None:
    taken, failed, withdrawn = read("deliveries.csv")
    assert taken == {
        "subject": INCIDENT,
        "seq": "4",
        "recorded_at": stamp(NOON + minutes(2)),
        "drill": "",
        "delivery": "000002-anna-0",
        "kind": "escalation",
        "contact": "anna",
        "channel": "sms",
        "caused_by": "2",
        "owed_at": stamp(NOON),
        "sent_at": stamp(NOON + seconds(1)),
        "taken_at": stamp(NOON + minutes(1)),
        "attempts": "2",
        "outcome": "delivered",
        "status": "201",
        "provider_id": "SM1",
        "body_sha256": "d" * 64,
        "template": "page",
        "template_version": "3",
        "digest": "",
        "first_receipt": "delivered",
        "first_receipt_at": stamp(NOON + minutes(3)),
        "last_receipt": "read",
        "last_receipt_at": stamp(NOON + minutes(4)),
    }
    columns = ("seq", "kind", "outcome", "attempts", "status", "taken_at", "last_receipt")
    assert picked([failed, withdrawn], *columns) == [
        ("8", "escalation", "failed", "5", "", "", ""),
        ("14", "reminder", "withdrawn", "0", "", "", ""),
    ]


@pytest.mark.parametrize(("after", "known"), [(0, ""), (-1, "read")], ids=["at the end", "just before"])
def test_a_receipt_counts_if_it_was_recorded_before_the_weeks_end(after: int, known: str) -> None:
    story = Story().opened(NOON).delivered(NOON).receipt(SUNDAY + seconds(after), "read")
    (row,) = of(story, "deliveries.csv")
    assert row["last_receipt"] == known


def test_what_was_kept_from_people_stands_there_with_the_rule(read: Read) -> None:
    columns = ("subject", "seq", "what", "source", "kind", "contact", "rule", "count", "until")
    assert picked(read("suppressions.csv"), *columns) == [
        (INCIDENT, "2", "alert-suppressed", "generic", "", "", "default", "2", ""),
        (INCIDENT, "9", "message-held-back", "", "note", "bob", "throttle", "1", stamp(SUNDAY)),
        (INCIDENT, "11", "step-passed", "", "", "", "acknowledged", "1", ""),
        (INCIDENT, "14", "delivery-withdrawn", "", "reminder", "bob", "incident-over", "1", ""),
        (JOURNAL, "1", "alert-ignored", "grafana", "", "", "", "7", ""),
    ]


def test_plan_changes_say_what_changed_by_whom_and_what_decided(read: Read) -> None:
    columns = ("seq", "what", "by", "commit", "from", "rules_to", "changed", "more", "why", "figures")
    assert picked(read("plan_changes.csv"), *columns) == [
        ("4", "plan-changed", "person:anna", "1.2", "a" * 64, "c" * 64, "services.api steps", "1", "", ""),
        ("5", "rollout-ended", "tocsin", "", "a" * 64, "", "", "", "targets-hold", "reopen_rate/5/4.1//1"),
    ]


def test_coverage_is_counted_where_somebody_was_on_call(read: Read) -> None:
    columns = ("what", "rotation", "contact", "seconds", "covered_seconds")
    assert picked(read("oncall_coverage.csv"), *columns) == [
        ("shift", "ops", "anna", "28800", "28800"),
        ("shift", "dba", "", "7200", "0"),
        ("gap", "dba", "", "3600", "0"),
    ]


def test_action_items_stand_there_as_they_are_at_the_weeks_end_if_they_were_to_be_done_in_it(
    read: Read,
) -> None:
    columns = ("incident", "item", "status", "created", "changed", "done_at", "overdue")
    made, done, again = (stamp(at) for at in (BEFORE + hours(2), NOON, NOON + hours(1)))
    assert picked(read("action_items.csv"), *columns) == [
        (OLD, "A2", "open", made, made, "", "1"),
        (OLD, "A3", "in-progress", made, made, "", "0"),
        (OLD, "A4", "done", made, again, done, "0"),
    ]


@pytest.mark.parametrize(("due", "overdue"), [(-1, "1"), (0, "0"), (1, "0")])
def test_an_action_item_is_overdue_if_it_was_due_before_the_weeks_end(due: int, overdue: str) -> None:
    (row,) = of(Story().opened(NOON).item(NOON, "open", SUNDAY + seconds(due)), "action_items.csv")
    assert row["overdue"] == overdue


def test_reviews_say_what_was_written_and_how_late_they_were(read: Read) -> None:
    columns = (
        "incident",
        "seq",
        "overdue_reminders",
        "sections",
        "in_time",
        "overdue_seconds",
        "withdrawn_at",
    )
    assert picked(read("reviews.csv"), *columns) == [
        (INCIDENT, "16", "1", "lessons impact", "0", "7200", ""),
        (OLD, "5", "0", "", "0", str(2 * 24 * 3600 + 13 * 3600), stamp(NOON + hours(2))),
    ]
    first = read("reviews.csv")[0]
    assert first["reminded_at"] == stamp(NOON + hours(20))
    assert first["completed_at"] == stamp(NOON + hours(26))


@pytest.mark.parametrize(
    ("done", "in_time", "late"), [(-1, "1", "0"), (0, "1", "0"), (1, "0", "1")], ids=["before", "at", "after"]
)
def test_a_review_is_in_time_if_it_was_completed_when_due_or_before(
    done: int, in_time: str, late: str
) -> None:
    due = NOON + hours(1)
    story = (
        Story().opened(NOON).resolved(NOON).review_required(NOON, due).review_completed(due + seconds(done))
    )
    assert picked(of(story, "reviews.csv"), "in_time", "overdue_seconds") == [(in_time, late)]


@pytest.mark.parametrize(("due", "in_time"), [(-1, "0"), (0, ""), (1, "")])
def test_a_pending_review_is_late_if_it_was_due_before_the_weeks_end(due: int, in_time: str) -> None:
    story = Story().opened(NOON).resolved(NOON).review_required(NOON, SUNDAY + seconds(due))
    assert picked(of(story, "reviews.csv"), "in_time") == [(in_time,)]


def test_a_review_completed_and_an_item_done_before_the_week_are_not_told_again() -> None:
    story = (
        Story()
        .opened(BEFORE)
        .review_required(BEFORE, BEFORE)
        .review_completed(BEFORE)
        .item(BEFORE, "dropped", BEFORE)
        .alerts(NOON, updated=1)
    )
    assert of(story, "reviews.csv") == []
    assert of(story, "action_items.csv") == []
    assert len(of(story, "alerts.csv")) == 1


def test_access_says_who_did_what_to_which_records(read: Read) -> None:
    columns = ("what", "who", "object", "week", "range", "incident", "event", "keep_days", "texts")
    assert picked(read("access.csv"), *columns) == [
        ("accessed", "link:k1", "export-file", "2026-W47", "0-99", "", "", "", ""),
        ("erased", "person:anna", "text", "", "", INCIDENT, "4", "", "1"),
        ("purged", "tocsin", "texts", "", "", OLD, "", "90", "2"),
    ]


def test_incidents_say_when_somebody_was_told_when_it_was_mitigated_and_how_it_was_closed(read: Read) -> None:
    columns = ("id", "first_told_at", "mitigated_at", "resolved_by", "code")
    assert picked(read("incidents.csv"), *columns) == [
        (INCIDENT, stamp(NOON + minutes(1)), stamp(NOON + minutes(9)), "person", "fixed"),
        (OLD, "", "", "person", ""),
    ]


def test_what_is_mitigated_only_after_it_was_resolved_was_not_mitigated() -> None:
    story = Story().opened(NOON).resolved(NOON).tell("noted", NOON, {"kind": "mitigation"})
    assert picked(of(story, "incidents.csv"), "mitigated_at") == [("",)]
    monitored = Story().opened(NOON).tell("status-updated", NOON, {"status": "monitoring", "audiences": []})
    assert picked(of(monitored, "incidents.csv"), "mitigated_at") == [(stamp(NOON),)]


def test_a_resolution_after_a_reopening_is_not_that_of_the_opening() -> None:
    story = Story().opened(NOON).reopened(NOON).tell("noted", NOON, {"kind": "mitigation"}).resolved(NOON)
    columns = ("mitigated_at", "resolved_at", "resolved_by")
    assert picked(of(story, "incidents.csv"), *columns) == [("", "", "")]


@pytest.mark.parametrize(
    ("at", "rows"),
    [(-seconds(1), 0), (seconds(0), 1), (SUNDAY - MONDAY - seconds(1), 1), (SUNDAY - MONDAY, 0)],
)
def test_an_event_is_of_the_week_from_its_first_instant_to_before_its_end(at: object, rows: int) -> None:
    opened = Story().opened(MONDAY - hours(1)).tell("informed", MONDAY + at, {"nth": 1})  # type: ignore[operator]
    assert len(of(opened, "escalations.csv")) == rows


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless_in_every_file() -> None:
    evil = '=HYPERLINK("http://x")'
    shift = {"rotation": evil, "from": stamp(NOON), "until": stamp(NOON), "contact": evil}
    story = (
        Story()
        .opened(NOON, drill=evil)
        .tell("held-back", NOON, {"contact": evil, "kind": evil})
        .tell("delivered", NOON, {"contact": evil, "template": evil})
        .tell("action-item", NOON, {"item": "A1", "owner": evil, "due": stamp(NOON), "status": "open"})
        .tell("erased", NOON, {"what": evil}, evil)
        .tell("plan-changed", NOON, {"commit": evil, "changed": [evil]}, evil)
        .tell("on-call", NOON, {"shifts": [shift]})
    )
    exports, bundle = exported(MemoryTimelines().keep("acme", story.events))
    for name in (one for one in DATA if one.endswith(".csv")):
        for row in rows_in(exports.read(bundle.blob(name))):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values()), (name, row)


def test_the_manifest_says_where_each_timeline_begins_in_the_week_and_what_the_root_over_them_is(
    files: dict[str, bytes],
) -> None:
    stated = json.loads(files["manifest.json"])
    stories = (eventful.an_incident(), eventful.an_old_incident(), eventful.a_drill(), eventful.a_journal())
    firsts = (1, 10, 1, 1)
    heads = [(story.subject, len(story.events), story.events[-1].hash) for story in stories]
    assert stated["timelines"] == {
        subject: f"{first}-{length} {head}"
        for first, (subject, length, head) in zip(firsts, heads, strict=True)
    }
    assert stated["merkle_root"] == merkle.root(f"{one} {length} {head}" for one, length, head in heads)
    assert stated["events"] == {
        "total": sum(length for _, length, _ in heads),
        "in_week": sum(length for _, length, _ in heads) - 9,
        "first_recorded_at": stamp(NOON),
        "last_recorded_at": stamp(NOON + hours(26)),
    }
    assert stated["plans"] == ["a" * 64, "b" * 64]
    assert [file["name"] for file in stated["files"]] == list(DATA)


def test_a_timeline_that_is_carried_into_a_week_without_an_event_in_it_begins_at_0() -> None:
    exports, kept = MemoryExports(), MemoryTimelines().keep("acme", Story().opened(MONDAY - hours(1)).events)
    for week in ("2026-W46", WEEK):
        bundle = compile_week(a_plan(), week, kept, exports, "1.0", SUNDAY).bundle
        (begins,) = read_manifest(bundle, exports)["timelines"].values()
        assert begins.startswith("1-1 " if week < WEEK else "0-1 ")
    assert read_manifest(bundle, exports)["events"] == {
        "total": 1,
        "in_week": 0,
        "first_recorded_at": None,
        "last_recorded_at": None,
    }


@pytest.mark.parametrize("count", [*range(10), 16, 17, 33])
def test_the_root_is_the_one_of_rfc_6962_by_two_ways(count: int) -> None:
    lines = [f"INC-{n:08d}-1 {n + 1} {n:064x}" for n in range(count)]
    assert merkle.root(lines) == verify.merkle_root(lines).hex()


def test_the_root_over_nothing_one_and_two_leaves_is_known() -> None:
    assert merkle.root([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root([""]) == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.root(["a", "b"]) != merkle.root(["b", "a"])


def test_controls_count_the_events_and_rows_of_each_file(read: Read) -> None:
    rows = {(row["control"], row["file"]): row for row in read("controls.csv")}
    assert len(rows) == sum(len(control.files) for control in controls.CONTROLS)
    reviews = rows["SOC 2 CC7.5", "reviews.csv"]
    assert (reviews["events"], reviews["rows"]) == ("8", "2")
    assert rows["ISO 27001 A.5.28", "timeline.jsonl"]["rows"] == "45"
    assert rows["ISO 27001 A.8.16", "kpi.json"]["rows"] == ""


@pytest.mark.parametrize("file", [incidents_csv, drills_csv], ids=["incidents", "drills"])
def test_what_an_incident_or_a_drill_shows_is_read_from_the_types_that_are_named(file: ModuleType) -> None:
    apart = -2 if file is incidents_csv else None  # timeline_length and head_hash are of every event
    for told in (eventful.an_incident(), eventful.an_old_incident(), eventful.a_drill()):
        named = [event for event in told.events if event.type in file.TYPES]
        whole, part = (account_of(told.subject, one, MONDAY, SUNDAY) for one in (told.events, named))
        assert whole is not None
        assert file.row(whole).split(b",")[:apart] == file.row(part).split(b",")[:apart]


def test_a_drill_that_was_missed_makes_no_row_and_is_not_counted_as_one() -> None:
    kept = MemoryTimelines().keep("acme", Story(JOURNAL).tell("drill-missed", NOON, {"drill": "x"}).events)
    exports, bundle = exported(kept)
    [drills, *_] = [
        row for row in rows_in(exports.read(bundle.blob("controls.csv"))) if row["file"] == "drills.csv"
    ]
    assert (drills["events"], drills["rows"]) == ("0", "0")


def test_the_map_names_files_of_a_bundle_and_events_that_there_are() -> None:
    known = set(re.findall(r"`([a-z-]+)`", (ROOT / "docs/events.md").read_text(encoding="utf-8")))
    assert set(controls.PROOFS) <= set(DATA)
    assert {file for control in controls.CONTROLS for file in control.files} == set(controls.PROOFS)
    assert set(controls.by_type()) <= known


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.NAME)
def test_the_verifier_knows_the_columns_of_every_file(module: ModuleType) -> None:
    assert ",".join(module.COLUMNS) == verify.EVIDENCE[module.NAME]


def test_the_verifier_has_the_same_map() -> None:
    assert {one.name: (one.title, one.files) for one in controls.CONTROLS} == verify.CONTROL_FILES
    proofs = {file: (" ".join(proof.types), proof.proves) for file, proof in controls.PROOFS.items()}
    assert proofs == verify.PROOFS


def test_the_page_of_controls_is_the_one_that_the_map_writes() -> None:
    assert (ROOT / "docs/controls.md").read_text(encoding="utf-8") == controls.markdown()
