"""Feeds queue triggers: takes messages, holds them while their function runs, then deletes or gives back."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.functions.queue import QueueMessage
from azure.storage.queue import QueueClient
from azure.storage.queue import QueueMessage as StoredMessage

from local.functions import CannotLoad, Function
from local.invocations import Invocations
from local.settings import QueueRules, expand

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1
LEASE_SECONDS = 600
# A host that waits for ever on a storage that has gone cannot stop.
PATIENCE = {"connection_timeout": 5, "read_timeout": 20, "retry_total": 2, "retry_backoff_factor": 0.2}


@dataclass
class Held:
    """A message that a function is working on, hidden from others until its lease ends."""

    message: StoredMessage
    pop_receipt: str
    hidden_since: float
    finished: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class QueueListener:
    """One queue trigger; ``lease_seconds`` is how long a message stays hidden if this process dies."""

    def __init__(
        self,
        function: Function,
        queue: QueueClient,
        poison: QueueClient,
        rules: QueueRules,
        invocations: Invocations,
        lease_seconds: int = LEASE_SECONDS,
    ) -> None:
        self._function = function
        self._queue = queue
        self._poison = poison
        self._rules = rules
        self._invocations = invocations
        self._lease_seconds = lease_seconds
        self._held: dict[str, Held] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._failing = False
        self._workers = ThreadPoolExecutor(rules.batch_size + rules.new_batch_threshold, function.name)
        self._poller = threading.Thread(target=self._poll, name=f"{function.name}-poll", daemon=True)

    @property
    def address(self) -> str:
        """The queue's URL."""
        return str(self._queue.url)

    def start(self) -> None:
        """Take messages."""
        self._poller.start()

    def stop(self) -> None:
        """Take no more messages."""
        self._stopping = True
        self._wake.set()
        self._poller.join(timeout=2)
        self._workers.shutdown(wait=False)

    def finish(self, seconds: float) -> None:
        """Wait that long until what was taken is deleted or given back."""
        deadline = time.monotonic() + seconds
        while self._held and time.monotonic() < deadline:
            time.sleep(0.01)

    def _poll(self) -> None:
        longest = self._rules.max_polling_interval.total_seconds()
        pause = FIRST_PAUSE
        while not self._stopping:
            self._wake.clear()
            self._renew()
            if len(self._held) > self._rules.new_batch_threshold:
                self._wake.wait(self._lease_seconds / 4)
            elif self._take():
                pause = FIRST_PAUSE
            else:
                self._wake.wait(min(pause, self._lease_seconds / 4))
                pause = min(pause * 2, longest)

    def _take(self) -> bool:
        try:
            messages = list(
                self._queue.receive_messages(
                    max_messages=self._rules.batch_size, visibility_timeout=self._lease_seconds
                )
            )
        except ResourceNotFoundError:
            return False  # the app makes its queue when it first needs it
        except AzureError as error:
            if not self._failing:
                log.warning("Queue %s cannot be read: %s", self._queue.queue_name, _first_line(error))
            self._failing = True
            return False
        self._failing = False
        for message in messages:
            held = Held(message, str(message.pop_receipt), time.monotonic())
            self._held[message.id] = held
            self._workers.submit(self._work, held)
        return bool(messages)

    def _work(self, held: Held) -> None:
        try:
            body = self._decode(held.message.content)
            failed = body is None or self._run(held.message, body)
            with held.lock:
                held.finished = True
                self._settle(held, failed, hopeless=body is None)
        except AzureError as error:
            log.warning("Message %s comes back later: %s", held.message.id, _first_line(error))
        finally:
            del self._held[held.message.id]
            self._wake.set()

    def _run(self, message: StoredMessage, body: bytes) -> bool:
        argument = QueueMessage(
            id=message.id,
            body=body,
            dequeue_count=message.dequeue_count,
            expiration_time=message.expires_on,
            insertion_time=message.inserted_on,
            time_next_visible=message.next_visible_on,
            pop_receipt=message.pop_receipt,
        )
        return self._invocations.run(self._function, argument).failed

    def _settle(self, held: Held, failed: bool, hopeless: bool) -> None:
        message = held.message
        if failed and not hopeless and (message.dequeue_count or 0) < self._rules.max_dequeue_count:
            again_in = int(self._rules.visibility_timeout.total_seconds())
            self._queue.update_message(message.id, held.pop_receipt, visibility_timeout=again_in)
            return
        if failed:
            self._set_aside(message)
        self._queue.delete_message(message.id, held.pop_receipt)

    def _set_aside(self, message: StoredMessage) -> None:
        log.error("Message %s goes to queue %s", message.id, self._poison.queue_name)
        with contextlib.suppress(ResourceExistsError):
            self._poison.create_queue()
        self._poison.send_message(message.content)

    def _renew(self) -> None:
        for held in list(self._held.values()):
            with held.lock:
                if held.finished or time.monotonic() - held.hidden_since < self._lease_seconds / 2:
                    continue
                try:
                    renewed = self._queue.update_message(
                        held.message.id, held.pop_receipt, visibility_timeout=self._lease_seconds
                    )
                except AzureError as error:
                    log.warning("Message %s may run twice: %s", held.message.id, _first_line(error))
                    continue
                held.pop_receipt, held.hidden_since = str(renewed.pop_receipt), time.monotonic()

    def _decode(self, content: str) -> bytes | None:
        if not self._rules.base64:
            return content.encode()
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            return None


def _first_line(error: AzureError) -> str:
    return str(error).partition("\n")[0]


def queue_listeners(
    functions: Iterable[Function], settings: Mapping[str, str], rules: QueueRules, invocations: Invocations
) -> list[QueueListener]:
    """A listener for each queue trigger, on the storage that its ``connection`` names. Raises CannotLoad."""
    listeners = []
    for function in functions:
        name = _queue_name(function, settings)
        where = _connection(function, settings)
        queue, poison = _client(where, name), _client(where, f"{name}-poison")
        listeners.append(QueueListener(function, queue, poison, rules, invocations))
    return listeners


def _queue_name(function: Function, settings: Mapping[str, str]) -> str:
    try:
        return expand(function.trigger["queueName"], settings)
    except ValueError as fault:
        raise CannotLoad(f"function {function.name}: {fault}") from fault


def _connection(function: Function, settings: Mapping[str, str]) -> str:
    """A connection string, or the address of a queue service that takes an identity."""
    named = function.trigger.get("connection") or "AzureWebJobsStorage"
    for name in (
        named,
        f"{named}__queueServiceUri",
        "AzureWebJobsStorage",
        "AzureWebJobsStorage__queueServiceUri",
    ):
        if settings.get(name):
            return settings[name]
    raise CannotLoad(f"function {function.name}: no setting {named}, and no AzureWebJobsStorage")


def _client(where: str, name: str) -> QueueClient:
    options: dict[str, Any] = dict(PATIENCE)
    if where.startswith(("http://", "https://")):
        from azure.identity import DefaultAzureCredential

        return QueueClient(where, name, credential=DefaultAzureCredential(), **options)
    return QueueClient.from_connection_string(where, name, **options)
