"""Waitress on one loopback port, so that it can be stopped without cutting off an answer."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from typing import Any

import waitress  # type: ignore[import-untyped]
from waitress import wasyncore

from local.http_front import HttpFront

LARGEST_BODY = 100 * 1024 * 1024
MOST_CONNECTIONS = 1000


class PortTaken(Exception):
    """Somebody listens on the port already."""


def bind(port: int) -> socket.socket:
    """A socket on that port of 127.0.0.1, or on a free one for 0. Raises PortTaken."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
    except OSError as error:
        bound.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTaken(f"port {port} is taken; choose another with PORT or --port") from error
    return bound


class HttpServer:
    """Serves a front on a bound socket, on threads of its own."""

    def __init__(self, front: HttpFront, bound: socket.socket, threads: int) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._front = front
        self._server: Any = waitress.create_server(
            front,
            sockets=[bound],
            threads=threads,
            ident=None,
            max_request_body_size=LARGEST_BODY,
            connection_limit=MOST_CONNECTIONS,
            channel_timeout=120,
            asyncore_use_poll=True,
        )
        self._loop = threading.Thread(target=self._server.run, name="http", daemon=True)

    def start(self) -> None:
        """Take requests."""
        self._loop.start()

    def stop(self, seconds: float) -> None:
        """Take no more requests, and wait that long for the answers under way."""
        self._front.stop_taking()
        self._server.trigger.pull_trigger(lambda: wasyncore.dispatcher.close(self._server))
        deadline = time.monotonic() + seconds
        while not self._is_idle() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _is_idle(self) -> bool:
        dispatcher = self._server.task_dispatcher
        channels = list(self._server.active_channels.values())
        return not (dispatcher.active_count or dispatcher.queue or any(c.total_outbufs_len for c in channels))
