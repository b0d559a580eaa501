"""Secrets from app settings: for local runs, and for places without a vault."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from shared.domain.errors import SecretUnavailable

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,126}")
PREVIOUS = "__PREVIOUS"
"""Follows the name of a setting where another holds the value before."""
_UNRESOLVED = "@Microsoft.KeyVault("
"""What the platform leaves in a setting whose Key Vault reference it could not resolve."""


def setting_of(name: str) -> str:
    """The app setting that holds a secret: ``slack-ops`` is in ``SECRET_SLACK_OPS``."""
    return "SECRET_" + name.upper().replace("-", "_")


class AppSettingSecrets:
    """Reads the settings that it was given; they do not change while the process runs."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings

    def get(self, name: str) -> str:
        """The secret's value. Raises SecretUnavailable, which names the secret and its setting."""
        if not _NAME.fullmatch(name):
            raise SecretUnavailable(f"{name[:127]!r} cannot be the name of a secret")
        setting = setting_of(name)
        value = self._settings.get(setting, "")
        if not value:
            raise SecretUnavailable(f'secret "{name}": the app setting {setting} is missing or empty')
        if value.startswith(_UNRESOLVED):
            raise SecretUnavailable(f'secret "{name}": the Key Vault reference in {setting} was not resolved')
        return value

    def accepted(self, name: str) -> Sequence[str]:
        """The value; then, where there is one, the one before (`PREVIOUS`). Raises SecretUnavailable."""
        value, previous = self.get(name), self._settings.get(setting_of(name) + PREVIOUS, "")
        usable = previous and previous != value and not previous.startswith(_UNRESOLVED)
        return [value, previous] if usable else [value]

    def recheck(self, name: str) -> None:
        """Nothing is cached: a changed setting restarts the process."""

    def forget(self, name: str) -> bool:  # noqa: ARG002
        """True: nothing is cached, so what `get` returns is what there is."""
        return True
