"""A week with every kind of fact that the evidence files tell of: incidents, a drill and a journal."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

from shared.domain.timeline import stamp
from shared.kpi.shelf import Bundle
from shared.workflows.export_kpis import compile_week
from tests.builders import a_plan, hours, minutes, seconds
from tests.stories import ANNA, MONDAY, SUNDAY, WEEK, Story
from tests.working_fakes import MemoryExports, MemoryTimelines

NOON = MONDAY + timedelta(days=2, hours=12)
BEFORE = MONDAY - hours(6)
INCIDENT, OLD, DRILL, JOURNAL = (
    "INC-00000001-1",
    "INC-00000002-1",
    "INC-00000003-1",
    "JRN-acme-20261118-0",
)
DELIVERY = {
    "delivery": "000002-anna-0",
    "kind": "escalation",
    "contact": "anna",
    "channel": "sms",
    "caused_by": 2,
    "owed_at": stamp(NOON),
}


def an_incident() -> Story:
    """Escalated, told, held back, mitigated, resolved, reviewed."""
    sent = {"sent_at": stamp(NOON + seconds(1)), "attempts": 2, "status": 201, "provider_id": "SM1"}
    made = {"body_sha256": "d" * 64, "template": "page", "template_version": 3, "digest": None}
    gone = DELIVERY | {"delivery": "000002-bob-0", "contact": "bob"}
    return (
        Story(INCIDENT)
        .opened(NOON)
        .alerts(NOON, opened=1, suppressed=2)
        .escalated(NOON + minutes(1), 1, late=2)
        .tell("delivered", NOON + minutes(2), DELIVERY | sent | made, occurred=NOON + minutes(1))
        .tell("first-told", NOON + minutes(2), {"contact": "anna"}, occurred=NOON + minutes(1))
        .receipt(NOON + minutes(3), "delivered", "000002-anna-0")
        .receipt(NOON + minutes(4), "read", "000002-anna-0")
        .tell("delivery-failed", NOON + minutes(4), gone | {"attempts": 5, "status": None})
        .tell("held-back", NOON + minutes(5), {"contact": "bob", "kind": "note", "until": stamp(SUNDAY)})
        .tell(
            "informed", NOON + minutes(6), {"nth": 1, "notify": ["boss"], "on_call": None, "late_seconds": 0}
        )
        .tell("step-passed", NOON + minutes(7), {"round": 1, "step": 2, "why": "acknowledged"})
        .tell(
            "escalated-manually",
            NOON + minutes(8),
            {"to": "anna", "on_call": {"dba": "zoe", "ops": None}},
            ANNA,
        )
        .tell("noted", NOON + minutes(9), {"kind": "mitigation", "audience": "internal"}, ANNA)
        .tell("delivery-withdrawn", NOON + minutes(10), gone | {"kind": "reminder", "attempts": 0})
        .tell("resolved", NOON + minutes(10), {"by": "person", "code": "fixed"}, ANNA)
        .review_required(NOON + minutes(10), NOON + hours(24))
        .tell("review-reminded", NOON + hours(20), {"due": stamp(NOON + hours(24)), "late_seconds": 0})
        .tell("review-noted", NOON + hours(21), {"section": "lessons", "text_sha256": "a" * 64}, ANNA)
        .tell("review-noted", NOON + hours(21), {"section": "impact", "text_sha256": "b" * 64}, ANNA)
        .tell("review-noted", NOON + hours(22), {"section": "lessons", "text_sha256": "c" * 64}, ANNA)
        .tell("review-overdue", NOON + hours(25), {"late_seconds": 3600, "nth": 1})
        .review_completed(NOON + hours(26))
    )


def an_old_incident() -> Story:
    """From the week before, with things still to be done, things done then, and alerts of both weeks."""
    return (
        Story(OLD)
        .opened(BEFORE)
        .alerts(BEFORE, opened=1, ignored=4)
        .escalated(BEFORE + minutes(1), 1)
        .resolved(BEFORE + hours(1))
        .review_required(BEFORE + hours(1), MONDAY + hours(1))
        .item(BEFORE + hours(2), "done", BEFORE, "A1")
        .item(BEFORE + hours(2), "open", MONDAY, "A2")
        .item(BEFORE + hours(2), "in-progress", SUNDAY, "A3")
        .item(BEFORE + hours(2), "open", SUNDAY, "A4")
        .item(NOON, "done", SUNDAY, "A4")
        .item(NOON + hours(1), "done", SUNDAY, "A4")
        .reopened(NOON + hours(2))
        .alerts(NOON + hours(2), updated=5)
    )


def a_drill() -> Story:
    """Whose rows carry its name."""
    return Story(DRILL).opened(NOON, drill="=db-down").escalated(NOON + minutes(1), 1)


def a_journal() -> Story:
    """What the plan does by itself, and what is done with its records."""
    shifts = [
        {"rotation": "ops", "from": stamp(NOON), "until": stamp(NOON + hours(8)), "contact": "anna"},
        {"rotation": "dba", "from": stamp(NOON), "until": stamp(NOON + hours(2)), "contact": None},
    ]
    figures = [{"kpi": "reopen_rate", "target": 5, "old": "4.1", "new": None, "holds": True}]
    changed = {"from": "a" * 64, "to": "b" * 64, "rules_from": None, "rules_to": "c" * 64, "commit": "1.2"}
    return (
        Story(JOURNAL)
        .tell("dispositions", NOON, {"alerts": [{"disposition": "ignored", "count": 7, "source": "grafana"}]})
        .tell("on-call", NOON, {"from": stamp(NOON), "until": stamp(NOON + hours(8)), "shifts": shifts})
        .tell(
            "coverage-gap",
            NOON,
            {"rotation": "dba", "from": stamp(SUNDAY), "until": stamp(SUNDAY + hours(1))},
        )
        .tell("plan-changed", NOON, changed | {"changed": ["services.api", "steps"], "more": 1}, ANNA)
        .tell(
            "rollout-ended",
            NOON,
            {"from": "a" * 64, "why": "targets-hold", "stable": "b", "figures": figures},
        )
        .tell("accessed", NOON, {"what": "export-file", "week": WEEK, "range": "0-99"}, "link:k1")
        .tell("erased", NOON, {"what": "text", "incident": INCIDENT, "event": 4, "texts": 1}, ANNA)
        .tell("purged", NOON, {"what": "texts", "incident": OLD, "keep_days": 90, "events": 0, "texts": 2})
    )


def timelines() -> MemoryTimelines:
    """All of them."""
    stories = (an_incident(), an_old_incident(), a_drill(), a_journal())
    return MemoryTimelines().keep("acme", *(story.events for story in stories))


def exported(kept: MemoryTimelines | None = None) -> tuple[MemoryExports, Bundle]:
    """The week, compiled."""
    exports = MemoryExports()
    return exports, compile_week(a_plan(), WEEK, kept or timelines(), exports, "1.0", SUNDAY).bundle


def rows_in(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
