"""What people read of a message, in the same words on every channel, made from hostile text."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import quote
from zoneinfo import ZoneInfo

from shared.domain.delivery import Kind, Message

LINK_LIMIT = 2_000
ANSWER = "Acknowledge or resolve"
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Marks and overrides of text direction, with which a text can show something else than it says."""
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LINK = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?#][!-~]*)?", re.IGNORECASE
)
_DRILL = re.compile(r"\[\W{0,3}" + r"\W{0,3}".join("drill") + r"\W{0,3}\]", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|hr)\b[^>]*>|</(?:p|div|tr|li|h[1-6]|table|[uo]l|blockquote)\s*>", re.IGNORECASE)
_UNSEEN = re.compile(r"<!--.*?-->|<(style|title)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile("<[^>]*>")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
PREFIX: dict[Kind, str] = {
    "resolved": "Resolved: ",
    "alarm": "Alarm: ",
    "inform": "For information: ",
    "update": "Update: ",
    "reminder": "Update due: ",
    "role": "Your role: ",
    "cleared": "Cleared: ",
    "review": "Review: ",
    "action-item": "Action item: ",
    "digest": "Digest: ",
    "still-open": "Still open: ",
    "refresh": "Now: ",
}
"""What a headline begins with, so that nobody takes news for a page."""


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
    """``[SEV1] Resolved: checkout is slow``, or the plan's own subject, on one line, of any length.

    A drill says so first.
    """
    own = one_line(message.words.subject) if message.words else ""
    severity = one_line(message.severity)
    level = f"[{severity}] " if severity else ""
    return marked(message, own or f"{level}{PREFIX.get(message.kind, '')}{title(message)}")


def marked(message: Message, line: str) -> str:
    """``line`` beginning with ``[DRILL]`` where it is one; where it is meant, no text can claim otherwise."""
    return _DRILL.sub("(drill)", line) if message.drill is None else f"[DRILL] {line}"


def reason(message: Message) -> str:
    """Why it is sent, on one line; empty where the plan has words of its own."""
    return "" if own_words(message) else one_line(message.reason)


def body(message: Message) -> str:
    """The plan's own words, else the alert's summary, as `cleaned` text; may be empty."""
    return own_words(message) or cleaned(message.summary)


def own_words(message: Message) -> str:
    """The body of the plan's words as `cleaned` text, HTML without its tags; empty where there are none."""
    if message.words is None:
        return ""
    text: str = message.words.body
    return cleaned(_text_of_html(text) if own_html(message) else text)


def own_html(message: Message) -> str | None:
    """The body of the plan's words where it is HTML with every value escaped: it says so (``__html__``)."""
    html = None if message.words is None else getattr(message.words.body, "__html__", None)
    return None if html is None else cleaned(str(html()))


def _text_of_html(html: str) -> str:
    text = _TAG.sub("", _BREAK.sub("\n", _UNSEEN.sub("", " ".join(str(html).split()))))
    return _BLANK_LINES.sub("\n\n", unescape(text).replace("\n ", "\n"))


def title(message: Message) -> str:
    """The title on one line, never empty."""
    return one_line(message.title) or "(no title)"


def facts(message: Message) -> list[tuple[str, str]]:
    """What a responder looks for first, as label and one-line value."""
    opened = message.opened_at.astimezone(ZoneInfo(message.timezone)).strftime("%Y-%m-%d %H:%M:%S %Z")
    drill = {"Drill": message.drill} if message.drill is not None else {}
    values = drill | {
        "Incident": message.incident,
        "Severity": message.severity,
        "Service": message.service,
        "Status": _status(message),
        "Opened": opened,
        "Plan": message.plan,
    }
    if message.kind == "digest":
        values = {label: value for label, value in values.items() if one_line(value)}
    return [(label, shortened(one_line(value) or "-", 200)) for label, value in values.items()]


def _status(message: Message) -> str:
    has_it = message.status == "acknowledged" and message.holder
    return f"{message.status} by {message.holder}" if has_it else message.status


def links(message: Message) -> list[tuple[str, str]]:
    """The links that may be shown, as label and URL: where it can be answered comes first."""
    answer = answer_link(message)
    return [*([(ANSWER, answer)] if answer else []), *further_links(message)]


def further_links(message: Message) -> list[tuple[str, str]]:
    """The links that may be shown and answer nothing."""
    candidates = [
        ("Open incident", message.incident_url),
        ("Open runbook", message.runbook_url),
        ("Open alert", message.source_url),
    ]
    checked = [(label, safe_link(url)) for label, url in candidates]
    return [(label, url) for label, url in checked if url is not None]


def answer_link(message: Message) -> str | None:
    """The page on which it can be acknowledged or resolved; None where nothing is left to answer."""
    if message.answering is None or message.status == "resolved" or message.audience == "external":
        return None
    return safe_link(message.answering.page)
