"""Reads a Bicep file into a tree with positions; two parsers say what does not parse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from lark.exceptions import LarkError, UnexpectedInput
from pycep import BicepParser
from tree_sitter import Language, Node, Parser

KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "type_declaration": "type",
    "user_defined_function": "func",
}


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong, and where; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: error: {self.message}"


@dataclass(frozen=True)
class Declaration:
    """What a file declares under a name; ``secure`` says that its value must not be shown."""

    kind: str
    name: str
    node: Node
    secure: bool = False


@dataclass(frozen=True)
class Template:
    """One Bicep file."""

    path: Path
    root: Node
    declarations: tuple[Declaration, ...]

    def fault(self, node: Node, message: str) -> Fault:
        """A fault at the node's beginning."""
        return Fault(str(self.path), node.start_point.row + 1, node.start_point.column + 1, message)

    def named(self, kind: str) -> dict[str, Declaration]:
        """The declarations of a kind, by name; of two with one name the first."""
        return {one.name: one for one in reversed(self.declarations) if one.kind == kind}


@cache
def _tree_sitter() -> Parser:
    return Parser(Language(tree_sitter_bicep.language()))


@cache
def _pycep() -> BicepParser:
    return BicepParser(cache=False)


def read(path: Path) -> Template:
    """The file's tree, with whatever could be made of it where it has faults."""
    root = _tree_sitter().parse(path.read_bytes()).root_node
    return Template(path, root, tuple(_declarations(root)))


def _declarations(root: Node) -> Iterator[Declaration]:
    secure = False
    for node in root.named_children:
        if node.type == "decorators":
            secure = any(text(one) == "secure" for one in descendants(node) if one.type == "identifier")
            continue
        names = [child for child in node.named_children if child.type == "identifier"]
        if node.type in KINDS and names:
            yield Declaration(KINDS[node.type], text(names[0]), node, secure)
        secure = secure and node.type == "comment"


def syntax_faults(template: Template) -> list[Fault]:
    """Where tree-sitter and pycep stumble; usually at or just after the mistake."""
    faults = [
        template.fault(node, f"syntax (tree-sitter): {_stumble(node)}") for node in _stumbles(template.root)
    ]
    source = template.path.read_text("utf-8")
    try:
        _pycep().parse(text=source or "\n")
    except UnexpectedInput as error:
        line, column = max(error.line, 1), max(error.column, 1)
        what = source.splitlines()[line - 1][column - 1 :][:40] if source else ""
        message = f"syntax (pycep): unexpected {what!r}"
        faults.append(Fault(str(template.path), line, column, message))
    except (LarkError, ValueError) as error:
        faults.append(Fault(str(template.path), 1, 1, f"syntax (pycep): {str(error).splitlines()[0]}"))
    return faults


def _stumbles(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
        return
    for child in node.children:
        yield from _stumbles(child)


def _stumble(node: Node) -> str:
    if node.is_missing:
        return f"{node.type} is missing"
    return f"cannot read {text(node).splitlines()[0][:40]!r}" if text(node) else "cannot read this"


def text(node: Node) -> str:
    """The node's source."""
    return (node.text or b"").decode("utf-8", "replace")


def descendants(node: Node) -> Iterator[Node]:
    """The named nodes below, and the node itself, in the order of the source."""
    yield node
    for child in node.named_children:
        yield from descendants(child)


def literal(node: Node | None) -> str | None:
    """A string's value; None for whatever is not a string or holds an interpolation."""
    if (
        node is None
        or node.type != "string"
        or any(one.type == "interpolation" for one in node.named_children)
    ):
        return None
    return "".join(text(one) for one in node.named_children)


def entries(node: Node) -> Iterator[tuple[str, Node, Node]]:
    """Name, key and value of each property of an object whose name is written out."""
    for entry in node.named_children:
        children = entry.named_children
        if entry.type == "object_property" and len(children) > 1:
            name = text(children[0]) if children[0].type == "identifier" else literal(children[0])
            if name is not None:
                yield name, children[0], children[1]


def body(declaration: Node) -> Node | None:
    """The object that a resource or module is given, through ``if`` and ``for``."""
    for child in declaration.named_children:
        if child.type == "object":
            return child
        if child.type in {"if_statement", "for_statement"}:
            return body(child)
    return None


def entry(node: Node | None, name: str) -> Node | None:
    """The value of one property of an object."""
    if node is None or node.type != "object":
        return None
    return next((value for key, _, value in entries(node) if key == name), None)
