"""Values as rows and back, whatever is in them; and no row that the service would refuse, since Azurite takes
more than Azure does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters import table_rows as rows
from shared.adapters.row_texts import CUT, LONGEST_STRING, bounded, bounded_json
from shared.domain.change import AlertSeen
from shared.domain.delivery import Attempt, Delivery, Message
from shared.domain.incident import MOST_ALERTS, AlertState, Head, Incident, Ladder
from shared.domain.journal import Journal
from shared.domain.sla import Clock
from shared.domain.timeline import Event
from tests.builders import NOON, an_alert

FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
HOSTILE = ["\u0001", '"', "\\", "é", "語", "😀", "a"]
"""Characters that grow when they are escaped or encoded."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.sampled_from(HOSTILE).flatmap(
    lambda character: st.integers(0, 8_000).map(lambda length: character * length)
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
hexes = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
instants = st.integers(-(10**15), 10**16).map(lambda micros: NOON + timedelta(microseconds=micros))
maybe_instants = st.none() | instants
counts = st.integers(0, 2**31 - 1)
clocks = st.builds(Clock, maybe_instants, maybe_instants, st.booleans())
states = st.builds(AlertState, st.booleans(), instants, counts)
incidents = st.builds(
    Incident,
    partition=st.just("8Q2XK4ZR"),
    n=st.integers(1, 9_999_998),
    plan=names,
    source=st.none() | names,
    group=hexes,
    name=texts,
    service=names,
    severity=names,
    rules=hexes,
    opened_at=instants,
    title=texts.map(lambda text: text[:1_000]),
    summary=texts.map(lambda text: text[:4_000]),
    source_url=st.none() | names,
    status=st.sampled_from(["open", "acknowledged", "resolved"]),
    respond=clocks,
    resolve=clocks,
    ladder=st.none()
    | st.builds(Ladder, instants, counts, st.integers(0, 20), counts, st.booleans(), st.booleans()),
    acknowledged_at=maybe_instants,
    acknowledged_by=st.none() | names,
    acknowledgement_expires=maybe_instants,
    resolved_at=maybe_instants,
    resolved_by=st.none() | names,
    alerts=st.dictionaries(hexes, states, max_size=12),
    alert_count=counts,
    told=st.lists(names, max_size=5).map(tuple),
    week_due=maybe_instants,
    deliver_at=maybe_instants,
    deadline=maybe_instants,
    length=counts,
    head=hexes,
    recorded_at=maybe_instants,
    version=counts,
    week=names,
    commands=st.lists(hexes, max_size=16).map(tuple),
)
values = st.recursive(
    st.none() | st.booleans() | counts | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=6
)
events = st.builds(
    Event,
    subject=st.just("INC-8Q2XK4ZR-1"),
    seq=st.integers(1, 99_999_999),
    type=names,
    occurred_at=instants,
    recorded_at=instants,
    actor=names,
    data=st.dictionaries(names, values, max_size=5),
    previous=hexes,
    hash=hexes,
)
messages = st.builds(
    Message,
    kind=st.just("escalation"),
    plan=names,
    incident=st.just("INC-8Q2XK4ZR-1"),
    title=texts.map(lambda text: text[:1_000]),
    severity=names,
    service=names,
    status=st.just("open"),
    opened_at=instants,
    reason=texts,
    summary=texts.map(lambda text: text[:1_000]),
    source_url=st.none() | names,
    incident_url=st.none() | names,
)
attempts = st.builds(
    Attempt, instants, st.booleans(), st.none() | counts, st.none() | names, st.none() | texts
)
deliveries = st.builds(
    Delivery,
    id=st.just("000002-oncall-0"),
    incident=st.just("INC-8Q2XK4ZR-1"),
    contact=names,
    nth=st.integers(0, 20),
    channel=names,
    message=messages,
    idempotency_key=hexes,
    caused_by=counts,
    owed_at=instants,
    due_at=instants,
    state=st.sampled_from(["queued", "leased", "accepted", "failed"]),
    attempts=st.lists(attempts, max_size=5).map(tuple),
    claims=counts,
)
thoroughly = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@thoroughly
@given(incidents)
def test_an_incident_comes_back_as_it_went(incident: Incident) -> None:
    row = rows.incident_row(incident, "a b")
    assert rows.incident_of(row) == incident
    assert_fits(row)


@thoroughly
@given(events)
def test_an_event_comes_back_as_it_went(event: Event) -> None:
    row = rows.event_row("8Q2XK4ZR", rows.event_key(1, event.seq), event)
    assert rows.event_of(row) == event
    assert_fits(row)


@thoroughly
@given(deliveries)
def test_a_delivery_comes_back_as_it_went(delivery: Delivery) -> None:
    row = rows.delivery_row("8Q2XK4ZR", rows.owed_key(1, delivery.id), delivery)
    assert rows.delivery_of(row) == delivery
    assert_fits(row)


@thoroughly
@given(st.dictionaries(hexes, instants, max_size=64), counts)
def test_a_head_comes_back_as_it_went(early: dict[str, datetime], next_n: int) -> None:
    head = Head("a" * 64, next_n, early)
    row = rows.head_row("8Q2XK4ZR", head)
    assert rows.head_of(row) == head
    assert_fits(row)


@thoroughly
@given(
    labels=st.dictionaries(texts, texts, max_size=6),
    annotations=st.dictionaries(texts, texts, max_size=6),
    name=texts,
    url=st.none() | texts,
)
def test_an_alert_fits_its_row_whatever_its_labels(
    labels: dict[str, str], annotations: dict[str, str], name: str, url: str | None
) -> None:
    alert = replace(an_alert(), name=name, labels=labels, annotations=annotations, url=url)
    row = rows.alert_row(an_incident(), AlertSeen(alert, AlertState(True, NOON, 1), new=True), NOON)
    stored = rows.alert_of(row)
    assert_fits(row)
    if len(json.dumps(labels)) < 5_000:
        assert stored.labels == labels
    assert stored.name == name or stored.name.endswith(CUT)


@thoroughly
@given(st.text(max_size=400), st.integers(20, 500))
def test_a_text_that_is_cut_says_so_and_keeps_its_beginning(text: str, units: int) -> None:
    cut = bounded(text, units)
    assert units_of(cut) <= units
    assert cut == text or (cut.endswith(CUT) and text.startswith(cut.removesuffix(CUT)))


def test_labels_that_do_not_fit_are_cut_or_left_out_and_marked() -> None:
    long = json.loads(bounded_json({"short": "kept", "long": "x" * 40_000}))
    many = json.loads(bounded_json({f"{nth}" * 900: "v" for nth in range(100)}))

    assert long["short"] == "kept"
    assert long["long"].endswith(CUT)
    assert many[CUT] == CUT


def test_an_incident_with_as_many_alerts_as_it_can_have_fits_its_row() -> None:
    started = datetime(1600, 1, 1, tzinfo=UTC) + timedelta(microseconds=1)
    alerts = {f"{nth:032x}": AlertState(True, started, 2**31 - 1) for nth in range(MOST_ALERTS)}
    hostile = "\u0001" * 8_000
    incident = replace(
        an_incident(), alerts=alerts, name="😀" * 1_000, title="\u0001" * 1_000, summary=hostile
    )
    row = rows.incident_row(incident, " ".join(["c" * 12] * 16))

    assert rows.incident_of(row).alerts == alerts
    assert_fits(row)


def test_a_journal_s_head_fits_its_row() -> None:
    assert_fits(rows.journal_row("acme-20261118-0", Journal("acme", "20261118", 0), "c" * 12))


@pytest.mark.parametrize("character", HOSTILE)
def test_storage_gives_back_what_it_was_given(storage: str, character: str) -> None:
    text = character * 15_000
    event = Event("INC-8Q2XK4ZR-1", 1, "noted", NOON, NOON, "tocsin", {"text": text}, "0", "1")
    row = rows.event_row(f"rows{ord(character)}", "e|1", event)
    with TableServiceClient.from_connection_string(storage) as service:
        table = service.create_table_if_not_exists("Rows")
        table.create_entity(row)
        assert rows.event_of(table.get_entity(row["PartitionKey"], row["RowKey"])) == event


def an_incident() -> Incident:
    return Incident(
        "8Q2XK4ZR",
        1,
        "acme",
        "generic",
        "a" * 64,
        "HighErrorRate",
        "api",
        "P1",
        "b" * 64,
        NOON,
        week="2026-W47",
    )


def units_of(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def assert_fits(row: Mapping[str, Any]) -> None:
    """The service's own limits: properties, their sizes, and what keys may hold."""
    own = {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")}
    assert len(own) <= 252
    for value in own.values():
        assert isinstance(value, str | int)
        assert not isinstance(value, str) or units_of(value) <= LONGEST_STRING <= 32_768
        assert not isinstance(value, int) or -(2**31) <= value < 2**31
    for key in (row["PartitionKey"], row["RowKey"]):
        assert units_of(key) <= 512
        assert not FORBIDDEN.search(key)
    assert sum(2 * units_of(f"{name}{value}") + 16 for name, value in row.items()) <= 1024 * 1024
