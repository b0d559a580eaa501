"""The list of incidents: follow the index, believe the incidents' own rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from shared.adapters.deadline_index import DeadlineIndex, order_key
from shared.domain.errors import NotFound
from shared.domain.incident import Incident
from shared.ports import Page, Selection, Stored

One = TypeVar("One")

AT_ONCE = 16
MOST_LOOKED_AT = 800
"""Incidents that one page reads at the most; a page that is short but has a cursor goes on from there."""


class IncidentList:
    """Pages of incidents; ``load`` reads one and raises NotFound."""

    def __init__(self, index: DeadlineIndex, load: Callable[[str], Stored]) -> None:
        self.index = index
        self.load = load

    def page(self, selection: Selection) -> Page:
        """One page, newest first."""
        return self._live(selection) if selection.live else self._newest(selection)

    def _live(self, selection: Selection) -> Page:
        """Of those not resolved: each has a deadline, so the deadlines name them all, however old."""
        loaded = (one for batch in _batches(self.index.live()) for one in self._loaded(batch))
        found = [one for one in loaded if _fits(one, selection) and not one.over]
        keyed = sorted((order_key(one), one) for one in found)
        left = [(key, one) for key, one in keyed if selection.cursor is None or key > selection.cursor]
        page = left[: selection.limit]
        return Page(tuple(one for _, one in page), page[-1][0] if len(left) > len(page) else None)

    def _newest(self, selection: Selection) -> Page:
        """Of all: a window of the index at a time."""
        rows = (
            (key, name)
            for key, name, plan in self.index.newest(selection.since, selection.until, selection.cursor)
            if plan in selection.plans
        )
        found: list[Incident] = []
        last, looked_at = None, 0
        for batch in _batches(rows):
            for (key, _), one in zip(batch, self._read([name for _, name in batch]), strict=True):
                if len(found) == selection.limit:
                    return Page(tuple(found), last)
                last = key
                if one is not None and order_key(one) == key and _fits(one, selection):
                    found.append(one)
            looked_at += len(batch)
            if looked_at >= MOST_LOOKED_AT:
                return Page(tuple(found), last)
        return Page(tuple(found), None)

    def _loaded(self, names: list[str]) -> list[Incident]:
        return [one for one in self._read(names) if one is not None]

    def _read(self, names: list[str]) -> list[Incident | None]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._one, names))

    def _one(self, name: str) -> Incident | None:
        try:
            return self.load(name).incident
        except NotFound:
            return None


def _fits(incident: Incident, selection: Selection) -> bool:
    """Whether the row itself agrees: the index only hints."""
    return (
        incident.plan in selection.plans
        and not incident.hidden
        and (selection.since is None or incident.opened_at >= selection.since)
        and (selection.until is None or incident.opened_at < selection.until)
        and selection.wanted(incident)
    )


def _batches(ones: Iterator[One]) -> Iterator[list[One]]:
    while batch := list(islice(ones, 2 * AT_ONCE)):
        yield batch
