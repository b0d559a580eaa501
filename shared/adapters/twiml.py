"""TwiML: what Twilio says or texts next. Everything that goes in is escaped here, and only here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

RESPONSE = '<?xml version="1.0" encoding="UTF-8"?><Response>{}</Response>'
ACKNOWLEDGE, RESOLVE = "Press 1 to acknowledge.", "Press 2 to resolve."
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WAIT = "8"
"""Seconds in which a key must follow."""


def keys(*, resolvable: bool) -> str:
    """Which key does what; ``resolvable`` says whether one resolves."""
    return f"{ACKNOWLEDGE} {RESOLVE}" if resolvable else ACKNOWLEDGE


def say(text: str, options: Mapping[str, str]) -> str:
    """``text`` read aloud, in the voice and language that the channel's options name."""
    chosen = "".join(
        f" {name}={quoteattr(options[name])}" for name in ("voice", "language") if options.get(name)
    )
    return f"<Say{chosen}>{_text(text)}</Say>"


def gather(said: str, action: str | None = None) -> str:
    """One key, which goes to ``action``; None: to the address that this is the answer of."""
    to = "" if action is None else f" action={quoteattr(action)}"
    return f'<Gather input="dtmf" numDigits="1" timeout="{_WAIT}"{to} method="POST">{said}</Gather>'


def message(text: str) -> str:
    """``text`` sent back to whoever wrote."""
    return f"<Message>{_text(text)}</Message>"


def _text(text: str) -> str:
    return escape(_NOT_XML.sub(" ", text))
