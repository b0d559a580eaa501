"""The answers that the host gives itself, in the shape the app uses for its own errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; ``status`` is the whole status line without the version."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes = b""


class Refused(Exception):
    """The host answers instead of the app."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@lru_cache(maxsize=128)
def status_line(code: int) -> str:
    """``404 Not Found``; a code that nobody has named stands alone."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return f"{code} Status"


def problem(code: int, detail: str, *headers: tuple[str, str]) -> Reply:
    """An RFC 9457 answer."""
    body = {"type": "about:blank", "title": HTTPStatus(code).phrase, "status": code, "detail": detail}
    return Reply(
        status_line(code), [("Content-Type", "application/problem+json"), *headers], json.dumps(body).encode()
    )
