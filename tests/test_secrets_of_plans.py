"""Which secrets plans name, wherever they stand; a missing one is named by readiness and `make check`."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from local import check_secrets
from shared.adapters.key_vault import KeyVaultSecrets
from shared.adapters.plan_secrets import collisions, named_secrets, plans_naming
from shared.domain.doors import Chat
from shared.domain.errors import SecretUnavailable, StoreUnavailable
from shared.domain.plan import Calendar, Channel, Contact, Plan, SourceTrust
from shared.ports import IncidentStore
from shared.workflows import check_health
from shared.workflows.check_health import CheckHealth, PlanSecrets, lacking
from tests.builders import a_plan
from tests.certificates import LoopbackAuthority
from tests.receivers import Reply
from tests.vaults import Vault, a_vault

PLAN = """
plan: {name}
timezone: UTC
services: {{api: {{}}}}
default_service: api
severities: {{low: {{steps: [{{after: 0s, notify: [anna]}}]}}}}
default_severity: low
contacts: {{anna: {{reach: [{{channel: room}}]}}}}
channels: {{room: {{kind: slack, secret: {secret}}}}}
"""


def naming(name: str, **channels: str) -> Plan:
    """A plan whose channels (in the order given) name these secrets."""
    plan = a_plan()
    made = {each: Channel(each, "slack", secret=secret) for each, secret in channels.items()}
    return replace(plan, name=name, directory=replace(plan.directory, contacts={}, channels=made))


def test_a_secret_is_found_wherever_a_plan_names_it() -> None:
    plan = naming("acme")
    options = {"url_secret": "b-url", "from": "x", "auth_token_secret": "b-auth", "callback_secret": "b-back"}
    directory = replace(
        plan.directory,
        channels={
            "open": Channel("open", "webhook", url="https://a.example"),
            "shut": Channel("shut", "webhook", secret="b-key", options=options),
        },
        contacts={
            "anna": Contact("anna", calendar=Calendar(secret="anna-ics")),
            "ben": Contact("ben", calendar=Calendar(url="https://a.example/b.ics")),
            "cy": Contact("cy"),
        },
    )
    trust = SourceTrust("g-bearer", "g-hmac", "X-Signature", "X-Time")
    chat = Chat("slack-signing", "slack-bot", "T1", "teams-token")
    whole = replace(plan, directory=directory, sources={"grafana": trust}, chat=chat)
    found = {secret: uses["acme"] for secret, uses in named_secrets([whole]).items()}
    assert found == {
        "anna-ics": ["calendar of anna (secret)"],
        "b-auth": ["channel shut (auth_token_secret)"],
        "b-back": ["channel shut (callback_secret)"],
        "b-key": ["channel shut (secret)"],
        "b-url": ["channel shut (url_secret)"],
        "g-bearer": ["source grafana (bearer_secret)"],
        "g-hmac": ["source grafana (hmac_secret)"],
        "slack-bot": ["chat (slack_bot_secret)"],
        "slack-signing": ["chat (slack_signing_secret)"],
        "teams-token": ["chat (teams_secret)"],
    }


def test_no_part_of_a_plan_names_secrets_where_nobody_looks() -> None:
    seen: dict[type, set[str]] = {}

    def walk(kind: object) -> None:
        for part in typing.get_args(kind):
            walk(part)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind not in seen:
            hints = typing.get_type_hints(kind)
            seen[kind] = {name for name in hints if name == "secret" or name.endswith("_secret")}
            for part in hints.values():
                walk(part)

    walk(Plan)
    assert {kind for kind, names in seen.items() if names} == {Calendar, Channel, Chat, SourceTrust}


def test_a_secret_that_several_plans_name_is_told_with_each() -> None:
    plans = [naming("acme", a="shared", b="shared", c="own"), naming("globex", a="shared")]
    assert named_secrets(plans)["shared"] == {
        "acme": ["channel a (secret)", "channel b (secret)"],
        "globex": ["channel a (secret)"],
    }
    assert plans_naming(plans) == {"own": ("acme",), "shared": ("acme", "globex")}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a-b", "ab", "a-b-c"], []),
        (["a-b", "A-B"], ["A-B and a-b are one app setting, SECRET_A_B"]),
        (["slack", "Slack--Previous"], ["Slack--Previous is the app setting for the value before of slack"]),
        (["slack--previous"], []),
    ],
)
def test_names_that_are_one_app_setting_are_told(names: list[str], told: list[str]) -> None:
    assert collisions(names) == told


@dataclass
class Shelf:
    """Secrets that are there, or not, or answer only when they are let."""

    there: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    go_on: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, name: str) -> str:
        with self.lock:
            self.asked.append(name)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if name in self.slow:
                assert self.go_on.wait(20)
            if name not in self.there:
                raise SecretUnavailable(f'secret "{name}": not here')
            return "value-of-it"
        finally:
            with self.lock:
                self.at_once -= 1


class Seconds:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    yield shelf
    shelf.go_on.set()


def test_what_is_missing_is_named_with_its_plans_and_no_value() -> None:
    shelf = Shelf({"here"})
    secrets = PlanSecrets(lambda: {"here": ["acme"], "gone": ["acme", "globex"]}, shelf.get)
    named, missing = secrets.look(Seconds())
    assert named == 2
    assert [(each.name, each.plans, each.error) for each in missing] == [
        ("gone", ("acme", "globex"), 'secret "gone": not here')
    ]
    assert "value-of-it" not in repr(missing)


@pytest.mark.parametrize(("after", "looks"), [(29.9, 1), (30.0, 2), (30.1, 2)], ids=["before", "at", "after"])
def test_what_was_found_is_told_again_for_half_a_minute(after: float, looks: int) -> None:
    shelf, clock = Shelf(), Seconds()
    secrets = PlanSecrets(lambda: {"gone": ["acme"]}, shelf.get)
    secrets.look(clock)
    secrets.look(clock)
    clock.now += after
    shelf.there.add("gone")
    assert len(secrets.look(clock)[1]) == 2 - looks
    assert len(shelf.asked) == looks


def test_sixty_secrets_of_a_vault_that_hangs_take_no_longer_than_one(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_health, "SECRETS_WITHIN", 0.2)
    names = [f"secret-{n:02d}" for n in range(60)]
    shelf.slow.update(names)
    started = time.monotonic()
    named, missing = PlanSecrets(lambda: dict.fromkeys(names, ("acme",)), shelf.get).look(Seconds())
    assert time.monotonic() - started < 2
    assert named == 60
    assert [each.name for each in missing] == names
    assert {each.error for each in missing} == {check_health.LATE}
    assert shelf.most_at_once <= check_health.SECRETS_AT_ONCE


def test_slow_secrets_that_were_there_are_not_missing_and_hide_none_that_is(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_health, "SECRETS_WITHIN", 0.2)
    names, clock = [f"secret-{n:02d}" for n in range(40)], Seconds()
    shelf.there.update(names)
    named: dict[str, tuple[str, ...]] = dict.fromkeys(names, ("acme",))
    secrets = PlanSecrets(lambda: named, shelf.get)
    assert secrets.look(clock) == (40, ())
    shelf.slow.update(names)
    clock.now += 30
    assert secrets.look(clock) == (40, ())
    named["zz-new"] = ("globex",)
    clock.now += 30
    assert [each.name for each in secrets.look(clock)[1]] == ["zz-new"]
    shelf.go_on.set()
    shelf.there.discard("secret-39")
    clock.now += 30
    assert [each.name for each in secrets.look(clock)[1]] == ["secret-39", "zz-new"]


def test_it_is_logged_once_when_secrets_go_missing_and_when_they_are_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger=check_health.__name__)
    shelf, clock = Shelf({"one", "two"}), Seconds()
    secrets = PlanSecrets(lambda: {"one": ["acme"], "two": ["acme"]}, shelf.get)
    for there in ({"one", "two"}, {"two"}, {"two"}, set(), {"one", "two"}, {"one", "two"}):
        shelf.there = set(there)
        secrets.look(clock)
        clock.now += 30
    assert caplog.messages == [
        "1 secrets that plans name are missing: one",
        "2 secrets that plans name are missing: one, two",
        "every secret that plans name is there again",
    ]


def test_a_missing_secret_of_a_plan_leaves_an_instance_ready_and_a_missing_dependency_does_not() -> None:
    def away() -> None:
        raise StoreUnavailable("away")

    store = typing.cast("IncidentStore", None)  # readiness asks the probes alone
    secrets = PlanSecrets(lambda: {"gone": ["acme"]}, Shelf().get)
    found = CheckHealth({"tables": lambda: None}, store, secrets).ready(Seconds())
    assert (found.ok, found.named, [each.name for each in found.lacking]) == (True, 1, ["gone"])
    found = CheckHealth({"tables": away}, store, secrets).ready(Seconds())
    assert (found.ok, [each.error for each in found.tried]) == (False, ["away"])
    assert CheckHealth({"tables": lambda: None}, store).ready(Seconds()).lacking == ()


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    with a_vault(LoopbackAuthority(tmp_path), monkeypatch) as vault:
        yield vault


def test_a_vault_is_asked_for_each_secret_once_and_what_it_lacks_is_named(vault: Vault) -> None:
    vault.values.update({f"s{n}": "value-of-it" for n in range(20)})
    names = [*vault.values, "gone", "away"]
    found = lacking(names, vault.secrets.get)
    assert found == {
        "gone": 'secret "gone": the vault has no such secret',
        "away": 'secret "away": the vault has no such secret',
    }
    assert sorted(vault.reads()) == sorted(names)
    vault.fail(*[Reply(503)] * 40)
    vault.clock.forward(721)
    assert set(lacking(names, vault.secrets.get)) == {"gone", "away"}, "old values are served meanwhile"


@dataclass
class Checked:
    """What the command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two plans, and an environment without secrets."""
    monkeypatch.chdir(tmp_path)
    for name in ("KEY_VAULT_URI", "SECRET_ACME_ROOM", "SECRET_GLOBEX_ROOM", "SECRET_PEOPLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "plans").mkdir()
    for name in ("acme", "globex"):
        text = PLAN.format(name=name, secret=f"{name}-room")
        (tmp_path / "plans" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def check(capsys: pytest.CaptureFixture[str]) -> Checked:
    code = check_secrets.main(["plans"])
    told = capsys.readouterr()
    return Checked(code, told.out, told.err)


def local_settings(place: Path, **values: str) -> None:
    (place / "local.settings.json").write_text(json.dumps({"Values": values}), encoding="utf-8")


def test_where_no_secrets_are_set_they_are_listed_and_it_says_that_nothing_was_compared(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local_settings(place, PLANS_DIR="plans", SECRET_PEOPLE_KEY="local-only")
    assert check(capsys) == Checked(
        0,
        "Tocsin: people-key: pseudonyms of people\n"
        "acme: acme-room: channel room (secret)\n"
        "globex: globex-room: channel room (secret)\n"
        "no secrets are set here: nothing was compared\n",
        "",
    )


def test_where_some_are_set_each_missing_one_is_named_with_its_plan(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    local_settings(place, SECRET_PEOPLE_KEY="key-value")
    monkeypatch.setenv("SECRET_ACME_ROOM", "room-value")
    found = check(capsys)
    why = 'secret "globex-room": the app setting SECRET_GLOBEX_ROOM is missing or empty'
    assert (found.code, found.err) == (1, f"missing: {why}; named by globex\n")
    assert "3 secrets were looked for in the settings SECRET_…" in found.out
    assert "value" not in found.out + found.err
    local_settings(place, SECRET_PEOPLE_KEY="key-value", SECRET_GLOBEX_ROOM="room-value")
    assert check(capsys).code == 0


def test_names_that_collide_are_a_fault_wherever_it_runs(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PLAN.format(name="globex", secret="Acme-Room")
    (place / "plans" / "globex.yaml").write_text(text, encoding="utf-8")
    found = check(capsys)
    assert (found.code, found.err) == (1, "Acme-Room and acme-room are one app setting, SECRET_ACME_ROOM\n")


def test_plans_or_settings_that_cannot_be_read_are_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for content in ("[]", "{", '{"Values": {"A": 1}}'):
        (place / "local.settings.json").write_text(content, encoding="utf-8")
        assert check(capsys).code == 1
    (place / "local.settings.json").unlink()
    (place / "plans" / "acme.yaml").write_text("plan: other", encoding="utf-8")
    found = check(capsys)
    assert found.code == 1
    assert "acme.yaml" in found.err


def test_where_there_is_a_vault_it_is_the_vault_that_is_asked(vault: Vault) -> None:
    secrets, where = check_secrets.secrets_here(
        {"KEY_VAULT_URI": "https://acme.vault.azure.net"}, "people-key"
    )
    assert isinstance(secrets, KeyVaultSecrets)
    assert where == "the vault https://acme.vault.azure.net"
    vault.values["acme-room"] = "room-value"
    uses = {"acme-room": {"acme": ["channel room (secret)"]}, "gone": {"globex": ["chat (teams_secret)"]}}
    assert check_secrets.faults(uses, vault.secrets) == [
        'missing: secret "gone": the vault has no such secret; named by globex'
    ]
    assert list(check_secrets.listed(uses, vault.secrets)) == [
        "acme: acme-room: channel room (secret) [version 1]",
        "globex: gone: chat (teams_secret)",
    ]
