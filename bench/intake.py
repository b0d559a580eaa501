"""Ingest of distinct alerts against the bare SDK, and a storm of one alert: the local host from outside."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from bench import load, raw_sdk
from bench.plan import patient_plan
from local import azurite
from shared.adapters.deadline_index import DeadlineIndex
from shared.adapters.incident_tables import IncidentTables
from shared.adapters.journal_table import JournalTable
from shared.adapters.storage_clients import StorageClients
from shared.settings import StorageAccess
from tests.host_process import NEVER, running

CLIENTS = 32


@dataclass(frozen=True)
class Ingest:
    """Alerts a second and CPU milliseconds an alert, of the app and of the bare SDK."""

    app_rate: float
    raw_rate: float
    app_cpu_ms: float
    raw_cpu_ms: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Storm:
    """One alert, posted so often: how many heard 202, how often it was counted, in how many transactions."""

    posts: int
    accepted: int
    counted: int
    transactions: int
    seconds: float


def measure_ingest(folder: Path, alerts: int) -> Ingest:
    """Twice each, in the order app, SDK, SDK, app: storage gets slower as it fills."""
    with (
        azurite.start(folder / "storage", in_memory=True) as storage,
        running(
            folder,
            {"acme": patient_plan()},
            TOCSIN_STORAGE=storage.connection_string,
            ESCALATION_SCHEDULE=NEVER,
        ) as host,
    ):
        url = f"http://127.0.0.1:{host.port}"
        template = raw_sdk.template_of(storage.connection_string, _first(url))
        load.post(url, CLIENTS, 2 * CLIENTS, "distinct", "warm-up")
        process = psutil.Process(host.process.pid)
        heard: list[load.Heard] = []
        raw: list[raw_sdk.Done] = []
        cpu = 0.0
        for turn in ("app", "raw", "raw", "app"):
            if turn == "raw":
                raw.append(raw_sdk.measure(storage.connection_string, CLIENTS, alerts, template, folder))
                continue
            before = _cpu(process)
            heard.append(load.post(url, CLIENTS, alerts, "distinct", f"run{len(heard)}"))
            cpu += _cpu(process) - before
    if any(each.accepted != alerts for each in heard):
        raise AssertionError(f"not every alert was accepted: {heard}")
    return Ingest(
        app_rate=2 * alerts / sum(each.seconds for each in heard),
        raw_rate=2 * alerts / sum(each.seconds for each in raw),
        app_cpu_ms=cpu / (2 * alerts) * 1000,
        raw_cpu_ms=sum(each.cpu_seconds for each in raw) / (2 * alerts) * 1000,
        p50_ms=max(each.p50_ms for each in heard),
        p99_ms=max(each.p99_ms for each in heard),
    )


def measure_storm(folder: Path, posts: int) -> Storm:
    """Each transaction that stored posts of the alert left one event, which says how many."""
    with (
        azurite.start(folder / "storage", in_memory=True) as storage,
        running(
            folder,
            {"acme": patient_plan()},
            TOCSIN_STORAGE=storage.connection_string,
            ESCALATION_SCHEDULE=NEVER,
        ) as host,
    ):
        url = f"http://127.0.0.1:{host.port}"
        first = _first(url)
        heard = load.post(url, CLIENTS, posts, "same", "first-0")
        store = store_on(storage.connection_string)
        incident = store.load(first).incident
        transactions = sum(event.type == "alerts" for event in store.events(first)) - 1
    return Storm(posts, heard.accepted, incident.alert_count - 1, transactions, heard.seconds)


def store_on(connection: str) -> IncidentTables:
    """The app's own store, to look into what it has kept."""
    tables = StorageClients(StorageAccess(connection)).tables()
    index = DeadlineIndex(tables.get_table_client("Index"))
    journals = JournalTable(tables.get_table_client("Journal"), index)
    return IncidentTables(tables.get_table_client("Incidents"), index, journals)


def _first(url: str) -> str:
    """The id of the incident that a first alert opens."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("POST", load.PATH, load.alert("same", "first-0", 0), load.HEADERS)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["incidents"][0]["id"])


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
