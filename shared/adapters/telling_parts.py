"""The parts of a secret that tell as much as the whole, and the forms in which it turns up in texts."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

SHORTEST_PATH = 12
"""Shorter paths of secret URLs are innocent; libraries log them without the host."""
SHORTEST_PIECE = 16
"""The same of one piece of a path or of a query."""
SHORTEST_ENCODED = 12
"""Bytes from which on a secret is known in Base64, whatever stands before it (``user:secret``)."""
_KEYS = frozenset(
    {"accesskey", "accountkey", "sharedaccesskey", "sharedaccesssignature"}
    | {"password", "pwd", "key", "secret", "token"}
)
"""Names of the telling parts of a connection string."""
_PLAIN = frozenset({"http", "https", "smtp", "smtps", "smtp+starttls"})
"""Schemes whose addresses name a host where others (Apprise's) may have a token."""


def tellings(secret: str) -> set[str]:
    """The secret, its telling parts, and their other forms."""
    stripped = secret.strip()
    parts = {secret, stripped, *_of_connection_string(stripped)}
    for address in re.split(r"[\s,]+(?=[\w+.-]+://)", stripped):
        parts.update(_of_url(address))
    return {form for part in parts if part for form in _forms(part)}


def _forms(part: str) -> Iterator[str]:
    yield part
    yield quote(part, safe="")
    yield json.dumps(part)[1:-1]
    yield repr(part)[1:-1]
    raw = part.encode("utf-8")
    if len(raw) >= SHORTEST_ENCODED:
        yield from _encoded(raw)


def _encoded(raw: bytes) -> Iterator[str]:
    """What stands in Base64 wherever these bytes do: three ways, by how many bytes stand before them."""
    for before in range(3):
        text = b64encode(bytes(before) + raw).decode("ascii")
        whole = text[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield whole
        yield whole.replace("+", "-").replace("/", "_")


def _of_connection_string(text: str) -> Iterator[str]:
    """``endpoint=https://…;accesskey=…``"""
    for part in text.split(";") if ";" in text else ():
        name, _, value = part.partition("=")
        if name.strip().lower() in _KEYS:
            yield value.strip()


def _of_url(text: str) -> Iterator[str]:
    try:
        url = urlsplit(text)
    except ValueError:
        return
    if not url.scheme or not url.netloc:
        return
    yield from _both(url.password or "")
    if url.scheme.lower() not in _PLAIN:
        yield from _of_netloc(url)
    path = url.path + (f"?{url.query}" if url.query else "")
    yield from (piece for piece in (path, url.path) if len(piece) >= SHORTEST_PATH)
    pieces = [*url.path.split("/"), *(value for _, value in parse_qsl(url.query))]
    for piece in pieces:
        if len(piece) >= SHORTEST_PIECE:
            yield from _both(piece)


def _of_netloc(url: SplitResult) -> Iterator[str]:
    """Where a scheme of its own may put a token: ``tgram://123456:token/chat``."""
    for piece in (url.netloc, *re.split("[:@]", url.netloc)):
        if len(piece) >= SHORTEST_PATH:
            yield from _both(piece)


def _both(piece: str) -> tuple[str, str]:
    return piece, unquote(piece)
