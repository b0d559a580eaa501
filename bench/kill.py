"""The host is killed at random moments under load, again and again; what it promised must be there at last.

Azurite outlives the host and is adopted by the next. ``python -m bench.kill [TIMES] [SEED]``
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import load
from bench.intake import store_on
from bench.plan import eager_plan
from local import azurite
from shared.adapters.incident_tables import IncidentTables
from shared.app import build
from shared.domain.incident import Incident
from shared.domain.timeline import Event, first_break, parse_stamp
from shared.ports import Selection
from tests.receivers import HttpReceiver
from tests.toy_host import UP

ROOT = Path(__file__).resolve().parent.parent
SENDERS = 6
OCCURRENCES = 3
"""Firings of a group before it is resolved."""
SETTLED = ("delivered", "delivery-withdrawn")
MOMENT = 0.02
MOST_SWEEPS = 200
STEPS = (timedelta(0), timedelta(seconds=1))
"""After how long the plan's steps fire."""


@dataclass
class Promises:
    """What senders sent and what they were promised by a 202."""

    posts: Counter[str] = field(default_factory=Counter)
    """Tries by fingerprint."""
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Firings that heard 202, by incident and fingerprint."""
    resolved: set[str] = field(default_factory=set)
    """Incidents whose resolution heard 202."""
    odd: list[str] = field(default_factory=list)
    """Answers that nobody should ever get."""


@dataclass
class Verdict:
    """What a run of kills has shown; ``faults`` is empty where everything held."""

    kills: int
    posts: int
    promised: int
    incidents: int
    delivered: int
    faults: list[str]


class Sender(threading.Thread):
    """A monitoring system that sends an alert until it hears 202, then the next."""

    def __init__(self, name: str, address: list[str], stop: threading.Event) -> None:
        super().__init__(name=name)
        self.address = address
        self.stop = stop
        self.promises = Promises()

    def run(self) -> None:
        """Groups of its own, each fired a few times and then resolved."""
        for number in range(100_000):
            fingerprint = f"{self.name}-{number}"
            for nth in range(OCCURRENCES + 1):
                status = "firing" if nth < OCCURRENCES else "resolved"
                if not self._send_until_heard(fingerprint, status):
                    return

    def _send_until_heard(self, fingerprint: str, status: str) -> bool:
        body = {
            "name": "HighErrorRate",
            "fingerprint": fingerprint,
            "group": fingerprint,
            "severity": "P1",
            "status": status,
            "started_at": load.STARTED_AT,
        }
        while not self.stop.is_set():
            self.promises.posts[fingerprint] += status == "firing"
            answer = self._post(json.dumps(body).encode())
            if answer is not None:
                self._keep(fingerprint, status, answer)
                return True
            self.stop.wait(MOMENT)
        return False

    def _post(self, body: bytes) -> dict[str, str] | None:
        """The outcome where it is a 202."""
        connection = http.client.HTTPConnection(self.address[0], timeout=20)
        try:
            connection.request("POST", load.PATH, body, load.HEADERS)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if answer.status not in (202, 503):
            self.promises.odd.append(f"{answer.status}: {said[:200]!r}")
        if answer.status != 202:
            return None
        outcome: dict[str, str] = json.loads(said)["incidents"][0]
        return outcome

    def _keep(self, fingerprint: str, status: str, outcome: dict[str, str]) -> None:
        if status == "resolved":
            self.promises.resolved.add(outcome["id"])
        elif outcome["action"] in ("opened", "updated"):
            self.promises.kept[outcome["id"], fingerprint] += 1
        else:
            self.promises.odd.append(f"a firing of {fingerprint} was {outcome['action']}")


def run(folder: Path, times: int, seed: int = 0, longest: float = 1.5) -> Verdict:
    """Kill the host so often, each time after up to ``longest`` seconds of load, and hold it to its word."""
    moments = random.Random(seed)  # noqa: S311  (replayable, not secret)
    stop = threading.Event()
    address = ["127.0.0.1:9"]
    senders = [Sender(f"sender{nth}", address, stop) for nth in range(SENDERS)]
    with HttpReceiver() as hook, _storage_of(folder):
        environment = _environment(folder, hook.url)
        try:
            for nth in range(times + 1):
                process, port = _start(folder, environment)
                address[0] = f"127.0.0.1:{port}"
                if not nth:
                    for sender in senders:
                        sender.start()
                stop.wait(moments.uniform(0.0, longest))
                if nth == times:
                    stop.set()
                    for sender in senders:
                        sender.join()
                _kill(process)
        finally:
            stop.set()
        storage = azurite.adopt_or_start(folder).connection_string
        _fast_forward(environment | {"TOCSIN_STORAGE": storage})
        return _verdict(times, [sender.promises for sender in senders], store_on(storage), hook)


@contextmanager
def _storage_of(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        azurite.stop_left(folder)


def _environment(folder: Path, hook: str) -> dict[str, str]:
    plans = folder / "plans"
    plans.mkdir(parents=True, exist_ok=True)
    (plans / "acme.yaml").write_text(eager_plan(hook), encoding="utf-8")
    own = {
        "PLANS_DIR": str(plans),
        "ESCALATION_SCHEDULE": "* * * * * *",
        "EXPORT_SCHEDULE": "0 0 0 1 1 *",
        "SECRET_PEOPLE_KEY": "only measured",
    }
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | own


def _start(folder: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[str], int]:
    """A host in a process group of its own, which adopts the storage of the one before."""
    command = [sys.executable, "-m", "local.host", "--data", str(folder), "--port", "0", "--keep-storage"]
    with (folder / "host.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
            start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None  # noqa: S101  (asked for above)
    up = UP.fullmatch(process.stdout.readline())
    if up is None:
        _kill(process)
        raise AssertionError((folder / "host.log").read_text()[-4_000:])
    return process, int(up[1])


def _kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    with process:
        process.wait()


def _fast_forward(environment: dict[str, str]) -> None:
    """Sweep as the timer would, a minute later each time, until nothing is due for a day."""
    app = build(environment, ROOT)
    now = datetime.now(UTC)
    for nth in range(MOST_SWEEPS):
        instant = now + timedelta(minutes=nth)
        if app.advance_incidents.sweep(lambda at=instant: at) == 0 and nth > 30:  # type: ignore[misc]
            return
    raise AssertionError("there is always something due")


def _verdict(times: int, all_promises: list[Promises], store: IncidentTables, hook: HttpReceiver) -> Verdict:
    faults: list[str] = []
    posts = sum((each.posts for each in all_promises), Counter[str]())
    kept = sum((each.kept for each in all_promises), Counter[tuple[str, str]]())
    received = {request.headers["idempotency-key"] for request in hook.requests}
    incidents = list(_incidents(store))
    known = {incident.id: incident for incident in incidents}
    for each in all_promises:
        faults += each.odd
        faults += [f"{id} is not resolved" for id in each.resolved if known[id].status != "resolved"]
    for (id, fingerprint), count in kept.items():
        faults += _lost(store, known.get(id), fingerprint, count, posts[fingerprint])
    delivered = 0
    for incident in incidents:
        events = list(store.events(incident.id))
        delivered += sum(event.type == "delivered" for event in events)
        faults += [f"{incident.id}: {fault}" for fault in _missing(store, incident, events, received)]
    return Verdict(times, posts.total(), kept.total(), len(incidents), delivered, faults)


def _incidents(store: IncidentTables) -> Iterator[Incident]:
    cursor = None
    while True:
        page = store.page(Selection(lambda _: True, frozenset({"acme"}), cursor=cursor, limit=200))
        yield from page.incidents
        cursor = page.cursor
        if cursor is None:
            return


def _lost(
    store: IncidentTables, incident: Incident | None, fingerprint: str, promised: int, posts: int
) -> Iterator[str]:
    if incident is None:
        yield f"the incident of {fingerprint} is not there"
        return
    counted = sum(row.count for row in store.alerts(incident))
    if not promised <= counted <= posts:
        yield f"{fingerprint} was promised {promised} times and counted {counted} of {posts}"


def _missing(
    store: IncidentTables, incident: Incident, events: list[Event], received: set[str]
) -> Iterator[str]:
    broken = first_break(events)
    if broken is not None or len(events) != incident.length:
        yield f"the chain breaks at {broken}, {len(events)} of {incident.length} events"
    fired = [event.data["step"] for event in events if event.type == "escalated"]
    if fired not in (_steps(incident, incident.resolved_at), _steps(incident, _resolution(events))):
        yield f"steps {fired} fired, opened {incident.opened_at}, resolved {incident.resolved_at}"
    due = [(event, parse_stamp(event.data["due"])) for event in events if event.type == "escalated"]
    if any(event.recorded_at < instant for event, instant in due):
        yield "a step fired before it was due"
    deliveries = store.deliveries(incident)
    settled = Counter(event.data["delivery"] for event in events if event.type in SETTLED)
    if settled != Counter(delivery.id for delivery in deliveries):
        yield f"{len(deliveries)} deliveries and {settled.total()} outcomes on the timeline"
    for delivery in deliveries:
        moot = delivery.state == "withdrawn" and delivery.moot(incident.status)
        if not moot and (delivery.state != "accepted" or delivery.idempotency_key not in received):
            yield f"delivery {delivery.id} is {delivery.state}"


def _steps(incident: Incident, end: datetime | None) -> list[int]:
    """The steps that were due before the end."""
    until = end or datetime.max.replace(tzinfo=UTC)
    return [nth for nth, after in enumerate(STEPS, start=1) if incident.opened_at + after < until]


def _resolution(events: list[Event]) -> datetime | None:
    """When the resolution was stored: a step that fell due while it waited its turn was right to fire."""
    return next((event.recorded_at for event in events if event.type == "resolved"), None)


def main() -> int:
    """As many kills as asked for; 1 where something was lost."""
    times, seed = (int(text) for text in (*sys.argv[1:3], *("10", "0")[len(sys.argv[1:3]) :]))
    with tempfile.TemporaryDirectory() as folder:
        verdict = run(Path(folder), times, seed)
    print(verdict)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
