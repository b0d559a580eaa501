"""Check a weekly export without trusting anybody: `python -m shared.kpi.verify BUNDLE [PREVIOUS…]`.

`--help` names the options: a pinned key, the texts, a sample. Only a signature needs a package, cryptography.

BUNDLE is `bundle.zip` or a folder with its members; a PREVIOUS is an earlier bundle or its `manifest.json`.
Every hash, the chain of bundles and of every timeline are checked, the zip is rebuilt and compared, and every
row and figure is derived again from `timeline.jsonl`. What a PREVIOUS tells must stand in BUNDLE: the history
of every timeline up to there, and the incidents that it left open. One file, standard library, Python 3.9 or
later; it shares no code with what made the bundle. Exit code 0: it holds; 1: it does not; 2: it cannot be
read.
"""

from __future__ import annotations

import argparse
import base64
import bisect
import codecs
import csv
import hashlib
import json
import math
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO

FORMAT = 3
DEFINITIONS = 4
DEFINITIONS_SHA256 = "97142583518cff2a6514ec6beb1857e535164f6a2cf93644f1b52764909fc6c7"
"""Of all definitions of that version, every word of them."""
DATA = (
    "kpi.json",
    "baseline.json",
    "incidents.csv",
    "drills.csv",
    "alerts.csv",
    "escalations.csv",
    "deliveries.csv",
    "suppressions.csv",
    "plan_changes.csv",
    "oncall_coverage.csv",
    "action_items.csv",
    "reviews.csv",
    "access.csv",
    "controls.csv",
    "audit.csv",
    "timeline.jsonl",
    "report.html",
    "workbook.xlsx",
)
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


HEAD_OF = re.compile(r"(?:(?:0|[1-9][0-9]{0,17})-)?([1-9][0-9]{0,17}) ([0-9a-f]{64})")
"""How a manifest tells of a timeline: the first event of the week, the last one's number, and its hash."""


class Unreadable(Exception):
    """There is no bundle to check."""


DEEPEST = 100
"""Objects and lists within one another that JSON of a bundle may have."""
TOO_DEEP = f"objects and lists more than {DEEPEST} deep"
LARGEST = 10**18
"""No number of a bundle is larger."""


class Refused(ValueError):
    """JSON that Python would read, and that no bundle may have; ``token`` is the text of it, if one is."""

    def __init__(self, why: str, token: str = "") -> None:
        super().__init__(why)
        self.token = token


class Doubled(Refused):
    """A key that stands twice in one object: readers differ on which of the two counts."""


def whole_number(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > LARGEST:
        raise Refused(f"{brief(digits)} is larger than any number here can be", digits)
    return int(digits)


def broken_number(digits: str) -> float:
    value = float(digits)
    if abs(value) > LARGEST:
        raise Refused(f"{brief(digits)} is larger than any number here can be", digits)
    return value


def no_number(name: str) -> float:
    raise Refused(f"{name} is no number", name)


def no_fraction(digits: str) -> float:
    raise Refused(f"{brief(digits)}: events hold whole numbers only", digits)


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Doubled(f"the key {brief(key)} stands twice in one object", key)
        found[key] = value
    return found


STRICT = json.JSONDecoder(
    parse_int=whole_number, parse_float=broken_number, parse_constant=no_number, object_pairs_hook=each_once
)
LAST_COUNTS = json.JSONDecoder(parse_int=whole_number, parse_float=broken_number, parse_constant=no_number)
OF_EVENTS = json.JSONDecoder(parse_int=whole_number, parse_float=no_fraction, parse_constant=no_number)
"""Without a look at doubled keys: a line of them is not in canonical form."""


def read_strictly(raw: bytes, decoder: json.JSONDecoder = STRICT) -> Any:  # noqa: ANN401  (any JSON)
    """The value that JSON in UTF-8 stands for. Raises ValueError."""
    if raw.startswith(codecs.BOM_UTF8):
        raise Refused("it begins with a byte order mark", "\ufeff")
    try:
        value = decoder.decode(raw.decode("utf-8"))
    except RecursionError:
        raise Refused(TOO_DEEP) from None
    if raw.count(b"[") + raw.count(b"{") > DEEPEST:
        level, depth = [value], 0
        while level:
            depth += 1
            level = [inner for one in level for inner in inside(one)]
        if depth > DEEPEST:
            raise Refused(TOO_DEEP)
    return value


def inside(value: Any) -> Iterable[Any]:  # noqa: ANN401  (any JSON)
    """What an object or a list holds."""
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


KPIS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], str | None]] = {
    "backlog_opening": ("count", ("incident_open_at_start",), (), (), None),
    "incidents_opened": ("count", ("incident_opened",), (), (), "at most"),
    "incidents_reopened": ("count", ("incident_reopened",), (), (), "at most"),
    "incidents_resolved": ("count", ("incident_resolved",), (), (), None),
    "incidents_resolved_by_source": ("count", ("incident_resolved",), (), ("source",), None),
    "backlog_closing": ("count", ("incident_open_at_end",), (), (), "at most"),
    "time_to_detect": ("duration", ("time_to_detect_seconds",), (), (), "at most"),
    "time_to_acknowledge": ("duration", ("time_to_acknowledge_seconds",), (), (), "at most"),
    "time_to_acknowledge_again": ("duration", ("time_to_acknowledge_again_seconds",), (), (), "at most"),
    "time_to_mitigate": ("duration", ("time_to_mitigate_seconds",), (), (), "at most"),
    "time_to_resolve": ("duration", ("time_to_resolve_seconds",), (), (), "at most"),
    "time_to_resolve_by_person": ("duration", ("time_to_resolve_seconds",), (), ("person",), "at most"),
    "time_to_resolve_by_source": ("duration", ("time_to_resolve_seconds",), (), ("source",), "at most"),
    "time_to_resolve_again": ("duration", ("time_to_resolve_again_seconds",), (), (), "at most"),
    "first_response_within_5m": ("share", ("first_response_met",), (), (), "at least"),
    "respond_sla_attainment": ("share", ("respond_sla_met",), (), (), "at least"),
    "resolve_sla_attainment": ("share", ("resolve_sla_met",), (), (), "at least"),
    "reopen_rate": ("ratio", ("incident_reopened",), ("incident_resolved",), (), "at most"),
    "alerts_per_incident": ("ratio", ("incident_alerts",), ("incident_alerted",), (), "at most"),
    "alerts_by_disposition": (
        "breakdown",
        ("incident_alerts", "other_alerts", "journal_alerts"),
        (),
        (),
        None,
    ),
    "alerts_noise": (
        "ratio",
        ("incident_alerts", "other_alerts", "journal_alerts"),
        ("incident_alerts", "other_alerts", "journal_alerts"),
        ("suppressed", "ignored"),
        "at most",
    ),
    "escalations_by_step": ("breakdown", ("escalated",), (), (), None),
    "escalations_by_hand": ("count", ("escalated_manually",), (), (), None),
    "escalations_exhausted": ("count", ("escalation_exhausted",), (), (), "at most"),
    "escalation_lateness": ("duration", ("escalation_late_seconds",), (), (), "at most"),
    "delivery_success": ("share", ("delivery_succeeded",), (), (), "at least"),
    "contacts_unreachable": ("count", ("contact_unreachable",), (), (), "at most"),
    "contacts_missing": ("count", ("contact_missing",), (), (), "at most"),
    "oncall_empty": ("count", ("oncall_empty",), (), (), "at most"),
    "stakeholders_informed": ("count", ("informed",), (), (), None),
    "updates_sent": ("breakdown", ("update_sent",), (), (), None),
    "updates_missed": ("breakdown", ("update_missed",), (), (), "at most"),
    "checklist_overridden": ("count", ("checklist_overridden",), (), (), "at most"),
    "review_completion": ("share", ("review_in_time",), (), (), "at least"),
    "reviews_overdue": ("count", ("review_overdue_at_end",), (), (), "at most"),
    "action_items_open": ("count", ("action_item_open_at_end",), (), (), "at most"),
    "action_items_overdue": ("count", ("action_item_overdue_at_end",), (), (), "at most"),
    "action_items_done": ("count", ("action_item_done",), (), (), None),
    "drills_opened": ("count", ("drill_opened",), (), (), "at least"),
    "drills_resolved": ("count", ("drill_resolved",), (), (), "at least"),
    "drills_missed": ("count", ("drill_missed",), (), (), "at most"),
    "drill_time_to_acknowledge": ("duration", ("drill_time_to_acknowledge_seconds",), (), (), "at most"),
    "drill_time_to_resolve": ("duration", ("drill_time_to_resolve_seconds",), (), (), "at most"),
    "drill_respond_sla_attainment": ("share", ("drill_respond_sla_met",), (), (), "at least"),
    "digests_failed": ("count", ("digest_failed",), (), (), "at most"),
    "coverage_gaps": ("count", ("coverage_gap",), (), (), "at most"),
    "time_to_first_told": ("duration", ("time_to_first_told_seconds",), (), (), "at most"),
    "drill_time_to_first_told": ("duration", ("drill_time_to_first_told_seconds",), (), (), "at most"),
    "incidents_untold": ("count", ("incident_untold",), (), (), "at most"),
    "receipts": ("breakdown", ("receipt",), (), (), None),
    "receipt_success": ("share", ("receipt_succeeded",), (), (), "at least"),
    "acted_from_notification": ("breakdown", ("acted_on",), (), (), None),
    "messages_held_back": ("count", ("held_back",), (), (), None),
    "still_open_reminders": ("count", ("still_open_reminded",), (), (), None),
    "oncall_coverage": ("ratio", ("oncall_covered_seconds",), ("oncall_seconds",), (), "at least"),
    "sweeps": ("count", ("sweeps",), (), (), None),
    "sweeper_longest_gap": ("maximum", ("sweeper_gap_seconds",), (), (), "at most"),
    "probe_success": ("ratio", ("probes_succeeded",), ("probes",), (), "at least"),
    "plan_changes": ("count", ("plan_changed",), (), (), None),
    "rollouts_ended": ("breakdown", ("rollout_ended",), (), (), None),
    "records_accessed": ("breakdown", ("accessed",), (), (), None),
    "exports_compiled": ("count", ("export_compiled",), (), (), None),
    "erasures": ("breakdown", ("erased",), (), (), None),
    "purges": ("breakdown", ("purged",), (), (), None),
    "drifts_found": ("count", ("drift_found",), (), (), "at most"),
    "time_to_acknowledge_vs_baseline": ("change", ("time_to_acknowledge_seconds",), (), (), "at most"),
    "time_to_resolve_vs_baseline": ("change", ("time_to_resolve_seconds",), (), (), "at most"),
}
"""What this verifier knows each KPI to be: kind, metrics, metrics below the line, codes, side of a target."""
LEFT_OUT: dict[str, dict[str, tuple[str, str | None, bool]]] = {
    "incidents_opened": {
        "drill": ("drill_opened", None, False),
    },
    "incidents_resolved_by_source": {
        "by-person": ("incident_resolved", "person", False),
    },
    "time_to_detect": {
        "declared-by-hand": ("excluded", "time_to_detect/declared-by-hand", False),
    },
    "time_to_acknowledge": {
        "resolved-unacknowledged": ("excluded", "time_to_acknowledge/resolved-unacknowledged", False),
        "still-open": ("excluded", "time_to_acknowledge/still-open", False),
    },
    "time_to_acknowledge_again": {
        "resolved-unacknowledged": ("excluded", "time_to_acknowledge_again/resolved-unacknowledged", False),
        "still-open": ("excluded", "time_to_acknowledge_again/still-open", False),
    },
    "time_to_mitigate": {
        "resolved-unmitigated": ("excluded", "time_to_mitigate/resolved-unmitigated", False),
        "still-open": ("excluded", "time_to_mitigate/still-open", False),
    },
    "time_to_resolve": {
        "after-reopening": ("time_to_resolve_again_seconds", None, False),
        "still-open": ("excluded", "time_to_resolve/still-open", False),
    },
    "time_to_resolve_by_person": {
        "by-source": ("time_to_resolve_seconds", "source", False),
    },
    "time_to_resolve_by_source": {
        "by-person": ("time_to_resolve_seconds", "person", False),
    },
    "time_to_resolve_again": {
        "still-open": ("excluded", "time_to_resolve_again/still-open", False),
    },
    "first_response_within_5m": {
        "voided": ("excluded", "first_response_within_5m/voided", False),
        "running": ("excluded", "first_response_within_5m/running", False),
        "reopening": ("incident_reopened", None, False),
    },
    "respond_sla_attainment": {
        "voided": ("excluded", "respond_sla_attainment/voided", False),
        "no-target": ("excluded", "respond_sla_attainment/no-target", False),
        "running": ("excluded", "respond_sla_attainment/running", False),
    },
    "resolve_sla_attainment": {
        "voided": ("excluded", "resolve_sla_attainment/voided", False),
        "no-target": ("excluded", "resolve_sla_attainment/no-target", False),
        "running": ("excluded", "resolve_sla_attainment/running", False),
    },
    "alerts_per_incident": {
        "changed-no-incident": ("journal_alerts", None, True),
        "of-no-incident": ("other_alerts", None, True),
    },
    "escalations_by_step": {
        "by-hand": ("escalated_manually", None, False),
        "passed": ("excluded", "escalations_by_step/passed", False),
    },
    "escalation_lateness": {
        "by-hand": ("escalated_manually", None, False),
    },
    "delivery_success": {
        "withdrawn": ("excluded", "delivery_success/withdrawn", False),
    },
    "checklist_overridden": {
        "ticked": ("excluded", "checklist_overridden/ticked", False),
        "unticked": ("excluded", "checklist_overridden/unticked", False),
    },
    "review_completion": {
        "withdrawn": ("excluded", "review_completion/withdrawn", False),
        "running": ("excluded", "review_completion/running", False),
    },
    "action_items_done": {
        "dropped": ("excluded", "action_items_done/dropped", False),
    },
    "drill_time_to_acknowledge": {
        "resolved-unacknowledged": ("excluded", "drill_time_to_acknowledge/resolved-unacknowledged", False),
        "still-open": ("excluded", "drill_time_to_acknowledge/still-open", False),
    },
    "drill_time_to_resolve": {
        "still-open": ("excluded", "drill_time_to_resolve/still-open", False),
    },
    "drill_respond_sla_attainment": {
        "voided": ("excluded", "drill_respond_sla_attainment/voided", False),
        "no-target": ("excluded", "drill_respond_sla_attainment/no-target", False),
        "running": ("excluded", "drill_respond_sla_attainment/running", False),
    },
    "digests_failed": {
        "sent": ("excluded", "digests_failed/sent", False),
    },
    "time_to_first_told": {
        "untold": ("incident_untold", None, False),
    },
    "receipt_success": {
        "later-receipt": ("excluded", "receipt_success/later-receipt", False),
    },
}
"""What a KPI leaves out, by reason: metric and code that count it; whether values are added up, or rows."""


@dataclass
class Report:
    """What was checked, printed as it happens; and what does not hold."""

    failures: list[str] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    """Every line, by its word."""
    silent: bool = False

    def line(self, what: str, check: Callable[[], Iterable[str]], word: str = "ok") -> None:
        """One check: its problems, or ``ok`` (or another word) if it yields none."""
        problems: list[str] = []
        try:
            problems.extend(check())
        except BEYOND as error:
            problems.append(f"{what.partition(':')[0]}: it cannot be checked ({brief(error)})")
        for problem in problems[:SHOWN]:
            self.fail(problem)
        if len(problems) > SHOWN:
            self.fail(f"{what}: {len(problems) - SHOWN} more")
        if not problems:
            self.say(word, what)

    def fail(self, problem: str) -> None:
        """Something does not hold."""
        self.failures.append(problem)
        self.say("FAILS", problem)

    def say(self, word: str, text: str) -> None:
        """One line on standard output, with whatever a terminal might act on made harmless."""
        self.said.append((word, text))
        if self.silent:
            return
        print(on_terminal(f"{word:6}{text}", sys.stdout))


BEYOND = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a check can come to where a bundle holds what nobody thought of: it fails, and the others go on."""


def on_terminal(text: str, stream: TextIO) -> str:
    """A text with whatever a terminal might act on made harmless, and in its encoding."""
    safe = "".join(char if char.isprintable() else "�" for char in text)
    encoding = stream.encoding or "utf-8"
    return safe.encode(encoding, "replace").decode(encoding)


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
        self.unread: set[str] = set()
        """Members that are no JSON object."""
        self.manifest: dict[str, Any] = {}
        self.kpi: dict[str, Any] = {}
        self.baseline: dict[str, Any] = {}
        self.heads: dict[str, str] = {}
        self.rules: set[str] = set()
        self.plans: set[str] = set()
        self.events: dict[str, Any] = {
            "total": 0,
            "in_week": 0,
            "first_recorded_at": None,
            "last_recorded_at": None,
        }
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
        value = read_strictly(raw, LAST_COUNTS)
    except json.JSONDecodeError as error:
        yield f"{name} line {error.lineno}: not JSON: {error.msg}"
    except UnicodeDecodeError as error:
        yield f"{name} line {raw.count(10, 0, error.start) + 1}: not JSON: not UTF-8"
    except Refused as error:
        at = raw.find(error.token.encode())
        where = f" line {raw.count(10, 0, at) + 1}" if error.token and at >= 0 else ""
        yield f"{name}{where}: {error}"
    else:
        if isinstance(value, dict):
            into.update(value)
            yield from doubled(name, raw)
            return
        yield f"{name} line 1: not an object"
    bundle.unread.add(name)


def doubled(name: str, raw: bytes) -> Iterator[str]:
    """The first key that stands twice in one object, if there is one; what comes last is compared."""
    try:
        read_strictly(raw)
    except Doubled as error:
        yield f"{name}: {error}"


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
    if wanted == found:
        return
    try:
        problems = list(value_problems(name, read_strictly(have, LAST_COUNTS), want))
    except ValueError as error:
        yield f"{name}: it was changed while it was read ({error})"
        return
    if not problems:
        yield misprinted(name, found, wanted)
        return
    if len(wanted) != len(found):
        yield from problems
        return
    for number, (one, other) in enumerate(zip(wanted, found), start=1):  # noqa: B905  (Python 3.9)
        if one.strip() != other.strip():
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


def misprinted(name: str, found: list[bytes], wanted: list[bytes]) -> str:
    """The first line of JSON that has the right value, and is not written as it must be."""
    number = next(
        (n for n, pair in enumerate(zip(found, wanted), start=1) if pair[0] != pair[1]),  # noqa: B905
        min(len(found), len(wanted)) + 1,
    )
    stands, derived = (
        brief(text_of(lines[number - 1])) if number <= len(lines) else "the end of the file"
        for lines in (found, wanted)
    )
    return f"{name} line {number}: not written as it must be: {stands} stands there, derived is {derived}"


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
    event: Event = read_strictly(line, OF_EVENTS)
    if line != compact(event) + b"\n":
        raise ValueError("it ends with CR LF" if line.endswith(b"\r\n") else "not in canonical form")
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
    if not text.endswith("Z") or not "1970" <= text[:4] < "9999":
        raise ValueError(f"{brief(text)} is no instant in UTC")
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


def of_drill(fact: Fact) -> list[Fact]:
    """A fact of a drill, under its own name; none where drills have no such fact."""
    at, metric, code, value = fact
    kpi, _, reason = code.partition("/")
    if metric == "excluded":
        other = LEFT_OUT_OF_DRILLS.get(kpi)
        return [(at, metric, f"{other}/{reason}", value)] if other else []
    return [(at, OF_DRILLS[metric], code, value)] if metric in OF_DRILLS else []


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
"""What an incident's metrics are called where it is a drill; it has no others but the left out."""
LEFT_OUT_OF_DRILLS = {
    "time_to_acknowledge": "drill_time_to_acknowledge",
    "time_to_resolve": "drill_time_to_resolve",
    "respond_sla_attainment": "drill_respond_sla_attainment",
}
ON_CLOCK = {
    "respond": ("respond_sla_met", "respond_sla_attainment"),
    "resolve": ("resolve_sla_met", "resolve_sla_attainment"),
    "answer": ("first_response_met", "first_response_within_5m"),
}
"""What each clock of a round is measured by: metric and KPI."""
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
    "plan-changed": "plan_changed",
    "export-compiled": "export_compiled",
    "drift-found": "drift_found",
}
UNDONE = {"acknowledge": "resolved-unacknowledged", "mitigate": "resolved-unmitigated"}
CODED = {
    "rollout-ended": ("rollout_ended", "why"),
    "accessed": ("accessed", "what"),
    "erased": ("erased", "what"),
    "purged": ("purged", "what"),
}
"""What a journal tells, and which key of it is the code."""
PASSED_OVER = {
    "delivery-withdrawn": ("delivery_success", "withdrawn"),
    "step-passed": ("escalations_by_step", "passed"),
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
        self.breaches = {
            (event["data"]["clock"], event["data"]["due"])
            for event in self.told
            if event["type"] == "breached"
        }
        self.missed = self._missed()
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
            self._journal(event)
        if self.drill is not None:
            self.facts = [renamed for fact in self.facts for renamed in of_drill(fact)]
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

    def leave_out(self, at: str, kpi: str, reason: str) -> None:
        """Something that a KPI leaves out, as was known at an instant: of the week, or its very end."""
        if self.start <= at <= self.end:
            self.facts.append((at, "excluded", f"{kpi}/{reason}", 1))

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
        self._unanswered(each, answered, ended)
        for clock, (metric, kpi) in ON_CLOCK.items():
            due, outcome, at = each.verdict(clock, self.end)
            if outcome:
                self.fact(at, metric, int(outcome == "met"))
            elif clock != "answer" or not each.again:
                self._undecided(kpi, due, at or each.ended)
            if outcome == "missed" and clock != "answer" and (clock, due) not in self.breaches:
                self.fact(at, "breach_unrecorded", 1, clock)

    def _unanswered(self, each: Round, answered: Event | None, ended: Event | None) -> None:
        """What a round lacks for its times: an answer or a mitigation before it was resolved, or that."""
        lacks = [] if answered and (not ended or answered["seq"] < ended["seq"]) else ["acknowledge"]
        mitigated = None if each.again else mitigation(each, ended)
        if mitigated:
            self.fact(mitigated, "time_to_mitigate_seconds", seconds(each.began, mitigated))
        elif not each.again:
            lacks.append("mitigate")
        for what in lacks if ended else ():
            self.leave_out(str(ended and ended["recorded_at"]), f"time_to_{what}{each.again}", UNDONE[what])
        if each is self.rounds[-1] and self.open_at(self.end):
            lacking = [] if ended else [*lacks, "resolve"]
            for what in lacking:
                self.leave_out(self.end, f"time_to_{what}{each.again}", "still-open")

    def _undecided(self, kpi: str, due: str | None, at: str | None) -> None:
        """A clock without a verdict: ended with or without a due instant, or running on with one."""
        if at:
            self.leave_out(at, kpi, "voided" if due else "no-target")
        elif due:
            self.leave_out(self.end, kpi, "running")

    def _beginning(self, each: Round) -> None:
        event = each.events[0]
        at, occurred = each.began, event["occurred_at"]
        self.fact(at, "incident_reopened" if each.again else "incident_opened")
        if not each.again and event["data"].get("source") is not None:
            self.fact(at, "time_to_detect_seconds", max(0, seconds(occurred, at)))
            if occurred > at:
                self.fact(at, "clock_ahead")
        elif not each.again and self.drill is None:
            self.leave_out(at, "time_to_detect", "declared-by-hand")

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
                else:
                    self.leave_out(at or self.end, "review_completion", "withdrawn" if at else "running")
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
                if status == "dropped" and before.get(item) != "dropped":
                    self.leave_out(event["recorded_at"], "action_items_done", "dropped")
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
                else:
                    self.leave_out(event["recorded_at"], "receipt_success", "later-receipt")

    def _single(self, event: Event) -> None:
        type, at, data = event["type"], event["recorded_at"], event["data"]
        if type == "resolved":
            self.fact(at, "incident_resolved", 1, data["by"])
        elif type == "escalated":
            self.fact(at, "escalated", 1, f"step-{data['step']}")
            self.fact(at, "escalation_late_seconds", data["late_seconds"], f"step-{data['step']}")
        elif type == "breached" and (data["clock"], data["due"]) not in self.missed:
            self.fact(at, "breach_underived", 1, data["clock"])
        elif type in ("delivered", "delivery-failed"):
            self.fact(at, "delivery_succeeded", int(type == "delivered"))
        elif type in COUNTED:
            self.fact(at, COUNTED[type])
        elif type in PASSED_OVER:
            self.leave_out(at, *PASSED_OVER[type])
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
        elif type == "checked":
            self.leave_out(at, "checklist_overridden", data["state"])
        elif type == "acted-on":
            self.fact(at, "acted_on", 1, data["by"])

    def _journal(self, event: Event) -> None:
        """What a plan's journal tells."""
        type, at, data = event["type"], event["recorded_at"], event["data"]
        if type in OF_JOURNALS:
            self.fact(at, OF_JOURNALS[type])
        elif type in CODED:
            self.fact(at, CODED[type][0], 1, data[CODED[type][1]])
        elif type == "digest-sent":
            self.leave_out(at, "digests_failed", "sent")
        elif type == "on-call":
            for shift in data["shifts"]:
                length = seconds(shift["from"], shift["until"])
                self.fact(at, "oncall_seconds", length, shift["rotation"])
                if shift["contact"] is not None:
                    self.fact(at, "oncall_covered_seconds", length, shift["rotation"])
        elif type == "watched":
            self._watched(at, data)

    def _watched(self, at: str, data: dict[str, Any]) -> None:
        self.fact(at, "sweeps", data["sweeps"])
        self.fact(at, "sweeper_gap_seconds", data["longest_gap_seconds"])
        if data["probes"]:
            self.fact(at, "probes", data["probes"])
            self.fact(at, "probes_succeeded", data["probes"] - data["probes_failed"])

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
            next((event["occurred_at"] for event in self.told if event["type"] == "first-told"), None),
            answered and answered["recorded_at"],
            mitigation(first, ended),
            ended and ended["recorded_at"],
            ended and spoken(ended["data"].get("by")),
            ended and spoken(ended["data"].get("code")),
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
    "id,name,service,severity,source,state,opened_at,first_told_at,acknowledged_at,mitigated_at,resolved_at,"
    "resolved_by,code,reopened,alerts,escalations,respond_due,resolve_due,respond_met,resolve_met,review_due,review_completed_at,action_items_open,rules,"
    "timeline_length,head_hash"
)
DRILLS = "id,drill,service,severity,state,opened_at,acknowledged_at,resolved_at,respond_met"
AUDIT = "id,happened_at,entity_id,metric,value,notes"
AT = "subject,seq,recorded_at"
EVIDENCE = {
    "alerts.csv": f"{AT},drill,source,fingerprint,started_at,ended_at,state,disposition,rule,count,incident",
    "escalations.csv": f"{AT},drill,what,due,fired,late_seconds,round,step,order,by,notify,on_call",
    "deliveries.csv": (
        f"{AT},drill,delivery,kind,contact,channel,caused_by,owed_at,sent_at,taken_at,attempts,outcome,status,"
        "provider_id,body_sha256,template,template_version,digest,first_receipt,first_receipt_at,last_receipt,"
        "last_receipt_at"
    ),
    "suppressions.csv": f"{AT},drill,what,source,fingerprint,kind,contact,rule,count,until,incident",
    "plan_changes.csv": (
        f"{AT},what,by,commit,from,to,rules_from,rules_to,changed,more,percent,until,why,stable,figures"
    ),
    "oncall_coverage.csv": f"{AT},what,rotation,from,until,contact,seconds,covered_seconds",
    "action_items.csv": "incident,drill,item,owner,due,priority,status,created,changed,done_at,overdue",
    "reviews.csv": (
        "incident,drill,seq,required_at,due,reminded_at,overdue_reminders,sections,completed_at,withdrawn_at,"
        "in_time,overdue_seconds"
    ),
    "access.csv": (
        f"{AT},occurred_at,what,who,object,week,revision,file,range,incident,event,person,link,expires,"
        "manifest_sha256,restates,contact,channel,hold,reference,resolved_at,keep_days,events,texts,deliveries,"
        "alerts,length,head"
    ),
}
"""Columns of the files whose rows tell of single events, or of what came of a few."""
CONTROLS = "control,title,file,event_types,proves,events,rows"
CONTROL_FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "SOC 2 CC7.2": (
        "Systems are watched for signs of attack, disaster and error, and these are looked into",
        ("kpi.json", "alerts.csv", "suppressions.csv", "audit.csv"),
    ),
    "SOC 2 CC7.3": (
        "What was noticed is weighed, to tell whether it harms what was promised, and acted upon",
        ("incidents.csv", "alerts.csv", "suppressions.csv", "escalations.csv"),
    ),
    "SOC 2 CC7.4": (
        "Incidents are answered by a set programme: understood, contained, put right, told of",
        (
            "kpi.json",
            "incidents.csv",
            "escalations.csv",
            "deliveries.csv",
            "oncall_coverage.csv",
            "plan_changes.csv",
            "timeline.jsonl",
        ),
    ),
    "SOC 2 CC7.5": (
        "Recovery is carried through, its causes are removed, and it is rehearsed",
        ("incidents.csv", "reviews.csv", "action_items.csv", "drills.csv"),
    ),
    "ISO 27001 A.5.24": (
        "Incident handling is prepared: roles, ways and plans are set out beforehand",
        ("plan_changes.csv", "oncall_coverage.csv", "drills.csv"),
    ),
    "ISO 27001 A.5.25": (
        "Events are judged, and it is decided which of them are incidents",
        ("alerts.csv", "suppressions.csv", "incidents.csv"),
    ),
    "ISO 27001 A.5.26": (
        "Incidents are answered as the written ways say",
        ("incidents.csv", "escalations.csv", "deliveries.csv", "timeline.jsonl"),
    ),
    "ISO 27001 A.5.27": (
        "What incidents teach makes the defences better",
        ("kpi.json", "baseline.json", "reviews.csv", "action_items.csv", "plan_changes.csv"),
    ),
    "ISO 27001 A.5.28": (
        "Evidence is found, gathered and kept so that it can be relied upon",
        ("timeline.jsonl", "access.csv"),
    ),
    "ISO 27001 A.8.15": (
        "What happens is logged, and the logs are kept from harm and looked at",
        ("timeline.jsonl", "audit.csv", "access.csv"),
    ),
    "ISO 27001 A.8.16": (
        "Systems are watched for behaviour out of the ordinary",
        ("kpi.json", "alerts.csv", "escalations.csv"),
    ),
    "ISO 27001 A.8.17": (
        "Clocks are held to one agreed time",
        ("audit.csv", "timeline.jsonl"),
    ),
}
"""What each control asks, and the files that bear on it."""
COURSE = (
    "opened severity-raised severity-changed acknowledged acknowledgement-expired resolved reopened breached"
)
PROOFS: dict[str, tuple[str, str]] = {
    "kpi.json": (
        "*",
        "how soon and how well was acted, against targets; and that the watching itself went on",
    ),
    "baseline.json": (
        "",
        "what earlier weeks were like, and so whether response grows slower",
    ),
    "incidents.csv": (
        (
            f"{COURSE} alerts escalated escalated-manually first-told noted status-updated review-required "
            "review-completed action-item"
        ),
        "which events were judged to be incidents, how grave, by whose rules, and when each was over",
    ),
    "drills.csv": (
        COURSE,
        "that the response was rehearsed, and how it went",
    ),
    "alerts.csv": (
        "alerts dispositions",
        "that every alert was judged, what became of it and which rule decided",
    ),
    "escalations.csv": (
        "escalated step-passed escalated-manually informed exhausted",
        "that unanswered incidents went on to others, when that was due and how late it was",
    ),
    "deliveries.csv": (
        "delivered delivery-failed delivery-withdrawn receipt",
        "who was told of what, by which way and when, and what could not be delivered",
    ),
    "suppressions.csv": (
        "alerts dispositions held-back step-passed delivery-withdrawn",
        "what people were not told, and by which rule",
    ),
    "plan_changes.csv": (
        "plan-changed rollout-started rollout-advanced rollout-ended",
        "that the response plan is kept up, who changed it, and that a change was tried before it ruled",
    ),
    "oncall_coverage.csv": (
        "on-call coverage-gap",
        "that somebody was responsible at every hour, or when nobody was",
    ),
    "action_items.csv": (
        "action-item",
        "that what was learned is given to somebody and carried out",
    ),
    "reviews.csv": (
        "review-required review-reminded review-overdue review-noted review-completed reopened",
        "that incidents were looked back on in time",
    ),
    "access.csv": (
        "accessed link-made export-compiled export-announced erased held hold-released purged",
        "who read the records, and that none was erased or purged without a trace",
    ),
    "audit.csv": (
        "*",
        "each measured fact behind each figure, with clocks that ran ahead named",
    ),
    "timeline.jsonl": (
        "*",
        "what happened, in order, with both its own time and that of its recording, each event sealed",
    ),
}
"""The types of the events that a file's rows are read from (``*``: every one), and what it proves."""
ESCALATIONS = {
    "escalated": "step {step} of {of}",
    "step-passed": "{why}",
    "informed": "inform {nth}",
    "exhausted": "rounds {rounds}",
    "escalated-manually": "",
}
OUTCOMES = {"delivered": "delivered", "delivery-failed": "failed", "delivery-withdrawn": "withdrawn"}
ROLLOUT = ("rollout-started", "rollout-advanced", "rollout-ended")
ACCESS = (
    "accessed",
    "link-made",
    "export-compiled",
    "export-announced",
    "erased",
    "held",
    "hold-released",
    "purged",
)
MITIGATES = {"noted": ("kind", "mitigation"), "status-updated": ("status", "monitoring")}


def spoken(value: Any) -> Any:  # noqa: ANN401  (any JSON)
    """A value of an event's data as a cell shows it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list):
        return " ".join(word(one) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{key}={word(one)}" for key, one in sorted(value.items()))
    return value


def word(value: Any) -> str:  # noqa: ANN401  (any JSON)
    told = spoken(value)
    return "" if told is None else str(told)


def mitigation(first: Round, ended: Event | None) -> str | None:
    """When the first round of an incident was mitigated, before it was resolved."""
    for event in first.events:
        if event is ended:
            break
        key, says = MITIGATES.get(event["type"], ("", ""))
        if key and event["data"].get(key) == says:
            return str(event["recorded_at"])
    return None


class Told:
    """The rows of the evidence files that follow from the events of one subject."""

    def __init__(self, subject: str, events: list[Event], start: str, end: str) -> None:
        self.subject, self.events, self.start, self.end = subject, events, start, end
        self.week = [event for event in events if event["recorded_at"] >= start]
        opening = next((event for event in events if event["type"] == "opened"), None)
        self.opened_as = spoken(opening["data"].get("drill") or "") if opening else ""
        self.opened_seq = opening["seq"] if opening else 0

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """File and cells by column, in each file's order."""
        for event in self.week:
            for name, cells in (*self.of_alerts(event), *self.of_event(event), *self.of_spans(event)):
                yield name, {**cells, **self.place(event)}
        for cells in self.items():
            yield "action_items.csv", {"incident": self.subject, "drill": self.opened_as, **cells}
        for cells in self.reviews():
            yield "reviews.csv", {"incident": self.subject, "drill": self.opened_as, **cells}

    def place(self, event: Event) -> dict[str, Any]:
        drill = self.opened_as if self.opened_seq and event["seq"] >= self.opened_seq else ""
        return {**{key: event[key] for key in AT.split(",")}, "drill": drill}

    def of_alerts(self, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
        if event["type"] not in ("alerts", "dispositions"):
            return
        for entry in event["data"]["alerts"]:
            source = entry.get("source")
            if not source and event["actor"].startswith("source:"):
                source = event["actor"][len("source:") :]
            concerns = self.subject if event["type"] == "alerts" else spoken(entry.get("incident"))
            cells = {key: spoken(value) for key, value in entry.items()}
            yield "alerts.csv", {**cells, "source": source, "incident": concerns}
            if entry["disposition"] in ("suppressed", "ignored"):
                kept = {key: cells.get(key) for key in ("fingerprint", "rule", "count")}
                what = f"alert-{entry['disposition']}"
                yield "suppressions.csv", {**kept, "what": what, "source": source, "incident": concerns}

    def of_event(self, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
        type, actor, data = event["type"], event["actor"], event["data"]
        cells = {key: spoken(value) for key, value in data.items()}
        if type in ESCALATIONS:
            notify = cells.get("to" if type == "escalated-manually" else "notify")
            told = {"what": type, "fired": event["recorded_at"], "by": actor, "notify": notify}
            yield "escalations.csv", {**cells, **told, "order": ordered(ESCALATIONS[type], data)}
        if type in OUTCOMES:
            taken = event["occurred_at"] if type == "delivered" else None
            told = {"taken_at": taken, "outcome": OUTCOMES[type], **self.receipts(word(data.get("delivery")))}
            yield "deliveries.csv", {**cells, **told}
        if type in KEPT_BACK:
            what, rule = KEPT_BACK[type]
            kept = {key: cells.get(key) for key in ("kind", "contact", "until")}
            told = {"what": what, "rule": rule or cells.get("why"), "count": 1, "incident": self.subject}
            yield "suppressions.csv", {**kept, **told}
        if type == "plan-changed" or type in ROLLOUT:
            figures = held(data.get("figures"))
            yield "plan_changes.csv", {**cells, "what": type, "by": actor, "figures": figures}
        if type in ACCESS:
            told = {"what": type, "who": actor, "occurred_at": event["occurred_at"]}
            yield "access.csv", {**cells, **told, "object": cells.get("what")}

    def of_spans(self, event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
        whole = event["data"].get("shifts") if event["type"] == "on-call" else [event["data"]]
        for span in whole if event["type"] in ("on-call", "coverage-gap") else ():
            lasts = seconds(span["from"], span["until"]) if span.get("from") and span.get("until") else 0
            cells = {key: spoken(span.get(key)) for key in ("rotation", "from", "until", "contact")}
            what = "shift" if event["type"] == "on-call" else "gap"
            covered = lasts if cells["contact"] is not None else 0
            yield "oncall_coverage.csv", {**cells, "what": what, "seconds": lasts, "covered_seconds": covered}

    def receipts(self, delivery: str) -> dict[str, Any]:
        said = [
            (spoken(event["data"].get("state")), event["occurred_at"])
            for event in self.events
            if event["type"] == "receipt" and word(event["data"].get("delivery")) == delivery
        ]
        (first, first_at), (last, last_at) = (said[0], said[-1]) if said else ((None, None), (None, None))
        return {
            "first_receipt": first,
            "first_receipt_at": first_at,
            "last_receipt": last,
            "last_receipt_at": last_at,
        }

    def items(self) -> Iterator[dict[str, Any]]:
        """The action items to be done when the week began, or of which it tells; as they stand at its end."""
        by_item: dict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            if event["type"] == "action-item":
                by_item[str(event["data"]["item"])].append(event)
        for item, told in sorted(by_item.items()):
            before = [event["data"]["status"] for event in told if event["recorded_at"] < self.start]
            if told[-1]["recorded_at"] < self.start and before[-1] not in LIVE:
                continue
            undone = [number for number, event in enumerate(told) if event["data"]["status"] != "done"]
            run = told[undone[-1] + 1 :] if undone else told
            last = told[-1]["data"]
            yield {
                **{key: spoken(last.get(key)) for key in ("owner", "priority", "status")},
                "item": item,
                "due": checked(last["due"]),
                "created": told[0]["recorded_at"],
                "changed": told[-1]["recorded_at"],
                "done_at": run[0]["recorded_at"] if run else None,
                "overdue": int(last["status"] in LIVE and last["due"] < self.end),
            }

    def reviews(self) -> Iterator[dict[str, Any]]:
        """The reviews pending when the week began, or of which it tells; as they stand at its end."""
        turns = [n for n, event in enumerate(self.events) if event["type"] in ("review-required", "reopened")]
        for here, there in zip(turns, [*turns[1:], len(self.events)]):  # noqa: B905  (Python 3.9)
            if self.events[here]["type"] == "review-required":
                told = self.events[here:there]
                yield from self.review(told, self.events[there] if there < len(self.events) else None)

    def review(self, told: list[Event], instead: Event | None) -> Iterator[dict[str, Any]]:
        stages: dict[str, list[Event]] = defaultdict(list)
        for event in told:
            if event["type"].startswith("review-"):
                stages[event["type"]].append(event)
        completed = next((event["recorded_at"] for event in stages["review-completed"]), None)
        withdrawn = instead["recorded_at"] if instead and not completed else None
        latest = max([event["recorded_at"] for each in stages.values() for event in each] + [withdrawn or ""])
        ended = completed or withdrawn
        if ended and ended < self.start and latest < self.start:
            return
        due = str(checked(told[0]["data"]["due"]))
        sections = [str(event["data"].get("section")) for event in stages["review-noted"]]
        yield {
            "seq": told[0]["seq"],
            "required_at": told[0]["recorded_at"],
            "due": due,
            "reminded_at": next((event["recorded_at"] for event in stages["review-reminded"]), None),
            "overdue_reminders": len(stages["review-overdue"]),
            "sections": " ".join(dict.fromkeys(sections)),
            "completed_at": completed,
            "withdrawn_at": withdrawn,
            "in_time": 0 if due < (ended or self.end) else 1 if completed else None,
            "overdue_seconds": max(0, seconds(due, ended or self.end)),
        }


LIVE = ("open", "in-progress")
KEPT_BACK = {
    "held-back": ("message-held-back", "throttle"),
    "step-passed": ("step-passed", ""),
    "delivery-withdrawn": ("delivery-withdrawn", "incident-over"),
}


def ordered(form: str, data: dict[str, Any]) -> str | None:
    """What put an escalation in its turn; nothing where the event does not tell."""
    keys = re.findall(r"{(\w+)}", form)
    return form.format(**data) if keys and all(data.get(key) is not None for key in keys) else None


def held(figures: Any) -> str | None:  # noqa: ANN401  (any JSON)
    """What decided a rollout."""
    if figures is None:
        return None
    return " ".join(
        "/".join(word(one.get(key)) for key in ("kpi", "target", "old", "new", "holds")) for one in figures
    )


def merkle_root(leaves: list[str]) -> bytes:
    """The root over these lines, as RFC 6962 defines it."""
    if len(leaves) < 2:
        return hashlib.sha256(b"".join(b"\0" + leaf.encode("utf-8", "replace") for leaf in leaves)).digest()
    left = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + merkle_root(leaves[:left]) + merkle_root(leaves[left:])).digest()


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
        if have.endswith(b"\r\n") and have[:-2] + b"\n" == want:
            return "it ends with CR LF, and must end with LF"
        return f"{brief(text_of(have))} stands there, derived is {brief(text_of(want))}"

    def rest(self) -> Iterator[str]:
        """Everything found, once nothing more is expected."""
        yield from self.problems
        more = sum(1 for _ in self.have)
        if more:
            yield f"{self.name} row {self.number + 1}: {more} rows that do not follow from the timelines"


CHANGES = {name: name[: -len("_vs_baseline")] for name, known in KPIS.items() if known[0] == "change"}
"""The KPIs that tell the change of another, and which."""
COMPARED = ("previous", "baseline", "baseline_weeks", "change_percent")
REACH = 12
"""Calendar weeks that a baseline reaches back."""
BY_DAY = "alerts_per_day"
SAMPLED = (BY_DAY, "time_to_acknowledge_seconds", "time_to_resolve_seconds")
LEAST = {BY_DAY: (5, 21), SAMPLED[1]: (8, 20), SAMPLED[2]: (8, 20)}
"""Sizes of the two samples from which on a drift is tested."""
MOST_SAMPLED, MOST_COUNTED = 2000, 200_000
KEPT = ("value", "numerator", "denominator", "p50", "p90", "p95", "max", "target", "met")
ENTRY = {"revision", "manifest_sha256", "kpis", "samples"}
NO_WEEK = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)
"""What reading a week that does not tell what it must comes to."""


def weeks_back(week: str) -> list[str]:
    """The weeks that a baseline may hold, the latest first."""
    monday = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
    found = ((monday - timedelta(days=7 * back)).isocalendar() for back in range(1, REACH + 1))
    return [f"{one[0]:04}-W{one[1]:02}" for one in found]


def days_over(period: dict[str, Any]) -> list[str] | None:
    """The midnights of the week's days that are over; nothing on a machine without time zones."""
    try:
        monday = date.fromisocalendar(int(period["week"][:4]), int(period["week"][6:]), 1)
        found = [stamp(midnight(monday + timedelta(days=day), period["timezone"])) for day in range(8)]
    except (*NO_WEEK, ModuleNotFoundError):
        return None
    return [at for at in found if at <= period["as_of"]]


class Sampled:
    """The samples of one week: times, and alerts of each whole day, by service."""

    def __init__(self, period: dict[str, Any]) -> None:
        self.start = str(period["from"])
        self.days = days_over(period)
        self.values: dict[str, dict[str, list[int]]] = {measure: {} for measure in SAMPLED}

    def take(self, account: Account) -> None:
        """An incident of the timelines, if it is no drill and not opened because of a drift.

        By its service as a cell shows it: that is how the members of an earlier bundle name it.
        """
        if account.opening is None or account.drill is not None:
            return
        data = account.opening["data"]
        name, service = harmless(data["name"]), harmless(data["service"])
        if not data.get("source") and name in [f"drift-{measure}" for measure in SAMPLED]:
            return
        for _, metric, _, value in account.facts:
            self.time(metric, service, value)
        for event in account.events:
            if event["type"] == "alerts" and event["recorded_at"] >= self.start:
                count = sum(entry["count"] for entry in event["data"]["alerts"])
                self.alerts(service, event["recorded_at"], count)

    def time(self, metric: str, service: str, value: int) -> None:
        if metric in SAMPLED:
            self.values[metric].setdefault(service, []).append(value)

    def alerts(self, service: str, at: str, count: int) -> None:
        day = bisect.bisect_right(self.days or [], at) - 1
        if self.days and 0 <= day < len(self.days) - 1:
            found = self.values[BY_DAY].setdefault(service, [0] * (len(self.days) - 1))
            found[day] += count

    def shown(self) -> dict[str, dict[str, list[int]]]:
        return {
            measure: {service: spread_thin(sorted(values)) for service, values in by.items()}
            for measure, by in self.values.items()
        }


def spread_thin(values: list[int]) -> list[int]:
    """Of more than 2,000 values the middle one of each of 2,000 equal parts."""
    if len(values) <= MOST_SAMPLED:
        return values
    return [values[(len(values) * middle) // (2 * MOST_SAMPLED)] for middle in range(1, 2 * MOST_SAMPLED, 2)]


class Weeks:
    """The weeks of ``baseline.json``; without any ``use`` where that file does not hold."""

    def __init__(self, bundle: Bundle, period: dict[str, Any]) -> None:
        self.period, self.kpi = period, bundle.kpi
        self.problems = list(baseline_problems(bundle, period))
        self.use = not self.problems and not {"baseline.json"} & (bundle.altered | bundle.unread)
        self.weeks: dict[str, Any] = bundle.baseline["weeks"] if self.use else {}

    def compared(self, name: str, whole: dict[str, Any]) -> dict[str, Any]:
        """Further keys of a KPI's figure of the plan; what is stated, where there is no use of the weeks.

        ``whole`` is that figure; of a KPI that tells a change, the figure of the KPI that changed.
        """
        if not self.use:
            stated = stated_plan(self.kpi, name)
            return {key: stated.get(key) for key in (*COMPARED, *(["value"] if name in CHANGES else []))}
        if name in CHANGES:
            base = CHANGES[name]
            value = self.change(exact(base, whole), figure_pooled(base, self.weeks))
            return {**self.beside(name, None, None), "value": value}
        return self.beside(name, exact(name, whole), figure_pooled(name, self.weeks))

    def beside(self, name: str, now: Fraction | None, base: Fraction | None) -> dict[str, Any]:
        before = self.weeks.get(weeks_back(self.period["week"])[0], {"kpis": {}})["kpis"]
        return {
            "previous": before.get(name, {}).get("value"),
            "baseline": None if base is None else six(base),
            "baseline_weeks": len(pooling(name, self.weeks)),
            "change_percent": self.change(now, base),
        }

    def change(self, now: Fraction | None, base: Fraction | None) -> float | None:
        return None if now is None or not base else six((now / base - 1) * 100)

    def drift(self, sampled: Sampled) -> Any:  # noqa: ANN401  (any JSON)
        """Every test of the week against the weeks before; what is stated, where that cannot be tested."""
        if not self.use or sampled.days is None:
            return self.kpi.get("drift")
        now, before = sampled.shown(), self.before()
        for service in before[BY_DAY]:
            now[BY_DAY].setdefault(service, [0] * (len(sampled.days) - 1))
        tests = [
            tested(measure, service, sorted(now[measure][service]), sorted(before[measure][service]))
            for measure in SAMPLED
            for service in sorted(set(now[measure]) & set(before[measure]))
            if len(now[measure][service]) >= LEAST[measure][0]
            and len(before[measure][service]) >= LEAST[measure][1]
        ]
        left = len(tests)
        for one in sorted(tests, key=lambda one: float(one["p"])):
            if Fraction(repr(one["p"])) * left > Fraction(1, 100):
                break
            one["drifted"] = True
            left -= 1
        return tests

    def before(self) -> dict[str, dict[str, list[int]]]:
        """All weeks' samples together; once a service has had an alert, each week counts seven days."""
        found: dict[str, dict[str, list[int]]] = {measure: {} for measure in SAMPLED}
        for name in sorted(self.weeks):
            for measure in SAMPLED:
                stated = self.weeks[name]["samples"][measure]
                silent = [one for one in found[measure] if measure == BY_DAY and one not in stated]
                for service, values in [*stated.items(), *((one, [0] * 7) for one in silent)]:
                    found[measure][service] = found[measure].get(service, []) + values
        return found


def stated_plan(kpi: dict[str, Any], name: str) -> dict[str, Any]:
    """What ``kpi.json`` says of a KPI for the plan."""
    try:
        return dict(kpi["kpis"][name]["plan"])
    except (KeyError, TypeError, ValueError):
        return {}


def six(number: Fraction) -> float:
    """To 6 significant digits."""
    return float(f"{float(number):.6g}")


def exact(name: str, found: dict[str, Any]) -> Fraction | None:
    """The value of a figure before it was rounded."""
    if found.get("value") is None:
        return None
    if "denominator" in found:
        return Fraction(times_of(name) * found["numerator"], found["denominator"])
    return Fraction(found["value"])


def times_of(name: str) -> int:
    return 1 if KPIS[name][0] == "duration" or name == "alerts_per_incident" else 100


def pooling(name: str, weeks: dict[str, Any]) -> list[dict[str, Any]]:
    """What the weeks say of a KPI."""
    said = [week["kpis"].get(name, {}) for week in weeks.values() if name not in CHANGES]
    return [one for one in said if one.get("value") is not None]


def figure_pooled(name: str, weeks: dict[str, Any]) -> Fraction | None:
    """All weeks taken together: what was measured pooled, or the mean of what was counted."""
    said = pooling(name, weeks)
    if said and "denominator" in said[0]:
        return Fraction(
            times_of(name) * sum(one["numerator"] for one in said), sum(one["denominator"] for one in said)
        )
    return sum((Fraction(one["value"]) for one in said), Fraction(0)) / len(said) if said else None


def tested(measure: str, service: str, now: list[int], before: list[int]) -> dict[str, Any]:
    """The two-sample Kolmogorov-Smirnov test."""
    n, m = len(now), len(before)
    gaps = [
        bisect.bisect_right(now, value) * m - bisect.bisect_right(before, value) * n
        for value in {*now, *before}
    ]
    far = max(abs(gap) for gap in gaps)
    return {
        "measure": measure,
        "service": service,
        "now": n,
        "before": m,
        "statistic": six(Fraction(far, n * m)),
        "p": six(chance(n, m, far)),
        "direction": "higher" if -min(gaps) == far else "lower",
        "drifted": False,
    }


def chance(n: int, m: int, far: int) -> Fraction:
    """How probable two samples of one distribution are that come at least this far apart, times n m."""
    if not far:
        return Fraction(1)
    if n * m <= MOST_COUNTED:
        few, many = min(n, m), max(n, m)
        ways = [1] + [0] * few
        for y in range(many + 1):
            for x in range(few + 1):
                came = ways[x] + (ways[x - 1] if x else 0)
                ways[x] = came if abs(x * many - y * few) < far else 0
        return 1 - Fraction(ways[few], math.comb(n + m, n))
    root = math.sqrt(n * m / (n + m))
    scaled = (root + 0.12 + 0.11 / root) * far / (n * m)
    if scaled < 0.3:
        return Fraction(1)
    total = math.fsum((-1) ** (k + 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return Fraction(min(1.0, max(0.0, 2 * total)))


def baseline_problems(bundle: Bundle, period: dict[str, Any]) -> Iterator[str]:
    """What of ``baseline.json`` cannot be, or does not agree with itself or the manifest."""
    if "baseline.json" in bundle.unread:
        yield "baseline.json: it tells no weeks"
        return
    stated = bundle.baseline.get("weeks")
    weeks = stated if isinstance(stated, dict) else {}
    want = {"plan": period["plan"], "week": period["week"], "length": REACH, "weeks": weeks}
    yield from json_problems("baseline.json", bundle.whole("baseline.json"), want)
    try:
        reach = weeks_back(period["week"])
    except NO_WEEK:
        yield f"baseline.json: week: {brief(period['week'])} cannot be read"
        return
    for name, entry in weeks.items():
        path = f"baseline.json: weeks.{name}"
        if name not in reach:
            yield f"{path}: it is none of the {REACH} weeks before {period['week']}"
        try:
            yield from week_problems(path, entry)
        except NO_WEEK as error:
            yield f"{path}: it does not tell what a week must ({error!r})"
    if weeks and not period["provisional"] and "manifest.json" not in bundle.altered | bundle.unread:
        yield from latest_problems(weeks, bundle.manifest.get("previous"))


def latest_problems(weeks: dict[str, Any], link: Any) -> Iterator[str]:  # noqa: ANN401  (any JSON)
    """Where the latest week is not the one of the bundle before, as the manifest names it."""
    if not isinstance(link, dict):
        yield "baseline.json: weeks: there are some, and manifest.json names no bundle before"
        return
    week = str(link.get("week"))
    if max(weeks) > week:
        yield f"baseline.json: weeks.{max(weeks)}: it is later than the bundle before, of {week}"
    elif max(weeks) < week:
        yield f"baseline.json: weeks.{week}: the bundle before is left out"
    for key in ("revision", "manifest_sha256") if isinstance(weeks.get(week), dict) else ():
        have, named = brief(weeks[week].get(key)), brief(link.get(key))
        if have != named:
            yield f"baseline.json: weeks.{week}.{key}: {have} stands there, the manifest names {named}"


def week_problems(path: str, entry: dict[str, Any]) -> Iterator[str]:
    """What of one week of ``baseline.json`` cannot be."""
    if (set(entry), set(entry["samples"])) != (ENTRY, set(SAMPLED)):
        raise ValueError("other keys")
    if not from_one(entry["revision"]) or not re.fullmatch("[0-9a-f]{64}", entry["manifest_sha256"]):
        yield f"{path}: revision or manifest_sha256 is none"
    for name, said in entry["kpis"].items():
        yield from kept_problems(f"{path}.kpis.{name}", name, said)
    samples = [(measure, one) for measure, by in entry["samples"].items() for one in by.items()]
    for measure, (service, values) in samples:
        if not sampled_well(measure, values):
            yield f"{path}.samples.{measure}.{service}: not as many whole numbers, ascending, as it needs"


def kept_problems(path: str, name: str, said: dict[str, Any]) -> Iterator[str]:
    """What of one figure of a week cannot be."""
    if not figure_well(said):
        yield f"{path}: no figure as a week keeps it"
        return
    if name in KPIS and KPIS[name][0] in ("count", "breakdown", "maximum") and not counts(said["value"]):
        yield f"{path}.value: {brief(said['value'])} is no count"
    for key, value in (("value", again(name, said)), ("met", met_again(name, said))):
        if key in said and (said[key] != value or type(said[key]) is not type(value)):
            yield f"{path}.{key}: {brief(said[key])} stands there, derived is {brief(value)}"


def counts(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    return value is None or (type(value) is int and value >= 0)


def figure_well(said: dict[str, Any]) -> bool:
    """Whether a figure has only what figures have, each of its type and the percentiles in order."""
    if "value" not in said or not set(said) <= set(KEPT) or ("numerator" in said) != ("denominator" in said):
        return False
    ranks = [said[key] for key in ("p50", "p90", "p95", "max") if said.get(key) is not None]
    whole = [*ranks, *(said[key] for key in ("numerator", "denominator") if key in said)]
    whole += [said["target"]] if said.get("target") is not None else []
    return (
        all(type(one) is int and one >= 0 for one in whole)
        and ranks == sorted(ranks)
        and (type(said["value"]) in (int, float) or said["value"] is None)
        and (not said["value"] or abs(said["value"]) >= 1 / LARGEST)
        and said.get("met") in (True, False, None)
        and (not ranks or (len(ranks) == 4 and said["denominator"] > 0))
    )


def sampled_well(measure: str, values: list[int]) -> bool:
    right = len(values) == 7 if measure == BY_DAY else 0 < len(values) <= MOST_SAMPLED
    return right and all(type(value) is int and value >= 0 for value in values) and values == sorted(values)


def again(name: str, said: dict[str, Any]) -> Any:  # noqa: ANN401  (any JSON)
    """The value of a figure that tells its numerator and denominator."""
    if name not in KPIS or "denominator" not in said:
        return said.get("value")
    above, below = times_of(name) * said["numerator"], said["denominator"]
    return six(Fraction(above, below)) if below else None


def met_again(name: str, said: dict[str, Any]) -> bool | None:
    """Whether a figure meets the target that it tells."""
    side, value, target = KPIS[name][4] if name in KPIS else None, said.get("value"), said.get("target")
    if side is None or value is None or target is None:
        return said.get("met") if name not in KPIS else None
    return bool(value <= target if side == "at most" else value >= target)


def reach_of(bundle: Bundle) -> list[str]:
    """The weeks that its baseline may hold; none where its own cannot be read."""
    try:
        return weeks_back(str(bundle.manifest.get("week")))
    except NO_WEEK:
        return []


def told_of_weeks(bundle: Bundle, one: Earlier, direct: bool, notes: list[str]) -> Iterator[str]:
    """Where ``baseline.json`` tells a week otherwise than the bundle of that week, and its own baseline."""
    weeks, week = bundle.baseline.get("weeks"), str(one.manifest.get("week"))
    if not isinstance(weeks, dict) or "baseline.json" in bundle.altered:
        return
    entry = weeks.get(week)
    if not direct and not (isinstance(entry, dict) and entry.get("manifest_sha256") == one.sha256):
        return  # another revision of that week is the one that is meant, or none
    reached = bundle.manifest.get("format") == one.manifest.get("format") and week in reach_of(bundle)
    if direct and not weeks and reached:
        yield f"baseline.json: weeks: there are none, and the bundle before is {one.name}"
    if one.files is None or not all(one.files.has(name) for name in WEEK_MEMBERS):
        notes.append(f"of {one.name} some files were not given: baseline.json was not held against it")
        return
    members = {name: one.member(name) for name in WEEK_MEMBERS}
    if without_time_zones():
        notes.append(f"baseline.json was not held against {one.name}: this machine has no time zones")
        return
    lost = [name for name, content in members.items() if content is None]
    for name in lost:
        yield f"chain: {one.path}: {name} does not have the hash that its manifest names"
    if not lost:
        whole = {name: content or b"" for name, content in members.items()}
        yield from unlike_weeks(bundle, one, None if direct else {week: entry}, whole)
        many = "every week" if direct else f"week {week}"
        notes.append(f"{many} of baseline.json held against {one.name}")


def unlike_weeks(
    bundle: Bundle, one: Earlier, only: dict[str, Any] | None, members: dict[str, bytes]
) -> Iterator[str]:
    """Where the weeks are not as an earlier bundle makes them: all of them, or only its own."""
    try:
        want = {str(one.manifest.get("week")): week_of(one, members)}
        if only is None:
            want = {**read_strictly(members["baseline.json"])["weeks"], **want}
    except (*NO_WEEK, RecursionError) as error:
        yield f"chain: {one.path}: its members do not tell a week ({error!r})"
        return
    have = bundle.baseline["weeks"] if only is None else only
    want = {name: told for name, told in want.items() if name in reach_of(bundle)}
    if have != want:
        yield from value_problems("baseline.json", have, want, "weeks")


WEEK_MEMBERS = ("kpi.json", "baseline.json", "incidents.csv", "alerts.csv", "audit.csv")


def week_of(one: Earlier, members: dict[str, bytes]) -> dict[str, Any]:
    """What a baseline keeps of a bundle, from its members."""
    sampled, services = Sampled(one.manifest), dict[str, str]()
    for row in rows_in(members["incidents.csv"], INCIDENTS):
        if row["source"] or not row["name"].startswith("drift-") or row["name"][6:] not in SAMPLED:
            services[row["id"]] = row["service"]
    for row in rows_in(members["audit.csv"], AUDIT):
        if row["entity_id"] in services and row["metric"] in SAMPLED:
            sampled.time(row["metric"], services[row["entity_id"]], int(row["value"]))
    for row in rows_in(members["alerts.csv"], EVIDENCE["alerts.csv"]):
        if row["subject"] in services:
            sampled.alerts(services[row["subject"]], row["recorded_at"], int(row["count"]))
    kpis = read_strictly(members["kpi.json"])["kpis"]
    return {
        "revision": one.manifest["revision"],
        "manifest_sha256": one.sha256,
        "kpis": {
            name: {key: value for key, value in kpi["plan"].items() if key in KEPT}
            for name, kpi in kpis.items()
        },
        "samples": sampled.shown(),
    }


def is_text(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    return isinstance(value, str)


def is_count(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    return type(value) is int and value >= 0


def is_instant(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    """Whether this is an instant as bundles write it."""
    try:
        return isinstance(value, str) and stamp(instant(value)) == value
    except (ValueError, OverflowError):
        return False


def are_texts(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def are_alerts(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    return are_objects(value, {"disposition": TEXT, "count": COUNT})


def are_shifts(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    return are_objects(value, {"rotation": TEXT, "from": INSTANT, "until": INSTANT, "contact": TEXT_OR_NULL})


def are_figures(value: Any) -> bool:  # noqa: ANN401  (any JSON)
    return value is None or are_objects(value, {})


def are_objects(value: Any, shape: Shape) -> bool:  # noqa: ANN401  (any JSON)
    """Whether this is a list of objects that have what they must."""
    return isinstance(value, list) and all(isinstance(one, dict) and not unlike(one, shape) for one in value)


def or_null(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


Shape = dict[str, tuple[str, Callable[[Any], bool]]]
TEXT, TEXT_OR_NULL = ("a text", is_text), ("a text or null", or_null(is_text))
COUNT = ("a whole number from 0", is_count)
INSTANT = ("an instant in UTC with six decimals", is_instant)
INSTANT_OR_NULL = ("an instant in UTC with six decimals, or null", or_null(is_instant))
ALERTS = ("a list of alerts, each with disposition and count", are_alerts)
FIGURES = ("a list of objects, or null", are_figures)
CLOCKS: Shape = {"respond_due": INSTANT_OR_NULL, "resolve_due": INSTANT_OR_NULL}
SPAN: Shape = {"from": INSTANT, "until": INSTANT}
SHAPES: dict[str, Shape] = {
    "opened": {
        **dict.fromkeys(("name", "service", "severity", "rules"), TEXT),
        **dict.fromkeys(("source", "drill"), TEXT_OR_NULL),
        **CLOCKS,
    },
    "severity-raised": {"to": TEXT, **CLOCKS},
    "severity-changed": {"to": TEXT, **CLOCKS},
    "reopened": CLOCKS,
    "alerts": {"alerts": ALERTS},
    "dispositions": {"alerts": ALERTS},
    "escalated": {"step": COUNT, "late_seconds": COUNT},
    "breached": {"clock": TEXT, "due": INSTANT},
    "resolved": {"by": TEXT, "code": TEXT_OR_NULL},
    "receipt": {"delivery": TEXT, "state": TEXT},
    "update-lapsed": {"missed": COUNT, "audience": TEXT},
    "status-updated": {"audiences": ("a list of texts", are_texts)},
    "checked": {"state": TEXT, "phase": TEXT},
    "acted-on": {"by": TEXT},
    "review-required": {"due": INSTANT},
    "action-item": {"item": TEXT, "status": TEXT, "due": INSTANT},
    "on-call": {"shifts": ("a list of shifts", are_shifts)},
    "coverage-gap": {"from": INSTANT_OR_NULL, "until": INSTANT_OR_NULL},
    "watched": {**SPAN, **dict.fromkeys(("sweeps", "longest_gap_seconds", "probes", "probes_failed"), COUNT)},
    "plan-changed": {"from": TEXT_OR_NULL, "to": TEXT_OR_NULL},
    "rollout-started": {"figures": FIGURES},
    "rollout-advanced": {"figures": FIGURES},
    "rollout-ended": {"why": TEXT, "figures": FIGURES},
    "accessed": {"what": TEXT},
    "erased": {"what": TEXT},
    "purged": {"what": TEXT},
}
"""What figures are made of, by the type of the event that tells it: key, what its value must be."""


def unlike(data: dict[str, Any], shape: Shape) -> list[str]:
    """The keys whose value is not what it must be; a key that is not there is null."""
    return [key for key, (_, holds) in shape.items() if not holds(data.get(key))]


def misshapen(event: Event) -> Iterator[str]:
    """What an event tells in another form than figures can be made of."""
    shape, data = SHAPES.get(event["type"], {}), event["data"]
    for key in unlike(data, shape):
        where = f"timeline.jsonl: {event['subject']} event {event['seq']}: {event['type']}: {key}"
        yield f"{where}: {brief(data.get(key, ABSENT))} stands there, and it must be {shape[key][0]}"


class Derivation:
    """Everything that follows from the timelines, built subject by subject."""

    def __init__(self, bundle: Bundle, period: dict[str, Any]) -> None:
        self.bundle = bundle
        self.plan, self.start, self.end = str(period["plan"]), str(period["from"]), str(period["as_of"])
        self.incidents = Rows(bundle, "incidents.csv", INCIDENTS)
        self.drills = Rows(bundle, "drills.csv", DRILLS)
        self.audit = Rows(bundle, "audit.csv", AUDIT)
        self.evidence = {name: Rows(bundle, name, header) for name, header in EVIDENCE.items()}
        self.of_type: dict[str, int] = defaultdict(int)
        self.ids = 0
        self.weeks, self.samples = Weeks(bundle, period), Sampled(period)
        self.whole: Values = defaultdict(list)
        self.by: dict[str, dict[str, Values]] = {"by_severity": {}, "by_service": {}, "by_version": {}}
        self.accepted = 0
        self.watched: list[dict[str, Any]] = []

    def take(self, subject: str, events: list[Event]) -> Iterator[str]:
        """Derive one subject's rows; what does not belong in this bundle."""
        first = next((event["seq"] for event in events if event["recorded_at"] >= self.start), 0)
        self.bundle.heads[subject] = f"{first}-{events[-1]['seq']} {events[-1]['hash']}"
        wanted = self.bundle.wanted.get(subject, ())
        self.bundle.hashes.update(
            {(subject, one["seq"]): one["hash"] for one in events if one["seq"] in wanted}
        )
        wrong = [problem for event in events for problem in misshapen(event)]
        if wrong:
            yield from wrong
            return
        try:
            account = Account(events, self.start, self.end)
            self._add(subject, account)
            self._add_evidence(subject, events)
            if self.bundle.joint is not None and account.drill is None and account.open_at(self.bundle.joint):
                self.bundle.open_at_joint.add(subject)
            belongs = account.belongs(self.start)
        except NO_WEEK as error:
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
            rules = account.told[0]["data"]["rules"]
            for kind, name in (("by_severity", row[3]), ("by_service", row[2]), ("by_version", rules)):
                slices.append(self.by[kind].setdefault(name, defaultdict(list)))
        if drill_row:
            self.bundle.drills += 1
            self.drills.expect(csv_line(drill_row))
        if account.opening:
            self.bundle.rules.add(account.opening["data"]["rules"])
            place = f"{account.severity}/{account.opening['data']['service']}"
        self._count(account.events)
        self.samples.take(account)
        for at, metric, code, value in account.facts:
            self.ids += 1
            notes = f"{place}/{code}" if code else place
            self.audit.expect(csv_line((self.ids, at, subject, metric, value, notes)))
            for part in slices:
                part[metric, code].append(value)

    def _count(self, events: list[Event]) -> None:
        """What the events of the week add to control totals and to the attestation."""
        for event in events:
            if event["recorded_at"] < self.start:
                continue
            if event["type"] in ("alerts", "dispositions"):
                self.accepted += sum(entry["count"] for entry in event["data"]["alerts"])
            elif event["type"] == "watched":
                self.watched.append(event["data"])

    def _add_evidence(self, subject: str, events: list[Event]) -> None:
        evidence, told = Told(subject, events, self.start, self.end), self.bundle.events
        told["total"] += len(events)
        for event in evidence.week:
            self.of_type[event["type"]] += 1
            told["in_week"] += 1
            at, first, last = (event["recorded_at"], told["first_recorded_at"], told["last_recorded_at"])
            told["first_recorded_at"], told["last_recorded_at"] = min(first or at, at), max(last or at, at)
            if event["type"] == "plan-changed":
                named = (event["data"].get("from"), event["data"].get("to"))
                self.bundle.plans.update(one for one in named if one)
        for name, cells in evidence.rows():
            self.evidence[name].expect(csv_line(cells.get(key) for key in self.evidence[name].columns))

    def controls_csv(self) -> Iterator[str]:
        """What of ``controls.csv`` does not follow; once every other file was derived."""
        counted = {name: rows.number for name, rows in self.evidence.items()}
        for rows in (self.incidents, self.drills, self.audit):
            counted[rows.name] = rows.number
        counted["timeline.jsonl"] = self.bundle.measures["timeline.jsonl"].lines
        found = Rows(self.bundle, "controls.csv", CONTROLS)
        for control, (title, files) in CONTROL_FILES.items():
            for file in files:
                types, proves = PROOFS[file]
                wanted = self.of_type if types == "*" else types.split()
                number = sum(self.of_type.get(type, 0) for type in wanted)
                found.expect(csv_line((control, title, file, types, proves, number, counted.get(file))))
        yield from found.rest()

    def kpi(self, period: dict[str, Any], stated: dict[str, Any], targets: dict[str, Any]) -> dict[str, Any]:
        """The whole of ``kpi.json``; definitions' words are taken from ``stated``."""
        return {
            **period,
            "definitions_version": DEFINITIONS,
            "kpis": {name: self._kpi(name, stated.get(name), targets) for name in KPIS},
            "controls": self._controls(),
            "attestation": self._attestation(),
            **self.further(),
        }

    def compared(self, name: str, whole: dict[str, Any]) -> dict[str, Any]:
        """What a figure of the plan is held against, as further keys of it."""
        base = CHANGES.get(name)
        return self.weeks.compared(name, measure(base, self.whole) if base else whole)

    def undone(self) -> Iterator[str]:
        """What was taken from ``kpi.json`` as it stands, because it could not be derived."""
        if not self.weeks.use:
            yield "kpi.json: what is compared with earlier weeks, and drift, were not derived"
        elif self.samples.days is None:
            yield "kpi.json: drift was not tested again: without time zones nobody knows the week's days"

    def further(self) -> dict[str, Any]:
        """What else ``kpi.json`` holds."""
        return {"drift": self.weeks.drift(self.samples)}

    def _kpi(self, name: str, stated: Any, targets: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        said = stated if isinstance(stated, dict) else {}
        whole = figure(name, self.whole)
        kind, target_kind = KPIS[name][0], KPIS[name][4]
        whole.update(self.compared(name, whole))
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
        by_disposition = figure("alerts_by_disposition", self.whole)["by"]
        return {
            "alerts": {
                "accepted": self.accepted,
                "by_disposition": by_disposition,
                "holds": self.accepted == sum(by_disposition.values()),
            },
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

    def _attestation(self) -> dict[str, Any]:
        names = ("incidents_opened", "incidents_reopened", "backlog_opening", "backlog_closing")
        opened, reopened, before, after = (figure(name, self.whole)["value"] for name in names)
        alerts = figure("alerts_by_disposition", self.whole)["value"]
        hours, awake = hours_of(self.start, self.end), set[datetime]()
        for one in self.watched:
            since, until = instant(one["from"]), instant(one["until"])
            if one["sweeps"] > 0 and one["longest_gap_seconds"] <= LONGEST_GAP:
                awake.update(hour for hour in hours if hour >= since and hour + HOUR <= until)
        asleep = [hour for hour in hours if hour not in awake]
        probes, failed = (sum(one[key] for one in self.watched) for key in ("probes", "probes_failed"))
        quiet = not (opened or reopened or before or after or alerts)
        return {
            "quiet": quiet,
            "incidents_opened": opened,
            "incidents_reopened": reopened,
            "open_at_start": before,
            "open_at_end": after,
            "alerts": alerts,
            "hours": len(hours),
            "hours_watched": len(awake),
            "hours_not_watched": len(asleep),
            "not_watched": stretches(asleep),
            "sweeps": sum(one["sweeps"] for one in self.watched),
            "longest_gap_seconds": max((one["longest_gap_seconds"] for one in self.watched), default=None),
            "probes": probes,
            "probes_failed": failed,
            "sweeper_alive": bool(hours) and not asleep,
            "intake_alive": not failed if probes else None,
            "attested": bool(quiet and hours and not asleep and probes and not failed),
        }


HOUR = timedelta(hours=1)
LONGEST_GAP = 600
"""Seconds without a run of the sweeper, in an hour that was watched."""


def hours_of(start: str, end: str) -> list[datetime]:
    """The hours of UTC, by their starts, that ended from ``start`` on and before ``end``."""
    first = instant(f"{start[:13]}:00:00.000000Z") - HOUR
    count = 7 * 24 + 3
    hours = [first + n * HOUR for n in range(count)]
    return [hour for hour in hours if instant(start) <= hour + HOUR < instant(end)]


def stretches(hours: list[datetime]) -> list[dict[str, str]]:
    """Hours in order, those that follow one another taken together."""
    found: list[dict[str, str]] = []
    for hour in hours:
        if not found or found[-1]["until"] != stamp(hour):
            found.append({"from": stamp(hour), "until": ""})
        found[-1]["until"] = stamp(hour + HOUR)
    return found


def chosen(values: Values, metrics: tuple[str, ...], codes: tuple[str | None, ...] = ()) -> list[int]:
    """The values of these metrics (and these codes), ascending."""
    return sorted(
        value
        for (metric, its), listed in values.items()
        if metric in metrics and (not codes or its in codes)
        for value in listed
    )


def figure(name: str, values: Values) -> dict[str, Any]:
    """One KPI of one part of the week, and what it leaves out."""
    out = measure(name, values)
    for reason, (metric, code, summed) in LEFT_OUT.get(name, {}).items():
        found = chosen(values, (metric,), () if code is None else (code,))
        out.setdefault("excluded", {})[reason] = sum(found) if summed else len(found)
    return out


def measure(name: str, values: Values) -> dict[str, Any]:
    """One KPI of one part of the week. A change has no value before it is compared."""
    kind, metrics, per, codes, _ = KPIS[name]
    if kind == "change":
        return {"value": None}
    if kind == "breakdown":
        by: dict[str, int] = defaultdict(int)
        for (metric, its), listed in values.items():
            if metric in metrics:
                by[its] += sum(listed)
        return {"value": sum(by.values()), "by": dict(by)}
    found = chosen(values, metrics, codes)
    total = sum(found)
    if kind in ("count", "maximum"):
        return {"value": total if kind == "count" else max(found, default=None)}
    below = sum(chosen(values, per)) if kind == "ratio" else len(found)
    times = 1 if kind == "duration" or name == "alerts_per_incident" else 100
    out: dict[str, Any] = {
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
            kind, metrics, per, codes, target = KPIS[name]
            said = tuple(shown.get(key) for key in ("kind", "metrics", "per", "codes", "target_kind"))
            counted = {
                reason: {"metric": metric, "code": code, "summed": summed}
                for reason, (metric, code, summed) in LEFT_OUT.get(name, {}).items()
            }
            if (*said, shown.get("excluded_from")) != (
                kind,
                list(metrics),
                list(per),
                list(codes),
                target,
                counted,
            ):
                yield f"kpi.json: kpis.{name}.definition: not what this verifier knows by that name"


def words_problems(bundle: Bundle) -> Iterator[str]:
    """Where the definitions, all together, are not word for word those of the version that is known here."""
    kpis = bundle.kpi.get("kpis")
    if isinstance(kpis, dict) and "kpi.json" not in bundle.altered:
        shown = {name: part_of(kpis, name).get("definition") for name in kpis}
        if digest(shown) != DEFINITIONS_SHA256:
            words = f"SHA-256 {digest(shown)}, and of version {DEFINITIONS} it is {DEFINITIONS_SHA256}"
            yield f"kpi.json: definitions: their words are other than this verifier knows: {words}"


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
    whole = "kpi.json" not in bundle.altered | bundle.unread
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
        "merkle_root": merkle_root([merkle_leaf(*one) for one in sorted(bundle.heads.items())]).hex(),
        "events": bundle.events,
        "plans": sorted(bundle.plans),
    }
    if "timeline.jsonl" in bundle.altered:
        derived = ("rules", "timelines", "merkle_root", "events", "plans")
        content.update({key: bundle.manifest.get(key) for key in derived})
    want = {**content, "content_sha256": digest(content), **{key: bundle.manifest.get(key) for key in PLACE}}
    problems = list(json_problems("manifest.json", bundle.whole("manifest.json"), want))
    if not problems and "manifest.json" in bundle.altered:
        lines = pretty(want).split(b"\n")
        places = [str(n) for n in range(1, len(lines)) if path_at(lines, n).split(".")[0] in PLACE]
        problems = [f"manifest.json: one of the lines {', '.join(places)} ({', '.join(PLACE)}) was altered"]
    yield from problems


def merkle_leaf(subject: str, head: str) -> str:
    """The line of one timeline: subject, length and head hash."""
    return f"{subject} {head.partition('-')[2]}"


def file_entry(name: str, measures: Measures) -> dict[str, Any]:
    rows = {"csv": measures.lines - 1, "jsonl": measures.lines}.get(name.rpartition(".")[2])
    return {"name": name, "bytes": measures.size, "rows": rows, "sha256": measures.sha256}


def untold(period: dict[str, Any]) -> Iterator[str]:
    """What a period has that nothing can be derived for."""
    for keys, what, holds in (
        (("plan", "week", "timezone"), "no text", is_text),
        (("from", "to", "as_of"), "not in UTC with six decimals", is_instant),
    ):
        for key in keys:
            if not holds(period[key]):
                yield f"manifest.json: {key}: {brief(period[key])} is {what}; nothing is derived"


def period_problems(period: dict[str, Any], notes: list[str]) -> Iterator[str]:
    """Whether the week has the bounds that it says; ``notes`` says where that cannot be told."""
    try:
        start, end, as_of = (instant(period[key]) for key in ("from", "to", "as_of"))
        year, week = re.fullmatch(r"([0-9]{4})-W([0-9]{2})", period["week"]).groups()  # type: ignore[union-attr]
        monday = date.fromisocalendar(int(year), int(week), 1)
        bounds = [midnight(day, period["timezone"]) for day in (monday, monday + timedelta(days=7))]
    except ModuleNotFoundError as error:
        notes.append(f"the week's bounds were not checked: {error}")
        return
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        yield f"manifest.json: week, timezone, from or to cannot be read ({error})"
        return
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
    except OSError as error:
        raise ValueError(f"there is no time zone {brief(zone)} ({error})") from None


def without_time_zones() -> bool:
    try:
        midnight(date(2026, 1, 1), "UTC")
    except ModuleNotFoundError:
        return True
    return False


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
            match = HEAD_OF.fullmatch(head) if isinstance(head, str) else None
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
        manifest = read_strictly(raw)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{path}: its manifest.json: {error}") from None
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
    yield from told_of_weeks(bundle, one, direct == "previous", notes)
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
            length = bundle.heads[subject].split(" ")[0].partition("-")[2]
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
        return read_strictly(kpi)["kpis"]["backlog_closing"]["plan"]["value"]
    except (ValueError, KeyError, TypeError):
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
            if one.name not in (*MEMBERS, "bundle.zip", SIGNATURE):
                yield f"{one.name} stands in the folder, is no part of the bundle and was not checked"


def verify(path: Path, previous: list[Path], report: Report, asked: Asked | None = None) -> str:
    """Make every check; what to call the bundle. Raises Unreadable and OSError."""
    bundle, given = Bundle(path), [earlier(one) for one in previous]
    for name in strangers(path):
        report.say("note", name)
    zipped = path if isinstance(bundle.files, Zip) else path / "bundle.zip"
    if zipped.is_file():
        report.line("bundle.zip: every byte is as its members make it", lambda: zip_problems(bundle, zipped))
    report.line(f"manifest.sha256: the hashes of {len(LISTED)} files", lambda: sums_problems(bundle))
    check_signature(bundle, asked or Asked(), report)
    parsed_into = {"manifest.json": bundle.manifest, "kpi.json": bundle.kpi, "baseline.json": bundle.baseline}
    for name, into in parsed_into.items():
        report.line(f"{name}: JSON", lambda name=name, into=into: read_json(bundle, name, into))  # type: ignore[misc]
    refuse_other_versions(bundle)
    period = bundle.period()
    if period is None:
        report.fail(
            "manifest.json and kpi.json: neither tells the week by a hash that holds; nothing is derived"
        )
        return path.name
    wrong = list(untold(period))
    for problem in wrong:
        report.fail(problem)
    if wrong:
        return path.name
    expect(bundle, given)
    derive(bundle, period, report)
    if "manifest.json" not in bundle.unread:
        report.line("manifest.json: as derived", lambda: manifest_problems(bundle, period))
        report.line("manifest.json: place in the chain", lambda: place_problems(bundle.manifest))
        check_chain(bundle, given, report)
    look_closer(bundle, asked or Asked(), report)
    label = "provisional" if period["provisional"] else f"r{bundle.manifest.get('revision', '?')}"
    return f"{period['plan']} {period['week']} {label}"


def check_chain(bundle: Bundle, given: list[Earlier], report: Report) -> None:
    """Hold the bundle against the earlier ones, and say what was compared."""
    notes: list[str] = []
    if not given:
        held = "was held against no earlier bundle: PREVIOUS gives one"
        notes.append(f"baseline.json, and every figure that is compared with it, {held}")
    what = "chain: the links hold" + (", and what the bundles given tell stands here" if given else "")
    report.line(what, lambda: chain_problems(bundle, given, notes))
    for note in notes:
        report.say("note", f"chain: {note}")
    revision = bundle.manifest.get("revision")
    if from_one(revision) and revision != 1 and bundle.manifest.get("restates") is None:
        report.say("note", f"chain: r{revision} restates nothing, as if no revision before it was completed")


def refuse_other_versions(bundle: Bundle) -> None:
    """Raises Unreadable for an intact bundle of another format or of other definitions."""
    says = (bundle.manifest.get("format"), bundle.kpi.get("definitions_version"))
    numbers = all(type(one) is int for one in says)
    if numbers and not bundle.altered and says != (FORMAT, DEFINITIONS):
        raise Unreadable(f"format and definitions are {says}; this verifier knows {(FORMAT, DEFINITIONS)}")


# What people read: report.html and workbook.xlsx.

OF_UNIT = ("value", "target", "previous", "baseline", "p50", "p90", "p95", "max")
BEHIND = {"percent": " %", "change": " %", "points": " points"}
STYLE_PIN = "/PnisxtZ4oN4bBIHrQo+OU8ZjWJFZhMTB/aHMbLOmOM="
"""SHA-256, in base 64, of the one style sheet of a report; `python -m tests.verifier_pins` finds it anew."""
POLICY = "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
FIRST_FIGURES = (
    "time_to_acknowledge",
    "time_to_resolve",
    "first_response_within_5m",
    "resolve_sla_attainment",
    "review_completion",
)
FIGURES_OF_PARTS = (
    "incidents_opened",
    "time_to_acknowledge",
    "time_to_resolve",
    "respond_sla_attainment",
    "resolve_sla_attainment",
    "alerts_per_incident",
)
CHARTS: tuple[tuple[str, str, str, tuple[tuple[str, str, str], ...], str | None], ...] = (
    (
        "acknowledge",
        "Time to acknowledge",
        "seconds",
        tuple(("time_to_acknowledge", *line) for line in (("p50", "p50"), ("p90", "p90"), ("value", "mean"))),
        "time_to_acknowledge",
    ),
    (
        "resolve",
        "Time to resolve",
        "seconds",
        tuple(("time_to_resolve", *line) for line in (("p50", "p50"), ("p90", "p90"), ("value", "mean"))),
        "time_to_resolve",
    ),
    (
        "sla",
        "SLA attainment",
        "percent",
        (("respond_sla_attainment", "value", "respond"), ("resolve_sla_attainment", "value", "resolve")),
        "resolve_sla_attainment",
    ),
    (
        "noise",
        "Noise: alerts per incident",
        "number",
        (("alerts_per_incident", "value", "noise"),),
        "alerts_per_incident",
    ),
    ("incidents", "Incidents opened", "number", (("incidents_opened", "value", "incidents"),), None),
    ("alerts", "Alerts", "number", (("alerts_by_disposition", "value", "alerts"),), None),
)
"""Name, title and unit of each chart; of each line the KPI, its field and a label; whose target is drawn."""
BARS = ("incidents", "alerts")
SHOWN_ROWS = 60
SHOWN_SUBJECTS = 100
SHOWN_INCIDENTS = 200
SHOWN_CHANGES = 9
WRONG_SHAPE = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    zipfile.BadZipFile,
    struct.error,
)
"""What sources of another shape can raise while a file is made from them again."""
MOST_PROBLEMS = 100
LARGEST_REPORT = 64 << 20
"""Bytes of a report that are looked at, far more than one can have."""


def in_words(value: Any, unit: str) -> str:  # noqa: ANN401  (any JSON)
    """A value as a report shows it: two units of time, two decimals, cut and never rounded up."""
    if value is None:
        return "no data"
    if isinstance(value, str):
        return shortened(value)
    if isinstance(value, bool):
        return (("no", "yes"), ("missed", "met"))[unit == "met"][value]
    if not isinstance(value, (int, float)):
        return ABSENT
    if unit == "seconds":
        return span_in_words(int(value))
    if 0 < abs(value) < 0.01:
        sign = "+" if value > 0 and unit in ("change", "points") else ""
        return sign + f"{value:.2g}".replace("-", "−") + BEHIND.get(unit, "")
    hundredths = int(Fraction(repr(value)) * 100)
    whole, part = divmod(abs(hundredths), 100)
    sign = "−" if hundredths < 0 else "+" if value > 0 and unit in ("change", "points") else ""
    decimals = f".{part:02}".rstrip("0") if part else ""
    return f"{sign}{whole:,}{decimals}{BEHIND.get(unit, '')}"


def span_in_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    parts = [(hours // 24, "d"), (hours % 24, "h"), (minutes % 60, "min"), (seconds % 60, "s")]
    while not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{count} {word}" for count, word in parts[:2] if count)


def shortened(text: str) -> str:
    """A text as a report shows it: 80 characters, none of which turns the direction of writing."""
    text = re.sub("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)
    return text if len(text) <= 80 else text[:79] + "…"


def marked(text: object) -> str:
    """A text inside markup."""
    escapes = {38: "&amp;", 60: "&lt;", 62: "&gt;", 34: "&#34;", 39: "&#39;"}
    return str(text).translate(escapes)


def drawn_mark(text: object) -> str:
    """A text inside a chart."""
    return marked(text).replace("&#34;", "&quot;").replace("&#39;", "&#x27;")


def named(name: str) -> str:
    """The name of a KPI or a measure as words, in markup."""
    words = " ".join({"sla": "SLA", "5m": "5 min"}.get(word, word) for word in name.split("_"))
    return marked(words[:1].upper() + words[1:])


def dotless(key: str) -> str:
    return key.replace("%", "%25").replace(".", "%2E")


def to_the_second(text: str) -> str:
    return f"{text[:10]} {text[11:19]}Z" if text else ""


def shows(path: str, value: Any, unit: str) -> str:  # noqa: ANN401  (any JSON)
    """One figure as the report shows it: where it stands, what it is, and as people read it."""
    none = ' class="none"' if value is None else ""
    stated = f'data-figure="{marked(path)}" data-unit="{marked(unit)}" value="{marked(json.dumps(value))}"'
    return f"<data {stated}{none}>{marked(in_words(value, unit))}</data>"


def scrolled(label: str, table: Iterable[str], kind: str = "") -> list[str]:
    """The lines of a table."""
    region = f'<div class="scroll" role="region" {label} tabindex="0">'
    return [region, f"<table{kind}>", *table, "</table>", "</div>"]


def headed(columns: Iterable[str]) -> str:
    return "<thead><tr>" + "".join(f'<th scope="col">{one}</th>' for one in columns) + "</tr></thead>"


def and_more(count: int) -> list[str]:
    return [f"<p>And {count} more, in <code>kpi.json</code>.</p>"] if count else []


class Chart:
    """One chart over the weeks: its figures, and the picture of them."""

    def __init__(self, number: int, weeks: dict[str, Any]) -> None:
        self.name, self.title, self.unit, lines, target = CHARTS[number]
        self.weeks, self.first = list(weeks), lines[0][0]
        self.lines: list[tuple[str, list[tuple[str, Any]], bool]] = [
            (label, self.figures(weeks, kpi, key), False) for kpi, key, label in lines
        ]
        figures = self.figures(weeks, target, "target") if target else []
        if any(value is not None for _, value in figures):
            label = "target of mean" if self.unit == "seconds" else "target"
            self.lines.append((label, figures, True))

    def figures(self, weeks: dict[str, Any], kpi: str, key: str) -> list[tuple[str, Any]]:
        return [
            (f"trend.{dotless(week)}.{kpi}.{key}", one.get(kpi, {}).get(key)) for week, one in weeks.items()
        ]

    def block(self) -> list[str]:
        """The chart among the others on the first page."""
        title = f'<a id="chart-{self.name}-title" href="#figures-{self.name}">{self.title}</a>'
        picture = self.picture()
        legend = [
            f'<span class="{"target" if target else f"line-{number}"}">{"target" if target else label}</span>'
            for number, (label, _, target) in enumerate(self.lines)
        ]
        last = ", ".join(f"{label} {in_words(line[-1][1], self.unit)}" for label, line, _ in self.lines)
        words = marked(f"{self.title} over {len(self.weeks)} weeks; in the last of them {last}.")
        kind = "has-target" if self.lines[-1][2] else ""
        return [
            "<figure>",
            f"<figcaption>{title}",
            *([f'<span class="legend">{"".join(legend)}</span>'] if picture and len(legend) > 1 else []),
            "</figcaption>",
            f'<p id="chart-{self.name}-words" class="unseen">{words}</p>',
            f'<div class="{kind}">{picture}</div>' if picture else '<p class="none">no data</p>',
            "</figure>",
        ]

    def picture(self) -> str:
        """480 by 205; nothing where no week has a figure."""
        values = [value for _, line, _ in self.lines for _, value in line if value is not None]
        if not values:
            return ""
        self.ticks = ticks_over(max(values), self.unit)
        labels = [in_words(tick, self.unit) for tick in self.ticks]
        left = 14 + 6 + max(max(map(len, labels)) * 0.6 * 10, 10)
        self.wide, self.count = 480 - (left + 4), max(6, len(self.weeks))
        bars = self.name in BARS
        where = f'transform="translate({int(left)}, 4)"'
        tall = f'height="181" width="{near(self.wide)}"'
        drawn = [self.drawn(number, bars) for number in range(len(self.lines))]
        return (
            f'<svg aria-labelledby="chart-{self.name}-title chart-{self.name}-words" class="pygal-chart"'
            f' role="img" viewBox="0 0 480 205"><g class="graph {"bar" if bars else "line"}-graph vertical">'
            '<rect class="background" height="205" width="480" x="0" y="0"></rect>'
            f'<g class="plot" {where}><rect class="background" {tall} x="0" y="0"></rect>'
            f'<g class="axis y always_show">{self.levels(labels)}</g><g class="axis x">{self.uprights(bars)}'
            f'</g>{"".join(below for below, _ in drawn)}</g><g class="titles"></g>'
            f'<g class="plot overlay" {where}>{"".join(above for _, above in drawn)}</g></g></svg>'
        )

    def across(self, share: float) -> float:
        return self.wide * (share - -0.02) / (1.02 - -0.02)

    def up(self, value: float) -> float:
        edge = 0.02 * (self.ticks[-1] - 0)
        low, high = 0 - edge, self.ticks[-1] + edge
        return 181.0 - 181.0 * (value - low) / (high - low)

    def levels(self, labels: list[str]) -> str:
        parts = []
        for tick, label in zip(self.ticks, labels):  # noqa: B905  (Python 3.9)
            y = self.up(tick)
            path = f'<path d="M0 {six_decimals(y)} h{six_decimals(self.wide)}"></path>'
            text = f'<text x="-5" y="{near(y + 0.35 * 10)}">{drawn_mark(label)}</text>'
            parts.append(f'<g class="guides">{path}{text}</g>')
        return "".join(parts)

    def uprights(self, bars: bool) -> str:
        words = [""] * (self.count - len(self.weeks)) + [week.rpartition("-")[2] for week in self.weeks]
        parts = ['<path d="M0 0 v181"></path>'] if bars else []
        for number, word in enumerate(words):
            x = self.across((number + 0.5) / self.count if bars else number / (self.count - 1))
            path = f'<path d="M{six_decimals(x)} 0 v181"></path>'
            text = f'<text x="{near(x)}" y="196">{drawn_mark(word)}</text>'
            parts.append(f'<g class="guides">{path}{text}</g>')
        return "".join(parts)

    def drawn(self, number: int, bars: bool) -> tuple[str, str]:
        """One line of the chart, and its dots; or its bars."""
        label, figures, target = self.lines[number]
        begin, ended = f'<g class="series serie-{number} color-{number}">', "</g>"
        points = list(enumerate(figures, start=self.count - len(figures)))
        if bars:
            inner = "".join(self.bar(at, label, *one) for at, one in points if one[1] is not None)
            return f'{begin}<g class="bars">{inner}</g>{ended}', begin + ended
        dotted = not target or len(self.weeks) == 1
        dots = "".join(self.dot(at, label, *one) for at, one in points if dotted and one[1] is not None)
        return f"{begin}{self.strokes(points)}{ended}", f"{begin}{dots}{ended}"

    def strokes(self, points: list[tuple[int, tuple[str, Any]]]) -> str:
        runs: list[list[str]] = [[]]
        for at, (_, value) in points:
            if value is None:
                runs.append([])
            else:
                x, y = six_decimals(self.across(at / (self.count - 1))), six_decimals(self.up(value))
                runs[-1].append(f"{x} {y}")
        return "".join(f'<path d="M{run[0]} L{" ".join(run[1:])}"></path>' for run in runs if len(run) > 1)

    def stated(self, at: int, label: str, path: str, value: Any) -> tuple[str, str]:  # noqa: ANN401
        week = self.weeks[at - self.count + len(self.weeks)]
        words = f"{week}, {label}: {in_words(value, self.unit)}"
        json_value = drawn_mark(json.dumps(value))
        stated = f'data-figure="{drawn_mark(path)}" data-unit="{self.unit}" data-value="{json_value}"'
        return stated, f"<title>{drawn_mark(words)}</title>"

    def dot(self, at: int, label: str, path: str, value: Any) -> str:  # noqa: ANN401  (any JSON)
        stated, title = self.stated(at, label, path, value)
        x, y = near(self.across(at / (self.count - 1))), near(self.up(value))
        return f'<g class="dots"><circle cx="{x}" cy="{y}" {stated} r="3">{title}</circle></g>'

    def bar(self, at: int, label: str, path: str, value: Any) -> str:  # noqa: ANN401  (any JSON)
        stated, title = self.stated(at, label, path, value)
        wide = (self.across(1) - self.across(0)) / self.count
        x, y = self.across(at / self.count), self.up(value)
        gap = wide * 0.06
        x, wide = x + gap, wide - 2 * gap
        gap = wide * 0.06
        x, wide = x + gap, wide - 2 * gap
        sizes = f'height="{near(self.up(0) - y)}" rx="0" ry="0" width="{near(wide)}"'
        return f'<g class="bar"><rect {stated} {sizes} x="{near(x)}" y="{near(y)}">{title}</rect></g>'


def near(number: float) -> str:
    """A coordinate to two decimals."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def six_decimals(number: float) -> str:
    """A coordinate of a path, which was cut to six decimals before."""
    return near(float(f"{number:f}"))


def ticks_over(highest: float, unit: str) -> list[int]:
    """Round values from 0 up to where the highest one lies, in four parts or fewer."""
    if unit == "percent":
        return [0, 25, 50, 75, 100]
    steps = [digit * 10**power for power in range(12) for digit in (1, 2, 5)]
    if unit == "seconds":
        minutes, hours = (1, 2, 5, 10, 15, 20, 30), (1, 2, 3, 6, 12)
        days = [86400 * count for count in steps]
        steps = [1, 2, 5, 10, 15, 20, 30, *(60 * n for n in minutes), *(3600 * n for n in hours), *days]
    wide = next((step for step in steps if 4 * step >= highest), -(-int(highest + 1) // 4))
    return [wide * n for n in range(max(1, -(-int(highest + 0.999) // wide)) + 1)]


class Page:
    """The report as it has to be, made from the files beside it."""

    def __init__(self, kpi: dict[str, Any], baseline: dict[str, Any], style: str) -> None:
        self.kpi, self.style = kpi, style
        stated = kpi["kpis"]
        names = [*(name for name in KPIS if name in stated), *sorted(set(stated) - set(KPIS))]
        self.kpis: dict[str, dict[str, Any]] = {name: stated[name] for name in names}
        weeks = {week: one.get("kpis", {}) for week, one in sorted(baseline.get("weeks", {}).items())}
        weeks[kpi["week"]] = {name: one["plan"] for name, one in stated.items()}
        self.charts = [Chart(number, weeks) for number in range(len(CHARTS))]

    def lines(self, incidents: Iterable[list[str]], audit: Iterable[list[str]]) -> Iterator[str]:
        """Every line of it, without its newline."""
        total, urgent = sorted_out(incidents)
        yield from self.head()
        yield from self.first_page()
        yield from self.every_kpi()
        yield from self.by_part()
        yield from self.trends()
        for key, title in (("controls", "Control totals"), ("attestation", "Was Tocsin alive?")):
            yield from self.statement(key, title)
        yield ""
        yield from self.drift()
        yield from incident_lines(total, urgent)
        yield from self.behind(audit, {row["id"] for row in urgent})
        yield from ("</main>", "</body>", "</html>")

    def head(self) -> Iterator[str]:
        policy = POLICY.format(STYLE_PIN)
        kpi = self.kpi
        provisional = " (provisional)" if kpi["provisional"] else ""
        yield from ("<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">')
        yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield '<meta name="robots" content="noindex, nofollow">'
        yield '<meta name="referrer" content="no-referrer">'
        yield '<meta name="format-detection" content="telephone=no">'
        yield '<meta name="color-scheme" content="light dark">'
        yield f"<title>KPIs of {marked(kpi['plan'])}, {marked(kpi['week'])}{provisional}</title>"
        yield from f"<style>{self.style}</style>".split("\n")
        yield from ("</head>", "<body>", "<main>")

    def first_page(self) -> Iterator[str]:
        kpi = self.kpi
        period = f"{marked(to_the_second(kpi['from']))} to {marked(to_the_second(kpi['to']))}"
        says = f"definitions {marked(kpi['definitions_version'])}. An auditor can derive every figure again"
        yield from ('<section class="first" aria-labelledby="report">', "<header>")
        title = f"Incident response, <bdi>{marked(kpi['plan'])}</bdi>, {marked(kpi['week'])}"
        yield f'<h1 id="report">{title}</h1>'
        yield f"<p>{period} ({marked(kpi['timezone'])}); {says} from <code>timeline.jsonl</code>.</p>"
        yield "</header>"
        if kpi["provisional"]:
            until = f"this is what was recorded before {marked(to_the_second(kpi['as_of']))}"
            warns = f"The week is not over: {until}. It is no evidence and will be replaced."
            yield f'<p class="provisional" role="note"><strong>PROVISIONAL.</strong> {warns}</p>'
        yield from ('<h2 class="unseen">The five figures</h2>', '<ul class="tiles">')
        for name in FIRST_FIGURES:
            if name in self.kpis:
                yield from self.tile(name)
        yield from ("</ul>", "<h2>What changed since the week before</h2>", '<ul class="changes">')
        yield from self.changes()
        yield from ("</ul>", "<h2>Trends</h2>", '<div class="charts">')
        for chart in self.charts:
            yield from chart.block()
        yield from ("</div>", "</section>", "")

    def field(self, name: str, key: str) -> str:
        """A figure of a KPI for the whole plan."""
        one = self.kpis[name]
        unit = one["definition"]["unit"] if key in OF_UNIT else "number"
        return shows(f"{name}.plan.{key}", one["plan"].get(key), unit)

    def aim(self, name: str) -> str:
        one = self.kpis[name]
        if one["plan"].get("target") is None:
            return "–"
        return f"{marked(one['definition']['target_kind'])} {self.field(name, 'target')}"

    def judged(self, name: str) -> str:
        plan = self.kpis[name]["plan"]
        if plan.get("target") is None:
            return '<span class="none">no target</span>'
        mark = {True: "✓ ", False: "✗ "}.get(plan.get("met"), "")
        return f'<span class="{tone(plan)}">{mark}{shows(f"{name}.plan.met", plan.get("met"), "met")}</span>'

    def tile(self, name: str) -> Iterator[str]:
        plan = self.kpis[name]["plan"]
        aim = f": {self.aim(name)}" if plan.get("target") is not None else ""
        yield f'<li class="{tone(plan)}">'
        yield f'<a class="name" href="#of-{name}">{named(name)}</a>'
        yield f"<strong>{self.field(name, 'value')}</strong>"
        yield f"<span>{self.judged(name)}{aim}</span>"
        before, usual = self.field(name, "previous"), self.field(name, "baseline")
        yield f'<span class="small">week before {before}<br>baseline {usual}</span>'
        yield "</li>"

    def changes(self) -> Iterator[str]:
        """The first figures, then those others that moved most, what missed its target first."""
        first = [Change(name, self.kpis[name]) for name in FIRST_FIGURES if name in self.kpis]
        others = [Change(name, self.kpis[name]) for name in sorted(self.kpis) if name not in FIRST_FIGURES]
        moved = sorted((one for one in others if one.side in ("better", "worse")), key=Change.rank)
        told = [one for one in [*first, *moved] if one.before is not None or one.now is not None]
        for one in told[:SHOWN_CHANGES]:
            yield from one.lines()
        if not told:
            says = "There is nothing to compare: neither this week nor the one before has data."
            yield f'<li class="none"><span>{says}</span></li>'

    def every_kpi(self) -> Iterator[str]:
        yield from ('<section class="wide" aria-labelledby="kpis">', '<h2 id="kpis">Every KPI</h2>')
        full = "Definitions in full stand in <code>kpi.json</code>."
        yield f'<p class="small">{full} The baseline is of up to 12 weeks before this one.</p>'
        columns = ("KPI", "Value", "Numerator", "Denominator", "Left out", "Target", "Verdict")
        rows = [line for name in self.kpis for line in self.kpi_row(name)]
        head = headed((*columns, "Week before", "Baseline"))
        table = [head, "<tbody>", *rows, "</tbody>"]
        yield from scrolled('aria-labelledby="kpis"', table, ' class="kpis"')
        yield from ("</section>", "")

    def kpi_row(self, name: str) -> Iterator[str]:
        one = self.kpis[name]
        plan, shown = one["plan"], one["definition"]
        yield f'<tr id="kpi-{name}">'
        link = f'<a href="#of-{name}">{named(name)}</a>'
        yield f'<th scope="row">{link}<small>{marked(shown["words"])}</small></th>'
        unit = marked(shown["unit"])
        behind = "" if unit in ("seconds", "percent") else f' <span class="small">{unit}</span>'
        begun = f"<td><strong>{self.field(name, 'value')}</strong>{behind}"
        if plan.get("p50") is not None:
            spread = ", ".join(f"{key} {self.field(name, key)}" for key in ("p50", "p90", "p95", "max"))
            yield f"{begun}<small>{spread}</small>"
            begun = ""
        if plan.get("by"):
            parts = (
                f"<bdi>{marked(shortened(code))}</bdi> "
                + shows(f"{name}.plan.by.{dotless(code)}", value, "number")
                for code, value in sorted(plan["by"].items())
            )
            yield f"{begun}<small>{', '.join(parts)}</small>"
            begun = ""
        yield f"{begun}</td>"
        yield from self.sources(name)
        yield f"<td>{self.aim(name)}</td>"
        yield f"<td>{self.judged(name)}</td>"
        yield f"<td>{self.field(name, 'previous')}</td>"
        yield f"<td>{self.field(name, 'baseline')}{self.against(name)}</td>"
        yield "</tr>"

    def sources(self, name: str) -> Iterator[str]:
        """What a value is divided by what, and what it leaves out."""
        plan, shown = self.kpis[name]["plan"], self.kpis[name]["definition"]
        for key, unit, absent in (
            ("numerator", "seconds" if shown["kind"] == "duration" else "number", "the count"),
            ("denominator", "number", "none"),
        ):
            figure = shows(f"{name}.plan.{key}", plan[key], unit) if key in plan else "–"
            words = f"<small>{marked(shown[key])}</small>" if shown[key] != absent else ""
            yield f"<td>{figure}{words}</td>"
        said = shown.get("exclusions")
        said = said if isinstance(said, dict) else {}
        reasons = sorted({*said, *plan.get("excluded", {})})
        cell = "" if reasons else "–"
        for reason in reasons:
            figure = shows(
                f"{name}.plan.excluded.{dotless(reason)}", plan.get("excluded", {}).get(reason), "number"
            )
            words = said.get(reason, "")
            behind = f"<small>{marked(words)}</small>" if words else ", " if reason != reasons[-1] else ""
            cell += f"{figure} {marked(reason.replace('-', ' ').replace('_', ' '))}{behind}"
        remark = shown.get("remark", "none")
        cell += f"<small>Not counted: {marked(remark)}</small>" if remark != "none" else ""
        yield f"<td>{cell}</td>"

    def against(self, name: str) -> str:
        """What is said of a baseline, where there is one."""
        plan = self.kpis[name]["plan"]
        if plan.get("baseline") is None:
            return ""
        change = plan.get("change_percent")
        path = f"{name}.plan.change_percent"
        words = f"{shows(path, change, 'change')} against it, " if change is not None else ""
        weeks = plan.get("baseline_weeks")
        counted = f"weeks: {self.field(name, 'baseline_weeks')}" if isinstance(weeks, (int, float)) else ""
        return f"<small>{words}{counted}</small>"

    def by_part(self) -> Iterator[str]:
        yield '<section class="wide" aria-labelledby="parts">'
        yield '<h2 id="parts">By severity, service and rules</h2>'
        for key, word in (("by_severity", "severity"), ("by_service", "service"), ("by_version", "rules")):
            yield from self.part_table(key, word)
        yield from ("</section>", "")

    def part_table(self, key: str, word: str) -> Iterator[str]:
        columns = [name for name in FIGURES_OF_PARTS if name in self.kpis]
        parts = sorted({part for name in columns for part in self.kpis[name].get(key, {})})
        yield f"<h3>By {word}</h3>"
        if not parts:
            yield '<p class="none">no data</p>'
            return
        links = [f'<a href="#of-{name}">{named(name)}</a>' for name in columns]
        table = [headed([word.capitalize(), *links]), "<tbody>"]
        for part in parts[:SHOWN_ROWS]:
            hashed = key == "by_version" and len(part) == 64
            words = marked(f"{part[:12]}…" if hashed else shortened(part))
            cells = "".join(f"<td>{self.part_figure(name, key, part)}</td>" for name in columns)
            table.append(f'<tr><th scope="row" dir="auto">{words}</th>{cells}</tr>')
        yield from scrolled(f'aria-label="By {word}"', [*table, "</tbody>"])
        yield from and_more(len(parts[SHOWN_ROWS:]))

    def part_figure(self, name: str, key: str, part: str) -> str:
        one = self.kpis[name].get(key, {}).get(part)
        unit = self.kpis[name]["definition"]["unit"]
        return shows(f"{name}.{key}.{dotless(part)}.value", one.get("value"), unit) if one else "–"

    def trends(self) -> Iterator[str]:
        yield '<section class="wide" aria-labelledby="trends">'
        yield '<h2 id="trends">The figures of the charts</h2>'
        over = "".join(
            f'<th scope="colgroup" colspan="{len(chart.lines)}" id="figures-{chart.name}">'
            f'<a href="#of-{chart.first}">{chart.title}</a></th>'
            for chart in self.charts
        )
        labels = [f'<th scope="col">{label}</th>' for chart in self.charts for label, _, _ in chart.lines]
        table = ["<thead>", f"<tr><td></td>{over}</tr>"]
        table += [f'<tr><th scope="col">Week</th>{"".join(labels)}</tr>', "</thead>", "<tbody>"]
        for number, week in enumerate(self.charts[0].weeks):
            cells = [
                f"<td>{shows(*line[number], chart.unit)}</td>"
                for chart in self.charts
                for _, line, _ in chart.lines
            ]
            table.append(f'<tr><th scope="row">{marked(week)}</th>{"".join(cells)}</tr>')
        yield from scrolled('aria-labelledby="trends"', [*table, "</tbody>"])
        yield from ("</section>", "")

    def statement(self, key: str, title: str) -> Iterator[str]:
        value = self.kpi.get(key)
        yield f'<section aria-labelledby="{key}">'
        yield f'<h2 id="{key}">{title}</h2>'
        if value is None:
            yield '<p class="none">no data</p>'
        entries = [] if value is None else [("", value)]
        if isinstance(value, dict) and all(isinstance(one, dict) for one in value.values()):
            entries = sorted(value.items())
        for name, one in entries:
            if name:
                yield f"<h3>{named(name)}</h3>"
            yield "<dl>"
            for words, path, leaf in leaves_of(f"{key}.{dotless(name)}" if name else key, [], one):
                unit = "seconds" if path.endswith("_seconds") else "number"
                kind = f' class="{"good" if leaf else "bad"}"' if words == "Holds" else ""
                shown = f'<dd dir="auto">{shows(path, leaf, unit)}</dd>'
                yield f"<div{kind}><dt>{marked(shortened(words))}</dt>{shown}</div>"
            yield "</dl>"
        yield "</section>"

    def drift(self) -> Iterator[str]:
        tests = self.kpi.get("drift")
        yield from ('<section aria-labelledby="drift">', '<h2 id="drift">Drift against the baseline</h2>')
        if tests:
            told = sorted(enumerate(tests), key=lambda one: (not one[1].get("drifted"), one[0]))
            keys = sorted({key for _, one in told for key in one}, key=drift_column)
            table = [headed(map(named, keys)), "<tbody>"]
            for number, one in told[:SHOWN_ROWS]:
                cells = [shows(f"drift.{number}.{dotless(key)}", one.get(key), "number") for key in keys]
                table.append("<tr>" + "".join(f'<td dir="auto">{cell}</td>' for cell in cells) + "</tr>")
            yield from scrolled('aria-labelledby="drift"', [*table, "</tbody>"])
            yield from and_more(len(told[SHOWN_ROWS:]))
        elif tests is not None:
            yield "<p>No service had enough measurements, now and in the baseline, for a test.</p>"
        else:
            yield '<p class="none">no data</p>'
        yield from ("</section>", "")

    def behind(self, audit: Iterable[list[str]], linked: set[str]) -> Iterator[str]:
        yield '<section class="behind" aria-labelledby="behind">'
        yield '<h2 id="behind">What stands behind each figure</h2>'
        says = "The subjects of the rows of <code>audit.csv</code>"
        yield f'<p class="small">{says}; of times the longest first, of shares the missed first.</p>'
        found = self.subjects(audit)
        for name, one in found.items():
            if one.count:
                link = f'<a href="#kpi-{name}">{named(name)}</a>'
                yield f'<h3 id="of-{name}">{link} <small>rows: {one.count}</small></h3>'
                yield from one.lines(linked)
        yield from ("<h3>Without a row</h3>", "<ul>")
        for name, one in found.items():
            if not one.count:
                yield f'<li id="of-{name}"><a href="#kpi-{name}">{named(name)}</a></li>'
        yield from ("</ul>", "</section>")

    def subjects(self, audit: Iterable[list[str]]) -> dict[str, Subjects]:
        """What rows of ``audit.csv`` stand behind each KPI."""
        found = {
            name: Subjects(one["definition"]["kind"], one["definition"].get("codes", ()))
            for name, one in self.kpis.items()
        }
        listening: dict[str, list[Subjects]] = defaultdict(list)
        for name, one in self.kpis.items():
            for metric in one["definition"].get("metrics", ()):
                listening[metric].append(found[name])
        for row in by_column(audit):
            for its in listening.get(row["metric"], ()):
                its.take(row["entity_id"], int(row["value"]), row["notes"].rpartition("/")[2])
        return found


def tone(plan: dict[str, Any]) -> str:
    return {True: "good", False: "bad"}.get(plan.get("met"), "none")  # type: ignore[arg-type]


def drift_column(key: str) -> tuple[int, str]:
    first = ("service", "measure", "drifted")
    return (first.index(key) if key in first else len(first), key)


def leaves_of(path: str, words: list[str], value: Any) -> Iterator[tuple[str, str, Any]]:  # noqa: ANN401
    """Words, path and value of every figure in a part of ``kpi.json``."""
    if isinstance(value, dict):
        for key, one in sorted(value.items()):
            yield from leaves_of(f"{path}.{dotless(key)}", [*words, key], one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaves_of(f"{path}.{number}", [*words, str(number + 1)], one)
    else:
        yield " ".join(spelled(word, number) for number, word in enumerate(words)), path, value


def spelled(word: str, number: int) -> str:
    if number:
        return word.replace("_", " ")
    words = " ".join({"sla": "SLA", "5m": "5 min"}.get(one, one) for one in word.split("_"))
    return words[:1].upper() + words[1:]


class Change:
    """What became of one KPI since the week before."""

    def __init__(self, name: str, kpi: dict[str, Any]) -> None:
        self.name, plan, shown = name, kpi["plan"], kpi["definition"]
        self.unit, self.aim = shown["unit"], shown.get("target_kind")
        self.before, self.now = plan.get("previous"), plan.get("value")
        self.target, self.met = plan.get("target"), plan.get("met")
        self.side = self.which_way()
        self.by = self.how_much()

    def which_way(self) -> str:
        if self.before is None or self.now is None:
            return "changed"
        if self.before == self.now:
            return "same"
        if self.aim is None:
            return "changed"
        return "worse" if (self.now > self.before) == (self.aim == "at most") else "better"

    def how_much(self) -> tuple[float, str] | None:
        """Points of a percentage, else percent; None where that cannot be said."""
        if self.before is None or self.now is None or self.before == self.now:
            return None
        if self.unit == "percent":
            return float(f"{self.now - self.before:.6g}"), "points"
        share = 100 * (self.now - self.before) / self.before if self.before else None
        return None if share is None else (float(f"{share:.6g}"), "change")

    def rank(self) -> tuple[bool, float, str]:
        return (self.met is not False, -abs(self.by[0]) if self.by else 0, self.name)

    def lines(self) -> Iterator[str]:
        marks = {"better": "▲ better", "worse": "▼ worse", "same": "＝ same", "changed": "•"}
        yield f'<li class="{ {"better": "good", "worse": "bad"}.get(self.side, "none") }">'
        yield f'<span class="mark">{marks[self.side]}</span>'
        verb, said = self.said()
        yield f'<span><a href="#of-{self.name}">{named(self.name)}</a> {verb}'
        end = ""
        if self.target is not None and self.met is not None:
            target = shows(f"{self.name}.plan.target", self.target, self.unit)
            end = f"; target of {marked(self.aim)} {target} {'met' if self.met else 'missed'}"
        yield f"{said}{end}.</span>"
        yield "</li>"

    def said(self) -> tuple[str, str]:
        """A verb, and the figures behind it."""
        before = shows(f"{self.name}.plan.previous", self.before, self.unit)
        now = shows(f"{self.name}.plan.value", self.now, self.unit)
        if self.before is None:
            return "is", f"{now}; the week before had no data"
        if self.now is None:
            return "was", f"{before}; this week has {now}"
        if self.side == "same" or self.now == self.before:
            return "stayed at", now
        by = f" ({shows(f'change.{self.name}', *self.by)})" if self.by else ""
        return ("rose from" if self.now > self.before else "fell from"), f"{before} to {now}{by}"


class Subjects:
    """The first rows behind one KPI, and how many there are."""

    def __init__(self, kind: str, codes: Iterable[str]) -> None:
        self.kind, self.codes, self.count = kind, set(codes), 0
        self.first: list[tuple[int, int, str]] = []

    def take(self, subject: str, value: int, code: str) -> None:
        """The longest times first, what was missed first, else as they come."""
        if self.codes and code not in self.codes:
            return
        self.count += 1
        rank = {"duration": -value, "share": value}.get(self.kind, 0)
        bisect.insort(self.first, (rank, self.count, subject))
        del self.first[SHOWN_SUBJECTS:]

    def lines(self, linked: set[str]) -> Iterator[str]:
        yield "<ul>"
        for rank, _, subject in self.first:
            missed = self.kind == "share" and rank == 0
            words = f" {span_in_words(-rank)}" if self.kind == "duration" else " missed" if missed else ""
            link = f'<a href="#incident-{marked(subject)}">{marked(subject)}</a>'
            shown = link if subject in linked else marked(shortened(subject))
            bad = ' class="bad"' if missed else ""
            yield f"<li{bad}>{shown}{words}</li>"
        if self.count > len(self.first):
            yield f"<li>and {self.count - len(self.first)} more, in <code>audit.csv</code></li>"
        yield "</ul>"


def by_column(rows: Iterable[list[str]]) -> Iterator[dict[str, str]]:
    """Rows of a CSV file behind its header, each cell by its column."""
    header: list[str] = []
    for row in rows:
        if header:
            yield dict(zip(header, row))  # noqa: B905  (Python 3.9)
        header = header or row


def sorted_out(incidents: Iterable[list[str]]) -> tuple[int, list[dict[str, str]]]:
    """How many incidents there are; those shown, first what missed a target or is not resolved."""
    total, first, others = 0, list[dict[str, str]](), list[dict[str, str]]()
    for row in by_column(incidents):
        total += 1
        urgent = row["state"] != "resolved" or "0" in (row["respond_met"], row["resolve_met"])
        into = first if urgent else others
        if len(into) < SHOWN_INCIDENTS:
            into.append(row)
    return total, [*first, *others][:SHOWN_INCIDENTS]


def incident_lines(total: int, shown: list[dict[str, str]]) -> Iterator[str]:
    yield from ('<section class="wide" aria-labelledby="incidents">', '<h2 id="incidents">Incidents</h2>')
    if shown:
        counted = f"{len(shown)} of {total} are shown; all stand in <code>incidents.csv</code>."
        counted = counted if total > len(shown) else ""
        order = "Those that missed a target or are not resolved stand first."
        yield f'<p class="small">{order} {counted}</p>'
        columns = ("Incident", "Alert", "Service", "Severity", "State", "Opened", "Acknowledged after")
        rows = [line for row in shown for line in incident_row(row)]
        table = [headed((*columns, "Resolved after", "Respond", "Resolve")), "<tbody>", *rows, "</tbody>"]
        yield from scrolled('aria-labelledby="incidents"', table)
    else:
        yield "<p>There was no incident.</p>"
    yield from ("</section>", "")


def incident_row(row: dict[str, str]) -> Iterator[str]:
    cells = {key: marked(shortened(row[key])) for key in ("id", "name", "service", "severity", "state")}
    texts = "".join(f'<td dir="auto">{cells[key]}</td>' for key in ("name", "service", "severity"))
    ends = (row["acknowledged_at"], row["resolved_at"])
    times = "".join(f"<td>{later(row['opened_at'], end)}</td>" for end in ends)
    verdicts = ""
    for key in ("respond_met", "resolve_met"):
        kind, word = {"1": ("good", "met"), "0": ("bad", "missed")}.get(row[key], ("none", "–"))
        verdicts += f'<td class="{kind}">{word}</td>'
    opened = f'<td class="when">{marked(to_the_second(row["opened_at"]))}</td>'
    about = f'<th scope="row">{cells["id"]}</th>{texts}<td>{cells["state"]}</td>'
    yield f'<tr id="incident-{cells["id"]}">{about}{opened}{times}{verdicts}</tr>'


def later(start: str, end: str) -> str:
    return span_in_words(seconds(start, end)) if end else "–"


def report_problems(bundle: Bundle) -> Iterator[str]:
    """Lines of the report that are not as its sources make them: it is made again, and its bytes compared."""
    raw = b"".join(islice(bundle.pieces("report.html"), LARGEST_REPORT // PIECE))
    have = text_of(raw).split("\n")
    style = style_in(have)
    if base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii") != STYLE_PIN:
        yield "report.html: its style is not the one that this verifier knows"
        return
    try:
        page = Page(bundle.kpi, bundle.baseline, style)
        lines = [*page.lines(table_of(bundle, "incidents.csv"), table_of(bundle, "audit.csv")), ""]
    except WRONG_SHAPE as error:
        yield f"report.html: it cannot be made again from what lies beside it ({type(error).__name__})"
        return
    want = "\n".join(lines).encode("utf-8", "replace")
    found = list(islice(line_problems(have, text_of(want).split("\n")), MOST_PROBLEMS))
    yield from found
    if not found and raw != want:
        yield "report.html: it has bytes that are no UTF-8"


def table_of(bundle: Bundle, name: str) -> Iterator[list[str]]:
    return (list(cells_of(line)) for line in lines_of(bundle.pieces(name)))


def style_in(lines: list[str]) -> str:
    """What stands between the first ``<style>`` and the first ``</style>`` behind it."""
    _, _, rest = "\n".join(lines).partition("<style>")
    return rest.partition("</style>")[0]


def line_problems(have: list[str], want: list[str]) -> Iterator[str]:
    """The lines that differ, with the figure; where there are more or fewer, the first."""
    for number, (one, other) in enumerate(zip(have, want), start=1):  # noqa: B905  (Python 3.9)
        if one != other:
            at = first_unlike(one, other)
            derived = f"{around(one, at)}, derived {around(other, at)}"
            yield f"report.html line {number}{figure_at(other, at)}: {derived}"
            if len(have) != len(want):
                break
    if len(have) != len(want):
        yield f"report.html: it has {len(have)} lines instead of {len(want)}"


def first_unlike(one: str | bytes, other: str | bytes) -> int:
    """Where two texts begin to differ."""
    pairs = enumerate(zip(one, other))  # noqa: B905  (Python 3.9)
    return next((number for number, pair in pairs if pair[0] != pair[1]), min(len(one), len(other)))


def figure_at(line: str, at: int) -> str:
    """Which figure the place in a line belongs to."""
    found = [one for one in re.finditer('<[a-z]+ [^>]*data-figure="([^"]*)"', line) if one.start() <= at]
    return f": {found[-1][1]}" if found else ""


def around(line: str, at: int) -> str:
    return repr(line[max(0, at - 30) : at + 40])


def made_for_people(bundle: Bundle, report: Report) -> None:
    """Hold the two files that people read against those that they are made from, if these are whole."""
    for name, check, said, sources in (
        (
            "report.html",
            report_problems,
            "every byte as kpi.json, baseline.json, incidents.csv and audit.csv make it",
            ("kpi.json", "baseline.json", "incidents.csv", "audit.csv"),
        ),
        (
            "workbook.xlsx",
            workbook_problems,
            f"every byte as kpi.json and {len(SHEETS)} CSV files make it",
            ("kpi.json", *SHEETS),
        ),
    ):
        if bundle.altered.intersection(sources):
            report.say("note", f"{name} is not compared with what was altered")
        else:
            report.line(f"{name}: {said}", lambda check=check: check(bundle))  # type: ignore[misc]


SHEETS = tuple(name for name in DATA if name.endswith(".csv"))
SHEET_ROWS = 1_048_576
"""What a sheet holds, its header included; a longer table goes on in the next."""
BOOK_NUMBERS = (
    *("value", "numerator", "denominator", "p50", "p90", "p95", "max", "target", "met"),
    *("previous", "baseline", "baseline_weeks", "change_percent"),
)
BOOK_PARTS = (("by_severity", "severity"), ("by_service", "service"), ("by_version", "version"))
KPI_WIDTHS = (30, 24, *(12 for _ in BOOK_NUMBERS), 30, 18, 96)
TEXT_COLUMNS = (
    *("name", "service", "severity", "source", "rule"),
    *("contact", "channel", "step", "code", "commit"),
)
EXCEL_DAY_0 = datetime(1899, 12, 30, tzinfo=UTC)
KEPT_OF_A_LONG_TEXT = 16_000
BOOK_PINS = {
    "_rels/.rels": (587, "1285b20099c64699001f9d90ea040ca1c177fa99bc3ae8a841128874820f01a4"),
    "xl/styles.xml": (1470, "494c95b40618d33e4f70efadf5450e59002cb549e40a4d88b6dba4fe8c4d135b"),
    "xl/styles.xml undated": (1285, "118d5229858d2762aa23571c236945bf2f0c83bfbf4d38d18260426410c52ac4"),
    "xl/theme/theme1.xml": (6994, "75104b2164c20dab2578383d827deac3a7eec077c3f7c99a4099a551fdebb134"),
}
"""Bytes and SHA-256 of what is in every workbook; `python -m tests.verifier_pins` finds them anew."""
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
OPEN_XML = "http://schemas.openxmlformats.org"
MAIN = f"{OPEN_XML}/spreadsheetml/2006/main"
RELATIONS = f"{OPEN_XML}/officeDocument/2006/relationships"
TYPES = "application/vnd.openxmlformats-officedocument"
BEFORE_COLUMNS = (
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    '<selection pane="bottomLeft"/></sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/><cols>'
)
AFTER_ROWS = (
    '<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>'
    '<pageSetup paperSize="9" fitToHeight="0" orientation="landscape"/></worksheet>'
)

Piece = tuple[str, bytes]
"""Where in a part of the workbook some bytes stand, and these."""
Part = tuple[str, Any]
"""Name of a part of the workbook; its pieces, or size and SHA-256."""


@dataclass
class Sheet:
    """One sheet: of which table which rows, and how these look."""

    name: str
    table: Table
    first: int
    rows: int
    """How many of the table's rows it holds; its header is none of them."""
    filled: int
    """Number of the last row that is not empty."""

    @property
    def quoted(self) -> str:
        return f"'{self.name}'" if " " in self.name else self.name

    def area(self, last: int, mark: str = "") -> str:
        right = column_letters(len(self.table.header) - 1)
        return f"{mark}A{mark}1:{mark}{right}{mark}{last}"

    def pieces(self, number: int) -> Iterator[Piece]:
        """Its XML, row by row."""
        table, chosen = self.table, ' tabSelected="1"' if number == 1 else ""
        columns = columns_xml(table.widths)
        yield (
            "what comes before its rows",
            (
                f'{XML}<worksheet xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheetPr><pageSetUpPr fitToPage="1"/>'
                f'</sheetPr><dimension ref="{self.area(self.filled)}"/><sheetViews><sheetView{chosen} '
                f'workbookViewId="0">{BEFORE_COLUMNS}{columns}</cols><sheetData>'
            ).encode(),
        )
        yield "row 1", row_xml(1, table.header, ["head"] * len(table.header))
        for at, row in enumerate(islice(table.rows(), self.first, self.first + self.rows), start=2):
            yield f"row {at}", row_xml(at, row, table.kinds)
        behind = f'</sheetData><autoFilter ref="{self.area(self.rows + 1)}"/>{AFTER_ROWS}'
        yield "what comes behind its rows", behind.encode()


class Table:
    """A table of the workbook: its header, and kind and width of each column."""

    def __init__(self, name: str, read: Callable[[], Iterator[list[object]]], widths: Iterable[int]) -> None:
        self.name, self.read = name, read
        self.header = [str(one) for one in next(read(), [])]
        self.kinds = [""] * len(self.header)
        self.widths = list(widths)
        self.count = 0
        self.filled: set[int] = set()

    def rows(self) -> Iterator[list[object]]:
        return islice(self.read(), 1, None)

    def surveyed(self) -> Table:
        """Of each column the kind that all its cells have, and a width that shows most."""
        widest = [len(name) + 4 for name in self.header]
        for row in self.rows():
            for column, text in enumerate(map(str, row)):
                if text and self.kinds[column] != "text":
                    kind = kind_of(self.header[column], text)
                    self.kinds[column] = kind if self.kinds[column] in ("", kind) else "text"
                widest[column] = max(widest[column], len(text) + 1)
        instants = [kind == "instant" for kind in self.kinds]
        self.widths = [22 if one else min(width, 48) for one, width in zip(instants, widest)]  # noqa: B905
        return self

    def sheets(self, most: int) -> list[Sheet]:
        """The sheets that it fills, of so many rows at most."""
        found = [Sheet(self.name, self, 0, 0, 1)]
        for number, row in enumerate(self.rows()):
            if found[-1].rows + 1 == most:
                found.append(Sheet(f"{self.name} ({len(found) + 1})", self, number, 0, 1))
            found[-1].rows += 1
            if any(cell not in ("", None) for cell in row):
                found[-1].filled = found[-1].rows + 1
        return found


def kind_of(column: str, text: str) -> str:
    if column.endswith("_met") and text in ("0", "1"):
        return "verdict"
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z", text):
        return "instant"
    number = re.fullmatch("-?[1-9][0-9]{0,14}|0", text)
    return "number" if number and column not in TEXT_COLUMNS else "text"


def columns_xml(widths: list[int]) -> str:
    """The widths of columns, equal neighbours as one."""
    parts, first = [], 0
    for number, width in enumerate(widths):
        if number + 1 == len(widths) or widths[number + 1] != width:
            wide = ((width * 7 + 5) * 256 // 7) / 256
            parts.append(f'<col min="{first + 1}" max="{number + 1}" width="{wide:.16g}" customWidth="1"/>')
            first = number + 1
    return "".join(parts)


def row_xml(at: int, row: list[Any], kinds: list[str]) -> bytes:
    """One row; nothing where it has no cell."""
    cells = [
        cell_xml(f"{column_letters(number)}{at}", kind, cell)
        for number, (cell, kind) in enumerate(zip(row, kinds))  # noqa: B905  (Python 3.9)
        if cell not in ("", None)
    ]
    return f'<row r="{at}">{"".join(cells)}</row>'.encode("utf-8", "replace") if cells else b""


def cell_xml(place: str, kind: str, cell: Any) -> str:  # noqa: ANN401  (a text, a number or a verdict)
    if kind == "instant":
        return f'<c r="{place}" s="2"><v>{microseconds(cell) / 86_400_000_000:.16G}</v></c>'
    if kind == "number" or (not kind and type(cell) in (int, float)):
        return f'<c r="{place}"><v>{int(cell) if kind else cell:.16G}</v></c>'
    if kind == "verdict" or isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell in ("1", True))}</v></c>'
    text, style = in_a_cell(str(cell)), ' s="1"' if kind == "head" else ""
    kept = ' xml:space="preserve"' if re.search(r"^\s|\s$", text) else ""
    return f'<c r="{place}"{style} t="inlineStr"><is><t{kept}>{text}</t></is></c>'


def in_a_cell(text: str) -> str:
    """A text in markup: cut if a cell cannot hold it, after an apostrophe if it looks like a rich text."""
    text = f"'{text}" if text.startswith("<r>") and text.endswith("</r>") else text
    if len(text.encode("utf-16-le", "replace")) > 2 * 32_767:
        text = f"{text[:KEPT_OF_A_LONG_TEXT]}…"
    text = re.sub("(_x[0-9a-fA-F]{4}_)", r"_x005F\1", text)
    text = re.sub("[\x00-\x08\x0b-\x1f\ufffe\uffff]", lambda one: f"_x{ord(one[0]):04X}_", text)
    return xml_text(text)


def xml_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def microseconds(text: str) -> int:
    """From the day 0 of spreadsheets to an instant."""
    return (instant(text) - EXCEL_DAY_0) // timedelta(microseconds=1)


def tables_of(bundle: Bundle) -> Iterator[Table]:
    """Every table that the workbook has to hold, in order."""
    yield Table("KPIs", lambda: kpi_table(bundle.kpi), KPI_WIDTHS)
    for name in SHEETS:
        read = lambda name=name: (list(cells_of(line)) for line in lines_of(bundle.pieces(name)))  # noqa: E731
        yield Table(name[: -len(".csv")], read, ()).surveyed()  # type: ignore[arg-type]


def kpi_table(kpi: dict[str, Any]) -> Iterator[list[object]]:
    yield ["kpi", "part", *BOOK_NUMBERS, "excluded", "unit", "words"]
    for name, one in sorted(part_of(kpi, "kpis").items()):
        plan, shown = part_of(one, "plan"), part_of(one, "definition")
        figures = [("plan", plan)]
        by = sorted(part_of(plan, "by").items())
        figures += [(f"plan, {code}", {"value": value}) for code, value in by]
        for key, word in BOOK_PARTS:
            figures += [(f"{word} {its}", figure) for its, figure in sorted(part_of(one, key).items())]
        for part, figure in figures:
            reasons = sorted(part_of(figure, "excluded").items())
            excluded = "; ".join(f"{reason}: {count}" for reason, count in reasons)
            numbers = [figure.get(key) for key in BOOK_NUMBERS]
            yield [name, harmless(part), *numbers, harmless(excluded), shown.get("unit"), shown.get("words")]


def part_of(value: Any, key: str) -> dict[str, Any]:  # noqa: ANN401  (any JSON)
    """An object in an object; an empty one where there is none."""
    part = value.get(key) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}


def harmless(text: str) -> str:
    """A text as a CSV file would have it."""
    return (cells_of(csv_line([text])) or [""])[0]


def book_parts(kpi: dict[str, Any], sheets: list[Sheet]) -> Iterator[Part]:
    """Every part of the workbook, in order; of one that is the same in all workbooks its pin."""

    def whole(text: str) -> list[Piece]:
        return [("its text", (XML + text).encode("utf-8", "replace"))]

    yield "[Content_Types].xml", whole(content_types(len(sheets)))
    yield "_rels/.rels", BOOK_PINS["_rels/.rels"]
    yield "xl/_rels/workbook.xml.rels", whole(book_relations(len(sheets)))
    for number, sheet in enumerate(sheets, start=1):
        yield f"xl/worksheets/sheet{number}.xml", sheet.pieces(number)
    yield "xl/workbook.xml", whole(book_frame(sheets))
    dated = any("instant" in sheet.table.kinds for sheet in sheets)
    yield "xl/styles.xml", BOOK_PINS["xl/styles.xml" if dated else "xl/styles.xml undated"]
    yield "xl/theme/theme1.xml", BOOK_PINS["xl/theme/theme1.xml"]
    yield "docProps/core.xml", whole(book_properties(kpi))
    yield "docProps/app.xml", whole(book_titles(sheets))


def content_types(count: int) -> str:
    package = "application/vnd.openxmlformats-package"
    parts = [
        ("docProps/app", f"{TYPES}.extended-properties"),
        ("docProps/core", f"{package}.core-properties"),
        ("xl/styles", f"{TYPES}.spreadsheetml.styles"),
        ("xl/theme/theme1", f"{TYPES}.theme"),
        ("xl/workbook", f"{TYPES}.spreadsheetml.sheet.main"),
        *((f"xl/worksheets/sheet{n}", f"{TYPES}.spreadsheetml.worksheet") for n in range(1, count + 1)),
    ]
    listed = "".join(f'<Override PartName="/{part}.xml" ContentType="{kind}+xml"/>' for part, kind in parts)
    return (
        f'<Types xmlns="{OPEN_XML}/package/2006/content-types"><Default Extension="rels" '
        f'ContentType="{package}.relationships+xml"/><Default Extension="xml" '
        f'ContentType="application/xml"/>{listed}</Types>'
    )


def book_relations(count: int) -> str:
    parts = [("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, count + 1)]
    parts += [("theme", "theme/theme1.xml"), ("styles", "styles.xml")]
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{RELATIONS}/{kind}" Target="{part}"/>'
        for number, (kind, part) in enumerate(parts, start=1)
    )
    return f'<Relationships xmlns="{OPEN_XML}/package/2006/relationships">{listed}</Relationships>'


def book_frame(sheets: list[Sheet]) -> str:
    """The list of sheets, and of the rows that their filters and printed titles take."""
    listed = "".join(
        f'<sheet name="{sheet.name}" sheetId="{n}" r:id="rId{n}"/>' for n, sheet in enumerate(sheets, start=1)
    )
    filters = [
        (f"{one.quoted}!{one.area(one.rows + 1, '$')}", f'_FilterDatabase" localSheetId="{n}" hidden="1"')
        for n, one in enumerate(sheets)
    ]
    titles = [(f"{one.quoted}!$1:$1", f'Print_Titles" localSheetId="{n}"') for n, one in enumerate(sheets)]
    names = "".join(
        f'<definedName name="_xlnm.{name}>{area}</definedName>'
        for area, name in [*sorted(filters, key=by_sheet), *sorted(titles, key=by_sheet)]
    )
    return (
        f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><fileVersion appName="xl" lastEdited="4" '
        'lowestEdited="4" rupBuild="4505"/><workbookPr defaultThemeVersion="124226"/><bookViews>'
        '<workbookView xWindow="240" yWindow="15" windowWidth="16095" windowHeight="9660"/></bookViews>'
        f"<sheets>{listed}</sheets><definedNames>{names}</definedNames>"
        '<calcPr calcId="124519" fullCalcOnLoad="1"/></workbook>'
    )


def by_sheet(one: tuple[str, str]) -> str:
    return one[0].lstrip("'").lower()


def book_properties(kpi: dict[str, Any]) -> str:
    at = f'xsi:type="dcterms:W3CDTF">{kpi["as_of"][:19]}Z</dcterms:'
    return (
        f'<cp:coreProperties xmlns:cp="{OPEN_XML}/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:dcmitype="http://purl.org/dc/dcmitype/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>KPIs of {xml_text(kpi['plan'])}, {xml_text(kpi['week'])}</dc:title>"
        "<dc:creator>Tocsin</dc:creator><cp:lastModifiedBy>Tocsin</cp:lastModifiedBy>"
        f"<dcterms:created {at}created><dcterms:modified {at}modified></cp:coreProperties>"
    )


def book_titles(sheets: list[Sheet]) -> str:
    count, office = len(sheets), f"{OPEN_XML}/officeDocument/2006"
    titles = sorted(((f"{sheet.quoted}!$1:$1", sheet.quoted) for sheet in sheets), key=by_sheet)
    names = [*(sheet.name for sheet in sheets), *(f"{quoted}!Print_Titles" for _, quoted in titles)]
    listed = "".join(f"<vt:lpstr>{name}</vt:lpstr>" for name in names)
    counts = "".join(
        f"<vt:variant><vt:lpstr>{what}</vt:lpstr></vt:variant><vt:variant><vt:i4>{count}</vt:i4></vt:variant>"
        for what in ("Worksheets", "Named Ranges")
    )
    return (
        f'<Properties xmlns="{office}/extended-properties" xmlns:vt="{office}/docPropsVTypes">'
        "<Application>Microsoft Excel</Application><DocSecurity>0</DocSecurity><ScaleCrop>false</ScaleCrop>"
        f'<HeadingPairs><vt:vector size="4" baseType="variant">{counts}</vt:vector></HeadingPairs>'
        f'<TitlesOfParts><vt:vector size="{2 * count}" baseType="lpstr">{listed}</vt:vector></TitlesOfParts>'
        "<Company></Company><LinksUpToDate>false</LinksUpToDate><SharedDoc>false</SharedDoc>"
        "<HyperlinksChanged>false</HyperlinksChanged><AppVersion>12.0000</AppVersion></Properties>"
    )


def workbook_problems(bundle: Bundle, most: int = SHEET_ROWS) -> Iterator[str]:
    """The first byte of the workbook that is not as ``kpi.json`` and the CSV files make it."""
    with tempfile.TemporaryFile() as file:
        for piece in bundle.pieces("workbook.xlsx"):
            file.write(piece)
        file.seek(0)
        try:
            sheets = [sheet for table in tables_of(bundle) for sheet in table.sheets(most)]
            yield from islice(book_problems(file, book_parts(bundle.kpi, sheets), sheets), 1)
        except WRONG_SHAPE as error:
            what = type(error).__name__
            yield f"workbook.xlsx: it cannot be made again from what lies beside it ({what})"


def book_problems(file: IO[bytes], parts: Iterable[Part], sheets: list[Sheet]) -> Iterator[str]:
    """What differs from a zip of these parts, all of them stored; what follows the first is of no use."""
    directory, count = b"", 0
    for count, (name, pieces) in enumerate(parts, start=1):  # noqa: B007  (used behind the loop)
        raw, offset = name.encode("ascii"), file.tell()
        head = file.read(LOCAL.size + len(raw))
        if head[LOCAL.size :] != raw:
            yield f"workbook.xlsx byte {offset}: {name} does not stand here"
        size, crc = 0, 0
        for where, piece in pinned(file, *pieces) if isinstance(pieces, tuple) else pieces:
            have = file.read(len(piece))
            if have != piece:
                yield f"workbook.xlsx: {place_in(name, sheets)} {where}{cell_at(have, piece)}"
            size, crc = size + len(piece), zlib.crc32(piece, crc)
        sizes = (crc, size, size, len(raw))
        if head != LOCAL.pack(b"PK\x03\x04", *HEAD, *sizes, 0) + raw:
            yield f"workbook.xlsx byte {offset}: the header of {name} is not as its content makes it"
        central = CENTRAL.pack(b"PK\x01\x02", 0x0314, *HEAD, *sizes, 0, 0, 0, 0, 0o100644 << 16, offset)
        directory += central + raw
    at = file.tell()
    end = END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), at, 0)
    if file.read(len(directory) + len(end) + 1) != directory + end:
        yield f"workbook.xlsx byte {at} or later: not the directory that its parts make"


def pinned(file: IO[bytes], size: int, sha256: str) -> list[Piece]:
    """A part that is the same in every workbook; what stands there, if it has the hash."""
    at = file.tell()
    have = file.read(size)
    file.seek(at)
    return [("its text", have if hashlib.sha256(have).hexdigest() == sha256 else b" " * size)]


def place_in(name: str, sheets: list[Sheet]) -> str:
    number = re.search("sheet([0-9]+)", name)
    return f"sheet {sheets[int(number[1]) - 1].name}" if number else name


def cell_at(have: bytes, want: bytes) -> str:
    """In which column a row differs, and how."""
    at = first_unlike(have, want)
    cells = list(re.finditer(rb'<c r="([A-Z]+)[0-9]+".*?</c>', want))
    found = next((one for one in cells if at < one.end()), None)
    if found is None:
        return f": {brief(text_of(have[at : at + 60]))}, derived {brief(text_of(want[at : at + 60]))}"
    stands, derived = text_of(have[found.start() : found.end() + 8]), text_of(found[0])
    return f" column {text_of(found[1])}: {brief(stands)}, derived {brief(derived)}"


def column_letters(number: int) -> str:
    """``A`` for 0, ``AA`` for 26."""
    return (column_letters(number // 26 - 1) if number >= 26 else "") + chr(65 + number % 26)


def check_bounds(period: dict[str, Any], report: Report) -> None:
    """The bounds of the week; on a machine without time zones it is said that they were not checked."""
    notes: list[str] = []
    problems = list(period_problems(period, notes))
    for note in notes:
        report.say("note", f"manifest.json: {note}")
    if not notes:
        report.line("manifest.json: the week's bounds", lambda: problems)


def derive(bundle: Bundle, period: dict[str, Any], report: Report) -> None:
    """Check the timelines, and everything that follows from them."""
    check_bounds(period, report)
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
    for name, rows in derivation.evidence.items():
        report.line(f"{name}: {rows.number} rows, each as derived", rows.rest)
    report.line("controls.csv: each row as derived", derivation.controls_csv)
    weeks = bundle.baseline.get("weeks")
    count = len(weeks) if isinstance(weeks, dict) else 0
    report.line(f"baseline.json: {count} weeks before, as they can be", lambda: derivation.weeks.problems)
    report.line("kpi.json: definitions", lambda: definition_problems(bundle))
    report.line("kpi.json: definitions, word for word", lambda: words_problems(bundle))
    if "kpi.json" not in bundle.unread:
        what = f"kpi.json: {len(KPIS)} KPIs and the controls, as derived"
        report.line(what, lambda: kpi_problems(bundle, period, derivation, report))
        for note in derivation.undone():
            report.say("note", note)
        made_for_people(bundle, report)


def kpi_problems(
    bundle: Bundle, period: dict[str, Any], derivation: Derivation, report: Report
) -> Iterator[str]:
    """Where ``kpi.json`` is not as derived; a control that does not hold is said."""
    source = bundle.manifest.get("targets") if "manifest.json" not in bundle.altered else None
    targets = source if isinstance(source, dict) else targets_in(bundle.kpi)
    numbers = {name: target for name, target in targets.items() if type(target) is int}
    kpis = bundle.kpi.get("kpis")
    want = derivation.kpi(period, kpis if isinstance(kpis, dict) else {}, numbers)
    for name, control in want["controls"].items():
        if not control["holds"]:
            report.say("note", f"control {name} does not hold: {json.dumps(control)}")
    yield from json_problems("kpi.json", bundle.whole("kpi.json"), want)


@dataclass
class Asked:
    """What the command line asks for beside the bundle."""

    texts: Path | None = None
    sample: int = 0
    key: Path | None = None
    signature: Path | None = None


SIGNATURE = "manifest.sig"
EC_KEY = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""How a public key on P-256 begins in DER; its two coordinates follow, of 32 bytes each."""
LARGEST_SIGNATURE = 1 << 16
NOT_HELD = "NOT held against its key: the package cryptography is missing; all else was checked"


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def bytes_in(text: object, size: int) -> bytes:
    """The bytes that a text stands for, written in the one form there is. Raises ValueError."""
    if isinstance(text, str) and text.isascii():
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(raw) == size and base64url(raw) == text:
            return raw
    raise ValueError(f"{brief(text)} does not stand for {size} bytes")


def jwk_at(point: bytes) -> dict[str, str]:
    """The public key whose coordinates these are, named by its thumbprint (RFC 7638)."""
    needed = {"crv": "P-256", "kty": "EC", "x": base64url(point[:32]), "y": base64url(point[32:])}
    thumbprint = base64url(hashlib.sha256(compact(needed)).digest())
    return {**needed, "alg": "ES256", "use": "sig", "kid": thumbprint}


def keys_in(path: Path) -> dict[str, bytes]:
    """The keys that an auditor pinned, by thumbprint: PEM, a JWK or a set of them. Raises Unreadable."""
    raw, found = path.read_bytes(), list[bytes]()
    try:
        blocks = re.findall(rb"-----BEGIN PUBLIC KEY-----(.*?)-----END PUBLIC KEY-----", raw, re.DOTALL)
        for der in (base64.b64decode(block) for block in blocks):
            if der.startswith(EC_KEY) and len(der) == len(EC_KEY) + 64:
                found.append(der[len(EC_KEY) :])
        said = {} if blocks else json.loads(raw)
        for jwk in said.get("keys", [said]) if isinstance(said, dict) else []:
            if isinstance(jwk, dict) and (jwk.get("kty"), jwk.get("crv")) == ("EC", "P-256"):
                found.append(bytes_in(jwk.get("x"), 32) + bytes_in(jwk.get("y"), 32))
    except (ValueError, TypeError, RecursionError) as error:
        raise Unreadable(f"{path}: no key ({error})") from None
    if not found:
        raise Unreadable(f"{path} has no public key on P-256: neither as PEM, nor as a JWK or a set of them")
    return {jwk_at(point)["kid"]: point for point in found}


def holds_for(point: bytes, value: bytes, content: bytes) -> bool | None:
    """Whether the key made the signature; None without the package cryptography. Raises ValueError."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, utils
    except ImportError:
        return None
    x, y, r, s = (int.from_bytes(half, "big") for half in (point[:32], point[32:], value[:32], value[32:]))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    try:
        key.verify(utils.encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def check_signature(bundle: Bundle, asked: Asked, report: Report) -> None:
    """Whether the manifest is signed, and by whom. Raises Unreadable where a pinned key is asked in vain."""
    folder = bundle.path if bundle.path.is_dir() else bundle.path.parent
    path, pinned = asked.signature or folder / SIGNATURE, keys_in(asked.key) if asked.key else None
    if asked.signature is None and not path.is_file():
        if pinned is not None:
            raise Unreadable(f"{path} is not there, so nothing can be held against the key that you pinned")
        report.say("note", f"{SIGNATURE}: not given; nothing here proves who made the bundle")
        return
    with path.open("rb") as file:
        raw = file.read(LARGEST_SIGNATURE)
    notes: list[str] = []
    problems = list(signature_problems(raw, bundle.whole("manifest.json"), pinned, notes))
    if NOT_HELD in notes:
        report.line(f"{SIGNATURE}: names this manifest.json, which proves nothing", lambda: problems, "note")
    else:
        report.line(f"{SIGNATURE}: signs this manifest.json", lambda: problems)
    for note in notes:
        report.say("note", f"{SIGNATURE}: {note}")


def signature_problems(
    raw: bytes, content: bytes, pinned: dict[str, bytes] | None, notes: list[str]
) -> Iterator[str]:
    """What is wrong with a signature of ``content``; ``notes`` says whose it is."""
    try:
        said = read_strictly(raw)
        point = bytes_in(said["jwk"]["x"], 32) + bytes_in(said["jwk"]["y"], 32)
        value = bytes_in(said["signature"], 64)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        yield f"{SIGNATURE}: no signature ({type(error).__name__}: {error})"
        return
    thumbprint = jwk_at(point)["kid"]
    want = {
        "format": 1,
        "algorithm": "ES256",
        "key_id": thumbprint,
        "jwk": jwk_at(point),
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
        "signature": said["signature"],
    }
    if raw != pretty(want):
        yield from json_problems(SIGNATURE, raw, want)
    try:
        made = holds_for(point, value, content)
    except ValueError as error:
        yield f"{SIGNATURE}: jwk is no point of the curve ({error})"
        return
    if made is None and pinned is not None:
        raise Unreadable("the signature cannot be held against your key: the package cryptography is missing")
    if made is None:
        notes.append(NOT_HELD)
    if made is False:
        yield f"{SIGNATURE}: the signature is not one of manifest.json by its key"
    yield from signer_problems(thumbprint, pinned, notes)


def signer_problems(thumbprint: str, pinned: dict[str, bytes] | None, notes: list[str]) -> Iterator[str]:
    """Whether the key is one that the auditor pinned."""
    if pinned is None:
        notes.append(f"by a key you have not pinned: thumbprint {thumbprint}; --key pins one")
    elif thumbprint in pinned:
        notes.append(f"by a key that you pinned: thumbprint {thumbprint}")
    else:
        yield f"{SIGNATURE}: by a key that is none of those you pinned: thumbprint {thumbprint}"


BAD_ZIP = (zipfile.BadZipFile, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError)
"""What Python's zipfile raises where the bytes make no sense."""


class Evidence:
    """What the timelines of a bundle hold for samples and texts; read once more, and only when asked for."""

    def __init__(self, bundle: Bundle, sampled: Iterable[str]) -> None:
        self.events: dict[str, list[Event]] = {subject: [] for subject in sampled}
        self.leaves: dict[str, bytes] = {}
        """By subject the line that the Merkle tree has of it: subject, length and head hash."""
        self.expected: dict[tuple[str, int], str] = {}
        """By subject and number the hash that an event names of its text."""
        self.people: set[str] = set()
        self.texts: dict[tuple[str, int], str] = {}
        self.names: dict[str, str] = {}
        for line in lines_of(bundle.pieces("timeline.jsonl")):
            try:
                self._take(parsed(line))
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # its check has said so

    def _take(self, event: Event) -> None:
        subject = event["subject"]
        self.leaves[subject] = f"{subject} {event['seq']} {event['hash']}".encode("utf-8", "replace")
        if subject in self.events:
            self.events[subject].append(event)
        if isinstance(event["data"].get("text_sha256"), str):
            self.expected[subject, event["seq"]] = event["data"]["text_sha256"]
        if event["actor"].startswith("person:"):
            self.people.add(event["actor"][len("person:") :])


def texts_problems(path: Path, evidence: Evidence, notes: list[str]) -> Iterator[str]:
    """Texts that are not those whose hashes stand in the timelines, by line. Raises Unreadable."""
    try:
        with zipfile.ZipFile(path) as given:
            members = [(one.filename, one.compress_type) for one in given.infolist()]
            if members != [("texts.jsonl", 0), ("people.jsonl", 0)]:
                raise Unreadable(f"{path} does not hold texts.jsonl and people.jsonl, stored, in this order")
            with given.open("texts.jsonl") as file:
                held = yield from text_lines(file, evidence)
            with given.open("people.jsonl") as file:
                yield from people_lines(file, evidence)
    except BAD_ZIP as why:
        raise Unreadable(f"{path} is no zip that can be read ({why})") from None
    without, nameless = len(set(evidence.expected) - held), len(evidence.people - set(evidence.names))
    notes.append(f"{len(held)} texts of {len(evidence.expected)} given; erased or not included: {without}")
    named = f"{len(evidence.names)} names of {len(evidence.people)} people given; erased or not included"
    notes.append(f"{named}: {nameless}. No hash covers a name: it is what the sender says")


def text_lines(file: IO[bytes], evidence: Evidence) -> Generator[str, None, set[tuple[str, int]]]:
    """Hold each line of ``texts.jsonl`` against its event; what was given."""
    held: set[tuple[str, int]] = set()
    for number, line in enumerate(file, start=1):
        place = f"texts.jsonl line {number}"
        said = strings_in(line, ("subject", "salt", "text"), ("seq",))
        if said is None:
            yield f"{place}: not an object of subject, seq, salt and text"
            continue
        key = (said["subject"], said["seq"])
        want, named = evidence.expected.get(key), f"{said['subject']} event {said['seq']}"
        salted = f"{said['salt']}\n{said['text']}".encode("utf-8", "surrogatepass")
        if want is None:
            yield f"{place}: {named} names no text"
        elif key in held:
            yield f"{place}: {named} has its text twice"
        elif hashlib.sha256(salted).hexdigest() != want:
            yield f"{place}: {named}: the text is not the one whose text_sha256 the event names"
        held.add(key)
        if said["subject"] in evidence.events:
            evidence.texts[key] = said["text"]
    return held & set(evidence.expected)


def people_lines(file: IO[bytes], evidence: Evidence) -> Iterator[str]:
    """Take the names of ``people.jsonl``; those of nobody who acts in this bundle."""
    for number, line in enumerate(file, start=1):
        said = strings_in(line, ("person", "name"))
        if said is None:
            yield f"people.jsonl line {number}: not an object of person and name"
        elif said["person"] not in evidence.people:
            yield f"people.jsonl line {number}: no event names {brief(said['person'])}"
        elif said["person"] in evidence.names:
            yield f"people.jsonl line {number}: {said['person']} is named twice"
        else:
            evidence.names[said["person"]] = said["name"]


def strings_in(line: bytes, texts: tuple[str, ...], numbers: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """A line's object, if it has these texts and numbers and nothing else."""
    try:
        said = read_strictly(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or set(said) != {*texts, *numbers}:
        return None
    kinds = {**dict.fromkeys(texts, str), **dict.fromkeys(numbers, int)}
    return said if all(type(said[key]) is kind for key, kind in kinds.items()) else None


def drawn(bundle: Bundle, count: int) -> list[tuple[str, str]]:
    """The first ``count`` incidents by SHA-256 of manifest.json's hash, a newline and their id; with it.

    Neither who made the bundle nor who checks it can choose them without changing the manifest.
    """
    seed = bundle.measures["manifest.json"].sha256
    rows = [cells_of(line) for line in lines_of(bundle.pieces("incidents.csv"))]
    ids = {row[0] for row in rows[1:] if row}
    order = {one: hashlib.sha256(f"{seed}\n{one}".encode("utf-8", "replace")).hexdigest() for one in ids}
    return sorted((order[one], one) for one in ids)[:count]


def look_closer(bundle: Bundle, asked: Asked, report: Report) -> None:
    """Texts, if they are given, and the sample, if one is asked for."""
    chosen_ones = drawn(bundle, asked.sample) if asked.sample else []
    if not chosen_ones and asked.texts is None:
        return
    evidence, notes = Evidence(bundle, [subject for _, subject in chosen_ones]), list[str]()
    if asked.texts is not None:
        path, what = asked.texts, "texts: each is the one whose hash stands in its event"
        report.line(what, lambda: texts_problems(path, evidence, notes))
    for note in notes:
        report.say("note", f"texts: {note}")
    if asked.sample:
        formula = "the first by SHA-256 of: hash of manifest.json, newline, id"
        report.say("", f"sample: {len(chosen_ones)} of {bundle.incidents} incidents; {formula}")
    for number, (rank, subject) in enumerate(chosen_ones, start=1):
        report.say("", f"=== {number}. {subject} (drawn by {rank})")
        show(bundle, subject, evidence, asked.texts is not None, report)


def show(bundle: Bundle, subject: str, evidence: Evidence, with_texts: bool, report: Report) -> None:
    """Everything that the bundle holds of one incident."""
    for name in (one for one in MEMBERS if one.endswith(".csv")):
        columns: list[str] = []
        for number, line in enumerate(lines_of(bundle.pieces(name))):
            cells = cells_of(line)
            if number and subject in cells:
                told = "; ".join(f"{column}={cell}" for column, cell in zip(columns, cells))  # noqa: B905
                report.say("", f"  {name} row {number}: {told}")
            columns = columns or cells
    for event in evidence.events[subject]:
        who = event["actor"]
        name = evidence.names.get(who[len("person:") :], "no name given") if who.startswith("person:") else ""
        known = f" ({name})" if name and with_texts else ""
        report.say("", f"  event {event['seq']} {event['recorded_at']} {event['type']} by {who}{known}")
        report.say("", f"    occurred {event['occurred_at']}; {text_of(compact(event['data']))}")
        report.say("", f"    hash {event['hash']}")
        if with_texts and (subject, event["seq"]) in evidence.expected:
            said = evidence.texts.get((subject, event["seq"]))
            report.say("", f"    text: {'erased or not included' if said is None else said}")
    what = f"{subject}: its timeline is under the Merkle root"
    report.line(what, lambda: inclusion_problems(bundle, subject, evidence, report))


def inclusion_problems(bundle: Bundle, subject: str, evidence: Evidence, report: Report) -> Iterator[str]:
    """Walk from a timeline's leaf to the root in the manifest (RFC 6962), and say each step."""
    subjects = sorted(evidence.leaves)
    if subject not in evidence.leaves:
        yield f"timeline.jsonl: {subject}: no timeline, though incidents.csv has it"
        return
    leaves = [hashlib.sha256(b"\0" + evidence.leaves[one]).digest() for one in subjects]
    digest = leaves[subjects.index(subject)]
    report.say("", f"  leaf {digest.hex()} of: {text_of(evidence.leaves[subject])}")
    for side, other in way_up(leaves, subjects.index(subject)):
        digest = hashlib.sha256(b"\1" + (other + digest if side == "left" else digest + other)).digest()
        report.say("", f"  with {other.hex()} on its {side}: {digest.hex()}")
    if bundle.manifest.get("merkle_root") != digest.hex():
        stands, way = brief(bundle.manifest.get("merkle_root")), f"the way from {subject} leads to"
        yield f"manifest.json: merkle_root: {stands} stands there, {way} {digest.hex()!r}"


def way_up(leaves: list[bytes], at: int) -> list[tuple[str, bytes]]:
    """The sides and hashes of the halves that a leaf has to be joined with, from the leaf up."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if at < half:
        return [*way_up(leaves[:half], at), ("right", top_of(leaves[half:]))]
    return [*way_up(leaves[half:], at - half), ("left", top_of(leaves[:half]))]


def top_of(leaves: list[bytes]) -> bytes:
    """The hash at the top of a tree; the left half is the largest power of two below its size."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + top_of(leaves[:half]) + top_of(leaves[half:])).digest()


def told_as_json(name: str | None, code: int, report: Report, error: str | None = None) -> str:
    """The outcome for programs: ``holds`` is null where nothing could be read."""
    problems = [dict(zip(("place", "what"), one.split(": ", 1))) for one in report.failures]  # noqa: B905
    checks = [{"word": word, "text": text} for word, text in report.said]
    outcome = {"bundle": name, "exit_code": code, "holds": {0: True, 1: False}.get(code), "error": error}
    return json.dumps({**outcome, "problems": problems, "checks": checks}, indent=1)


def from_1(text: str) -> int:
    """A count on the command line."""
    if not re.fullmatch("0*[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"{brief(text)} is no count: a whole number from 1")
    return int(text)


def reader() -> argparse.ArgumentParser:
    """What the command line may say."""
    parser = argparse.ArgumentParser(prog="verify", description="Check a weekly export, offline.")
    say = parser.add_argument
    say("bundle", type=Path, help="bundle.zip, or a folder with its members")
    say("previous", type=Path, nargs="*", help="earlier bundles, or their manifest.json")
    say("--texts", type=Path, metavar="T", help="texts.zip: hold each text against its event")
    say("--sample", type=from_1, default=0, metavar="N", help="draw N incidents and print all of each")
    say("--key", type=Path, metavar="FILE", help="public keys of which one must have signed: PEM, JWK, JWKS")
    say("--signature", type=Path, metavar="FILE", help=f"default: {SIGNATURE} beside the bundle")
    say("--json", action="store_true", help="print the outcome as one JSON object")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; the exit code."""
    options = reader().parse_intermixed_args(arguments)
    report = Report(silent=options.json)
    asked = Asked(options.texts, options.sample, options.key, options.signature)
    try:
        name = verify(options.bundle, options.previous, report, asked)
    except (Unreadable, OSError) as error:
        print(on_terminal(f"cannot read: {error}", sys.stderr), file=sys.stderr)
        if options.json:
            print(told_as_json(None, 2, report, str(error)))
        return 2
    code = 1 if report.failures else 0
    if options.json:
        print(told_as_json(name, code, report))
        return code
    print("\n" + on_terminal(f"{'does not hold' if code else 'verified'}: {name}", sys.stdout))
    for problem in list(report.failures):
        report.say("", problem)
    return code


if __name__ == "__main__":
    sys.exit(main())
