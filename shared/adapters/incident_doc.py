"""An incident as the JSON document of its row, and back; its alerts stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from shared.domain.incident import ActionItem, Held, HeldBack, Incident, Ladder, Review, UpdateDue
from shared.domain.sla import Clock
from shared.domain.timeline import parse_or_none, parse_stamp, stamp, stamp_or_none

_PLAIN = (
    "plan", "source", "group", "name", "service", "severity", "rules", "title", "summary", "source_url",
    "status", "acknowledged_by", "resolved_by", "alert_count", "length", "head", "version", "week",
    "drill", "progress", "progress_outside", "code", "still_open_nth",
)  # fmt: skip
_LISTS = ("told", "commands", "informed", "heard", "receipts", "shown")
_MAPS = ("roles", "checked")
_TIMES = (
    "opened_at", "acknowledged_at", "acknowledgement_expires", "resolved_at", "week_due", "deliver_at",
    "deadline", "recorded_at", "since", "began",
    "first_told_at", "still_open_at",
)  # fmt: skip


def incident_doc(incident: Incident) -> dict[str, Any]:
    """Everything but the key and the alerts; instants as text, what is not there left out."""
    doc: dict[str, Any] = {name: getattr(incident, name) for name in _PLAIN}
    doc |= {name: list(getattr(incident, name)) for name in _LISTS}
    doc |= {name: dict(getattr(incident, name)) for name in _MAPS}
    doc |= {name: stamp_or_none(getattr(incident, name)) for name in _TIMES}
    doc |= {"respond": _clock_doc(incident.respond), "resolve": _clock_doc(incident.resolve)}
    doc["said"] = [list(each) for each in incident.said]
    doc["outsiders"] = [list(each) for each in incident.outsiders]
    doc["updates"] = [_part(each) for each in incident.updates]
    doc["items"] = [_part(each) for each in incident.items]
    doc["held_back"] = [_part(each) for each in incident.held_back]
    doc["spoken"] = _plain(incident.spoken)
    doc |= {name: _part(part) for name in _PARTS if (part := getattr(incident, name)) is not None}
    return doc


def incident_fields(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Incident` that a document holds; what an older one lacks has its default."""
    values: dict[str, Any] = {name: doc[name] for name in _PLAIN if name in doc}
    values |= {name: tuple(doc[name]) for name in _LISTS if name in doc}
    values |= {name: doc[name] for name in _MAPS if name in doc}
    values |= {name: parse_or_none(doc[name]) for name in _TIMES if name in doc}
    values |= {"respond": _clock_of(doc["respond"]), "resolve": _clock_of(doc["resolve"])}
    values["outsiders"] = tuple((name, template) for name, template in doc.get("outsiders", ()))
    values["said"] = tuple((kind, seq) for kind, seq in doc.get("said", ()))
    values["updates"] = tuple(_of(UpdateDue, each, ("due",)) for each in doc.get("updates", ()))
    values["items"] = tuple(_of(ActionItem, each, ("due",)) for each in doc.get("items", ()))
    values["held_back"] = tuple(_of(HeldBack, each, ("until",)) for each in doc.get("held_back", ()))
    values["spoken"] = {key: parse_stamp(text) for key, text in doc.get("spoken", {}).items()}
    for name, (kind, times) in _PARTS.items():
        if doc.get(name) is not None:
            values[name] = _of(kind, doc[name], times)
    return values


_PARTS: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "ladder": (Ladder, ("base", "at")),
    "review": (Review, ("due", "completed_at")),
    "held": (Held, ("until",)),
}
"""Parts that may not be there: their type, and which of its fields are instants."""


def _part(part: Any) -> dict[str, Any]:  # noqa: ANN401  (one of the dataclasses above)
    found = {field.name: getattr(part, field.name) for field in fields(part)}
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: stamp(instant) for name, instant in value.items()}
    return stamp(value) if isinstance(value, datetime) else value


def _of(kind: Any, doc: Mapping[str, Any], times: tuple[str, ...]) -> Any:  # noqa: ANN401  (the same)
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in doc.items()
    }
    if isinstance(doc.get("waits"), dict):
        values["waits"] = {name: parse_stamp(text) for name, text in doc["waits"].items()}
    return kind(**values | {name: parse_or_none(doc[name]) for name in times if name in doc})


def _clock_doc(clock: Clock) -> list[Any]:
    return [stamp_or_none(clock.due), stamp_or_none(clock.stopped_at), clock.breached]


def _clock_of(doc: list[Any]) -> Clock:
    return Clock(parse_or_none(doc[0]), parse_or_none(doc[1]), doc[2])
