"""The weekly export: read the week's timelines once, compile the bundle, put it where it stays for good."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.domain.errors import Conflict, Fault, InvalidInput, NotFound
from shared.domain.plan import Plan
from shared.domain.week import week_after, week_before, week_bounds, week_of
from shared.kpi import audit_csv, drills_csv, incidents_csv, kpi_json, manifest, shelf, timeline_jsonl
from shared.kpi.bundle import NAME as ZIP
from shared.kpi.bundle import Spool, same_bytes, spooled, zipped
from shared.kpi.definitions import TARGETS
from shared.kpi.facts import account_of
from shared.kpi.figures import Tally
from shared.kpi.manifest import Heads, Period
from shared.kpi.shelf import Bundle
from shared.ports import Exports, Timelines

SETTLE = timedelta(minutes=15)
"""How long after a week's end the timer lets it rest, so that writes on their way have landed."""

_PROVISIONAL = re.compile(r"provisional-[0-9]{8}T[0-9]{12}Z")

Progress = Callable[[int, int], None]
"""Told after each subject: how many are done, of how many."""


@dataclass(frozen=True)
class Compiled:
    """The bundle that answers a request, and whether it was made for it or stood there with equal content."""

    bundle: Bundle
    made: bool


def compile_week(
    plan: Plan,
    week: str,
    timelines: Timelines,
    exports: Exports,
    code_version: str,
    now: datetime,
    progress: Progress = lambda *_: None,
) -> Compiled:
    """Compile one week of a plan.

    A week that is over yields its revision 1, the revision that exists if the content is equal, or a
    restatement; a week not over yields a provisional bundle of what was recorded before ``now``. What a crash
    left half-written is completed if the bytes agree and passed over otherwise. Raises InvalidInput for what
    is no week or has not begun, Conflict where two provisional bundles of one instant differ, and
    StoreUnavailable.
    """
    bundles = list_bundles(plan.name, exports)
    stated = _stated(shelf.latest(bundles, week), exports)
    targets = stated["targets"] if stated else _targets(plan)
    period = _period(plan.name, week, stated["timezone"] if stated else plan.rules.timezone, now)
    subjects = sorted(
        {*timelines.subjects(plan.name, week), *_left_open(shelf.before(bundles, week), exports)}
    )
    with TemporaryDirectory(prefix="tocsin-export-") as folder:
        files, content = _compile(Path(folder), period, targets, subjects, timelines, progress)
        parts = _Parts(Path(folder), files, content, code_version)
        if period.provisional:
            return _keep_provisional(parts, shelf.provisional(plan.name, week, now), exports)
        return _keep(parts, plan.name, week, exports)


def list_bundles(plan: str, exports: Exports) -> list[Bundle]:
    """The complete bundles of a plan, by week and revision; provisional ones are not listed."""
    return shelf.complete(exports.names(f"{plan}/"))


def find_bundle(plan: str, week: str, exports: Exports, label: str | None = None) -> Bundle:
    """The last revision of a week, or the one of that label (``r1``, ``provisional-…``). Raises NotFound."""
    if label is not None and _PROVISIONAL.fullmatch(label):
        bundle = Bundle(plan, week, None, label)
        if bundle.blob(manifest.SUMS) in exports.names(bundle.blob("")):
            return bundle
    elif "/" not in week:
        bundles = shelf.complete(exports.names(f"{plan}/{week}/"))
        found = shelf.latest((one for one in bundles if label in (None, one.label)), week)
        if found is not None:
            return found
    raise NotFound(f"no export of {week}" + (f" labelled {label}" if label else ""))


def read_manifest(bundle: Bundle, exports: Exports) -> dict[str, Any]:
    """The bundle's manifest. Raises NotFound."""
    shown: dict[str, Any] = json.loads(exports.read(bundle.blob(manifest.NAME)))
    return shown


def open_file(bundle: Bundle, file: str, exports: Exports) -> Iterator[bytes]:
    """One file of a bundle, ``bundle.zip`` among them, in pieces. Raises NotFound at once."""
    if file not in shelf.FILES:
        raise NotFound(f"an export has no file {file}; it has {', '.join(shelf.FILES)}")
    return exports.stream(bundle.blob(file))


def owed_weeks(plan: Plan, exports: Exports, now: datetime) -> list[str]:
    """The weeks that the timer has to compile, earliest first: since the last bundle, or the last week."""
    last = week_before(week_of(now - SETTLE, plan.rules.timezone))
    bundles = list_bundles(plan.name, exports)
    week = week_after(bundles[-1].week) if bundles else last
    owed = []
    while week <= last:
        owed.append(week)
        week = week_after(week)
    return owed


@dataclass(frozen=True)
class _Parts:
    """A compiled bundle on disk, still without its place in the chain."""

    folder: Path
    files: list[Spool]
    content: dict[str, Any]
    code_version: str

    def blobs(
        self,
        revision: int | None = None,
        restates: Mapping[str, Any] | None = None,
        previous: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[str, Callable[[], Iterable[bytes]]]]:
        """Every file in the order of writing, each with what makes its bytes, as often as need be."""
        whole = manifest.with_place(self.content, self.code_version, revision, restates, previous)
        listed = spooled(self.folder, manifest.NAME, kpi_json.pretty(whole))
        sums = spooled(self.folder, manifest.SUMS, manifest.sums([*self.files, listed]))
        members = [*self.files, listed, sums]
        yield from ((file.name, file.pieces) for file in self.files)
        yield ZIP, lambda: zipped(members)
        yield from ((file.name, file.pieces) for file in (listed, sums))


def _period(plan: str, week: str, timezone: str, now: datetime) -> Period:
    try:
        start, end = week_bounds(week, timezone)
    except ValueError as error:
        raise InvalidInput("export", [Fault("week", str(error))]) from None
    if now <= start:
        raise InvalidInput("export", [Fault("week", f"{week} has not begun")])
    return Period(plan, week, timezone, start, end, min(now, end))


def _targets(plan: Plan) -> dict[str, int]:
    return {name: target for name, target in plan.targets.items() if name in TARGETS}


def _stated(bundle: Bundle | None, exports: Exports) -> dict[str, Any] | None:
    """The manifest of a week's last revision: its time zone and targets hold for every later one."""
    return None if bundle is None else read_manifest(bundle, exports)


def _left_open(before: Bundle | None, exports: Exports) -> set[str]:
    """What the bundle before left with something to come: it is of this week even without an event in it."""
    if before is None:
        return set()
    held = {file["name"] for file in read_manifest(before, exports)["files"]}
    names = held & {incidents_csv.NAME, drills_csv.NAME}
    return {one for name in names for one in incidents_csv.open_in(exports.stream(before.blob(name)))}


def _compile(
    folder: Path,
    period: Period,
    targets: Mapping[str, int],
    subjects: Sequence[str],
    timelines: Timelines,
    progress: Progress,
) -> tuple[list[Spool], dict[str, Any]]:
    tally, heads, ids = Tally(), Heads(), audit_csv.AuditRows()
    timeline, incidents, drills, audit = (
        Spool(folder, module.NAME) for module in (timeline_jsonl, incidents_csv, drills_csv, audit_csv)
    )
    incidents.write(incidents_csv.header())
    drills.write(drills_csv.header())
    audit.write(audit_csv.header())
    for done, subject in enumerate(subjects, start=1):
        lines = timeline_jsonl.TimelineLines(period.start, period.as_of, timeline.write)
        events = lines.passing(timelines.events(subject))
        account = account_of(subject, events, period.start, period.as_of)
        if account is not None:
            lines.keep()
            incidents.write(incidents_csv.row(account))
            drills.write(drills_csv.row(account))
            audit.write(b"".join(ids.of(account)))
            tally.add(account)
            heads.add(account)
        progress(done, len(subjects))
    for spool in (timeline, incidents, drills, audit):
        spool.close()
    figures = spooled(folder, kpi_json.NAME, kpi_json.render(period.shown(), tally, targets))
    rows = {spool.name: spool.lines - 1 for spool in (incidents, drills, audit)}
    rows[timeline.name] = timeline.lines
    files = [figures, incidents, drills, audit, timeline]
    return files, manifest.content_of(period, heads, targets, files, rows)


def _keep(parts: _Parts, plan: str, week: str, exports: Exports) -> Compiled:
    """Write the first revision whose blobs no other bytes have taken, unless one has this content."""
    number = 0
    while True:
        bundles = list_bundles(plan, exports)
        latest = shelf.latest(bundles, week)
        stated = _stated(latest, exports)
        if latest and stated and stated["content_sha256"] == parts.content["content_sha256"]:
            return Compiled(latest, made=False)
        number = max(number, (latest and latest.revision) or 0) + 1
        before = shelf.before(bundles, week)
        bundle = shelf.revision(plan, week, number)
        if _write(bundle, parts.blobs(number, _link(latest, exports), _link(before, exports)), exports):
            return Compiled(bundle, made=True)


def _keep_provisional(parts: _Parts, bundle: Bundle, exports: Exports) -> Compiled:
    if not _write(bundle, parts.blobs(), exports):
        raise Conflict(f"another provisional export of {bundle.week} was made at this very instant")
    return Compiled(bundle, made=True)


def _write(
    bundle: Bundle, blobs: Iterable[tuple[str, Callable[[], Iterable[bytes]]]], exports: Exports
) -> bool:
    """Write what is not there yet; False where other bytes stand in a blob's place."""
    for file, pieces in blobs:
        try:
            exports.write(bundle.blob(file), pieces())
        except Conflict:
            if not same_bytes(exports.stream(bundle.blob(file)), pieces()):
                return False
    return True


def _link(bundle: Bundle | None, exports: Exports) -> dict[str, Any] | None:
    """How a manifest names another bundle."""
    if bundle is None:
        return None
    sha256 = hashlib.sha256(exports.read(bundle.blob(manifest.NAME))).hexdigest()
    return {"week": bundle.week, "revision": bundle.revision, "manifest_sha256": sha256}
