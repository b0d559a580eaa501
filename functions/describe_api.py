"""GET /api/v1/openapi.json: the API, described from the models that validate and the shapes that answer."""

from __future__ import annotations

import azure.functions as func

from functions.replies import json_reply

blueprint = func.Blueprint()


@blueprint.function_name("describe_api")
@blueprint.route("api/v1/openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def describe_api(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  (the platform passes it by name)
    """The OpenAPI 3.1 document; the same for everybody."""
    from functions.openapi import document

    return json_reply(document())
