"""Queue triggers of the local host, against real queues: encodings, leases, and where storage is."""

from __future__ import annotations

import base64
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import azure.functions as func
import pytest
from azure.storage.queue import QueueClient

from local.functions import QUEUE, CannotLoad, Function
from local.invocations import Invocations
from local.queues import QueueListener, queue_listeners
from local.settings import QueueRules

QUICK = timedelta(milliseconds=100)


def a_function(code: Callable[..., object], **trigger: str) -> Function:
    return Function("take", QUEUE, {"queueName": "q", **trigger}, code, "message", False, ".")


@pytest.fixture
def queues(storage: str) -> Iterator[tuple[QueueClient, QueueClient]]:
    """A queue of this test's own, and the place for its poison."""
    name = f"q-{uuid.uuid4().hex}"
    with (
        QueueClient.from_connection_string(storage, name) as messages,
        QueueClient.from_connection_string(storage, f"{name}-poison") as poison,
    ):
        messages.create_queue()
        yield messages, poison


@contextmanager
def listening(
    queues: tuple[QueueClient, QueueClient],
    code: Callable[..., object],
    rules: QueueRules,
    lease_seconds: int = 60,
) -> Iterator[None]:
    listener = QueueListener(a_function(code), *queues, rules, Invocations(), lease_seconds)
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        listener.finish(10)


def test_base64_is_decoded_and_what_is_not_base64_is_set_aside(
    queues: tuple[QueueClient, QueueClient],
) -> None:
    taken: queue.Queue[func.QueueMessage] = queue.Queue()
    messages, poison = queues

    def keep(message: func.QueueMessage) -> None:
        taken.put(message)

    messages.send_message("not base64!")
    messages.send_message(base64.b64encode('{"a": "ü"}'.encode()).decode())
    with listening(queues, keep, QueueRules(QUICK)):
        message = taken.get(timeout=20)
    assert taken.empty()
    assert message.get_json() == {"a": "ü"}
    assert message.dequeue_count == 1
    assert message.insertion_time is not None
    assert message.expiration_time is not None
    assert message.expiration_time > message.insertion_time
    assert [found.content for found in poison.receive_messages()] == ["not base64!"]
    assert messages.get_queue_properties().approximate_message_count == 0


def test_a_message_stays_hidden_for_as_long_as_its_function_runs(
    queues: tuple[QueueClient, QueueClient],
) -> None:
    messages, _ = queues
    began, may_end = threading.Event(), threading.Event()

    def take_long(message: func.QueueMessage) -> None:
        assert message.get_body() == b"slow"
        began.set()
        assert may_end.wait(timeout=30)

    messages.send_message("slow")
    with listening(queues, take_long, QueueRules(QUICK, base64=False), lease_seconds=5):
        assert began.wait(timeout=20)
        longer_than_a_lease = time.monotonic() + 7
        while time.monotonic() < longer_than_a_lease:
            assert list(messages.receive_messages()) == []
        may_end.set()
    assert messages.get_queue_properties().approximate_message_count == 0


def test_a_failed_message_stays_hidden_for_the_visibility_timeout(
    queues: tuple[QueueClient, QueueClient],
) -> None:
    messages, _ = queues
    taken: queue.Queue[int | None] = queue.Queue()

    def fail(message: func.QueueMessage) -> None:
        taken.put(message.dequeue_count)
        raise LookupError

    messages.send_message("bad")
    rules = QueueRules(QUICK, visibility_timeout=timedelta(minutes=5), base64=False)
    with listening(queues, fail, rules):
        assert taken.get(timeout=20) == 1
    assert list(messages.receive_messages()) == []
    assert messages.get_queue_properties().approximate_message_count == 1


def test_messages_beyond_a_batch_wait_for_room(queues: tuple[QueueClient, QueueClient]) -> None:
    messages, _ = queues
    began: queue.Queue[str] = queue.Queue()
    may_end = threading.Event()

    def take_long(message: func.QueueMessage) -> None:
        began.put(message.get_body().decode())
        assert may_end.wait(timeout=30)

    for number in range(5):
        messages.send_message(str(number))
    rules = QueueRules(QUICK, batch_size=2, new_batch_threshold=1, base64=False)
    with listening(queues, take_long, rules):
        first = [began.get(timeout=20) for _ in range(2)]
        with pytest.raises(queue.Empty):
            began.get(timeout=0.5)
        may_end.set()
        rest = [began.get(timeout=20) for _ in range(3)]
    assert sorted(first + rest) == ["0", "1", "2", "3", "4"]


def test_storage_is_found_by_the_name_of_the_connection(storage: str) -> None:
    def located(settings: dict[str, str], **trigger: str) -> str:
        function = a_function(print, **trigger)
        [listener] = queue_listeners([function], settings, QueueRules(), Invocations())
        return listener.address

    own = storage.replace("devstoreaccount1", "own")
    given = {
        "AzureWebJobsStorage": storage,
        "OWN": own,
        "BY_ID__queueServiceUri": "https://x.example",
        "NAME": "n",
    }
    assert "/devstoreaccount1/q" in located(given)
    assert "/devstoreaccount1/n" in located(given, queueName="%NAME%", connection="MISSING")
    assert "/own/q" in located(given, connection="OWN")
    assert located(given, connection="BY_ID") == "https://x.example/q"
    with pytest.raises(CannotLoad, match="no setting OWN"):
        located({}, connection="OWN")
    with pytest.raises(CannotLoad, match="NAME, which is not set"):
        located({"AzureWebJobsStorage": storage}, queueName="%NAME%")
