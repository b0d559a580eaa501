"""Keeps secrets out of logs: what was handed out is remembered, and blacked out wherever it turns up."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence

from shared.adapters.telling_parts import tellings
from shared.ports import Secrets

SHORTEST = 6
"""Shorter secrets are not blacked out: they would turn up in innocent words."""
BLACK = "[redacted]"
_SHAPES = (
    (r"(?i)(?<![\w-])((?:code|sig(?:nature)?|[\w-]*token)=)[^&\s\"'<>\\]+", rf"\1{BLACK}"),
    (r"(/[ae]/)[\w.~%=-]{16,}", rf"\1{BLACK}"),
    (r"(?i)\b((?:basic|bearer|geniekey|oauth|hmac) +)(?=\S*\d)[\w+/=.~%&:-]{8,}", rf"\1{BLACK}"),
    (r"(?i)\b(x-[\w-]*signature[\w-]*[\"']?\s*[:=]\s*b?[\"']?)[^\s\"',}]+", rf"\1{BLACK}"),
    (r"(?i)((?:access|account)key[\"']?\s*[:=]\s*[\"']?)[\w+/=-]{8,}", rf"\1{BLACK}"),
    (r"\bxox[a-z]-[\w-]{8,}", BLACK),
)
"""What looks like a key wherever it stands, though nobody handed it out: keys in queries, links that answer
or open a bundle, headers that sign or authenticate, keys in connection strings, Slack's tokens."""
_PATTERNS = tuple((re.compile(shape), black) for shape, black in _SHAPES)
_INNOCENT = frozenset(
    {"name", "levelname", "filename", "pathname", "module", "funcName", "processName", "asctime"}
)
"""Attributes of a record that come from the code and carry nothing else."""
_FORMATTER = logging.Formatter()


class Redactor(logging.Filter):
    """Belongs on every handler (a filter on a logger does not see its children's records); keeps all records.

    Safe across threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._remembered: frozenset[str] = frozenset()
        self._telling: tuple[str, ...] = ()
        """Longest first, so that the whole is blacked out before its parts."""

    def remember(self, secret: str) -> None:
        """Black out this value from now on; of a URL or connection string the telling parts too."""
        if secret in self._remembered:
            return
        with self._lock:
            self._remembered |= {secret}
            fresh = (part for part in tellings(secret) if len(part) >= SHORTEST)
            self._telling = tuple(sorted({*self._telling, *fresh}, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """``text`` without remembered secrets, nor anything that has the shape of a key."""
        found = [part for part in self._telling if part in text]
        if found:
            text = re.sub("|".join(map(re.escape, found)), BLACK, text)
        for pattern, black in _PATTERNS:
            text = pattern.sub(black, text)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place: message, traceback, stack and every text that was added to it."""
        record.msg, record.args = _message(record), None
        if record.exc_info and not record.exc_text:
            record.exc_text = _FORMATTER.formatException(record.exc_info)
        if record.exc_text and self.redact(record.exc_text) != record.exc_text:
            record.exc_info = None  # exporters would render it again from the exception itself
        for name, value in vars(record).items():
            if isinstance(value, str) and name not in _INNOCENT:
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

    def accepted(self, name: str) -> Sequence[str]:
        """The values that may have signed something. Raises SecretUnavailable."""
        values = self._secrets.accepted(name)
        for value in values:
            self._redactor.remember(value)
        return values

    def recheck(self, name: str) -> None:
        """Ask again at the next call."""
        self._secrets.recheck(name)

    def forget(self, name: str) -> bool:
        """Forget the cached value; an old value stays blacked out."""
        return self._secrets.forget(name)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg!s} {record.args!r}"  # a wrong format string must not bring down who logs
