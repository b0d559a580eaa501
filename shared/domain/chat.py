"""The language of chat commands: what was typed becomes a request, half a name becomes the whole name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches

from shared.domain.cadence import Progress
from shared.domain.chat_words import ALIASES, BY_NAME, Line, Misread, Verb, read_line
from shared.domain.incident import Incident
from shared.domain.matrix import Audience

LONGEST_TITLE, LONGEST_WORDS = 300, 8_000
MOST_NAMED = 12
"""Names that an answer lists; how many more there are is said."""
PROGRESS: tuple[Progress, ...] = ("investigating", "identified", "monitoring", "resolved")
AUDIENCES: tuple[Audience, ...] = ("internal", "external")
JUST_NOW = timedelta(minutes=10)
_BLUNDERS = str.maketrans("OIL", "011")
"""Letters that no id has, and the digits that are meant."""
_ID = re.compile(r"[0-9A-Z-]{1,20}")


@dataclass(frozen=True)
class Create:
    """Declare an incident; severity and service may be beginnings of names."""

    severity: str
    title: str
    service: str | None = None


@dataclass(frozen=True)
class Listing:
    """What is open; ``about``: ``all``, a severity or a service."""

    about: str | None = None


@dataclass(frozen=True)
class Show:
    """One incident."""

    incident: str


@dataclass(frozen=True)
class Ack:
    """The caller has it."""

    incident: str


@dataclass(frozen=True)
class Close:
    """It is over."""

    incident: str
    words: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Update:
    """Where the response stands."""

    incident: str
    progress: Progress
    words: str
    audience: Audience | None = None


@dataclass(frozen=True)
class Consult:
    """A runbook, or (none named) which there are."""

    runbook: str | None = None


@dataclass(frozen=True)
class CallIn:
    """Somebody else is needed."""

    incident: str
    to: str
    reason: str | None = None


@dataclass(frozen=True)
class WhoIsOnCall:
    """Who has the rotations, or one of them."""

    rotation: str | None = None


@dataclass(frozen=True)
class Help:
    """What can be said: one command, or (none named) all."""

    verb: Verb | None = None


Ask = Create | Listing | Show | Ack | Close | Update | Consult | CallIn | WhoIsOnCall | Help


@dataclass(frozen=True)
class Request:
    """A request, and in which plan, where that was said."""

    ask: Ask
    plan: str | None = None
    example: str = field(default="", compare=False)
    """How such a request is said."""


def parse(command: str, text: str) -> Request:
    """What was asked for; ``command`` as `Call.command`. Raises Misread."""
    line = read_line(command, text)
    verb = line.take_verb()
    if verb.name == "help":
        about = next((word.casefold() for word in line.bare), "")
        asked = BY_NAME.get(ALIASES.get(about, about))
        return Request(Help(None if asked is verb else asked))
    if [word.casefold() for word in line.bare[:1]] == ["help"]:
        return Request(Help(verb))
    line.set_options_apart(verb)
    ask = _READERS[verb.name](line, verb)
    if line.words:
        raise Misread(f"“{line.words[0].text}” is too much here.", verb.example)
    return Request(ask, line.options.get("plan"), verb.example)


def complete(said: str, names: Iterable[str], what: str, example: str = "") -> str:
    """The one of the names that is meant: the same but for case, or the only one that begins so.

    Raises Misread with the candidates, or with what may have been meant.
    """
    known = list(dict.fromkeys(names))
    wanted = said.casefold().strip()
    same = [name for name in known if name == said] or [name for name in known if name.casefold() == wanted]
    found = same[:1] or [name for name in known if wanted and name.casefold().startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Misread(f"“{said}” may be {listed(found, 'or')}.", example)
    if not known:
        raise Misread(f"There is no {what} “{said}”: the plan has none.", example)
    folded = {name.casefold(): name for name in known}
    near = [folded[each] for each in get_close_matches(wanted, folded, n=3, cutoff=0.6)]
    meant = f" Did you mean {listed(near, 'or')}?" if near else f" There are {listed(known)}."
    raise Misread(f"There is no {what} “{said}”.{meant}", example)


def id_start(said: str) -> str:
    """What an incident's id begins with, without ``INC-``. Raises Misread where no id does."""
    start = said.strip("#.,:;").upper()
    start = (
        start.removeprefix("INC").removeprefix("-") if start.startswith("INC-") or start == "INC" else start
    )
    start = start.translate(_BLUNDERS)
    if not _ID.fullmatch(start):
        raise Misread(f"“{said}” is not the id of an incident, nor its beginning.", "incident show 8Q2X")
    return start


def begins(incident_id: str, start: str) -> bool:
    """Whether an id begins so; see `id_start`."""
    return incident_id.removeprefix("INC-").startswith(start)


def latest(recent: Sequence[Incident], now: datetime) -> Sequence[Incident]:
    """Of incidents that are over, those that can be meant: of each group the last, and what just ended first.

    So a command that comes twice means the same incident, although it has ended it.
    """
    last = {each.partition: each for each in sorted(recent, key=lambda each: each.n)}
    newest = [each for each in recent if last[each.partition] is each]
    just = [each for each in newest if each.resolved_at and now - each.resolved_at <= JUST_NOW]
    return just or newest


def listed(names: Sequence[str], last: str = "and") -> str:
    """``a, b and c``; of many the first `MOST_NAMED`."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} {last} {len(names) - MOST_NAMED} more"
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _create(line: Line, verb: Verb) -> Ask:
    severity = _named(line, "severity", verb, first_unquoted=True)
    title = " ".join(_words(line, "a title", verb, LONGEST_TITLE).split())
    return Create(severity, title, line.options.get("service"))


def _listing(line: Line, _verb: Verb) -> Ask:
    return Listing(line.next_word())


def _show(line: Line, verb: Verb) -> Ask:
    return Show(_incident(line, verb))


def _ack(line: Line, verb: Verb) -> Ask:
    return Ack(_incident(line, verb))


def _close(line: Line, verb: Verb) -> Ask:
    incident = _incident(line, verb)
    words = line.rest(LONGEST_WORDS, verb)
    return Close(incident, words or None, line.options.get("code"))


def _update(line: Line, verb: Verb) -> Ask:
    incident = _incident(line, verb)
    progress = complete(_named(line, "status", verb), PROGRESS, "status", verb.example)
    words = _words(line, "words", verb, LONGEST_WORDS)
    audience = line.options.get("audience")
    chosen = complete(audience, AUDIENCES, "audience", verb.example) if audience else None
    return Update(
        incident,
        next(each for each in PROGRESS if each == progress),
        words,
        next((each for each in AUDIENCES if each == chosen), None),
    )


def _consult(line: Line, _verb: Verb) -> Ask:
    return Consult(line.next_word())


def _call_in(line: Line, verb: Verb) -> Ask:
    incident = _incident(line, verb)
    to = _named(line, "contact", verb)
    return CallIn(incident, to, line.rest(LONGEST_WORDS, verb) or None)


def _on_call(line: Line, _verb: Verb) -> Ask:
    return WhoIsOnCall(line.next_word())


def _incident(line: Line, verb: Verb) -> str:
    said = line.next_word()
    if said is None:
        raise Misread("Name the incident: its id, or how that begins.", verb.example)
    id_start(said)
    return said


def _named(line: Line, what: str, verb: Verb, *, first_unquoted: bool = False) -> str:
    if first_unquoted and line.words and line.words[0].quoted:
        raise Misread(f"Name the {what} first.", verb.example)
    said = line.next_word()
    if said is None:
        raise Misread(f"Name the {what}.", verb.example)
    return said


def _words(line: Line, what: str, verb: Verb, limit: int) -> str:
    words = line.rest(limit, verb)
    if not words:
        raise Misread(f"Say {what}.", verb.example)
    return words


_READERS: dict[str, Callable[[Line, Verb], Ask]] = {
    "create": _create,
    "list": _listing,
    "show": _show,
    "ack": _ack,
    "resolve": _close,
    "status": _update,
    "runbook": _consult,
    "escalate": _call_in,
    "oncall": _on_call,
}
