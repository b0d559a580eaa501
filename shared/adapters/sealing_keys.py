"""Data keys: made here, kept wrapped in table `People`, and unwrapped in memory for at most an hour."""

from __future__ import annotations

import base64
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Protocol

from shared.adapters.entity_groups import create, point, span, submit, tag_of
from shared.adapters.entity_groups import replace as put_back
from shared.adapters.table_wire import WiredRow, WiredTable
from shared.domain.errors import Conflict, NotFound, SecretUnavailable, StoreUnavailable
from shared.domain.timeline import parse_stamp, stamp

PARTITION = "key"
KEY_BYTES = 32
SERVES = timedelta(days=90)
"""How long texts are sealed under one data key; it goes on opening them for good."""
KEPT_SECONDS = 3_600.0
"""How long an unwrapped key stays in memory at the most, whatever the vault does."""
FRESH_SECONDS = 2_700.0
"""When it is asked for anew; the rest of the hour is for a vault that does not answer."""
JITTER = 0.2
"""Share by which `FRESH_SECONDS` may be shorter, so that instances do not ask all at once."""
SILENT_SECONDS = 10.0
"""Pause before a vault that did not answer is asked again: a page of names waits for it once."""
WAIT_SECONDS = 3.0
"""How long a caller waits; what comes later still enters the cache."""
HELD_SECONDS = 0.5
"""How long a caller waits where the key is still in memory."""
_CURRENT = "current"
_BEFORE_ALL = "1970-01-01T00:00:00.000000Z"
"""The date of a key that was made for a name, by somebody whom nobody told the time: the first text replaces
it."""
_Fault = SecretUnavailable | StoreUnavailable | NotFound
_log = logging.getLogger(__name__)


class NotOurs(SecretUnavailable):
    """A data key that is never unwrapped here: another secret or another vault has wrapped it."""


class Wrapping(Protocol):
    """The key that wraps data keys."""

    def wrap(self, key: bytes, id: str) -> tuple[bytes, str]:
        """The wrapped key, and by what it was wrapped. Raises SecretUnavailable."""

    def unwrap(self, wrapped: bytes, id: str, by: str) -> bytes:
        """The inverse. Raises SecretUnavailable; NotOurs where it will not be otherwise later."""

    def renewed(self, wrapped: bytes, id: str, by: str) -> tuple[bytes, str] | None:
        """It wrapped anew, where what wrapped it is accepted only for a while yet; else None.

        Raises as `unwrap`.
        """


@dataclass(frozen=True)
class _Held:
    """A data key in memory, or why there is none; instants are of the cache's clock."""

    ask_again_at: float
    gone_at: float
    id: str = ""
    key: bytes = b""
    made_at: datetime | None = None
    why: _Fault | None = None
    served_on: bool = False
    """Whether it was asked for anew in vain: it is left alone until ``ask_again_at``."""

    def overdue(self, now: datetime | None) -> bool:
        """Whether texts are to be sealed under another by now."""
        return now is not None and self.made_at is not None and now - self.made_at >= SERVES


class DataKeys:
    """`sealing.Keys`; safe across threads, with one fetch at a time per key."""

    def __init__(
        self, table: WiredTable, wrapping: Wrapping, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock`` counts seconds."""
        self._table = table
        self._wrapping = wrapping
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._fetches: dict[str, Future[None]] = {}

    def current(self, now: datetime | None) -> tuple[str, bytes]:
        """The newest key; a new one where there is none, or it has served `SERVES` at ``now``.

        While no new one can be had, the one in memory serves on.
        """
        held = self._learnt(_CURRENT, lambda: self._newest(now))
        if held.overdue(now) and not held.served_on:
            with self._lock:
                if self._held.get(_CURRENT) == held:
                    self._held[_CURRENT] = replace(held, ask_again_at=self._clock())
            held = self._learnt(_CURRENT, lambda: self._newest(now), WAIT_SECONDS)
        return held.id, held.key

    def get(self, id: str) -> bytes:
        """The key of that id."""
        return self._learnt(id, lambda: self._read(id)).key

    def look(self) -> None:
        """Try what wraps keys, past everything in memory; storage that fails says nothing about it."""
        self._wrapping.wrap(os.urandom(KEY_BYTES), "look")
        try:
            rows = list(span(self._table, PARTITION, "", "~"))
        except StoreUnavailable:
            return
        for row in sorted(rows, key=_age)[-1:]:
            self._wrapping.unwrap(base64.b64decode(row["wrapped"]), row["RowKey"], row["by"])

    def _learnt(self, name: str, ask: Callable[[], _Held], patience: float = HELD_SECONDS) -> _Held:
        """``patience``: how long to wait, in seconds, where the key is still in memory."""
        with self._lock:
            held, now = self._held.get(name), self._clock()
            if held is not None and now >= held.gone_at:
                del self._held[name]
                held = None
            if held is not None and now < held.ask_again_at:
                return _or_raise(held)
            fetch = self._fetches.get(name) or self._start(name, ask)
        serves = held is not None and held.why is None
        if wait([fetch], timeout=patience if serves else WAIT_SECONDS).done:
            fetch.result()
            with self._lock:
                held = self._held.get(name) or held
        if held is None:
            raise SecretUnavailable("the key of names and texts: the vault did not answer in time")
        return _or_raise(held)

    def _start(self, name: str, ask: Callable[[], _Held]) -> Future[None]:
        threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tocsin-keys")
        self._fetches[name] = fetch = threads.submit(self._fetch, name, ask)
        threads.shutdown(wait=False)
        return fetch

    def _fetch(self, name: str, ask: Callable[[], _Held]) -> None:
        learnt: _Held | None = None
        try:
            learnt = ask()
        except (SecretUnavailable, StoreUnavailable, NotFound) as fault:
            _log.warning("the key of names and texts cannot be had: %s", fault)
            learnt = self._without(name, fault)
        finally:
            with self._lock:
                self._fetches.pop(name, None)
                if learnt is not None:
                    self._held[name] = learnt
                    if name == _CURRENT and learnt.why is None:
                        self._held[learnt.id] = learnt

    def _without(self, name: str, fault: _Fault) -> _Held:
        """What is in memory serves on for its hour; otherwise the fault is told for a while."""
        again = self._clock() + SILENT_SECONDS
        known = self._held.get(name)
        if known is not None and known.why is None and not isinstance(fault, NotFound):
            return replace(known, ask_again_at=again, served_on=True)
        return _Held(again, again, why=fault)

    def _newest(self, now: datetime | None) -> _Held:
        """Past those that are not ours: after a move to a vault, or a secret that was lost, texts go on."""
        rows = [self._renewed(row) for row in span(self._table, PARTITION, "", "~")]
        for row in sorted(rows, key=_age, reverse=True):
            if now is None or now - parse_stamp(row["made_at"]) < SERVES:
                try:
                    return self._unwrapped(row)
                except NotOurs as fault:
                    _log.warning("texts are sealed under another key: %s", fault)
        return self._make(now)

    def _make(self, now: datetime | None) -> _Held:
        """A new key; of two that are made at once both are kept, and one of them goes on."""
        key, id = os.urandom(KEY_BYTES), secrets.token_hex(8)
        wrapped, by = self._wrapping.wrap(key, id)
        made_at = stamp(now) if now is not None else _BEFORE_ALL
        row = {
            "PartitionKey": PARTITION,
            "RowKey": id,
            "wrapped": base64.b64encode(wrapped).decode("ascii"),
            "by": by,
            "made_at": made_at,
        }
        submit(self._table, [create(row)])
        _log.info("data key %s is in use for names and texts", id)
        return self._kept(id, key, parse_stamp(made_at))

    def _read(self, id: str) -> _Held:
        row = point(self._table, PARTITION, id)
        if row is None:
            raise NotFound(f"there is no data key {id}")
        return self._unwrapped(self._renewed(row))

    def _renewed(self, row: WiredRow) -> Mapping[str, Any]:
        """Wrapped under what is current: a value that is replaced once more would lose it otherwise."""
        try:
            anew = self._wrapping.renewed(base64.b64decode(row["wrapped"]), row["RowKey"], row["by"])
            if anew is None:
                return row
            wrapped = {**row, "wrapped": base64.b64encode(anew[0]).decode("ascii"), "by": anew[1]}
            submit(self._table, [put_back(wrapped, tag_of(row))])
        except (SecretUnavailable, StoreUnavailable, Conflict) as fault:
            _log.warning("data key %s is not wrapped anew: %s", row["RowKey"], fault)
            return row
        _log.info("data key %s is wrapped anew", row["RowKey"])
        return wrapped

    def _unwrapped(self, row: Mapping[str, Any]) -> _Held:
        id = row["RowKey"]
        key = self._wrapping.unwrap(base64.b64decode(row["wrapped"]), id, row["by"])
        if len(key) != KEY_BYTES:
            raise SecretUnavailable(f"data key {id} does not unwrap to a key")
        return self._kept(id, key, parse_stamp(row["made_at"]))

    def _kept(self, id: str, key: bytes, made_at: datetime) -> _Held:
        now = self._clock()
        fresh = FRESH_SECONDS * (1 - JITTER * SystemRandom().random())
        return _Held(now + fresh, now + KEPT_SECONDS, id, key, made_at)


def _age(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["made_at"]), str(row["RowKey"])


def _or_raise(held: _Held) -> _Held:
    if held.why is not None:
        raise type(held.why)(str(held.why))
    return held
