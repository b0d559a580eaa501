"""Who is on call: rotations in layers, overrides, absences and a fallback, as a function of the instant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from shared.domain.hours import at_local, local_day, zone_of

_DAY = timedelta(days=1)
_LONGEST = timedelta(days=400)
_IsAway = Callable[[str, datetime], bool]


@dataclass(frozen=True)
class Restriction:
    """When a layer is on duty: these weekdays (0 is Monday), from one local minute of the day to another.

    ``until`` at or before ``since`` means the next day: 22:00 to 06:00 belongs to the day it begins on.
    """

    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    since: int = 0
    until: int = 24 * 60


@dataclass(frozen=True)
class Layer:
    """Members in turn. Where two layers are on duty, the later one of the list has it."""

    members: tuple[str, ...]
    starts: str
    """Local date and time (``2026-01-05T09:00``) at which the first member begins."""
    handoff: timedelta
    """How long a turn is: whole days pass by local clocks, so that the handoff keeps its time of day."""
    only: Restriction | None = None


@dataclass(frozen=True)
class Override:
    """Somebody takes over for a while, whatever the layers say; half-open, UTC."""

    contact: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Absence:
    """A contact is away; half-open, UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Rotation:
    """People who take turns."""

    name: str
    title: str = ""
    timezone: str = "UTC"
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    fallback: str | None = None
    """Who is told where nobody is on call."""


@dataclass(frozen=True)
class OnCall:
    """Who has it (None: nobody), and why: ``override``, ``layer 2``, ``fallback`` or ``nobody``."""

    contact: str | None
    why: str

    @property
    def covered(self) -> bool:
        """Whether somebody has the duty; a fallback only stands in."""
        return self.contact is not None and self.why != "fallback"


@dataclass(frozen=True)
class Shift:
    """A stretch of time with one answer; half-open, UTC."""

    since: datetime
    until: datetime
    on_call: OnCall


def on_call(rotation: Rotation, absences: Mapping[str, Sequence[Absence]], instant: datetime) -> OnCall:
    """Who is on call at an instant.

    Overrides come first (the last one listed that covers it, away or not), then the layers from the last to
    the first, passing over whoever is away, then the fallback. Raises ValueError for an unknown time zone, a
    layer whose start is no local date and time, or whose handoff is not longer than nothing.
    """
    return _answer(rotation, _away(absences), instant)


def shifts(
    rotation: Rotation, absences: Mapping[str, Sequence[Absence]], since: datetime, until: datetime
) -> list[Shift]:
    """The answers from ``since`` to ``until``, without gaps between them; neighbours differ.

    Raises ValueError for more than 400 days, and as `on_call`.
    """
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    if until - since > _LONGEST:
        raise ValueError(f"shifts are told for at most {_LONGEST.days} days")
    if since >= until:
        return []
    edges = {edge for edge in _edges(rotation, absences, since, until) if since < edge < until}
    is_away = _away(absences)
    found: list[Shift] = []
    begins = since
    answer = _answer(rotation, is_away, begins)
    for edge in sorted(edges):
        following = _answer(rotation, is_away, edge)
        if following != answer:
            found.append(Shift(begins, edge, answer))
            begins, answer = edge, following
    return [*found, Shift(begins, until, answer)]


def gaps(
    rotation: Rotation, absences: Mapping[str, Sequence[Absence]], since: datetime, until: datetime
) -> list[Shift]:
    """The stretches in which nobody has the duty, fallback or not. Raises ValueError as `shifts`."""
    return [shift for shift in shifts(rotation, absences, since, until) if not shift.on_call.covered]


def _answer(rotation: Rotation, is_away: _IsAway, instant: datetime) -> OnCall:
    for override in reversed(rotation.overrides):
        if override.since <= instant < override.until:
            return OnCall(override.contact, "override")
    for number in range(len(rotation.layers), 0, -1):
        member = _on_duty(rotation.layers[number - 1], rotation.timezone, instant)
        if member is not None and not is_away(member, instant):
            return OnCall(member, f"layer {number}")
    return OnCall(None, "nobody") if rotation.fallback is None else OnCall(rotation.fallback, "fallback")


def _on_duty(layer: Layer, timezone: str, instant: datetime) -> str | None:
    turn = _turn(layer, timezone, instant)
    if turn < 0 or not layer.members or not allowed(layer.only, timezone, instant):
        return None
    return layer.members[turn % len(layer.members)]


def _turn(layer: Layer, timezone: str, instant: datetime) -> int:
    """Which turn of a layer an instant lies in, from 0; negative before the layer starts."""
    starts, handoff = _start(layer), layer.handoff
    if handoff % _DAY:
        return (instant - _handoff(layer, timezone, 0)) // handoff
    turn = (local_day(instant, timezone) - starts.date()) // handoff
    # The handoff of that day may still be to come. Clocks decide it, so the guess is never off by more.
    if instant < _handoff(layer, timezone, turn):
        return turn - 1
    return turn + 1 if instant >= _handoff(layer, timezone, turn + 1) else turn


def _handoff(layer: Layer, timezone: str, turn: int) -> datetime:
    """When a turn begins, in UTC."""
    starts = _start(layer)
    if layer.handoff % _DAY:
        return starts.replace(tzinfo=zone_of(timezone)).astimezone(UTC) + turn * layer.handoff
    return (starts + turn * layer.handoff).replace(tzinfo=zone_of(timezone)).astimezone(UTC)


def _start(layer: Layer) -> datetime:
    if layer.handoff <= timedelta(0):
        raise ValueError("a turn lasts longer than nothing")
    starts = datetime.fromisoformat(layer.starts)
    if starts.tzinfo is not None:
        raise ValueError(f"{layer.starts} is no local date and time: it names an offset")
    return starts


def allowed(only: Restriction | None, timezone: str, instant: datetime) -> bool:
    """Whether an instant lies in a restriction, by the clocks of a time zone."""
    if only is None:
        return True
    today = local_day(instant, timezone)
    windows = (_window(only, day, timezone) for day in (today - _DAY, today) if day.weekday() in only.days)
    return any(since <= instant < until for since, until in windows)


def _window(only: Restriction, day: date, timezone: str) -> tuple[datetime, datetime]:
    """The stretch of duty that begins on a day."""
    ends_on = day + _DAY if only.until <= only.since else day
    return at_local(day, only.since, timezone), at_local(ends_on, only.until, timezone)


def _edges(
    rotation: Rotation, absences: Mapping[str, Sequence[Absence]], since: datetime, until: datetime
) -> Iterator[datetime]:
    """Every instant from ``since`` to ``until`` at which the answer can change, and some beside."""
    members = {member for layer in rotation.layers for member in layer.members}
    away = [absence for member in members for absence in absences.get(member, ())]
    spoken_for = [(override.since, override.until) for override in rotation.overrides]
    for begins, ends in (*spoken_for, *((each.since, each.until) for each in away)):
        yield begins.astimezone(UTC)
        yield ends.astimezone(UTC)
    for layer in rotation.layers:
        first = max(_turn(layer, rotation.timezone, since), 0)
        last = _turn(layer, rotation.timezone, until)
        yield from (_handoff(layer, rotation.timezone, turn) for turn in range(first, last + 1))
        if layer.only is not None:
            yield from _restriction_edges(layer.only, rotation.timezone, since, until)


def _restriction_edges(
    only: Restriction, timezone: str, since: datetime, until: datetime
) -> Iterator[datetime]:
    day = local_day(since, timezone) - _DAY
    last = local_day(until, timezone)
    while day <= last:
        if day.weekday() in only.days:
            yield from _window(only, day, timezone)
        day += _DAY


def _away(absences: Mapping[str, Sequence[Absence]]) -> _IsAway:
    """Answers whether a contact is away; what overlaps is merged on first use, so that many cost little."""
    merged: dict[str, list[Absence]] = {}

    def is_away(contact: str, instant: datetime) -> bool:
        if contact not in merged:
            merged[contact] = _merged(absences.get(contact, ()))
        stretches = merged[contact]
        before = bisect_right(stretches, instant, key=lambda stretch: stretch.since)
        return before > 0 and instant < stretches[before - 1].until

    return is_away


def _merged(absences: Sequence[Absence]) -> list[Absence]:
    found: list[Absence] = []
    for absence in sorted(absences, key=lambda each: each.since):
        if found and absence.since <= found[-1].until:
            found[-1] = Absence(found[-1].since, max(found[-1].until, absence.until))
        elif absence.since < absence.until:
            found.append(absence)
    return found
