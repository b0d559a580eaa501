"""How long the platform waits for the app's import, against the libraries that no such app can do without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APP = "function_app"
BARE = "azure.functions, azure.data.tables"


def measure(times: int = 7) -> tuple[float, float]:
    """Seconds of importing the app and of importing the bare libraries: the best of so many, by turns."""
    taken = [(_seconds(APP), _seconds(BARE)) for _ in range(times)]
    return min(app for app, _ in taken), min(bare for _, bare in taken)


def _seconds(modules: str) -> float:
    timed = f"import time; began = time.perf_counter(); import {modules}; print(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)
