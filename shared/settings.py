"""The environment, read once and checked at once: what is wrong is said by name, all of it together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from shared.domain.errors import Fault, InvalidInput


@dataclass(frozen=True)
class Setting:
    """One name that the code reads. ``where``: set by Bicep, only locally, or by the platform itself."""

    name: str
    meaning: str
    default: str | None = None
    required: bool = False
    where: Literal["app", "local", "platform"] = "app"


SETTINGS = (
    Setting("TOCSIN_STORAGE", "connection string of the storage account", where="local"),
    Setting("TOCSIN_STORAGE__tableServiceUri", "address of its tables, used with an identity"),
    Setting("TOCSIN_STORAGE__queueServiceUri", "address of its queues"),
    Setting("TOCSIN_STORAGE__blobServiceUri", "address of its blobs"),
    Setting("TOCSIN_STORAGE__credential", "how the queue trigger signs in: managedidentity"),
    Setting("TOCSIN_STORAGE__clientId", "client id of the identity for storage"),
    Setting("KEY_VAULT_URI", "the vault that holds the secrets; without it they come from app settings"),
    Setting("AZURE_CLIENT_ID", "client id of the identity for the vault"),
    Setting("PLANS_DIR", "folder of the plans", default="plans"),
    Setting("RUNBOOKS_DIR", "folder of the runbooks, one folder a plan", default="runbooks"),
    Setting("PUBLIC_URL", "address under which people reach Tocsin, for links", default=""),
    Setting("ESCALATION_SCHEDULE", "NCRONTAB of the sweep and of the agenda", default="0 * * * * *"),
    Setting("EXPORT_SCHEDULE", "NCRONTAB of the check for weeks to export", default="0 20 * * * *"),
    Setting("PURGE_SCHEDULE", "NCRONTAB of the nightly purge", default="0 40 2 * * *"),
    Setting("DRIFT_SCHEDULE", "NCRONTAB of the nightly check for drift", default="0 40 3 * * *"),
    Setting("PEOPLE_KEY_SECRET", "name of the secret that keys the HMAC of identities", default="people-key"),
    Setting("SIGNING_KEY_NAME", "name of the key in the vault that signs exports", default="export-signing"),
    Setting(
        "WRAPPING_KEY_NAME",
        "name of the key in the vault under which names and texts are kept",
        default="texts-wrapping",
    ),
    Setting("CODE_VERSION", "what is deployed, for the manifest", default="development"),
    Setting("DEPLOYED_BY", "who deployed it, for what changed in a plan", default=""),
    Setting("WEBSITE_AUTH_ENABLED", "whether the platform authenticates people", where="platform"),
)
_SECRET_PREFIX = "SECRET_"  # noqa: S105  (the prefix of settings that hold secrets, not one)
_SECRET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,126}")
_SCHEDULE = re.compile(r"\s*(?:[0-9A-Za-z*/,-]+\s+){5}[0-9A-Za-z*/,-]+\s*")
LONGEST_IDENTITY = 200
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class StorageAccess:
    """A connection string (local), or the services' addresses and the identity's client id (Azure)."""

    connection_string: str | None = field(default=None, repr=False)
    table_uri: str | None = None
    queue_uri: str | None = None
    blob_uri: str | None = None
    client_id: str | None = None


@dataclass(frozen=True)
class Settings:
    """The checked settings; ``secrets`` are the app settings named ``SECRET_…``, for use without a vault."""

    storage: StorageAccess
    key_vault_uri: str | None
    client_id: str | None
    plans_dir: Path
    runbooks_dir: Path
    public_url: str
    people_key_secret: str
    signing_key_name: str
    wrapping_key_name: str
    code_version: str
    deployed_by: str
    authentication_on: bool
    secrets: Mapping[str, str] = field(repr=False)


def read_settings(environment: Mapping[str, str], root: Path) -> Settings:
    """The settings in an environment; relative folders stand under ``root``.

    Raises InvalidInput that names every bad setting and what is wrong with it, never a value.
    """
    values = {setting.name: environment.get(setting.name) or setting.default for setting in SETTINGS}
    plans_dir = root / str(values["PLANS_DIR"])
    faults = [*_storage_faults(values), *_address_faults(values), *_form_faults(values)]
    if not plans_dir.is_dir():
        faults.append(Fault("PLANS_DIR", "names no folder"))
    if not (root / str(values["RUNBOOKS_DIR"])).is_dir():
        faults.append(Fault("RUNBOOKS_DIR", "names no folder"))
    if faults:
        raise InvalidInput("bad settings", faults)
    return Settings(
        StorageAccess(
            values["TOCSIN_STORAGE"],
            values["TOCSIN_STORAGE__tableServiceUri"],
            values["TOCSIN_STORAGE__queueServiceUri"],
            values["TOCSIN_STORAGE__blobServiceUri"],
            values["TOCSIN_STORAGE__clientId"],
        ),
        values["KEY_VAULT_URI"],
        values["AZURE_CLIENT_ID"],
        plans_dir,
        root / str(values["RUNBOOKS_DIR"]),
        str(values["PUBLIC_URL"] or ""),
        str(values["PEOPLE_KEY_SECRET"]),
        str(values["SIGNING_KEY_NAME"]),
        str(values["WRAPPING_KEY_NAME"]),
        str(values["CODE_VERSION"]),
        str(values["DEPLOYED_BY"] or "").strip()[:LONGEST_IDENTITY],
        (values["WEBSITE_AUTH_ENABLED"] or "").lower() == "true",
        {name: value for name, value in environment.items() if name.startswith(_SECRET_PREFIX)},
    )


def _storage_faults(values: Mapping[str, str | None]) -> list[Fault]:
    if connection := values["TOCSIN_STORAGE"]:
        named = {part.partition("=")[0].strip() for part in connection.split(";") if "=" in part}
        known = named & {"AccountName", "TableEndpoint", "UseDevelopmentStorage"}
        return [] if known else [Fault("TOCSIN_STORAGE", "is not a connection string")]
    needed = [f"TOCSIN_STORAGE__{kind}ServiceUri" for kind in ("table", "queue", "blob")]
    return [
        Fault(name, "is missing, and there is no connection string in TOCSIN_STORAGE")
        for name in needed
        if not values[name]
    ]


def _address_faults(values: Mapping[str, str | None]) -> list[Fault]:
    addresses = [name for name in values if name.endswith("ServiceUri")] + ["KEY_VAULT_URI", "PUBLIC_URL"]
    return [
        Fault(name, "is not an address (https://…, or http to this very machine)")
        for name in addresses
        if (value := values[name]) and not _is_address(value)
    ]


def _is_address(text: str) -> bool:
    """Whether it leads somewhere and carries nothing that would have to stay secret."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _THIS_MACHINE)


def _form_faults(values: Mapping[str, str | None]) -> list[Fault]:
    forms = (
        ("ESCALATION_SCHEDULE", _SCHEDULE, "is not an NCRONTAB schedule of six fields"),
        ("EXPORT_SCHEDULE", _SCHEDULE, "is not an NCRONTAB schedule of six fields"),
        ("PURGE_SCHEDULE", _SCHEDULE, "is not an NCRONTAB schedule of six fields"),
        ("DRIFT_SCHEDULE", _SCHEDULE, "is not an NCRONTAB schedule of six fields"),
        ("PEOPLE_KEY_SECRET", _SECRET_NAME, "is not the name of a secret"),
        ("SIGNING_KEY_NAME", _SECRET_NAME, "is not the name of a key"),
        ("WRAPPING_KEY_NAME", _SECRET_NAME, "is not the name of a key"),
    )
    return [Fault(name, why) for name, form, why in forms if not form.fullmatch(str(values[name]))]
