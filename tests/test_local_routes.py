"""Route templates of the platform, without a host around them."""

from __future__ import annotations

import pytest
from werkzeug.exceptions import NotFound

from local.functions import HTTP, CannotLoad, Function
from local.routes import Routes


def a_function(name: str, route: str | None, *methods: str) -> Function:
    return Function(name, HTTP, {"route": route, "methods": list(methods) or None}, print, "req", False, ".")


def reached(routes: Routes, path: str, method: str = "GET") -> tuple[str, dict[str, str]]:
    function, parameters = routes.match(path, method)
    return function.name, parameters


def test_a_function_without_a_route_has_its_name_and_a_slash_is_the_root() -> None:
    routes = Routes([a_function("home", "/"), a_function("plain", None), a_function("empty", "")], "")
    assert reached(routes, "/") == ("home", {})
    assert reached(routes, "/plain") == ("plain", {})
    assert reached(routes, "/empty") == ("empty", {})


def test_the_prefix_comes_before_every_route() -> None:
    routes = Routes([a_function("home", "/"), a_function("one", "/one")], "api")
    assert reached(routes, "/api") == ("home", {})
    assert reached(routes, "/api/one") == ("one", {})
    with pytest.raises(NotFound):
        routes.match("/one", "GET")


def test_the_most_literal_route_wins_whatever_the_order() -> None:
    templates = ("{*rest}", "a/{id}", "a/{id:int}", "a/b", "a/{name}.ics", "a/{id}/c")
    for order in (templates, templates[::-1]):
        routes = Routes([a_function(template, template) for template in order], "")
        assert reached(routes, "/a/b") == ("a/b", {})
        assert reached(routes, "/a/12") == ("a/{id:int}", {"id": "12"})
        assert reached(routes, "/a/x.ics") == ("a/{name}.ics", {"name": "x"})
        assert reached(routes, "/a/x") == ("a/{id}", {"id": "x"})
        assert reached(routes, "/a/b/c") == ("a/{id}/c", {"id": "b"})
        assert reached(routes, "/a/b/d") == ("{*rest}", {"rest": "a/b/d"})
        assert reached(routes, "/") == ("{*rest}", {})


def test_methods_share_a_path_and_a_missing_list_means_all() -> None:
    routes = Routes(
        [a_function("get", "a", "GET"), a_function("post", "a", "POST"), a_function("any", "b")], ""
    )
    assert reached(routes, "/a", "POST") == ("post", {})
    assert reached(routes, "/b", "PATCH") == ("any", {})


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ("int", "-12", "1.5"),
        ("long", "9000000000", "x"),
        ("alpha", "bell", "b3ll"),
        ("guid", "6b7c2f6e-6a0f-5a52-9f0e-3f0f6d1f3c11", "6b7c"),
    ],
)
def test_a_constraint_keeps_others_out(constraint: str, good: str, bad: str) -> None:
    routes = Routes([a_function("one", f"a/{{id:{constraint}}}")], "")
    assert reached(routes, f"/a/{good}") == ("one", {"id": good})
    with pytest.raises(NotFound):
        routes.match(f"/a/{bad}", "GET")


@pytest.mark.parametrize(
    "route", ["a/{id:range(1,2)}", "a/{id:datetime}", "a/{id", "a/<id>", "a/{id=3}", "a/b?c"]
)
def test_a_template_that_is_not_played_is_refused(route: str) -> None:
    with pytest.raises(CannotLoad, match="function one"):
        Routes([a_function("one", route)], "")


def test_two_functions_cannot_have_the_same_route_and_method() -> None:
    with pytest.raises(CannotLoad, match="one and two"):
        Routes([a_function("one", "a", "GET", "POST"), a_function("two", "/A", "POST")], "")
    with pytest.raises(CannotLoad, match="one and two"):
        Routes([a_function("one", "a"), a_function("two", "a", "POST")], "")
