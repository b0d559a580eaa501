"""One JSON shape, and the one place where errors become status codes (RFC 9457 problem details)."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from typing import Any

import azure.functions as func

from shared.app import app
from shared.domain import errors
from shared.domain.byte_range import Unsatisfiable

log = logging.getLogger("tocsin")

RETRY_AFTER_SECONDS = 5
PROBLEM = "application/problem+json"
NOT_KEPT = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class NotSetUp(errors.TocsinError):
    """Settings or plans are not valid: our own fault, so no caller may be told that the call is wrong."""


_STATUS: tuple[tuple[type[errors.TocsinError], int, str], ...] = (
    (errors.InvalidInput, 400, "The request is not valid"),
    (errors.Unauthenticated, 401, "Nobody known is calling"),
    (errors.Forbidden, 403, "The caller may not do this"),
    (errors.NotFound, 404, "Not found"),
    (errors.Refused, 409, "The state forbids it"),
    (Unsatisfiable, 416, "No such part"),
    (errors.TooLarge, 413, "The body is too large"),
    (errors.SecretUnavailable, 503, "A secret is not available"),
    (errors.Conflict, 503, "Too many are changing this"),
    (errors.StoreUnavailable, 503, "It could not be stored"),
    (NotSetUp, 503, "Tocsin is not set up"),
)
_TOLD_TO_SENDERS = (
    errors.InvalidPayload,
    errors.Unauthenticated,
    errors.NotFound,
    errors.TooLarge,
    errors.SecretUnavailable,
    errors.Conflict,
    errors.StoreUnavailable,
    NotSetUp,
)
Handler = Callable[[func.HttpRequest], func.HttpResponse]


def json_reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> func.HttpResponse:
    """``value`` as JSON, never cached."""
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    shown = {**NOT_KEPT, **(headers or {})}
    return func.HttpResponse(body, status_code=status, mimetype="application/json", headers=shown)


def problem(
    status: int, title: str, detail: str, headers: dict[str, str] | None = None, **more: object
) -> func.HttpResponse:
    """A problem document; ``more`` are its own members."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    shown = {**NOT_KEPT, **(headers or {})}
    return func.HttpResponse(body, status_code=status, mimetype=PROBLEM, headers=shown)


def answering(handler: Handler) -> Handler:
    """Turn what a workflow raises into its answer; our own faults pass, and become the platform's 500."""

    @functools.wraps(handler)
    def answered(req: func.HttpRequest) -> func.HttpResponse:
        try:
            _require_app()
            return handler(req)
        except errors.TocsinError as error:
            return reply_to(error)

    return answered


def always_answering(handler: Handler) -> Handler:
    """For intake: senders drop an alert on 500, so whatever goes wrong is a 503 that they retry."""

    @functools.wraps(handler)
    def answered(req: func.HttpRequest) -> func.HttpResponse:
        try:
            _require_app()
            return handler(req)
        except _TOLD_TO_SENDERS as error:
            return reply_to(error)
        except Exception:
            log.exception("intake failed; the sender is asked to come again")
            return problem(503, "It could not be stored", "Please send it again.", _headers(503))

    return answered


def reply_to(error: errors.TocsinError) -> func.HttpResponse:
    """The status and problem document of an error."""
    for kind, status, title in _STATUS:
        if isinstance(error, kind):
            return problem(status, title, str(error), _headers(status, error), **_members(error))
    raise error


def _headers(status: int, error: errors.TocsinError | None = None) -> dict[str, str]:
    if isinstance(error, Unsatisfiable):
        return {"Content-Range": f"bytes */{error.size}"}
    if status == 503:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {"WWW-Authenticate": "Bearer"} if status == 401 else {}


def _members(error: errors.TocsinError) -> dict[str, Any]:
    if not isinstance(error, errors.InvalidInput):
        return {}
    return {"errors": [{"field": fault.where, "detail": fault.why} for fault in error.faults]}


def _require_app() -> None:
    try:
        app()
    except errors.InvalidInput as error:
        log.error("%s", error)  # noqa: TRY400  (every fault is in the message; a traceback adds nothing)
        raise NotSetUp("its settings or plans are not valid; its log names every fault") from error
