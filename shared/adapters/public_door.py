"""Calls Tocsin's own public address, as monitoring systems do: whether alerts could get in."""

from __future__ import annotations

from datetime import datetime

from shared.adapters.channels.http_post import HttpPost, address
from shared.domain.errors import DeliveryFailed

PATIENCE_SECONDS = 5.0
PATH = "/api/v1/health/live"


class PublicDoor:
    """`keep_watch.Door` by HTTP."""

    def __init__(self, public_url: str, http: HttpPost) -> None:
        self._url = public_url.rstrip("/") + PATH
        self._http = http

    def answers(self, now: datetime) -> bool:
        """Whether it answers 2xx, itself and not by a redirect, within `PATIENCE_SECONDS`."""
        try:
            where = address(self._url, "PUBLIC_URL")
            self._http.send("GET", where, b"", {}, now, seconds=PATIENCE_SECONDS)
        except DeliveryFailed:
            return False
        return True
