"""The HTTP side of the platform: who may call which function, and how requests and answers are translated."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import azure.functions as func
from werkzeug.exceptions import MethodNotAllowed, NotFound

from local.functions import Function
from local.invocations import NO_TRACE, Invocations, TraceContext
from local.principal import BadToken, Person, person_of_bearer, principal_headers
from local.replies import Refused, Reply, problem, status_line
from local.routes import Routes
from local.sign_in import SignIn

log = logging.getLogger(__name__)

FUNCTION_KEY = "local"
# What the platform's sign-in adds, so nobody else may.
FORGEABLE = ("HTTP_X_MS_CLIENT_PRINCIPAL", "HTTP_X_MS_TOKEN_")

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class HttpFront:
    """A WSGI application that serves the app's HTTP functions."""

    def __init__(
        self, functions: Sequence[Function], prefix: str, invocations: Invocations, sign_in: SignIn
    ) -> None:
        self._routes = Routes(functions, prefix)
        self._invocations = invocations
        self._sign_in = sign_in
        self._stopping = False

    def stop_taking(self) -> None:
        """Answer 503 from now on; what runs is finished."""
        self._stopping = True

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        """Answer one request, as WSGI has it."""
        try:
            reply = self._answer(environ)
        except Refused as refusal:
            reply = refusal.reply
        start_response(reply.status, [*reply.headers, ("Content-Length", str(len(reply.body)))])
        return [reply.body]

    def _answer(self, environ: dict[str, Any]) -> Reply:
        if self._stopping:
            return problem(503, "the host is stopping", ("Retry-After", "1"))
        if not _is_loopback(environ.get("HTTP_HOST", "")):
            return problem(421, "the local host answers to loopback names only")
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        if path.startswith("/.auth/"):
            return self._sign_in.answer(path, environ)
        person = self._person(environ)
        function, route = self._match(path, environ["REQUEST_METHOD"])
        query = _query(environ.get("QUERY_STRING", ""))
        if function.trigger.get("authLevel") != "ANONYMOUS":
            _check_key(environ, query)
        request = func.HttpRequest(
            method=environ["REQUEST_METHOD"],
            url=f"http://{environ['HTTP_HOST']}{environ['REQUEST_URI']}",
            headers=_headers(environ, person),
            params=query,
            route_params=route,
            body=environ["wsgi.input"].read(),
        )
        return self._run(function, request)

    def _person(self, environ: dict[str, Any]) -> Person | None:
        try:
            person = person_of_bearer(environ.get("HTTP_AUTHORIZATION", ""))
        except BadToken as bad:
            raise Refused(problem(401, str(bad), ("WWW-Authenticate", "Bearer"))) from bad
        return person or self._sign_in.person(environ)

    def _match(self, path: str, method: str) -> tuple[Function, dict[str, str]]:
        try:
            return self._routes.match(path, method)
        except NotFound as missing:
            raise Refused(problem(404, f"there is nothing at {path}")) from missing
        except MethodNotAllowed as wrong:
            allowed = ", ".join(sorted(wrong.valid_methods or ()))
            raise Refused(problem(405, f"{path} takes {allowed}", ("Allow", allowed))) from wrong

    def _run(self, function: Function, request: func.HttpRequest) -> Reply:
        trace = NO_TRACE
        if function.takes_context:
            headers = request.headers
            trace = TraceContext(headers.get("traceparent", ""), headers.get("tracestate", ""))
        outcome = self._invocations.run(function, request, trace)
        if outcome.failed:
            return Reply(status_line(500), [])
        if isinstance(outcome.value, func.HttpResponse):
            return _reply(outcome.value)
        if isinstance(outcome.value, str):
            return _reply(func.HttpResponse(outcome.value))
        log.error("Function %s failed: it returned %s", function.name, type(outcome.value).__name__)
        return Reply(status_line(500), [])


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    """Whether the Host header names this machine: a page elsewhere must not reach us by a name of its own."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _query(text: str) -> dict[str, str]:
    """The query as the platform hands it over: a repeated name joined by commas, empty values left out."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(text) if text else ():
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _check_key(environ: dict[str, Any], query: dict[str, str]) -> None:
    given = environ.get("HTTP_X_FUNCTIONS_KEY") or query.get("code")
    if given != FUNCTION_KEY:
        raise Refused(problem(401, "this function wants its key in x-functions-key or ?code="))


def _headers(environ: dict[str, Any], person: Person | None) -> dict[str, str]:
    headers = {
        _header_name(key): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and not key.startswith(FORGEABLE)
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[_header_name(key)] = environ[key]
    if person:
        headers.update(principal_headers(person))
    return headers


@lru_cache(maxsize=1024)
def _header_name(key: str) -> str:
    return key.removeprefix("HTTP_").replace("_", "-").lower()


def _reply(response: func.HttpResponse) -> Reply:
    headers = [(name, value) for name, value in response.headers.items() if name.lower() != "content-length"]
    if "content-type" not in response.headers:
        is_text = response.mimetype.startswith("text/")
        kind = f"{response.mimetype}; charset={response.charset}" if is_text else response.mimetype
        headers.append(("Content-Type", kind))
    return Reply(status_line(response.status_code), headers, response.get_body())
