"""Whatever events tell, the maker and the verifier derive the same rows from them, each by its own way."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.timeline import Event, record, stamp
from shared.kpi import verify
from shared.kpi.evidence import Evidence
from tests.stories import MONDAY, SUNDAY, Story

SPAN = (SUNDAY - MONDAY) // timedelta(minutes=1)
MINUTES = st.integers(-SPAN // 4, SPAN - 1)
DUES = st.integers(-SPAN // 4, SPAN + SPAN // 4).map(lambda at: stamp(MONDAY + timedelta(minutes=at)))
TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Z", "Cc"]), max_size=9)
PLAIN = (
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | st.sampled_from(["=1+1", ' "@x', "a;-b", "’"])
)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(TEXTS, PLAIN, max_size=3)
ALERTS = st.fixed_dictionaries(
    {
        "disposition": st.sampled_from(["opened", "suppressed", "ignored", "pending"]),
        "count": st.integers(1, 9),
    },
    optional={
        "source": st.none() | st.just("grafana"),
        "fingerprint": VALUES,
        "rule": VALUES,
        "started_at": DUES,
        "ended_at": st.none() | DUES,
        "state": VALUES,
        "incident": PLAIN,
    },
)
SPANS = st.fixed_dictionaries({"rotation": TEXTS, "from": DUES, "until": DUES, "contact": st.none() | TEXTS})
FIGURES = st.none() | st.lists(
    st.dictionaries(st.sampled_from(["kpi", "old", "new", "holds"]), PLAIN), max_size=2
)
KEYS = sorted({*",".join(verify.EVIDENCE.values()).split(","), "of", "nth", "rounds", "to"} - {"figures"})
ANYTHING = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=9)
ACTORS = st.sampled_from(["tocsin", "person:anna", "source:generic", "link:k1", "channel:sms"])
STATES = st.sampled_from(["delivered", "read", "undelivered"])
DELIVERIES = st.sampled_from(["one", "two"])
ANYTHING_OF = (
    *verify.ESCALATIONS,
    *verify.KEPT_BACK,
    *verify.ACCESS,
    *verify.ROLLOUT,
    "plan-changed",
    "breached",
)
ITEMS = st.fixed_dictionaries(
    {
        "item": st.sampled_from(["A1", "A10", "A2"]),
        "due": DUES,
        "status": st.sampled_from(["open", "in-progress", "done", "dropped"]),
    },
    optional={"owner": VALUES, "priority": VALUES},
)


def event_data() -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """A type and data that such an event may have, and much that it may not."""

    def of(types: tuple[str, ...], data: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.tuples(st.sampled_from(types), data)

    anything = st.builds(lambda data, figures: {**data, "figures": figures}, ANYTHING, FIGURES)
    delivery = st.builds(lambda data, one: {**data, "delivery": one}, ANYTHING, DELIVERIES)
    return st.one_of(
        of(("alerts", "dispositions"), st.fixed_dictionaries({"alerts": st.lists(ALERTS, max_size=3)})),
        of(ANYTHING_OF, anything),
        of(tuple(verify.OUTCOMES), delivery),
        of(("receipt",), st.fixed_dictionaries({"delivery": DELIVERIES, "state": STATES})),
        of(("on-call",), st.fixed_dictionaries({"shifts": st.lists(SPANS, max_size=3)})),
        of(("coverage-gap",), SPANS),
        of(("action-item",), ITEMS),
        of(("review-required",), st.fixed_dictionaries({"due": DUES})),
        of(("review-reminded", "review-overdue", "review-completed", "reopened"), st.just({})),
        of(("review-noted",), st.fixed_dictionaries({"section": st.sampled_from(["impact", "lessons"])})),
        of(("opened",), st.fixed_dictionaries({"drill": st.none() | TEXTS})),
    )


def made(events: list[Event], folder: Path) -> dict[str, bytes]:
    evidence = Evidence(folder, MONDAY, SUNDAY)
    for _ in evidence.passing(events):
        pass
    evidence.settle(events[0].subject)
    for spool in evidence.spools.values():
        spool.close()
    return {name: b"".join(spool.pieces()) for name, spool in evidence.spools.items()}


def derived(events: list[Event]) -> dict[str, bytes]:
    files = {name: [header.encode() + b"\n"] for name, header in verify.EVIDENCE.items()}
    told = verify.Told(events[0].subject, [record(one) for one in events], stamp(MONDAY), stamp(SUNDAY))
    for name, cells in told.rows():
        files[name].append(verify.csv_line(cells.get(key) for key in verify.EVIDENCE[name].split(",")))
    return {name: b"".join(lines) for name, lines in files.items()}


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(MINUTES, ACTORS, event_data()), min_size=1, max_size=12))
def test_the_rows_are_the_same(told: list[tuple[int, str, tuple[str, dict[str, Any]]]]) -> None:
    story, opened = Story(), False
    for at, actor, (type, data) in sorted(told, key=lambda one: one[0]):
        if type != "opened" or not opened:
            story.tell(type, MONDAY + timedelta(minutes=at), data, actor)
        opened = opened or type == "opened"
    with tempfile.TemporaryDirectory() as folder:
        assert made(story.events, Path(folder)) == derived(story.events)
