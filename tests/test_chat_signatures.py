"""Whose secret has signed a call, while secrets are rotated, missing, or guessed at."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.chat.signed_plans import ASK_AGAIN_AFTER, AT_ONCE, SignedPlans
from shared.domain.doors import Chat
from shared.domain.errors import SecretUnavailable, Unauthenticated
from shared.domain.plan import Plan
from tests.builders import NOON, a_plan
from tests.chats import Plans


class Vault:
    """`ports.Secrets` that serves what it has once read, until it is to check it again."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.served: dict[str, str] = {}
        self.read = 0

    def get(self, name: str) -> str:
        if name not in self.served:
            self.read += 1
            if name not in self.values:
                raise SecretUnavailable(f'secret "{name}" is missing')
            self.served[name] = self.values[name]
        return self.served[name]

    def recheck(self, name: str) -> None:
        self.served.pop(name, None)

    def forget(self, name: str) -> bool:
        raise AssertionError(f"no provider has refused {name}")

    def accepted(self, name: str) -> Sequence[str]:
        return [self.get(name)]


def plan(name: str, secret: str | None) -> Plan:
    return replace(a_plan(), name=name, chat=Chat(teams_secret=secret))


def signers(vault: Vault, *plans: Plan) -> SignedPlans:
    return SignedPlans(Plans(*plans), vault, lambda each: each.chat.teams_secret)


def signed(by: SignedPlans, value: str, after: timedelta = timedelta(0)) -> list[str]:
    return [each.name for each in by.of(lambda secret: f"signed {secret}", f"signed {value}", NOON + after)]


def test_plans_that_share_a_secret_may_all_be_meant() -> None:
    by = signers(
        Vault(one="1", two="2"), plan("a", "one"), plan("b", "two"), plan("c", "one"), plan("d", None)
    )
    assert signed(by, "1") == ["a", "c"]
    assert signed(by, "2") == ["b"]
    with pytest.raises(Unauthenticated):
        signed(by, "3")


def test_a_rotated_secret_counts_at_once() -> None:
    vault = Vault(one="old")
    by = signers(vault, plan("a", "one"))
    assert signed(by, "old") == ["a"]
    vault.values["one"] = "new"
    assert signed(by, "new") == ["a"]
    assert vault.read == 2


def test_forged_calls_do_not_become_calls_of_the_vault() -> None:
    vault = Vault(one="1")
    by = signers(vault, plan("a", "one"))
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            signed(by, "guess")
    assert vault.read == 2
    for after in (ASK_AGAIN_AFTER - timedelta(seconds=1), ASK_AGAIN_AFTER):
        with pytest.raises(Unauthenticated):
            signed(by, "guess", after)
    assert vault.read == 3


def test_a_missing_secret_keeps_nobody_out_who_proves_another() -> None:
    by = signers(Vault(two="2"), plan("a", "one"), plan("b", "two"))
    assert signed(by, "2") == ["b"]
    with pytest.raises(SecretUnavailable):
        signed(by, "1")


def test_the_secrets_of_many_plans_are_asked_for_at_the_same_time() -> None:
    names = [f"secret-{number}" for number in range(2 * AT_ONCE)]
    together = threading.Barrier(AT_ONCE)

    class Slow(Vault):
        def accepted(self, name: str) -> Sequence[str]:
            together.wait(20)  # for as many others
            return super().accepted(name)

    by = signers(Slow(**{name: name for name in names}), *(plan(name, name) for name in names))
    assert signed(by, names[-1]) == [names[-1]]


def test_a_secret_that_does_not_come_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.adapters.chat.signed_plans.SECONDS", 0.3)
    names = [f"secret-{number}" for number in range(2 * AT_ONCE)]
    go_on = threading.Event()

    class Stuck(Vault):
        def accepted(self, name: str) -> Sequence[str]:
            if name == "stuck":
                assert go_on.wait(20)
            return super().accepted(name)

    values = {name: name for name in [*names, "stuck"]}
    by = signers(Stuck(**values), plan("slow", "stuck"), *(plan(name, name) for name in names))
    assert signed(by, names[-1]) == [names[-1]]
    with pytest.raises(SecretUnavailable, match=r"stuck.*in time"):
        signed(by, "stuck")
    go_on.set()


def test_where_no_plan_has_chat_nobody_is_asked() -> None:
    vault = Vault()
    with pytest.raises(Unauthenticated):
        signed(signers(vault, plan("a", None)), "1")
    assert vault.read == 0
