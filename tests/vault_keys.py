"""The keys of a key vault on loopback: HTTPS, the vault's challenge, versions in pages, keys that work."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.keyvault.keys import KeyClient
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from shared.adapters.signing.vault_key import VaultSigning, open_keys
from tests.certificates import LoopbackAuthority
from tests.receivers import HttpReceiver, Reply, Request, Scripted
from tests.vaults import FORBIDDEN, NOON, PAGE, TOKEN, Clock, Identity, as_json

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def text(raw: bytes) -> str:
    """Base64url without padding, as keys are written."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def raw(written: str) -> bytes:
    """The inverse of `text`."""
    return base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))


@dataclass
class KeyVersion:
    """One version of a key; its private half never leaves this object."""

    id: str
    made: datetime = NOON
    enabled: bool = True
    private: Private = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def shown(self, where: str) -> dict[str, Any]:
        """As the vault lists it."""
        at = int(self.made.timestamp())
        stated = {"created": at, "updated": at, "enabled": self.enabled}
        return {"kid": f"{where}/{self.id}", "attributes": stated}

    def jwk(self, where: str) -> dict[str, Any]:
        """As the vault gives it, leading zeros of coordinates left out as some vaults do."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            of = self.private.public_key().public_numbers()
            parts = {"kty": "RSA", "n": _number(of.n), "e": _number(of.e)}
            return {"kid": f"{where}/{self.id}", "key_ops": ["wrapKey", "unwrapKey"], **parts}
        at = self.private.public_key().public_numbers()
        curve = {"secp256r1": "P-256", "secp384r1": "P-384"}[self.private.curve.name]
        parts = {"kty": "EC", "crv": curve, "x": _number(at.x), "y": _number(at.y)}
        return {"kid": f"{where}/{self.id}", "key_ops": ["sign", "verify"], **parts}

    def act(self, operation: str, algorithm: str, value: bytes) -> bytes:
        """What the vault does with the private half."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
            assert algorithm == "RSA-OAEP-256"
            if operation == "wrapkey":
                return self.private.public_key().encrypt(value, oaep)
            assert operation == "unwrapkey"
            return self.private.decrypt(value, oaep)
        assert (operation, algorithm, len(value)) == ("sign", "ES256", hashlib.sha256().digest_size)
        r, s = decode_dss_signature(self.private.sign(value, ec.ECDSA(Prehashed(hashes.SHA256()))))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _number(value: int) -> str:
    return text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class VaultOfKeys:
    """The real SDK talking HTTPS to a server that asks for a bearer token as a vault does."""

    def __init__(self, authority: LoopbackAuthority, server: HttpReceiver) -> None:
        self.keys: dict[str, list[KeyVersion]] = {}
        self.server = server
        self.server.otherwise = self.answer
        self.clock = Clock()
        self.identity = Identity()
        self.allowed = {"get", "list", "sign", "wrapkey", "unwrapkey"}
        self.tampered: Callable[[bytes], bytes] = bytes
        """What the vault does to a value before it gives it."""
        self._authority = authority

    def keep(self, name: str, *versions: KeyVersion) -> None:
        """Every version of a key; the one made last is the current one."""
        self.keys[name] = list(versions)

    def rotated(self, name: str, **changes: Any) -> KeyVersion:  # noqa: ANN401  (fields of a version)
        """A new version, made an hour after the last."""
        last = max((one.made for one in self.keys[name]), default=NOON)
        made = KeyVersion(f"{len(self.keys[name]) + 1:032x}", last + timedelta(hours=1), **changes)
        self.keys[name].append(made)
        return made

    def signing(self, name: str) -> VaultSigning:
        """The adapter under test."""
        return VaultSigning(self.client, name, self.clock)

    def client(self) -> KeyClient:
        """The SDK's client of this vault."""
        return open_keys(
            self.server.url,
            credential=self.identity,
            connection_verify=self._authority.bundle,
            verify_challenge_resource=False,
            retry_total=0,
        )

    def asked(self) -> list[str]:
        """Method and path of everything that came with a token, in order."""
        trusted = [one for one in self.server.requests if "authorization" in one.headers]
        return [
            f"{one.method} {urlsplit(one.path).path.removeprefix('/keys/').strip('/')}" for one in trusted
        ]

    def fail(self, *replies: Scripted) -> None:
        """Answer the next requests with these."""
        self.server.script(replies)

    def answer(self, request: Request) -> Reply:
        """As Key Vault does: a challenge, or what was asked for as JSON."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            challenge = (
                'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
            )
            return Reply(401, {"WWW-Authenticate": challenge}, b"")
        path = urlsplit(request.path).path.removeprefix("/keys/").strip("/")
        name, _, rest = path.partition("/")
        version, _, operation = rest.partition("/")
        where = f"{self.server.url}/keys/{name}"
        if version == "versions":
            return self._listed(name, where, request) if "list" in self.allowed else FORBIDDEN
        if (operation or "get") not in self.allowed:
            return FORBIDDEN
        kept = [one for one in self.keys.get(name, []) if version in ("", one.id)]
        if not kept:
            return as_json(404, {"error": {"code": "KeyNotFound", "message": "tell-tale"}})
        found = max(kept, key=lambda one: one.made)
        if operation:
            return self._done(found, where, operation, request)
        return as_json(200, {**found.shown(where), "key": found.jwk(where)})

    def _done(self, version: KeyVersion, where: str, operation: str, request: Request) -> Reply:
        if not version.enabled:
            return as_json(403, {"error": {"code": "Forbidden", "innererror": {"code": "KeyDisabled"}}})
        asked = request.json()
        value = self.tampered(version.act(operation, asked["alg"], raw(asked["value"])))
        return as_json(200, {"kid": f"{where}/{version.id}", "value": text(value)})

    def _listed(self, name: str, where: str, request: Request) -> Reply:
        """A page of the versions, in the order of their ids, which says nothing."""
        kept = sorted(self.keys.get(name, []), key=lambda one: one.id)
        skipped = int(parse_qs(urlsplit(request.path).query).get("$skiptoken", ["0"])[0])
        page = [one.shown(where) for one in kept[skipped : skipped + PAGE]]
        more = f"{where}/versions?api-version=7.5&$skiptoken={skipped + PAGE}"
        return as_json(200, {"value": page, "nextLink": more if skipped + PAGE < len(kept) else None})


@contextmanager
def a_vault_of_keys(authority: LoopbackAuthority) -> Iterator[VaultOfKeys]:
    """A vault that runs, empty."""
    with HttpReceiver(tls=authority.server) as server:
        yield VaultOfKeys(authority, server)
