"""A value that is doubted: a caller's word makes us ask again, a provider's makes us stop using it."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.answer_tokens import KeyedAnswerTokens
from shared.adapters.channels.current_secret import with_current_secret
from shared.adapters.chat.signed_plans import ASK_AGAIN_AFTER, SignedPlans
from shared.domain.answering import Grant
from shared.domain.doors import Chat
from shared.domain.errors import DeliveryFailed, SecretUnavailable, Unauthenticated
from shared.ports import Accepted
from tests.builders import NOON, a_plan
from tests.certificates import LoopbackAuthority
from tests.chats import Plans
from tests.receivers import Reply, Request
from tests.vaults import Vault, Version, a_vault

DAY = timedelta(days=1)
OLD = Version("9a", "old-value", NOON - 30 * DAY)
NEW = Version("1b", "new-value", NOON)
OUT = Reply(503, {}, b"")
GRANT = Grant("INC-8Q2XK4ZR-1", "ada", "000001-ada-0", NOON + 7 * DAY)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LoopbackAuthority:
    return LoopbackAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def vault(authority: LoopbackAuthority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    with a_vault(authority, monkeypatch) as vault:
        vault.keep("hook", OLD)
        yield vault


def rotate(vault: Vault) -> None:
    vault.keep("hook", OLD, NEW)


def out(vault: Vault) -> None:
    """The vault answers nothing any more, and what is cached is no longer fresh."""
    vault.server.otherwise = OUT
    vault.clock.forward(721)


def refusing(old: str) -> Callable[[str], Accepted]:
    """What a provider makes of a value: it refuses ``old``."""

    def attempt(value: str) -> Accepted:
        if value == old:
            raise DeliveryFailed("answered 401", permanent=True, status=401)
        return Accepted(200)

    return attempt


def refused(vault: Vault, old: str = "old-value") -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        with_current_secret(vault.secrets, "hook", refusing(old))
    return caught.value


def test_a_value_that_is_checked_again_is_read_again(vault: Vault) -> None:
    assert vault.secrets.accepted("hook") == ["old-value"]
    rotate(vault)
    vault.secrets.recheck("hook")
    assert vault.secrets.get("hook") == "new-value"
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]
    vault.secrets.recheck("never-heard-of")


def test_a_value_that_is_checked_again_serves_on_while_the_vault_does_not_answer(vault: Vault) -> None:
    rotate(vault)
    vault.secrets.accepted("hook")
    vault.server.otherwise = OUT
    vault.secrets.recheck("hook")
    assert vault.secrets.get("hook") == "new-value"
    assert vault.secrets.accepted("hook") == ["new-value", "old-value"]
    assert len(vault.asked()) > 3


@pytest.mark.parametrize(("after", "reads"), [(9.9, 2), (10.0, 3), (10.1, 3)], ids=["before", "at", "after"])
def test_a_value_is_checked_again_once_in_ten_seconds(vault: Vault, after: float, reads: int) -> None:
    for _ in range(5):
        vault.secrets.get("hook")
        vault.secrets.recheck("hook")
    vault.secrets.get("hook")
    vault.clock.forward(after)
    vault.secrets.recheck("hook")
    vault.secrets.get("hook")
    assert len(vault.asked()) == reads


def test_a_vault_that_hangs_holds_nobody_up_who_can_be_served_an_older_value(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(request: Request) -> Reply:
        assert go_on.wait(20)
        return vault.answer(request)

    monkeypatch.setattr("shared.adapters.key_vault.WAIT_SECONDS", 30.0)
    monkeypatch.setattr("shared.adapters.key_vault.HELD_SECONDS", 0.05)
    vault.secrets.accepted("hook")
    vault.server.otherwise = slow
    vault.secrets.recheck("hook")
    assert vault.secrets.get("hook") == "old-value"
    assert vault.secrets.accepted("hook") == ["old-value"]
    go_on.set()


def test_a_value_that_a_provider_refused_is_not_served_in_an_outage_and_is_back_when_it_ends(
    vault: Vault,
) -> None:
    vault.secrets.accepted("hook")
    out(vault)
    assert vault.secrets.forget("hook")
    for ask in (vault.secrets.get, vault.secrets.accepted):
        with pytest.raises(SecretUnavailable, match="answered 503"):
            ask("hook")
    vault.server.otherwise = vault.answer
    vault.clock.forward(5)
    assert vault.secrets.get("hook") == "old-value"


@pytest.mark.parametrize(("after", "again"), [(9.9, False), (10.0, True), (10.1, True)])
def test_who_forgets_is_told_whether_it_will_be_asked_anew(vault: Vault, after: float, again: bool) -> None:
    assert not vault.secrets.forget("hook")
    vault.secrets.get("hook")
    assert vault.secrets.forget("hook")
    vault.secrets.get("hook")
    vault.clock.forward(after)
    assert vault.secrets.forget("hook") is again


def test_a_refusal_while_the_vault_is_out_is_not_final(vault: Vault) -> None:
    vault.secrets.get("hook")
    rotate(vault)
    vault.server.otherwise = OUT
    assert (refused(vault).permanent, refused_again(vault)) == (False, True)
    vault.server.otherwise = vault.answer
    vault.clock.forward(5)
    assert with_current_secret(vault.secrets, "hook", refusing("old-value")) == Accepted(200)


def refused_again(vault: Vault) -> bool:
    """Whether the next try has no value, rather than the refused one."""
    with pytest.raises(SecretUnavailable):
        with_current_secret(vault.secrets, "hook", refusing("old-value"))
    return True


@pytest.mark.parametrize(("after", "final"), [(9.9, False), (10.0, True), (10.1, True)])
def test_a_refusal_is_not_final_where_the_value_was_confirmed_before_it(
    vault: Vault, after: float, final: bool
) -> None:
    assert refused(vault).permanent
    vault.clock.forward(after)
    assert refused(vault).permanent is final


def test_a_key_rotated_a_moment_after_a_refusal_gives_up_no_page(vault: Vault) -> None:
    assert refused(vault).permanent  # 404, say: somebody else's fault
    vault.clock.forward(6)
    rotate(vault)
    assert not refused(vault).permanent
    vault.clock.forward(4)
    assert with_current_secret(vault.secrets, "hook", refusing("old-value")) == Accepted(200)


def test_a_late_refusal_of_the_old_value_does_not_cost_the_new_one(vault: Vault) -> None:
    vault.secrets.get("hook")

    def overtaken(value: str) -> Accepted:
        assert value == "old-value"
        rotate(vault)
        assert vault.secrets.forget("hook")
        assert vault.secrets.get("hook") == "new-value"
        out(vault)
        raise DeliveryFailed("answered 401", permanent=True, status=401)

    with pytest.raises(DeliveryFailed) as caught:
        with_current_secret(vault.secrets, "hook", overtaken)
    assert not caught.value.permanent
    assert vault.secrets.get("hook") == "new-value"


def test_a_storm_over_a_rotation_and_an_outage_gives_up_no_page(vault: Vault) -> None:
    final: list[DeliveryFailed] = []
    delivered: list[int] = []
    together = threading.Barrier(16)

    def page(number: int) -> None:
        together.wait(20)
        for _ in range(200):
            try:
                with_current_secret(vault.secrets, "hook", refusing("old-value"))
            except DeliveryFailed as failure:
                final.extend([failure] if failure.permanent else [])
            except SecretUnavailable:
                vault.server.otherwise = vault.answer
                vault.clock.forward(5)
            else:
                delivered.append(number)
                return

    vault.secrets.get("hook")
    rotate(vault)
    vault.server.otherwise = OUT
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(page, range(16)))
    assert final == []
    assert sorted(delivered) == list(range(16))


def test_a_forged_link_in_an_outage_costs_nobody_the_key(vault: Vault) -> None:
    tokens = KeyedAnswerTokens(vault.secrets, "hook")
    good = tokens.sign(GRANT)
    forged = KeyedAnswerTokens(_Guessed(), "hook").sign(GRANT)
    out(vault)
    with pytest.raises(Unauthenticated):
        tokens.read(forged, NOON)
    assert tokens.read(good, NOON) == GRANT
    assert tokens.sign(GRANT) == good


def test_forged_calls_of_a_chat_in_an_outage_cost_no_plan_its_secret(vault: Vault) -> None:
    names = [f"sign-{number}" for number in range(3)]
    vault.values.update({name: f"value of {name}" for name in names})
    plans = Plans(*(replace(a_plan(), name=name, chat=Chat(teams_secret=name)) for name in names))
    by = SignedPlans(plans, vault.secrets, lambda plan: plan.chat.teams_secret)

    def proven(given: str, after: timedelta) -> list[str]:
        return [
            plan.name
            for plan in by.of(lambda secret: base64.b64encode(secret.encode()).decode(), given, NOON + after)
        ]

    good = base64.b64encode(b"value of sign-1").decode()
    assert proven(good, timedelta(0)) == ["sign-1"]
    out(vault)
    for turn in range(3):
        with pytest.raises(Unauthenticated):
            proven("forged", turn * ASK_AGAIN_AFTER)
        vault.clock.forward(60)
        assert proven(good, turn * ASK_AGAIN_AFTER) == ["sign-1"]


class _Guessed:
    """`ports.Secrets` of somebody who does not know ours."""

    def get(self, name: str) -> str:
        return f"a guess at {name}"

    def accepted(self, name: str) -> list[str]:
        return [self.get(name)]

    def recheck(self, name: str) -> None:
        """Nothing to check."""

    def forget(self, name: str) -> bool:  # noqa: ARG002
        """Nothing to forget."""
        return True
