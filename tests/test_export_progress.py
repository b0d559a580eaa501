"""How far compilations are, on real storage."""

from __future__ import annotations

import secrets as random_names

import pytest

from shared.adapters.export_progress_table import ExportProgressTable
from shared.adapters.ledger_table import LedgerTable
from shared.adapters.storage_clients import StorageClients
from shared.export_ports import Progress
from shared.settings import StorageAccess
from tests.builders import NOON


@pytest.fixture
def said(storage: str) -> ExportProgressTable:
    clients = StorageClients(StorageAccess(storage))
    clients.make_containers()
    return ExportProgressTable(clients.tables().get_table_client("Agenda"))


def test_what_is_wanted_or_under_way_is_listed_by_week_and_nothing_else_is(said: ExportProgressTable) -> None:
    plan = f"o'brien-{random_names.token_hex(4)}"
    wanted, compiling, done, failed = (
        Progress(state, 1, 2, NOON, NOON, by="person:1")
        for state in ("wanted", "compiling", "done", "failed")
    )
    said.put(plan, "2026-W49", wanted)
    said.put(plan, "2026-W47", compiling)
    said.put(plan, "2026-W48", done)
    said.put(plan, "2026-W46", failed)
    said.put(f"{plan}-2", "2026-W45", wanted)
    LedgerTable(said.table).save(plan, "exports", {"state": "wanted"}, None)
    assert list(said.wanted(plan)) == ["2026-W47", "2026-W49"]
    assert said.get(plan, "2026-W49") == wanted
    assert said.get(plan, "2026-W44") is None
