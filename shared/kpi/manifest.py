"""`manifest.json`: what a bundle holds and what it follows; `manifest.sha256`, which `sha256sum -c` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.timeline import stamp
from shared.kpi import merkle
from shared.kpi.account import Account
from shared.kpi.bundle import Spool
from shared.kpi.definitions import VERSION, digest, digest_of_all

NAME = "manifest.json"
SUMS = "manifest.sha256"
FORMAT = 3


@dataclass(frozen=True)
class Period:
    """The week of a plan; ``as_of`` is its end, or the instant of compiling where the week is not over."""

    plan: str
    week: str
    timezone: str
    start: datetime
    end: datetime
    as_of: datetime

    @property
    def provisional(self) -> bool:
        """Whether the week was not over."""
        return self.as_of < self.end

    def shown(self) -> dict[str, Any]:
        """The fields that ``manifest.json`` and ``kpi.json`` have in common."""
        return {
            "plan": self.plan,
            "week": self.week,
            "timezone": self.timezone,
            "from": stamp(self.start),
            "to": stamp(self.end),
            "as_of": stamp(self.as_of),
            "provisional": self.provisional,
        }


class Heads:
    """Numbers and head hash of every timeline, and the rules hashes, gathered subject by subject."""

    def __init__(self) -> None:
        self.timelines: dict[str, str] = {}
        self.rules: set[str] = set()

    def add(self, account: Account, first: int) -> None:
        """Take one subject in; ``first`` is the number of its first event in the week, or 0."""
        self.timelines[account.subject] = f"{first}-{account.length} {account.head}"
        if account.incident is not None:
            self.rules.add(account.incident.rules)

    def merkle_root(self) -> str:
        """Over a line for each timeline, in order: subject, length and head hash."""
        return merkle.root(
            f"{subject} {numbers.partition('-')[2]}" for subject, numbers in sorted(self.timelines.items())
        )


def content_of(
    period: Period,
    heads: Heads,
    targets: Mapping[str, int],
    seen: Mapping[str, Any],
    files: Iterable[Spool],
    rows: Mapping[str, int],
) -> dict[str, Any]:
    """The part of the manifest that says what is in the bundle, and its digest.

    Two compilations with the same digest have the same content; what they follow, and the code that made
    them, may differ. ``seen`` tells of the events and of the plan's documents; ``rows`` counts the rows of
    the files that have rows.
    """
    content = {
        **period.shown(),
        "format": FORMAT,
        "definitions": {"version": VERSION, "sha256": digest_of_all()},
        "targets": dict(targets),
        "rules": sorted(heads.rules),
        **seen,
        "files": [
            {"name": file.name, "bytes": file.size, "rows": rows.get(file.name), "sha256": file.sha256}
            for file in files
        ],
        "timelines": heads.timelines,
        "merkle_root": heads.merkle_root(),
    }
    return {**content, "content_sha256": digest(content)}


def with_place(
    content: Mapping[str, Any],
    code_version: str,
    revision: int | None,
    restates: Mapping[str, Any] | None,
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The whole manifest: the content, and its place in the chain (none of it if provisional)."""
    return {
        **content,
        "code_version": code_version,
        "revision": revision,
        "restates": restates,
        "previous": previous,
    }


def sums(files: Sequence[Spool]) -> bytes:
    """The lines of ``manifest.sha256``, in the format of ``sha256sum``."""
    return "".join(f"{file.sha256}  {file.name}\n" for file in files).encode("ascii")
