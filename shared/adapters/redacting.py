"""Keeps secrets out of logs: what was handed out is remembered, and blacked out wherever it turns up."""

from __future__ import annotations

import logging
import re
import threading
from urllib.parse import quote, unquote, urlsplit

from shared.ports import Secrets

SHORTEST = 6
"""Shorter secrets are not blacked out: they would turn up in innocent words."""
SHORTEST_PATH = 12
"""The same for the path of a secret URL, which libraries log without its host."""
BLACK = "[redacted]"
_QUERY = re.compile(r"(?i)(?<![\w-])(code|sig|[\w-]*token)=[^&\s\"'<>\\]+")
_FORMATTER = logging.Formatter()


class Redactor(logging.Filter):
    """Belongs on every handler (a filter on a logger does not see its children's records); keeps all records.

    Safe across threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._remembered: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def remember(self, secret: str) -> None:
        """Black out this value from now on, and where it is a URL the telling parts of it too."""
        if secret in self._remembered:
            return
        with self._lock:
            self._remembered |= {secret, *_tellings(secret)}
            telling = sorted(
                (part for part in self._remembered if len(part) >= SHORTEST), key=len, reverse=True
            )
            self._pattern = re.compile("|".join(map(re.escape, telling))) if telling else None

    def redact(self, text: str) -> str:
        """``text`` without remembered secrets, nor values of the query parameters code, sig and token."""
        if self._pattern is not None:
            text = self._pattern.sub(BLACK, text)
        return _QUERY.sub(rf"\1={BLACK}", text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place: message, traceback, stack and every text that was added to it."""
        record.msg, record.args = _message(record), None
        if record.exc_info and not record.exc_text:
            record.exc_text = _FORMATTER.formatException(record.exc_info)
        if record.exc_text and self.redact(record.exc_text) != record.exc_text:
            record.exc_info = None  # exporters would render it again from the exception itself
        for name, value in vars(record).items():
            if isinstance(value, str):
                setattr(record, name, self.redact(value))
        return True


class RememberingSecrets:
    """Hands out another adapter's secrets, each of them remembered by the redactor first."""

    def __init__(self, secrets: Secrets, redactor: Redactor) -> None:
        self._secrets = secrets
        self._redactor = redactor

    def get(self, name: str) -> str:
        """The secret's value. Raises SecretUnavailable."""
        value = self._secrets.get(name)
        self._redactor.remember(value)
        return value

    def forget(self, name: str) -> None:
        """Forget the cached value; an old value stays blacked out."""
        self._secrets.forget(name)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg!s} {record.args!r}"  # a wrong format string must not bring down who logs


def _tellings(secret: str) -> set[str]:
    """Forms of a secret, and parts of a secret URL, that tell as much as the whole."""
    stripped = secret.strip()
    forms = {stripped, quote(stripped, safe="")}
    try:
        parts = urlsplit(stripped)
    except ValueError:
        return forms
    if not parts.scheme or not parts.netloc:
        return forms
    forms |= {parts.password or "", unquote(parts.password or "")}
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return forms | {piece for piece in (path, parts.path) if len(piece) >= SHORTEST_PATH}
