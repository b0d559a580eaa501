"""The local host from start to end: its timers and queues, and what a stop, a kill and a new start do."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from local import azurite
from tests.toy_host import ROOT, Answer, Receiver, cannot_start, running, settings, until_refused


def test_a_failing_message_is_tried_again_and_then_set_aside(
    toy_receiver: Receiver, storage: str, tmp_path: Path
) -> None:
    environment = settings(toy_receiver.url, storage)
    name = environment["TOY_QUEUE"]
    with (
        QueueClient.from_connection_string(storage, name) as messages,
        QueueClient.from_connection_string(storage, f"{name}-poison") as poison,
    ):
        messages.create_queue()
        messages.send_message("fail")
        messages.send_message("gut <&> böse")
        with running(tmp_path, environment) as host:
            told = [toy_receiver.next() for _ in range(4)]
            assert host.stop() == 0
        assert sorted((f["message"], f["dequeue_count"]) for f in told if "message" in f) == [
            ("fail", 1),
            ("fail", 2),
            ("gut <&> böse", 1),
        ]
        assert [message.content for message in poison.receive_messages()] == ["fail"]
        assert messages.get_queue_properties().approximate_message_count == 0


def test_timers_tick_and_run_at_the_start_where_they_say_so(
    toy_receiver: Receiver, storage: str, tmp_path: Path
) -> None:
    with running(tmp_path, settings(toy_receiver.url, storage, TOY_SCHEDULE="* * * * * *")) as host:
        told = [toy_receiver.next() for _ in range(3)]
        assert told == [{"timer": "tick", "past_due": False}] * 3
        assert host.stop(signal.SIGINT) == 0


def test_a_tick_missed_while_the_host_was_down_is_made_up_for_once(
    toy_receiver: Receiver, storage: str, tmp_path: Path
) -> None:
    environment = settings(toy_receiver.url, storage)
    with running(tmp_path, environment) as host:
        assert toy_receiver.next() == {"timer": "tick", "past_due": False}
        assert host.stop() == 0
    path = tmp_path / "timers.json"
    notes = json.loads(path.read_text())
    assert set(notes) == {"tick", "weekly"}
    notes["weekly"]["next"] = "2020-01-06T03:00:00+00:00"
    notes["tick"] |= {"next": "2020-01-01T00:00:00+00:00", "schedule": "0 0 * * * *"}
    path.write_text(json.dumps(notes))
    with running(tmp_path, environment) as host:
        told = [toy_receiver.next() for _ in range(2)]
        assert host.stop() == 0
    # The tick timer has another schedule than it had, so what it missed no longer counts.
    assert sorted(told, key=str) == [
        {"timer": "tick", "past_due": False},
        {"timer": "weekly", "past_due": True},
    ]
    assert json.loads(path.read_text())["weekly"]["next"] > "2026"


def test_a_stopping_host_finishes_what_it_has_begun(
    toy_receiver: Receiver, storage: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    answers: queue.Queue[Answer] = queue.Queue()
    with running(tmp_path, settings(toy_receiver.url, storage)) as host:
        waiting = threading.Thread(target=lambda: answers.put(host.call("GET", f"/toy/wait?gate={gate}")))
        waiting.start()
        while "waiting" not in toy_receiver.next():
            pass
        host.process.send_signal(signal.SIGTERM)
        until_refused(host)
        gate.write_text("done", encoding="utf-8")
        answer = answers.get(timeout=20)
        waiting.join()
        assert (answer.status, answer.body) == (200, b"done")
        assert host.process.wait(timeout=20) == 0


def test_what_keeps_the_host_from_starting_is_said_in_one_line(storage: str, tmp_path: Path) -> None:
    environment = settings(storage=storage)
    with running(tmp_path / "one", environment) as host:
        taken = f"port {host.port} is taken"
        assert taken in cannot_start(tmp_path / "two", environment, "--port", str(host.port))
        assert taken in cannot_start(tmp_path / "two", {**environment, "PORT": str(host.port)})
        assert "another host works on" in cannot_start(host.data, environment, "--port", "0")
        assert host.stop() == 0
    bad_schedule = {**environment, "TOY_SCHEDULE": "* * * * *"}
    assert "function tick: the schedule" in cannot_start(tmp_path / "two", bad_schedule, "--port", "0")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory whose Azurite does not outlive the test."""
    yield tmp_path
    azurite.stop_left(tmp_path)


def test_storage_outlives_a_killed_host_and_is_adopted_by_the_next(data: Path) -> None:
    with running(data, settings(), "--memory") as first:
        note = json.loads((data / "azurite.json").read_text())
        first.stop(signal.SIGKILL)
    with running(data, settings(), "--memory", "--keep-storage") as second:
        assert json.loads((data / "azurite.json").read_text()) == note
        assert second.stop() == 0
    with running(data, settings(), "--memory") as third:
        assert json.loads((data / "azurite.json").read_text()) == note
        assert third.stop(signal.SIGINT) == 0
    assert not (data / "azurite.json").exists()
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", note["ports"]["table"]).connect()


def test_an_app_that_cannot_be_loaded_leaves_no_storage_behind(data: Path) -> None:
    (data / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n")
    command = [sys.executable, "-m", "local.host", "--app", str(data), "--data", str(data), "--port", "0"]
    failed = subprocess.run(command, cwd=ROOT, env=settings(), capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "declares no function" in failed.stderr
    assert not (data / "azurite.json").exists()
