"""`make run`: check settings and plans, all faults at once, then start the local host."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from local import host
from local.settings import BadSettings, apply_local_settings
from shared.domain.errors import InvalidInput

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """The host's exit code, or 1 with every bad setting and plan line named."""
    try:
        apply_local_settings(ROOT, os.environ)
        _check()
    except (BadSettings, InvalidInput) as error:
        faults = error.faults if isinstance(error, InvalidInput) else (error,)
        print("Tocsin cannot start:", *faults, sep="\n  ", file=sys.stderr)
        return 1
    return host.main()


def _check() -> None:
    from shared.adapters.plan_files import PlanFiles
    from shared.adapters.sources.catalogue import known_sources
    from shared.settings import read_settings

    settings = read_settings(os.environ, ROOT)
    PlanFiles(settings.plans_dir, {name: source.signs for name, source in known_sources().items()})


if __name__ == "__main__":
    raise SystemExit(main())
