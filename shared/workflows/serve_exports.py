"""Who may compile, list and fetch exports, with an account or by a link."""

from __future__ import annotations

import hashlib
import re
import secrets as randomness
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.byte_range import ByteRange, asked
from shared.domain.entity_tag import has
from shared.domain.errors import Fault, InvalidInput, NotFound
from shared.domain.export_link import LONGEST, SHORTEST, USUAL, ExportLink
from shared.domain.plan import Plan
from shared.domain.principal import Principal, Role
from shared.domain.timeline import stamp
from shared.export_ports import ExportLinks, Exports, KeptTexts
from shared.kpi import manifest, shelf
from shared.kpi.shelf import Bundle
from shared.ports import Plans
from shared.workflows import export_kpis, sign_manifest
from shared.workflows.collect_texts import collect
from shared.workflows.compile_exports import Clock, CompileExports
from shared.workflows.export_kpis import Compiled
from shared.workflows.note_in_journal import note_in_journal, note_once
from shared.workflows.record_access import Read, RecordAccess
from shared.workflows.visible import visible_plan

LINKED = (*shelf.FILES, sign_manifest.NAME)
"""What a link opens: every file, and the signature beside them; never the texts."""
TEXTS = "texts.zip"
FETCHED = (*LINKED, TEXTS)
_WEEK = re.compile(r"[0-9]{4}-W[0-9]{2}")


@dataclass(frozen=True)
class Wanted:
    """One file of a bundle: by its revision's label or the last one; ``range`` is the header as it came.

    ``if_range`` is the ETag that the caller's first part had: of another content the whole is given.
    """

    week: str
    file: str
    label: str | None = None
    range: str = ""
    if_range: str = ""
    if_none_match: str = ""


@dataclass(frozen=True)
class Fetched:
    """A file, or a part of it; ``pieces`` is None where the caller has it already."""

    bundle: Bundle
    file: str
    etag: str | None
    """None for what may be another at any time."""
    size: int
    part: ByteRange | None
    pieces: Iterator[bytes] | None


@dataclass
class ServeExports:
    """The workflow behind the exports routes."""

    plans: Plans
    exports: Exports
    compiling: CompileExports
    access: RecordAccess
    links: ExportLinks
    texts: KeptTexts
    public_url: str

    def compile(self, plan: str, week: str, who: Principal, clock: Clock) -> Compiled:
        """Compile on request; an Admin's. Raises as `CompileExports.compile`, NotFound, Forbidden."""
        visible = self._visible(plan, who, "Admin")
        return self.compiling.compile(visible, week, clock, self.access.actor(who))

    def ask(self, plan: str, week: str, who: Principal, now: datetime) -> None:
        """Ask for it to be compiled in the background; `progress` tells how far it is."""
        self.compiling.ask(self._visible(plan, who, "Admin"), week, self.access.actor(who), now)

    def progress(self, plan: str, week: str, who: Principal) -> dict[str, Any]:
        """How far the compilation of a week is; an Auditor's. Raises NotFound where there was none."""
        return self.compiling.progress(self._visible(plan, who, "Auditor"), _week(week))

    def list(self, plan: str, who: Principal) -> Sequence[Bundle]:
        """The plan's complete bundles, oldest first; an Auditor's. Raises NotFound, Forbidden."""
        return export_kpis.list_bundles(self._visible(plan, who, "Auditor").name, self.exports)

    def manifest(
        self, plan_name: str, week: str, label: str | None, who: Principal, now: datetime
    ) -> tuple[Bundle, dict[str, Any]]:
        """The week's last bundle, or the one of that label, with its manifest."""
        plan = self._visible(plan_name, who, "Auditor")
        bundle = export_kpis.find_bundle(plan.name, _week(week), self.exports, label)
        self.access.by(who, plan, Read("export-manifest", week, bundle.label), now)
        return bundle, export_kpis.read_manifest(bundle, self.exports)

    def fetch(self, plan_name: str, wanted: Wanted, who: Principal, now: datetime) -> Fetched:
        """One file of a bundle, or a part of it; an Auditor's. Raises NotFound, Unsatisfiable."""
        plan = self._visible(plan_name, who, "Auditor")
        if wanted.file == TEXTS:
            return self._texts(plan, wanted, who, now)
        found = self._found(plan, wanted)
        self.access.by(who, plan, _read(found), now)
        return self._opened(found)

    def _texts(self, plan: Plan, wanted: Wanted, who: Principal, now: datetime) -> Fetched:
        """What people wrote and who they are, as it is kept now: no two days need be the same."""
        bundle = export_kpis.find_bundle(plan.name, _week(wanted.week), self.exports, wanted.label)
        self.access.by(who, plan, Read("export-file", bundle.week, bundle.label, TEXTS), now)
        pieces = collect(bundle, self.exports, self.texts, self.access.people)
        return Fetched(bundle, TEXTS, None, 0, None, pieces)

    def make_link(
        self,
        plan_name: str,
        week: str,
        label: str | None,
        lasts: timedelta | None,
        who: Principal,
        now: datetime,
    ) -> tuple[ExportLink, str]:
        """A link to one bundle for whoever is given it, and its address; an Admin's.

        Raises InvalidInput for a time that is too short or too long, NotFound, Forbidden.
        """
        plan = self._visible(plan_name, who, "Admin")
        bundle = export_kpis.find_bundle(plan.name, _week(week), self.exports, label)
        lasts = lasts or USUAL
        if not SHORTEST <= lasts <= LONGEST:
            raise InvalidInput("link", [Fault("hours", f"must be 1 to {LONGEST // timedelta(hours=1)}")])
        link = _link(randomness.token_hex(8), bundle, now + lasts)
        actor = self.access.actor(who)
        note_in_journal(self.access.journals, plan, "link-made", _made(link), now, now, actor)
        return link, self._address(link)

    def link_for(
        self, name: str, plan: Plan, bundle: Bundle, lasts: timedelta, now: datetime
    ) -> tuple[ExportLink, str]:
        """A link that the plan sends to ``name``: the same one again as long as half of its time is left.

        So whoever cannot be reached for days leaves no trail of links that nobody was given.
        """
        half = lasts / 2
        first = self.compiling.made_at(bundle)
        since = first + max(0, (now - first) // half) * half
        id = hashlib.sha256(f"{bundle.blob('')}\n{name}\n{stamp(since)}".encode()).hexdigest()[:16]
        link = _link(id, bundle, since + lasts)
        events = self.compiling.timelines.events
        note_once(self.access.journals, events, plan, "link-made", _made(link), since, now)
        return link, self._address(link)

    def _address(self, link: ExportLink) -> str:
        return f"{self.public_url.rstrip('/')}/e/{self.links.sign(link)}"

    def linked(self, token: str, now: datetime) -> tuple[ExportLink, Bundle, dict[str, Any]]:
        """What an auditor's link leads to. Raises Unauthenticated, NotFound."""
        link, plan = self._linked(token, now)
        bundle = export_kpis.find_bundle(plan.name, link.week, self.exports, link.label)
        self.access.by_link(link.id, plan, Read("export-manifest", link.week, link.label), now)
        return link, bundle, export_kpis.read_manifest(bundle, self.exports)

    def fetch_linked(self, token: str, wanted: Wanted, now: datetime) -> Fetched:
        """One file of what the link leads to; week and label are the link's."""
        link, plan = self._linked(token, now)
        found = self._found(
            plan,
            Wanted(link.week, wanted.file, link.label, wanted.range, wanted.if_range, wanted.if_none_match),
        )
        self.access.by_link(link.id, plan, _read(found), now)
        return self._opened(found)

    def _linked(self, token: str, now: datetime) -> tuple[ExportLink, Plan]:
        link = self.links.read(token, now)
        plan = next((plan for plan in self.plans.all() if plan.name == link.plan), None)
        if plan is None:
            raise NotFound(f"there is no plan {link.plan} any more")
        return link, plan

    def _found(self, plan: Plan, wanted: Wanted) -> Fetched:
        bundle = export_kpis.find_bundle(plan.name, _week(wanted.week), self.exports, wanted.label)
        if wanted.file not in LINKED:
            raise NotFound(f"an export has no file {wanted.file}; it has {', '.join(LINKED)}")
        blob = bundle.blob(wanted.file)
        etag, size = _etag(bundle, wanted.file, self.exports), self.exports.size(blob)
        if has(wanted.if_none_match, etag):
            return Fetched(bundle, wanted.file, etag, size, None, None)
        whole = bool(wanted.if_range) and wanted.if_range.strip() != etag
        part = None if whole else asked(wanted.range, size)
        return Fetched(bundle, wanted.file, etag, size, part, iter(()))

    def _opened(self, found: Fetched) -> Fetched:
        if found.pieces is None:
            return found
        blob, part = found.bundle.blob(found.file), found.part
        first, last = (part.first, part.last) if part else (0, None)
        pieces = self.exports.stream(blob, first, last)
        return Fetched(found.bundle, found.file, found.etag, found.size, part, pieces)

    def _visible(self, name: str, who: Principal, role: Role) -> Plan:
        who.require(role)
        return visible_plan(self.plans, name, who)


def _link(id: str, bundle: Bundle, expires: datetime) -> ExportLink:
    return ExportLink(id, bundle.plan, bundle.week, bundle.label, expires.replace(microsecond=0))


def _made(link: ExportLink) -> dict[str, Any]:
    """The data of ``link-made``: on record before anybody has the link."""
    return {"link": link.id, "week": link.week, "revision": link.label, "expires": stamp(link.expires)}


def _week(text: str) -> str:
    if _WEEK.fullmatch(text) is None:
        raise NotFound("there is no such week; one is written 2026-W47")
    return text


def _read(found: Fetched) -> Read:
    part = None if found.part is None else str(found.part)
    return Read("export-file", found.bundle.week, found.bundle.label, found.file, range=part)


def _etag(bundle: Bundle, file: str, exports: Exports) -> str:
    """A strong one: made of the hashes of everything in the bundle, which never changes, and the name."""
    sums = exports.read(bundle.blob(manifest.SUMS))
    return f'"{hashlib.sha256(sums + file.encode()).hexdigest()[:32]}"'
