"""The environment is checked at once: every bad setting is named, and no value is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain.errors import InvalidInput
from shared.settings import SETTINGS, Settings, read_settings

CONNECTION = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=core.example"
IDENTITY = {
    "TOCSIN_STORAGE__tableServiceUri": "https://a.table.core.example",
    "TOCSIN_STORAGE__queueServiceUri": "https://a.queue.core.example",
    "TOCSIN_STORAGE__blobServiceUri": "https://a.blob.core.example",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "plans").mkdir()
    (tmp_path / "runbooks").mkdir()
    return tmp_path


def read(root: Path, **environment: str) -> Settings:
    return read_settings({"TOCSIN_STORAGE": CONNECTION, **environment}, root)


def refused(root: Path, environment: dict[str, str]) -> tuple[set[str], str]:
    """The settings that are named, and all that is said."""
    with pytest.raises(InvalidInput) as error:
        read_settings(environment, root)
    return {fault.where for fault in error.value.faults}, str(error.value)


def test_a_connection_string_is_enough(root: Path) -> None:
    settings = read(root)

    assert settings.storage.connection_string == CONNECTION
    assert settings.plans_dir == root / "plans"
    assert settings.runbooks_dir == root / "runbooks"
    assert settings.public_url == ""
    assert settings.people_key_secret == "people-key"
    assert settings.code_version == "development"
    assert settings.key_vault_uri is None
    assert not settings.authentication_on


def test_so_are_three_addresses_and_an_identity(root: Path) -> None:
    environment = IDENTITY | {"TOCSIN_STORAGE__clientId": "c1", "KEY_VAULT_URI": "https://v.vault.example"}
    settings = read_settings(environment, root)

    assert settings.storage.connection_string is None
    assert settings.storage.blob_uri == "https://a.blob.core.example"
    assert settings.storage.client_id == "c1"
    assert settings.key_vault_uri == "https://v.vault.example"


def test_an_empty_environment_names_all_that_is_missing_at_once(tmp_path: Path) -> None:
    names, said = refused(tmp_path, {})

    assert names == {*IDENTITY, "PLANS_DIR", "RUNBOOKS_DIR"}
    assert "TOCSIN_STORAGE" in said


def test_every_bad_setting_is_named_at_once_and_no_value_is_shown(root: Path) -> None:
    values = {
        "TOCSIN_STORAGE__tableServiceUri": "hush-1",
        "TOCSIN_STORAGE__queueServiceUri": "ftp://hush-2",
        "TOCSIN_STORAGE__blobServiceUri": "https://",
        "KEY_VAULT_URI": "hush-4.vault",
        "PUBLIC_URL": "//hush-5",
        "PLANS_DIR": "hush-6",
        "RUNBOOKS_DIR": "hush-10",
        "PEOPLE_KEY_SECRET": "hush 7",
        "ESCALATION_SCHEDULE": "hush-8",
        "EXPORT_SCHEDULE": "* * * * *",
        "DRIFT_SCHEDULE": "nightly",
        "PURGE_SCHEDULE": "at night",
        "SECRET_SIGNING": "hush-9",
    }
    names, said = refused(root, values)

    assert names == set(values) - {"SECRET_SIGNING"}
    assert "hush" not in said


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("TOCSIN_STORAGE", "hush"),
        ("TOCSIN_STORAGE", "UseDevelopmentStorage"),
        ("PUBLIC_URL", "https://[hush"),
        ("PUBLIC_URL", "https://tocsin.example/?hush=1"),
        ("PUBLIC_URL", "https://hush:hush@tocsin.example"),
        ("KEY_VAULT_URI", "http://hush.example"),
        ("PLANS_DIR", "hush\x00"),
    ],
)
def test_one_bad_setting_is_named_without_its_value(root: Path, name: str, bad: str) -> None:
    names, said = refused(root, {"TOCSIN_STORAGE": CONNECTION, name: bad})

    assert names == {name}
    assert "hush" not in said


def test_an_empty_setting_counts_as_none(root: Path) -> None:
    settings = read(root, PUBLIC_URL="", KEY_VAULT_URI="", PLANS_DIR="", PEOPLE_KEY_SECRET="")

    assert settings.plans_dir == root / "plans"
    assert settings.key_vault_uri is None


def test_a_connection_string_wins_over_addresses_of_services(root: Path) -> None:
    assert read(root, **IDENTITY).storage.connection_string == CONNECTION


@pytest.mark.parametrize(
    ("value", "on"),
    [("True", True), ("true", True), ("False", False), ("", False), ("1", False), ("yes", False)],
)
def test_authentication_is_on_only_where_the_platform_says_so(root: Path, value: str, on: bool) -> None:
    assert read(root, WEBSITE_AUTH_ENABLED=value).authentication_on is on


def test_secrets_are_the_settings_named_so_and_no_others(root: Path) -> None:
    settings = read(root, SECRET_A="x", NOT_A_SECRET="y", SECRETLY="z")

    assert dict(settings.secrets) == {"SECRET_A": "x"}


def test_settings_never_show_a_secret_when_printed(root: Path) -> None:
    shown = repr(read(root, SECRET_A="hush"))

    assert "hush" not in shown
    assert "c2VjcmV0" not in shown


def test_every_setting_has_a_meaning_and_a_name_of_its_own() -> None:
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    assert all(setting.meaning for setting in SETTINGS)
