"""GET /api/v1/keys: the public keys with which exports are signed, for whoever wants to check one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import azure.functions as func

from functions.replies import answering, json_reply
from shared.app import app

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.export_answers import KeySet, PublicKey

blueprint = func.Blueprint()
_KEPT = {"Cache-Control": "public, max-age=300"}


@blueprint.function_name("show_keys")
@blueprint.route("api/v1/keys", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
def show_keys(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  (the platform passes it by name)
    """A JSON Web Key Set (RFC 7517), the newest key first; a key that was replaced stays in it."""
    shown: KeySet = {"keys": [_shown(key) for key in app().signing.public_keys()]}
    return json_reply(shown, headers=_KEPT)


def _shown(key: Mapping[str, str]) -> PublicKey:
    return {
        "kty": key["kty"],
        "crv": key["crv"],
        "x": key["x"],
        "y": key["y"],
        "alg": key["alg"],
        "use": key["use"],
        "kid": key["kid"],
    }
