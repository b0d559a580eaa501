"""Reads YAML into plain text that remembers its lines: every scalar is a string, so that `no` stays `no`
and `1.10` stays `1.10`; what could surprise (duplicate keys, tags, merge keys, bombs) is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 24
MAX_VALUES = 20_000
"""Values in one file, every alias counted as often as it is used."""

Loc = tuple[str | int, ...]
"""Where a value stands: keys and indexes from the root."""


@dataclass(frozen=True)
class Flaw:
    """One thing wrong with a file; ``line`` only where it is not simply the line of ``loc``."""

    loc: Loc
    why: str
    line: int | None = None


@dataclass
class Node:
    """A value and the line (from 1) on which it, or the key it belongs to, stands; None says nothing."""

    line: int
    value: str | list[Node] | dict[str, Node] | None
    size: int = 1

    def plain(self) -> object:
        """The value without its lines: texts, None, lists and dicts."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value

    def line_of(self, loc: Loc) -> int:
        """The line of the value at ``loc``, or of the nearest one around it that exists."""
        node = self
        for step in loc:
            inner: Node | None = None
            if isinstance(node.value, dict):
                inner = node.value.get(str(step))
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                inner = node.value[step]
            if inner is None:
                break
            node = inner
        return node.line


def read_yaml(content: bytes) -> tuple[Node | None, list[Flaw]]:
    """The one document of a file and everything wrong with it as YAML; no node where it cannot be read."""
    if len(content) > MAX_BYTES:
        return None, [Flaw((), f"is {len(content)} bytes long; at most {MAX_BYTES} are read")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [Flaw((), f"is not UTF-8 (byte {error.start})", line)]
    reading = _Reading()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            reading.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = " ".join(part for part in (error.context, error.problem) if part)
        return None, [*reading.flaws, Flaw((), f"is not YAML: {why}", mark.line + 1 if mark else None)]
    except yaml.YAMLError as error:
        return None, [*reading.flaws, Flaw((), f"is not YAML: {' '.join(str(error).split())}")]
    except _Hopeless as stop:
        return None, [*reading.flaws, stop.flaw]
    if reading.root is None:
        return None, [Flaw((), "is empty")]
    return reading.root, reading.flaws


class _Hopeless(Exception):
    """Reading on makes no sense or is not safe."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.why)
        self.flaw = flaw


@dataclass
class _Open:
    """A list or mapping that has begun and not yet ended."""

    node: Node
    values_before: int
    key: str | None = None
    key_line: int = 0


class _Reading:
    """Builds nodes from YAML events without recursion, so that depth is ours to bound."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.flaws: list[Flaw] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._values = 0
        self._takes: dict[type[Any], Callable[[Any, int], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingEndEvent: self._end,
        }

    def take(self, event: yaml.Event) -> None:
        if type(event) in self._takes and event.start_mark:
            self._takes[type(event)](event, event.start_mark.line + 1)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._refuse_tag(event, line)
        says_nothing = not event.style and event.value in {"", "~", "null", "Null", "NULL"}
        node = Node(line, None if says_nothing and not self._expects_key() else event.value)
        self._count(1, line)
        self._remember(event.anchor, node)
        self._place(node, line)

    def _alias(self, event: yaml.AliasEvent, line: int) -> None:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise _Hopeless(Flaw(self._loc(), f"no anchor named {event.anchor!r} stands before this", line))
        if any(opened.node is node for opened in self._open):
            raise _Hopeless(Flaw(self._loc(), f"the anchor {event.anchor!r} contains itself", line))
        self._count(node.size, line)
        self._place(replace(node, line=line), line)

    def _begin(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent, line: int) -> None:
        self._refuse_tag(event, line)
        if len(self._open) >= MAX_DEPTH:
            raise _Hopeless(Flaw(self._loc(), f"is nested more than {MAX_DEPTH} deep", line))
        if self._expects_key():
            raise _Hopeless(Flaw(self._loc(), "a key must be a plain text", line))
        node = Node(line, {} if isinstance(event, yaml.MappingStartEvent) else [])
        self._count(1, line)
        self._remember(event.anchor, node)
        self._open.append(_Open(node, self._values - 1))

    def _end(self, _event: yaml.Event, line: int) -> None:
        ended = self._open.pop()
        ended.node.size = self._values - ended.values_before
        self._place(ended.node, line)

    def _place(self, node: Node, line: int) -> None:
        if not self._open:
            if self.root is not None:
                raise _Hopeless(Flaw((), "is more than one document; one file is one plan", line))
            self.root = node
            return
        inside = self._open[-1]
        if isinstance(inside.node.value, list):
            inside.node.value.append(node)
        elif inside.key is None:
            self._key(inside, node)
        else:
            self._entry(inside, inside.key, node)

    def _key(self, inside: _Open, node: Node) -> None:
        if not isinstance(node.value, str):
            raise _Hopeless(Flaw(self._loc(), "a key must be a plain text", node.line))
        inside.key, inside.key_line = node.value, node.line

    def _entry(self, inside: _Open, key: str, node: Node) -> None:
        mapping = inside.node.value
        if not isinstance(mapping, dict):
            raise TypeError("only a mapping has entries")
        if key == "<<":
            self.flaws.append(Flaw(self._loc(), "merge keys are not read; write it out", inside.key_line))
        elif key in mapping:
            why = f"is written twice, first on line {mapping[key].line}"
            self.flaws.append(Flaw(self._loc(), why, inside.key_line))
        else:
            mapping[key] = replace(node, line=inside.key_line)
        inside.key = None

    def _expects_key(self) -> bool:
        inside = self._open[-1] if self._open else None
        return inside is not None and isinstance(inside.node.value, dict) and inside.key is None

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self._anchors[anchor] = node

    def _refuse_tag(self, event: yaml.NodeEvent, line: int) -> None:
        if getattr(event, "tag", None) is not None:
            self.flaws.append(Flaw(self._loc(), "tags (!…) are not part of the language", line))

    def _count(self, values: int, line: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            why = f"holds more than {MAX_VALUES} values, counting every use of an alias"
            raise _Hopeless(Flaw(self._loc(), why, line))

    def _loc(self) -> Loc:
        steps: list[str | int] = []
        for opened in self._open:
            if isinstance(opened.node.value, list):
                steps.append(len(opened.node.value))
            elif opened.key is not None:
                steps.append(opened.key)
        return tuple(steps)
