"""Runs Azurite, the emulator of Azure Storage, for the local host and the tests, on free loopback ports."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.install_azurite import azurite_command

ACCOUNT = "devstoreaccount1"
# Not a secret: every emulator of Azure Storage knows this account by this key. In pieces, so that no scanner
# takes it for one.
ACCOUNT_KEY = "".join(
    ("Eby8vdM02xNOcqFlqUwJPL", "lmEtlCDXJ1OUzFT50uSRZ6", "IFsuFq2UVErCz4I6tq/K1S", "ZFPTOtr/KBHBeksoGMGw==")
)
LISTENING = re.compile(
    r"Azurite (Blob|Queue|Table) service is successfully listening at http://127\.0\.0\.1:(\d+)"
)


class AzuriteFailed(Exception):
    """Azurite did not start; the message holds what it printed."""


@dataclass(frozen=True)
class Ports:
    """The loopback ports of the three services; 0 stands for any free one."""

    blob: int = 0
    queue: int = 0
    table: int = 0


ANY_FREE = Ports()


class Azurite:
    """A running Azurite, noted in ``azurite.json`` of its data directory; stopped where a ``with`` ends."""

    def __init__(self, data_dir: Path, pid: int, ports: Ports, child: subprocess.Popen[bytes] | None) -> None:
        self.data_dir = data_dir
        self.pid = pid
        self.ports = ports
        self._child = child

    @property
    def connection_string(self) -> str:
        """For any Azure Storage client."""
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};"
            for service, port in asdict(self.ports).items()
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};{endpoints}"

    def stop(self) -> None:
        """Let it write what it holds, and end it; by force after ten seconds. Harmless when it is gone."""
        _end(self.pid, self.data_dir, self._child)
        _note_path(self.data_dir).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    data_dir: Path, *, in_memory: bool = False, ports: Ports = ANY_FREE, seconds: float = 60
) -> Azurite:
    """Start an Azurite that keeps its data in ``data_dir``, or nowhere, and wait until all of it answers.

    It runs in a process group of its own and outlives this process unless it is stopped.
    Raises AzuriteFailed, and InstallFailed where it had to be installed first.
    """
    data_dir = data_dir.resolve()
    _location(data_dir).mkdir(parents=True, exist_ok=True)
    node, script = azurite_command()
    command = [node, _mark(data_dir), script, *_options(data_dir, in_memory, ports)]
    # Output goes to a file: a pipe would break under an Azurite that outlives this process.
    with _log_path(data_dir).open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _write_note(data_dir, child.pid, in_memory, None)
        found = _wait_until_ready(data_dir, child, seconds)
        _write_note(data_dir, child.pid, in_memory, found)
    except BaseException:
        _end(child.pid, data_dir, child)
        _note_path(data_dir).unlink(missing_ok=True)
        raise
    return Azurite(data_dir, child.pid, found, child)


def adopt_or_start(data_dir: Path, *, in_memory: bool = False, ports: Ports = ANY_FREE) -> Azurite:
    """The Azurite that an earlier process left on ``data_dir``, if it is as asked for, or a new one."""
    data_dir = data_dir.resolve()
    note = _read_note(data_dir)
    if note is None or not _is_ours(note["pid"], data_dir):
        return start(data_dir, in_memory=in_memory, ports=ports)
    left = Azurite(data_dir, note["pid"], Ports(**(note["ports"] or {})), None)
    if note["in_memory"] == in_memory and _satisfies(left.ports, ports) and _answers(left.ports):
        return left
    left.stop()
    return start(data_dir, in_memory=in_memory, ports=ports)


def stop_left(data_dir: Path) -> None:
    """End the Azurite that an earlier process left running on ``data_dir``, if there is one."""
    data_dir = data_dir.resolve()
    note = _read_note(data_dir)
    if note is not None:
        Azurite(data_dir, note["pid"], ANY_FREE, None).stop()


def _options(data_dir: Path, in_memory: bool, ports: Ports) -> list[str]:
    # Not --loose: what Azurite does not know shall fail here, not be ignored here and fail in Azure.
    options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    for service, port in asdict(ports).items():
        options += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
    return (
        [*options, "--inMemoryPersistence"]
        if in_memory
        else [*options, "--location", str(_location(data_dir))]
    )


def _wait_until_ready(data_dir: Path, child: subprocess.Popen[bytes], seconds: float) -> Ports:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise AzuriteFailed(f"Azurite ended with code {child.returncode}:\n{_output(data_dir)}")
        found = {service.lower(): int(port) for service, port in LISTENING.findall(_output(data_dir))}
        if len(found) == 3 and _answers(ports := Ports(**found)):
            return ports
        time.sleep(0.02)
    raise AzuriteFailed(f"Azurite did not answer within {seconds:g} s:\n{_output(data_dir)}")


def _answers(ports: Ports) -> bool:
    return all(port and _is_azurite(service, port) for service, port in asdict(ports).items())


def _is_azurite(service: str, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/{ACCOUNT}?comp=list")
        server = connection.getresponse().getheader("Server", "")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return server.startswith(f"Azurite-{service.capitalize()}/")


def _satisfies(found: Ports, wanted: Ports) -> bool:
    return all(want in (0, asdict(found)[service]) for service, want in asdict(wanted).items())


def _end(pid: int, data_dir: Path, child: subprocess.Popen[bytes] | None) -> None:
    for forceful in (signal.SIGTERM, signal.SIGKILL):
        if not _is_ours(pid, data_dir):
            break
        try:
            os.killpg(pid, forceful)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + 10
        while _is_ours(pid, data_dir) and time.monotonic() < deadline:
            time.sleep(0.01)
    if child is not None:
        child.wait(timeout=10)


def _is_ours(pid: int, data_dir: Path) -> bool:
    """Whether that process is still the Azurite of this data directory: process ids are used again."""
    return _mark(data_dir) in _command_line(pid)


def _command_line(pid: int) -> str:
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return ""
    ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout


def _mark(data_dir: Path) -> str:
    # An option of Node.js that changes nothing here, and by which the process can be told from all others.
    return f"--diagnostic-dir={_location(data_dir)}"


def _location(data_dir: Path) -> Path:
    return data_dir / "azurite-data"


def _log_path(data_dir: Path) -> Path:
    return data_dir / "azurite.log"


def _note_path(data_dir: Path) -> Path:
    return data_dir / "azurite.json"


def _output(data_dir: Path) -> str:
    return _log_path(data_dir).read_text(errors="replace")


def _write_note(data_dir: Path, pid: int, in_memory: bool, ports: Ports | None) -> None:
    note = {"pid": pid, "in_memory": in_memory, "ports": asdict(ports) if ports else None}
    draft = _note_path(data_dir).with_suffix(".tmp")
    draft.write_text(json.dumps(note))
    draft.replace(_note_path(data_dir))


def _read_note(data_dir: Path) -> dict[str, Any] | None:
    try:
        note: dict[str, Any] = json.loads(_note_path(data_dir).read_text())
    except (OSError, ValueError):
        return None
    return note
