"""The ways to a contact, in order of preference: which are open for a message, and what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.oncall import Restriction, allowed
from shared.domain.plan import Contact, Directory

MOST_PROVIDERS = 4
"""Channels that stand in for one another, at most."""


@dataclass(frozen=True)
class Way:
    """One address on one channel; its place among the contact's ways names it in a delivery."""

    channel: str
    to: str | None
    severities: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    only: Restriction | None = None
    name: str = ""
    """``<channel>#<nth>``: tells apart the ways by one channel, wherever the plan puts them."""


def ways(directory: Directory, contact: Contact) -> tuple[Way, ...]:
    """Every way: each of the contact's channels, followed by those that stand in for it."""
    seen: Counter[str] = Counter()
    named = []
    for way in _ways(directory, contact):
        named.append(replace(way, name=f"{way.channel}#{seen[way.channel]}"))
        seen[way.channel] += 1
    return tuple(named)


def next_way(
    directory: Directory,
    contact: Contact,
    severity: str,
    kind: str,
    now: datetime,
    tried: Collection[str] = (),
) -> tuple[int, bool] | None:
    """The first way open for such a message that was not ``tried`` (names of ways), by its place, and whether
    it is the last; None: there is none.

    Where no way at all is open for it, all are: a message is quiet, never lost.
    """
    usable = [
        (nth, way) for nth, way in open_ways(directory, contact, severity, kind, now) if way.name not in tried
    ]
    return (usable[0][0], len(usable) == 1) if usable else None


def open_ways(
    directory: Directory, contact: Contact, severity: str, kind: str, now: datetime
) -> list[tuple[int, Way]]:
    """The ways that are open for such a message, each with its place; where none is, all of them."""
    known = list(enumerate(ways(directory, contact)))
    found = [each for each in known if _is_open(each[1], severity, kind, directory.timezone, now)]
    return found or known


def _ways(directory: Directory, contact: Contact) -> Iterator[Way]:
    for reach in contact.reach:
        name: str | None = reach.channel
        tried: list[str] = []
        while name is not None and name not in tried and len(tried) < MOST_PROVIDERS:
            yield Way(name, reach.to, reach.severities, reach.kinds, reach.only)
            tried.append(name)
            channel = directory.channels.get(name)
            name = channel.fallback if channel else None


def _is_open(way: Way, severity: str, kind: str, timezone: str, now: datetime) -> bool:
    return (
        (not way.severities or severity in way.severities)
        and (not way.kinds or kind in way.kinds)
        and allowed(way.only, timezone, now)
    )
