"""Ways through the plain data of a plan file of whatever shape: what is not there is passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.adapters.plan_yaml import Loc


def each(tree: object, *path: str) -> Iterator[tuple[Loc, object]]:
    """Every value at ``path``, where ``*`` is any key or index; nothing where the file has another shape."""
    if not path:
        yield (), tree
        return
    inside: Iterable[tuple[str | int, object]] = ()
    if isinstance(tree, dict):
        inside = tree.items() if path[0] == "*" else [(path[0], tree[path[0]])] if path[0] in tree else ()
    elif isinstance(tree, list) and path[0] == "*":
        inside = enumerate(tree)
    for step, value in inside:
        for loc, found in each(value, *path[1:]):
            yield (step, *loc), found


def mappings(tree: object, *path: str) -> Iterator[tuple[Loc, dict[str, object]]]:
    """Every mapping at ``path``."""
    for loc, value in each(tree, *path):
        if isinstance(value, dict):
            yield loc, value


def leaves(tree: object, loc: Loc = ()) -> Iterator[tuple[Loc, str]]:
    """Every text, wherever it stands."""
    if isinstance(tree, str):
        yield loc, tree
    for step, value in (
        tree.items() if isinstance(tree, dict) else enumerate(tree if type(tree) is list else ())
    ):
        yield from leaves(value, (*loc, step))


def nothings(tree: object, loc: Loc = ()) -> Iterator[Loc]:
    """Every place inside where nothing stands."""
    if tree is None and loc:
        yield loc
    for step, value in (
        tree.items() if isinstance(tree, dict) else enumerate(tree if type(tree) is list else ())
    ):
        yield from nothings(value, (*loc, step))
