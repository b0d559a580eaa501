"""Storage fails a fifth of the time, in every way it can; nothing promised is lost, nothing is done twice."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest

from shared.adapters import storage_clients
from shared.adapters.sources.generic import Generic
from shared.domain.errors import StoreUnavailable
from shared.domain.timeline import Event, first_break
from tests.builders import NOON, a_directory, a_severity, minutes, some_rules
from tests.faulty_storage import KINDS, FaultyStorage
from tests.stage import Stage

RATE = 0.2
THREADS = 8
POSTS = 240
GROUPS = 5
MOST_SWEEPS = 60


@pytest.fixture
def faulty(storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStorage]:
    monkeypatch.setitem(storage_clients.TIMING, "read_timeout", 0.4)
    with FaultyStorage(storage, seed=7) as faulty:
        yield faulty


@pytest.fixture
def stage(faulty: FaultyStorage) -> Iterator[Stage]:
    with Stage(faulty.connection_string) as stage:
        stage.rules(some_rules(a_severity(respond_within=minutes(5), resolve_within=None)))
        stage.directory(a_directory(oncall=("log",), lead=("log",), manager=("log",)))
        yield stage
        faulty.heal()


class Senders:
    """Monitoring systems that post an alert, once more where they hear 503, and keep what they heard."""

    def __init__(self, stage: Stage) -> None:
        self.receive = replace(stage.receive, sources={"generic": Generic()})
        self.plan = stage.name
        self.heard: Counter[str] = Counter()
        self.posts: Counter[str] = Counter()
        self.incidents: dict[str, str] = {}
        self._lock = threading.Lock()

    def post(self, number: int) -> None:
        """Raises what the workflow raises, unless it is StoreUnavailable."""
        group = f"group-{number % GROUPS}"
        alert = {"name": "HighErrorRate", "group": group, "fingerprint": f"{group}-{number % 3}"}
        body = json.dumps({**alert, "started_at": NOON.isoformat()}).encode()
        for _ in range(2):
            with self._lock:
                self.posts[group] += 1
            try:
                [outcome] = self.receive.receive(self.plan, "generic", {}, body, NOON)
            except StoreUnavailable:
                continue
            with self._lock:
                self.heard[group] += 1
                assert outcome.id is not None
                assert self.incidents.setdefault(group, outcome.id) == outcome.id
            return


def test_alerts_and_escalations_survive_a_storage_that_fails_a_fifth_of_the_time(
    faulty: FaultyStorage, stage: Stage
) -> None:
    faulty.fail(RATE)
    senders = Senders(stage)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(senders.post, range(POSTS)))
    for instant in (NOON, NOON + minutes(16), NOON + minutes(31), NOON + minutes(46)):
        sweep_until_quiet(stage, instant)
    faulty.heal()

    assert set(faulty.faults) == set(KINDS)
    assert len(senders.incidents) == GROUPS
    for group, incident in senders.incidents.items():
        assert_counted(stage, incident, at_least=senders.heard[group], at_most=senders.posts[group])
        assert_all_done_once(stage, incident)
    reached = Counter(stage.told())
    assert all(reached[contact] >= GROUPS for contact in ("oncall", "lead", "manager"))


def sweep_until_quiet(stage: Stage, at: datetime) -> None:
    """As the timer does each minute: what is due, whatever became of the minute before."""
    for nth in range(MOST_SWEEPS):
        try:
            if stage.sweep(at + minutes(nth)) == 0:
                return
        except ExceptionGroup as failures:
            _, others = failures.split(StoreUnavailable)
            if others:
                raise
    raise AssertionError("there is always something due")


def assert_counted(stage: Stage, id: str, at_least: int, at_most: int) -> None:
    incident = stage.incident(id)
    assert at_least <= incident.alert_count <= at_most
    alerts = [event.data["alerts"] for event in stage.events(id) if event.type == "alerts"]
    listed = sum(entry["count"] for entries in alerts for entry in entries)
    kept = sum(row.count for row in stage.store.alerts(incident))
    assert listed == kept == sum(state.count for state in incident.alerts.values()) == incident.alert_count


def assert_all_done_once(stage: Stage, id: str) -> None:
    incident, events = stage.incident(id), stage.events(id)
    assert first_break(events) is None
    assert [event.data["step"] for event in of_type(events, "escalated")] == [1, 2, 3]
    assert len(of_type(events, "exhausted")) == 1
    assert len(of_type(events, "breached")) == 1
    deliveries = stage.store.deliveries(incident)
    assert {delivery.state for delivery in deliveries} == {"accepted"}
    recorded = Counter(event.data["delivery"] for event in of_type(events, "delivered"))
    assert recorded == Counter(delivery.id for delivery in deliveries)
    assert {delivery.contact for delivery in deliveries} == {"oncall", "lead", "manager"}
    assert stage.store.owed(incident) == []


def of_type(events: Sequence[Event], type: str) -> list[Event]:
    return [event for event in events if event.type == type]
