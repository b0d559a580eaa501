"""The OpenAPI document: the rows of `operations`, with schemas from the models that validate and answer."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

from pydantic import TypeAdapter

from functions import answers
from functions.answers import ApiDescription
from functions.operations import OPERATIONS, Operation
from functions.replies import PROBLEM

Json = dict[str, Any]
_PARAMETER = re.compile(r"\{(\w+)\}")
_PROBLEMS = {
    400: "The request is not valid; everything that is wrong is listed",
    401: "Nobody known is calling",
    403: "The caller has no role that includes the one that this takes",
    404: "There is no such thing, or none that the caller may see",
    409: "The state forbids it; `detail` says why",
    413: "The body is too large",
    416: "The file has none of the bytes that were asked for",
    503: "It could not be stored or read; come again after `Retry-After` seconds",
}
_PROBLEM_HEADERS = {401: ("WWW-Authenticate", "string"), 503: ("Retry-After", "integer")}
_WHO = {
    "a source": "For monitoring systems.",
    "a signed link": "For whoever holds the signed link, which another call shows.",
    "an answer link": "For whoever holds the link; the token in the path is the proof.",
    "an export link": "For whoever holds the link; the token in the path is the proof.",
    "a provider": "For a channel's provider, by its own signature or the secret that the plan names.",
    "a chat": "For Slack and Teams, by their own signatures; people by the identities in the plan.",
    "anybody": "For anybody.",
}
_SECURITY: dict[str, list[Json]] = {
    "a source": [{"functionKey": []}],
    "a signed link": [{"signedLink": []}],
    "an answer link": [],
    "an export link": [],
    "a provider": [],
    "a chat": [],
    "anybody": [],
}


@lru_cache(maxsize=1)
def document() -> ApiDescription:
    """The whole document; made once a process."""
    references, schemas = _schemas()
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin",
            "version": "1",
            "description": "Alerts open incidents, incidents escalate, and every week is exported.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "signedLink": {"type": "apiKey", "in": "query", "name": "signature"},
                "entra": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _schemas() -> tuple[dict[Any, Json], Json]:
    """The schema of each model and shape, and the schemas by name that those refer to."""
    wanted: dict[Any, Literal["validation", "serialization"]] = dict.fromkeys(
        (answers.Problem, answers.InvalidRequest), "serialization"
    )
    for operation in OPERATIONS:
        shapes = (shape for shape in operation.answers.values() if not isinstance(shape, str))
        wanted |= dict.fromkeys(shapes, "serialization")
        if operation.body:
            wanted[operation.body] = "validation"
    found, defined = TypeAdapter.json_schemas(
        [(shape, mode, TypeAdapter(shape)) for shape, mode in wanted.items()],
        ref_template="#/components/schemas/{model}",
    )
    return {shape: schema for (shape, _), schema in found.items()}, defined["$defs"]


def _described(operation: Operation, schemas: dict[Any, Json]) -> Json:
    answered = {str(status): _answer(shape, schemas) for status, shape in operation.answers.items()}
    refused = {str(status): _problem(status, schemas) for status in operation.problems}
    described: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": _WHO.get(operation.access, f"Takes the role {operation.access}."),
        "security": _SECURITY.get(operation.access, [{"entra": []}]),
        "parameters": [*_in_path(operation), *_in_query(operation), *operation.parameters],
        "responses": answered | refused,
    }
    if operation.body or operation.any_body:
        schema = schemas[operation.body] if operation.body else {}
        described["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return described


def _answer(shape: Any, schemas: dict[Any, Json]) -> Json:  # noqa: ANN401  (a type, or a media type)
    if isinstance(shape, str):
        return {"description": "The file", "content": {shape: {}}}
    description = (shape.__doc__ or "").partition("\n")[0]
    return {"description": description, "content": {"application/json": {"schema": schemas[shape]}}}


def _problem(status: int, schemas: dict[Any, Json]) -> Json:
    shape = answers.InvalidRequest if status == 400 else answers.Problem
    described: Json = {
        "description": _PROBLEMS[status],
        "content": {PROBLEM: {"schema": schemas[shape]}},
    }
    if status in _PROBLEM_HEADERS:
        name, kind = _PROBLEM_HEADERS[status]
        described["headers"] = {name: {"schema": {"type": kind}}}
    return described


def _in_path(operation: Operation) -> list[Json]:
    names = _PARAMETER.findall(operation.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_query(operation: Operation) -> list[Json]:
    if operation.query is None:
        return []
    properties = operation.query.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
