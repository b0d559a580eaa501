"""A real HTTP server on a free loopback port that plays the provider: it records, and answers by script."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_NEXT_MOMENT = 0.05
"""Seconds between the pieces of an answer that drips."""


@dataclass(frozen=True)
class Request:
    """One request as it came; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401  (whatever was sent)
        """The body, parsed."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One answer of the script."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    after: float = 0.0
    """Seconds to wait before answering; a receiver that stops does not wait on."""
    drip: bool = False
    """Send the body byte by byte, and then never end it."""
    drip_head: bool = False
    """Never end the headers."""
    reset: bool = False
    """Hang up with a TCP reset instead of answering."""


Answering = Callable[[Request], Reply]
Scripted = Reply | int | Answering


class HttpReceiver:
    """An HTTP (or, given a TLS context, HTTPS) server: ``with HttpReceiver() as receiver: …``."""

    def __init__(self, otherwise: Scripted = 200, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        """``otherwise`` answers what is not scripted; port 0 takes a free one."""
        self.requests: list[Request] = []
        self.connections = 0
        self.otherwise = otherwise
        self._script: deque[Scripted] = deque()
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", port), _handler_for(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, without a slash at its end."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def script(self, replies: Iterable[Scripted]) -> None:
        """Answer the next requests with these, in order: a `Reply`, a status, or a function."""
        self._script.extend(replies)

    def received(self, count: int, seconds: float = 5.0) -> list[Request]:
        """The requests so far, as soon as there are ``count``; AssertionError when there never are."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.requests) >= count, timeout=seconds):
                raise AssertionError(f"{len(self.requests)} requests in {seconds} s, not {count}")
            return list(self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._thread.join()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()  # waits for the threads that answer

    def opened(self, connection: socket.socket) -> None:
        """A client connected."""
        self.connections += 1
        self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """A connection ended."""
        self._open.discard(connection)

    def reply_to(self, request: Request) -> Reply:
        """Record the request and choose its answer."""
        with self._news:
            self.requests.append(request)
            chosen = self._script.popleft() if self._script else self.otherwise
            self._news.notify_all()
        if isinstance(chosen, int):
            return Reply(chosen)
        return chosen if isinstance(chosen, Reply) else chosen(request)

    def pause(self, seconds: float) -> bool:
        """Wait; False where the receiver stops meanwhile."""
        return not self._stopping.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (the library's signature)
        """A client that hangs up is part of the play."""


def _handler_for(receiver: HttpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            receiver.opened(self.connection)

        def finish(self) -> None:
            receiver.closed(self.connection)
            super().finish()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            _answer(self, receiver, receiver.reply_to(Request(self.command, self.path, headers, body)))

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815  (http.server's names)

        def log_message(self, format: str, *args: object) -> None:
            """Tests read `requests`."""

    return Handler


def _answer(handler: BaseHTTPRequestHandler, receiver: HttpReceiver, reply: Reply) -> None:
    if reply.after and not receiver.pause(reply.after):
        return
    if reply.reset:
        _reset(handler)
        return
    handler.send_response(reply.status)
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    if reply.drip_head:
        handler.flush_headers()
        _drip(handler, receiver, b"X-More: ")
        return
    length = len(reply.body) + (1 if reply.drip else 0)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    if reply.drip:
        _drip(handler, receiver, reply.body)
    elif handler.command != "HEAD":
        handler.wfile.write(reply.body)


def _drip(handler: BaseHTTPRequestHandler, receiver: HttpReceiver, start: bytes) -> None:
    """Send ``start`` byte by byte; then keep the line open, without ever ending what was begun."""
    handler.close_connection = True
    for byte in start:
        handler.wfile.write(bytes([byte]))
        if not receiver.pause(_NEXT_MOMENT):
            return
    while receiver.pause(_NEXT_MOMENT):
        if start.endswith(b": "):
            handler.wfile.write(b"x")


def _reset(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
