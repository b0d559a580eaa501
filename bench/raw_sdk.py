"""The bare storage SDK doing the round trips of one first alert, over and over: what the app is held against.

``python -m bench.raw_sdk CONNECTION CLIENTS TIMES TEMPLATE``, the template as `template_of` makes it.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableServiceClient, UpdateMode
from azure.storage.queue import QueueClient

ROOT = Path(__file__).resolve().parent.parent
HIDDEN_SECONDS = 6 * 60 * 60
Row = dict[str, Any]


@dataclass(frozen=True)
class Template:
    """The rows that the app has stored for one first alert, and its incident's id."""

    incident: str
    incidents: list[Row]
    index: list[Row]


@dataclass(frozen=True)
class Done:
    """Seconds on the wall and of CPU for so many first alerts."""

    times: int
    seconds: float
    cpu_seconds: float


def template_of(connection: str, incident: str) -> Template:
    """Read what the app has stored for the incident."""
    partition = incident.split("-")[1]
    with TableServiceClient.from_connection_string(connection) as service:
        incidents = service.get_table_client("Incidents").query_entities(f"PartitionKey eq '{partition}'")
        index = service.get_table_client("Index").list_entities()
        own = [dict(row) for row in index if row["RowKey"].endswith(incident)]
        return Template(incident, [dict(row) for row in incidents], own)


def measure(connection: str, clients: int, times: int, template: Template, folder: Path) -> Done:
    """Run it in a process of its own and wait for it."""
    kept = folder / "template.json"
    kept.write_text(json.dumps(asdict(template)), encoding="utf-8")
    command = [sys.executable, "-m", "bench.raw_sdk", connection, str(clients), str(times), str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return Done(**json.loads(done.stdout))


def run(connection: str, clients: int, times: int, template: Template) -> Done:
    """Place, index, incident, queue: as the app does for a first alert."""
    tables = TableServiceClient.from_connection_string(connection, transport=_transport())
    incidents, index = tables.get_table_client("Incidents"), tables.get_table_client("Index")
    queue = QueueClient.from_connection_string(connection, "advance", transport=_transport())
    prepared = [_renamed(template) for _ in range(times + 1)]
    numbers = count(1)

    def first_alert(incident: str, pointers: list[Row], rows: list[Row]) -> None:
        named = {"partition": incident.split("-")[1], "low": "i|", "high": "i}"}
        where = "PartitionKey eq @partition and RowKey ge @low and RowKey lt @high"
        list(incidents.query_entities(where, parameters=named, results_per_page=2))
        index.submit_transaction([("upsert", row, {"mode": UpdateMode.MERGE}) for row in pointers])
        incidents.submit_transaction([("create", row) for row in rows])
        queue.send_message(incident, visibility_timeout=HIDDEN_SECONDS)

    def client() -> None:
        while (number := next(numbers)) <= times:
            first_alert(*prepared[number])

    first_alert(*prepared[0])
    threads = [threading.Thread(target=client) for _ in range(clients)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Done(times, time.perf_counter() - began, time.process_time() - cpu)


def _renamed(template: Template) -> tuple[str, list[Row], list[Row]]:
    """The template's rows for an incident of another name."""
    partition = secrets.token_hex(4).upper()
    incident = f"INC-{partition}-1"
    index, rows = (
        json.loads(json.dumps(each).replace(template.incident, incident))
        for each in (template.index, template.incidents)
    )
    return incident, index, [row | {"PartitionKey": partition} for row in rows]


def _transport() -> RequestsTransport:
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
    return RequestsTransport(session=session, session_owner=False)


if __name__ == "__main__":
    kept = Template(**json.loads(Path(sys.argv[4]).read_text(encoding="utf-8")))
    print(json.dumps(asdict(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), kept))))
