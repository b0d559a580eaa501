"""Check a weekly export without trusting anybody: `python -m shared.kpi.verify BUNDLE [PREVIOUS…]`.

BUNDLE is `bundle.zip` or a folder with its members; a PREVIOUS is an earlier bundle or its `manifest.json`.
Every hash, the chain of bundles and of every timeline are checked, the zip is rebuilt and compared, and every
row and figure is derived again from `timeline.jsonl`. What a PREVIOUS tells must stand in BUNDLE: the history
of every timeline up to there, and the incidents that it left open. One file, standard library, Python 3.9 or
later; it shares no code with what made the bundle. Exit code 0: it holds; 1: it does not; 2: it cannot be
read.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import struct
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

FORMAT = 2
DEFINITIONS = 3
DATA = ("kpi.json", "incidents.csv", "drills.csv", "audit.csv", "timeline.jsonl")
LISTED = (*DATA, "manifest.json")
MEMBERS = (*LISTED, "manifest.sha256")
PERIOD = ("plan", "week", "timezone", "from", "to", "as_of", "provisional")
PLACE = ("code_version", "revision", "restates", "previous")
"""What a manifest says that nothing else in its bundle repeats."""
ABSENT = "nothing"
PIECE = 1 << 20
SEARCHED = 16 << 20
"""Bytes of a member that are searched for the one that was altered."""
SHOWN = 3
"""Differences told of one file; the rest is counted."""
UTC = timezone.utc  # noqa: UP017  (datetime.UTC came with Python 3.11)

Event = dict[str, Any]
Fact = tuple[str, str, str, int]
"""Instant, metric, code, value; as the rows of ``audit.csv`` are ordered."""
Values = dict[tuple[str, str], list[int]]


class Unreadable(Exception):
    """There is no bundle to check."""


KPIS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str | None, str | None]] = {
    "backlog_opening": ("count", ("incident_open_at_start",), (), None, None),
    "incidents_opened": ("count", ("incident_opened",), (), None, "at most"),
    "incidents_reopened": ("count", ("incident_reopened",), (), None, "at most"),
    "incidents_resolved": ("count", ("incident_resolved",), (), None, None),
    "incidents_resolved_by_source": ("count", ("incident_resolved",), (), "source", None),
    "backlog_closing": ("count", ("incident_open_at_end",), (), None, "at most"),
    "time_to_detect": ("duration", ("time_to_detect_seconds",), (), None, "at most"),
    "time_to_acknowledge": ("duration", ("time_to_acknowledge_seconds",), (), None, "at most"),
    "time_to_acknowledge_again": ("duration", ("time_to_acknowledge_again_seconds",), (), None, "at most"),
    "time_to_resolve": ("duration", ("time_to_resolve_seconds",), (), None, "at most"),
    "time_to_resolve_by_person": ("duration", ("time_to_resolve_seconds",), (), "person", "at most"),
    "time_to_resolve_by_source": ("duration", ("time_to_resolve_seconds",), (), "source", "at most"),
    "time_to_resolve_again": ("duration", ("time_to_resolve_again_seconds",), (), None, "at most"),
    "first_response_within_5m": ("share", ("first_response_met",), (), None, "at least"),
    "respond_sla_attainment": ("share", ("respond_sla_met",), (), None, "at least"),
    "resolve_sla_attainment": ("share", ("resolve_sla_met",), (), None, "at least"),
    "reopen_rate": ("ratio", ("incident_reopened",), ("incident_resolved",), None, "at most"),
    "alerts_per_incident": ("ratio", ("incident_alerts",), ("incident_alerted",), None, "at most"),
    "alerts_by_disposition": (
        "breakdown",
        ("incident_alerts", "other_alerts", "journal_alerts"),
        (),
        None,
        None,
    ),
    "escalations_by_step": ("breakdown", ("escalated",), (), None, None),
    "escalations_by_hand": ("count", ("escalated_manually",), (), None, None),
    "escalations_exhausted": ("count", ("escalation_exhausted",), (), None, "at most"),
    "escalation_lateness": ("duration", ("escalation_late_seconds",), (), None, "at most"),
    "delivery_success": ("share", ("delivery_succeeded",), (), None, "at least"),
    "contacts_unreachable": ("count", ("contact_unreachable",), (), None, "at most"),
    "contacts_missing": ("count", ("contact_missing",), (), None, "at most"),
    "oncall_empty": ("count", ("oncall_empty",), (), None, "at most"),
    "stakeholders_informed": ("count", ("informed",), (), None, None),
    "updates_sent": ("breakdown", ("update_sent",), (), None, None),
    "updates_missed": ("breakdown", ("update_missed",), (), None, "at most"),
    "checklist_overridden": ("count", ("checklist_overridden",), (), None, "at most"),
    "review_completion": ("share", ("review_in_time",), (), None, "at least"),
    "reviews_overdue": ("count", ("review_overdue_at_end",), (), None, "at most"),
    "action_items_open": ("count", ("action_item_open_at_end",), (), None, "at most"),
    "action_items_overdue": ("count", ("action_item_overdue_at_end",), (), None, "at most"),
    "action_items_done": ("count", ("action_item_done",), (), None, None),
    "drills_opened": ("count", ("drill_opened",), (), None, "at least"),
    "drills_resolved": ("count", ("drill_resolved",), (), None, "at least"),
    "drills_missed": ("count", ("drill_missed",), (), None, "at most"),
    "drill_time_to_acknowledge": ("duration", ("drill_time_to_acknowledge_seconds",), (), None, "at most"),
    "drill_time_to_resolve": ("duration", ("drill_time_to_resolve_seconds",), (), None, "at most"),
    "drill_respond_sla_attainment": ("share", ("drill_respond_sla_met",), (), None, "at least"),
    "digests_failed": ("count", ("digest_failed",), (), None, "at most"),
    "coverage_gaps": ("count", ("coverage_gap",), (), None, "at most"),
    "time_to_first_told": ("duration", ("time_to_first_told_seconds",), (), None, "at most"),
    "drill_time_to_first_told": ("duration", ("drill_time_to_first_told_seconds",), (), None, "at most"),
    "incidents_untold": ("count", ("incident_untold",), (), None, "at most"),
    "receipts": ("breakdown", ("receipt",), (), None, None),
    "receipt_success": ("share", ("receipt_succeeded",), (), None, "at least"),
    "acted_from_notification": ("breakdown", ("acted_on",), (), None, None),
    "messages_held_back": ("count", ("held_back",), (), None, None),
    "still_open_reminders": ("count", ("still_open_reminded",), (), None, None),
}
"""What this verifier knows each KPI to be: kind, metrics, metrics below the line, code, side of a target."""


@dataclass
class Report:
    """What was checked, printed as it happens; and what does not hold."""

    failures: list[str] = field(default_factory=list)

    def line(self, what: str, check: Callable[[], Iterable[str]]) -> None:
        """One check: its problems, or ``ok`` if it yields none."""
        problems = list(check())
        for problem in problems[:SHOWN]:
            self.fail(problem)
        if len(problems) > SHOWN:
            self.fail(f"{what}: {len(problems) - SHOWN} more")
        if not problems:
            self.say("ok", what)

    def fail(self, problem: str) -> None:
        """Something does not hold."""
        self.failures.append(problem)
        self.say("FAILS", problem)

    def say(self, word: str, text: str) -> None:
        """One line on standard output, with whatever a terminal might act on made harmless."""
        safe = "".join(char if char.isprintable() else "�" for char in f"{word:6}{text}")
        print(safe.encode(sys.stdout.encoding or "utf-8", "replace").decode(sys.stdout.encoding or "utf-8"))


@dataclass
class Entry:
    """One member as a zip describes it."""

    name: str
    crc: int
    size: int
    offset: int

    @property
    def data_at(self) -> int:
        return self.offset + LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        return self.data_at + self.size


@dataclass
class Measures:
    """What a stream of bytes amounts to."""

    sha256: str = ""
    size: int = 0
    lines: int = 0
    crc: int = 0


LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
HEAD = (20, 0, 0, 0, 0x21)


class Folder:
    """Members as files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def pieces(self, name: str) -> Iterator[bytes]:
        with (self.path / name).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


class Zip:
    """Members in a zip, found by its directory or, if that is damaged, by the headers before each member."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            size = file.seek(0, 2)
            ways = (in_directory(file, size), in_headers(file, size))
            whole = [entries for entries in ways if in_place(entries)]
            found = max(whole, key=lambda entries: before_directory(file, entries), default=None)
        if found is None:
            raise Unreadable(f"{path} is no zip that holds {', '.join(MEMBERS)}, stored and in this order")
        self.by_directory, self.by_headers = ways
        self.entries = {entry.name: entry for entry in found}

    def has(self, name: str) -> bool:
        return name in self.entries

    def pieces(self, name: str) -> Iterator[bytes]:
        entry = self.entries[name]
        with self.path.open("rb") as file:
            file.seek(entry.data_at)
            left = entry.size
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece

    def stored_crc(self, name: str, computed: int) -> int:
        """The checksum to rebuild with: the computed one if either record has it, else what both say."""
        stored = [
            entry.crc for way in (self.by_directory, self.by_headers) for entry in way if entry.name == name
        ]
        return computed if computed in stored or not stored else stored[0]


def in_directory(file: BinaryIO, size: int) -> list[Entry]:
    """The entries that the directory at the end of a zip lists; as far as it can be read."""
    entries: list[Entry] = []
    file.seek(max(0, size - END.size))
    tail = file.read(END.size)
    if len(tail) < END.size:
        return entries
    file.seek(min(size, END.unpack(tail)[6]))
    for _ in MEMBERS:
        head = file.read(CENTRAL.size)
        if len(head) < CENTRAL.size:
            break
        parts = CENTRAL.unpack(head)
        name = file.read(parts[10]).decode("ascii", "replace")
        entries.append(Entry(name, parts[7], parts[8], parts[16]))
    return entries


def in_headers(file: BinaryIO, size: int) -> list[Entry]:
    """The entries that one meets walking from header to header."""
    entries: list[Entry] = []
    offset = 0
    while len(entries) < len(MEMBERS) and offset + LOCAL.size <= size:
        file.seek(offset)
        parts = LOCAL.unpack(file.read(LOCAL.size))
        name = file.read(parts[9]).decode("ascii", "replace")
        entries.append(Entry(name, parts[6], parts[7], offset))
        offset = entries[-1].end
    return entries


def in_place(entries: list[Entry]) -> bool:
    """Whether these are the members, one right behind the other."""
    starts = [0, *(entry.end for entry in entries)]
    return tuple(entry.name for entry in entries) == MEMBERS and all(
        entry.offset == start
        for entry, start in zip(entries, starts)  # noqa: B905  (Python 3.9)
    )


def before_directory(file: BinaryIO, entries: list[Entry]) -> bool:
    """Whether the directory begins where the last of these ends."""
    file.seek(entries[-1].end)
    return file.read(4) == b"PK\x01\x02"


def opened(path: Path) -> Folder | Zip:
    """The bundle at a path. Raises Unreadable and OSError."""
    if path.is_dir():
        return Folder(path)
    return Zip(path)


def measured(pieces: Iterable[bytes]) -> Measures:
    """Hash and count a stream."""
    sha256, found = hashlib.sha256(), Measures()
    for piece in pieces:
        sha256.update(piece)
        found.crc = zlib.crc32(piece, found.crc)
        found.size += len(piece)
        found.lines += piece.count(b"\n")
    found.sha256 = sha256.hexdigest()
    return found


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream, each with its newline if it has one."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def zip_problems(bundle: Bundle, path: Path) -> Iterator[str]:
    """The first byte at which the zip at ``path`` is not what its members make."""
    parts: list[tuple[str, bytes | str]] = []
    directory: list[tuple[str, bytes | str]] = []
    offset = length = 0
    for name in MEMBERS:
        measures, raw = bundle.measures[name], name.encode("ascii")
        crc = bundle.files.stored_crc(name, measures.crc) if isinstance(bundle.files, Zip) else measures.crc
        sizes = (crc, measures.size, measures.size, len(raw))
        local = LOCAL.pack(b"PK\x03\x04", *HEAD, *sizes, 0) + raw
        parts += [(f"header of {name}", local), (f"content of {name}", name)]
        central = CENTRAL.pack(b"PK\x01\x02", 0x0314, *HEAD, *sizes, 0, 0, 0, 0, 0o100644 << 16, offset)
        directory.append((f"directory entry of {name}", central + raw))
        length += len(central) + len(raw)
        offset += len(local) + measures.size
    end = END.pack(b"PK\x05\x06", 0, 0, len(MEMBERS), len(MEMBERS), length, offset, 0)
    parts += [*directory, ("end of the directory", end)]
    with path.open("rb") as file:
        for label, content in parts:
            yield from differences(
                file, label, bundle.pieces(content) if isinstance(content, str) else [content]
            )
        if file.read(1):
            yield f"bundle.zip byte {file.tell() - 1}: there is more after the end"


def differences(file: BinaryIO, label: str, pieces: Iterable[bytes]) -> Iterator[str]:
    """The first byte of this part of a zip that is not as it must be."""
    for piece in pieces:
        at = file.tell()
        have = file.read(len(piece))
        if have != piece:
            place = next((n for n, pair in enumerate(zip(have, piece)) if pair[0] != pair[1]), len(have))  # noqa: B905
            yield f"bundle.zip byte {at + place}: {label} is not as its members make it"
            return


class Bundle:
    """A bundle under examination."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = opened(path)
        missing = [name for name in MEMBERS if not self.files.has(name)]
        if missing:
            raise Unreadable(f"{path} has no {', '.join(missing)}")
        self.measures = {name: measured(self.pieces(name)) for name in MEMBERS}
        self.altered: set[str] = set()
        self.manifest: dict[str, Any] = {}
        self.kpi: dict[str, Any] = {}
        self.heads: dict[str, str] = {}
        self.rules: set[str] = set()
        self.incidents = self.drills = 0
        self.wanted: dict[str, set[int]] = defaultdict(set)
        """Numbers of the events that earlier bundles name as the last of their timelines."""
        self.hashes: dict[tuple[str, int], str] = {}
        """The hashes of those events, where this bundle has them."""
        self.joint: str | None = None
        """The instant at which the bundle before this one ends."""
        self.open_at_joint: set[str] = set()

    def pieces(self, name: str) -> Iterator[bytes]:
        return self.files.pieces(name)

    def whole(self, name: str) -> bytes:
        return b"".join(self.pieces(name))

    def period(self) -> dict[str, Any] | None:
        """Plan, week and instants, from a file whose hash holds."""
        for name, value in (("manifest.json", self.manifest), ("kpi.json", self.kpi)):
            if name not in self.altered and all(key in value for key in PERIOD):
                return {key: value[key] for key in PERIOD}
        return None


def sums_problems(bundle: Bundle) -> Iterator[str]:
    """Files whose hash is not the one in ``manifest.sha256``; or that file, where its own text was changed.

    Another content has quite another hash. So a hash that is wrong in a letter or two was itself altered.
    """
    text, at = bundle.whole("manifest.sha256"), 0
    for number, name in enumerate(LISTED, start=1):
        want = f"{bundle.measures[name].sha256}  {name}\n".encode()
        have = text[at : at + len(want)]
        at += len(want)
        wrong = sum(one != other for one, other in zip(have, want)) + len(want) - len(have)  # noqa: B905
        if 0 < wrong <= 4:
            yield f"manifest.sha256 line {number}: the line of {name} was altered"
        elif wrong:
            bundle.altered.add(name)
            yield f"{name}: it does not have the hash that manifest.sha256 names"
            yield from single_byte(bundle, name, have[:64].decode("ascii", "replace"))
    if len(text) > at:
        yield f"manifest.sha256 line {len(LISTED) + 1}: there is more after the end"


def single_byte(bundle: Bundle, name: str, sha256: str) -> Iterator[str]:
    """The one byte of a member that was altered, if it was only one: with it put back, the hash holds."""
    if not isinstance(bundle.files, Zip) or bundle.measures[name].size > SEARCHED:
        return
    content = bundle.whole(name)
    computed = bundle.measures[name].crc
    for at, was in candidates(content, computed ^ bundle.files.stored_crc(name, computed)):
        whole = content[:at] + bytes([was]) + content[at + 1 :]
        if hashlib.sha256(whole).hexdigest() == sha256:
            line = whole.count(b"\n", 0, at) + 1
            yield f"{name} line {line}: byte {at} was {bytes([was])!r} and is {content[at : at + 1]!r}"
            return


def candidates(content: bytes, error: int) -> Iterator[tuple[int, int]]:
    """Where one byte, put back, would turn the CRC-32 into the stored one: position, and what it was.

    ``error`` is the difference of the two checksums. The CRC is linear: a difference d in one byte adds the
    table's entry for d, shifted once for each byte behind it. So the shifts are undone, from the last byte.
    """
    table = [zlib.crc32(bytes([byte])) ^ zlib.crc32(b"\0") for byte in range(256)]
    by_entry = {entry: byte for byte, entry in enumerate(table)}
    by_top = {entry >> 24: byte for byte, entry in enumerate(table)}
    for at in range(len(content) - 1, -1, -1) if error else ():
        if error in by_entry:
            yield at, content[at] ^ by_entry[error]
        byte = by_top[error >> 24]
        error = ((error ^ table[byte]) << 8 & 0xFFFFFFFF) | byte


def read_json(bundle: Bundle, name: str, into: dict[str, Any]) -> Iterator[str]:
    """Parse a member; the line at which it is no JSON."""
    raw = bundle.whole(name)
    try:
        value = json.loads(raw.decode("utf-8"))
    except json.JSONDecodeError as error:
        yield f"{name} line {error.lineno}: {error.msg}"
    except UnicodeDecodeError as error:
        yield f"{name} line {raw.count(10, 0, error.start) + 1}: not UTF-8"
    except (ValueError, RecursionError) as error:
        yield f"{name}: {error}"
    else:
        if isinstance(value, dict):
            into.update(value)
        else:
            yield f"{name} line 1: not an object"


def pretty(value: Any) -> bytes:  # noqa: ANN401  (any JSON)
    """JSON in the form in which bundles carry it."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def digest(value: Any) -> str:  # noqa: ANN401  (any JSON)
    """SHA-256 of JSON with sorted keys and no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def json_problems(name: str, have: bytes, want: Any) -> Iterator[str]:  # noqa: ANN401  (any JSON)
    """The lines of a JSON file that are not as derived, each with the path of the value."""
    wanted, found = pretty(want).split(b"\n"), have.split(b"\n")
    if len(wanted) != len(found):
        yield from value_problems(name, json.loads(have), want)
        return
    for number, (one, other) in enumerate(zip(wanted, found), start=1):  # noqa: B905  (Python 3.9)
        if one != other:
            stands, derived = brief(text_of(other).strip()), brief(text_of(one).strip())
            path = path_at(wanted, number)
            yield f"{name} line {number}: {path}: {stands} stands there, derived is {derived}"


def value_problems(name: str, have: Any, want: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401  (JSON)
    """The values that are not as derived, where there are more or fewer lines than there must be."""
    if isinstance(have, dict) and isinstance(want, dict):
        for key in sorted({*have, *want}):
            inner = f"{path}.{key}" if path else key
            yield from value_problems(name, have.get(key, ABSENT), want.get(key, ABSENT), inner)
    elif have != want or type(have) is not type(want):
        yield f"{name}: {path}: {brief(have)} stands there, derived is {brief(want)}"
    elif not path:
        yield f"{name}: not written as it must be"


def path_at(lines: list[bytes], number: int) -> str:
    """The keys that lead to a line of indented JSON."""
    path: list[str] = []
    depth = None
    for line in reversed(lines[:number]):
        indent = len(line) - len(line.lstrip(b" "))
        if line and (depth is None or indent < depth):
            depth = indent
            key = re.match(rb' *"((?:[^"\\]|\\.)*)": ', line)
            if key:
                path.insert(0, text_of(key[1]))
    return ".".join(path) or "the outermost object"


def text_of(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def brief(value: object) -> str:
    """A value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}…"


def timeline_problems(bundle: Bundle, use: Callable[[str, list[Event]], Iterable[str]]) -> Iterator[str]:
    """What breaks a chain, by line; ``use`` gets every subject with all its events."""
    subject, events, seen = "", list[Event](), ""
    for number, line in enumerate(lines_of(bundle.pieces("timeline.jsonl")), start=1):
        try:
            event = parsed(line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            yield f"timeline.jsonl line {number}: no event ({error})"
            continue
        if event["subject"] != subject:
            if events:
                yield from use(subject, events)
            subject, events = event["subject"], []
            if subject <= seen:
                yield f"timeline.jsonl line {number}: {subject} stands out of order"
            seen = subject
        why = broken(event, events[-1] if events else None)
        if why:
            yield f"timeline.jsonl line {number}: {subject} event {event['seq']}: {why}"
        events.append(event)
    if events:
        yield from use(subject, events)


def parsed(line: bytes) -> Event:
    """The event of a line. Raises ValueError, KeyError or TypeError where it is none."""
    event: Event = json.loads(line.decode("utf-8"))
    if line != compact(event) + b"\n":
        raise ValueError("not in canonical form")
    for key in ("subject", "type", "actor", "previous", "hash"):
        if not isinstance(event[key], str):
            raise TypeError(f"{key} is no text")
    for key in ("occurred_at", "recorded_at"):
        if stamp(instant(event[key])) != event[key]:
            raise ValueError(f"{key} is not in UTC with six decimals")
    if type(event["seq"]) is not int or not isinstance(event["data"], dict):
        raise TypeError("seq or data is of another type")
    return event


def compact(value: Any) -> bytes:  # noqa: ANN401  (any JSON)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def broken(event: Event, before: Event | None) -> str | None:
    """Why an event does not follow the one before it."""
    body = {key: value for key, value in event.items() if key != "hash"}
    if hashlib.sha256(compact(body)).hexdigest() != event["hash"]:
        return "its content does not have its hash"
    if event["previous"] != (before["hash"] if before else "0" * 64):
        return "it does not name the hash of the event before it"
    if event["seq"] != (before["seq"] + 1 if before else 1):
        return "its number does not follow"
    if before and event["recorded_at"] < before["recorded_at"]:
        return "it was recorded before the event before it"
    return None


def instant(text: str) -> datetime:
    """An instant as events write it. Raises ValueError."""
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} is no instant in UTC")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(since: str, until: str) -> int:
    """Whole seconds between two instants, rounded down."""
    return (instant(until) - instant(since)) // timedelta(seconds=1)


@dataclass
class Round:
    """An opening or a reopening, and what came of it; ``events`` begin with it."""

    events: list[Event]
    again: str
    ended: str | None = None
    """When the next round began."""

    @property
    def began(self) -> str:
        return str(self.events[0]["recorded_at"])

    def first(self, type: str, person: bool = False) -> Event | None:
        for event in self.events:
            if event["type"] == type and (not person or event["actor"].startswith("person:")):
                return event
        return None

    def verdict(self, clock: str, end: str) -> tuple[str | None, str, str]:
        """Due, how it was decided (``met``, ``missed`` or nothing), and when."""
        due: str | None = None
        since = self.began
        for event in self.events:
            at = event["recorded_at"]
            if due is not None and (due < at or tells_breach(event, clock, due)):
                return due, "missed", max(due, since)
            if event["type"] in ("opened", "reopened", *SEVERITY) and event is not self.events[0]:
                due, since = self.moved(clock, event, due, since)
            elif event is self.events[0]:
                due = self.limit(clock, event)
            elif stops(clock, event):
                return due, "met" if due else "", at
            elif event["type"] == "resolved":
                return due, "", at
        missed = due is not None and due < (self.ended or end)
        return (due, "missed", max(due, since)) if due is not None and missed else (due, "", "")

    def moved(self, clock: str, event: Event, due: str | None, since: str) -> tuple[str | None, str]:
        if clock == "answer" or event["type"] not in SEVERITY:
            return due, since
        return self.limit(clock, event), event["recorded_at"]

    def limit(self, clock: str, event: Event) -> str | None:
        if clock != "answer":
            return checked(event["data"].get(f"{clock}_due"))
        return None if self.again else stamp(instant(event["recorded_at"]) + timedelta(seconds=300))


def checked(due: str | None) -> str | None:
    """An instant of an event's data. Raises ValueError."""
    if due is not None and stamp(instant(due)) != due:
        raise ValueError(f"{due!r} is no instant")
    return due


def tells_breach(event: Event, clock: str, due: str) -> bool:
    """Whether Tocsin recorded at the due instant itself, before anybody answered, that the time was up."""
    told = event["type"] == "breached" and (event["data"]["clock"], event["data"]["due"]) == (clock, due)
    return told and bool(event["recorded_at"] == due)


def stops(clock: str, event: Event) -> bool:
    """Whether this event meets the clock in time."""
    if event["type"] == "resolved":
        return clock == "resolve" or event["data"]["by"] == "person"
    return clock != "resolve" and event["type"] == "acknowledged" and event["actor"].startswith("person:")


def review_verdict(required: Event, later: list[Event], end: str) -> tuple[str, str]:
    """How a review was decided (``met``, ``missed`` or nothing), and when."""
    due, since = str(checked(required["data"]["due"])), str(required["recorded_at"])
    for event in later:
        if due < event["recorded_at"]:
            break
        if event["type"] == "review-completed":
            return "met", event["recorded_at"]
        if event["type"] in ("reopened", "review-required"):
            return "", event["recorded_at"]
    return ("missed", max(due, since)) if due < end else ("", "")


SEVERITY = ("severity-raised", "severity-changed")
OF_DRILLS = {
    "incident_opened": "drill_opened",
    "incident_resolved": "drill_resolved",
    "time_to_acknowledge_seconds": "drill_time_to_acknowledge_seconds",
    "time_to_resolve_seconds": "drill_time_to_resolve_seconds",
    "respond_sla_met": "drill_respond_sla_met",
    "incident_alerts": "other_alerts",
    "time_to_first_told_seconds": "drill_time_to_first_told_seconds",
}
"""What an incident's metrics are called where it is a drill; it has no others."""
COUNTED = {
    "escalated-manually": "escalated_manually",
    "exhausted": "escalation_exhausted",
    "contact-unreachable": "contact_unreachable",
    "contact-missing": "contact_missing",
    "oncall-empty": "oncall_empty",
    "informed": "informed",
    "held-back": "held_back",
    "still-open": "still_open_reminded",
}
OF_JOURNALS = {
    "drill-missed": "drill_missed",
    "digest-failed": "digest_failed",
    "coverage-gap": "coverage_gap",
}
OPEN = ("open", "acknowledged")
STATES = {
    "opened": "open",
    "reopened": "open",
    "acknowledgement-expired": "open",
    "acknowledged": "acknowledged",
    "resolved": "resolved",
}


class Account:
    """Everything that follows from the events of one subject for the week."""

    def __init__(self, events: list[Event], start: str, end: str) -> None:
        self.events, self.start, self.end = events, start, end
        begins = [number for number, event in enumerate(events) if event["type"] == "opened"]
        self.told = events[begins[0] :] if begins else []
        """What happened to the incident: before it was opened there was none."""
        self.opening = self.told[0] if self.told else None
        self.drill = self.opening["data"].get("drill") if self.opening else None
        self.rounds = self._rounds()
        self.severity = ""
        for event in self.told:
            if event["type"] in ("opened", *SEVERITY):
                self.severity = event["data"]["severity" if event["type"] == "opened" else "to"]
        self.facts: list[Fact] = []
        self._states()
        for each in self.rounds:
            self._round(each)
        self._alerts()
        self._reviews()
        self._items()
        self._telling()
        for event in self.told:
            self._single(event)
        for event in events:
            if event["type"] in OF_JOURNALS:
                self.fact(event["recorded_at"], OF_JOURNALS[event["type"]])
        if self.drill is not None:
            self.facts = [
                (fact[0], OF_DRILLS[fact[1]], *fact[2:]) for fact in self.facts if fact[1] in OF_DRILLS
            ]
        self.facts.sort()

    def state(self, before: str) -> str:
        """The state after everything recorded before an instant."""
        states = [
            STATES[event["type"]]
            for event in self.told
            if event["type"] in STATES and event["recorded_at"] < before
        ]
        return states[-1] if states else ""

    def open_at(self, at: str) -> bool:
        """Whether it was neither resolved nor still to come just before an instant."""
        return self.state(at) in OPEN

    def belongs(self, at: str) -> bool:
        """Whether something was still to come at an instant: it was open, or had a review or action items."""
        if self.open_at(at) or self.drill is not None:
            return self.open_at(at)
        due, completed = self.review(at)
        return (due is not None and completed is None) or bool(self.items_open(at))

    def review(self, before: str) -> tuple[str | None, str | None]:
        """Due instant and completion of the latest review asked for, unless a reopening withdrew it."""
        due = completed = None
        for event in self.told:
            if event["recorded_at"] >= before:
                break
            if event["type"] in ("review-required", "reopened"):
                due, completed = checked(event["data"]["due"]) if event["type"] != "reopened" else None, None
            elif event["type"] == "review-completed" and due and not completed:
                completed = event["recorded_at"]
        return due, completed

    def items_open(self, before: str) -> list[str]:
        """The due instants of the action items still to be done."""
        items = {
            event["data"]["item"]: (event["data"]["status"], str(checked(event["data"]["due"])))
            for event in self.told
            if event["type"] == "action-item" and event["recorded_at"] < before
        }
        return [due for status, due in items.values() if status in ("open", "in-progress")]

    def fact(self, at: str, metric: str, value: int = 1, code: str = "") -> None:
        if self.start <= at < self.end:
            self.facts.append((at, metric, code, value))

    def _rounds(self) -> list[Round]:
        rounds: list[Round] = []
        for event in self.told:
            if event["type"] in ("opened", "reopened"):
                if rounds:
                    rounds[-1].ended = event["recorded_at"]
                rounds.append(Round([event], "_again" if event["type"] == "reopened" else ""))
            elif rounds:
                rounds[-1].events.append(event)
        return rounds

    def _states(self) -> None:
        for at, metric in ((self.start, "incident_open_at_start"), (self.end, "incident_open_at_end")):
            if self.open_at(at):
                self.facts.append((at, metric, "", 1))

    def _round(self, each: Round) -> None:
        self._beginning(each)
        answered, ended = each.first("acknowledged", person=True), each.first("resolved")
        if answered:
            at = answered["recorded_at"]
            self.fact(at, f"time_to_acknowledge{each.again}_seconds", seconds(each.began, at))
        if ended:
            at = ended["recorded_at"]
            self.fact(
                at, f"time_to_resolve{each.again}_seconds", seconds(each.began, at), ended["data"]["by"]
            )
        for clock, metric in (
            ("respond", "respond_sla_met"),
            ("resolve", "resolve_sla_met"),
            ("answer", "first_response_met"),
        ):
            due, outcome, at = each.verdict(clock, self.end)
            if outcome:
                self.fact(at, metric, int(outcome == "met"))
            if outcome == "missed" and clock != "answer" and (clock, due) not in self._breaches():
                self.fact(at, "breach_unrecorded", 1, clock)

    def _beginning(self, each: Round) -> None:
        event = each.events[0]
        at, occurred = each.began, event["occurred_at"]
        self.fact(at, "incident_reopened" if each.again else "incident_opened")
        if not each.again and event["data"].get("source") is not None:
            self.fact(at, "time_to_detect_seconds", max(0, seconds(occurred, at)))
            if occurred > at:
                self.fact(at, "clock_ahead")

    def _breaches(self) -> set[tuple[str, str]]:
        return {
            (event["data"]["clock"], event["data"]["due"])
            for event in self.told
            if event["type"] == "breached"
        }

    def _missed(self) -> set[tuple[str, str | None]]:
        verdicts = [
            (clock, *each.verdict(clock, self.end)[:2])
            for each in self.rounds
            for clock in ("respond", "resolve")
        ]
        return {(clock, due) for clock, due, outcome in verdicts if outcome == "missed"}

    def _alerts(self) -> None:
        latest: dict[tuple[str, str], str] = {}
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for event in self.events:
            own = "incident_alerts" if self.opening else "other_alerts"
            metric = {"alerts": own, "dispositions": "journal_alerts"}.get(event["type"], "")
            if metric and event["recorded_at"] >= self.start:
                for entry in event["data"]["alerts"]:
                    counts[metric, entry["disposition"]] += entry["count"]
                    latest[metric, entry["disposition"]] = event["recorded_at"]
        for (metric, disposition), count in counts.items():
            self.fact(latest[metric, disposition], metric, count, disposition)
        on_incident = [at for (metric, _), at in latest.items() if metric == "incident_alerts"]
        if on_incident:
            self.fact(max(on_incident), "incident_alerted")

    def _reviews(self) -> None:
        for number, event in enumerate(self.told):
            if event["type"] == "review-required":
                outcome, at = review_verdict(event, self.told[number + 1 :], self.end)
                if outcome:
                    self.fact(at, "review_in_time", int(outcome == "met"))
        due, completed = self.review("~")
        if due is not None and completed is None and due < self.end:
            self.facts.append((self.end, "review_overdue_at_end", "", 1))

    def _items(self) -> None:
        before: dict[str, str] = {}
        for event in self.told:
            if event["type"] == "action-item":
                item, status = event["data"]["item"], event["data"]["status"]
                if status == "done" and before.get(item) != "done":
                    self.fact(event["recorded_at"], "action_item_done")
                before[item] = status
        left = self.items_open("~")
        for metric, count in (("open", len(left)), ("overdue", sum(due < self.end for due in left))):
            if count:
                self.facts.append((self.end, f"action_item_{metric}_at_end", "", count))

    def _telling(self) -> None:
        """How soon somebody inside was told, or that nobody was; and what providers said later."""
        firsts = [event for event in self.told if event["type"] == "first-told"]
        ended = self.rounds[0].first("resolved") if self.rounds else None
        for event in firsts[:1]:
            waited = seconds(self.rounds[0].began, event["occurred_at"])
            self.fact(event["recorded_at"], "time_to_first_told_seconds", max(0, waited))
        if ended and not any(event["seq"] < ended["seq"] for event in firsts):
            self.fact(ended["recorded_at"], "incident_untold")
        heard: dict[str, str] = {}
        for event in self.told:
            if event["type"] == "receipt":
                delivery, state = event["data"]["delivery"], event["data"]["state"]
                self.fact(event["recorded_at"], "receipt", 1, state)
                if heard.setdefault(delivery, event["hash"]) == event["hash"]:
                    self.fact(event["recorded_at"], "receipt_succeeded", int(state in ("delivered", "read")))

    def _single(self, event: Event) -> None:
        type, at, data = event["type"], event["recorded_at"], event["data"]
        if type == "resolved":
            self.fact(at, "incident_resolved", 1, data["by"])
        elif type == "escalated":
            self.fact(at, "escalated", 1, f"step-{data['step']}")
            self.fact(at, "escalation_late_seconds", data["late_seconds"], f"step-{data['step']}")
        elif type == "breached" and (data["clock"], data["due"]) not in self._missed():
            self.fact(at, "breach_underived", 1, data["clock"])
        elif type in ("delivered", "delivery-failed"):
            self.fact(at, "delivery_succeeded", int(type == "delivered"))
        elif type in COUNTED:
            self.fact(at, COUNTED[type])
        else:
            self._said(type, at, data)

    def _said(self, type: str, at: str, data: dict[str, Any]) -> None:
        """Status updates, checklists, and what people did from notifications."""
        if type == "update-lapsed":
            self.fact(at, "update_missed", data["missed"], data["audience"])
        elif type == "status-updated":
            for audience in data["audiences"]:
                self.fact(at, "update_sent", 1, audience)
        elif type == "checked" and data["state"] == "overridden":
            self.fact(at, "checklist_overridden", 1, data["phase"])
        elif type == "acted-on":
            self.fact(at, "acted_on", 1, data["by"])

    def drill_row(self) -> list[Any]:
        """The cells of ``drills.csv``; none for what is no drill."""
        if self.opening is None or self.drill is None:
            return []
        first = self.rounds[0]
        answered, ended = first.first("acknowledged", person=True), first.first("resolved")
        return [
            self.opening["subject"],
            self.drill,
            self.opening["data"]["service"],
            self.severity,
            self.state("~"),
            first.began,
            answered and answered["recorded_at"],
            ended and ended["recorded_at"],
            {"met": 1, "missed": 0}.get(first.verdict("respond", self.end)[1]),
        ]

    def row(self) -> list[Any]:
        """The cells of ``incidents.csv``; none for what is no incident, or a drill."""
        if self.opening is None or self.drill is not None:
            return []
        data, first = self.opening["data"], self.rounds[0]
        answered, ended = first.first("acknowledged", person=True), first.first("resolved")
        respond, resolve = (first.verdict(clock, self.end) for clock in ("respond", "resolve"))
        counts = [
            sum(
                entry["count"]
                for event in self.events
                if event["type"] in ("alerts", "dispositions")
                for entry in event["data"]["alerts"]
            ),
            sum(event["type"] in ("escalated", "escalated-manually") for event in self.told),
        ]
        return [
            self.opening["subject"],
            data["name"],
            data["service"],
            self.severity,
            data.get("source"),
            self.state("~"),
            first.began,
            answered and answered["recorded_at"],
            ended and ended["recorded_at"],
            len(self.rounds) - 1,
            *counts,
            respond[0],
            resolve[0],
            {"met": 1, "missed": 0}.get(respond[1]),
            {"met": 1, "missed": 0}.get(resolve[1]),
            *self.review("~"),
            len(self.items_open("~")),
            data["rules"],
            len(self.events),
            self.events[-1]["hash"],
        ]


INCIDENTS = (
    "id,name,service,severity,source,state,opened_at,acknowledged_at,resolved_at,reopened,alerts,escalations,"
    "respond_due,resolve_due,respond_met,resolve_met,review_due,review_completed_at,action_items_open,rules,"
    "timeline_length,head_hash"
)
DRILLS = "id,drill,service,severity,state,opened_at,acknowledged_at,resolved_at,respond_met"
AUDIT = "id,happened_at,entity_id,metric,value,notes"


def csv_line(cells: Iterable[Any]) -> bytes:
    """One row, its texts made harmless for spreadsheets."""
    return (",".join(cell(value) for value in cells) + "\n").encode("utf-8", "replace")


def cell(value: Any) -> str:  # noqa: ANN401  (a text, a number or None)
    if not isinstance(value, str):
        return "" if value is None else str(value)
    safe, begins = "", True
    for char in value:
        if ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029":
            char = " "  # noqa: PLW2901  (the character as written)
        if begins and char in "=+-@＝＋－＠":
            safe += "'"
        begins = char in ";,|" or (begins and (char.isspace() or char in "\"'"))
        safe += char
    return '"' + safe.replace('"', '""') + '"' if "," in safe or '"' in safe else safe


def cells_of(line: bytes) -> list[str]:
    """The cells of a row; none where it is no row."""
    try:
        return next(csv.reader([text_of(line).rstrip("\n")]), [])
    except csv.Error:
        return []


class Rows:
    """Holds the rows of a file against the derived ones, as they come."""

    def __init__(self, bundle: Bundle, name: str, header: str) -> None:
        self.name, self.columns = name, header.split(",")
        self.have = lines_of(bundle.pieces(name))
        self.number = -1
        self.problems: list[str] = []
        self.expect(header.encode() + b"\n")

    def expect(self, want: bytes) -> None:
        self.number += 1
        have = next(self.have, b"")
        if have != want and len(self.problems) < 100:
            where = f"row {self.number}" if self.number else "header"
            self.problems.append(
                f"{self.name} {where} (line {self.number + 1}): {self.difference(have, want)}"
            )

    def difference(self, have: bytes, want: bytes) -> str:
        stands, derived = (cells_of(line) for line in (have, want))
        if len(stands) == len(derived) == len(self.columns):
            for column, one, other in zip(self.columns, stands, derived):  # noqa: B905  (Python 3.9)
                if one != other:
                    return f"{column} of {derived[0]}: {brief(one)} stands there, derived is {brief(other)}"
        return f"{brief(text_of(have))} stands there, derived is {brief(text_of(want))}"

    def rest(self) -> Iterator[str]:
        """Everything found, once nothing more is expected."""
        yield from self.problems
        more = sum(1 for _ in self.have)
        if more:
            yield f"{self.name} row {self.number + 1}: {more} rows that do not follow from the timelines"


class Derivation:
    """Everything that follows from the timelines, built subject by subject."""

    def __init__(self, bundle: Bundle, period: dict[str, Any]) -> None:
        self.bundle = bundle
        self.plan, self.start, self.end = str(period["plan"]), str(period["from"]), str(period["as_of"])
        self.incidents = Rows(bundle, "incidents.csv", INCIDENTS)
        self.drills = Rows(bundle, "drills.csv", DRILLS)
        self.audit = Rows(bundle, "audit.csv", AUDIT)
        self.ids = 0
        self.whole: Values = defaultdict(list)
        self.by: dict[str, dict[str, Values]] = {"by_severity": {}, "by_service": {}}

    def take(self, subject: str, events: list[Event]) -> Iterator[str]:
        """Derive one subject's rows; what does not belong in this bundle."""
        self.bundle.heads[subject] = f"{events[-1]['seq']} {events[-1]['hash']}"
        wanted = self.bundle.wanted.get(subject, ())
        self.bundle.hashes.update(
            {(subject, one["seq"]): one["hash"] for one in events if one["seq"] in wanted}
        )
        try:
            account = Account(events, self.start, self.end)
            self._add(subject, account)
            if self.bundle.joint is not None and account.drill is None and account.open_at(self.bundle.joint):
                self.bundle.open_at_joint.add(subject)
            belongs = account.belongs(self.start)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            yield f"timeline.jsonl: {subject}: events that do not tell what they must ({error!r})"
            return
        last = events[-1]["recorded_at"]
        if last >= self.end or (last < self.start and not belongs):
            yield f"timeline.jsonl: {subject}: it was not open in the week, or goes on after it"
        declared = account.opening or next((one for one in events if one["type"] == "pending"), None)
        if declared and declared["data"].get("plan") != self.plan:
            yield f"timeline.jsonl: {subject}: an incident of another plan"

    def _add(self, subject: str, account: Account) -> None:
        slices = [self.whole]
        place = "none/none"
        row, drill_row = account.row(), account.drill_row()
        if row:
            self.bundle.incidents += 1
            self.incidents.expect(csv_line(row))
            for kind, name in (("by_severity", row[3]), ("by_service", row[2])):
                slices.append(self.by[kind].setdefault(name, defaultdict(list)))
        if drill_row:
            self.bundle.drills += 1
            self.drills.expect(csv_line(drill_row))
        if account.opening:
            self.bundle.rules.add(account.opening["data"]["rules"])
            place = f"{account.severity}/{account.opening['data']['service']}"
        for at, metric, code, value in account.facts:
            self.ids += 1
            notes = f"{place}/{code}" if code else place
            self.audit.expect(csv_line((self.ids, at, subject, metric, value, notes)))
            for part in slices:
                part[metric, code].append(value)

    def kpi(self, period: dict[str, Any], stated: dict[str, Any], targets: dict[str, Any]) -> dict[str, Any]:
        """The whole of ``kpi.json``; definitions' words are taken from ``stated``."""
        return {
            **period,
            "definitions_version": DEFINITIONS,
            "kpis": {name: self._kpi(name, stated.get(name), targets) for name in KPIS},
            "controls": self._controls(),
        }

    def _kpi(self, name: str, stated: Any, targets: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        said = stated if isinstance(stated, dict) else {}
        whole = figure(name, self.whole)
        kind, target_kind = KPIS[name][0], KPIS[name][4]
        if target_kind:
            target, met = targets.get(f"{name}_mean" if kind == "duration" else name), None
            if target is not None and whole["value"] is not None:
                met = whole["value"] <= target if target_kind == "at most" else whole["value"] >= target
            whole.update({"target": target, "met": met})
        return {
            "definition": said.get("definition"),
            "definition_sha256": said.get("definition_sha256"),
            "plan": whole,
            **{
                kind: {part: figure(name, values) for part, values in parts.items()}
                for kind, parts in self.by.items()
            },
        }

    def _controls(self) -> dict[str, Any]:
        opening, opened, reopened, resolved, closing = (
            sum(chosen(self.whole, (f"incident_{what}",)))
            for what in ("open_at_start", "opened", "reopened", "resolved", "open_at_end")
        )
        unrecorded, underived = (
            {clock: sum(self.whole.get((f"breach_{what}", clock), [])) for clock in ("respond", "resolve")}
            for what in ("unrecorded", "underived")
        )
        ahead = sum(chosen(self.whole, ("clock_ahead",)))
        return {
            "backlog": {
                "opening": opening,
                "opened": opened,
                "reopened": reopened,
                "resolved": resolved,
                "closing": closing,
                "holds": closing - opening == opened + reopened - resolved,
            },
            "breaches": {
                "unrecorded": unrecorded,
                "underived": underived,
                "holds": not any((*unrecorded.values(), *underived.values())),
            },
            "clock_ahead": {"incidents": ahead, "holds": ahead == 0},
        }


def chosen(values: Values, metrics: tuple[str, ...], code: str | None = None) -> list[int]:
    """The values of these metrics (and this code), ascending."""
    return sorted(
        value
        for (metric, its), listed in values.items()
        if metric in metrics and code in (None, its)
        for value in listed
    )


def figure(name: str, values: Values) -> dict[str, Any]:
    """One KPI of one part of the week."""
    kind, metrics, per, code, _ = KPIS[name]
    if kind == "breakdown":
        by: dict[str, int] = defaultdict(int)
        for (metric, its), listed in values.items():
            if metric in metrics:
                by[its] += sum(listed)
        return {"value": sum(by.values()), "by": dict(by)}
    found = chosen(values, metrics, code)
    total = sum(found)
    if kind == "count":
        return {"value": total}
    below = sum(chosen(values, per)) if kind == "ratio" else len(found)
    times = 1 if kind == "duration" or name == "alerts_per_incident" else 100
    out = {
        "numerator": total,
        "denominator": below,
        "value": float(f"{times * total / below:.6g}") if below else None,
    }
    if kind == "duration":
        for percent in (50, 90, 95):
            out[f"p{percent}"] = found[-(-percent * below // 100) - 1] if found else None
        out["max"] = found[-1] if found else None
    return out


def definition_problems(bundle: Bundle) -> Iterator[str]:
    """Definitions whose words were altered, or that define something else than is derived here."""
    kpis = bundle.kpi.get("kpis")
    for name, stated in (kpis if isinstance(kpis, dict) else {}).items():
        shown = stated.get("definition") if isinstance(stated, dict) else None
        if not isinstance(shown, dict) or digest(shown) != stated.get("definition_sha256"):
            yield f"kpi.json: kpis.{name}.definition: it does not have its hash"
        elif name in KPIS:
            kind, metrics, per, code, target = KPIS[name]
            said = tuple(shown.get(key) for key in ("kind", "metrics", "per", "code", "target_kind"))
            if said != (kind, list(metrics), list(per), code, target):
                yield f"kpi.json: kpis.{name}.definition: not what this verifier knows by that name"


def targets_in(kpi: dict[str, Any]) -> dict[str, Any]:
    """The plan's targets, as ``kpi.json`` repeats them."""
    found = {}
    for name, (kind, _, _, _, target_kind) in KPIS.items():
        try:
            target = kpi["kpis"][name]["plan"]["target"] if target_kind else None
        except (KeyError, TypeError):
            continue
        if type(target) is int:
            found[f"{name}_mean" if kind == "duration" else name] = target
    return found


def manifest_problems(bundle: Bundle, period: dict[str, Any]) -> Iterator[str]:
    """Lines of the manifest that are not as derived; if there is none, where the altered byte must be."""
    stated = bundle.manifest.get("files")
    listed = stated if isinstance(stated, list) and len(stated) == len(DATA) else [None] * len(DATA)
    whole = "kpi.json" not in bundle.altered
    kpis = bundle.kpi.get("kpis") if whole else None
    definitions = bundle.manifest.get("definitions")
    if isinstance(kpis, dict):
        shown = {name: one.get("definition") for name, one in kpis.items() if isinstance(one, dict)}
        definitions = {"version": DEFINITIONS, "sha256": digest(shown)}
    content = {
        **period,
        "format": FORMAT,
        "definitions": definitions,
        "targets": targets_in(bundle.kpi) if whole else bundle.manifest.get("targets"),
        "rules": sorted(bundle.rules),
        "files": [
            one if name in bundle.altered else file_entry(name, bundle.measures[name])
            for name, one in zip(DATA, listed)  # noqa: B905  (Python 3.9)
        ],
        "timelines": bundle.heads,
    }
    if "timeline.jsonl" in bundle.altered:
        content.update({key: bundle.manifest.get(key) for key in ("rules", "timelines")})
    want = {**content, "content_sha256": digest(content), **{key: bundle.manifest.get(key) for key in PLACE}}
    problems = list(json_problems("manifest.json", bundle.whole("manifest.json"), want))
    if not problems and "manifest.json" in bundle.altered:
        lines = pretty(want).split(b"\n")
        places = [str(n) for n in range(1, len(lines)) if path_at(lines, n).split(".")[0] in PLACE]
        problems = [f"manifest.json: one of the lines {', '.join(places)} ({', '.join(PLACE)}) was altered"]
    yield from problems


def file_entry(name: str, measures: Measures) -> dict[str, Any]:
    rows = {"kpi.json": None, "timeline.jsonl": measures.lines}.get(name, measures.lines - 1)
    return {"name": name, "bytes": measures.size, "rows": rows, "sha256": measures.sha256}


def period_problems(period: dict[str, Any]) -> Iterator[str]:
    """Whether the week has the bounds that it says."""
    try:
        start, end, as_of = (instant(period[key]) for key in ("from", "to", "as_of"))
        year, week = re.fullmatch(r"(\d{4})-W(\d\d)", period["week"]).groups()  # type: ignore[union-attr]
        monday = date.fromisocalendar(int(year), int(week), 1)
        bounds = [midnight(day, period["timezone"]) for day in (monday, monday + timedelta(days=7))]
    except ModuleNotFoundError as error:
        print(f"note  the week's bounds were not checked: {error}")
        return
    except (ValueError, TypeError, AttributeError) as error:
        yield f"manifest.json: week, timezone, from or to cannot be read ({error})"
        return
    if any(stamp(instant(period[key])) != period[key] for key in ("from", "to", "as_of")):
        yield "manifest.json: from, to or as_of is not in UTC with six decimals"
    if bounds != [start, end]:
        first, last = (stamp(bound) for bound in bounds)
        yield f"manifest.json: {period['week']} in {period['timezone']} is {first} to {last}"
    if period["provisional"] is not (as_of < end) or not start < as_of <= end:
        yield "manifest.json: as_of or provisional does not fit the week"


def midnight(day: date, zone: str) -> datetime:
    """Start of a local day. Raises ValueError; ModuleNotFoundError on a machine without time zones."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except ZoneInfoNotFoundError:
        if available_timezones():
            raise ValueError(f"there is no time zone {zone}") from None
        raise ModuleNotFoundError("this machine has no time zones (pip install tzdata)") from None


@dataclass
class Earlier:
    """An earlier bundle; ``files`` is None where only its manifest was given."""

    path: str
    sha256: str
    manifest: dict[str, Any]
    files: Folder | Zip | None
    used: bool = False

    @property
    def name(self) -> str:
        return f"{self.manifest.get('week')} r{self.manifest.get('revision')}"

    @property
    def whole(self) -> bool:
        names = ("incidents.csv", "drills.csv", "kpi.json")
        return self.files is not None and all(self.files.has(name) for name in names)

    def heads(self) -> dict[str, tuple[int, str]]:
        """Number and hash of the last event of each timeline; nothing where the manifest tells none."""
        stated = self.manifest.get("timelines")
        found = {}
        for subject, head in (stated if isinstance(stated, dict) else {}).items():
            match = (
                re.fullmatch(r"([1-9][0-9]{0,17}) ([0-9a-f]{64})", head) if isinstance(head, str) else None
            )
            found[subject] = (int(match[1]), match[2]) if match else (0, "")
        return found

    def member(self, name: str) -> bytes | None:
        """The content of a member, if it has the hash that the manifest names."""
        content = b"".join(self.files.pieces(name)) if self.files else b""
        entry = {"name": name, "sha256": hashlib.sha256(content).hexdigest()}
        listed = self.manifest.get("files")
        for one in listed if isinstance(listed, list) else []:
            if isinstance(one, dict) and entry.items() <= one.items():
                return content
        return None


def earlier(path: Path) -> Earlier:
    """An earlier bundle, or only its manifest. Raises OSError and Unreadable."""
    files = None if path.is_file() and path.suffix == ".json" else opened(path)
    raw = b"".join(files.pieces("manifest.json")) if files else path.read_bytes()
    try:
        manifest = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path}: {error}") from None
    sha256 = hashlib.sha256(raw).hexdigest()
    return Earlier(str(path), sha256, manifest if isinstance(manifest, dict) else {}, files)


def expect(bundle: Bundle, given: list[Earlier]) -> None:
    """Note what of the timelines has to be kept so that they can be held against earlier bundles."""
    for one in given:
        for subject, (seq, _) in one.heads().items():
            bundle.wanted[subject].add(seq)
        link, ends = bundle.manifest.get("previous"), one.manifest.get("to")
        if isinstance(link, dict) and link.get("manifest_sha256") == one.sha256 and isinstance(ends, str):
            bundle.joint = ends


def chain_problems(bundle: Bundle, given: list[Earlier], notes: list[str]) -> Iterator[str]:
    """Links that do not lead to the bundles given, what these tell otherwise, and those no link leads to."""
    waiting, seen = [bundle.manifest], set[str]()
    while waiting:
        manifest = waiting.pop(0)
        for key, words in (("restates", "restates"), ("previous", "back to")):
            one = yield from link_problems(manifest, key, given)
            link = manifest.get(key)
            if isinstance(link, dict):
                missing = "" if one else ", not given"
                notes.append(f"{words} {link.get('week')} r{link.get('revision')}{missing}")
            if one is None or one.sha256 in seen:
                continue
            seen.add(one.sha256)
            waiting.append(one.manifest)
            yield from told_otherwise(bundle, one, key if manifest is bundle.manifest else "", notes)
    for one in given:
        if not one.used:
            yield f"chain: no link of this bundle leads to {one.path}"


def told_otherwise(bundle: Bundle, one: Earlier, direct: str, notes: list[str]) -> Iterator[str]:
    """What an earlier bundle tells otherwise; ``direct`` is the link by which this one names it, if any."""
    if direct == "previous":
        yield from left_open_problems(bundle, one, notes)
    elif direct == "restates":
        for subject in sorted(set(one.heads()) - set(bundle.heads)):
            yield f"chain: {subject} stands in {one.name}, and is left out here, in its restatement"
    yield from history_problems(bundle, one, notes)


def history_problems(bundle: Bundle, one: Earlier, notes: list[str]) -> Iterator[str]:
    """Timelines of an earlier bundle that do not go on in this one as they were."""
    heads = one.heads()
    both = sorted(set(heads) & set(bundle.heads))
    notes.append(f"{len(both)} of the {len(heads)} timelines of {one.name} are here; compared event by event")
    if not isinstance(one.manifest.get("timelines"), dict):
        yield f"chain: {one.path} tells no timelines"
    for subject in both:
        seq, sha256 = heads[subject]
        have = bundle.hashes.get((subject, seq))
        if not seq:
            yield f"chain: {one.path}: length and hash of {subject} cannot be read"
        elif have is None:
            length = bundle.heads[subject].split(" ")[0]
            yield f"chain: {subject} had {seq} events in {one.name}, and has only {length} here"
        elif have != sha256:
            yield f"chain: {subject} event {seq} is not the one of {one.name}: its history was rewritten"


def left_open_problems(bundle: Bundle, one: Earlier, notes: list[str]) -> Iterator[str]:
    """Where this bundle does not begin as the one before it ended."""
    if not one.whole:
        notes.append(f"of {one.name} only the manifest was given: what it left open was not compared")
        return
    members = {name: one.member(name) for name in ("incidents.csv", "drills.csv", "kpi.json")}
    for name, content in members.items():
        if content is None:
            yield f"chain: {one.path}: {name} does not have the hash that its manifest names"
    left = open_in(members["incidents.csv"] or b"")
    starts, ends = bundle.manifest.get("from"), bundle.manifest.get("as_of")
    if bundle.joint is None or not str(starts) <= bundle.joint <= str(ends):
        notes.append(gap(bundle, one, left))
    elif None not in members.values():
        yield from joint_problems(bundle, one, left, closing_in(members["kpi.json"] or b""))
        drills = open_in(members["drills.csv"] or b"", DRILLS)
        for subject in sorted((unfinished_in(members["incidents.csv"] or b"") | drills) - set(bundle.heads)):
            yield f"chain: {subject}, of which {one.name} left something to come, is left out here"
        notes.append(f"{len(left)} incidents were open when {one.name} ended; compared with those here")


def joint_problems(bundle: Bundle, one: Earlier, left: set[str], closing: object) -> Iterator[str]:
    """What was open when the bundle before ended, and is not in this one; or the other way round."""
    have = bundle.open_at_joint
    if closing != len(have):
        yield f"chain: {one.name} closes with a backlog of {closing}, and this goes on with {len(have)}"
    for subject in sorted(left - have):
        why = "was not open then, says this bundle" if subject in bundle.heads else "is left out here"
        yield f"chain: {subject}, which {one.name} left open, {why}"
    for subject in sorted(have - left):
        yield f"chain: {subject} was open when {one.name} ended, which does not say so"


def rows_in(content: bytes, header: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file that have as many cells as its header."""
    columns = header.split(",")
    for line in lines_of([content]):
        cells = cells_of(line)
        if len(cells) == len(columns):
            yield dict(zip(columns, cells))  # noqa: B905  (Python 3.9)


def open_in(content: bytes, header: str = "") -> set[str]:
    """What an ``incidents.csv``, or a ``drills.csv`` by its header, calls open or acknowledged."""
    return {row["id"] for row in rows_in(content, header or INCIDENTS) if row["state"] in OPEN}


def unfinished_in(incidents: bytes) -> set[str]:
    """The resolved incidents that an ``incidents.csv`` shows with a review or action items to come."""
    return {
        row["id"]
        for row in rows_in(incidents, INCIDENTS)
        if row["state"] == "resolved"
        and (row["action_items_open"] != "0" or (row["review_due"] and not row["review_completed_at"]))
    }


def closing_in(kpi: bytes) -> Any:  # noqa: ANN401  (any JSON)
    """The closing backlog that a ``kpi.json`` states; None where it states none."""
    try:
        return json.loads(kpi.decode("utf-8"))["kpis"]["backlog_closing"]["plan"]["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def gap(bundle: Bundle, one: Earlier, left: set[str]) -> str:
    """What to say where the bundle before does not end where this week begins."""
    absent = sorted(left - set(bundle.heads))
    named = ", ".join(absent[:SHOWN]) + (f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else "")
    return (
        f"{one.name} ends {bundle.joint}, this week begins {bundle.manifest.get('from')}: what it left open "
        f"was not compared; not here: {named or 'none of it'}"
    )


def link_problems(
    manifest: dict[str, Any], key: str, given: list[Earlier]
) -> Generator[str, None, Earlier | None]:
    """Check one link; returns the bundle that it leads to, if that was given."""
    link = manifest.get(key)
    if not isinstance(link, dict):
        return None
    named = (manifest.get("plan"), link.get("week"), link.get("revision"))
    for one in given:
        says = tuple(one.manifest.get(field) for field in ("plan", "week", "revision"))
        if one.sha256 == link.get("manifest_sha256"):
            one.used = True
            if says != named:
                yield f"chain: {one.path} is {says}, while {key} calls it {named}"
            return one
        if says == named:
            one.used = True
            yield f"chain: {one.path} is not the {named[1]} r{named[2]} that {key} names by its hash"
    return None


def from_one(value: object) -> bool:
    return type(value) is int and value >= 1


def names_bundle(link: object) -> bool:
    """Whether a link has the form in which a manifest names another bundle."""
    return (
        isinstance(link, dict)
        and set(link) == {"week", "revision", "manifest_sha256"}
        and re.fullmatch(r"[0-9]{4}-W[0-9]{2}", str(link["week"])) is not None
        and from_one(link["revision"])
        and re.fullmatch(r"[0-9a-f]{64}", str(link["manifest_sha256"])) is not None
    )


def place_problems(manifest: dict[str, Any]) -> Iterator[str]:
    """A place in the chain that cannot be."""
    revision, restates, previous = (manifest.get(key) for key in ("revision", "restates", "previous"))
    if not isinstance(manifest.get("code_version"), str):
        yield "manifest.json: code_version is no text"
    if manifest.get("provisional"):
        if (revision, restates, previous) != (None, None, None):
            yield "manifest.json: a provisional bundle has no place in the chain"
        return
    if not from_one(revision):
        yield "manifest.json: revision is no number from 1"
    for key, link in (("restates", restates), ("previous", previous)):
        if link is not None and not names_bundle(link):
            yield f"manifest.json: {key} is not week, revision and manifest_sha256 of a bundle"
        elif link is not None and not comes_before(key, link, manifest):
            what = "revision of the week" if key == "restates" else "week"
            yield f"manifest.json: {key} names no earlier {what}"


def comes_before(key: str, link: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Whether a link leads back: to a lower revision of the same week, or to a week before it."""
    if key == "previous":
        return str(link["week"]) < str(manifest.get("week"))
    revision = manifest.get("revision")
    return link["week"] == manifest.get("week") and from_one(revision) and link["revision"] < revision


def strangers(path: Path) -> Iterator[str]:
    """What stands in the folder of a bundle and is no part of it."""
    if path.is_dir():
        for one in sorted(path.iterdir()):
            if one.name not in (*MEMBERS, "bundle.zip"):
                yield f"{one.name} stands in the folder, is no part of the bundle and was not checked"


def verify(path: Path, previous: list[Path], report: Report) -> str:
    """Make every check; what to call the bundle. Raises Unreadable and OSError."""
    bundle, given = Bundle(path), [earlier(one) for one in previous]
    for name in strangers(path):
        report.say("note", name)
    zipped = path if isinstance(bundle.files, Zip) else path / "bundle.zip"
    if zipped.is_file():
        report.line("bundle.zip: every byte is as its members make it", lambda: zip_problems(bundle, zipped))
    report.line(f"manifest.sha256: the hashes of {len(LISTED)} files", lambda: sums_problems(bundle))
    for name, into in (("manifest.json", bundle.manifest), ("kpi.json", bundle.kpi)):
        report.line(f"{name}: JSON", lambda name=name, into=into: read_json(bundle, name, into))  # type: ignore[misc]
    refuse_other_versions(bundle)
    period = bundle.period()
    if period is None:
        report.fail(
            "manifest.json and kpi.json: neither tells the week by a hash that holds; nothing is derived"
        )
        return path.name
    expect(bundle, given)
    derive(bundle, period, report)
    if bundle.manifest:
        report.line("manifest.json: as derived", lambda: manifest_problems(bundle, period))
        report.line("manifest.json: place in the chain", lambda: place_problems(bundle.manifest))
        check_chain(bundle, given, report)
    label = "provisional" if period["provisional"] else f"r{bundle.manifest.get('revision', '?')}"
    return f"{period['plan']} {period['week']} {label}"


def check_chain(bundle: Bundle, given: list[Earlier], report: Report) -> None:
    """Hold the bundle against the earlier ones, and say what was compared."""
    notes: list[str] = []
    what = "chain: the links hold" + (", and what the bundles given tell stands here" if given else "")
    report.line(what, lambda: chain_problems(bundle, given, notes))
    for note in notes:
        report.say("note", f"chain: {note}")
    revision = bundle.manifest.get("revision")
    if from_one(revision) and revision != 1 and bundle.manifest.get("restates") is None:
        report.say("note", f"chain: r{revision} restates nothing, as if no revision before it was completed")


def refuse_other_versions(bundle: Bundle) -> None:
    """Raises Unreadable for an intact bundle of a format or of definitions that came later."""
    says = (bundle.manifest.get("format"), bundle.kpi.get("definitions_version"))
    if not bundle.altered and says != (FORMAT, DEFINITIONS):
        raise Unreadable(f"format and definitions are {says}; this verifier knows {(FORMAT, DEFINITIONS)}")


def derive(bundle: Bundle, period: dict[str, Any], report: Report) -> None:
    """Check the timelines, and everything that follows from them."""
    report.line("manifest.json: the week's bounds", lambda: period_problems(period))
    derivation = Derivation(bundle, period)
    report.line(
        "timeline.jsonl: every timeline is an unbroken chain",
        lambda: timeline_problems(bundle, derivation.take),
    )
    if "timeline.jsonl" in bundle.altered:
        report.say("note", "rows and figures are not derived from a timeline.jsonl that was altered")
        return
    report.line(f"incidents.csv: {bundle.incidents} rows, each as derived", derivation.incidents.rest)
    report.line(f"drills.csv: {bundle.drills} rows, each as derived", derivation.drills.rest)
    report.line(f"audit.csv: {derivation.ids} rows, each as derived", derivation.audit.rest)
    report.line("kpi.json: definitions", lambda: definition_problems(bundle))
    if bundle.kpi:
        source = bundle.manifest.get("targets") if "manifest.json" not in bundle.altered else None
        targets = source if isinstance(source, dict) else targets_in(bundle.kpi)
        numbers = {name: target for name, target in targets.items() if type(target) is int}
        kpis = bundle.kpi.get("kpis")
        want = derivation.kpi(period, kpis if isinstance(kpis, dict) else {}, numbers)
        report.line(
            f"kpi.json: {len(KPIS)} KPIs and the controls, as derived",
            lambda: json_problems("kpi.json", bundle.whole("kpi.json"), want),
        )
        for name, control in want["controls"].items():
            if not control["holds"]:
                report.say("note", f"control {name} does not hold: {json.dumps(control)}")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="verify", description="Check a weekly export, offline.")
    parser.add_argument("bundle", type=Path, help="bundle.zip, or a folder with its members")
    parser.add_argument("previous", type=Path, nargs="*", help="earlier bundles, or their manifest.json")
    options = parser.parse_args(arguments)
    report = Report()
    try:
        name = verify(options.bundle, options.previous, report)
    except (Unreadable, OSError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    if report.failures:
        print(f"\ndoes not hold: {name}")
        for problem in report.failures:
            report.say("", problem)
        return 1
    print(f"\nverified: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
