"""A rotation's shifts as a calendar feed that people subscribe to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.domain.oncall import Rotation, Shift

if TYPE_CHECKING:
    from icalendar import Event


def feed(plan: str, rotation: Rotation, shifts: Iterable[Shift], now: datetime) -> bytes:
    """The calendar (``text/calendar``, UTF-8) with one event a shift; the same arguments give the same bytes.

    The UID of an event names plan, rotation and start, so that a later feed moves no event but its own.
    """
    from icalendar import Calendar

    title = rotation.title or rotation.name
    calendar = Calendar()
    calendar.add("version", "2.0")
    calendar.add("prodid", "-//Tocsin//on call//EN")
    calendar.add("x-wr-calname", title)
    for shift in shifts:
        calendar.add_component(_event(f"{plan}.{rotation.name}", title, shift, now))
    content: bytes = calendar.to_ical()
    return content


def _event(rotation: str, title: str, shift: Shift, now: datetime) -> Event:
    from icalendar import Event

    since = shift.since.astimezone(UTC)
    answer = shift.on_call
    event = Event()
    event.add("uid", f"{since:%Y%m%dT%H%M%S.%fZ}.{rotation}@tocsin")
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", since)
    event.add("dtend", shift.until.astimezone(UTC))
    event.add("summary", f"{title}: {answer.contact if answer.covered else 'nobody on call'}")
    if answer.why == "fallback":
        event.add("description", f"{answer.contact} is told instead")
    event.add("transp", "TRANSPARENT")
    return event
