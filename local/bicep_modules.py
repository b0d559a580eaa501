"""What one Bicep file is given by another, or by its parameter file: nothing missing, nothing unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tree_sitter import Node

from local.bicep_tree import (
    Declaration,
    Fault,
    Template,
    body,
    descendants,
    entries,
    entry,
    literal,
    read,
    text,
)


def module_faults(template: Template) -> Iterator[Fault]:
    """Modules that do not exist, or whose parameters or outputs are others than they are used with."""
    called: dict[str, Template] = {}
    for one in template.named("module").values():
        place = next((child for child in one.node.named_children if child.type == "string"), one.node)
        target = template.path.parent / (literal(place) or "")
        if not target.is_file():
            yield template.fault(place, f"module file {text(place)} does not exist")
            continue
        called[one.name] = read(target)
        yield from _passed(template, one, called[one.name])
    for node in descendants(template.root):
        module, _, output = text(node).partition(".outputs.")
        known = called.get(module) if node.type == "member_expression" else None
        if known and output.isidentifier() and output not in known.named("output"):
            yield template.fault(node.named_children[-1], f"module '{module}' has no output '{output}'")


def _passed(template: Template, module: Declaration, target: Template) -> Iterator[Fault]:
    params = entry(body(module.node), "params")
    given = {name: key for name, key, _ in entries(params)} if params else {}
    taken = target.named("param")
    for name, key in given.items():
        if name not in taken:
            yield template.fault(key, f"module '{module.name}' has no parameter '{name}'")
    for name, param in taken.items():
        if name not in given and not _optional(param):
            yield template.fault(module.node, f"module '{module.name}' is not given its parameter '{name}'")


def _optional(param: Declaration) -> bool:
    """A parameter that has a default or may be null."""
    return any(_sign(one) for one in param.node.children)


def _sign(node: Node) -> bool:
    if node.type == "type":
        return any(_sign(child) for child in node.children)
    return node.type in {"=", "nullable_type"}


def parameter_file_faults(template: Template) -> Iterator[Fault]:
    """The same of ``<name>.parameters.json`` beside ``<name>.bicep``, where there is one."""
    path = template.path.with_suffix(".parameters.json")
    if not path.is_file():
        return
    try:
        given = json.loads(path.read_text("utf-8"))["parameters"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        yield Fault(
            str(path), getattr(error, "lineno", 1), getattr(error, "colno", 1), "not a parameter file"
        )
        return
    taken = template.named("param")
    for name in given.keys() - taken.keys():
        yield Fault(str(path), 1, 1, f"{template.path.name} has no parameter '{name}'")
    for name in taken.keys() - given.keys():
        if not _optional(taken[name]):
            yield Fault(str(path), 1, 1, f"parameter '{name}' of {template.path.name} is missing")
