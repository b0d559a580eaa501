"""A key vault on loopback that wraps and unwraps keys as Key Vault does, under RSA keys of its own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from shared.adapters.sealing_wraps import VaultWrapping
from shared.adapters.signing.vault_key import open_keys
from tests.certificates import LoopbackAuthority
from tests.receivers import HttpReceiver, Reply, Request, Scripted
from tests.vaults import TOKEN, Identity, as_json

CHALLENGE = 'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
NAME = "texts-wrapping"


def text_of(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class WrappingVault:
    """The real SDK talking HTTPS to it; ``rotate`` makes another version of the key the current one."""

    def __init__(self, authority: LoopbackAuthority, server: HttpReceiver) -> None:
        self.server = server
        self.server.otherwise = self.answer
        self.identity = Identity()
        self.versions: dict[str, rsa.RSAPrivateKey] = {}
        self.may_get = True
        self._authority = authority
        self.rotate()
        self.wrapping = VaultWrapping(self._open, NAME)

    def rotate(self) -> None:
        """A new version."""
        self.versions[f"{len(self.versions) + 1:032x}"] = rsa.generate_private_key(65537, 2048)

    def asked(self, what: str) -> int:
        """How many calls with a token did that: ``get``, ``wrapkey`` or ``unwrapkey``."""
        return sum("authorization" in each.headers and _did(each) == what for each in self.server.requests)

    def fail(self, *replies: Scripted) -> None:
        """Answer the next requests with these."""
        self.server.script(replies)

    def answer(self, request: Request) -> Reply:
        """A challenge, the public key, or what was wrapped or unwrapped."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"WWW-Authenticate": CHALLENGE}, b"")
        parts = urlsplit(request.path).path.strip("/").split("/")
        name, version = parts[1], (parts[2] if len(parts) > 2 else "") or max(self.versions)
        if name != NAME or version not in self.versions:
            return as_json(404, {"error": {"code": "KeyNotFound", "message": "tell-tale"}})
        key, kid = self.versions[version], f"{self.server.url}/keys/{name}/{version}"
        if request.method == "GET":
            return self._shown(key, kid) if self.may_get else as_json(403, {"error": {"code": "Forbidden"}})
        return _done(key, kid, _did(request), request.json())

    def _shown(self, key: rsa.RSAPrivateKey, kid: str) -> Reply:
        numbers = key.public_key().public_numbers()
        jwk = {
            "kid": kid,
            "kty": "RSA",
            "key_ops": ["wrapKey", "unwrapKey"],
            "n": text_of(numbers.n.to_bytes(256, "big")),
            "e": text_of(numbers.e.to_bytes(3, "big")),
        }
        return as_json(200, {"key": jwk, "attributes": {"enabled": True}})

    def _open(self) -> Any:  # noqa: ANN401  (the SDK's client)
        credential: TokenCredential = self.identity
        return open_keys(
            self.server.url,
            credential=credential,
            connection_verify=self._authority.bundle,
            verify_challenge_resource=False,
            retry_total=0,
        )


def _did(request: Request) -> str:
    return "get" if request.method == "GET" else urlsplit(request.path).path.rsplit("/", 1)[1].lower()


def _done(key: rsa.RSAPrivateKey, kid: str, what: str, asked: dict[str, str]) -> Reply:
    if asked["alg"] != "RSA-OAEP-256":
        return as_json(400, {"error": {"code": "BadParameter", "message": "another algorithm"}})
    given = bytes_of(asked["value"])
    if what == "wrapkey":
        return as_json(200, {"kid": kid, "value": text_of(key.public_key().encrypt(given, OAEP))})
    try:
        return as_json(200, {"kid": kid, "value": text_of(key.decrypt(given, OAEP))})
    except ValueError:
        return as_json(400, {"error": {"code": "BadParameter", "message": "tell-tale"}})


@contextmanager
def a_wrapping_vault(authority: LoopbackAuthority) -> Iterator[WrappingVault]:
    """A vault that runs."""
    with HttpReceiver(tls=authority.server) as server:
        yield WrappingVault(authority, server)
