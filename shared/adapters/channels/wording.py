"""What people read of a message, in the same words on every channel, made from hostile text."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from urllib.parse import quote

from shared.domain.delivery import Message

LINK_LIMIT = 2_000
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks and overrides of text direction, with which a text can show something else than it says."""
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LINK = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?#][!-~]*)?", re.IGNORECASE
)
_PREFIX = {"resolved": "Resolved: ", "alarm": "Alarm: "}


def cleaned(text: str) -> str:
    """Lines of visible text: no controls but newline and tab, no direction overrides, no lone surrogates."""
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", text)).strip()


def one_line(text: str) -> str:
    """`cleaned`, on one line."""
    return " ".join(cleaned(text).split())


def shortened(text: str, limit: int, escape: Callable[[str], str] = str) -> str:
    """``text`` escaped character by character, within ``limit`` UTF-16 units; ``…`` marks what was cut."""
    pieces: list[str] = []
    length, fits = 0, 0
    for character in text:
        piece = escape(character)
        length += units(piece)
        if length > limit:
            return "".join(pieces[:fits]) + "…"
        pieces.append(piece)
        if length < limit:
            fits = len(pieces)
    return "".join(pieces)


def units(text: str) -> int:
    """Length in UTF-16 units, as the providers count: an emoji is two."""
    return len(text) + sum(character > "\uffff" for character in text)


def safe_link(url: str | None) -> str | None:
    """A link that may be shown: http(s), a host without user or password, percent-encoded; else None."""
    if not url or len(url) > LINK_LIMIT:
        return None
    link = quote(url.strip(), safe="%/:=&?~#+!$,;@*[]-._", errors="replace")
    return link if len(link) <= LINK_LIMIT and _LINK.fullmatch(link) else None


def headline(message: Message) -> str:
    """``[SEV1] Resolved: checkout is slow``, on one line, of any length."""
    return f"[{one_line(message.severity)}] {_PREFIX.get(message.kind, '')}{title(message)}"


def title(message: Message) -> str:
    """The title on one line, never empty."""
    return one_line(message.title) or "(no title)"


def facts(message: Message) -> list[tuple[str, str]]:
    """What a responder looks for first, as label and one-line value."""
    opened = message.opened_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    values = {
        "Incident": message.incident,
        "Severity": message.severity,
        "Service": message.service,
        "Status": message.status,
        "Opened": opened,
        "Plan": message.plan,
    }
    return [(label, shortened(one_line(value) or "-", 200)) for label, value in values.items()]


def links(message: Message) -> list[tuple[str, str]]:
    """The links that may be shown, as label and URL."""
    candidates = [("Open incident", message.incident_url), ("Open alert", message.source_url)]
    checked = [(label, safe_link(url)) for label, url in candidates]
    return [(label, url) for label, url in checked if url is not None]
