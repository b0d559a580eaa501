"""Where the demo's notifications arrive: a real HTTP server and a real mail server on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Heard = Callable[[str, str], None]
"""Told (where it arrived, what it says)."""


class Inbox:
    """What has arrived; the address ``/flaky`` answers 503 to the first call, as busy providers do."""

    def __init__(self, key: str, heard: Heard) -> None:
        self.key = key.encode()
        self.heard = heard
        self.arrived: list[dict[str, Any]] = []
        self.refused = 0
        self._changed = threading.Condition()

    def take(self, path: str, headers: Any, body: bytes) -> int:  # noqa: ANN401  (the library's headers)
        """The status to answer with."""
        signed = headers.get("X-Tocsin-Timestamp", "").encode() + b"." + body
        expected = "sha256=" + hmac.new(self.key, signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("X-Tocsin-Signature", ""), expected):
            return 401
        if path == "/flaky" and not self.refused:
            self.refused += 1
            self.heard(path, "is busy and answers 503; Tocsin will come again")
            return 503
        note = json.loads(body)
        self.note(path, f"{note['kind']} [{note['severity']}] {note['title']}: {note['reason']}", note)
        return 200

    def note(self, where: str, what: str, note: dict[str, Any]) -> None:
        """Something arrived and was taken."""
        with self._changed:
            self.arrived.append(note | {"where": where})
            self._changed.notify_all()
        self.heard(where, what)

    def wait_for(self, wanted: Callable[[list[dict[str, Any]]], bool], seconds: float) -> bool:
        """Whether what has arrived became what is ``wanted`` in time."""
        with self._changed:
            return self._changed.wait_for(lambda: wanted(self.arrived), timeout=seconds)


@contextmanager
def hook(inbox: Inbox) -> Iterator[str]:
    """Serves the inbox over HTTP; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(inbox.take(self.path, self.headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """The demo tells its own story."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def mailbox(inbox: Inbox) -> Iterator[str]:
    """Serves the inbox over SMTP; yields the SMTP URL."""
    from aiosmtpd.controller import Controller

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: ANN401, ARG002, N802
            mail = message_from_bytes(envelope.content, policy=default)
            to = envelope.rcpt_tos[0]
            inbox.note(f"mail to {to}", str(mail["Subject"]), {"kind": "mail", "to": to})
            return "250 taken"

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"smtp://127.0.0.1:{port}?starttls=off"
    finally:
        controller.stop()
