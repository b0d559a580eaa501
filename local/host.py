"""The local host: plays the part of Azure Functions for the app in a directory, on loopback.

``python -m local.host [--app DIR] [--data DIR] [--port N] [--memory]``
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from local import azurite
from local.azurite import AzuriteFailed
from local.functions import HTTP, QUEUE, TIMER, CannotLoad, Function, load_functions
from local.http_front import HttpFront
from local.http_server import HttpServer, PortTaken, bind
from local.install_azurite import InstallFailed
from local.invocations import Invocations
from local.queues import QueueListener, queue_listeners
from local.settings import BadSettings, apply_local_settings, read_host_json
from local.sign_in import SignIn
from local.signing_key import give_signing_key
from local.timers import RunNotes, Timers

log = logging.getLogger("local.host")

STORAGE_SETTINGS = ("AzureWebJobsStorage", "TOCSIN_STORAGE")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_AT_STOP = 10.0
FEWEST_THREADS = 32


class DataInUse(Exception):
    """Another host works on the data directory."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    app: Path
    data: Path
    port: int
    memory: bool
    keep_storage: bool
    storage_ports: azurite.Ports


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal to stop comes; the exit code."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    _let_signals_interrupt()
    try:
        with (
            _data_directory(options.data),
            contextlib.closing(bind(options.port)) as bound,
            _storage(options),
        ):
            return _serve(options, bound)
    except KeyboardInterrupt:
        return 130
    except (PortTaken, DataInUse, BadSettings, CannotLoad, AzuriteFailed, InstallFailed) as obstacle:
        print(f"Tocsin cannot start: {obstacle}", file=sys.stderr)
        return 1


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m local.host", description="Run the function app on loopback."
    )
    parser.add_argument(
        "--app", type=Path, default=Path(), help="the directory of function_app.py (default: here)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path(".local"), help="where data is kept (default: .local)"
    )
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("PORT") or 7071), help="0 takes a free one"
    )
    parser.add_argument("--memory", action="store_true", help="keep no data")
    parser.add_argument("--keep-storage", action="store_true", help="leave Azurite running at the end")
    parser.add_argument(
        "--storage-ports",
        type=int,
        nargs=3,
        default=(0, 0, 0),
        metavar=("BLOB", "QUEUE", "TABLE"),
        help="Azurite's ports (default: free ones)",
    )
    found = parser.parse_args(arguments)
    ports = azurite.Ports(*found.storage_ports)
    return Options(
        found.app.resolve(), found.data.resolve(), found.port, found.memory, found.keep_storage, ports
    )


@contextlib.contextmanager
def _data_directory(data: Path) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True)
    with (data / "host.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise DataInUse(f"another host works on {data}; choose another directory with --data") from taken
        yield


@contextlib.contextmanager
def _storage(options: Options) -> Iterator[None]:
    """Storage as the settings say; where they do not, an Azurite that an earlier host left, or a new one."""
    apply_local_settings(options.app, os.environ)
    given = _given_storage()
    if given is not None:
        if given:
            _tell_storage(given)
        yield
        return
    running = azurite.adopt_or_start(options.data, in_memory=options.memory, ports=options.storage_ports)
    _tell_storage(running.connection_string)
    try:
        yield
    finally:
        if not options.keep_storage:
            running.stop()


def _given_storage() -> str | None:
    """The settings' connection string; empty where they name services and an identity, None for nothing."""
    for name in STORAGE_SETTINGS:
        if not _is_open(name):
            return os.environ[name]
    named = any(key.startswith(f"{name}__") for key in os.environ for name in STORAGE_SETTINGS)
    return "" if named else None


def _is_open(name: str) -> bool:
    return os.environ.get(name, "") in ("", "UseDevelopmentStorage=true")


def _tell_storage(connection: str) -> None:
    for name in STORAGE_SETTINGS:
        if _is_open(name):
            os.environ[name] = connection


def _serve(options: Options, bound: socket.socket) -> int:
    port = bound.getsockname()[1]
    os.environ.update(WEBSITE_AUTH_ENABLED="True", WEBSITE_HOSTNAME=f"127.0.0.1:{port}")
    if not os.environ.get("PUBLIC_URL"):
        os.environ["PUBLIC_URL"] = f"http://127.0.0.1:{port}"  # so that links in notifications lead here
    give_signing_key(None if options.memory else options.data, os.environ)
    rules = read_host_json(options.app)
    os.chdir(options.app)
    functions: dict[str, list[Function]] = {kind: [] for kind in (HTTP, TIMER, QUEUE)}
    for function in load_functions(options.app):
        functions[function.kind].append(function)
    invocations = Invocations()
    front = HttpFront(functions[HTTP], rules.route_prefix, invocations, SignIn(port))
    notes = RunNotes(None if options.memory else options.data / "timers.json")
    timers = Timers(functions[TIMER], os.environ, invocations, notes)
    listeners = queue_listeners(functions[QUEUE], os.environ, rules.queues, invocations)
    server = HttpServer(front, bound, _threads())
    server.start()
    timers.start()
    for listener in listeners:
        listener.start()
    stop = _stop_signal()
    print(f"Tocsin is up: http://127.0.0.1:{port}", flush=True)
    while stop.empty():
        time.sleep(0.05)  # short, as a signal that another thread takes does not wake this one
    return _stop(server, timers, listeners, invocations)


def _threads() -> int:
    return max(FEWEST_THREADS, int(os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT") or FEWEST_THREADS))


def _stop_signal() -> SimpleQueue[int]:
    """Gets the first signal to stop; the second interrupts.

    A queue made for signal handlers: an Event's lock may be held by the thread that is interrupted.
    """
    asked: SimpleQueue[int] = SimpleQueue()

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.put(number)
        _let_signals_interrupt()

    for number in STOP_SIGNALS:
        signal.signal(number, ask)
    return asked


def _let_signals_interrupt() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)


def _stop(
    server: HttpServer, timers: Timers, listeners: list[QueueListener], invocations: Invocations
) -> int:
    deadline = time.monotonic() + PATIENCE_AT_STOP
    timers.stop()
    for listener in listeners:
        listener.stop()
    server.stop(deadline - time.monotonic())
    for listener in listeners:
        listener.finish(deadline - time.monotonic())
    abandoned = invocations.wait_until_idle(deadline - time.monotonic())
    if abandoned:
        log.warning("Stopped while these were running: %s", ", ".join(abandoned))
    return 1 if abandoned else 0


if __name__ == "__main__":
    code = main()
    if code:
        # Not sys.exit: it would wait for the threads of what was given up.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
