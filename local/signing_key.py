"""The key that signs exports in development: made on first use, kept in the data folder."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

SETTING = "SECRET_SIGNING_KEY"
FILE = "signing-key.pem"


def give_signing_key(data: Path | None, environment: MutableMapping[str, str]) -> None:
    """Put a private key into the environment, unless a vault or setting gives one; no ``data``: not kept."""
    if environment.get("KEY_VAULT_URI") or environment.get(SETTING):
        return
    path = None if data is None else data / FILE
    if path is not None and path.exists():
        environment[SETTING] = path.read_text(encoding="ascii")
        return
    environment[SETTING] = made = _made()
    if path is not None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(made)


def _made() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    written = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return written.decode("ascii")
