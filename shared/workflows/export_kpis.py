"""The weekly export: read the week's timelines once, compile the bundle, put it where it stays for good."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.domain.errors import Conflict, Fault, InvalidInput, NotFound
from shared.domain.plan import Plan
from shared.domain.week import week_before, week_bounds, week_of
from shared.export_ports import Exports, Timelines
from shared.kpi import drills_csv, incidents_csv, kpi_json, manifest, shelf
from shared.kpi.bundle import NAME as ZIP
from shared.kpi.bundle import Spool, same_bytes, spooled, zipped
from shared.kpi.compilation import Compilation, Progress
from shared.kpi.definitions import TARGETS
from shared.kpi.manifest import Period
from shared.kpi.shelf import Bundle
from shared.workflows.read_ahead import read_ahead

SETTLE = timedelta(minutes=15)
"""How long after a week's end the timer lets it rest, so that writes on their way have landed."""
AGAIN = timedelta(hours=24)
"""How long after a week's end the timer looks at its bundle once more, for facts that came late."""
LOOKED_AT = 2
"""Weeks with a bundle, the last ones, that the timer looks at once more."""

_PROVISIONAL = re.compile(r"provisional-[0-9]{8}T[0-9]{12}Z")

LOOKED_BACK = 26
"""Weeks in which the timer fills holes; what is older takes an Admin."""
EARLIEST = timedelta(days=3660)
"""No week so long ago is compiled: whoever asks for one has mistyped the year."""
MOST_TRIES = 5

Sign = Callable[[Bundle, bytes, Exports], bool]
"""Given a bundle's ``manifest.json``: signs it, or finds it signed. False where another signature stands."""
Guard = Callable[[str], None]
"""Raises Refused where a week may not be compiled (any more); asked once its timelines have been read."""


@dataclass(frozen=True)
class Compiled:
    """The bundle that answers a request, and whether it was made for it or stood there with equal content."""

    bundle: Bundle
    made: bool
    followers: tuple[Bundle, ...] = ()
    """What else was made: mostly restatements of later weeks, because they follow it."""


def compile_week(
    plan: Plan,
    week: str,
    timelines: Timelines,
    exports: Exports,
    code_version: str,
    now: datetime,
    progress: Progress = lambda *_: None,
    sign: Sign = lambda *_: True,
    guard: Guard = lambda _: None,
) -> Compiled:
    """Compile one week of a plan, and again every later one that does not follow the last revision before it.

    A week that is over yields its revision 1, the revision that exists if the content is equal, or a
    restatement; a week not over yields a provisional bundle of what was recorded before ``now``. What a crash
    left half-written is completed if the bytes agree and passed over otherwise. Raises InvalidInput for what
    is no week or has not begun, Conflict where two provisional bundles of one instant differ or others keep
    restating it, what ``guard`` raises, and StoreUnavailable.
    """
    compiler = _Compiler(plan, timelines, exports, code_version, now, sign, guard)
    answer = compiler.compile(week, progress)
    if answer.bundle.revision is None:
        return answer
    for stray in compiler.compile_strays(week, progress):
        if stray.week == week:  # the week before was restated meanwhile
            answer = Compiled(stray, True, (answer.bundle,) if answer.made else ())
        else:
            answer = replace(answer, followers=(*answer.followers, stray))
    return answer


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


def owed_weeks(plan: Plan, exports: Exports, now: datetime) -> list[str]:
    """The weeks that the timer has to compile, earliest first: those without a bundle since the first one.

    Without any bundle it is the last week alone; and never more than the last `LOOKED_BACK`.
    """
    last = week_before(week_of(now - SETTLE, plan.rules.timezone))
    have = {bundle.week for bundle in list_bundles(plan.name, exports)}
    first = min(have, default=last)
    weeks = [last]
    while len(weeks) < LOOKED_BACK and weeks[-1] > first:
        weeks.append(week_before(weeks[-1]))
    return [week for week in reversed(weeks) if week >= first and week not in have]


def astray(plan: str, exports: Exports) -> str | None:
    """The earliest of the last weeks whose bundle does not follow the last revision before it, if any."""
    bundles = list_bundles(plan, exports)
    for week in sorted({bundle.week for bundle in bundles})[-LOOKED_BACK:]:
        bundle, before = shelf.latest(bundles, week), shelf.before(bundles, week)
        if bundle and read_manifest(bundle, exports)["previous"] != link_to(before, exports):
            return week
    return None


def weeks_to_check(plan: Plan, exports: Exports, now: datetime) -> list[str]:
    """The weeks whose bundle the timer has to compile once more, before those that are owed; earliest first.

    Of the last `LOOKED_AT` weeks with a bundle, those over for `AGAIN` and not yet looked at.
    """
    names = exports.names(f"{plan.name}/")
    bundles = shelf.complete(names)
    weeks = sorted({bundle.week for bundle in bundles})[-LOOKED_AT:]
    checked = {tuple(name.split("/")[:2]) for name in names if name.endswith(f".{shelf.CHECKED}")}
    return [
        week
        for week in weeks
        if (plan.name, week) not in checked and week_bounds(week, plan.rules.timezone)[1] + AGAIN <= now
    ]


def write_once(exports: Exports, name: str, content: bytes = b"") -> None:
    """Put a marker beside a bundle; one that stands there stays."""
    with contextlib.suppress(Conflict):
        exports.write(name, [content])


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


def period_of(plan: str, week: str, timezone: str, now: datetime) -> Period:
    """The week as it is exported at ``now``. Raises InvalidInput for what is no week or has not begun."""
    try:
        start, end = week_bounds(week, timezone)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("export", [Fault("week", str(error))]) from None
    if now - start > EARLIEST:
        raise InvalidInput("export", [Fault("week", f"{week} is more than ten years ago")])
    if now <= start:
        raise InvalidInput("export", [Fault("week", f"{week} has not begun")])
    return Period(plan, week, timezone, start, end, min(now, end))


def _targets(plan: Plan) -> dict[str, int]:
    return {name: target for name, target in plan.targets.items() if name in TARGETS}


def left_open(before: Bundle | None, exports: Exports) -> set[str]:
    """What the bundle before left with something to come: it is of this week even without an event in it."""
    if before is None:
        return set()
    held = {file["name"] for file in read_manifest(before, exports)["files"]}
    names = held & {incidents_csv.NAME, drills_csv.NAME}
    return {one for name in names for one in incidents_csv.open_in(exports.stream(before.blob(name)))}


@dataclass(frozen=True)
class _Compiler:
    """Compiles weeks of one plan."""

    plan: Plan
    timelines: Timelines
    exports: Exports
    code_version: str
    now: datetime
    sign: Sign
    guard: Guard

    def compile(self, week: str, progress: Progress) -> Compiled:
        """One week, and nothing else; read again where somebody else has restated it meanwhile."""
        for _ in range(MOST_TRIES):
            compiled = self._compile(week, progress)
            if compiled is not None:
                return compiled
        raise Conflict(f"others keep restating {week}")

    def _compile(self, week: str, progress: Progress) -> Compiled | None:
        """None where the week has got another revision since its timelines were read."""
        name = self.plan.name
        bundles = list_bundles(name, self.exports)
        latest = shelf.latest(bundles, week)
        # the time zone and the targets of a week's last revision hold for every later one
        stated = read_manifest(latest, self.exports) if latest else None
        targets = stated["targets"] if stated else _targets(self.plan)
        period = period_of(name, week, stated["timezone"] if stated else self.plan.rules.timezone, self.now)
        before = shelf.before(bundles, week)
        subjects = sorted({*self.timelines.subjects(name, week), *left_open(before, self.exports)})
        with (
            TemporaryDirectory(prefix="tocsin-export-") as folder,
            Compilation(Path(folder), period, targets) as compilation,
        ):
            compilation.read(read_ahead(subjects, self.timelines.events), len(subjects), progress)
            files, content = compilation.finish(None if before is None else _Members(before, self.exports))
            self.guard(week)
            parts = _Parts(Path(folder), files, content, self.code_version)
            if period.provisional:
                bundle = shelf.provisional(name, week, self.now)
                return _keep_provisional(parts, bundle, self.exports, self.sign)
            return self._keep(parts, week, latest, before)

    def compile_strays(self, week: str, progress: Progress) -> Iterator[Bundle]:
        """Compile again what, from that week on, does not follow the last revision of the week before it.

        It began with what the earlier week left open, and is compared with its figures.
        """
        weeks = sorted({one.week for one in list_bundles(self.plan.name, self.exports) if one.week >= week})
        for each in weeks:
            bundles = list_bundles(self.plan.name, self.exports)
            latest = shelf.latest(bundles, each)
            follows = link_to(shelf.before(bundles, each), self.exports)
            if latest and read_manifest(latest, self.exports)["previous"] != follows:
                again = self.compile(each, progress)
                yield from [again.bundle] if again.made else ()

    def _keep(self, parts: _Parts, week: str, known: Bundle | None, before: Bundle | None) -> Compiled | None:
        """Write the first revision whose blobs no other bytes have taken, unless one has this content."""
        number, exports = 0, self.exports
        follows = link_to(before, exports)
        while True:
            latest = shelf.latest(list_bundles(self.plan.name, exports), week)
            if latest and _same(read_manifest(latest, exports), parts.content, follows):
                return Compiled(latest, made=False)
            if latest != known:
                return None
            number = max(number, (latest and latest.revision) or 0) + 1
            bundle = shelf.revision(self.plan.name, week, number)
            blobs = parts.blobs(number, link_to(latest, exports), follows)
            written = _write(bundle, blobs, exports, self.sign)
            if written is not None:
                return Compiled(bundle, made=written)


def _same(stated: Mapping[str, Any], content: Mapping[str, Any], follows: Mapping[str, Any] | None) -> bool:
    """Whether a bundle has this content and this place in the chain."""
    return bool(stated["content_sha256"] == content["content_sha256"] and stated["previous"] == follows)


@dataclass(frozen=True)
class _Members:
    """The members of the bundle before, by name."""

    bundle: Bundle
    exports: Exports

    def __call__(self, name: str) -> Iterator[bytes]:
        return self.exports.stream(self.bundle.blob(name))


def _keep_provisional(parts: _Parts, bundle: Bundle, exports: Exports, sign: Sign) -> Compiled:
    written = _write(bundle, parts.blobs(), exports, sign)
    if written is None:
        raise Conflict(f"another provisional export of {bundle.week} was made at this very instant")
    return Compiled(bundle, made=written)


def _write(
    bundle: Bundle, blobs: Iterable[tuple[str, Callable[[], Iterable[bytes]]]], exports: Exports, sign: Sign
) -> bool | None:
    """Write what is not there yet: whether it was this call that made the bundle complete.

    None where other bytes stand in a blob's place. The manifest is signed before the last file makes the
    bundle complete.
    """
    made = False
    for file, pieces in blobs:
        if file == manifest.SUMS and not sign(bundle, exports.read(bundle.blob(manifest.NAME)), exports):
            return None
        try:
            exports.write(bundle.blob(file), pieces())
            made = file == manifest.SUMS
        except Conflict:
            if not same_bytes(exports.stream(bundle.blob(file)), pieces()):
                return None
    return made


def link_to(bundle: Bundle | None, exports: Exports) -> dict[str, Any] | None:
    """How a manifest names another bundle."""
    if bundle is None:
        return None
    sha256 = hashlib.sha256(exports.read(bundle.blob(manifest.NAME))).hexdigest()
    return {"week": bundle.week, "revision": bundle.revision, "manifest_sha256": sha256}
