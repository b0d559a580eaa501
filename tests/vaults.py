"""A key vault on loopback that speaks Key Vault's protocol: HTTPS, its challenge, versions in pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ClientAuthenticationError

from shared.adapters.key_vault import KeyVaultSecrets, open_vault
from tests.certificates import LoopbackAuthority
from tests.receivers import HttpReceiver, Reply, Request, Scripted

TOKEN = "eyJ-a-token"
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""What the vault's own clock shows at first."""
PAGE = 2
"""Versions in one page of the list."""


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


class Identity:
    """A token credential that needs no directory."""

    def __init__(self) -> None:
        self.asked_for: list[str] = []
        self.refused = False

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401  (azure-core's signature)
        """Always the same token."""
        if self.refused:
            raise ClientAuthenticationError("no identity at https://login.example/tell-tale")
        self.asked_for.extend(scopes)
        return AccessToken(TOKEN, 4_102_444_800)


@dataclass
class Version:
    """One version of a secret in the vault."""

    id: str
    value: str
    made: datetime
    enabled: bool = True
    begins: datetime | None = None
    ends: datetime | None = None

    def shown(self, where: str) -> dict[str, Any]:
        """As the vault lists it: everything but the value."""
        stated = {"created": self.made, "updated": self.made, "nbf": self.begins, "exp": self.ends}
        attributes: dict[str, Any] = {name: int(at.timestamp()) for name, at in stated.items() if at}
        return {"id": f"{where}/{self.id}", "attributes": attributes | {"enabled": self.enabled}}


class Vault:
    """The real SDK talking HTTPS to a server that asks for a bearer token as a vault does."""

    def __init__(self, authority: LoopbackAuthority, server: HttpReceiver) -> None:
        self.values: dict[str, str] = {}
        """Secrets of one version, for tests that care for no more."""
        self.versions: dict[str, list[Version]] = {}
        self.now = NOON
        self.may_list = True
        self.server = server
        self.server.otherwise = self.answer
        self.clock = Clock()
        self.identity = Identity()
        self.opened = 0
        self._authority = authority
        self.secrets = KeyVaultSecrets(self._open, self.clock)

    def keep(self, name: str, *versions: Version) -> None:
        """Every version of a secret; the one made last is the current one."""
        self.versions[name] = list(versions)

    def asked(self) -> list[str]:
        """What was read with a token, in order: ``name``, ``name/versions`` and ``name/<version>``."""
        paths = [urlsplit(request.path).path for request in self._trusted()]
        return [path.removeprefix("/secrets/").strip("/") for path in paths]

    def reads(self) -> list[str]:
        """Names of the secrets that were read with a token, in order."""
        return [_name(request) for request in self._trusted()]

    def _trusted(self) -> list[Request]:
        return [request for request in self.server.requests if "authorization" in request.headers]

    def fail(self, *replies: Scripted) -> None:
        """Answer the next requests with these."""
        self.server.script(replies)

    def answer(self, request: Request) -> Reply:
        """As Key Vault does: a challenge, or the secret as JSON."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            challenge = (
                'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
            )
            return Reply(401, {"WWW-Authenticate": challenge}, b"")
        name, _, version = urlsplit(request.path).path.removeprefix("/secrets/").partition("/")
        kept = self.versions.get(name, [])
        if name in self.values:
            kept = [Version("1", self.values[name], NOON)]
        where = f"{self.server.url}/secrets/{name}"
        if version == "versions":
            return self._listed(kept, where, request) if self.may_list else FORBIDDEN
        wanted = [one for one in kept if one.id == version] if version else kept
        if not wanted:
            return as_json(404, {"error": {"code": "SecretNotFound", "message": "tell-tale"}})
        found = max(wanted, key=lambda one: one.made)
        return as_json(200, found.shown(where) | {"value": found.value}) if found.enabled else DISABLED

    def _listed(self, kept: list[Version], where: str, request: Request) -> Reply:
        """A page of the versions, in the order of their ids, which says nothing."""
        skipped = int(parse_qs(urlsplit(request.path).query).get("$skiptoken", ["0"])[0])
        page = sorted(kept, key=lambda one: one.id)[skipped : skipped + PAGE]
        more = f"{where}/versions?api-version=7.5&$skiptoken={skipped + PAGE}"
        shown = [one.shown(where) for one in page]
        return as_json(200, {"value": shown, "nextLink": more if skipped + PAGE < len(kept) else None})

    def _open(self) -> Any:  # noqa: ANN401  (the SDK's client)
        self.opened += 1
        credential: TokenCredential = self.identity
        return open_vault(
            self.server.url,
            credential=credential,
            connection_verify=self._authority.bundle,
            verify_challenge_resource=False,
            retry_total=0,
        )


def _name(request: Request) -> str:
    return request.path.split("/")[2].partition("?")[0]


def as_json(status: int, body: object) -> Reply:
    """An answer of the vault."""
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _refused(code: str) -> Reply:
    return as_json(403, {"error": {"code": "Forbidden", "message": "", "innererror": {"code": code}}})


FORBIDDEN = _refused("ForbiddenByRbac")
DISABLED = _refused("SecretDisabled")


@contextmanager
def a_vault(authority: LoopbackAuthority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """A vault that runs, with a clock of its own in the dates of its answers."""
    with HttpReceiver(tls=authority.server) as server:
        vault = Vault(authority, server)
        monkeypatch.setattr(
            BaseHTTPRequestHandler,
            "date_time_string",
            lambda _handler, _timestamp=None: format_datetime(vault.now, usegmt=True),
        )
        yield vault
