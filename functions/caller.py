"""Who is calling: the principal that the platform vouches for, read from its header."""

from __future__ import annotations

import base64
import binascii
import json

import azure.functions as func

from shared.domain.errors import Unauthenticated
from shared.domain.principal import Principal, Role

HEADER = "x-ms-client-principal"
_ROLES = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
_OBJECT_ID = ("oid", "http://schemas.microsoft.com/identity/claims/objectidentifier")
_NAMES = ("preferred_username", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", "name")
_SCRIPTS = ("azp", "appid")
LONGEST_NAME = 200


def caller(req: func.HttpRequest, authentication_on: bool, role: Role) -> Principal:
    """The caller, who must have the role, before anything of the call is read.

    Raises Unauthenticated where nobody is named, or where the platform does not say that it authenticates;
    Forbidden where the role is missing.
    """
    if not authentication_on:
        raise Unauthenticated("authentication is off in this deployment, so nobody can be recognised")
    header = req.headers.get(HEADER)
    if not header:
        raise Unauthenticated("sign in first: the call names nobody")
    try:
        claims = _claims(header)
    except (binascii.Error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unauthenticated("the platform's principal header cannot be read") from error
    roles = {value for kind, value, role in claims if kind in _ROLES or role}
    object_id, name = _first(claims, _OBJECT_ID), _first(claims, _NAMES)
    if name is None and (script := _first(claims, _SCRIPTS)):
        name = f"app {script}"
    if not (name or object_id):
        raise Unauthenticated("the platform's principal has neither name nor id")
    who = Principal(object_id or str(name), _shown(name or str(object_id)), frozenset(roles))
    who.require(role)
    return who


def _claims(header: str) -> list[tuple[str, str, bool]]:
    """(type, value, is the identity provider's role type) of each claim."""
    principal = json.loads(base64.b64decode(header, validate=True))
    role_type = principal.get("role_typ")
    return [
        (str(claim["typ"]), str(claim["val"]), claim["typ"] == role_type)
        for claim in principal.get("claims", [])
    ]


def _shown(name: str) -> str:
    """A name as it may stand in storage and in answers."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)[:LONGEST_NAME]


def _first(claims: list[tuple[str, str, bool]], kinds: tuple[str, ...]) -> str | None:
    for kind in kinds:
        for typ, value, _ in claims:
            if typ == kind and value:
                return value
    return None
