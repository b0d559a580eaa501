"""Matches paths to HTTP functions: the route templates of the platform on Werkzeug's router."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from werkzeug.routing import BaseConverter, Map, Rule

from local.functions import CannotLoad, Function

PARAMETER = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}")


class Integer(BaseConverter):
    """``{id:int}``, still text as the platform hands it over."""

    regex = r"-?\d+"
    weight = 50


class Guid(BaseConverter):
    """``{id:guid}``"""

    regex = r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}"
    weight = 50


class Letters(BaseConverter):
    """``{id:alpha}``"""

    regex = r"[A-Za-z]+"
    weight = 50


class Text(BaseConverter):
    """``{id}``: one segment, or a part of one."""

    regex = r"[^/]+"


class Rest(BaseConverter):
    """``{*rest}``: all that is left of the path."""

    regex = r".+"
    part_isolating = False
    weight = 200


CONVERTERS: dict[str, type[BaseConverter]] = {
    "int": Integer,
    "long": Integer,
    "guid": Guid,
    "alpha": Letters,
    "text": Text,
    "rest": Rest,
}


class Routes:
    """The HTTP functions by path and method; a literal segment beats a parameter, a constraint none."""

    def __init__(self, functions: Sequence[Function], prefix: str) -> None:
        _refuse_conflicts(functions)
        rules = [rule for function in functions for rule in _rules(function, prefix)]
        routes = Map(rules, converters=CONVERTERS, strict_slashes=False, merge_slashes=False)
        self._adapter = routes.bind("localhost")

    def match(self, path: str, method: str) -> tuple[Function, dict[str, str]]:
        """The function and the path's parameters. Raises Werkzeug's NotFound and MethodNotAllowed."""
        function, parameters = self._adapter.match(path, method)
        return function, dict(parameters)


def _refuse_conflicts(functions: Sequence[Function]) -> None:
    for one, other in combinations(functions, 2):
        methods = [set(function.trigger.get("methods") or ()) for function in (one, other)]
        overlap = not methods[0] or not methods[1] or methods[0] & methods[1]
        if overlap and _route(one).lower() == _route(other).lower():
            raise CannotLoad(f"functions {one.name} and {other.name} have the same route and method")


def _route(function: Function) -> str:
    return str(function.trigger.get("route") or function.name).strip("/")


def _rules(function: Function, prefix: str) -> list[Rule]:
    segments = [segment for segment in f"{prefix}/{_route(function)}".split("/") if segment]
    paths = [segments]
    last = PARAMETER.fullmatch(segments[-1]) if segments else None
    if last and (last["optional"] or last["rest"]):
        paths.append(segments[:-1])
    methods = function.trigger.get("methods")
    rules = []
    for path in paths:
        text = "/" + "/".join(_segment(function, segment) for segment in path)
        rule = Rule(text, endpoint=function, methods=methods)
        # Werkzeug answers HEAD wherever GET is; the platform only where the app says so.
        if rule.methods is not None and "HEAD" not in (methods or ()):
            rule.methods.discard("HEAD")
        rules.append(rule)
    return rules


def _segment(function: Function, segment: str) -> str:
    def parameter(match: re.Match[str]) -> str:
        kind = "rest" if match["rest"] else (match["constraint"] or "text").lower()
        if kind not in CONVERTERS:
            raise CannotLoad(f"function {function.name}: the constraint {kind!r} is not played here")
        return f"<{kind}:{match['name']}>"

    literal = PARAMETER.sub("", segment)
    if set(literal) & set("{}<>?*"):
        raise CannotLoad(f"function {function.name}: the route segment {segment!r} is not understood")
    return PARAMETER.sub(parameter, segment)
