"""Late answers to Slack, at the address that came with the call: a few tries, and only to Slack itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from shared.adapters.channels.http_post import HttpPost, address
from shared.domain.errors import DeliveryFailed

SLACK = "https://hooks.slack.com/"
TRIES = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
_NAMED = "the response_url"


class ResponseUrl:
    """`workflows.chat.LaterReplies`."""

    def __init__(
        self, http: HttpPost, base: str = SLACK, pause: Callable[[float], object] = time.sleep
    ) -> None:
        """``base``, which ends in a slash, is where every such address begins; ``pause`` waits seconds."""
        self._http = http
        self._base = base
        self._pause = pause

    def send(self, reply_to: str, payload: Mapping[str, Any], now: datetime) -> None:
        """Post it, at most `TRIES` times. Raises DeliveryFailed."""
        if not reply_to.startswith(self._base):
            raise DeliveryFailed(f"{_NAMED} does not lead to Slack", permanent=True)
        to = address(reply_to, _NAMED)
        body = json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json; charset=utf-8"}
        for tried in range(TRIES):
            try:
                self._http.post(to, body, headers, now)
            except DeliveryFailed as failure:
                if failure.permanent or tried == TRIES - 1:
                    raise
                wish = failure.retry_after
                self._pause(min(FIRST_PAUSE * 2**tried if wish is None else wish, LONGEST_PAUSE))
            else:
                return
