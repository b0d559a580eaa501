"""`make test`: the suite on the deployed version of Python and on the oldest supported, where both exist."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.13", "3.11")
LONG = (
    *("scenarios", "storm", "slack", "statuspage", "downstream", "channel_failures", "kill", "under_faults"),
    *("verify_forg", "workbook", "azurite_runner", "http_health", "local_host_life", "deadline_index"),
)
"""What only the version that runs `make test` itself runs: long talks with played providers, the
organisations' scenarios, forgeries, hosts that are started and stopped. They go through code that the rest
covers as well."""
WORKERS = str(min(4, os.cpu_count() or 1))


def main() -> int:
    """Exit code 0 where every suite passed."""
    current = f"{sys.version_info.major}.{sys.version_info.minor}"
    results = {current: _suite(Path(sys.executable))}
    for version in VERSIONS:
        if version not in results and (python := _environment(version)):
            results[version] = _suite(python, *(f"--ignore-glob=*/test_{name}*" for name in LONG))
    for version, code in results.items():
        print(f"Python {version}: {'passed' if code == 0 else f'FAILED ({code})'}", flush=True)
    return max(results.values())


def _environment(version: str) -> Path | None:
    """A virtual environment of that version, made on first use; None where the version is not here."""
    found = subprocess.run(
        [str(ROOT / "local" / "find_python.sh"), version], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        print(f"Python {version} is not on this machine; its run is left out", flush=True)
        return None
    folder = ROOT / f".venv-{version}"
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists() or ready.stat().st_mtime < (ROOT / "requirements-dev.txt").stat().st_mtime:
        subprocess.run([found.stdout.strip(), "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(ROOT / "requirements-dev.txt")], check=True)
        ready.touch()
    return python


def _suite(python: Path, *options: str) -> int:
    print(f"== {python}", flush=True)
    command = [str(python), "-m", "pytest", "-n", WORKERS, "--dist", "loadfile", *options, *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
