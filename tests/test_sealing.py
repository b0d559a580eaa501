"""Texts at rest: sealed for their place, under data keys that a vault wraps; what is left when it is down."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.entity_groups import put, span, submit
from shared.adapters.sealing import Sealing, Unopenable
from shared.adapters.sealing_keys import KEPT_SECONDS, SERVES, SILENT_SECONDS, DataKeys
from shared.adapters.sealing_wraps import LocalWrapping
from shared.adapters.storage_clients import StorageClients
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import NotFound, SecretUnavailable
from shared.settings import StorageAccess
from shared.workflows.check_health import PlanSecrets
from tests.builders import NOON
from tests.certificates import LoopbackAuthority
from tests.played_vault_keys import WrappingVault, a_wrapping_vault
from tests.receivers import Reply, Request
from tests.vaults import Clock

PLACE = "Incidents\n8Q2XK4ZR\nt|0000001|00000003"
LATER = NOON + SERVES


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LoopbackAuthority:
    return LoopbackAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def vault(authority: LoopbackAuthority) -> Iterator[WrappingVault]:
    with a_wrapping_vault(authority) as vault:
        yield vault


@pytest.fixture
def table(storage: str) -> Iterator[WiredTable]:
    """Table People, without data keys before and after."""
    clients = StorageClients(StorageAccess(storage))
    clients.make_containers()
    table = clients.tables().get_table_client("People")
    forget_keys(table)
    yield table
    forget_keys(table)


def forget_keys(table: WiredTable) -> None:
    for row in span(table, "key", "", "~"):
        table.delete_entity("key", row["RowKey"])


def kept(table: WiredTable) -> list[str]:
    return [row["RowKey"] for row in span(table, "key", "", "~")]


def local(table: WiredTable, **settings: str) -> Sealing:
    secrets = AppSettingSecrets({"SECRET_TEXTS_KEY": "only for tests", **settings})
    return Sealing(DataKeys(table, LocalWrapping(secrets)))


def test_what_is_sealed_opens_again_at_its_place_and_nowhere_else(table: WiredTable) -> None:
    sealing = local(table)
    for text in ("", "the disk is full", "ä\x00\ud800🔔" * 500, "v1.0.x"):
        sealed = sealing.seal(text, PLACE, NOON)
        assert re.fullmatch(r"v1\.[0-9a-f]{16}\.[A-Za-z0-9_-]+", sealed)
        assert sealing.open(sealed, PLACE) == text
        with pytest.raises(Unopenable):
            sealing.open(sealed, PLACE.replace("3", "4"))


def test_twice_the_same_text_is_sealed_differently(table: WiredTable) -> None:
    sealing = local(table)
    assert sealing.seal("again", PLACE, NOON) != sealing.seal("again", PLACE, NOON)


def test_any_changed_character_is_found(table: WiredTable) -> None:
    sealing = local(table)
    sealed = sealing.seal("the disk is full", PLACE, NOON)
    for at in range(len(sealed)):
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        with pytest.raises((Unopenable, NotFound)):
            sealing.open(changed, PLACE)


@pytest.mark.parametrize(
    "nonsense", ["", "v1", "v1..", "v2.0123456789abcdef.AAAA", "plain words", "v1.key.AA"]
)
def test_what_is_no_sealed_text_is_not_opened(table: WiredTable, nonsense: str) -> None:
    with pytest.raises(Unopenable):
        local(table).open(nonsense, PLACE)


def test_a_data_key_is_kept_only_wrapped_and_serves_every_instance(
    table: WiredTable, vault: WrappingVault
) -> None:
    one, other = (DataKeys(table, vault.wrapping) for _ in range(2))
    sealed = Sealing(one).seal("the disk is full", PLACE, NOON)
    id, key = one.current(NOON)

    assert Sealing(other).open(sealed, PLACE) == "the disk is full"
    assert other.current(NOON) == (id, key)
    [row] = span(table, "key", "", "~")
    assert key.hex() not in str(row)
    assert row["by"] == "1".zfill(32)


def test_the_vault_is_asked_once_an_hour(table: WiredTable, vault: WrappingVault) -> None:
    clock = Clock()
    Sealing(DataKeys(table, vault.wrapping)).seal("x", PLACE, NOON)
    sealing = Sealing(DataKeys(table, vault.wrapping, clock))
    for _ in range(5):
        sealing.open(sealing.seal("x", PLACE, NOON), PLACE)
    assert vault.asked("unwrapkey") == 1

    clock.forward(KEPT_SECONDS)
    sealing.seal("x", PLACE, NOON)
    assert vault.asked("unwrapkey") == 2


def test_many_at_once_ask_once(table: WiredTable, vault: WrappingVault) -> None:
    sealed = Sealing(DataKeys(table, vault.wrapping)).seal("x", PLACE, NOON)
    sealing = Sealing(DataKeys(table, vault.wrapping))
    ready = threading.Barrier(8)

    def opened(_: int) -> str:
        ready.wait()
        return sealing.open(sealed, PLACE)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(opened, range(8))) == ["x"] * 8
    assert vault.asked("unwrapkey") == 1


def test_a_data_key_is_replaced_when_its_days_are_over_and_goes_on_opening(
    table: WiredTable, vault: WrappingVault
) -> None:
    sealing = Sealing(DataKeys(table, vault.wrapping))
    old = sealing.seal("old", PLACE, NOON)
    assert sealing.seal("x", PLACE, LATER - timedelta(microseconds=1))[:19] == old[:19]
    vault.rotate()
    new = sealing.seal("new", PLACE, LATER)

    assert new[:19] != old[:19]
    assert len(kept(table)) == 2
    fresh = Sealing(DataKeys(table, vault.wrapping))
    assert (fresh.open(old, PLACE), fresh.open(new, PLACE)) == ("old", "new")
    assert fresh.seal("x", PLACE, LATER)[:19] == new[:19]
    assert {row["by"] for row in span(table, "key", "", "~")} == {"1".zfill(32), "2".zfill(32)}


def test_a_key_made_for_a_name_serves_until_somebody_tells_the_time(table: WiredTable) -> None:
    sealing = local(table)
    name = sealing.seal("Ana", PLACE)
    assert sealing.seal("Rita", PLACE)[:19] == name[:19]
    assert sealing.seal("text", PLACE, NOON)[:19] != name[:19]
    assert sealing.open(name, PLACE) == "Ana"


def test_a_vault_that_is_down_is_not_asked_by_everybody(table: WiredTable, vault: WrappingVault) -> None:
    sealed = Sealing(DataKeys(table, vault.wrapping)).seal("x", PLACE, NOON)
    clock = Clock()
    sealing = Sealing(DataKeys(table, vault.wrapping, clock))
    vault.server.otherwise = Reply(503)
    before = len(vault.server.requests)
    for _ in range(5):
        with pytest.raises(SecretUnavailable):
            sealing.open(sealed, PLACE)
    asked = len(vault.server.requests) - before
    assert 0 < asked <= 3

    vault.server.otherwise = vault.answer
    clock.forward(SILENT_SECONDS)
    assert sealing.open(sealed, PLACE) == "x"


def test_a_key_in_memory_serves_its_hour_whatever_the_vault_does(
    table: WiredTable, vault: WrappingVault
) -> None:
    clock = Clock()
    sealing = Sealing(DataKeys(table, vault.wrapping, clock))
    sealed = sealing.seal("x", PLACE, NOON)
    vault.server.otherwise = Reply(503)

    clock.forward(KEPT_SECONDS - 1)
    assert sealing.open(sealed, PLACE) == "x"
    assert sealing.seal("y", PLACE, NOON)
    clock.forward(1)
    with pytest.raises(SecretUnavailable):
        sealing.open(sealed, PLACE)
    with pytest.raises(SecretUnavailable):
        sealing.seal("y", PLACE, NOON)


def test_nobody_waits_long_for_a_vault_that_does_not_answer(
    table: WiredTable, vault: WrappingVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.sealing_keys.WAIT_SECONDS", 0.1)
    going_on = threading.Event()

    def late(request: Request) -> Reply:
        going_on.wait(20)
        return vault.answer(request)

    sealed = Sealing(DataKeys(table, vault.wrapping)).seal("x", PLACE, NOON)
    sealing = Sealing(DataKeys(table, vault.wrapping))
    vault.server.otherwise = late
    try:
        with pytest.raises(SecretUnavailable, match="in time"):
            sealing.open(sealed, PLACE)
    finally:
        going_on.set()


def test_a_vault_that_may_not_show_its_key_or_has_none_is_named_without_its_address(
    table: WiredTable, vault: WrappingVault
) -> None:
    vault.may_get = False
    with pytest.raises(SecretUnavailable, match="which version"):
        Sealing(DataKeys(table, vault.wrapping)).seal("x", PLACE, NOON)
    vault.may_get = True
    vault.versions.clear()
    vault.rotate()
    vault.versions = {"f" * 32: vault.versions[max(vault.versions)]}
    sealed = Sealing(DataKeys(table, vault.wrapping)).seal("x", PLACE, NOON)
    vault.versions = {"e" * 32: vault.versions["f" * 32]}
    with pytest.raises(SecretUnavailable, match="no such key") as raised:
        Sealing(DataKeys(table, vault.wrapping)).open(sealed, PLACE)
    assert "127.0.0.1" not in str(raised.value)
    assert "tell-tale" not in str(raised.value)


def test_the_local_secrets_value_before_still_opens(table: WiredTable) -> None:
    sealed = local(table).seal("x", PLACE, NOON)
    changed = {"SECRET_TEXTS_KEY": "another", "SECRET_TEXTS_KEY__PREVIOUS": "only for tests"}
    with pytest.raises(SecretUnavailable, match="another value"):
        local(table, SECRET_TEXTS_KEY="another").open(sealed, PLACE)
    assert local(table, **changed).open(sealed, PLACE) == "x"
    with pytest.raises(SecretUnavailable, match="texts-key"):
        local(table, SECRET_TEXTS_KEY="").open(sealed, PLACE)


def test_a_key_that_is_wrapped_for_one_id_does_not_pass_for_another(table: WiredTable) -> None:
    sealed = local(table).seal("x", PLACE, NOON)
    [row] = span(table, "key", "", "~")
    submit(table, [put({**row, "RowKey": "0" * 16})])
    with pytest.raises(SecretUnavailable):
        local(table).open(sealed.replace(row["RowKey"], "0" * 16), PLACE)


def test_keys_that_are_not_ours_are_passed_over_and_others_are_made(
    table: WiredTable, vault: WrappingVault
) -> None:
    by_secret = local(table).seal("x", PLACE, NOON)
    by_vault = Sealing(DataKeys(table, vault.wrapping)).seal("y", PLACE, NOON)
    assert local(table).seal("x", PLACE, NOON)[:19] == by_secret[:19]
    assert Sealing(DataKeys(table, vault.wrapping)).open(by_vault, PLACE) == "y"
    with pytest.raises(SecretUnavailable, match="a vault is set"):
        Sealing(DataKeys(table, vault.wrapping)).open(by_secret, PLACE)

    vault.versions = {"f" * 32: vault.versions[max(vault.versions)]}
    fresh = Sealing(DataKeys(table, vault.wrapping))
    sealed = fresh.seal("z", PLACE, NOON)
    assert sealed[:19] not in (by_secret[:19], by_vault[:19])
    with pytest.raises(SecretUnavailable):
        fresh.open(by_vault, PLACE)
    assert fresh.open(sealed, PLACE) == "z"


def test_a_secret_that_is_replaced_twice_loses_no_key_that_was_used_or_left(table: WiredTable) -> None:
    first = local(table).seal("x", PLACE, NOON)
    second = local(table).seal("y", PLACE, LATER)
    two = {"SECRET_TEXTS_KEY": "two", "SECRET_TEXTS_KEY__PREVIOUS": "only for tests"}
    third = local(table, **two).seal("z", PLACE, LATER)
    assert third[:19] == second[:19] != first[:19]

    three = local(table, SECRET_TEXTS_KEY="three", SECRET_TEXTS_KEY__PREVIOUS="two")
    assert [three.open(each, PLACE) for each in (first, second, third)] == ["x", "y", "z"]
    alone = local(table, SECRET_TEXTS_KEY="three")
    assert [alone.open(each, PLACE) for each in (first, second, third)] == ["x", "y", "z"]


@pytest.mark.parametrize("since", [SERVES, SERVES + timedelta(days=1)])
def test_a_key_whose_days_are_over_serves_on_until_there_is_another(
    table: WiredTable, vault: WrappingVault, since: timedelta
) -> None:
    clock = Clock()
    sealing = Sealing(DataKeys(table, vault.wrapping, clock))
    old = sealing.seal("old", PLACE, NOON)
    vault.server.otherwise = Reply(503)
    before = len(vault.server.requests)
    for _ in range(3):
        assert sealing.seal("x", PLACE, NOON + since)[:19] == old[:19]
    assert 0 < len(vault.server.requests) - before <= 3
    assert sealing.seal("Ana", PLACE)[:19] == old[:19]

    vault.server.otherwise = vault.answer
    clock.forward(SILENT_SECONDS)
    new = sealing.seal("new", PLACE, NOON + since)
    assert new[:19] != old[:19]
    assert (sealing.open(old, PLACE), sealing.open(new, PLACE)) == ("old", "new")


def test_a_look_sees_past_memory_whether_what_wraps_keys_works(
    table: WiredTable, vault: WrappingVault
) -> None:
    sealing = Sealing(DataKeys(table, vault.wrapping))
    sealing.look()
    assert kept(table) == []
    sealing.seal("x", PLACE, NOON)
    sealing.look()
    vault.server.otherwise = Reply(503)
    with pytest.raises(SecretUnavailable):
        sealing.look()


def test_a_look_sees_a_value_that_does_not_open_what_is_sealed(table: WiredTable) -> None:
    local(table).seal("x", PLACE, NOON)
    local(table, SECRET_TEXTS_KEY="another", SECRET_TEXTS_KEY__PREVIOUS="only for tests").look()
    with pytest.raises(SecretUnavailable, match="another value"):
        local(table, SECRET_TEXTS_KEY="another").look()
    with pytest.raises(SecretUnavailable, match="texts-key"):
        local(table, SECRET_TEXTS_KEY="").look()


def test_readiness_names_the_key_of_texts_and_no_plan_with_it(table: WiredTable) -> None:
    secrets = PlanSecrets(dict, str, {"the key of names and texts": local(table, SECRET_TEXTS_KEY="").look})
    named, [missing] = secrets.look(Clock())
    assert (named, missing.name, missing.plans) == (0, "the key of names and texts", ())
    assert "texts-key" in missing.error

    well = PlanSecrets(dict, str, {"the key of names and texts": local(table).look})
    assert well.look(Clock()) == (0, ())
