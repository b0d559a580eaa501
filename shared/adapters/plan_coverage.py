"""Who nobody thought of: the hours of a representative fortnight in which nobody of a rotation is on call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.adapters.plan_late import utc
from shared.domain.oncall import Rotation, gaps
from shared.domain.plan import Plan

_WINDOW, _BEYOND = timedelta(days=14), timedelta(days=7)
"""How much is looked at, and how much more so that no gap is cut off."""


def uncovered(plan: Plan) -> Iterator[tuple[Rotation, list[str]]]:
    """Each rotation with gaps, and the gaps in words and local time: ``Saturday 00:00 to Monday 00:00``.

    From the start of the latest layer, so that no clock is needed; what comes again each week is said once.
    """
    for rotation in plan.directory.rotations.values():
        start = max(utc(layer.starts, rotation.timezone) for layer in rotation.layers)
        zone = ZoneInfo(rotation.timezone)
        found = gaps(rotation, {}, start, start + _WINDOW + _BEYOND)
        # What is open when the layer starts is cut off; all but an endless gap comes again within the week.
        whole = [gap for gap in found if start < gap.since < start + _WINDOW] or found
        words = [f"{_words(gap.since, zone)} to {_words(gap.until, zone)}" for gap in whole]
        if words:
            yield rotation, list(dict.fromkeys(words))


def _words(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%A %H:%M}"
