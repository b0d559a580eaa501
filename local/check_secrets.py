"""Which secrets the plans name, and which of them are missing here: ``python -m local.check_secrets plans``.

Looks in the vault of ``KEY_VAULT_URI`` as whoever is signed in, or for ``SECRET_…`` in the environment and in
`local.settings.json`. Where nothing of that is set it only lists, and says so. Ends with 1 if one is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.adapters.app_setting_secrets import AppSettingSecrets, setting_of
from shared.adapters.key_vault import KeyVaultSecrets, open_vault
from shared.adapters.plan_files import load
from shared.adapters.plan_secrets import Uses, collisions, named_secrets
from shared.adapters.sealing_wraps import SECRET as TEXTS_KEY
from shared.domain.errors import InvalidPlan
from shared.ports import Secrets
from shared.settings import SETTINGS
from shared.workflows.check_health import lacking

LOCAL_SETTINGS = Path("local.settings.json")
PEOPLE_KEY = "PEOPLE_KEY_SECRET"
DEFAULTS = {setting.name: setting.default or "" for setting in SETTINGS}


def settings_here(environment: Mapping[str, str], file: Path) -> dict[str, str]:
    """The settings of a local run: those of the file, and over them the environment. Raises ValueError."""
    stated: dict[str, str] = {}
    if file.is_file():
        content = json.loads(file.read_text(encoding="utf-8"))
        stated = content.get("Values") if isinstance(content, dict) else None  # type: ignore[assignment]
        if not isinstance(stated, dict) or not all(isinstance(value, str) for value in stated.values()):
            raise ValueError(f"{file.name} has no texts under Values")
    return {**stated, **environment}


def secrets_here(settings: Mapping[str, str], people_key: str) -> tuple[Secrets | None, str]:
    """Where secrets are kept here, and its name; None where nothing is set but what every local run needs."""
    if uri := settings.get("KEY_VAULT_URI"):
        client_id = settings.get("AZURE_CLIENT_ID")
        return KeyVaultSecrets(lambda: open_vault(uri, client_id)), f"the vault {uri}"
    kept = {name: value for name, value in settings.items() if name.startswith("SECRET_")}
    if set(kept) <= {setting_of(people_key), setting_of(TEXTS_KEY)}:
        return None, "nowhere"
    return AppSettingSecrets(kept), "the settings SECRET_…"


def faults(uses: Uses, secrets: Secrets | None) -> list[str]:
    """What is wrong, a line each: names that collide, and secrets that are missing."""
    found = list(collisions(uses))
    if secrets is not None:
        for name, why in lacking(uses, secrets.get).items():
            found.append(f"missing: {why}; named by {', '.join(uses[name])}")
    return found


def listed(uses: Uses, secrets: Secrets | None) -> Iterator[str]:
    """One line for each secret and plan: where the plan names it; and the version in use, where known."""
    for name, plans in uses.items():
        version = secrets.version(name) if isinstance(secrets, KeyVaultSecrets) else None
        for plan, places in plans.items():
            more = f" [version {version[:8]}]" if version else ""
            yield f"{plan}: {name}: {', '.join(places)}{more}"


def main(arguments: list[str] | None = None) -> int:
    """List the secrets of the plans, and name those that are missing here."""
    parser = argparse.ArgumentParser(prog="check_secrets", description=main.__doc__)
    parser.add_argument("plans", nargs="?", type=Path, default=Path("plans"))
    try:
        settings = settings_here(os.environ, LOCAL_SETTINGS)
        plans = load(parser.parse_args(arguments).plans)
    except (InvalidPlan, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    people_key = settings.get(PEOPLE_KEY) or DEFAULTS[PEOPLE_KEY]
    uses = {people_key: {"Tocsin": ["pseudonyms of people"]}, **named_secrets(plans)}
    secrets, where = secrets_here(settings, people_key)
    found = faults(uses, secrets)
    for line in listed(uses, secrets):
        print(line)
    if secrets is None:
        print("no secrets are set here: nothing was compared")
    else:
        print(f"{len(uses)} secrets were looked for in {where}")
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
