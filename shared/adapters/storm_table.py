"""Table `Agenda`, one partition a contact: what it was sent of late, and what is gathered for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from shared.adapters.entity_groups import (
    Operation,
    create,
    delete,
    new_commit,
    point,
    replace,
    span,
    submit,
    submit_once,
    tag_of,
)
from shared.adapters.row_texts import gathered, spread
from shared.adapters.table_wire import WiredTable
from shared.domain.errors import StoreUnavailable
from shared.domain.storm import Counted, Entry, Gathering, Kept, StormState, Told
from shared.domain.timeline import parse_or_none, parse_stamp, stamp, stamp_or_none

MOST_FORGOTTEN = 20
"""Rows that one call drops."""
_STATE = "state"
_GATHERING = "g|"


class StormTable:
    """`ports.Storms` on Azure Table Storage; a row that cannot be read counts as storage that fails."""

    def __init__(self, table: WiredTable) -> None:
        self.table = table

    def state(self, plan: str, contact: str) -> Kept[StormState]:
        """What the contact was sent of late; without a tag where it never was."""
        row = point(self.table, _partition(plan, contact), _STATE)
        if row is None:
            return Kept(StormState(), None)
        with _legible():
            return Kept(_state(_read(row)), tag_of(row))

    def gathering(self, plan: str, contact: str, key: str) -> Kept[Gathering] | None:
        """One gathering, in whatever state; None where there is none (any more)."""
        row = point(self.table, _partition(plan, contact), f"{_GATHERING}{key}")
        if row is None:
            return None
        with _legible():
            return Kept(_gathering(_read(row)), tag_of(row))

    def save(self, plan: str, contact: str, *rows: Kept[StormState] | Kept[Gathering]) -> list[str]:
        """Store all of the rows or none; their new tags, in order. Raises Conflict where one has moved on."""
        partition, commit = _partition(plan, contact), new_commit()
        keys = [_key(row.value) for row in rows]
        operations = [_operation(partition, commit, row) for row in rows]
        tags = submit_once(self.table, operations, commit, lambda: point(self.table, partition, keys[-1]))
        if tags is not None:
            return tags
        written = [point(self.table, partition, key) for key in keys]
        return [tag_of(row) if row is not None else "" for row in written]

    def forget(self, plan: str, contact: str, before: datetime) -> None:
        """Drop gatherings that were opened before that."""
        partition = _partition(plan, contact)
        high = f"{_GATHERING}{before.astimezone(UTC):%Y%m%dT%H%M%S%f}"
        old = list(span(self.table, partition, _GATHERING, high, top=MOST_FORGOTTEN))
        if old:
            submit(self.table, [delete(row) for row in old[:MOST_FORGOTTEN]])


def _partition(plan: str, contact: str) -> str:
    return f"storm|{plan}|{contact}"


def _key(value: StormState | Gathering) -> str:
    return _STATE if isinstance(value, StormState) else f"{_GATHERING}{value.key}"


def _operation(partition: str, commit: str, kept: Kept[StormState] | Kept[Gathering]) -> Operation:
    value = kept.value
    doc = _state_json(value) if isinstance(value, StormState) else _gathering_json(value)
    text = json.dumps(doc, ensure_ascii=False, separators=(",", ":"))
    row = {
        "PartitionKey": partition,
        "RowKey": _key(value),
        "commits": commit,
        **spread("doc", text),
    }
    return create(row) if kept.tag is None else replace(row, kept.tag)


@contextmanager
def _legible() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise StoreUnavailable("the row cannot be read") from error


def _read(row: Mapping[str, Any]) -> Any:  # noqa: ANN401  (our own JSON)
    return json.loads(gathered(row, "doc"))


def _state_json(state: StormState) -> dict[str, Any]:
    return {
        "counted": [
            [each.message, each.delivery, each.nth, stamp(each.at), each.page] for each in state.counted
        ],
        "gathering": state.gathering,
        "singly_until": stamp_or_none(state.singly_until),
    }


def _state(found: Mapping[str, Any]) -> StormState:
    counted = tuple(
        Counted(message, delivery, nth, parse_stamp(at), *page)
        for message, delivery, nth, at, *page in found["counted"]
    )
    return StormState(counted, found["gathering"], parse_or_none(found["singly_until"]))


def _gathering_json(gathering: Gathering) -> dict[str, Any]:
    told = gathering.told
    return {
        "key": gathering.key,
        "opened_at": stamp(gathering.opened_at),
        "until": stamp(gathering.until),
        "entries": [[getattr(each, name) for name in _ENTRY] for each in gathering.entries],
        "state": gathering.state,
        "claims": gathering.claims,
        "told": told and _fields(told) | {"at": stamp(told.at), "sent_at": stamp(told.sent_at)},
    }


def _gathering(found: Mapping[str, Any]) -> Gathering:
    told = found["told"]
    instants = {name: parse_stamp(told[name]) for name in ("at", "sent_at")} if told else {}
    return Gathering(
        found["key"],
        parse_stamp(found["opened_at"]),
        parse_stamp(found["until"]),
        tuple(Entry(*values[: len(_ENTRY)]) for values in found["entries"]),
        found["state"],
        found["claims"],
        Told(**(told | instants)) if told else None,
    )


_ENTRY = tuple(field.name for field in fields(Entry))


def _fields(told: Told) -> dict[str, Any]:
    return {field.name: getattr(told, field.name) for field in fields(told)}
