"""The entries of one page at Statuspage: each is marked with its incident and as of when it is."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.adapters.channels.downstream import as_json, field_of, place
from shared.adapters.channels.http_post import Answer, HttpPost, provider_id
from shared.domain.errors import DeliveryFailed
from shared.domain.plan import Channel as ChannelSpec
from shared.ports import Accepted

log = logging.getLogger(__name__)

VENDOR = "https://api.statuspage.io"
WHOLE, ASIDE = 25.0, 5.0
"""Seconds for all calls of one send, within the port's 30, and for one that the news do not depend on."""
LATEST = 50
"""Entries looked through for one of the incident."""
READ_LIMIT = 2 * 1024 * 1024
GONE = frozenset({404, 410})
TOO_MANY = 420
"""Statuspage's own word for 429: one call a second."""
ENTRY_ID = re.compile("[A-Za-z0-9_-]{1,64}")
"""Ids of Statuspage's as they may stand in a path."""
OVER = frozenset({"resolved", "postmortem"})
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Listed:
    """An entry of the incident as the page has it."""

    id: str
    created_at: datetime
    as_of: datetime
    """When the news that it tells were made ready, by our own clock."""
    over: bool


class Entries:
    """The entries with one mark on one page, by one key; the calls of one send share one limit of time."""

    def __init__(
        self,
        http: HttpPost,
        spec: ChannelSpec,
        page: str,
        key: str,
        idempotency_key: str,
        mark: Mapping[str, str],
        now: datetime,
    ) -> None:
        """``mark`` says whose entries are meant; ``now``, when the news were made ready."""
        self._http, self._spec, self._mark, self.as_of = http, spec, mark, now
        self._path = f"/v1/pages/{page}/incidents"
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"OAuth {key.strip()}",
            "Idempotency-Key": idempotency_key,
        }
        self._until = time.monotonic() + WHOLE

    @property
    def left(self) -> float:
        """Seconds that are left for further calls."""
        return self._until - time.monotonic()

    def made(self, stated: Mapping[str, Any]) -> Accepted:
        """A new entry. Raises DeliveryFailed, as all do but `delete`."""
        answer = self._call("POST", "", self._marked(stated))
        return Accepted(answer.status, provider_id(field_of(answer.body, "id")))

    def changed(self, entry: str, stated: Mapping[str, Any]) -> Accepted:
        """The entry goes on with these news."""
        answer = self._call("PATCH", f"/{entry}", self._marked(stated))
        return Accepted(answer.status, provider_id(field_of(answer.body, "id")) or entry)

    def listed(self, *, aside: bool = False) -> list[Listed]:
        """The latest ones with the mark; first the one to go on with: with the latest news, or made first."""
        answer = self._call("GET", f"?limit={LATEST}", None, ASIDE if aside else None)
        found = [self._listed(each) for each in _list_in(answer.body)]
        known = sorted((each for each in found if each), key=lambda each: (each.created_at, each.id))
        return sorted(known, key=lambda each: each.as_of, reverse=True)

    def has(self, entry: str | None) -> bool:
        """Whether the page has it, whatever a list says that comes behind; what has no id is not known."""
        try:
            if entry is not None:
                self._call("GET", f"/{entry}", None, ASIDE)
        except DeliveryFailed as failure:
            if failure.status not in GONE:
                raise
            return False
        return True

    def delete(self, entry: str) -> None:
        """Take an entry off the page; where that fails, the log says so."""
        try:
            self._call("DELETE", f"/{entry}", None, ASIDE)
        except DeliveryFailed as failure:
            if failure.status not in GONE:
                log.warning("a second entry stays on the page: %s", failure)

    def _marked(self, stated: Mapping[str, Any]) -> bytes:
        mark = {**self._mark, "as_of": self.as_of.astimezone(UTC).isoformat()}
        return as_json({"incident": {**stated, "metadata": {"tocsin": mark}}})

    def _listed(self, each: object) -> Listed | None:
        stated = each if isinstance(each, dict) else {}
        metadata = stated.get("metadata")
        mark = metadata.get("tocsin") if isinstance(metadata, dict) else None
        known = stated.get("id")
        if not isinstance(known, str) or not ENTRY_ID.fullmatch(known) or not isinstance(mark, dict):
            return None
        if any(mark.get(key) != value for key, value in self._mark.items()):
            return None
        over = stated.get("status") in OVER
        return Listed(known, _instant(stated.get("created_at")), _instant(mark.get("as_of")), over)

    def _call(self, method: str, path: str, body: bytes | None, at_most: float | None = None) -> Answer:
        seconds = self.left if at_most is None else min(self.left, at_most)
        where = place(self._spec, VENDOR, self._path + path)
        if seconds <= 0:
            raise DeliveryFailed(f"{where.named}: no time left", permanent=False)
        try:
            return self._http.send(
                method, where, body or b"", self._headers, self.as_of, seconds=seconds, limit=READ_LIMIT
            )
        except DeliveryFailed as failure:
            raise _as_temporary(failure) from None


def _list_in(body: bytes) -> list[Any]:
    try:
        stated = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return stated if isinstance(stated, list) else []


def _instant(text: object) -> datetime:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else _NEVER
    except ValueError:
        return _NEVER
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _as_temporary(failure: DeliveryFailed) -> DeliveryFailed:
    if failure.status != TOO_MANY:
        return failure
    return DeliveryFailed(str(failure), permanent=False, status=TOO_MANY, retry_after=failure.retry_after)
