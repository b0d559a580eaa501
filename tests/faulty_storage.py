"""A proxy in front of storage that fails as clouds do: it refuses, resets, loses answers, and stalls.

Requests are signed over their path, not their host, so a client that is told the proxy's port is believed.
"""

from __future__ import annotations

import base64
import http.client
import random
import re
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

Kind = Literal["500", "503", "429", "reset", "lost", "half", "late 500", "stall", "late stall", "empty page"]
KINDS: dict[Kind, int] = {
    "500": 3,
    "503": 3,
    "429": 3,
    "reset": 3,
    "lost": 3,
    "half": 3,
    "late 500": 3,
    "stall": 1,
    "late stall": 1,
}
"""What chance chooses from, and how often each; ``lost``, ``half`` and the late ones happen after the request
did its work. An ``empty page`` (a query's first, with more to come) is only to be ordered."""
AFTERWARDS: frozenset[Kind] = frozenset({"lost", "half", "late 500", "late stall"})
_EXCUSE = b'{"odata.error": {}}'
_ENDPOINT = re.compile(r"(Table|Queue)Endpoint=http://127\.0\.0\.1:(\d+)/")

When = Callable[["Call"], bool]


@dataclass(frozen=True)
class Call:
    """One request on its way to storage."""

    service: str
    """``Table`` or ``Queue``."""
    method: str
    path: str
    body: bytes

    def names(self, text: str) -> bool:
        """Whether its path or body holds the text."""
        return text in self.path or text.encode() in self.body


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


_EMPTY_PAGE = _Answer(
    200,
    [
        ("Content-Type", "application/json"),
        ("x-ms-continuation-NextPartitionKey", base64.b64encode(b" ").decode()),
        ("x-ms-continuation-NextRowKey", base64.b64encode(b" ").decode()),
    ],
    b'{"value": []}',
)


@dataclass
class _Plan:
    """What is to fail: what the test orders comes first, then chance has its share."""

    random: random.Random
    rate: float
    kinds: dict[Kind, int]
    orders: deque[tuple[Kind, When, bool]] = field(default_factory=deque)
    doomed: set[bytes] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, call: Call) -> Kind | None:
        with self.lock:
            if call.body in self.doomed:
                return "reset"
            for order in list(self.orders):
                kind, when, for_good = order
                if when(call):
                    self.orders.remove(order)
                    self.doomed |= {call.body} if for_good else set()
                    return kind
            if self.random.random() >= self.rate:
                return None
            return self.random.choices(list(self.kinds), list(self.kinds.values()))[0]


class FaultyStorage:
    """``with FaultyStorage(connection, rate=0.2) as storage: …``: use ``storage.connection_string``."""

    def __init__(
        self, behind: str, *, rate: float = 0.0, seed: int = 0, kinds: dict[Kind, int] | None = None
    ) -> None:
        """``behind`` is the connection string of the storage that does the work."""
        self.calls: list[Call] = []
        self.faults: Counter[Kind] = Counter()
        self._plan = _Plan(random.Random(seed), rate, kinds or KINDS)  # noqa: S311  (replayable, not secret)
        self.stopping = threading.Event()
        self._servers: list[ThreadingHTTPServer] = []
        self.connection_string = _ENDPOINT.sub(self._stand_before, behind)
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            for server in self._servers
        ]

    def order(self, kind: Kind, when: When = lambda _: True, *, for_good: bool = False) -> None:
        """The next request that ``when`` says yes to fails like this, once.

        For good: whenever the client tries that very request again, it is reset and not done.
        """
        with self._plan.lock:
            self._plan.orders.append((kind, when, for_good))

    def fail(self, rate: float) -> None:
        """From now on this share of the requests fails."""
        with self._plan.lock:
            self._plan.rate = rate

    def heal(self) -> None:
        """No more faults."""
        with self._plan.lock:
            self._plan.rate = 0.0
            self._plan.orders.clear()
            self._plan.doomed.clear()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
        for thread in self._threads:
            thread.join()
        for server in self._servers:
            server.server_close()

    def _stand_before(self, endpoint: re.Match[str]) -> str:
        server = _Server(self, endpoint[1], int(endpoint[2]))
        self._servers.append(server)
        return f"{endpoint[1]}Endpoint=http://127.0.0.1:{server.server_port}/"

    def fault(self, call: Call) -> Kind | None:
        """How this request is to fail, if it is."""
        fault = self._plan.fault(call)
        self.calls.append(call)
        if fault is not None:
            self.faults[fault] += 1
        return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, storage: FaultyStorage, service: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.storage = storage
        self.service = service
        self.port = port

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (as inherited)
        """A client that hung up is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    upstream: http.client.HTTPConnection | None = None

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method of HTTP is served alike."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.server.service, self.command, self.path, body)
        fault = self.server.storage.fault(call)
        if fault is not None and fault not in AFTERWARDS:
            self._fail(fault)
            return
        answer = self._forward(call)
        if fault is None:
            self._say(answer)
        elif fault == "half":
            self._say(answer, cut=True)
            self._reset()
        else:
            self._fail(fault)

    def _forward(self, call: Call) -> _Answer:
        if self.upstream is None:
            self.upstream = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.upstream.request(call.method, call.path, call.body, dict(self.headers.items()))
        response = self.upstream.getresponse()
        dropped = ("transfer-encoding", "content-length", "connection", "keep-alive")
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in dropped]
        return _Answer(response.status, headers, response.read())

    def _fail(self, fault: Kind) -> None:
        if fault.endswith("stall"):
            self._hold()
        elif fault in ("reset", "lost"):
            self._reset()
        elif fault == "empty page":
            self._say(_EMPTY_PAGE)
        else:
            self._say(_Answer(int(fault[-3:]), [("Content-Type", "application/json")], _EXCUSE))

    def _say(self, answer: _Answer, *, cut: bool = False) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)

    def _hold(self) -> None:
        """Say nothing until the client gives up."""
        self.connection.settimeout(0.05)
        while not self.server.storage.stopping.is_set():
            with suppress(TimeoutError):
                if not self.connection.recv(1):
                    break
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def finish(self) -> None:
        """Hang up on storage as well."""
        if self.upstream is not None:
            self.upstream.close()
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at ``calls`` and ``faults``."""
