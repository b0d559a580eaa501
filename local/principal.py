"""Who is calling: what App Service Authentication would find out, and the headers in which it says so."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

NAME_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
ROLE_CLAIM = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
OBJECT_ID_CLAIM = "http://schemas.microsoft.com/identity/claims/objectidentifier"
PEOPLE = uuid.UUID("6b7c2f6e-6a0f-5a52-9f0e-3f0f6d1f3c11")


class BadToken(Exception):
    """A bearer token that begins like ours and goes on otherwise; the message says how it should."""


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, with their app roles."""

    name: str
    roles: tuple[str, ...]


def person_of_bearer(authorization: str) -> Person | None:
    """The person of ``Bearer local:<name>:<Role>[+<Role>]``; None for any other token. Raises BadToken.

    The name may be percent-encoded.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.startswith("local:"):
        return None
    name, separator, roles = token.removeprefix("local:").rpartition(":")
    if not separator or not name.strip():
        raise BadToken("a local token reads local:<name>:<Role>[+<Role>]")
    return Person(unquote(name).strip(), tuple(role for role in roles.split("+") if role))


@lru_cache(maxsize=512)
def principal_headers(person: Person) -> tuple[tuple[str, str], ...]:
    """The headers that the platform adds to a request of this person; the id is stable for a name."""
    object_id = str(uuid.uuid5(PEOPLE, person.name))
    claims = [
        {"typ": NAME_CLAIM, "val": person.name},
        {"typ": "name", "val": person.name},
        {"typ": OBJECT_ID_CLAIM, "val": object_id},
        *({"typ": "roles", "val": role} for role in person.roles),
    ]
    principal = {"auth_typ": "aad", "name_typ": NAME_CLAIM, "role_typ": ROLE_CLAIM, "claims": claims}
    return (
        ("x-ms-client-principal", base64.b64encode(json.dumps(principal).encode()).decode()),
        ("x-ms-client-principal-id", object_id),
        ("x-ms-client-principal-name", person.name),
        ("x-ms-client-principal-idp", "aad"),
    )
