"""What tests share: a storage account of their own, and the ear of the toy app."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest
from hypothesis import settings

from local import azurite
from tests.toy_host import Receiver

settings.register_profile("tocsin", deadline=None)  # how fast a test runs is not what it tests
settings.load_profile("tocsin")


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of an Azurite that this test process has to itself; it forgets all at the end."""
    with azurite.start(tmp_path_factory.mktemp("storage"), in_memory=True) as running:
        yield running.connection_string


@pytest.fixture
def toy_receiver() -> Iterator[Receiver]:
    """An HTTP server that keeps what is posted to it."""
    receiver = Receiver("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.facts.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
