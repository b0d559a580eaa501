"""Where bundles stand: ``plan/week/rN/file``, and which of them are complete."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.kpi import audit_csv, bundle, drills_csv, incidents_csv, kpi_json, manifest, timeline_jsonl

FILES = (
    kpi_json.NAME,
    incidents_csv.NAME,
    drills_csv.NAME,
    audit_csv.NAME,
    timeline_jsonl.NAME,
    bundle.NAME,
    manifest.NAME,
    manifest.SUMS,
)
"""In the order of writing; the last makes a bundle complete."""

_COMPLETE = re.compile(r"([^/]+)/([^/]+)/r([1-9][0-9]*)/" + re.escape(manifest.SUMS))


@dataclass(frozen=True)
class Bundle:
    """One revision of one week's export, or a provisional one (``revision`` None)."""

    plan: str
    week: str
    revision: int | None
    label: str
    """``r1``, or ``provisional-`` and the instant of compiling: the name of its folder."""

    def blob(self, file: str) -> str:
        """Name of the blob that holds one of its files."""
        return f"{self.plan}/{self.week}/{self.label}/{file}"


def revision(plan: str, week: str, number: int) -> Bundle:
    """The bundle ``rN`` of that week."""
    return Bundle(plan, week, number, f"r{number}")


def provisional(plan: str, week: str, now: datetime) -> Bundle:
    """The bundle of a week that is not over at ``now``."""
    return Bundle(plan, week, None, f"provisional-{now:%Y%m%dT%H%M%S%fZ}")


def complete(names: Iterable[str]) -> list[Bundle]:
    """The complete bundles among blob names, by plan, week and revision; never a provisional one."""
    found = (_COMPLETE.fullmatch(name) for name in names)
    bundles = [revision(match[1], match[2], int(match[3])) for match in found if match is not None]
    return sorted(bundles, key=lambda one: (one.plan, one.week, one.revision or 0))


def latest(bundles: Iterable[Bundle], week: str) -> Bundle | None:
    """The last revision of that week."""
    return max((one for one in bundles if one.week == week), key=lambda one: one.revision or 0, default=None)


def before(bundles: Iterable[Bundle], week: str) -> Bundle | None:
    """The last revision of the last week before that one which has a bundle."""
    earlier = (one for one in bundles if one.week < week)
    return max(earlier, key=lambda one: (one.week, one.revision or 0), default=None)
