"""Domain values as rows of Table Storage, and back; the service's limits are held here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.incident_doc import incident_doc, incident_fields
from shared.adapters.row_texts import bounded, bounded_json, bounded_url, gathered, spread
from shared.adapters.sealing import Sealing
from shared.adapters.sealing_texts import sealed_row
from shared.domain.change import AlertSeen
from shared.domain.delivery import Attempt, Delivery, Message
from shared.domain.errors import NotFound
from shared.domain.incident import AlertState, Head, Incident, parse_incident_id
from shared.domain.journal import Journal
from shared.domain.timeline import Event, Text, parse_or_none, parse_stamp, stamp, stamp_or_none
from shared.ports import AlertRow

Row = dict[str, Any]
COMMITS_KEPT = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALERTS_IN_A_PROPERTY = 350
_SET_WHEN_SENT = (
    "runbook", "runbook_url", "words", "in_own_words", "loudness", "answering", "first_id", "room", "phase",
    "holder", "timezone",
)  # fmt: skip
"""Of a message: not stored, as they are made anew for each try."""


def place_of(incident_id: str) -> tuple[str, int]:
    """The partition of its rows, and its number there. Raises NotFound for what is no id."""
    place = parse_incident_id(incident_id)
    if place is None:
        raise NotFound(f"there is no incident {incident_id}")
    return place


def incident_key(n: int) -> str:
    """Newest first within a partition."""
    return f"i|{9_999_999 - n:07d}"


def event_key(n: int, seq: int) -> str:
    """In order within an incident."""
    return f"e|{n:07d}|{seq:08d}"


def text_key(n: int, seq: int) -> str:
    """Beside the event of that number."""
    return f"t|{n:07d}|{seq:08d}"


def owed_key(n: int, delivery: str) -> str:
    """Deliveries still owed stand together."""
    return f"o|{n:07d}|q|{delivery}"


def done_key(n: int, delivery: str) -> str:
    """Deliveries whose outcome is on the timeline."""
    return f"o|{n:07d}|z|{delivery}"


def incident_row(incident: Incident, commits: str) -> Row:
    """The incident's row; plain columns are for people who look into the table, ``doc`` is the truth."""
    doc = incident_doc(incident)
    doc["title"], doc["summary"] = bounded(incident.title, 2_000), bounded(incident.summary, 8_000)
    doc["source_url"] = bounded_url(incident.source_url)
    row: Row = {
        "PartitionKey": incident.partition,
        "RowKey": incident_key(incident.n),
        "plan": incident.plan,
        "status": incident.status,
        "severity": incident.severity,
        "service": incident.service,
        "commits": commits,
        **spread("doc", _json(doc)),
    }
    packed = [_pack_state(fingerprint, state) for fingerprint, state in incident.alerts.items()]
    for part in range(0, len(packed), _ALERTS_IN_A_PROPERTY):
        row[f"alerts{part // _ALERTS_IN_A_PROPERTY}"] = ",".join(packed[part : part + _ALERTS_IN_A_PROPERTY])
    return row


def incident_of(row: Mapping[str, Any]) -> Incident:
    """The inverse of `incident_row`."""
    doc = json.loads(gathered(row, "doc"))
    alerts: dict[str, AlertState] = {}
    part = 0
    while packed := row.get(f"alerts{part}"):
        alerts.update(_unpack_state(text) for text in packed.split(","))
        part += 1
    partition, n = row["PartitionKey"], 9_999_999 - int(row["RowKey"][2:])
    return Incident(partition=partition, n=n, alerts=alerts, **incident_fields(doc))


def head_row(partition: str, head: Head) -> Row:
    """The partition's head."""
    early = {fingerprint: stamp(instant) for fingerprint, instant in head.resolved_early.items()}
    return {
        "PartitionKey": partition,
        "RowKey": "i|",
        "digest": head.digest,
        "next_n": head.next_n,
        "resolved_early": json.dumps(early),
    }


def head_of(row: Mapping[str, Any]) -> Head:
    """The inverse of `head_row`."""
    early = json.loads(row["resolved_early"])
    return Head(row["digest"], int(row["next_n"]), {key: parse_stamp(text) for key, text in early.items()})


def alert_row(incident: Incident, seen: AlertSeen, now: datetime) -> Row:
    """One alert's row, to be merged: what was first seen stays."""
    alert, state = seen.alert, seen.state
    row: Row = {
        "PartitionKey": incident.partition,
        "RowKey": f"a|{incident.n:07d}|{alert.fingerprint}",
        "name": bounded(alert.name, 1_100),
        "state": "firing" if state.firing else "resolved",
        "count": state.count,
        "started_at": stamp(state.started_at),
        "last_seen": stamp(now),
        "labels": bounded_json(alert.labels),
        "annotations": bounded_json(alert.annotations),
        "url": bounded_url(alert.url) or "",
    }
    if seen.new:
        row["first_seen"] = stamp(now)
    return row


def alert_of(row: Mapping[str, Any]) -> AlertRow:
    """An alert as stored."""
    return AlertRow(
        fingerprint=row["RowKey"].rsplit("|", 1)[1],
        name=row["name"],
        state=row["state"],
        count=int(row["count"]),
        started_at=parse_stamp(row["started_at"]),
        first_seen=parse_stamp(row.get("first_seen", row["last_seen"])),
        last_seen=parse_stamp(row["last_seen"]),
        labels=json.loads(row["labels"]),
        annotations=json.loads(row["annotations"]),
        url=row["url"] or None,
    )


def event_row(partition: str, key: str, event: Event) -> Row:
    """One event's row."""
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "subject": event.subject,
        "seq": event.seq,
        "type": event.type,
        "occurred_at": stamp(event.occurred_at),
        "recorded_at": stamp(event.recorded_at),
        "actor": event.actor,
        "previous": event.previous,
        "hash": event.hash,
        **spread("data", _json(event.data)),
    }


def event_of(row: Mapping[str, Any]) -> Event:
    """The inverse of `event_row`."""
    return Event(
        row["subject"],
        int(row["seq"]),
        row["type"],
        parse_stamp(row["occurred_at"]),
        parse_stamp(row["recorded_at"]),
        row["actor"],
        json.loads(gathered(row, "data")),
        row["previous"],
        row["hash"],
    )


def text_row(incident: Incident, seq: int, text: Text, sealing: Sealing | None, now: datetime) -> Row:
    """Free text beside its event, whole: doors refuse what would not fit. Raises StoreUnavailable."""
    place: Row = {"PartitionKey": incident.partition, "RowKey": text_key(incident.n, seq)}
    return sealed_row(place, text, sealing, now)


def delivery_row(partition: str, key: str, delivery: Delivery) -> Row:
    """One row of the outbox."""
    doc = {field.name: getattr(delivery, field.name) for field in fields(delivery)}
    message = {
        field.name: getattr(delivery.message, field.name)
        for field in fields(delivery.message)
        if field.name not in _SET_WHEN_SENT
    }
    message |= {
        "opened_at": stamp(delivery.message.opened_at),
        "title": bounded(delivery.message.title, 2_000),
        "summary": bounded(delivery.message.summary, 2_000),
        "source_url": bounded_url(delivery.message.source_url),
    }
    attempts = [
        {
            "at": stamp(a.at),
            "ok": a.accepted,
            "status": a.status,
            "id": a.provider_id,
            "error": a.error,
            "sent": stamp_or_none(a.sent_at),
        }
        for a in delivery.attempts
    ]
    times = {"owed_at": stamp(delivery.owed_at), "due_at": stamp(delivery.due_at)}
    doc |= {"message": message, "attempts": attempts} | times
    return {"PartitionKey": partition, "RowKey": key, "state": delivery.state, **spread("doc", _json(doc))}


def delivery_of(row: Mapping[str, Any]) -> Delivery:
    """The inverse of `delivery_row`."""
    doc = json.loads(gathered(row, "doc"))
    message = doc["message"] | {"opened_at": parse_stamp(doc["message"]["opened_at"])}
    message["earlier_words"] = tuple(message.get("earlier_words", ()))
    message["tried"] = tuple(message.get("tried", ()))
    message["rung"] = tuple(message["rung"]) if message.get("rung") else None
    doc["message"] = Message(**message)
    doc["attempts"] = tuple(
        Attempt(parse_stamp(a["at"]), a["ok"], a["status"], a["id"], a["error"], parse_or_none(a.get("sent")))
        for a in doc["attempts"]
    )
    doc |= {"owed_at": parse_stamp(doc["owed_at"]), "due_at": parse_stamp(doc["due_at"])}
    return Delivery(**doc)


def journal_row(partition: str, journal: Journal, commits: str) -> Row:
    """A journal's head."""
    return {
        "PartitionKey": partition,
        "RowKey": "i|",
        "length": journal.length,
        "head": journal.head,
        "recorded_at": stamp_or_none(journal.recorded_at) or "",
        "version": journal.version,
        "week": journal.week,
        "commits": commits,
    }


def joined_commits(before: str, commit: str) -> str:
    """The last commit ids of a row, newest last."""
    return " ".join([*before.split(), commit][-COMMITS_KEPT:])


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _pack_state(fingerprint: str, state: AlertState) -> str:
    micros = (state.started_at - _EPOCH) // timedelta(microseconds=1)
    return f"{fingerprint}:{'F' if state.firing else 'R'}:{micros}:{state.count}"


def _unpack_state(text: str) -> tuple[str, AlertState]:
    fingerprint, letter, micros, count = text.split(":")
    started = _EPOCH + timedelta(microseconds=int(micros))
    return fingerprint, AlertState(letter == "F", started, int(count))
