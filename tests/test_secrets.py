"""Secrets: from app settings, and from a vault that speaks Key Vault's protocol."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.key_vault import KeyVaultSecrets, open_vault
from shared.domain.errors import SecretUnavailable
from shared.ports import Secrets
from tests.certificates import LoopbackAuthority
from tests.receivers import Reply, Request
from tests.vaults import DISABLED, Identity, Vault, a_vault, as_json

DAY = 86_400.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LoopbackAuthority:
    return LoopbackAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def vault(authority: LoopbackAuthority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    with a_vault(authority, monkeypatch) as vault:
        vault.values["slack-ops"] = "first-value"
        yield vault


def test_a_setting_named_after_the_secret_holds_it() -> None:
    secrets: Secrets = AppSettingSecrets({"SECRET_SLACK_OPS": "https://hooks.example.com/x"})
    assert secrets.get("slack-ops") == "https://hooks.example.com/x"
    secrets.forget("slack-ops")
    assert secrets.get("Slack-Ops") == "https://hooks.example.com/x"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"SECRET_SLACK_OPS": ""},
        {"SECRET_SLACK_OPS": "@Microsoft.KeyVault(SecretUri=https://v.example/s)"},
    ],
    ids=["missing", "empty", "an unresolved reference"],
)
def test_a_secret_without_a_usable_setting_names_both(settings: dict[str, str]) -> None:
    with pytest.raises(SecretUnavailable, match=r"slack-ops.*SECRET_SLACK_OPS"):
        AppSettingSecrets(settings).get("slack-ops")


@pytest.mark.parametrize("name", ["", "a b", "../keys/x", "a_b", "x" * 128, "a\n"])
def test_what_cannot_be_a_name_is_not_looked_up(vault: Vault, name: str) -> None:
    for secrets in (AppSettingSecrets({"SECRET_A_B": "wrong"}), vault.secrets):
        with pytest.raises(SecretUnavailable, match="cannot be the name"):
            secrets.get(name)
    assert vault.opened == 0


def test_a_vault_s_challenge_is_answered_with_a_token_and_the_secret_is_read(vault: Vault) -> None:
    assert vault.opened == 0
    assert vault.secrets.get("slack-ops") == "first-value"
    assert vault.identity.asked_for == ["https://vault.azure.net/.default"]
    assert vault.reads() == ["slack-ops"]
    assert vault.opened == 1


def test_a_value_is_served_from_the_cache_for_ten_minutes_give_or_take_a_fifth(vault: Vault) -> None:
    names = [f"secret-{number}" for number in range(20)]
    vault.values.update(dict.fromkeys(names, "value"))
    for name in names:
        vault.secrets.get(name)
    vault.clock.forward(479)
    for name in names:
        vault.secrets.get(name)
    assert len(vault.reads()) == 20
    vault.clock.forward(121)
    for name in names:
        vault.secrets.get(name)
    assert 20 < len(vault.reads()) < 40
    vault.clock.forward(721)
    before = len(vault.reads())
    for name in names:
        vault.secrets.get(name)
    assert len(vault.reads()) == before + 20
    assert vault.opened == 1


def test_a_new_value_is_seen_when_the_old_one_is_no_longer_fresh(vault: Vault) -> None:
    vault.secrets.get("slack-ops")
    vault.values["slack-ops"] = "second-value"
    assert vault.secrets.get("slack-ops") == "first-value"
    vault.clock.forward(721)
    assert vault.secrets.get("slack-ops") == "second-value"


@pytest.mark.parametrize("trouble", [Reply(503), Reply(429), Reply(403), Reply(reset=True)], ids=str)
def test_an_old_value_serves_for_a_day_while_the_vault_does_not_give_it(vault: Vault, trouble: Reply) -> None:
    vault.secrets.get("slack-ops")
    vault.fail(*[trouble] * 3)
    vault.clock.forward(721)
    assert vault.secrets.get("slack-ops") == "first-value"
    vault.clock.forward(DAY - 721)
    assert vault.secrets.get("slack-ops") == "first-value"
    vault.clock.forward(31)
    with pytest.raises(SecretUnavailable, match="slack-ops"):
        vault.secrets.get("slack-ops")
    vault.clock.forward(31)
    assert vault.secrets.get("slack-ops") == "first-value"


def test_a_silent_vault_is_not_asked_for_every_page(vault: Vault) -> None:
    vault.secrets.get("slack-ops")
    vault.fail(503)
    vault.clock.forward(721)
    for _ in range(5):
        assert vault.secrets.get("slack-ops") == "first-value"
    assert len(vault.reads()) == 2
    vault.clock.forward(30)
    vault.secrets.get("slack-ops")
    assert len(vault.reads()) == 3


def test_that_a_secret_does_not_exist_is_believed_for_half_a_minute(vault: Vault) -> None:
    for _ in range(3):
        with pytest.raises(SecretUnavailable, match='"smtp": the vault has no such secret'):
            vault.secrets.get("smtp")
        vault.clock.forward(9.9)
    assert vault.reads() == ["smtp"]
    vault.values["smtp"] = "smtp://localhost"
    vault.clock.forward(0.4)
    assert vault.secrets.get("smtp") == "smtp://localhost"


@pytest.mark.parametrize(
    ("gone", "why"),
    [(as_json(404, {}), "no such secret"), (DISABLED, "disabled")],
    ids=["deleted", "disabled"],
)
def test_a_secret_that_was_taken_away_is_not_served_stale(vault: Vault, gone: Reply, why: str) -> None:
    vault.secrets.get("slack-ops")
    vault.fail(gone)
    vault.clock.forward(721)
    with pytest.raises(SecretUnavailable, match=why):
        vault.secrets.get("slack-ops")


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (Reply(500, {}, b"tell-tale"), "answered 500"),
        (Reply(reset=True), "did not answer"),
        (Reply(401, {"WWW-Authenticate": "nonsense"}), "answered 401"),
        (as_json(200, {"value": "", "id": "https://tell-tale/secrets/a/1"}), "empty"),
    ],
)
def test_a_vault_in_trouble_is_told_without_its_address(vault: Vault, trouble: Reply, why: str) -> None:
    vault.fail(trouble)
    with pytest.raises(SecretUnavailable, match=why) as caught:
        vault.secrets.get("slack-ops")
    assert "tell-tale" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_an_identity_that_is_refused_is_told_as_such_and_tried_again(vault: Vault) -> None:
    vault.identity.refused = True
    with pytest.raises(SecretUnavailable, match="identity") as caught:
        vault.secrets.get("slack-ops")
    assert "login.example" not in str(caught.value)
    vault.identity.refused = False
    vault.clock.forward(5)
    assert vault.secrets.get("slack-ops") == "first-value"


def test_many_threads_that_want_one_secret_cause_one_fetch(vault: Vault) -> None:
    together = threading.Barrier(16)

    def get() -> str:
        together.wait(5)
        return vault.secrets.get("slack-ops")

    with ThreadPoolExecutor(16) as threads:
        values = [future.result() for future in [threads.submit(get) for _ in range(16)]]
    assert set(values) == {"first-value"}
    assert vault.reads() == ["slack-ops"]


def test_a_vault_that_hangs_holds_nobody_up_for_long_and_its_answer_is_kept(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(request: Request) -> Reply:
        assert go_on.wait(5)
        return vault.answer(request)

    vault.fail(slow)
    monkeypatch.setattr("shared.adapters.key_vault.WAIT_SECONDS", 0.1)
    with pytest.raises(SecretUnavailable, match="in time"):
        vault.secrets.get("slack-ops")
    go_on.set()
    monkeypatch.setattr("shared.adapters.key_vault.WAIT_SECONDS", 5.0)
    assert vault.secrets.get("slack-ops") == "first-value"
    assert vault.reads() == ["slack-ops"]


def test_a_forgotten_secret_is_read_again(vault: Vault) -> None:
    vault.secrets.get("slack-ops")
    vault.values["slack-ops"] = "second-value"
    vault.clock.forward(10)
    vault.secrets.forget("slack-ops")
    assert vault.secrets.get("slack-ops") == "second-value"
    vault.secrets.forget("never-heard-of")


def test_a_secret_that_was_rotated_a_moment_after_it_was_read_is_read_again_at_once(vault: Vault) -> None:
    vault.secrets.get("slack-ops")
    vault.values["slack-ops"] = "second-value"
    vault.secrets.forget("slack-ops")
    assert vault.secrets.get("slack-ops") == "second-value"


@pytest.mark.parametrize(("after", "reads"), [(9.9, 2), (10.0, 3), (10.1, 3)], ids=["before", "at", "after"])
def test_however_often_a_secret_is_forgotten_it_is_read_again_once_in_ten_seconds(
    vault: Vault, after: float, reads: int
) -> None:
    for _ in range(5):
        vault.secrets.get("slack-ops")
        vault.secrets.forget("slack-ops")
    vault.secrets.get("slack-ops")
    assert len(vault.reads()) == 2
    vault.clock.forward(after)
    vault.secrets.forget("slack-ops")
    vault.secrets.get("slack-ops")
    assert len(vault.reads()) == reads


def test_a_forgotten_value_never_comes_back_from_a_fetch_that_was_under_way(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, answered = threading.Event(), threading.Event()

    def late(request: Request) -> Reply:
        old = vault.answer(request)
        answered.set()
        assert go_on.wait(5)
        return old

    vault.secrets.get("slack-ops")
    vault.clock.forward(721)
    vault.fail(late)
    monkeypatch.setattr("shared.adapters.key_vault.WAIT_SECONDS", 0.05)
    assert vault.secrets.get("slack-ops") == "first-value"
    assert answered.wait(5)
    vault.secrets.forget("slack-ops")
    vault.values["slack-ops"] = "second-value"
    monkeypatch.setattr("shared.adapters.key_vault.WAIT_SECONDS", 5.0)
    assert vault.secrets.get("slack-ops") == "second-value"
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("tocsin-vault"):
            thread.join(5)
    assert vault.secrets.get("slack-ops") == "second-value"


def test_a_server_that_is_not_of_key_vault_s_domain_is_shown_no_token(
    vault: Vault, authority: LoopbackAuthority
) -> None:
    def suspicious() -> Any:  # noqa: ANN401  (the SDK's client)
        return open_vault(
            vault.server.url, credential=vault.identity, connection_verify=authority.bundle, retry_total=0
        )

    with pytest.raises(SecretUnavailable, match="did not answer"):
        KeyVaultSecrets(suspicious).get("slack-ops")
    assert vault.reads() == []


@pytest.mark.parametrize("client_id", [None, "11111111-1111-1111-1111-111111111111"])
def test_a_client_is_made_without_asking_anybody(client_id: str | None) -> None:
    with open_vault("https://acme.vault.azure.net/", client_id) as client:
        assert client.vault_url == "https://acme.vault.azure.net"


def test_a_vault_address_that_is_wrong_is_our_fault_and_not_hidden() -> None:
    def nowhere() -> Any:  # noqa: ANN401  (the SDK's client)
        return open_vault("", credential=Identity())

    with pytest.raises(ValueError, match="vault_url"):
        KeyVaultSecrets(nowhere).get("slack-ops")
