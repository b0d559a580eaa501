"""Where bundles stand: ``plan/week/rN/file``, and which of them are complete."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.kpi import bundle, manifest

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
"""What a manifest lists, in its order."""
FILES = (*DATA, bundle.NAME, manifest.NAME, manifest.SUMS)
"""In the order of writing; the last makes a bundle complete."""
CHECKED = "checked"
"""What the name of a bundle's marker ends in: it was compiled once more, a day after its week's end."""
NOTED, RECORDED = "noted", "recorded"
"""The same: by whom and when it was made; and that this stands in the plan's journal."""

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

    @property
    def marker(self) -> str:
        """Name of the blob that says that it was looked at once more."""
        return self.beside(CHECKED)

    def beside(self, ending: str) -> str:
        """Name of a blob beside the bundle's folder, which says what was done with it."""
        return f"{self.plan}/{self.week}/{self.label}.{ending}"


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
