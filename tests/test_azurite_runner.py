"""Azurite as the host and the tests run it: found again after a kill, never mistaken for another process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from azure.data.tables import TableClient, TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local import azurite
from local.install_azurite import LOCKFILES, InstallFailed, azurite_command


def one_row(connection: str) -> TableClient:
    table = TableServiceClient.from_connection_string(connection).create_table_if_not_exists("Rows")
    table.upsert_entity({"PartitionKey": "p", "RowKey": "r", "word": "bell"})
    return table


def test_tables_queues_and_blobs_answer(storage: str) -> None:
    assert one_row(storage).get_entity("p", "r")["word"] == "bell"
    with QueueServiceClient.from_connection_string(storage) as queues:
        queue = queues.create_queue("answers")
        queue.send_message("ding")
        assert [message.content for message in queue.receive_messages()] == ["ding"]
    with BlobServiceClient.from_connection_string(storage) as blobs:
        blob = blobs.create_container("answers").upload_blob("a", b"dong")
        assert blob.download_blob().readall() == b"dong"


def test_data_outlives_a_stop(tmp_path: Path) -> None:
    with azurite.start(tmp_path) as first:
        one_row(first.connection_string).close()
    with azurite.start(tmp_path) as second:
        table = TableClient.from_connection_string(second.connection_string, "Rows")
        with table:
            assert table.get_entity("p", "r")["word"] == "bell"


def test_a_living_azurite_is_adopted_and_stopped_by_its_note(tmp_path: Path) -> None:
    with azurite.start(tmp_path, in_memory=True) as left_behind:
        adopted = azurite.adopt_or_start(tmp_path, in_memory=True)
        assert (adopted.pid, adopted.ports) == (left_behind.pid, left_behind.ports)
        adopted.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", adopted.ports.table))
    assert not (tmp_path / "azurite.json").exists()


def test_an_azurite_that_is_not_as_asked_for_is_replaced(tmp_path: Path) -> None:
    with (
        azurite.start(tmp_path, in_memory=True) as in_memory,
        azurite.adopt_or_start(tmp_path, in_memory=False) as on_disk,
    ):
        assert on_disk.pid != in_memory.pid


def test_a_note_that_names_another_process_harms_nobody(tmp_path: Path) -> None:
    ports = {"blob": 1, "queue": 2, "table": 3}
    note = {"pid": os.getpid(), "in_memory": True, "ports": ports}
    (tmp_path / "azurite.json").write_text(json.dumps(note))
    with azurite.adopt_or_start(tmp_path, in_memory=True) as started:
        assert started.pid != os.getpid()


def test_ports_are_taken_as_given_and_a_taken_one_is_reported(tmp_path: Path) -> None:
    with azurite.start(tmp_path / "one", in_memory=True) as one:
        with pytest.raises(azurite.AzuriteFailed, match="address already in use"):
            azurite.start(tmp_path / "two", in_memory=True, ports=one.ports)
        assert not (tmp_path / "two" / "azurite.json").exists()
    with azurite.start(tmp_path / "two", in_memory=True, ports=one.ports) as two:
        assert two.ports == one.ports


def test_the_lockfile_names_no_registry() -> None:
    lock = json.loads((LOCKFILES / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/azurite"]["version"] == "3.37.0"
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def a_machine_with(directory: Path, npm: str) -> dict[str, str]:
    """An environment whose Node.js is a stub and whose npm is this shell script."""
    directory.mkdir()
    for name, script in (("node", "echo v22.0.0"), ("npm", npm)):
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}


def test_two_installers_at_once_install_once(tmp_path: Path) -> None:
    environment = a_machine_with(tmp_path / "bin", f"echo run >> {tmp_path}/runs; mkdir node_modules")
    code = f"from local.install_azurite import *; azurite_command(Path({str(tmp_path / 'workshop')!r}))"
    installers = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [installer.wait(timeout=60) for installer in installers] == [0, 0, 0]
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_failed_installation_says_why_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = a_machine_with(tmp_path / "bad", "echo no network here; exit 7")
    monkeypatch.setenv("PATH", failing["PATH"])
    with pytest.raises(InstallFailed, match=r"failed \(7\):\nno network here"):
        azurite_command(tmp_path / "workshop")
    working = a_machine_with(tmp_path / "good", "exit 0")
    monkeypatch.setenv("PATH", working["PATH"])
    node, script = azurite_command(tmp_path / "workshop")
    assert node == str(tmp_path / "good" / "node")
    assert script.startswith(str(tmp_path / "workshop"))
