"""Rotation: what was signed with the key before still counts for a day, and nobody is served an old value."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from shared.adapters.app_setting_secrets import AppSettingSecrets
from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.redacting import BLACK, Redactor, RememberingSecrets
from shared.domain.errors import DeliveryFailed, SecretUnavailable
from shared.ports import Accepted, Secrets
from tests.certificates import LoopbackAuthority
from tests.receivers import Reply
from tests.vaults import DISABLED, NOON, Vault, Version, a_vault, as_json

DAY = timedelta(hours=24)
MONTH = timedelta(days=30)
SECOND = timedelta(seconds=1)
OLD = Version("9a9a9a9a9a9a9a9a", "old-value", NOON - MONTH)
NEW = Version("1b1b1b1b1b1b1b1b", "new-value", NOON - SECOND)
THREADS = 50


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LoopbackAuthority:
    return LoopbackAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def vault(authority: LoopbackAuthority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    with a_vault(authority, monkeypatch) as vault:
        yield vault


def test_the_version_before_is_accepted_after_the_current_one(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]
    assert vault.asked() == ["hook", "hook/versions", f"hook/{OLD.id}"]
    assert vault.secrets.get("hook") == "new-value"


def test_who_only_wants_the_value_causes_no_look_at_versions(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    vault.secrets.get("hook")
    assert vault.asked() == ["hook"]


def test_both_are_served_from_the_cache_for_ten_minutes_give_or_take_a_fifth(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    for _ in range(5):
        vault.secrets.accepted("hook")
    vault.clock.forward(479)
    vault.secrets.accepted("hook")
    assert len(vault.asked()) == 3
    vault.clock.forward(242)
    vault.now += timedelta(seconds=721)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]
    assert len(vault.asked()) == 6


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        (NEW.made + DAY - SECOND, ["new-value", "old-value"]),
        (NEW.made + DAY, ["new-value"]),
        (NEW.made + DAY + SECOND, ["new-value"]),
    ],
    ids=["before", "at", "after"],
)
def test_a_day_after_it_was_replaced_a_key_counts_no_more(
    vault: Vault, now: datetime, accepted: list[str]
) -> None:
    vault.keep("hook", OLD, NEW)
    vault.now = now
    assert vault.secrets.accepted("hook") == accepted


def test_the_day_ends_for_what_is_in_the_cache_too(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    vault.now = NEW.made + DAY - timedelta(seconds=60)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]
    vault.clock.forward(59.9)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]
    vault.clock.forward(0.1)
    assert vault.secrets.accepted("hook") == ["new-value"]


@pytest.mark.parametrize(
    "unusable",
    [
        Version("9a", "old-value", NOON - MONTH, enabled=False),
        Version("9a", "old-value", NOON - MONTH, ends=NOON),
        Version("9a", "old-value", NOON - MONTH, ends=NOON - SECOND),
        Version("9a", "old-value", NOON - MONTH, begins=NOON + SECOND),
        Version("9a", "", NOON - MONTH),
    ],
    ids=["disabled", "expires now", "has expired", "not valid yet", "empty"],
)
def test_a_version_that_must_not_be_used_is_not_accepted(vault: Vault, unusable: Version) -> None:
    vault.keep("hook", unusable, NEW)
    assert vault.secrets.accepted("hook") == ["new-value"]


def test_a_version_that_expires_later_and_has_begun_is_accepted(vault: Vault) -> None:
    vault.keep("hook", Version("9a", "old-value", NOON - MONTH, begins=NOON, ends=NOON + SECOND), NEW)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]


def test_of_many_versions_on_many_pages_the_last_two_usable_ones_are_accepted(vault: Vault) -> None:
    older = [Version(f"{n:02d}ff", f"value-{n}", NOON - n * MONTH) for n in range(1, 10)]
    disabled = Version("aaaa", "disabled", NOON - timedelta(days=1), enabled=False)
    vault.keep("hook", *reversed(older), disabled, NEW)
    assert vault.secrets.accepted("hook") == ["new-value", "value-1"]
    assert vault.asked().count("hook/versions") == 6


def test_a_secret_of_one_version_has_one_value(vault: Vault) -> None:
    vault.keep("hook", NEW)
    assert vault.secrets.accepted("hook") == ["new-value"]
    assert vault.asked() == ["hook", "hook/versions"]


def test_a_version_made_while_we_looked_is_accepted_too(vault: Vault) -> None:
    vault.keep("hook", OLD)
    assert vault.secrets.get("hook") == "old-value"
    vault.keep("hook", OLD, NEW)
    assert vault.secrets.accepted("hook") == ["old-value", "new-value"]


def test_where_versions_may_not_be_listed_the_current_one_counts_alone_and_it_is_not_tried_each_time(
    vault: Vault,
) -> None:
    vault.keep("hook", OLD, NEW)
    vault.may_list = False
    for _ in range(5):
        assert vault.secrets.accepted("hook") == ["new-value"]
        vault.clock.forward(60)
    assert vault.asked() == ["hook", "hook/versions"]
    vault.may_list = True
    vault.clock.forward(721)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]


@pytest.mark.parametrize(
    "trouble",
    [Reply(503), Reply(reset=True), DISABLED, as_json(200, {"value": [{"id": "nonsense"}]}), Reply(404)],
    ids=["503", "reset", "disabled", "nonsense", "404"],
)
def test_where_versions_cannot_be_read_the_current_one_counts_alone(vault: Vault, trouble: Reply) -> None:
    vault.keep("hook", OLD, NEW)
    vault.secrets.get("hook")
    vault.fail(trouble)
    assert vault.secrets.accepted("hook") == ["new-value"]
    vault.clock.forward(31)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]


def test_the_version_before_serves_on_while_the_vault_does_not_answer(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    vault.secrets.accepted("hook")
    vault.fail(503, 503)
    vault.clock.forward(721)
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]


def test_what_is_forgotten_is_forgotten_with_its_versions(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    vault.secrets.accepted("hook")
    vault.keep("hook", NEW, Version("2c", "newest-value", NOON))
    vault.secrets.forget("hook")
    assert vault.secrets.accepted("hook") == ["newest-value", "new-value"]


def test_a_version_that_leaked_is_out_as_soon_as_it_is_disabled_and_forgotten(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    vault.secrets.accepted("hook")
    vault.keep("hook", Version(OLD.id, OLD.value, OLD.made, enabled=False), NEW)
    vault.secrets.forget("hook")
    assert vault.secrets.accepted("hook") == ["new-value"]


def test_without_a_current_value_nothing_is_accepted(vault: Vault) -> None:
    with pytest.raises(SecretUnavailable, match="no such secret"):
        vault.secrets.accepted("hook")
    with pytest.raises(SecretUnavailable, match="cannot be the name"):
        vault.secrets.accepted("../keys")
    vault.keep("hook", OLD, Version("1b", "new-value", NOON, enabled=False))
    vault.clock.forward(31)
    with pytest.raises(SecretUnavailable, match="disabled"):
        vault.secrets.accepted("hook")


def test_each_version_is_told_once_when_it_is_first_read_and_never_its_value(
    vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="shared.adapters.key_vault")
    vault.keep("hook", OLD)
    assert vault.secrets.version("hook") is None
    vault.secrets.get("hook")
    vault.clock.forward(721)
    vault.secrets.get("hook")
    assert vault.secrets.version("hook") == OLD.id
    vault.keep("hook", OLD, NEW)
    vault.secrets.forget("hook")
    vault.secrets.accepted("hook")
    assert caplog.messages == [
        'secret "hook": version 9a9a9a9a is in use',
        'secret "hook": version 1b1b1b1b is in use',
    ]
    assert vault.secrets.version("hook") == NEW.id
    assert "value" not in caplog.text.replace("new-value", "")


def test_both_values_are_blacked_out_from_then_on(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)
    redactor = Redactor()
    secrets: Secrets = RememberingSecrets(vault.secrets, redactor)
    assert secrets.accepted("hook") == ["new-value", "old-value"]
    assert redactor.redact("new-value or old-value") == f"{BLACK} or {BLACK}"


def test_app_settings_hold_the_value_before_in_a_setting_of_its_own() -> None:
    settings = {"SECRET_HOOK": "new-value", "SECRET_HOOK__PREVIOUS": "old-value"}
    assert AppSettingSecrets(settings).accepted("hook") == ["new-value", "old-value"]
    assert AppSettingSecrets({"SECRET_HOOK": "new-value"}).accepted("hook") == ["new-value"]
    unresolved = settings | {"SECRET_HOOK__PREVIOUS": "@Microsoft.KeyVault(SecretUri=https://v.example/s)"}
    assert AppSettingSecrets(unresolved).accepted("hook") == ["new-value"]
    same = settings | {"SECRET_HOOK__PREVIOUS": "new-value"}
    assert AppSettingSecrets(same).accepted("hook") == ["new-value"]
    with pytest.raises(SecretUnavailable, match="SECRET_HOOK"):
        AppSettingSecrets({"SECRET_HOOK__PREVIOUS": "old-value"}).accepted("hook")


def test_a_key_rotated_in_the_middle_of_a_storm_is_read_a_handful_of_times_and_served_to_everybody(
    vault: Vault,
) -> None:
    """Fifty senders; the provider refuses the old value from the rotation on, as it would."""
    vault.keep("hook", OLD)
    rotated = threading.Event()
    half_way = threading.Barrier(THREADS + 1)
    served_late: list[str] = []

    def send() -> None:
        for turn in range(20):
            if turn == 10:
                half_way.wait(20)
                rotated.wait(20)
            value = vault.secrets.get("hook")
            if rotated.is_set() and value == "old-value":  # refused: 401
                vault.secrets.forget("hook")
                served_late.extend(vault.secrets.get("hook") for _ in range(3))
                assert vault.secrets.accepted("hook")[0] == "new-value"

    with ThreadPoolExecutor(THREADS) as threads:
        senders = [threads.submit(send) for _ in range(THREADS)]
        half_way.wait(20)
        before = len(vault.asked())
        vault.keep("hook", OLD, NEW)
        rotated.set()
        for sender in senders:
            sender.result(30)
    assert before == 1
    assert set(served_late) == {"new-value"}
    assert vault.asked()[1:] == ["hook", "hook/versions", f"hook/{OLD.id}"]
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]


def test_no_page_of_a_storm_is_given_up_because_the_key_was_rotated_meanwhile(vault: Vault) -> None:
    """Through the channels' own use of secrets; the provider refuses whatever is not the latest value."""
    vault.keep("hook", OLD)
    valid = ["old-value"]
    given_up: list[DeliveryFailed] = []

    def attempt(value: str) -> Accepted:
        if value != valid[-1]:
            raise DeliveryFailed("answered 401", permanent=True, status=401)
        return Accepted(200, None)

    def rotate() -> None:
        valid.append("new-value")
        vault.keep("hook", OLD, NEW)

    together = threading.Barrier(THREADS, action=rotate)

    def page(_number: int) -> None:
        for turn in range(1, 30):
            if turn == 10:
                together.wait(20)
            try:
                with_current_secret(vault.secrets, "hook", attempt)
            except DeliveryFailed as failure:
                given_up.extend([failure] if failure.permanent else [])
                assert with_current_secret(vault.secrets, "hook", attempt).status == 200

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(page, range(THREADS)))
    assert given_up == []
    assert vault.asked() == ["hook", "hook"]


def test_whoever_waited_for_a_fetch_that_was_overtaken_by_a_rotation_gets_the_new_value(vault: Vault) -> None:
    go_on, reading = threading.Event(), threading.Event()
    vault.keep("hook", OLD)

    def late(request: object) -> Reply:
        del request
        reading.set()
        assert go_on.wait(10)
        return as_json(200, OLD.shown(f"{vault.server.url}/secrets/hook") | {"value": OLD.value})

    vault.secrets.get("hook")
    vault.clock.forward(721)
    vault.fail(late)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(vault.secrets.get, "hook")
        assert reading.wait(10)
        vault.keep("hook", OLD, NEW)
        vault.secrets.forget("hook")
        go_on.set()
        assert waiting.result(10) == "new-value"


def test_storms_of_readers_and_forgetters_with_rotations_never_go_back_in_time(vault: Vault) -> None:
    vault.keep("hook", Version("v0", "0", NOON - MONTH))
    stop = threading.Event()

    def read() -> None:
        last = 0
        while not stop.is_set():
            value = int(vault.secrets.get("hook"))
            assert value >= last
            last = value
            vault.secrets.forget("hook")

    with ThreadPoolExecutor(8) as threads:
        readers = [threads.submit(read) for _ in range(8)]
        for n in range(1, 6):
            made = NOON - MONTH + n * SECOND
            vault.keep("hook", Version(f"v{n}", str(n), made))
            vault.clock.forward(10)
            vault.secrets.forget("hook")
            assert vault.secrets.get("hook") == str(n)
        stop.set()
        for reader in readers:
            reader.result(10)
    assert len(vault.asked()) <= 12
