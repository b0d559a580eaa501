"""One runbook's Markdown, taken apart: title, status, the five parts, and every flaw with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shared.domain.runbook import PARTS, Part, Runbook

Flaw = tuple[int, str]
"""A line, from 1, and what is wrong there."""
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_STATUS = re.compile(r"Status:\s*([a-z]+)\b[.:]?\s*(.*)")
_ALERTS = re.compile(r"- Alerts?:\s*(.*)")
_SEVERITY = re.compile(r"- Severity:\s*(.+)")
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass
class _Section:
    """A heading and the lines below it."""

    name: str
    line: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()

    @property
    def empty(self) -> bool:
        return all(not line.strip() or line.startswith("#") for line in self.lines)


def read_runbook(name: str, text: str) -> tuple[Runbook, list[Flaw]]:
    """The runbook as far as it can be read, and what is wrong with it."""
    head, *sections = _sections(text)
    title = next((line[2:].strip() for line in head.lines if line.startswith("# ")), "")
    flaws = [*_title_flaws(head), *_status_flaws(head), *_order_flaws(sections, text)]
    flaws += [(section.line, f"“{section.name}” is empty") for section in sections if section.empty]
    parts = tuple(Part(section.name, section.text) for section in sections if section.name in PARTS)
    about = next((part.text for part in parts if part.name == PARTS[0]), "")
    alerts = _said(_ALERTS, about)
    return Runbook(
        name=name,
        title=title or name,
        text=text,
        parts=parts,
        alerts=tuple(_QUOTED.findall(alerts)),
        severity=_said(_SEVERITY, about),
        skeleton=any(status == "skeleton" for _, status, _ in _statuses(head)),
    ), flaws


def _sections(text: str) -> list[_Section]:
    """What stands before the first ``## `` heading, then each heading's section; code is no heading."""
    found, fence = [_Section("", 1)], None
    for number, line in enumerate(text.splitlines(), start=1):
        mark = _FENCE.match(line)
        if mark and fence in (None, mark[1]):
            fence = None if fence else mark[1]
        if fence is None and line.startswith("## "):
            found.append(_Section(line[3:].strip(), number))
        else:
            found[-1].lines.append(line)
    return found


def _said(pattern: re.Pattern[str], text: str) -> str:
    found = (pattern.fullmatch(line.strip()) for line in text.splitlines())
    return next((match[1].strip() for match in found if match), "")


def _title_flaws(head: _Section) -> Iterator[Flaw]:
    titles = [number for number, line in enumerate(head.lines, start=1) if line.startswith("# ")]
    if titles != [1] or not head.lines[0][2:].strip():
        yield 1, "the first line must be its title, “# …”, and the only one"


def _statuses(head: _Section) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(head.lines, start=1):
        if line.startswith("Status:"):
            match = _STATUS.fullmatch(line)
            yield number, match[1] if match else "", match[2] if match else ""


def _status_flaws(head: _Section) -> Iterator[Flaw]:
    for number, status, why in _statuses(head):
        if status != "skeleton":
            yield number, "the only status is “skeleton”; a runbook that is complete states none"
        elif not why.strip():
            yield number, "a skeleton says in a sentence what is missing"


def _order_flaws(sections: Sequence[_Section], text: str) -> Iterator[Flaw]:
    """What is missing, stands twice, is unknown, or stands where it does not belong."""
    last = max(1, len(text.splitlines()))
    reached = -1
    seen: set[str] = set()
    for section in sections:
        if section.name not in PARTS:
            yield section.line, f"“{section.name}” is none of the five parts: {', '.join(PARTS)}"
        elif section.name in seen:
            yield section.line, f"“{section.name}” stands here again"
        else:
            seen.add(section.name)
            if PARTS.index(section.name) < reached:
                yield section.line, f"“{section.name}” stands after “{PARTS[reached]}”"
            reached = max(reached, PARTS.index(section.name))
    yield from ((last, f"“{name}” is missing") for name in PARTS if name not in seen)
