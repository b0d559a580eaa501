"""The language of templates: the part of Jinja2 that can neither call, nor assign, nor grow without bound."""

from __future__ import annotations

import re
import typing
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared.domain.briefing import Briefing, Line, span_in_words

LONGEST_SLUG, LONGEST_JOIN, MOST_LOOPS = 40, 16_000, 2
TYPES: dict[Any, str] = {
    str: "text",
    int: "number",
    datetime: "instant",
    datetime | None: "instant",
    tuple[str, ...]: "list of text",
    tuple[Line, ...]: "list of lines",
    Mapping[str, str]: "names",
}
FIELDS = {name: TYPES[kind] for name, kind in typing.get_type_hints(Briefing).items()}
ELEMENTS = {
    "list of text": "text",
    "list of lines": "line",
    "list of groups": "group",
    "list of pairs": "pair",
    "list": "value",
}
PARTS = {
    "line": {field.name: TYPES[typing.get_type_hints(Line)[field.name]] for field in fields(Line)},
    "loop": dict.fromkeys(("index", "index0", "revindex", "revindex0", "length"), "number")
    | {"first": "flag", "last": "flag"},
    "group": {"grouper": "text", "list": "list of lines"},
}
SHOWN = {"text", "instant", "number", "flag", "value"}
"""What may stand in the text by itself."""
STATEMENTS = (nodes.Output, nodes.TemplateData, nodes.For, nodes.If)
EXPRESSIONS = (
    nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Compare, nodes.Operand, nodes.Filter, nodes.Test,
    nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Concat,
    nodes.Add, nodes.Sub, nodes.Neg, nodes.Keyword,
)  # fmt: skip


def _in_zone(context: Context, value: object, pattern: str) -> str:
    if value is None:
        return "-"
    if not isinstance(value, datetime):
        raise TypeError(f"an instant is wanted, not {type(value).__name__}")
    return value.astimezone(ZoneInfo(context["timezone"])).strftime(pattern)


@pass_context
def local(context: Context, value: datetime | None) -> str:
    """An instant by the clocks of the plan's time zone: `2026-11-21 14:05 AST`."""
    return _in_zone(context, value, "%Y-%m-%d %H:%M %Z")


@pass_context
def date(context: Context, value: datetime | None) -> str:
    """Its day there: `2026-11-21`."""
    return _in_zone(context, value, "%Y-%m-%d")


@pass_context
def hhmm(context: Context, value: datetime | None) -> str:
    """Its time of day there, without a colon: `1405`."""
    return _in_zone(context, value, "%H%M")


@pass_context
def ago(context: Context, value: datetime | None) -> str:
    """An instant as seen from now: `1 h 20 min ago`, `in 30 min`."""
    if value is None:
        return "-"
    past = context["now"] - value
    return f"{span_in_words(past)} ago" if past.total_seconds() >= 0 else f"in {span_in_words(-past)}"


def slug(text: str) -> str:
    """Text as part of a name: lower-case letters, digits and `-`, at most 40 characters."""
    return slugged(text, LONGEST_SLUG)


def slugged(text: str, limit: int) -> str:
    """``text`` in a-z, 0-9 and single ``-``, accents dropped, at most ``limit`` characters; may be empty."""
    plain = unicodedata.normalize("NFKD", text[:1_000]).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-")[:limit].rstrip("-")


def truncate(text: str, length: int = 255) -> str:
    """The beginning of a text, at most ``length`` characters; ``…`` marks what was cut."""
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def join(values: Iterable[object], separator: str = "") -> str:
    """The values of a list in one text."""
    if isinstance(values, str):
        raise TypeError("a list is wanted, not text")
    texts = [str(value) for value in values]
    if sum(map(len, texts)) + len(separator) * len(texts) > LONGEST_JOIN:
        raise ValueError(f"more than {LONGEST_JOIN} characters are joined")
    return separator.join(texts)


OURS: dict[str, Callable[..., str]] = {
    "local": local, "date": date, "hhmm": hhmm, "ago": ago, "slug": slug, "join": join,
    "truncate": truncate,
}  # fmt: skip
FILTERS: dict[str, tuple[str | None, str | None]] = {
    "local": ("instant", "text"),
    "date": ("instant", "text"),
    "hhmm": ("instant", "text"),
    "ago": ("instant", "text"),
    "slug": ("text", "text"),
    "upper": ("text", "text"),
    "lower": ("text", "text"),
    "capitalize": ("text", "text"),
    "title": ("text", "text"),
    "trim": ("text", "text"),
    "truncate": ("text", "text"),
    "default": (None, None),
    "length": (None, "number"),
    "join": ("list", "text"),
    "first": ("list", "element"),
    "last": ("list", "element"),
    "sort": ("list", None),
    "reverse": ("list", None),
    "map": ("list of lines", "list of text"),
    "selectattr": ("list of lines", None),
    "rejectattr": ("list of lines", None),
    "groupby": ("list of lines", "list of groups"),
    "dictsort": ("names", "list of pairs"),
}
"""Filter -> what it takes (None: anything) and what it gives (None: what it took)."""
TESTS = ("==", "!=", "<", "<=", ">", ">=", "eq", "ne", "lt", "le", "gt", "ge", "equalto", "in", "none")


class Language(ImmutableSandboxedEnvironment):
    """The sandbox, with nothing in it but our filters and tests."""

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=autoescape,
            finalize=_shown,
        )
        self.filters = {name: OURS.get(name) or self.filters[name] for name in FILTERS}
        self.tests = {name: self.tests[name] for name in TESTS}
        self.globals = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401, ARG002  (Jinja's)
        """Only what the catalogue names: no text, list or instant has a part of its own."""
        return isinstance(obj, (Line, LoopContext, tuple)) and any(attr in parts for parts in PARTS.values())

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ANN401, ARG002  (Jinja's)
        """Nothing is called."""
        return False


@pass_context
def _shown(context: Context, value: object) -> object:
    if value is None or isinstance(value, datetime):
        return local(context, value)
    return value


def faults_of(
    language: Language,
    source: str,
    roles: Collection[str] | None = None,
    links: Collection[str] | None = None,
) -> list[str]:
    """What is wrong with a text of the language, found by reading it, each with its line.

    ``roles`` and ``links`` are the names that the plan has; None: any name will do.
    """
    try:
        tree = language.parse(source)
        reading = _Reading({"roles": roles, "links": links})
        reading.body(tree.body)
        if not reading.faults:
            language.compile(source)
    except TemplateSyntaxError as error:
        return [f"line {error.lineno}: {error.message}"]
    except (TemplateError, RuntimeError, SyntaxError, MemoryError, ValueError) as error:
        return [f"it cannot be read: {error}"[:300]]
    return reading.faults


class _Reading:
    """One reading of a template, in which every expression has one of the types of the catalogue."""

    def __init__(self, names: Mapping[str, Collection[str] | None]) -> None:
        self.faults: list[str] = []
        self._names = names
        self._scopes: list[dict[str, str]] = [FIELDS]

    def body(self, statements: Iterable[nodes.Node]) -> None:
        """Read statements in turn."""
        for node in statements:
            if isinstance(node, nodes.For):
                self._loop(node)
            elif isinstance(node, nodes.If):
                self.kind(node.test)
                self.body(_branches(node))
            elif isinstance(node, nodes.Output):
                self._output(node)
            else:
                self._fault(node, f"a template has no {_spoken(node)}")

    def kind(self, node: nodes.Node) -> str:
        """The type of an expression; ``value`` where it cannot be told, or is faulty."""
        if not isinstance(node, EXPRESSIONS):
            self._fault(node, f"a template has no {_spoken(node)}")
            return "value"
        for kind, reader in self._READERS.items():
            if isinstance(node, kind):
                return reader(self, node)
        kinds = [self.kind(child) for child in node.iter_child_nodes()]
        if isinstance(node, nodes.CondExpr):
            if node.expr2 is None:
                self._fault(node, "an if within an expression says what else")
            kinds = kinds[1:]
        if isinstance(node, (nodes.CondExpr, nodes.And, nodes.Or)):
            return next((kind for kind in kinds if kind not in SHOWN), "value")
        return _RESULTS.get(type(node), "value")

    def _output(self, output: nodes.Output) -> None:
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                continue
            kind = self.kind(node)
            if kind not in SHOWN:
                self._fault(node, f"{kind} is no text by itself: loop over it, join it or name a part of it")

    def _loop(self, node: nodes.For) -> None:
        kind = self.kind(node.iter)
        element = ELEMENTS.get(kind)
        if element is None:
            self._fault(node, f"a loop goes over a list, not over {kind}")
        if len(self._scopes) > MOST_LOOPS:
            self._fault(node, f"loops stand at most {MOST_LOOPS} deep")
            return
        self._scopes.append({**self._targets(node.target, element or "value"), "loop": "loop"})
        if node.test is not None:
            self.kind(node.test)
        self.body(node.body)
        self._scopes.pop()
        self.body(node.else_)

    def _targets(self, target: nodes.Node, element: str) -> dict[str, str]:
        if isinstance(target, nodes.Name):
            return {target.name: element}
        kinds = {"pair": ("text", "text"), "group": ("text", "list of lines")}.get(element, ())
        names = [name.name for name in target.find_all(nodes.Name)]
        if len(names) != len(kinds):
            self._fault(target, f"{element} cannot be taken apart into {len(names)} names")
        return dict(zip_longest(names[:2], kinds[: len(names)], fillvalue="value"))

    def _name(self, node: nodes.Name) -> str:
        for scope in reversed(self._scopes):
            if node.name in scope:
                return scope[node.name]
        self._fault(node, f'there is no field "{node.name}"{_meant(node.name, FIELDS)}')
        return "value"

    def _part(self, node: nodes.Getattr | nodes.Getitem) -> str:
        kind = self.kind(node.node)
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Const):
            given = self.kind(node.arg)
            return kind if isinstance(node.arg, nodes.Slice) else _item(kind, given)
        part = node.attr if isinstance(node, nodes.Getattr) else typing.cast("nodes.Const", node.arg).value
        if kind == "names":
            self._known_name(node, str(part))
            return "text"
        if isinstance(part, int):
            return _item(kind, "number")
        parts = PARTS.get(kind, {})
        if part not in parts:
            self._fault(node, f'{kind} has no part "{part}"{_meant(str(part), parts)}')
        return parts.get(part, "value")

    def _known_name(self, node: nodes.Getattr | nodes.Getitem, part: str) -> None:
        of = node.node.name if isinstance(node.node, nodes.Name) else ""
        known = self._names.get(of)
        if known is not None and part not in known:
            self._fault(node, f'the plan has no "{part}" among its {of}{_meant(part, known)}')

    def _filter(self, node: nodes.Filter) -> str:
        taken = self.kind(node.node) if node.node is not None else "value"
        for argument in (*node.args, *(keyword.value for keyword in node.kwargs)):
            self.kind(argument)
        if node.name not in FILTERS:
            self._fault(node, f'there is no filter "{node.name}"{_meant(node.name, FILTERS)}')
            return "value"
        if node.dyn_args or node.dyn_kwargs:
            self._fault(node, f'the filter "{node.name}" is given its arguments one by one')
        self._check_attributes(node)
        takes, gives = FILTERS[node.name]
        if takes is not None and taken != "value" and not taken.startswith(takes):
            self._fault(node, f'the filter "{node.name}" takes {takes}, not {taken}')
        return ELEMENTS.get(taken, "value") if gives == "element" else gives or taken

    def _check_attributes(self, node: nodes.Filter) -> None:
        """What `map`, `sort` and the like name is a part of a line."""
        named = [keyword.value for keyword in node.kwargs if keyword.key == "attribute"]
        if node.name in ("selectattr", "rejectattr", "groupby"):
            named += node.args[:1]
        elif node.name == "map" and not named:
            self._fault(node, 'the filter "map" is given attribute=…')
        for each in named:
            if not isinstance(each, nodes.Const) or each.value not in PARTS["line"]:
                self._fault(node, f'the filter "{node.name}" names a part of a line, in quotes')

    def _test(self, node: nodes.Test) -> str:
        for child in (node.node, *node.args):
            self.kind(child)
        if node.name not in TESTS:
            self._fault(node, f'there is no test "{node.name}"{_meant(node.name, TESTS)}')
        return "flag"

    def _const(self, node: nodes.Const) -> str:
        return "text" if isinstance(node.value, str) else "number" if isinstance(node.value, int) else "value"

    def _fault(self, node: nodes.Node, why: str) -> None:
        self.faults.append(f"line {node.lineno}: {why}")

    _READERS: typing.ClassVar[dict[type[nodes.Node], Callable[[Any, Any], str]]] = {
        nodes.Name: _name,
        nodes.Getattr: _part,
        nodes.Getitem: _part,
        nodes.Filter: _filter,
        nodes.Test: _test,
        nodes.Const: _const,
    }


_RESULTS: dict[type[nodes.Node], str] = {
    nodes.List: "list",
    nodes.Tuple: "list",
    nodes.Compare: "flag",
    nodes.Not: "flag",
    nodes.Concat: "text",
}


def _branches(node: nodes.If) -> Iterator[nodes.Node]:
    yield from node.body
    yield from node.elif_
    yield from node.else_


def _item(kind: str, given: str) -> str:
    """The type of one item of a list, or of what names hold."""
    if kind in ("names", "text"):
        return "text"
    return ELEMENTS.get(kind, "value") if given == "number" else "value"


def _spoken(node: nodes.Node) -> str:
    return {"Call": "calls", "Assign": "{% set %}", "AssignBlock": "{% set %}", "Mul": "multiplication"}.get(
        type(node).__name__, f"{type(node).__name__}, as Jinja calls it"
    )


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f'; is "{close[0]}" meant?' if close else ""
