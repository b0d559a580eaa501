"""The words of a chat command: quotes of every make, options, and which commands there are."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from shared.domain.errors import TocsinError

_DOUBLE, _SINGLE = '"“”„‟«»', "'‘’‚‛"
_BLANKS, _WORD = re.compile(r"\s*"), re.compile(r"\S*")
_OPTION = re.compile(r"([A-Za-z]{2,20})=")
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Verb:
    """One command: how it is said, what it does, which options it takes."""

    name: str
    usage: str
    does: str
    example: str
    options: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The verb in the help."""
        return f"{self.usage} – {self.does}"


VERBS = (
    Verb(
        "create", 'incident create <severity> "title" [service=…]', "open an incident",
        'incident create P1 "Checkout is slow" service=shop', ("service",),
    ),
    Verb("list", "incident list [all|severity|service]", "what is open", "incident list"),
    Verb("show", "incident show <id>", "how an incident stands", "incident show 8Q2X"),
    Verb("ack", "incident ack <id>", "you have it", "incident ack 8Q2X"),
    Verb(
        "resolve", 'incident resolve <id> ["what was done"] [code=…]', "it is over",
        'incident resolve 8Q2X "Rolled back" code=fixed', ("code",),
    ),
    Verb(
        "status",
        'status update <id> investigating|identified|monitoring|resolved "words" [audience=…]',
        "say where the response stands; audience: internal or external",
        'status update 8Q2X monitoring "Error rates are falling"', ("audience",),
    ),
    Verb("runbook", "runbook [name]", "what to do; without a name, which there are", "runbook high-latency"),
    Verb(
        "escalate", 'escalate <id> <contact> ["reason"]', "call somebody in",
        'escalate 8Q2X database-team "The primary does not answer"',
    ),
    Verb("oncall", "oncall [rotation]", "who is on call", "oncall"),
    Verb("help", "help", "this list", "help"),
)  # fmt: skip
BY_NAME = {verb.name: verb for verb in VERBS}
ALIASES = {
    "acknowledge": "ack",
    "close": "resolve",
    "declare": "create",
    "new": "create",
    "update": "status",
    "runbooks": "runbook",
    "on-call": "oncall",
    "?": "help",
}
_GROUP = "incident"
NOTE = (
    "Ids may be cut short (8Q2X), and so may names, as long as only one begins so. Quotes may be left out. "
    "plan=<name> says which plan, where you are in more than one."
)


class Misread(TocsinError):
    """What was typed is no request; the text says what is wrong, ``example`` how it is said."""

    def __init__(self, why: str, example: str = "") -> None:
        self.example = example
        super().__init__(why)


@dataclass(frozen=True)
class Word:
    """One word, or several that stood in quotes."""

    text: str
    quoted: bool = False
    option: str = ""
    """Its name, where it is one: ``code`` of ``code=fixed``."""


@dataclass
class Line:
    """What was typed, word by word; reading it consumes it."""

    words: list[Word]
    options: dict[str, str] = field(default_factory=dict)

    @property
    def bare(self) -> list[str]:
        """The words that stood in no quotes."""
        return [word.text for word in self.words if not word.quoted]

    def take_verb(self) -> Verb:
        """The command that the line begins with; help where it says none. Raises Misread."""
        known = (*BY_NAME, *ALIASES, _GROUP)
        said = ""
        while self.words and said.casefold() in ("", _GROUP):
            said = self.words.pop(0).text.lstrip("/")
            name = said.casefold()
            if verb := BY_NAME.get(ALIASES.get(name, name)):
                return self._settled(verb)
        if said.casefold() in ("", _GROUP):
            return BY_NAME["help"]
        near = get_close_matches(said.casefold(), known, n=2, cutoff=0.6)
        meant = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(BY_NAME)}."
        raise Misread(f"There is no command “{said}”. {meant}", "help")

    def next_word(self) -> str | None:
        """The next word, consumed; None where there is none."""
        return self.words.pop(0).text.strip() or None if self.words else None

    def rest(self, limit: int, verb: Verb) -> str:
        """All the words that are left, as they were said. Raises Misread where they are too many."""
        said = " ".join(word.text for word in self.words).strip()
        self.words.clear()
        if len(said) > limit:
            raise Misread(f"That has {len(said)} characters; at most {limit} are taken.", verb.example)
        return said

    def set_options_apart(self, verb: Verb) -> None:
        """Set the verb's options apart from the words. Raises Misread where one is nearly one of them."""
        taken, kept = (*verb.options, "plan"), []
        for word in self.words:
            if word.option in taken:
                self.options[word.option] = word.text
                continue
            if near := get_close_matches(word.option, taken, n=1, cutoff=0.7) if word.option else []:
                raise Misread(f"There is no option {word.option}=. Did you mean {near[0]}=?", verb.example)
            kept.append(Word(f"{word.option}={word.text}") if word.option else word)
        self.words = kept

    def _settled(self, verb: Verb) -> Verb:
        """``status update …`` says it twice."""
        said = self.words[0].text.casefold() if verb.name == "status" and self.words else ""
        if said == "update":
            self.words.pop(0)
        return verb


def read_line(command: str, text: str) -> Line:
    """What was typed, in words. A slash command by a name of one's own stands for ``/incident``."""
    said = _SURROGATES.sub("\ufffd", _UNSTORABLE.sub(" ", text))
    words = _words(said)
    head = command.strip().lstrip("/").casefold()
    if head:
        words.insert(0, Word(head if head in (*BY_NAME, *ALIASES) else _GROUP))
    return Line(words)


def _words(text: str) -> list[Word]:
    ends = {marks: _ends(text, marks) for marks in (_DOUBLE, _SINGLE)}
    found, at = [], 0
    while (start := _BLANKS.match(text, at)) and start.end() < len(text):
        option = _OPTION.match(text, start.end())
        inside, at, quoted = _piece(text, option.end() if option else start.end(), ends)
        found.append(Word(inside, quoted, option.group(1).casefold() if option else ""))
    return [word for word in found if word.text or word.quoted or word.option]


def _ends(text: str, marks: str) -> list[int]:
    """Where a quote may end: at a mark before a blank."""
    last = len(text) - 1
    return [at for at, mark in enumerate(text) if mark in marks and (at == last or text[at + 1].isspace())]


def _piece(text: str, begin: int, ends: Mapping[str, Sequence[int]]) -> tuple[str, int, bool]:
    """What stands at ``begin``, where it ends, and whether in quotes; a quote that nothing ends is none."""
    marks = next((kind for kind in ends if begin < len(text) and text[begin] in kind), "")
    if marks and (nth := bisect_right(ends[marks], begin)) < len(ends[marks]):
        end = ends[marks][nth]
        return text[begin + 1 : end].strip(), end + 1, True
    start = begin + len(marks[:1])
    word = _WORD.match(text, start)
    end = word.end() if word else start
    return text[start:end], end, False
