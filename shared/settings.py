"""The environment, read once and checked at once: what is wrong is said by name, all of it together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    Setting("PUBLIC_URL", "address under which people reach Tocsin, for links", default=""),
    Setting("ESCALATION_SCHEDULE", "NCRONTAB of the sweep", default="0 * * * * *"),
    Setting("EXPORT_SCHEDULE", "NCRONTAB of the check for weeks to export", default="0 20 * * * *"),
    Setting("PEOPLE_KEY_SECRET", "name of the secret that keys the HMAC of identities", default="people-key"),
    Setting("CODE_VERSION", "what is deployed, for the manifest", default="development"),
    Setting("WEBSITE_AUTH_ENABLED", "whether the platform authenticates people", where="platform"),
)
_SECRET_PREFIX = "SECRET_"  # noqa: S105  (the prefix of settings that hold secrets, not one)


@dataclass(frozen=True)
class StorageAccess:
    """A connection string (local), or the services' addresses and the identity's client id (Azure)."""

    connection_string: str | None = None
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
    public_url: str
    people_key_secret: str
    code_version: str
    authentication_on: bool
    secrets: Mapping[str, str]


def read_settings(environment: Mapping[str, str], root: Path) -> Settings:
    """The settings in an environment; relative folders stand under ``root``.

    Raises InvalidInput that names every bad setting and what is wrong with it, never a value.
    """
    values = {setting.name: environment.get(setting.name) or setting.default for setting in SETTINGS}
    plans_dir = root / str(values["PLANS_DIR"])
    faults = [*_storage_faults(values), *_address_faults(values), *_schedule_faults(values)]
    if not plans_dir.is_dir():
        faults.append(Fault("PLANS_DIR", f"there is no folder {plans_dir}"))
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
        str(values["PUBLIC_URL"] or ""),
        str(values["PEOPLE_KEY_SECRET"]),
        str(values["CODE_VERSION"]),
        (values["WEBSITE_AUTH_ENABLED"] or "").lower() == "true",
        {name: value for name, value in environment.items() if name.startswith(_SECRET_PREFIX)},
    )


def _storage_faults(values: Mapping[str, str | None]) -> list[Fault]:
    if values["TOCSIN_STORAGE"]:
        return []
    needed = [f"TOCSIN_STORAGE__{kind}ServiceUri" for kind in ("table", "queue", "blob")]
    return [
        Fault(name, "is missing, and there is no connection string in TOCSIN_STORAGE")
        for name in needed
        if not values[name]
    ]


def _address_faults(values: Mapping[str, str | None]) -> list[Fault]:
    faults = []
    for name, value in values.items():
        is_address = name.endswith("ServiceUri") or name in ("KEY_VAULT_URI", "PUBLIC_URL")
        if (
            is_address
            and value
            and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc)
        ):
            faults.append(Fault(name, "is not an address (https://…)"))
    return faults


def _schedule_faults(values: Mapping[str, str | None]) -> list[Fault]:
    return [
        Fault(name, "is not an NCRONTAB schedule of six fields")
        for name in ("ESCALATION_SCHEDULE", "EXPORT_SCHEDULE")
        if len(str(values[name]).split()) != 6
    ]
